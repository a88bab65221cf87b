//! How long a suggestion takes: from the moment a producer hands its event over to the moment a `read_committed`
//! consumer has the suggestion. Every tenth event interrupts a session, which publishes one, and it is these that are
//! timed.
#![allow(dead_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::BaseConsumer;
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, Producer};
use rekindle::engine::EngineSettings;
use rekindle::engine::encode::{SuggestionKind, decode_suggestion, strip_frame};
use rekindle::telemetry::Metrics;

use super::load::{self, PARTITIONS, Writer};
use super::support::{clients, events};
use super::watch::Stolen;

const SESSIONS: usize = 1000;
/// What is not counted at the beginning.
const WARM_UP: Duration = Duration::from_secs(5);

/// What was measured.
pub struct Latency {
    /// Sorted, ms.
    times: Vec<f64>,
    /// Mean time of a transaction, ms.
    pub transaction_ms: Option<f64>,
    /// Processor time that other machines took meanwhile, percent.
    pub stolen: f64,
    /// Suggestions that should have come.
    pub due: usize,
}

impl Latency {
    /// The time that this share of the suggestions took at most, ms.
    pub fn at(&self, share: f64) -> f64 {
        self.times.get((self.times.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN)
    }

    /// Suggestions that were timed.
    pub fn count(&self) -> usize {
        self.times.len()
    }
}

/// Runs a service with default settings for `span` at `rate` events a second.
pub fn measure(brokers: &str, rate: usize, span: Duration, workers: usize) -> Latency {
    let mut settings = clients::settings(brokers, &clients::unique("latency"), PARTITIONS);
    settings.engine = Arc::new(EngineSettings { input_topic: settings.topics.events.clone(), ..Default::default() });
    settings.workers = workers;
    clients::create_topics(&settings);
    let metrics = Arc::new(Metrics::new());
    let service = rekindle::runtime::start(settings.clone(), Arc::clone(&metrics)).expect("the service starts");
    let port = service.port();
    let _ = clients::eventually("ready", || port.ready(), |ready| ready.is_ok());

    let done = Arc::new(AtomicBool::new(false));
    let reader = {
        let (done, brokers, topic) = (Arc::clone(&done), brokers.to_owned(), settings.topics.recovery.clone());
        std::thread::spawn(move || read(&brokers, &topic, 0, &done))
    };
    let stolen = Stolen::now();
    let due = produce(brokers, &settings.topics.events, rate, span, 0);
    let stolen = stolen.percent_since();
    std::thread::sleep(Duration::from_secs(2));
    done.store(true, Ordering::Relaxed);
    let mut times = reader.join().expect("the reader");
    service.shutdown().expect("a clean shutdown");
    times.sort_by(f64::total_cmp);
    let text = metrics.render();
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
    let (sum, count) = (value("rekindle_transaction_seconds_sum"), value("rekindle_transaction_seconds_count"));
    let transaction_ms = sum.zip(count).map(|(sum, count)| sum / count * 1000.0);
    Latency { times, transaction_ms, stolen, due }
}

/// Sends at an even pace, numbered from `first` on; returns how many interruptions were due after the warm-up.
pub fn produce(brokers: &str, topic: &str, rate: usize, span: Duration, first: usize) -> usize {
    let producer = clients::producer(brokers);
    let count = (span.as_secs_f64() * rate as f64) as usize;
    let due = |n: usize| Duration::from_secs_f64(n as f64 / rate as f64);
    let contexts: Vec<Vec<f32>> = (0..SESSIONS).map(|session| load::context(session, 0).collect()).collect();
    let (mut interrupted, mut turn) = (Writer::interrupted(), Writer::turn());
    // Written beforehand, so that it takes nothing from the service and the broker.
    let lead = Duration::from_micros(50 * count as u64) + Duration::from_secs(1);
    let (begin, begin_at) = (Instant::now() + lead, events::now_ms() + lead.as_millis() as i64);
    let write = |n: usize| {
        let session = (n / 10) % SESSIONS;
        // As of when it is due: what this program is late counts too.
        let at = begin_at + due(n).as_millis() as i64;
        match n % 10 {
            9 => interrupted.write(session, first + n, at, std::iter::empty()),
            _ => turn.write(session, first + n, at, contexts[session].iter().copied()),
        }
    };
    let events: Vec<Vec<u8>> = (0..count).map(write).collect();
    for (n, event) in events.iter().enumerate() {
        // The client has a thread of its own; a poll of less than a millisecond would only spin.
        std::thread::sleep((begin + due(n)).saturating_duration_since(Instant::now()));
        producer.poll(Duration::ZERO);
        let tenant = load::tenant((n / 10) % SESSIONS);
        clients::send(&producer, BaseRecord::to(topic).key(tenant).payload(&event[..]));
    }
    producer.flush(Duration::from_secs(10)).expect("acknowledged");
    (0..count).filter(|n| n % 10 == 9 && due(*n) > WARM_UP).count()
}

/// A consumer as the users of suggestions have one.
fn consumer(brokers: &str, topic: &str) -> BaseConsumer {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "unused")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .create()
        .expect("consumer");
    clients::from_beginning(&consumer, topic, 0..PARTITIONS);
    consumer
}

/// Latencies in ms of the suggestions that interruptions set off since an instant, those of the warm-up left out.
pub fn read(brokers: &str, topic: &str, since: i64, done: &AtomicBool) -> Vec<f64> {
    let consumer = consumer(brokers, topic);
    let mut first = None;
    let mut times = Vec::new();
    while !done.load(Ordering::Relaxed) {
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(20)) else { continue };
        let now = events::now_ms();
        let Some(body) = message.payload().and_then(strip_frame) else { continue };
        let Ok((suggestion, publication)) = decode_suggestion(SuggestionKind::Recovery, body) else { continue };
        let trigger = &suggestion.trigger;
        let timed = publication.status() == "open" && trigger.kind.label() == "session_interrupted";
        if let (true, Some(at)) = (timed, trigger.occurred_at.filter(|at| at.0 >= since)) {
            let first = *first.get_or_insert(at.0);
            if at.0 - first > WARM_UP.as_millis() as i64 {
                times.push((now - at.0) as f64);
            }
        }
    }
    times
}
