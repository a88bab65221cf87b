//! One bit a component: a code by which a scan tells roughly how near a vector is, reading a small part of it.
//!
//! A code is the signs of the rotated vector. With b the signs as ±1, x the rotated unit vector and q the rotated
//! query, `Σ b q / Σ |x|` estimates the cosine (the estimator of RaBitQ: Gao and Long, SIGMOD 2024, here with the
//! centre at the origin, so that a code does not depend on other vectors). The query is rounded to sixteen levels,
//! so that the sum is one of whole numbers: the odd numbers -15..=15 as four signs of the weights 1, 2, 4, 8, each
//! compared with the code's by counting the bits that differ.
//!
//! With n of D signs the estimate is off by about √((1/m² − n/D) / (n − 1)) times the sine of the angle, where m, the
//! mean magnitude of the components times √D, is close to √(2/π) after the rotation. The rounding of the query, off by
//! √(1/12) of a level a component, adds √(1/12 D/n) / m of a level, at any angle.

use half::f16;
use multiversion::multiversion;
use multiversion::target::match_target;

use super::ahead::{AHEAD, fetch};
use super::chunked::CHUNK;
use super::query::CodeQuery;
use super::rotation::{rotate, rotated_len};
use super::signs::{HEAD, LANES, PLANES, TOP, Words, differing, differing_in_line, encode, sign_bits};
#[cfg(target_arch = "x86_64")]
use super::x86;

/// Codes of [`CHUNK`] slots at most.
#[derive(Debug, Default)]
struct Chunk {
    /// Heads block by block, in a block word by word.
    heads: Vec<Words>,
    /// By what a sum of a head's signs is multiplied for the cosine, by block.
    head_factors: Vec<[f32; LANES]>,
    /// Tails slot by slot, filled up with zeros.
    tails: Vec<Words>,
    /// By what a sum of all signs is multiplied, by slot.
    factors: Vec<f32>,
}

/// The codes of all slots.
#[derive(Debug)]
pub struct Codes {
    chunks: Vec<Chunk>,
    /// A rotated vector, and its code.
    scratch: (Vec<f32>, Vec<u64>),
}

/// What the scan tells of the slots of a chunk: their cosines up to a factor that is the query's, higher is nearer.
pub type Scores = [[f32; 64]; CHUNK / 64];

impl Codes {
    /// No codes yet, of vectors of `dim` components.
    pub fn new(dim: usize) -> Codes {
        let len = rotated_len(dim);
        Codes { chunks: Vec::new(), scratch: (vec![0.0; len], vec![0; len / 64]) }
    }

    /// Stores the code of a slot: one that has one, or the next one.
    pub fn put(&mut self, slot: usize, row: &[f16], inverse_norm: f64) {
        let (rotated, code) = &mut self.scratch;
        let (front, padding) = rotated.split_at_mut(row.len());
        crate::model::vector::widen(row, front);
        padding.fill(0.0);
        rotate(rotated);
        let factors = encode(rotated, code).map(|sum| (1.0 / (inverse_norm * f64::from(sum))) as f32);
        let (head, tail) = code.split_at(HEAD);
        let (chunk, block, lane) = place(slot);
        if chunk == self.chunks.len() {
            self.chunks.push(Chunk::default());
        }
        let lines = tail.len().div_ceil(LANES);
        let chunk = &mut self.chunks[chunk];
        if block == chunk.head_factors.len() {
            chunk.head_factors.push([0.0; LANES]);
            chunk.heads.extend([Words([0; LANES]); HEAD]);
        }
        if slot % CHUNK == chunk.factors.len() {
            chunk.factors.push(0.0);
            chunk.tails.resize(chunk.tails.len() + lines, Words([0; LANES]));
        }
        for (held, word) in chunk.heads[block * HEAD..].iter_mut().zip(head) {
            held.0[lane] = *word;
        }
        chunk.head_factors[block][lane] = factors[0];
        for (held, words) in chunk.tails[slot % CHUNK * lines..].iter_mut().zip(tail.chunks(LANES)) {
            held.0[..words.len()].copy_from_slice(words);
        }
        chunk.factors[slot % CHUNK] = factors[1];
    }

    /// Takes a slot's code out; that of `last`, the last slot, moves into its place.
    pub fn swap_remove(&mut self, slot: usize, last: usize) {
        let lines = (self.scratch.1.len() - HEAD).div_ceil(LANES);
        let (from, to) = (place(last), place(slot));
        for word in 0..HEAD {
            let moved = self.chunks[from.0].heads[from.1 * HEAD + word].0[from.2];
            self.chunks[to.0].heads[to.1 * HEAD + word].0[to.2] = moved;
        }
        self.chunks[to.0].head_factors[to.1][to.2] = self.chunks[from.0].head_factors[from.1][from.2];
        for line in 0..lines {
            let moved = self.chunks[from.0].tails[last % CHUNK * lines + line];
            self.chunks[to.0].tails[slot % CHUNK * lines + line] = moved;
        }
        self.chunks[to.0].factors[slot % CHUNK] = self.chunks[from.0].factors[last % CHUNK];
        let chunk = &mut self.chunks[from.0];
        chunk.factors.pop();
        chunk.tails.truncate(chunk.factors.len() * lines);
        if from.2 == 0 {
            chunk.head_factors.truncate(from.1);
            chunk.heads.truncate(from.1 * HEAD);
            if from.1 == 0 {
                self.chunks.pop();
            }
        }
    }

    /// Scores the slots of a chunk by their heads, and tells which of those that pass, a bit each, [reach](reached)
    /// `floor`. Blocks of which none passes are not looked at; slots that do not pass get any score.
    pub fn score(
        &self,
        chunk: usize,
        query: &CodeQuery,
        passing: &[u64],
        scores: &mut Scores,
        floor: f32,
    ) -> [u64; CHUNK / 64] {
        score(&self.chunks[chunk], self.chunks.get(chunk + 1), &query.head, passing, scores);
        reached(scores, passing, floor)
    }

    /// The same of single slots.
    pub fn score_each(&self, query: &CodeQuery, scored: &mut [(f32, u32)]) {
        score_each(&self.chunks, query, scored);
    }

    /// Makes the scores of slots by their heads scores by all signs.
    pub fn refine(&self, query: &CodeQuery, scored: &mut [(f32, u32)]) {
        refine(&self.chunks, query, scored);
    }
}

fn place(slot: usize) -> (usize, usize, usize) {
    (slot / CHUNK, slot % CHUNK / LANES, slot % LANES)
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx512vpopcntdq",
    "x86_64+avx2+popcnt",
    "aarch64+neon"
))]
fn score(chunk: &Chunk, next: Option<&Chunk>, query: &[[u64; PLANES]; HEAD], passing: &[u64], scores: &mut Scores) {
    let mut blocks = chunk.heads.as_chunks::<HEAD>().0.iter().zip(&chunk.head_factors);
    // Read by the next call. Left to themselves, processors come to a stop at the end of every page.
    let (heads, factors) = next.map_or((&[][..], &[][..]), |next| (&next.heads[..], &next.head_factors[..]));
    let mut next = heads.chunks(HEAD).zip(factors);
    for (passing, scores) in passing.iter().zip(scores) {
        for (block, scores) in scores.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let Some((head, factors)) = blocks.next() else { break };
            if let Some((head, factors)) = next.next() {
                fetch(head);
                fetch(factors);
            }
            if passing >> (block * LANES) & 0xFF == 0 {
                continue;
            }
            let weighted = match_target! {
                "x86_64+avx512vpopcntdq" => x86::avx512::differing(head, query),
                "x86_64+avx2" => x86::avx2::differing(head, query),
                _ => differing(head, query),
            };
            for ((score, weighted), factor) in scores.iter_mut().zip(weighted).zip(factors) {
                *score = (TOP * 64 * HEAD as i32 - 2 * weighted as i32) as f32 * factor;
            }
        }
    }
}

/// Which of those that pass, a bit each, reach a score.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2", "aarch64+neon"))]
pub fn reached(scores: &Scores, passing: &[u64], floor: f32) -> [u64; CHUNK / 64] {
    let mut reached = [0; CHUNK / 64];
    for ((reached, passing), scores) in reached.iter_mut().zip(passing).zip(scores) {
        let above = scores.map(|score| if score >= floor { 0.0 } else { -1.0 });
        let below = match_target! {
            "x86_64+avx512f" => x86::avx512::sign_bits(&above),
            "x86_64+avx2" => x86::avx2::sign_bits(&above),
            _ => sign_bits(&above),
        };
        *reached = passing & !below;
    }
    reached
}

#[multiversion(targets("x86_64+popcnt", "aarch64+neon"))]
fn score_each(chunks: &[Chunk], query: &CodeQuery, scored: &mut [(f32, u32)]) {
    for n in 0..scored.len() {
        if let Some((_, soon)) = scored.get(n + AHEAD) {
            let (chunk, block, _) = place(*soon as usize);
            fetch(&chunks[chunk].heads[block * HEAD..(block + 1) * HEAD]);
            fetch(&chunks[chunk].head_factors[block]);
        }
        let (score, slot) = &mut scored[n];
        let (chunk, block, lane) = place(*slot as usize);
        let chunk = &chunks[chunk];
        let mut weighted = 0;
        for (word, planes) in chunk.heads[block * HEAD..].iter().zip(&query.head) {
            for (weight, plane) in planes.iter().enumerate() {
                weighted += (word.0[lane] ^ plane).count_ones() << weight;
            }
        }
        *score = (TOP * 64 * HEAD as i32 - 2 * weighted as i32) as f32 * chunk.head_factors[block][lane];
    }
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx512vpopcntdq",
    "x86_64+avx2+popcnt",
    "aarch64+neon"
))]
fn refine(chunks: &[Chunk], query: &CodeQuery, scored: &mut [(f32, u32)]) {
    let lines = query.tail.len();
    for n in 0..scored.len() {
        if let Some((_, soon)) = scored.get(n + AHEAD) {
            let (chunk, slot) = (&chunks[*soon as usize / CHUNK], *soon as usize % CHUNK);
            fetch(&chunk.tails[slot * lines..(slot + 1) * lines]);
            fetch(&chunk.factors[slot..=slot]);
        }
        let (score, slot) = &mut scored[n];
        let (chunk, block, lane) = place(*slot as usize);
        let (chunk, slot) = (&chunks[chunk], *slot as usize % CHUNK);
        // A whole number of at most fourteen bits, found again to less than a hundredth.
        let head = (*score / chunk.head_factors[block][lane]).round() as i32;
        let mut weighted = 0;
        for (line, planes) in chunk.tails[slot * lines..(slot + 1) * lines].iter().zip(&query.tail) {
            weighted += match_target! {
                "x86_64+avx512vpopcntdq" => x86::avx512::differing_in_line(line, planes),
                _ => differing_in_line(line, planes),
            };
        }
        *score = (head + query.tail_most - 2 * weighted as i32) as f32 * chunk.factors[slot];
    }
}

#[cfg(test)]
#[path = "codes_tests.rs"]
mod tests;
