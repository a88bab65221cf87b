//! Sends generated events when their time has come. Keeps the broker alive until the service has left it.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use super::broker::EmbeddedBroker;
use super::generator::{Generator, GeneratorOptions};
use crate::model::time::EventTime;

/// A thread that produces.
pub(super) struct Pace {
    stop: Sender<()>,
    thread: JoinHandle<EmbeddedBroker>,
}

impl Pace {
    /// Begins to produce.
    pub fn start(broker: EmbeddedBroker, topic: String, options: GeneratorOptions) -> io::Result<Pace> {
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::Builder::new().name("generator".to_owned()).spawn(move || {
            for event in Generator::new(&options) {
                let wait = stopped.recv_timeout(until(event.at));
                if wait != Err(RecvTimeoutError::Timeout) {
                    break;
                }
                broker.send(&topic, &event);
            }
            broker
        })?;
        Ok(Pace { stop, thread })
    }

    /// Stops to produce and hands the broker back; `None` if the thread panicked.
    pub fn stop(self) -> Option<EmbeddedBroker> {
        drop(self.stop);
        self.thread.join().ok()
    }
}

/// Time from now to an instant; none if it is past.
fn until(at: EventTime) -> Duration {
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at.0).unwrap_or(0));
    at.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO)
}
