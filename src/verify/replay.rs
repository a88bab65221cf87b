//! The oracle: the engine over a partition's input from its beginning, in one go. What the log does not say comes from
//! bookkeeping alone: under which settings which records were folded, what schema ids stood for, what was refused.

use std::sync::Arc;

use rdkafka::Message;
use rdkafka::message::BorrowedMessage;

use crate::engine::encode::{self, Row};
use crate::engine::{Annals, Effects, Engine, EngineSettings};
use crate::model::bookkeeping::Checkpoint;
use crate::model::position::{Offset, PartitionId, Position};
use crate::runtime::{Recorded, judge, schema_id};

/// A partition being replayed.
pub(super) struct Replay<'a> {
    annals: &'a Annals,
    partition: PartitionId,
    partition_count: i32,
    /// Which settings hold from where, the first one last.
    history: Vec<(Offset, Arc<EngineSettings>)>,
    engine: Option<Engine>,
    schemas: Recorded,
    /// What the last record brought.
    pub effects: Effects,
    /// The record at which the engine panicked, and no decision says that it did before: the replay
    /// ends there.
    pub panicked: Option<Offset>,
}

impl<'a> Replay<'a> {
    /// Nothing is folded yet. Every entry of the history must be readable. Of `own` only the fail point counts.
    pub fn new(annals: &'a Annals, partition: PartitionId, partition_count: i32, own: &EngineSettings) -> Replay<'a> {
        let read = |text: &str| {
            let settings = EngineSettings::from_text(text).ok()?;
            Some(Arc::new(EngineSettings { panic_on: own.panic_on.clone(), ..settings }))
        };
        let history = annals.history().filter_map(|entry| Some((entry.offset, read(&entry.settings)?)));
        let mut history: Vec<_> = history.collect();
        history.reverse();
        Replay {
            annals,
            partition,
            partition_count,
            history,
            engine: None,
            schemas: Recorded::default(),
            effects: Effects::new(),
            panicked: None,
        }
    }

    /// Folds a record and returns its offset; what it brings is in the effects until the next one.
    pub fn take(&mut self, message: &BorrowedMessage<'_>) -> Offset {
        self.effects.clear();
        let offset = Offset(message.offset());
        self.follow(offset);
        let Replay { annals, engine: Some(engine), schemas, effects, .. } = self else { return offset };
        let refused = annals.dead_lettered(offset).cloned();
        // What the record's schema id stood for when it was judged.
        let decided = schema_id(message.payload()).and_then(|id| Some((id, annals.schema(id, offset)??)));
        let known = decided.and_then(|(id, text)| schemas.parsed(id, text));
        let position = Position { partition: self.partition, offset };
        if judge(engine, effects, position, message, known.as_deref(), refused).is_none() {
            self.panicked = Some(offset);
        }
        offset
    }

    /// The checkpoint that had to be written here; `None`: nothing was folded.
    pub fn checkpoint(&mut self, next: Offset) -> Option<Checkpoint> {
        let mut effects = Effects::new();
        self.engine.as_mut()?.seal(next, &mut effects);
        let record = effects.records().last()?;
        let (body, _) = super::table::written(&record)?;
        match encode::decode_row(body) {
            Ok(Row::Partition(checkpoint)) => Some(checkpoint),
            _ => None,
        }
    }

    /// Makes the engine one with the settings that held at this offset.
    fn follow(&mut self, offset: Offset) {
        while let Some((_, settings)) = self.history.pop_if(|(begins, _)| *begins <= offset) {
            match &mut self.engine {
                Some(engine) => engine.adopt(settings),
                None => self.engine = Some(Engine::new(settings, self.partition, self.partition_count)),
            }
        }
    }
}
