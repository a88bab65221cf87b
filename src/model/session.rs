//! A session's state: facets that join (any order of events gives the same), bookkeeping beside them that
//! depends on order by nature, and the view of both that is published.

use std::collections::BTreeMap;
use std::sync::Arc;

use litemap::LiteMap;

use super::event::{EndReason, InterruptReason, PauseReason, TransferScope};
use super::ids::{Name, SessionId, SuggestionId, TenantId, UserId};
use super::kv::{Adapter, CacheIdentity, EvictReason, EvictedPlace, KvCopy, Place, Residency};
use super::position::Position;
use super::prefix::PrefixFamily;
use super::stamp::{Register, Stamp};
use super::time::{EventTime, Millis};
use super::topic::Topic;
use super::trial::Trial;
use super::window::Window;

/// Most adapter ids whose deactivation is remembered.
pub const MAX_DEACTIVATIONS: usize = 8;
/// Most KV placements, and most evictions, kept.
pub const MAX_KV_REGISTERS: usize = 8;
/// Most metadata keys, removed ones included.
pub const MAX_METADATA_KEYS: usize = 32;

/// The joined facets. Every field is a join: fold the same events in any order, with repetitions, and the
/// same value comes out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facets {
    /// Newest assertion of liveness.
    pub status: Option<Register<LiveStatus>>,
    /// The end, of the smallest stamp; it absorbs. The reason is absent when a snapshot asserted it.
    pub end: Option<Register<Option<EndReason>>>,
    /// Largest turn number.
    pub turn_count: u32,
    /// The last turn: largest (turn, stamp).
    pub last_turn: Option<LastTurn>,
    /// Earliest start.
    pub started_at: Option<EventTime>,
    /// Latest sign of life.
    pub last_active: Option<EventTime>,
    /// Latest `occurred_at` of any event; retention counts from here.
    pub touched_at: EventTime,
    /// User, of the smallest stamp.
    pub user: Option<Register<UserId>>,
    /// Transfer scope; an inner `None` was cleared.
    pub transfer_scope: Option<Register<Option<TransferScope>>>,
    /// Idle timeout.
    pub idle_timeout: Option<Register<Option<Millis>>>,
    /// Newest adapter activation.
    pub activation: Option<Register<Option<Adapter>>>,
    /// Newest deactivation of each adapter id, the [`MAX_DEACTIVATIONS`] newest.
    pub deactivations: LiteMap<Name, Arc<Stamp>>,
    /// The session that spawned it.
    pub parent: Option<Register<Option<SessionId>>>,
    /// The session it declared to take up.
    pub continues: Option<Register<Option<SessionId>>>,
    /// The session it resumed from, as `session_resumed` told.
    pub resumed_from: Option<Register<SessionId>>,
    /// Pointer into the user's own conversation store.
    pub context_ref: Option<Register<Option<Name>>>,
    /// Identity of its KV.
    pub cache: Option<Register<Option<CacheIdentity>>>,
    /// Metadata by key, the [`MAX_METADATA_KEYS`] newest by (stamp, key); an inner `None` was removed.
    pub metadata: LiteMap<Arc<str>, Register<Option<Arc<str>>>>,
    /// Newest stamp at which all metadata was cleared.
    pub metadata_cleared: Option<Arc<Stamp>>,
    /// The embedding's place in the order; the vector itself lives in the index.
    pub context: Option<ContextFacet>,
    /// KV copies reported.
    pub placements: LiteMap<Place, Register<Arc<KvCopy>>>,
    /// KV evictions reported.
    pub evictions: LiteMap<EvictedPlace, Register<Evicted>>,
    /// Prefix chains by family, then by first block.
    pub prefix: BTreeMap<PrefixFamily, BTreeMap<u64, PrefixSegment>>,
}

impl Facets {
    /// Whether an event of this stamp is among those that the facets name: then it was folded before.
    pub fn name_stamp(&self, stamp: &Arc<Stamp>) -> bool {
        let segments = self.prefix.values().flat_map(|segments| segments.values().map(|segment| &segment.stamp));
        self.stamps().chain(segments).any(|held| held == stamp)
    }

    /// The stamps that the facets name apart from the prefix chains, with repetitions.
    pub fn stamps(&self) -> impl Iterator<Item = &Arc<Stamp>> {
        fn of<T>(register: &Option<Register<T>>) -> Option<&Arc<Stamp>> {
            register.as_ref().map(|register| &register.stamp)
        }
        let registers = [
            of(&self.status),
            of(&self.end),
            self.last_turn.as_ref().map(|turn| &turn.stamp),
            of(&self.user),
            of(&self.transfer_scope),
            of(&self.idle_timeout),
            of(&self.activation),
            of(&self.parent),
            of(&self.continues),
            of(&self.resumed_from),
            of(&self.context_ref),
            of(&self.cache),
            self.metadata_cleared.as_ref(),
            self.context.as_ref().map(|context| &context.stamp),
        ];
        let keyed = (self.deactivations.values())
            .chain(self.metadata.values().map(|r| &r.stamp))
            .chain(self.placements.values().map(|r| &r.stamp))
            .chain(self.evictions.values().map(|r| &r.stamp));
        registers.into_iter().flatten().chain(keyed)
    }
}

/// What kind of life a session shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveStatus {
    /// Working.
    Active,
    /// Waiting, with the time it is expected back if known.
    Paused(PauseReason, Option<EventTime>),
    /// Broken off, with the last good turn if known.
    Interrupted(InterruptReason, Option<u32>),
}

/// Facts of the last turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastTurn {
    /// Its number (0: a snapshot that gave tokens without a turn).
    pub turn: u32,
    /// Its stamp.
    pub stamp: Arc<Stamp>,
    /// Tokens held after it.
    pub context_tokens: Option<u64>,
    /// Worker that served it.
    pub worker: Option<Name>,
    /// That worker's incarnation.
    pub worker_epoch: Option<u64>,
    /// Data-parallel rank.
    pub dp_rank: Option<u32>,
    /// Model that answered.
    pub model: Option<Name>,
}

/// Which embedding counts: largest (covers_turn, stamp).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextFacet {
    /// Its space.
    pub space: Name,
    /// The last turn it covers.
    pub covers_turn: u32,
    /// Its stamp.
    pub stamp: Arc<Stamp>,
}

/// What an eviction left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evicted {
    /// Tokens left; 0 = nothing.
    pub remaining_tokens: u64,
    /// Why.
    pub reason: EvictReason,
}

/// One segment of a prefix chain, trimmed to what newer segments leave visible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixSegment {
    /// Stamp of the event that sent it.
    pub stamp: Arc<Stamp>,
    /// Hashes from its first block, one every `stride` blocks. Empty: it only truncates.
    pub hashes: Arc<[u64]>,
}

/// What depends on the order of arrival, apart from the facets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Book {
    /// Sequence numbers seen, by producer, the newest first; at most 4 producers.
    pub producers: Vec<SeenSeqs>,
    /// Newest stamp that fired, by trigger kind.
    pub triggers: LiteMap<TriggerKind, Arc<Stamp>>,
    /// Angle the context drifted since the last transfer trigger, in radians.
    pub drift: f64,
    /// What its embeddings of this space have in common.
    pub topic: Topic,
    /// Open suggestions, withheld ones too, oldest first.
    pub open: Vec<SuggestionId>,
    /// How many suggestions were opened to it in an hour of stream time.
    pub opened: Window,
    /// The recovery whose worth its next turn shows.
    pub trial: Option<Trial>,
    /// The last record that changed this session.
    pub as_of: Position,
    /// Stream time at that record.
    pub as_of_time: EventTime,
}

/// Sequence numbers of one producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenSeqs {
    /// The producer.
    pub id: Name,
    /// Its newest incarnation.
    pub epoch: u64,
    /// Closed intervals, ascending, at most 64.
    pub intervals: Vec<(u64, u64)>,
    /// Intervals were merged over a hole.
    pub overflowed: bool,
}

words!(
    /// What sets off a suggestion.
    TriggerKind {
        SessionInterrupted = "session_interrupted", ResumeRequested = "resume_requested",
        KvCacheEvicted = "kv_cache_evicted", WorkerLost = "worker_lost", SessionPaused = "session_paused",
        Idle = "idle", SessionStarted = "session_started", FirstContext = "first_context",
        ContextDrift = "context_drift", Query = "query",
    }
);

words!(
    /// A session's status as published.
    Status { Active = "active", Paused = "paused", Interrupted = "interrupted", Ended = "ended", Expired = "expired" }
);

/// The published form of a session: everything derived is derived, everything absent is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionView {
    /// Tenant.
    pub tenant: TenantId,
    /// Session.
    pub session: SessionId,
    /// User.
    pub user: Option<UserId>,
    /// Status; `None` while nothing lively was reported.
    pub status: Option<Status>,
    /// Why it ended, if it did and the reason is known.
    pub end_reason: Option<EndReason>,
    /// Largest turn number.
    pub turn_count: u32,
    /// Tokens held after the last turn.
    pub context_tokens: Option<u64>,
    /// Earliest start.
    pub started_at: Option<EventTime>,
    /// Latest sign of life.
    pub last_active: Option<EventTime>,
    /// Idle timeout that applies, given or configured.
    pub idle_timeout: Millis,
    /// Adapter in use.
    pub active_adapter: Option<Adapter>,
    /// Identity of its KV.
    pub cache: Option<CacheIdentity>,
    /// The live copies, cheapest first. A partly evicted copy carries the tokens that are left.
    pub kv_copies: Vec<Arc<KvCopy>>,
    /// Whether the copies are reported or predicted; `None` if there is none.
    pub residency: Option<Residency>,
    /// Space and covered turn of the embedding.
    pub context: Option<(Name, u32)>,
    /// Who may profit from it.
    pub transfer_scope: TransferScope,
    /// The session that spawned it.
    pub parent: Option<SessionId>,
    /// The session it declared to take up.
    pub continues: Option<SessionId>,
    /// The session that took this one up.
    pub taken_up_by: Option<SessionId>,
    /// Pointer into the user's own conversation store.
    pub context_ref: Option<Name>,
    /// Metadata as compact JSON texts by key, in the order of keys.
    pub metadata: Vec<(Arc<str>, Arc<str>)>,
    /// Some of a producer's events have not arrived.
    pub gapped: bool,
    /// Open suggestions that were published, oldest first.
    pub open_suggestions: Vec<SuggestionId>,
    /// The last record that changed this session.
    pub as_of: Position,
}
