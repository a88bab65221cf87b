//! One bit a component: a code by which a scan tells roughly how near a vector is, reading a sixteenth of it.
//!
//! A code is the signs of the rotated vector. With b the signs as ±1, x the rotated unit vector and q the rotated
//! query, `Σ b q / Σ |x|` estimates the cosine (the estimator of RaBitQ: Gao and Long, SIGMOD 2024, here with the
//! centre at the origin, so that a code does not depend on other vectors). The query is rounded to sixteen levels,
//! so that the sum is one of whole numbers: the odd numbers -15..=15 as four signs of the weights 1, 2, 4, 8, each
//! compared with the code's by counting the bits that differ.
//!
//! With D signs the estimate is off by about √((1/m² − 1) / (D − 1)) times the sine of the angle, where m, the mean
//! magnitude of the components times √D, is close to √(2/π) after the rotation.

use half::f16;
use multiversion::multiversion;
use multiversion::target::match_target;

use super::chunked::CHUNK;
use super::rotation::{rotate, rotated_len};
#[cfg(target_arch = "x86_64")]
use super::x86;

/// Slots whose codes lie side by side.
pub const LANES: usize = 8;
/// Weights of a rounded query.
pub const PLANES: usize = 4;
/// The highest level of a rounded query.
const TOP: i32 = (1 << PLANES) - 1;

/// A word of the codes of a block.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub struct Words(pub [u64; LANES]);

/// Codes of [`CHUNK`] slots at most: block by block, in a block word by word.
#[derive(Debug, Default)]
struct Chunk {
    words: Vec<Words>,
    /// By what a sum of signs is multiplied for the cosine, by block.
    factors: Vec<[f32; LANES]>,
}

/// The codes of all slots.
#[derive(Debug)]
pub struct Codes {
    chunks: Vec<Chunk>,
    /// A rotated vector, and its code.
    scratch: (Vec<f32>, Vec<u64>),
}

/// A query as the scan compares it: for each word, the signs of each weight.
pub struct CodeQuery {
    planes: Vec<[u64; PLANES]>,
    /// The cosine that a score of 1 stands for.
    unit: f64,
    /// The standard deviation of an estimate, as a cosine.
    deviation: f64,
}

/// What the scan tells of the slots of a chunk: their cosines up to a factor that is the query's, higher is nearer.
pub type Scores = [[f32; LANES]; CHUNK / LANES];

impl CodeQuery {
    /// The score of a slot that is `deviations` less near than a cosine.
    pub fn score_of(&self, cosine: f64, deviations: f64) -> f32 {
        ((cosine - deviations * self.deviation) / self.unit) as f32
    }
}

impl Codes {
    /// No codes yet, of vectors of `dim` components.
    pub fn new(dim: usize) -> Codes {
        let len = rotated_len(dim);
        Codes { chunks: Vec::new(), scratch: (vec![0.0; len], vec![0; len / 64]) }
    }

    /// Stores the code of a slot: one that has one, or the next one.
    pub fn put(&mut self, slot: usize, row: &[f16], inverse_norm: f64) {
        let (rotated, code) = &mut self.scratch;
        let (head, padding) = rotated.split_at_mut(row.len());
        crate::model::vector::widen(row, head);
        padding.fill(0.0);
        rotate(rotated);
        let sum = encode(rotated, code);
        let (chunk, block, lane) = place(slot);
        if chunk == self.chunks.len() {
            self.chunks.push(Chunk::default());
        }
        let words = code.len();
        let chunk = &mut self.chunks[chunk];
        if block == chunk.factors.len() {
            chunk.factors.push([0.0; LANES]);
            chunk.words.resize(chunk.words.len() + words, Words([0; LANES]));
        }
        for (held, word) in chunk.words[block * words..].iter_mut().zip(code) {
            held.0[lane] = *word;
        }
        chunk.factors[block][lane] = (inverse_norm / f64::from(sum)) as f32;
    }

    /// Takes a slot's code out; that of `last`, the last slot, moves into its place.
    pub fn swap_remove(&mut self, slot: usize, last: usize) {
        let words = self.scratch.1.len();
        let (from, to) = (place(last), place(slot));
        for word in 0..words {
            let moved = self.chunks[from.0].words[from.1 * words + word].0[from.2];
            self.chunks[to.0].words[to.1 * words + word].0[to.2] = moved;
        }
        self.chunks[to.0].factors[to.1][to.2] = self.chunks[from.0].factors[from.1][from.2];
        if from.2 == 0 {
            let chunk = &mut self.chunks[from.0];
            chunk.factors.truncate(from.1);
            chunk.words.truncate(from.1 * words);
            if from.1 == 0 {
                self.chunks.pop();
            }
        }
    }

    /// A widened vector with 1 / its norm as a query.
    pub fn query(&self, wide: &[f32], inverse_norm: f64) -> CodeQuery {
        let mut rotated = wide.to_vec();
        rotated.resize(rotated_len(wide.len()), 0.0);
        rotate(&mut rotated);
        let largest = rotated.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        // Levels are this far apart; the highest and the lowest are half as far from the outermost values.
        let apart = largest / 8.0;
        let levels = rotated.as_chunks::<64>().0.iter().map(|x| {
            let mut planes = [0u64; PLANES];
            for (n, x) in x.iter().enumerate() {
                // 0 for the highest, as a set bit is a negative sign.
                let below_top = (TOP / 2 - (x / apart).floor() as i32).clamp(0, TOP);
                for (weight, plane) in planes.iter_mut().enumerate() {
                    *plane |= u64::from(below_top as u32 >> weight & 1) << n;
                }
            }
            planes
        });
        let spread = (std::f64::consts::FRAC_PI_2 - 1.0) / (rotated.len() - 1) as f64;
        CodeQuery { planes: levels.collect(), unit: f64::from(apart) / 2.0 * inverse_norm, deviation: spread.sqrt() }
    }

    /// Scores the slots of a chunk. Only blocks with a slot that passes, a bit each, are looked at; the slots
    /// of the others, and those beyond the last, get negative infinity.
    pub fn score(&self, chunk: usize, query: &CodeQuery, passing: &[u64], scores: &mut Scores) {
        let Some(chunk) = self.chunks.get(chunk) else { return scores.fill([f32::NEG_INFINITY; LANES]) };
        score(&chunk.words, &chunk.factors, &query.planes, passing, scores);
    }
}

fn place(slot: usize) -> (usize, usize, usize) {
    (slot / CHUNK, slot % CHUNK / LANES, slot % LANES)
}

/// The signs of a rotated vector, and the sum of its components' magnitudes: by lanes, then by a fixed tree.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2", "aarch64+neon"))]
fn encode(rotated: &[f32], code: &mut [u64]) -> f32 {
    let mut lanes = [0.0f32; 16];
    for (x, word) in rotated.as_chunks::<64>().0.iter().zip(code) {
        for part in x.as_chunks::<16>().0 {
            for (lane, x) in lanes.iter_mut().zip(part) {
                *lane += x.abs();
            }
        }
        *word = match_target! {
            "x86_64+avx512f" => x86::avx512::sign_bits(x),
            "x86_64+avx2" => x86::avx2::sign_bits(x),
            _ => sign_bits(x),
        };
    }
    for width in [8, 4, 2, 1] {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
    }
    lanes[0]
}

/// The signs of components, the first in the lowest bit.
#[inline(always)]
fn sign_bits(x: &[f32; 64]) -> u64 {
    x.iter().enumerate().fold(0, |word, (n, x)| word | u64::from(x.to_bits() >> 31) << n)
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx512vpopcntdq",
    "x86_64+avx2+popcnt",
    "aarch64+neon"
))]
fn score(words: &[Words], factors: &[[f32; LANES]], query: &[[u64; PLANES]], passing: &[u64], scores: &mut Scores) {
    scores[factors.len()..].fill([f32::NEG_INFINITY; LANES]);
    let most = TOP * 64 * query.len() as i32;
    for (block, ((words, factors), scores)) in
        words.chunks_exact(query.len()).zip(factors).zip(scores.iter_mut()).enumerate()
    {
        if passing[block / 8] >> (block % 8 * 8) & 0xFF == 0 {
            *scores = [f32::NEG_INFINITY; LANES];
            continue;
        }
        let weighted = match_target! {
            "x86_64+avx512vpopcntdq" => x86::avx512::differing(words, query),
            "x86_64+avx2" => x86::avx2::differing(words, query),
            _ => differing(words, query),
        };
        for ((score, weighted), factor) in scores.iter_mut().zip(weighted).zip(factors) {
            *score = (most - 2 * weighted as i32) as f32 * factor;
        }
    }
}

/// By lane, the signs in which a code differs from a query, each by its weight.
#[inline(always)]
fn differing(words: &[Words], query: &[[u64; PLANES]]) -> [u64; LANES] {
    let mut counts = [0; LANES];
    for (word, planes) in words.iter().zip(query) {
        for (weight, plane) in planes.iter().enumerate() {
            for (count, word) in counts.iter_mut().zip(word.0) {
                *count += u64::from((word ^ plane).count_ones()) << weight;
            }
        }
    }
    counts
}

#[cfg(test)]
#[path = "codes_tests.rs"]
mod tests;
