//! The sessions of one tenant in memory: unit rows in dense slots, states by id, users' histories. Every answer is
//! exact and a function of what is stored alone, never of history or slot order. No I/O.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;

use ruvector_core::simd_intrinsics::dot_product_simd;

use super::state::{Match, SessionState};
use crate::model::ids::{SessionId, UserId};
use crate::model::time::EventTime;

/// Sessions of one tenant.
#[derive(Debug, Default)]
pub struct Tenant {
    sessions: HashMap<SessionId, Held>,
    users: HashMap<UserId, BTreeSet<(Reverse<EventTime>, SessionId)>>,
    /// Unit vectors, `dim` components a slot.
    rows: Vec<f32>,
    /// The sessions of the slots. Only sessions with an embedding have one.
    slots: Vec<Arc<SessionState>>,
}

#[derive(Debug)]
struct Held {
    state: Arc<SessionState>,
    slot: Option<usize>,
    stored_bytes: u64,
}

/// A candidate in the heap: the better one is the greater one.
struct Ranked<'a> {
    similarity: f32,
    state: &'a Arc<SessionState>,
}

impl Tenant {
    /// Takes over a state with its unit embedding (all rows of a tenant have one length) and the bytes its
    /// record takes. Returns the bytes of the record it replaces, 0 if there is none.
    pub fn put(&mut self, state: Arc<SessionState>, unit: Option<&[f32]>, stored_bytes: u64) -> u64 {
        let old = self.sessions.remove(&state.session_id);
        if let Some(old) = &old {
            self.unlink_user(&old.state);
        }
        if let Some(user) = &state.user_id {
            let place = (Reverse(state.last_active), state.session_id.clone());
            self.users.entry(user.clone()).or_default().insert(place);
        }
        let slot = match (old.as_ref().and_then(|old| old.slot), unit) {
            (Some(at), Some(unit)) => {
                self.rows[at * unit.len()..(at + 1) * unit.len()].copy_from_slice(unit);
                self.slots[at] = Arc::clone(&state);
                Some(at)
            }
            (None, Some(unit)) => {
                self.rows.extend_from_slice(unit);
                self.slots.push(Arc::clone(&state));
                Some(self.slots.len() - 1)
            }
            (Some(at), None) => {
                self.free(at);
                None
            }
            (None, None) => None,
        };
        self.sessions.insert(state.session_id.clone(), Held { state, slot, stored_bytes });
        old.map_or(0, |old| old.stored_bytes)
    }

    /// Forgets a session. Returns the bytes of its record, `None` if it was unknown.
    pub fn remove(&mut self, session: &SessionId) -> Option<u64> {
        let held = self.sessions.remove(session)?;
        self.unlink_user(&held.state);
        if let Some(at) = held.slot {
            self.free(at);
        }
        Some(held.stored_bytes)
    }

    /// One session.
    pub fn get(&self, session: &SessionId) -> Option<&Arc<SessionState>> {
        self.sessions.get(session).map(|held| &held.state)
    }

    /// All sessions, in no order.
    pub fn states(&self) -> impl Iterator<Item = &Arc<SessionState>> {
        self.sessions.values().map(|held| &held.state)
    }

    /// Number of sessions.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// A user's sessions, newest first, ties by id.
    pub fn history(&self, user: &UserId) -> impl Iterator<Item = &Arc<SessionState>> {
        self.users.get(user).into_iter().flatten().filter_map(|(_, session)| self.get(session))
    }

    /// The sessions that pass, of `user` alone if given, nearest to `unit` first, ties by id; at most `limit`.
    pub fn nearest(
        &self,
        unit: &[f32],
        limit: usize,
        user: Option<&UserId>,
        pass: impl Fn(&SessionState) -> bool,
    ) -> Vec<Match> {
        match user {
            None => self.rank(unit, limit, 0..self.slots.len(), pass),
            Some(user) => {
                let places = self.users.get(user).into_iter().flatten();
                let slots = places.filter_map(|(_, session)| self.sessions.get(session)?.slot);
                self.rank(unit, limit, slots, pass)
            }
        }
    }

    fn rank(
        &self,
        unit: &[f32],
        limit: usize,
        slots: impl Iterator<Item = usize>,
        pass: impl Fn(&SessionState) -> bool,
    ) -> Vec<Match> {
        let limit = limit.min(self.slots.len());
        if limit == 0 {
            return Vec::new();
        }
        let mut best: BinaryHeap<Reverse<Ranked<'_>>> = BinaryHeap::with_capacity(limit);
        for slot in slots.filter(|&slot| pass(&self.slots[slot])) {
            // The lengths are equal: `unit` and every row were checked against the index's dimension.
            let row = &self.rows[slot * unit.len()..(slot + 1) * unit.len()];
            let similarity = dot_product_simd(unit, row).clamp(-1.0, 1.0);
            let candidate = Ranked { similarity, state: &self.slots[slot] };
            if best.len() < limit {
                best.push(Reverse(candidate));
            } else if let Some(mut worst) = best.peek_mut()
                && worst.0 < candidate
            {
                *worst = Reverse(candidate);
            }
        }
        let ranked = best.into_sorted_vec();
        ranked.into_iter().map(|Reverse(r)| Match { state: Arc::clone(r.state), similarity: r.similarity }).collect()
    }

    /// Moves the last row into the freed slot, so that slots stay dense.
    fn free(&mut self, at: usize) {
        let dim = self.rows.len() / self.slots.len();
        let last = self.slots.len() - 1;
        self.rows.copy_within(last * dim.., at * dim);
        self.rows.truncate(last * dim);
        self.slots.swap_remove(at);
        if let Some(moved) = self.slots.get(at).and_then(|state| self.sessions.get_mut(&state.session_id)) {
            moved.slot = Some(at);
        }
    }

    fn unlink_user(&mut self, state: &SessionState) {
        let Some(user) = &state.user_id else { return };
        if let Some(places) = self.users.get_mut(user) {
            places.remove(&(Reverse(state.last_active), state.session_id.clone()));
            if places.is_empty() {
                self.users.remove(user);
            }
        }
    }
}

impl Ord for Ranked<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_id = || other.state.session_id.cmp(&self.state.session_id);
        self.similarity.total_cmp(&other.similarity).then_with(by_id)
    }
}

impl PartialOrd for Ranked<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked<'_> {}
