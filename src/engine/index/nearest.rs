//! The exact comparison: the best slots by their true cosine, ties by session id.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::chunked::{Column, Rows};
use crate::model::ids::SessionId;
use crate::model::vector::cosine;

/// One found session.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The session.
    pub session: SessionId,
    /// True cosine, rounded to 1e-6.
    pub similarity: f64,
}

/// The `k` best slots by their true cosine.
pub struct Nearest<'a> {
    rows: &'a Rows,
    inverse_norms: &'a Column<f64>,
    ids: &'a Column<SessionId>,
    wide: &'a [f32],
    inverse: f64,
    k: usize,
    best: BinaryHeap<Ranked<'a>>,
}

impl<'a> Nearest<'a> {
    /// None yet, of a widened query with 1 / its norm.
    pub fn new(
        (rows, inverse_norms, ids): (&'a Rows, &'a Column<f64>, &'a Column<SessionId>),
        (wide, inverse): (&'a [f32], f64),
        k: usize,
    ) -> Nearest<'a> {
        Nearest { rows, inverse_norms, ids, wide, inverse, k, best: BinaryHeap::with_capacity(k + 1) }
    }

    /// Compares a slot.
    pub fn offer(&mut self, slot: usize) {
        let similarity = cosine(self.wide, self.inverse, self.rows.row(slot), self.inverse_norms[slot]);
        if self.best.len() == self.k && similarity < self.worst() {
            return;
        }
        self.best.push(Ranked { similarity, session: &self.ids[slot] });
        if self.best.len() > self.k {
            self.best.pop();
        }
    }

    /// The cosine of the last of them.
    pub fn worst(&self) -> f64 {
        self.best.peek().map_or(-1.0, |worst| worst.similarity)
    }

    /// They, best first, ties by session id.
    pub fn hits(self) -> Vec<Hit> {
        let ranked = self.best.into_sorted_vec();
        ranked.into_iter().map(|r| Hit { session: r.session.clone(), similarity: r.similarity }).collect()
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
