//! How long a suggestion takes, on a real broker with default settings: from the moment a producer hands its
//! event over to the moment a `read_committed` consumer has the suggestion.
//!
//! `cargo bench --bench latency [-- --rate 500 --seconds 20 --workers N]`. The broker is found or started as in
//! the tests. Turns carry 768-dimensional vectors (3.3 KB of Avro); every tenth event interrupts a session,
//! which publishes a suggestion, and it is these that are timed. The first five seconds are not counted.

#[path = "pipeline_bench/latency.rs"]
mod latency;
mod load;
#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use load::{TENANTS, argument};
use serde_json::json;

/// The allocator of the service.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let (rate, seconds) = (argument("--rate", 500), argument("--seconds", 20));
    let workers = argument("--workers", std::thread::available_parallelism().map_or(1, usize::from));
    println!("{rate} events/s for {seconds} s, {workers} workers, 8 partitions, {TENANTS} tenants");
    let span = Duration::from_secs(seconds as u64);
    let latency = latency::measure(support::broker::brokers(), rate, span, workers);
    println!(
        "event to suggestion, ms: p50 {:.1}  p99 {:.1}  p99.9 {:.1}  ({} of {} timed)",
        latency.at(0.5),
        latency.at(0.99),
        latency.at(0.999),
        latency.count(),
        latency.due,
    );
    if let Some((count, each)) = latency.transactions {
        println!("transactions: {count:.0}, {each:.1} ms each");
    }
    let figures = json!({
        "rate": rate, "p50_ms": latency.at(0.5), "p99_ms": latency.at(0.99), "p999_ms": latency.at(0.999),
    });
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&folder).expect("target/bench");
    std::fs::write(folder.join("latency.json"), figures.to_string()).expect("target/bench/latency.json");
}
