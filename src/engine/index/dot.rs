//! The exact similarity. The order of operations is fixed (sixteen lanes, then a fixed tree, no fused
//! multiply-add), so that every machine gets the same bits.

const LANES: usize = 16;

/// Dot product of two slices; the shorter length counts.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a_blocks, b_blocks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (a_rest, b_rest) = (a_blocks.remainder(), b_blocks.remainder());
    for (x, y) in a_blocks.zip(b_blocks) {
        for lane in 0..LANES {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    for (lane, (x, y)) in lanes.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *lane += x * y;
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// 1 / ‖v‖ in f64. Rounding to half precision leaves a unit vector's norm a little off one.
pub fn inverse_norm(v: &[f32]) -> f64 {
    1.0 / f64::from(dot(v, v)).sqrt()
}

/// Cosine of two vectors with known inverse norms, rounded to 1e-6 and clamped to -1..=1.
pub fn cosine(a: &[f32], inverse_a: f64, b: &[f32], inverse_b: f64) -> f64 {
    let exact = f64::from(dot(a, b)) * inverse_a * inverse_b;
    (libm::rint(exact * 1e6) / 1e6).clamp(-1.0, 1.0)
}
