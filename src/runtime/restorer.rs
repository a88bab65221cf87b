//! Restores partitions, on a thread of its own beside each worker, in an order that cannot be fooled by a
//! transaction that is still open: first the group's stable offset, only then where the state topics end.
//! Never touches the group's membership.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::error::KafkaError;

use super::board::{Phase, Slot};
use super::fail_points::fail_point;
use super::forgotten::FORGOTTEN;
use super::generations::{Generations, Handover, Legacy};
use super::restore_fault::{Fault, Refusal};
use super::settings::{Generation, RuntimeSettings};
use super::state_record::apply;
use crate::engine::{Effects, Engine, RestoreError, Restoring, StateTopic};
use crate::kafka::reader::StateReader;
use crate::model::position::{Offset, PartitionId};

/// Pause between attempts while the cluster does not answer.
pub(super) const PAUSE: Duration = Duration::from_millis(100);
/// How long a client is asked in vain until a new one is made: where it saw a partition without a leader, it may believe
/// so until its metadata expire after minutes, and answer without asking anybody.
const SAME_CLIENT: Duration = Duration::from_secs(2);
/// Records between two looks at whether the partition is still wanted.
const CHECK_EVERY: u64 = 1024;

/// Something to find out about a partition.
pub(super) struct Job {
    pub partition: PartitionId,
    pub task: Task,
    /// The assignment it belongs to.
    pub generation: u64,
    /// Where progress is shown.
    pub slot: Arc<Slot>,
    /// Set when it is not wanted any more.
    pub cancelled: Arc<AtomicBool>,
}

/// What is to be found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Its state.
    Restore,
    /// Whether it may publish from this offset on.
    HandOver(Offset),
}

/// What came of a job.
pub(super) struct Restored {
    pub partition: PartitionId,
    pub generation: u64,
    pub took: Duration,
    pub outcome: Outcome,
}

/// See [`Restored`].
pub(super) enum Outcome {
    /// The engine and where the input goes on.
    Restored(Box<Engine>, Start),
    /// Why the state cannot be used.
    Refused(Refusal),
    /// Whether it may publish.
    HandOver(Handover),
}

/// Where the input goes on.
pub(super) struct Start {
    /// The group's committed offset, if it has one.
    pub committed: Option<Offset>,
    /// The next offset to read.
    pub next: Offset,
    /// What has to be published before the first record: a rebuild begins.
    pub opening: Option<Effects>,
}

/// Works off jobs until their sender is gone.
pub(super) fn run(settings: &RuntimeSettings, partition_count: i32, jobs: Receiver<Job>, done: Sender<Restored>) {
    // Its connections serve one job after the other.
    let mut reader = None;
    let mut generations = Generations::new(settings);
    while let Ok(job) = jobs.recv() {
        let begun = Instant::now();
        let outcome = match job.task {
            Task::Restore => {
                let mut restorer = Restorer { settings, partition_count, job: &job, generations: &mut generations };
                restorer.until_settled(&mut reader)
            }
            Task::HandOver(publish_from) => Some(Outcome::HandOver(generations.hand_over(job.partition, publish_from))),
        };
        let Some(outcome) = outcome else { continue };
        let restored =
            Restored { partition: job.partition, generation: job.generation, took: begun.elapsed(), outcome };
        if done.send(restored).is_err() {
            return;
        }
    }
}

pub(super) struct Restorer<'a, 's> {
    settings: &'s RuntimeSettings,
    partition_count: i32,
    pub job: &'a Job,
    generations: &'a mut Generations<'s>,
}

impl Restorer<'_, '_> {
    /// `None` if the job was cancelled.
    fn until_settled(&mut self, reader: &mut Option<StateReader>) -> Option<Outcome> {
        let mut told = false;
        let begun = Instant::now();
        loop {
            let attempt = match reader {
                Some(reader) => self.attempt(reader),
                None => StateReader::new(&self.settings.kafka)
                    .map_err(Fault::Again)
                    .and_then(|new| self.attempt(reader.insert(new))),
            };
            // Brokers that answer nothing look the same from here; whoever ends it finds out.
            self.job.slot.set_undecided(matches!(attempt, Err(Fault::Again(_))) && begun.elapsed() > FORGOTTEN);
            match attempt {
                Ok((engine, start)) => return Some(Outcome::Restored(Box::new(engine), start)),
                Err(Fault::Cancelled) => return None,
                Err(Fault::Overtaken) => std::thread::sleep(PAUSE),
                Err(Fault::Refused(cause)) => return Some(Outcome::Refused(cause)),
                Err(Fault::Again(error)) => {
                    if !told {
                        tracing::warn!(partition = self.job.partition.0, %error, "restore waits for the cluster");
                        told = true;
                    }
                    *reader = None;
                    std::thread::sleep(PAUSE);
                }
            }
        }
    }

    fn attempt(&mut self, reader: &StateReader) -> Result<(Engine, Start), Fault> {
        let topics = &self.settings.topics;
        let partition = self.job.partition;
        // Waits until no transaction that could still move the offset is open.
        let committed = self.persevere(|| reader.group_offset(&topics.events, partition))?;
        if let Some(later) = self.generations.overtaken_by(partition, committed)? {
            let own = self.settings.generation.number;
            return Err(Fault::Refused(Refusal::Overtaken { own, later }));
        }
        let state = topics.state();
        let mut extents = Vec::with_capacity(state.len());
        for (_, topic) in state {
            extents.push(self.persevere(|| reader.extent(topic, partition))?);
        }
        let total: i64 = extents.iter().map(|e| e.end.0 - e.begin.0).sum();
        let mut restoring = Restoring::new(Arc::clone(&self.settings.engine), partition, self.partition_count);
        let mut before = 0;
        for ((role, topic), extent) in state.into_iter().zip(&extents) {
            if extent.end <= extent.begin {
                continue;
            }
            self.until_settled_up_to(extent.end, reader, topic)?;
            let progress = |at: i64| (before + at - extent.begin.0) as f64 / total.max(1) as f64;
            fail_point("during_restore");
            self.read_topic(reader, &mut restoring, role, topic, progress)?;
            before += extent.end.0 - extent.begin.0;
        }
        // Nothing that an earlier owner published may become visible later.
        for topic in topics.sequences() {
            let extent = self.persevere(|| reader.extent(topic, partition))?;
            self.until_settled_up_to(extent.end, reader, topic)?;
        }
        let (mut engine, checkpoint) = match restoring.finish(committed) {
            Ok(restored) => restored,
            // Somebody else still works on the partition, or does already: what was read is of different moments.
            Err(_) if self.persevere(|| reader.group_offset(&topics.events, partition))? != committed => {
                return Err(Fault::Overtaken);
            }
            Err(error) => return Err(error.into()),
        };
        let input = self.persevere(|| reader.extent(&topics.events, partition))?;
        let fresh = checkpoint.is_none() && self.settings.generation.number > 1;
        let next = committed.or(checkpoint.map(|c| c.next_offset)).unwrap_or(input.begin);
        if next < input.begin || next > input.end {
            return Err(RestoreError::InputGone { next, begin: input.begin, end: input.end }.into());
        }
        let opening = if fresh { Some(self.open(reader, &mut engine)?) } else { None };
        Ok((engine, Start { committed, next, opening }))
    }

    /// Begins a rebuild: what earlier generations published and decided is made known to the engine.
    fn open(&mut self, reader: &StateReader, engine: &mut Engine) -> Result<Effects, Fault> {
        let Generation { number, rebuild, .. } = self.settings.generation;
        if !rebuild {
            return Err(Fault::Refused(Refusal::NotBegun { number }));
        }
        let Legacy { publish_from, decisions, partition_count } =
            self.generations.legacy(reader, self.job.partition)?;
        if let Some(then) = partition_count.filter(|then| *then != self.partition_count) {
            // Else nearly everything that the input holds would be refused as misrouted, in silence.
            let now = self.partition_count;
            return Err(RestoreError::PartitionCountChanged { now, then }.into());
        }
        tracing::info!(
            partition = self.job.partition.0,
            generation = number,
            publish_from = publish_from.0,
            decisions = decisions.len(),
            "rebuilding from the beginning of the input"
        );
        let mut effects = Effects::new();
        engine.rebuild(publish_from, decisions, &mut effects);
        Ok(effects)
    }

    fn read_topic(
        &self,
        reader: &StateReader,
        restoring: &mut Restoring,
        role: StateTopic,
        topic: &str,
        progress: impl Fn(i64) -> f64,
    ) -> Result<(), Fault> {
        let mut refused = None;
        let mut seen = 0u64;
        let whole = reader.read(topic, self.job.partition, |message| {
            seen += 1;
            if seen.is_multiple_of(CHECK_EVERY) || message.is_none() {
                if self.job.cancelled.load(Ordering::Relaxed) {
                    return false;
                }
                if let Some(message) = message {
                    self.job.slot.set_phase(Phase::Restoring(progress(message.offset()).clamp(0.0, 1.0)));
                }
            }
            let Some(message) = message else { return true };
            refused = apply(restoring, role, message).err();
            refused.is_none()
        })?;
        match refused {
            Some(error) => Err(error.into()),
            None if whole => Ok(()),
            None => Err(Fault::Cancelled),
        }
    }

    /// Asks again until there is an answer, nobody wants it any more, or it is time for a new client.
    pub fn persevere<T>(&self, mut ask: impl FnMut() -> Result<T, KafkaError>) -> Result<T, Fault> {
        let mut told = false;
        let until = Instant::now() + SAME_CLIENT;
        loop {
            if self.job.cancelled.load(Ordering::Relaxed) {
                return Err(Fault::Cancelled);
            }
            match ask() {
                Ok(answer) => return Ok(answer),
                Err(error) if told && Instant::now() > until => return Err(Fault::Again(error)),
                Err(error) if !told => {
                    tracing::info!(partition = self.job.partition.0, %error, "restore waits");
                    told = true;
                }
                Err(_) => std::thread::sleep(PAUSE),
            }
        }
    }
}
