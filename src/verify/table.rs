//! Compares a compacted topic with what a replay writes to it, by key: of each live key one hash of what is there
//! and one of what has to be.

use hashbrown::HashMap;

use super::items::printable;
use super::report::{TableExample, TableReport};
use crate::engine::{OutRecord, OutValue, STATE_HEADER, StateTopic, encode, ledger};
use crate::kafka::headers;
use rdkafka::Message;
use rdkafka::message::BorrowedMessage;

/// Hashes of a key's latest value; 0: it has none.
#[derive(Debug, Clone, Copy, Default)]
struct Pair {
    found: u128,
    expected: u128,
}

/// One compacted topic's partition.
pub(super) struct Table {
    pub topic: StateTopic,
    rows: HashMap<Box<[u8]>, Pair>,
    /// Whether decisions are left out: those of earlier generations were taken over with the dates they had.
    without_decisions: bool,
}

impl Table {
    pub fn new(topic: StateTopic, without_decisions: bool) -> Table {
        Table { topic, rows: HashMap::new(), without_decisions }
    }

    /// Notes a record of the topic.
    pub fn found(&mut self, message: &BorrowedMessage<'_>) {
        let key = message.key().unwrap_or_default();
        let hash = match parts(message) {
            Some((body, beside)) => hash(key, body, beside),
            None => 0,
        };
        self.set(key, |pair| pair.found = hash);
    }

    /// Notes a record that the replay writes. `open`: it follows from behind the cut, so that what is there may be
    /// this or what was before.
    pub fn expected(&mut self, record: &OutRecord<'_>, open: bool) {
        let key = record.key.unwrap_or_default();
        let hash = match written(record) {
            Some((body, beside)) => hash(key, body, beside),
            None => 0,
        };
        self.set(key, |pair| {
            if !open || pair.found == hash {
                pair.expected = hash;
            }
        });
    }

    fn set(&mut self, key: &[u8], change: impl FnOnce(&mut Pair)) {
        if self.topic == StateTopic::Bookkeeping
            && (matches!(key, b"partition" | b"rebuild") || (self.without_decisions && key.starts_with(b"decision/")))
        {
            return;
        }
        match self.rows.get_mut(key) {
            Some(pair) => {
                change(pair);
                if pair.found == 0 && pair.expected == 0 {
                    self.rows.remove(key);
                }
            }
            None => {
                let mut pair = Pair::default();
                change(&mut pair);
                if pair.found != 0 || pair.expected != 0 {
                    self.rows.insert(key.into(), pair);
                }
            }
        }
    }

    /// Whether a key's value is as it has to be.
    pub fn agrees(&self, key: &[u8]) -> bool {
        self.rows.get(key).is_none_or(|pair| pair.found == pair.expected)
    }

    /// What differs. `proof`: whether a difference proves anything.
    pub fn compare(&self, name: &str, proof: bool, examples: usize) -> TableReport {
        let mut report = TableReport { topic: name.to_owned(), ..TableReport::default() };
        let mut keys: [Vec<&[u8]>; 3] = Default::default();
        for (key, pair) in &self.rows {
            report.expected += u64::from(pair.expected != 0);
            let (class, count) = match pair {
                pair if pair.found == pair.expected => {
                    report.equal += 1;
                    continue;
                }
                _ if !proof => {
                    report.unprovable += 1;
                    continue;
                }
                Pair { found: 0, .. } => (0, &mut report.missing),
                Pair { expected: 0, .. } => (2, &mut report.unexpected),
                _ => (1, &mut report.different),
            };
            *count += 1;
            // The smallest keys, so that a report says the same each time.
            let keys = &mut keys[class];
            keys.push(key);
            if keys.len() > 2 * examples.max(1) {
                keys.sort_unstable();
                keys.truncate(examples);
            }
        }
        for (keys, class) in keys.iter_mut().zip(["missing", "different", "unexpected"]) {
            keys.sort_unstable();
            report.examples.extend(keys.iter().take(examples).map(|key| TableExample {
                class,
                key: printable(key),
                fields: Vec::new(),
                raw_key: key.to_vec(),
            }));
        }
        report
    }
}

/// A record's Avro body, and the text beside it where the public form is JSON; `None`: a tombstone.
pub(super) fn parts<'a>(message: &'a BorrowedMessage<'_>) -> Option<(&'a [u8], Option<&'a [u8]>)> {
    let value = message.payload()?;
    Some(match headers::last(message.headers(), STATE_HEADER) {
        Some(body) => (body, Some(value)),
        None => (encode::strip_frame(value).unwrap_or(value), None),
    })
}

/// The same of a record that the engine gives.
pub(super) fn written<'a>(record: &OutRecord<'a>) -> Option<(&'a [u8], Option<&'a [u8]>)> {
    match record.value {
        OutValue::Avro(body) => Some((body, None)),
        OutValue::Json(text) => {
            let body = record.headers.iter().find(|(name, _)| *name == STATE_HEADER).map(|(_, body)| &body[..]);
            Some((body.unwrap_or_default(), Some(text)))
        }
        OutValue::Tombstone | OutValue::Raw(_) => None,
    }
}

fn hash(key: &[u8], body: &[u8], beside: Option<&[u8]>) -> u128 {
    let text = beside.map_or(0, |text| ledger::hash(key, text).rotate_left(1));
    ledger::hash(key, body).wrapping_add(text)
}
