//! A dense slot store: rows and columns by slot, codes by slot once there are many, session to slot.

use std::hash::BuildHasher;

use half::f16;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::MAX_K;
use super::ahead::fetch;
use super::chunked::{Column, Rows};
use super::codes::Codes;
use super::columns::{ColumnStore, Columns, Wanted};
use super::nearest::{Hit, Nearest};
use super::query::CodeQuery;
use super::select::{Scored, in_turn, keep_best, order, set_bits};
use crate::model::ids::SessionId;
use crate::model::vector::{UnitVector, cosine_rows};

/// As many sessions as are compared exactly, however many there are: fewer pass, or fewer are stored.
const EXACT: usize = 128;
/// Below so many the codes of a shrunk index are given up.
const FEW: usize = EXACT / 2;
/// Sessions that the heads nominate for a comparison of all signs, for each wanted; the best of them, as many as are
/// wanted, are compared exactly.
const FIRST_EACH: usize = 4;
/// What an estimate puts so many of its deviations below a wanted cosine is ruled out.
const DEVIATIONS: f64 = 3.0;
/// Sessions of those not ruled out that are compared exactly at most: for each wanted, and in any case.
const MOST_EACH: usize = 64;
const MOST: usize = 1024;

/// The vectors of one tenant in one space.
#[derive(Debug)]
pub struct SpaceIndex {
    rows: Rows,
    inverse_norms: Column<f64>,
    ids: Column<SessionId>,
    pub(super) columns: ColumnStore,
    /// There whenever more than [`EXACT`] sessions are stored.
    codes: Option<Codes>,
    slots: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

/// Where a session was stored last. It saves looking the session up; any hint will do.
#[derive(Debug, Clone, Copy, Default)]
pub struct SlotHint(u32);

impl SpaceIndex {
    /// An empty index of `dim` components a vector.
    pub fn new(dim: usize) -> SpaceIndex {
        SpaceIndex {
            rows: Rows::new(dim),
            inverse_norms: Column::default(),
            ids: Column::default(),
            columns: ColumnStore::default(),
            codes: None,
            slots: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// Sessions stored.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// No session is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Stores or overwrites a session's vector. A vector of another dimension is refused with `false`.
    pub fn upsert(
        &mut self,
        session: &SessionId,
        hint: &mut SlotHint,
        vector: &UnitVector,
        columns: &Columns<'_>,
    ) -> bool {
        if vector.dim() != self.rows.dim() {
            return false;
        }
        match self.find(session, hint) {
            Some(slot) => self.put(slot, vector, columns),
            None => self.push(session, vector, columns),
        }
        true
    }

    /// The same; tells how near the vector is to the one it replaces: their true cosine. `None`: there was none,
    /// or the vector is refused.
    pub fn replace(
        &mut self,
        session: &SessionId,
        hint: &mut SlotHint,
        vector: &UnitVector,
        columns: &Columns<'_>,
    ) -> Option<f64> {
        if vector.dim() != self.rows.dim() {
            return None;
        }
        let Some(slot) = self.find(session, hint) else {
            self.push(session, vector, columns);
            return None;
        };
        let (row, inverse) = (self.rows.row(slot), self.inverse_norms[slot]);
        let cosine = cosine_rows(vector.as_slice(), vector.inverse_norm(), row, inverse);
        self.put(slot, vector, columns);
        Some(cosine)
    }

    fn put(&mut self, slot: usize, vector: &UnitVector, columns: &Columns<'_>) {
        self.rows.row_mut(slot).copy_from_slice(vector.as_slice());
        self.inverse_norms[slot] = vector.inverse_norm();
        self.columns.set(slot, columns);
        if let Some(codes) = &mut self.codes {
            codes.put(slot, vector.as_slice(), vector.inverse_norm());
        }
    }

    fn push(&mut self, session: &SessionId, vector: &UnitVector, columns: &Columns<'_>) {
        let slot = self.len();
        self.rows.push(vector.as_slice());
        self.inverse_norms.push(vector.inverse_norm());
        self.ids.push(session.clone());
        self.columns.push(columns);
        let SpaceIndex { slots, hasher, ids, .. } = self;
        slots.insert_unique(hasher.hash_one(session.as_str()), slot as u32, |slot| {
            hasher.hash_one(ids[*slot as usize].as_str())
        });
        match &mut self.codes {
            Some(codes) => codes.put(slot, vector.as_slice(), vector.inverse_norm()),
            None if slot == EXACT => self.encode_all(),
            None => {}
        }
    }

    fn encode_all(&mut self) {
        let mut codes = Codes::new(self.rows.dim());
        for slot in 0..self.len() {
            codes.put(slot, self.rows.row(slot), self.inverse_norms[slot]);
        }
        self.codes = Some(codes);
    }

    fn slot(&self, session: &str) -> Option<usize> {
        let same = |slot: &u32| self.ids[*slot as usize].as_str() == session;
        self.slots.find(self.hasher.hash_one(session), same).map(|slot| *slot as usize)
    }

    /// The same, where the hint says, or else where it is.
    fn hinted(&self, session: &str, SlotHint(slot): SlotHint) -> Option<usize> {
        let slot = slot as usize;
        let holds = slot < self.len() && self.ids[slot].as_str() == session;
        if holds { Some(slot) } else { self.slot(session) }
    }

    /// The same; makes the hint say where the session is, or will be once it is stored.
    fn find(&self, session: &SessionId, hint: &mut SlotHint) -> Option<usize> {
        let found = self.hinted(session.as_str(), *hint);
        *hint = SlotHint(found.unwrap_or(self.len()) as u32);
        found
    }

    /// Reads a session's row, a value of each cache line.
    pub fn warm(&self, session: &str, hint: SlotHint) {
        if let Some(slot) = self.hinted(session, hint) {
            for line in self.rows.row(slot).chunks(32) {
                std::hint::black_box(line[0]);
            }
            std::hint::black_box(self.inverse_norms[slot]);
        }
    }

    /// Replaces what predicates see of a session; nothing happens if it is not stored.
    pub fn set_columns(&mut self, session: &SessionId, hint: SlotHint, columns: &Columns<'_>) {
        if let Some(slot) = self.hinted(session.as_str(), hint) {
            self.columns.set(slot, columns);
        }
    }

    /// Removes a session at once; the last slot moves into its place. Returns whether it was stored.
    pub fn remove(&mut self, session: &SessionId) -> bool {
        let SpaceIndex { slots, hasher, ids, .. } = self;
        let found = slots.find_entry(hasher.hash_one(session.as_str()), |slot| ids[*slot as usize] == *session);
        let Ok(entry) = found else { return false };
        let (slot, _) = entry.remove();
        let (slot, last) = (slot as usize, ids.len() - 1);
        if slot != last
            && let Some(moved) = slots.find_mut(hasher.hash_one(ids[last].as_str()), |at| *at as usize == last)
        {
            *moved = slot as u32;
        }
        self.rows.swap_remove(slot, last);
        self.inverse_norms.swap_remove(slot);
        self.ids.swap_remove(slot);
        self.columns.swap_remove(slot);
        match &mut self.codes {
            Some(_) if last < FEW => self.codes = None,
            Some(codes) => codes.swap_remove(slot, last),
            None => {}
        }
        true
    }

    /// The stored vector of a session.
    pub fn vector(&self, session: &SessionId) -> Option<&[f16]> {
        self.slot(session.as_str()).map(|slot| self.rows.row(slot))
    }

    /// True cosine of a vector and a stored session's; `None` if it is not stored or of another dimension.
    pub fn similarity(&self, vector: &UnitVector, session: &SessionId) -> Option<f64> {
        let slot = self.slot(session.as_str()).filter(|_| vector.dim() == self.rows.dim())?;
        let (row, inverse) = (self.rows.row(slot), self.inverse_norms[slot]);
        Some(cosine_rows(vector.as_slice(), vector.inverse_norm(), row, inverse))
    }

    /// The `k` nearest sessions that pass, best first, ties by session id. `k` is clamped to
    /// 1..=[`MAX_K`]. A query of another dimension finds nothing.
    pub fn search(&self, query: &UnitVector, k: usize, wanted: &Wanted<'_>) -> Vec<Hit> {
        if query.dim() != self.rows.dim() {
            return Vec::new();
        }
        let k = k.clamp(1, MAX_K);
        let mut passing = self.columns.passing(wanted);
        if let Some(slot) = wanted.except.and_then(|session| self.slot(session.as_str())) {
            passing[slot / 64] &= !(1 << (slot % 64));
        }
        let wide = query.to_f32();
        let inverse = query.inverse_norm();
        let count: usize = passing.iter().map(|bits| bits.count_ones() as usize).sum();
        let mut nearest = self.nearest((&wide, inverse), k);
        match &self.codes {
            Some(codes) if count > EXACT.max(FIRST_EACH * k) => {
                self.scan(codes, &CodeQuery::new(&wide, inverse), &passing, &mut nearest, k);
            }
            _ => set_bits(&passing).for_each(|slot| nearest.offer(slot)),
        }
        nearest.hits()
    }

    /// Offers the nearest that pass, as far as codes tell. First the best of those that the heads put first: the last
    /// wanted of them is a bound. Then all signs are compared of those that their heads do not put too far below it.
    /// Those that are still not too far are offered, the nearest first, until the last wanted of all rules out the rest.
    fn scan(&self, codes: &Codes, query: &CodeQuery, passing: &[u64], nearest: &mut Nearest<'_>, k: usize) {
        let by_score = |a: &(f32, u32), b: &(f32, u32)| order(&self.ids, a, b);
        let (scored, mut first) = Scored::new((codes, query), passing, FIRST_EACH * k, &self.ids);
        codes.refine(query, &mut first);
        keep_best(&mut first, k, by_score);
        let mut first: Vec<u32> = first.into_iter().map(|(_, slot)| slot).collect();
        first.iter().for_each(|slot| nearest.offer(*slot as usize));
        first.sort_unstable();
        let mut rest = scored.reaching(query.head_score_of(nearest.worst(), DEVIATIONS));
        codes.refine(query, &mut rest);
        let floor = query.score_of(nearest.worst(), DEVIATIONS);
        rest.retain(|(score, slot)| *score >= floor && first.binary_search(slot).is_err());
        keep_best(&mut rest, MOST.max(MOST_EACH * k), by_score);
        // Most are ruled out before their turn comes.
        in_turn(&mut rest, MOST / 8, by_score, |(score, slot), soon| {
            if *score < query.score_of(nearest.worst(), DEVIATIONS) {
                return false;
            }
            if let Some((_, soon)) = soon {
                fetch(self.rows.row(*soon as usize));
                fetch(std::slice::from_ref(&self.inverse_norms[*soon as usize]));
            }
            nearest.offer(*slot as usize);
            true
        });
    }

    /// The same among the sessions given, each compared exactly. Sessions that are not stored are passed over.
    pub fn search_among<'s>(
        &self,
        query: &UnitVector,
        k: usize,
        wanted: &Wanted<'_>,
        sessions: impl Iterator<Item = &'s SessionId>,
    ) -> Vec<Hit> {
        if query.dim() != self.rows.dim() {
            return Vec::new();
        }
        let slots = sessions
            .filter(|session| Some(*session) != wanted.except)
            .filter_map(|session| self.slot(session.as_str()));
        let slots = slots.filter(|slot| self.columns.passes(*slot, wanted));
        let wide = query.to_f32();
        let mut nearest = self.nearest((&wide, query.inverse_norm()), k.clamp(1, MAX_K));
        slots.for_each(|slot| nearest.offer(slot));
        nearest.hits()
    }

    fn nearest<'a>(&'a self, query: (&'a [f32], f64), k: usize) -> Nearest<'a> {
        Nearest::new((&self.rows, &self.inverse_norms, &self.ids), query, k)
    }
}
