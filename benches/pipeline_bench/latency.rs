//! How long a suggestion takes: from the moment a producer hands its event over to the moment a `read_committed`
//! consumer has the suggestion. Every tenth event interrupts a session, which publishes one, and it is these that are
//! timed.
#![allow(dead_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, Producer};
use rekindle::engine::EngineSettings;
use rekindle::engine::encode::{SuggestionKind, decode_suggestion, strip_frame};
use rekindle::telemetry::Metrics;

use super::load::{self, PARTITIONS, Writer};
use super::support::{clients, events};

const SESSIONS: usize = 1000;
/// What is not counted at the beginning.
const WARM_UP: Duration = Duration::from_secs(5);

/// What was measured.
pub struct Latency {
    pub rate: usize,
    /// Sorted, ms.
    times: Vec<f64>,
    /// Transactions, and the mean time of one in ms.
    pub transactions: Option<(f64, f64)>,
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
        std::thread::spawn(move || read(&brokers, &topic, &done))
    };
    let due = produce(brokers, &settings.topics.events, rate, span);
    std::thread::sleep(Duration::from_secs(2));
    done.store(true, Ordering::Relaxed);
    let mut times = reader.join().expect("the reader");
    service.shutdown().expect("a clean shutdown");
    times.sort_by(f64::total_cmp);
    let text = metrics.render();
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
    let (sum, count) = (value("rekindle_transaction_seconds_sum"), value("rekindle_transaction_seconds_count"));
    let transactions = sum.zip(count).map(|(sum, count)| (count, sum / count * 1000.0));
    Latency { rate, times, transactions, due }
}

/// Sends at an even pace; returns how many interruptions were due after the warm-up.
fn produce(brokers: &str, topic: &str, rate: usize, span: Duration) -> usize {
    let producer = clients::producer(brokers);
    let count = (span.as_secs_f64() * rate as f64) as usize;
    let contexts: Vec<Vec<f32>> = (0..SESSIONS).map(|session| load::context(session, 0).collect()).collect();
    let (mut interrupted, mut turn) = (Writer::interrupted(), Writer::turn());
    let (begun, begun_at) = (Instant::now(), events::now_ms());
    let mut timed = 0;
    for n in 0..count {
        let due = Duration::from_secs_f64(n as f64 / rate as f64);
        // The client has a thread of its own; a poll of less than a millisecond would only spin.
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
        producer.poll(Duration::ZERO);
        let session = (n / 10) % SESSIONS;
        // As of when it is due: what this program is late counts too.
        let at = begun_at + due.as_millis() as i64;
        let event = match n % 10 {
            9 => interrupted.write(session, n, at, std::iter::empty()),
            _ => turn.write(session, n, at, contexts[session].iter().copied()),
        };
        timed += usize::from(n % 10 == 9 && due > WARM_UP);
        clients::send(&producer, BaseRecord::to(topic).key(load::tenant(session)).payload(&event[..]));
    }
    producer.flush(Duration::from_secs(10)).expect("acknowledged");
    timed
}

/// Latencies in ms of the suggestions that interruptions set off, those of the warm-up left out.
fn read(brokers: &str, topic: &str, done: &AtomicBool) -> Vec<f64> {
    let consumer = clients::reader(brokers, topic, 0..PARTITIONS);
    let mut first = None;
    let mut times = Vec::new();
    while !done.load(Ordering::Relaxed) {
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(20)) else { continue };
        let now = events::now_ms();
        let Some(body) = message.payload().and_then(strip_frame) else { continue };
        let Ok((suggestion, publication)) = decode_suggestion(SuggestionKind::Recovery, body) else { continue };
        let trigger = &suggestion.trigger;
        let timed = publication.status() == "open" && trigger.kind.label() == "session_interrupted";
        if let (true, Some(at)) = (timed, trigger.occurred_at) {
            let first = *first.get_or_insert(at.0);
            if at.0 - first > WARM_UP.as_millis() as i64 {
                times.push((now - at.0) as f64);
            }
        }
    }
    times
}
