//! KV copies: what is cached of a session, where, and in which form. The tier, location and quantization
//! words are those of the cache engines.

use super::ids::Name;
use super::time::EventTime;

/// Identity of KV content. KV is reusable only where all three parts are equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CacheIdentity {
    /// Model, tokenizer and engine layout.
    pub namespace: Name,
    /// Adapter the KV was computed under.
    pub adapter: Option<Adapter>,
    /// Label or HMAC of a cache salt; never the salt.
    pub salt_id: Option<Name>,
}

/// A LoRA or similar adapter, with the version of its content where known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Adapter {
    /// The adapter's id.
    pub id: Name,
    /// Version of its content.
    pub version: Option<Name>,
}

words!(
    /// How quickly a copy can be used, fastest first: accelerator memory at full precision; compressed or
    /// host memory; disk or remote.
    Tier { Hot = "hot", Warm = "warm", Cold = "cold" }
);

/// Where a copy lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// In the worker's memory.
    Memory {
        /// Byte offset in the worker's pool.
        offset: u64,
    },
    /// In a file of the worker.
    Disk {
        /// Relative path without `..`.
        path: Name,
        /// Byte offset in the file.
        offset: u64,
    },
    /// In a store apart from the worker: it outlives the worker.
    External {
        /// Kind of store.
        provider: Name,
        /// Which store.
        instance: Name,
        /// Where to reach it.
        endpoint: Option<Name>,
        /// The store's own key.
        handle: Option<Name>,
    },
    /// Nowhere any more.
    Evicted,
}

/// How a copy is quantised. Precision words (`FP16`, `Q8`, `Q4`, …) are the engine's own.
#[derive(Debug, Clone, PartialEq)]
pub enum Quantization {
    /// Only a high-precision tail is kept.
    HighPrecisionTail {
        /// Tokens of the tail.
        tail_length: u64,
        /// Precision of the tail.
        precision: Name,
    },
    /// Everything quantised.
    QuantizedStore {
        /// Precision of the store.
        precision: Name,
        /// Full-precision bytes by stored bytes, > 0.
        compression_ratio: f64,
    },
    /// A high-precision tail, the rest quantised.
    Hybrid {
        /// Tokens of the tail.
        tail_length: u64,
        /// Precision of the tail.
        tail_precision: Name,
        /// Precision of the rest.
        store_precision: Name,
    },
    /// A high-precision tail, the rest in TurboQuant codes.
    TurboQuantHybrid {
        /// Tokens of the tail.
        tail_length: u64,
        /// Precision of the tail.
        tail_precision: Name,
        /// Bits a value of the rest, > 0.
        turbo_bits: f64,
    },
}

/// One copy of a session's KV, as an engine reported it.
#[derive(Debug, Clone, PartialEq)]
pub struct KvCopy {
    /// Speed class.
    pub tier: Tier,
    /// The engine's own word for the medium.
    pub medium: Option<Name>,
    /// Where it lies.
    pub location: Location,
    /// Tokens held, counted from the start of the context.
    pub cached_tokens: u64,
    /// Size in bytes, where known.
    pub kv_bytes: Option<u64>,
    /// Precision layout.
    pub quantization: Quantization,
    /// When the copy was made.
    pub created_at: EventTime,
    /// Worker that holds it.
    pub worker: Option<Name>,
    /// That worker's incarnation; rises at each restart.
    pub worker_epoch: Option<u64>,
    /// Data-parallel rank within the worker.
    pub dp_rank: Option<u32>,
    /// Identity of the content.
    pub cache: CacheIdentity,
}

/// The place a copy is registered under: one copy a place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Worker, if named.
    pub worker: Option<Name>,
    /// Instance of an external location.
    pub instance: Option<Name>,
    /// Worker's epoch, if named.
    pub worker_epoch: Option<u64>,
    /// Data-parallel rank, if named.
    pub dp_rank: Option<u32>,
    /// Tier.
    pub tier: Tier,
}

/// What an eviction names; an absent part covers every value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EvictedPlace {
    /// Worker, if named.
    pub worker: Option<Name>,
    /// External instance, if named.
    pub instance: Option<Name>,
    /// Worker's epoch, if named.
    pub worker_epoch: Option<u64>,
    /// Data-parallel rank, if named.
    pub dp_rank: Option<u32>,
    /// Tier, if named.
    pub tier: Option<Tier>,
}

impl KvCopy {
    /// Where this copy is registered.
    pub fn place(&self) -> Place {
        let instance = match &self.location {
            Location::External { instance, .. } => Some(instance.clone()),
            _ => None,
        };
        Place {
            worker: self.worker.clone(),
            instance,
            worker_epoch: self.worker_epoch,
            dp_rank: self.dp_rank,
            tier: self.tier,
        }
    }

    /// Whether the copy outlives its worker.
    pub fn is_external(&self) -> bool {
        matches!(self.location, Location::External { .. })
    }
}

impl EvictedPlace {
    /// Whether an eviction of this place concerns a copy at `place`.
    pub fn covers(&self, place: &Place) -> bool {
        fn matches<T: PartialEq>(named: &Option<T>, actual: &Option<T>) -> bool {
            named.is_none() || named == actual
        }
        matches(&self.worker, &place.worker)
            && matches(&self.instance, &place.instance)
            && matches(&self.worker_epoch, &place.worker_epoch)
            && matches(&self.dp_rank, &place.dp_rank)
            && self.tier.is_none_or(|t| t == place.tier)
    }
}

words!(
    /// Why an engine evicted.
    EvictReason {
        Capacity = "capacity", Expired = "expired", Cleared = "cleared", Demoted = "demoted", Other = "other",
    }
);
words!(
    /// Whether copies were reported by the engines, or are predicted from the last turn because no KV event
    /// ever came for the session.
    Residency { Reported = "reported", Predicted = "predicted" }
);
