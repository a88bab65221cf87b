//! What stands before the handlers: who asks, whether they may, how often and how many at a time, how long it may
//! take; and what is written down of it. Knows no handler: each route says which role it needs.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use http_body::{Frame, SizeHint};
use tokio::sync::Semaphore;

use super::audit::Call;
use super::auth::{Authority, ClientName, Denied, Grant, Role, Tenants};
use super::problem::Problem;
use super::rate::Rates;
use super::settings::LimitSettings;
use crate::telemetry::{Metrics, Refusal};

/// Seconds after which asking again makes sense, where too many asked at once.
const RETRY_SECONDS: u64 = 1;

/// The gate of an edge.
pub(super) struct Gate {
    authority: Authority,
    limits: Option<Limits>,
    metrics: Arc<Metrics>,
}

struct Limits {
    rates: Rates,
    room: Semaphore,
    most: usize,
    within: Duration,
}

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Need {
    /// The least role.
    pub role: Role,
    /// Whether it tells of all tenants at once.
    pub of_all: bool,
}

impl Gate {
    /// `limits`: none for a server that has its own, and needs no timer then.
    pub fn new(authority: Authority, limits: Option<&LimitSettings>, metrics: Arc<Metrics>) -> Arc<Gate> {
        let limits = limits.map(|limits| Limits {
            rates: Rates::new(limits.rate, limits.burst),
            room: Semaphore::new(limits.requests),
            most: limits.requests,
            within: limits.request,
        });
        Arc::new(Gate { authority, limits, metrics })
    }

    /// A route whose caller needs this role.
    pub fn needs<S: Clone + Send + Sync + 'static>(
        self: &Arc<Gate>,
        role: Role,
        methods: MethodRouter<S>,
    ) -> MethodRouter<S> {
        self.guard(Need { role, of_all: false }, methods)
    }

    /// The same for what tells of all tenants at once.
    pub fn needs_all<S: Clone + Send + Sync + 'static>(
        self: &Arc<Gate>,
        role: Role,
        methods: MethodRouter<S>,
    ) -> MethodRouter<S> {
        self.guard(Need { role, of_all: true }, methods)
    }

    fn guard<S: Clone + Send + Sync + 'static>(
        self: &Arc<Gate>,
        need: Need,
        methods: MethodRouter<S>,
    ) -> MethodRouter<S> {
        methods.layer(middleware::from_fn_with_state((Arc::clone(self), need), pass))
    }

    fn refuse(&self, refusal: Refusal, problem: Problem) -> Response {
        self.metrics.http_refused(refusal);
        problem.into_response()
    }

    /// What keeps a request of this bearer out, by rights and rate.
    fn barrier(&self, need: Need, grant: &Grant) -> Option<(Refusal, Problem)> {
        if let Some(limits) = self.limits.as_ref().filter(|_| grant.by_token)
            && let Err(wait) = limits.rates.take(&grant.who, Instant::now())
        {
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "this token asks too often (http.rate_per_s)");
            return Some((Refusal::Rate, problem.retry_after(wait.as_secs() + 1)));
        }
        let label = need.role.label();
        if !grant.allows(need.role) {
            let detail = format!("this needs the role {label}, which the token does not have");
            return Some((Refusal::Role, Problem::new(StatusCode::FORBIDDEN, detail)));
        }
        if need.of_all && grant.tenants != Tenants::All {
            let detail = format!("this needs the role {label} for all tenants, which the token does not have");
            return Some((Refusal::Role, Problem::new(StatusCode::FORBIDDEN, detail)));
        }
        None
    }

    async fn admit(&self, need: Need, grant: &Grant, request: Request, next: Next) -> Response {
        if let Some((refusal, problem)) = self.barrier(need, grant) {
            return self.refuse(refusal, problem);
        }
        let Some(limits) = &self.limits else { return next.run(request).await };
        let Ok(_room) = limits.room.try_acquire() else {
            let detail = format!("{} requests are under way, which is the most (http.requests)", limits.most);
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(RETRY_SECONDS);
            return self.refuse(Refusal::Busy, problem);
        };
        let read = Arc::new(AtomicBool::new(request.body().is_end_stream()));
        let request = request.map(|body| Body::new(Watched { body, read: Arc::clone(&read) }));
        match tokio::time::timeout(limits.within, next.run(request)).await {
            Ok(response) => response,
            Err(_) => {
                let limit = format!("within {} ms (http.request_ms)", limits.within.as_millis());
                let problem = if read.load(Ordering::Relaxed) {
                    let detail = format!("no answer {limit}");
                    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(RETRY_SECONDS)
                } else {
                    Problem::new(StatusCode::REQUEST_TIMEOUT, format!("the body did not come {limit}"))
                };
                self.refuse(Refusal::Timeout, problem)
            }
        }
    }
}

/// Lets through who may, and writes down what is more than reading.
async fn pass(State((gate, need)): State<(Arc<Gate>, Need)>, request: Request, next: Next) -> Response {
    let Some(grant) = request.extensions().get::<Arc<Grant>>().cloned() else {
        return Problem::new(StatusCode::FORBIDDEN, "nothing is granted").into_response();
    };
    if need.role == Role::Read {
        return gate.admit(need, &grant, request, next).await;
    }
    let (call, request) = Call::of(&grant, need.role, request).await;
    let response = gate.admit(need, &grant, request, next).await;
    call.ended(response.status());
    response
}

/// Finds out who asks; without that nothing goes further.
pub(super) async fn identify(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    let client = request.extensions().get::<ClientName>();
    match gate.authority.grant(request.headers(), client) {
        Ok(grant) => {
            request.extensions_mut().insert(grant);
            next.run(request).await
        }
        Err(denied) => gate.refuse(denied.refusal(), denied.into()),
    }
}

/// Counts what is answered.
pub(super) async fn count(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let (method, begun) = (request.method().clone(), Instant::now());
    let response = next.run(request).await;
    let (route, status) = (route.as_ref().map(MatchedPath::as_str), response.status().as_u16());
    gate.metrics.http_request(route, method.as_str(), status, begun.elapsed());
    response
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Problem {
        match denied {
            Denied::NoKeys => Problem::unavailable(denied.to_string()),
            // Without a token nothing is said of an error (RFC 6750, 3.1).
            Denied::NoToken => Problem::unauthorized(denied.to_string(), "Bearer realm=\"rekindle\""),
            _ => {
                let error =
                    format!("Bearer realm=\"rekindle\", error=\"invalid_token\", error_description=\"{denied}\"");
                Problem::unauthorized(denied.to_string(), error)
            }
        }
    }
}

/// A body that tells when all of it was read.
struct Watched {
    body: Body,
    read: Arc<AtomicBool>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.read.store(true, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
