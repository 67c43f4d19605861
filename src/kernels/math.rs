//! The exponential, the natural logarithm and the logistic function, with the same bits on every
//! machine. They have no branches, so that loops over them are vectorised.

/// Returns `e^x` within 2 ulp, with the same bits on every machine. The argument is split so that
/// `e^x = 2^n · e^r` with `|r| <= ln 2 / 2`, and `e^r` is the polynomial of degree 6 of Cephes
/// (`expf`). The result saturates at the limits of f32's normal numbers.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Adding and subtracting 1.5·2^23 rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let rounded = x * core::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = (x - n * 0.693_359_4) + n * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let e = (p * (r * r) + r) + 1.0;
    // The last mantissa bit of ROUND has the value 1, so `n` is read from the mantissa of the sum;
    // a conversion of `n` to an integer would not be vectorised, because it saturates.
    let exponent = rounded.to_bits().wrapping_sub(ROUND.to_bits());
    e * f32::from_bits(exponent.wrapping_add(127) << 23)
}

/// Returns `ln x` of a positive normal number within 2 ulp of the result or of 1/16, whichever is
/// greater, with the same bits on every machine. The argument is split so that `x = 2^n · m` with
/// `√½ <= m < √2`, and `ln m` is the polynomial of degree 11 of Cephes (`logf`).
#[inline(always)]
pub(crate) fn ln(x: f32) -> f32 {
    const SQRT_HALF: u32 = core::f32::consts::FRAC_1_SQRT_2.to_bits();
    let above = x.to_bits().wrapping_sub(SQRT_HALF);
    let n = (above.cast_signed() >> 23) as f32;
    let r = f32::from_bits((above & 0x007f_ffff) + SQRT_HALF) - 1.0;
    let mut p = 7.037_684e-2;
    p = p * r - 0.115_146_1;
    p = p * r + 0.116_769_99;
    p = p * r - 0.124_201_41;
    p = p * r + 0.142_493_23;
    p = p * r - 0.166_680_58;
    p = p * r + 0.200_007_15;
    p = p * r - 0.249_999_94;
    p = p * r + 0.333_333_3;
    let square = r * r;
    let small = (p * r * square - n * 2.121_944_4e-4) - 0.5 * square;
    (r + small) + n * 0.693_359_4
}

/// Returns `1 / (1 + e^-x)`; 0 below -69, where the value is less than 2^-99. Above 17 it rounds to
/// 1, so the probability of a unit is exactly 0 or 1 at the ends. Without the lower limit the
/// gradients of units that never fire would be subnormal numbers, with which processors compute
/// several times more slowly.
#[inline(always)]
pub(crate) fn logistic(x: f32) -> f32 {
    let p = 1.0 / (1.0 + exp(-x));
    if x < -69.0 { 0.0 } else { p }
}

/// Returns `ln(u / (1 - u))` of a uniform number, which is a multiple of 2^-24; it is evaluated at
/// the middle of its cell, so that it is finite.
#[inline(always)]
pub(crate) fn logit(u: f32) -> f32 {
    const HALF: f32 = 1.0 / 33_554_432.0;
    ln((u + HALF) / ((1.0 - u) - HALF))
}

/// Returns a relaxed bit `σ(z/t)`, with the temperature `t` and `z = a·x - logit(u)`, which is
/// positive if `u < p`. It tends to the bit as `t` decreases.
#[inline(always)]
pub(crate) fn relaxed(slope: f32, temperature: f32, x: f32, u: f32) -> f32 {
    logistic((slope * x - logit(u)) / temperature)
}

/// Returns the square root, correctly rounded; libm's without the standard library has the same bits.
#[inline(always)]
pub(crate) fn sqrt(x: f32) -> f32 {
    #[cfg(feature = "std")]
    return x.sqrt();
    #[cfg(not(feature = "std"))]
    return libm::sqrtf(x);
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_logistic_is_certain_at_both_ends() {
        for x in [-69.5f32, -88.0, -1e30, f32::NEG_INFINITY] {
            assert_eq!(super::logistic(x).to_bits(), 0, "{x}");
        }
        for x in [17.5f32, 88.0, 1e30, f32::INFINITY] {
            assert_eq!(super::logistic(x), 1.0, "{x}");
        }
        let least = super::logistic(-69.0);
        assert!(least > 1e-30 && least < 2f32.powi(-99), "{least:e}");
        assert!(super::logistic(f32::NAN).is_nan());
    }

    /// Tests every 61st of the floats from 2^-26 to 4.
    #[test]
    fn ln_is_within_two_ulp() {
        let mut worst: f64 = 0.0;
        for bits in (2f32.powi(-26).to_bits()..=4f32.to_bits()).step_by(61) {
            let x = f32::from_bits(bits);
            let (got, want) = (super::ln(x), libm::log(f64::from(x)));
            let size = (want.abs() as f32).max(1.0 / 16.0);
            let ulp = f64::from(f32::from_bits(size.to_bits() + 1)) - f64::from(size);
            worst = worst.max((f64::from(got) - want).abs() / ulp);
        }
        assert!(worst <= 2.0, "{worst} ulp");
        assert_eq!(super::ln(1.0).to_bits(), 0);
    }

    /// Tests every 61st of the floats from -87 to 88, and the neighbours of zero.
    #[test]
    fn exp_is_within_two_ulp() {
        let negative = (0..=87.0f32.to_bits())
            .step_by(61)
            .map(|b| -f32::from_bits(b));
        let positive = (0..=88.0f32.to_bits()).step_by(61).map(f32::from_bits);
        let mut worst: f64 = 0.0;
        for x in negative.chain(positive) {
            let (got, want) = (super::exp(x), libm::exp(f64::from(x)));
            let nearest = want as f32;
            let ulp = f64::from(f32::from_bits(nearest.to_bits() + 1)) - f64::from(nearest);
            worst = worst.max((f64::from(got) - want).abs() / ulp);
        }
        assert!(worst <= 2.0, "{worst} ulp");
        assert_eq!(super::exp(f32::NEG_INFINITY), super::exp(-87.0));
        assert_eq!(super::exp(f32::INFINITY), super::exp(88.0));
        assert!(super::exp(f32::NAN).is_nan());
    }
}
