//! Whole slices between f32 and f16, without a branch or a table, so that any machine does several at once.

use half::f16;

/// Bits of the smallest normal f16 as an f32, and of what one f16 exponent step and the difference of the
/// two exponent biases are in f32.
const SMALLEST_NORMAL: u32 = 0x3880_0000;
const BIAS: u32 = 112 << 23;
/// 0.5: adding it leaves as many bits below it as a subnormal f16 has.
const HALF: u32 = 0x3F00_0000;
const SIGN: u32 = 0x8000;

/// Widens finite values exactly.
#[inline(always)]
pub fn widen(from: &[f16], to: &mut [f32]) {
    for (wide, narrow) in to.iter_mut().zip(from) {
        let bits = u32::from(narrow.to_bits());
        let magnitude = (bits & !SIGN) << 13;
        let normal = f32::from_bits(magnitude + BIAS);
        let subnormal = f32::from_bits(magnitude + SMALLEST_NORMAL) - f32::from_bits(SMALLEST_NORMAL);
        let value = if magnitude < 1 << 23 { subnormal } else { normal };
        *wide = f32::from_bits(value.to_bits() | (bits & SIGN) << 16);
    }
}

/// Rounds values of at most 1 in magnitude, ties to even.
#[inline(always)]
pub fn narrow(from: &[f32], to: &mut [f16]) {
    for (narrow, wide) in to.iter_mut().zip(from) {
        let bits = wide.to_bits();
        let magnitude = bits & !(SIGN << 16);
        let subnormal = (f32::from_bits(magnitude) + f32::from_bits(HALF)).to_bits().wrapping_sub(HALF);
        let normal = magnitude.wrapping_sub(BIAS).wrapping_add(0xFFF + (magnitude >> 13 & 1)) >> 13;
        let value = if magnitude < SMALLEST_NORMAL { subnormal } else { normal };
        *narrow = f16::from_bits((value | bits >> 16 & SIGN) as u16);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_half_widens_as_the_half_crate_says_and_comes_back() {
        for bits in 0..=u16::MAX {
            let value = f16::from_bits(bits);
            if !value.is_finite() {
                continue;
            }
            let mut wide = [0.0];
            widen(&[value], &mut wide);
            assert_eq!(wide[0].to_bits(), value.to_f32().to_bits(), "{bits:#x}");
            if wide[0].abs() <= 1.0 {
                let mut back = [f16::ZERO];
                narrow(&wide, &mut back);
                assert_eq!(back[0].to_bits(), bits);
            }
        }
    }

    #[test]
    fn rounding_is_the_half_crates() {
        // Every exponent up to 1 with all patterns around the rounding position.
        for exponent in 0..=127u32 {
            for mantissa in
                (0..1u32 << 23).step_by(509).chain([0xFFF, 0x1000, 0x1001, 0x2FFF, 0x3000, 0x3001, 0x7F_FFFF])
            {
                for sign in [0, 1u32 << 31] {
                    let value = f32::from_bits(sign | exponent << 23 | if exponent == 127 { 0 } else { mantissa });
                    let mut narrowed = [f16::ZERO];
                    narrow(&[value], &mut narrowed);
                    assert_eq!(narrowed[0].to_bits(), f16::from_f32(value).to_bits(), "{value:e}");
                }
            }
        }
    }
}
