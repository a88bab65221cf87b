//! The best of many: by a score, ties by session id.

use std::cmp::Ordering;

use super::chunked::{CHUNK, Column};
use super::codes::{CodeQuery, Codes, Scores};
use super::signs::LANES;
use crate::model::ids::SessionId;

/// The scores of all slots that pass.
pub struct Scored<'a> {
    held: Held,
    passing: &'a [u64],
    ids: &'a Column<SessionId>,
}

enum Held {
    /// Chunk by chunk.
    Chunks(Vec<Scores>),
    /// Few, slot by slot.
    Few(Vec<(f32, u32)>),
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
        let count: usize = passing.iter().map(|bits| bits.count_ones() as usize).sum();
        let held = if count * LANES < ids.len() {
            let mut few: Vec<(f32, u32)> = set_bits(passing).map(|slot| (0.0, slot as u32)).collect();
            codes.score_each(query, &mut few);
            Held::Few(few)
        } else {
            let mut chunks = vec![Scores::NONE; passing.len().div_ceil(CHUNK / 64)];
            for (chunk, (passing, scores)) in passing.chunks(CHUNK / 64).zip(&mut chunks).enumerate() {
                codes.score(chunk, query, passing, scores);
            }
            Held::Chunks(chunks)
        };
        Scored { held, passing, ids }
    }

    /// Slots in the order of their scores, ties by session id.
    pub fn order(&self, a: &(f32, u32), b: &(f32, u32)) -> Ordering {
        order(self.ids, a, b)
    }

    /// The `keep` slots of the highest scores, of those that reach `floor`, in no order.
    pub fn best(&self, keep: usize, floor: f32) -> Vec<(f32, u32)> {
        let mut best = Best { keep, floor, held: Vec::new(), ids: self.ids };
        match &self.held {
            Held::Few(few) => {
                for (score, slot) in few.iter().filter(|(score, _)| *score >= floor) {
                    best.offer(*score, *slot as usize);
                }
            }
            Held::Chunks(chunks) => {
                let words = chunks.iter().flat_map(|chunk| chunk.slots.iter().zip(chunk.peaks));
                for (word, (bits, (blocks, peak))) in self.passing.iter().zip(words).enumerate() {
                    if peak < best.floor {
                        continue;
                    }
                    for (n, score) in blocks.as_flattened().iter().enumerate() {
                        if *score >= best.floor && bits >> n & 1 == 1 {
                            best.offer(*score, word * 64 + n);
                        }
                    }
                }
            }
        }
        best.prune();
        best.held
    }
}

/// Keeps the first `keep` in an order, in any.
pub fn keep_best<T>(items: &mut Vec<T>, keep: usize, order: impl Fn(&T, &T) -> Ordering) {
    if items.len() > keep {
        items.select_nth_unstable_by(keep, order);
        items.truncate(keep);
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
