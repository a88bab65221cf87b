//! A worker's loop: poll, fold, publish, and leave cleanly. One thread, one consumer, one producer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use rdkafka::Message;

use super::fail_points::fail_point;
use super::rejoin::{Gone, Rejoin};
use super::restorer;
use super::retry::Producers;
use super::service::ServiceFault;
use super::shard::{Fetching, Shard, Shared};
use crate::kafka::consumer::{GroupConsumer, Membership, OwnershipListener, PollFault};
use crate::model::position::{Offset, PartitionId};

/// Longest poll, so that a request to stop is noticed.
const IDLE_POLL: Duration = Duration::from_millis(100);
/// Longest poll while a partition is being restored.
const BUSY_POLL: Duration = Duration::from_millis(5);
/// How long a revocation may wait for its commit: less than the other members wait for this one.
const REVOCATION: Duration = Duration::from_secs(5);

/// The shard, shared between the loop and the consumer's callbacks. Both run on the worker's thread: the
/// loop never holds the lock while it polls, and callbacks come only inside a poll.
struct SharedShard {
    shard: Mutex<Shard>,
    fault: Mutex<Option<ServiceFault>>,
    left: AtomicBool,
}

impl SharedShard {
    fn lock(&self) -> MutexGuard<'_, Shard> {
        self.shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing goes on after this; the loop is told when it polls no more.
    fn fail(&self, fault: ServiceFault) {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
    }
}

impl OwnershipListener for SharedShard {
    fn assigned(&self, member_id: &str, partitions: &[PartitionId]) {
        let mut shard = self.lock();
        let count = shard.shared.board.partition_count;
        // Every record is judged by the number of partitions: with another one nothing may be folded any more.
        match partitions.iter().copied().find(|partition| partition.0 >= count) {
            Some(partition) => self.fail(ServiceFault::PartitionsAdded { partition, count }),
            None => shard.assigned(member_id, partitions),
        }
    }

    fn revoked(&self, group: Option<&Membership>, partitions: &[PartitionId]) {
        fail_point("during_rebalance");
        let mut shard = self.lock();
        if group.is_some() && !shard.unresolved {
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
}

type Consumer = GroupConsumer<SharedShard>;

impl Fetching for Consumer {
    fn pause(&self, partitions: &[PartitionId]) {
        if let Err(error) = Consumer::pause(self, partitions) {
            tracing::warn!(%error, "pause");
        }
    }

    fn resume(&self, partitions: &[PartitionId]) {
        if let Err(error) = Consumer::resume(self, partitions) {
            tracing::warn!(%error, "resume");
        }
    }

    fn seek(&self, partition: PartitionId, offset: Offset) -> bool {
        // Not yet possible right after an assignment.
        Consumer::seek(self, partition, offset)
            .inspect_err(|error| tracing::debug!(partition = partition.0, %error, "seek"))
            .is_ok()
    }
}

/// Runs worker `number` until it is told to stop. Returns when its partitions are given back.
pub(super) fn run(shared: &Arc<Shared>, number: usize, max_message_bytes: usize) -> Result<(), ServiceFault> {
    let (settings, stop) = (&shared.settings, &shared.stop);
    let id = format!("{}-{number}", settings.kafka.transactional_id);
    let mut producers = Producers::new(&settings.kafka, id, max_message_bytes);
    // Before anything is read: what an earlier life of this worker left open is settled now.
    match producers.replace(&|| stop.requested()) {
        Err(ServiceFault::GaveUp) => return Ok(()),
        other => other?,
    }
    let (job_sender, jobs) = mpsc::channel();
    let (done_sender, done) = mpsc::channel();
    std::thread::scope(|scope| {
        let restorer = || restorer::run(settings, shared.board.partition_count, jobs, done_sender);
        std::thread::Builder::new()
            .name(format!("restorer-{number}"))
            .spawn_scoped(scope, restorer)
            .map_err(|e| ServiceFault::Thread(e.to_string()))?;
        // The shard, and with it the sender of the jobs, must be gone before the scope waits for the thread.
        let shard = Mutex::new(Shard::new(Arc::clone(shared), producers, job_sender, done));
        let shared_shard = Arc::new(SharedShard { shard, fault: Mutex::default(), left: AtomicBool::new(false) });
        let member = format!("{}-{number}", settings.kafka.instance_id);
        let join = || GroupConsumer::new(&settings.kafka, &settings.topics.events, &member, Arc::clone(&shared_shard));
        let mut rejoin = Rejoin::default();
        loop {
            let worker = Worker { shared: Arc::clone(shared), consumer: join()?, shard: Arc::clone(&shared_shard) };
            let Some(gone) = worker.work()? else { return worker.leave() };
            drop(worker);
            // Whatever it was not told of: nothing is owned without a membership.
            let mut shard = shared_shard.lock();
            let owned: Vec<_> = shard.owned.keys().copied().collect();
            shard.forget(&owned);
            drop(shard);
            rejoin.after(gone, &member)?;
        }
    })
}

struct Worker {
    shared: Arc<Shared>,
    consumer: Consumer,
    shard: Arc<SharedShard>,
}

impl Worker {
    /// Works until it is told to stop, or its client is of no more use.
    fn work(&self) -> Result<Option<Gone>, ServiceFault> {
        let mut timeout = IDLE_POLL;
        while !self.shared.stop.requested() {
            match self.turn(timeout)? {
                Ok(wait) => timeout = wait,
                Err(gone) => return Ok(Some(gone)),
            }
        }
        Ok(None)
    }

    /// One poll and what follows from it; how long the next may wait.
    fn turn(&self, timeout: Duration) -> Result<Result<Duration, Gone>, ServiceFault> {
        let polled = self.consumer.poll(timeout);
        let mut shard = self.shard.lock();
        if let Some(fault) = self.shard.fault.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(fault);
        }
        self.settle(&mut shard)?;
        let more = polled.is_some();
        match polled {
            Some(Ok(message)) if shard.hold.is_none() => shard.take(&self.consumer, &message),
            // Fetched before the pause took effect. The consumer stands behind it now: it must be moved back.
            Some(Ok(message)) => shard.put_off(&self.consumer, PartitionId(message.partition())),
            Some(Err(PollFault::Fenced(cause))) => return Ok(Err(Gone::Fenced(cause))),
            Some(Err(PollFault::Unreleased(cause))) => return Ok(Err(Gone::Unreleased(cause))),
            Some(Err(fault)) => self.poll_failed(&mut shard, fault)?,
            None => {
                self.tend(&mut shard);
                if self.consumer.has_joined() {
                    shard.note_joined();
                }
            }
        }
        let wait = self.publish_when_due(&mut shard, more)?;
        Ok(Ok(if more && shard.filling.records > 0 { Duration::ZERO } else { wait }))
    }

    fn publish_when_due(&self, shard: &mut Shard, more: bool) -> Result<Duration, ServiceFault> {
        let now = Instant::now();
        let longest = if shard.is_unsettled() { BUSY_POLL } else { IDLE_POLL };
        let wait = match shard.hold {
            Some(hold) => hold.until.saturating_duration_since(now),
            None => shard.pacing.wait(&shard.filling, more, now),
        };
        if !wait.is_zero() {
            return Ok(wait.min(longest));
        }
        let group = self.consumer.membership();
        shard.publish(group.as_ref(), &|| self.shared.stop.expired())?;
        self.settle(shard)?;
        // Here too, or a partition that is never short of records would keep the others waiting.
        self.tend(shard);
        Ok(Duration::ZERO)
    }

    fn tend(&self, shard: &mut Shard) {
        let held = shard.hold.is_some();
        shard.tend(&self.consumer, held);
    }

    /// Finds out an open fate and tells the consumer what to fetch.
    fn settle(&self, shard: &mut Shard) -> Result<(), ServiceFault> {
        if shard.unresolved {
            let committed = |partitions: &[PartitionId]| {
                let answer = self.consumer.committed(partitions, Duration::from_secs(2));
                answer.inspect_err(|error| tracing::warn!(%error, "committed offsets")).ok()
            };
            shard.resolve(&committed, &|| self.shared.stop.expired())?;
        }
        shard.steer(&self.consumer);
        Ok(())
    }

    fn poll_failed(&self, shard: &mut Shard, fault: PollFault) -> Result<(), ServiceFault> {
        match fault {
            PollFault::Fatal(cause) | PollFault::Fenced(cause) | PollFault::Unreleased(cause) => {
                Err(ServiceFault::Consumer(cause))
            }
            PollFault::OutOfRange(cause) => {
                // The error does not say of which partition; the restore of each finds out.
                for partition in shard.fetching() {
                    let Ok((low, _)) = self.consumer.watermarks(partition, Duration::from_secs(2)) else { continue };
                    let next = shard.owned.get_mut(&partition).and_then(|o| o.folding()).map(|f| f.next);
                    if next.is_some_and(|next| next < low) {
                        Fetching::pause(&self.consumer, &[partition]);
                        shard.fail(partition, cause.clone(), true);
                    }
                }
                Ok(())
            }
            PollFault::Transient(cause) => {
                tracing::warn!(%cause, "poll");
                Ok(())
            }
        }
    }

    /// Commits what is pending, then gives the partitions back.
    fn leave(self) -> Result<(), ServiceFault> {
        let stop = &self.shared.stop;
        loop {
            let mut shard = self.shard.lock();
            self.settle(&mut shard)?;
            if shard.filling.records == 0 {
                break;
            }
            let group = self.consumer.membership();
            shard.publish(group.as_ref(), &|| stop.expired())?;
            self.settle(&mut shard)?;
            let pause = shard.hold.map_or(Duration::ZERO, |h| h.until.saturating_duration_since(Instant::now()));
            drop(shard);
            if stop.expired() {
                return Err(ServiceFault::GaveUp);
            }
            // Ownership may have changed; what was fetched meanwhile comes again to the next owner.
            self.consumer.poll(pause);
        }
        if self.shared.settings.keep_membership {
            return Ok(());
        }
        self.shard.left.store(self.shard.lock().owned.is_empty(), Ordering::Relaxed);
        // Just dropping a static member would leave its partitions without an owner for the session timeout.
        self.consumer.unsubscribe();
        while !self.shard.left.load(Ordering::Relaxed) && !stop.expired() {
            self.consumer.poll(Duration::from_millis(10));
        }
        Ok(())
    }
}
