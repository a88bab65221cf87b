//! The total order of events, by which "newest" is decided whatever order they arrive in.

use std::sync::Arc;

use super::ids::EventId;
use super::time::EventTime;

/// Stamp of an event: `(occurred_at, seq or 0, event_id, digest of the body)`, compared in that order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// When the event occurred, or the facet's own time where it has one (KV `created_at` of a snapshot).
    pub at: EventTime,
    /// The producer's sequence number; 0 if it sent none.
    pub seq: u64,
    /// The event's id.
    pub event_id: EventId,
    /// 64-bit digest of the decoded body, the same for every wire format.
    pub digest: u64,
}

/// A value and the stamp of the event that set it; of two, the larger stamp is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register<T> {
    /// Stamp of the event that set the value. Shared: one event usually sets several registers.
    pub stamp: Arc<Stamp>,
    /// The value.
    pub value: T,
}

impl<T> Register<T> {
    /// Joins `incoming` into `slot`, keeping the larger stamp. Returns whether the slot changed.
    pub fn join(slot: &mut Option<Register<T>>, stamp: &Arc<Stamp>, value: T) -> bool {
        match slot {
            Some(held) if held.stamp >= *stamp => false,
            _ => {
                *slot = Some(Register { stamp: Arc::clone(stamp), value });
                true
            }
        }
    }
}
