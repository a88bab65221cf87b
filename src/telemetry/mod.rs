//! Metric names in one place, and the set-up of logs.

pub mod logs;
pub mod metrics;
pub mod observe;

#[cfg(test)]
mod tests;

pub use metrics::{Metrics, TickResult, TransactionResult};
pub use observe::{PartitionGauges, Totals};
