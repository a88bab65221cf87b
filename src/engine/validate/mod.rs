//! Decoded events to valid events: every limit of the contract. Messages name the field and the limit,
//! never the payload. Knows no state: what depends on history (erased, too late) is decided later.

mod body;
mod broadcast;
mod context;
mod field;
mod kv;
mod metadata;
mod prefix;
mod route;

pub use route::{check_route, home_partition, murmur2};

use std::sync::Arc;

use crate::engine::decode::wire;
use crate::engine::settings::EngineSettings;
use crate::model::event::{ErasureScope, Producer, SessionBody, Subject, ValidEvent};
use crate::model::ids::{EventId, SessionId, TenantId, UserId};
use crate::model::stamp::Stamp;
use crate::model::time::{EventTime, Millis};
use crate::model::verdict::{RejectReason, Rejection};
use field::{At, Checked};

/// How far an instant may lie ahead of the broker's timestamp, inclusive.
pub const MAX_AHEAD: Millis = Millis(5 * 60 * 1000);
/// The tenant of what concerns all tenants.
pub const ALL_TENANTS: &str = "*";

/// Checks every limit. `timestamp` is the broker's, if the record has one. Errors: `invalid_field`,
/// `missing_field`, `too_early`, `prefix_too_long`, and `bad_context` where the settings say so.
pub fn validate(
    event: wire::Event<'_>,
    settings: &EngineSettings,
    timestamp: Option<EventTime>,
) -> Result<ValidEvent, Rejection> {
    let wire::Event { envelope, body } = event;
    let event_id = At::field("event_id").check(EventId::new(&envelope.event_id))?;
    let occurred_at = At::field("occurred_at").instant(envelope.occurred_at.0)?;
    let producer = envelope.producer.as_ref().map(producer).transpose()?;
    let limits = Limits { settings, latest: latest_instant(occurred_at, timestamp)? };
    let seq = producer.as_ref().map_or(0, |p| p.seq);
    let stamp = Arc::new(Stamp { at: occurred_at, seq, event_id: event_id.clone(), digest: body.digest() });
    let mut context_fault = None;
    let subject = subject(&envelope, body, &limits, &mut context_fault)?;
    if settings.reject_bad_context
        && let Some(fault) = context_fault
    {
        return Err(Rejection::new(RejectReason::BadContext, fault));
    }
    Ok(ValidEvent { event_id, occurred_at, producer, stamp, subject, context_fault })
}

/// What the bodies are checked against.
pub(in crate::engine::validate) struct Limits<'a> {
    settings: &'a EngineSettings,
    /// No instant that already happened may lie later.
    latest: EventTime,
}

fn latest_instant(occurred_at: EventTime, timestamp: Option<EventTime>) -> Checked<EventTime> {
    let Some(timestamp) = timestamp else { return Ok(occurred_at.plus(MAX_AHEAD)) };
    let latest = timestamp.plus(MAX_AHEAD);
    if occurred_at > latest {
        return Err(At::field("occurred_at").too_early());
    }
    Ok(latest)
}

fn producer(producer: &wire::Producer<'_>) -> Checked<Producer> {
    let at = At::field("producer");
    Ok(Producer {
        id: at.to("id").name(&producer.id)?,
        epoch: at.to("epoch").count(producer.epoch)?,
        seq: at.to("seq").positive(producer.seq)?,
    })
}

fn subject(
    envelope: &wire::Envelope<'_>,
    body: wire::Body<'_>,
    limits: &Limits<'_>,
    context_fault: &mut Option<String>,
) -> Checked<Subject> {
    let for_all = envelope.tenant_id == ALL_TENANTS;
    if let Some(broadcast) = broadcast::check(&body)? {
        return match for_all {
            true => Ok(Subject::Broadcast(broadcast)),
            false => Err(At::field("tenant_id").invalid("must be '*' in worker, adapter and tick events")),
        };
    }
    if for_all {
        return Err(At::field("tenant_id").invalid("'*' is for worker, adapter and tick events alone"));
    }
    let tenant = At::field("tenant_id").check(TenantId::new(&envelope.tenant_id))?;
    if let wire::Body::SubjectErased(erased) = &body {
        return Ok(Subject::Erasure { tenant, scope: erasure_scope(envelope, erased)? });
    }
    let session = session_id(envelope)?;
    let user = At::field("user_id").optional(&envelope.user_id, |at, v| at.check(UserId::new(v)))?;
    let body: SessionBody = body::check(body, limits, context_fault)?;
    Ok(Subject::Session { tenant, session, user, body })
}

fn session_id(envelope: &wire::Envelope<'_>) -> Checked<SessionId> {
    let at = At::field("session_id");
    let text = envelope.session_id.as_deref().ok_or_else(|| at.missing())?;
    at.check(SessionId::new(text))
}

fn erasure_scope(envelope: &wire::Envelope<'_>, erased: &wire::SubjectErased<'_>) -> Checked<ErasureScope> {
    match &*erased.scope {
        "session" => Ok(ErasureScope::Session(session_id(envelope)?)),
        "user" => {
            let at = At::field("user_id");
            let text = envelope.user_id.as_deref().ok_or_else(|| at.missing())?;
            Ok(ErasureScope::User(at.check(UserId::new(text))?))
        }
        "tenant" => Ok(ErasureScope::Tenant),
        _ => Err(At::field("scope").invalid("must be one of session, user, tenant")),
    }
}
