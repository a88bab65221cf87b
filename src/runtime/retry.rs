//! The producer of a worker over its successive lives: when one is of no more use, the next takes the
//! transactional id over and thereby settles what was left open.

use std::time::{Duration, Instant};

use super::service::ServiceFault;
use crate::kafka::producer::{TransactionFault, TransactionalProducer};
use crate::kafka::settings::KafkaSettings;

/// Being fenced twice within this time means that another process uses the same id.
const FENCING_WINDOW: Duration = Duration::from_secs(60);
/// Pause before another attempt to become the holder of the id.
const PAUSE: Duration = Duration::from_millis(200);

/// The current producer and how to make the next.
pub(super) struct Producers {
    settings: KafkaSettings,
    transactional_id: String,
    max_message_bytes: usize,
    current: Option<TransactionalProducer>,
    fenced: Option<Instant>,
}

impl Producers {
    /// No producer yet.
    pub fn new(settings: &KafkaSettings, transactional_id: String, max_message_bytes: usize) -> Producers {
        Producers { settings: settings.clone(), transactional_id, max_message_bytes, current: None, fenced: None }
    }

    /// The current producer.
    pub fn current(&self) -> Option<&TransactionalProducer> {
        self.current.as_ref()
    }

    /// Makes a new producer the holder of the transactional id. Returns when earlier transactions of the id
    /// are settled.
    pub fn replace(&mut self, give_up: &dyn Fn() -> bool) -> Result<(), ServiceFault> {
        self.current = None;
        loop {
            let producer = TransactionalProducer::new(&self.settings, &self.transactional_id, self.max_message_bytes)?;
            match producer.init(give_up) {
                Ok(()) => {
                    self.current = Some(producer);
                    return Ok(());
                }
                Err(TransactionFault::GaveUp) => return Err(ServiceFault::GaveUp),
                Err(TransactionFault::Fenced(cause)) => self.note_fenced(&cause)?,
                Err(fault) => tracing::warn!(id = self.transactional_id, %fault, "producer cannot start yet"),
            }
            if give_up() {
                return Err(ServiceFault::GaveUp);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Another producer took the id over. Once may be an old self; twice in a minute is another process.
    pub fn note_fenced(&mut self, cause: &str) -> Result<(), ServiceFault> {
        let earlier = self.fenced.replace(Instant::now());
        tracing::warn!(id = self.transactional_id, cause, "fenced");
        match earlier {
            Some(at) if at.elapsed() < FENCING_WINDOW => {
                Err(ServiceFault::Fenced { id: self.transactional_id.clone(), cause: cause.to_owned() })
            }
            _ => Ok(()),
        }
    }
}
