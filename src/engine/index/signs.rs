//! Signs of rotated vectors as bits, the counting of those that differ from a query's, and other bits.

use multiversion::multiversion;
use multiversion::target::match_target;

#[cfg(target_arch = "x86_64")]
use super::x86;

/// Slots whose codes lie side by side.
pub const LANES: usize = 8;
/// Weights of a rounded query.
pub const PLANES: usize = 4;
/// Words of a code that the scan reads of every slot: its head. Of the slots that the head does not rule out it reads
/// the tail too, which lies in one piece a slot.
pub const HEAD: usize = 4;
/// The highest level of a rounded query.
pub const TOP: i32 = (1 << PLANES) - 1;

/// Lanes in which magnitudes are summed.
const LANES_SUMMED: usize = 16;

/// A word of the heads of a block, or eight words of a tail.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub struct Words(pub [u64; LANES]);

/// Makes the head of words the first of them: words at even distances, since those of one part of a rotated vector
/// need not be a fair sample of all.
pub fn head_first<T>(words: &mut [T]) {
    for n in 0..HEAD {
        words.swap(n, n * words.len() / HEAD);
    }
}

/// The signs of a rotated vector, the head first, and the sums of its components' magnitudes, of the head and of all:
/// by lanes, then by a fixed tree.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2", "aarch64+neon"))]
pub fn encode(rotated: &[f32], code: &mut [u64]) -> [f32; 2] {
    let parts = rotated.as_chunks::<64>().0;
    let mut lanes = [0.0f32; LANES_SUMMED];
    for (x, word) in parts.iter().zip(code.iter_mut()) {
        add(&mut lanes, x);
        *word = match_target! {
            "x86_64+avx512f" => x86::avx512::sign_bits(x),
            "x86_64+avx2" => x86::avx2::sign_bits(x),
            _ => sign_bits(x),
        };
    }
    head_first(code);
    let mut head = [0.0f32; LANES_SUMMED];
    for n in 0..HEAD {
        add(&mut head, &parts[n * parts.len() / HEAD]);
    }
    [total(head), total(lanes)]
}

#[inline(always)]
fn add(lanes: &mut [f32; LANES_SUMMED], x: &[f32; 64]) {
    for part in x.as_chunks::<LANES_SUMMED>().0 {
        for (lane, x) in lanes.iter_mut().zip(part) {
            *lane += x.abs();
        }
    }
}

#[inline(always)]
fn total(mut lanes: [f32; LANES_SUMMED]) -> f32 {
    for width in [8, 4, 2, 1] {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
    }
    lanes[0]
}

/// The signs of components, the first in the lowest bit.
#[inline(always)]
pub fn sign_bits(x: &[f32; 64]) -> u64 {
    x.iter().enumerate().fold(0, |word, (n, x)| word | u64::from(x.to_bits() >> 31) << n)
}

/// Bytes of 0 or 1 as bits, the first in the lowest.
#[inline(always)]
pub fn ones_as_bits(bytes: &[u8; 64]) -> u64 {
    // Multiplied by this, the lowest bits of eight bytes come together in the highest byte, the first lowest.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (bytes, _) = bytes.as_chunks::<8>();
    bytes.iter().rev().fold(0, |bits, eight| bits << 8 | u64::from_le_bytes(*eight).wrapping_mul(GATHER) >> 56)
}

/// The components of a query as signs of each weight, word by word; levels are `apart` from each other.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2", "aarch64+neon"))]
pub fn planes(rotated: &[f32], apart: f32) -> Vec<[u64; PLANES]> {
    let mut words = Vec::with_capacity(rotated.len() / 64);
    for x in rotated.as_chunks::<64>().0 {
        // From 0 for the highest: a set bit is a negative sign.
        let mut below_top = [0u32; 64];
        for (below_top, x) in below_top.iter_mut().zip(x) {
            let level = (x / apart + (TOP + 1) as f32 / 2.0).clamp(0.0, TOP as f32) as i32;
            *below_top = (TOP - level) as u32;
        }
        let mut planes = [0u64; PLANES];
        for (weight, plane) in planes.iter_mut().enumerate() {
            let mut signs = [0.0f32; 64];
            for (sign, below_top) in signs.iter_mut().zip(&below_top) {
                *sign = f32::from_bits(below_top << (31 - weight));
            }
            *plane = match_target! {
                "x86_64+avx512f" => x86::avx512::sign_bits(&signs),
                "x86_64+avx2" => x86::avx2::sign_bits(&signs),
                _ => sign_bits(&signs),
            };
        }
        words.push(planes);
    }
    words
}

/// By lane, the signs in which a head differs from a query, each by its weight.
#[inline(always)]
pub fn differing(head: &[Words; HEAD], query: &[[u64; PLANES]; HEAD]) -> [u64; LANES] {
    let mut counts = [0; LANES];
    for (word, planes) in head.iter().zip(query) {
        for (weight, plane) in planes.iter().enumerate() {
            for (count, word) in counts.iter_mut().zip(word.0) {
                *count += u64::from((word ^ plane).count_ones()) << weight;
            }
        }
    }
    counts
}

/// The signs in which a line of a tail differs from a query's, each by its weight.
#[inline(always)]
pub fn differing_in_line(line: &Words, planes: &[Words; PLANES]) -> u64 {
    let mut weighted = 0;
    for (weight, plane) in planes.iter().enumerate() {
        for (word, plane) in line.0.iter().zip(plane.0) {
            weighted += u64::from((word ^ plane).count_ones()) << weight;
        }
    }
    weighted
}

#[cfg(test)]
#[path = "signs_tests.rs"]
mod tests;
