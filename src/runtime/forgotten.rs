//! A transaction that nobody holds any more. A broker that is killed while it ends one may take it for ended when it
//! starts again, without a word to the partitions it wrote to and to the group's coordinator (seen with Apache Kafka
//! 4.3.1, a single broker). What it held stays undecided: no reader comes past it, and the group's offset is not known,
//! so that neither this process nor a next owner can go on.
//!
//! The next transaction of the same id that reaches the same partitions decides it too, as it ends itself. So one is made
//! that reaches all that is undecided, and is aborted: nobody can have seen anything of it. The engines go back to what is
//! decided. But the broker may have told some of the partitions, or the coordinator, that it is committed: then what is
//! left is committed too, and with it a record without a key, a value or headers in each of its places.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers};

use super::publish::CommittedOffsets;
use super::restorer::PAUSE;
use super::service::ServiceFault;
use super::shard::{Shard, Shared};
use crate::engine::encode::keys::BookKey;
use crate::engine::encode::{
    ORIGIN_OFFSET, Row, SuggestionKind, decode_row, decode_state, decode_suggestion, strip_frame,
};
use crate::kafka::consumer::offsets;
use crate::kafka::groups::outsider;
use crate::kafka::producer::{Outgoing, TransactionFault, TransactionalProducer};
use crate::kafka::reader::StateReader;
use crate::kafka::settings::TopicSettings;
use crate::model::position::{Offset, PartitionId};
use crate::model::suggestion::Publication;

/// Brokers end a transaction of a service after ten seconds, and look for such every ten: one that stays open for so
/// long they have forgotten.
pub(super) const FORGOTTEN: Duration = Duration::from_secs(30);

/// What a forgotten transaction left undecided.
struct Left<'t> {
    /// Something of it is committed.
    committed: bool,
    /// Where records are undecided.
    places: Vec<(&'t str, PartitionId)>,
}

impl Shard {
    /// The group's offsets of the partitions that fold, once these are decided and so is all that was written for them.
    /// The producer has just taken the id over.
    pub fn until_decided(
        &mut self,
        committed: CommittedOffsets<'_>,
        give_up: &dyn Fn() -> bool,
    ) -> Result<Vec<(PartitionId, Option<Offset>)>, ServiceFault> {
        let mut since = Instant::now();
        let mut reader = None;
        loop {
            let parts = self.folding();
            if parts.is_empty() {
                return Ok(Vec::new());
            }
            if let Some(found) = committed(&parts)
                && self.is_decided(&mut reader, &parts)
            {
                return Ok(found);
            }
            if give_up() {
                return Err(ServiceFault::GaveUp);
            }
            if since.elapsed() > FORGOTTEN {
                self.end_forgotten(&parts, give_up)?;
                since = Instant::now();
            }
        }
    }

    fn folding(&mut self) -> Vec<PartitionId> {
        let folding = self.owned.iter_mut().filter_map(|(partition, owned)| owned.folding().map(|_| *partition));
        folding.collect()
    }

    /// Whether everything written for these partitions is decided; `false` too without an answer.
    fn is_decided(&self, reader: &mut Option<StateReader>, parts: &[PartitionId]) -> bool {
        let settings = &self.shared.settings;
        if reader.is_none() {
            *reader = StateReader::new(&settings.kafka).ok();
        }
        let Some(reader) = reader else { return false };
        let undecided = undecided(reader, settings.topics.outputs(), parts.iter().copied());
        if !undecided.as_ref().is_ok_and(Vec::is_empty) {
            std::thread::sleep(PAUSE);
        }
        undecided.is_ok_and(|undecided| undecided.is_empty())
    }

    /// Ends one of this worker's id where restores have waited for it for long. What this worker folds is not part of
    /// it: that was found out when the connection was disturbed.
    pub fn end_what_restores_wait_for(&mut self, give_up: &dyn Fn() -> bool) -> Result<(), ServiceFault> {
        if self.looked_at.elapsed() < FORGOTTEN {
            return Ok(());
        }
        self.looked_at = Instant::now();
        let waiting = self.shared.board.undecided();
        if waiting.is_empty() { Ok(()) } else { self.end_forgotten(&waiting, give_up) }
    }

    /// Ends what this worker's id left undecided, if it did.
    fn end_forgotten(&mut self, parts: &[PartitionId], give_up: &dyn Fn() -> bool) -> Result<(), ServiceFault> {
        let shared = Arc::clone(&self.shared);
        let left = match left(&shared, parts) {
            Ok(left) => left,
            Err(error) => {
                tracing::warn!(%error, "offsets stay undecided, and what else is cannot be read");
                return Ok(());
            }
        };
        tracing::warn!(
            committed = left.committed,
            places = left.places.len(),
            "offsets stay undecided by a transaction that the brokers forgot: ending it"
        );
        let Some(producer) = self.producers.current() else { return Ok(()) };
        if let Err(fault) = self.end(producer, parts, &left, give_up) {
            tracing::warn!(%fault, "it could not be ended");
            return self.producers.replace(give_up);
        }
        if !left.committed {
            let reached = |partition: &PartitionId| left.places.iter().any(|(_, place)| place == partition);
            for partition in self.folding().into_iter().filter(|p| parts.contains(p) || reached(p)) {
                self.to_pause.push(partition);
                self.restore(partition);
            }
        }
        Ok(())
    }

    fn end(
        &self,
        producer: &TransactionalProducer,
        parts: &[PartitionId],
        left: &Left<'_>,
        give_up: &dyn Fn() -> bool,
    ) -> Result<(), TransactionFault> {
        let settings = &self.shared.settings;
        let group = outsider(&settings.kafka).map_err(|error| TransactionFault::Fatal(error.to_string()))?;
        producer.begin()?;
        for &(topic, partition) in &left.places {
            // No topic refuses it, not even one that is compacted.
            let record = Outgoing { topic, partition, key: Some(b""), value: None, headers: None };
            if let Some(fault) = producer.send(record, give_up)? {
                return Err(TransactionFault::Fatal(fault.cause));
            }
        }
        producer.drain(give_up)?;
        // Of a topic that the group does not read, so that it changes nothing, whoever owns what by now.
        let nothing = offsets(&settings.topics.bookkeeping, parts.iter().take(1).map(|p| (*p, Offset(0))));
        producer.send_offsets(&nothing, &Arc::new(group), give_up)?;
        if left.committed { producer.commit(give_up) } else { producer.abort(give_up) }
    }
}

fn left<'s>(shared: &'s Shared, parts: &[PartitionId]) -> Result<Left<'s>, KafkaError> {
    let topics = &shared.settings.topics;
    let reader = StateReader::new(&shared.settings.kafka)?;
    let all = (0..shared.board.partition_count).map(PartitionId);
    let places = undecided(&reader, topics.outputs(), all)?;
    let mut committed = false;
    for &partition in parts {
        committed |= was_committed(&reader, topics, partition, &places)?;
    }
    Ok(Left { committed, places })
}

/// Whether what is decided of the last transaction of a partition says that it was committed. Offsets, a checkpoint and
/// mostly states are part of each.
fn was_committed(
    reader: &StateReader,
    topics: &TopicSettings,
    partition: PartitionId,
    places: &[(&str, PartitionId)],
) -> Result<bool, KafkaError> {
    let bookkeeping = &topics.bookkeeping[..];
    let next = checkpoint(reader, bookkeeping, partition)?;
    if next != reader.decided_offset(&topics.events, partition)? {
        return Ok(true);
    }
    if !places.contains(&(bookkeeping, partition)) {
        // A checkpoint is committed with everything that follows from the records below it.
        for &(topic, _) in places.iter().filter(|(_, place)| *place == partition) {
            if next.is_some() && follows_from(reader, topics, topic, partition)?.is_some_and(|from| Some(from) < next) {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    if places.contains(&(&topics.states[..], partition)) {
        return Ok(false);
    }
    let mut goes_on = false;
    reader.read(&topics.states, partition, |message| {
        let body = message.and_then(|message| message.payload()).and_then(strip_frame);
        let as_of = body.and_then(|body| decode_state(body).ok()).map(|state| state.book.as_of.offset);
        goes_on |= as_of >= Some(next.unwrap_or(Offset(0)));
        true
    })?;
    Ok(goes_on)
}

/// The input record that the first undecided record of a topic follows from, of those that tell.
fn follows_from(
    reader: &StateReader,
    topics: &TopicSettings,
    topic: &str,
    partition: PartitionId,
) -> Result<Option<Offset>, KafkaError> {
    let kind = match topic {
        _ if topic == topics.recovery => Some(SuggestionKind::Recovery),
        _ if topic == topics.transfer => Some(SuggestionKind::Transfer),
        _ => None,
    };
    let mut found = None;
    reader.read_undecided(topic, partition, |message| {
        let Some(message) = message else { return true };
        let body = message.payload().and_then(strip_frame);
        found = match (kind, body) {
            _ if topic == topics.dead_letters => origin(message),
            // What ends a suggestion repeats where it began.
            (Some(kind), Some(body)) => match decode_suggestion(kind, body) {
                Ok((suggestion, Publication::Open)) => Some(suggestion.as_of.offset),
                _ => None,
            },
            (None, Some(body)) if topic == topics.states => decode_state(body).ok().map(|s| s.book.as_of.offset),
            _ => None,
        };
        found.is_none()
    })?;
    Ok(found)
}

/// Where a dead letter came from.
fn origin(message: &BorrowedMessage<'_>) -> Option<Offset> {
    let header = message.headers()?.iter().find(|header| header.key == ORIGIN_OFFSET)?;
    std::str::from_utf8(header.value?).ok()?.parse().ok().map(Offset)
}

/// Where something is undecided.
fn undecided<'t>(
    reader: &StateReader,
    topics: [&'t str; 6],
    partitions: impl Iterator<Item = PartitionId> + Clone,
) -> Result<Vec<(&'t str, PartitionId)>, KafkaError> {
    let mut places = Vec::new();
    for topic in topics {
        for partition in partitions.clone() {
            let extent = reader.extent(topic, partition)?;
            if !reader.settled(topic, partition, extent.end)? {
                places.push((topic, partition));
            }
        }
    }
    Ok(places)
}

/// What the last committed checkpoint says comes next.
fn checkpoint(reader: &StateReader, topic: &str, partition: PartitionId) -> Result<Option<Offset>, KafkaError> {
    let key = BookKey::Partition.to_bytes();
    let mut last = None;
    reader.read(topic, partition, |message| {
        if let Some(message) = message.filter(|message| message.key() == Some(&key[..]))
            && let Some(body) = message.payload().and_then(strip_frame)
            && let Ok(Row::Partition(checkpoint)) = decode_row(body)
        {
            last = Some(checkpoint.next_offset);
        }
        true
    })?;
    Ok(last)
}
