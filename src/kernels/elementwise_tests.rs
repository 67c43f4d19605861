//! Exponentials of the element-wise kernels.

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

/// Every 61st of the numbers from -87 to 88, and the neighbours of zero.
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
