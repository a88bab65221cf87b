//! The best of many: by a score, ties by session id.

use std::cmp::Ordering;

use super::chunked::{CHUNK, Column};
use super::codes::{CodeQuery, Codes, Scores};
use super::signs::LANES;
use crate::model::ids::SessionId;

/// The scores of all slots that pass.
pub struct Scored<'a> {
    scores: Vec<Scores>,
    passing: &'a [u64],
    ids: &'a Column<SessionId>,
}

/// Slots by score, ties by session id.
struct Best<'a> {
    keep: usize,
    /// No slot below this is one of them.
    floor: f32,
    held: Vec<(f32, u32)>,
    ids: &'a Column<SessionId>,
}

impl Best<'_> {
    fn offer(&mut self, score: f32, slot: usize) {
        self.held.push((score, slot as u32));
        if self.held.len() / 2 == self.keep {
            self.prune();
        }
    }

    fn prune(&mut self) {
        if self.held.len() <= self.keep {
            return;
        }
        let ids = self.ids;
        let (_, last, _) = self.held.select_nth_unstable_by(self.keep - 1, |a, b| order(ids, a, b));
        self.floor = last.0;
        self.held.truncate(self.keep);
    }
}

impl<'a> Scored<'a> {
    /// Scores the slots that pass, a bit each.
    pub fn new(codes: &Codes, query: &CodeQuery, passing: &'a [u64], ids: &'a Column<SessionId>) -> Scored<'a> {
        let mut scores = Vec::with_capacity(passing.len().div_ceil(CHUNK / 64));
        for (chunk, passing) in passing.chunks(CHUNK / 64).enumerate() {
            let mut of_chunk = [[f32::NEG_INFINITY; LANES]; CHUNK / LANES];
            if passing.iter().any(|bits| *bits != 0) {
                codes.score(chunk, query, passing, &mut of_chunk);
            }
            scores.push(of_chunk);
        }
        Scored { scores, passing, ids }
    }

    /// Slots in the order of their scores, ties by session id.
    pub fn order(&self, a: &(f32, u32), b: &(f32, u32)) -> Ordering {
        order(self.ids, a, b)
    }

    /// The `keep` slots of the highest scores, of those that reach `floor`, in no order.
    pub fn best(&self, keep: usize, floor: f32) -> Vec<(f32, u32)> {
        let mut best = Best { keep, floor, held: Vec::new(), ids: self.ids };
        let words = self.passing.iter().zip(self.scores.as_flattened().chunks(64 / LANES));
        for (word, (bits, blocks)) in words.enumerate() {
            for (block, scores) in blocks.iter().enumerate() {
                if !scores.iter().fold(false, |any, score| any | (*score >= best.floor)) {
                    continue;
                }
                for (lane, score) in scores.iter().enumerate() {
                    if bits >> (block * LANES + lane) & 1 == 1 && *score >= best.floor {
                        best.offer(*score, word * 64 + block * LANES + lane);
                    }
                }
            }
        }
        best.prune();
        best.held
    }
}

/// The higher score first, then the session id.
fn order(ids: &Column<SessionId>, a: &(f32, u32), b: &(f32, u32)) -> Ordering {
    b.0.total_cmp(&a.0).then_with(|| ids[a.1 as usize].cmp(&ids[b.1 as usize]))
}

/// The set bits, lowest first.
pub fn set_bits(words: &[u64]) -> impl Iterator<Item = usize> {
    words.iter().enumerate().flat_map(|(word, bits)| {
        let mut bits = *bits;
        std::iter::from_fn(move || {
            (bits != 0).then(|| {
                let bit = bits.trailing_zeros() as usize;
                bits &= bits - 1;
                word * 64 + bit
            })
        })
    })
}
