//! Checked settings of the runtime.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::EngineSettings;
use crate::http::settings::BaseUrl;
use crate::kafka::settings::{KafkaSettings, RegistrySettings, TopicSettings};
use crate::model::position::Position;

/// Everything a running service is told.
#[derive(Debug, Clone)]
pub struct RuntimeSettings {
    /// The cluster; group and transactional id are those of the generation.
    pub kafka: KafkaSettings,
    /// The topics; those that hold state are the generation's own.
    pub topics: TopicSettings,
    /// Which generation of the application this is.
    pub generation: Generation,
    /// The schema registry.
    pub registry: RegistrySettings,
    /// Worker threads, ≥ 1.
    pub workers: usize,
    /// Bounds of a batch.
    pub batch: BatchSettings,
    /// How long a partition without records waits for a tick; `None`: for ever.
    pub tick_after: Option<Duration>,
    /// At shutdown keep the static membership, for rolling restarts.
    pub keep_membership: bool,
    /// Records to dead-letter without a look at them.
    pub skip: BTreeSet<Position>,
    /// Where others reach this process over HTTP; `None`: it neither says so nor sends anybody elsewhere.
    pub advertised_url: Option<BaseUrl>,
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

/// A generation of the application: a fold of the input, with a group, transactional ids and state topics of its
/// own. Input, suggestions and dead letters are shared by all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    /// Its number, ≥ 1.
    pub number: u32,
    /// Whether it may be begun where an earlier one is.
    pub rebuild: bool,
}

impl Generation {
    /// The first, whose names are the plain ones.
    pub const FIRST: Generation = Generation { number: 1, rebuild: false };
    /// Largest number.
    pub const MAX: u32 = 999;

    /// What is put behind the names it has of its own.
    fn suffix(number: u32) -> String {
        if number == 1 { String::new() } else { format!("-g{number}") }
    }
}

impl RuntimeSettings {
    /// The same application in another generation.
    pub fn in_generation(mut self, number: u32) -> RuntimeSettings {
        self.kafka.group_id = self.renamed(&self.kafka.group_id, number);
        self.kafka.transactional_id = self.renamed(&self.kafka.transactional_id, number);
        self.topics.states = self.renamed(&self.topics.states, number);
        self.topics.vectors = self.renamed(&self.topics.vectors, number);
        self.topics.bookkeeping = self.renamed(&self.topics.bookkeeping, number);
        self.generation.number = number;
        self
    }

    /// The group of a generation.
    pub fn group_of(&self, number: u32) -> String {
        self.renamed(&self.kafka.group_id, number)
    }

    /// The bookkeeping topic of a generation.
    pub fn bookkeeping_of(&self, number: u32) -> String {
        self.renamed(&self.topics.bookkeeping, number)
    }

    /// A name of this generation as another one has it.
    fn renamed(&self, name: &str, number: u32) -> String {
        let plain = name.strip_suffix(&Generation::suffix(self.generation.number)).unwrap_or(name);
        format!("{plain}{}", Generation::suffix(number))
    }
}
