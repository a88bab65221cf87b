//! Bodies that concern all tenants.

use super::field::{At, Checked, word};
use crate::engine::decode::wire::{AdapterRelease, Body};
use crate::model::event::BroadcastBody;
use crate::model::kv::{Adapter, Tier};

/// Checks a worker, adapter or tick body; `None` for any other.
pub(super) fn check(body: &Body) -> Checked<Option<BroadcastBody>> {
    Ok(Some(match body {
        Body::WorkerStarted(b) => BroadcastBody::WorkerStarted {
            worker: At::field("worker").name(&b.worker)?,
            worker_epoch: At::field("worker_epoch").count(b.worker_epoch)?,
            endpoint: At::field("endpoint").optional_name(&b.endpoint)?,
            model: At::field("model").optional_name(&b.model)?,
            dp_size: At::field("dp_size").optional(&b.dp_size, |at, v| at.positive_small(*v))?,
        },
        Body::WorkerLost(b) => BroadcastBody::WorkerLost {
            worker: At::field("worker").name(&b.worker)?,
            worker_epoch: At::field("worker_epoch").optional_count(&b.worker_epoch)?,
        },
        Body::WorkerCacheCleared(b) => BroadcastBody::WorkerCacheCleared {
            worker: At::field("worker").name(&b.worker)?,
            worker_epoch: At::field("worker_epoch").count(b.worker_epoch)?,
            tier: At::field("tier").optional(&b.tier, |at, v| word!(at, v, Tier))?,
        },
        Body::AdapterPublished(b) => BroadcastBody::AdapterPublished {
            adapter: adapter(b)?,
            digest: At::field("digest").optional_name(&b.digest)?,
            base_model: At::field("base_model").optional_name(&b.base_model)?,
            uri: At::field("uri").optional_name(&b.uri)?,
        },
        Body::AdapterRetired(b) => BroadcastBody::AdapterRetired { adapter: adapter(b)? },
        Body::Tick(_) => BroadcastBody::Tick,
        _ => return Ok(None),
    }))
}

fn adapter(release: &AdapterRelease) -> Checked<Adapter> {
    Ok(Adapter {
        id: At::field("adapter_id").name(&release.adapter_id)?,
        version: At::field("version").optional_name(&release.version)?,
    })
}
