//! The bookkeeping record as it lies on the wire.

use serde::{Deserialize, Serialize};

use super::fold::WireStamp;
use crate::engine::decode::wire::{Hashes, Text};

#[derive(Serialize, Deserialize, Default)]
pub(super) struct Bookkeeping<'a> {
    #[serde(rename = "type")]
    pub kind: Text<'a>,
    pub partition: Option<PartitionRow<'a>>,
    pub open: Option<OpenRow<'a>>,
    pub worker: Option<WireWorker<'a>>,
    pub adapter: Option<WireAdapter<'a>>,
    pub erased: Option<ErasedRow>,
    pub prefix: Option<WirePrefix<'a>>,
    pub work: Option<WorkRow<'a>>,
    pub decision: Option<DecisionRow>,
    pub rate: Option<RateRow>,
    pub calibration: Option<CalibrationRow>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PartitionRow<'a> {
    pub next_offset: i64,
    pub stream_time: i64,
    pub partition_count: i32,
    pub states: WireDigest,
    pub vectors: WireDigest,
    pub bookkeeping: WireDigest,
    pub engine_version: Text<'a>,
    pub policy: Text<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "TopicDigest")]
pub(super) struct WireDigest {
    pub live_keys: i64,
    #[serde(with = "serde_bytes")]
    pub sum: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct OpenRow<'a> {
    pub kind: Text<'a>,
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "WorkerRow")]
pub(super) struct WireWorker<'a> {
    pub epoch: Option<i64>,
    pub lost_epoch: Option<i64>,
    pub lost_at: Option<i64>,
    pub lost_all_at: Option<i64>,
    pub cleared: Vec<Cleared<'a>>,
    pub started: Option<WireStart<'a>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Cleared<'a> {
    pub tier: Option<Text<'a>>,
    pub at: i64,
    pub epoch: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "WorkerStart")]
pub(super) struct WireStart<'a> {
    pub stamp: WireStamp<'a>,
    pub epoch: i64,
    pub endpoint: Option<Text<'a>>,
    pub model: Option<Text<'a>>,
    pub dp_size: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "AdapterRow")]
pub(super) struct WireAdapter<'a> {
    pub published: Option<WirePublication<'a>>,
    pub retired: Option<WireRetirement<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "AdapterPublication")]
pub(super) struct WirePublication<'a> {
    pub stamp: WireStamp<'a>,
    pub version: Option<Text<'a>>,
    pub digest: Option<Text<'a>>,
    pub base_model: Option<Text<'a>>,
    pub uri: Option<Text<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "AdapterRetirement")]
pub(super) struct WireRetirement<'a> {
    pub stamp: WireStamp<'a>,
    pub version: Option<Text<'a>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ErasedRow {
    pub cut: i64,
    pub dead: bool,
    pub expires_at: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "PrefixRow")]
pub(super) struct WirePrefix<'a> {
    pub algorithm: Text<'a>,
    pub block_tokens: i64,
    pub stride: i64,
    pub from_block: i64,
    pub stamp: WireStamp<'a>,
    pub hashes: Hashes,
}

#[derive(Serialize, Deserialize)]
pub(super) struct WorkRow<'a> {
    pub task: Text<'a>,
    pub offset: i64,
    pub lost: Option<LostWorker<'a>>,
    pub sessions: Vec<SessionKey<'a>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct LostWorker<'a> {
    pub stamp: WireStamp<'a>,
    pub worker: Text<'a>,
    pub reason: Text<'a>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SessionKey<'a> {
    pub tenant_id: Text<'a>,
    pub session_id: Text<'a>,
}

// Kinds that no stage writes yet; a reader of this version skips none of their bytes.
#[derive(Serialize, Deserialize)]
pub(super) struct DecisionRow {
    pub offset: i64,
    pub kind: String,
    pub value: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct RateRow {
    pub namespace: String,
    pub name: String,
    pub count: i64,
    pub mean: f64,
    pub updated_at: i64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct CalibrationRow {
    pub name: String,
    pub bucket: i32,
    pub predicted: f64,
    pub taken: i64,
    pub total: i64,
    pub updated_at: i64,
}
