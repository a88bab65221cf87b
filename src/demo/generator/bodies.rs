//! The JSON of what a session's events say: copies, embeddings, prefix chains, turns.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::fleet::{MODELS, NAMESPACES, Worker, adapter};
use super::rng::{Rng, mix};

/// KV bytes a token of the models here.
const BYTES_PER_TOKEN: u64 = 131_072;
/// Tokens a block, and every how many blocks a hash is sent.
const BLOCK_TOKENS: u64 = 16;
const STRIDE: u64 = 8;

/// Where a copy of the session's KV lies now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Accelerator memory.
    Hot,
    /// Host memory.
    Warm,
    /// The shared store.
    Cold,
}

impl Held {
    /// The contract's word.
    pub fn tier(self) -> &'static str {
        match self {
            Held::Hot => "hot",
            Held::Warm => "warm",
            Held::Cold => "cold",
        }
    }
}

/// What a copy is of.
#[derive(Debug, Clone, Copy)]
pub struct CopyOf<'a> {
    /// Session id, for the store's key.
    pub session: &'a str,
    /// Cache identity.
    pub cache: &'a Value,
    /// Tokens held.
    pub tokens: u64,
    /// When it was made.
    pub created_at: i64,
}

/// One copy of a session's KV.
pub fn kv_copy(held: Held, worker: &Worker, of: CopyOf<'_>) -> Value {
    let bytes = of.tokens * BYTES_PER_TOKEN;
    let (location, quantization, bytes, medium) = match held {
        Held::Hot => (
            json!({"memory": {"offset": mix(of.tokens) % (1 << 36)}}),
            json!({"high_precision_tail": {"tail_length": of.tokens, "precision": "FP16"}}),
            bytes,
            "GPU",
        ),
        Held::Warm => (
            json!({"memory": {"offset": mix(of.tokens ^ 1) % (1 << 40)}}),
            json!({"hybrid": {"tail_length": 256, "tail_precision": "FP16", "store_precision": "Q8"}}),
            bytes / 2,
            "CPU",
        ),
        Held::Cold => (
            json!({"external": {"provider": "mooncake", "instance": "pool-1",
                "endpoint": "http://kv-pool.serving.internal:9000", "handle": format!("kv/{}", of.session)}}),
            json!({"turbo_quant_hybrid": {"tail_length": 256, "tail_precision": "FP16", "turbo_bits": 3.5}}),
            bytes / 4,
            "STORE",
        ),
    };
    let mut copy = json!({"tier": held.tier(), "medium": medium, "location": location, "cached_tokens": of.tokens,
        "kv_bytes": bytes, "quantization": quantization, "created_at": of.created_at, "cache": of.cache});
    if held != Held::Cold {
        set(&mut copy, "worker", json!(worker.name));
        set(&mut copy, "worker_epoch", json!(worker.epoch));
        set(&mut copy, "dp_rank", json!(0));
    }
    copy
}

/// Cache identity of a model, under a topic's adapter if one is in use.
pub fn cache(model: usize, adapter_topic: Option<usize>) -> Value {
    let mut cache = json!({"namespace": NAMESPACES[model]});
    if let Some(topic) = adapter_topic {
        set(&mut cache, "adapter", adapter_ref(topic));
    }
    cache
}

/// Reference to a topic's adapter.
pub fn adapter_ref(topic: usize) -> Value {
    json!({"id": adapter(topic), "version": "1"})
}

/// An embedding as base64 of little-endian f32.
pub fn context(vector: &[f32], covers_turn: u64) -> Value {
    let bytes: Vec<u8> = vector.iter().flat_map(|c| c.to_le_bytes()).collect();
    json!({"space": "default", "vector": STANDARD.encode(bytes), "covers_turn": covers_turn})
}

/// The hashes that a turn added: blocks `from_tokens..to_tokens` of the chain that `chain` names. `None` if
/// no whole stride was filled.
pub fn prefix(chain: u64, from_tokens: u64, to_tokens: u64) -> Option<Value> {
    let span = BLOCK_TOKENS * STRIDE;
    let (from, to) = (from_tokens / span, to_tokens / span);
    if from == to {
        return None;
    }
    let bytes: Vec<u8> = (from..to).flat_map(|n| mix(chain.wrapping_add(n)).to_be_bytes()).collect();
    Some(json!({"algorithm": "xxh64-chained", "block_tokens": BLOCK_TOKENS, "stride": STRIDE,
        "from_block": from * STRIDE, "hashes": STANDARD.encode(bytes)}))
}

/// Time to the first token, ms: cached tokens cost next to nothing.
pub fn ttft_ms(rng: &mut Rng, computed_tokens: u64) -> f64 {
    let ms = 18.0 + computed_tokens as f64 / 8.0 * (0.8 + 0.4 * rng.unit());
    (ms * 10.0).round() / 10.0
}

/// The model's own name.
pub fn model(model: usize) -> &'static str {
    MODELS[model]
}

/// Sets a field of an object; anything else is left as it is.
pub fn set(object: &mut Value, field: &str, value: Value) {
    if let Value::Object(map) = object {
        map.insert(field.to_owned(), value);
    }
}
