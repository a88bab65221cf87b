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
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

mod load;

use load::{DIM, SplitMix, TENANTS, Writer, argument, record};
use rekindle::engine::{
    AHEAD, Effects, Engine, EngineSettings, OutValue, Restoring, StateTopic, Topic, decode, validate,
};
use rekindle::model::position::{Offset, PartitionId};
use rekindle::model::verdict::Verdict;
use serde_json::json;

/// The allocator of the service.
#[global_allocator]
static ALLOCATOR: rekindle::allocator::Allocator = rekindle::allocator::Allocator;

const BATCH: usize = 1000;
const ROUNDS: usize = 10;
const RESTORES: usize = 5;

fn main() {
    let (events, sessions) = (argument("--events", 200_000), argument("--sessions", 20_000));
    println!("{events} turns over {sessions} sessions of {TENANTS} tenants, {DIM}-dimensional generated vectors");
    let mut random = SplitMix(7);
    let (mut started, mut turns) = (Writer::started("none"), Writer::turn());
    let mut turn = |session, number| turns.write(session, number, at(number), context(session, &mut random));
    let first: Vec<Vec<u8>> =
        (0..sessions).flat_map(|s| [started.write(s, 0, at(0), std::iter::empty()), turn(s, 1)]).collect();
    let turns: Vec<Vec<u8>> = (0..events).map(|n| turn(n % sessions, 2 + n / sessions)).collect();
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
    let decoded = each(&turns, |turn| _ = black_box(decode::decode(&record(turn, 0))));
    let valid = each(&turns, |turn| {
        let event = decode::decode(&record(turn, 0)).expect("a generated event");
        _ = black_box(validate::validate(event, &settings, None));
    });
    let (validated, rest) = (valid - decoded, median - valid);
    println!("of which  decode {decoded:.2} us, validate {validated:.2} us, fold, index and encode {rest:.2} us");

    // One more turn a session with the records kept: what a restart reads.
    let last: Vec<Vec<u8>> = (0..sessions).map(|s| turn(s, 3 + events / sessions)).collect();
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
        "decode_us": decoded, "validate_us": validated, "rest_us": rest,
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
    let mut copy = Vec::new();
    each(records, |record| {
        copy.clear();
        copy.extend_from_slice(record);
        black_box(xxhash_rust::xxh3::xxh3_128(&copy));
    })
}

/// Mean time of `work` on a record, us.
fn each(records: &[Vec<u8>], mut work: impl FnMut(&[u8])) -> f64 {
    let clock = Instant::now();
    records.iter().for_each(|record| work(record));
    clock.elapsed().as_secs_f64() * 1e6 / records.len() as f64
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

fn at(number: usize) -> i64 {
    1_762_340_000_000 + number as i64 * 1000
}

/// A fixed direction a session and a little noise: the context moves, but never far enough to ask.
fn context(session: usize, random: &mut SplitMix) -> impl Iterator<Item = f32> {
    (0..DIM).map(move |i| ((session * 31 + i * 7) % 17) as f32 + random.unit() * 0.02)
}
