//! Embeddings as they are kept: unit length, rounded once to half precision.

use half::f16;
use half::slice::HalfFloatSliceExt;

/// A unit vector rounded to f16 on arrival. Every later computation works on these bits.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitVector(Box<[f16]>);

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

/// `components` at unit length (norm in f64, summed in order), each rounded to f32.
pub fn normalised(components: &[f32]) -> Result<Vec<f32>, BadVector> {
    let mut square = 0.0f64;
    for &c in components {
        if !c.is_finite() {
            return Err(BadVector::NotFinite);
        }
        square += f64::from(c) * f64::from(c);
    }
    let norm = square.sqrt();
    if norm == 0.0 {
        return Err(BadVector::ZeroNorm);
    }
    Ok(components.iter().map(|&c| (f64::from(c) / norm) as f32).collect())
}

impl UnitVector {
    /// Normalises `components` with [`normalised`] and rounds each to f16.
    pub fn normalised(components: &[f32]) -> Result<UnitVector, BadVector> {
        let unit = normalised(components)?;
        let mut bits = vec![f16::ZERO; unit.len()].into_boxed_slice();
        bits.convert_from_f32_slice(&unit);
        Ok(UnitVector(bits))
    }

    /// Takes over bits that were normalised before (restore). Errors if any is not finite.
    pub fn from_bits(bits: Box<[f16]>) -> Result<UnitVector, BadVector> {
        if bits.iter().all(|c| c.is_finite()) { Ok(UnitVector(bits)) } else { Err(BadVector::NotFinite) }
    }

    /// The components, half precision.
    pub fn as_slice(&self) -> &[f16] {
        &self.0
    }

    /// The components widened to f32 (exact).
    pub fn to_f32(&self) -> Vec<f32> {
        let mut wide = vec![0.0; self.0.len()];
        self.0.convert_to_f32_slice(&mut wide);
        wide
    }

    /// Number of components.
    pub fn dim(&self) -> usize {
        self.0.len()
    }
}
