//! Records of one partition for tests of the engine, and a bench that they are put on.
#![allow(dead_code)]

use std::sync::Arc;

use rekindle::engine::{Effects, Engine, EngineSettings, Record};
use rekindle::model::position::{Offset, PartitionId, Position};
use rekindle::model::verdict::Verdict;

/// A record of the first partition, whose time is its event's.
pub fn record(offset: i64, text: &str) -> Record<'_> {
    Record {
        position: Position { partition: PartitionId(0), offset: Offset(offset) },
        timestamp: None,
        key: None,
        value: Some(text.as_bytes()),
        traceparent: None,
        writer: None,
    }
}

/// An engine, and what came of the last record.
pub struct Bench {
    pub engine: Engine,
    pub effects: Effects,
    /// Of the next record.
    pub offset: i64,
}

impl Bench {
    /// An engine without history.
    pub fn under(settings: EngineSettings) -> Bench {
        Bench { engine: Engine::new(Arc::new(settings), PartitionId(0), 1), effects: Effects::new(), offset: 0 }
    }

    /// Puts the next record on it.
    pub fn process(&mut self, text: &str) -> Verdict {
        let record = record(self.offset, text);
        self.offset += 1;
        self.effects.clear();
        self.engine.process(record, &mut self.effects)
    }
}
