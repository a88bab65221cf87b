//! The Avro form of a state: public fields, then `fold`. Field names and order are the schema's.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::passed::{Passed, Unread};
use crate::engine::decode::wire::{Adapter, CacheIdentity, KvCopy};
use crate::model::position::{Offset, PartitionId, Position};
use crate::model::stamp::Stamp;

/// What a state begins with, as it is read back: who it is of. The other public fields are passed over, and after them
/// comes the fold.
#[derive(Deserialize)]
pub(super) struct StateHead<'a> {
    pub tenant_id: &'a str,
    pub session_id: &'a str,
    _user_id: Option<Unread>,
    _status: Option<Unread>,
    _end_reason: Option<Unread>,
    _turn_count: i64,
    _context_tokens: Option<i64>,
    _started_at: Option<i64>,
    _last_active: Option<i64>,
    _active_adapter: Option<Adapter<Unread>>,
    _kv_cache_ref: Option<KvCopy<Unread>>,
    _kv_copies: Passed<KvCopy<Unread>>,
    _residency: Option<Unread>,
    _context: Option<ContextRef>,
    _transfer_scope: Unread,
    _parent_session_id: Option<Unread>,
    _continues_session_id: Option<Unread>,
    _taken_up_by: Option<Unread>,
    _metadata: Passed<Entry>,
    _gapped: bool,
    _open_suggestions: Passed<Unread>,
    _as_of: PositionRecord,
}

/// An entry of a map: it lies there as a record of two fields would.
#[derive(Deserialize)]
struct Entry {
    _key: Unread,
    _value: Unread,
}

#[derive(Deserialize)]
struct ContextRef {
    _space: Unread,
    _covers_turn: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Position")]
pub(super) struct PositionRecord {
    pub partition: i32,
    pub offset: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Stamp")]
pub(super) struct StampRecord<T> {
    pub at: i64,
    pub seq: i64,
    pub event_id: T,
    pub digest: i64,
}

#[derive(Deserialize)]
pub(super) struct Fold<T> {
    pub stamps: Vec<StampRecord<T>>,
    pub status: Option<StatusRegister<T>>,
    pub end: Option<TextRegister<T>>,
    pub turn_count: i64,
    pub last_turn: Option<LastTurn<T>>,
    pub started_at: Option<i64>,
    pub last_active: Option<i64>,
    pub touched_at: i64,
    pub user: Option<TextRegister<T>>,
    pub transfer_scope: Option<TextRegister<T>>,
    pub idle_timeout_ms: Option<LongRegister>,
    pub activation: Option<AdapterRegister<T>>,
    pub deactivations: Vec<Deactivation<T>>,
    pub parent: Option<TextRegister<T>>,
    pub continues: Option<TextRegister<T>>,
    pub resumed_from: Option<TextRegister<T>>,
    pub context_ref: Option<TextRegister<T>>,
    pub cache: Option<CacheRegister<T>>,
    pub metadata: Vec<MetadataRegister<T>>,
    pub metadata_cleared: Option<i32>,
    pub context: Option<ContextRegister<T>>,
    pub placements: Vec<Placement<T>>,
    pub evictions: Vec<Eviction<T>>,
    pub producers: Vec<SeenSeqs<T>>,
    pub triggers: Vec<LastTrigger<T>>,
    pub drift: f64,
    pub open: Vec<T>,
    pub as_of: PositionRecord,
    pub as_of_time: i64,
    /// States of the first version end before it.
    #[serde(default)]
    pub topic: Option<ByteBuf>,
    /// And before these.
    #[serde(default)]
    pub opened: Option<OpenedRecord>,
    #[serde(default)]
    pub trial: Option<TrialRecord<T>>,
}

#[derive(Deserialize)]
pub(super) struct OpenedRecord {
    pub hour: i64,
    pub count: i64,
}

#[derive(Deserialize)]
pub(super) struct TrialRecord<T> {
    pub group: T,
    pub since: i64,
    pub until: i64,
}

#[derive(Deserialize)]
pub(super) struct StatusRegister<T> {
    pub stamp: i32,
    pub value: T,
    pub reason: Option<T>,
    pub until: Option<i64>,
    pub last_good_turn: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct TextRegister<T> {
    pub stamp: i32,
    pub value: Option<T>,
}

#[derive(Deserialize)]
pub(super) struct LongRegister {
    pub stamp: i32,
    pub value: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct AdapterRegister<T> {
    pub stamp: i32,
    pub value: Option<Adapter<T>>,
}

#[derive(Deserialize)]
pub(super) struct CacheRegister<T> {
    pub stamp: i32,
    pub value: Option<CacheIdentity<T>>,
}

#[derive(Deserialize)]
pub(super) struct LastTurn<T> {
    pub turn: i64,
    pub stamp: i32,
    pub context_tokens: Option<i64>,
    pub worker: Option<T>,
    pub worker_epoch: Option<i64>,
    pub dp_rank: Option<i64>,
    pub model: Option<T>,
}

#[derive(Deserialize)]
pub(super) struct Deactivation<T> {
    pub stamp: i32,
    pub adapter_id: T,
}

#[derive(Deserialize)]
pub(super) struct MetadataRegister<T> {
    pub stamp: i32,
    pub key: T,
    pub value: Option<T>,
}

#[derive(Deserialize)]
pub(super) struct ContextRegister<T> {
    pub stamp: i32,
    pub space: T,
    pub covers_turn: i64,
}

#[derive(Deserialize)]
pub(super) struct Placement<T> {
    pub stamp: i32,
    pub copy: KvCopy<T>,
}

#[derive(Deserialize)]
pub(super) struct Eviction<T> {
    pub stamp: i32,
    pub worker: Option<T>,
    pub instance: Option<T>,
    pub worker_epoch: Option<i64>,
    pub dp_rank: Option<i64>,
    pub tier: Option<T>,
    pub remaining_tokens: i64,
    pub reason: T,
}

#[derive(Deserialize)]
pub(super) struct SeenSeqs<T> {
    pub id: T,
    pub epoch: i64,
    pub intervals: Vec<i64>,
    pub overflowed: bool,
}

#[derive(Deserialize)]
pub(super) struct LastTrigger<T> {
    pub stamp: i32,
    pub kind: T,
}

impl From<Position> for PositionRecord {
    fn from(position: Position) -> PositionRecord {
        PositionRecord { partition: position.partition.0, offset: position.offset.0 }
    }
}

impl From<&PositionRecord> for Position {
    fn from(record: &PositionRecord) -> Position {
        Position { partition: PartitionId(record.partition), offset: Offset(record.offset) }
    }
}

impl<'a> From<&'a Stamp> for StampRecord<&'a str> {
    fn from(stamp: &'a Stamp) -> StampRecord<&'a str> {
        StampRecord {
            at: stamp.at.0,
            seq: stamp.seq as i64,
            event_id: stamp.event_id.as_str(),
            digest: stamp.digest as i64,
        }
    }
}
