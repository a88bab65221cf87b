//! Publishes a worker's batch in one transaction, and finds out what became of it. Effects are dropped only
//! when their commit is known, or when the partition is not owned any more.

use std::time::{Duration, Instant};

use super::fail_points::fail_point;
use super::owned::Owned;
use super::service::ServiceFault;
use super::shard::{Fetching, Shard};
use crate::engine::Effects;
use crate::kafka::consumer::{Membership, offsets};
use crate::kafka::producer::{DeliveryFault, TransactionFault, TransactionalProducer};
use crate::model::position::{Offset, PartitionId};
use crate::telemetry::{TransactionResult, wall_clock};

/// First and longest pause before an aborted batch is published again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(5));

/// A batch that could not be published yet. Nothing is fetched until it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    /// When to try again.
    pub until: Instant,
    backoff: Duration,
    /// Whether the consumer was told.
    paused: bool,
}

/// Asks for the group's offsets; `None`: no answer this time.
pub(super) type CommittedOffsets<'a> = &'a dyn Fn(&[PartitionId]) -> Option<Vec<(PartitionId, Option<Offset>)>>;

enum Fault {
    Undelivered(Vec<DeliveryFault>),
    Transaction(TransactionFault),
}

impl From<TransactionFault> for Fault {
    fn from(fault: TransactionFault) -> Fault {
        Fault::Transaction(fault)
    }
}

impl Shard {
    /// Publishes what is pending, once. On return the batch is committed, or held, or its fate is open.
    /// `group` must be fresh: no poll since it was taken.
    pub fn publish(&mut self, group: Option<&Membership>, give_up: &dyn Fn() -> bool) -> Result<(), ServiceFault> {
        self.drop_what_others_own(group);
        let parts = self.seal();
        if parts.is_empty() {
            self.hold_is_over();
            return Ok(());
        }
        let begun = Instant::now();
        let outcome = match self.producers.current() {
            Some(producer) => self.attempt(producer, &parts, group, give_up),
            None => {
                self.unresolved = true;
                return Ok(());
            }
        };
        let result = match outcome {
            Ok(()) => {
                self.committed(&parts);
                self.hold_is_over();
                TransactionResult::Committed
            }
            Err(Fault::Transaction(TransactionFault::Abortable(cause))) => self.abort(&cause, begun, give_up)?,
            Err(Fault::Transaction(fault)) => self.open_fate(fault, begun)?,
            Err(Fault::Undelivered(faults)) => self.undelivered(&faults, begun, give_up)?,
        };
        self.shared.metrics.transaction(result, begun.elapsed());
        self.note_disturbed();
        Ok(())
    }

    /// Effects of an earlier membership go: somebody else may own their partitions. The group can drop a member that
    /// joins again without a word of it to us; it is a member then, and what it commits for any partition is taken.
    fn drop_what_others_own(&mut self, group: Option<&Membership>) {
        let Some(Membership { member_id, .. }) = group.filter(|group| !group.member_id.is_empty()) else { return };
        for partition in self.owned.keys().copied().collect::<Vec<_>>() {
            let Some(owned) = self.owned.get_mut(&partition).filter(|owned| owned.member_id != *member_id) else {
                continue;
            };
            owned.member_id.clone_from(member_id);
            // What is being restored for the earlier membership comes too late.
            owned.generation = 0;
            self.to_pause.push(partition);
            // Restored after a pause, if it is not revoked until then.
            self.fail(partition, "the group dropped this member, and it joined again".to_owned(), true);
        }
    }

    /// Writes the checkpoint of every partition that has something to publish.
    fn seal(&mut self) -> Vec<PartitionId> {
        let mut parts = Vec::new();
        for (&partition, owned) in &mut self.owned {
            let Some(folding) = owned.folding() else { continue };
            if folding.part.is_empty() {
                continue;
            }
            if !std::mem::replace(&mut folding.part.sealed, true) {
                super::board::write(&folding.engine).seal(folding.next, &mut folding.part.effects);
            }
            parts.push(partition);
        }
        parts
    }

    fn attempt(
        &self,
        producer: &TransactionalProducer,
        parts: &[PartitionId],
        group: Option<&Membership>,
        give_up: &dyn Fn() -> bool,
    ) -> Result<(), Fault> {
        fail_point("before_begin");
        producer.begin()?;
        let mut scratch = Vec::new();
        for (partition, effects, _) in self.pending(parts) {
            for record in effects.records() {
                let outgoing = self.shared.framing.outgoing(partition, record, &mut scratch);
                if let Some(fault) = producer.send(outgoing, give_up)? {
                    return Err(Fault::Undelivered(vec![fault]));
                }
            }
        }
        let undelivered = producer.drain(give_up)?;
        if !undelivered.is_empty() {
            return Err(Fault::Undelivered(undelivered));
        }
        let group = group.ok_or_else(|| TransactionFault::Abortable("not a member of the group".to_owned()))?;
        fail_point("before_send_offsets");
        let input = &self.shared.settings.topics.events;
        let next = offsets(input, self.pending(parts).map(|(partition, _, next)| (partition, next)));
        producer.send_offsets(&next, &group.metadata, give_up).inspect_err(|_| self.doubt())?;
        fail_point("before_commit");
        if producer.disturbed() {
            // The one before may have been forgotten, and would now be decided as this one.
            return Err(TransactionFault::Abortable("the connection was disturbed".to_owned()).into());
        }
        producer.commit(give_up)?;
        fail_point("after_commit");
        Ok(())
    }

    fn pending<'a>(
        &'a self,
        parts: &'a [PartitionId],
    ) -> impl Iterator<Item = (PartitionId, &'a Effects, Offset)> + 'a {
        let folding = |owned: &'a Owned| match &owned.state {
            super::owned::State::Folding(folding) => Some(folding),
            _ => None,
        };
        parts.iter().filter_map(move |partition| {
            let folding = folding(self.owned.get(partition)?)?;
            Some((*partition, &folding.part.effects, folding.next))
        })
    }

    /// Counts what was committed and forgets it.
    fn committed(&mut self, parts: &[PartitionId]) {
        let now = wall_clock().0;
        let mut records = 0;
        for partition in parts {
            let Some(owned) = self.owned.get_mut(partition) else { continue };
            owned.failures = 0;
            let slot = std::sync::Arc::clone(&owned.slot);
            let Some(folding) = owned.folding() else { continue };
            let metrics = &self.shared.metrics;
            records += folding.part.verdicts.len();
            let mut slowest: Option<f64> = None;
            for (verdict, timestamp) in &folding.part.verdicts {
                metrics.record(verdict);
                // Records that others published long ago say nothing of how quick this is.
                if let Some(at) = timestamp.filter(|_| folding.rebuild.is_none()) {
                    let ms = (now - at.0) as f64;
                    metrics.event_to_commit(ms / 1000.0);
                    slowest = Some(slowest.map_or(ms, |s| s.max(ms)));
                }
            }
            for notice in &folding.part.effects.notices {
                metrics.notice(notice);
            }
            slot.note(&folding.part.effects.notices);
            for record in folding.part.effects.stream() {
                self.shared.board.feed.published(record, slowest);
            }
            folding.committed = Some(folding.next);
            slot.set_next_offset(folding.next);
            folding.part.clear();
        }
        self.shared.metrics.batch(records);
        self.pacing.committed(records, Instant::now());
        self.refill();
    }

    /// Aborts and holds the batch; no state rolls back, since nothing outside saw it.
    fn abort(
        &mut self,
        cause: &str,
        begun: Instant,
        give_up: &dyn Fn() -> bool,
    ) -> Result<TransactionResult, ServiceFault> {
        tracing::warn!(cause, "transaction aborted; the batch will be published again");
        let aborted = self.producers.current().map_or(Ok(()), |producer| producer.abort(give_up));
        if let Err(fault) = aborted {
            return self.open_fate(fault, begun);
        }
        let backoff = self.hold.map_or(BACKOFF.0, |hold| (hold.backoff * 2).min(BACKOFF.1));
        let paused = self.hold.is_some_and(|hold| hold.paused);
        self.hold = Some(Hold { until: Instant::now() + backoff, backoff, paused });
        Ok(TransactionResult::Aborted)
    }

    /// The producer is of no more use: what became of the transaction has to be read back.
    fn open_fate(&mut self, fault: TransactionFault, begun: Instant) -> Result<TransactionResult, ServiceFault> {
        tracing::warn!(%fault, "the fate of a transaction is open");
        self.unresolved = true;
        if let TransactionFault::Fenced(cause) = fault {
            self.doubt();
            self.producers.note_fenced(&cause, begun.elapsed())?;
            return Ok(TransactionResult::Fenced);
        }
        Ok(TransactionResult::Unknown)
    }

    /// Stops the partitions whose records can never be delivered; the others' are published again.
    fn undelivered(
        &mut self,
        faults: &[DeliveryFault],
        begun: Instant,
        give_up: &dyn Fn() -> bool,
    ) -> Result<TransactionResult, ServiceFault> {
        let cause = faults.first().map_or_else(String::new, |f| format!("{}: {}", f.topic, f.cause));
        let mut result = self.abort(&cause, begun, give_up)?;
        for fault in faults.iter().filter(|fault| fault.permanent) {
            result = TransactionResult::Failed;
            self.to_pause.push(fault.partition);
            self.fail(fault.partition, format!("cannot publish to {}: {}", fault.topic, fault.cause), true);
        }
        Ok(result)
    }

    fn hold_is_over(&mut self) {
        if let Some(hold) = self.hold.take() {
            self.to_resume = hold.paused;
        }
    }

    /// Where the connection was disturbed, the last transaction may be forgotten even if its commit was acknowledged.
    pub fn note_disturbed(&mut self) {
        if !self.unresolved && self.producers.current().is_some_and(TransactionalProducer::disturbed) {
            tracing::info!("the connection was disturbed: taking a new producer");
            self.unresolved = true;
        }
    }

    /// Finds out what became of a transaction whose fate is open: a new producer settles it, then each
    /// partition's committed offset tells. Then the batch is committed, or published again, or the
    /// partition is restored.
    pub fn resolve(&mut self, committed: CommittedOffsets<'_>, give_up: &dyn Fn() -> bool) -> Result<(), ServiceFault> {
        self.producers.replace(give_up)?;
        self.seal();
        let found = self.until_decided(committed, give_up)?;
        for (partition, offset) in found {
            let Some(folding) = self.owned.get_mut(&partition).and_then(Owned::folding) else { continue };
            if offset == Some(folding.next) {
                self.committed(&[partition]);
            } else if offset != folding.committed {
                tracing::warn!(partition = partition.0, "its offset was moved by someone else: restoring");
                self.to_pause.push(partition);
                self.restore(partition);
            }
        }
        self.unresolved = false;
        let paused = self.hold.is_some_and(|hold| hold.paused);
        self.hold = Some(Hold { until: Instant::now(), backoff: BACKOFF.0, paused });
        Ok(())
    }

    /// Tells the consumer what publishing decided.
    pub fn steer(&mut self, fetching: &dyn Fetching) {
        let stopped = std::mem::take(&mut self.to_pause);
        if !stopped.is_empty() {
            fetching.pause(&stopped);
        }
        if std::mem::take(&mut self.to_resume) {
            fetching.resume(&self.fetching());
        }
        let fetching_now = self.fetching();
        if let Some(hold) = &mut self.hold
            && !std::mem::replace(&mut hold.paused, true)
        {
            fetching.pause(&fetching_now);
        }
    }
}
