//! The two functions that make bits of real numbers (floor 1). Training, packing and lowering use
//! these functions only.
//!
//! ```text
//! bit of an activation   h = [x > 0]                  0 for x = 0 and for NaN
//! sign of a weight       +1 for w >= 0 (so for -0), -1 for w < 0
//! ```
//!
//! If the weights of a layer are binary and its inputs are bits (or pixels, the integers 0..=255),
//! every sum is an integer; a sum below 2^24 is exact in f32 in any order of summation, with or
//! without fused multiply-add.

use alloc::vec::Vec;

/// Returns the bit of an activation: `x > 0`.
///
/// The kernels implement the same function (`step` of [`crate::kernels::Elementwise`]); a test
/// compares the two on every instruction set.
#[inline]
pub fn bit(x: f32) -> bool {
    x > 0.0
}

/// Returns the binary weight of a latent weight: +1 or -1. The result for NaN is NaN, so that an
/// invalid latent weight is visible in the loss.
#[inline]
pub fn sign(latent: f32) -> f32 {
    match is_positive(latent) {
        Some(true) => 1.0,
        Some(false) => -1.0,
        None => f32::NAN,
    }
}

/// Returns whether [`sign`] is +1, which is the bit that represents the weight; `None` for NaN.
#[inline]
pub fn is_positive(latent: f32) -> Option<bool> {
    (!latent.is_nan()).then_some(latent >= 0.0)
}

/// Packs the signs of latent weights into words: bit `i % 64` of word `i / 64` is 1 if the sign of
/// weight `i` is +1. Unused bits are 0.
///
/// The bit of a NaN is 0; callers that must not accept NaN have to check for it.
pub fn pack_signs(latent: &[f32]) -> Vec<u64> {
    let word = |latent: &[f32]| {
        let bits = latent.iter().enumerate();
        bits.fold(0, |word, (i, &w)| {
            word | u64::from(is_positive(w) == Some(true)) << i
        })
    };
    latent.chunks(64).map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;

    #[test]
    fn ties_and_nans() {
        assert!(!bit(0.0) && !bit(-0.0) && !bit(f32::NAN) && !bit(-1.0));
        assert!(bit(f32::from_bits(1)) && bit(f32::INFINITY));
        assert_eq!((sign(0.0), sign(-0.0)), (1.0, 1.0));
        assert_eq!(
            (sign(f32::from_bits(1)), sign(-f32::from_bits(1))),
            (1.0, -1.0)
        );
        assert!(sign(f32::NAN).is_nan());
        assert_eq!(is_positive(-f32::NAN), None);
    }

    #[test]
    fn kernels_have_the_same_rule_for_a_bit() {
        let mut x = vec![
            0.0,
            -0.0,
            f32::NAN,
            -f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
        ];
        x.extend(
            [f32::MIN_POSITIVE, f32::from_bits(1), 1.0]
                .map(|x| [x, -x])
                .concat(),
        );
        let expected: Vec<_> = x.iter().map(|&x| f32::from(bit(x))).collect();
        for isa in Isa::available() {
            let mut h = vec![7.0; x.len()];
            (isa.kernels().unwrap().ew.step)(&x, &mut h);
            assert_eq!(h, expected, "{}", isa.name());
        }
    }

    #[test]
    fn signs_are_packed_from_the_lowest_bit_up() {
        let mut latent = vec![-1.0; 70];
        for i in [0, 5, 63, 64, 69] {
            latent[i] = 0.0;
        }
        let words = pack_signs(&latent);
        assert_eq!(words, [1 | 1 << 5 | 1 << 63, 1 | 1 << 5]);
        assert!(pack_signs(&[]).is_empty());
    }
}
