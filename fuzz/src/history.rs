//! Events out of a script: few names, so that everything collides, and numbers from the ends of their ranges.

use serde_json::{Map, Value, json};

use super::script::Script;

/// Dimension of the space `default`; `other` has one more.
pub const DIM: usize = 3;
/// When histories begin.
pub const BASE: i64 = 1_762_340_000_000;
const COUNTS: &[i64] = &[0, 1, 2, 16, 100, 2048, 1 << 20, u32::MAX as i64, 1 << 32, 1 << 53, i64::MAX, -1];
const TURNS: &[i64] = &[0, 1, 2, 3, 4, 5, 6, 7, u32::MAX as i64, -1];
const STEPS: &[i64] =
    &[0, 1, 50, 1_000, 60_000, 600_000, 1_800_000, 7_200_000, 700_000_000, -1, -1_000, -600_000, -700_000_000];
const KINDS: &[&str] = &[
    "session_started",
    "turn_completed",
    "turn_completed",
    "context_embedded",
    "kv_cache_placed",
    "kv_cache_evicted",
    "adapter_activated",
    "adapter_deactivated",
    "session_paused",
    "session_interrupted",
    "resume_requested",
    "session_resumed",
    "session_ended",
    "session_snapshot",
    "metadata_changed",
    "transfer_scope_changed",
    "subject_erased",
    "worker_started",
    "worker_lost",
    "worker_cache_cleared",
    "adapter_published",
    "adapter_retired",
    "tick",
];
/// The first of the kinds that concern no session.
const FIRST_BROADCAST: usize = 17;

/// The next event, as JSON with its own time; `clock` moves on.
pub fn event(script: &mut Script<'_>, number: usize, clock: &mut i64) -> Value {
    let chosen = usize::from(script.byte()) % KINDS.len();
    let kind = KINDS[chosen];
    *clock = clock.saturating_add(script.pick(STEPS)).clamp(0, 253_402_300_799_999);
    let mut event = json!({"event_id": format!("e-{number}"), "occurred_at": *clock, "type": kind, "tenant_id": "*"});
    let mut fields = body(script, kind, *clock);
    if chosen < FIRST_BROADCAST || script.one_in(4) {
        fields.insert("tenant_id".into(), json!(script.pick(&["t-1", "t-1", "t-2"])));
    }
    if chosen < FIRST_BROADCAST {
        fields.insert("session_id".into(), session(script));
        optional(script, &mut fields, "user_id", |s| json!(s.pick(&["u-1", "u-2"])));
        optional(script, &mut fields, "producer", |s| json!({"id": "gw", "epoch": s.pick(&[1, 2]), "seq": s.byte()}));
    }
    if let Value::Object(event) = &mut event {
        event.extend(fields);
    }
    event
}

fn optional(script: &mut Script<'_>, fields: &mut Map<String, Value>, name: &str, value: fn(&mut Script<'_>) -> Value) {
    if script.byte() & 1 == 1 {
        let value = value(script);
        fields.insert(name.to_owned(), value);
    }
}

fn body(script: &mut Script<'_>, kind: &str, now: i64) -> Map<String, Value> {
    let mut fields = Map::new();
    let f = &mut fields;
    let mut set = |name: &str, value: Value| drop(f.insert(name.to_owned(), value));
    match kind {
        "turn_completed" => {
            set("turn", json!(script.pick(TURNS)));
            set("input_tokens", json!(script.pick(COUNTS)));
            set("output_tokens", json!(script.pick(COUNTS)));
        }
        "kv_cache_placed" => return copy(script, now),
        "kv_cache_evicted" => set("reason", json!(script.pick(&["capacity", "expired", "cleared", "demoted"]))),
        "adapter_activated" | "adapter_deactivated" | "adapter_published" | "adapter_retired" => {
            set("adapter_id", json!(script.pick(&["l-1", "l-2"])));
        }
        "session_paused" => set("reason", json!(script.pick(&["tool_call", "awaiting_user", "other"]))),
        "session_interrupted" => set("reason", json!(script.pick(&["client_disconnect", "worker_lost", "timeout"]))),
        "session_resumed" => set("outcome", json!(script.pick(&["restored", "partial", "failed", "ignored"]))),
        "session_ended" => set("reason", json!(script.pick(&["completed", "cancelled", "expired"]))),
        "metadata_changed" => set("metadata", metadata(script)),
        "transfer_scope_changed" => set("transfer_scope", scope(script)),
        "subject_erased" => set("scope", json!(script.pick(&["session", "user", "tenant"]))),
        "worker_started" | "worker_lost" | "worker_cache_cleared" => {
            set("worker", worker(script));
            set("worker_epoch", json!(script.pick(COUNTS)));
        }
        "context_embedded" => {
            if let Value::Object(context) = context(script) {
                f.extend(context);
            }
        }
        _ => {}
    }
    extras(script, kind, now, f);
    fields
}

/// The optional fields of each kind.
fn extras(script: &mut Script<'_>, kind: &str, now: i64, f: &mut Map<String, Value>) {
    match kind {
        "session_started" => {
            optional(script, f, "transfer_scope", scope);
            optional(script, f, "continues_session_id", session);
            optional(script, f, "parent_session_id", session);
            optional(script, f, "cache", cache);
            optional(script, f, "idle_timeout_ms", |s| json!(s.pick(&[1_000, 60_000, 2_592_000_000_i64])));
            optional(script, f, "metadata", metadata);
        }
        "turn_completed" => {
            optional(script, f, "context", context);
            optional(script, f, "worker", worker);
            optional(script, f, "worker_epoch", |s| json!(s.pick(COUNTS)));
            optional(script, f, "cache", cache);
            optional(script, f, "prefix", prefix);
            optional(script, f, "adapter", |s| json!({"id": s.pick(&["l-1", "l-2"]), "version": s.pick(&["1", "2"])}));
            optional(script, f, "cached_tokens", |s| json!(s.pick(COUNTS)));
            optional(script, f, "context_tokens", |s| json!(s.pick(COUNTS)));
            optional(script, f, "ttft_ms", |s| json!(s.pick(&[0.0, 12.5, 1e300])));
            if script.one_in(2) {
                f.insert("kv_cache".into(), Value::Object(copy(script, now)));
            }
        }
        "kv_cache_evicted" => {
            optional(script, f, "worker", worker);
            optional(script, f, "instance", |_| json!("i-1"));
            optional(script, f, "worker_epoch", |s| json!(s.pick(COUNTS)));
            optional(script, f, "tier", |s| json!(s.pick(&["hot", "warm", "cold"])));
            optional(script, f, "remaining_tokens", |s| json!(s.pick(COUNTS)));
        }
        "session_paused" if script.one_in(2) => {
            f.insert("expected_resume_at".into(), json!(now.saturating_add(script.pick(STEPS)).max(0)));
        }
        "resume_requested" => {
            optional(script, f, "cache", cache);
            optional(script, f, "prefix", prefix);
            optional(script, f, "context", context);
        }
        "session_resumed" => {
            optional(script, f, "from_session_id", session);
            optional(script, f, "restored_tokens", |s| json!(s.pick(COUNTS)));
            optional(script, f, "recomputed_tokens", |s| json!(s.pick(COUNTS)));
            optional(script, f, "restore_ms", |s| json!(s.pick(&[0.0, 12.5, 1e300])));
        }
        "session_snapshot" => snapshot(script, now, f),
        "worker_started" => optional(script, f, "endpoint", |_| json!("http://w")),
        "worker_lost" if script.one_in(3) => drop(f.remove("worker_epoch")),
        "worker_cache_cleared" => optional(script, f, "tier", |s| json!(s.pick(&["hot", "warm", "cold"]))),
        "adapter_published" | "adapter_activated" => optional(script, f, "version", |s| json!(s.pick(&["1", "2"]))),
        _ => {}
    }
}

fn snapshot(script: &mut Script<'_>, now: i64, f: &mut Map<String, Value>) {
    optional(script, f, "status", |s| json!(s.pick(&["active", "paused", "interrupted", "ended"])));
    optional(script, f, "turn", |s| json!(s.pick(TURNS)));
    optional(script, f, "context_tokens", |s| json!(s.pick(COUNTS)));
    optional(script, f, "cache", cache);
    optional(script, f, "prefix", prefix);
    optional(script, f, "context", context);
    optional(script, f, "transfer_scope", scope);
    optional(script, f, "clear", |s| json!([s.pick(&["adapter", "metadata", "cache"])]));
    f.insert("last_active".into(), json!(now.saturating_sub(script.pick(COUNTS)).max(0)));
    let copies: Vec<Value> = (0..script.byte() % 4).map(|_| Value::Object(copy(script, now))).collect();
    f.insert("kv_copies".into(), Value::Array(copies));
}

fn session(script: &mut Script<'_>) -> Value {
    json!(script.pick(&["s-1", "s-2", "s-3", "s-4"]))
}

fn worker(script: &mut Script<'_>) -> Value {
    json!(script.pick(&["w-1", "w-2"]))
}

fn scope(script: &mut Script<'_>) -> Value {
    json!(script.pick(&["tenant", "user", "none"]))
}

fn cache(script: &mut Script<'_>) -> Value {
    json!({"namespace": script.pick(&["m/fp8", "m/fp8", "n"])})
}

fn metadata(script: &mut Script<'_>) -> Value {
    let entry = |n: u8| (format!("k{n}"), if n.is_multiple_of(5) { Value::Null } else { json!(n) });
    Value::Object((0..script.byte() % 5).map(|_| entry(script.byte() % 48)).collect())
}

fn context(script: &mut Script<'_>) -> Value {
    let (space, dim) =
        script.pick(&[("default", DIM), ("default", DIM), ("other", DIM + 1), ("default", 0), ("no", 1)]);
    let vector: Vec<f32> = (0..dim).map(|_| f32::from(script.byte() as i8) * script.pick(&[1.0, 0.01, 1e30])).collect();
    json!({"space": space, "vector": vector, "covers_turn": script.pick(TURNS)})
}

fn prefix(script: &mut Script<'_>) -> Value {
    let hashes: Vec<String> = (0..script.byte() % 6).map(|_| format!("{:x}", script.byte() % 4)).collect();
    let stride = script.pick(&[1_i64, 2, u32::MAX as i64]);
    let from_block = stride.saturating_mul(script.pick(&[0, 1, 2, 5, 16_383, i64::MAX]));
    json!({"algorithm": script.pick(&["a", "b"]), "block_tokens": script.pick(&[16_i64, 1, u32::MAX as i64]),
        "stride": stride, "from_block": from_block, "hashes": hashes})
}

fn copy(script: &mut Script<'_>, now: i64) -> Map<String, Value> {
    let location = match script.byte() % 4 {
        0 => json!({"memory": {"offset": 0}}),
        1 => json!({"disk": {"path": "kv/1", "offset": script.pick(COUNTS)}}),
        2 => json!({"external": {"provider": "p", "instance": "i-1"}}),
        _ => json!("evicted"),
    };
    let quantization = match script.byte() % 3 {
        0 => json!({"hybrid": {"tail_length": script.pick(COUNTS), "tail_precision": "FP16", "store_precision": "Q4"}}),
        1 => json!({"quantized_store": {"precision": "Q4", "compression_ratio": script.pick(&[4.0, 1e-300, 1e300])}}),
        _ => {
            json!({"turbo_quant_hybrid": {"tail_length": script.pick(COUNTS), "tail_precision": "FP16", "turbo_bits": 3.5}})
        }
    };
    let mut fields = Map::new();
    let created = now.saturating_sub(script.pick(&[0, 1_000, 100_000_000])).max(0);
    for (name, value) in [
        ("tier", json!(script.pick(&["hot", "warm", "cold"]))),
        ("location", location),
        ("cached_tokens", json!(script.pick(COUNTS))),
        ("quantization", quantization),
        ("created_at", json!(created)),
        ("cache", cache(script)),
    ] {
        fields.insert(name.to_owned(), value);
    }
    optional(script, &mut fields, "worker", worker);
    optional(script, &mut fields, "worker_epoch", |s| json!(s.pick(COUNTS)));
    optional(script, &mut fields, "dp_rank", |s| json!(s.pick(TURNS)));
    optional(script, &mut fields, "kv_bytes", |s| json!(s.pick(COUNTS)));
    optional(script, &mut fields, "prefix", prefix);
    fields
}
