//! A tenant whose sessions lie in several partitions, and one engine that holds all of it.

use std::sync::RwLock;

use serde_json::{Value, json};

use super::super::*;
use crate::engine::{Effects, EngineSettings, HistoryQuery, PrefixQuery, Record, SearchFilter, SearchQuery, Sought};
use crate::model::event::ResumeRequested;
use crate::model::ids::{Name, UserId};
use crate::model::kv::CacheIdentity;
use crate::model::position::{Offset, Position};
use crate::model::prefix::{PrefixFamily, PrefixUpdate};
use crate::model::vector::UnitVector;
use crate::runtime::board::Phase;

pub const PARTITIONS: i32 = 4;
pub const BASE: i64 = 1_762_340_000_000;
/// Where its sessions lie; partition 3 holds none.
pub const SPREAD: i32 = 3;
pub const SESSIONS: i64 = 12;

pub fn tenant() -> TenantId {
    TenantId::new("acme").expect("an id")
}

pub fn home() -> PartitionId {
    home_partition(b"acme", PARTITIONS)
}

pub fn id(n: i64) -> SessionId {
    SessionId::new(&format!("s-{n:02}")).expect("an id")
}

pub fn settings() -> Arc<EngineSettings> {
    let spaces = [(Name::new("default").expect("a name"), 4)].into();
    Arc::new(EngineSettings { check_partition: false, spaces, ..EngineSettings::default() })
}

pub fn fold(engine: &mut Engine, event: &Value) {
    let next = engine.next_offset().unwrap_or_default();
    let position = Position { partition: engine.as_of().partition, offset: next };
    let bytes = event.to_string().into_bytes();
    let record = Record { position, timestamp: None, key: None, value: Some(&bytes), traceparent: None, writer: None };
    let mut effects = Effects::new();
    let verdict = engine.process(record, &mut effects);
    assert!(!verdict.label().starts_with("rejected"), "{event}: {}", verdict.label());
    engine.seal(Offset(next.0 + 1), &mut effects);
}

/// A session with an embedding and a chain, some with a copy: no two alike but for ties that are wanted.
pub fn life(n: i64) -> [Value; 2] {
    let event = |at: i64, kind: &str, fields: Value| {
        let mut event = json!({"event_id": format!("e-{n}-{at}"), "tenant_id": "acme", "session_id": id(n).as_str(),
            "user_id": format!("u-{}", n % SPREAD as i64), "occurred_at": BASE + 10 * (n % 5) + at, "type": kind});
        event.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        event
    };
    let cache = json!({"namespace": "m/fp8"});
    let hashes: Vec<String> = (0..=n % 4).map(|block| format!("{:x}", 0xa0 + block)).collect();
    let mut turn = json!({"turn": 1, "input_tokens": 6000, "output_tokens": 9, "cache": cache,
        "context": {"space": "default", "vector": [1.0, (n % 6) as f64 / 4.0, 0.0, 0.0], "covers_turn": 1},
        "prefix": {"algorithm": "a", "block_tokens": 16, "hashes": hashes}});
    if n % 3 != 1 {
        let tier = ["hot", "warm", "cold"][(n % 3) as usize];
        turn["kv_cache"] = json!({"tier": tier, "location": {"memory": {"offset": 0}},
            "cached_tokens": 6000, "created_at": BASE, "worker": "w-1", "cache": cache,
            "quantization": {"quantized_store": {"precision": "Q8", "compression_ratio": 2.0}}});
    }
    [event(0, "session_started", json!({"transfer_scope": "tenant", "cache": cache})), event(1, "turn_completed", turn)]
}

/// A board whose partitions hold the tenant's sessions among them, and an engine that holds all.
pub fn spread() -> (Arc<Board>, Engine) {
    let whole = Engine::new(settings(), PartitionId(0), 1);
    let (board, mut whole) = (Arc::new(Board::new(PARTITIONS, 1)), whole);
    let mut engines: Vec<Engine> =
        (0..PARTITIONS).map(|p| Engine::new(settings(), PartitionId(p), PARTITIONS)).collect();
    for n in 0..SESSIONS {
        for event in life(n) {
            fold(&mut engines[(n % SPREAD as i64) as usize], &event);
            fold(&mut whole, &event);
        }
    }
    for (partition, engine) in (0..).map(PartitionId).zip(engines) {
        let slot = board.add(partition);
        slot.set_phase(Phase::Running(Arc::new(RwLock::new(engine))));
        slot.set_input_end(Offset(20 + i64::from(partition.0)));
    }
    (board, whole)
}

pub fn search(sought: Sought, k: usize) -> SearchQuery {
    SearchQuery { tenant: tenant(), sought, k, filter: SearchFilter::default() }
}

pub fn vector() -> Sought {
    let vector = UnitVector::normalised(&[1.0, 0.5, 0.0, 0.0]).expect("a direction");
    Sought::Vector(Name::new("default").expect("a name"), vector)
}

pub fn request(hashes: &[u64]) -> ResumeRequested {
    let family = PrefixFamily { algorithm: Name::new("a").expect("a name"), block_tokens: 16, stride: 1 };
    let prefix = PrefixUpdate { family, from_block: 0, hashes: hashes.to_vec() };
    let cache = CacheIdentity { namespace: Name::new("m/fp8").expect("a name"), adapter: None, salt_id: None };
    ResumeRequested { cache: Some(cache), prefix: Some(prefix), context: None }
}

pub fn prefix(limit: usize) -> PrefixQuery {
    let request = request(&[0xa0, 0xa1, 0xa2]);
    let (prefix, cache) = (request.prefix.expect("one"), request.cache.expect("one"));
    let hashes = prefix.hashes;
    PrefixQuery { tenant: tenant(), cache, family: prefix.family, hashes, user: None, except: None, limit }
}

pub fn recovery(session: Option<i64>, user: Option<&str>, hashes: &[u64]) -> RecoveryQuery {
    let user = user.map(|user| UserId::new(user).expect("an id"));
    let session = session.map(id);
    RecoveryQuery { tenant: tenant(), session, user, request: request(hashes), candidate_workers: None }
}

pub fn history(user: &str) -> HistoryQuery {
    let user = UserId::new(user).expect("an id");
    let (statuses, active_since, active_before, after) = (Vec::new(), None, None, None);
    HistoryQuery { tenant: tenant(), user, statuses, active_since, active_before, after, limit: 10 }
}
