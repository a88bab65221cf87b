//! `run`: starts the service and the HTTP edge, and stops both at a signal. What they do is theirs.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::Context;

use rekindle::http::{self, Mode};
use rekindle::model::position::Position;
use rekindle::runtime::{self, Service, StartError};
use rekindle::telemetry::Metrics;

use super::args::{ClusterArgs, allow_remote_http};
use super::signals::signals;
use super::{Exit, UsageError, memory};

/// How often to look whether a worker has failed.
const LOOK: Duration = Duration::from_millis(200);

/// Run the service
///
/// Restores its partitions from the state topics, goes on where the last commit was, and publishes in
/// transactions. Stops within ten seconds at SIGTERM or SIGINT, at once at the second; nothing is lost either
/// way. The topics must exist: `rekindle topics create` makes them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rekindle run -c rekindle.toml
  REKINDLE_KAFKA__BROKERS=kafka:9092 rekindle run
  rekindle run -c rekindle.toml --skip 3:81220
  rekindle run -c rekindle.toml --set application.generation=2 --rebuild
  rekindle run -c rekindle.toml --set log.level=debug --set http.listen=127.0.0.1:9000")]
pub struct Args {
    #[command(flatten)]
    config: ClusterArgs,
    /// Begin the generation that application.generation names, if it is not begun
    ///
    /// It folds the input from its beginning into state topics of its own, and publishes only what follows the last
    /// record of which the earlier generation published. That one may run meanwhile; it has to be stopped when
    /// /readyz says so. May stay when the generation is begun: then it changes nothing.
    #[arg(long)]
    rebuild: bool,
    /// Dead-letter the record at this offset of a partition of the input without looking at it; repeatable
    ///
    /// For a record that ends the process, which nothing inside it can catch. The decision is kept: the flag is
    /// needed until the record is passed, at every instance that may get the partition.
    #[arg(long, value_name = "P:OFFSET")]
    skip: Vec<Position>,
    /// Let http.listen be another than a loopback address without access control
    #[arg(long)]
    allow_remote_http: bool,
}

/// Runs until a signal or a fault.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let mut config = args.config.load(&allow_remote_http(args.allow_remote_http))?;
    config.runtime.generation.rebuild = args.rebuild;
    if args.rebuild && config.runtime.generation.number == 1 {
        return Err(UsageError(StartError::NothingToRebuild.to_string()).into());
    }
    config.runtime.skip = args.skip.iter().copied().collect();
    let stop = signals()?;
    let metrics = Arc::new(Metrics::new());
    let engine = Arc::clone(config.engine());
    memory::give_back_now_and_then();
    let edge = http::prepare(&config.http).map_err(|fault| UsageError(fault.to_string()))?;
    let service = runtime::start(config.runtime, Arc::clone(&metrics)).context("starting")?;
    let server = edge.serve(service.port(), metrics, engine, Mode::Service)?;
    tracing::info!("listening on {}", server.url());
    let ended = watch(service, &stop);
    // The server answers "not ready" until here; answers under way are cut by the end of the process.
    drop(server);
    ended
}

/// Waits for a signal or a fault, then stops the service.
fn watch(mut service: Service, stop: &Receiver<()>) -> anyhow::Result<Exit> {
    let fault = loop {
        match stop.recv_timeout(LOOK) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break None,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Some(fault) = service.wait(Duration::ZERO) {
            tracing::error!(%fault, "stopping");
            break Some(fault);
        }
    };
    let stopped = service.shutdown();
    match fault {
        Some(fault) => Err(fault.into()),
        None => Ok(stopped.map(|()| Exit::Ok)?),
    }
}
