//! The best of many: by a score, ties by session id.

use std::cell::Cell;
use std::cmp::Ordering;

use super::chunked::{CHUNK, Column};
use super::codes::{Codes, Scores, reached};
use super::query::CodeQuery;
use super::signs::LANES;
use crate::model::ids::SessionId;

thread_local! {
    /// Kept, since fresh memory costs more than the scan of what is written to it.
    static SCORES: Cell<Vec<Scores>> = const { Cell::new(Vec::new()) };
}

/// The slots that pass, scored by their heads.
pub enum Scored<'a> {
    /// Chunk by chunk; and those that pass, a bit each.
    Chunks(Vec<Scores>, &'a [u64]),
    /// Few, slot by slot.
    Few(Vec<(f32, u32)>),
}

impl<'a> Scored<'a> {
    /// Scores the slots that pass, a bit each. With the `keep` best, ties by session id, in no order.
    pub fn new(
        (codes, query): (&Codes, &CodeQuery),
        passing: &'a [u64],
        keep: usize,
        ids: &Column<SessionId>,
    ) -> (Scored<'a>, Vec<(f32, u32)>) {
        let count: usize = passing.iter().map(|bits| bits.count_ones() as usize).sum();
        let by_score = |a: &(f32, u32), b: &(f32, u32)| order(ids, a, b);
        if count * LANES < ids.len() {
            let mut few: Vec<(f32, u32)> = set_bits(passing).map(|slot| (0.0, slot as u32)).collect();
            codes.score_each(query, &mut few);
            let mut best = few.clone();
            keep_best(&mut best, keep, by_score);
            return (Scored::Few(few), best);
        }
        let mut chunks = SCORES.take();
        chunks.resize(chunks.len().max(passing.len().div_ceil(CHUNK / 64)), [[0.0; 64]; CHUNK / 64]);
        let mut best: Vec<(f32, u32)> = Vec::new();
        let mut floor = f32::NEG_INFINITY;
        for (chunk, (passing, scores)) in passing.chunks(CHUNK / 64).zip(&mut chunks).enumerate() {
            let reached = codes.score(chunk, query, passing, scores, floor);
            each(scores, reached, |n, score| {
                if score >= floor {
                    best.push((score, (chunk * CHUNK + n) as u32));
                    if best.len() == 2 * keep {
                        let (_, last, _) = best.select_nth_unstable_by(keep - 1, by_score);
                        floor = last.0;
                        best.truncate(keep);
                    }
                }
            });
        }
        keep_best(&mut best, keep, by_score);
        (Scored::Chunks(chunks, passing), best)
    }

    /// Those that reach `floor`.
    pub fn reaching(self, floor: f32) -> Vec<(f32, u32)> {
        match self {
            Scored::Chunks(chunks, passing) => {
                let mut held = Vec::new();
                for (chunk, (scores, passing)) in chunks.iter().zip(passing.chunks(CHUNK / 64)).enumerate() {
                    each(scores, reached(scores, passing, floor), |n, score| {
                        held.push((score, (chunk * CHUNK + n) as u32));
                    });
                }
                SCORES.set(chunks);
                held
            }
            Scored::Few(mut few) => {
                few.retain(|(score, _)| *score >= floor);
                few
            }
        }
    }
}

#[inline(always)]
fn each(scores: &Scores, bits: [u64; CHUNK / 64], mut take: impl FnMut(usize, f32)) {
    for (word, (mut bits, scores)) in bits.into_iter().zip(scores).enumerate() {
        while bits != 0 {
            let n = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            take(word * 64 + n, scores[n]);
        }
    }
}

/// Keeps the first `keep` in an order, in any.
pub fn keep_best<T>(items: &mut Vec<T>, keep: usize, order: impl Fn(&T, &T) -> Ordering) {
    if items.len() > keep {
        items.select_nth_unstable_by(keep, order);
        items.truncate(keep);
    }
}

/// Where rows are compared one after the other, that of so many steps later is asked for.
const ROWS_AHEAD: usize = 2;

/// Takes items one after the other in an order, until it is told to stop; with the one that comes some steps later. They are
/// put in order by parts as their turn comes, the first one so large.
pub fn in_turn<T>(
    mut items: &mut [T],
    mut part: usize,
    order: impl Fn(&T, &T) -> Ordering,
    mut take: impl FnMut(&T, Option<&T>) -> bool,
) {
    while !items.is_empty() {
        let count = part.min(items.len());
        if count < items.len() {
            items.select_nth_unstable_by(count, &order);
        }
        let (now, later) = items.split_at_mut(count);
        now.sort_unstable_by(&order);
        for (n, item) in now.iter().enumerate() {
            if !take(item, now.get(n + ROWS_AHEAD)) {
                return;
            }
        }
        (items, part) = (later, 2 * part);
    }
}

/// The higher score first, then the session id.
pub fn order(ids: &Column<SessionId>, a: &(f32, u32), b: &(f32, u32)) -> Ordering {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_in_order_whatever_the_parts_until_it_ends() {
        let items: Vec<u32> = (0..100u32).map(|n| n * 37 % 101).collect();
        let mut sorted = items.clone();
        sorted.sort_unstable();
        for (part, most) in [(1, 100), (3, 100), (16, 40), (100, 100), (500, 7)] {
            let mut taken = Vec::new();
            in_turn(&mut items.clone(), part, u32::cmp, |item, soon| {
                assert!(soon.is_none_or(|soon| soon > item));
                taken.push(*item);
                taken.len() < most
            });
            assert_eq!(taken, sorted[..most]);
        }
    }
}
