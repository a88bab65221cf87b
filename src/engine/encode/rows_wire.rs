//! The Avro form of bookkeeping rows: one record, of which `type` names the one row that is set.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::state_wire::StampRecord;
use crate::engine::decode::wire::Text;

#[derive(Default, Serialize, Deserialize)]
#[serde(rename = "Bookkeeping")]
pub(super) struct RowRecord<'a> {
    #[serde(rename = "type")]
    pub kind: Text<'a>,
    pub partition: Option<PartitionRecord<'a>>,
    pub open: Option<OpenRecord<'a>>,
    pub worker: Option<WorkerRecord<'a>>,
    pub adapter: Option<AdapterRecord<'a>>,
    pub erased: Option<ErasedRecord>,
    pub prefix: Option<PrefixRecord<'a>>,
    pub work: Option<WorkRecord<'a>>,
    pub decision: Option<DecisionRecord<'a>>,
    pub rate: Option<RateRecord<'a>>,
    pub calibration: Option<CalibrationRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "PartitionRow")]
pub(super) struct PartitionRecord<'a> {
    pub next_offset: i64,
    pub stream_time: i64,
    pub partition_count: i32,
    pub states: DigestRecord,
    pub vectors: DigestRecord,
    pub bookkeeping: DigestRecord,
    pub engine_version: Text<'a>,
    pub policy: Text<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "TopicDigest")]
pub(super) struct DigestRecord {
    pub live_keys: i64,
    pub sum: ByteBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "OpenRow")]
pub(super) struct OpenRecord<'a> {
    pub kind: Text<'a>,
    pub body: ByteBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "WorkerRow")]
pub(super) struct WorkerRecord<'a> {
    pub epoch: Option<i64>,
    pub lost_epoch: Option<i64>,
    pub lost_at: Option<i64>,
    pub lost_all_at: Option<i64>,
    pub cleared: Vec<ClearedRecord<'a>>,
    pub started: Option<WorkerStartRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Cleared")]
pub(super) struct ClearedRecord<'a> {
    pub tier: Option<Text<'a>>,
    pub at: i64,
    pub epoch: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "WorkerStart")]
pub(super) struct WorkerStartRecord<'a> {
    pub stamp: StampRecord<'a>,
    pub epoch: i64,
    pub endpoint: Option<Text<'a>>,
    pub model: Option<Text<'a>>,
    pub dp_size: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "AdapterRow")]
pub(super) struct AdapterRecord<'a> {
    pub published: Option<PublicationRecord<'a>>,
    pub retired: Option<RetirementRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "AdapterPublication")]
pub(super) struct PublicationRecord<'a> {
    pub stamp: StampRecord<'a>,
    pub version: Option<Text<'a>>,
    pub digest: Option<Text<'a>>,
    pub base_model: Option<Text<'a>>,
    pub uri: Option<Text<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "AdapterRetirement")]
pub(super) struct RetirementRecord<'a> {
    pub stamp: StampRecord<'a>,
    pub version: Option<Text<'a>>,
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
pub(super) struct PrefixRecord<'a> {
    pub algorithm: Text<'a>,
    pub block_tokens: i64,
    pub stride: i64,
    pub from_block: i64,
    pub stamp: StampRecord<'a>,
    pub hashes: ByteBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "WorkRow")]
pub(super) struct WorkRecord<'a> {
    pub task: Text<'a>,
    pub offset: i64,
    pub lost: Option<LostRecord<'a>>,
    pub sessions: Vec<SessionKeyRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "LostWorker")]
pub(super) struct LostRecord<'a> {
    pub stamp: StampRecord<'a>,
    pub worker: Text<'a>,
    pub reason: Text<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "SessionKey")]
pub(super) struct SessionKeyRecord<'a> {
    pub tenant_id: Text<'a>,
    pub session_id: Text<'a>,
}

/// A decision a replay must repeat. Not written by this version; read so that the schema is whole.
#[derive(Serialize, Deserialize)]
#[serde(rename = "DecisionRow")]
pub(super) struct DecisionRecord<'a> {
    offset: i64,
    kind: Text<'a>,
    value: Option<Text<'a>>,
}

/// An observed rate. Not written by this version.
#[derive(Serialize, Deserialize)]
#[serde(rename = "RateRow")]
pub(super) struct RateRecord<'a> {
    namespace: Text<'a>,
    name: Text<'a>,
    count: i64,
    mean: f64,
    updated_at: i64,
}

/// Predicted against actual. Not written by this version.
#[derive(Serialize, Deserialize)]
#[serde(rename = "CalibrationRow")]
pub(super) struct CalibrationRecord<'a> {
    name: Text<'a>,
    bucket: i32,
    predicted: f64,
    taken: i64,
    total: i64,
    updated_at: i64,
}
