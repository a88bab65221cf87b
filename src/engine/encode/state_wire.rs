//! The Avro form of a state: public fields, then `fold`. Field names and order are the schema's.

use serde::{Deserialize, Serialize};

use crate::engine::decode::wire::{Adapter, CacheIdentity, KvCopy, Text};
use crate::model::position::{Offset, PartitionId, Position};
use crate::model::stamp::Stamp;

#[derive(Serialize, Deserialize)]
#[serde(rename = "SessionState")]
pub(super) struct StateRecord<'a> {
    pub tenant_id: Text<'a>,
    pub session_id: Text<'a>,
    pub user_id: Option<Text<'a>>,
    pub status: Option<Text<'a>>,
    pub end_reason: Option<Text<'a>>,
    pub turn_count: i64,
    pub context_tokens: Option<i64>,
    pub started_at: Option<i64>,
    pub last_active: Option<i64>,
    pub active_adapter: Option<Adapter<'a>>,
    pub kv_cache_ref: Option<KvCopy<'a>>,
    pub kv_copies: Vec<KvCopy<'a>>,
    pub residency: Option<Text<'a>>,
    pub context: Option<ContextRef<'a>>,
    pub transfer_scope: Text<'a>,
    pub parent_session_id: Option<Text<'a>>,
    pub continues_session_id: Option<Text<'a>>,
    pub taken_up_by: Option<Text<'a>>,
    #[serde(with = "pairs")]
    pub metadata: Vec<(Text<'a>, Text<'a>)>,
    pub gapped: bool,
    pub open_suggestions: Vec<Text<'a>>,
    pub as_of: PositionRecord,
    pub fold: Fold<'a>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ContextRef<'a> {
    pub space: Text<'a>,
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
pub(super) struct StampRecord<'a> {
    pub at: i64,
    pub seq: i64,
    pub event_id: Text<'a>,
    pub digest: i64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Fold<'a> {
    pub stamps: Vec<StampRecord<'a>>,
    pub status: Option<StatusRegister<'a>>,
    pub end: Option<TextRegister<'a>>,
    pub turn_count: i64,
    pub last_turn: Option<LastTurn<'a>>,
    pub started_at: Option<i64>,
    pub last_active: Option<i64>,
    pub touched_at: i64,
    pub user: Option<TextRegister<'a>>,
    pub transfer_scope: Option<TextRegister<'a>>,
    pub idle_timeout_ms: Option<LongRegister>,
    pub activation: Option<AdapterRegister<'a>>,
    pub deactivations: Vec<Deactivation<'a>>,
    pub parent: Option<TextRegister<'a>>,
    pub continues: Option<TextRegister<'a>>,
    pub resumed_from: Option<TextRegister<'a>>,
    pub context_ref: Option<TextRegister<'a>>,
    pub cache: Option<CacheRegister<'a>>,
    pub metadata: Vec<MetadataRegister<'a>>,
    pub metadata_cleared: Option<i32>,
    pub context: Option<ContextRegister<'a>>,
    pub placements: Vec<Placement<'a>>,
    pub evictions: Vec<Eviction<'a>>,
    pub producers: Vec<SeenSeqs<'a>>,
    pub triggers: Vec<LastTrigger<'a>>,
    pub drift: f64,
    pub open: Vec<Text<'a>>,
    pub as_of: PositionRecord,
    pub as_of_time: i64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StatusRegister<'a> {
    pub stamp: i32,
    pub value: Text<'a>,
    pub reason: Option<Text<'a>>,
    pub until: Option<i64>,
    pub last_good_turn: Option<i64>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct TextRegister<'a> {
    pub stamp: i32,
    pub value: Option<Text<'a>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct LongRegister {
    pub stamp: i32,
    pub value: Option<i64>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct AdapterRegister<'a> {
    pub stamp: i32,
    pub value: Option<Adapter<'a>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct CacheRegister<'a> {
    pub stamp: i32,
    pub value: Option<CacheIdentity<'a>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct LastTurn<'a> {
    pub turn: i64,
    pub stamp: i32,
    pub context_tokens: Option<i64>,
    pub worker: Option<Text<'a>>,
    pub worker_epoch: Option<i64>,
    pub dp_rank: Option<i64>,
    pub model: Option<Text<'a>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Deactivation<'a> {
    pub stamp: i32,
    pub adapter_id: Text<'a>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct MetadataRegister<'a> {
    pub stamp: i32,
    pub key: Text<'a>,
    pub value: Option<Text<'a>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ContextRegister<'a> {
    pub stamp: i32,
    pub space: Text<'a>,
    pub covers_turn: i64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Placement<'a> {
    pub stamp: i32,
    pub copy: KvCopy<'a>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Eviction<'a> {
    pub stamp: i32,
    pub worker: Option<Text<'a>>,
    pub instance: Option<Text<'a>>,
    pub worker_epoch: Option<i64>,
    pub dp_rank: Option<i64>,
    pub tier: Option<Text<'a>>,
    pub remaining_tokens: i64,
    pub reason: Text<'a>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SeenSeqs<'a> {
    pub id: Text<'a>,
    pub epoch: i64,
    pub intervals: Vec<i64>,
    pub overflowed: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct LastTrigger<'a> {
    pub stamp: i32,
    pub kind: Text<'a>,
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

impl<'a> From<&'a Stamp> for StampRecord<'a> {
    fn from(stamp: &'a Stamp) -> StampRecord<'a> {
        StampRecord {
            at: stamp.at.0,
            seq: stamp.seq as i64,
            event_id: stamp.event_id.as_str().into(),
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
