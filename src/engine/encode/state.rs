//! A session to the Avro body of its state record, field by field in the schema's order: a state is written
//! for nearly every event, and structs in between cost as much again.

use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use super::read::long;
use crate::engine::positional::Writer;
use crate::model::ids::SessionId;
use crate::model::kv::{KvCopy, Tier};
use crate::model::position::Position;
use crate::model::published::Published;
use crate::model::session::{Book, Facets, LastTurn, LiveStatus};
use crate::model::stamp::{Register, Stamp};

/// Appends the Avro body of a state: the public view, then everything the next fold needs except the vector
/// and the prefix segments, which have records of their own.
pub fn state(bytes: &mut Vec<u8>, view: &Published<'_>, facets: &Facets, book: &Book) {
    let mut writer = StateWriter::new(bytes, facets, book);
    writer.public(view);
    writer.fold(facets, book);
}

/// Appends what a state's body ends with: its field `fold`.
pub fn fold(bytes: &mut Vec<u8>, facets: &Facets, book: &Book) {
    StateWriter::new(bytes, facets, book).fold(facets, book);
}

type StampTable<'a> = SmallVec<[&'a Arc<Stamp>; 8]>;

/// The stamps that a state names, each once: one event usually sets several registers. Equal stamps are one
/// even where they are held apart, so that the bytes depend on values alone.
fn stamp_table<'a>(facets: &'a Facets, book: &'a Book) -> StampTable<'a> {
    let mut table = StampTable::new();
    for stamp in facets.stamps().chain(book.triggers.values()) {
        if !table.iter().any(|held| Arc::ptr_eq(held, stamp) || *held == stamp) {
            table.push(stamp);
        }
    }
    table
}

struct StateWriter<'a, 'b> {
    out: Writer<'b>,
    stamps: StampTable<'a>,
    /// The last copy written and where: a state mostly repeats one copy three times.
    copy: Option<(&'a Arc<KvCopy>, Range<usize>)>,
}

impl<'a, 'b> StateWriter<'a, 'b> {
    fn new(bytes: &'b mut Vec<u8>, facets: &'a Facets, book: &'a Book) -> StateWriter<'a, 'b> {
        StateWriter { out: Writer::new(bytes), stamps: stamp_table(facets, book), copy: None }
    }

    fn fold(&mut self, facets: &'a Facets, book: &'a Book) {
        self.registers(facets);
        self.collections(facets);
        self.book(book);
    }

    fn public(&mut self, view: &'a Published<'_>) {
        self.out.text(view.tenant.as_str());
        self.out.text(view.session.as_str());
        self.out.optional_text(view.user.map(|v| v.as_str()));
        self.out.optional_text(view.status.map(|v| v.label()));
        self.out.optional_text(view.end_reason.map(|v| v.label()));
        self.out.long(view.turn_count.into());
        self.out.optional_long(view.context_tokens.map(long));
        self.out.optional_long(view.started_at.map(|v| v.0));
        self.out.optional_long(view.last_active.map(|v| v.0));
        self.out.optional_adapter(view.active_adapter);
        match view.kv_copies.first() {
            Some(copy) => {
                self.out.some();
                self.copy(copy);
            }
            None => self.out.none(),
        }
        self.out.items(view.kv_copies.len());
        for copy in &view.kv_copies {
            self.copy(copy);
        }
        self.out.end();
        self.out.optional_text(view.residency.map(|v| v.label()));
        self.out.optional(view.context, |out, (space, covers_turn)| {
            out.name(space);
            out.long(covers_turn.into());
        });
        self.out.text(view.transfer_scope.label());
        for session in [view.parent, view.continues, view.taken_up_by] {
            self.out.optional_text(session.map(SessionId::as_str));
        }
        self.out.items(view.metadata.len());
        for (key, value) in &view.metadata {
            self.out.text(key);
            self.out.text(value);
        }
        self.out.end();
        self.out.bool(view.gapped);
        self.out.texts(view.open_suggestions.iter().map(|id| id.as_str()));
        self.position(&view.as_of);
    }

    fn registers(&mut self, facets: &Facets) {
        self.stamps();
        self.register(&facets.status, |w, status| w.status(status));
        self.register(&facets.end, |w, reason| w.out.optional_text(reason.map(|v| v.label())));
        self.out.long(facets.turn_count.into());
        match &facets.last_turn {
            Some(turn) => self.last_turn(turn),
            None => self.out.none(),
        }
        self.out.optional_long(facets.started_at.map(|v| v.0));
        self.out.optional_long(facets.last_active.map(|v| v.0));
        self.out.long(facets.touched_at.0);
        self.register(&facets.user, |w, user| w.out.optional_text(Some(user.as_str())));
        self.register(&facets.transfer_scope, |w, scope| w.out.optional_text(scope.map(|v| v.label())));
        self.register(&facets.idle_timeout, |w, span| w.out.optional_long(span.map(|v| v.0)));
        self.register(&facets.activation, |w, adapter| w.out.optional_adapter(adapter.as_ref()));
        self.out.items(facets.deactivations.len());
        for (adapter, stamp) in facets.deactivations.iter() {
            self.stamp(stamp);
            self.out.name(adapter);
        }
        self.out.end();
        self.register(&facets.parent, |w, id| w.out.optional_text(id.as_ref().map(SessionId::as_str)));
        self.register(&facets.continues, |w, id| w.out.optional_text(id.as_ref().map(SessionId::as_str)));
        self.register(&facets.resumed_from, |w, id| w.out.optional_text(Some(id.as_str())));
        self.register(&facets.context_ref, |w, name| w.out.optional_name(name));
        self.register(&facets.cache, |w, cache| w.out.optional(cache.as_ref(), Writer::cache));
    }

    fn collections(&mut self, facets: &'a Facets) {
        self.out.items(facets.metadata.len());
        for (key, register) in facets.metadata.iter() {
            self.stamp(&register.stamp);
            self.out.text(key);
            self.out.optional_text(register.value.as_deref());
        }
        self.out.end();
        self.out.optional_long(facets.metadata_cleared.as_ref().map(|stamp| self.index(stamp)));
        match &facets.context {
            Some(context) => {
                self.out.some();
                self.stamp(&context.stamp);
                self.out.name(&context.space);
                self.out.long(context.covers_turn.into());
            }
            None => self.out.none(),
        }
        self.out.items(facets.placements.len());
        for register in facets.placements.values() {
            self.stamp(&register.stamp);
            self.copy(&register.value);
        }
        self.out.end();
        self.out.items(facets.evictions.len());
        for (place, register) in facets.evictions.iter() {
            self.stamp(&register.stamp);
            self.out.optional_name(&place.worker);
            self.out.optional_name(&place.instance);
            self.out.optional_long(place.worker_epoch.map(long));
            self.out.optional_long(place.dp_rank.map(i64::from));
            self.out.optional_text(place.tier.map(Tier::label));
            self.out.long(long(register.value.remaining_tokens));
            self.out.text(register.value.reason.label());
        }
        self.out.end();
    }

    fn book(&mut self, book: &Book) {
        self.out.items(book.producers.len());
        for seen in &book.producers {
            self.out.name(&seen.id);
            self.out.long(long(seen.epoch));
            self.out.items(2 * seen.intervals.len());
            for (first, last) in &seen.intervals {
                self.out.long(long(*first));
                self.out.long(long(*last));
            }
            self.out.end();
            self.out.bool(seen.overflowed);
        }
        self.out.end();
        self.out.items(book.triggers.len());
        for (kind, stamp) in book.triggers.iter() {
            self.stamp(stamp);
            self.out.text(kind.label());
        }
        self.out.end();
        self.out.double(book.drift);
        self.out.texts(book.open.iter().map(|id| id.as_str()));
        self.position(&book.as_of);
        self.out.long(book.as_of_time.0);
        self.out.optional(book.topic.to_bytes(), |out, topic| out.counted(&topic));
        self.out.optional((book.opened.count > 0).then_some(book.opened), |out, opened| {
            out.long(opened.number);
            out.long(long(opened.count));
        });
        self.out.optional(book.trial, |out, trial| {
            out.text(trial.group.label());
            out.long(trial.since.0);
            out.long(trial.until.0);
        });
    }

    fn stamps(&mut self) {
        self.out.items(self.stamps.len());
        for stamp in &self.stamps {
            self.out.long(stamp.at.0);
            self.out.long(long(stamp.seq));
            self.out.text(stamp.event_id.as_str());
            self.out.long(long(stamp.digest));
        }
        self.out.end();
    }

    /// Where the table has a stamp. Every stamp of a session is in it.
    fn index(&self, stamp: &Arc<Stamp>) -> i64 {
        let same = |held: &&Arc<Stamp>| Arc::ptr_eq(held, stamp);
        let at = self.stamps.iter().position(same).or_else(|| self.stamps.iter().position(|held| *held == stamp));
        at.unwrap_or(self.stamps.len()) as i64
    }

    fn stamp(&mut self, stamp: &Arc<Stamp>) {
        let index = self.index(stamp);
        self.out.long(index);
    }

    fn register<T>(&mut self, register: &Option<Register<T>>, value: impl FnOnce(&mut Self, &T)) {
        match register {
            Some(register) => {
                self.out.some();
                self.stamp(&register.stamp);
                value(self, &register.value);
            }
            None => self.out.none(),
        }
    }

    fn status(&mut self, status: &LiveStatus) {
        let (value, reason, until, last_good_turn) = match status {
            LiveStatus::Active => ("active", None, None, None),
            LiveStatus::Paused(reason, until) => ("paused", Some(reason.label()), until.map(|v| v.0), None),
            LiveStatus::Interrupted(reason, turn) => ("interrupted", Some(reason.label()), None, turn.map(i64::from)),
        };
        self.out.text(value);
        self.out.optional_text(reason);
        self.out.optional_long(until);
        self.out.optional_long(last_good_turn);
    }

    fn last_turn(&mut self, turn: &LastTurn) {
        self.out.some();
        self.out.long(turn.turn.into());
        self.stamp(&turn.stamp);
        self.out.optional_long(turn.context_tokens.map(long));
        self.out.optional_name(&turn.worker);
        self.out.optional_long(turn.worker_epoch.map(long));
        self.out.optional_long(turn.dp_rank.map(i64::from));
        self.out.optional_name(&turn.model);
    }

    fn copy(&mut self, copy: &'a Arc<KvCopy>) {
        if let Some((_, written)) = self.copy.as_ref().filter(|(last, _)| Arc::ptr_eq(last, copy)) {
            return self.out.again(written.clone());
        }
        let from = self.out.len();
        self.out.copy(copy);
        self.copy = Some((copy, from..self.out.len()));
    }

    fn position(&mut self, position: &Position) {
        self.out.long(position.partition.0.into());
        self.out.long(position.offset.0);
    }
}
