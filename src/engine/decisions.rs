//! Keeps in bookkeeping what a replay of the log could not find out again: decisions about single records, which
//! engine and settings hold from where, and from where on a rebuilt partition publishes. Old entries go once the
//! records they speak of must have left the log.

use std::sync::Arc;

use crate::engine::effects::{Effects, Mark};
use crate::engine::encode::Row;
use crate::engine::encode::keys::BookKey;
use crate::engine::process::{ENGINE_VERSION, Engine, Step};
use crate::engine::record::Record;
use crate::engine::{Annals, EngineSettings};
use crate::model::bookkeeping::{Decision, HistoryEntry, Rebuild, Ruling};
use crate::model::position::{Offset, Position};
use crate::model::time::{EventTime, Millis};
use crate::model::verdict::{Rejection, Verdict};

/// Absent schema ids that are written down at most: a producer of garbage names a new one with every record. Of
/// further ones nothing is written, and a replay takes an id of which nothing is written for absent.
const MAX_ABSENT: usize = 1000;

impl EngineSettings {
    /// How long decisions and superseded history are kept, in stream time: twice as long as the log keeps records,
    /// since brokers delete whole segments.
    fn annals_kept(&self) -> Millis {
        Millis(self.log_retention.max(self.retention).0.saturating_mul(2))
    }
}

impl Engine {
    /// Tells what the schema id of the Confluent-framed record at `at` stands for: call it before the record is
    /// processed, with `None` where the registry knows no version of the event schema under the id, or where
    /// there is no registry.
    pub fn resolved(&mut self, at: Position, id: u32, text: Option<&str>, effects: &mut Effects) {
        let held = self.annals.schema_decision(id, at.offset).cloned();
        let decision = match held {
            Some(held) if held.ruling == Ruling::Schema(id, text.map(Arc::from)) => {
                // A decision lives as long as records may need it, so it has to be known when it was last used;
                // nearly is enough.
                if self.stream_time.since(held.at).0 < self.settings.annals_kept().0 / 8 {
                    return;
                }
                Decision { at: self.stream_time, ..held }
            }
            None if text.is_none() && self.annals.absent() >= MAX_ABSENT => return,
            _ => Decision { offset: at.offset, ruling: Ruling::Schema(id, text.map(Arc::from)), at: self.stream_time },
        };
        self.decide(&mut Step { position: at, traceparent: None, effects }, decision);
    }

    /// Dead-letters a record without looking at it (it made the engine panic, or an operator wants it skipped),
    /// and remembers that.
    pub fn refuse(&mut self, record: Record<'_>, rejection: Rejection, effects: &mut Effects) -> Verdict {
        let mark = self.begin(&record, effects);
        let reason = rejection.reason;
        let position = record.position;
        let ruling = Ruling::DeadLettered(rejection.clone());
        let decision = Decision { offset: position.offset, ruling, at: self.stream_time };
        self.decide(&mut Step { position, traceparent: None, effects }, decision);
        self.dead_letter(&record, &rejection, effects);
        effects.mute(mark);
        Verdict::Rejected(reason)
    }

    /// What is remembered of how the log was judged.
    pub fn annals(&self) -> &Annals {
        &self.annals
    }

    /// Before any record: everything below `publish_from` was published by an earlier generation, which took
    /// these decisions.
    pub fn rebuild(&mut self, publish_from: Offset, decisions: Vec<Decision>, effects: &mut Effects) {
        let position = Position { partition: self.partition, offset: self.next_offset.unwrap_or_default() };
        let mut step = Step { position, traceparent: None, effects };
        for decision in decisions {
            self.decide(&mut step, decision);
        }
        self.publish_from(publish_from, step.effects);
    }

    /// The earlier generation went on publishing: what it published reaches to here. Never moves back.
    pub fn publish_from(&mut self, publish_from: Offset, effects: &mut Effects) {
        let publish_from = self.rebuild.map_or(publish_from, |rebuild| rebuild.publish_from.max(publish_from));
        let rebuild = Rebuild { publish_from };
        self.rebuild = Some(rebuild);
        let position = Position { partition: self.partition, offset: self.next_offset.unwrap_or_default() };
        self.write_row(&mut Step { position, traceparent: None, effects }, &BookKey::Rebuild, &Row::Rebuild(rebuild));
    }

    /// The rebuild this partition is in; `None`: everything that comes is published.
    pub fn rebuilding(&self) -> Option<Rebuild> {
        self.rebuild
    }

    /// What comes before every record: notes under what it is judged, and says whether it is to be muted.
    pub(super) fn begin(&mut self, record: &Record<'_>, effects: &mut Effects) -> Option<Mark> {
        let position = record.position;
        assert!(self.settings.panic_at != Some(position.offset), "a fail point was set for this offset");
        self.next_offset = Some(Offset(position.offset.0 + 1));
        let muted = match self.rebuild {
            Some(rebuild) if position.offset < rebuild.publish_from => Some(effects.mark()),
            Some(_) => {
                self.rebuild = None;
                self.drop_row(&mut Step { position, traceparent: None, effects }, &BookKey::Rebuild);
                None
            }
            None => None,
        };
        if !std::mem::replace(&mut self.history_noted, true) {
            self.note_history(&mut Step { position, traceparent: None, effects });
        }
        muted
    }

    /// Writes down from where on this engine and its settings hold, if others held before.
    fn note_history(&mut self, step: &mut Step<'_>) {
        let settings = self.settings.to_text();
        let same = |held: &HistoryEntry| held.settings == settings && held.engine_version == ENGINE_VERSION;
        if self.annals.newest_entry().is_some_and(same) {
            return;
        }
        let entry = HistoryEntry {
            offset: step.position.offset,
            at: self.stream_time,
            engine_version: ENGINE_VERSION.to_owned(),
            policy: self.policy.clone(),
            settings,
        };
        self.enter_history(step, entry);
    }

    /// Follows stream time, which stood at `before`: entries made before there was any are dated, old ones go.
    pub(super) fn age_annals(&mut self, step: &mut Step<'_>, before: EventTime) {
        let undated = |at: EventTime| at == EventTime::MIN;
        if undated(before) && !undated(self.stream_time) {
            let decisions: Vec<_> = self.annals.decisions().filter(|d| undated(d.at)).cloned().collect();
            for decision in decisions {
                self.decide(step, Decision { at: self.stream_time, ..decision });
            }
            let entries: Vec<_> = self.annals.history().filter(|entry| undated(entry.at)).cloned().collect();
            for entry in entries {
                self.enter_history(step, HistoryEntry { at: self.stream_time, ..entry });
            }
        }
        let kept = self.settings.annals_kept();
        while let Some((at, offset)) = self.annals.oldest().filter(|(at, _)| at.plus(kept) <= self.stream_time) {
            debug_assert!(!undated(at), "every entry is dated by now");
            self.annals.remove(offset);
            self.drop_row(step, &BookKey::Decision(offset));
        }
        while let Some((offset, _)) = self.annals.oldest_entry().filter(|(_, end)| end.plus(kept) <= self.stream_time) {
            self.annals.forget_entry(offset);
            self.drop_row(step, &BookKey::History(offset));
        }
    }

    fn decide(&mut self, step: &mut Step<'_>, decision: Decision) {
        self.write_row(step, &BookKey::Decision(decision.offset), &Row::Decision(decision.clone()));
        self.annals.enter(decision);
    }

    fn enter_history(&mut self, step: &mut Step<'_>, entry: HistoryEntry) {
        self.write_row(step, &BookKey::History(entry.offset), &Row::History(entry.clone()));
        self.annals.begin(entry);
    }
}
