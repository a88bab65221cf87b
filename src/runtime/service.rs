//! The running service: starts the workers, tells when one fails, and stops them within ten seconds.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;

use super::board::Board;
use super::eraser::Eraser;
use super::fail_points;
use super::herald;
use super::kept::Kept;
use super::last_words::End;
use super::orphans::{self, Asked};
use super::preflight::{self, StartError};
use super::queries::Queries;
use super::settings::RuntimeSettings;
use super::shard::Shared;
use super::worker;
use crate::http::port::QueryPort;
use crate::model::position::PartitionId;
use crate::telemetry::Metrics;

/// From the request to stop until the last commit is given up, and until the process must be gone.
const GIVE_UP_AFTER: Duration = Duration::from_secs(8);
const LEAVE_AFTER: Duration = Duration::from_millis(9500);

/// Why a running service cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceFault {
    /// Two processes use the same instance id or transactional id.
    #[error("another instance holds this id: {id} ({cause}); give each instance its own kafka.instance_id")]
    Fenced {
        /// The id.
        id: String,
        /// What the broker said.
        cause: String,
    },
    /// The consumer is of no more use.
    #[error("consumer: {0}")]
    Consumer(String),
    /// A client cannot be created with these properties.
    #[error("Kafka client: {0}")]
    Client(String),
    /// The input was given more partitions.
    #[error(
        "the input had {count} partitions when this process started, and now has a partition {partition}: keys live \
         elsewhere now; what to do is in docs/operations.md, \"Changing the number of partitions\""
    )]
    PartitionsAdded {
        /// The first one that is new.
        partition: PartitionId,
        /// Partitions at the start.
        count: i32,
    },
    /// The last batch could not be committed in time; it is processed again after the next start.
    #[error("shutdown: the last batch could not be committed in time; it will be processed again")]
    GaveUp,
    /// The system gives no more threads.
    #[error("starting a thread: {0}")]
    Thread(String),
    /// A worker panicked outside of the engine.
    #[error("worker {0} panicked")]
    Panicked(usize),
}

impl From<KafkaError> for ServiceFault {
    fn from(error: KafkaError) -> ServiceFault {
        ServiceFault::Client(error.to_string())
    }
}

/// Tells workers to stop, and then to hurry.
#[derive(Debug)]
pub(super) struct Stop {
    requested: AtomicBool,
    expired: AtomicBool,
    left: Vec<AtomicBool>,
}

impl Stop {
    /// For so many workers.
    fn new(workers: usize) -> Stop {
        let left = (0..workers).map(|_| AtomicBool::new(false)).collect();
        Stop { requested: AtomicBool::new(false), expired: AtomicBool::new(false), left }
    }

    /// Worker `number` has committed everything and given its partitions back; only its clients are left to be closed.
    pub fn note_left(&self, number: usize) {
        self.left[number].store(true, Ordering::Relaxed);
    }

    /// Whether to stop.
    pub fn requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }

    /// Whether to leave without a commit.
    pub fn expired(&self) -> bool {
        self.expired.load(Ordering::Relaxed)
    }
}

/// Workers at work. Dropping it without [`Service::shutdown`] tells them to stop and does not wait.
pub struct Service {
    board: Arc<Board>,
    stop: Arc<Stop>,
    ended: Receiver<End>,
    running: BTreeSet<usize>,
    /// Says who owns what.
    herald: Option<JoinHandle<()>>,
}

/// Checks the topics and starts the workers. Returns as soon as they run: whether they are ready is asked
/// through the query port.
pub fn start(mut settings: RuntimeSettings, metrics: Arc<Metrics>) -> Result<Service, StartError> {
    fail_points::arm(&mut settings.engine);
    let ready = preflight::check(&settings)?;
    let count = settings.workers.max(1);
    let (kafka, topics) = (settings.kafka.clone(), settings.topics.clone());
    let mut board = Board::new(ready.partition_count, count);
    board.session = kafka.session();
    board.eraser = Some(Eraser::new(kafka.clone(), topics.events.clone(), ready.partition_count));
    board.kept = Some(Kept::new(kafka, topics));
    let owners = settings.advertised_url.as_ref().map(|url| herald::owners(&settings.kafka, url));
    board.owners = owners.clone();
    let board = Arc::new(board);
    let stop = Arc::new(Stop::new(count));
    let shared = Arc::new(Shared {
        settings,
        framing: ready.framing,
        registry: ready.registry,
        board: Arc::clone(&board),
        metrics,
        stop: Arc::clone(&stop),
        rejoin: Asked::none(count),
    });
    if !shared.settings.kafka.is_assigned_by_broker() {
        let shared = Arc::clone(&shared);
        std::thread::Builder::new().name("orphans".to_owned()).spawn(move || orphans::watch(&shared))?;
    }
    let herald = owners.map(|owners| herald::start(&shared, owners)).transpose()?;
    let (sender, ended) = channel();
    for number in 0..count {
        let (shared, sender) = (Arc::clone(&shared), sender.clone());
        let work = move || {
            let run = || worker::run(&shared, number, ready.max_message_bytes, &sender);
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
            // Nobody listens any more if the service was dropped.
            let _ = sender.send((number, caught.unwrap_or(Err(ServiceFault::Panicked(number)))));
        };
        std::thread::Builder::new().name(format!("worker-{number}")).spawn(work)?;
    }
    Ok(Service { board, stop, ended, running: (0..count).collect(), herald })
}

impl Service {
    /// What HTTP asks; stays valid after the shutdown.
    pub fn port(&self) -> Arc<dyn QueryPort> {
        Queries::of(&self.board)
    }

    /// Waits for a worker to fail, at most `timeout`; `None` while all is well.
    pub fn wait(&mut self, timeout: Duration) -> Option<ServiceFault> {
        match self.ended.recv_timeout(timeout) {
            Ok((number, end)) => {
                self.running.remove(&number);
                end.err()
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }

    /// Not ready, stop polling, commit, give the partitions back. Takes at most ten seconds; after eight
    /// the last batch is given up, to be processed again by the next owner.
    pub fn shutdown(self) -> Result<(), ServiceFault> {
        self.stopped_within(GIVE_UP_AFTER, LEAVE_AFTER)
    }

    fn stopped_within(mut self, give_up_after: Duration, leave_after: Duration) -> Result<(), ServiceFault> {
        self.board.stopping.store(true, Ordering::Relaxed);
        self.stop.requested.store(true, Ordering::Relaxed);
        let begun = Instant::now();
        let mut outcome = Ok(());
        while !self.running.is_empty() {
            let phase_end = if self.stop.expired() { leave_after } else { give_up_after };
            match self.ended.recv_timeout(phase_end.saturating_sub(begun.elapsed())) {
                Ok((number, end)) => {
                    self.running.remove(&number);
                    outcome = outcome.and(end);
                }
                Err(_) if self.stop.expired() => {
                    // Closing a client can take for ever where a broker went away in its time.
                    if self.running.iter().all(|number| self.stop.left[*number].load(Ordering::Relaxed)) {
                        tracing::warn!("everything is committed and given back, but clients could not be closed");
                        return outcome;
                    }
                    return outcome.and(Err(ServiceFault::GaveUp));
                }
                Err(_) => self.stop.expired.store(true, Ordering::Relaxed),
            }
        }
        // It has little to say; a panic of it was printed, and stops nothing.
        let _ = self.herald.take().map(JoinHandle::join);
        outcome
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.requested.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a shutdown says if none of two workers ever ends, of which these have left.
    fn shut_down(left: &[usize]) -> Result<(), ServiceFault> {
        let (_workers, ended) = channel();
        let stop = Arc::new(Stop::new(2));
        left.iter().for_each(|number| stop.note_left(*number));
        let service =
            Service { board: Arc::new(Board::new(1, 2)), stop, ended, running: (0..2).collect(), herald: None };
        service.stopped_within(Duration::from_millis(10), Duration::from_millis(20))
    }

    #[test]
    fn a_client_that_cannot_be_closed_is_no_batch_that_could_not_be_committed() {
        assert_eq!(shut_down(&[0, 1]), Ok(()));
        assert_eq!(shut_down(&[1]), Err(ServiceFault::GaveUp));
    }
}
