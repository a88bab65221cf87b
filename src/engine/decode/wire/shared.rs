//! Records that several bodies, states and suggestions share. `T` is the type of their texts: in events they
//! borrow from the record where they can, in what we write and read back they always do.

use serde::{Deserialize, Serialize};

use super::forms::{Hashes, Moment, Text, VectorBytes};
use crate::engine::positional::{Malformed, Positional, Reader, records};

/// A copy as producers send it: with the chain it covers.
pub type EventKvCopy<'a> = KvCopy<Text<'a>, Prefix<'a>>;

/// The chain of the copies we publish: they never repeat it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum NoPrefix {}

impl Positional<'_> for NoPrefix {
    fn read(_: &mut Reader<'_>) -> Result<NoPrefix, Malformed> {
        Err(Malformed)
    }
}

records! {
    /// An adapter and the version of its content.
    pub struct Adapter<T> {
        /// The adapter's id.
        pub id: T,
        /// Version of its content.
        pub version: Option<T>,
    }

    /// Identity of KV content.
    pub struct CacheIdentity<T> {
        /// Model, tokenizer and engine layout.
        pub namespace: T,
        /// Adapter the KV was computed under.
        pub adapter: Option<Adapter<T>>,
        /// Label or HMAC of a cache salt.
        pub salt_id: Option<T>,
    }

    /// Part of a prefix chain.
    pub struct Prefix<'a> {
        /// Hash algorithm and seed, by name.
        pub algorithm: Text<'a>,
        /// Tokens a block.
        pub block_tokens: i64,
        /// A hash every so many blocks; absent: 1.
        pub stride: Option<i64>,
        /// First block replaced; absent: 0.
        pub from_block: Option<i64>,
        /// Low 64 bits of each hash.
        pub hashes: Hashes<'a>,
    }

    /// An embedding of the context.
    pub struct Context<'a> {
        /// A declared embedding space.
        pub space: Text<'a>,
        /// Its components.
        pub vector: VectorBytes<'a>,
        /// The last turn it covers.
        pub covers_turn: i64,
    }

    /// A copy of a session's KV.
    pub struct KvCopy<T, P = NoPrefix> {
        /// `hot`, `warm` or `cold`.
        pub tier: T,
        /// The engine's own word for the medium.
        pub medium: Option<T>,
        /// Where it lies.
        #[serde(deserialize_with = "super::variants::location")]
        pub location: Location<T>,
        /// Tokens held.
        pub cached_tokens: i64,
        /// Size in bytes.
        pub kv_bytes: Option<i64>,
        /// How it is quantised.
        #[serde(deserialize_with = "super::variants::quantization")]
        pub quantization: Quantization<T>,
        /// When it was made.
        pub created_at: Moment,
        /// Worker that holds it.
        pub worker: Option<T>,
        /// That worker's incarnation.
        pub worker_epoch: Option<i64>,
        /// Data-parallel rank.
        pub dp_rank: Option<i64>,
        /// Identity of the content.
        pub cache: CacheIdentity<T>,
        /// The chain it covers.
        pub prefix: Option<P>,
    }

    /// Where a copy lies: `type` names the variant, and the field of that name holds it.
    pub struct Location<T> {
        /// `memory`, `disk`, `external` or `evicted`.
        #[serde(rename = "type")]
        pub kind: T,
        /// In memory.
        pub memory: Option<MemoryLocation>,
        /// In a file.
        pub disk: Option<DiskLocation<T>>,
        /// In a store of its own.
        pub external: Option<ExternalLocation<T>>,
    }

    /// In the worker's memory.
    pub struct MemoryLocation {
        /// Byte offset.
        pub offset: i64,
    }

    /// In a file of the worker.
    pub struct DiskLocation<T> {
        /// Relative path.
        pub path: T,
        /// Byte offset.
        pub offset: i64,
    }

    /// In a store that outlives the worker.
    pub struct ExternalLocation<T> {
        /// Kind of store.
        pub provider: T,
        /// Which store.
        pub instance: T,
        /// Where to reach it.
        pub endpoint: Option<T>,
        /// The store's own key.
        pub handle: Option<T>,
    }

    /// How a copy is quantised: `type` names the variant, and the field of that name holds it.
    pub struct Quantization<T> {
        /// `high_precision_tail`, `quantized_store`, `hybrid` or `turbo_quant_hybrid`.
        #[serde(rename = "type")]
        pub kind: T,
        /// Only a tail.
        pub high_precision_tail: Option<HighPrecisionTail<T>>,
        /// Everything quantised.
        pub quantized_store: Option<QuantizedStore<T>>,
        /// A tail, the rest quantised.
        pub hybrid: Option<Hybrid<T>>,
        /// A tail, the rest in TurboQuant codes.
        pub turbo_quant_hybrid: Option<TurboQuantHybrid<T>>,
    }

    /// Only a high-precision tail.
    pub struct HighPrecisionTail<T> {
        /// Tokens of the tail.
        pub tail_length: i64,
        /// Its precision.
        pub precision: T,
    }

    /// Everything quantised.
    pub struct QuantizedStore<T> {
        /// Its precision.
        pub precision: T,
        /// Full bytes by stored bytes.
        pub compression_ratio: f64,
    }

    /// A high-precision tail, the rest quantised.
    pub struct Hybrid<T> {
        /// Tokens of the tail.
        pub tail_length: i64,
        /// Its precision.
        pub tail_precision: T,
        /// Precision of the rest.
        pub store_precision: T,
    }

    /// A high-precision tail, the rest in TurboQuant codes.
    pub struct TurboQuantHybrid<T> {
        /// Tokens of the tail.
        pub tail_length: i64,
        /// Its precision.
        pub tail_precision: T,
        /// Bits a value of the rest.
        pub turbo_bits: f64,
    }
}
