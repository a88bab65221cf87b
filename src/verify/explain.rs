//! Looks once more at what differs, for the report: which fields of a key's value, and which records too many are
//! repetitions. Done only where something differs, and for the examples alone.

use std::collections::HashMap;

use super::compare::Unexplained;
use super::cut::Reading;
use super::items;
use super::report::PartitionReport;
use super::table::{parts, written};
use super::{Stage, VerifyError, fields};
use crate::engine::{OutRecord, StateTopic, Topic};
use crate::model::position::Offset;
use rdkafka::Message;

/// Avro bodies of a key: what is expected and what is there.
type Bodies = [Option<Vec<u8>>; 2];

/// What is looked for in a second replay.
#[derive(Default)]
pub(super) struct Wanted {
    /// Keys with another value than expected, with the two bodies.
    rows: HashMap<(StateTopic, Vec<u8>), Bodies>,
    /// By topic, records too many, and whether such a record is expected.
    idents: HashMap<(Topic, u128), Repeated>,
}

/// How often a record is there too many, and whether it is expected at all.
#[derive(Default)]
struct Repeated {
    count: u64,
    expected: bool,
}

impl Wanted {
    /// What the report and the sequences leave open.
    pub fn new(report: &PartitionReport, unexplained: Unexplained) -> Wanted {
        let mut wanted = Wanted::default();
        let tables = [StateTopic::States, StateTopic::Vectors, StateTopic::Bookkeeping];
        for (topic, (_, table)) in tables.into_iter().zip(report.tables()) {
            let different = table.examples.iter().filter(|example| example.class == "different");
            wanted.rows.extend(different.map(|example| ((topic, example.raw_key.clone()), [None, None])));
        }
        for (topic, idents) in unexplained {
            for ident in idents {
                wanted.idents.entry((topic, ident)).or_default().count += 1;
            }
        }
        wanted
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.idents.is_empty()
    }

    /// Takes note of what the replay gives.
    pub fn expected(&mut self, record: OutRecord<'_>, at: Offset) {
        let topic = match record.topic {
            Topic::States => StateTopic::States,
            Topic::Vectors => StateTopic::Vectors,
            Topic::Bookkeeping => StateTopic::Bookkeeping,
            topic => {
                if !self.idents.is_empty()
                    && let Some(repeated) = self.idents.get_mut(&(topic, items::expected(record, at).what.ident))
                {
                    repeated.expected = true;
                }
                return;
            }
        };
        if self.rows.is_empty() {
            return;
        }
        if let Some([expected, _]) = self.rows.get_mut(&(topic, record.key.unwrap_or_default().to_vec())) {
            *expected = written(&record).map(|(body, _)| body.to_vec());
        }
    }

    /// Puts what was learned into the report.
    pub fn tell(self, report: &mut PartitionReport) {
        let sequences = [Topic::Recovery, Topic::Transfer, Topic::DeadLetters].into_iter().zip([
            &mut report.recovery,
            &mut report.transfer,
            &mut report.dead_letters,
        ]);
        for (topic, sequence) in sequences {
            let of_topic = self.idents.iter().filter(|((of, _), repeated)| *of == topic && repeated.expected);
            let repeated: HashMap<u128, u64> =
                of_topic.map(|((_, ident), repeated)| (*ident, repeated.count)).collect();
            for example in sequence.examples.iter_mut().filter(|example| example.class == "unexpected") {
                if repeated.contains_key(&example.ident) {
                    example.class = "doubled";
                }
            }
            let count: u64 = repeated.values().sum();
            sequence.unexpected -= count;
            sequence.doubled += count;
        }
        for (topic, table) in [
            (StateTopic::States, &mut report.states),
            (StateTopic::Vectors, &mut report.vectors),
            (StateTopic::Bookkeeping, &mut report.bookkeeping),
        ] {
            for example in &mut table.examples {
                if let Some([Some(expected), Some(found)]) = self.rows.get(&(topic, example.raw_key.clone())) {
                    example.fields = match expected == found {
                        true => vec!["text beside the state".to_owned()],
                        false => fields::of_rows(topic, expected, found),
                    };
                }
            }
        }
    }
}

impl Reading<'_> {
    /// Reads the values of the wanted keys.
    pub fn fetch(&self, wanted: &mut Wanted) -> Result<(), VerifyError> {
        for (role, topic) in self.settings.topics.state() {
            if !wanted.rows.keys().any(|(of, _)| *of == role) {
                continue;
            }
            self.tell(Stage::Explaining, 0, 1);
            self.settled(topic)?;
            let read = self.reader.read(topic, self.partition, |message| {
                if let Some(message) = message
                    && let Some([_, found]) = wanted.rows.get_mut(&(role, message.key().unwrap_or_default().to_vec()))
                {
                    *found = parts(message).map(|(body, _)| body.to_vec());
                }
                true
            });
            read.map_err(VerifyError::kafka(format!("reading {topic}")))?;
        }
        Ok(())
    }
}
