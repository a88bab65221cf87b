//! The Avro form of suggestions. Field names and order are the schemas'.

use serde::{Deserialize, Serialize};

use super::state_wire::{PositionRecord, pairs};
use crate::engine::decode::wire::{Adapter, CacheIdentity, KvCopy, Text};

/// What both kinds say.
pub(super) struct Common<'a> {
    pub kind: Text<'a>,
    pub status: Text<'a>,
    pub reason: Option<Text<'a>>,
    pub delivery: Text<'a>,
    pub suggestion_id: Option<Text<'a>>,
    pub tenant_id: Text<'a>,
    pub session_id: Text<'a>,
    pub user_id: Option<Text<'a>>,
    pub consumer: Text<'a>,
    pub trigger: TriggerRecord<'a>,
    pub plan: Text<'a>,
    pub score: Option<ScoreRecord<'a>>,
    pub valid_until: Option<i64>,
    pub supersedes: Option<Text<'a>>,
    pub as_of: PositionRecord,
    pub policy: Text<'a>,
    pub outcome: Option<Text<'a>>,
    pub actual: Option<ActualRecord<'a>>,
}

/// One record with the common fields around its own: the serde bridge cannot flatten.
macro_rules! suggestion_record {
    ($record:ident, $own:ident, $schema:literal { $($field:ident: $ty:ty),+ $(,)? }) => {
        /// What this kind alone says.
        #[derive(Default)]
        pub(super) struct $own<'a> { $(pub $field: $ty),+ }

        #[derive(Serialize, Deserialize)]
        #[serde(rename = $schema)]
        pub(super) struct $record<'a> {
            kind: Text<'a>,
            status: Text<'a>,
            reason: Option<Text<'a>>,
            delivery: Text<'a>,
            suggestion_id: Option<Text<'a>>,
            tenant_id: Text<'a>,
            session_id: Text<'a>,
            user_id: Option<Text<'a>>,
            consumer: Text<'a>,
            trigger: TriggerRecord<'a>,
            plan: Text<'a>,
            $($field: $ty,)+
            score: Option<ScoreRecord<'a>>,
            valid_until: Option<i64>,
            supersedes: Option<Text<'a>>,
            as_of: PositionRecord,
            policy: Text<'a>,
            outcome: Option<Text<'a>>,
            actual: Option<ActualRecord<'a>>,
        }

        impl<'a> $record<'a> {
            pub(super) fn join(common: Common<'a>, own: $own<'a>) -> Self {
                let Common {
                    kind, status, reason, delivery, suggestion_id, tenant_id, session_id, user_id, consumer, trigger,
                    plan, score, valid_until, supersedes, as_of, policy, outcome, actual,
                } = common;
                let $own { $($field),+ } = own;
                $record {
                    kind, status, reason, delivery, suggestion_id, tenant_id, session_id, user_id, consumer, trigger,
                    plan, $($field,)+ score, valid_until, supersedes, as_of, policy, outcome, actual,
                }
            }

            pub(super) fn split(self) -> (Common<'a>, $own<'a>) {
                let $record {
                    kind, status, reason, delivery, suggestion_id, tenant_id, session_id, user_id, consumer, trigger,
                    plan, $($field,)+ score, valid_until, supersedes, as_of, policy, outcome, actual,
                } = self;
                let common = Common {
                    kind, status, reason, delivery, suggestion_id, tenant_id, session_id, user_id, consumer, trigger,
                    plan, score, valid_until, supersedes, as_of, policy, outcome, actual,
                };
                (common, $own { $($field),+ })
            }
        }
    };
}

suggestion_record!(RecoveryRecord, OwnRecovery, "RecoverySuggestion" {
    r#match: Option<MatchRecord<'a>>,
    source: Option<RecoverySourceRecord<'a>>,
    estimate: Option<EstimateRecord<'a>>,
    alternatives: Vec<AlternativeRecord<'a>>,
    rejected: Vec<RejectedRecord<'a>>,
});

suggestion_record!(TransferRecord, OwnTransfer, "TransferSuggestion" {
    adapter: Option<AdapterOffer<'a>>,
    source: Option<TransferSourceRecord<'a>>,
    support: Option<SupportRecord>,
    consent: Option<Text<'a>>,
});

#[derive(Serialize, Deserialize)]
#[serde(rename = "Trigger")]
pub(super) struct TriggerRecord<'a> {
    pub kind: Text<'a>,
    pub event_id: Option<Text<'a>>,
    pub occurred_at: Option<i64>,
    pub due_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Score")]
pub(super) struct ScoreRecord<'a> {
    pub total: f64,
    #[serde(with = "pairs")]
    pub components: Vec<(Text<'a>, Option<f64>)>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Actual")]
pub(super) struct ActualRecord<'a> {
    pub restored_tokens: Option<i64>,
    pub recomputed_tokens: Option<i64>,
    pub restore_ms: Option<f64>,
    pub ttft_ms: Option<f64>,
    pub saved_ms: Option<f64>,
    pub basis: Text<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Match")]
pub(super) struct MatchRecord<'a> {
    pub basis: Text<'a>,
    pub matched_tokens: Option<i64>,
    pub missing_tokens: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "RecoverySource")]
pub(super) struct RecoverySourceRecord<'a> {
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
pub(super) struct EstimateRecord<'a> {
    pub restore_ms: f64,
    pub recompute_ms: f64,
    pub saved_ms: f64,
    pub basis: Text<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Alternative")]
pub(super) struct AlternativeRecord<'a> {
    pub session_id: Text<'a>,
    pub plan: Text<'a>,
    pub score: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "RejectedCandidate")]
pub(super) struct RejectedRecord<'a> {
    pub session_id: Text<'a>,
    pub reason: Text<'a>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct AdapterOffer<'a> {
    pub id: Text<'a>,
    pub version: Option<Text<'a>>,
    pub uri: Option<Text<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "TransferSource")]
pub(super) struct TransferSourceRecord<'a> {
    pub session_id: Text<'a>,
    pub similarity: f64,
    pub context_ref: Option<Text<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Support")]
pub(super) struct SupportRecord {
    pub sessions: i64,
    pub r#for: i64,
    pub against: i64,
}
