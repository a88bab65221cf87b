//! What must have been published: the engine itself, run over the input topic in one go, without batches,
//! restarts or a broker's help.

use std::collections::BTreeMap;
use std::sync::Arc;

use rdkafka::message::Message;

use rekindle::engine::{Effects, Engine, OutValue, Record, Topic, encode};
use rekindle::model::position::{Offset, PartitionId, Position};
use rekindle::model::time::EventTime;
use rekindle::runtime::settings::RuntimeSettings;

use super::clients::{Seen, each_message, read_all};

/// A published record without its place and framing.
pub type Published = (Option<Vec<u8>>, Option<Vec<u8>>);

/// Everything the service owes, by topic.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Sequences: per partition in order.
    pub sequences: BTreeMap<(&'static str, i32), Vec<Published>>,
    /// Latest value of each key, tombstones left out.
    pub latest: BTreeMap<(&'static str, i32, Vec<u8>), Vec<u8>>,
}

fn name(topic: Topic) -> &'static str {
    match topic {
        Topic::States => "states",
        Topic::Vectors => "vectors",
        Topic::Bookkeeping => "bookkeeping",
        Topic::Recovery => "recovery",
        Topic::Transfer => "transfer",
        Topic::DeadLetters => "dead letters",
    }
}

/// Replays the input as it lies in the topic.
pub fn replayed(settings: &RuntimeSettings) -> Outcome {
    let mut outcome = Outcome::default();
    let partitions = settings.topics.partitions;
    for partition in 0..partitions {
        let mut engine = Engine::new(Arc::clone(&settings.engine), PartitionId(partition), partitions);
        let mut effects = Effects::new();
        let mut next = None;
        each_message(&settings.kafka.brokers, &settings.topics.events, partition, |message| {
            let offset = Offset(message.offset());
            next = Some(Offset(offset.0 + 1));
            let record = Record {
                position: Position { partition: PartitionId(partition), offset },
                timestamp: message.timestamp().to_millis().map(EventTime),
                key: Some(message.key().unwrap_or_default()),
                value: message.payload(),
                traceparent: None,
                writer: None,
            };
            engine.process(record, &mut effects);
        });
        if let Some(next) = next {
            engine.seal(next, &mut effects);
        }
        for record in effects.stream() {
            let value = match record.value {
                OutValue::Avro(v) | OutValue::Json(v) | OutValue::Raw(Some(v)) => Some(v.to_vec()),
                OutValue::Tombstone | OutValue::Raw(None) => None,
            };
            let sequence = outcome.sequences.entry((name(record.topic), partition)).or_default();
            sequence.push((record.key.map(<[u8]>::to_vec), value));
        }
        for record in effects.records().skip(effects.stream().len()) {
            if let (OutValue::Avro(value), Some(key)) = (record.value, record.key) {
                outcome.latest.insert((name(record.topic), partition, key.to_vec()), value.to_vec());
            }
        }
    }
    outcome
}

/// What the service really published, as a `read_committed` reader sees it.
pub fn published(settings: &RuntimeSettings) -> Outcome {
    let t = &settings.topics;
    let mut outcome = Outcome::default();
    for (role, topic) in [("recovery", &t.recovery), ("transfer", &t.transfer), ("dead letters", &t.dead_letters)] {
        for seen in read_all(&settings.kafka.brokers, topic, t.partitions) {
            let value = if role == "dead letters" { seen.value.clone() } else { body(&seen) };
            outcome.sequences.entry((role, seen.partition)).or_default().push((seen.key, value));
        }
    }
    for (role, topic) in [("states", &t.states), ("vectors", &t.vectors), ("bookkeeping", &t.bookkeeping)] {
        for seen in read_all(&settings.kafka.brokers, topic, t.partitions) {
            let key = (role, seen.partition, seen.key.clone().expect("a compacted topic has keys"));
            match body(&seen) {
                Some(body) => outcome.latest.insert(key, body),
                None => outcome.latest.remove(&key),
            };
        }
    }
    outcome
}

fn body(seen: &Seen) -> Option<Vec<u8>> {
    let value = seen.value.as_deref()?;
    Some(encode::strip_frame(value).expect("a framed value").to_vec())
}

/// Both are the same, byte for byte; says where they begin to differ.
pub fn assert_same(published: &Outcome, replayed: &Outcome) {
    for (place, expected) in &replayed.sequences {
        let found = published.sequences.get(place).map_or(&[][..], Vec::as_slice);
        let at = found.iter().zip(expected).position(|(a, b)| a != b);
        assert_eq!(at, None, "{place:?}: records differ");
        assert_eq!(found.len(), expected.len(), "{place:?}: number of records (found, expected)");
    }
    assert_eq!(published.sequences.keys().collect::<Vec<_>>(), replayed.sequences.keys().collect::<Vec<_>>());
    for (place, expected) in &replayed.latest {
        let key = String::from_utf8_lossy(&place.2);
        let found = published.latest.get(place).unwrap_or_else(|| panic!("{} {}: {key} is missing", place.0, place.1));
        assert!(found == expected, "{} {}: {key} differs\n{found:02x?}\n{expected:02x?}", place.0, place.1);
    }
    assert_eq!(published.latest.len(), replayed.latest.len(), "live keys");
}
