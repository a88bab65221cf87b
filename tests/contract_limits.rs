//! Every limit of the contract, at the limit and beyond it.

mod contract_support;

use RejectReason::{InvalidField, MissingField, PrefixTooLong, TooEarly, UnknownType};
use contract_support::{AT, event, hashes, judge, placed, prefixed, started, turn};
use rekindle::model::verdict::RejectReason;
use serde_json::{Map, Value, json};

#[test]
fn accepted_up_to_the_limit() {
    let cases = [
        started(json!({"event_id": "e".repeat(256), "tenant_id": "<t>", "session_id": "!", "user_id": "~"})),
        started(json!({"idle_timeout_ms": 1000})),
        started(json!({"idle_timeout_ms": 2_592_000_000i64})),
        started(json!({"metadata": {"k".repeat(64): "v".repeat(254)}})),
        started(json!({"metadata": keys(32, 190)})),
        started(json!({"context_ref": "é".repeat(512)})),
        started(json!({"occurred_at": AT + 300_000})),
        started(json!({"occurred_at": 0})),
        started(json!({"producer": {"id": "p", "epoch": 0, "seq": 1}})),
        turn(json!({"turn": 4_294_967_295u32, "cached_tokens": 10, "ttft_ms": 0})),
        placed(json!({"location": {"disk": {"path": "a/..b/c..", "offset": 0}}, "created_at": AT + 300_000})),
        prefixed(json!({"hashes": hashes(16_384)})),
        prefixed(json!({"stride": 4, "from_block": 65_528, "hashes": hashes(2)})),
        prefixed(json!({"hashes": []})),
        event(json!({"type": "kv_cache_evicted", "reason": "other"}), json!({})),
    ];
    for case in cases {
        judge(&case).unwrap_or_else(|e| panic!("{case}: {e}"));
    }
}

/// Checks that each event is refused for its reason, and that the message names its field.
fn check_refused(cases: Vec<(Value, RejectReason, &str)>) {
    for (case, reason, field) in cases {
        let refusal = judge(&case).expect_err(&case.to_string());
        assert_eq!(refusal.reason, reason, "{case}: {refusal}");
        assert!(refusal.message.starts_with(field), "{case}: {refusal}");
        assert!(refusal.message.len() <= 200, "{refusal}");
    }
}

/// So many keys with values of so many bytes.
fn keys(count: usize, value_bytes: usize) -> Value {
    Value::Object((0..count).map(|i| (format!("{i:064}"), json!("v".repeat(value_bytes)))).collect::<Map<_, _>>())
}

#[test]
fn envelopes_beyond_the_limit() {
    check_refused(vec![
        (started(json!({"event_id": ""})), InvalidField, "event_id"),
        (started(json!({"event_id": "e".repeat(257)})), InvalidField, "event_id"),
        (started(json!({"tenant_id": "a/b"})), InvalidField, "tenant_id"),
        (started(json!({"tenant_id": "a#b"})), InvalidField, "tenant_id"),
        (started(json!({"tenant_id": ".."})), InvalidField, "tenant_id"),
        (started(json!({"tenant_id": "*"})), InvalidField, "tenant_id"),
        (started(json!({"session_id": "a b"})), InvalidField, "session_id"),
        (started(json!({"session_id": "é"})), InvalidField, "session_id"),
        (started(json!({"session_id": null})), MissingField, "session_id"),
        (started(json!({"user_id": "*"})), InvalidField, "user_id"),
        (started(json!({"type": "session_begun"})), UnknownType, "type"),
        (started(json!({"type": 1})), InvalidField, "type"),
        (started(json!({"occurred_at": null})), MissingField, "occurred_at"),
        (started(json!({"occurred_at": -1})), InvalidField, "occurred_at"),
        (started(json!({"occurred_at": 4.0})), InvalidField, "occurred_at"),
        (started(json!({"occurred_at": "yesterday"})), InvalidField, "occurred_at"),
        (started(json!({"occurred_at": u64::MAX})), InvalidField, "occurred_at"),
        (started(json!({"occurred_at": AT + 300_001})), TooEarly, "occurred_at"),
        (started(json!({"producer": {"id": "p", "epoch": 1}})), MissingField, "producer.seq"),
        (started(json!({"producer": {"id": "p", "epoch": 1, "seq": 0}})), InvalidField, "producer.seq"),
        (started(json!({"producer": {"id": "p", "epoch": -1, "seq": 1}})), InvalidField, "producer.epoch"),
        (started(json!({"producer": {"id": "", "epoch": 1, "seq": 1}})), InvalidField, "producer.id"),
    ]);
}

#[test]
fn starts_beyond_the_limit() {
    check_refused(vec![
        (started(json!({"idle_timeout_ms": 999})), InvalidField, "idle_timeout_ms"),
        (started(json!({"idle_timeout_ms": 2_592_000_001i64})), InvalidField, "idle_timeout_ms"),
        (started(json!({"transfer_scope": "all"})), InvalidField, "transfer_scope"),
        (started(json!({"context_ref": "é".repeat(513)})), InvalidField, "context_ref"),
        (started(json!({"parent_session_id": "a/b"})), InvalidField, "parent_session_id"),
        (started(json!({"cache": {"namespace": ""}})), InvalidField, "cache.namespace"),
        (started(json!({"cache": {}})), MissingField, "cache.namespace"),
        (started(json!({"cache": {"namespace": "n", "adapter": {"id": 1}}})), InvalidField, "cache.adapter.id"),
        (started(json!({"metadata": {"k".repeat(65): 1}})), InvalidField, "metadata"),
        (started(json!({"metadata": {"": 1}})), InvalidField, "metadata"),
        (started(json!({"metadata": {"k": "v".repeat(255)}})), InvalidField, "metadata"),
        (started(json!({"metadata": keys(33, 1)})), InvalidField, "metadata"),
        (started(json!({"metadata": keys(32, 191)})), InvalidField, "metadata"),
        (started(json!({"metadata": []})), InvalidField, "metadata"),
    ]);
}

#[test]
fn turns_beyond_the_limit() {
    check_refused(vec![
        (turn(json!({"turn": null})), MissingField, "turn"),
        (turn(json!({"turn": 4_294_967_296i64})), InvalidField, "turn"),
        (turn(json!({"input_tokens": -1})), InvalidField, "input_tokens"),
        (turn(json!({"output_tokens": "5"})), InvalidField, "output_tokens"),
        (turn(json!({"cached_tokens": 11})), InvalidField, "cached_tokens"),
        (turn(json!({"ttft_ms": -0.5})), InvalidField, "ttft_ms"),
        (turn(json!({"dp_rank": -1})), InvalidField, "dp_rank"),
        (turn(json!({"worker": ""})), InvalidField, "worker"),
        (turn(json!({"kv_cache": {"tier": "hot"}})), MissingField, "kv_cache.location"),
        (
            turn(json!({"context": {"space": "default", "vector": [1, "2"], "covers_turn": 1}})),
            InvalidField,
            "context.vector[1]",
        ),
        (
            turn(json!({"context": {"space": "default", "vector": "!", "covers_turn": 1}})),
            InvalidField,
            "context.vector",
        ),
        (
            turn(json!({"context": {"space": "default", "vector": [1, 2, 3], "covers_turn": -1}})),
            InvalidField,
            "context.covers_turn",
        ),
    ]);
}

#[test]
fn copies_beyond_the_limit() {
    check_refused(vec![
        (placed(json!({"tier": "lukewarm"})), InvalidField, "tier"),
        (placed(json!({"cached_tokens": -1})), InvalidField, "cached_tokens"),
        (placed(json!({"created_at": AT + 300_001})), TooEarly, "created_at"),
        (placed(json!({"location": {"disk": {"path": "/etc", "offset": 0}}})), InvalidField, "location.disk.path"),
        (placed(json!({"location": {"disk": {"path": "a/../b", "offset": 0}}})), InvalidField, "location.disk.path"),
        (placed(json!({"location": {"disk": {"path": "..\\b", "offset": 0}}})), InvalidField, "location.disk.path"),
        (placed(json!({"location": {"disk": {"path": "c:b", "offset": 0}}})), InvalidField, "location.disk.path"),
        (placed(json!({"location": {"memory": {"offset": -1}}})), InvalidField, "location.memory.offset"),
        (placed(json!({"location": {"memory": {"offset": 0}, "evicted": {}}})), InvalidField, "location"),
        (placed(json!({"location": {}})), InvalidField, "location"),
        (placed(json!({"location": {"tape": {}}})), InvalidField, "location"),
        (placed(json!({"location": "memory"})), InvalidField, "location"),
        (placed(json!({"quantization": {"none": {}}})), InvalidField, "quantization"),
        (
            placed(json!({"quantization": {"quantized_store": {"precision": "Q4", "compression_ratio": 0}}})),
            InvalidField,
            "quantization.quantized_store.compression_ratio",
        ),
    ]);
}

#[test]
fn other_bodies_beyond_the_limit() {
    check_refused(vec![
        (prefixed(json!({"block_tokens": 0})), InvalidField, "prefix.block_tokens"),
        (prefixed(json!({"stride": 0})), InvalidField, "prefix.stride"),
        (prefixed(json!({"stride": 2, "from_block": 3})), InvalidField, "prefix.from_block"),
        (prefixed(json!({"hashes": "AAAA"})), InvalidField, "prefix.hashes"),
        (prefixed(json!({"hashes": ["00000000000000001"]})), InvalidField, "prefix.hashes"),
        (prefixed(json!({"hashes": ["+1"]})), InvalidField, "prefix.hashes"),
        (prefixed(json!({"hashes": hashes(16_385)})), PrefixTooLong, "prefix"),
        (prefixed(json!({"from_block": 16_383})), PrefixTooLong, "prefix"),
        (prefixed(json!({"from_block": i64::MAX})), PrefixTooLong, "prefix"),
        (event(json!({"type": "session_paused", "reason": "coffee"}), json!({})), InvalidField, "reason"),
        (event(json!({"type": "session_interrupted"}), json!({})), MissingField, "reason"),
        (event(json!({"type": "session_ended", "reason": "done"}), json!({})), InvalidField, "reason"),
        (event(json!({"type": "session_resumed", "outcome": "expired"}), json!({})), InvalidField, "outcome"),
        (event(json!({"type": "session_snapshot", "status": "expired"}), json!({})), InvalidField, "status"),
        (event(json!({"type": "session_snapshot", "clear": ["context"]}), json!({})), InvalidField, "clear"),
        (event(json!({"type": "session_snapshot", "last_active": AT + 300_001}), json!({})), TooEarly, "last_active"),
        (event(json!({"type": "subject_erased", "scope": "world"}), json!({})), InvalidField, "scope"),
        (
            event(json!({"type": "subject_erased", "scope": "session"}), json!({"session_id": null})),
            MissingField,
            "session_id",
        ),
        (event(json!({"type": "subject_erased", "scope": "user"}), json!({"user_id": null})), MissingField, "user_id"),
        (event(json!({"type": "tick"}), json!({})), InvalidField, "tenant_id"),
        (event(json!({"type": "worker_lost", "worker": "w"}), json!({})), InvalidField, "tenant_id"),
        (
            event(json!({"type": "subject_erased", "scope": "tenant"}), json!({"tenant_id": "*"})),
            InvalidField,
            "tenant_id",
        ),
    ]);
}
