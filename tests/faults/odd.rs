//! Records made by hand, of which it is known where they came to lie, and the dead letters they led to.

use std::collections::BTreeMap;

use rdkafka::config::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rekindle::model::verdict::RejectReason;
use serde_json::{Value, json};

use crate::stage::Stage;
use crate::support::clients::{Seen, read_all};
use crate::support::events::now_ms;

/// Partition and offset.
pub type Place = (i32, i64);

/// One record; a producer chooses the partition by its key as Java clients do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Odd {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
}

impl Odd {
    /// With a key and a value.
    pub fn new(key: &str, value: impl Into<Vec<u8>>) -> Odd {
        Odd { key: Some(key.into()), value: Some(value.into()) }
    }
}

/// A producer that takes records of any size, and tells where each came to lie.
pub struct Sender {
    producer: FutureProducer,
    runtime: tokio::runtime::Runtime,
    topic: String,
}

impl Sender {
    /// Of records for the stage's input. Compressed: topics limit what is stored, not what it is unpacked.
    pub fn to(stage: &Stage<'_>) -> Sender {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", &stage.broker.addresses)
            .set("partitioner", "murmur2_random")
            .set("enable.idempotence", "true")
            .set("compression.type", "gzip")
            .set("message.max.bytes", "64000000")
            .create()
            .expect("a producer");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        Sender { producer, runtime, topic: stage.settings.topics.events.clone() }
    }

    /// Sends them in this order and waits until all are acknowledged.
    pub fn send(&self, records: &[Odd]) -> Vec<Place> {
        let queued: Vec<_> = records.iter().map(|odd| self.queue(odd)).collect();
        let place = |wait: rdkafka::producer::DeliveryFuture| {
            let delivered = self.runtime.block_on(wait).expect("the producer lives").expect("delivered");
            (delivered.partition, delivered.offset)
        };
        queued.into_iter().map(place).collect()
    }

    fn queue(&self, odd: &Odd) -> rdkafka::producer::DeliveryFuture {
        let mut record = FutureRecord::<[u8], [u8]>::to(&self.topic);
        record.key = odd.key.as_deref();
        record.payload = odd.value.as_deref();
        self.producer.send_result(record).map_err(|(error, _)| error).expect("room")
    }
}

/// When events made by hand occurred unless they say otherwise: as long ago as those of the load.
pub fn usual_time() -> i64 {
    now_ms() - 3_600_000
}

/// An event; `patch` over the envelope wins.
pub fn event(id: &str, tenant: &str, session: &str, patch: Value) -> Value {
    let mut event = json!({"event_id": id, "tenant_id": tenant, "session_id": session, "occurred_at": usual_time()});
    let (Value::Object(all), Value::Object(patch)) = (&mut event, patch) else { unreachable!("both are objects") };
    all.extend(patch);
    event
}

/// The dead letters, by the place of the record that each is of.
pub struct Letters(BTreeMap<Place, Vec<Seen>>);

impl Letters {
    /// All that is committed now.
    pub fn read(stage: &Stage<'_>) -> Letters {
        let topics = &stage.settings.topics;
        let mut letters: BTreeMap<Place, Vec<Seen>> = BTreeMap::new();
        for letter in read_all(&stage.broker.addresses, &topics.dead_letters, topics.partitions) {
            let number = |name: &str| letter.header(name).and_then(|text| text.parse::<i64>().ok());
            let partition = number("__connect.errors.partition").expect("a partition");
            let offset = number("__connect.errors.offset").expect("an offset");
            assert_eq!(i64::from(letter.partition), partition, "it lies beside its record: {letter:?}");
            letters.entry((letter.partition, offset)).or_default().push(letter);
        }
        Letters(letters)
    }

    /// Those of one record.
    pub fn of(&self, place: Place) -> &[Seen] {
        self.0.get(&place).map_or(&[], Vec::as_slice)
    }

    /// How many hold only the beginning of their record.
    pub fn truncated(&self) -> usize {
        self.0.values().flatten().filter(|letter| letter.header("truncated").is_some()).count()
    }

    /// How many have this reason.
    pub fn count(&self, reason: RejectReason) -> usize {
        let is = |letter: &&Seen| letter.header("__connect.errors.exception.class.name") == Some(reason.label());
        self.0.values().flatten().filter(is).count()
    }

    /// The only one of a record, with its reason.
    pub fn only(&self, place: Place) -> (&Seen, RejectReason) {
        let [letter] = self.of(place) else { panic!("{place:?} has {} dead letters", self.of(place).len()) };
        let class = letter.header("__connect.errors.exception.class.name").expect("a reason");
        let reason = RejectReason::ALL.iter().find(|reason| reason.label() == class);
        (letter, *reason.unwrap_or_else(|| panic!("{class} is no reason of the contract")))
    }

    /// There is one, with this reason and everything that goes with it, and it holds the record as it was sent.
    pub fn check(&self, stage: &Stage<'_>, place: Place, sent: &Odd, expected: RejectReason) {
        let (letter, reason) = self.only(place);
        assert_eq!(reason, expected, "{place:?}: {letter:?}");
        assert_eq!(letter.header("__connect.errors.topic"), Some(stage.settings.topics.events.as_str()));
        let message = letter.header("__connect.errors.exception.message").expect("a message");
        assert!(!message.is_empty() && message.len() <= 512, "{message:?}");
        // To Kafka's partitioners an empty key is none; so it is to us.
        let key = sent.key.clone().filter(|key| !key.is_empty());
        assert_eq!(letter.key, key, "{place:?}: the key as it was sent");
        assert!(letter.value == sent.value, "{place:?}: the value as it was sent: {sent:?}, but {letter:?}");
    }
}
