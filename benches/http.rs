//! What queries over HTTP cost: how many a second, how long they take while events flow, and what they do to the events.
//!
//! `cargo bench --bench http [-- --sessions 100000 --seconds 10]`. It starts a broker, folds so many sessions of one
//! tenant with an embedding and KV each, and asks `rekindle run`, in a process of its own, by `wrk` (which has to be
//! installed) over 16 connections of loopback: as fast as answers come, then at about 1,000 requests a second while 2,000
//! events a second flow. A plain axum handler that answers as many bytes is asked beside it. Broker, service, wrk and the
//! source of the events share the machine. Figures also go to `target/bench/http.json`.

#[path = "../tests/support/instance.rs"]
mod instance;
#[path = "pipeline_bench/latency.rs"]
mod latency;
mod load;
#[path = "http_bench/plain.rs"]
mod plain;
#[path = "pipeline_bench/stage.rs"]
mod stage;
#[path = "../tests/support/mod.rs"]
mod support;
#[path = "pipeline_bench/watch.rs"]
mod watch;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use load::{PARTITIONS, TENANTS, argument, context, tenant};
use serde_json::{Value, json};
use stage::Service;
use support::events::now_ms;
use support::own_broker::OwnBroker;
use watch::{Progress, Stolen};

/// The allocator of the service.
#[global_allocator]
static ALLOCATOR: rekindle::allocator::Allocator = rekindle::allocator::Allocator;

/// As in the benchmark of the pipeline.
const BROKER: (&str, &str) =
    ("-Xmx1g -XX:TieredStopAtLevel=4", "group.initial.rebalance.delay.ms=1000\nlog.index.size.max.bytes=10485760\n");
const CONNECTIONS: usize = 16;
/// Different requests of a kind.
const REQUESTS: usize = 1000;
const EVENTS_PER_S: usize = 2000;
/// For how long a connection rests after an answer, ms: 16 of them ask about 1,000 times a second.
const REST_MS: usize = 15;
const WARM_UP: Duration = Duration::from_secs(40);

fn main() {
    if std::env::args().nth(1).is_some_and(|first| first == plain::ROLE) {
        return plain::run();
    }
    let (sessions, seconds) = (argument("--sessions", 100_000), argument("--seconds", 10));
    let version = Command::new("wrk").arg("-v").output();
    assert!(version.is_ok(), "wrk is needed: install the package wrk");
    let own = OwnBroker::start_with(BROKER.0, BROKER.1).unwrap_or_else(|fault| panic!("starting a broker: {fault}"));
    let settings = stage::settings(&own.addresses, "http", None);
    let (brokers, input) = (&own.addresses[..], &settings.topics.events);
    println!("folding {sessions} sessions of one tenant");
    let of_one = |turn| (0..sessions).map(move |session| (session * TENANTS, turn));
    stage::produce(brokers, input, "tenant", (0..2).flat_map(of_one));
    let progress = Progress::of(brokers, &settings.kafka.group_id, input, PARTITIONS);
    let (service, _) = Service::start_ready(&settings);
    progress.pace(service.instance.pid(), 0, 2 * sessions as i64);

    let folder = tempfile::tempdir().expect("a temporary folder");
    let asker = Asker { folder: folder.path().to_owned(), port: service.port(), seconds };
    let size = service.get(&session_path(0)).split("\r\n\r\n").nth(1).expect("a session").len();
    println!("\n{CONNECTIONS} connections          requests/s    p50 ms    p99 ms   of a plain handler's   stolen %");
    let kinds = [("GET session", get_session as Kind), ("POST recovery", recovery), ("POST search", search)];
    let fastest = kinds.map(|(name, kind)| {
        let requests = asker.file(name, sessions, kind);
        let plain = plain::Plain::start(size);
        let beside = asker.ask(plain.port, &requests, 0);
        drop(plain);
        let answered = asker.ask(asker.port, &requests, 0);
        row(name, &answered, Some(&beside));
        json!({"of": name, "answered": answered.figures(), "plain": beside.figures()})
    });
    println!("while {EVENTS_PER_S} events/s flow, about {} requests/s", CONNECTIONS * 1000 / REST_MS);
    let span = Duration::from_secs(seconds as u64 + 10);
    events(brokers, &settings, WARM_UP);
    let alone = events(brokers, &settings, span);
    let mut flowing = Vec::new();
    for (name, kind) in kinds {
        let requests = asker.file(name, sessions, kind);
        let (times, answered) = std::thread::scope(|scope| {
            let answered = scope.spawn(|| {
                std::thread::sleep(Duration::from_secs(6));
                asker.ask(asker.port, &requests, REST_MS)
            });
            (events(brokers, &settings, span), answered.join().expect("answers"))
        });
        row(name, &answered, None);
        flowing.push(json!({"of": name, "answered": answered.figures(), "event_to_suggestion_ms": times}));
    }
    println!("\nevent to suggestion   p50 ms   p99 ms");
    let told = |name: &str, [p50, p99]: [f64; 2]| println!("{name:20} {p50:>8.1} {p99:>8.1}");
    told("nobody asks", alone);
    for of in &flowing {
        let [p50, p99] = [0, 1].map(|n| of["event_to_suggestion_ms"][n].as_f64().unwrap_or(f64::NAN));
        told(of["of"].as_str().unwrap_or_default(), [p50, p99]);
    }
    service.stop();
    let figures =
        json!({"sessions": sessions, "fastest": fastest, "flowing": flowing, "event_to_suggestion_ms": alone});
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&folder).expect("target/bench");
    std::fs::write(folder.join("http.json"), format!("{figures:#}\n")).expect("target/bench/http.json");
}

/// Events flow for `span`: p50 and p99 from event to suggestion, ms.
fn events(brokers: &str, settings: &rekindle::runtime::settings::RuntimeSettings, span: Duration) -> [f64; 2] {
    // Numbers that no event had before: of instants, one a half millisecond.
    let (since, first) = (now_ms(), (now_ms() % 4_000_000) as usize * 2);
    let done = AtomicBool::new(false);
    let mut times = std::thread::scope(|scope| {
        let reader = scope.spawn(|| latency::read(brokers, &settings.topics.recovery, since, &done));
        latency::produce(brokers, &settings.topics.events, EVENTS_PER_S, span, first);
        std::thread::sleep(Duration::from_secs(1));
        done.store(true, Ordering::Relaxed);
        reader.join().expect("the reader")
    });
    times.sort_by(f64::total_cmp);
    assert!(times.len() > 100, "{} suggestions", times.len());
    [0.5, 0.99].map(|share| times[(times.len() as f64 * share) as usize])
}

/// A request of a session.
type Kind = fn(usize) -> String;

fn id(session: usize) -> String {
    format!("session-{:08}", session * TENANTS)
}

fn session_path(session: usize) -> String {
    format!("/v1/tenants/{}/sessions/{}", tenant(0), id(session))
}

fn get_session(session: usize) -> String {
    format!("GET {}", session_path(session))
}

fn recovery(session: usize) -> String {
    format!("POST /v1/tenants/{}/recovery {}", tenant(0), json!({"session_id": id(session)}))
}

/// With the embedding of a turn that never was.
fn search(session: usize) -> String {
    let vector: Vec<u8> = context(session * TENANTS, 7).flat_map(f32::to_le_bytes).collect();
    format!("POST /v1/tenants/{}/search {}", tenant(0), json!({"vector": STANDARD.encode(vector), "k": 10}))
}

/// Asks by wrk.
struct Asker {
    folder: PathBuf,
    port: u16,
    seconds: usize,
}

/// What wrk tells.
struct Answered {
    told: Value,
    stolen: f64,
}

impl Answered {
    fn of(&self, name: &str) -> f64 {
        self.told[name].as_f64().unwrap_or(f64::NAN)
    }

    fn per_s(&self) -> f64 {
        self.of("requests") / self.of("seconds")
    }

    fn figures(&self) -> Value {
        let [p50, p99] = ["p50_us", "p99_us"].map(|name| self.of(name) / 1000.0);
        json!({"requests_per_s": self.per_s(), "p50_ms": p50, "p99_ms": p99, "stolen_percent": self.stolen})
    }
}

impl Asker {
    /// A file of requests of sessions all over the tenant.
    fn file(&self, name: &str, sessions: usize, kind: Kind) -> PathBuf {
        let path = self.folder.join(name.replace(' ', "-"));
        let mut file = std::fs::File::create(&path).expect("a file");
        for n in 0..REQUESTS {
            writeln!(file, "{}", kind(n * 7919 % sessions)).expect("written");
        }
        path
    }

    /// Asks for some seconds; every answer has to be 2xx.
    fn ask(&self, port: u16, requests: &Path, rest_ms: usize) -> Answered {
        let stolen = Stolen::now();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/http_bench/wrk.lua");
        let output = Command::new("wrk")
            .args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{}s", self.seconds), "-s"])
            .arg(script)
            .arg(format!("http://127.0.0.1:{port}"))
            .arg("--")
            .arg(requests)
            .arg(rest_ms.to_string())
            .output()
            .expect("wrk");
        let text = String::from_utf8_lossy(&output.stdout);
        let told = text.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
        let told = told.unwrap_or_else(|| panic!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr)));
        assert_eq!((&told["refused"], &told["broken"]), (&json!(0), &json!(0)), "every request is answered");
        Answered { told, stolen: stolen.percent_since() }
    }
}

fn row(name: &str, answered: &Answered, plain: Option<&Answered>) {
    let [p50, p99] = ["p50_us", "p99_us"].map(|figure| answered.of(figure) / 1000.0);
    let share = plain.map_or_else(String::new, |plain| format!("{:.2}", answered.per_s() / plain.per_s()));
    println!("{name:22} {:>14.0} {p50:>9.2} {p99:>9.2} {share:>22} {:>10.0}", answered.per_s(), answered.stolen);
}
