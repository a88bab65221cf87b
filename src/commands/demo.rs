//! `demo`: the arguments of the demo. What it shows is in the library.

use std::net::SocketAddr;
use std::time::Duration;

use rekindle::demo::{self, DemoError, DemoOptions, MAX_EVENTS_PER_SECOND};
use rekindle::telemetry::logs::{self, LogSettings};

use super::signals::signals;
use super::{Exit, UsageError};

/// See it work: an embedded broker, generated sessions, a live page
///
/// Needs nothing else. The service is the real one; the embedded broker keeps everything in memory and gives no
/// guarantees. Ends at Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rekindle demo
  rekindle demo --rate 100 --listen 127.0.0.1:9000
  rekindle demo --duration 30 --listen 127.0.0.1:0")]
pub struct Args {
    /// Events per second, 1 to 200
    #[arg(long, value_name = "N", default_value_t = DemoOptions::default().events_per_second)]
    rate: f64,
    /// Seed of the generated sessions
    #[arg(long, default_value_t = DemoOptions::default().seed)]
    seed: u64,
    /// Where to serve the live page; a loopback address
    #[arg(long, value_name = "ADDRESS", default_value_t = DemoOptions::default().listen)]
    listen: SocketAddr,
    /// Seconds until it ends by itself
    #[arg(long, value_name = "SECONDS")]
    duration: Option<u64>,
    /// What is logged on stderr
    #[arg(long, value_name = "FILTER", default_value = "warn")]
    log: String,
}

/// Runs the demo.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    if !args.listen.ip().is_loopback() {
        let message = format!("--listen {}: must be a loopback address, since there is no access control", args.listen);
        return Err(UsageError(message).into());
    }
    if !(1.0..=MAX_EVENTS_PER_SECOND).contains(&args.rate) {
        return Err(UsageError(format!("--rate {}: {}", args.rate, DemoError::Rate)).into());
    }
    logs::init(&LogSettings { filter: args.log.clone(), ..LogSettings::default() })
        .map_err(|e| UsageError(format!("--log {}: {e}", args.log)))?;
    let options = DemoOptions {
        events_per_second: args.rate,
        seed: args.seed,
        listen: args.listen,
        duration: args.duration.map(Duration::from_secs),
    };
    demo::run(&options, &signals()?, &mut std::io::stdout().lock())?;
    Ok(Exit::Ok)
}
