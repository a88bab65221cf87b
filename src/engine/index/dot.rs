//! The exact similarity. The order of operations is fixed (sixteen lanes, then a fixed tree, no fused
//! multiply-add), so that every machine gets the same bits, however the input is cut into blocks.

use half::f16;
use half::slice::HalfFloatSliceExt;

const LANES: usize = 16;
/// Components widened at a time, a multiple of the lanes.
const BLOCK: usize = 64;

/// A dot product under way: blocks of a multiple of [`LANES`] components, the last one of any length.
struct Sum([f32; LANES]);

impl Sum {
    fn add(&mut self, a: &[f32], b: &[f32]) {
        let (a_blocks, b_blocks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
        let (a_rest, b_rest) = (a_blocks.remainder(), b_blocks.remainder());
        for (x, y) in a_blocks.zip(b_blocks) {
            for lane in 0..LANES {
                self.0[lane] += x[lane] * y[lane];
            }
        }
        for (lane, (x, y)) in self.0.iter_mut().zip(a_rest.iter().zip(b_rest)) {
            *lane += x * y;
        }
    }

    fn total(mut self) -> f32 {
        let mut width = LANES / 2;
        while width > 0 {
            for lane in 0..width {
                self.0[lane] += self.0[lane + width];
            }
            width /= 2;
        }
        self.0[0]
    }
}

/// Dot product of a widened query and a stored row of the same length.
fn dot(query: &[f32], row: &[f16]) -> f32 {
    let mut sum = Sum([0.0; LANES]);
    let mut wide = [0.0; BLOCK];
    for (x, y) in query.chunks(BLOCK).zip(row.chunks(BLOCK)) {
        let wide = &mut wide[..y.len()];
        y.convert_to_f32_slice(wide);
        sum.add(x, wide);
    }
    sum.total()
}

/// Dot product of two stored rows of the same length.
fn dot_rows(a: &[f16], b: &[f16]) -> f32 {
    let mut sum = Sum([0.0; LANES]);
    let (mut wide_a, mut wide_b) = ([0.0; BLOCK], [0.0; BLOCK]);
    for (x, y) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
        let (wide_a, wide_b) = (&mut wide_a[..x.len()], &mut wide_b[..y.len()]);
        x.convert_to_f32_slice(wide_a);
        y.convert_to_f32_slice(wide_b);
        sum.add(wide_a, wide_b);
    }
    sum.total()
}

/// 1 / ‖row‖ in f64. Rounding to half precision leaves a unit vector's norm a little off one.
pub fn inverse_norm(row: &[f16]) -> f64 {
    1.0 / f64::from(dot_rows(row, row)).sqrt()
}

/// Cosine of a widened query and a row, with their inverse norms, rounded to 1e-6 and clamped to -1..=1.
pub fn cosine(query: &[f32], inverse_query: f64, row: &[f16], inverse_row: f64) -> f64 {
    rounded(f64::from(dot(query, row)) * inverse_query * inverse_row)
}

/// Cosine of two rows, with their inverse norms, rounded to 1e-6 and clamped to -1..=1.
pub fn cosine_rows(a: &[f16], inverse_a: f64, b: &[f16], inverse_b: f64) -> f64 {
    rounded(f64::from(dot_rows(a, b)) * inverse_a * inverse_b)
}

fn rounded(cosine: f64) -> f64 {
    (libm::rint(cosine * 1e6) / 1e6).clamp(-1.0, 1.0)
}
