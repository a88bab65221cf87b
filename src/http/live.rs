//! The live page, and the two answers its overview is fed from. The page is whole in itself: no other host is asked.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

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

/// The page and its parts: the name of each, what it is, and its text.
const PAGE: &str = include_str!("page/index.html");
const PARTS: [(&str, &str, &str); 18] = [
    ("base.css", CSS, include_str!("page/base.css")),
    ("views.css", CSS, include_str!("page/views.css")),
    ("api.js", SCRIPT, include_str!("page/api.js")),
    ("dom.js", SCRIPT, include_str!("page/dom.js")),
    ("faults.js", SCRIPT, include_str!("page/faults.js")),
    ("find.js", SCRIPT, include_str!("page/find.js")),
    ("history.js", SCRIPT, include_str!("page/history.js")),
    ("links.js", SCRIPT, include_str!("page/links.js")),
    ("live.js", SCRIPT, include_str!("page/live.js")),
    ("main.js", SCRIPT, include_str!("page/main.js")),
    ("overview.js", SCRIPT, include_str!("page/overview.js")),
    ("search.js", SCRIPT, include_str!("page/search.js")),
    ("session.js", SCRIPT, include_str!("page/session.js")),
    ("sessions.js", SCRIPT, include_str!("page/sessions.js")),
    ("suggestion.js", SCRIPT, include_str!("page/suggestion.js")),
    ("timeline.js", SCRIPT, include_str!("page/timeline.js")),
    ("users.js", SCRIPT, include_str!("page/users.js")),
    ("words.js", SCRIPT, include_str!("page/words.js")),
];
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Lets the page load its own parts and ask its own host, and nothing else. A text never becomes markup or script,
/// whatever the page does with it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// `GET /`
#[utoipa::path(get, path = "/", operation_id = "getPage", tag = "service",
    summary = "The live page",
    responses((status = 200, description = "HTML", body = String, content_type = "text/html")))]
pub(super) async fn page() -> Response {
    plain("text/html; charset=utf-8", PAGE)
}

/// `GET /page/{file}`: a part of the page.
pub(super) async fn part(path: Result<Path<String>, PathRejection>) -> Result<Response, Problem> {
    let found = path.ok().and_then(|Path(file)| PARTS.iter().find(|(name, ..)| *name == file));
    let (_, kind, text) = found.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "no such resource"))?;
    Ok(plain(kind, text))
}

fn plain(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
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
