//! What the workers show to the outside: which partitions this process owns, in which phase, and their
//! engines for queries. Workers write, queries read; nobody waits for a worker.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use super::eraser::Eraser;
use super::feed::Feed;
use super::herald::Owners;
use super::kept::Kept;
use super::lease::Lease;
use super::waiting::Waiters;
use crate::engine::{Endings, Engine, Guests, Notice};
use crate::model::position::{Offset, PartitionId};

/// An engine shared between its worker, which writes, and queries.
pub(super) type SharedEngine = Arc<RwLock<Engine>>;

/// What a partition is doing, with what answers for it.
#[derive(Clone)]
pub(super) enum Phase {
    /// Share done, 0..1.
    Restoring(f64),
    /// Folding.
    Running(SharedEngine),
    /// Stopped, with the cause.
    Failed(String),
}

/// One owned partition.
pub(super) struct Slot {
    phase: RwLock<Phase>,
    next_offset: AtomicI64,
    input_end: AtomicI64,
    rebuild: RwLock<Option<RebuildView>>,
    undecided: AtomicBool,
    /// What became of its suggestions lately.
    endings: RwLock<Endings>,
    /// The tenants that it holds though their home is elsewhere, or held when it ran last.
    guests: RwLock<Option<Arc<Guests>>>,
    /// Who waits for its engine.
    pub waiters: Arc<Waiters>,
    /// For how long it may be answered for.
    pub lease: Lease,
    /// The group's generation in which it was assigned.
    pub generation: i32,
}

/// How far a rebuild has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RebuildView {
    /// Where it began.
    pub begin: Offset,
    /// Where it ends.
    pub end: Offset,
    /// What it waits for at its end.
    pub waits_for: Option<String>,
}

/// All owned partitions of the process.
pub(super) struct Board {
    slots: RwLock<BTreeMap<PartitionId, Arc<Slot>>>,
    /// How long the group waits for a word of a member, if that is known.
    pub session: Option<Duration>,
    /// Partitions of the input.
    pub partition_count: i32,
    /// Workers that run.
    pub workers: usize,
    /// Of them, those that have joined their group.
    pub joined: AtomicUsize,
    /// Whether the process is leaving.
    pub stopping: AtomicBool,
    /// Published suggestions.
    pub feed: Feed,
    /// Writes erasures.
    pub eraser: Option<Eraser>,
    /// What topics keep.
    pub kept: Option<Kept>,
    /// Who owns what, if that is said.
    pub owners: Option<Owners>,
}

/// A panic while holding one of these locks leaves whole values behind: each write is one assignment, and
/// a panic inside an engine is caught under its lock.
pub(super) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// See [`read`].
pub(super) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

impl Slot {
    /// A partition whose restore begins.
    fn new(session: Option<Duration>, generation: i32) -> Slot {
        Slot {
            phase: RwLock::new(Phase::Restoring(0.0)),
            next_offset: AtomicI64::new(-1),
            input_end: AtomicI64::new(-1),
            rebuild: RwLock::new(None),
            undecided: AtomicBool::new(false),
            endings: RwLock::default(),
            guests: RwLock::default(),
            waiters: Arc::default(),
            lease: Lease::new(session, Instant::now()),
            generation,
        }
    }

    /// What it is doing.
    pub fn phase(&self) -> Phase {
        read(&self.phase).clone()
    }

    /// Says what it is doing now.
    pub fn set_phase(&self, phase: Phase) {
        if let Phase::Running(engine) = &phase {
            *write(&self.guests) = Some(Arc::clone(read(engine).guests()));
        }
        *write(&self.phase) = phase;
        self.waiters.changed();
    }

    /// See [`Engine::guests`]; those that it had when it ran last. `None`: it did not run yet.
    pub fn guests(&self) -> Option<Arc<Guests>> {
        read(&self.guests).clone()
    }

    /// Takes note of what was committed.
    pub fn note(&self, notices: &[Notice]) {
        if notices.iter().any(|notice| matches!(notice, Notice::Ended(_) | Notice::Erased(_))) {
            let mut endings = write(&self.endings);
            notices.iter().for_each(|notice| endings.note(notice));
        }
    }

    /// What became of its suggestions lately.
    pub fn endings(&self) -> RwLockReadGuard<'_, Endings> {
        read(&self.endings)
    }

    /// Shows a rebuild, or that there is none.
    pub fn set_rebuild(&self, view: Option<RebuildView>) {
        *write(&self.rebuild) = view;
    }

    /// The rebuild and the share of it that is done, 0..1.
    pub fn rebuild(&self) -> Option<(RebuildView, f64)> {
        let view = read(&self.rebuild).clone()?;
        let done = self.next_offset().map_or(0, |next| next.0 - view.begin.0) as f64;
        let share = done / (view.end.0 - view.begin.0).max(1) as f64;
        Some((view, share.clamp(0.0, 1.0)))
    }

    /// Says whether its restore has waited for long for a transaction to be decided.
    pub fn set_undecided(&self, is_so: bool) {
        self.undecided.store(is_so, Ordering::Relaxed);
    }

    /// Next input offset.
    pub fn next_offset(&self) -> Option<Offset> {
        known(&self.next_offset)
    }

    /// Says which input offset is next.
    pub fn set_next_offset(&self, offset: Offset) {
        self.next_offset.store(offset.0, Ordering::Relaxed);
    }

    /// Says where the input ends.
    pub fn set_input_end(&self, end: Offset) {
        self.input_end.store(end.0, Ordering::Relaxed);
    }

    /// Where the input ends, if known: about a second old.
    pub fn input_end(&self) -> Option<Offset> {
        known(&self.input_end)
    }

    /// Records between the next offset and the end of the input, as far as both are known.
    pub fn lag(&self) -> Option<i64> {
        let (next, end) = (known(&self.next_offset)?, known(&self.input_end)?);
        Some((end.0 - next.0).max(0))
    }
}

fn known(offset: &AtomicI64) -> Option<Offset> {
    let offset = offset.load(Ordering::Relaxed);
    (offset >= 0).then_some(Offset(offset))
}

impl Board {
    /// A process that owns nothing yet.
    pub fn new(partition_count: i32, workers: usize) -> Board {
        Board {
            slots: RwLock::default(),
            session: None,
            partition_count,
            workers,
            joined: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            feed: Feed::default(),
            eraser: None,
            kept: None,
            owners: None,
        }
    }

    /// The partitions whose restore has waited for long for a transaction to be decided.
    pub fn undecided(&self) -> Vec<PartitionId> {
        let slots = read(&self.slots);
        let undecided = slots.iter().filter(|(_, slot)| slot.undecided.load(Ordering::Relaxed));
        undecided.map(|(partition, _)| *partition).collect()
    }

    /// Shows a newly owned partition, of which no generation is known.
    #[cfg(test)]
    pub fn add(&self, partition: PartitionId) -> Arc<Slot> {
        self.add_of(partition, -1)
    }

    /// Shows a newly owned partition, and in which generation of the group it was assigned.
    pub fn add_of(&self, partition: PartitionId, generation: i32) -> Arc<Slot> {
        let slot = Arc::new(Slot::new(self.session, generation));
        if let Some(earlier) = write(&self.slots).insert(partition, Arc::clone(&slot)) {
            earlier.waiters.changed();
        }
        slot
    }

    /// Takes a partition away, unless another worker of this process already shows it anew.
    pub fn remove(&self, partition: PartitionId, slot: &Arc<Slot>) {
        let mut slots = write(&self.slots);
        if slots.get(&partition).is_some_and(|shown| Arc::ptr_eq(shown, slot)) {
            slots.remove(&partition);
        }
        drop(slots);
        slot.waiters.changed();
    }

    /// An owned partition.
    pub fn slot(&self, partition: PartitionId) -> Option<Arc<Slot>> {
        read(&self.slots).get(&partition).map(Arc::clone)
    }

    /// All owned partitions, by number.
    pub fn slots(&self) -> Vec<(PartitionId, Arc<Slot>)> {
        read(&self.slots).iter().map(|(&id, slot)| (id, Arc::clone(slot))).collect()
    }
}
