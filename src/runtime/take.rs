//! A worker's messages into the engines of its partitions.

use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::message::BorrowedMessage;

use super::board::read;
use super::fold::{Took, fold};
use super::owned::{Owned, State};
use super::shard::{Fetching, Shard};
use crate::model::position::{Offset, PartitionId, Position};
use crate::model::time::EventTime;

/// How long a partition waits before a schema is asked for again.
const SCHEMA_PAUSE: Duration = Duration::from_secs(1);

impl Shard {
    /// How many records the batch has room for.
    pub fn room(&self) -> usize {
        self.shared.settings.batch.max_records.saturating_sub(self.filling.records)
    }

    /// Has the engines look at what they get next.
    pub fn look_ahead(&mut self, messages: &[BorrowedMessage<'_>]) {
        for messages in messages.chunk_by(|a, b| a.partition() == b.partition()) {
            let partition = PartitionId(messages[0].partition());
            if let Some(folding) = self.owned.get_mut(&partition).and_then(Owned::folding) {
                read(&folding.engine).look_ahead(messages.iter().filter_map(Message::payload));
            }
        }
    }

    /// Folds one record into its partition's engine.
    pub fn take(&mut self, fetching: &dyn Fetching, message: &BorrowedMessage<'_>) {
        let partition = PartitionId(message.partition());
        let offset = Offset(message.offset());
        let at = Position { partition, offset };
        let Some(Owned { state: State::Folding(folding), slot, .. }) = self.owned.get_mut(&partition) else { return };
        // Fetched before a pause or a seek took effect: it comes again, or came already.
        if folding.waits_until.is_some() || offset < folding.next {
            return;
        }
        let timestamp = message.timestamp().to_millis().map(EventTime);
        if folding.rebuild.as_ref().is_some_and(|rebuild| offset >= rebuild.publish_from) {
            self.rebuilt_up_to(fetching, at);
            return;
        }
        let refused = self.refusals.of(at);
        let again = refused.is_some();
        let before = folding.part.effects.bytes();
        match fold(folding, self.shared.registry.as_ref(), at, message, refused) {
            Took::Verdict(verdict) => {
                let bytes = message.payload_len() + message.key_len();
                folding.next = Offset(offset.0 + 1);
                slot.waiters.folded(offset);
                folding.part.took(verdict, timestamp, bytes);
                self.filling.records += 1;
                self.filling.bytes += bytes.max(folding.part.effects.bytes().saturating_sub(before));
                self.filling.oldest.get_or_insert_with(Instant::now);
            }
            Took::NoSchema(fault) => {
                tracing::warn!(partition = partition.0, %fault, "waiting for the schema registry");
                fetching.pause(&[partition]);
                folding.waits_until = Some(Instant::now() + SCHEMA_PAUSE);
            }
            Took::Panicked => self.panicked(fetching, at, again),
        }
    }

    /// Leaves a partition's records for later; it is moved back to the first of them then.
    pub fn put_off(&mut self, fetching: &dyn Fetching, partition: PartitionId) {
        let Some(folding) = self.owned.get_mut(&partition).and_then(Owned::folding) else { return };
        fetching.pause(&[partition]);
        folding.waits_until.get_or_insert_with(Instant::now);
    }

    /// The batch of the partition goes, its engine is restored, and the record is dead-lettered when it
    /// comes again. `again`: that panicked too; then the partition stops.
    fn panicked(&mut self, fetching: &dyn Fetching, at: Position, again: bool) {
        self.shared.metrics.panic();
        fetching.pause(&[at.partition]);
        if again {
            let cause = format!("processing the record at {at} panicked, and so did dead-lettering it");
            self.fail(at.partition, cause, false);
            return;
        }
        tracing::error!(position = %at, "processing a record panicked; it will be dead-lettered");
        self.refusals.panicked(at);
        self.restore(at.partition);
    }
}
