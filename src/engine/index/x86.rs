//! What compilers make no good code of, by the instructions of x86-64; the same to the bit as the portable code.

/// With registers of 512 bits.
pub mod avx512 {
    use std::arch::x86_64::*;

    use zerocopy::transmute;

    use super::super::rotation::STEP;
    use super::super::signs::{HEAD, LANES, PLANES, Words};

    /// See [`super::super::signs`].
    #[target_feature(enable = "avx512f,avx512vpopcntdq")]
    #[inline]
    pub fn differing(head: &[Words; HEAD], query: &[[u64; PLANES]; HEAD]) -> [u64; LANES] {
        let mut counts = [_mm512_setzero_si512(); PLANES];
        for (word, planes) in head.iter().zip(query) {
            let word: __m512i = transmute!(word.0);
            for (count, plane) in counts.iter_mut().zip(planes) {
                let differ = _mm512_xor_si512(word, _mm512_set1_epi64(plane.cast_signed()));
                *count = _mm512_add_epi64(*count, _mm512_popcnt_epi64(differ));
            }
        }
        let [one, two, four, eight] = counts;
        let lower = _mm512_add_epi64(one, _mm512_slli_epi64::<1>(two));
        let upper = _mm512_add_epi64(_mm512_slli_epi64::<2>(four), _mm512_slli_epi64::<3>(eight));
        transmute!(_mm512_add_epi64(lower, upper))
    }

    /// See [`super::super::signs`].
    #[target_feature(enable = "avx512f,avx512vpopcntdq")]
    #[inline]
    pub fn differing_in_line(line: &Words, planes: &[Words; PLANES]) -> u64 {
        let line: __m512i = transmute!(line.0);
        let mut weighted = _mm512_setzero_si512();
        for plane in planes.iter().rev() {
            let differ = _mm512_xor_si512(line, transmute!(plane.0));
            weighted = _mm512_add_epi64(_mm512_add_epi64(weighted, weighted), _mm512_popcnt_epi64(differ));
        }
        _mm512_reduce_add_epi64(weighted).cast_unsigned()
    }

    /// See [`super::super::rotation`].
    #[target_feature(enable = "avx512f")]
    #[inline]
    pub fn first_stages(lanes: &mut [f32; STEP], negative: u16, scale: f32) {
        let x: __m512 = transmute!(*lanes);
        let x = _mm512_mul_ps(x, _mm512_mask_blend_ps(negative, _mm512_set1_ps(scale), _mm512_set1_ps(-scale)));
        let x = stage(x, _mm512_permute_ps::<0b10_11_00_01>(x), 0xAAAA);
        let x = stage(x, _mm512_permute_ps::<0b01_00_11_10>(x), 0xCCCC);
        let x = stage(x, _mm512_shuffle_f32x4::<0b10_11_00_01>(x, x), 0xF0F0);
        let x = stage(x, _mm512_shuffle_f32x4::<0b01_00_11_10>(x, x), 0xFF00);
        *lanes = transmute!(x);
    }

    /// Sums of partners, and in the lanes of `upper` their differences.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn stage(x: __m512, partner: __m512, upper: u16) -> __m512 {
        _mm512_mask_sub_ps(_mm512_add_ps(x, partner), upper, partner, x)
    }

    /// The signs of components, the first in the lowest bit.
    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    pub fn sign_bits(x: &[f32; 64]) -> u64 {
        let parts: [__m512i; 4] = transmute!(*x);
        parts.into_iter().rev().fold(0, |word, part| word << 16 | u64::from(_mm512_movepi32_mask(part)))
    }

    /// Bytes of 0 or 1 as bits, the first in the lowest.
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    pub fn ones_as_bits(bytes: &[u8; 64]) -> u64 {
        let bytes: __m512i = transmute!(*bytes);
        _mm512_test_epi8_mask(bytes, bytes)
    }
}

/// With registers of 256 bits.
pub mod avx2 {
    use std::arch::x86_64::*;

    use zerocopy::transmute;

    use super::super::rotation::STEP;
    use super::super::signs::{HEAD, LANES, PLANES, Words};

    /// See [`super::super::signs`].
    #[target_feature(enable = "avx2")]
    #[inline]
    pub fn differing(head: &[Words; HEAD], query: &[[u64; PLANES]; HEAD]) -> [u64; LANES] {
        let zero = _mm256_setzero_si256();
        // Ones are counted in bytes first: at most eight a word, and a byte holds 255.
        let mut bytes = [[zero; 2]; PLANES];
        for (word, planes) in head.iter().zip(query) {
            let halves: [__m256i; 2] = transmute!(word.0);
            for (bytes, plane) in bytes.iter_mut().zip(planes) {
                let plane = _mm256_set1_epi64x(plane.cast_signed());
                for (bytes, half) in bytes.iter_mut().zip(halves) {
                    *bytes = _mm256_add_epi8(*bytes, ones(_mm256_xor_si256(half, plane)));
                }
            }
        }
        let mut counts = bytes;
        for count in counts.as_flattened_mut() {
            *count = _mm256_sad_epu8(*count, zero);
        }
        let [one, two, four, eight] = counts;
        let weighted = |half: usize| {
            let lower = _mm256_add_epi64(one[half], _mm256_slli_epi64::<1>(two[half]));
            let upper = _mm256_add_epi64(_mm256_slli_epi64::<2>(four[half]), _mm256_slli_epi64::<3>(eight[half]));
            _mm256_add_epi64(lower, upper)
        };
        transmute!([weighted(0), weighted(1)])
    }

    /// The set bits of each byte, by a table for half of one.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn ones(x: __m256i) -> __m256i {
        let table = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
        let low = _mm256_set1_epi8(0x0F);
        let lower = _mm256_shuffle_epi8(table, _mm256_and_si256(x, low));
        let upper = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16::<4>(x), low));
        _mm256_add_epi8(lower, upper)
    }

    /// See [`super::super::rotation`].
    #[target_feature(enable = "avx2")]
    #[inline]
    pub fn first_stages(lanes: &mut [f32; STEP], negative: u16, scale: f32) {
        let [low, high]: [__m256; 2] = transmute!(*lanes);
        let low = within(_mm256_mul_ps(low, scales(negative, scale)));
        let high = within(_mm256_mul_ps(high, scales(negative >> 8, scale)));
        *lanes = transmute!([_mm256_add_ps(low, high), _mm256_sub_ps(low, high)]);
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn scales(negative: u16, scale: f32) -> __m256 {
        let own = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
        let set = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(i32::from(negative)), own), own);
        _mm256_blendv_ps(_mm256_set1_ps(scale), _mm256_set1_ps(-scale), _mm256_castsi256_ps(set))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn within(x: __m256) -> __m256 {
        let x = stage::<0b1010_1010>(x, _mm256_permute_ps::<0b10_11_00_01>(x));
        let x = stage::<0b1100_1100>(x, _mm256_permute_ps::<0b01_00_11_10>(x));
        stage::<0b1111_0000>(x, _mm256_permute2f128_ps::<1>(x, x))
    }

    /// Sums of partners, and in the lanes of `UPPER` their differences.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn stage<const UPPER: i32>(x: __m256, partner: __m256) -> __m256 {
        _mm256_blend_ps::<UPPER>(_mm256_add_ps(x, partner), _mm256_sub_ps(partner, x))
    }

    /// The signs of components, the first in the lowest bit.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub fn sign_bits(x: &[f32; 64]) -> u64 {
        let parts: [__m256; 8] = transmute!(*x);
        parts.into_iter().rev().fold(0, |word, part| word << 8 | _mm256_movemask_ps(part) as u64)
    }

    /// Bytes of 0 or 1 as bits, the first in the lowest.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub fn ones_as_bits(bytes: &[u8; 64]) -> u64 {
        let halves: [__m256i; 2] = transmute!(*bytes);
        let [low, high] = halves.map(|half| _mm256_movemask_epi8(_mm256_slli_epi16::<7>(half)) as u32);
        u64::from(high) << 32 | u64::from(low)
    }
}
