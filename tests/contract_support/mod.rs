//! Events and calls that the contract's tests share.
#![allow(dead_code)]

use rekindle::engine::decode::{decode, wire};
use rekindle::engine::validate::validate;
use rekindle::engine::{EngineSettings, Record, WriterSchema};
use rekindle::model::event::ValidEvent;
use rekindle::model::ids::Name;
use rekindle::model::position::Position;
use rekindle::model::time::EventTime;
use rekindle::model::verdict::Rejection;
use serde_json::{Value, json};

/// Every body at least once, with most of its fields. The envelope is added by [`event_json`].
pub const BODIES: &[&str] = &[
    r#"{"type":"session_started","parent_session_id":"s-1","continues_session_id":"s-2","cache":{"namespace":"n","adapter":{"id":"l","version":"1"},"salt_id":"x"},"context_ref":"conv/1","idle_timeout_ms":60000,"transfer_scope":"tenant","metadata":{"plan":"pro","n":1.5,"gone":null,"list":[1,"é"]}}"#,
    r#"{"type":"session_started"}"#,
    STORED,
    r#"{"type":"turn_completed","turn":0,"input_tokens":1,"output_tokens":0}"#,
    r#"{"type":"context_embedded","space":"default","vector":[1,0.5,-0.25],"covers_turn":4}"#,
    r#"{"type":"kv_cache_placed","tier":"hot","medium":"GPU","location":{"memory":{"offset":0}},"cached_tokens":16,"kv_bytes":4096,"quantization":{"high_precision_tail":{"tail_length":256,"precision":"FP16"}},"created_at":"2025-11-05T10:53:20Z","worker":"w/2","worker_epoch":5,"dp_rank":1,"cache":{"namespace":"n"},"prefix":{"algorithm":"vllm-sha256","block_tokens":16,"stride":2,"from_block":4,"hashes":["0x00000000000000ff","a"]}}"#,
    r#"{"type":"kv_cache_placed","tier":"cold","location":{"external":{"provider":"mooncake","instance":"store-1","endpoint":"tcp://x","handle":"h"}},"cached_tokens":16,"quantization":{"turbo_quant_hybrid":{"tail_length":1,"tail_precision":"FP16","turbo_bits":3.5}},"created_at":1,"cache":{"namespace":"n"}}"#,
    r#"{"type":"kv_cache_placed","tier":"cold","location":"evicted","cached_tokens":0,"quantization":{"quantized_store":{"precision":"Q4","compression_ratio":4}},"created_at":1,"cache":{"namespace":"n"}}"#,
    r#"{"type":"kv_cache_evicted","worker":"w-2","worker_epoch":5,"dp_rank":0,"tier":"hot","remaining_tokens":16,"reason":"capacity"}"#,
    r#"{"type":"kv_cache_evicted","instance":"store-1","reason":"cleared"}"#,
    r#"{"type":"adapter_activated","adapter_id":"lora-7","version":"3"}"#,
    r#"{"type":"adapter_deactivated","adapter_id":"lora-7"}"#,
    r#"{"type":"session_paused","reason":"tool_call","expected_resume_at":1762340060000}"#,
    r#"{"type":"session_interrupted","reason":"worker_lost","last_good_turn":3}"#,
    r#"{"type":"resume_requested","cache":{"namespace":"n"},"prefix":{"algorithm":"a","block_tokens":16,"hashes":""},"context":{"space":"default","vector":"AACAPw","covers_turn":0}}"#,
    r#"{"type":"session_resumed","suggestion_id":"00ff","from_session_id":"s-1","restored_tokens":10,"recomputed_tokens":2,"restore_ms":12.5,"ttft_ms":80,"outcome":"partial"}"#,
    r#"{"type":"session_ended","reason":"completed"}"#,
    r#"{"type":"session_snapshot","status":"paused","turn":4,"context_tokens":100,"started_at":1,"last_active":2,"idle_timeout_ms":1000,"adapter":{"id":"l"},"cache":{"namespace":"n"},"kv_copies":[{"tier":"hot","location":{"disk":{"path":"a/b","offset":1}},"cached_tokens":1,"quantization":{"hybrid":{"tail_length":1,"tail_precision":"FP16","store_precision":"Q4"}},"created_at":3,"cache":{"namespace":"n"}}],"prefix":{"algorithm":"a","block_tokens":16,"hashes":["1"]},"context":{"space":"default","vector":[1],"covers_turn":4},"transfer_scope":"none","parent_session_id":"p","continues_session_id":"c","context_ref":"r","metadata":{"a":true},"clear":["adapter","metadata","adapter"]}"#,
    r#"{"type":"session_snapshot"}"#,
    r#"{"type":"metadata_changed","metadata":{"a":null,"b":{"c":[]}}}"#,
    r#"{"type":"transfer_scope_changed","transfer_scope":"none"}"#,
    r#"{"type":"subject_erased","scope":"session"}"#,
    r#"{"type":"worker_started","tenant_id":"*","worker":"w-2","worker_epoch":6,"endpoint":"http://w","model":"m","dp_size":8}"#,
    r#"{"type":"worker_lost","tenant_id":"*","worker":"w-2","worker_epoch":6}"#,
    r#"{"type":"worker_lost","tenant_id":"*","worker":"w-2"}"#,
    r#"{"type":"worker_cache_cleared","tenant_id":"*","worker":"w-2","worker_epoch":6,"tier":"warm"}"#,
    r#"{"type":"adapter_published","tenant_id":"*","adapter_id":"l","version":"1","digest":"d","base_model":"m","uri":"u"}"#,
    r#"{"type":"adapter_retired","tenant_id":"*","adapter_id":"l"}"#,
    r#"{"type":"tick","tenant_id":"*"}"#,
];

/// The event whose bytes are kept in `data/event.hex`.
pub const STORED: &str = r#"{"type":"turn_completed","turn":4,"request_id":"r","model":"m","input_tokens":2100,"output_tokens":310,"cached_tokens":1800,"context_tokens":2410,"finish_reason":"stop","worker":"w-2","worker_epoch":5,"dp_rank":0,"ttft_ms":80.5,"suggestion_id":"00ff","cache":{"namespace":"llama-3-70b/fp8"},"prefix":{"algorithm":"a","block_tokens":16,"hashes":["1","2"]},"context":{"space":"default","vector":[1,2,3],"covers_turn":4},"adapter":{"id":"lora-7","version":"3"},"kv_cache":{"tier":"warm","location":{"disk":{"path":"kv/9","offset":0}},"cached_tokens":2304,"created_at":1762339999000,"quantization":{"hybrid":{"tail_length":256,"tail_precision":"FP16","store_precision":"Q4"}},"worker":"w-2","worker_epoch":5,"cache":{"namespace":"llama-3-70b/fp8"}}}"#;

/// Digest of [`STORED`]'s body.
pub const STORED_DIGEST: u64 = 0xe852_ec3d_f3ea_5ab9;
/// Digest of a body with a vector of 768 components, 0, 1, 2 and so on.
pub const LONG_DIGEST: u64 = 0x0ea7_998e_89ed_330f;

/// A body with an envelope around it; the body's own fields win.
pub fn event_json(body: &str) -> String {
    let mut event = serde_json::json!({
        "event_id": "e-17", "tenant_id": "acme", "session_id": "s-9", "user_id": "u-1",
        "occurred_at": 1_762_340_000_000i64, "producer": {"id": "gw-1", "epoch": 3, "seq": 5},
    });
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    event.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    event.to_string()
}

/// An Avro body in Confluent framing.
pub fn framed(body: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, 7][..], body].concat()
}

/// Decodes a value. Events borrow from it: it is kept until the test ends, so that they may be compared.
pub fn decode_bytes(value: &[u8]) -> Result<wire::Event<'static>, Rejection> {
    decode_with(value, None)
}

/// Decodes a value whose schema id resolved to `writer`.
pub fn decode_with<'w>(value: &[u8], writer: Option<&'w WriterSchema>) -> Result<wire::Event<'w>, Rejection> {
    decode(&Record {
        position: Position::default(),
        timestamp: None,
        key: None,
        value: Some(value.to_vec().leak()),
        traceparent: None,
        writer,
    })
}

/// The record's timestamp, and when the events occurred.
pub const AT: i64 = 1_762_340_000_000;

/// Settings with one space of three dimensions.
pub fn settings() -> EngineSettings {
    EngineSettings { spaces: [(Name::new("default").unwrap(), 3)].into(), ..EngineSettings::default() }
}

/// Decodes and validates.
pub fn judge(event: &Value) -> Result<ValidEvent, Rejection> {
    validate(decode_bytes(event.to_string().as_bytes())?, &settings(), Some(EventTime(AT)))
}

/// A body with the envelope, and a patch over both.
pub fn event(body: Value, patch: Value) -> Value {
    let mut event: Value = serde_json::from_str(&event_json(&body.to_string())).unwrap();
    event.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
    event
}

/// A start, patched.
pub fn started(patch: Value) -> Value {
    event(json!({"type": "session_started"}), patch)
}

/// A turn, patched.
pub fn turn(patch: Value) -> Value {
    event(json!({"type": "turn_completed", "turn": 1, "input_tokens": 10, "output_tokens": 5}), patch)
}

/// A copy, patched.
pub fn placed(patch: Value) -> Value {
    let copy = json!({"type": "kv_cache_placed", "tier": "hot", "location": {"memory": {"offset": 0}}, "cached_tokens": 1,
        "quantization": {"quantized_store": {"precision": "Q4", "compression_ratio": 4.0}}, "created_at": AT,
        "cache": {"namespace": "n"}});
    event(copy, patch)
}

/// A request with a chain, patched.
pub fn prefixed(prefix: Value) -> Value {
    let mut whole = json!({"algorithm": "a", "block_tokens": 16, "hashes": ["1", "2"]});
    whole.as_object_mut().unwrap().extend(prefix.as_object().unwrap().clone());
    event(json!({"type": "resume_requested"}), json!({"prefix": whole}))
}

/// So many hashes.
pub fn hashes(count: usize) -> Value {
    json!(vec!["1"; count])
}
