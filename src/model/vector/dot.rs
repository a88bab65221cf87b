//! The exact similarity. The order of operations is fixed (thirty-two lanes, then a fixed tree, no fused
//! multiply-add), so that every machine gets the same bits, by whichever instructions.

use half::f16;
use multiversion::multiversion;
use multiversion::target::match_target;

use super::half::widen;
#[cfg(target_arch = "x86_64")]
use super::x86;

const LANES: usize = 32;

/// Adds the products of two blocks of at most [`LANES`] components to their lanes.
#[inline(always)]
fn add(lanes: &mut [f32; LANES], a: &[f32], b: &[f32]) {
    for (lane, (x, y)) in lanes.iter_mut().zip(a.iter().zip(b)) {
        *lane += x * y;
    }
}

#[inline(always)]
fn total(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// By lane, the sum of the products of a widened query and a row, block by block.
#[inline(always)]
fn dot_blocks(query: &[[f32; LANES]], row: &[[f16; LANES]]) -> [f32; LANES] {
    let (mut lanes, mut wide) = ([0.0; LANES], [0.0; LANES]);
    for (x, y) in query.iter().zip(row) {
        widen(y, &mut wide);
        add(&mut lanes, x, &wide);
    }
    lanes
}

/// The same of two rows.
#[inline(always)]
fn dot_row_blocks(a: &[[f16; LANES]], b: &[[f16; LANES]]) -> [f32; LANES] {
    let (mut lanes, mut wide_a, mut wide_b) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
    for (x, y) in a.iter().zip(b) {
        widen(x, &mut wide_a);
        widen(y, &mut wide_b);
        add(&mut lanes, &wide_a, &wide_b);
    }
    lanes
}

/// Dot product of a widened query and a stored row of the same length.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+f16c", "aarch64+neon"))]
fn dot(query: &[f32], row: &[f16]) -> f32 {
    let (query, query_rest) = query.as_chunks::<LANES>();
    let (row, row_rest) = row.as_chunks::<LANES>();
    let mut lanes = match_target! {
        "x86_64+avx512f" => x86::avx512::dot(query, row),
        "x86_64+avx2+f16c" => x86::avx2::dot(query, row),
        _ => dot_blocks(query, row),
    };
    let mut wide = [0.0; LANES];
    widen(row_rest, &mut wide);
    add(&mut lanes, query_rest, &wide);
    total(lanes)
}

/// Dot product of two stored rows of the same length.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+f16c", "aarch64+neon"))]
fn dot_rows(a: &[f16], b: &[f16]) -> f32 {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut lanes = match_target! {
        "x86_64+avx512f" => x86::avx512::dot_rows(a, b),
        "x86_64+avx2+f16c" => x86::avx2::dot_rows(a, b),
        _ => dot_row_blocks(a, b),
    };
    let (mut wide_a, mut wide_b) = ([0.0; LANES], [0.0; LANES]);
    widen(a_rest, &mut wide_a);
    widen(b_rest, &mut wide_b);
    add(&mut lanes, &wide_a[..a_rest.len()], &wide_b);
    total(lanes)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same order of operations, one component after the other.
    fn by_hand(a: &[f16], b: &[f16]) -> f32 {
        let mut lanes = [0.0f32; LANES];
        for (i, (x, y)) in a.iter().zip(b).enumerate() {
            lanes[i % LANES] += x.to_f32() * y.to_f32();
        }
        for width in [16, 8, 4, 2, 1] {
            for lane in 0..width {
                lanes[lane] += lanes[lane + width];
            }
        }
        lanes[0]
    }

    /// What a version gives for whole blocks: the query's and the rows' lanes.
    type Lanes = ([f32; LANES], [f32; LANES]);

    #[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq"))]
    fn by_avx512(query: &[[f32; LANES]], a: &[[f16; LANES]], b: &[[f16; LANES]]) -> Option<Lanes> {
        match_target! {
            "x86_64+avx512f" => Some((x86::avx512::dot(query, b), x86::avx512::dot_rows(a, b))),
            _ => { let _ = (query, a, b); None },
        }
    }

    #[multiversion(targets("x86_64+avx2+f16c"))]
    fn by_avx2(query: &[[f32; LANES]], a: &[[f16; LANES]], b: &[[f16; LANES]]) -> Option<Lanes> {
        match_target! {
            "x86_64+avx2+f16c" => Some((x86::avx2::dot(query, b), x86::avx2::dot_rows(a, b))),
            _ => { let _ = (query, a, b); None },
        }
    }

    proptest! {
        #[test]
        fn every_machine_gets_the_same_bits(pairs in prop::collection::vec((-1.0f32..1.0, -1.0f32..1.0), 0..900)) {
            let (a, b): (Vec<f16>, Vec<f16>) =
                pairs.iter().map(|(x, y)| (f16::from_f32(*x), f16::from_f32(*y))).unzip();
            let wide: Vec<f32> = a.iter().map(|x| x.to_f32()).collect();
            let expected = by_hand(&a, &b).to_bits();
            prop_assert_eq!(dot_rows(&a, &b).to_bits(), expected);
            prop_assert_eq!(dot(&wide, &b).to_bits(), expected);

            let (wide, a, b) = (wide.as_chunks().0, a.as_chunks().0, b.as_chunks().0);
            let portable = (dot_blocks(wide, b), dot_row_blocks(a, b));
            for lanes in [by_avx512(wide, a, b), by_avx2(wide, a, b)].into_iter().flatten() {
                prop_assert_eq!(lanes.0.map(f32::to_bits), portable.0.map(f32::to_bits));
                prop_assert_eq!(lanes.1.map(f32::to_bits), portable.1.map(f32::to_bits));
            }
        }
    }
}
