//! A dense slot store with exact search: rows in fixed chunks, columns by slot, id to slot.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use half::f16;
use hashbrown::HashMap;

use super::MAX_K;
use crate::model::event::TransferScope;
use crate::model::ids::{Name, SessionId, UserId};
use crate::model::session::Status;
use crate::model::time::EventTime;
use crate::model::vector::{UnitVector, cosine, cosine_rows};

/// Rows a chunk: growth never copies what is there.
const CHUNK_ROWS: usize = 256;

/// What predicates may ask of a slot.
#[derive(Debug, Clone, PartialEq)]
pub struct Columns {
    /// User.
    pub user: Option<UserId>,
    /// Status without regard to idle expiry.
    pub status: Option<Status>,
    /// When it expires, unless it lives on; `None`: never.
    pub expires_at: Option<EventTime>,
    /// Adapter in use.
    pub adapter: Option<Name>,
    /// Who may profit from it.
    pub scope: TransferScope,
    /// Latest sign of life.
    pub last_active: Option<EventTime>,
}

/// One found session.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The session.
    pub session: SessionId,
    /// True cosine, rounded to 1e-6.
    pub similarity: f64,
}

/// The vectors of one tenant in one space.
#[derive(Debug)]
pub struct SpaceIndex {
    dim: usize,
    chunks: Vec<Box<[f16]>>,
    inverse_norms: Vec<f64>,
    ids: Vec<SessionId>,
    columns: Vec<Columns>,
    slots: HashMap<SessionId, usize>,
}

impl SpaceIndex {
    /// An empty index of `dim` components a vector.
    pub fn new(dim: usize) -> SpaceIndex {
        SpaceIndex {
            dim,
            chunks: Vec::new(),
            inverse_norms: Vec::new(),
            ids: Vec::new(),
            columns: Vec::new(),
            slots: HashMap::new(),
        }
    }

    /// Sessions stored.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// No session is stored.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Stores or overwrites a session's vector. A vector of another dimension is refused with `false`.
    pub fn upsert(&mut self, session: &SessionId, vector: &UnitVector, columns: Columns) -> bool {
        if vector.dim() != self.dim {
            return false;
        }
        match self.slots.get(session) {
            Some(&slot) => self.put(slot, vector, columns),
            None => self.push(session, vector, columns),
        }
        true
    }

    /// The same; tells how near the vector is to the one it replaces: their true cosine. `None`: there was none,
    /// or the vector is refused.
    pub fn replace(&mut self, session: &SessionId, vector: &UnitVector, columns: Columns) -> Option<f64> {
        if vector.dim() != self.dim {
            return None;
        }
        let Some(&slot) = self.slots.get(session) else {
            self.push(session, vector, columns);
            return None;
        };
        let row = self.row(slot);
        let cosine = cosine_rows(vector.as_slice(), vector.inverse_norm(), row, self.inverse_norms[slot]);
        self.put(slot, vector, columns);
        Some(cosine)
    }

    fn put(&mut self, slot: usize, vector: &UnitVector, columns: Columns) {
        self.row_mut(slot).copy_from_slice(vector.as_slice());
        self.inverse_norms[slot] = vector.inverse_norm();
        self.columns[slot] = columns;
    }

    fn push(&mut self, session: &SessionId, vector: &UnitVector, columns: Columns) {
        let slot = self.ids.len();
        if slot == self.chunks.len() * CHUNK_ROWS {
            self.chunks.push(vec![f16::ZERO; CHUNK_ROWS * self.dim].into_boxed_slice());
        }
        self.ids.push(session.clone());
        self.columns.push(columns);
        self.inverse_norms.push(vector.inverse_norm());
        self.slots.insert(session.clone(), slot);
        self.row_mut(slot).copy_from_slice(vector.as_slice());
    }

    /// Reads a session's row, a value of each cache line.
    pub fn warm(&self, session: &str) {
        if let Some(&slot) = self.slots.get(session) {
            for line in self.row(slot).chunks(32) {
                std::hint::black_box(line[0]);
            }
            std::hint::black_box(self.inverse_norms[slot]);
            std::hint::black_box(self.columns[slot].last_active);
        }
    }

    /// Replaces what predicates see of a session; nothing happens if it is not stored.
    pub fn set_columns(&mut self, session: &SessionId, columns: Columns) {
        if let Some(&slot) = self.slots.get(session) {
            self.columns[slot] = columns;
        }
    }

    /// Removes a session at once; the last slot moves into its place. Returns whether it was stored.
    pub fn remove(&mut self, session: &SessionId) -> bool {
        let Some(slot) = self.slots.remove(session) else { return false };
        let last = self.ids.len() - 1;
        if slot != last {
            let row: Vec<f16> = self.row(last).to_vec();
            self.row_mut(slot).copy_from_slice(&row);
            self.slots.insert(self.ids[last].clone(), slot);
        }
        self.ids.swap_remove(slot);
        self.columns.swap_remove(slot);
        self.inverse_norms.swap_remove(slot);
        if self.chunks.len() > self.ids.len().div_ceil(CHUNK_ROWS) {
            self.chunks.pop();
        }
        true
    }

    /// The stored vector of a session.
    pub fn vector(&self, session: &SessionId) -> Option<&[f16]> {
        self.slots.get(session).map(|&slot| self.row(slot))
    }

    /// True cosine of a vector and a stored session's; `None` if it is not stored or of another dimension.
    pub fn similarity(&self, vector: &UnitVector, session: &SessionId) -> Option<f64> {
        let &slot = self.slots.get(session).filter(|_| vector.dim() == self.dim)?;
        Some(cosine_rows(vector.as_slice(), vector.inverse_norm(), self.row(slot), self.inverse_norms[slot]))
    }

    /// The `k` nearest sessions that pass, best first, ties by session id. `k` is clamped to
    /// 1..=[`MAX_K`]. A query of another dimension finds nothing.
    pub fn search(&self, query: &UnitVector, k: usize, pass: impl Fn(&SessionId, &Columns) -> bool) -> Vec<Hit> {
        if query.dim() != self.dim {
            return Vec::new();
        }
        let k = k.clamp(1, MAX_K);
        let wide = query.to_f32();
        let inverse = query.inverse_norm();
        let mut best: BinaryHeap<Ranked<'_>> = BinaryHeap::with_capacity(k + 1);
        for (slot, session) in self.ids.iter().enumerate() {
            if !pass(session, &self.columns[slot]) {
                continue;
            }
            let similarity = cosine(&wide, inverse, self.row(slot), self.inverse_norms[slot]);
            best.push(Ranked { similarity, session });
            if best.len() > k {
                best.pop();
            }
        }
        let ranked = best.into_sorted_vec();
        ranked.into_iter().map(|r| Hit { session: r.session.clone(), similarity: r.similarity }).collect()
    }

    fn row(&self, slot: usize) -> &[f16] {
        let at = slot % CHUNK_ROWS * self.dim;
        &self.chunks[slot / CHUNK_ROWS][at..at + self.dim]
    }

    fn row_mut(&mut self, slot: usize) -> &mut [f16] {
        let at = slot % CHUNK_ROWS * self.dim;
        &mut self.chunks[slot / CHUNK_ROWS][at..at + self.dim]
    }
}

/// Orders worse hits as greater, so that a max-heap gives up the worst and sorts best first.
struct Ranked<'a> {
    similarity: f64,
    session: &'a SessionId,
}

impl Ord for Ranked<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.similarity.total_cmp(&self.similarity).then_with(|| self.session.cmp(other.session))
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
