//! KV copies, cache identities and adapters: model to wire, wire to model, and their JSON form.

use serde_json::{Value, json};

use super::read::{DecodeError, Read, count, long, name, optional_name, optional_small, word};
use crate::engine::decode::wire;
use crate::model::ids::Name;
use crate::model::kv::{Adapter, CacheIdentity, KvCopy, Location, Quantization, Tier};
use crate::model::time::EventTime;

pub(super) fn text(name: &Name) -> &str {
    name.as_str()
}

pub(super) fn optional_text(name: &Option<Name>) -> Option<&str> {
    name.as_ref().map(text)
}

pub(super) fn adapter(adapter: &Adapter) -> wire::Adapter<&str> {
    wire::Adapter { id: text(&adapter.id), version: optional_text(&adapter.version) }
}

pub(super) fn cache(cache: &CacheIdentity) -> wire::CacheIdentity<&str> {
    wire::CacheIdentity {
        namespace: text(&cache.namespace),
        adapter: cache.adapter.as_ref().map(adapter),
        salt_id: optional_text(&cache.salt_id),
    }
}

pub(super) fn copy(copy: &KvCopy) -> wire::KvCopy<&str> {
    wire::KvCopy {
        tier: copy.tier.label(),
        medium: optional_text(&copy.medium),
        location: location(&copy.location),
        cached_tokens: long(copy.cached_tokens),
        kv_bytes: copy.kv_bytes.map(long),
        quantization: quantization(&copy.quantization),
        created_at: wire::Moment(copy.created_at.0),
        worker: optional_text(&copy.worker),
        worker_epoch: copy.worker_epoch.map(long),
        dp_rank: copy.dp_rank.map(i64::from),
        cache: cache(&copy.cache),
        prefix: None,
    }
}

fn location(location: &Location) -> wire::Location<&str> {
    let bare = |kind| wire::Location { kind, memory: None, disk: None, external: None };
    match location {
        Location::Memory { offset } => {
            wire::Location { memory: Some(wire::MemoryLocation { offset: long(*offset) }), ..bare("memory") }
        }
        Location::Disk { path, offset } => {
            let disk = wire::DiskLocation { path: text(path), offset: long(*offset) };
            wire::Location { disk: Some(disk), ..bare("disk") }
        }
        Location::External { provider, instance, endpoint, handle } => {
            let external = wire::ExternalLocation {
                provider: text(provider),
                instance: text(instance),
                endpoint: optional_text(endpoint),
                handle: optional_text(handle),
            };
            wire::Location { external: Some(external), ..bare("external") }
        }
        Location::Evicted => bare("evicted"),
    }
}

fn quantization(quantization: &Quantization) -> wire::Quantization<&str> {
    let bare = |kind| wire::Quantization {
        kind,
        high_precision_tail: None,
        quantized_store: None,
        hybrid: None,
        turbo_quant_hybrid: None,
    };
    match quantization {
        Quantization::HighPrecisionTail { tail_length, precision } => {
            let v = wire::HighPrecisionTail { tail_length: long(*tail_length), precision: text(precision) };
            wire::Quantization { high_precision_tail: Some(v), ..bare("high_precision_tail") }
        }
        Quantization::QuantizedStore { precision, compression_ratio } => {
            let v = wire::QuantizedStore { precision: text(precision), compression_ratio: *compression_ratio };
            wire::Quantization { quantized_store: Some(v), ..bare("quantized_store") }
        }
        Quantization::Hybrid { tail_length, tail_precision, store_precision } => {
            let v = wire::Hybrid {
                tail_length: long(*tail_length),
                tail_precision: text(tail_precision),
                store_precision: text(store_precision),
            };
            wire::Quantization { hybrid: Some(v), ..bare("hybrid") }
        }
        Quantization::TurboQuantHybrid { tail_length, tail_precision, turbo_bits } => {
            let v = wire::TurboQuantHybrid {
                tail_length: long(*tail_length),
                tail_precision: text(tail_precision),
                turbo_bits: *turbo_bits,
            };
            wire::Quantization { turbo_quant_hybrid: Some(v), ..bare("turbo_quant_hybrid") }
        }
    }
}

pub(super) fn read_adapter(adapter: &wire::Adapter<&str>) -> Read<Adapter> {
    Ok(Adapter { id: name("id", adapter.id)?, version: optional_name("version", adapter.version)? })
}

pub(super) fn read_cache(cache: &wire::CacheIdentity<&str>) -> Read<CacheIdentity> {
    Ok(CacheIdentity {
        namespace: name("namespace", cache.namespace)?,
        adapter: cache.adapter.as_ref().map(read_adapter).transpose()?,
        salt_id: optional_name("salt_id", cache.salt_id)?,
    })
}

pub(super) fn read_copy(copy: &wire::KvCopy<&str>) -> Read<KvCopy> {
    Ok(KvCopy {
        tier: word("tier", Tier::parse(copy.tier))?,
        medium: optional_name("medium", copy.medium)?,
        location: read_location(&copy.location)?,
        cached_tokens: count(copy.cached_tokens),
        kv_bytes: copy.kv_bytes.map(count),
        quantization: read_quantization(&copy.quantization)?,
        created_at: EventTime(copy.created_at.0),
        worker: optional_name("worker", copy.worker)?,
        worker_epoch: copy.worker_epoch.map(count),
        dp_rank: optional_small("dp_rank", copy.dp_rank)?,
        cache: read_cache(&copy.cache)?,
    })
}

fn read_location(location: &wire::Location<&str>) -> Read<Location> {
    match (location.kind, &location.memory, &location.disk, &location.external) {
        ("memory", Some(v), None, None) => Ok(Location::Memory { offset: count(v.offset) }),
        ("disk", None, Some(v), None) => Ok(Location::Disk { path: name("path", v.path)?, offset: count(v.offset) }),
        ("external", None, None, Some(v)) => Ok(Location::External {
            provider: name("provider", v.provider)?,
            instance: name("instance", v.instance)?,
            endpoint: optional_name("endpoint", v.endpoint)?,
            handle: optional_name("handle", v.handle)?,
        }),
        ("evicted", None, None, None) => Ok(Location::Evicted),
        _ => Err(DecodeError::Field("location")),
    }
}

fn read_quantization(quantization: &wire::Quantization<&str>) -> Read<Quantization> {
    let q = quantization;
    match (&q.high_precision_tail, &q.quantized_store, &q.hybrid, &q.turbo_quant_hybrid) {
        (Some(v), None, None, None) => Ok(Quantization::HighPrecisionTail {
            tail_length: count(v.tail_length),
            precision: name("precision", v.precision)?,
        }),
        (None, Some(v), None, None) => Ok(Quantization::QuantizedStore {
            precision: name("precision", v.precision)?,
            compression_ratio: v.compression_ratio,
        }),
        (None, None, Some(v), None) => Ok(Quantization::Hybrid {
            tail_length: count(v.tail_length),
            tail_precision: name("tail_precision", v.tail_precision)?,
            store_precision: name("store_precision", v.store_precision)?,
        }),
        (None, None, None, Some(v)) => Ok(Quantization::TurboQuantHybrid {
            tail_length: count(v.tail_length),
            tail_precision: name("tail_precision", v.tail_precision)?,
            turbo_bits: v.turbo_bits,
        }),
        _ => Err(DecodeError::Field("quantization")),
    }
}

pub(super) fn name_json(name: &Option<Name>) -> Value {
    name.as_ref().map_or(Value::Null, |name| name.as_str().into())
}

pub(super) fn adapter_json(adapter: &Adapter) -> Value {
    json!({"id": adapter.id.as_str(), "version": name_json(&adapter.version)})
}

/// A cache identity as JSON; what is unknown is null.
pub fn cache_json(cache: &CacheIdentity) -> Value {
    json!({
        "namespace": cache.namespace.as_str(),
        "adapter": cache.adapter.as_ref().map(adapter_json),
        "salt_id": name_json(&cache.salt_id),
    })
}

/// A copy as JSON; what is unknown is null.
pub fn copy_json(copy: &KvCopy) -> Value {
    let location = match &copy.location {
        Location::Memory { offset } => json!({"memory": {"offset": offset}}),
        Location::Disk { path, offset } => json!({"disk": {"path": path.as_str(), "offset": offset}}),
        Location::External { provider, instance, endpoint, handle } => json!({"external": {
            "provider": provider.as_str(), "instance": instance.as_str(),
            "endpoint": name_json(endpoint), "handle": name_json(handle),
        }}),
        Location::Evicted => json!({"evicted": {}}),
    };
    json!({
        "tier": copy.tier.label(),
        "medium": name_json(&copy.medium),
        "location": location,
        "cached_tokens": copy.cached_tokens,
        "kv_bytes": copy.kv_bytes,
        "quantization": quantization_json(&copy.quantization),
        "created_at": copy.created_at.0,
        "worker": name_json(&copy.worker),
        "worker_epoch": copy.worker_epoch,
        "dp_rank": copy.dp_rank,
        "cache": cache_json(&copy.cache),
    })
}

fn quantization_json(quantization: &Quantization) -> Value {
    match quantization {
        Quantization::HighPrecisionTail { tail_length, precision } => {
            json!({"high_precision_tail": {"tail_length": tail_length, "precision": precision.as_str()}})
        }
        Quantization::QuantizedStore { precision, compression_ratio } => {
            json!({"quantized_store": {"precision": precision.as_str(), "compression_ratio": compression_ratio}})
        }
        Quantization::Hybrid { tail_length, tail_precision, store_precision } => json!({"hybrid": {
            "tail_length": tail_length,
            "tail_precision": tail_precision.as_str(),
            "store_precision": store_precision.as_str(),
        }}),
        Quantization::TurboQuantHybrid { tail_length, tail_precision, turbo_bits } => json!({"turbo_quant_hybrid": {
            "tail_length": tail_length, "tail_precision": tail_precision.as_str(), "turbo_bits": turbo_bits,
        }}),
    }
}
