//! Builders of states and embeddings for these tests.

use rekindle::model::event::TransferScope;
use rekindle::model::ids::{Name, SessionId, TenantId, UserId};
use rekindle::model::kv::{Adapter, CacheIdentity, KvCopy, Location, Quantization, Tier};
use rekindle::model::session::Status;
use rekindle::model::time::EventTime;
use rekindle::session_index::{IndexError, Match, SessionState};

pub fn tenant(id: &str) -> TenantId {
    TenantId::new(id).expect("an id")
}

pub fn session(id: &str) -> SessionId {
    SessionId::new(id).expect("an id")
}

pub fn user(id: &str) -> UserId {
    UserId::new(id).expect("an id")
}

pub fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

pub fn adapter(id: &str) -> Adapter {
    Adapter { id: name(id), version: Some(name("3")) }
}

/// A session of tenant `acme` and user `ann`, open to all of the tenant, active at instant 1000 of turn 1.
pub fn state(id: &str, embedding: &[f32]) -> SessionState {
    let mut state = SessionState::new(tenant("acme"), session(id), EventTime(1000));
    state.user_id = Some(user("ann"));
    state.context_embedding = Some(embedding.to_vec());
    state.transfer_scope = TransferScope::Tenant;
    state.turn_count = 1;
    state
}

/// The same with other fields.
pub fn with(mut state: SessionState, change: impl FnOnce(&mut SessionState)) -> SessionState {
    change(&mut state);
    state
}

/// A state with every field set to something that is no default.
pub fn full(id: &str, embedding: &[f32]) -> SessionState {
    with(state(id, embedding), |s| {
        s.kv_cache_ref = Some(kv(Tier::Warm, Location::Disk { path: name("kv/9"), offset: 4096 }));
        s.active_adapter = Some(adapter("lora-7"));
        s.turn_count = 9;
        s.last_active = EventTime(-5);
        s.status = Status::Interrupted;
        s.transfer_scope = TransferScope::None;
        let metadata = r#"{"a":[null,true,-1,18446744073709551615,0.1,"x"],"b":{"c":{}},"d":1e-300}"#;
        s.metadata = serde_json::from_str(metadata).expect("JSON");
    })
}

pub fn kv(tier: Tier, location: Location) -> KvCopy {
    KvCopy {
        tier,
        medium: Some(name("cpu")),
        location,
        cached_tokens: 2304,
        kv_bytes: Some(1 << 40),
        quantization: Quantization::Hybrid {
            tail_length: 128,
            tail_precision: name("FP16"),
            store_precision: name("Q4"),
        },
        created_at: EventTime(1_762_339_999_000),
        worker: Some(name("w-2")),
        worker_epoch: Some(5),
        dp_rank: Some(1),
        cache: CacheIdentity {
            namespace: name("llama-3-70b/fp8"),
            adapter: Some(adapter("lora-7")),
            salt_id: Some(name("salt-1")),
        },
    }
}

pub fn ids(matches: &[Match]) -> Vec<&str> {
    matches.iter().map(|found| found.state.session_id.as_str()).collect()
}

/// The field an error blames.
pub fn field<T: std::fmt::Debug>(result: Result<T, IndexError>) -> &'static str {
    match result {
        Err(IndexError::Invalid(fault)) => fault.field,
        other => panic!("expected a refused field, got {other:?}"),
    }
}

/// Cosine in f64.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(&p, &q)| f64::from(p) * f64::from(q)).sum::<f64>();
    dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt())
}

/// Numbers in -1..1 from a seed, the same everywhere (SplitMix64).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub fn vector(&mut self, dim: usize) -> Vec<f32> {
        (0..dim).map(|_| self.next()).collect()
    }
}
