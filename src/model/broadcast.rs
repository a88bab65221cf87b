//! Events that concern all tenants.

use super::ids::Name;
use super::kv::{Adapter, Tier};

/// What concerns all tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BroadcastBody {
    /// `worker_started`
    WorkerStarted {
        /// The worker.
        worker: Name,
        /// Its new incarnation.
        worker_epoch: u64,
        /// Where to reach it.
        endpoint: Option<Name>,
        /// The model it serves.
        model: Option<Name>,
        /// Its data-parallel size.
        dp_size: Option<u32>,
    },
    /// `worker_lost`
    WorkerLost {
        /// The worker.
        worker: Name,
        /// The incarnation that was lost; absent: all so far.
        worker_epoch: Option<u64>,
    },
    /// `worker_cache_cleared`
    WorkerCacheCleared {
        /// The worker.
        worker: Name,
        /// Its incarnation.
        worker_epoch: u64,
        /// Only this tier; absent: all.
        tier: Option<Tier>,
    },
    /// `adapter_published`
    AdapterPublished {
        /// The adapter.
        adapter: Adapter,
        /// Digest of its content.
        digest: Option<Name>,
        /// The model it fits.
        base_model: Option<Name>,
        /// Where to load it from.
        uri: Option<Name>,
    },
    /// `adapter_retired`
    AdapterRetired {
        /// The adapter; without a version all versions.
        adapter: Adapter,
    },
    /// `tick`: time passes.
    Tick,
}
