//! The wall clock, for what the outside is told; what is folded knows the log's time alone.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::time::EventTime;

/// This instant, ms since the epoch.
pub fn wall_clock() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
