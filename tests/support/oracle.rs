//! What must have been published: the engine itself, run over the input topic in one go, without batches,
//! restarts or a broker's help.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::Arc;

use rdkafka::message::{Message, OwnedMessage};
use sha2::{Digest, Sha256};

use rekindle::engine::{Annals, Effects, Engine, OutValue, Record, Restoring, StateTopic, Topic, WriterSchema, encode};
use rekindle::model::position::{Offset, PartitionId, Position};
use rekindle::model::time::EventTime;
use rekindle::runtime::settings::RuntimeSettings;
use rekindle::verify::{self, Request};

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

/// Replays the input as it lies in the topic. What the log does not say comes from bookkeeping alone: under which
/// settings which records were folded, what schema ids stood for, what was refused.
pub fn replayed(settings: &RuntimeSettings) -> Outcome {
    replayed_after(settings, &[])
}

/// The same after records of each partition that lay in the topic and were deleted.
pub fn replayed_after(settings: &RuntimeSettings, deleted: &[Vec<OwnedMessage>]) -> Outcome {
    let mut outcome = Outcome::default();
    let effects = |(partition, annals): (PartitionId, _)| {
        let mut replay = Replay::new(settings, partition, annals);
        deleted.get(partition.0 as usize).into_iter().flatten().for_each(|message| replay.take(message));
        each_message(&settings.kafka.brokers, &settings.topics.events, partition.0, |message| replay.take(message));
        (partition, replay.finish())
    };
    let partitions = (0..settings.topics.partitions).map(PartitionId).zip(annals(settings));
    for (partition, effects) in at_once(partitions, effects) {
        for record in effects.stream() {
            let value = match record.value {
                OutValue::Avro(v) | OutValue::Json(v) | OutValue::Raw(Some(v)) => Some(v.to_vec()),
                OutValue::Tombstone | OutValue::Raw(None) => None,
            };
            let value = value.map(|value| if record.topic == Topic::DeadLetters { abridged(value) } else { value });
            let sequence = outcome.sequences.entry((name(record.topic), partition.0)).or_default();
            sequence.push((record.key.map(<[u8]>::to_vec), value));
        }
        for record in effects.records().skip(effects.stream().len()) {
            if let (OutValue::Avro(value), Some(key)) = (record.value, record.key) {
                outcome.latest.insert((name(record.topic), partition.0, key.to_vec()), value.to_vec());
            }
        }
    }
    outcome
}

/// Each in a thread of its own: a client waits for half a second before its first record comes.
fn at_once<T: Send, R: Send>(all: impl IntoIterator<Item = T>, each: impl Fn(T) -> R + Sync) -> Vec<R> {
    std::thread::scope(|scope| {
        let each = &each;
        let threads: Vec<_> = all.into_iter().map(|one| scope.spawn(move || each(one))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// What bookkeeping remembers of each partition.
pub fn annals(settings: &RuntimeSettings) -> Vec<Annals> {
    let mut annals = vec![Annals::default(); settings.topics.partitions as usize];
    let mut outcome = Outcome::default();
    let records = read_all(&settings.kafka.brokers, &settings.topics.bookkeeping, settings.topics.partitions);
    fold_latest("bookkeeping", records, &mut outcome);
    for ((_, partition, key), body) in outcome.latest {
        annals[partition as usize].read(&key, &body).expect("readable");
    }
    annals
}

struct Replay<'a> {
    settings: &'a RuntimeSettings,
    partition: PartitionId,
    annals: Annals,
    engine: Option<Engine>,
    effects: Effects,
    next: Offset,
}

impl Replay<'_> {
    fn new(settings: &RuntimeSettings, partition: PartitionId, annals: Annals) -> Replay<'_> {
        Replay { settings, partition, annals, engine: None, effects: Effects::new(), next: Offset(0) }
    }

    fn take(&mut self, message: &impl Message) {
        let offset = Offset(message.offset());
        self.follow(offset);
        let engine = self.engine.as_mut().expect("followed");
        self.next = Offset(offset.0 + 1);
        let position = Position { partition: self.partition, offset };
        let refused = self.annals.dead_lettered(offset).cloned();
        let framed = match message.payload() {
            Some([0, a, b, c, d, ..]) if refused.is_none() => Some(u32::from_be_bytes([*a, *b, *c, *d])),
            _ => None,
        };
        let text = framed.and_then(|id| self.annals.schema(id, offset)).flatten();
        let writer = text.map(|text| WriterSchema::parse(text).expect("it was parsed before"));
        if let Some(id) = framed {
            engine.resolved(position, id, text.map(|text| &**text), &mut self.effects);
        }
        let record = Record {
            position,
            timestamp: message.timestamp().to_millis().map(EventTime),
            key: Some(message.key().unwrap_or_default()),
            value: message.payload(),
            traceparent: None,
            writer: writer.as_ref(),
        };
        match refused {
            Some(rejection) => engine.refuse(record, rejection, &mut self.effects),
            None => engine.process(record, &mut self.effects),
        };
    }

    /// Makes the engine one with the settings that held at `offset`.
    fn follow(&mut self, offset: Offset) {
        let begins = self.annals.history().any(|entry| entry.offset == offset);
        if self.engine.is_some() && !begins {
            return;
        }
        let known = self.annals.settings(offset).map(|settings| Arc::new(settings.expect("of this version")));
        let settings = known.unwrap_or_else(|| Arc::clone(&self.settings.engine));
        let mut restoring = Restoring::new(settings, self.partition, self.settings.topics.partitions);
        if let Some(engine) = &mut self.engine {
            engine.seal(self.next, &mut self.effects);
        }
        for record in self.effects.records().skip(self.effects.stream().len()) {
            let topic = match record.topic {
                Topic::States => StateTopic::States,
                Topic::Vectors => StateTopic::Vectors,
                _ => StateTopic::Bookkeeping,
            };
            let body = if let OutValue::Avro(body) = record.value { Some(body) } else { None };
            restoring.apply(topic, record.key.expect("compacted"), body);
        }
        self.engine = Some(restoring.finish(None).expect("what it wrote restores").0);
    }

    fn finish(mut self) -> Effects {
        if let Some(engine) = &mut self.engine {
            engine.seal(self.next, &mut self.effects);
        }
        self.effects
    }
}

/// What the service really published, as a `read_committed` reader sees it.
pub fn published(settings: &RuntimeSettings) -> Outcome {
    let t = &settings.topics;
    let mut outcome = Outcome::default();
    let topics = [
        ("recovery", &t.recovery),
        ("transfer", &t.transfer),
        ("dead letters", &t.dead_letters),
        ("states", &t.states),
        ("vectors", &t.vectors),
        ("bookkeeping", &t.bookkeeping),
    ];
    let read = |(role, topic): (_, &String)| (role, read_all(&settings.kafka.brokers, topic, t.partitions));
    for (role, records) in at_once(topics, read) {
        if ["states", "vectors", "bookkeeping"].contains(&role) {
            fold_latest(role, records, &mut outcome);
            continue;
        }
        // Those without a value and headers are left where brokers forgot a transaction, and say nothing.
        for seen in records.into_iter().filter(|seen| seen.value.is_some() || !seen.headers.is_empty()) {
            let value = if role == "dead letters" { letter(&seen) } else { body(&seen) };
            outcome.sequences.entry((role, seen.partition)).or_default().push((seen.key, value));
        }
    }
    outcome
}

/// Of a long dead letter its first 64 KiB, its length and its hash: more is not promised of one that its topic refuses.
fn abridged(value: Vec<u8>) -> Vec<u8> {
    const KEPT: usize = 64 << 10;
    let (kept, rest) = value.split_at(value.len().min(KEPT));
    if rest.is_empty() {
        return value;
    }
    [kept, value.len().to_string().as_bytes(), hex::encode(Sha256::digest(&value)).as_bytes()].concat()
}

/// The same of one that was published, which may be whole or say the rest in its headers.
fn letter(seen: &Seen) -> Option<Vec<u8>> {
    let value = seen.value.clone()?;
    match (seen.header("truncated"), seen.header("sha256")) {
        (Some(length), Some(hash)) => Some([&value, length.as_bytes(), hash.as_bytes()].concat()),
        _ => Some(abridged(value)),
    }
}

fn fold_latest(role: &'static str, records: Vec<Seen>, outcome: &mut Outcome) {
    for seen in records {
        let key = (role, seen.partition, seen.key.clone().expect("a compacted topic has keys"));
        match body(&seen) {
            Some(body) => outcome.latest.insert(key, body),
            None => outcome.latest.remove(&key),
        };
    }
}

fn body(seen: &Seen) -> Option<Vec<u8>> {
    let value = seen.value.as_deref()?;
    Some(encode::strip_frame(value).expect("a framed value").to_vec())
}

/// The product's own verification finds nothing to object to.
pub fn assert_verified(settings: &RuntimeSettings) {
    let report = verify::verify(settings, &Request::default()).expect("an answer");
    let said = serde_json::to_string_pretty(&report).expect("JSON");
    assert_eq!(report.outcome, verify::Outcome::Equal, "{said}");
    let compared: u64 = report.partitions.iter().map(|p| p.states.equal + p.input.replayed).sum();
    assert!(compared > 0, "{said}");
}

/// Both are the same, byte for byte; says where they begin to differ.
pub fn assert_same(published: &Outcome, replayed: &Outcome) {
    for (place, expected) in &replayed.sequences {
        let found = published.sequences.get(place).map_or(&[][..], Vec::as_slice);
        if let Some(at) = found.iter().zip(expected).position(|(a, b)| a != b) {
            let again = |one: &[Published], other: &Published| one[at..].iter().position(|record| record == other);
            let (missing, more) = (again(expected, &found[at]), again(found, &expected[at]));
            panic!(
                "{place:?}: records differ from the {at}th on: what was found is expected {missing:?} later, what is \
                 expected was found {more:?} later; {} found, {} expected",
                found.len(),
                expected.len()
            );
        }
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
