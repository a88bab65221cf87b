//! The live page and the two answers it is fed from. The page is whole in itself: no other host is asked.

use std::sync::LazyLock;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::health::restored;
use super::openapi;
use super::parameters::NoParameters;
use super::port::{PartitionPhase, PartitionStatus};
use super::problem::Problem;
use super::queries::{self, Parameters};
use super::seen::Seen;
use super::server::{App, Mode};
use crate::engine::EngineStats;
use crate::model::session::Status;

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");

static PAGE: LazyLock<String> =
    LazyLock::new(|| include_str!("page/index.html").replace("/*style*/", STYLE).replace("/*script*/", SCRIPT));

/// Lets the page run its own script and ask its own host, and nothing else.
static CONTENT_SECURITY_POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
});

/// `GET /`
#[utoipa::path(get, path = "/", operation_id = "getPage", tag = "service",
    summary = "The live page",
    responses((status = 200, description = "HTML", body = String, content_type = "text/html")))]
pub(super) async fn page() -> Response {
    let mut response = Html(PAGE.as_str()).into_response();
    let headers = response.headers_mut();
    // The policy is ASCII: constants and base64.
    if let Ok(policy) = HeaderValue::from_str(&CONTENT_SECURITY_POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// `GET /v1/status`: what this process is doing; and, to those who see all tenants, what it owns and has done.
#[utoipa::path(get, path = "/v1/status", operation_id = "getStatus", tag = "service",
    summary = "What this process is doing",
    responses((status = 200, description = "The status", body = openapi::StatusAnswer)))]
pub(super) async fn status(State(app): State<App>, seen: Seen, _: NoParameters) -> Json<Value> {
    let ready = app.port.ready();
    let mut status = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "started_at": app.started_at,
        "uptime_ms": app.started.elapsed().as_millis() as u64,
        "mode": match app.mode { Mode::Service => "service", Mode::Demo => "demo" },
        "ready": ready.is_ok(),
        "cause": ready.err(),
    });
    if seen.all() {
        figures(&app, &mut status);
    }
    Json(status)
}

/// Sums over all tenants.
fn figures(app: &App, status: &mut Value) {
    let partitions = app.port.partitions();
    let mut sum = EngineStats::default();
    for p in &partitions {
        for (total, part) in sum.sessions.iter_mut().zip(p.stats.sessions) {
            *total += part;
        }
        sum.gapped += p.stats.gapped;
        sum.open_suggestions += p.stats.open_suggestions;
    }
    let totals = app.metrics.totals();
    status["sessions"] = by_status(&sum).into();
    status["gapped_sessions"] = sum.gapped.into();
    status["open_suggestions"] = sum.open_suggestions.into();
    status["totals"] = json!({"records": totals.records, "rejected": totals.rejected,
        "transactions": totals.transactions, "saved_seconds": totals.saved_seconds});
    status["partitions"] = partitions.iter().map(partition).collect();
}

fn by_status(stats: &EngineStats) -> Map<String, Value> {
    Status::ALL.iter().zip(stats.sessions).map(|(status, n)| (status.label().to_owned(), json!(n))).collect()
}

fn partition(status: &PartitionStatus) -> Value {
    let (phase, cause) = match &status.phase {
        PartitionPhase::Restoring(_) => ("restoring", None),
        PartitionPhase::Running => ("running", None),
        PartitionPhase::Failed(cause) => ("failed", Some(cause)),
    };
    json!({"partition": status.partition.0, "phase": phase, "cause": cause, "restored": restored(&status.phase),
        "next_offset": status.next_offset.map(|o| o.0), "lag": status.lag, "sessions": by_status(&status.stats)})
}

/// `GET /feed?after=N`: the newest published suggestions after number N (default 0), oldest first.
#[utoipa::path(get, path = "/feed", operation_id = "getFeed", tag = "suggestions",
    summary = "The newest published suggestions",
    params(openapi::FeedParameters),
    responses((status = 200, description = "The suggestions", body = openapi::FeedAnswer)))]
pub(super) async fn feed(seen: Seen, query: Parameters) -> Result<Json<Value>, Problem> {
    let mut parameters = queries::parameters(query)?.only(&["after"])?;
    let after = parameters.whole("after", 0..=i64::MAX as u64)?.unwrap_or(0);
    let (last, items) = seen.feed(after);
    let items: Vec<Value> = items
        .into_iter()
        .filter_map(|(number, item)| {
            let suggestion: Value = serde_json::from_str(&item.json).ok()?;
            Some(json!({"number": number, "latency_ms": item.latency_ms, "suggestion": suggestion}))
        })
        .collect();
    Ok(Json(json!({"last": last, "items": items})))
}
