//! The group consumer of the input topic. Ownership changes reach the owner of the partitions through a
//! listener, called inside `poll` on the polling thread; what is newly assigned starts paused, since its
//! state has to be restored first. Never commits by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset as KafkaOffset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;

use super::client::{base_config, trace_line};
use super::member::{Member, SESSION, STATISTICS_MS, heard_at, member_id};
use super::settings::KafkaSettings;
use crate::model::position::{Offset, PartitionId};

/// What a commit of offsets needs, and the member it is for.
pub struct Membership {
    /// Sent with the offsets.
    pub metadata: Arc<ConsumerGroupMetadata>,
    /// Changes when the group has dropped the member and it joined again, whoever was told of it. (Under
    /// `group.protocol=consumer` it stays; there the broker refuses what an earlier membership sends.)
    pub member_id: String,
}

/// Hears of ownership changes. Called on the thread that polls, inside `poll`.
pub trait OwnershipListener: Send + Sync + 'static {
    /// These partitions are owned now, by this member; they are paused.
    fn assigned(&self, member: &Member, partitions: &[PartitionId]);
    /// These partitions are about to go to another member. `group` can still commit their offsets; `None`
    /// if they are lost: then they may already be another member's.
    fn revoked(&self, group: Option<&Membership>, partitions: &[PartitionId]);
    /// The offset after the last record that is readable now, by partition; about once a second.
    fn input_ends(&self, ends: &[(PartitionId, Offset)]);
    /// The group was last heard of at this instant, and the membership held.
    fn heard(&self, at: Instant);
}

/// Why polling failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PollFault {
    /// Another process joined with this member's instance id.
    #[error("another instance holds this id: {0}")]
    Fenced(String),
    /// The group still counts an earlier life of this member (`group.protocol=consumer` only): the client is of no
    /// more use, but a new one can join once that session has timed out.
    #[error("the group still holds this instance id: {0}")]
    Unreleased(String),
    /// The group takes no more requests of this client, which had left it (`group.protocol=consumer` only: a static
    /// member that polled too late): the client is of no more use, but a new one can join.
    #[error("the group refuses this client: {0}")]
    Refused(String),
    /// The client is of no more use.
    #[error("consumer failed: {0}")]
    Fatal(String),
    /// A position lies outside the log: records were deleted before they were read, or the topic was made
    /// anew.
    #[error("position is outside the log: {0}")]
    OutOfRange(String),
    /// Goes away by itself.
    #[error("{0}")]
    Transient(String),
}

struct GroupContext<L> {
    topic: String,
    listener: Arc<L>,
    /// Before the client was made.
    since: Instant,
}

impl<L: OwnershipListener> ClientContext for GroupContext<L> {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        trace_line(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(target: "librdkafka", %error, "consumer: {reason}");
    }

    fn stats(&self, statistics: Statistics) {
        if let Some(at) = heard_at(&statistics, self.since) {
            self.listener.heard(at);
        }
        let Some(topic) = statistics.topics.get(&self.topic) else { return };
        let ends: Vec<_> = (topic.partitions.iter())
            .filter(|(id, p)| **id >= 0 && p.ls_offset >= 0)
            .map(|(id, p)| (PartitionId(*id), Offset(p.ls_offset)))
            .collect();
        self.listener.input_ends(&ends);
    }
}

impl<L: OwnershipListener> ConsumerContext for GroupContext<L> {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions: Vec<_> = list.elements().iter().map(|e| PartitionId(e.partition())).collect();
        let cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        let done = match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                // The position is set when the state is restored. Until then it must be explicit, or the
                // group's offset would be looked up and the reset policy applied.
                let explicit = at(&self.topic, &partitions, KafkaOffset::Beginning);
                let assigned =
                    if cooperative { consumer.incremental_assign(&explicit) } else { consumer.assign(&explicit) };
                assigned
                    .and_then(|()| consumer.pause(&explicit))
                    .map(|()| self.listener.assigned(&Member::of(consumer), &partitions))
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => {
                let group = if consumer.assignment_lost() { None } else { membership(consumer) };
                self.listener.revoked(group.as_ref(), &partitions);
                if cooperative { consumer.incremental_unassign(list) } else { consumer.unassign() }
            }
            other => {
                tracing::error!(?other, "rebalance failed");
                consumer.unassign()
            }
        };
        if let Err(error) = done {
            tracing::error!(%error, ?partitions, "could not follow a rebalance");
        }
    }
}

/// A member of the group that reads the input.
pub struct GroupConsumer<L: OwnershipListener> {
    inner: BaseConsumer<GroupContext<L>>,
    topic: String,
}

impl<L: OwnershipListener> GroupConsumer<L> {
    /// Creates the client and subscribes. `member` is the static membership id.
    pub fn new(
        settings: &KafkaSettings,
        topic: &str,
        member: &str,
        listener: Arc<L>,
    ) -> Result<GroupConsumer<L>, KafkaError> {
        let mut config = base_config(settings);
        let mut default = |name: &str, value: &str| {
            if !settings.properties.contains_key(name) {
                config.set(name, value);
            }
        };
        // The broker decides these two under the newer group protocol, and librdkafka refuses to be told.
        if !settings.is_assigned_by_broker() {
            default("session.timeout.ms", &SESSION.as_millis().to_string());
            default("partition.assignment.strategy", "cooperative-sticky");
        }
        default("statistics.interval.ms", STATISTICS_MS);
        config
            .set("group.id", &settings.group_id)
            .set("group.instance.id", member)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "error");
        let context = GroupContext { topic: topic.to_owned(), listener, since: Instant::now() };
        let inner = BaseConsumer::from_config_and_context(&config, context)?;
        inner.subscribe(&[topic])?;
        Ok(GroupConsumer { inner, topic: topic.to_owned() })
    }

    /// The next record, waiting up to `timeout`; `None` also after other events were served.
    pub fn poll(&self, timeout: Duration) -> Option<Result<BorrowedMessage<'_>, PollFault>> {
        Some(self.inner.poll(timeout)?.map_err(|error| poll_fault(&error)))
    }

    /// Fresh group metadata. No poll may come between this and sending the offsets.
    pub fn membership(&self) -> Option<Membership> {
        membership(&self.inner)
    }

    /// Stops fetching.
    pub fn pause(&self, partitions: &[PartitionId]) -> Result<(), KafkaError> {
        self.inner.pause(&at(&self.topic, partitions, KafkaOffset::Invalid))
    }

    /// Fetches again, from where the consumer stood.
    pub fn resume(&self, partitions: &[PartitionId]) -> Result<(), KafkaError> {
        self.inner.resume(&at(&self.topic, partitions, KafkaOffset::Invalid))
    }

    /// Moves a paused partition to `offset`.
    pub fn seek(&self, partition: PartitionId, offset: Offset) -> Result<(), KafkaError> {
        self.inner.seek(&self.topic, partition.0, KafkaOffset::Offset(offset.0), Duration::from_secs(1))
    }

    /// Oldest and next offset of the input.
    pub fn watermarks(&self, partition: PartitionId, timeout: Duration) -> Result<(Offset, Offset), KafkaError> {
        let (low, high) = self.inner.fetch_watermarks(&self.topic, partition.0, timeout)?;
        Ok((Offset(low), Offset(high)))
    }

    /// The group's committed offset of each partition, once no transaction that could change it is open.
    pub fn committed(
        &self,
        partitions: &[PartitionId],
        timeout: Duration,
    ) -> Result<Vec<(PartitionId, Option<Offset>)>, KafkaError> {
        committed(&self.inner, &self.topic, partitions, timeout)
    }

    /// Whether this member has joined its group.
    pub fn has_joined(&self) -> bool {
        !matches!(self.inner.rebalance_protocol(), RebalanceProtocol::None)
    }

    /// Leaves the group; the revocation arrives by [`Self::poll`].
    pub fn unsubscribe(&self) {
        self.inner.unsubscribe();
    }
}

/// The metadata first: if the id is still the wanted one afterwards, the metadata is of that member, too.
fn membership<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<Membership> {
    let metadata = Arc::new(consumer.group_metadata()?);
    Some(Membership { metadata, member_id: member_id(consumer) })
}

/// Committed offsets as a read_committed client sees them: stable ones only.
pub(super) fn committed<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partitions: &[PartitionId],
    timeout: Duration,
) -> Result<Vec<(PartitionId, Option<Offset>)>, KafkaError> {
    let list = consumer.committed_offsets(at(topic, partitions, KafkaOffset::Invalid), timeout)?;
    let mut found = Vec::with_capacity(partitions.len());
    for element in list.elements() {
        element.error()?;
        let offset = match element.offset() {
            KafkaOffset::Offset(offset) => Some(Offset(offset)),
            _ => None,
        };
        found.push((PartitionId(element.partition()), offset));
    }
    Ok(found)
}

/// A list of one topic's partitions, all at the same offset.
pub(super) fn at(topic: &str, partitions: &[PartitionId], offset: KafkaOffset) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(topic, partition.0).set_offset(offset).unwrap_or_else(|_| {
            // Every caller gives an offset that has a wire form.
            unreachable!("offset without a raw form")
        });
    }
    list
}

/// The offsets of a transaction.
pub fn offsets(topic: &str, next: impl Iterator<Item = (PartitionId, Offset)>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in next {
        list.add_partition_offset(topic, partition.0, KafkaOffset::Offset(offset.0))
            .unwrap_or_else(|_| unreachable!("an absolute offset has a raw form"));
    }
    list
}

fn poll_fault(error: &KafkaError) -> PollFault {
    let text = error.to_string();
    match (error, error.rdkafka_error_code()) {
        (_, Some(RDKafkaErrorCode::FencedInstanceId)) => PollFault::Fenced(text),
        (_, Some(RDKafkaErrorCode::UnreleasedInstanceId)) => PollFault::Unreleased(text),
        (KafkaError::MessageConsumptionFatal(_), Some(RDKafkaErrorCode::InvalidRequest)) => PollFault::Refused(text),
        (KafkaError::MessageConsumptionFatal(_), _) => PollFault::Fatal(text),
        (_, Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange)) => {
            PollFault::OutOfRange(text)
        }
        _ => PollFault::Transient(text),
    }
}
