//! The Avro form of suggestions. Field names and order are the schemas'.

use serde::{Deserialize, Serialize};

use super::state_wire::PositionRecord;
use crate::engine::decode::wire::{Adapter, CacheIdentity, KvCopy};

/// What both kinds say.
pub(super) struct Common<T> {
    pub kind: T,
    pub status: T,
    pub reason: Option<T>,
    pub delivery: T,
    pub suggestion_id: Option<T>,
    pub tenant_id: T,
    pub session_id: T,
    pub user_id: Option<T>,
    pub consumer: T,
    pub trigger: TriggerRecord<T>,
    pub plan: T,
    pub score: Option<ScoreRecord<T>>,
    pub valid_until: Option<i64>,
    pub supersedes: Option<T>,
    pub as_of: PositionRecord,
    pub policy: T,
    pub outcome: Option<T>,
    pub actual: Option<ActualRecord<T>>,
}

/// One record with the common fields around its own: the serde bridge cannot flatten. Fields after `later` end it; records
/// of the first version end before them.
macro_rules! suggestion_record {
    ($record:ident, $own:ident, $schema:literal { $($field:ident: $ty:ty),+ $(,)? $(; later $($late:ident: $late_ty:ty),+ $(,)?)? }) => {
        /// What this kind alone says.
        pub(super) struct $own<T> { $(pub $field: $ty,)+ $($(pub $late: $late_ty),+)? }

        impl<T> Default for $own<T> {
            /// Says nothing.
            fn default() -> Self {
                $own { $($field: Default::default(),)+ $($($late: Default::default()),+)? }
            }
        }

        #[derive(Serialize, Deserialize)]
        #[serde(rename = $schema)]
        pub(super) struct $record<T> {
            kind: T,
            status: T,
            reason: Option<T>,
            delivery: T,
            suggestion_id: Option<T>,
            tenant_id: T,
            session_id: T,
            user_id: Option<T>,
            consumer: T,
            trigger: TriggerRecord<T>,
            plan: T,
            $($field: $ty,)+
            score: Option<ScoreRecord<T>>,
            valid_until: Option<i64>,
            supersedes: Option<T>,
            as_of: PositionRecord,
            policy: T,
            outcome: Option<T>,
            actual: Option<ActualRecord<T>>,
            $($(#[serde(default = "Option::default")] $late: $late_ty,)+)?
        }

        impl<T> $record<T> {
            pub(super) fn join(common: Common<T>, own: $own<T>) -> Self {
                let Common {
                    kind, status, reason, delivery, suggestion_id, tenant_id, session_id, user_id, consumer, trigger,
                    plan, score, valid_until, supersedes, as_of, policy, outcome, actual,
                } = common;
                let $own { $($field,)+ $($($late),+)? } = own;
                $record {
                    kind, status, reason, delivery, suggestion_id, tenant_id, session_id, user_id, consumer, trigger,
                    plan, $($field,)+ score, valid_until, supersedes, as_of, policy, outcome, actual, $($($late),+)?
                }
            }

            pub(super) fn split(self) -> (Common<T>, $own<T>) {
                let $record {
                    kind, status, reason, delivery, suggestion_id, tenant_id, session_id, user_id, consumer, trigger,
                    plan, $($field,)+ score, valid_until, supersedes, as_of, policy, outcome, actual, $($($late),+)?
                } = self;
                let common = Common {
                    kind, status, reason, delivery, suggestion_id, tenant_id, session_id, user_id, consumer, trigger,
                    plan, score, valid_until, supersedes, as_of, policy, outcome, actual,
                };
                (common, $own { $($field,)+ $($($late),+)? })
            }
        }
    };
}

suggestion_record!(RecoveryRecord, OwnRecovery, "RecoverySuggestion" {
    r#match: Option<MatchRecord<T>>,
    source: Option<RecoverySourceRecord<T>>,
    estimate: Option<EstimateRecord<T>>,
    alternatives: Vec<AlternativeRecord<T>>,
    rejected: Vec<RejectedRecord<T>>,
});

suggestion_record!(TransferRecord, OwnTransfer, "TransferSuggestion" {
    adapter: Option<AdapterOffer<T>>,
    source: Option<TransferSourceRecord<T>>,
    support: Option<SupportRecord>,
    consent: Option<T>;
    later
    r#match: Option<MatchRecord<T>>,
    kv_cache: Option<KvCopy<T>>,
});

#[derive(Serialize, Deserialize)]
#[serde(rename = "Trigger")]
pub(super) struct TriggerRecord<T> {
    pub kind: T,
    pub event_id: Option<T>,
    pub occurred_at: Option<i64>,
    pub due_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Score")]
pub(super) struct ScoreRecord<T> {
    pub total: f64,
    #[serde(with = "pairs", bound(serialize = "T: Serialize", deserialize = "T: Deserialize<'de>"))]
    pub components: Vec<(T, Option<f64>)>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Actual")]
pub(super) struct ActualRecord<T> {
    pub restored_tokens: Option<i64>,
    pub recomputed_tokens: Option<i64>,
    pub restore_ms: Option<f64>,
    pub ttft_ms: Option<f64>,
    pub saved_ms: Option<f64>,
    pub basis: T,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Match")]
pub(super) struct MatchRecord<T> {
    pub basis: T,
    pub matched_tokens: Option<i64>,
    pub missing_tokens: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "RecoverySource")]
pub(super) struct RecoverySourceRecord<T> {
    pub session_id: T,
    pub kv_cache: Option<KvCopy<T>>,
    pub residency: Option<T>,
    pub endpoint: Option<T>,
    pub dp_rank: Option<i64>,
    pub model: Option<T>,
    pub cache: Option<CacheIdentity<T>>,
    pub adapter: Option<Adapter<T>>,
    pub context_ref: Option<T>,
    pub turn_count: i64,
    pub last_active: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Estimate")]
pub(super) struct EstimateRecord<T> {
    pub restore_ms: f64,
    pub recompute_ms: f64,
    pub saved_ms: f64,
    pub basis: T,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Alternative")]
pub(super) struct AlternativeRecord<T> {
    pub session_id: T,
    pub plan: T,
    pub score: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "RejectedCandidate")]
pub(super) struct RejectedRecord<T> {
    pub session_id: T,
    pub reason: T,
}

#[derive(Serialize, Deserialize)]
pub(super) struct AdapterOffer<T> {
    pub id: T,
    pub version: Option<T>,
    pub uri: Option<T>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "TransferSource")]
pub(super) struct TransferSourceRecord<T> {
    pub session_id: T,
    pub similarity: f64,
    pub context_ref: Option<T>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Support")]
pub(super) struct SupportRecord {
    pub sessions: i64,
    pub r#for: i64,
    pub against: i64,
}

/// A map written from pairs in order.
pub(super) mod pairs {
    use std::fmt;
    use std::marker::PhantomData;

    use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
    use serde::ser::{Serialize, Serializer};

    pub fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        pairs: &[(K, V)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
    }

    pub fn deserialize<'de, K, V, D>(deserializer: D) -> Result<Vec<(K, V)>, D::Error>
    where
        K: Deserialize<'de>,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        struct PairsVisitor<K, V>(PhantomData<(K, V)>);
        impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for PairsVisitor<K, V> {
            type Value = Vec<(K, V)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(pairs)
            }
        }
        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
}
