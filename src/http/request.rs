//! The body of a recovery query, checked by the same decoder and limits as events.

use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::fields::Fields;
use super::problem::Problem;
use crate::engine::{EngineSettings, Record, RecoveryQuery, decode, validate};
use crate::model::event::{ResumeRequested, SessionBody, Subject};
use crate::model::ids::{SessionId, TenantId, UserId};
use crate::model::position::Position;

/// Fields a query may have.
const FIELDS: [&str; 8] =
    ["session_id", "user_id", "cache", "prefix", "context", "candidate_workers", "at_least", "wait_ms"];
/// What the shared records may have. An event passes over what it does not know, since its producer may be newer; who asks
/// is told.
const KNOWN: [(&str, &[&str]); 4] = [
    ("cache", &["namespace", "adapter", "salt_id"]),
    ("cache.adapter", &["id", "version"]),
    ("prefix", &["algorithm", "block_tokens", "stride", "from_block", "hashes"]),
    ("context", &["space", "vector", "covers_turn"]),
];
/// Most workers that a session could be placed on.
pub(super) const WORKERS: usize = 256;

/// Reads a query. Errors name the field.
pub(super) fn recovery_query(
    engine: &EngineSettings,
    tenant: TenantId,
    fields: Fields,
) -> Result<RecoveryQuery, Problem> {
    let mut fields = fields.only(&FIELDS)?;
    let session = fields.checked("session_id", SessionId::new)?;
    let user = fields.checked("user_id", UserId::new)?;
    let candidate_workers = fields.names("candidate_workers", WORKERS)?;
    let request = resume_requested(engine, &tenant, fields.rest())?;
    let by_chain = request.prefix.is_some() && request.cache.is_some();
    if session.is_none() && user.is_none() && !by_chain {
        return Err(Problem::field("session_id", "a query needs session_id, user_id, or prefix and cache"));
    }
    Ok(RecoveryQuery { tenant, session, user, request, candidate_workers })
}

/// Reads what a query shares with the event `resume_requested` as that event, so that both mean the same.
pub(super) fn resume_requested(
    engine: &EngineSettings,
    tenant: &TenantId,
    mut fields: Map<String, Value>,
) -> Result<ResumeRequested, Problem> {
    for (path, known) in KNOWN {
        let (name, inner) = path.split_once('.').map_or((path, None), |(name, inner)| (name, Some(inner)));
        let object = fields.get(name).and_then(|value| inner.map_or(Some(value), |inner| value.get(inner)));
        let mut names = object.and_then(Value::as_object).into_iter().flat_map(Map::keys);
        if let Some(unknown) = names.find(|name| !known.contains(&name.as_str())) {
            let fault = format!("unknown field; known are {}", known.join(", "));
            return Err(Problem::field(format!("{path}.{unknown}"), fault));
        }
    }
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
