//! Generations beside this one, as the cluster shows them: what an earlier one published and decided, whether it
//! still runs, and whether a later one has caught up. Changes nothing of theirs.
//!
//! Two generations never both publish what follows one record. The later one folds without publishing up to what
//! the earlier one has committed; commits that it got there; only then looks whether the earlier one has members, and
//! if none, once more how far it came. An earlier one joins its group, and only then looks how far the later one
//! came; it stops where that is as far as itself. So whichever looks second sees the other.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::Message;
use rdkafka::error::KafkaError;

use super::settings::{Generation, RuntimeSettings};
use crate::engine::{Annals, encode};
use crate::kafka::groups::Groups;
use crate::kafka::reader::StateReader;
use crate::model::bookkeeping::Decision;
use crate::model::position::{Offset, PartitionId};

/// Pause between two looks at whether an open transaction is settled; the broker ends one after ten seconds.
const SETTLING: Duration = Duration::from_millis(100);

/// What earlier generations left of one partition.
#[derive(Debug, Default)]
pub(super) struct Legacy {
    /// The first input offset whose outputs none of them published.
    pub publish_from: Offset,
    /// What they decided, the newest generation's word where they differ.
    pub decisions: Vec<Decision>,
    /// How many partitions the input had when they folded it, as far as a checkpoint tells.
    pub partition_count: Option<i32>,
}

impl Legacy {
    /// Takes note of how far a generation came.
    fn see(&mut self, row: &encode::Row) {
        let came_to = match row {
            encode::Row::Partition(checkpoint) => {
                self.partition_count = Some(checkpoint.partition_count);
                checkpoint.next_offset
            }
            encode::Row::Rebuild(rebuild) => rebuild.publish_from,
            _ => return,
        };
        self.publish_from = self.publish_from.max(came_to);
    }
}

/// Whether a partition may begin to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Handover {
    /// Nobody else publishes any more.
    Done,
    /// An earlier generation went on to here: fold up to there first.
    Further(Offset),
    /// Not now, for this reason.
    NotYet(String),
}

/// Looks at the other generations of one application.
pub(super) struct Generations<'a> {
    settings: &'a RuntimeSettings,
    groups: Groups,
}

impl<'a> Generations<'a> {
    /// Nothing is asked yet.
    pub fn new(settings: &'a RuntimeSettings) -> Generations<'a> {
        Generations { settings, groups: Groups::new(&settings.kafka) }
    }

    /// The later generation that has come as far as this one, or further: this one must not go on.
    pub fn overtaken_by(&mut self, partition: PartitionId, own: Option<Offset>) -> Result<Option<u32>, KafkaError> {
        for number in self.existing(self.settings.generation.number + 1..=Generation::MAX)? {
            let group = self.settings.group_of(number);
            let offset = self.groups.offset(&group, &self.settings.topics.events, partition)?;
            if offset.is_some_and(|offset| own.is_none_or(|own| offset >= own)) {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    /// What the earlier generations left. What of their bookkeeping cannot be read is passed over: then the group's
    /// offset alone tells.
    pub fn legacy(&mut self, reader: &StateReader, partition: PartitionId) -> Result<Legacy, KafkaError> {
        // First how far they came: what is read afterwards says of all records before which decisions were taken.
        let publish_from = self.published_up_to(partition)?.unwrap_or_default();
        let mut legacy = Legacy { publish_from, decisions: Vec::new(), partition_count: None };
        let mut annals = Annals::default();
        let numbers = self.existing(1..=self.settings.generation.number - 1)?;
        for number in numbers {
            let topic = self.settings.bookkeeping_of(number);
            let mut seen = |row: &encode::Row| legacy.see(row);
            let damaged = read_bookkeeping(reader, &topic, partition, &mut annals, &mut seen)?;
            if damaged > 0 {
                tracing::warn!(topic, partition = partition.0, records = damaged, "unreadable, passed over");
            }
        }
        legacy.decisions = annals.decisions().cloned().collect();
        if legacy.partition_count.is_none() && partition != PartitionId(0) {
            // A partition that came later has no checkpoint; the first one was there from the beginning.
            legacy.partition_count = self.legacy(reader, PartitionId(0))?.partition_count;
        }
        Ok(legacy)
    }

    /// Whether a partition that was folded up to `publish_from`, and committed there, may publish.
    pub fn hand_over(&mut self, partition: PartitionId, publish_from: Offset) -> Handover {
        self.try_hand_over(partition, publish_from).unwrap_or_else(|error| Handover::NotYet(error.to_string()))
    }

    fn try_hand_over(&mut self, partition: PartitionId, publish_from: Offset) -> Result<Handover, KafkaError> {
        let mut members = Vec::new();
        for number in 1..self.settings.generation.number {
            match self.groups.members(&self.settings.group_of(number))? {
                0 => {}
                count => members.push(format!("generation {number} has {count} members left in its group")),
            }
        }
        // In this order: whoever was no member just now cannot commit any more.
        match self.published_up_to(partition)? {
            Some(offset) if offset > publish_from => Ok(Handover::Further(offset)),
            _ if members.is_empty() => Ok(Handover::Done),
            _ => Ok(Handover::NotYet(format!("{}: stop its instances", members.join(", ")))),
        }
    }

    /// How far earlier generations came, by their groups.
    fn published_up_to(&mut self, partition: PartitionId) -> Result<Option<Offset>, KafkaError> {
        let mut furthest = None;
        for number in 1..self.settings.generation.number {
            let group = self.settings.group_of(number);
            furthest = furthest.max(self.groups.offset(&group, &self.settings.topics.events, partition)?);
        }
        Ok(furthest)
    }

    /// Those of these generations whose bookkeeping topic exists.
    fn existing(&mut self, numbers: std::ops::RangeInclusive<u32>) -> Result<Vec<u32>, KafkaError> {
        let topics = numbers.clone().map(|number| self.settings.bookkeeping_of(number));
        let exist = self.groups.existing(&self.settings.kafka.group_id, topics)?;
        Ok(numbers.zip(exist).filter(|(_, exists)| *exists).map(|(number, _)| number).collect())
    }
}

/// Reads decisions, and what checkpoint and rebuild say of what was published. Returns how many records are damaged.
fn read_bookkeeping(
    reader: &StateReader,
    topic: &str,
    partition: PartitionId,
    annals: &mut Annals,
    seen: &mut dyn FnMut(&encode::Row),
) -> Result<usize, KafkaError> {
    let extent = reader.extent(topic, partition)?;
    if extent.end <= extent.begin {
        return Ok(0);
    }
    while !reader.settled(topic, partition, extent.end)? {
        std::thread::sleep(SETTLING);
    }
    let mut latest = BTreeMap::new();
    reader.read(topic, partition, |message| {
        if let Some(message) = message
            && let Some(key) = message.key().filter(|key| encode::keys::BookKey::is_of_annals(key))
        {
            match message.payload().and_then(encode::strip_frame) {
                Some(body) => latest.insert(key.to_vec(), body.to_vec()),
                None => latest.remove(key),
            };
        }
        true
    })?;
    let mut damaged = 0;
    for (key, body) in latest {
        match encode::decode_row(&body) {
            Ok(row @ (encode::Row::Partition(_) | encode::Row::Rebuild(_))) => seen(&row),
            Ok(_) => damaged += usize::from(annals.read(&key, &body).is_err()),
            Err(_) => damaged += 1,
        }
    }
    Ok(damaged)
}
