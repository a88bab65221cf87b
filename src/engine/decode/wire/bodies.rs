//! The bodies, one struct each; field names are the contract's.

use serde::{Deserialize, Serialize};

use super::forms::{Metadata, Moment, Text};
use super::shared::{Adapter, CacheIdentity, Context, EventKvCopy, Prefix};
use crate::engine::positional::{Malformed, Positional, Reader, records};

records! {
    /// `session_started`
    pub struct SessionStarted<'a> {
        /// The session that spawned this one.
        pub parent_session_id: Option<Text<'a>>,
        /// The session this one takes up.
        pub continues_session_id: Option<Text<'a>>,
        /// Identity of its KV.
        pub cache: Option<CacheIdentity<Text<'a>>>,
        /// Pointer to its conversation.
        pub context_ref: Option<Text<'a>>,
        /// Idle timeout.
        pub idle_timeout_ms: Option<i64>,
        /// Absent: `user`.
        pub transfer_scope: Option<Text<'a>>,
        /// First metadata.
        pub metadata: Option<Metadata<'a>>,
    }

    /// `turn_completed`
    pub struct TurnCompleted<'a> {
        /// The turn's number.
        pub turn: i64,
        /// The request's id.
        pub request_id: Option<Text<'a>>,
        /// The model that answered.
        pub model: Option<Text<'a>>,
        /// Tokens of the request.
        pub input_tokens: i64,
        /// Tokens of the answer.
        pub output_tokens: i64,
        /// Of the input, found in cache.
        pub cached_tokens: Option<i64>,
        /// Held after this turn.
        pub context_tokens: Option<i64>,
        /// Why generation stopped.
        pub finish_reason: Option<Text<'a>>,
        /// Worker that served it.
        pub worker: Option<Text<'a>>,
        /// Its incarnation.
        pub worker_epoch: Option<i64>,
        /// Data-parallel rank.
        pub dp_rank: Option<i64>,
        /// Time to the first token.
        pub ttft_ms: Option<f64>,
        /// The suggestion that was acted on.
        pub suggestion_id: Option<Text<'a>>,
        /// Identity of the KV.
        pub cache: Option<CacheIdentity<Text<'a>>>,
        /// What changed of the chain.
        pub prefix: Option<Prefix<'a>>,
        /// Embedding after this turn.
        pub context: Option<Context<'a>>,
        /// A copy that exists now.
        pub kv_cache: Option<EventKvCopy<'a>>,
        /// Adapter in use.
        pub adapter: Option<Adapter<Text<'a>>>,
    }

    /// `kv_cache_evicted`
    pub struct KvCacheEvicted<'a> {
        /// Worker concerned.
        pub worker: Option<Text<'a>>,
        /// External instance concerned.
        pub instance: Option<Text<'a>>,
        /// Incarnation concerned.
        pub worker_epoch: Option<i64>,
        /// Rank concerned.
        pub dp_rank: Option<i64>,
        /// Tier concerned.
        pub tier: Option<Text<'a>>,
        /// Tokens left; absent: 0.
        pub remaining_tokens: Option<i64>,
        /// Why.
        pub reason: Text<'a>,
    }

    /// `adapter_activated`, `adapter_deactivated`
    pub struct AdapterUse<'a> {
        /// The adapter.
        pub adapter_id: Text<'a>,
        /// Its version.
        pub version: Option<Text<'a>>,
    }

    /// `session_paused`
    pub struct SessionPaused<'a> {
        /// Why.
        pub reason: Text<'a>,
        /// When it is expected back.
        pub expected_resume_at: Option<Moment>,
    }

    /// `session_interrupted`
    pub struct SessionInterrupted<'a> {
        /// Why.
        pub reason: Text<'a>,
        /// The last good turn.
        pub last_good_turn: Option<i64>,
    }

    /// `resume_requested`
    pub struct ResumeRequested<'a> {
        /// Identity of the KV asked for.
        pub cache: Option<CacheIdentity<Text<'a>>>,
        /// The request's chain.
        pub prefix: Option<Prefix<'a>>,
        /// The request's embedding.
        pub context: Option<Context<'a>>,
    }

    /// `session_resumed`
    pub struct SessionResumed<'a> {
        /// The suggestion that was acted on.
        pub suggestion_id: Option<Text<'a>>,
        /// The session that was taken up.
        pub from_session_id: Option<Text<'a>>,
        /// Tokens restored.
        pub restored_tokens: Option<i64>,
        /// Tokens computed anew.
        pub recomputed_tokens: Option<i64>,
        /// Time of the restore.
        pub restore_ms: Option<f64>,
        /// Time to the first token.
        pub ttft_ms: Option<f64>,
        /// How it went.
        pub outcome: Text<'a>,
    }

    /// `session_ended`
    pub struct SessionEnded<'a> {
        /// Why.
        pub reason: Text<'a>,
    }

    /// `session_snapshot`
    pub struct SessionSnapshot<'a> {
        /// Status.
        pub status: Option<Text<'a>>,
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
        pub adapter: Option<Adapter<Text<'a>>>,
        /// Identity of its KV.
        pub cache: Option<CacheIdentity<Text<'a>>>,
        /// Copies that exist.
        pub kv_copies: Option<Vec<EventKvCopy<'a>>>,
        /// What changed of the chain.
        pub prefix: Option<Prefix<'a>>,
        /// Embedding.
        pub context: Option<Context<'a>>,
        /// Who may profit from it.
        pub transfer_scope: Option<Text<'a>>,
        /// The session that spawned it.
        pub parent_session_id: Option<Text<'a>>,
        /// The session it takes up.
        pub continues_session_id: Option<Text<'a>>,
        /// Pointer to its conversation.
        pub context_ref: Option<Text<'a>>,
        /// Metadata patch.
        pub metadata: Option<Metadata<'a>>,
        /// Facets to clear.
        pub clear: Option<Vec<Text<'a>>>,
    }

    /// `metadata_changed`
    pub struct MetadataChanged<'a> {
        /// The patch.
        pub metadata: Metadata<'a>,
    }

    /// `transfer_scope_changed`
    pub struct TransferScopeChanged<'a> {
        /// Who may profit from it now.
        pub transfer_scope: Text<'a>,
    }

    /// `subject_erased`
    pub struct SubjectErased<'a> {
        /// `session`, `user` or `tenant`.
        pub scope: Text<'a>,
    }

    /// `worker_started`
    pub struct WorkerStarted<'a> {
        /// The worker.
        pub worker: Text<'a>,
        /// Its new incarnation.
        pub worker_epoch: i64,
        /// Where to reach it.
        pub endpoint: Option<Text<'a>>,
        /// The model it serves.
        pub model: Option<Text<'a>>,
        /// Its data-parallel size.
        pub dp_size: Option<i64>,
    }

    /// `worker_lost`
    pub struct WorkerLost<'a> {
        /// The worker.
        pub worker: Text<'a>,
        /// The incarnation that was lost.
        pub worker_epoch: Option<i64>,
    }

    /// `worker_cache_cleared`
    pub struct WorkerCacheCleared<'a> {
        /// The worker.
        pub worker: Text<'a>,
        /// Its incarnation.
        pub worker_epoch: i64,
        /// Only this tier.
        pub tier: Option<Text<'a>>,
    }

    /// `adapter_published`, `adapter_retired`
    pub struct AdapterRelease<'a> {
        /// The adapter.
        pub adapter_id: Text<'a>,
        /// Its version.
        pub version: Option<Text<'a>>,
        /// Digest of its content.
        pub digest: Option<Text<'a>>,
        /// The model it fits.
        pub base_model: Option<Text<'a>>,
        /// Where to load it from.
        pub uri: Option<Text<'a>>,
    }
}

/// `tick`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tick {}

impl Positional<'_> for Tick {
    fn read(_: &mut Reader<'_>) -> Result<Tick, Malformed> {
        Ok(Tick {})
    }
}
