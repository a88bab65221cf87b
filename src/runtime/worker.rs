//! A worker's loop: poll, fold, publish, and leave cleanly. One thread, one consumer, one producer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::message::BorrowedMessage;

use super::last_words::{End, LastWords};
use super::ownership::SharedShard;
use super::rejoin::{Gone, Rejoin};
use super::restorer;
use super::retry::Producers;
use super::service::ServiceFault;
use super::shard::{Fetching, Shard, Shared};
use crate::engine::AHEAD;
use crate::kafka::consumer::{GroupConsumer, PollFault};
use crate::model::position::{Offset, PartitionId};

/// Longest poll, so that a request to stop is noticed.
const IDLE_POLL: Duration = Duration::from_millis(100);
/// Longest poll while a partition is being restored.
const BUSY_POLL: Duration = Duration::from_millis(5);
/// How long a worker that is to join anew may take to give its partitions back, and then to leave.
const GIVE_BACK: Duration = Duration::from_secs(10);
const LEAVING: Duration = Duration::from_secs(1);

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

/// Runs worker `number` until it is told to stop. Returns when its partitions are given back and its clients are
/// closed; of a fault it tells by `ended` at once.
pub(super) fn run(
    shared: &Arc<Shared>,
    number: usize,
    max_message_bytes: usize,
    ended: &mpsc::Sender<End>,
) -> Result<(), ServiceFault> {
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
        let member = settings.kafka.member(number);
        let join = || GroupConsumer::new(&settings.kafka, &settings.topics.events, &member, Arc::clone(&shared_shard));
        let mut rejoin = Rejoin::default();
        loop {
            let (shared, shard) = (Arc::clone(shared), Arc::clone(&shared_shard));
            let worker = Worker { shared, number, consumer: join()?, shard };
            // Dropped before the worker, and with it the client, is.
            let last_words = LastWords { number, ended };
            let Some(gone) = worker.work().inspect_err(|fault| last_words.of(fault))? else {
                if worker.leave()? {
                    stop.note_left(number);
                }
                return Ok(());
            };
            if matches!(gone, Gone::Asked) {
                // Whoever owns nothing is not told when it has left, and closing the client would cut that short.
                worker.give_back(Some(Instant::now() + GIVE_BACK));
                worker.consumer.poll(LEAVING);
            }
            drop(worker);
            // Whatever it was not told of: nothing is owned without a membership.
            let mut shard = shared_shard.lock();
            let owned: Vec<_> = shard.owned.keys().copied().collect();
            shard.forget(&owned);
            drop(shard);
            rejoin.after(gone, &member).inspect_err(|fault| last_words.of(fault))?;
        }
    })
}

/// Why no more messages were gathered.
enum Pause {
    /// There may be more.
    Full,
    /// There was no other.
    Nothing,
    Fault(PollFault),
}

struct Worker {
    shared: Arc<Shared>,
    number: usize,
    consumer: Consumer,
    shard: Arc<SharedShard>,
}

impl Worker {
    /// Works until it is told to stop, or its client is of no more use.
    fn work(&self) -> Result<Option<Gone>, ServiceFault> {
        let mut timeout = IDLE_POLL;
        while !self.shared.stop.requested() {
            if self.shared.rejoin.take(self.number) {
                return Ok(Some(Gone::Asked));
            }
            match self.turn(timeout)? {
                Ok(wait) => timeout = wait,
                Err(gone) => return Ok(Some(gone)),
            }
        }
        Ok(None)
    }

    /// One round of polls and what follows from it; how long the next may wait.
    fn turn(&self, timeout: Duration) -> Result<Result<Duration, Gone>, ServiceFault> {
        let (messages, end) = self.gather(timeout);
        let mut shard = self.shard.lock();
        if let Some(fault) = self.shard.fault.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(fault);
        }
        self.settle(&mut shard)?;
        shard.look_ahead(&messages);
        // Until the last of them is taken no partition may be moved back, or its rest would follow upon a gap.
        for message in &messages {
            match shard.hold {
                None => shard.take(&self.consumer, message),
                // Fetched before the pause took effect. The consumer stands behind it now: it must be moved back.
                Some(_) => shard.put_off(&self.consumer, PartitionId(message.partition())),
            }
            self.publish_when_due(&mut shard, true)?;
        }
        let more = match end {
            Pause::Full => true,
            Pause::Nothing => false,
            Pause::Fault(fault) => match Gone::of(fault) {
                Ok(gone) => return Ok(Err(gone)),
                Err(fault) => {
                    self.poll_failed(&mut shard, fault)?;
                    true
                }
            },
        };
        if messages.is_empty() && !more && self.consumer.has_joined() {
            shard.note_joined();
        }
        let wait = self.publish_when_due(&mut shard, more)?;
        let held = shard.hold.is_some();
        shard.tend(&self.consumer, held);
        shard.tick();
        Ok(Ok(if more && shard.filling.records > 0 { Duration::ZERO } else { wait }))
    }

    /// What there is without waiting, once there is something; no more than the batch has room for.
    fn gather(&self, timeout: Duration) -> (Vec<BorrowedMessage<'_>>, Pause) {
        let room = self.shard.lock().room().clamp(1, AHEAD);
        let mut messages = Vec::with_capacity(room);
        let mut timeout = timeout;
        while messages.len() < room {
            match self.consumer.poll(std::mem::take(&mut timeout)) {
                Some(Ok(message)) => messages.push(message),
                Some(Err(fault)) => return (messages, Pause::Fault(fault)),
                None => return (messages, Pause::Nothing),
            }
        }
        (messages, Pause::Full)
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
        Ok(Duration::ZERO)
    }

    /// Finds out an open fate and tells the consumer what to fetch.
    fn settle(&self, shard: &mut Shard) -> Result<(), ServiceFault> {
        shard.note_disturbed();
        if shard.unresolved {
            let committed = |partitions: &[PartitionId]| {
                let answer = self.consumer.committed(partitions, Duration::from_secs(2));
                answer.inspect_err(|error| tracing::warn!(%error, "committed offsets")).ok()
            };
            shard.resolve(&committed, &|| self.shared.stop.expired())?;
        }
        shard.end_what_restores_wait_for(&|| self.shared.stop.expired())?;
        shard.steer(&self.consumer);
        Ok(())
    }

    fn poll_failed(&self, shard: &mut Shard, fault: PollFault) -> Result<(), ServiceFault> {
        match fault {
            PollFault::Fatal(cause)
            | PollFault::Fenced(cause)
            | PollFault::Unreleased(cause)
            | PollFault::Refused(cause) => Err(ServiceFault::Consumer(cause)),
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

    /// Commits what is pending, then gives the partitions back; whether it came to that.
    fn leave(&self) -> Result<bool, ServiceFault> {
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
            return Ok(true);
        }
        Ok(self.give_back(None))
    }

    /// Leaves the group; whether the partitions were given back before the deadline, and before the process must end.
    fn give_back(&self, deadline: Option<Instant>) -> bool {
        self.shard.left.store(self.shard.lock().owned.is_empty(), Ordering::Relaxed);
        // Just dropping a static member would leave its partitions without an owner for the session timeout.
        self.consumer.unsubscribe();
        let waits = || !self.shared.stop.expired() && deadline.is_none_or(|deadline| Instant::now() < deadline);
        while !self.shard.left.load(Ordering::Relaxed) && waits() {
            self.consumer.poll(Duration::from_millis(10));
        }
        self.shard.left.load(Ordering::Relaxed)
    }
}
