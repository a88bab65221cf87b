//! What is known of workers, as told by broadcasts and, apart from that, by each tenant's own events.
//! Decides whether a copy on a worker is still there. One tenant's word never touches another's KV.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::model::bookkeeping::{WorkerRow, WorkerStart};
use crate::model::event::BroadcastBody;
use crate::model::ids::{Name, TenantId};
use crate::model::kv::{KvCopy, Tier};
use crate::model::stamp::Stamp;
use crate::model::time::EventTime;

/// The worker table of a partition.
#[derive(Debug, Default)]
pub struct Workers {
    rows: HashMap<Name, Rows>,
}

/// What is known of one worker.
#[derive(Debug, Default)]
struct Rows {
    /// As broadcasts told.
    of_all: Option<WorkerRow>,
    /// As each tenant's own events told it.
    of_tenants: HashMap<TenantId, WorkerRow>,
}

impl Rows {
    fn get(&self, tenant: Option<&TenantId>) -> Option<&WorkerRow> {
        match tenant {
            Some(tenant) => self.of_tenants.get(tenant),
            None => self.of_all.as_ref(),
        }
    }

    fn entry(&mut self, tenant: Option<&TenantId>) -> &mut WorkerRow {
        match tenant {
            Some(tenant) => self.of_tenants.entry(tenant.clone()).or_default(),
            None => self.of_all.get_or_insert_default(),
        }
    }
}

impl Workers {
    /// One row; without a tenant, what broadcasts told.
    pub fn row(&self, worker: &Name, tenant: Option<&TenantId>) -> Option<&WorkerRow> {
        self.rows.get(worker)?.get(tenant)
    }

    /// Puts a row back (restore).
    pub fn put(&mut self, worker: Name, tenant: Option<TenantId>, row: WorkerRow) {
        *self.rows.entry(worker).or_default().entry(tenant.as_ref()) = row;
    }

    /// All rows of one tenant go (erasure). Returns the workers concerned, by name.
    pub fn forget_tenant(&mut self, tenant: &TenantId) -> Vec<Name> {
        let concerned = |(worker, rows): (&Name, &mut Rows)| rows.of_tenants.remove(tenant).map(|_| worker.clone());
        let mut workers: Vec<Name> = self.rows.iter_mut().filter_map(concerned).collect();
        self.rows.retain(|_, rows| rows.of_all.is_some() || !rows.of_tenants.is_empty());
        workers.sort_unstable();
        workers
    }

    /// Joins what a broadcast says of a worker. Returns whether its row changed; other broadcasts change none.
    pub fn join(&mut self, stamp: &Arc<Stamp>, body: &BroadcastBody) -> bool {
        match body {
            BroadcastBody::WorkerStarted { worker, worker_epoch, endpoint, model, dp_size } => {
                let start = WorkerStart {
                    epoch: *worker_epoch,
                    stamp: Arc::clone(stamp),
                    endpoint: endpoint.clone(),
                    model: model.clone(),
                    dp_size: *dp_size,
                };
                self.change(worker, None, |row| {
                    row.epoch = row.epoch.max(Some(start.epoch));
                    if row.started.as_ref().is_none_or(|held| (held.epoch, &held.stamp) < (start.epoch, stamp)) {
                        row.started = Some(start);
                    }
                })
            }
            BroadcastBody::WorkerLost { worker, worker_epoch } => self.change(worker, None, |row| {
                row.epoch = row.epoch.max(*worker_epoch);
                row.lost_epoch = row.lost_epoch.max(*worker_epoch);
                row.lost_at = row.lost_at.max(Some(stamp.at));
                if worker_epoch.is_none() {
                    row.lost_all_at = row.lost_all_at.max(Some(stamp.at));
                }
            }),
            BroadcastBody::WorkerCacheCleared { worker, worker_epoch, tier } => self.change(worker, None, |row| {
                row.epoch = row.epoch.max(Some(*worker_epoch));
                let held = row.cleared.entry(*tier).or_insert((stamp.at, *worker_epoch));
                *held = (*held).max((stamp.at, *worker_epoch));
            }),
            BroadcastBody::AdapterPublished { .. } | BroadcastBody::AdapterRetired { .. } | BroadcastBody::Tick => {
                false
            }
        }
    }

    /// Joins an epoch that a tenant's own event mentioned. Returns whether the tenant's row changed.
    pub fn see_epoch(&mut self, worker: &Name, tenant: &TenantId, epoch: u64) -> bool {
        self.change(worker, Some(tenant), |row| row.epoch = row.epoch.max(Some(epoch)))
    }

    fn change(&mut self, worker: &Name, tenant: Option<&TenantId>, change: impl FnOnce(&mut WorkerRow)) -> bool {
        let row = self.rows.entry_ref(worker).or_default().entry(tenant);
        let before = row.clone();
        change(row);
        *row != before
    }

    /// Whether a copy's worker still holds it, as far as this tenant may know. A worker that was never
    /// announced is alive; an external copy outlives its worker.
    pub fn holds(&self, tenant: &TenantId, copy: &KvCopy) -> bool {
        let Some(worker) = copy.worker.as_ref().filter(|_| !copy.is_external()) else { return true };
        let dead = |row: &WorkerRow| is_dead(row, copy.worker_epoch, copy.created_at, copy.tier);
        self.rows
            .get(worker)
            .is_none_or(|rows| !rows.get(None).is_some_and(dead) && !rows.get(Some(tenant)).is_some_and(dead))
    }

    /// Where to reach a worker, as its newest start said.
    pub fn endpoint(&self, worker: &Name) -> Option<&Name> {
        self.row(worker, None)?.started.as_ref()?.endpoint.as_ref()
    }
}

fn is_dead(row: &WorkerRow, epoch: Option<u64>, created_at: EventTime, tier: Tier) -> bool {
    let after = |at: Option<EventTime>| at.is_some_and(|at| at > created_at);
    let cleared = |of: Option<Tier>| {
        row.cleared.get(&of).is_some_and(|(at, cleared)| *at > created_at && epoch.is_none_or(|e| e <= *cleared))
    };
    if cleared(None) || cleared(Some(tier)) {
        return true;
    }
    match epoch {
        None => after(row.lost_at),
        Some(epoch) => {
            row.epoch.is_some_and(|newest| epoch < newest)
                || row.lost_epoch.is_some_and(|lost| epoch <= lost)
                || after(row.lost_all_at)
        }
    }
}
