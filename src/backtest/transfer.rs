//! Whether the sessions worth learning from are about the same: precision among the first five.

use super::points::Sessions;
use super::stats::{Estimate, mean};
use crate::engine::Engine;
use crate::model::ids::{SessionId, TenantId};

/// Sessions looked at.
pub const K: usize = 5;

/// Shares among the first [`K`], one for each session that was looked at.
#[derive(Debug, Default)]
pub struct Transfers {
    shares: Vec<f64>,
}

/// The `k` sessions of a tenant that the engine takes for most worth transferring from.
pub fn transfer_ranking(engine: &Engine, tenant: &TenantId, session: &SessionId, k: usize) -> Vec<SessionId> {
    engine.neighbours(tenant, session).into_iter().take(k).map(|(near, _)| near).collect()
}

/// Whether two sessions share an intent; `None` if the log does not tell of both.
pub fn same_intent(sessions: &Sessions, tenant: &TenantId, one: &SessionId, other: &SessionId) -> Option<bool> {
    let (one, other) = (sessions.intents(tenant, one)?, sessions.intents(tenant, other)?);
    Some(one.iter().any(|intent| other.contains(intent)))
}

impl Transfers {
    /// Looks at a session, if its intents are told and there are enough others.
    pub fn note(&mut self, engine: &Engine, sessions: &Sessions, tenant: &TenantId, session: &SessionId) {
        if sessions.intents(tenant, session).is_none() || sessions.others(tenant, session) < K {
            return;
        }
        let ranked = transfer_ranking(engine, tenant, session, K);
        let good = ranked.iter().filter(|other| same_intent(sessions, tenant, session, other) == Some(true)).count();
        self.shares.push(good as f64 / K as f64);
    }

    /// The mean; `None` if no session could be looked at.
    pub fn precision(&self) -> Option<Estimate> {
        mean(&self.shares)
    }
}
