//! What a record says of whom and of when, as far as it can be read. What cannot be is left open; nobody's content is kept.

use rdkafka::Message;
use rdkafka::message::BorrowedMessage;
use serde_json::Value;

use crate::engine::decode::{self, wire};
use crate::engine::encode::keys::{BookKey, parse_session};
use crate::engine::encode::{self, Row, SuggestionKind};
use crate::engine::{Record, Topic};
use crate::kafka::headers;
use crate::kafka::registry::{Registry, Resolution};
use crate::model::event::ErasureScope;
use crate::model::ids::{SessionId, TenantId, UserId};
use crate::model::position::{Offset, PartitionId, Position};
use crate::model::time::EventTime;
use crate::runtime::schema_id;

/// What a record says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Facts {
    /// Whose it is.
    pub tenant: Option<TenantId>,
    /// Whether that is certain: a producer may have put a wrong key before what cannot be read.
    pub read: bool,
    pub sessions: Vec<SessionId>,
    pub user: Option<UserId>,
    /// The input record that it is, or follows from.
    pub origin: Option<Offset>,
    /// When what it tells of happened.
    pub at: Option<EventTime>,
    /// Whether it asks for an erasure.
    pub erases: Option<ErasureScope>,
    /// A row that only says that something was erased.
    pub marker: Option<(String, EventTime, EventTime)>,
}

/// Reads a record of `topic`, an output or the input. Of rows that list sessions of several tenants those of `tenant` are told.
pub(super) fn facts(
    topic: Option<Topic>,
    message: &BorrowedMessage<'_>,
    tenant: &TenantId,
    registry: Option<&Registry>,
) -> Facts {
    let key = message.key().unwrap_or_default();
    let mut facts = match topic {
        None | Some(Topic::DeadLetters) => Facts { tenant: tenant_of(key), ..Facts::default() },
        Some(Topic::Bookkeeping) => of_book_key(key),
        Some(_) => parse_session(key).map(of_session).unwrap_or_default(),
    };
    let Some(value) = message.payload() else { return facts };
    let body = encode::strip_frame(value).unwrap_or(value);
    match topic {
        None => {
            of_event(&mut facts, value, registry);
            facts.origin = Some(Offset(message.offset()));
        }
        Some(Topic::DeadLetters) => {
            of_event(&mut facts, value, registry);
            let origin = headers::last(message.headers(), encode::ORIGIN_OFFSET);
            facts.origin = origin.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()).map(Offset);
        }
        Some(Topic::Bookkeeping) => of_row(&mut facts, key, body, tenant),
        Some(Topic::Vectors) => {}
        Some(_) if body.first() == Some(&b'{') => of_json(&mut facts, body),
        Some(Topic::States) => of_state(&mut facts, body),
        Some(Topic::Recovery) => of_suggestion(&mut facts, SuggestionKind::Recovery, body),
        Some(Topic::Transfer) => of_suggestion(&mut facts, SuggestionKind::Transfer, body),
    }
    facts
}

fn of_session((tenant, session): (TenantId, SessionId)) -> Facts {
    Facts { tenant: Some(tenant), read: true, sessions: vec![session], ..Facts::default() }
}

/// `tenant` or `tenant#n`.
fn tenant_of(key: &[u8]) -> Option<TenantId> {
    let text = std::str::from_utf8(key).ok()?;
    TenantId::new(text.split_once('#').map_or(text, |(tenant, _)| tenant)).ok()
}

fn of_book_key(key: &[u8]) -> Facts {
    match BookKey::parse(key) {
        Some(BookKey::Open(tenant, session, _) | BookKey::Prefix(tenant, session, ..)) => of_session((tenant, session)),
        Some(BookKey::Worker(Some(tenant), _) | BookKey::Calibration(tenant, ..) | BookKey::Rate(tenant)) => {
            Facts { tenant: Some(tenant), read: true, ..Facts::default() }
        }
        _ => Facts::default(),
    }
}

fn of_event(facts: &mut Facts, value: &[u8], registry: Option<&Registry>) {
    let known = schema_id(Some(value)).zip(registry).map(|(id, registry)| registry.resolve(id));
    let writer = match &known {
        Some(Resolution::Known(known)) => Some(&known.writer),
        _ => None,
    };
    let position = Position { partition: PartitionId(0), offset: Offset(0) };
    let record = Record { position, timestamp: None, key: None, value: Some(value), traceparent: None, writer };
    let Ok(wire::Event { envelope, body }) = decode::decode(&record) else { return };
    facts.at = Some(EventTime(envelope.occurred_at.0));
    facts.sessions.extend(envelope.session_id.as_deref().and_then(|id| SessionId::new(id).ok()));
    facts.user = envelope.user_id.as_deref().and_then(|id| UserId::new(id).ok());
    if let Ok(tenant) = TenantId::new(&envelope.tenant_id) {
        (facts.tenant, facts.read) = (Some(tenant), true);
    }
    let wire::Body::SubjectErased(erased) = &body else { return };
    facts.erases = match &*erased.scope {
        "session" => facts.sessions.first().cloned().map(ErasureScope::Session),
        "user" => facts.user.clone().map(ErasureScope::User),
        _ => Some(ErasureScope::Tenant),
    };
}

fn of_state(facts: &mut Facts, body: &[u8]) {
    let Ok(state) = encode::decode_state(body) else { return };
    facts.user = state.facets.user.map(|user| user.value);
    facts.origin = Some(state.book.as_of.offset);
    facts.at = state.facets.started_at;
}

fn of_suggestion(facts: &mut Facts, kind: SuggestionKind, body: &[u8]) {
    let Ok((suggestion, _)) = encode::decode_suggestion(kind, body) else { return };
    facts.sessions.push(suggestion.from_session().clone());
    facts.user = suggestion.user;
    facts.origin = Some(suggestion.as_of.offset);
    facts.at = Some(suggestion.trigger.at());
}

/// A state or suggestion in JSON.
fn of_json(facts: &mut Facts, body: &[u8]) {
    let Ok(json) = serde_json::from_slice::<Value>(body) else { return };
    let session = |value: &Value| value.as_str().and_then(|id| SessionId::new(id).ok());
    facts.sessions.extend(session(&json["source"]["session_id"]));
    facts.user = json["user_id"].as_str().and_then(|id| UserId::new(id).ok());
    facts.origin = json["as_of"]["offset"].as_i64().map(Offset);
    let instants = [&json["started_at"], &json["trigger"]["occurred_at"], &json["trigger"]["due_at"]];
    facts.at = instants.iter().find_map(|at| at.as_i64()).map(EventTime);
}

fn of_row(facts: &mut Facts, key: &[u8], body: &[u8], tenant: &TenantId) {
    match encode::decode_row(body) {
        Ok(Row::Open(open)) => {
            facts.sessions.push(open.from_session().clone());
            facts.user = open.user;
            (facts.origin, facts.at) = (Some(open.as_of.offset), Some(open.trigger.at()));
        }
        Ok(Row::Prefix(prefix)) => facts.at = Some(prefix.segment.stamp.at),
        Ok(Row::Work(work)) => {
            let own = work.sessions.into_iter().filter(|(of, _)| of == tenant);
            facts.sessions = own.map(|(_, session)| session).collect();
            facts.tenant = (!facts.sessions.is_empty()).then(|| tenant.clone());
            facts.origin = Some(work.offset);
        }
        Ok(Row::Erased(marker)) => {
            if let Some(BookKey::Erased(hash)) = BookKey::parse(key) {
                facts.marker = Some((hash, marker.cut, marker.expires_at));
            }
        }
        _ => {}
    }
}
