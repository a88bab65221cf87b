//! Sessions that come, are re-embedded at every turn, and stay: the load that an index of live sessions has.

use std::time::{Duration, Instant};

use super::peers::{Exact, Peer};
use super::vectors::{Random, Vectors};

pub const TENANTS: usize = 40;
/// One search after so many upserts.
const UPSERTS_A_SEARCH: usize = 20;
pub const K: usize = 10;

/// A session's turn.
#[derive(Clone, Copy)]
pub struct Turn {
    pub tenant: usize,
    pub session: usize,
    turn: usize,
}

/// What was measured.
pub struct Measured {
    pub upserts: usize,
    pub upserts_per_s: f64,
    pub p50: f64,
    pub p99: f64,
    pub recall: f64,
    pub complete: bool,
}

/// Every session's turns in an order in which `active` sessions are under way at a time.
pub fn plan(sessions: usize, turns: usize, active: usize) -> Vec<Turn> {
    let mut random = Random(11);
    // Zipf with exponent 1.
    let mut weights: Vec<f64> = (1..=TENANTS).map(|rank| 1.0 / rank as f64).collect();
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= total);
    let tenant_of = |random: &mut Random| {
        let mut at = (random.next() >> 11) as f64 / (1u64 << 53) as f64;
        weights
            .iter()
            .position(|weight| {
                (at < *weight) || {
                    at -= weight;
                    false
                }
            })
            .unwrap_or(TENANTS - 1)
    };
    let mut next = 0;
    let mut begin = |random: &mut Random| {
        let session = next;
        next += 1;
        (session < sessions).then(|| Turn { tenant: tenant_of(random), session, turn: 0 })
    };
    let mut under_way: Vec<Turn> = (0..active).filter_map(|_| begin(&mut random)).collect();
    let mut plan = Vec::with_capacity(sessions * turns);
    while !under_way.is_empty() {
        let at = random.below(under_way.len());
        plan.push(under_way[at]);
        under_way[at].turn += 1;
        if under_way[at].turn == turns {
            match begin(&mut random) {
                Some(turn) => under_way[at] = turn,
                None => drop(under_way.swap_remove(at)),
            }
        }
    }
    plan
}

/// Goes through the plan, or as far as it comes in `limit`. Every `check`-th search is compared with exact search at
/// the same moment; that and the making of vectors is not timed.
pub fn churn(
    peer: &mut dyn Peer,
    exact: &mut Exact,
    vectors: &Vectors,
    plan: &[Turn],
    check: usize,
    limit: Duration,
) -> Measured {
    let mut raw: Vec<Vec<f32>> = vec![Vec::new(); UPSERTS_A_SEARCH];
    let (mut spent, mut searches) = (Duration::ZERO, Vec::new());
    let (mut found, mut expected, mut upserts) = (0, 0, 0);
    for turns in plan.chunks(UPSERTS_A_SEARCH) {
        for (turn, raw) in turns.iter().zip(&mut raw) {
            vectors.vector(turn.session, turn.turn, raw);
            exact.upsert(turn.tenant, turn.session, raw);
        }
        let clock = Instant::now();
        for (turn, raw) in turns.iter().zip(&raw) {
            peer.upsert(turn.tenant, turn.session, raw);
        }
        spent += clock.elapsed();
        upserts += turns.len();
        let (last, query) = (turns[turns.len() - 1], &raw[turns.len() - 1]);
        let clock = Instant::now();
        let hits = peer.search(last.tenant, last.session, query, K);
        let took = clock.elapsed();
        spent += took;
        searches.push(took.as_secs_f64() * 1e6);
        if searches.len() % check == 0 {
            let truth = exact.search(last.tenant, last.session, query, K);
            expected += truth.len();
            found += truth.iter().filter(|session| hits.contains(session)).count();
        }
        if spent > limit {
            break;
        }
    }
    searches.sort_by(f64::total_cmp);
    let at = |share: f64| searches[((searches.len() - 1) as f64 * share) as usize];
    Measured {
        upserts,
        upserts_per_s: upserts as f64 / spent.as_secs_f64(),
        p50: at(0.5),
        p99: at(0.99),
        recall: found as f64 / expected.max(1) as f64,
        complete: upserts == plan.len(),
    }
}
