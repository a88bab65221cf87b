//! Metric names in one place, and the set-up of logs.
