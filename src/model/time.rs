//! Instants and spans of the log's own time, in milliseconds. No wall clock is read anywhere near them.

use std::fmt;

/// An instant: milliseconds since the Unix epoch, as a producer or the broker stamped it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EventTime(pub i64);

/// A span of milliseconds, never negative in a checked setting or event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Millis(pub i64);

impl EventTime {
    /// The earliest representable instant; stream time before the first record.
    pub const MIN: EventTime = EventTime(i64::MIN);

    /// This instant moved later by `span`, saturating at the ends of the range.
    pub fn plus(self, span: Millis) -> EventTime {
        EventTime(self.0.saturating_add(span.0))
    }

    /// This instant moved earlier by `span`, saturating at the ends of the range.
    pub fn minus(self, span: Millis) -> EventTime {
        EventTime(self.0.saturating_sub(span.0))
    }

    /// Milliseconds from `earlier` to this instant; 0 if `earlier` is later.
    pub fn since(self, earlier: EventTime) -> Millis {
        Millis(self.0.saturating_sub(earlier.0).max(0))
    }
}

impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
