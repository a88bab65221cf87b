//! Random histories over few names, so that everything collides: sessions, workers, adapters, times.

use proptest::prelude::*;
use proptest::sample::select;
use rekindle::engine::EngineSettings;
use rekindle::model::ids::Name;
use rekindle::model::time::Millis;
use serde_json::{Value, json};

use super::alike::alike;
use super::measured::{measured, resumed, told, with_told};

pub(super) const BASE: i64 = 1_762_340_000_000;
const DIM: usize = 8;

/// What a history may hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum History {
    /// Short, within the retention, without erasure: what the first law speaks of.
    WithoutErasure,
    /// Sessions that begin alike and hold KV: what may be drawn on by its prefix comes, goes and is forbidden.
    Alike,
    /// Sessions that hold KV, are broken off and go on, and tell how long that took.
    Measured,
    /// Everything, over a time in which sessions idle, suggestions lapse and sessions are forgotten.
    Whole,
}

/// Small spaces and short spans, so that deadlines come up in a history.
pub fn settings() -> EngineSettings {
    let name = |text: &str| Name::new(text).expect("a name");
    let mut settings = EngineSettings {
        spaces: [(name("default"), DIM), (name("other"), DIM)].into(),
        retention: Millis(8 * 3_600_000),
        log_retention: Millis(3_600_000),
        max_prefix_blocks: 9,
        ..EngineSettings::default()
    };
    settings.policy.adapter_vote = 1;
    settings
}

/// A history of at most `most` events with ids of their own.
pub fn history(kind: History, most: usize) -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec((body(kind), envelope(kind), any::<u8>()), 1..=most).prop_map(move |drafts| {
        let mut events: Vec<Value> = Vec::new();
        let mut clock = BASE;
        for (number, (body, envelope, chance)) in drafts.into_iter().enumerate() {
            if kind != History::WithoutErasure && chance < 25 && !events.is_empty() {
                let again = events[usize::from(chance) % events.len()].clone();
                events.push(again);
                continue;
            }
            let Value::Object(mut event) = envelope else { unreachable!("an object") };
            let Value::Object(fields) = body else { unreachable!("an object") };
            event.extend(fields);
            let offset = event.remove("offset").and_then(|v| v.as_i64()).unwrap_or(0);
            let passes = kind != History::WithoutErasure;
            clock += if passes { offset.max(0) } else { 0 };
            let at = if passes { clock + offset.min(0) } else { BASE + offset.rem_euclid(20) * 1000 };
            event.insert("occurred_at".into(), json!(at));
            let back = event.remove("back_after").and_then(|v| v.as_i64());
            event.extend(back.map(|back| ("expected_resume_at".to_owned(), json!(at + back))));
            event.insert("event_id".into(), json!(format!("e-{number}")));
            if broadcast(&event) {
                event.insert("tenant_id".into(), json!("*"));
                for field in ["session_id", "user_id", "producer"] {
                    event.remove(field);
                }
            }
            if event.get("type") == Some(&json!("subject_erased")) && event.get("scope") != Some(&json!("session")) {
                event.remove("session_id");
                event.entry("user_id").or_insert(json!("u-1"));
            }
            events.push(Value::Object(event));
        }
        events
    })
}

fn broadcast(event: &serde_json::Map<String, Value>) -> bool {
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
    matches!(
        kind,
        "worker_started" | "worker_lost" | "worker_cache_cleared" | "adapter_published" | "adapter_retired" | "tick"
    )
}

fn envelope(kind: History) -> impl Strategy<Value = Value> {
    let step = match kind {
        History::WithoutErasure => (0i64..20).boxed(),
        History::Alike | History::Measured => {
            prop_oneof![8 => 0i64..20_000, 1 => -20_000i64..0, 1 => 0i64..600_000].boxed()
        }
        History::Whole => prop_oneof![
            8 => 0i64..60_000,
            2 => -200_000i64..0,
            1 => 600_000i64..3_600_000,
            1 => select(vec![-40_000_000i64, 30_000_000]),
        ]
        .boxed(),
    };
    let producer = prop::option::of((1u64..3, 1u64..8));
    // Of few sessions more is told of each.
    let (tenants, sessions) = if kind == History::Measured { (1..2u8, 1..4u8) } else { (1..3, 1..5) };
    (tenants, sessions, prop::option::of(1..3u8), step, producer).prop_map(
        |(tenant, session, user, offset, producer)| {
            let mut event = json!({
                "tenant_id": format!("t-{tenant}"), "session_id": format!("s-{session}"), "offset": offset,
            });
            if let Some(user) = user {
                event["user_id"] = json!(format!("u-{user}"));
            }
            if let Some((epoch, seq)) = producer {
                event["producer"] = json!({"id": "gw", "epoch": epoch, "seq": seq});
            }
            event
        },
    )
}

fn vector() -> impl Strategy<Value = Value> {
    (0usize..3, 0usize..DIM).prop_map(|(main, other)| {
        let mut v = [0.01f32; DIM];
        v[main] += 1.0;
        v[other] += 0.5;
        json!(v)
    })
}

pub(super) fn context() -> impl Strategy<Value = Value> {
    (select(vec!["default", "default", "default", "other"]), vector(), 0u32..6)
        .prop_map(|(space, vector, covers)| json!({"space": space, "vector": vector, "covers_turn": covers}))
}

fn cache() -> impl Strategy<Value = Value> {
    select(vec![json!({"namespace": "m/fp8"}), json!({"namespace": "m/fp8"}), json!({"namespace": "n/fp16"})])
}

fn copy() -> impl Strategy<Value = Value> {
    let location = select(vec![
        json!({"memory": {"offset": 0}}),
        json!({"disk": {"path": "kv/1", "offset": 8}}),
        json!({"external": {"provider": "store", "instance": "i-1"}}),
        json!("evicted"),
    ]);
    let quantization = json!({"hybrid": {"tail_length": 256, "tail_precision": "FP16", "store_precision": "Q4"}});
    (
        select(vec!["hot", "warm", "cold"]),
        location,
        500u64..5000,
        worker(),
        prop::option::of(1u64..4),
        cache(),
        0i64..20,
    )
        .prop_map(move |(tier, location, tokens, worker, epoch, cache, age)| {
            json!({
                "tier": tier, "location": location, "cached_tokens": tokens, "quantization": quantization,
                "created_at": BASE + age * 1000, "worker": worker, "worker_epoch": epoch, "cache": cache,
            })
        })
}

pub(super) fn worker() -> impl Strategy<Value = &'static str> {
    select(vec!["w-1", "w-2"])
}

/// Chains that begin alike, as with a system prompt, and go on each by itself; and any.
pub(super) fn chain() -> impl Strategy<Value = Value> {
    let stem = (1usize..5, prop::collection::vec(0u64..3, 0..3))
        .prop_map(|(stem, rest)| (0, [9, 8, 7, 6].into_iter().take(stem).chain(rest).collect::<Vec<u64>>()));
    let any = (0u64..6, prop::collection::vec(0u64..1000, 0..5));
    (select(vec!["sha", "sha", "sha", "xx"]), prop_oneof![3 => stem, 1 => any], 1u32..3).prop_map(
        |(algorithm, (from, hashes), stride)| {
            let hashes: Vec<String> = hashes.iter().map(|hash| format!("{hash:016x}")).collect();
            let from = from * u64::from(stride);
            let stride = (stride > 1).then_some(stride);
            compact(json!({
                "algorithm": algorithm, "block_tokens": 256, "stride": stride, "from_block": from, "hashes": hashes,
            }))
        },
    )
}

/// Removes nulls: an absent field is absent, not null.
pub(super) fn compact(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, v)| !v.is_null());
            Value::Object(fields.map(|(k, v)| (k, compact(v))).collect())
        }
        other => other,
    }
}

fn turn() -> impl Strategy<Value = Value> {
    let adapter = prop::option::of(select(vec![json!({"id": "a-1", "version": "1"}), json!({"id": "a-2"})]));
    let optional = (
        prop::option::of(worker()),
        prop::option::of(1u64..4),
        prop::option::of(cache()),
        prop::option::of(chain()),
        prop::option::of(context()),
        prop::option::of(copy()),
        adapter,
    );
    (1u32..6, 100u64..3000, optional, told()).prop_map(
        |(turn, tokens, (worker, epoch, cache, prefix, context, copy, adapter), told)| {
            let turn = json!({
                "type": "turn_completed", "turn": turn, "input_tokens": tokens, "output_tokens": 10, "worker": worker,
                "worker_epoch": epoch, "cache": cache, "prefix": prefix, "context": context, "kv_cache": copy,
                "adapter": adapter,
            });
            with_told(turn, told)
        },
    )
}

fn body(kind: History) -> impl Strategy<Value = Value> {
    let scope = || select(vec!["none", "user", "tenant", "tenant"]);
    let other = || prop::option::of(select(vec!["s-1", "s-2", "s-3", "s-4"]));
    let started =
        (scope(), other(), other(), prop::option::of(cache())).prop_map(|(scope, parent, continues, cache)| {
            compact(json!({
                "type": "session_started", "transfer_scope": scope, "parent_session_id": parent,
                "continues_session_id": continues, "cache": cache, "metadata": {"k": 1},
            }))
        });
    let simple = select(vec![
        json!({"type": "adapter_activated", "adapter_id": "a-1", "version": "1"}),
        json!({"type": "adapter_deactivated", "adapter_id": "a-1"}),
        json!({"type": "adapter_deactivated", "adapter_id": "a-2"}),
        json!({"type": "session_paused", "reason": "tool_call", "back_after": 20_000}),
        json!({"type": "session_paused", "reason": "awaiting_approval", "back_after": 200_000}),
        json!({"type": "session_interrupted", "reason": "client_disconnect"}),
        json!({"type": "session_interrupted", "reason": "worker_lost", "last_good_turn": 2}),
        json!({"type": "session_ended", "reason": "completed"}),
        json!({"type": "session_ended", "reason": "cancelled"}),
        json!({"type": "metadata_changed", "metadata": {"k": null, "l": [1, 2]}}),
        json!({"type": "metadata_changed", "metadata": {"k": "v"}}),
        json!({"type": "kv_cache_evicted", "reason": "capacity"}),
        json!({"type": "kv_cache_evicted", "reason": "capacity", "worker": "w-1", "tier": "hot"}),
        json!({"type": "kv_cache_evicted", "reason": "demoted", "worker": "w-2", "remaining_tokens": 300}),
        json!({"type": "kv_cache_evicted", "reason": "expired", "instance": "i-1"}),
    ]);
    let told = select(vec![
        json!({"type": "worker_started", "worker": "w-1", "worker_epoch": 2, "endpoint": "http://w-1"}),
        json!({"type": "worker_started", "worker": "w-2", "worker_epoch": 3}),
        json!({"type": "worker_lost", "worker": "w-1", "worker_epoch": 1}),
        json!({"type": "worker_lost", "worker": "w-2"}),
        json!({"type": "worker_cache_cleared", "worker": "w-1", "worker_epoch": 2, "tier": "hot"}),
        json!({"type": "adapter_published", "adapter_id": "a-1", "version": "1", "uri": "s3://a"}),
        json!({"type": "adapter_retired", "adapter_id": "a-2"}),
        json!({"type": "tick"}),
    ]);
    let request = (prop::option::of(context()), prop::option::of(cache()), prop::option::of(chain())).prop_map(
        |(context, cache, prefix)| {
            compact(json!({"type": "resume_requested", "context": context, "cache": cache, "prefix": prefix}))
        },
    );
    let placed = copy().prop_map(|copy| with_type("kv_cache_placed", copy));
    let embedded = context().prop_map(|context| with_type("context_embedded", context));
    let changed = scope().prop_map(|scope| json!({"type": "transfer_scope_changed", "transfer_scope": scope}));
    let erased = select(vec!["session", "user", "tenant"]).prop_map(|s| json!({"type": "subject_erased", "scope": s}));
    let usual = prop_oneof![
        4 => started, 8 => turn(), 8 => simple, 2 => told, 2 => resumed(), 2 => request, 3 => placed,
        3 => embedded, 1 => changed, 2 => snapshot(),
    ];
    match kind {
        History::WithoutErasure => usual.boxed(),
        History::Whole => prop_oneof![60 => usual, 1 => erased].boxed(),
        History::Alike => prop_oneof![30 => usual, 60 => alike(), 1 => erased].boxed(),
        History::Measured => prop_oneof![5 => usual, 85 => measured(), 1 => erased].boxed(),
    }
}

fn snapshot() -> impl Strategy<Value = Value> {
    let status = prop::option::of(select(vec!["active", "paused", "interrupted", "ended"]));
    let clear = prop::option::of(select(vec![json!(["adapter", "metadata"]), json!(["cache", "parent_session_id"])]));
    (
        status,
        prop::option::of(0u32..6),
        prop::option::of(prop::collection::vec(copy(), 1..3)),
        clear,
        prop::option::of(chain()),
    )
        .prop_map(|(status, turn, copies, clear, prefix)| {
            compact(json!({
                "type": "session_snapshot", "status": status, "turn": turn, "context_tokens": turn.map(|t| t * 100),
                "kv_copies": copies, "clear": clear, "prefix": prefix, "metadata": {"m": 1},
            }))
        })
}

fn with_type(kind: &str, body: Value) -> Value {
    let Value::Object(mut fields) = compact(body) else { unreachable!("an object") };
    fields.insert("type".into(), json!(kind));
    Value::Object(fields)
}
