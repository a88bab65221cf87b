//! Metric names in one place, the set-up of logs, and the wall clock.

mod clock;
mod edge;
pub mod logs;
pub mod metrics;
pub mod observe;
pub mod results;

#[cfg(test)]
mod tests;

pub use clock::wall_clock;
pub use metrics::Metrics;
pub use observe::{PartitionGauges, Totals};
pub use results::{Forwarded, Refusal, TickResult, TransactionResult};
