//! What sessions report, or their turns tell, of how long things took.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::events::{BASE, compact};

/// A session goes on.
pub fn resumed() -> impl Strategy<Value = Value> {
    let from = prop::option::of(select(vec!["s-1", "s-2", "s-3", "s-4"]));
    let outcome = select(vec!["restored", "restored", "partial", "failed", "ignored"]);
    let tokens = || prop::option::weighted(0.8, select(vec![0u64, 300, 1500, 4000]));
    let ms = || prop::option::weighted(0.8, select(vec![0.0, 0.25, 12.5, 90.0, 7000.0]));
    (from, outcome, tokens(), tokens(), ms(), ms()).prop_map(|(from, outcome, restored, computed, restore, ttft)| {
        compact(json!({
            "type": "session_resumed", "from_session_id": from, "outcome": outcome, "restored_tokens": restored,
            "recomputed_tokens": computed, "restore_ms": restore, "ttft_ms": ttft,
        }))
    })
}

/// What a turn tells besides: of its input so many tokens were cached, and it took so long.
pub fn told() -> impl Strategy<Value = Value> {
    let cached = prop::option::of(select(vec![0u64, 90, 400, 1500]));
    let ttft = prop::option::of(select(vec![0.5, 40.0, 333.25]));
    (cached, ttft).prop_map(|(cached, ttft)| json!({"cached_tokens": cached, "ttft_ms": ttft}))
}

/// A turn with that, as far as its input allows.
pub fn with_told(mut turn: Value, mut told: Value) -> Value {
    let input = turn["input_tokens"].as_u64();
    if let Some(cached) = told["cached_tokens"].as_u64() {
        told["cached_tokens"] = json!(input.map(|input| cached.min(input)));
    }
    for field in ["cached_tokens", "ttft_ms"] {
        turn[field] = told[field].take();
    }
    compact(turn)
}

/// What has sessions hold copies, lose their clients and go on, so that outcomes teach what it all took.
pub fn measured() -> impl Strategy<Value = Value> {
    let cache = || json!({"namespace": "m/fp8"});
    let copy = (select(vec!["hot", "warm"]), select(vec![1500u64, 3000])).prop_map(move |(tier, tokens)| {
        json!({
            "tier": tier, "location": {"memory": {"offset": 0}}, "cached_tokens": tokens, "created_at": BASE,
            "quantization": {"quantized_store": {"precision": "Q4", "compression_ratio": 4.0}}, "worker": "w-1",
            "cache": cache(),
        })
    });
    let turn = (1u32..6, prop::option::weighted(0.8, copy), told()).prop_map(move |(turn, copy, told)| {
        let turn = json!({
            "type": "turn_completed", "turn": turn, "input_tokens": 2000, "output_tokens": 10, "cache": cache(),
            "worker": "w-1", "kv_cache": copy,
        });
        with_told(turn, told)
    });
    let ms = || select(vec![0.25, 12.5, 90.0, 7000.0]);
    let in_full = (select(vec!["restored", "partial", "failed"]), ms(), ms()).prop_map(|(outcome, restore, ttft)| {
        json!({
            "type": "session_resumed", "outcome": outcome, "restored_tokens": 1200, "recomputed_tokens": 800,
            "restore_ms": restore, "ttft_ms": ttft + restore,
        })
    });
    let broken_off = Just(json!({"type": "session_interrupted", "reason": "client_disconnect"}));
    prop_oneof![2 => turn, 4 => broken_off, 3 => in_full]
}
