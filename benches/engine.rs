//! What one core does without a broker: events folded a second, size of a state, sessions restored a second.
//!
//! `cargo bench --bench engine [-- --events 200000 --sessions 20000]`. Vectors are generated; every event is a
//! whole turn as producers send it (about 3.3 KB of Avro with the vector as bytes). Each session has had its
//! first turn before the clock starts and scopes are `none`, so no search is part of the first figure.
//!
//! Machines that are shared are not equally fast from one minute to the next, so the turns are gone through in
//! rounds, and beside the median round stands the best one and a yardstick: what it takes to copy the same
//! records and to hash the copies, in the same run.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rekindle::engine::{
    AHEAD, Effects, Engine, EngineSettings, OutValue, Record, Restoring, StateTopic, Topic, decode, encode,
};
use rekindle::model::position::{Offset, PartitionId, Position};
use rekindle::model::verdict::Verdict;
use serde_json::{Value, json};

/// The allocator of the service.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const DIM: usize = 768;
const TENANTS: usize = 40;
const BATCH: usize = 1000;
const ROUNDS: usize = 10;
const RESTORES: usize = 5;

fn main() {
    let (events, sessions) = (argument("--events", 200_000), argument("--sessions", 20_000));
    println!("{events} turns over {sessions} sessions of {TENANTS} tenants, {DIM}-dimensional generated vectors");
    let mut random = SplitMix(7);
    let first: Vec<Vec<u8>> =
        (0..sessions).flat_map(|s| [started(s), turn(s, 1, &mut random)]).map(|json| avro(&json)).collect();
    let turns: Vec<Vec<u8>> = (0..events).map(|n| avro(&turn(n % sessions, 2 + n / sessions, &mut random))).collect();
    let record_bytes: usize = turns.iter().map(Vec::len).sum::<usize>() / turns.len();

    let settings = Arc::new(EngineSettings::default());
    let mut engine = Engine::new(Arc::clone(&settings), PartitionId(0), 1);
    let mut topics = Topics::default();
    run(&mut engine, &first, 0, |effects| topics.take(effects));
    let mut rounds = Vec::new();
    let mut from = first.len();
    for turns in turns.chunks(events.div_ceil(ROUNDS)) {
        let clock = Instant::now();
        run(&mut engine, turns, from, |_| {});
        rounds.push(clock.elapsed().as_secs_f64() * 1e6 / turns.len() as f64);
        from += turns.len();
    }
    rounds.sort_by(f64::total_cmp);
    let (best, median) = (rounds[0], rounds[rounds.len() / 2]);
    let per_second = 1e6 / median;
    println!("engine    {per_second:>10.0} events/s  {median:.2} us an event, {record_bytes} bytes a record");
    println!("best      {:>10.0} events/s  {best:.2} us an event, of {} rounds", 1e6 / best, rounds.len());
    let yardstick = copy_and_hash(&turns);
    println!("yardstick                      {yardstick:.2} us to copy and hash a record");

    // One more turn a session with the records kept: what a restart reads.
    let last: Vec<Vec<u8>> = (0..sessions).map(|s| avro(&turn(s, 3 + events / sessions, &mut random))).collect();
    run(&mut engine, &last, first.len() + events, |effects| topics.take(effects));
    let state_bytes = topics.0[0].values().map(Vec::len).sum::<usize>() / sessions;
    println!("state     {state_bytes:>10} bytes a session beside vector and prefix");

    // Each into fresh memory, as after a start: the restored engines are kept until all are.
    let restored: Vec<_> = (0..RESTORES).map(|_| restore(&settings, &topics, sessions)).collect();
    let mut rounds: Vec<f64> = restored.iter().map(|(_, per_second)| *per_second).collect();
    rounds.sort_by(f64::total_cmp);
    let restored_per_second = rounds[RESTORES / 2];
    println!("restore   {restored_per_second:>10.0} sessions/s  {:.0} at best, of {RESTORES}", rounds[RESTORES - 1]);
    assert!(restored.iter().all(|(restored, _)| restored.stats() == engine.stats()));

    let figures = json!({
        "events_per_s": per_second, "best_events_per_s": 1e6 / best, "yardstick_us": yardstick,
        "record_bytes": record_bytes, "state_bytes": state_bytes,
        "restore_sessions_per_s": restored_per_second, "sessions": sessions,
    });
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&folder).expect("target/bench");
    std::fs::write(folder.join("engine.json"), figures.to_string()).expect("target/bench/engine.json");
}

/// An engine from what a restart reads, and sessions restored a second.
fn restore(settings: &Arc<EngineSettings>, topics: &Topics, sessions: usize) -> (Engine, f64) {
    let clock = Instant::now();
    let mut restoring = Restoring::new(Arc::clone(settings), PartitionId(0), 1);
    for (topic, records) in [StateTopic::States, StateTopic::Vectors, StateTopic::Bookkeeping].iter().zip(&topics.0) {
        for (key, value) in records {
            restoring.apply(*topic, key, Some(value));
        }
    }
    let (restored, _) = restoring.finish(None).expect("what was written restores");
    (restored, sessions as f64 / clock.elapsed().as_secs_f64())
}

/// Time to copy each record and hash the copy, us a record.
fn copy_and_hash(records: &[Vec<u8>]) -> f64 {
    let clock = Instant::now();
    let mut copy = Vec::new();
    for record in records {
        copy.clear();
        copy.extend_from_slice(record);
        std::hint::black_box(xxhash_rust::xxh3::xxh3_128(&copy));
    }
    clock.elapsed().as_secs_f64() * 1e6 / records.len() as f64
}

fn argument(name: &str, default: usize) -> usize {
    let mut arguments = std::env::args().skip_while(|a| a != name);
    arguments.nth(1).map_or(default, |n| n.parse().expect("a number"))
}

fn record(value: &[u8], offset: usize) -> Record<'_> {
    let position = Position { partition: PartitionId(0), offset: Offset(offset as i64) };
    Record { position, timestamp: None, key: None, value: Some(value), traceparent: None, writer: None }
}

fn run(engine: &mut Engine, records: &[Vec<u8>], from: usize, mut done: impl FnMut(&Effects)) {
    let mut effects = Effects::new();
    for (batch, records) in records.chunks(BATCH).enumerate() {
        let start = from + batch * BATCH;
        for (n, value) in records.iter().enumerate() {
            // As the service does.
            if n % AHEAD == 0 {
                engine.look_ahead(records[n..].iter().map(Vec::as_slice));
            }
            let verdict = engine.process(record(value, start + n), &mut effects);
            assert_eq!(verdict, Verdict::Applied);
        }
        engine.seal(Offset((start + records.len()) as i64), &mut effects);
        done(&effects);
        effects.clear();
    }
}

/// The latest values of states, vectors and bookkeeping.
#[derive(Default)]
struct Topics([HashMap<Vec<u8>, Vec<u8>>; 3]);

impl Topics {
    fn take(&mut self, effects: &Effects) {
        for record in effects.records() {
            let records = match record.topic {
                Topic::States => &mut self.0[0],
                Topic::Vectors => &mut self.0[1],
                Topic::Bookkeeping => &mut self.0[2],
                _ => continue,
            };
            let key = record.key.expect("a key").to_vec();
            match record.value {
                OutValue::Avro(body) => records.insert(key, body.to_vec()),
                _ => records.remove(&key),
            };
        }
    }
}

fn envelope(session: usize, number: usize, kind: &str) -> Value {
    json!({
        "event_id": format!("0b9c2f6e-5d1a-4c37-9a86-{session:06x}{number:06x}"),
        "tenant_id": format!("tenant-{}", session % TENANTS), "session_id": format!("session-{session:08}"),
        "user_id": format!("user-{:06}", session / 4), "occurred_at": 1_762_340_000_000i64 + number as i64 * 1000,
        "producer": {"id": "gateway-1", "epoch": 1, "seq": number + 1}, "type": kind,
    })
}

fn started(session: usize) -> Value {
    let mut event = envelope(session, 0, "session_started");
    event["transfer_scope"] = json!("none");
    event["metadata"] = json!({"app": "chat", "plan": "pro", "locale": "en-GB"});
    event
}

fn turn(session: usize, number: usize, random: &mut SplitMix) -> Value {
    let mut event = envelope(session, number, "turn_completed");
    let cache = json!({"namespace": "llama-3-70b/fp8"});
    // A fixed direction a session and a little noise: the context moves, but never far enough to ask.
    let component = |i: usize| ((session * 31 + i * 7) % 17) as f32 + random.unit() * 0.02;
    let vector = STANDARD.encode((0..DIM).map(component).flat_map(f32::to_le_bytes).collect::<Vec<u8>>());
    let fields = json!({
        "turn": number, "input_tokens": 2100, "output_tokens": 310, "cached_tokens": 1800, "worker": "worker-17",
        "worker_epoch": 5, "model": "llama-3-70b", "cache": cache, "adapter": {"id": "lora-7", "version": "3"},
        "context": {"space": "default", "vector": vector, "covers_turn": number},
        "kv_cache": {
            "tier": "warm", "location": {"disk": {"path": "kv/9", "offset": 0}}, "cached_tokens": 2304,
            "created_at": 1_762_339_999_000i64, "worker": "worker-17", "worker_epoch": 5, "cache": cache,
            "quantization": {"hybrid": {"tail_length": 256, "tail_precision": "FP16", "store_precision": "Q4"}},
        },
    });
    if let (Value::Object(event), Value::Object(fields)) = (&mut event, fields) {
        event.extend(fields);
    }
    event
}

/// The event as a producer sends it: Avro single-object encoding.
fn avro(event: &Value) -> Vec<u8> {
    let text = event.to_string();
    let event = decode::decode(&record(text.as_bytes(), 0)).expect("a generated event");
    let mut bytes = encode::event_single_object_header().to_vec();
    bytes.extend(encode::event(event).expect("a generated event"));
    bytes
}

struct SplitMix(u64);

impl SplitMix {
    fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z >> 40) as f32 / (1u64 << 24) as f32
    }
}
