//! Checked settings of the Kafka edge.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::StateTopic;

/// Partitions of the topic of owners.
pub const OWNERS_PARTITIONS: i32 = 1;

/// How to reach the cluster, and under which names.
#[derive(Debug, Clone, PartialEq)]
pub struct KafkaSettings {
    /// `bootstrap.servers`.
    pub brokers: String,
    /// Consumer group.
    pub group_id: String,
    /// Stable name of this process; the static group member ids are built from it.
    pub instance_id: String,
    /// Prefix of the transactional ids; a worker appends `-<number>`.
    pub transactional_id: String,
    /// librdkafka properties that pass through to every client. May hold secrets: never printed.
    pub properties: BTreeMap<String, String>,
}

impl KafkaSettings {
    /// Static membership id of worker `number`.
    pub fn member(&self, number: usize) -> String {
        format!("{}-{number}", self.instance_id)
    }

    /// Whether the group is of the protocol in which the broker assigns the partitions.
    pub fn is_assigned_by_broker(&self) -> bool {
        self.properties.get("group.protocol").map(String::as_str) == Some("consumer")
    }
}

/// Names and creation settings of the topics.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicSettings {
    /// `session-events`
    pub events: String,
    /// `session-states`
    pub states: String,
    /// `session-vectors`
    pub vectors: String,
    /// `session-bookkeeping`
    pub bookkeeping: String,
    /// `recovery-suggestions`
    pub recovery: String,
    /// `transfer-suggestions`
    pub transfer: String,
    /// `session-events-dlq`
    pub dead_letters: String,
    /// `rekindle-owners`: which instance answers for which partition of the input.
    pub owners: String,
    /// Partitions at creation, ≥ 1.
    pub partitions: i32,
    /// Replicas at creation; `None`: min(3, brokers).
    pub replication: Option<i32>,
    /// Retention of the input at creation.
    pub events_retention: Duration,
    /// Retention of both suggestion topics at creation.
    pub suggestions_retention: Duration,
    /// Retention of the dead letters at creation.
    pub dead_letters_retention: Duration,
    /// `max.compaction.lag.ms` of the compacted topics: bounds when erased bytes are gone.
    pub compaction_lag: Duration,
}

impl TopicSettings {
    /// Every topic that has as many partitions as the input, which is the first.
    pub fn names(&self) -> [&str; 7] {
        let [states, vectors, bookkeeping] = self.state().map(|(_, topic)| topic);
        let [recovery, transfer, dead_letters] = self.sequences();
        [&self.events, states, vectors, bookkeeping, recovery, transfer, dead_letters]
    }

    /// Those that a batch is published to.
    pub fn outputs(&self) -> [&str; 6] {
        let [states, vectors, bookkeeping] = self.state().map(|(_, topic)| topic);
        let [recovery, transfer, dead_letters] = self.sequences();
        [states, vectors, bookkeeping, recovery, transfer, dead_letters]
    }

    /// What an engine is restored from, in the order of a restore.
    pub fn state(&self) -> [(StateTopic, &str); 3] {
        [
            (StateTopic::States, &self.states),
            (StateTopic::Vectors, &self.vectors),
            (StateTopic::Bookkeeping, &self.bookkeeping),
        ]
    }

    /// Those whose sequence is promised.
    pub fn sequences(&self) -> [&str; 3] {
        [&self.recovery, &self.transfer, &self.dead_letters]
    }
}

/// The schema registry, Confluent API.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegistrySettings {
    /// Base URL; `None`: no registry, framed input is refused as `unknown_schema`.
    pub url: Option<String>,
}
