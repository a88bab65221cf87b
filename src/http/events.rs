//! The events that a session's state stands on.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use serde_json::{Value, json};

use super::answer::Placed;
use super::openapi;
use super::problem::Problem;
use super::queries::{self, Parameters, with_place};
use super::seen::Seen;
use crate::engine::NamedEvent;

/// `GET /v1/tenants/{tenant}/sessions/{session}/events`: of each facet the event that set it, in the order of events.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/sessions/{session}/events", operation_id = "getSessionEvents",
    tag = "sessions", summary = "The events that a session's state stands on",
    params(openapi::OfSession, openapi::Fresh),
    responses((status = 200, description = "The events", body = openapi::EventsAnswer)))]
pub(super) async fn of_session(
    seen: Seen,
    path: Result<Path<(String, String)>, PathRejection>,
    query: Parameters,
) -> Result<Placed, Problem> {
    let (tenant, session) = queries::session_ids(path)?;
    queries::freshly(&seen, &tenant, query).await?;
    let answer = seen.events(&tenant, &session).map_err(queries::unless_session)?;
    let events: Vec<Value> = answer.value.iter().map(event_json).collect();
    Ok(with_place(json!({"events": events}), &answer))
}

fn event_json(NamedEvent { stamp, sets }: &NamedEvent) -> Value {
    let sets: Vec<Value> = sets.iter().map(|(facet, value)| json!({"facet": facet, "value": value})).collect();
    json!({"event_id": stamp.event_id.as_str(), "occurred_at": stamp.at.0, "seq": stamp.seq, "sets": sets})
}
