//! A fixed random rotation, so that the signs of a rotated vector tell about as much whatever the data: rounds of
//! random signs and a fast Walsh–Hadamard transform. It is orthogonal, so it keeps every inner product; it is the
//! same constant everywhere, so what is derived from it is a function of the vector alone.
//!
//! A length that is no power of two is transformed in overlapping parts: the largest power of two at the front,
//! then at the back, in turn. The order of operations is fixed, so that every machine gets the same bits.

use multiversion::multiversion;
use multiversion::target::match_target;

#[cfg(target_arch = "x86_64")]
use super::x86;

/// Components a rotated vector has at least, so that a short one has enough signs to tell it by.
const LEAST: usize = 256;
const ROUNDS: usize = 4;
/// Words of signs a round; longer vectors go through them again.
const SIGN_WORDS: usize = 64;
/// Components that one step signs, scales and transforms among themselves.
pub(super) const STEP: usize = 16;

/// Which components change their sign, by round. SplitMix64 from a fixed seed.
const SIGNS: [[u64; SIGN_WORDS]; ROUNDS] = signs();

const fn signs() -> [[u64; SIGN_WORDS]; ROUNDS] {
    let mut signs = [[0; SIGN_WORDS]; ROUNDS];
    let mut state = 0x7265_6B69_6E64_6C65_u64;
    let mut n = 0;
    while n < ROUNDS * SIGN_WORDS {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        signs[n / SIGN_WORDS][n % SIGN_WORDS] = z ^ (z >> 31);
        n += 1;
    }
    signs
}

/// Components of a rotated vector of `dim` components: whole words of signs.
pub fn rotated_len(dim: usize) -> usize {
    dim.next_multiple_of(64).max(LEAST)
}

/// Rotates `x`, whose length is one of [`rotated_len`].
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2", "aarch64+neon"))]
pub fn rotate(x: &mut [f32]) {
    let part = 1 << x.len().ilog2();
    let scale = 1.0 / (part as f32).sqrt();
    for (round, signs) in SIGNS.iter().enumerate() {
        let from = if round % 2 == 0 { 0 } else { x.len() - part };
        let x = &mut x[from..from + part];
        for (n, lanes) in x.as_chunks_mut::<STEP>().0.iter_mut().enumerate() {
            let negative = (signs[n * STEP / 64 % SIGN_WORDS] >> (n * STEP % 64)) as u16;
            match_target! {
                "x86_64+avx512f" => x86::avx512::first_stages(lanes, negative, scale),
                "x86_64+avx2" => x86::avx2::first_stages(lanes, negative, scale),
                _ => first_stages(lanes, negative, scale),
            }
        }
        later_stages(x);
    }
}

/// Signs, scales and the stages whose strides lie within the step.
#[inline(always)]
fn first_stages(lanes: &mut [f32; STEP], negative: u16, scale: f32) {
    for (n, lane) in lanes.iter_mut().enumerate() {
        *lane *= if negative >> n & 1 == 1 { -scale } else { scale };
    }
    for stride in [1, 2, 4, 8] {
        for n in (0..STEP).filter(|n| n & stride == 0) {
            let (a, b) = (lanes[n], lanes[n + stride]);
            (lanes[n], lanes[n + stride]) = (a + b, a - b);
        }
    }
}

/// The stages of longer strides, two at a time.
#[inline(always)]
fn later_stages(x: &mut [f32]) {
    let mut stride = STEP;
    while 4 * stride <= x.len() {
        for group in x.chunks_exact_mut(4 * stride) {
            let (front, back) = group.split_at_mut(2 * stride);
            let ((a, b), (c, d)) = (front.split_at_mut(stride), back.split_at_mut(stride));
            for ((a, b), (c, d)) in a.iter_mut().zip(b).zip(c.iter_mut().zip(d)) {
                let (ab, a_b, cd, c_d) = (*a + *b, *a - *b, *c + *d, *c - *d);
                (*a, *b, *c, *d) = (ab + cd, a_b + c_d, ab - cd, a_b - c_d);
            }
        }
        stride *= 4;
    }
    while 2 * stride <= x.len() {
        for group in x.chunks_exact_mut(2 * stride) {
            let (a, b) = group.split_at_mut(stride);
            for (a, b) in a.iter_mut().zip(b) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        stride *= 2;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One component and one stage after the other.
    fn by_hand(x: &mut [f32]) {
        let part = 1 << x.len().ilog2();
        let scale = 1.0 / (part as f32).sqrt();
        for (round, signs) in SIGNS.iter().enumerate() {
            let from = if round % 2 == 0 { 0 } else { x.len() - part };
            let x = &mut x[from..from + part];
            for (n, x) in x.iter_mut().enumerate() {
                *x *= if signs[n / 64 % SIGN_WORDS] >> (n % 64) & 1 == 1 { -scale } else { scale };
            }
            for stride in (0..part.ilog2()).map(|stage| 1 << stage) {
                for n in (0..part).filter(|n| n & stride == 0) {
                    (x[n], x[n + stride]) = (x[n] + x[n + stride], x[n] - x[n + stride]);
                }
            }
        }
    }

    #[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq"))]
    fn by_avx512(lanes: &mut [f32; STEP], negative: u16) -> bool {
        match_target! {
            "x86_64+avx512f" => { x86::avx512::first_stages(lanes, negative, 0.25); true }
            _ => { let _ = (lanes, negative); false }
        }
    }

    #[multiversion(targets("x86_64+avx2"))]
    fn by_avx2(lanes: &mut [f32; STEP], negative: u16) -> bool {
        match_target! {
            "x86_64+avx2" => { x86::avx2::first_stages(lanes, negative, 0.25); true }
            _ => { let _ = (lanes, negative); false }
        }
    }

    proptest! {
        #[test]
        fn every_machine_gets_the_same_bits(values in prop::collection::vec(-1.0f32..1.0, 256..1100), negative: u16) {
            let mut x = values.clone();
            x.resize(rotated_len(values.len()), 0.0);
            let mut expected = x.clone();
            by_hand(&mut expected);
            rotate(&mut x);
            prop_assert!(x.iter().zip(&expected).all(|(x, y)| x.to_bits() == y.to_bits()));

            let lanes: [f32; STEP] = values[..STEP].try_into().expect("as many");
            let mut portable = lanes;
            first_stages(&mut portable, negative, 0.25);
            for version in [by_avx512, by_avx2] {
                let mut by_hardware = lanes;
                if version(&mut by_hardware, negative) {
                    prop_assert_eq!(by_hardware.map(f32::to_bits), portable.map(f32::to_bits));
                }
            }
        }

        #[test]
        fn inner_products_are_kept_and_no_component_stays_heavy(dim in 1usize..1600, at in 0usize..1600) {
            let mut one = vec![0.0; rotated_len(dim)];
            let mut other = one.clone();
            one[at % dim] = 1.0;
            other.iter_mut().take(dim).enumerate().for_each(|(n, x)| *x = (n as f32 * 0.7).sin());
            let expected = other[at % dim];
            rotate(&mut one);
            rotate(&mut other);
            let product: f32 = one.iter().zip(&other).map(|(x, y)| x * y).sum();
            prop_assert!((product - expected).abs() < 1e-3, "{product} is not {expected}");
            let heaviest = one.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            prop_assert!(heaviest < 6.0 / (one.len() as f32).sqrt(), "{heaviest} of {}", one.len());
        }
    }
}
