//! KV copies between the model and their wire form.

use super::fault::{ReadFault, known};
use crate::engine::decode::wire::Text;
use crate::engine::decode::wire::{
    Adapter as WireAdapter, CacheIdentity as WireCache, DiskLocation, ExternalLocation, HighPrecisionTail, Hybrid,
    KvCopy as WireCopy, Location as WireLocation, MemoryLocation, Moment, Quantization as WireQuantization,
    QuantizedStore, TurboQuantHybrid,
};
use crate::model::ids::{InvalidId, Name};
use crate::model::kv::{Adapter, CacheIdentity, KvCopy, Location, Quantization, Tier};
use crate::model::time::EventTime;

pub(super) fn text(name: &Name) -> Text<'_> {
    Text::Borrowed(name.as_str())
}

pub(super) fn texts(name: Option<&Name>) -> Option<Text<'_>> {
    name.map(text)
}

pub(super) fn name(text: &str) -> Result<Name, InvalidId> {
    Name::new(text)
}

pub(super) fn names(text: Option<&Text<'_>>) -> Result<Option<Name>, InvalidId> {
    text.map(|text| Name::new(text)).transpose()
}

pub(super) fn adapter(adapter: &Adapter) -> WireAdapter<'_> {
    WireAdapter { id: text(&adapter.id), version: texts(adapter.version.as_ref()) }
}

pub(super) fn read_adapter(wire: &WireAdapter<'_>) -> Result<Adapter, InvalidId> {
    Ok(Adapter { id: name(&wire.id)?, version: names(wire.version.as_ref())? })
}

pub(super) fn cache(cache: &CacheIdentity) -> WireCache<'_> {
    WireCache {
        namespace: text(&cache.namespace),
        adapter: cache.adapter.as_ref().map(adapter),
        salt_id: texts(cache.salt_id.as_ref()),
    }
}

pub(super) fn read_cache(wire: &WireCache<'_>) -> Result<CacheIdentity, InvalidId> {
    Ok(CacheIdentity {
        namespace: name(&wire.namespace)?,
        adapter: wire.adapter.as_ref().map(read_adapter).transpose()?,
        salt_id: names(wire.salt_id.as_ref())?,
    })
}

pub(super) fn copy(copy: &KvCopy) -> WireCopy<'_> {
    WireCopy {
        tier: Text::Borrowed(copy.tier.label()),
        medium: texts(copy.medium.as_ref()),
        location: location(&copy.location),
        cached_tokens: copy.cached_tokens as i64,
        kv_bytes: copy.kv_bytes.map(|bytes| bytes as i64),
        quantization: quantization(&copy.quantization),
        created_at: Moment(copy.created_at.0),
        worker: texts(copy.worker.as_ref()),
        worker_epoch: copy.worker_epoch.map(|epoch| epoch as i64),
        dp_rank: copy.dp_rank.map(i64::from),
        cache: cache(&copy.cache),
        prefix: None,
    }
}

pub(super) fn read_copy(wire: &WireCopy<'_>) -> Result<KvCopy, ReadFault> {
    Ok(KvCopy {
        tier: known(Tier::parse(&wire.tier), "tier")?,
        medium: names(wire.medium.as_ref())?,
        location: read_location(&wire.location)?,
        cached_tokens: wire.cached_tokens as u64,
        kv_bytes: wire.kv_bytes.map(|bytes| bytes as u64),
        quantization: read_quantization(&wire.quantization)?,
        created_at: EventTime(wire.created_at.0),
        worker: names(wire.worker.as_ref())?,
        worker_epoch: wire.worker_epoch.map(|epoch| epoch as u64),
        dp_rank: wire.dp_rank.map(|rank| known(u32::try_from(rank).ok(), "dp_rank")).transpose()?,
        cache: read_cache(&wire.cache)?,
    })
}

fn location(location: &Location) -> WireLocation<'_> {
    let (kind, memory, disk, external) = match location {
        Location::Memory { offset } => ("memory", Some(MemoryLocation { offset: *offset as i64 }), None, None),
        Location::Disk { path, offset } => {
            ("disk", None, Some(DiskLocation { path: text(path), offset: *offset as i64 }), None)
        }
        Location::External { provider, instance, endpoint, handle } => {
            let external = ExternalLocation {
                provider: text(provider),
                instance: text(instance),
                endpoint: texts(endpoint.as_ref()),
                handle: texts(handle.as_ref()),
            };
            ("external", None, None, Some(external))
        }
        Location::Evicted => ("evicted", None, None, None),
    };
    WireLocation { kind: Text::Borrowed(kind), memory, disk, external }
}

fn read_location(wire: &WireLocation<'_>) -> Result<Location, ReadFault> {
    match (&*wire.kind, &wire.memory, &wire.disk, &wire.external) {
        ("memory", Some(at), _, _) => Ok(Location::Memory { offset: at.offset as u64 }),
        ("disk", _, Some(at), _) => Ok(Location::Disk { path: name(&at.path)?, offset: at.offset as u64 }),
        ("external", _, _, Some(at)) => Ok(Location::External {
            provider: name(&at.provider)?,
            instance: name(&at.instance)?,
            endpoint: names(at.endpoint.as_ref())?,
            handle: names(at.handle.as_ref())?,
        }),
        ("evicted", ..) => Ok(Location::Evicted),
        _ => Err(ReadFault::Field("location")),
    }
}

fn quantization(quantization: &Quantization) -> WireQuantization<'_> {
    let mut wire = WireQuantization {
        kind: Text::Borrowed(""),
        high_precision_tail: None,
        quantized_store: None,
        hybrid: None,
        turbo_quant_hybrid: None,
    };
    wire.kind = Text::Borrowed(match quantization {
        Quantization::HighPrecisionTail { tail_length, precision } => {
            let tail = HighPrecisionTail { tail_length: *tail_length as i64, precision: text(precision) };
            wire.high_precision_tail = Some(tail);
            "high_precision_tail"
        }
        Quantization::QuantizedStore { precision, compression_ratio } => {
            let store = QuantizedStore { precision: text(precision), compression_ratio: *compression_ratio };
            wire.quantized_store = Some(store);
            "quantized_store"
        }
        Quantization::Hybrid { tail_length, tail_precision, store_precision } => {
            wire.hybrid = Some(Hybrid {
                tail_length: *tail_length as i64,
                tail_precision: text(tail_precision),
                store_precision: text(store_precision),
            });
            "hybrid"
        }
        Quantization::TurboQuantHybrid { tail_length, tail_precision, turbo_bits } => {
            wire.turbo_quant_hybrid = Some(TurboQuantHybrid {
                tail_length: *tail_length as i64,
                tail_precision: text(tail_precision),
                turbo_bits: *turbo_bits,
            });
            "turbo_quant_hybrid"
        }
    });
    wire
}

fn read_quantization(wire: &WireQuantization<'_>) -> Result<Quantization, ReadFault> {
    let fields =
        (&*wire.kind, &wire.high_precision_tail, &wire.quantized_store, &wire.hybrid, &wire.turbo_quant_hybrid);
    match fields {
        ("high_precision_tail", Some(q), ..) => {
            Ok(Quantization::HighPrecisionTail { tail_length: q.tail_length as u64, precision: name(&q.precision)? })
        }
        ("quantized_store", _, Some(q), ..) => {
            Ok(Quantization::QuantizedStore { precision: name(&q.precision)?, compression_ratio: q.compression_ratio })
        }
        ("hybrid", _, _, Some(q), _) => Ok(Quantization::Hybrid {
            tail_length: q.tail_length as u64,
            tail_precision: name(&q.tail_precision)?,
            store_precision: name(&q.store_precision)?,
        }),
        ("turbo_quant_hybrid", _, _, _, Some(q)) => Ok(Quantization::TurboQuantHybrid {
            tail_length: q.tail_length as u64,
            tail_precision: name(&q.tail_precision)?,
            turbo_bits: q.turbo_bits,
        }),
        _ => Err(ReadFault::Field("quantization")),
    }
}
