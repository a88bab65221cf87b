//! Metric names in one place, and the set-up of logs.

mod edge;
pub mod logs;
pub mod metrics;
pub mod observe;
pub mod results;

#[cfg(test)]
mod tests;

pub use metrics::Metrics;
pub use observe::{PartitionGauges, Totals};
pub use results::{Forwarded, Refusal, TickResult, TransactionResult};
