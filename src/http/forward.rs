//! Requests for what another instance holds: who asks is told where, or the request is sent on and the answer handed
//! back. Only what the handlers, after all checks of token and request, found to be elsewhere comes to this.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

use super::port::QueryPort;
use super::problem::Problem;
use super::settings::Forward;
use crate::model::ids::TenantId;
use crate::model::position::PartitionId;
use crate::telemetry::{Forwarded, Metrics};

/// Says that an instance sent a request on: it is not sent on again.
pub(super) const HOP: HeaderName = HeaderName::from_static("rekindle-forwarded");
/// How long a connection to another instance may take, and where nothing is said an answer.
const CONNECT: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(10);
/// Largest answer that is handed back, in bytes.
const MAX_ANSWER: u64 = 64 << 20;

/// What is sent on of a request, and handed back of an answer, besides bodies.
const SENT: [HeaderName; 3] = [header::AUTHORIZATION, header::CONTENT_TYPE, header::ACCEPT];
const HANDED_BACK: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::RETRY_AFTER, header::LOCATION, header::WWW_AUTHENTICATE];

/// Left in an answer: this partition is not answered for here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Elsewhere(pub PartitionId);

/// How requests are led on.
pub(super) struct Forwarder {
    port: Arc<dyn QueryPort>,
    metrics: Arc<Metrics>,
    /// `None`: they are told where to go.
    agent: Option<ureq::Agent>,
}

impl Forwarder {
    /// `within`: how long a request may take.
    pub fn new(
        forward: Forward,
        within: Option<Duration>,
        port: Arc<dyn QueryPort>,
        metrics: Arc<Metrics>,
    ) -> Arc<Forwarder> {
        let agent = || {
            let tls =
                TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier).build();
            ureq::Agent::config_builder()
                .tls_config(tls)
                .timeout_connect(Some(CONNECT))
                .timeout_global(Some(within.unwrap_or(ANSWER)))
                .max_redirects(0)
                .http_status_as_error(false)
                // Instances reach each other without detours, whatever the environment says.
                .proxy(None)
                .build()
                .into()
        };
        Arc::new(Forwarder { port, metrics, agent: (forward == Forward::Proxy).then(agent) })
    }

    /// Routes whose requests are led on.
    pub fn lead<S: Clone + Send + Sync + 'static>(self: &Arc<Forwarder>, methods: MethodRouter<S>) -> MethodRouter<S> {
        methods.layer(middleware::from_fn_with_state(Arc::clone(self), lead))
    }

    /// What comes of a request whose partition is elsewhere.
    async fn on(&self, asked: Asked, Elsewhere(partition): Elsewhere, here: Response) -> Response {
        let Some(url) = asked.tenant.as_ref().and_then(|tenant| self.port.owner(tenant, partition)) else {
            return here;
        };
        if asked.hopped {
            self.metrics.http_forwarded(Forwarded::Refused);
            return here;
        }
        let location = format!("{url}{}", asked.target);
        let Some(agent) = &self.agent else {
            self.metrics.http_forwarded(Forwarded::Redirected);
            return redirect(&location).unwrap_or(here);
        };
        let agent = agent.clone();
        // The client blocks: it does so where it holds up nobody.
        let sent = tokio::task::spawn_blocking(move || send(&agent, &location, asked)).await;
        match sent.unwrap_or_else(|_| Err("the attempt ended early".to_owned())) {
            Ok(answer) => {
                self.metrics.http_forwarded(Forwarded::Proxied);
                answer
            }
            Err(cause) => {
                tracing::warn!(%url, partition = partition.0, cause, "another instance could not be asked");
                self.metrics.http_forwarded(Forwarded::Failed);
                let detail = format!("partition {partition} is at another instance, which does not answer");
                Problem::unavailable(detail).of(partition).into_response()
            }
        }
    }
}

/// What of a request is needed to send it on.
struct Asked {
    parts: Parts,
    body: Bytes,
    /// Path and query, as they came.
    target: String,
    tenant: Option<TenantId>,
    hopped: bool,
}

async fn lead(State(forwarder): State<Arc<Forwarder>>, request: Request, next: Next) -> Response {
    let (request, body) = match &forwarder.agent {
        // Where it is only told where to go, who asks sends the body again.
        None => (request, Bytes::new()),
        Some(_) => {
            let (parts, body) = request.into_parts();
            match Bytes::from_request(Request::from_parts(parts.clone(), body), &()).await {
                Ok(body) => (Request::from_parts(parts, Body::from(body.clone())), body),
                Err(refused) => return Problem::new(refused.status(), refused.body_text()).into_response(),
            }
        }
    };
    let (mut parts, inner) = request.into_parts();
    let copy = parts.clone();
    let tenant = tenant(&mut parts).await;
    let response = next.run(Request::from_parts(parts, inner)).await;
    let Some(elsewhere) = response.extensions().get::<Elsewhere>().copied() else { return response };
    // The rest of a URI that names a host is not for us to say.
    let target = copy.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let hopped = copy.headers.contains_key(HOP);
    forwarder.on(Asked { parts: copy, body, target, tenant, hopped }, elsewhere, response).await
}

async fn tenant(parts: &mut Parts) -> Option<TenantId> {
    let params = RawPathParams::from_request_parts(parts, &()).await.ok()?;
    let (_, tenant) = params.iter().find(|(name, _)| *name == "tenant")?;
    TenantId::new(tenant).ok()
}

fn redirect(location: &str) -> Option<Response> {
    let location = HeaderValue::from_str(location).ok()?;
    Some((StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)]).into_response())
}

/// Sends a request on. Blocks.
fn send(agent: &ureq::Agent, location: &str, asked: Asked) -> Result<Response, String> {
    let Asked { parts, body, .. } = asked;
    let mut request = ureq::http::Request::builder().method(parts.method).uri(location).header(HOP, "1");
    for (name, value) in picked(&parts.headers, &SENT) {
        request = request.header(name, value);
    }
    let sent = if body.is_empty() {
        agent.run(request.body(()).map_err(|e| e.to_string())?)
    } else {
        agent.run(request.body(&body[..]).map_err(|e| e.to_string())?)
    };
    let mut answer = sent.map_err(|e| e.to_string())?;
    let body = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().map_err(|e| e.to_string())?;
    let mut response = (answer.status(), body).into_response();
    // A body without a word of its type would be given one.
    response.headers_mut().remove(header::CONTENT_TYPE);
    for (name, value) in picked(answer.headers(), &HANDED_BACK) {
        response.headers_mut().append(name, value.clone());
    }
    Ok(response)
}

fn picked<'h>(
    headers: &'h HeaderMap,
    names: &'h [HeaderName],
) -> impl Iterator<Item = (&'h HeaderName, &'h HeaderValue)> {
    names.iter().flat_map(move |name| headers.get_all(name).iter().map(move |value| (name, value)))
}
