//! `produce`: JSON lines into the input topic, with the key and the partitioner that belong to it. Sends the
//! bytes of an event as they are; never judges them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rdkafka::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::util::Timeout;

use rekindle::kafka::admin::Admin;
use rekindle::kafka::client::{base_config, trace_line};
use rekindle::kafka::headers;
use rekindle::kafka::settings::KafkaSettings;

use super::args::ClusterArgs;
use super::lines::{Line, Lines};
use super::progress::Progress;
use super::{Exit, UsageError};

/// Failed deliveries that are named; the others are counted.
const NAMED_FAILURES: u64 = 10;
const METADATA_TIMEOUT: Duration = Duration::from_secs(15);

/// Send the events of a file to the input topic
///
/// Reads the same lines as `replay`. The key is `_key` or else the tenant, the partition follows from it as in
/// Java clients (murmur2). Events of all tenants (`*`: workers, adapters, ticks) have to be in every partition
/// and need --broadcast.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rekindle produce events.jsonl --brokers localhost:9092
  generate-events | rekindle produce - -c rekindle.toml --rate 500
  rekindle produce workers.jsonl -c rekindle.toml --broadcast")]
pub struct Args {
    /// File of JSON lines; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    config: ClusterArgs,
    /// Send each event of all tenants (`*`) to every partition
    #[arg(long)]
    broadcast: bool,
    /// Records per second at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
}

/// Sends the file.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let config = args.config.load(&[])?;
    let topic = config.runtime.topics.events.as_str();
    let mut lines = Lines::open(&args.file)
        .map_err(|e| UsageError(format!("the file {} cannot be read: {e}", args.file.display())))?;
    let partitions = Admin::new(&config.runtime.kafka)?
        .partition_counts(&[topic], METADATA_TIMEOUT)
        .context("asking the brokers for their topics")?[topic];
    if partitions == 0 {
        bail!("the topic {topic} does not exist; `rekindle topics create` makes it");
    }
    let mut sender = Sender {
        producer: producer(&config.runtime.kafka)?,
        topic,
        partitions: 0..partitions,
        pace: args.rate.map(|rate| (Instant::now(), f64::from(rate))),
        queued: 0,
    };
    let mut progress = Progress::new(lines.size, false);
    let mut refused = 0;
    let mut stopped = None;
    while stopped.is_none() && lines.advance().with_context(|| format!("reading {}", args.file.display()))? {
        match sender.line(lines.number, lines.current(), args.broadcast)? {
            Sent::Queued => {}
            Sent::Refused(why) => {
                refused += 1;
                progress.report(format_args!("line {}: {why}", lines.number));
            }
            Sent::Broadcast => {
                let why = "is for all tenants ('*') and belongs into every partition: pass --broadcast";
                stopped = Some(UsageError(format!("line {} {why}; nothing after it was sent", lines.number)));
            }
        }
        progress.advance(lines.length, lines.number);
    }
    // Every message times out by itself, so this ends.
    sender.producer.flush(Timeout::Never)?;
    progress.finish();
    let failed = sender.producer.context().failed.load(Ordering::Acquire);
    eprintln!("{} records sent to {topic}, {failed} not delivered, {refused} lines refused", sender.queued - failed);
    match stopped {
        Some(usage) => Err(usage.into()),
        None => Ok(if failed + refused > 0 { Exit::Failed } else { Exit::Ok }),
    }
}

fn producer(settings: &KafkaSettings) -> Result<ThreadedProducer<Deliveries>, KafkaError> {
    let mut config = base_config(settings);
    for consumers_own in ["group.protocol", "session.timeout.ms", "fetch.wait.max.ms"] {
        config.remove(consumers_own);
    }
    config.set("enable.idempotence", "true").set("partitioner", "murmur2_random").set("linger.ms", "5");
    if config.get("message.timeout.ms").is_none() {
        config.set("message.timeout.ms", "30000");
    }
    ThreadedProducer::from_config_and_context(&config, Deliveries::default())
}

enum Sent {
    Queued,
    Refused(String),
    Broadcast,
}

struct Sender<'a> {
    producer: ThreadedProducer<Deliveries>,
    topic: &'a str,
    partitions: std::ops::Range<i32>,
    pace: Option<(Instant, f64)>,
    queued: u64,
}

impl Sender<'_> {
    fn line(&mut self, number: u64, text: &[u8], broadcast: bool) -> anyhow::Result<Sent> {
        let line = match Line::parse(text) {
            Ok(line) => line,
            Err(fault) => return Ok(Sent::Refused(fault.to_string())),
        };
        let Some(key) = line.key.as_deref().or(line.tenant.as_deref()) else {
            return Ok(Sent::Refused("has neither tenant_id nor _key: it belongs nowhere".to_owned()));
        };
        if key != "*" && line.tenant.as_deref() != Some("*") {
            self.send(number, key, &line, None)?;
        } else if broadcast {
            self.partitions.clone().try_for_each(|p| self.send(number, key, &line, Some(p)))?;
        } else {
            return Ok(Sent::Broadcast);
        }
        Ok(Sent::Queued)
    }

    fn send(&mut self, number: u64, key: &str, line: &Line<'_>, partition: Option<i32>) -> Result<(), KafkaError> {
        if let Some((begun, rate)) = self.pace {
            let due = Duration::from_secs_f64(self.queued as f64 / rate);
            thread::sleep(due.saturating_sub(begun.elapsed()));
        }
        let mut record: BaseRecord<'_, str, [u8], usize> =
            BaseRecord::with_opaque_to(self.topic, number as usize).key(key);
        record.payload = line.value.as_deref();
        record.partition = partition;
        record.timestamp = line.timestamp;
        record.headers = headers(line);
        loop {
            match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    // The queue empties as the brokers take records.
                    thread::sleep(Duration::from_millis(5));
                    record = again;
                }
                // What cannot even be queued (too large) is one more record that was not delivered.
                Err((error, _)) => {
                    self.producer.context().fail(number, &error);
                    break;
                }
            }
        }
        self.queued += 1;
        Ok(())
    }
}

fn headers(line: &Line<'_>) -> Option<OwnedHeaders> {
    headers::build(line.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
}

/// Counts what could not be delivered, and names the first of it.
#[derive(Debug, Default)]
struct Deliveries {
    failed: AtomicU64,
}

impl Deliveries {
    fn fail(&self, line: u64, error: &KafkaError) {
        let before = self.failed.fetch_add(1, Ordering::AcqRel);
        if before < NAMED_FAILURES {
            eprintln!("line {line}: not delivered: {error}");
        }
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        trace_line(level, facility, line);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, line: usize) {
        if let Err((error, _)) = result {
            self.fail(line as u64, error);
        }
    }
}
