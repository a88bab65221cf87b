//! The demo: an embedded broker, generated sessions and the real runtime on top. Nothing here is for
//! production, and nothing else depends on it.

mod broker;
mod feed;
pub mod generator;
mod pace;
mod settings;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;

use crate::http::port::QueryPort;
use crate::http::settings::HttpSettings;
use crate::http::{Mode, ServeError, serve};
use crate::runtime::{self, Service, ServiceFault, StartError};
use crate::telemetry::Metrics;
use broker::EmbeddedBroker;
use feed::TerminalFeed;
use pace::Pace;

/// How often the terminal is brought up to date.
const LOOK: Duration = Duration::from_millis(200);
/// How long the service may take to own its partitions.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// What the demo is told.
#[derive(Debug, Clone, PartialEq)]
pub struct DemoOptions {
    /// Mean rate of generated events, 1..=[`MAX_EVENTS_PER_SECOND`].
    pub events_per_second: f64,
    /// Seed of the sessions.
    pub seed: u64,
    /// Where the live page is served; loopback.
    pub listen: SocketAddr,
    /// When to end by itself; `None`: when told to.
    pub duration: Option<Duration>,
}

/// Highest rate the embedded broker is asked to bear: it holds at most 5 MB a partition.
pub const MAX_EVENTS_PER_SECOND: f64 = 200.0;

impl Default for DemoOptions {
    fn default() -> Self {
        DemoOptions { events_per_second: 15.0, seed: 1, listen: ([127, 0, 0, 1], 8080).into(), duration: None }
    }
}

/// Why the demo ended early.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The rate is not one the demo can keep.
    #[error("events per second: must lie between 1 and {max}", max = MAX_EVENTS_PER_SECOND)]
    Rate,
    /// The embedded broker does not start.
    #[error("embedded broker: {0}")]
    Broker(#[from] KafkaError),
    /// The page cannot be served.
    #[error("{0}; choose another address with --listen")]
    Serve(#[from] ServeError),
    /// The service does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The service failed.
    #[error(transparent)]
    Service(#[from] ServiceFault),
    /// The service did not get its partitions in time.
    #[error("not ready after {within} s: {0}", within = READY_WITHIN.as_secs())]
    NotReady(String),
    /// The system gives no thread.
    #[error("starting a thread: {0}")]
    Thread(io::Error),
    /// The feed cannot be written.
    #[error("writing the feed: {0}")]
    Output(io::Error),
}

/// Runs until the duration is over, a message comes on `stop`, or nobody reads `out` any more.
pub fn run(options: &DemoOptions, stop: &Receiver<()>, out: &mut dyn Write) -> Result<(), DemoError> {
    if !(1.0..=MAX_EVENTS_PER_SECOND).contains(&options.events_per_second) {
        return Err(DemoError::Rate);
    }
    let broker = EmbeddedBroker::start(&settings::topics())?;
    let settings = settings::runtime(&broker.addresses(), options.events_per_second);
    let metrics = Arc::new(Metrics::new());
    let engine = Arc::clone(&settings.engine);
    let topic = settings.topics.events.clone();
    let mut service = runtime::start(settings, Arc::clone(&metrics))?;
    let http = HttpSettings::at(options.listen);
    let server = serve(&http, service.port(), Arc::clone(&metrics), engine, Mode::Demo)?;
    let begun = Instant::now();
    let mut feed = TerminalFeed::new(out);
    feed.greet(server.address()).map_err(DemoError::Output)?;
    // The broker has to outlast the service, which commits its last batch while it leaves.
    let (ended, broker) = match wait_until_ready(&mut service, stop) {
        Ok(true) => {
            let pace = Pace::start(broker, topic, settings::generator(options)).map_err(DemoError::Thread)?;
            let ended = watch(&mut service, stop, &mut feed, options.duration.map(|d| begun + d));
            (ended, pace.stop())
        }
        Ok(false) => (Ok(()), Some(broker)),
        Err(error) => (Err(error), Some(broker)),
    };
    let left = service.shutdown().map_err(DemoError::from);
    drop(broker);
    server.stop();
    match feed.farewell(&metrics.totals()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => ended.and(left).and(Err(DemoError::Output(e))),
        _ => ended.and(left),
    }
}

/// Whether to go on: false if told to stop before.
fn wait_until_ready(service: &mut Service, stop: &Receiver<()>) -> Result<bool, DemoError> {
    let (port, begun) = (service.port(), Instant::now());
    loop {
        let Err(cause) = port.ready() else { return Ok(true) };
        if begun.elapsed() > READY_WITHIN {
            return Err(DemoError::NotReady(cause));
        }
        if let Some(fault) = service.wait(Duration::ZERO) {
            return Err(fault.into());
        }
        if told_to_stop(stop, LOOK / 4) {
            return Ok(false);
        }
    }
}

fn watch(
    service: &mut Service,
    stop: &Receiver<()>,
    feed: &mut TerminalFeed<'_>,
    end: Option<Instant>,
) -> Result<(), DemoError> {
    let port: Arc<dyn QueryPort> = service.port();
    while end.is_none_or(|end| Instant::now() < end) && !told_to_stop(stop, LOOK) {
        if let Some(fault) = service.wait(Duration::ZERO) {
            return Err(fault.into());
        }
        match feed.show(port.as_ref()) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => break,
            Err(e) => return Err(DemoError::Output(e)),
        }
    }
    Ok(())
}

fn told_to_stop(stop: &Receiver<()>, wait: Duration) -> bool {
    !matches!(stop.recv_timeout(wait), Err(RecvTimeoutError::Timeout))
}

#[cfg(test)]
mod tests;
