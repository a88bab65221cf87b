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

use super::auth::Grant;
use super::base_url::BaseUrl;
use super::port::QueryPort;
use super::problem::Problem;
use super::scatter::{self, RANK};
use super::settings::Forward;
use super::spread::{Question, WITHIN};
use crate::model::ids::TenantId;
use crate::model::position::PartitionId;
use crate::telemetry::{Forwarded, Metrics};

/// Says that an instance sent a request on: it is not sent on again.
pub(super) const HOP: HeaderName = HeaderName::from_static("rekindle-forwarded");
/// How long a connection to another instance may take.
const CONNECT: Duration = Duration::from_secs(2);
/// Largest answer that is handed back, in bytes.
pub(super) const MAX_ANSWER: u64 = 64 << 20;

/// What is sent on of a request, and handed back of an answer, besides bodies.
const SENT: [HeaderName; 3] = [header::AUTHORIZATION, header::CONTENT_TYPE, header::ACCEPT];
const HANDED_BACK: [HeaderName; 5] =
    [header::CONTENT_TYPE, header::RETRY_AFTER, header::LOCATION, header::WWW_AUTHENTICATE, RANK];

/// Left in an answer: this partition is not answered for here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Elsewhere(pub PartitionId);

/// How requests are led on.
pub(super) struct Forwarder {
    pub port: Arc<dyn QueryPort>,
    pub metrics: Arc<Metrics>,
    forward: Forward,
    agent: ureq::Agent,
    /// Whether instances ask for certificates of their clients, of which this one has none.
    pub certificates: bool,
}

impl Forwarder {
    /// `within`: how long a request may take; `certificates`: see [`Forwarder::certificates`].
    pub fn new(
        forward: Forward,
        within: Duration,
        certificates: bool,
        port: Arc<dyn QueryPort>,
        metrics: Arc<Metrics>,
    ) -> Arc<Forwarder> {
        let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier).build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(within))
            .max_redirects(0)
            .http_status_as_error(false)
            // Instances reach each other without detours, whatever the environment says.
            .proxy(None)
            .build()
            .into();
        Arc::new(Forwarder { port, metrics, forward, agent, certificates })
    }

    /// Routes whose requests are led on.
    pub fn lead<S: Clone + Send + Sync + 'static>(
        self: &Arc<Forwarder>,
        question: Question,
        methods: MethodRouter<S>,
    ) -> MethodRouter<S> {
        methods.layer(middleware::from_fn_with_state((Arc::clone(self), question), lead))
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
        if self.forward == Forward::Redirect {
            self.metrics.http_forwarded(Forwarded::Redirected);
            return redirect(&location).unwrap_or(here);
        }
        match self.send(&asked, &url, partition, (HOP, HeaderValue::from_static("1"))).await {
            Ok(answer) => {
                self.metrics.http_forwarded(Forwarded::Proxied);
                answer
            }
            Err(problem) => problem.into_response(),
        }
    }

    /// Sends a request on, and says so by a header, to the instance of a partition. A problem where no answer comes.
    pub async fn send(
        &self,
        asked: &Asked,
        url: &BaseUrl,
        partition: PartitionId,
        said: (HeaderName, HeaderValue),
    ) -> Result<Response, Problem> {
        let (agent, location) = (self.agent.clone(), format!("{url}{}", asked.target));
        let (parts, body) = (asked.parts.clone(), asked.body.clone());
        // The client blocks: it does so where it holds up nobody.
        let sent = tokio::task::spawn_blocking(move || send(&agent, &location, parts, &body, said)).await;
        sent.unwrap_or_else(|_| Err("the attempt ended early".to_owned())).map_err(|cause| {
            tracing::warn!(%url, partition = partition.0, cause, "another instance could not be asked");
            self.metrics.http_forwarded(Forwarded::Failed);
            let detail = format!("partition {partition} is at another instance, which does not answer");
            Problem::unavailable(detail).of(partition)
        })
    }
}

/// What of a request is needed to send it on.
#[derive(Clone)]
pub(super) struct Asked {
    pub parts: Parts,
    pub body: Bytes,
    /// Path and query, as they came.
    target: String,
    tenant: Option<TenantId>,
    hopped: bool,
}

async fn lead(
    State((forwarder, question)): State<(Arc<Forwarder>, Question)>,
    request: Request,
    next: Next,
) -> Response {
    if request.headers().contains_key(WITHIN) {
        return scatter::part(next.run(request).await);
    }
    let (mut parts, body) = request.into_parts();
    let tenant = tenant(&mut parts).await;
    // The token decides before anything is looked up.
    let grant = parts.extensions.get::<Arc<Grant>>();
    let seen = tenant.as_ref().filter(|tenant| grant.is_some_and(|grant| grant.tenants.cover(tenant.as_str())));
    let spread = seen.and_then(|tenant| forwarder.spread(question, tenant));
    let body = match forwarder.forward {
        // Where it is only told where to go, who asks sends the body again.
        Forward::Redirect if spread.is_none() => Err(body),
        _ => match Bytes::from_request(Request::from_parts(parts.clone(), body), &()).await {
            Ok(body) => Ok(body),
            Err(refused) => return Problem::new(refused.status(), refused.body_text()).into_response(),
        },
    };
    // The rest of a URI that names a host is not for us to say.
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let hopped = parts.headers.contains_key(HOP);
    let read = body.as_ref().cloned().unwrap_or_default();
    let asked = Asked { parts: parts.clone(), body: read, target, tenant, hopped };
    if let Some(spread) = spread {
        return scatter::gather(&forwarder, question, asked, spread, next).await;
    }
    let response = next.run(Request::from_parts(parts, body.map_or_else(|body| body, Body::from))).await;
    let Some(elsewhere) = response.extensions().get::<Elsewhere>().copied() else { return response };
    forwarder.on(asked, elsewhere, response).await
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
fn send(
    agent: &ureq::Agent,
    location: &str,
    parts: Parts,
    body: &[u8],
    (name, value): (HeaderName, HeaderValue),
) -> Result<Response, String> {
    let mut request = ureq::http::Request::builder().method(parts.method).uri(location).header(name, value);
    for (name, value) in picked(&parts.headers, &SENT) {
        request = request.header(name, value);
    }
    let sent = if body.is_empty() {
        agent.run(request.body(()).map_err(|e| e.to_string())?)
    } else {
        agent.run(request.body(body).map_err(|e| e.to_string())?)
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
