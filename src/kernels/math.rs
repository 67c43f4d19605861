//! The exponential and the logistic function, with the same bits on every machine.

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

/// Returns `1 / (1 + e^-x)`; 0 below -69, where the value is less than 2^-99. Above 17 it rounds to
/// 1, so the probability of a unit is exactly 0 or 1 at the ends. Without the lower limit the
/// gradients of units that never fire would be subnormal numbers, with which processors compute
/// several times more slowly.
#[inline(always)]
pub(crate) fn logistic(x: f32) -> f32 {
    let p = 1.0 / (1.0 + exp(-x));
    if x < -69.0 { 0.0 } else { p }
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
