//! The body of a recovery query, checked by the same decoder and limits as events.

use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::problem::Problem;
use crate::engine::{EngineSettings, Record, RecoveryQuery, decode, validate};
use crate::model::event::{ResumeRequested, SessionBody, Subject};
use crate::model::ids::{SessionId, TenantId, UserId};
use crate::model::position::Position;

/// Fields a query may have.
const FIELDS: [&str; 5] = ["session_id", "user_id", "cache", "prefix", "context"];

/// Reads a query. Errors name the field.
pub(super) fn recovery_query(engine: &EngineSettings, tenant: TenantId, body: &[u8]) -> Result<RecoveryQuery, Problem> {
    let bad = |detail: &str| Problem::new(StatusCode::BAD_REQUEST, detail);
    // Only the place of the fault: the parser's message can repeat what was sent.
    let value: Value = serde_json::from_slice(body)
        .map_err(|e| bad(&format!("the body is not JSON: line {}, column {}", e.line(), e.column())))?;
    let Value::Object(mut fields) = value else {
        return Err(bad("the body must be a JSON object"));
    };
    if let Some(unknown) = fields.keys().find(|k| !FIELDS.contains(&k.as_str())) {
        return Err(Problem::field(unknown.clone(), format!("unknown field; known are {}", FIELDS.join(", "))));
    }
    let session = text(&mut fields, "session_id")?.map(|t| SessionId::new(&t)).transpose();
    let session = session.map_err(|e| Problem::field("session_id", e))?;
    let user = text(&mut fields, "user_id")?.map(|t| UserId::new(&t)).transpose();
    let user = user.map_err(|e| Problem::field("user_id", e))?;
    let request = resume_requested(engine, &tenant, fields)?;
    let by_chain = request.prefix.is_some() && request.cache.is_some();
    if session.is_none() && user.is_none() && !by_chain {
        return Err(Problem::field("session_id", "a query needs session_id, user_id, or prefix and cache"));
    }
    Ok(RecoveryQuery { tenant, session, user, request })
}

fn text(fields: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Problem> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Problem::field(name, "must be a string")),
    }
}

/// Reads what a query shares with the event `resume_requested` as that event, so that both mean the same.
fn resume_requested(
    engine: &EngineSettings,
    tenant: &TenantId,
    mut fields: Map<String, Value>,
) -> Result<ResumeRequested, Problem> {
    for (name, value) in
        [("type", "resume_requested"), ("event_id", "query"), ("tenant_id", tenant.as_str()), ("session_id", "query")]
    {
        fields.insert(name.to_owned(), Value::from(value));
    }
    fields.insert("occurred_at".to_owned(), Value::from(0));
    let bytes = Value::Object(fields).to_string().into_bytes();
    let record = Record {
        position: Position::default(),
        timestamp: None,
        key: None,
        value: Some(&bytes),
        traceparent: None,
        writer: None,
    };
    let event = decode::decode(&record).and_then(|event| validate::validate(event, engine, None));
    let event = event.map_err(|rejection| refused(&rejection.message))?;
    if let Some(fault) = event.context_fault {
        return Err(refused(&fault));
    }
    match event.subject {
        Subject::Session { body: SessionBody::ResumeRequested(request), .. } => Ok(request),
        _ => Err(Problem::new(StatusCode::BAD_REQUEST, "not a recovery query")),
    }
}

/// Messages of the decoder and of the limits begin with the field's path.
fn refused(message: &str) -> Problem {
    match message.split_once(": ") {
        Some((field, fault)) if !field.contains(' ') => Problem::field(field, fault),
        _ => Problem::new(StatusCode::BAD_REQUEST, message),
    }
}
