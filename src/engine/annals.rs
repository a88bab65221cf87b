//! What is remembered of how the log was judged beside the log itself: decisions about single records, and which
//! engine and settings held from which offset on. Never judges.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::engine::encode::keys::BookKey;
use crate::engine::encode::{self, Row};
use crate::engine::settings::EngineSettings;
use crate::engine::settings_text::UnknownSettings;
use crate::model::bookkeeping::{Decision, HistoryEntry, Ruling};
use crate::model::position::Offset;
use crate::model::time::EventTime;
use crate::model::verdict::Rejection;

/// Decisions and history of one partition, by offset.
#[derive(Debug, Clone, Default)]
pub struct Annals {
    decisions: BTreeMap<Offset, Decision>,
    /// Of each schema id, the offsets of its decisions.
    schemas: BTreeMap<u32, BTreeSet<Offset>>,
    history: BTreeMap<Offset, HistoryEntry>,
    /// Decisions by age.
    by_age: BTreeSet<(EventTime, Offset)>,
    absent: usize,
}

impl Annals {
    /// Takes in a bookkeeping record; of another kind of row, nothing. Errors: it is damaged.
    pub fn read(&mut self, key: &[u8], body: &[u8]) -> Result<(), encode::DecodeError> {
        if !matches!(BookKey::parse(key), Some(BookKey::Decision(_) | BookKey::History(_))) {
            return Ok(());
        }
        match encode::decode_row(body)? {
            Row::Decision(decision) => self.enter(decision),
            Row::History(entry) => self.begin(entry),
            _ => return Err(encode::DecodeError::Field("type")),
        }
        Ok(())
    }

    /// How the record at this offset was dead-lettered without being looked at, if it was.
    pub fn dead_lettered(&self, offset: Offset) -> Option<&Rejection> {
        match &self.decisions.get(&offset)?.ruling {
            Ruling::DeadLettered(rejection) => Some(rejection),
            Ruling::Schema(..) => None,
        }
    }

    /// What a schema id stood for at this offset: its text, or `Some(None)` if it was absent. `None`: nothing was
    /// decided, which a replay has to read as absent.
    pub fn schema(&self, id: u32, offset: Offset) -> Option<Option<&Arc<str>>> {
        match &self.schema_decision(id, offset)?.ruling {
            Ruling::Schema(_, text) => Some(text.as_ref()),
            Ruling::DeadLettered(_) => None,
        }
    }

    /// The settings that held at this offset; `None`: nothing is remembered of it.
    pub fn settings(&self, offset: Offset) -> Option<Result<EngineSettings, UnknownSettings>> {
        let (_, entry) = self.history.range(..=offset).next_back()?;
        Some(EngineSettings::from_text(&entry.settings))
    }

    /// Every decision, by offset.
    pub fn decisions(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.values()
    }

    /// Every change of engine or settings, by offset.
    pub fn history(&self) -> impl Iterator<Item = &HistoryEntry> {
        self.history.values()
    }

    pub(super) fn schema_decision(&self, id: u32, offset: Offset) -> Option<&Decision> {
        let at = self.schemas.get(&id)?.range(..=offset).next_back()?;
        self.decisions.get(at)
    }

    /// Schema ids decided to be absent.
    pub(super) fn absent(&self) -> usize {
        self.absent
    }

    /// Enters a decision, in place of one of the same offset.
    pub(super) fn enter(&mut self, decision: Decision) {
        self.remove(decision.offset);
        self.by_age.insert((decision.at, decision.offset));
        if let Ruling::Schema(id, text) = &decision.ruling {
            self.schemas.entry(*id).or_default().insert(decision.offset);
            self.absent += usize::from(text.is_none());
        }
        self.decisions.insert(decision.offset, decision);
    }

    pub(super) fn remove(&mut self, offset: Offset) {
        let Some(decision) = self.decisions.remove(&offset) else { return };
        self.by_age.remove(&(decision.at, offset));
        if let Ruling::Schema(id, text) = &decision.ruling {
            self.absent -= usize::from(text.is_none());
            if let Some(offsets) = self.schemas.get_mut(id) {
                offsets.remove(&offset);
                if offsets.is_empty() {
                    self.schemas.remove(id);
                }
            }
        }
    }

    /// Enters what holds from an offset on.
    pub(super) fn begin(&mut self, entry: HistoryEntry) {
        self.history.insert(entry.offset, entry);
    }

    /// The oldest decision.
    pub(super) fn oldest(&self) -> Option<(EventTime, Offset)> {
        self.by_age.first().copied()
    }

    /// What held last.
    pub(super) fn newest_entry(&self) -> Option<&HistoryEntry> {
        self.history.values().next_back()
    }

    /// The oldest entry, and since when another one holds in its place.
    pub(super) fn oldest_entry(&self) -> Option<(Offset, EventTime)> {
        let mut entries = self.history.values();
        Some((entries.next()?.offset, entries.next()?.at))
    }

    pub(super) fn forget_entry(&mut self, offset: Offset) {
        self.history.remove(&offset);
    }
}
