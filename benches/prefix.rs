//! How fast the deepest block that a request shares with any session is found, and whether it is the deepest.
//!
//! `cargo bench --bench prefix [-- --blocks 1000000] [--trace FILE]`. Chains are generated: groups of sessions share
//! the first blocks, as with a system prompt, and each goes on by itself. With a trace (JSON lines with `hash_ids`, the
//! form that Mooncake's traces have) every request is looked up among all before it and compared with what a set of
//! all ids seen so far says.

use std::collections::HashSet;
use std::hint::black_box;
use std::time::Instant;

mod load;

use load::{SplitMix, argument};
use rekindle::engine::prefix::PrefixTree;
use rekindle::model::ids::SessionId;
use rekindle::model::time::EventTime;

/// The allocator of the service.
#[global_allocator]
static ALLOCATOR: rekindle::allocator::Allocator = rekindle::allocator::Allocator;

const GROUPS: u64 = 200;
const SHARED: u64 = 16;
const OWN: u64 = 48;
const LOOK_UPS: usize = 1_000_000;
const ROUNDS: usize = 5;

fn main() {
    if let Some(file) = std::env::args().skip_while(|a| a != "--trace").nth(1) {
        return follow(&file);
    }
    let blocks = argument("--blocks", 1_000_000);
    let sessions = (blocks as u64).saturating_sub(GROUPS * SHARED) / OWN;
    let chains: Vec<Vec<u64>> = (0..sessions).map(chain).collect();
    let mut tree = PrefixTree::default();
    let clock = Instant::now();
    for (n, chain) in chains.iter().enumerate() {
        tree.place(&id(n), chain, EventTime(n as i64));
    }
    let per_block = clock.elapsed().as_secs_f64() * 1e9 / tree.blocks() as f64;
    println!(
        "{sessions} sessions, {} blocks, {} a chain; entered in {per_block:.0} ns a block",
        tree.blocks(),
        SHARED + OWN
    );

    // Each asks for a part of what a session holds, and goes on in its own way.
    let mut random = SplitMix(11);
    let asked: Vec<Vec<u64>> = (0..LOOK_UPS / 10)
        .map(|_| {
            let mut chain = chains[(random.unit() * sessions as f32) as usize % chains.len()].clone();
            let kept = (random.unit() * chain.len() as f32) as usize;
            chain[kept..].iter_mut().for_each(|hash| *hash = hash.wrapping_mul(31));
            chain
        })
        .collect();
    rate("deepest block", &asked, |chain| tree.depth(chain));
    rate("and its latest holder", &asked, |chain| tree.sharers(chain).next().map_or(0, |sharer| sharer.depth));

    let clock = Instant::now();
    for (n, chain) in chains.iter().enumerate() {
        let mut longer = chain.clone();
        longer.extend([n as u64, n as u64 + 1]);
        tree.place(&id(n), &longer, EventTime((chains.len() + n) as i64));
    }
    println!(
        "two blocks more          {:>10.2} us a session",
        clock.elapsed().as_secs_f64() * 1e6 / chains.len() as f64
    );
}

/// Look-ups a second: the median round and the best.
fn rate(what: &str, asked: &[Vec<u64>], find: impl Fn(&[u64]) -> usize) {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let clock = Instant::now();
            for chain in asked.iter().cycle().take(LOOK_UPS) {
                black_box(find(chain));
            }
            LOOK_UPS as f64 / clock.elapsed().as_secs_f64()
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    println!("{what:<24} {:>10.0} look-ups/s, {:.0} at best", rounds[ROUNDS / 2], rounds[ROUNDS - 1]);
}

/// Looks every request of a trace up among those before it.
fn follow(file: &str) {
    let text = std::fs::read_to_string(file).unwrap_or_else(|fault| panic!("{file}: {fault}"));
    let (mut tree, mut seen, mut equal, mut requests, mut shared) = (PrefixTree::default(), HashSet::new(), 0, 0, 0);
    let mut took = std::time::Duration::ZERO;
    for (n, line) in text.lines().enumerate() {
        let request: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|fault| panic!("{file}:{}: {fault}", n + 1));
        let ids = request["hash_ids"].as_array().unwrap_or_else(|| panic!("{file}:{}: no hash_ids", n + 1));
        let chain: Vec<u64> = ids.iter().filter_map(serde_json::Value::as_u64).collect();
        let clock = Instant::now();
        let depth = tree.depth(&chain);
        tree.place(&id(n), &chain, EventTime(n as i64));
        took += clock.elapsed();
        let expected = chain.iter().take_while(|id| seen.contains(*id)).count();
        seen.extend(chain);
        equal += usize::from(depth == expected);
        shared += depth;
        requests += 1;
    }
    let per_request = took.as_secs_f64() * 1e6 / f64::from(requests);
    println!("{requests} requests, {} blocks, {shared} blocks shared with earlier ones", tree.blocks());
    println!("{equal} of {requests} as deep as they should be; {per_request:.1} us to look one up and enter it");
    assert_eq!(equal, requests as usize, "a request was found less or more deep");
}

fn chain(session: u64) -> Vec<u64> {
    let hash = |part: u64, n: u64| SplitMix(part << 32 | n).word();
    let shared = (0..SHARED).map(|n| hash(session % GROUPS, n));
    shared.chain((0..OWN).map(|n| hash(GROUPS + session, n))).collect()
}

fn id(n: usize) -> SessionId {
    SessionId::new(&format!("session-{n:08}")).expect("an id")
}
