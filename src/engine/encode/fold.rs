//! The `fold` record of a state: facets and book in full, but for the embedding and the prefix chain, which
//! have records of their own. Stamps stand once in a table, since one event usually sets several registers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::engine::decode::wire::{Adapter, CacheIdentity, KvCopy, Text};
use crate::model::ids::EventId;
use crate::model::stamp::Stamp;
use crate::model::time::EventTime;

use super::fault::{ReadFault, known};

#[derive(Serialize, Deserialize)]
pub(super) struct Fold<'a> {
    pub stamps: Vec<WireStamp<'a>>,
    pub status: Option<StatusRegister<'a>>,
    pub end: Option<TextRegister<'a>>,
    pub turn_count: i64,
    pub last_turn: Option<WireLastTurn<'a>>,
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
    pub producers: Vec<WireSeqs<'a>>,
    pub triggers: Vec<LastTrigger<'a>>,
    pub drift: f64,
    pub open: Vec<Text<'a>>,
    pub as_of: WirePosition,
    pub as_of_time: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Position")]
pub(super) struct WirePosition {
    pub partition: i32,
    pub offset: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Stamp")]
pub(super) struct WireStamp<'a> {
    pub at: i64,
    pub seq: i64,
    pub event_id: Text<'a>,
    pub digest: i64,
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
#[serde(rename = "LastTurn")]
pub(super) struct WireLastTurn<'a> {
    pub turn: i64,
    pub stamp: i32,
    pub context_tokens: Option<i64>,
    pub worker: Option<Text<'a>>,
    pub worker_epoch: Option<i64>,
    pub dp_rank: Option<i64>,
    pub model: Option<Text<'a>>,
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
pub(super) struct Deactivation<'a> {
    pub stamp: i32,
    pub adapter_id: Text<'a>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct CacheRegister<'a> {
    pub stamp: i32,
    pub value: Option<CacheIdentity<'a>>,
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
#[serde(rename = "SeenSeqs")]
pub(super) struct WireSeqs<'a> {
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

/// The stamp table while it is written.
#[derive(Default)]
pub(super) struct StampTable<'a>(Vec<&'a Arc<Stamp>>);

impl<'a> StampTable<'a> {
    /// Index of a stamp, which is entered if it is not there yet. There are a few dozen at most.
    pub fn index(&mut self, stamp: &'a Arc<Stamp>) -> i32 {
        let at = self.0.iter().position(|held| Arc::ptr_eq(held, stamp) || **held == *stamp);
        at.unwrap_or_else(|| {
            self.0.push(stamp);
            self.0.len() - 1
        }) as i32
    }

    pub fn wire(&self) -> Vec<WireStamp<'a>> {
        self.0.iter().map(|held| stamp(held)).collect()
    }
}

/// The stamp table as it was read: registers of one event share one stamp again.
pub(super) struct Stamps(Vec<Arc<Stamp>>);

impl Stamps {
    pub fn read(wire: &[WireStamp<'_>]) -> Result<Stamps, ReadFault> {
        wire.iter().map(read_stamp).collect::<Result<_, _>>().map(Stamps)
    }

    pub fn get(&self, index: i32) -> Result<Arc<Stamp>, ReadFault> {
        let at = usize::try_from(index).ok().and_then(|index| self.0.get(index));
        known(at.cloned(), "stamp")
    }
}

pub(super) fn stamp(stamp: &Stamp) -> WireStamp<'_> {
    WireStamp {
        at: stamp.at.0,
        seq: stamp.seq as i64,
        event_id: Text::Borrowed(stamp.event_id.as_str()),
        digest: stamp.digest as i64,
    }
}

pub(super) fn read_stamp(wire: &WireStamp<'_>) -> Result<Arc<Stamp>, ReadFault> {
    Ok(Arc::new(Stamp {
        at: EventTime(wire.at),
        seq: wire.seq as u64,
        event_id: EventId::new(&wire.event_id)?,
        digest: wire.digest as u64,
    }))
}
