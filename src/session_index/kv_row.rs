//! The stored form of a KV copy and of an adapter. Nothing unreadable ever becomes a default.

use serde::{Deserialize, Serialize};

use super::error::FieldFault;
use crate::model::ids::{InvalidId, Name};
use crate::model::kv::{Adapter, CacheIdentity, KvCopy, Location, Quantization, Tier};
use crate::model::time::EventTime;

/// Adapter id and version.
pub type AdapterRow<'a> = (&'a str, Option<&'a str>);

/// A KV copy.
#[derive(Serialize, Deserialize)]
pub struct KvRow<'a> {
    tier: &'a str,
    medium: Option<&'a str>,
    #[serde(borrow)]
    location: LocationRow<'a>,
    cached_tokens: u64,
    kv_bytes: Option<u64>,
    #[serde(borrow)]
    quantization: QuantizationRow<'a>,
    created_at: i64,
    worker: Option<&'a str>,
    worker_epoch: Option<u64>,
    dp_rank: Option<u32>,
    namespace: &'a str,
    adapter: Option<AdapterRow<'a>>,
    salt_id: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
enum LocationRow<'a> {
    Memory(u64),
    Disk(&'a str, u64),
    External(&'a str, &'a str, Option<&'a str>, Option<&'a str>),
    Evicted,
}

#[derive(Serialize, Deserialize)]
enum QuantizationRow<'a> {
    HighPrecisionTail(u64, &'a str),
    QuantizedStore(&'a str, f64),
    Hybrid(u64, &'a str, &'a str),
    TurboQuantHybrid(u64, &'a str, f64),
}

/// The row of an adapter.
pub fn adapter_row(adapter: &Adapter) -> AdapterRow<'_> {
    (adapter.id.as_str(), adapter.version.as_ref().map(Name::as_str))
}

/// Reads an adapter back; `field` is named in errors.
pub fn adapter(field: &'static str, (id, version): AdapterRow<'_>) -> Result<Adapter, FieldFault> {
    Ok(Adapter { id: name(field, id)?, version: version.map(|v| name(field, v)).transpose()? })
}

/// The row of a KV copy.
pub fn kv_row(kv: &KvCopy) -> KvRow<'_> {
    KvRow {
        tier: kv.tier.label(),
        medium: kv.medium.as_ref().map(Name::as_str),
        location: match &kv.location {
            Location::Memory { offset } => LocationRow::Memory(*offset),
            Location::Disk { path, offset } => LocationRow::Disk(path.as_str(), *offset),
            Location::External { provider, instance, endpoint, handle } => LocationRow::External(
                provider.as_str(),
                instance.as_str(),
                endpoint.as_ref().map(Name::as_str),
                handle.as_ref().map(Name::as_str),
            ),
            Location::Evicted => LocationRow::Evicted,
        },
        cached_tokens: kv.cached_tokens,
        kv_bytes: kv.kv_bytes,
        quantization: match &kv.quantization {
            Quantization::HighPrecisionTail { tail_length, precision } => {
                QuantizationRow::HighPrecisionTail(*tail_length, precision.as_str())
            }
            Quantization::QuantizedStore { precision, compression_ratio } => {
                QuantizationRow::QuantizedStore(precision.as_str(), *compression_ratio)
            }
            Quantization::Hybrid { tail_length, tail_precision, store_precision } => {
                QuantizationRow::Hybrid(*tail_length, tail_precision.as_str(), store_precision.as_str())
            }
            Quantization::TurboQuantHybrid { tail_length, tail_precision, turbo_bits } => {
                QuantizationRow::TurboQuantHybrid(*tail_length, tail_precision.as_str(), *turbo_bits)
            }
        },
        created_at: kv.created_at.0,
        worker: kv.worker.as_ref().map(Name::as_str),
        worker_epoch: kv.worker_epoch,
        dp_rank: kv.dp_rank,
        namespace: kv.cache.namespace.as_str(),
        adapter: kv.cache.adapter.as_ref().map(adapter_row),
        salt_id: kv.cache.salt_id.as_ref().map(Name::as_str),
    }
}

/// Reads a KV copy back.
pub fn kv_copy(row: KvRow<'_>) -> Result<KvCopy, FieldFault> {
    let optional = |field, value: Option<&str>| value.map(|v| name(field, v)).transpose();
    const LOCATION: &str = "kv_cache_ref.location";
    const QUANTIZATION: &str = "kv_cache_ref.quantization";
    const CACHE: &str = "kv_cache_ref.cache";
    Ok(KvCopy {
        tier: word("kv_cache_ref.tier", row.tier, Tier::parse)?,
        medium: optional("kv_cache_ref.medium", row.medium)?,
        location: match row.location {
            LocationRow::Memory(offset) => Location::Memory { offset },
            LocationRow::Disk(path, offset) => Location::Disk { path: name(LOCATION, path)?, offset },
            LocationRow::External(provider, instance, endpoint, handle) => Location::External {
                provider: name(LOCATION, provider)?,
                instance: name(LOCATION, instance)?,
                endpoint: optional(LOCATION, endpoint)?,
                handle: optional(LOCATION, handle)?,
            },
            LocationRow::Evicted => Location::Evicted,
        },
        cached_tokens: row.cached_tokens,
        kv_bytes: row.kv_bytes,
        quantization: match row.quantization {
            QuantizationRow::HighPrecisionTail(tail_length, precision) => {
                Quantization::HighPrecisionTail { tail_length, precision: name(QUANTIZATION, precision)? }
            }
            QuantizationRow::QuantizedStore(precision, compression_ratio) => {
                Quantization::QuantizedStore { precision: name(QUANTIZATION, precision)?, compression_ratio }
            }
            QuantizationRow::Hybrid(tail_length, tail, store) => Quantization::Hybrid {
                tail_length,
                tail_precision: name(QUANTIZATION, tail)?,
                store_precision: name(QUANTIZATION, store)?,
            },
            QuantizationRow::TurboQuantHybrid(tail_length, tail, turbo_bits) => {
                Quantization::TurboQuantHybrid { tail_length, tail_precision: name(QUANTIZATION, tail)?, turbo_bits }
            }
        },
        created_at: EventTime(row.created_at),
        worker: optional("kv_cache_ref.worker", row.worker)?,
        worker_epoch: row.worker_epoch,
        dp_rank: row.dp_rank,
        cache: CacheIdentity {
            namespace: name(CACHE, row.namespace)?,
            adapter: row.adapter.map(|a| adapter(CACHE, a)).transpose()?,
            salt_id: optional(CACHE, row.salt_id)?,
        },
    })
}

/// Reads an id or a name back; `field` is named in errors.
pub fn text<T>(field: &'static str, text: &str, new: fn(&str) -> Result<T, InvalidId>) -> Result<T, FieldFault> {
    new(text).map_err(|fault| FieldFault::new(field, fault))
}

fn name(field: &'static str, value: &str) -> Result<Name, FieldFault> {
    text(field, value, Name::new)
}

/// Reads a word of a closed list back; `field` is named in errors.
pub fn word<T>(field: &'static str, text: &str, parse: fn(&str) -> Option<T>) -> Result<T, FieldFault> {
    parse(text).ok_or_else(|| FieldFault::new(field, "unknown word"))
}
