//! A partition that is folded anew beside an earlier generation: silent up to what that one published, then handed
//! over. How far others came is found out next door.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use super::batch::Part;
use super::board::{RebuildView, write};
use super::fold::Recorded;
use super::generations::Handover;
use super::owned::{Folding, Owned, Rebuilding};
use super::restorer::{Job, Start, Task};
use super::shard::{Fetching, Shard};
use crate::engine::Engine;
use crate::model::position::{PartitionId, Position};

/// Pause between two questions whether a partition may publish.
const PAUSE: Duration = Duration::from_secs(1);
/// Pause between two lines of the log on how far a rebuild is.
const TELL_EVERY: Duration = Duration::from_secs(10);

impl Folding {
    /// A restored partition.
    pub fn new(engine: Engine, start: Start) -> Folding {
        let now = Instant::now();
        let rebuild = engine.rebuilding().map(|rebuild| Rebuilding {
            publish_from: rebuild.publish_from,
            ask_at: Some(now),
            told: now,
        });
        let mut part = Part::default();
        if let Some(opening) = start.opening {
            part.effects = opening;
            part.force();
        }
        Folding {
            engine: Arc::new(RwLock::new(engine)),
            part,
            committed: start.committed,
            next: start.next,
            recorded: Recorded::default(),
            rebuild,
            waits_until: None,
        }
    }
}

impl Owned {
    /// Shows how far the rebuild is and what it waits for, if there is one.
    pub fn show_rebuild(&self, waits_for: Option<String>) {
        let view = self.rebuilding().map(|(rebuild, next)| {
            let begin = self.slot.rebuild().map_or(next, |(view, _)| view.begin);
            RebuildView { begin, end: rebuild.publish_from, waits_for }
        });
        self.slot.set_rebuild(view);
    }
}

impl Shard {
    /// A record has come that must not be folded before its partition may publish: all before it is done.
    pub fn rebuilt_up_to(&mut self, fetching: &dyn Fetching, at: Position) {
        let Some(folding) = self.owned.get_mut(&at.partition).and_then(Owned::folding) else { return };
        fetching.pause(&[at.partition]);
        folding.waits_until = Some(Instant::now() + PAUSE);
        if folding.next < at.offset {
            // Between the last record and this one is none.
            folding.next = at.offset;
            folding.part.force();
            self.refill();
        }
    }

    /// Asks for each partition that was rebuilt, and has committed that, whether it may publish.
    pub fn ask_for_handover(&mut self, now: Instant) {
        for (&partition, owned) in &mut self.owned {
            let (generation, slot) = (owned.generation, Arc::clone(&owned.slot));
            let Some(folding) = owned.folding() else { continue };
            let Some(rebuild) = &mut folding.rebuild else { continue };
            if now.duration_since(rebuild.told) >= TELL_EVERY {
                rebuild.told = now;
                let (next, end) = (folding.next.0, rebuild.publish_from.0);
                tracing::info!(partition = partition.0, next_offset = next, publish_from = end, "rebuilding");
            }
            let there = folding.next >= rebuild.publish_from && folding.part.is_empty();
            if there && folding.committed == Some(folding.next) && rebuild.ask_at.is_some_and(|at| at <= now) {
                rebuild.ask_at = None;
                let task = Task::HandOver(rebuild.publish_from);
                let cancelled = Arc::new(AtomicBool::new(false));
                // The restorer lives as long as this shard.
                let _ = self.jobs.send(Job { partition, task, generation, slot, cancelled });
            }
        }
    }

    /// The answer has come.
    pub fn handed_over(&mut self, partition: PartitionId, handover: Handover) {
        let now = Instant::now();
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        let Some(folding) = owned.folding() else { return };
        let Some(rebuild) = &mut folding.rebuild else { return };
        rebuild.ask_at = Some(now + PAUSE);
        let mut waits_for = None;
        match handover {
            Handover::Done => {
                tracing::info!(partition = partition.0, publish_from = rebuild.publish_from.0, "rebuilt; publishing");
                folding.rebuild = None;
            }
            Handover::Further(offset) => {
                rebuild.publish_from = offset;
                write(&folding.engine).publish_from(offset, &mut folding.part.effects);
            }
            Handover::NotYet(cause) => {
                tracing::debug!(partition = partition.0, cause, "rebuilt, but may not publish yet");
                waits_for = Some(cause);
            }
        }
        // What was put off comes now.
        if waits_for.is_none() && folding.waits_until.is_some() {
            folding.waits_until = Some(now);
        }
        owned.show_rebuild(waits_for);
    }
}
