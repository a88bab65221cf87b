//! What the group tells a worker: partitions come, and partitions go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::fail_points::fail_point;
use super::service::ServiceFault;
use super::shard::Shard;
use crate::kafka::consumer::{Membership, OwnershipListener};
use crate::kafka::member::Member;
use crate::model::position::{Offset, PartitionId};

/// How long a revocation may wait for its commit: less than the other members wait for this one.
const REVOCATION: Duration = Duration::from_secs(5);

/// The shard, shared between the loop and the consumer's callbacks. Both run on the worker's thread: the
/// loop never holds the lock while it polls, and callbacks come only inside a poll.
pub(super) struct SharedShard {
    pub shard: Mutex<Shard>,
    pub fault: Mutex<Option<ServiceFault>>,
    pub left: AtomicBool,
}

impl SharedShard {
    pub fn lock(&self) -> MutexGuard<'_, Shard> {
        self.shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The worker panicked, and its consumer is being closed. What the shard holds may be committed already: whoever is
    /// next restores what is.
    fn is_broken(&self) -> bool {
        self.shard.is_poisoned() || std::thread::panicking()
    }

    /// Nothing goes on after this; the loop is told when it polls no more.
    fn fail(&self, fault: ServiceFault) {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
    }
}

impl OwnershipListener for SharedShard {
    fn assigned(&self, member: &Member, partitions: &[PartitionId]) {
        let mut shard = self.lock();
        let count = shard.shared.board.partition_count;
        // Every record is judged by the number of partitions: with another one nothing may be folded any more.
        match partitions.iter().copied().find(|partition| partition.0 >= count) {
            Some(partition) => self.fail(ServiceFault::PartitionsAdded { partition, count }),
            None => shard.assigned(member, partitions),
        }
    }

    fn revoked(&self, group: Option<&Membership>, partitions: &[PartitionId]) {
        fail_point("during_rebalance");
        let mut shard = self.lock();
        if group.is_some() && !shard.unresolved && !self.is_broken() {
            let until = Instant::now() + REVOCATION;
            let stop = Arc::clone(&shard.shared.stop);
            if let Err(fault) = shard.publish(group, &|| Instant::now() > until || stop.expired()) {
                self.fail(fault);
            }
        }
        shard.forget(partitions);
        if shard.owned.is_empty() {
            self.left.store(true, Ordering::Relaxed);
        }
    }

    fn input_ends(&self, ends: &[(PartitionId, Offset)]) {
        let shard = self.lock();
        for (partition, end) in ends {
            if let Some(owned) = shard.owned.get(partition) {
                owned.slot.set_input_end(*end);
            }
        }
    }

    fn heard(&self, at: Instant) {
        self.lock().owned.values().for_each(|owned| owned.slot.lease.heard(at));
    }
}
