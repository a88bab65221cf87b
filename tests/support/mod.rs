//! What the end to end tests share: a real broker, and clients that are not the service's own.
#![allow(dead_code)]

pub mod between;
pub mod broker;
pub mod clients;
pub mod cluster;
pub mod edged;
pub mod events;
pub mod node;
pub mod oracle;
pub mod own_broker;
pub mod proxy;
pub mod python;
pub mod registry;
pub mod watchdog;
pub mod wire;

use rekindle::telemetry::logs::{LogSettings, init};

/// Shows the service's logs as `REKINDLE_TEST_LOG` filters them (by default faults that need an operator).
pub fn show_logs() {
    let filter = std::env::var("REKINDLE_TEST_LOG").unwrap_or_else(|_| "rekindle=error".to_owned());
    // Another test of this process may have done so.
    let _ = init(&LogSettings { filter, ..LogSettings::default() });
}
