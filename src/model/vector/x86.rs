//! The inner loops by the conversion instructions of x86-64, several times faster than what a compiler makes of the
//! portable code, and the same to the bit: both round ties to even, keep subnormals, and add the same products to
//! the same lanes.

/// Blocks of 32 components in registers of `$lanes` f32 and as many f16.
macro_rules! loops {
    (
        $(#[$doc:meta])* $module:ident, $features:literal, $wide:ident x $parts:literal, $narrow:ident,
        $widen:ident, $round:ident, $zero:ident, $add:ident, $multiply:ident
    ) => {
        $(#[$doc])*
        pub mod $module {
            use std::arch::x86_64::*;

            use half::f16;
            use zerocopy::transmute;

            #[target_feature(enable = $features)]
            #[inline]
            fn widen(block: &[f16; 32]) -> [$wide; $parts] {
                let parts: [$narrow; $parts] = transmute!(*block);
                parts.map(|part| $widen(part))
            }

            #[target_feature(enable = $features)]
            #[inline]
            fn add(lanes: &mut [$wide; $parts], x: [$wide; $parts], y: [$wide; $parts]) {
                for (lane, (x, y)) in lanes.iter_mut().zip(x.into_iter().zip(y)) {
                    *lane = $add(*lane, $multiply(x, y));
                }
            }

            /// By lane, the sum of the products of two rows.
            #[target_feature(enable = $features)]
            pub fn dot_rows(a: &[[f16; 32]], b: &[[f16; 32]]) -> [f32; 32] {
                let mut lanes = [$zero(); $parts];
                for (x, y) in a.iter().zip(b) {
                    add(&mut lanes, widen(x), widen(y));
                }
                transmute!(lanes)
            }

            /// By lane, the sum of the products of a query and a row.
            #[target_feature(enable = $features)]
            pub fn dot(query: &[[f32; 32]], row: &[[f16; 32]]) -> [f32; 32] {
                let mut lanes = [$zero(); $parts];
                for (x, y) in query.iter().zip(row) {
                    add(&mut lanes, transmute!(*x), widen(y));
                }
                transmute!(lanes)
            }

            /// Rounds to half precision, ties to even.
            #[target_feature(enable = $features)]
            #[inline]
            pub fn narrow(block: &[f32; 32]) -> [f16; 32] {
                let parts: [$wide; $parts] = transmute!(*block);
                transmute!(parts.map(|part| $round::<_MM_FROUND_TO_NEAREST_INT>(part)))
            }
        }
    };
}

loops!(
    /// With registers of 512 bits.
    avx512, "avx512f", __m512 x 2, __m256i,
    _mm512_cvtph_ps, _mm512_cvtps_ph, _mm512_setzero_ps, _mm512_add_ps, _mm512_mul_ps
);
loops!(
    /// With registers of 256 bits.
    avx2, "avx2,f16c", __m256 x 4, __m128i,
    _mm256_cvtph_ps, _mm256_cvtps_ph, _mm256_setzero_ps, _mm256_add_ps, _mm256_mul_ps
);

#[cfg(test)]
mod tests {
    use half::f16;
    use multiversion::multiversion;
    use multiversion::target::match_target;

    use super::super::half::narrow;

    #[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq"))]
    fn by_avx512(block: &[f32; 32]) -> Option<[f16; 32]> {
        match_target! { "x86_64+avx512f" => Some(super::avx512::narrow(block)), _ => { let _ = block; None } }
    }

    #[multiversion(targets("x86_64+avx2+f16c"))]
    fn by_avx2(block: &[f32; 32]) -> Option<[f16; 32]> {
        match_target! { "x86_64+avx2+f16c" => Some(super::avx2::narrow(block)), _ => { let _ = block; None } }
    }

    #[test]
    fn rounding_is_the_portable_codes() {
        // Every exponent up to 1 of both signs, with mantissas around the rounding position and elsewhere.
        for exponent in 0..127u32 {
            for mantissas in (0..1u32 << 23).step_by(30 * 509) {
                let of = |lane: u32| match lane {
                    0..16 => (mantissas + 509 * lane) & 0x7F_FFFF,
                    _ => (mantissas & !0x1FFF | [0xFFF, 0x1000, 0x1001, 0x1FFF][lane as usize % 4]) & 0x7F_FFFF,
                };
                let block: [f32; 32] = std::array::from_fn(|lane| {
                    let lane = lane as u32;
                    f32::from_bits((lane & 1) << 31 | exponent << 23 | of(lane))
                });
                let mut portable = [f16::ZERO; 32];
                narrow(&block, &mut portable);
                for hardware in [by_avx512(&block), by_avx2(&block)].into_iter().flatten() {
                    assert_eq!(hardware.map(f16::to_bits), portable.map(f16::to_bits), "{block:?}");
                }
            }
        }
    }
}
