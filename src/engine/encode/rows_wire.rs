//! The Avro form of bookkeeping rows: one record, of which `type` names the one row that is set.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::state_wire::StampRecord;

#[derive(Default, Serialize, Deserialize)]
#[serde(rename = "Bookkeeping")]
pub(super) struct RowRecord<T> {
    #[serde(rename = "type")]
    pub kind: T,
    pub partition: Option<PartitionRecord<T>>,
    pub open: Option<OpenRecord<T>>,
    pub worker: Option<WorkerRecord<T>>,
    pub adapter: Option<AdapterRecord<T>>,
    pub erased: Option<ErasedRecord>,
    pub prefix: Option<PrefixRecord<T>>,
    pub work: Option<WorkRecord<T>>,
    pub decision: Option<DecisionRecord<T>>,
    pub rate: Option<RateRecord<T>>,
    pub calibration: Option<CalibrationRecord<T>>,
    pub history: Option<HistoryRecord<T>>,
    pub rebuild: Option<RebuildRecord>,
    /// Rows of earlier versions end before it.
    #[serde(default)]
    pub opened: Option<OpenedRowRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "PartitionRow")]
pub(super) struct PartitionRecord<T> {
    pub next_offset: i64,
    pub stream_time: i64,
    pub partition_count: i32,
    pub states: DigestRecord,
    pub vectors: DigestRecord,
    pub bookkeeping: DigestRecord,
    pub engine_version: T,
    pub policy: T,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "TopicDigest")]
pub(super) struct DigestRecord {
    pub live_keys: i64,
    pub sum: ByteBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "OpenRow")]
pub(super) struct OpenRecord<T> {
    pub kind: T,
    pub body: ByteBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "WorkerRow")]
pub(super) struct WorkerRecord<T> {
    pub epoch: Option<i64>,
    pub lost_epoch: Option<i64>,
    pub lost_at: Option<i64>,
    pub lost_all_at: Option<i64>,
    pub cleared: Vec<ClearedRecord<T>>,
    pub started: Option<WorkerStartRecord<T>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Cleared")]
pub(super) struct ClearedRecord<T> {
    pub tier: Option<T>,
    pub at: i64,
    pub epoch: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "WorkerStart")]
pub(super) struct WorkerStartRecord<T> {
    pub stamp: StampRecord<T>,
    pub epoch: i64,
    pub endpoint: Option<T>,
    pub model: Option<T>,
    pub dp_size: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "AdapterRow")]
pub(super) struct AdapterRecord<T> {
    pub published: Option<PublicationRecord<T>>,
    pub retired: Option<RetirementRecord<T>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "AdapterPublication")]
pub(super) struct PublicationRecord<T> {
    pub stamp: StampRecord<T>,
    pub version: Option<T>,
    pub digest: Option<T>,
    pub base_model: Option<T>,
    pub uri: Option<T>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "AdapterRetirement")]
pub(super) struct RetirementRecord<T> {
    pub stamp: StampRecord<T>,
    pub version: Option<T>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "ErasedRow")]
pub(super) struct ErasedRecord {
    pub cut: i64,
    pub dead: bool,
    pub expires_at: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "PrefixRow")]
pub(super) struct PrefixRecord<T> {
    pub algorithm: T,
    pub block_tokens: i64,
    pub stride: i64,
    pub from_block: i64,
    pub stamp: StampRecord<T>,
    pub hashes: ByteBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "WorkRow")]
pub(super) struct WorkRecord<T> {
    pub task: T,
    pub offset: i64,
    pub lost: Option<LostRecord<T>>,
    pub sessions: Vec<SessionKeyRecord<T>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "LostWorker")]
pub(super) struct LostRecord<T> {
    pub stamp: StampRecord<T>,
    pub worker: T,
    pub reason: T,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "SessionKey")]
pub(super) struct SessionKeyRecord<T> {
    pub tenant_id: T,
    pub session_id: T,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "DecisionRow")]
pub(super) struct DecisionRecord<T> {
    pub offset: i64,
    pub kind: T,
    pub value: Option<T>,
    pub schema_id: Option<i64>,
    pub at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "HistoryRow")]
pub(super) struct HistoryRecord<T> {
    pub offset: i64,
    pub at: Option<i64>,
    pub engine_version: T,
    pub policy: T,
    pub settings: T,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "RebuildRow")]
pub(super) struct RebuildRecord {
    pub publish_from: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "OpenedRow")]
pub(super) struct OpenedRowRecord {
    pub minute: i64,
    pub count: i64,
}

/// An observed rate. `name` is the rate and, after a slash, the digest of the configured rates it is relative to; `mean` is
/// that of ln(actual ÷ predicted).
#[derive(Serialize, Deserialize)]
#[serde(rename = "RateRow")]
pub(super) struct RateRecord<T> {
    pub namespace: T,
    pub name: T,
    pub count: i64,
    pub mean: f64,
    pub updated_at: i64,
}

/// Predicted against actual. Not written by this version.
#[derive(Serialize, Deserialize)]
#[serde(rename = "CalibrationRow")]
pub(super) struct CalibrationRecord<T> {
    name: T,
    bucket: i32,
    predicted: f64,
    taken: i64,
    total: i64,
    updated_at: i64,
}
