//! One owned partition as its worker keeps it, from assignment to revocation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::batch::Part;
use super::board::{SharedEngine, Slot};
use super::fold::Recorded;
use crate::model::position::Offset;

/// First and longest pause before a stopped partition is tried again.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// A partition of this worker.
pub(super) struct Owned {
    /// The assignment or restore its state belongs to; rises with each.
    pub generation: u64,
    /// The member that the partition was assigned to.
    pub member_id: String,
    /// What queries see.
    pub slot: Arc<Slot>,
    /// What it is doing.
    pub state: State,
    /// Attempts that failed since the last commit.
    pub failures: u32,
}

/// What an owned partition is doing.
pub(super) enum State {
    /// A job of the restorer.
    Restoring(Arc<AtomicBool>),
    /// Restored; the consumer still has to be moved to its position.
    Restored(Folding),
    /// Folding records.
    Folding(Folding),
    /// Stopped; tried again at this time, or never while it is owned.
    Failed(Option<Instant>),
}

/// A partition with an engine.
pub(super) struct Folding {
    /// Shared with queries.
    pub engine: SharedEngine,
    /// What is not committed yet.
    pub part: Part,
    /// The group's offset, as last read or committed.
    pub committed: Option<Offset>,
    /// The next input offset.
    pub next: Offset,
    /// See [`Recorded`].
    pub recorded: Recorded,
    /// While it is rebuilt.
    pub rebuild: Option<Rebuilding>,
    /// Paused until then: a schema could not be resolved, or an earlier generation still publishes.
    pub waits_until: Option<Instant>,
}

/// A partition that folds without publishing, until nobody else publishes what it would.
pub(super) struct Rebuilding {
    /// What others published reaches to here; no record from here on is folded yet.
    pub publish_from: Offset,
    /// When to ask (again) whether it may publish; `None`: the answer is awaited.
    pub ask_at: Option<Instant>,
    /// When progress was last logged.
    pub told: Instant,
}

impl Owned {
    /// The engine and what belongs to it, while records are folded.
    pub fn folding(&mut self) -> Option<&mut Folding> {
        match &mut self.state {
            State::Folding(folding) => Some(folding),
            _ => None,
        }
    }

    /// The rebuild it is in, and the next input offset.
    pub fn rebuilding(&self) -> Option<(&Rebuilding, Offset)> {
        match &self.state {
            State::Restored(folding) | State::Folding(folding) => Some((folding.rebuild.as_ref()?, folding.next)),
            _ => None,
        }
    }

    /// How long to pause after another failure.
    pub fn next_backoff(&mut self) -> Duration {
        self.failures += 1;
        BACKOFF.0.saturating_mul(1 << (self.failures - 1).min(10)).min(BACKOFF.1)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if let State::Restoring(cancelled) = &self.state {
            cancelled.store(true, Ordering::Relaxed);
        }
    }
}
