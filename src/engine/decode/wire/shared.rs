//! Records that several bodies, states and suggestions share. Texts are borrowed where we write and owned
//! where we read, so that one struct serves both.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::forms::{Hashes, Moment, VectorBytes};

/// A text: borrowed when written, owned when read.
pub type Text<'a> = Cow<'a, str>;

/// An adapter and the version of its content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Adapter<'a> {
    /// The adapter's id.
    pub id: Text<'a>,
    /// Version of its content.
    pub version: Option<Text<'a>>,
}

/// Identity of KV content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CacheIdentity<'a> {
    /// Model, tokenizer and engine layout.
    pub namespace: Text<'a>,
    /// Adapter the KV was computed under.
    pub adapter: Option<Adapter<'a>>,
    /// Label or HMAC of a cache salt.
    pub salt_id: Option<Text<'a>>,
}

/// Part of a prefix chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prefix {
    /// Hash algorithm and seed, by name.
    pub algorithm: String,
    /// Tokens a block.
    pub block_tokens: i64,
    /// A hash every so many blocks; absent: 1.
    pub stride: Option<i64>,
    /// First block replaced; absent: 0.
    pub from_block: Option<i64>,
    /// Low 64 bits of each hash.
    pub hashes: Hashes,
}

/// An embedding of the context.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// A declared embedding space.
    pub space: String,
    /// Its components.
    pub vector: VectorBytes,
    /// The last turn it covers.
    pub covers_turn: i64,
}

/// A copy of a session's KV.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KvCopy<'a> {
    /// `hot`, `warm` or `cold`.
    pub tier: Text<'a>,
    /// The engine's own word for the medium.
    pub medium: Option<Text<'a>>,
    /// Where it lies.
    #[serde(deserialize_with = "super::forms::location")]
    pub location: Location<'a>,
    /// Tokens held.
    pub cached_tokens: i64,
    /// Size in bytes.
    pub kv_bytes: Option<i64>,
    /// How it is quantised.
    #[serde(deserialize_with = "super::forms::quantization")]
    pub quantization: Quantization<'a>,
    /// When it was made.
    pub created_at: Moment,
    /// Worker that holds it.
    pub worker: Option<Text<'a>>,
    /// That worker's incarnation.
    pub worker_epoch: Option<i64>,
    /// Data-parallel rank.
    pub dp_rank: Option<i64>,
    /// Identity of the content.
    pub cache: CacheIdentity<'a>,
    /// The chain it covers; only producers send it, nothing we publish repeats it.
    pub prefix: Option<Prefix>,
}

/// Where a copy lies: `type` names the variant, and the field of that name holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Location<'a> {
    /// `memory`, `disk`, `external` or `evicted`.
    #[serde(rename = "type")]
    pub kind: Text<'a>,
    /// In memory.
    pub memory: Option<MemoryLocation>,
    /// In a file.
    pub disk: Option<DiskLocation<'a>>,
    /// In a store of its own.
    pub external: Option<ExternalLocation<'a>>,
}

/// In the worker's memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemoryLocation {
    /// Byte offset.
    pub offset: i64,
}

/// In a file of the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiskLocation<'a> {
    /// Relative path.
    pub path: Text<'a>,
    /// Byte offset.
    pub offset: i64,
}

/// In a store that outlives the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExternalLocation<'a> {
    /// Kind of store.
    pub provider: Text<'a>,
    /// Which store.
    pub instance: Text<'a>,
    /// Where to reach it.
    pub endpoint: Option<Text<'a>>,
    /// The store's own key.
    pub handle: Option<Text<'a>>,
}

/// How a copy is quantised: `type` names the variant, and the field of that name holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quantization<'a> {
    /// `high_precision_tail`, `quantized_store`, `hybrid` or `turbo_quant_hybrid`.
    #[serde(rename = "type")]
    pub kind: Text<'a>,
    /// Only a tail.
    pub high_precision_tail: Option<HighPrecisionTail<'a>>,
    /// Everything quantised.
    pub quantized_store: Option<QuantizedStore<'a>>,
    /// A tail, the rest quantised.
    pub hybrid: Option<Hybrid<'a>>,
    /// A tail, the rest in TurboQuant codes.
    pub turbo_quant_hybrid: Option<TurboQuantHybrid<'a>>,
}

/// Only a high-precision tail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HighPrecisionTail<'a> {
    /// Tokens of the tail.
    pub tail_length: i64,
    /// Its precision.
    pub precision: Text<'a>,
}

/// Everything quantised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuantizedStore<'a> {
    /// Its precision.
    pub precision: Text<'a>,
    /// Full bytes by stored bytes.
    pub compression_ratio: f64,
}

/// A high-precision tail, the rest quantised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hybrid<'a> {
    /// Tokens of the tail.
    pub tail_length: i64,
    /// Its precision.
    pub tail_precision: Text<'a>,
    /// Precision of the rest.
    pub store_precision: Text<'a>,
}

/// A high-precision tail, the rest in TurboQuant codes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurboQuantHybrid<'a> {
    /// Tokens of the tail.
    pub tail_length: i64,
    /// Its precision.
    pub tail_precision: Text<'a>,
    /// Bits a value of the rest.
    pub turbo_bits: f64,
}
