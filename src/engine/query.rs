//! Read-only questions to the engine. They answer from the same functions that publish.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

pub use crate::engine::index::Hit as SearchHit;
use crate::model::event::{ResumeRequested, TransferScope};
use crate::model::ids::{Name, SessionId, TenantId, UserId};
use crate::model::kv::{CacheIdentity, KvCopy, Tier};
use crate::model::prefix::PrefixFamily;
use crate::model::session::{SessionView, Status};
use crate::model::suggestion::{MatchBasis, RecoveryPlan, Score};
use crate::model::time::EventTime;
use crate::model::vector::UnitVector;

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
    /// Workers that the session could be placed on: KV on another one is of no use. `None`: any.
    pub candidate_workers: Option<BTreeSet<Name>>,
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

/// Asks for a part of a user's history, the newest first.
#[derive(Debug, Clone)]
pub struct HistoryQuery {
    /// Tenant.
    pub tenant: TenantId,
    /// The user.
    pub user: UserId,
    /// Only sessions of these statuses (empty: all).
    pub statuses: Vec<Status>,
    /// Only sessions last active at or after this instant.
    pub active_since: Option<EventTime>,
    /// Only sessions last active before this instant.
    pub active_before: Option<EventTime>,
    /// Only what comes behind this place, as the part before gave it.
    pub after: Option<HistoryPlace>,
    /// Most sessions.
    pub limit: usize,
}

/// A place in a user's history: a latest sign of life and the session that gave it.
pub type HistoryPlace = (EventTime, SessionId);

/// A part of a user's history.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HistoryPage {
    /// The sessions, the newest first; of one instant the greater id first.
    pub sessions: Vec<SessionView>,
    /// Behind which place to go on; `None`: nothing follows.
    pub next: Option<HistoryPlace>,
}

/// Asks for the nearest sessions.
#[derive(Debug, Clone)]
pub struct SearchQuery {
    /// Tenant.
    pub tenant: TenantId,
    /// Nearest to what.
    pub sought: Sought,
    /// Most sessions.
    pub k: usize,
    /// Which sessions.
    pub filter: SearchFilter,
}

/// What a search compares with.
#[derive(Debug, Clone)]
pub enum Sought {
    /// A vector of a space.
    Vector(Name, UnitVector),
    /// A session's embedding, in this space if one is given. The session itself is not found.
    Session(SessionId, Option<Name>),
}

/// A session that a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The session, and how near it is.
    pub hit: SearchHit,
    /// Its status.
    pub status: Option<Status>,
    /// Its latest sign of life.
    pub last_active: Option<EventTime>,
}

/// Asks who holds the beginning of a chain.
#[derive(Debug, Clone)]
pub struct PrefixQuery {
    /// Tenant.
    pub tenant: TenantId,
    /// Identity of the KV asked for.
    pub cache: CacheIdentity,
    /// Family of the hashes.
    pub family: PrefixFamily,
    /// Hashes from block 0 on.
    pub hashes: Vec<u64>,
    /// The user who is to profit.
    pub user: Option<UserId>,
    /// Not this session.
    pub except: Option<SessionId>,
    /// Most sessions.
    pub limit: usize,
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
    /// Its latest sign of life.
    pub at: EventTime,
}

impl PrefixMatch {
    /// By what matches are ordered, the greatest first: the deepest, of these those with a live copy, the faster tier
    /// first, then the latest, ties by session id.
    pub fn rank(&self) -> (usize, bool, Reverse<Option<Tier>>, EventTime, &SessionId) {
        let tier = self.copy.as_ref().map(|copy| copy.tier);
        (self.depth, tier.is_some(), Reverse(tier), self.at, &self.session)
    }
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
