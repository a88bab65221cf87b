//! One record into its engine: its schema resolved beforehand, a panic caught. Never publishes.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rdkafka::Message;
use rdkafka::message::BorrowedMessage;

use super::board::write;
use super::framing::schema_id;
use super::owned::Folding;
use crate::engine::{Engine, Record};
use crate::kafka::headers;
use crate::kafka::registry::{KnownSchema, Registry, Resolution};
use crate::model::position::{Offset, Position};
use crate::model::time::EventTime;
use crate::model::verdict::{Rejection, Verdict};

/// What became of a record.
pub(super) enum Took {
    /// The engine's verdict; its effects are in the partition's part.
    Verdict(Verdict),
    /// The engine and its effects are of no more use.
    Panicked,
    /// The registry gives no answer now.
    NoSchema(String),
}

/// Schemas that an earlier generation's decisions brought, by id.
pub(super) type Recorded = HashMap<u32, Arc<KnownSchema>>;

/// Folds one record. `refused`: it is dead-lettered instead, without a look at it.
pub(super) fn fold(
    folding: &mut Folding,
    registry: Option<&Registry>,
    at: Position,
    message: &BorrowedMessage<'_>,
    refused: Option<Rejection>,
) -> Took {
    let Folding { engine, part, recorded, .. } = folding;
    // Caught under the lock: whoever reads next finds the lock whole, and the engine is replaced.
    let mut engine = write(engine);
    // What an earlier generation decided is decided.
    let refused = engine.annals().dead_lettered(at.offset).cloned().or(refused);
    let framed = schema_id(message.payload()).filter(|_| refused.is_none());
    let known = match framed.map(|id| resolve(&engine, recorded, registry, at.offset, id)) {
        Some(Resolution::Known(known)) => Some(known),
        Some(Resolution::Absent) | None => None,
        Some(Resolution::Unavailable(fault)) => return Took::NoSchema(fault),
    };
    let record = Record {
        position: at,
        timestamp: message.timestamp().to_millis().map(EventTime),
        // A record without a key is routed wrongly like any other that is not its tenant's; only files may
        // leave keys out.
        key: Some(message.key().unwrap_or_default()),
        value: message.payload(),
        traceparent: headers::last(message.headers(), "traceparent"),
        writer: known.as_deref().map(|known| &known.writer),
    };
    let caught = catch_unwind(AssertUnwindSafe(|| {
        if let Some(rejection) = refused {
            return engine.refuse(record, rejection, &mut part.effects);
        }
        if let Some(id) = framed {
            engine.resolved(at, id, known.as_deref().map(|known| &*known.text), &mut part.effects);
        }
        engine.process(record, &mut part.effects)
    }));
    caught.map_or(Took::Panicked, Took::Verdict)
}

/// What a schema id stands for: to a record that an earlier generation judged what it was then, else what the
/// registry says.
fn resolve(
    engine: &Engine,
    recorded: &mut Recorded,
    registry: Option<&Registry>,
    offset: Offset,
    id: u32,
) -> Resolution {
    let judged_before = engine.rebuilding().is_some_and(|rebuild| offset < rebuild.publish_from);
    match engine.annals().schema(id, offset).filter(|_| judged_before) {
        Some(Some(text)) => {
            if let Some(known) = recorded.get(&id).filter(|known| known.text == *text) {
                return Resolution::Known(Arc::clone(known));
            }
            // It was parsed when it was decided; a version that cannot any more must not guess.
            let Ok(known) = KnownSchema::parse(text) else { return Resolution::Absent };
            let known = Arc::new(known);
            recorded.insert(id, Arc::clone(&known));
            Resolution::Known(known)
        }
        Some(None) => Resolution::Absent,
        None => registry.map_or(Resolution::Absent, |registry| registry.resolve(id)),
    }
}
