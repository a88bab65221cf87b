//! What the log itself says of which session takes up which, found in a first pass. None of it reaches the engine before
//! the session was scored.

use hashbrown::{HashMap, HashSet};

use crate::engine::decode::wire::{Body, Event};
use crate::model::ids::{SessionId, TenantId};

/// Origins, and what else has to be known ahead.
#[derive(Debug, Default)]
pub struct Truth {
    tenants: HashMap<TenantId, Tenant>,
    /// Events that have a session.
    pub events: u64,
}

#[derive(Debug, Default)]
struct Tenant {
    sessions: HashSet<SessionId>,
    origins: HashMap<SessionId, SessionId>,
    with_second_turn: HashSet<SessionId>,
}

/// Whose event it is; `None` if it is no session's, or of ids that the engine refuses.
pub fn subject(event: &Event<'_>) -> Option<(TenantId, SessionId)> {
    let session = event.envelope.session_id.as_deref()?;
    Some((TenantId::new(&event.envelope.tenant_id).ok()?, SessionId::new(session).ok()?))
}

/// The session that an event says its own session takes up.
fn origin<'e>(event: &'e Event<'_>) -> Option<&'e str> {
    let told = match &event.body {
        Body::SessionStarted(body) => body.continues_session_id.as_deref(),
        Body::SessionSnapshot(body) => body.continues_session_id.as_deref(),
        Body::SessionResumed(body) => body.from_session_id.as_deref(),
        _ => None,
    };
    told.filter(|told| Some(*told) != event.envelope.session_id.as_deref())
}

impl Truth {
    /// Notes what an event tells. Of several origins the first counts.
    pub fn note(&mut self, event: &Event<'_>) {
        let Some((tenant, session)) = subject(event) else { return };
        self.events += 1;
        let tenant = self.tenants.entry(tenant).or_default();
        if let Some(origin) = origin(event).and_then(|id| SessionId::new(id).ok()) {
            tenant.origins.entry(session.clone()).or_insert(origin);
        }
        if matches!(&event.body, Body::TurnCompleted(turn) if turn.turn >= 2) {
            tenant.with_second_turn.insert(session.clone());
        }
        tenant.sessions.insert(session);
    }

    /// The session that a session takes up.
    pub fn origin(&self, tenant: &TenantId, session: &SessionId) -> Option<&SessionId> {
        self.tenants.get(tenant)?.origins.get(session)
    }

    /// Whether the log shows a second turn of a session.
    pub fn has_second_turn(&self, tenant: &TenantId, session: &SessionId) -> bool {
        self.tenants.get(tenant).is_some_and(|tenant| tenant.with_second_turn.contains(session))
    }

    /// Tenants, sessions, and sessions that continue another.
    pub fn counts(&self) -> [u64; 3] {
        let of = |count: fn(&Tenant) -> usize| self.tenants.values().map(count).sum::<usize>() as u64;
        [self.tenants.len() as u64, of(|t| t.sessions.len()), of(|t| t.origins.len())]
    }
}
