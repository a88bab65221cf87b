//! The Avro form of a state: public fields, then `fold`. Field names and order are the schema's.

use serde::{Deserialize, Serialize};

use crate::engine::decode::wire::{Adapter, CacheIdentity, KvCopy};
use crate::model::position::{Offset, PartitionId, Position};
use crate::model::stamp::Stamp;

#[derive(Serialize, Deserialize)]
#[serde(rename = "SessionState")]
pub(super) struct StateRecord<T> {
    pub tenant_id: T,
    pub session_id: T,
    pub user_id: Option<T>,
    pub status: Option<T>,
    pub end_reason: Option<T>,
    pub turn_count: i64,
    pub context_tokens: Option<i64>,
    pub started_at: Option<i64>,
    pub last_active: Option<i64>,
    pub active_adapter: Option<Adapter<T>>,
    pub kv_cache_ref: Option<KvCopy<T>>,
    pub kv_copies: Vec<KvCopy<T>>,
    pub residency: Option<T>,
    pub context: Option<ContextRef<T>>,
    pub transfer_scope: T,
    pub parent_session_id: Option<T>,
    pub continues_session_id: Option<T>,
    pub taken_up_by: Option<T>,
    #[serde(with = "pairs")]
    pub metadata: Vec<(T, T)>,
    pub gapped: bool,
    pub open_suggestions: Vec<T>,
    pub as_of: PositionRecord,
    pub fold: Fold<T>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ContextRef<T> {
    pub space: T,
    pub covers_turn: i64,
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

#[derive(Serialize, Deserialize)]
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
}

#[derive(Serialize, Deserialize)]
pub(super) struct StatusRegister<T> {
    pub stamp: i32,
    pub value: T,
    pub reason: Option<T>,
    pub until: Option<i64>,
    pub last_good_turn: Option<i64>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct TextRegister<T> {
    pub stamp: i32,
    pub value: Option<T>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct LongRegister {
    pub stamp: i32,
    pub value: Option<i64>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct AdapterRegister<T> {
    pub stamp: i32,
    pub value: Option<Adapter<T>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct CacheRegister<T> {
    pub stamp: i32,
    pub value: Option<CacheIdentity<T>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct LastTurn<T> {
    pub turn: i64,
    pub stamp: i32,
    pub context_tokens: Option<i64>,
    pub worker: Option<T>,
    pub worker_epoch: Option<i64>,
    pub dp_rank: Option<i64>,
    pub model: Option<T>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Deactivation<T> {
    pub stamp: i32,
    pub adapter_id: T,
}

#[derive(Serialize, Deserialize)]
pub(super) struct MetadataRegister<T> {
    pub stamp: i32,
    pub key: T,
    pub value: Option<T>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ContextRegister<T> {
    pub stamp: i32,
    pub space: T,
    pub covers_turn: i64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Placement<T> {
    pub stamp: i32,
    pub copy: KvCopy<T>,
}

#[derive(Serialize, Deserialize)]
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

#[derive(Serialize, Deserialize)]
pub(super) struct SeenSeqs<T> {
    pub id: T,
    pub epoch: i64,
    pub intervals: Vec<i64>,
    pub overflowed: bool,
}

#[derive(Serialize, Deserialize)]
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
