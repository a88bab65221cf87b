//! Events of sessions that begin alike and hold KV: what may be drawn on by its prefix comes, goes and is forbidden.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::events::{BASE, chain, context, worker};
use super::measured::{resumed, told, with_told};

/// What has a session hold KV that begins like others', or ask for it.
pub fn alike() -> impl Strategy<Value = Value> {
    let cache = || json!({"namespace": "m/fp8"});
    let scope = select(vec!["none", "user", "tenant", "tenant", "tenant"]);
    let started = scope
        .clone()
        .prop_map(move |scope| json!({"type": "session_started", "transfer_scope": scope, "cache": cache()}));
    let changed = scope.prop_map(|scope| json!({"type": "transfer_scope_changed", "transfer_scope": scope}));
    let copy = (select(vec!["hot", "warm"]), worker(), 256u64..4000).prop_map(move |(tier, worker, tokens)| {
        json!({
            "tier": tier, "location": {"memory": {"offset": 0}}, "cached_tokens": tokens, "created_at": BASE,
            "quantization": {"quantized_store": {"precision": "Q8", "compression_ratio": 2.0}},
            "worker": worker, "cache": cache(),
        })
    });
    let turn = (1u32..6, chain(), prop::option::of(copy), prop::option::of(context()), told()).prop_map(
        move |(turn, prefix, copy, context, told)| {
            let turn = json!({
                "type": "turn_completed", "turn": turn, "input_tokens": 1500, "output_tokens": 10, "cache": cache(),
                "prefix": prefix, "kv_cache": copy, "context": context,
            });
            with_told(turn, told)
        },
    );
    let request = chain().prop_map(|prefix| json!({"type": "resume_requested", "prefix": prefix}));
    let evicted = json!({"type": "kv_cache_evicted", "reason": "capacity", "remaining_tokens": 300});
    let gone = select(vec![evicted, json!({"type": "session_interrupted", "reason": "worker_lost"})]);
    prop_oneof![4 => started, 8 => turn, 3 => request, 1 => changed, 2 => gone, 3 => resumed()]
}
