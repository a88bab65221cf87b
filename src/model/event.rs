//! Checked events. What is held here has passed every limit of the contract.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ids::{EventId, Name, SessionId, SuggestionId, TenantId, UserId};
use super::kv::{Adapter, CacheIdentity, EvictReason, EvictedPlace, KvCopy};
use super::prefix::PrefixUpdate;
use super::stamp::Stamp;
use super::time::{EventTime, Millis};
use super::vector::UnitVector;

pub use super::broadcast::BroadcastBody;
pub use super::reasons::*;

/// An event that passed validation.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidEvent {
    /// Its id.
    pub event_id: EventId,
    /// When it occurred, by the producer's clock.
    pub occurred_at: EventTime,
    /// The producer's own numbering, if sent.
    pub producer: Option<Producer>,
    /// Its place in the total order.
    pub stamp: Arc<Stamp>,
    /// What happened, and to whom.
    pub subject: Subject,
    /// An unusable embedding that was dropped from the body, with the reason.
    pub context_fault: Option<String>,
}

/// The producer's own numbering of a session's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Producer {
    /// The producer.
    pub id: Name,
    /// Its incarnation.
    pub epoch: u64,
    /// From 1 for each producer, epoch and session.
    pub seq: u64,
}

/// Whom an event concerns.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    /// One session.
    Session {
        /// Its tenant.
        tenant: TenantId,
        /// The session.
        session: SessionId,
        /// Its user, if the event says so.
        user: Option<UserId>,
        /// What happened.
        body: SessionBody,
    },
    /// A subject that must be forgotten.
    Erasure {
        /// Its tenant.
        tenant: TenantId,
        /// What of it.
        scope: ErasureScope,
    },
    /// All tenants.
    Broadcast(BroadcastBody),
}

/// What is erased.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErasureScope {
    /// One session.
    Session(SessionId),
    /// All sessions of a user.
    User(UserId),
    /// Everything of the tenant.
    Tenant,
}

impl ErasureScope {
    /// The word for it.
    pub fn label(&self) -> &'static str {
        match self {
            ErasureScope::Session(_) => "session",
            ErasureScope::User(_) => "user",
            ErasureScope::Tenant => "tenant",
        }
    }

    /// The id of the session or user.
    pub fn id(&self) -> Option<&str> {
        match self {
            ErasureScope::Session(session) => Some(session.as_str()),
            ErasureScope::User(user) => Some(user.as_str()),
            ErasureScope::Tenant => None,
        }
    }
}

/// What may happen to a session.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionBody {
    /// `session_started`
    Started(Started),
    /// `turn_completed`
    Turn(Box<Turn>),
    /// `context_embedded`
    ContextEmbedded(Context),
    /// `kv_cache_placed`, with the chain it covers if sent.
    KvPlaced(Arc<KvCopy>, Option<PrefixUpdate>),
    /// `kv_cache_evicted`
    KvEvicted(KvEvicted),
    /// `adapter_activated`
    AdapterActivated(Adapter),
    /// `adapter_deactivated`
    AdapterDeactivated(Adapter),
    /// `session_paused`
    Paused(PauseReason, Option<EventTime>),
    /// `session_interrupted`, with the last good turn if known.
    Interrupted(InterruptReason, Option<u32>),
    /// `resume_requested`
    ResumeRequested(ResumeRequested),
    /// `session_resumed`
    Resumed(Resumed),
    /// `session_ended`
    Ended(EndReason),
    /// `session_snapshot`
    Snapshot(Box<Snapshot>),
    /// `metadata_changed`: `None` removes a key.
    MetadataChanged(MetadataPatch),
    /// `transfer_scope_changed`
    ScopeChanged(TransferScope),
}

/// Values as compact JSON text; `None` removes the key.
pub type MetadataPatch = BTreeMap<Arc<str>, Option<Arc<str>>>;

/// An embedding of a session's context.
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    /// A declared embedding space.
    pub space: Name,
    /// Unit vector of the space's dimension.
    pub vector: UnitVector,
    /// The last turn it covers.
    pub covers_turn: u32,
}

/// Body of `session_started`.
#[derive(Debug, Clone, PartialEq)]
pub struct Started {
    /// The session that spawned this one.
    pub parent: Option<SessionId>,
    /// The session this one takes up.
    pub continues: Option<SessionId>,
    /// Identity of its KV.
    pub cache: Option<CacheIdentity>,
    /// Opaque pointer into the user's own conversation store.
    pub context_ref: Option<Name>,
    /// Idle time after which it expires, 1 s – 30 d.
    pub idle_timeout: Option<Millis>,
    /// Who may profit from it.
    pub transfer_scope: TransferScope,
    /// First metadata.
    pub metadata: MetadataPatch,
}

/// Body of `turn_completed`.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// The turn's number.
    pub turn: u32,
    /// The request's id at the engine.
    pub request_id: Option<Name>,
    /// The model that answered.
    pub model: Option<Name>,
    /// Tokens of the request.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Of the input, found in cache.
    pub cached_tokens: Option<u64>,
    /// Tokens held after this turn (given, else input + output).
    pub context_tokens: u64,
    /// Why generation stopped.
    pub finish_reason: Option<Name>,
    /// Worker that served it.
    pub worker: Option<Name>,
    /// That worker's incarnation.
    pub worker_epoch: Option<u64>,
    /// Data-parallel rank.
    pub dp_rank: Option<u32>,
    /// Time to the first token, ms.
    pub ttft_ms: Option<f64>,
    /// The suggestion that was acted on.
    pub suggestion_id: Option<SuggestionId>,
    /// Identity of the KV.
    pub cache: Option<CacheIdentity>,
    /// What changed of the prefix chain.
    pub prefix: Option<PrefixUpdate>,
    /// Embedding after this turn.
    pub context: Option<Context>,
    /// A copy that exists now.
    pub kv_cache: Option<Arc<KvCopy>>,
    /// Adapter in use.
    pub adapter: Option<Adapter>,
}

/// Body of `kv_cache_evicted`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvEvicted {
    /// What is concerned.
    pub place: EvictedPlace,
    /// Tokens left there; 0 = nothing.
    pub remaining_tokens: u64,
    /// Why.
    pub reason: EvictReason,
}

/// Body of `resume_requested`.
#[derive(Debug, Clone, PartialEq)]
pub struct ResumeRequested {
    /// Identity of the KV asked for.
    pub cache: Option<CacheIdentity>,
    /// The request's chain.
    pub prefix: Option<PrefixUpdate>,
    /// The request's embedding.
    pub context: Option<Context>,
}

/// Body of `session_resumed`.
#[derive(Debug, Clone, PartialEq)]
pub struct Resumed {
    /// The suggestion that was acted on.
    pub suggestion_id: Option<SuggestionId>,
    /// The session that was taken up.
    pub from_session: Option<SessionId>,
    /// Tokens restored from cache.
    pub restored_tokens: Option<u64>,
    /// Tokens computed anew.
    pub recomputed_tokens: Option<u64>,
    /// Time of the restore, ms.
    pub restore_ms: Option<f64>,
    /// Time to the first token, ms.
    pub ttft_ms: Option<f64>,
    /// How it went.
    pub outcome: ResumeOutcome,
}

/// Body of `session_snapshot`: what is absent is left alone.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// Status at that time (never expired: that follows from the idle timeout).
    pub status: Option<SnapshotStatus>,
    /// Turns so far.
    pub turn: Option<u32>,
    /// Tokens held.
    pub context_tokens: Option<u64>,
    /// When it started.
    pub started_at: Option<EventTime>,
    /// When it was last active.
    pub last_active: Option<EventTime>,
    /// Idle timeout, 1 s – 30 d.
    pub idle_timeout: Option<Millis>,
    /// Adapter in use.
    pub adapter: Option<Adapter>,
    /// Identity of its KV.
    pub cache: Option<CacheIdentity>,
    /// Copies that exist, each registered at its own `created_at`.
    pub kv_copies: Vec<Arc<KvCopy>>,
    /// What changed of the prefix chain.
    pub prefix: Option<PrefixUpdate>,
    /// Embedding.
    pub context: Option<Context>,
    /// Who may profit from it.
    pub transfer_scope: Option<TransferScope>,
    /// The session that spawned it.
    pub parent: Option<SessionId>,
    /// The session it takes up.
    pub continues: Option<SessionId>,
    /// Opaque pointer into the user's own conversation store.
    pub context_ref: Option<Name>,
    /// Metadata patch.
    pub metadata: MetadataPatch,
    /// Facets to clear, sorted and without repetition.
    pub clear: Vec<ClearableFacet>,
}
