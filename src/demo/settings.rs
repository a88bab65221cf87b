//! Settings that suit a demo: few partitions, short times, small embeddings. No defaults of the service.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::DemoOptions;
use super::generator::GeneratorOptions;
use crate::engine::EngineSettings;
use crate::kafka::settings::{KafkaSettings, RegistrySettings, TopicSettings};
use crate::model::ids::Name;
use crate::model::time::{EventTime, Millis};
use crate::runtime::settings::{BatchSettings, Generation, RuntimeSettings};

/// Partitions of every topic.
pub(super) const PARTITIONS: i32 = 4;
/// Dimension of the embeddings: small enough to stay within what the broker holds.
const DIM: usize = 128;
/// Mean pause between two steps of a session.
const GAP: Millis = Millis(4_000);
/// Events that a session gives in one gap, as counted over a long log.
const EVENTS_A_GAP: f64 = 1.24;
/// Sessions are forgotten after this: memory stays bounded however long the demo runs.
const RETENTION: Millis = Millis(15 * 60_000);
/// How long a suggestion holds.
const VALID: Millis = Millis(120_000);

/// Names of the topics.
pub(super) fn topics() -> Vec<String> {
    topic_settings().names().map(str::to_owned).into()
}

fn topic_settings() -> TopicSettings {
    let day = Duration::from_secs(24 * 3600);
    TopicSettings {
        events: "session-events".into(),
        states: "session-states".into(),
        vectors: "session-vectors".into(),
        bookkeeping: "session-bookkeeping".into(),
        recovery: "recovery-suggestions".into(),
        transfer: "transfer-suggestions".into(),
        dead_letters: "session-events-dlq".into(),
        owners: "rekindle-owners".into(),
        partitions: PARTITIONS,
        replication: Some(1),
        events_retention: day,
        suggestions_retention: day,
        dead_letters_retention: day,
        compaction_lag: day,
    }
}

/// The service on the embedded broker.
pub(super) fn runtime(brokers: &str, events_per_second: f64) -> RuntimeSettings {
    let mut engine = EngineSettings {
        retention: RETENTION,
        log_retention: RETENTION,
        erasure_marker: RETENTION,
        ..EngineSettings::default()
    };
    if let Ok(space) = Name::new("default") {
        engine.spaces = BTreeMap::from([(space, DIM)]);
    }
    engine.policy.valid_for = VALID;
    // The broker answers a fetch only when something came or this time is over.
    let properties = BTreeMap::from([("fetch.wait.max.ms".to_owned(), "10".to_owned())]);
    RuntimeSettings {
        kafka: KafkaSettings {
            brokers: brokers.to_owned(),
            group_id: "rekindle-demo".into(),
            instance_id: "demo".into(),
            transactional_id: "rekindle-demo".into(),
            properties,
        },
        topics: topic_settings(),
        generation: Generation::FIRST,
        registry: RegistrySettings::default(),
        workers: if events_per_second > 100.0 { 2 } else { 1 },
        batch: BatchSettings {
            max_records: 1_000,
            max_bytes: 4 << 20,
            max_age: Duration::from_millis(50),
            min_interval: Duration::from_millis(10),
        },
        tick_after: None,
        keep_membership: false,
        skip: BTreeSet::new(),
        advertised_url: None,
        engine: Arc::new(engine),
    }
}

/// Sessions that begin now, as many as give the rate asked for.
pub(super) fn generator(options: &DemoOptions) -> GeneratorOptions {
    let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_millis());
    let sessions = options.events_per_second * GAP.0 as f64 / 1000.0 / EVENTS_A_GAP;
    GeneratorOptions {
        seed: options.seed,
        start: EventTime(i64::try_from(now).unwrap_or(i64::MAX)),
        dim: DIM,
        sessions: (sessions.round() as usize).max(1),
        mean_gap: GAP,
    }
}
