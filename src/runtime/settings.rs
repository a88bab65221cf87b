//! Checked settings of the runtime.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::EngineSettings;
use crate::kafka::settings::{KafkaSettings, RegistrySettings, TopicSettings};
use crate::model::position::Position;

/// Everything a running service is told.
#[derive(Debug, Clone)]
pub struct RuntimeSettings {
    /// The cluster.
    pub kafka: KafkaSettings,
    /// The topics.
    pub topics: TopicSettings,
    /// The schema registry.
    pub registry: RegistrySettings,
    /// Worker threads, ≥ 1.
    pub workers: usize,
    /// Bounds of a batch.
    pub batch: BatchSettings,
    /// At shutdown keep the static membership, for rolling restarts.
    pub keep_membership: bool,
    /// Records to dead-letter without a look at them.
    pub skip: BTreeSet<Position>,
    /// The engine's settings.
    pub engine: Arc<EngineSettings>,
}

/// Bounds of a batch: whichever is reached first ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchSettings {
    /// Records, ≥ 1.
    pub max_records: usize,
    /// Bytes of input records.
    pub max_bytes: usize,
    /// Age of its oldest record.
    pub max_age: Duration,
    /// Longest pause between transactions under load; none when idle.
    pub min_interval: Duration,
}
