//! Read-only questions to the engine. They answer from the same functions that publish.

use std::sync::Arc;

pub use crate::engine::index::Hit as SearchHit;
use crate::model::event::{ResumeRequested, TransferScope};
use crate::model::ids::{Name, SessionId, TenantId, UserId};
use crate::model::kv::KvCopy;
use crate::model::session::Status;
use crate::model::suggestion::{MatchBasis, RecoveryPlan, Score};
use crate::model::time::EventTime;

/// Asks what to restore for a session, or for a user's next session.
#[derive(Debug, Clone)]
pub struct RecoveryQuery {
    /// Tenant.
    pub tenant: TenantId,
    /// The session, if there is one.
    pub session: Option<SessionId>,
    /// The user, if no session is given or it is not known yet.
    pub user: Option<UserId>,
    /// Cache identity, prefix and embedding of the request.
    pub request: ResumeRequested,
}

/// Predicates of a search, applied while searching. Absent ones pass everything.
#[derive(Debug, Clone, Default)]
pub struct SearchFilter {
    /// Only this user's sessions.
    pub user: Option<UserId>,
    /// Only sessions of these statuses (empty: all).
    pub statuses: Vec<Status>,
    /// Only sessions with this adapter in use.
    pub adapter: Option<Name>,
    /// Only sessions active at or after this instant.
    pub active_since: Option<EventTime>,
    /// Only sessions whose scope is at least this wide.
    pub scope: Option<TransferScope>,
    /// Not this session.
    pub except: Option<SessionId>,
}

/// An earlier session that was weighed as what another one takes up.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighed {
    /// The earlier session.
    pub session: SessionId,
    /// What could be done with it.
    pub plan: RecoveryPlan,
    /// On what ground.
    pub basis: MatchBasis,
    /// How likely it is that it is taken up, and why.
    pub score: Score,
}

/// A session that holds the beginning of a chain.
#[derive(Debug, Clone, PartialEq)]
pub struct PrefixMatch {
    /// The session.
    pub session: SessionId,
    /// Positions of the chain that it shares, > 0.
    pub depth: usize,
    /// Tokens of them, as far as the copy holds them if there is one.
    pub tokens: u64,
    /// Its cheapest live copy of the identity asked for.
    pub copy: Option<Arc<KvCopy>>,
}

/// Gauges of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EngineStats {
    /// Sessions by status, in the order of [`Status::ALL`].
    pub sessions: [u64; 5],
    /// Sessions with a producer's events missing.
    pub gapped: u64,
    /// Open suggestions.
    pub open_suggestions: u64,
    /// Distinct blocks of prefix chains that are indexed.
    pub prefix_blocks: u64,
    /// Sessions whose prefix chains are left out of the index for want of room.
    pub prefix_left_out: u64,
}
