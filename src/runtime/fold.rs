//! One record into its engine: its schema resolved beforehand, a panic caught. Never publishes.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rdkafka::Message;
use rdkafka::message::BorrowedMessage;

use super::board::write;
use super::framing::schema_id;
use super::owned::Folding;
use crate::engine::{Effects, Engine, Record};
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

/// Schemas that decisions brought, by id.
#[derive(Default)]
pub(crate) struct Recorded(HashMap<u32, Arc<KnownSchema>>);

impl Recorded {
    /// The schema that an id stood for when it was decided, parsed once.
    pub fn parsed(&mut self, id: u32, text: &Arc<str>) -> Option<Arc<KnownSchema>> {
        if let Some(known) = self.0.get(&id).filter(|known| known.text == *text) {
            return Some(Arc::clone(known));
        }
        // It was parsed when it was decided; a version that cannot any more must not guess.
        let known = Arc::new(KnownSchema::parse(text).ok()?);
        self.0.insert(id, Arc::clone(&known));
        Some(known)
    }
}

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
    judge(&mut engine, &mut part.effects, at, message, known.as_deref(), refused).map_or(Took::Panicked, Took::Verdict)
}

/// Has the engine judge a record: dead-lettered unseen where it is `refused`, else processed with what its schema id
/// stood for. `None`: the engine panicked, and it and its effects are of no more use.
pub(crate) fn judge(
    engine: &mut Engine,
    effects: &mut Effects,
    at: Position,
    message: &BorrowedMessage<'_>,
    known: Option<&KnownSchema>,
    refused: Option<Rejection>,
) -> Option<Verdict> {
    let record = Record {
        position: at,
        timestamp: message.timestamp().to_millis().map(EventTime),
        // A record without a key is routed wrongly like any other that is not its tenant's; only files may
        // leave keys out.
        key: Some(message.key().unwrap_or_default()),
        value: message.payload(),
        traceparent: headers::last(message.headers(), "traceparent"),
        writer: known.map(|known| &known.writer),
    };
    let caught = catch_unwind(AssertUnwindSafe(|| {
        if let Some(rejection) = refused {
            return engine.refuse(record, rejection, effects);
        }
        if let Some(id) = schema_id(message.payload()) {
            engine.resolved(at, id, known.map(|known| &*known.text), effects);
        }
        engine.process(record, effects)
    }));
    caught.ok()
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
        Some(Some(text)) => recorded.parsed(id, text).map_or(Resolution::Absent, Resolution::Known),
        Some(None) => Resolution::Absent,
        None => registry.map_or(Resolution::Absent, |registry| registry.resolve(id)),
    }
}
