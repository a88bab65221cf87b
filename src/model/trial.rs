//! What shows whether suggestions pay: sessions whose suggestions are published, beside sessions whose are not.

use super::suggestion::{Delivery, Suggestion};
use super::time::EventTime;

words!(
    /// Whether a suggestion could be acted on.
    Group { Acted = "acted", HeldOut = "held_out" }
);

words!(
    /// Whether suggestions are published: but for those of sessions held out, or none at all (they are decided, kept and
    /// closed for the figures alone).
    Mode { On = "on", Shadow = "shadow" }
);

impl Group {
    /// Of a suggestion.
    pub fn of(suggestion: &Suggestion) -> Group {
        match suggestion.delivery {
            Delivery::Stream | Delivery::Query => Group::Acted,
            Delivery::Withheld => Group::HeldOut,
        }
    }
}

/// A recovery that was opened to a session which has not taken a turn since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// Whether it was published.
    pub group: Group,
    /// When what set it off happened: its turn comes then or later.
    pub since: EventTime,
    /// Its validity: its turn comes before.
    pub until: EventTime,
}
