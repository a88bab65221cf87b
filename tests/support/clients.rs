//! Settings with names of their own for each test, and plain clients to write and read topics with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message, ToBytes};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;

use rekindle::engine::EngineSettings;
use rekindle::kafka::admin::Admin;
use rekindle::kafka::settings::{KafkaSettings, RegistrySettings, TopicSettings};
use rekindle::runtime::settings::{BatchSettings, Generation, RuntimeSettings};

/// The longest any test waits for something that must happen.
pub const PATIENCE: Duration = Duration::from_secs(120);

const DAY: Duration = Duration::from_secs(86_400);

/// A prefix that no other test and no other run uses.
pub fn unique(test: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
    format!("{test}-{}-{}-{}", epoch.as_millis(), std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Settings of one instance over topics of `name`.
pub fn settings(brokers: &str, name: &str, partitions: i32) -> RuntimeSettings {
    super::show_logs();
    let topic = |role: &str| format!("{name}.{role}");
    RuntimeSettings {
        kafka: KafkaSettings {
            brokers: brokers.to_owned(),
            group_id: name.to_owned(),
            instance_id: format!("{name}-a"),
            transactional_id: format!("{name}-a"),
            // The shortest that brokers allow: tests wait for it after a crash.
            properties: BTreeMap::from([("session.timeout.ms".to_owned(), "6000".to_owned())]),
        },
        topics: TopicSettings {
            events: topic("session-events"),
            states: topic("session-states"),
            vectors: topic("session-vectors"),
            bookkeeping: topic("session-bookkeeping"),
            recovery: topic("recovery-suggestions"),
            transfer: topic("transfer-suggestions"),
            dead_letters: topic("session-events-dlq"),
            owners: topic("rekindle-owners"),
            partitions,
            replication: Some(1),
            events_retention: 7 * DAY,
            suggestions_retention: 7 * DAY,
            dead_letters_retention: 14 * DAY,
            compaction_lag: DAY,
        },
        generation: Generation::FIRST,
        registry: RegistrySettings::default(),
        workers: 1,
        batch: BatchSettings {
            max_records: 1000,
            max_bytes: 4 << 20,
            max_age: Duration::from_millis(50),
            min_interval: Duration::from_millis(10),
        },
        tick_after: None,
        keep_membership: false,
        skip: BTreeSet::new(),
        advertised_url: None,
        engine: Arc::new(EngineSettings { input_topic: topic("session-events"), ..engine() }),
    }
}

fn engine() -> EngineSettings {
    let space = rekindle::model::ids::Name::new("default").expect("a name");
    EngineSettings { spaces: BTreeMap::from([(space, super::events::DIM)]), ..EngineSettings::default() }
}

/// Creates the topics of these settings.
pub fn create_topics(settings: &RuntimeSettings) {
    let admin = Admin::new(&settings.kafka).expect("admin client");
    let reports = admin.create_topics(&settings.topics).expect("create topics");
    assert!(reports.iter().all(|r| r.created), "topics of their own: {reports:?}");
}

/// Sets these settings of a topic, by Kafka's names, and only these.
pub fn alter_topic(brokers: &str, topic: &str, settings: &[(&str, &str)]) {
    let admin: AdminClient<_> = ClientConfig::new().set("bootstrap.servers", brokers).create().expect("admin");
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic));
    let change = settings.iter().fold(change, |change, (name, value)| change.set(name, value));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let altered = runtime.block_on(admin.alter_configs([&change], &AdminOptions::new())).expect("an answer");
    assert!(altered.iter().all(Result::is_ok), "{altered:?}");
}

/// A record read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(n, _)| n == name)?;
        std::str::from_utf8(value).ok()
    }
}

/// A plain idempotent producer that places keys as Java clients do.
pub fn producer(brokers: &str) -> BaseProducer {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("partitioner", "murmur2_random")
        .set("enable.idempotence", "true")
        .set("linger.ms", "0")
        .create()
        .expect("producer")
}

/// Queues a record, waiting for room.
pub fn send<K: ToBytes + ?Sized>(producer: &BaseProducer, mut record: BaseRecord<'_, K, [u8]>) {
    while let Err((error, back)) = producer.send(record) {
        assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull), "{error}");
        producer.poll(Duration::from_millis(1));
        record = back;
    }
}

/// Sends records and waits until they are acknowledged.
pub fn produce<'a>(brokers: &str, topic: &str, records: impl IntoIterator<Item = (&'a str, &'a [u8])>) {
    let producer = producer(brokers);
    for (key, value) in records {
        send(&producer, BaseRecord::to(topic).key(key).payload(value));
    }
    producer.flush(PATIENCE).expect("acknowledged");
}

/// Reads a topic from its beginning with `read_committed` until `enough` says so of what was read, and then
/// on to the end that was there at that moment.
pub fn read_until(brokers: &str, topic: &str, partitions: i32, mut enough: impl FnMut(&[Seen]) -> bool) -> Vec<Seen> {
    let consumer = reader(brokers, topic, 0..partitions);
    let deadline = Instant::now() + PATIENCE;
    let mut seen = Vec::new();
    let mut ended = std::collections::BTreeSet::new();
    loop {
        match consumer.poll(Duration::from_millis(50)) {
            Some(Ok(message)) => {
                ended.remove(&message.partition());
                seen.push(owned(&message));
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                ended.insert(partition);
            }
            Some(Err(error)) => panic!("reading {topic}: {error}"),
            None => {}
        }
        if ended.len() == partitions as usize && enough(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "{topic}: not enough after {PATIENCE:?}: {} records", seen.len());
    }
}

/// Everything committed in a topic now.
pub fn read_all(brokers: &str, topic: &str, partitions: i32) -> Vec<Seen> {
    read_until(brokers, topic, partitions, |_| true)
}

/// Hands every committed record of a partition to `each`, with its timestamp.
pub fn each_message(
    brokers: &str,
    topic: &str,
    partition: i32,
    mut each: impl FnMut(&rdkafka::message::BorrowedMessage<'_>),
) {
    let consumer = reader(brokers, topic, partition..partition + 1);
    loop {
        match consumer.poll(PATIENCE) {
            Some(Ok(message)) => each(&message),
            Some(Err(KafkaError::PartitionEOF(_))) => return,
            other => panic!("reading {topic}: {:?}", other.map(|r| r.err())),
        }
    }
}

/// A `read_committed` reader of partitions from their beginning; partition ends come as errors.
pub fn reader(brokers: &str, topic: &str, partitions: std::ops::Range<i32>) -> BaseConsumer {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "unused")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", "10")
        .create()
        .expect("consumer");
    from_beginning(&consumer, topic, partitions);
    consumer
}

/// Has a consumer read these partitions from their beginning.
pub fn from_beginning(consumer: &BaseConsumer, topic: &str, partitions: std::ops::Range<i32>) {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning).expect("a partition");
    }
    consumer.assign(&list).expect("assign");
}

fn owned(message: &rdkafka::message::BorrowedMessage<'_>) -> Seen {
    let headers = message.headers().map(|headers| {
        headers.iter().map(|h| (h.key.to_owned(), h.value.unwrap_or_default().to_vec())).collect::<Vec<_>>()
    });
    Seen {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    }
}

/// What a group has committed of a topic.
pub struct Committed {
    consumer: BaseConsumer,
    list: TopicPartitionList,
}

impl Committed {
    pub fn of(brokers: &str, group: &str, topic: &str, partitions: i32) -> Committed {
        let consumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", group)
            .set("isolation.level", "read_uncommitted")
            .create()
            .expect("consumer");
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, partitions - 1);
        Committed { consumer, list }
    }

    /// The offsets now, by partition.
    pub fn now(&self) -> Result<Vec<Option<i64>>, KafkaError> {
        let found = self.consumer.committed_offsets(self.list.clone(), Duration::from_secs(5))?;
        let offset = |offset| if let Offset::Offset(offset) = offset { Some(offset) } else { None };
        Ok(found.elements().iter().map(|e| offset(e.offset())).collect())
    }
}

/// The committed offsets of a group, by partition.
pub fn committed(brokers: &str, group: &str, topic: &str, partitions: i32) -> Vec<Option<i64>> {
    let committed = Committed::of(brokers, group, topic, partitions);
    // A broker that has just started may not be the group's coordinator yet.
    eventually("committed offsets", || committed.now(), Result::is_ok).expect("just seen to be so")
}

/// Sets the offsets of a group without members, by partition, as an operator might.
pub fn set_offsets(brokers: &str, group: &str, topic: &str, offsets: &[i64]) {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", brokers).set("group.id", group).create().expect("consumer");
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets.iter().enumerate() {
        list.add_partition_offset(topic, partition as i32, Offset::Offset(*offset)).expect("a partition");
    }
    // Refused while the coordinator still holds a member that leaves.
    let commit = || consumer.commit(&list, CommitMode::Sync);
    eventually("the group has no member", commit, Result::is_ok).expect("just seen");
}

/// Waits until something is so. Looks again after short pauses; fails with what `state` says last.
pub fn eventually<T: std::fmt::Debug>(what: &str, mut state: impl FnMut() -> T, so: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = state();
        if so(&now) {
            return now;
        }
        assert!(Instant::now() < deadline, "{what}: not so after {PATIENCE:?}, but {now:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
