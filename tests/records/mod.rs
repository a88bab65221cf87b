//! Records of one partition for tests of the engine.

use rekindle::engine::Record;
use rekindle::model::position::{Offset, PartitionId, Position};

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
