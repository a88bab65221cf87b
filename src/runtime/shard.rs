//! A worker's share of the partitions: drops effects and engines the moment a partition is not owned any more.
//! Folding and publishing are next door.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::Instant;

use super::batch::{Filling, Pacing};
use super::board::{Board, Phase};
use super::framing::Framing;
use super::orphans::Asked;
use super::owned::{Folding, Owned, State};
use super::publish::Hold;
use super::refusals::Refusals;
use super::restorer::{Job, Outcome, Restored, Task};
use super::retry::Producers;
use super::service::Stop;
use super::settings::RuntimeSettings;
use super::tick::Ticks;
use crate::kafka::member::Member;
use crate::kafka::registry::Registry;
use crate::model::position::{Offset, PartitionId};
use crate::telemetry::Metrics;

/// What all workers share.
pub(super) struct Shared {
    pub settings: RuntimeSettings,
    pub framing: Framing,
    pub registry: Option<Registry>,
    pub board: Arc<Board>,
    pub metrics: Arc<Metrics>,
    pub stop: Arc<Stop>,
    pub rejoin: Asked,
}

/// What the shard asks of the consumer. None of these polls.
pub(super) trait Fetching {
    /// Stops fetching.
    fn pause(&self, partitions: &[PartitionId]);
    /// Fetches again from where the consumer stood.
    fn resume(&self, partitions: &[PartitionId]);
    /// Moves a paused partition; `false`: not yet possible, try again.
    fn seek(&self, partition: PartitionId, offset: Offset) -> bool;
}

/// The partitions of one worker, with the batch they share.
pub(super) struct Shard {
    pub shared: Arc<Shared>,
    pub owned: BTreeMap<PartitionId, Owned>,
    pub producers: Producers,
    pub pacing: Pacing,
    pub filling: Filling,
    generation: u64,
    pub jobs: Sender<Job>,
    restored: Receiver<Restored>,
    pub refusals: Refusals,
    joined: bool,
    /// Set while a batch waits to be published again.
    pub hold: Option<Hold>,
    /// Whether the fate of the last transaction is open.
    pub unresolved: bool,
    /// Partitions to pause, and whether to resume all, at the next chance to tell the consumer.
    pub to_pause: Vec<PartitionId>,
    /// See [`Self::to_pause`].
    pub to_resume: bool,
    /// For partitions without records.
    pub ticks: Option<Ticks>,
    /// When it was last looked for what restores wait for.
    pub looked_at: Instant,
}

impl Shard {
    /// A worker that owns nothing yet.
    pub fn new(shared: Arc<Shared>, producers: Producers, jobs: Sender<Job>, restored: Receiver<Restored>) -> Shard {
        let pacing = Pacing::new(shared.settings.batch.clone());
        let refusals = Refusals::new(&shared.settings.skip);
        let ticks = Ticks::new(&shared.settings);
        Shard {
            shared,
            owned: BTreeMap::new(),
            producers,
            pacing,
            filling: Filling::default(),
            generation: 0,
            jobs,
            restored,
            refusals,
            joined: false,
            hold: None,
            unresolved: false,
            to_pause: Vec::new(),
            to_resume: false,
            ticks,
            looked_at: Instant::now(),
        }
    }

    /// Begins to restore what is owned now.
    pub fn assigned(&mut self, member: &Member, partitions: &[PartitionId]) {
        self.shared.metrics.rebalance();
        for &partition in partitions {
            tracing::info!(partition = partition.0, "assigned");
            let slot = self.shared.board.add_of(partition, member.generation);
            let member_id = member.id.clone();
            let owned = Owned { generation: 0, member_id, slot, state: State::Failed(None), failures: 0 };
            self.owned.insert(partition, owned);
            self.restore(partition);
        }
        self.note_joined();
    }

    /// The worker is a member of the group.
    pub fn note_joined(&mut self) {
        if !std::mem::replace(&mut self.joined, true) {
            self.shared.board.joined.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Forgets partitions, with their engines and effects.
    pub fn forget(&mut self, partitions: &[PartitionId]) {
        self.shared.metrics.rebalance();
        for partition in partitions {
            let Some(owned) = self.owned.remove(partition) else { continue };
            tracing::info!(partition = partition.0, "revoked");
            self.shared.board.remove(*partition, &owned.slot);
            self.refusals.forget(*partition);
        }
        self.refill();
    }

    /// Drops a partition's engine and effects, and restores it from what is committed. It must be paused.
    pub fn restore(&mut self, partition: PartitionId) {
        self.generation += 1;
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        let cancelled = Arc::new(AtomicBool::new(false));
        owned.generation = self.generation;
        owned.state = State::Restoring(Arc::clone(&cancelled));
        owned.slot.set_phase(Phase::Restoring(0.0));
        let slot = Arc::clone(&owned.slot);
        // The restorer lives as long as this shard.
        let _ = self.jobs.send(Job { partition, task: Task::Restore, generation: self.generation, slot, cancelled });
        self.refill();
    }

    /// Stops a partition; `again`: whether to try again after a pause.
    pub fn fail(&mut self, partition: PartitionId, cause: String, again: bool) {
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        tracing::error!(partition = partition.0, %cause, "partition stopped");
        let backoff = owned.next_backoff();
        owned.state = State::Failed(again.then(|| Instant::now() + backoff));
        owned.slot.set_phase(Phase::Failed(cause));
        self.refill();
    }

    /// What is due besides records: finished restores, pauses that are over. `held`: nothing may be fetched
    /// now.
    pub fn tend(&mut self, fetching: &dyn Fetching, held: bool) {
        while let Ok(restored) = self.restored.try_recv() {
            self.settle(restored);
        }
        let now = Instant::now();
        let (mut again, mut begun) = (Vec::new(), false);
        for (&partition, owned) in &mut self.owned {
            match &mut owned.state {
                State::Failed(Some(at)) if *at <= now => again.push(partition),
                State::Restored(folding) if !held && fetching.seek(partition, folding.next) => {
                    let engine = Arc::clone(&folding.engine);
                    let state = std::mem::replace(&mut owned.state, State::Failed(None));
                    if let State::Restored(folding) = state {
                        owned.state = State::Folding(folding);
                    }
                    owned.slot.set_phase(Phase::Running(engine));
                    fetching.resume(&[partition]);
                    begun = true;
                }
                State::Folding(folding)
                    if !held
                        && folding.waits_until.is_some_and(|at| at <= now)
                        && fetching.seek(partition, folding.next) =>
                {
                    folding.waits_until = None;
                    fetching.resume(&[partition]);
                }
                _ => {}
            }
        }
        if begun {
            // What a restore wants published first.
            self.refill();
        }
        self.ask_for_handover(now);
        for partition in again {
            self.restore(partition);
        }
    }

    fn settle(&mut self, restored: Restored) {
        let partition = restored.partition;
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        if owned.generation != restored.generation {
            return;
        }
        match restored.outcome {
            Outcome::Restored(engine, start) => {
                self.shared.metrics.restore(restored.took);
                let took_ms = restored.took.as_millis() as u64;
                tracing::info!(partition = partition.0, next_offset = start.next.0, took_ms, "restored");
                self.refusals.begun(partition, start.next);
                owned.slot.set_next_offset(start.next);
                owned.state = State::Restored(Folding::new(*engine, start));
                owned.show_rebuild(None);
            }
            Outcome::Refused(cause) => self.fail(partition, cause.to_string(), true),
            Outcome::HandOver(handover) => self.handed_over(partition, handover),
        }
    }

    /// Offsets or a transaction were refused, maybe since the partitions are others' by now: nothing is answered from them
    /// until the group was heard of again.
    pub fn doubt(&self) {
        let now = Instant::now();
        self.owned.values().for_each(|owned| owned.slot.lease.doubt(now));
    }

    /// Whether anything waits that no record announces.
    pub fn is_unsettled(&self) -> bool {
        self.owned.values().any(|owned| match &owned.state {
            State::Folding(folding) => folding.waits_until.is_some(),
            _ => true,
        })
    }

    /// Partitions that fetch now.
    pub fn fetching(&self) -> Vec<PartitionId> {
        let fetches = |owned: &Owned| matches!(&owned.state, State::Folding(f) if f.waits_until.is_none());
        self.owned.iter().filter(|(_, owned)| fetches(owned)).map(|(&partition, _)| partition).collect()
    }

    /// Counts the batch anew.
    pub fn refill(&mut self) {
        let parts = self.owned.values_mut().filter_map(Owned::folding);
        self.filling = parts.fold(Filling::default(), |filling, folding| filling.add(&folding.part));
    }
}
