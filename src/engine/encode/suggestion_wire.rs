//! Suggestions as they lie on the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fold::WirePosition;
use crate::engine::decode::wire::{Adapter, CacheIdentity, KvCopy, Text};

#[derive(Serialize, Deserialize)]
#[serde(rename = "RecoverySuggestion")]
pub(super) struct WireRecovery<'a> {
    pub kind: Text<'a>,
    pub status: Text<'a>,
    pub reason: Option<Text<'a>>,
    pub delivery: Text<'a>,
    pub suggestion_id: Option<Text<'a>>,
    pub tenant_id: Text<'a>,
    pub session_id: Text<'a>,
    pub user_id: Option<Text<'a>>,
    pub consumer: Text<'a>,
    pub trigger: WireTrigger<'a>,
    pub plan: Text<'a>,
    #[serde(rename = "match")]
    pub basis: Option<WireMatch<'a>>,
    pub source: Option<WireSource<'a>>,
    pub estimate: Option<WireEstimate<'a>>,
    pub alternatives: Vec<WireAlternative<'a>>,
    pub rejected: Vec<WireRejected<'a>>,
    pub score: Option<WireScore<'a>>,
    pub valid_until: Option<i64>,
    pub supersedes: Option<Text<'a>>,
    pub as_of: WirePosition,
    pub policy: Text<'a>,
    pub outcome: Option<Text<'a>>,
    pub actual: Option<WireActual<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "TransferSuggestion")]
pub(super) struct WireTransfer<'a> {
    pub kind: Text<'a>,
    pub status: Text<'a>,
    pub reason: Option<Text<'a>>,
    pub delivery: Text<'a>,
    pub suggestion_id: Option<Text<'a>>,
    pub tenant_id: Text<'a>,
    pub session_id: Text<'a>,
    pub user_id: Option<Text<'a>>,
    pub consumer: Text<'a>,
    pub trigger: WireTrigger<'a>,
    pub plan: Text<'a>,
    pub adapter: Option<WireOffer<'a>>,
    pub source: Option<WireTransferSource<'a>>,
    pub support: Option<WireSupport>,
    pub consent: Option<Text<'a>>,
    pub score: Option<WireScore<'a>>,
    pub valid_until: Option<i64>,
    pub supersedes: Option<Text<'a>>,
    pub as_of: WirePosition,
    pub policy: Text<'a>,
    pub outcome: Option<Text<'a>>,
    pub actual: Option<WireActual<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Trigger")]
pub(super) struct WireTrigger<'a> {
    pub kind: Text<'a>,
    pub event_id: Option<Text<'a>>,
    pub occurred_at: Option<i64>,
    pub due_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Match")]
pub(super) struct WireMatch<'a> {
    pub basis: Text<'a>,
    pub matched_tokens: Option<i64>,
    pub missing_tokens: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "RecoverySource")]
pub(super) struct WireSource<'a> {
    pub session_id: Text<'a>,
    pub kv_cache: Option<KvCopy<'a>>,
    pub residency: Option<Text<'a>>,
    pub endpoint: Option<Text<'a>>,
    pub dp_rank: Option<i64>,
    pub model: Option<Text<'a>>,
    pub cache: Option<CacheIdentity<'a>>,
    pub adapter: Option<Adapter<'a>>,
    pub context_ref: Option<Text<'a>>,
    pub turn_count: i64,
    pub last_active: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Estimate")]
pub(super) struct WireEstimate<'a> {
    pub restore_ms: f64,
    pub recompute_ms: f64,
    pub saved_ms: f64,
    pub basis: Text<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Alternative")]
pub(super) struct WireAlternative<'a> {
    pub session_id: Text<'a>,
    pub plan: Text<'a>,
    pub score: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "RejectedCandidate")]
pub(super) struct WireRejected<'a> {
    pub session_id: Text<'a>,
    pub reason: Text<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Score")]
pub(super) struct WireScore<'a> {
    pub total: f64,
    pub components: BTreeMap<Text<'a>, Option<f64>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Actual")]
pub(super) struct WireActual<'a> {
    pub restored_tokens: Option<i64>,
    pub recomputed_tokens: Option<i64>,
    pub restore_ms: Option<f64>,
    pub ttft_ms: Option<f64>,
    pub saved_ms: Option<f64>,
    pub basis: Text<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "AdapterOffer")]
pub(super) struct WireOffer<'a> {
    pub id: Text<'a>,
    pub version: Option<Text<'a>>,
    pub uri: Option<Text<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "TransferSource")]
pub(super) struct WireTransferSource<'a> {
    pub session_id: Text<'a>,
    pub similarity: f64,
    pub context_ref: Option<Text<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Support")]
pub(super) struct WireSupport {
    pub sessions: i64,
    #[serde(rename = "for")]
    pub for_it: i64,
    pub against: i64,
}
