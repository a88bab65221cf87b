//! What is checked before the first worker starts: that the topics exist and fit together, and that the
//! schemas are registered.

use std::time::Duration;

use super::framing::Framing;
use super::settings::RuntimeSettings;
use crate::kafka::admin::{Admin, AdminError, DEAD_LETTER_ROOM, DEFAULT_MAX_MESSAGE_BYTES};
use crate::kafka::registry::{Registry, RegistryFault};

/// How long the cluster may take to answer first.
const FIRST_ANSWER: Duration = Duration::from_secs(15);

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The cluster did not answer, or refused.
    #[error("{0}")]
    Admin(#[from] AdminError),
    /// Topics are missing.
    #[error("missing topics: {}; create them with `rekindle topics create`", .0.join(", "))]
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
    let partition_count = partitions(&admin, settings)?;
    warn_of_producers_clocks(&admin, settings);
    let dead_letters = &settings.topics.dead_letters;
    let max_message_bytes = match admin.max_message_bytes(dead_letters) {
        Ok(found) => found,
        // An embedded broker cannot say.
        Err(error) => {
            tracing::debug!(%error, "configuration of {dead_letters}");
            None
        }
    };
    let max_message_bytes = max_message_bytes.unwrap_or(DEFAULT_MAX_MESSAGE_BYTES + DEAD_LETTER_ROOM);
    let registry = settings.registry.url.as_deref().map(Registry::new);
    let framing = Framing::new(&settings.topics, &settings.engine, registry.as_ref(), max_message_bytes)?;
    Ok(Ready { partition_count, max_message_bytes, framing, registry })
}

fn partitions(admin: &Admin, settings: &RuntimeSettings) -> Result<i32, StartError> {
    let t = &settings.topics;
    let names = [&t.events, &t.states, &t.vectors, &t.bookkeeping, &t.recovery, &t.transfer, &t.dead_letters];
    let names = names.map(String::as_str);
    let counts = admin.partition_counts(&names, FIRST_ANSWER)?;
    let missing: Vec<_> = counts.iter().filter(|(_, n)| **n == 0).map(|(name, _)| (*name).to_owned()).collect();
    if !missing.is_empty() {
        return Err(StartError::MissingTopics(missing));
    }
    let expected = counts[t.events.as_str()];
    match counts.iter().find(|(_, n)| **n != expected) {
        Some((topic, &found)) => Err(StartError::PartitionCounts { topic: (*topic).to_owned(), found, expected }),
        None => Ok(expected),
    }
}

fn warn_of_producers_clocks(admin: &Admin, settings: &RuntimeSettings) {
    let events = &settings.topics.events;
    match admin.configuration(events) {
        Ok(found) => {
            let kind = found.get("message.timestamp.type").map_or("unknown", String::as_str);
            if kind != "LogAppendTime" {
                tracing::warn!(
                    "{events} has message.timestamp.type {kind}: a producer's clock can move the time that \
                     deadlines follow; set it to LogAppendTime"
                );
            }
        }
        Err(error) => tracing::debug!(%error, "configuration of {events}"),
    }
}
