//! The replay of a partition beside what its topics hold.

use rdkafka::error::KafkaError;

use super::cut::Reading;
use super::items::{self, Found, Rules, Source};
use super::replay::Replay;
use super::report::PartitionReport;
use super::sequence::Sequence;
use super::table::Table;
use super::{Stage, VerifyError, span};
use crate::engine::Topic;
use crate::kafka::reader::{Extent, PartitionReader};
use crate::model::position::Offset;

/// The topics whose sequence is promised, in the order of every array of three.
const SEQUENCES: [Topic; 3] = [Topic::Recovery, Topic::Transfer, Topic::DeadLetters];

/// By topic, records too many of which no equal was seen lately.
pub(super) type Unexplained = [(Topic, Vec<u128>); 3];

/// A sequence as its topic holds it.
struct Published {
    topic: Topic,
    reader: PartitionReader,
}

impl Source for Published {
    type Error = KafkaError;

    fn next(&mut self) -> Result<Option<Found>, KafkaError> {
        let topic = self.topic;
        while let Some(found) = self.reader.next(|message| items::found(topic, message))? {
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

/// What is compared with the replay.
pub(super) struct Comparison {
    sequences: [(Topic, Sequence<Published>); 3],
    tables: [Table; 3],
    from: Offset,
}

impl Comparison {
    /// Opens the sequences between their extents.
    pub fn open(
        reading: &Reading<'_>,
        extents: [Extent; 3],
        tables: [Table; 3],
        rules: Rules,
    ) -> Result<Comparison, VerifyError> {
        let names = reading.settings.topics.sequences();
        let open = |at: usize| {
            let (topic, name, extent) = (SEQUENCES[at], names[at], extents[at]);
            let reader = reading.open(name, extent)?;
            let rules = Rules { begin_lost: extent.begin > Offset(0), ..rules };
            Ok::<_, VerifyError>((topic, Sequence::new(topic, name, Published { topic, reader }, rules)))
        };
        Ok(Comparison { sequences: [open(0)?, open(1)?, open(2)?], tables, from: rules.must_below })
    }

    /// Compares what a record brought; `at`: its offset.
    pub fn take(&mut self, replay: &Replay<'_>, at: Offset) -> Result<(), VerifyError> {
        for record in replay.effects.records() {
            let table = match record.topic {
                Topic::States => &mut self.tables[0],
                Topic::Vectors => &mut self.tables[1],
                Topic::Bookkeeping => &mut self.tables[2],
                topic => {
                    let sequence = self.sequences.iter_mut().find(|(of, _)| *of == topic);
                    let taken = sequence.map_or(Ok(()), |(_, s)| s.expect(items::expected(record, at)));
                    taken.map_err(VerifyError::kafka("reading what was published"))?;
                    continue;
                }
            };
            table.expected(&record, at >= self.from);
        }
        Ok(())
    }

    /// Reports what came of it. Returns what is left to look for, and bookkeeping.
    pub fn finish(
        self,
        reading: &Reading<'_>,
        proof: bool,
        report: &mut PartitionReport,
    ) -> Result<(Unexplained, Table), VerifyError> {
        let mut unexplained = SEQUENCES.map(|topic| (topic, Vec::new()));
        let into = [&mut report.recovery, &mut report.transfer, &mut report.dead_letters];
        for (at, ((_, mut sequence), into)) in self.sequences.into_iter().zip(into).enumerate() {
            sequence.finish().map_err(VerifyError::kafka("reading what was published"))?;
            (*into, unexplained[at].1) = sequence.into_report();
        }
        let topics = &reading.settings.topics;
        let examples = reading.request.examples;
        let [states, vectors, bookkeeping] = self.tables;
        report.states = states.compare(&topics.states, proof, examples);
        report.vectors = vectors.compare(&topics.vectors, proof, examples);
        report.bookkeeping = bookkeeping.compare(&topics.bookkeeping, proof, examples);
        Ok((unexplained, bookkeeping))
    }
}

impl Reading<'_> {
    /// Folds the committed input from `begin` to below `to`, and hands what each record brought to `each`, with its
    /// offset. Returns how many records there were; less where the replay panics.
    pub fn replay(
        &self,
        begin: Offset,
        to: Offset,
        replay: &mut Replay<'_>,
        mut each: impl FnMut(&mut Replay<'_>, Offset) -> Result<(), VerifyError>,
    ) -> Result<u64, VerifyError> {
        let topic = &self.settings.topics.events;
        let failed = || VerifyError::kafka(format!("reading {topic}"));
        let mut reader = self.open(topic, Extent { begin, end: to })?;
        let mut count = 0u64;
        while let Some(at) = reader.next(|m| replay.take(m)).map_err(failed())? {
            if replay.panicked.is_some() {
                break;
            }
            each(replay, at)?;
            count += 1;
            if count.is_multiple_of(1024) {
                self.tell(Stage::Replay, span(begin, at), span(begin, to));
            }
        }
        Ok(count)
    }
}
