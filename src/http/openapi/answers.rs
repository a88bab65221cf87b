//! What is answered. Only described here: handlers build their answers of what engines and partitions say, and a test
//! compares both.

#![expect(dead_code, reason = "these types are read by the description alone")]

use utoipa::ToSchema;

use super::parts::*;
use crate::engine::suggest::terms::Parts;

/// An error (RFC 9457).
#[derive(ToSchema)]
#[schema(as = Problem)]
pub(in crate::http) struct ProblemDetails {
    r#type: String,
    title: String,
    status: u16,
    /// What is wrong, in words.
    detail: String,
    /// What is to blame.
    field: Option<String>,
    /// The partition that cannot answer.
    partition: Option<i32>,
    /// Share of its restore that is done.
    #[schema(minimum = 0, maximum = 1)]
    progress: Option<f64>,
    /// How far the partition is.
    as_of: Option<AsOf>,
    lag: Option<i64>,
}

/// The last record that an answer covers; before the first, offset and time are null.
#[derive(ToSchema)]
pub(in crate::http) struct AsOf {
    partition: i32,
    #[schema(required)]
    offset: Option<i64>,
    /// ms since the epoch.
    #[schema(required)]
    stream_time: Option<i64>,
}

/// A partition of which a tenant's answer was put together.
#[derive(ToSchema)]
pub(in crate::http) struct ShardTold {
    partition: i32,
    #[schema(required)]
    offset: Option<i64>,
    #[schema(required)]
    stream_time: Option<i64>,
    #[schema(required)]
    lag: Option<i64>,
}

/// A session.
#[derive(ToSchema)]
pub(in crate::http) struct SessionAnswer {
    session: SessionState,
    /// With `include=vector`.
    vector: Option<EmbeddingTold>,
    as_of: AsOf,
    /// Records behind it to the end of the input; null if that is not known.
    #[schema(required)]
    lag: Option<i64>,
}

/// An embedding at unit length.
#[derive(ToSchema)]
pub(in crate::http) struct EmbeddingTold {
    space: String,
    dim: u32,
    /// f32, little-endian.
    base64: String,
}

/// The events that a session's state still names, in the order of events.
#[derive(ToSchema)]
pub(in crate::http) struct EventsAnswer {
    events: Vec<EventNamed>,
    as_of: AsOf,
    #[schema(required)]
    lag: Option<i64>,
}

/// An event that set something which is still so.
#[derive(ToSchema)]
pub(in crate::http) struct EventNamed {
    event_id: String,
    /// ms since the epoch.
    occurred_at: i64,
    seq: u64,
    sets: Vec<FacetSet>,
}

/// What an event set.
#[derive(ToSchema)]
pub(in crate::http) struct FacetSet {
    facet: String,
    #[schema(required)]
    value: Option<String>,
}

/// Suggestions of a session.
#[derive(ToSchema)]
pub(in crate::http) struct SuggestionsAnswer {
    /// The open ones, the oldest first.
    suggestions: Vec<SuggestionPublished>,
    /// Those known to have ended lately, the latest first.
    ended: Vec<SuggestionTold>,
    as_of: AsOf,
    #[schema(required)]
    lag: Option<i64>,
}

/// A suggestion and why it was made.
#[derive(ToSchema)]
pub(in crate::http) struct SuggestionAnswer {
    suggestion: SuggestionTold,
    explanation: Explanation,
    as_of: AsOf,
    #[schema(required)]
    lag: Option<i64>,
}

/// Why a suggestion was made.
#[derive(ToSchema)]
pub(in crate::http) struct Explanation {
    trigger: TriggerTold,
    policy: String,
    /// The least total; null where the policy is not remembered any more.
    #[schema(required)]
    floor: Option<f64>,
    #[schema(required)]
    score: Option<Parts>,
    /// Null of a transfer.
    #[schema(required)]
    alternatives: Option<Vec<Alternative>>,
    /// Null of a transfer.
    #[schema(required)]
    rejected: Option<Vec<RejectedCandidate>>,
}

/// A part of a chain of block hashes.
#[derive(ToSchema)]
pub(in crate::http) struct BlocksAnswer {
    #[schema(required)]
    session_id: Option<String>,
    #[schema(required)]
    cache: Option<CacheIdentity>,
    #[schema(required)]
    prefix: Option<Chain>,
    /// Hashes on all pages.
    total: u64,
    #[schema(required)]
    next_cursor: Option<String>,
    as_of: AsOf,
    #[schema(required)]
    lag: Option<i64>,
}

/// Hashes as events take them.
#[derive(ToSchema)]
pub(in crate::http) struct Chain {
    algorithm: String,
    block_tokens: u32,
    stride: u32,
    from_block: u64,
    /// 16 hexadecimal digits each.
    hashes: Vec<String>,
}

/// A page of a user's sessions.
#[derive(ToSchema)]
pub(in crate::http) struct HistoryAnswer {
    sessions: Vec<SessionState>,
    #[schema(required)]
    next_cursor: Option<String>,
    as_of: AsOf,
    #[schema(required)]
    lag: Option<i64>,
}

/// The nearest sessions, best first.
#[derive(ToSchema)]
pub(in crate::http) struct SearchAnswer {
    hits: Vec<HitTold>,
    as_of: AsOf,
    #[schema(required)]
    lag: Option<i64>,
    /// Of a tenant that is spread: each partition that the answer was put together from.
    #[schema(nullable = false)]
    shards: Option<Vec<ShardTold>>,
}

/// A session that is near.
#[derive(ToSchema)]
pub(in crate::http) struct HitTold {
    session_id: String,
    /// Cosine.
    similarity: f64,
    #[schema(required)]
    status: Option<String>,
    #[schema(required)]
    last_active: Option<i64>,
}

/// Sessions that hold the beginning of a chain, the deepest first.
#[derive(ToSchema)]
pub(in crate::http) struct PrefixMatchAnswer {
    matches: Vec<MatchTold>,
    as_of: AsOf,
    #[schema(required)]
    lag: Option<i64>,
    /// Of a tenant that is spread: each partition that the answer was put together from.
    #[schema(nullable = false)]
    shards: Option<Vec<ShardTold>>,
}

/// A session that begins alike.
#[derive(ToSchema)]
pub(in crate::http) struct MatchTold {
    session_id: String,
    /// Hashes.
    depth: u64,
    /// Their tokens as far as the copy has them.
    matched_tokens: u64,
    kv_cache: KvCopyOrNull,
    #[schema(required)]
    last_active: Option<i64>,
}

/// What to restore.
#[derive(ToSchema)]
pub(in crate::http) struct RecoveryAnswer {
    suggestion: SuggestionPublished,
    as_of: AsOf,
    #[schema(required)]
    lag: Option<i64>,
}
