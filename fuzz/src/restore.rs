//! A whole restore from any records. Where they can be read, the checkpoint is made to fit them, so that what lies
//! behind the check of the digests is reached: the restored engine answers, goes on, and is restored again.

use std::collections::BTreeMap;
use std::sync::Arc;

use rekindle::engine::encode::keys::BookKey;
use rekindle::engine::encode::{self, Row};
use rekindle::engine::{
    Effects, Engine, EngineSettings, OutputFormat, Record, RestoreError, Restoring, StateTopic, ledger,
};
use rekindle::model::bookkeeping::{Checkpoint, TopicDigest};
use rekindle::model::position::{Offset, Position};
use rekindle::model::time::EventTime;

use super::history;
use super::script::Script;
use super::twin::{PARTITION, PARTITIONS, settings};

type Log = Vec<(StateTopic, Vec<u8>, Option<Vec<u8>>)>;

/// Records of an input, each as topic, length and bytes of the key, length and bytes of the value; the topics in
/// order. A length of 65535 is a tombstone's. What follows the first record of another topic is a history.
pub fn run(input: &[u8]) {
    let mut script = Script::new(input);
    let log = records(&mut script);
    let settings = settings(OutputFormat::Avro);
    // As they are.
    let _ = restored(&settings, &log);
    // With a checkpoint that fits.
    let next = Offset(100);
    let mut fitting: Log = log.into_iter().filter(|(_, key, _)| key != b"partition").collect();
    let held = digests(&fitting);
    fitting.push(checkpoint_record(&settings, next, held));
    if let Ok(engine) = restored(&settings, &fitting) {
        goes_on(engine, next, &mut script);
    }
}

fn records(script: &mut Script<'_>) -> Log {
    let mut log = Log::new();
    while !script.is_done() {
        let topic = match script.byte() {
            0 => StateTopic::States,
            1 => StateTopic::Vectors,
            2 => StateTopic::Bookkeeping,
            _ => break,
        };
        let len = usize::from(script.byte());
        let key = script.take(len).to_vec();
        let value = match script.short() {
            0xffff => None,
            len => Some(script.take(len).to_vec()),
        };
        log.push((topic, key, value));
    }
    log.sort_by_key(|(topic, ..)| *topic);
    log
}

fn restored(settings: &Arc<EngineSettings>, log: &Log) -> Result<Engine, RestoreError> {
    let mut restoring = Restoring::new(settings.clone(), PARTITION, PARTITIONS);
    for (topic, key, value) in log {
        restoring.apply(*topic, key, value.as_deref());
    }
    restoring.finish(None).map(|(engine, _)| engine)
}

/// Live keys and digest of each topic.
fn digests(log: &Log) -> [TopicDigest; 3] {
    let mut live = BTreeMap::new();
    for (topic, key, value) in log {
        match value {
            Some(value) => drop(live.insert((*topic, key), ledger::hash(key, value))),
            None => drop(live.remove(&(*topic, key))),
        }
    }
    [StateTopic::States, StateTopic::Vectors, StateTopic::Bookkeeping].map(|topic| {
        let mut digest = TopicDigest::default();
        for ((_, _), next) in live.iter().filter(|((of, _), _)| *of == topic) {
            ledger::account(&mut digest, &mut 0, *next);
        }
        digest
    })
}

fn checkpoint_record(
    settings: &EngineSettings,
    next_offset: Offset,
    [states, vectors, bookkeeping]: [TopicDigest; 3],
) -> (StateTopic, Vec<u8>, Option<Vec<u8>>) {
    let row = Row::Partition(Checkpoint {
        next_offset,
        stream_time: EventTime(history::BASE),
        partition_count: PARTITIONS,
        states,
        vectors,
        bookkeeping,
        engine_version: "0".to_owned(),
        policy: settings.policy_digest(),
    });
    let body = encode::row(&row).expect("a checkpoint can be written");
    (StateTopic::Bookkeeping, BookKey::Partition.to_bytes(), Some(body))
}

fn goes_on(mut engine: Engine, mut next: Offset, script: &mut Script<'_>) {
    for view in engine.sessions() {
        encode::state_json(&view, true);
        engine.prefix(&view.tenant, &view.session);
    }
    engine.stats();
    let (mut effects, mut clock) = (Effects::new(), history::BASE);
    for number in 0..8 {
        let event = history::event(script, number, &mut clock).to_string();
        let position = Position { partition: PARTITION, offset: next };
        let value = Some(event.as_bytes());
        engine.process(
            Record { position, timestamp: None, key: None, value, traceparent: None, writer: None },
            &mut effects,
        );
        next = Offset(next.0 + 1);
    }
    engine.seal(next, &mut effects);
}
