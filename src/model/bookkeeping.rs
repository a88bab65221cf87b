//! The rows of the private bookkeeping topic: everything beside sessions, vectors and prefixes that can
//! influence a later output.

use super::ids::{Name, SessionId, TenantId};
use super::kv::Tier;
use super::position::Offset;
use super::stamp::Register;
use super::stamp::Stamp;
use super::suggestion::RevokeReason;
use super::time::EventTime;
use super::verdict::Rejection;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Live keys and an order-free digest of them, for one topic: the sum (mod 2¹²⁸) of a 128-bit hash of each
/// key with its latest value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TopicDigest {
    /// Keys with a value.
    pub live_keys: u64,
    /// Sum of the hashes.
    pub sum: u128,
}

/// The `partition` row: what one transaction says of its partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The next input offset to process.
    pub next_offset: Offset,
    /// Stream time.
    pub stream_time: EventTime,
    /// Partitions of the input topic when this state began.
    pub partition_count: i32,
    /// Digest of `session-states`.
    pub states: TopicDigest,
    /// Digest of `session-vectors`.
    pub vectors: TopicDigest,
    /// Digest of `session-bookkeeping` without this row.
    pub bookkeeping: TopicDigest,
    /// Version of the engine that wrote it.
    pub engine_version: String,
    /// Digest of the policy in force.
    pub policy: Name,
}

/// What is known of one worker, as told by all or by one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkerRow {
    /// Newest incarnation.
    pub epoch: Option<u64>,
    /// Newest incarnation reported lost.
    pub lost_epoch: Option<u64>,
    /// Newest loss, whatever it named.
    pub lost_at: Option<EventTime>,
    /// Newest loss that named no incarnation.
    pub lost_all_at: Option<EventTime>,
    /// Newest clearing by tier (`None`: all tiers): time and incarnation.
    pub cleared: BTreeMap<Option<Tier>, (EventTime, u64)>,
    /// What its newest start said: (epoch, stamp, …).
    pub started: Option<WorkerStart>,
}

/// What a `worker_started` said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerStart {
    /// Incarnation.
    pub epoch: u64,
    /// Stamp of the event.
    pub stamp: Arc<Stamp>,
    /// Where to reach it.
    pub endpoint: Option<Name>,
    /// Model it serves.
    pub model: Option<Name>,
    /// Its data-parallel size.
    pub dp_size: Option<u32>,
}

/// What is known of one adapter id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AdapterRow {
    /// Newest publication.
    pub published: Option<Register<AdapterPublication>>,
    /// Newest retirement, with the version it named.
    pub retired: Option<Register<Option<Name>>>,
}

/// What an `adapter_published` said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterPublication {
    /// Version of the content.
    pub version: Option<Name>,
    /// Digest of the content.
    pub digest: Option<Name>,
    /// Model it fits.
    pub base_model: Option<Name>,
    /// Where to load it from.
    pub uri: Option<Name>,
}

/// A marker that keeps an erased subject erased. Its key holds hashed ids only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErasureMarker {
    /// Events with `occurred_at` up to and including this are dropped.
    pub cut: EventTime,
    /// Whether every event is dropped while the marker lives (scope `session`).
    pub dead: bool,
    /// Stream time at which the marker goes.
    pub expires_at: EventTime,
}

/// One chunk of a work list: at most 1,000 sessions whose published records still have to follow a change
/// that already took effect in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkChunk {
    /// What to do with each.
    pub task: WorkTask,
    /// Input offset of the record that set it off.
    pub offset: Offset,
    /// The sessions, in order.
    pub sessions: Vec<(TenantId, SessionId)>,
}

/// What a work list does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkTask {
    /// Write tombstones and revoke suggestions of erased sessions.
    Erase,
    /// Rewrite states that held copies of a worker, revoke, suggest anew.
    WorkerLost {
        /// The worker.
        worker: Name,
        /// Stamp of the event that told.
        stamp: Arc<Stamp>,
        /// Why suggestions on its copies go.
        reason: RevokeReason,
    },
}

/// What was decided of a record by something other than the log: whoever replays the log has to decide the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Input offset of the record; of a schema, of the first record it holds for.
    pub offset: Offset,
    /// What was decided.
    pub ruling: Ruling,
    /// Stream time at which it was last made; [`EventTime::MIN`] until the partition accepts its first record.
    pub at: EventTime,
}

/// What a decision says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// From its offset on, and until the next such decision, a schema id of the registry stands for this text;
    /// `None`: the registry has no version of the event schema under it.
    Schema(u32, Option<Arc<str>>),
    /// The record was dead-lettered without being looked at (`poison`, `skipped`).
    DeadLettered(Rejection),
}

/// Under which engine and which settings records are folded, from an offset on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The first input offset it holds for.
    pub offset: Offset,
    /// Stream time before that record; [`EventTime::MIN`] until the partition accepts its first record.
    pub at: EventTime,
    /// Version of the engine.
    pub engine_version: String,
    /// Digest of the policy.
    pub policy: Name,
    /// The engine's settings as canonical text.
    pub settings: String,
}

/// A partition that is folded anew beside what an earlier generation published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuild {
    /// The first input offset whose suggestions and dead letters are published: those of earlier records have
    /// been.
    pub publish_from: Offset,
}
