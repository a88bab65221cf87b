//! The vector index under churn: upserts a second, search times, recall against exact search at the same moment,
//! memory a session, sessions restored a second, and how a search grows with the sessions of one tenant.
//!
//! `cargo bench --bench index [--features peers] [-- --quick] [--data DIR]`. With `peers`, usearch and ruvector's
//! database go through the same churn, for at most a minute each. `--data` takes real embeddings, rows of f16 or
//! f32 in `DIR/embeddings.npy`; without it vectors are generated. `--quick` takes less than two minutes.
//! One thread. Figures also go to `target/bench/index.json`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cap::Cap;
use rekindle::allocator::Allocator;
use rekindle::engine::index::{Columns, SlotHint, SpaceIndex, Wanted};
use rekindle::model::ids::Name;
use rekindle::model::vector::{UnitVector, cosine};
use serde_json::{Value, json};

#[path = "index_bench/churn.rs"]
mod churn;
#[path = "index_bench/peers.rs"]
mod peers;
#[path = "index_bench/vectors.rs"]
mod vectors;

use churn::{K, Measured, TENANTS, churn, plan};
use peers::{Exact, Ids, Ours};
use vectors::Vectors;

/// The service's allocator, counting.
#[global_allocator]
static ALLOCATOR: Cap<Allocator> = Cap::new(Allocator, usize::MAX);

const QUERIES: usize = 200;
/// One session in so many passes the predicate.
const ONE_IN: usize = 100;
#[cfg(feature = "peers")]
const PEER_LIMIT: Duration = Duration::from_secs(60);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let quick = arguments.iter().any(|a| a == "--quick");
    let data = arguments.iter().position(|a| a == "--data").map(|at| PathBuf::from(&arguments[at + 1]));
    let vectors = match &data {
        Some(folder) => Vectors::of(folder).unwrap_or_else(|fault| panic!("--data: {fault}")),
        None => Vectors::clustered(),
    };
    println!("vectors: {}, {} components; k = {K}; one thread", vectors.name, vectors.dim());
    let sizes: &[(usize, usize)] = if quick { &[(20_000, 1_500)] } else { &[(20_000, 1_500), (100_000, 10_000)] };
    let turns = if quick { 4 } else { 10 };
    let churned: Vec<Value> = sizes.iter().map(|(n, active)| churn_table(&vectors, *n, turns, *active)).collect();

    println!(
        "\none tenant       sessions   p50 us   p99 us   recall@{K}   1 in {ONE_IN}: p50 us   recall   restored/s"
    );
    let mut sizes = vec![(&vectors, 100_000)];
    let hard = Vectors::hard();
    if !quick {
        sizes.extend([(&hard, 100_000), (&vectors, 1_000_000)]);
    }
    let single: Vec<Value> = sizes.into_iter().map(|(vectors, n)| one_tenant(vectors, n)).collect();
    let figures = json!({ "vectors": vectors.name, "quick": quick, "churn": churned, "one_tenant": single });
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&folder).expect("target/bench");
    std::fs::write(folder.join("index.json"), format!("{figures:#}\n")).expect("target/bench/index.json");
}

/// Bytes asked for and not given back.
fn allocated() -> isize {
    ALLOCATOR.allocated() as isize
}

fn churn_table(vectors: &Vectors, sessions: usize, turns: usize, active: usize) -> Value {
    println!(
        "\n{sessions} sessions x {turns} turns, {active} at a time, {TENANTS} tenants (Zipf), a search per 20 upserts"
    );
    println!("                  upserts/s   p50 us   p99 us   recall@{K}   bytes a session");
    let plan = plan(sessions, turns, active);
    let check = if sessions > 50_000 { 25 } else { 5 };
    let ids = Ids::new(sessions);
    let before = allocated();
    let mut ours = Ours::new(&ids, TENANTS, vectors.dim());
    let measured = churn(&mut ours, &mut Exact::new(sessions, TENANTS), vectors, &plan, check, Duration::MAX);
    let rows = vec![row("rekindle", &measured, (allocated() - before) as f64 / sessions as f64)];
    drop(ours);
    #[cfg(feature = "peers")]
    let rows = [rows, beside(vectors, &plan, sessions, check)].concat();
    json!({ "sessions": sessions, "turns": turns, "active": active, "rows": rows })
}

#[cfg(feature = "peers")]
fn beside(vectors: &Vectors, plan: &[churn::Turn], sessions: usize, check: usize) -> Vec<Value> {
    use peers::Peer as _;
    use peers::graphs::{Ruvector, Usearch};
    let mut rows = Vec::new();
    let mut usearch = Usearch::new(TENANTS, vectors.dim(), sessions);
    let measured = churn(&mut usearch, &mut Exact::new(sessions, TENANTS), vectors, plan, check, PEER_LIMIT);
    rows.push(row("usearch", &measured, usearch.foreign_bytes() as f64 / sessions as f64));
    drop(usearch);
    let before = allocated();
    let mut ruvector = Ruvector::new(TENANTS, vectors.dim(), sessions);
    let measured = churn(&mut ruvector, &mut Exact::new(sessions, TENANTS), vectors, plan, check, PEER_LIMIT);
    rows.push(row("ruvector", &measured, (allocated() - before) as f64 / sessions as f64));
    rows
}

fn row(name: &str, measured: &Measured, bytes: f64) -> Value {
    let Measured { upserts, upserts_per_s, p50, p99, recall, complete } = measured;
    let stopped = if *complete { String::new() } else { format!("   stopped after {upserts} upserts") };
    println!("{name:15} {upserts_per_s:>11.0} {p50:>8.1} {p99:>8.1} {recall:>11.4} {bytes:>17.0}{stopped}");
    json!({
        "index": name, "upserts": upserts, "upserts_per_s": upserts_per_s, "p50_us": p50, "p99_us": p99,
        "recall": recall, "bytes_a_session": bytes, "complete": complete,
    })
}

/// Searches among many sessions of one tenant, with and without a predicate that few pass.
fn one_tenant(vectors: &Vectors, sessions: usize) -> Value {
    let ids = Ids::new(sessions);
    let rare = Name::new("rare").expect("a name");
    let columns = |n: usize| Columns { adapter: (n % ONE_IN == 7).then_some(&rare), ..ids.columns(n) };
    let mut index = SpaceIndex::new(vectors.dim());
    let (mut raw, mut spent) = (Vec::new(), Duration::ZERO);
    for from in (0..sessions).step_by(100) {
        // As a restore has them: bits that were normalised before.
        let bits: Vec<Box<[half::f16]>> = (from..sessions.min(from + 100))
            .map(|n| {
                vectors.vector(n, 3, &mut raw);
                UnitVector::normalised(&raw).expect("a direction").as_slice().into()
            })
            .collect();
        let clock = Instant::now();
        for (n, bits) in bits.into_iter().enumerate() {
            let vector = UnitVector::from_bits(&bits).expect("finite");
            index.upsert(&ids.sessions[from + n], &mut SlotHint::default(), &vector, &columns(from + n));
        }
        spent += clock.elapsed();
    }
    let restored = sessions as f64 / spent.as_secs_f64();
    let all = searches(vectors, &index, &ids, &Wanted::default(), |_| true);
    let few =
        searches(vectors, &index, &ids, &Wanted { adapter: Some(&rare), ..Wanted::default() }, |n| n % ONE_IN == 7);
    let name = if vectors.name.contains("hard") { "hard" } else { "" };
    println!(
        "{name:15} {sessions:>9} {:>8.0} {:>8.0} {:>11.4} {:>18.0} {:>8.4} {restored:>12.0}",
        all.0, all.1, all.2, few.0, few.2
    );
    json!({
        "vectors": vectors.name, "sessions": sessions, "p50_us": all.0, "p99_us": all.1, "recall": all.2,
        "predicate": { "one_in": ONE_IN, "p50_us": few.0, "p99_us": few.1, "recall": few.2 },
        "restored_per_s": restored,
    })
}

/// p50 and p99 in us, and recall of a part of the searches.
fn searches(
    vectors: &Vectors,
    index: &SpaceIndex,
    ids: &Ids,
    wanted: &Wanted<'_>,
    passes: impl Fn(usize) -> bool,
) -> (f64, f64, f64) {
    let check = index.len() / 10_000;
    let (mut times, mut found, mut expected) = (Vec::new(), 0, 0);
    let mut raw = Vec::new();
    for n in 0..QUERIES {
        // The next turn of a session that is stored.
        vectors.vector(n * (index.len() / QUERIES), 4, &mut raw);
        let query = UnitVector::normalised(&raw).expect("a direction");
        let clock = Instant::now();
        let hits = index.search(&query, K, wanted);
        times.push(clock.elapsed().as_secs_f64() * 1e6);
        if n % check == 0 {
            let wide = query.to_f32();
            let passing = ids.sessions[..index.len()].iter().enumerate().filter(|(n, _)| passes(*n));
            let mut truth: Vec<f64> = passing
                .map(|(_, id)| {
                    let row = index.vector(id).expect("stored");
                    cosine(&wide, query.inverse_norm(), row, rekindle::model::vector::inverse_norm(row))
                })
                .collect();
            truth.sort_unstable_by(|a, b| b.total_cmp(a));
            // A session as near as the last true one is as good.
            let last = truth[K - 1];
            expected += K;
            found += hits.iter().filter(|hit| hit.similarity >= last).count();
        }
    }
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[times.len() * 99 / 100], found as f64 / f64::from(expected as u32))
}
