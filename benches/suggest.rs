//! What deciding on suggestions costs beside the vector search, in one large tenant.
//!
//! `cargo bench --bench suggest [-- --sessions 100000]`. Every session has an embedding, KV and an adapter, lets its tenant
//! profit, and is one of four of its user. A trigger is an event that sets off a suggestion; its cost is that of the same
//! session's event that sets off none taken off. What is compared with a search is made of the same search.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

mod load;

use load::{SplitMix, TENANTS, Writer, argument, context, record, tenant};
use rekindle::engine::{Effects, Engine, EngineSettings, SearchFilter};
use rekindle::model::event::TransferScope;
use rekindle::model::ids::{Name, SessionId, TenantId, UserId};
use rekindle::model::position::{Offset, PartitionId};
use rekindle::model::verdict::Verdict;
use serde_json::json;

/// The allocator of the service.
#[global_allocator]
static ALLOCATOR: rekindle::allocator::Allocator = rekindle::allocator::Allocator;

const ASKED: usize = 2000;
const BATCH: usize = 1000;
const BASE: i64 = 1_762_340_000_000;

fn main() {
    let sessions = argument("--sessions", 100_000).max(2 * ASKED);
    println!("{sessions} sessions of one tenant, four a user; medians of {ASKED}, in us");
    let mut engine = Engine::new(Arc::new(EngineSettings::default()), PartitionId(0), 1);
    let mut log = Log::default();
    let (mut started, mut turn) = (Writer::started("tenant"), Writer::turn());
    for n in 0..sessions {
        log.take(&mut engine, &started.write(n * TENANTS, 0, BASE, std::iter::empty()));
        log.take(&mut engine, &turn.write(n * TENANTS, 1, BASE + 1000, context(n, 1)));
    }
    let mut random = SplitMix(11);
    let asked: Vec<usize> = (0..ASKED).map(|_| random.word() as usize % sessions).collect();

    let plain = median(asked.iter().map(|n| log.take(&mut engine, &event(*n, "session_paused", "throttled"))));
    let fired = median(asked.iter().map(|n| log.take(&mut engine, &event(*n, "session_interrupted", "timeout"))));
    println!("an event that sets off nothing   {plain:>8.1}");
    println!("an interruption                  {fired:>8.1}   suggested and published for {:.1}", fired - plain);

    let (tenant, space) = (TenantId::new(tenant(0)).expect("an id"), Name::new("default").expect("a name"));
    let mut figures = json!({"sessions": sessions, "plain_event_us": plain, "interruption_us": fired});
    let within = |scope, user: Option<UserId>| SearchFilter { scope: Some(scope), user, ..SearchFilter::default() };
    let mut compare = |what: &str, name: &str, decide: &dyn Fn(&SessionId), filter: &dyn Fn(usize) -> SearchFilter| {
        let k = EngineSettings::default().policy.k;
        let search = |n: usize| {
            let vector = engine.vector(&tenant, &id(n)).expect("a vector").1;
            let filter = SearchFilter { except: Some(id(n)), ..filter(n) };
            timed(|| _ = black_box(engine.search(&tenant, &space, &vector, k, &filter)))
        };
        // In turn, so that what else the machine does meets both; of different sessions, so that neither finds the other's
        // at hand.
        let other = asked.iter().cycle().skip(asked.len() / 2);
        let times = asked.iter().zip(other).map(|(n, other)| (timed(|| decide(&id(*n))), search(*other)));
        let (whole, search): (Vec<f64>, Vec<f64>) = times.unzip();
        let (whole, search) = (median(whole.into_iter()), median(search.into_iter()));
        println!("{what:<32} {whole:>8.1}   of which the search {search:.1}, and the rest {:.1}", whole - search);
        figures[name] = json!({"whole_us": whole, "search_us": search, "rest_us": whole - search});
    };
    compare(
        "which earlier session is taken up",
        "recovery",
        &|session| _ = black_box(engine.weigh(&tenant, session)),
        &|n| within(TransferScope::User, UserId::new(&format!("user-{:06}", n / 4)).ok()),
    );
    compare(
        "what to reuse of similar ones",
        "transfer",
        &|session| _ = black_box(engine.transfers(&tenant, session)),
        &|_| within(TransferScope::Tenant, None),
    );
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&folder).expect("target/bench");
    std::fs::write(folder.join("suggest.json"), figures.to_string()).expect("target/bench/suggest.json");
}

/// The log so far.
#[derive(Default)]
struct Log {
    next: usize,
    effects: Effects,
}

impl Log {
    /// Folds one more event; returns how long that took, us.
    fn take(&mut self, engine: &mut Engine, value: &[u8]) -> f64 {
        let mut verdict = Verdict::Stale;
        let took = timed(|| verdict = engine.process(record(value, self.next), &mut self.effects));
        // Who is asked twice pauses, and is interrupted, for the second time with no effect.
        assert!(matches!(verdict, Verdict::Applied | Verdict::Duplicate), "{verdict:?}");
        self.next += 1;
        if self.next.is_multiple_of(BATCH) {
            engine.seal(Offset(self.next as i64), &mut self.effects);
            self.effects.clear();
        }
        took
    }
}

fn id(n: usize) -> SessionId {
    SessionId::new(&format!("session-{:08}", n * TENANTS)).expect("an id")
}

fn event(n: usize, kind: &str, reason: &str) -> Vec<u8> {
    let event = json!({
        "event_id": format!("{kind}-{n}"), "tenant_id": tenant(0), "session_id": id(n).as_str(), "type": kind,
        "occurred_at": BASE + if kind == "session_paused" { 2000 } else { 3000 }, "reason": reason,
    });
    event.to_string().into_bytes()
}

fn timed(work: impl FnOnce()) -> f64 {
    let clock = Instant::now();
    work();
    clock.elapsed().as_secs_f64() * 1e6
}

fn median(times: impl Iterator<Item = f64>) -> f64 {
    let mut times: Vec<f64> = times.collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
