//! A small deterministic workload: tenants, users and sessions that start, talk, drift, are interrupted,
//! evicted, resumed and erased. Every event is JSON with a key as a producer would give it.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// Dimension of the embeddings, small so that tests are quick.
pub const DIM: usize = 8;

/// A key and a JSON value.
pub type Event = (String, Vec<u8>);

/// Repeatable pseudo-random numbers (xorshift64*).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }
}

/// Now, as producers stamp it.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_millis() as i64
}

/// `count` events, the first of them an hour ago.
pub fn workload(seed: u64, count: usize) -> Vec<Event> {
    let mut dice = Dice::new(seed);
    let start = now_ms() - 3_600_000;
    let mut turns = std::collections::BTreeMap::new();
    (0..count)
        .map(|n| {
            let at = start + n as i64 * 50;
            let tenant = format!("tenant-{}", dice.below(7));
            let session = dice.below(40);
            let turn = turns.entry((tenant.clone(), session)).or_insert(0u32);
            let body = if *turn == 0 { started(session, &mut dice) } else { body(&mut dice, *turn, session, at) };
            if matches!(body["type"].as_str(), Some("turn_completed" | "session_started")) {
                *turn += 1;
            }
            let mut event = json!({
                "event_id": format!("e-{seed}-{n}"), "tenant_id": tenant, "occurred_at": at,
            });
            if body["type"] != "subject_erased" {
                event["session_id"] = json!(format!("s-{session}"));
            }
            merge(&mut event, body);
            (tenant, event.to_string().into_bytes())
        })
        .collect()
}

fn merge(event: &mut Value, body: Value) {
    let (Value::Object(event), Value::Object(body)) = (event, body) else { unreachable!("both are objects") };
    event.extend(body);
}

fn started(session: u64, dice: &mut Dice) -> Value {
    let scope = ["none", "user", "tenant"][dice.below(3) as usize];
    json!({ "type": "session_started", "user_id": format!("u-{}", session % 9), "transfer_scope": scope,
        "cache": { "namespace": "m/fp8" }, "context_ref": format!("conv/{session}") })
}

fn body(dice: &mut Dice, turn: u32, session: u64, at: i64) -> Value {
    let worker = format!("w-{}", dice.below(3));
    match dice.below(20) {
        0..=9 => {
            let topic = (session + u64::from(turn) / 4) % DIM as u64;
            let vector: Vec<f32> =
                (0..DIM as u64).map(|i| if i == topic { 4.0 } else { dice.below(100) as f32 / 100.0 }).collect();
            json!({ "type": "turn_completed", "turn": turn, "input_tokens": 100 * turn, "output_tokens": 50,
                "worker": worker, "worker_epoch": 1, "cache": { "namespace": "m/fp8" },
                "adapter": { "id": format!("lora-{}", session % 3) },
                "context": { "space": "default", "vector": vector, "covers_turn": turn } })
        }
        10..=11 => json!({ "type": "kv_cache_placed", "tier": "warm", "location": { "memory": { "offset": 0 } },
            "cached_tokens": 90 * turn, "quantization": { "high_precision_tail": { "tail_length": 256, "precision": "FP16" } },
            "created_at": at, "worker": worker, "worker_epoch": 1, "cache": { "namespace": "m/fp8" } }),
        12 => json!({ "type": "kv_cache_evicted", "worker": worker, "worker_epoch": 1, "reason": "capacity" }),
        13..=14 => json!({ "type": "session_interrupted", "reason": "client_disconnect" }),
        15 => json!({ "type": "resume_requested" }),
        16 => json!({ "type": "session_resumed", "outcome": "restored", "restored_tokens": 80, "restore_ms": 12.5 }),
        17 => json!({ "type": "session_paused", "reason": "tool_call", "expected_resume_at": at + 60_000 }),
        18 => json!({ "type": "metadata_changed", "metadata": { "step": turn } }),
        _ if dice.below(12) == 0 => {
            json!({ "type": "subject_erased", "scope": "user", "user_id": format!("u-{}", session % 9) })
        }
        _ if dice.below(3) == 0 => json!({ "type": "session_ended", "reason": "completed" }),
        _ => json!({ "type": "transfer_scope_changed", "transfer_scope": "tenant" }),
    }
}
