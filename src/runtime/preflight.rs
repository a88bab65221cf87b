//! What is checked before the first worker starts: that the topics exist and fit together, and that the
//! schemas are registered.

use std::time::{Duration, Instant};

use super::framing::Framing;
use super::settings::RuntimeSettings;
use crate::kafka::admin::{Admin, AdminError, DEAD_LETTER_ROOM, DEFAULT_MAX_MESSAGE_BYTES};
use crate::kafka::partitions::Partitions;
use crate::kafka::registry::{Registry, RegistryFault};
use crate::model::position::Position;

/// How long the cluster may take to answer first.
const FIRST_ANSWER: Duration = Duration::from_secs(15);
/// How long topics that were just created may take to show on every broker.
const NEW_TOPICS: Duration = Duration::from_secs(3);
/// How long the topics' configurations may take. Short: an embedded broker never says, and nothing depends on it
/// but a warning and a limit whose default is the brokers' own.
const CONFIGURATIONS: Duration = Duration::from_millis(1500);

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The cluster did not answer, or refused.
    #[error("{0}")]
    Admin(#[from] AdminError),
    /// Topics are missing.
    #[error("missing topics: {}; create them with `rekindle topics create`", .0.join(", "))]
    MissingTopics(Vec<String>),
    /// The topics of a later generation are missing.
    #[error(
        "generation {generation} has not been begun, its topics are missing: {}; `rekindle run --rebuild` begins it",
        .missing.join(", ")
    )]
    NotBegun {
        /// The generation.
        generation: u32,
        /// What is missing.
        missing: Vec<String>,
    },
    /// A rebuild in the first generation.
    #[error(
        "--rebuild begins a generation beside an earlier one: set application.generation to the next number first, \
         at every instance (it is 1)"
    )]
    NothingToRebuild,
    /// Outputs go to the partition their input came from.
    #[error(
        "{topic} has {found} partitions, the input has {expected}: all topics need the same number, and the input's may \
         not change while there is state; what to do is in docs/operations.md, \"Changing the number of partitions\""
    )]
    PartitionCounts {
        /// The topic that differs.
        topic: String,
        /// Its partitions.
        found: i32,
        /// The input's.
        expected: i32,
    },
    /// A record to skip is in no partition of the input.
    #[error("--skip {position}: the input has {partitions} partitions, numbered from 0")]
    NothingToSkip {
        /// What was to be skipped.
        position: Position,
        /// Partitions of the input.
        partitions: i32,
    },
    /// The output schemas could not be registered.
    #[error("{0}")]
    Registry(#[from] RegistryFault),
    /// The system gives no more threads.
    #[error("starting a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// What the checks found out.
pub(super) struct Ready {
    pub partition_count: i32,
    /// Largest record any output may need.
    pub max_message_bytes: usize,
    pub framing: Framing,
    pub registry: Option<Registry>,
}

/// Runs all checks.
pub(super) fn check(settings: &RuntimeSettings) -> Result<Ready, StartError> {
    let admin = Admin::new(&settings.kafka)?;
    if settings.generation.rebuild {
        begin_generation(&admin, settings)?;
    }
    let partition_count = partitions(&admin, settings)?;
    if settings.advertised_url.is_some() {
        look_for_owners(&admin, settings)?;
    }
    if let Some(&position) = settings.skip.iter().find(|at| at.partition.0 >= partition_count) {
        return Err(StartError::NothingToSkip { position, partitions: partition_count });
    }
    let max_message_bytes = look_at_configurations(&admin, settings);
    let registry = settings.registry.url.as_deref().map(Registry::new);
    let framing = Framing::new(&settings.topics, &settings.engine, registry.as_ref(), max_message_bytes)?;
    Ok(Ready { partition_count, max_message_bytes, framing, registry })
}

/// Makes the generation's own topics where they are missing.
fn begin_generation(admin: &Admin, settings: &RuntimeSettings) -> Result<(), StartError> {
    if settings.generation.number == 1 {
        return Err(StartError::NothingToRebuild);
    }
    let input = settings.topics.events.as_str();
    let earlier: Vec<_> = (1..settings.generation.number).map(|number| settings.bookkeeping_of(number)).collect();
    let all: Vec<_> = earlier.iter().map(String::as_str).chain([input]).collect();
    let counts = admin.partition_counts(&all, FIRST_ANSWER)?;
    // 0: there is none any more.
    let fewer = earlier.iter().find(|topic| (1..counts[input]).contains(&counts[topic.as_str()]));
    match (counts[input], fewer) {
        (0, _) => Err(StartError::MissingTopics(vec![input.to_owned()])),
        (expected, Some(topic)) => {
            let found = counts[topic.as_str()];
            Err(StartError::PartitionCounts { topic: topic.clone(), found, expected })
        }
        (count, None) => {
            for report in admin.create_state_topics(&settings.topics, count)?.iter().filter(|r| r.created) {
                tracing::info!(topic = report.topic, generation = settings.generation.number, "created");
            }
            Ok(())
        }
    }
}

fn partitions(admin: &Admin, settings: &RuntimeSettings) -> Result<i32, StartError> {
    let deadline = Instant::now() + NEW_TOPICS;
    loop {
        match admin.partitions(&settings.topics, FIRST_ANSWER)? {
            Partitions::Equal(count) => return Ok(count),
            Partitions::Unequal { topic, found, expected } => {
                return Err(StartError::PartitionCounts { topic, found, expected });
            }
            Partitions::Missing(missing) if Instant::now() >= deadline => {
                let own = settings.topics.state().map(|(_, topic)| topic);
                return Err(match settings.generation.number {
                    generation @ 2.. if missing.iter().all(|topic| own.contains(&topic.as_str())) => {
                        StartError::NotBegun { generation, missing }
                    }
                    _ => StartError::MissingTopics(missing),
                });
            }
            Partitions::Missing(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Without its topic nobody can say who owns what.
fn look_for_owners(admin: &Admin, settings: &RuntimeSettings) -> Result<(), StartError> {
    let topic = settings.topics.owners.as_str();
    let deadline = Instant::now() + NEW_TOPICS;
    while admin.partition_counts(&[topic], FIRST_ANSWER)?[topic] == 0 {
        if Instant::now() >= deadline {
            return Err(StartError::MissingTopics(vec![topic.to_owned()]));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    if let Ok([found]) = admin.configurations([topic], CONFIGURATIONS)
        && found.get("cleanup.policy") != Some("compact")
    {
        let policy = found.get("cleanup.policy").unwrap_or("unknown");
        tracing::warn!("{topic} has cleanup.policy {policy}: who owns what may be forgotten; set it to compact");
    }
    Ok(())
}

/// Warns where a producer's clock could move the time that deadlines follow, and where state could vanish. Returns
/// how large a record the dead letters take.
fn look_at_configurations(admin: &Admin, settings: &RuntimeSettings) -> usize {
    let (events, dead_letters) = (&settings.topics.events, &settings.topics.dead_letters);
    let [states, vectors, bookkeeping] = settings.topics.state().map(|(_, topic)| topic);
    let mut found = None;
    match admin.configurations([events, dead_letters, states, vectors, bookkeeping], CONFIGURATIONS) {
        Ok([input, letters, state @ ..]) => {
            for (topic, configuration) in [states, vectors, bookkeeping].iter().zip(&state) {
                let policy = configuration.get("cleanup.policy").unwrap_or_default();
                if policy.split(',').any(|word| word.trim() == "delete") {
                    tracing::error!(
                        "{topic} has cleanup.policy {policy}: sessions that are older than its retention will be lost, \
                         and a restart refused; set it to compact"
                    );
                }
            }
            let kind = input.get("message.timestamp.type").unwrap_or("unknown");
            if kind != "LogAppendTime" {
                tracing::warn!(
                    "{events} has message.timestamp.type {kind}: a producer's clock can move the time that \
                     deadlines follow; set it to LogAppendTime"
                );
            }
            found = letters.max_message_bytes();
        }
        Err(error) => tracing::debug!(%error, "topic configurations are not to be had"),
    }
    found.unwrap_or(DEFAULT_MAX_MESSAGE_BYTES + DEAD_LETTER_ROOM)
}
