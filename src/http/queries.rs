//! Queries: one session, and what to restore. Each answer says which part of the log it covers.

use std::time::Instant;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::port::{Answer, QueryError};
use super::problem::Problem;
use super::request;
use super::server::App;
use crate::engine::encode;
use crate::model::ids::{SessionId, TenantId};
use crate::model::suggestion::Publication;
use crate::model::time::EventTime;

/// `GET /v1/tenants/{tenant}/sessions/{session}`
pub(super) async fn session(
    State(app): State<App>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    let Path((tenant, session)) = path.map_err(bad_path)?;
    let tenant = TenantId::new(&tenant).map_err(|e| Problem::field("tenant_id", e))?;
    let session = SessionId::new(&session).map_err(|e| Problem::field("session_id", e))?;
    let answer = app.port.session(&tenant, &session).map_err(|e| match e {
        QueryError::NotFound => Problem::new(StatusCode::NOT_FOUND, "no such session"),
        other => other.into(),
    })?;
    let state = encode::state_json(&answer.value, true);
    Ok(Json(with_place("session", state, &answer)))
}

/// `POST /v1/tenants/{tenant}/recovery`
pub(super) async fn recovery(
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Problem> {
    let Path(tenant) = path.map_err(bad_path)?;
    let tenant = TenantId::new(&tenant).map_err(|e| Problem::field("tenant_id", e))?;
    let body = body.map_err(|e| Problem::new(e.status(), e.body_text()))?;
    let query = request::recovery_query(&app.engine, tenant, &body)?;
    let begun = Instant::now();
    let answer = app.port.recovery(&query);
    app.metrics.search(begun.elapsed());
    let answer = answer.map_err(|e| match e {
        QueryError::NotFound => Problem::new(StatusCode::NOT_FOUND, "neither the session nor the user is known"),
        other => other.into(),
    })?;
    let suggestion = encode::suggestion_json(&answer.value, &Publication::Open);
    Ok(Json(with_place("suggestion", suggestion, &answer)))
}

fn bad_path(rejection: PathRejection) -> Problem {
    Problem::new(rejection.status(), rejection.body_text())
}

fn with_place<T>(name: &str, value: Value, answer: &Answer<T>) -> Value {
    let stream_time = Some(answer.stream_time).filter(|t| *t != EventTime::MIN).map(|t| t.0);
    let as_of = json!({"partition": answer.as_of.partition.0, "offset": answer.as_of.offset.0});
    json!({name: value, "as_of": as_of, "stream_time": stream_time})
}
