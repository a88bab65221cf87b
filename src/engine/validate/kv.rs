//! KV copies, their identity, location and quantization.

use super::Limits;
use super::field::{At, Checked, word};
use super::prefix;
use crate::engine::decode::wire;
use crate::model::event::KvEvicted;
use crate::model::kv::{Adapter, CacheIdentity, EvictReason, EvictedPlace, KvCopy, Location, Quantization, Tier};
use crate::model::prefix::PrefixUpdate;

pub(super) fn adapter(at: &At<'_>, adapter: &wire::Adapter<wire::Text<'_>>) -> Checked<Adapter> {
    Ok(Adapter { id: at.to("id").name(&adapter.id)?, version: at.to("version").optional_name(&adapter.version)? })
}

pub(super) fn cache(at: &At<'_>, cache: &wire::CacheIdentity<wire::Text<'_>>) -> Checked<CacheIdentity> {
    Ok(CacheIdentity {
        namespace: at.to("namespace").name(&cache.namespace)?,
        adapter: at.to("adapter").optional(&cache.adapter, adapter)?,
        salt_id: at.to("salt_id").optional_name(&cache.salt_id)?,
    })
}

/// Checks a copy, and the chain sent with it.
pub(super) fn copy(
    at: &At<'_>,
    copy: &wire::EventKvCopy<'_>,
    limits: &Limits<'_>,
) -> Checked<(KvCopy, Option<PrefixUpdate>)> {
    let checked = KvCopy {
        tier: word!(at.to("tier"), &copy.tier, Tier)?,
        medium: at.to("medium").optional_name(&copy.medium)?,
        location: location(&at.to("location"), &copy.location)?,
        cached_tokens: at.to("cached_tokens").count(copy.cached_tokens)?,
        kv_bytes: at.to("kv_bytes").optional_count(&copy.kv_bytes)?,
        quantization: quantization(&at.to("quantization"), &copy.quantization)?,
        created_at: at.to("created_at").past(copy.created_at.0, limits.latest)?,
        worker: at.to("worker").optional_name(&copy.worker)?,
        worker_epoch: at.to("worker_epoch").optional_count(&copy.worker_epoch)?,
        dp_rank: at.to("dp_rank").optional_small(&copy.dp_rank)?,
        cache: cache(&at.to("cache"), &copy.cache)?,
    };
    let chain = at.to("prefix").optional(&copy.prefix, prefix::check)?;
    Ok((checked, chain))
}

fn location(at: &At<'_>, location: &wire::Location<wire::Text<'_>>) -> Checked<Location> {
    match (&*location.kind, &location.memory, &location.disk, &location.external) {
        ("memory", Some(v), None, None) => {
            Ok(Location::Memory { offset: at.to("memory").to("offset").count(v.offset)? })
        }
        ("disk", None, Some(v), None) => {
            let at = at.to("disk");
            let path = at.to("path").name(&v.path)?;
            if !is_relative(path.as_str()) {
                return Err(at.to("path").invalid("must be relative and without '..'"));
            }
            Ok(Location::Disk { path, offset: at.to("offset").count(v.offset)? })
        }
        ("external", None, None, Some(v)) => {
            let at = at.to("external");
            Ok(Location::External {
                provider: at.to("provider").name(&v.provider)?,
                instance: at.to("instance").name(&v.instance)?,
                endpoint: at.to("endpoint").optional_name(&v.endpoint)?,
                handle: at.to("handle").optional_name(&v.handle)?,
            })
        }
        ("evicted", None, None, None) => Ok(Location::Evicted),
        _ => Err(at.invalid("must be one of memory, disk, external, evicted, with its own record alone")),
    }
}

/// Relative by the rules of any system that may read it: no root, no drive, no step up.
fn is_relative(path: &str) -> bool {
    let drive = path.as_bytes().get(1) == Some(&b':');
    !path.starts_with(['/', '\\']) && !drive && !path.contains('\0') && path.split(['/', '\\']).all(|step| step != "..")
}

fn quantization(at: &At<'_>, quantization: &wire::Quantization<wire::Text<'_>>) -> Checked<Quantization> {
    let wire::Quantization { kind, high_precision_tail, quantized_store, hybrid, turbo_quant_hybrid } = quantization;
    match (&**kind, high_precision_tail, quantized_store, hybrid, turbo_quant_hybrid) {
        ("high_precision_tail", Some(v), None, None, None) => {
            let at = at.to("high_precision_tail");
            Ok(Quantization::HighPrecisionTail {
                tail_length: at.to("tail_length").count(v.tail_length)?,
                precision: at.to("precision").name(&v.precision)?,
            })
        }
        ("quantized_store", None, Some(v), None, None) => {
            let at = at.to("quantized_store");
            Ok(Quantization::QuantizedStore {
                precision: at.to("precision").name(&v.precision)?,
                compression_ratio: at.to("compression_ratio").above_zero(v.compression_ratio)?,
            })
        }
        ("hybrid", None, None, Some(v), None) => {
            let at = at.to("hybrid");
            Ok(Quantization::Hybrid {
                tail_length: at.to("tail_length").count(v.tail_length)?,
                tail_precision: at.to("tail_precision").name(&v.tail_precision)?,
                store_precision: at.to("store_precision").name(&v.store_precision)?,
            })
        }
        ("turbo_quant_hybrid", None, None, None, Some(v)) => {
            let at = at.to("turbo_quant_hybrid");
            Ok(Quantization::TurboQuantHybrid {
                tail_length: at.to("tail_length").count(v.tail_length)?,
                tail_precision: at.to("tail_precision").name(&v.tail_precision)?,
                turbo_bits: at.to("turbo_bits").above_zero(v.turbo_bits)?,
            })
        }
        _ => Err(at.invalid(
            "must be one of high_precision_tail, quantized_store, hybrid, turbo_quant_hybrid, with its own record alone",
        )),
    }
}

pub(super) fn evicted(evicted: &wire::KvCacheEvicted<'_>) -> Checked<KvEvicted> {
    Ok(KvEvicted {
        place: EvictedPlace {
            worker: At::field("worker").optional_name(&evicted.worker)?,
            instance: At::field("instance").optional_name(&evicted.instance)?,
            worker_epoch: At::field("worker_epoch").optional_count(&evicted.worker_epoch)?,
            dp_rank: At::field("dp_rank").optional_small(&evicted.dp_rank)?,
            tier: At::field("tier").optional(&evicted.tier, |at, v| word!(at, v, Tier))?,
        },
        remaining_tokens: At::field("remaining_tokens").optional_count(&evicted.remaining_tokens)?.unwrap_or(0),
        reason: word!(At::field("reason"), &evicted.reason, EvictReason)?,
    })
}
