//! A restore waits for transactions that are open on the state topics: what they hold is not decided yet.

use std::time::{Duration, Instant};

use super::forgotten::FORGOTTEN;
use super::restore_fault::Fault;
use super::restorer::{PAUSE, Restorer};
use crate::kafka::reader::StateReader;
use crate::model::position::Offset;

/// Brokers end a transaction of a service after ten seconds: one that stays open for so long they have forgotten.
const HANGING: Duration = Duration::from_secs(60);

impl Restorer<'_, '_> {
    /// Waits until no transaction that may change what lies below `end` is open.
    pub fn until_settled_up_to(&self, end: Offset, reader: &StateReader, topic: &str) -> Result<(), Fault> {
        let partition = self.job.partition;
        let (since, mut told) = (Instant::now(), 0);
        while !self.persevere(|| reader.settled(topic, partition, end))? {
            let (partition, end) = (partition.0, end.0);
            if told == 0 {
                tracing::info!(partition, topic, end, "a transaction is open on a state topic");
                told = 1;
            }
            if told == 1 && since.elapsed() > HANGING {
                tracing::warn!(
                    partition,
                    topic,
                    end,
                    "a transaction stays open: see `hanging transaction` in the manual"
                );
                told = 2;
            }
            self.job.slot.set_undecided(since.elapsed() > FORGOTTEN);
            std::thread::sleep(PAUSE);
        }
        self.job.slot.set_undecided(false);
        Ok(())
    }
}
