//! Metric names in one place, and the set-up of logs.

pub mod logs;
pub mod metrics;
pub mod observe;
pub mod results;

#[cfg(test)]
mod tests;

pub use metrics::Metrics;
pub use observe::{PartitionGauges, Totals};
pub use results::{TickResult, TransactionResult};
