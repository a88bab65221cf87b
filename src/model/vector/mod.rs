//! Embeddings as they are kept: unit length, rounded once to half precision.

mod dot;
mod half;

pub use dot::{cosine, cosine_rows, inverse_norm};

use ::half::f16;
use multiversion::multiversion;

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

/// Lanes in which squares are summed.
const LANES: usize = 8;

/// The sum of the squares in f64, in a fixed order: by lanes, then the lanes from the first to the last.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq", "x86_64+avx2", "aarch64+neon"))]
fn square_sum(components: &[f32]) -> f64 {
    let (blocks, rest) = components.as_chunks::<LANES>();
    let mut lanes = [0.0f64; LANES];
    for block in blocks {
        for (lane, c) in lanes.iter_mut().zip(block) {
            *lane += f64::from(*c) * f64::from(*c);
        }
    }
    for (lane, c) in lanes.iter_mut().zip(rest) {
        *lane += f64::from(*c) * f64::from(*c);
    }
    lanes.iter().sum()
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq", "x86_64+avx2", "aarch64+neon"))]
fn scale(components: &mut [f32], factor: f64) {
    for c in components {
        *c = (f64::from(*c) * factor) as f32;
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2", "aarch64+neon"))]
fn narrow(from: &[f32], to: &mut [f16]) {
    half::narrow(from, to);
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2", "aarch64+neon"))]
fn widen(from: &[f16], to: &mut [f32]) {
    half::widen(from, to);
}

/// Brings `components` to unit length, each multiplied by 1 / norm in f64 and rounded to f32. What is no
/// embedding is left as it was.
pub fn normalise(components: &mut [f32]) -> Result<(), BadVector> {
    // Squares of f32 do not overflow f64: the sum is finite if every component is.
    let norm = square_sum(components).sqrt();
    if !norm.is_finite() {
        return Err(BadVector::NotFinite);
    }
    if norm == 0.0 {
        return Err(BadVector::ZeroNorm);
    }
    scale(components, 1.0 / norm);
    Ok(())
}

impl UnitVector {
    /// Normalises `components` with [`normalise`] and rounds each to f16, in place of what was there.
    pub fn normalised(components: &mut [f32]) -> Result<UnitVector, BadVector> {
        normalise(components)?;
        let mut bits = vec![f16::ZERO; components.len()].into_boxed_slice();
        narrow(components, &mut bits);
        Ok(UnitVector::of(bits))
    }

    /// Takes over bits that were normalised before (restore). Errors if any is not finite.
    pub fn from_bits(bits: Box<[f16]>) -> Result<UnitVector, BadVector> {
        if bits.iter().all(|c| c.is_finite()) { Ok(UnitVector::of(bits)) } else { Err(BadVector::NotFinite) }
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
