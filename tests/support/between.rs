//! What brokers and their tools say to each other and clients never do, to have a broker do half of what it should.
//! Requests and answers as Kafka's protocol guide has them, in their flexible versions.

use std::io::Write;
use std::net::TcpStream;

use rdkafka::ClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};

use super::clients::PATIENCE;
use super::cluster::coordinator_partition;
use super::proxy::frame;

/// An open transaction, and where it wrote.
#[derive(Debug)]
pub struct Open {
    id: String,
    producer: i64,
    epoch: i16,
    timeout_ms: i32,
    /// Topics and partitions, offsets among them.
    pub places: Vec<(String, i32)>,
}

const DESCRIBE_TRANSACTIONS: (i16, i16) = (65, 0);
const WRITE_TXN_MARKERS: (i16, i16) = (27, 1);
const COORDINATOR_FENCED: i16 = 52;
/// A transaction that is over, to its coordinator.
const COMPLETE_COMMIT: i8 = 4;

/// The transaction of an id; `None`: it has none open.
pub fn open_transaction(brokers: &str, id: &str) -> Option<Open> {
    let mut body = Bytes::default();
    body.array(1);
    body.text(id);
    body.tags();
    let answer = ask(brokers, DESCRIBE_TRANSACTIONS, &body);
    let mut answer = Answer(&answer);
    answer.take::<4>();
    assert_eq!(answer.array(), 1, "one transaction was asked for");
    let error = i16::from_be_bytes(answer.take());
    let (id, state) = (answer.text(), answer.text());
    let timeout_ms = i32::from_be_bytes(answer.take());
    answer.take::<8>();
    let (producer, epoch) = (i64::from_be_bytes(answer.take()), i16::from_be_bytes(answer.take()));
    let mut places = Vec::new();
    for _ in 0..answer.array() {
        let topic = answer.text();
        for _ in 0..answer.array() {
            places.push((topic.clone(), i32::from_be_bytes(answer.take())));
        }
        answer.tags();
    }
    (error == 0 && state == "Ongoing").then_some(Open { id, producer, epoch, timeout_ms, places })
}

impl Open {
    /// Tells these places that it is committed, as its coordinator would.
    pub fn commit_at(&self, brokers: &str, places: &[(String, i32)]) {
        // Each start of a broker has an epoch of its own, and earlier ones are refused.
        for coordinator_epoch in 0..1000 {
            if self.mark(brokers, places, coordinator_epoch).iter().all(|error| *error != COORDINATOR_FENCED) {
                return;
            }
        }
        panic!("no epoch of the coordinator is accepted");
    }

    fn mark(&self, brokers: &str, places: &[(String, i32)], coordinator_epoch: i32) -> Vec<i16> {
        let mut body = Bytes::default();
        body.array(1);
        body.put(&self.producer.to_be_bytes());
        body.put(&self.epoch.to_be_bytes());
        body.put(&[1]);
        body.array(places.len());
        for (topic, partition) in places {
            body.text(topic);
            body.array(1);
            body.put(&partition.to_be_bytes());
            body.tags();
        }
        body.put(&coordinator_epoch.to_be_bytes());
        body.tags();
        body.tags();
        let answer = ask(brokers, WRITE_TXN_MARKERS, &body);
        let mut answer = Answer(&answer);
        let mut errors = Vec::new();
        for _ in 0..answer.array() {
            answer.take::<8>();
            for _ in 0..answer.array() {
                answer.text();
                for _ in 0..answer.array() {
                    answer.take::<4>();
                    errors.push(i16::from_be_bytes(answer.take()));
                    answer.tags();
                }
                answer.tags();
            }
            answer.tags();
        }
        assert!(errors.iter().all(|error| [0, COORDINATOR_FENCED].contains(error)), "{errors:?}");
        errors
    }

    /// Has its coordinator take it for over when it starts the next time.
    pub fn forget(&self, brokers: &str) {
        let mut key = Bytes::default();
        key.put(&0i16.to_be_bytes());
        key.put(&(self.id.len() as i16).to_be_bytes());
        key.put(self.id.as_bytes());
        let mut value = Bytes::default();
        value.put(&0i16.to_be_bytes());
        value.put(&self.producer.to_be_bytes());
        value.put(&self.epoch.to_be_bytes());
        value.put(&self.timeout_ms.to_be_bytes());
        value.put(&COMPLETE_COMMIT.to_be_bytes());
        // No places, and no times.
        value.put(&0i32.to_be_bytes());
        value.put(&[0xFF; 16]);
        let mut config = rdkafka::ClientConfig::new();
        // Brokers let nobody else write to it.
        config.set("bootstrap.servers", brokers).set("client.id", "__admin_client").set("acks", "all");
        let producer: BaseProducer<Accepted> = config.create_with_context(Accepted).expect("producer");
        let record = BaseRecord::to("__transaction_state").partition(coordinator_partition(&self.id));
        producer.send(record.key(&key.0[..]).payload(&value.0[..])).map_err(|(error, _)| error).expect("room");
        producer.flush(PATIENCE).expect("acknowledged");
    }
}

/// A record that is refused is a fault of the test.
struct Accepted;

impl ClientContext for Accepted {}

impl ProducerContext for Accepted {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        assert!(result.is_ok(), "{:?}", result.as_ref().err());
    }
}

fn ask(brokers: &str, (key, version): (i16, i16), body: &Bytes) -> Vec<u8> {
    let mut request = Bytes::default();
    request.put(&key.to_be_bytes());
    request.put(&version.to_be_bytes());
    // Correlation, and no client id.
    request.put(&1i32.to_be_bytes());
    request.put(&(-1i16).to_be_bytes());
    request.tags();
    request.put(&body.0);
    let mut stream = TcpStream::connect(brokers).expect("the broker");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(&(request.0.len() as i32).to_be_bytes()).expect("sent");
    stream.write_all(&request.0).expect("sent");
    // Length, correlation and tags.
    frame(&mut stream).expect("an answer").split_off(9)
}

#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The length of a compact array; the items follow.
    fn array(&mut self, len: usize) {
        let mut rest = len + 1;
        while rest >= 0x80 {
            self.0.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.0.push(rest as u8);
    }

    fn text(&mut self, text: &str) {
        self.array(text.len());
        self.put(text.as_bytes());
    }

    fn tags(&mut self) {
        self.0.push(0);
    }
}

struct Answer<'a>(&'a [u8]);

impl Answer<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.0.split_first_chunk().expect("a whole answer");
        self.0 = rest;
        *taken
    }

    fn varint(&mut self) -> usize {
        let (mut value, mut shift) = (0, 0);
        loop {
            let [byte] = self.take();
            value |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }

    fn array(&mut self) -> usize {
        self.varint().saturating_sub(1)
    }

    fn text(&mut self) -> String {
        let len = self.array();
        let (text, rest) = self.0.split_at(len);
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }

    fn tags(&mut self) {
        assert_eq!(self.varint(), 0, "no tags are expected");
    }
}
