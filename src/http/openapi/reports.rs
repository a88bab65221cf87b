//! What is answered of erasures and of the service. Only described here, as in the file of other answers.

#![expect(dead_code, reason = "these types are read by the description alone")]

use std::collections::BTreeMap;

use utoipa::ToSchema;

use super::answers::AsOf;
use super::parts::SuggestionPublished;

/// An erasure that was written.
#[derive(ToSchema)]
pub(in crate::http) struct ErasureWritten {
    /// As secret as the subject's id, which it holds.
    erasure_id: String,
    scope: String,
    event_id: String,
    /// ms since the epoch.
    occurred_at: i64,
    /// Where, in each partition.
    written: Vec<Written>,
}

/// A record of the input.
#[derive(ToSchema)]
pub(in crate::http) struct Written {
    partition: i32,
    offset: i64,
}

/// How far an erasure has come.
#[derive(ToSchema)]
pub(in crate::http) struct ErasureAnswer {
    erasure_id: String,
    scope: String,
    occurred_at: i64,
    state: Stand,
    partitions: Vec<ErasureOf>,
    /// With `include=topics`.
    topics: Option<Vec<TopicTold>>,
}

/// `refused`: folded without effect; `unknown`: the partition is not running in this process.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(in crate::http) enum Stand {
    Done,
    Unknown,
    Pending,
    Refused,
}

/// The same in one partition. Of one that is not running here, only why is told.
#[derive(ToSchema)]
pub(in crate::http) struct ErasureOf {
    partition: i32,
    offset: i64,
    state: Stand,
    detail: Option<String>,
    #[schema(nullable = false)]
    folded: Option<bool>,
    #[schema(nullable = false)]
    committed: Option<bool>,
    left: Option<LeftTold>,
    as_of: Option<AsOf>,
    lag: Option<i64>,
}

/// What is left of a subject.
#[derive(ToSchema)]
pub(in crate::http) struct LeftTold {
    sessions: u64,
    vectors: u64,
    prefixes: u64,
    open_suggestions: u64,
    tombstones: u64,
}

/// Until when a topic holds what was erased.
#[derive(ToSchema)]
pub(in crate::http) struct TopicTold {
    topic: String,
    cleanup_policy: String,
    #[schema(required)]
    gone_within_ms: Option<i64>,
    #[schema(required)]
    gone_by: Option<i64>,
    #[schema(required)]
    reason: Option<String>,
}

/// A word.
#[derive(ToSchema)]
pub(in crate::http) struct HealthAnswer {
    status: String,
}

/// What the process is doing; sums and partitions only for those who see all tenants.
#[derive(ToSchema)]
pub(in crate::http) struct StatusAnswer {
    version: String,
    /// ms since the epoch.
    started_at: u64,
    uptime_ms: u64,
    /// `service` or `demo`.
    mode: String,
    ready: bool,
    /// Why it is not.
    #[schema(required)]
    cause: Option<String>,
    /// Sessions by status.
    sessions: Option<BTreeMap<String, u64>>,
    gapped_sessions: Option<u64>,
    open_suggestions: Option<u64>,
    totals: Option<Totals>,
    partitions: Option<Vec<PartitionTold>>,
}

/// What was done since the process started.
#[derive(ToSchema)]
pub(in crate::http) struct Totals {
    records: u64,
    rejected: u64,
    transactions: u64,
    saved_seconds: f64,
}

/// A partition of this process.
#[derive(ToSchema)]
pub(in crate::http) struct PartitionTold {
    partition: i32,
    /// `restoring`, `running` or `failed`.
    phase: String,
    #[schema(required)]
    cause: Option<String>,
    /// Share of the restore that is done.
    restored: f64,
    #[schema(required)]
    next_offset: Option<i64>,
    #[schema(required)]
    lag: Option<i64>,
    sessions: BTreeMap<String, u64>,
}

/// The newest suggestions, the oldest of them first.
#[derive(ToSchema)]
pub(in crate::http) struct FeedAnswer {
    /// The number of the newest of all: the next `after`.
    last: u64,
    items: Vec<FeedItemTold>,
}

/// A suggestion of the feed.
#[derive(ToSchema)]
pub(in crate::http) struct FeedItemTold {
    number: u64,
    /// From the event to the commit.
    #[schema(required)]
    latency_ms: Option<f64>,
    suggestion: SuggestionPublished,
}
