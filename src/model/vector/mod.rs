//! Embeddings as they are kept: unit length, rounded once to half precision.

mod dot;
mod half;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use dot::{cosine, cosine_rows, inverse_norm};

use std::cell::Cell;

use ::half::f16;
use multiversion::multiversion;
use multiversion::target::match_target;
use zerocopy::IntoBytes;

/// A unit vector rounded to f16 on arrival. Every later computation works on these bits.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitVector {
    bits: Box<[f16]>,
    inverse_norm: f64,
}

/// Why a list of floats is no usable embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadVector {
    /// A component is NaN or infinite.
    #[error("vector holds NaN or infinity")]
    NotFinite,
    /// All components are zero (or too small to have a direction).
    #[error("vector has zero norm")]
    ZeroNorm,
    /// The length differs from the space's dimension.
    #[error("vector has {got} components, the space has {want}")]
    Dimension {
        /// Components received.
        got: usize,
        /// Components of the declared space.
        want: usize,
    },
}

/// Lanes in which squares are summed, and components that are rounded at a time.
const LANES: usize = 8;
const BLOCK: usize = 32;

/// The sum of the squares in f64, in a fixed order: by lanes, then the lanes from the first to the last.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq", "x86_64+avx2", "aarch64+neon"))]
fn square_sum(components: &[[u8; 4]]) -> f64 {
    let (blocks, rest) = components.as_chunks::<LANES>();
    let mut lanes = [0.0f64; LANES];
    for block in blocks {
        for (lane, c) in lanes.iter_mut().zip(block) {
            let c = f64::from(f32::from_le_bytes(*c));
            *lane += c * c;
        }
    }
    for (lane, c) in lanes.iter_mut().zip(rest) {
        let c = f64::from(f32::from_le_bytes(*c));
        *lane += c * c;
    }
    lanes.iter().sum()
}

#[inline(always)]
fn scaled(component: [u8; 4], factor: f64) -> f32 {
    (f64::from(f32::from_le_bytes(component)) * factor) as f32
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+f16c", "aarch64+neon"))]
fn scale_and_narrow(components: &[[u8; 4]], factor: f64, bits: &mut [f16]) {
    let (blocks, rest) = components.as_chunks::<BLOCK>();
    let (narrow, narrow_rest) = bits.as_chunks_mut::<BLOCK>();
    for (components, bits) in blocks.iter().zip(narrow) {
        // A loop: a closure is not compiled into `map`, which knows nothing of this function's instructions.
        let mut unit = [0.0; BLOCK];
        for (unit, component) in unit.iter_mut().zip(components) {
            *unit = scaled(*component, factor);
        }
        match_target! {
            "x86_64+avx512f" => *bits = x86::avx512::narrow(&unit),
            "x86_64+avx2+f16c" => *bits = x86::avx2::narrow(&unit),
            _ => half::narrow(&unit, bits),
        }
    }
    for (component, bits) in rest.iter().zip(narrow_rest) {
        half::narrow(&[scaled(*component, factor)], std::slice::from_mut(bits));
    }
}

/// Widens a row to as many f32 (exact).
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2", "aarch64+neon"))]
pub fn widen(from: &[f16], to: &mut [f32]) {
    half::widen(from, to);
}

/// 1 / norm of components as they lie on the wire: f32, little-endian.
fn inverse_norm_of(components: &[[u8; 4]]) -> Result<f64, BadVector> {
    // Squares of f32 do not overflow f64: the sum is finite if every component is.
    let norm = square_sum(components).sqrt();
    if !norm.is_finite() {
        return Err(BadVector::NotFinite);
    }
    if norm == 0.0 {
        return Err(BadVector::ZeroNorm);
    }
    Ok(1.0 / norm)
}

/// `components` at unit length: each multiplied by 1 / norm in f64 and rounded to f32.
pub fn normalised(components: &[f32]) -> Result<Vec<f32>, BadVector> {
    let bytes: Vec<[u8; 4]> = components.iter().map(|c| c.to_le_bytes()).collect();
    let factor = inverse_norm_of(&bytes)?;
    Ok(bytes.iter().map(|c| scaled(*c, factor)).collect())
}

thread_local! {
    /// Memory of the vector that this thread dropped last. Those of events live for one event each, so the next one
    /// finds it still in the processor's cache.
    static SPARE: Cell<Box<[f16]>> = Cell::default();
}

/// Memory for `dim` components, whatever it holds.
fn room(dim: usize) -> Box<[f16]> {
    let spare = SPARE.take();
    if spare.len() == dim { spare } else { vec![f16::ZERO; dim].into_boxed_slice() }
}

impl Drop for UnitVector {
    fn drop(&mut self) {
        // Where the thread itself is ending, nothing is kept.
        let _ = SPARE.try_with(|spare| spare.set(std::mem::take(&mut self.bits)));
    }
}

impl UnitVector {
    /// Normalises components as [`normalised`] does and rounds each to f16. They lie as on the wire: f32,
    /// little-endian.
    pub fn of_le_bytes(components: &[[u8; 4]]) -> Result<UnitVector, BadVector> {
        let factor = inverse_norm_of(components)?;
        let mut bits = room(components.len());
        scale_and_narrow(components, factor, &mut bits);
        Ok(UnitVector::of(bits))
    }

    /// The same of components in memory.
    pub fn normalised(components: &[f32]) -> Result<UnitVector, BadVector> {
        if cfg!(target_endian = "little") {
            return UnitVector::of_le_bytes(components.as_bytes().as_chunks().0);
        }
        let bytes: Vec<[u8; 4]> = components.iter().map(|c| c.to_le_bytes()).collect();
        UnitVector::of_le_bytes(&bytes)
    }

    /// Takes over bits that were normalised before. Errors if any is not finite.
    pub fn from_bits(bits: &[f16]) -> Result<UnitVector, BadVector> {
        let mut copy = room(bits.len());
        copy.copy_from_slice(bits);
        UnitVector::stored(copy)
    }

    /// The same of bits as they lie in a record: little-endian.
    pub fn of_half_le_bytes(components: &[[u8; 2]]) -> Result<UnitVector, BadVector> {
        let mut bits = room(components.len());
        for (bits, component) in bits.iter_mut().zip(components) {
            *bits = f16::from_le_bytes(*component);
        }
        UnitVector::stored(bits)
    }

    fn stored(bits: Box<[f16]>) -> Result<UnitVector, BadVector> {
        // Without a branch a component, so that many are looked at together.
        let finite = bits.iter().fold(true, |all, c| all & c.is_finite());
        if finite { Ok(UnitVector::of(bits)) } else { Err(BadVector::NotFinite) }
    }

    fn of(bits: Box<[f16]>) -> UnitVector {
        let inverse_norm = inverse_norm(&bits);
        UnitVector { bits, inverse_norm }
    }

    /// The components, half precision.
    pub fn as_slice(&self) -> &[f16] {
        &self.bits
    }

    /// 1 / norm: rounding leaves a norm a little off one.
    pub fn inverse_norm(&self) -> f64 {
        self.inverse_norm
    }

    /// The components widened to f32 (exact).
    pub fn to_f32(&self) -> Vec<f32> {
        let mut wide = vec![0.0; self.bits.len()];
        widen(&self.bits, &mut wide);
        wide
    }

    /// Number of components.
    pub fn dim(&self) -> usize {
        self.bits.len()
    }
}
