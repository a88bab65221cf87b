//! How long a suggestion takes, on a real broker with default settings: from the moment a producer hands its
//! event over to the moment a `read_committed` consumer has the suggestion.
//!
//! `cargo bench --bench latency [-- --rate 500 --seconds 20 --workers N]`. The broker is found or started as in
//! the tests. Turns carry 768-dimensional vectors (about 4 KB of JSON); every tenth event interrupts a session,
//! which publishes a suggestion, and it is these that are timed. The first five seconds are not counted.

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, Producer};
use rekindle::engine::encode::{SuggestionKind, decode_suggestion, strip_frame};
use rekindle::telemetry::Metrics;
use serde_json::json;

/// The allocator of the service.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const DIM: usize = 768;
const TENANTS: u64 = 40;
const SESSIONS: u64 = 1000;
const WARM_UP: Duration = Duration::from_secs(5);

fn main() {
    let (rate, seconds) = (argument("--rate", 500), argument("--seconds", 20));
    let brokers = support::broker::brokers();
    let mut settings = support::clients::settings(brokers, &support::clients::unique("latency"), 8);
    settings.engine = Arc::new(rekindle::engine::EngineSettings {
        input_topic: settings.topics.events.clone(),
        ..rekindle::engine::EngineSettings::default()
    });
    settings.workers =
        argument("--workers", std::thread::available_parallelism().map_or(1, usize::from) as u64) as usize;
    settings.batch.max_records = 1000;
    settings.batch.max_bytes = 4 << 20;
    settings.batch.max_age = Duration::from_millis(50);
    settings.batch.min_interval = Duration::from_millis(10);
    support::clients::create_topics(&settings);
    let metrics = Arc::new(Metrics::new());
    let service = rekindle::runtime::start(settings.clone(), Arc::clone(&metrics)).expect("the service starts");
    let port = service.port();
    let _ = support::clients::eventually("ready", || port.ready(), |ready| ready.is_ok());
    println!("{rate} events/s for {seconds} s, {} workers, 8 partitions, {TENANTS} tenants", settings.workers);

    let done = Arc::new(AtomicBool::new(false));
    let reader = {
        let (done, brokers, topic) = (Arc::clone(&done), brokers.to_owned(), settings.topics.recovery.clone());
        std::thread::spawn(move || read(&brokers, &topic, &done))
    };
    let sent = produce(brokers, &settings.topics.events, rate, Duration::from_secs(seconds));
    std::thread::sleep(Duration::from_secs(2));
    done.store(true, Ordering::Relaxed);
    let mut latencies = reader.join().expect("the reader");
    service.shutdown().expect("a clean shutdown");
    latencies.sort_by(f64::total_cmp);
    let at = |share: f64| latencies.get((latencies.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    println!(
        "event to suggestion, ms: p50 {:.1}  p99 {:.1}  p99.9 {:.1}  ({} of {sent} timed)",
        at(0.5),
        at(0.99),
        at(0.999),
        latencies.len()
    );
    let text = metrics.render();
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
    let (sum, count) = (value("rekindle_transaction_seconds_sum"), value("rekindle_transaction_seconds_count"));
    if let (Some(sum), Some(count)) = (sum, count) {
        println!("transactions: {count:.0}, {:.1} ms each", sum / count * 1000.0);
    }
    let figures = json!({"rate": rate, "p50_ms": at(0.5), "p99_ms": at(0.99), "p999_ms": at(0.999)});
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&folder).expect("target/bench");
    std::fs::write(folder.join("latency.json"), figures.to_string()).expect("target/bench/latency.json");
}

fn argument(name: &str, default: u64) -> u64 {
    let mut arguments = std::env::args().skip_while(|a| a != name);
    arguments.nth(1).map_or(default, |n| n.parse().expect("a number"))
}

/// Sends at an even pace; returns how many interruptions were sent after the warm-up.
fn produce(brokers: &str, topic: &str, rate: u64, span: Duration) -> usize {
    let producer = support::clients::producer(brokers);
    let begun = Instant::now();
    let mut timed = 0;
    for n in 0.. {
        let due = Duration::from_secs_f64(n as f64 / rate as f64);
        if due > span {
            break;
        }
        // The client has a thread of its own; a poll of less than a millisecond would only spin.
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
        producer.poll(Duration::ZERO);
        let session = (n / 10) % SESSIONS;
        let (tenant, event) = event(n, session);
        timed += usize::from(n % 10 == 9 && begun.elapsed() > WARM_UP);
        producer.send(BaseRecord::to(topic).key(&tenant).payload(&event)).map_err(|(e, _)| e).expect("queued");
    }
    producer.flush(Duration::from_secs(10)).expect("acknowledged");
    timed
}

fn event(n: u64, session: u64) -> (String, String) {
    let tenant = format!("tenant-{}", session % TENANTS);
    let mut event = json!({
        "event_id": format!("e-{n}"), "tenant_id": tenant, "session_id": format!("s-{session}"),
        "user_id": format!("u-{}", session / 4), "occurred_at": support::events::now_ms(),
        "type": "turn_completed", "turn": n + 1, "input_tokens": 2000, "output_tokens": 100,
        "worker": "w-1", "cache": {"namespace": "m/fp8"},
    });
    if n % 10 == 9 {
        event["type"] = json!("session_interrupted");
        event["reason"] = json!("client_disconnect");
    } else {
        let vector: Vec<f32> = (0..DIM as u64).map(|i| ((session * 31 + i * 7) % 17) as f32 - 8.0).collect();
        event["context"] = json!({"space": "default", "vector": vector, "covers_turn": n + 1});
    }
    (tenant, event.to_string())
}

/// Latencies in ms of the suggestions that interruptions set off, the warm-up left out.
fn read(brokers: &str, topic: &str, done: &AtomicBool) -> Vec<f64> {
    let consumer = support::clients::reader(brokers, topic, 0..8);
    let begun = Instant::now();
    let mut latencies = Vec::new();
    while !done.load(Ordering::Relaxed) {
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(20)) else { continue };
        let now = support::events::now_ms();
        let Some(body) = message.payload().and_then(strip_frame) else { continue };
        let Ok((suggestion, publication)) = decode_suggestion(SuggestionKind::Recovery, body) else { continue };
        let trigger = &suggestion.trigger;
        let timed = publication.status() == "open" && trigger.kind.label() == "session_interrupted";
        if let (true, Some(at)) = (timed && begun.elapsed() > WARM_UP, trigger.occurred_at) {
            latencies.push((now - at.0) as f64);
        }
    }
    latencies
}
