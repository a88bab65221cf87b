//! The producer of a worker over its successive lives: when one is of no more use, the next takes the
//! transactional id over and thereby settles what was left open.

use std::time::{Duration, Instant};

use super::service::ServiceFault;
use crate::kafka::producer::{TRANSACTION_TIMEOUT, TransactionFault, TransactionalProducer};
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
                Err(TransactionFault::Fenced(cause)) => self.note_fenced(&cause, Duration::ZERO)?,
                Err(fault) => tracing::warn!(id = self.transactional_id, %fault, "producer cannot start yet"),
            }
            if give_up() {
                return Err(ServiceFault::GaveUp);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Another producer took the id over. Once may be an old self; twice in a minute is another process. But for one
    /// whose transaction was `open` for so long that the broker ended it: after an outage that is how it is told.
    pub fn note_fenced(&mut self, cause: &str, open: Duration) -> Result<(), ServiceFault> {
        if open >= TRANSACTION_TIMEOUT {
            tracing::warn!(id = self.transactional_id, cause, "fenced: its transaction was open for too long");
            return Ok(());
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it ends the process to be fenced twice, with transactions open for so long.
    fn fenced_twice(open: Duration) -> bool {
        let settings = KafkaSettings {
            brokers: "127.0.0.1:1".to_owned(),
            group_id: "g".to_owned(),
            instance_id: "i".to_owned(),
            transactional_id: "t".to_owned(),
            properties: Default::default(),
        };
        let mut producers = Producers::new(&settings, "t-0".to_owned(), 1 << 20);
        assert_eq!(producers.note_fenced("once", open), Ok(()));
        producers.note_fenced("twice", open).is_err()
    }

    #[test]
    fn two_outages_in_a_minute_are_no_other_process() {
        assert!(fenced_twice(Duration::from_secs(1)), "another holder of the id");
        assert!(!fenced_twice(TRANSACTION_TIMEOUT), "the broker ended what was open for too long");
    }
}
