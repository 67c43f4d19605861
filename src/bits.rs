//! Floor 1: the two rules that make bits of real numbers. Training, packing and
//! lowering use these and no others.
//!
//! ```text
//! bit of an activation   h = [x > 0]                  a tie, and a NaN, is 0
//! sign of a weight       +1 for w >= 0 (so -0 too), -1 for w < 0
//! ```
//!
//! Where a layer's weights and inputs are bits (or pixels, the integers 0..255),
//! every sum that it makes is an integer; below 2^24 such a sum is exact in f32
//! in any order of summation, fused or not.

/// The bit of an activation: `x > 0`.
///
/// The kernels state the same rule (`step` of [`crate::kernels::Elementwise`]);
/// a test compares the two on every instruction set.
#[inline]
pub fn bit(x: f32) -> bool {
    x > 0.0
}

/// The binary weight of a latent one: +1 or -1; NaN for NaN, so that a latent
/// weight that is lost shows in the loss instead of passing for a weight.
#[inline]
pub fn sign(latent: f32) -> f32 {
    match is_positive(latent) {
        Some(true) => 1.0,
        Some(false) => -1.0,
        None => f32::NAN,
    }
}

/// Whether [`sign`] is +1: the bit that stands for a weight. `None` for NaN,
/// which has no bit.
#[inline]
pub fn is_positive(latent: f32) -> Option<bool> {
    (!latent.is_nan()).then_some(latent >= 0.0)
}

/// Latent weights as bits: bit `i % 64` of word `i / 64` is 1 where the sign of
/// weight `i` is +1. Bits beyond the last weight are 0.
///
/// A NaN has no bit; it is given 0, so a caller looks for it first.
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
