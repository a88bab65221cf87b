//! The whole service on a real broker that this program starts: how fast it works through a topic beside a loop that
//! only copies as many bytes in transactions, how long a suggestion takes, how fast it restores, and what an event
//! costs with few sessions and with many.
//!
//! `cargo bench --bench pipeline [-- --quick]`. Events are turns of 3.3 KB of Avro with 768-dimensional vectors, of
//! sessions of 40 tenants; every session's first context is searched for. Copy loop and service run as processes of their
//! own with two workers over eight partitions, in turn, and the middle half of what they do counts. The broker, and
//! the rest of this program, share the machine with them.
//! `--quick` takes less than two minutes; `--only throughput`, `--only latency` and `--only sizes` do a part of it, where
//! latency is measured at the given rates alone, and with `--workers N` with more or fewer worker threads. Figures also
//! go to `target/bench/pipeline.json`, and a picture of them to `target/bench/pipeline.svg`.

#[path = "pipeline_bench/copy.rs"]
mod copy;
#[path = "../tests/support/instance.rs"]
mod instance;
#[path = "pipeline_bench/latency.rs"]
mod latency;
mod load;
#[path = "pipeline_bench/memory.rs"]
mod memory;
#[path = "pipeline_bench/picture.rs"]
mod picture;
#[path = "pipeline_bench/stage.rs"]
mod stage;
#[path = "../tests/support/mod.rs"]
mod support;
#[path = "pipeline_bench/watch.rs"]
mod watch;

use std::path::Path;
use std::time::Duration;

use copy::CopyLoop;
use load::{PARTITIONS, TENANTS, argument};
use picture::{Group, NAMES};
use rekindle::runtime::settings::RuntimeSettings;
use serde_json::{Value, json};
use stage::{Service, WORKERS};
use support::own_broker::OwnBroker;
use watch::{Pace, Progress};

/// The allocator of the service.
#[global_allocator]
static ALLOCATOR: rekindle::allocator::Allocator = rekindle::allocator::Allocator;

/// The broker compiles what is hot and has large segments, unlike those of the tests, and waits for all of a group.
const BROKER: (&str, &str) =
    ("-Xmx1g -XX:TieredStopAtLevel=4", "group.initial.rebalance.delay.ms=1000\nlog.index.size.max.bytes=10485760\n");

const PARTS: [&str; 3] = ["throughput", "latency", "sizes"];
const WARM_UP_RATE: usize = 2000;

/// How much is done.
struct Plan {
    sessions: usize,
    turns: usize,
    rounds: usize,
    rates: &'static [usize],
    /// Whether half the rate of the first part is one of them.
    half: bool,
    span: Duration,
    /// For how long the broker is warmed up for them.
    warm_up: Duration,
    sizes: &'static [usize],
    /// Turns that show what an event costs among so many sessions.
    more: usize,
}

const WHOLE: Plan = Plan {
    sessions: 20_000,
    turns: 10,
    rounds: 3,
    rates: &[500, 2000],
    half: true,
    span: Duration::from_secs(20),
    warm_up: Duration::from_secs(60),
    sizes: &[20_000, 100_000, 1_000_000],
    more: 160_000,
};

const QUICK: Plan = Plan {
    sessions: 6_000,
    turns: 10,
    rounds: 1,
    rates: &[2000],
    half: false,
    span: Duration::from_secs(10),
    warm_up: Duration::from_secs(15),
    sizes: &[20_000],
    more: 40_000,
};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == copy::ROLE) {
        return copy::run(&arguments[1..]);
    }
    if arguments.first().is_some_and(|first| first == memory::ROLE) {
        return memory::touch(&arguments[1..]);
    }
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let plan = if quick { QUICK } else { WHOLE };
    let broker = OwnBroker::start_with(BROKER.0, BROKER.1).unwrap_or_else(|fault| panic!("starting a broker: {fault}"));
    let only = arguments.iter().position(|argument| argument == "--only").and_then(|at| arguments.get(at + 1));
    let wanted = |part: &str| only.is_none_or(|only| only == part);
    assert!(PARTS.iter().any(|part| wanted(part)), "--only takes one of {PARTS:?}");
    let throughput = wanted(PARTS[0]).then(|| throughput(&broker.addresses, &plan));
    let most = throughput.as_ref().and_then(|figures| figures["rekindle"]["events_per_s"].as_f64());
    let latency = wanted(PARTS[1]).then(|| latency(&broker.addresses, &plan, most));
    let sizes = wanted(PARTS[2]).then(|| sizes(&broker.addresses, &plan));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&folder).expect("target/bench");
    if let Some(throughput) = &throughput {
        std::fs::write(folder.join("pipeline.svg"), picture_of(throughput)).expect("target/bench/pipeline.svg");
    }
    let figures = json!({ "quick": quick, "throughput": throughput, "latency": latency, "sizes": sizes });
    std::fs::write(folder.join("pipeline.json"), format!("{figures:#}\n")).expect("target/bench/pipeline.json");
}

fn throughput(brokers: &str, plan: &Plan) -> Value {
    let (sessions, turns) = (plan.sessions, plan.turns);
    let total = sessions * (1 + turns);
    println!(
        "{sessions} sessions of {TENANTS} tenants, a start and {turns} turns each; {PARTITIONS} partitions, {WORKERS} workers"
    );
    let input = stage::settings(brokers, "input", None).topics.events;
    stage::produce(
        brokers,
        &input,
        "tenant",
        (0..=turns).flat_map(|turn| (0..sessions).map(move |session| (session, turn))),
    );
    // Once before, to know what comes out; the broker is warm then too.
    let (_, settings) = serve(brokers, &input, total);
    let (bytes, suggestions) = stage::published(brokers, &settings);
    assert!(suggestions > 0, "sessions like others get suggestions");
    let bytes = bytes / total;
    stage::drop_outputs(brokers, &settings);
    let (mut copies, mut serves) = (Vec::new(), Vec::new());
    println!("{suggestions} suggestions; {bytes} bytes out an event");
    println!("                  events/s   us of CPU an event   peak MiB   stolen %");
    for _ in 0..plan.rounds {
        copies.push(copied(brokers, &input, bytes, total));
        row(NAMES[0], copies[copies.len() - 1]);
        let (pace, settings) = serve(brokers, &input, total);
        stage::drop_outputs(brokers, &settings);
        serves.push(pace);
        row(NAMES[1], pace);
    }
    let (copied, served) = (median(copies), median(serves));
    let (rate, cpu) = (served.events_per_s / copied.events_per_s, served.cpu_us_an_event / copied.cpu_us_an_event);
    println!("of the copy loop's: events/s {rate:.2}, CPU an event {cpu:.2}");
    json!({
        "events": total, "sessions": sessions, "suggestions": suggestions, "bytes_out_an_event": bytes,
        "copy": figures(copied), "rekindle": figures(served), "ratio_events_per_s": rate, "ratio_cpu": cpu,
    })
}

fn row(name: &str, pace: Pace) {
    let Pace { events_per_s, cpu_us_an_event, peak_mib, stolen } = pace;
    println!("{name:15} {events_per_s:>10.0} {cpu_us_an_event:>20.1} {peak_mib:>10.0} {stolen:>10.0}");
}

fn figures(pace: Pace) -> Value {
    let Pace { events_per_s, cpu_us_an_event, peak_mib, stolen } = pace;
    json!({
        "events_per_s": events_per_s, "cpu_us_an_event": cpu_us_an_event, "peak_mib": peak_mib,
        "stolen_percent": stolen,
    })
}

/// Through the service: its pace, and its settings.
fn serve(brokers: &str, input: &str, total: usize) -> (Pace, RuntimeSettings) {
    let settings = stage::settings(brokers, "pipeline", Some(input));
    let service = Service::start(&settings);
    let progress = Progress::of(brokers, &settings.kafka.group_id, input, PARTITIONS);
    let pace = progress.pace(service.instance.pid(), 0, total as i64);
    service.stop();
    (pace, settings)
}

fn copied(brokers: &str, input: &str, bytes: usize, total: usize) -> Pace {
    let own = stage::settings(brokers, "copy", Some(input));
    let copy = CopyLoop { brokers, input, output: &own.topics.recovery, group: &own.kafka.group_id, bytes };
    let running = copy.start(WORKERS);
    let pace = Progress::of(brokers, copy.group, input, PARTITIONS).pace(running.0.id(), 0, total as i64);
    drop(running);
    stage::drop_outputs(brokers, &own);
    pace
}

/// The round of median speed.
fn median(mut paces: Vec<Pace>) -> Pace {
    paces.sort_by(|a, b| a.events_per_s.total_cmp(&b.events_per_s));
    paces[paces.len() / 2]
}

fn latency(brokers: &str, plan: &Plan, most: Option<f64>) -> Value {
    println!("\nevent to suggestion   p50 ms   p99 ms   p99.9 ms   timed, of   ms a transaction   stolen %");
    let half = most.filter(|_| plan.half).map(|most| (most / 2.0) as usize);
    let workers = argument("--workers", WORKERS);
    // A broker that was just started compiles itself while it works; small transactions have hardly been made yet.
    latency::measure(brokers, WARM_UP_RATE, plan.warm_up, workers);
    let measured = plan.rates.iter().copied().chain(half).map(|rate| {
        let latency = latency::measure(brokers, rate, plan.span, workers);
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| latency.at(share));
        let (timed, due) = (latency.count(), latency.due);
        let each = latency.transaction_ms.unwrap_or(f64::NAN);
        println!(
            "{rate:>10} events/s {p50:>8.1} {p99:>8.1} {p999:>10.1} {timed:>7} {due:<7} {each:>10.1} {:>10.0}",
            latency.stolen
        );
        json!({
            "events_per_s": rate, "p50_ms": p50, "p99_ms": p99, "p999_ms": p999, "timed": timed, "due": due,
            "transaction_ms": latency.transaction_ms, "stolen_percent": latency.stolen,
        })
    });
    measured.collect()
}

/// Restore, memory and the cost of an event by the number of sessions, of which none has a suggestion open.
fn sizes(brokers: &str, plan: &Plan) -> Value {
    println!(
        "\n  sessions   us of CPU an event   events/s   bytes a session   ready after s   restored/s   with memory at hand   stolen %"
    );
    let settings = stage::settings(brokers, "empty", None);
    Service::start(&settings).ready_and_stop();
    // Started again, as those that restore.
    let mut empty: Vec<_> = (0..3).map(|_| Service::start(&settings).ready_and_stop()).collect();
    empty.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (empty_s, idle) = empty[1];
    let measured = plan.sizes.iter().map(|&sessions| {
        let settings = stage::settings(brokers, "size", None);
        let input = &settings.topics.events;
        let progress = Progress::of(brokers, &settings.kafka.group_id, input, PARTITIONS);
        stage::produce(brokers, input, "none", (0..2).flat_map(|turn| (0..sessions).map(move |session| (session, turn))));
        let mut done = 2 * sessions as i64;
        let service = Service::start(&settings);
        progress.pace(service.instance.pid(), 0, done);
        service.stop();

        // Started anew, so that nothing of the first turns is left in what it uses.
        let (ready_s, used) = Service::start(&settings).ready_and_stop();
        let bytes = (used.now_mib - idle.now_mib) * (1 << 20) as f64 / sessions as f64;
        let restored = |ready_s: f64| sessions as f64 / (ready_s - empty_s);

        // Once more, with memory that was in use a moment ago, to go on when all is restored.
        memory::hand_out(used.now_mib as usize + 256);
        let (service, again_s) = Service::start_ready(&settings);
        let (restored, again) = (restored(ready_s), restored(again_s));
        let more = (0..plan.more).map(|n| (n * 7 % sessions, 2 + n / sessions));
        let pace = std::thread::scope(|scope| {
            scope.spawn(|| stage::produce(brokers, input, "none", more));
            progress.pace(service.instance.pid(), done, done + plan.more as i64)
        });
        done += plan.more as i64;
        service.stop();
        let Pace { events_per_s, cpu_us_an_event, stolen, .. } = pace;
        println!(
            "{sessions:>10} {cpu_us_an_event:>20.1} {events_per_s:>10.0} {bytes:>17.0} {ready_s:>15.2} {restored:>12.0} {again:>21.0} {stolen:>10.0}"
        );
        stage::drop_outputs(brokers, &settings);
        json!({
            "sessions": sessions, "events": done, "cpu_us_an_event": cpu_us_an_event, "events_per_s": events_per_s,
            "bytes_a_session": bytes, "ready_s": ready_s, "ready_empty_s": empty_s, "restored_per_s": restored,
            "ready_at_hand_s": again_s, "restored_at_hand_per_s": again,
        })
    });
    measured.collect()
}

fn picture_of(throughput: &Value) -> String {
    let values = |name: &str| [&throughput["copy"], &throughput["rekindle"]].map(|of| of[name].as_f64().unwrap_or(0.0));
    let groups = [
        Group { title: "Events a second", unit: "/s", values: values("events_per_s") },
        Group { title: "Processor time an event", unit: "us", values: values("cpu_us_an_event") },
    ];
    picture::svg("rekindle beside a bare transactional copy loop", &groups)
}
