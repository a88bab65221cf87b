//! The tenants of a partition, and which of them are its guests: their home is another partition, by the hash of their id,
//! but some of their events are written to this one (`tenant#n`, or a partitioner of the producers' own).

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;

use crate::engine::store::Tenant;
use crate::engine::validate::home_partition;
use crate::model::ids::TenantId;
use crate::model::position::PartitionId;

/// The guests of a partition, to be looked up without waiting for its engine.
#[derive(Debug, Default)]
pub struct Guests {
    held: RwLock<BTreeSet<TenantId>>,
    changes: AtomicU64,
}

impl Guests {
    /// Whether a tenant is one.
    pub fn contain(&self, tenant: &TenantId) -> bool {
        self.held.read().unwrap_or_else(PoisonError::into_inner).contains(tenant)
    }

    /// All of them, in order, if they are no more than so many.
    pub fn names(&self, most: usize) -> Option<Vec<String>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        (held.len() <= most).then(|| held.iter().map(|tenant| tenant.as_str().to_owned()).collect())
    }

    /// Another number says that they may be others by now.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    fn change(&self, change: impl FnOnce(&mut BTreeSet<TenantId>)) {
        change(&mut self.held.write().unwrap_or_else(PoisonError::into_inner));
        self.changes.fetch_add(1, Ordering::Release);
    }
}

/// The tenants of a partition by id.
#[derive(Debug, Default)]
pub struct Tenants {
    by_id: HashMap<TenantId, Tenant>,
    guests: Arc<Guests>,
    partition: PartitionId,
    partition_count: i32,
}

impl Tenants {
    /// None yet, of one of so many partitions.
    pub fn of(partition: PartitionId, partition_count: i32) -> Tenants {
        Tenants { partition, partition_count, ..Tenants::default() }
    }

    /// Those whose home is elsewhere.
    pub fn guests(&self) -> &Arc<Guests> {
        &self.guests
    }

    /// One that is held.
    pub fn get_mut(&mut self, tenant: &TenantId) -> Option<&mut Tenant> {
        self.by_id.get_mut(tenant)
    }

    /// All that are held, with their ids.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&TenantId, &mut Tenant)> {
        self.by_id.iter_mut()
    }

    /// All that are held.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Tenant> {
        self.by_id.values_mut()
    }

    /// One that is held from here on.
    pub fn hold(&mut self, tenant: &TenantId) -> &mut Tenant {
        match self.by_id.entry_ref(tenant) {
            EntryRef::Occupied(held) => held.into_mut(),
            EntryRef::Vacant(place) => {
                if home_partition(tenant.as_str().as_bytes(), self.partition_count) != self.partition {
                    self.guests.change(|guests| _ = guests.insert(tenant.clone()));
                }
                place.insert(Tenant::default())
            }
        }
    }

    /// Drops one if it holds nothing any more.
    pub fn drop_if_empty(&mut self, tenant: &TenantId) {
        if self.by_id.get(tenant).is_some_and(Tenant::is_empty) {
            self.by_id.remove(tenant);
            if self.guests.contain(tenant) {
                self.guests.change(|guests| _ = guests.remove(tenant));
            }
        }
    }

    /// Drops all that hold nothing.
    pub fn drop_empty(&mut self) {
        self.by_id.retain(|_, tenant| !tenant.is_empty());
        let held = &self.by_id;
        self.guests.change(|guests| guests.retain(|guest| held.contains_key(guest)));
    }
}

impl Deref for Tenants {
    type Target = HashMap<TenantId, Tenant>;

    fn deref(&self) -> &HashMap<TenantId, Tenant> {
        &self.by_id
    }
}
