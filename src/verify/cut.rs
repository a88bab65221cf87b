//! Cuts a partition that may be at work: reads its compacted topics, then the ends of its sequences, between two looks
//! at its checkpoint.
//!
//! A transaction writes to all topics of a partition, and one follows the other. So whatever is seen after a checkpoint
//! is at least as new, and whatever is seen before one that was read last is at most. The first checkpoint is
//! `cut.from`, the last `cut.to`. Before the last one is looked at, everything below the ends is settled: a record
//! whose transaction is still open when its end is taken would else be judged without its checkpoint.

use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::error::KafkaError;

use super::books::Books;
use super::table::Table;
use super::{Progress, Request, Stage, VerifyError, span};
use crate::engine::StateTopic;
use crate::kafka::reader::{Extent, PartitionReader, StateReader};
use crate::model::bookkeeping::Checkpoint;
use crate::model::position::{Offset, PartitionId};
use crate::runtime::settings::RuntimeSettings;

/// Pause between two attempts.
pub(super) const PAUSE: Duration = Duration::from_millis(50);
/// How long the cluster may not answer, or a transaction stay open: several times the broker's bound on ours.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads one partition's topics.
pub(super) struct Reading<'a> {
    pub settings: &'a RuntimeSettings,
    pub request: &'a Request<'a>,
    pub reader: &'a StateReader,
    pub partition: PartitionId,
}

/// What a partition's outputs are compared up to.
pub(super) struct Snapshot {
    /// States, vectors, bookkeeping.
    pub tables: [Table; 3],
    pub books: Books,
    /// The first checkpoint: everything below its offset has to be there.
    pub first: Option<Checkpoint>,
    pub from: Offset,
    pub to: Offset,
    /// The group's offset, read between the two checkpoints.
    pub group: Option<Offset>,
    /// Recovery, transfer, dead letters.
    pub sequences: [Extent; 3],
}

impl Reading<'_> {
    /// Cuts the partition.
    pub fn snapshot(&self) -> Result<Snapshot, VerifyError> {
        let topics = &self.settings.topics;
        let names = topics.state().map(|(_, name)| name);
        let later = self.settings.generation.number > 1;
        let mut tables = topics.state().map(|(topic, _)| Table::new(topic, later));
        let mut books = Books::default();
        let mut next = [None; 3];
        // All of it first, so that little is left to read between the two looks at the checkpoint.
        for at in 0..3 {
            self.read_on(names[at], &mut tables[at], &mut books, &mut next[at])?;
        }
        let first = books.checkpoint();
        let from = books.next_offset();
        let group = self.persevere("group offset", || self.reader.group_offset(&topics.events, self.partition))?;
        for at in 0..2 {
            self.read_on(names[at], &mut tables[at], &mut books, &mut next[at])?;
        }
        let mut sequences = Vec::with_capacity(3);
        for topic in topics.sequences() {
            sequences.push(self.settled(topic)?);
        }
        self.read_on(names[2], &mut tables[2], &mut books, &mut next[2])?;
        let to = books.next_offset().max(from);
        let sequences = [sequences[0], sequences[1], sequences[2]];
        Ok(Snapshot { tables, books, first, from, to, group, sequences })
    }

    /// Reads a compacted topic from where it was left to its end.
    fn read_on(
        &self,
        topic: &str,
        table: &mut Table,
        books: &mut Books,
        next: &mut Option<Offset>,
    ) -> Result<(), VerifyError> {
        let extent = self.settled(topic)?;
        let from = next.unwrap_or(extent.begin).max(extent.begin);
        let is_books = table.topic == StateTopic::Bookkeeping;
        let mut count = 0u64;
        let mut reached = from;
        if from >= extent.end {
            return Ok(());
        }
        let read = self.reader.read_from(topic, self.partition, from, |message| {
            if let Some(message) = message {
                table.found(message);
                if is_books {
                    books.take(message);
                }
                reached = Offset(message.offset() + 1);
                count += 1;
                if count.is_multiple_of(4096) {
                    self.tell(Stage::State, span(from, reached), span(from, extent.end));
                }
            }
            true
        });
        read.map_err(VerifyError::kafka(format!("reading {topic}")))?;
        *next = Some(reached);
        Ok(())
    }

    /// Where a topic begins and ends now, once everything in between is settled.
    pub fn settled(&self, topic: &str) -> Result<Extent, VerifyError> {
        let extent = self.extent(topic)?;
        let until = Instant::now() + PATIENCE;
        while !self.persevere(topic, || self.reader.settled(topic, self.partition, extent.end))? {
            if Instant::now() > until {
                return Err(VerifyError::Unsettled { topic: topic.to_owned(), partition: self.partition.0 });
            }
            std::thread::sleep(PAUSE);
        }
        Ok(extent)
    }

    /// Where a topic begins and ends now.
    pub fn extent(&self, topic: &str) -> Result<Extent, VerifyError> {
        self.persevere(topic, || self.reader.extent(topic, self.partition))
    }

    /// Opens a topic for what can be read there.
    pub fn open(&self, topic: &str, extent: Extent) -> Result<PartitionReader, VerifyError> {
        let opened = PartitionReader::open(&self.settings.kafka, topic, self.partition, extent);
        opened.map_err(VerifyError::kafka(format!("reading {topic}")))
    }

    /// Asks again until there is an answer, within reason.
    pub fn persevere<T>(&self, what: &str, mut ask: impl FnMut() -> Result<T, KafkaError>) -> Result<T, VerifyError> {
        let until = Instant::now() + PATIENCE;
        loop {
            match ask() {
                Err(error) if Instant::now() > until => return Err(VerifyError::kafka(what)(error)),
                Err(_) => std::thread::sleep(PAUSE),
                Ok(answer) => return Ok(answer),
            }
        }
    }

    /// Says how far it is.
    pub fn tell(&self, stage: Stage, done: u64, total: u64) {
        (self.request.progress)(Progress { partition: self.partition, stage, done, total });
    }
}
