//! The yardstick: a loop that consumes records and produces so many bytes for each, in transactions, and does nothing
//! else. It runs in a process of its own, as the service does.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::support::{clients, watchdog};

/// The argument that makes this program the loop.
pub const ROLE: &str = "--copy";
/// What the service commits together by default.
const MAX_RECORDS: usize = 1000;
const MAX_BYTES: usize = 4 << 20;
const MAX_AGE: Duration = Duration::from_millis(50);
const TIMEOUT: Duration = Duration::from_secs(30);

/// What to copy.
pub struct CopyLoop<'a> {
    pub brokers: &'a str,
    pub input: &'a str,
    pub output: &'a str,
    pub group: &'a str,
    /// Bytes of key and value to produce for each record.
    pub bytes: usize,
}

/// The loop in a process of its own; killed when dropped.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if it has ended already, which is what is wanted.
        let _ = self.0.kill();
        watchdog::reaped(self.0.id());
        let _ = self.0.wait();
    }
}

impl CopyLoop<'_> {
    /// Starts it with so many workers.
    pub fn start(&self, workers: usize) -> Running {
        let program = std::env::current_exe().expect("this program");
        let (bytes, workers) = (self.bytes.to_string(), workers.to_string());
        let mut command = Command::new(program);
        command.args([ROLE, self.brokers, self.input, self.output, self.group, &bytes, &workers]);
        let child = command.stdin(Stdio::null()).spawn().expect("start the copy loop");
        watchdog::started(child.id());
        Running(child)
    }
}

/// Copies until it is killed.
pub fn run(arguments: &[String]) {
    let [brokers, input, output, group, bytes, workers] = arguments else { panic!("{ROLE}: six arguments") };
    let copy = CopyLoop { brokers, input, output, group, bytes: bytes.parse().expect("bytes") };
    // One worker alone would go on, and measure something else.
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("the copy loop: {panic}");
        std::process::exit(1);
    }));
    std::thread::scope(|scope| {
        for worker in 0..workers.parse::<usize>().expect("workers") {
            let copy = &copy;
            scope.spawn(move || work(copy, worker));
        }
    });
}

fn work(copy: &CopyLoop<'_>, worker: usize) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", copy.brokers)
        .set("group.id", copy.group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .create()
        .expect("consumer");
    // As the service's own.
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", copy.brokers)
        .set("transactional.id", format!("{}-{worker}", copy.group))
        .set("linger.ms", "0")
        .set("retry.backoff.ms", "2")
        .create()
        .expect("producer");
    consumer.subscribe(&[copy.input]).expect("subscribe");
    producer.init_transactions(TIMEOUT).expect("a transactional producer");
    let mut out_value = vec![0; copy.bytes];
    loop {
        let Some(first) = consumer.poll(Duration::from_millis(100)) else { continue };
        let begun = Instant::now();
        producer.begin_transaction().expect("begin");
        let (mut records, mut bytes, mut next) = (0, 0, BTreeMap::new());
        let mut message = Some(first);
        while let Some(record) = message.take() {
            let record = record.expect("a record");
            let value = record.payload().expect("a value");
            let copied = value.len().min(copy.bytes);
            out_value[..copied].copy_from_slice(&value[..copied]);
            let value = &out_value[record.key_len()..];
            let mut out = BaseRecord::to(copy.output).partition(record.partition()).payload(value);
            out.key = record.key();
            clients::send(&producer, out);
            next.insert(record.partition(), record.offset() + 1);
            (records, bytes) = (records + 1, bytes + record.payload_len());
            if records < MAX_RECORDS && bytes < MAX_BYTES {
                message = consumer.poll(MAX_AGE.saturating_sub(begun.elapsed()));
            }
        }
        // The commit waits for deliveries too, but serves no report of them.
        while producer.in_flight_count() > 0 {
            producer.poll(Duration::from_millis(1));
        }
        let mut offsets = TopicPartitionList::new();
        for (partition, offset) in next {
            offsets.add_partition_offset(copy.input, partition, Offset::Offset(offset)).expect("a partition");
        }
        let group = consumer.group_metadata().expect("a member of a group");
        producer.send_offsets_to_transaction(&offsets, &group, TIMEOUT).expect("offsets");
        producer.commit_transaction(TIMEOUT).expect("commit");
    }
}
