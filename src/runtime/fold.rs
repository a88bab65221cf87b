//! One record into its engine: its schema resolved beforehand, a panic caught. Never publishes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rdkafka::Message;
use rdkafka::message::BorrowedMessage;

use super::board::write;
use super::framing::schema_id;
use super::owned::Folding;
use crate::engine::{Record, WriterSchema};
use crate::kafka::headers;
use crate::kafka::registry::{Registry, Resolution};
use crate::model::position::Position;
use crate::model::time::EventTime;
use crate::model::verdict::{RejectReason, Rejection, Verdict};

/// What became of a record.
pub(super) enum Took {
    /// The engine's verdict; its effects are in the partition's part.
    Verdict(Verdict),
    /// The engine and its effects are of no more use.
    Panicked,
    /// The registry gives no answer now.
    NoSchema(String),
}

/// Folds one record; `poisoned`: it panicked before, so it is dead-lettered.
pub(super) fn fold(
    folding: &mut Folding,
    registry: Option<&Registry>,
    at: Position,
    message: &BorrowedMessage<'_>,
    poisoned: bool,
) -> Took {
    let mut writer: Option<Arc<WriterSchema>> = None;
    if let (Some(registry), Some(id), false) = (registry, schema_id(message.payload()), poisoned) {
        match registry.resolve(id) {
            Resolution::Known(schema) => writer = Some(schema),
            Resolution::Absent => {}
            Resolution::Unavailable(fault) => return Took::NoSchema(fault),
        }
    }
    let record = Record {
        position: at,
        timestamp: message.timestamp().to_millis().map(EventTime),
        // A record without a key is routed wrongly like any other that is not its tenant's; only files may
        // leave keys out.
        key: Some(message.key().unwrap_or_default()),
        value: message.payload(),
        traceparent: headers::last(message.headers(), "traceparent"),
        writer: writer.as_deref(),
    };
    let Folding { engine, part, .. } = folding;
    // Caught under the lock: whoever reads next finds the lock whole, and the engine is replaced.
    let mut engine = write(engine);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        if poisoned {
            let rejection = Rejection::new(RejectReason::Poison, "processing this record panicked");
            engine.dead_letter(record, rejection, &mut part.effects);
            return Verdict::Rejected(RejectReason::Poison);
        }
        engine.process(record, &mut part.effects)
    }));
    caught.map_or(Took::Panicked, Took::Verdict)
}
