//! Reads a topic's partition to its end. Two clients: one sees what is committed, the other where
//! the log really ends (a read_committed client's watermark is only the last stable offset).

use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::Offset as KafkaOffset;

use super::client::{PlainContext, bystander_config};
use super::consumer::{at, committed};
use super::settings::KafkaSettings;
use crate::model::position::{Offset, PartitionId};

/// Where a partition begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Oldest offset.
    pub begin: Offset,
    /// Offset after the newest record, committed or not.
    pub end: Offset,
}

/// Reads state topics and the group's offsets, without being a member of the group.
pub struct StateReader {
    committed: BaseConsumer<PlainContext>,
    uncommitted: BaseConsumer<PlainContext>,
}

/// Timeout of one request; callers try again.
const REQUEST: Duration = Duration::from_secs(2);
/// How long brokers may be out of reach before a reader gives up.
const UNREACHABLE: Duration = Duration::from_secs(60);
/// How long one poll may keep a cancelled reader from noticing.
const POLL: Duration = Duration::from_millis(50);

impl StateReader {
    /// Creates both clients; no broker is asked yet.
    pub fn new(settings: &KafkaSettings) -> Result<StateReader, KafkaError> {
        let mut config = reading(settings);
        let uncommitted = config.clone().set("isolation.level", "read_uncommitted").to_owned();
        config.set("isolation.level", "read_committed");
        Ok(StateReader {
            committed: BaseConsumer::from_config_and_context(&config, PlainContext)?,
            uncommitted: BaseConsumer::from_config_and_context(&uncommitted, PlainContext)?,
        })
    }

    /// The group's committed offset, once no transaction that could change it is open. A timeout is an
    /// error to try again.
    pub fn group_offset(&self, topic: &str, partition: PartitionId) -> Result<Option<Offset>, KafkaError> {
        let found = committed(&self.committed, topic, &[partition], REQUEST)?;
        Ok(found.into_iter().find_map(|(_, offset)| offset))
    }

    /// The group's committed offset as the last transaction left it that is decided.
    pub fn decided_offset(&self, topic: &str, partition: PartitionId) -> Result<Option<Offset>, KafkaError> {
        let found = committed(&self.uncommitted, topic, &[partition], REQUEST)?;
        Ok(found.into_iter().find_map(|(_, offset)| offset))
    }

    /// Where the partition begins and ends now, open transactions included.
    pub fn extent(&self, topic: &str, partition: PartitionId) -> Result<Extent, KafkaError> {
        let (begin, end) = self.uncommitted.fetch_watermarks(topic, partition.0, REQUEST)?;
        Ok(Extent { begin: Offset(begin), end: Offset(end) })
    }

    /// Whether every record below `end` is settled, committed or aborted.
    pub fn settled(&self, topic: &str, partition: PartitionId, end: Offset) -> Result<bool, KafkaError> {
        let (_, stable) = self.committed.fetch_watermarks(topic, partition.0, REQUEST)?;
        Ok(stable >= end.0)
    }

    /// Hands every committed record below the current end to `each`, in log order. Call when
    /// [`Self::settled`]: then the end that the broker reports lies at or after it. Returns `false` if
    /// `each` asked to stop.
    pub fn read(
        &self,
        topic: &str,
        partition: PartitionId,
        each: impl FnMut(Option<&BorrowedMessage<'_>>) -> bool,
    ) -> Result<bool, KafkaError> {
        read_at(&self.committed, topic, partition, KafkaOffset::Beginning, each)
    }

    /// Hands every record from the first one on that is not settled to `each`, in log order.
    pub fn read_undecided(
        &self,
        topic: &str,
        partition: PartitionId,
        each: impl FnMut(Option<&BorrowedMessage<'_>>) -> bool,
    ) -> Result<bool, KafkaError> {
        let (_, stable) = self.committed.fetch_watermarks(topic, partition.0, REQUEST)?;
        read_at(&self.uncommitted, topic, partition, KafkaOffset::Offset(stable), each)
    }

    /// Hands every record that is there below an end to `each`, in log order: those of aborted and of open transactions
    /// too, whose bytes anyone can read. What retention takes meanwhile is not there.
    pub fn read_bytes(
        &self,
        topic: &str,
        partition: PartitionId,
        end: Offset,
        mut each: impl FnMut(&BorrowedMessage<'_>),
    ) -> Result<(), KafkaError> {
        let mut below = |message: Option<&BorrowedMessage<'_>>| {
            let Some(message) = message else { return true };
            if message.offset() < end.0 {
                each(message);
            }
            message.offset() + 1 < end.0
        };
        loop {
            match read_at(&self.uncommitted, topic, partition, KafkaOffset::Beginning, &mut below) {
                // The beginning moved past what was to be read next, so nothing comes twice.
                Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) => {}
                read => return read.map(|_| ()),
            }
        }
    }

    /// The same as [`Self::read`] from an offset on, which must lie in the log or be its end.
    pub fn read_from(
        &self,
        topic: &str,
        partition: PartitionId,
        from: Offset,
        each: impl FnMut(Option<&BorrowedMessage<'_>>) -> bool,
    ) -> Result<bool, KafkaError> {
        read_at(&self.committed, topic, partition, KafkaOffset::Offset(from.0), each)
    }
}

fn read_at(
    consumer: &BaseConsumer<PlainContext>,
    topic: &str,
    partition: PartitionId,
    from: KafkaOffset,
    mut each: impl FnMut(Option<&BorrowedMessage<'_>>) -> bool,
) -> Result<bool, KafkaError> {
    // One partition at a time: the end is reported with the partition's number only.
    consumer.assign(&at(topic, &[partition], from))?;
    let outcome = loop {
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                if !each(Some(&message)) {
                    break Ok(false);
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => break Ok(true),
            Some(Err(error)) => break Err(error),
            None => {
                if !each(None) {
                    break Ok(false);
                }
            }
        }
    };
    consumer.unassign()?;
    outcome
}

/// Reads one partition forwards at the caller's pace: what is committed below an end.
pub struct PartitionReader {
    consumer: BaseConsumer<PlainContext>,
    end: Offset,
    over: bool,
    /// Since when the brokers cannot be reached.
    unreachable: Option<Instant>,
}

impl PartitionReader {
    /// Begins at `extent`'s beginning. Everything below its end must be settled: see [`StateReader::settled`].
    pub fn open(
        settings: &KafkaSettings,
        topic: &str,
        partition: PartitionId,
        extent: Extent,
    ) -> Result<PartitionReader, KafkaError> {
        let mut config = reading(settings);
        // Several of these stand beside each other, each as far ahead as this.
        config.set("isolation.level", "read_committed").set("queued.max.messages.kbytes", "8192");
        let consumer = BaseConsumer::from_config_and_context(&config, PlainContext)?;
        let over = extent.end <= extent.begin;
        if !over {
            consumer.assign(&at(topic, &[partition], KafkaOffset::Offset(extent.begin.0)))?;
        }
        Ok(PartitionReader { consumer, end: extent.end, over, unreachable: None })
    }

    /// The next committed record below the end, taken apart by `take`; `None`: there is none.
    pub fn next<T>(&mut self, take: impl FnOnce(&BorrowedMessage<'_>) -> T) -> Result<Option<T>, KafkaError> {
        while !self.over {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) if message.offset() < self.end.0 => {
                    self.unreachable = None;
                    return Ok(Some(take(&message)));
                }
                Some(Ok(_)) | Some(Err(KafkaError::PartitionEOF(_))) => self.over = true,
                // The client connects anew by itself.
                Some(Err(error)) if is_passing(&error) && !lasts(&mut self.unreachable) => {}
                Some(Err(error)) => return Err(error),
                None => {}
            }
        }
        Ok(None)
    }
}

/// Whether it has been so for too long that nothing comes; it began now if it is not known when.
fn lasts(since: &mut Option<Instant>) -> bool {
    since.get_or_insert_with(Instant::now).elapsed() > UNREACHABLE
}

fn is_passing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as C;
    matches!(error.rdkafka_error_code(), Some(C::BrokerTransportFailure | C::AllBrokersDown | C::OperationTimedOut))
}

/// Properties of every client here: it reads where it is told to, and is no member of the group.
fn reading(settings: &KafkaSettings) -> ClientConfig {
    let mut config = bystander_config(settings);
    config
        // For the group's offsets only: it never subscribes.
        .set("group.id", &settings.group_id)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error")
        // The end is reported by the first empty answer, which the broker holds back this long.
        .set("fetch.wait.max.ms", "10");
    config
}
