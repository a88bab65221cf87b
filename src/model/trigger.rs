//! What sets off a suggestion: an event, or a deadline.

use super::ids::EventId;
use super::session::TriggerKind;
use super::stamp::Stamp;
use super::time::EventTime;

/// What set off a suggestion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Kind.
    pub kind: TriggerKind,
    /// The event, unless a deadline fired.
    pub event_id: Option<EventId>,
    /// When the event occurred, unless a deadline fired.
    pub occurred_at: Option<EventTime>,
    /// The deadline, if one fired.
    pub due_at: Option<EventTime>,
}

impl Trigger {
    /// One that an event set off.
    pub fn by_event(kind: TriggerKind, stamp: &Stamp) -> Trigger {
        Trigger { kind, event_id: Some(stamp.event_id.clone()), occurred_at: Some(stamp.at), due_at: None }
    }

    /// One that a deadline set off.
    pub fn by_deadline(kind: TriggerKind, due: EventTime) -> Trigger {
        Trigger { kind, event_id: None, occurred_at: None, due_at: Some(due) }
    }

    /// When it was set off; the earliest instant if nothing tells.
    pub fn at(&self) -> EventTime {
        self.occurred_at.or(self.due_at).unwrap_or(EventTime::MIN)
    }
}
