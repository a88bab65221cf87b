//! Verifies what a service published: the engine itself, run over the committed input from its beginning, says what
//! every output topic has to hold. Reads only; writes nothing to the cluster and joins no group.
//!
//! May be run beside a service at work. A partition is first cut: its state topics, the ends of its sequences and its
//! checkpoint are read such that everything below `cut.from` has to be there and nothing from `cut.to` on can be.
//! While nothing is published meanwhile the two are the same. What lies between may be there or not: of a sequence
//! any beginning, of a key any value that it went through.

mod books;
mod compare;
mod cut;
pub mod erased;
mod explain;
mod fields;
mod items;
mod others;
mod partition;
mod replay;
mod report;
mod sequence;
mod standing;
mod table;

use std::time::Duration;

use rdkafka::error::KafkaError;

use crate::kafka::admin::{Admin, AdminError};
use crate::kafka::partitions::Partitions;
use crate::kafka::reader::StateReader;
use crate::model::position::{Offset, PartitionId};
use crate::runtime::settings::RuntimeSettings;

pub use report::{
    Cut, InputReport, NotProvable, Outcome, PartitionReport, Report, SequenceExample, SequenceReport, TableExample,
    TableReport,
};

/// How long the cluster may take to answer first.
const FIRST_ANSWER: Duration = Duration::from_secs(15);

/// What is to be verified, and how.
pub struct Request<'a> {
    /// The partitions; empty: all.
    pub partitions: Vec<PartitionId>,
    /// Examples reported of each class of difference.
    pub examples: usize,
    /// How long a group at work may take to consume what the input held at the beginning.
    pub patience: Duration,
    /// Told how far it is, now and then.
    pub progress: &'a dyn Fn(Progress),
}

impl Default for Request<'_> {
    fn default() -> Self {
        Request { partitions: Vec::new(), examples: 10, patience: Duration::from_secs(30), progress: &|_| {} }
    }
}

/// How far a verification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The partition being verified.
    pub partition: PartitionId,
    /// What is being done.
    pub stage: Stage,
    /// Offsets passed of it.
    pub done: u64,
    /// Offsets in all.
    pub total: u64,
}

/// What is done for a partition, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The group catches up with the input as it was at the beginning.
    Waiting,
    /// The compacted topics are read.
    State,
    /// The input is replayed and compared.
    Replay,
    /// What differs is looked at again.
    Explaining,
    /// The partition is done.
    Done,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The cluster did not answer, or refused.
    #[error("{0}")]
    Admin(#[from] AdminError),
    /// Topics are missing.
    #[error("missing topics: {}; nothing can be verified that does not exist", .0.join(", "))]
    MissingTopics(Vec<String>),
    /// Outputs go to the partition their input came from.
    #[error("{topic} has {found} partitions, the input has {expected}: all topics need the same number")]
    PartitionCounts {
        /// The topic that differs.
        topic: String,
        /// Its partitions.
        found: i32,
        /// The input's.
        expected: i32,
    },
    /// There is no such partition.
    #[error("--partition {partition}: the input has {count} partitions, numbered from 0")]
    NoSuchPartition {
        /// The number asked for.
        partition: i32,
        /// Partitions of the input.
        count: i32,
    },
    /// A client cannot be created, or a topic cannot be read.
    #[error("{what}: {error}")]
    Kafka {
        /// What was being done.
        what: String,
        /// The fault.
        error: KafkaError,
    },
    /// A topic's transactions stay open.
    #[error("{topic} partition {partition} holds a transaction that stays open; try again when it is settled")]
    Unsettled {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
}

impl VerifyError {
    fn kafka(what: impl Into<String>) -> impl FnOnce(KafkaError) -> VerifyError {
        let what = what.into();
        |error| VerifyError::Kafka { what, error }
    }
}

/// Verifies the generation that the settings name, partition by partition. Of the engine's settings only those count
/// that bookkeeping says were in force.
pub fn verify(settings: &RuntimeSettings, request: &Request<'_>) -> Result<Report, VerifyError> {
    let count = partition_count(settings)?;
    let all = || (0..count).map(PartitionId).collect();
    let partitions: Vec<_> = if request.partitions.is_empty() { all() } else { request.partitions.clone() };
    if let Some(&PartitionId(partition)) = partitions.iter().find(|p| !(0..count).contains(&p.0)) {
        return Err(VerifyError::NoSuchPartition { partition, count });
    }
    let reader = StateReader::new(&settings.kafka).map_err(VerifyError::kafka("Kafka client"))?;
    let mut report = Report {
        outcome: Outcome::Equal,
        engine_version: crate::engine::process::ENGINE_VERSION.to_owned(),
        group: settings.kafka.group_id.clone(),
        generation: settings.generation.number,
        input: settings.topics.events.clone(),
        partitions: Vec::with_capacity(partitions.len()),
    };
    for partition in partitions {
        let found = partition::verify(settings, request, &reader, partition, count)?;
        report.outcome = report.outcome.max(found.outcome);
        report.partitions.push(found);
        (request.progress)(Progress { partition, stage: Stage::Done, done: 1, total: 1 });
    }
    Ok(report)
}

/// Checks that the topics exist and fit together.
fn partition_count(settings: &RuntimeSettings) -> Result<i32, VerifyError> {
    match Admin::new(&settings.kafka)?.partitions(&settings.topics, FIRST_ANSWER)? {
        Partitions::Equal(count) => Ok(count),
        Partitions::Missing(missing) => Err(VerifyError::MissingTopics(missing)),
        Partitions::Unequal { topic, found, expected } => Err(VerifyError::PartitionCounts { topic, found, expected }),
    }
}

/// How many offsets lie between two.
fn span(from: Offset, to: Offset) -> u64 {
    (to.0 - from.0).max(0).unsigned_abs()
}
