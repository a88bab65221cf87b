//! The bodies, one struct each; field names are the contract's.

use serde::{Deserialize, Serialize};

use super::forms::{Metadata, Moment};
use super::shared::{Adapter, CacheIdentity, Context, KvCopy, Prefix};

/// `session_started`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionStarted {
    /// The session that spawned this one.
    pub parent_session_id: Option<String>,
    /// The session this one takes up.
    pub continues_session_id: Option<String>,
    /// Identity of its KV.
    pub cache: Option<CacheIdentity<String>>,
    /// Pointer to its conversation.
    pub context_ref: Option<String>,
    /// Idle timeout.
    pub idle_timeout_ms: Option<i64>,
    /// Absent: `user`.
    pub transfer_scope: Option<String>,
    /// First metadata.
    pub metadata: Option<Metadata>,
}

/// `turn_completed`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnCompleted {
    /// The turn's number.
    pub turn: i64,
    /// The request's id.
    pub request_id: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// Tokens of the request.
    pub input_tokens: i64,
    /// Tokens of the answer.
    pub output_tokens: i64,
    /// Of the input, found in cache.
    pub cached_tokens: Option<i64>,
    /// Held after this turn.
    pub context_tokens: Option<i64>,
    /// Why generation stopped.
    pub finish_reason: Option<String>,
    /// Worker that served it.
    pub worker: Option<String>,
    /// Its incarnation.
    pub worker_epoch: Option<i64>,
    /// Data-parallel rank.
    pub dp_rank: Option<i64>,
    /// Time to the first token.
    pub ttft_ms: Option<f64>,
    /// The suggestion that was acted on.
    pub suggestion_id: Option<String>,
    /// Identity of the KV.
    pub cache: Option<CacheIdentity<String>>,
    /// What changed of the chain.
    pub prefix: Option<Prefix>,
    /// Embedding after this turn.
    pub context: Option<Context>,
    /// A copy that exists now.
    pub kv_cache: Option<KvCopy<String>>,
    /// Adapter in use.
    pub adapter: Option<Adapter<String>>,
}

/// `kv_cache_evicted`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KvCacheEvicted {
    /// Worker concerned.
    pub worker: Option<String>,
    /// External instance concerned.
    pub instance: Option<String>,
    /// Incarnation concerned.
    pub worker_epoch: Option<i64>,
    /// Rank concerned.
    pub dp_rank: Option<i64>,
    /// Tier concerned.
    pub tier: Option<String>,
    /// Tokens left; absent: 0.
    pub remaining_tokens: Option<i64>,
    /// Why.
    pub reason: String,
}

/// `adapter_activated`, `adapter_deactivated`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdapterUse {
    /// The adapter.
    pub adapter_id: String,
    /// Its version.
    pub version: Option<String>,
}

/// `session_paused`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionPaused {
    /// Why.
    pub reason: String,
    /// When it is expected back.
    pub expected_resume_at: Option<Moment>,
}

/// `session_interrupted`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionInterrupted {
    /// Why.
    pub reason: String,
    /// The last good turn.
    pub last_good_turn: Option<i64>,
}

/// `resume_requested`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResumeRequested {
    /// Identity of the KV asked for.
    pub cache: Option<CacheIdentity<String>>,
    /// The request's chain.
    pub prefix: Option<Prefix>,
    /// The request's embedding.
    pub context: Option<Context>,
}

/// `session_resumed`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionResumed {
    /// The suggestion that was acted on.
    pub suggestion_id: Option<String>,
    /// The session that was taken up.
    pub from_session_id: Option<String>,
    /// Tokens restored.
    pub restored_tokens: Option<i64>,
    /// Tokens computed anew.
    pub recomputed_tokens: Option<i64>,
    /// Time of the restore.
    pub restore_ms: Option<f64>,
    /// Time to the first token.
    pub ttft_ms: Option<f64>,
    /// How it went.
    pub outcome: String,
}

/// `session_ended`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionEnded {
    /// Why.
    pub reason: String,
}

/// `session_snapshot`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionSnapshot {
    /// Status.
    pub status: Option<String>,
    /// Turns so far.
    pub turn: Option<i64>,
    /// Tokens held.
    pub context_tokens: Option<i64>,
    /// When it started.
    pub started_at: Option<Moment>,
    /// When it was last active.
    pub last_active: Option<Moment>,
    /// Idle timeout.
    pub idle_timeout_ms: Option<i64>,
    /// Adapter in use.
    pub adapter: Option<Adapter<String>>,
    /// Identity of its KV.
    pub cache: Option<CacheIdentity<String>>,
    /// Copies that exist.
    pub kv_copies: Option<Vec<KvCopy<String>>>,
    /// What changed of the chain.
    pub prefix: Option<Prefix>,
    /// Embedding.
    pub context: Option<Context>,
    /// Who may profit from it.
    pub transfer_scope: Option<String>,
    /// The session that spawned it.
    pub parent_session_id: Option<String>,
    /// The session it takes up.
    pub continues_session_id: Option<String>,
    /// Pointer to its conversation.
    pub context_ref: Option<String>,
    /// Metadata patch.
    pub metadata: Option<Metadata>,
    /// Facets to clear.
    pub clear: Option<Vec<String>>,
}

/// `metadata_changed`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetadataChanged {
    /// The patch.
    pub metadata: Metadata,
}

/// `transfer_scope_changed`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferScopeChanged {
    /// Who may profit from it now.
    pub transfer_scope: String,
}

/// `subject_erased`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubjectErased {
    /// `session`, `user` or `tenant`.
    pub scope: String,
}

/// `worker_started`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerStarted {
    /// The worker.
    pub worker: String,
    /// Its new incarnation.
    pub worker_epoch: i64,
    /// Where to reach it.
    pub endpoint: Option<String>,
    /// The model it serves.
    pub model: Option<String>,
    /// Its data-parallel size.
    pub dp_size: Option<i64>,
}

/// `worker_lost`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerLost {
    /// The worker.
    pub worker: String,
    /// The incarnation that was lost.
    pub worker_epoch: Option<i64>,
}

/// `worker_cache_cleared`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerCacheCleared {
    /// The worker.
    pub worker: String,
    /// Its incarnation.
    pub worker_epoch: i64,
    /// Only this tier.
    pub tier: Option<String>,
}

/// `adapter_published`, `adapter_retired`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdapterRelease {
    /// The adapter.
    pub adapter_id: String,
    /// Its version.
    pub version: Option<String>,
    /// Digest of its content.
    pub digest: Option<String>,
    /// The model it fits.
    pub base_model: Option<String>,
    /// Where to load it from.
    pub uri: Option<String>,
}

/// `tick`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tick {}
