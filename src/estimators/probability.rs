//! The probability function of binary units, and the arithmetic of relaxed bits.

use serde::{Deserialize, Serialize};

use crate::kernels::Elementwise;
use crate::kernels::elementwise::logistic;

/// The probability that a unit fires, as a function of its pre-activation.
///
/// ```text
/// hard-sigmoid  p = (clip(a·x, -1, 1) + 1) / 2      p' = a/2 where |a·x| < 1, else 0
/// sigmoid       p = 1 / (1 + exp(-a·x))             p' = a·p(1-p)
/// score         d log P(h)/dx = (h - p)/(p(1-p))·p'; for the sigmoid that is a·(h - p)
/// ```
///
/// The hard sigmoid is the reference's, and saturates: outside its ramp a unit
/// never explores and passes nothing. Its score grows without bound towards the
/// ends of the ramp, which the logistic's does not: score functions want the
/// logistic, and the exact antithetic rules (ARM, DisARM) and relaxations
/// (Concrete, REBAR) are derived for it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probability {
    /// The hard sigmoid, that of the reference program.
    HardSigmoid,
    /// The logistic function.
    Sigmoid,
}

impl Probability {
    /// Every probability function.
    pub const ALL: [Probability; 2] = [Probability::HardSigmoid, Probability::Sigmoid];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Probability::HardSigmoid => "hard-sigmoid",
            Probability::Sigmoid => "sigmoid",
        }
    }

    /// `p`, the probability of a 1 at the pre-activation `x` and the slope `a = slope`.
    #[inline(always)]
    pub fn of(self, slope: f32, x: f32) -> f32 {
        match self {
            Probability::HardSigmoid => ((slope * x).clamp(-1.0, 1.0) + 1.0) * 0.5,
            Probability::Sigmoid => logistic(slope * x),
        }
    }

    /// `p' = dp/dx`, given `p`.
    #[inline(always)]
    pub fn derivative(self, slope: f32, x: f32, p: f32) -> f32 {
        match self {
            Probability::HardSigmoid if (slope * x).abs() < 1.0 => slope * 0.5,
            Probability::HardSigmoid => 0.0,
            Probability::Sigmoid => slope * (p * (1.0 - p)),
        }
    }

    /// The score `d log P(h)/dx` of the bit `h`, given `p`.
    #[inline(always)]
    pub fn score(self, slope: f32, x: f32, p: f32, h: f32) -> f32 {
        match self {
            // A bit that was drawn had a probability above 0, so no division by 0.
            Probability::HardSigmoid if (slope * x).abs() < 1.0 => {
                slope * 0.5 / if h > 0.5 { p } else { p - 1.0 }
            }
            Probability::HardSigmoid => 0.0,
            Probability::Sigmoid => slope * (h - p),
        }
    }

    /// [`Self::of`] in double precision, for tests and exact expectations.
    pub fn exact(self, slope: f32, x: f32) -> f64 {
        let x = f64::from(slope) * f64::from(x);
        match self {
            Probability::HardSigmoid => (x.clamp(-1.0, 1.0) + 1.0) * 0.5,
            Probability::Sigmoid => 1.0 / (1.0 + libm::exp(-x)),
        }
    }

    /// [`Self::of`] of many units.
    pub fn probabilities(self, ew: &Elementwise, slope: f32, x: &[f32], p: &mut [f32]) {
        match self {
            Probability::HardSigmoid => (ew.hard_sigmoid)(slope, x, p),
            Probability::Sigmoid => (ew.sigmoid)(slope, x, p),
        }
    }
}

/// `log(u / (1 - u))` of a uniform number on its grid of 2^-24, taken at the
/// middle of its cell so that it is finite.
#[inline(always)]
pub fn logit(u: f32) -> f32 {
    const HALF: f32 = 1.0 / 33_554_432.0;
    libm::logf(u + HALF) - libm::logf((1.0 - u) - HALF)
}

/// A relaxed bit: `z = a·x - logit(u)` is positive where `u < p`, and
/// `σ(z/t)` tends to the bit as `t` falls.
#[inline(always)]
pub fn relaxed(slope: f32, temperature: f32, x: f32, u: f32) -> f32 {
    logistic((slope * x - logit(u)) / temperature)
}

/// The derivative of [`relaxed`] with respect to `x`, given its value.
#[inline(always)]
pub fn relaxed_derivative(slope: f32, temperature: f32, value: f32) -> f32 {
    value * (1.0 - value) * (slope / temperature)
}

/// The last number of the grid: its logit is finite.
const LAST: f32 = 1.0 - 1.0 / 16_777_216.0;

/// A probability that is neither 0 nor 1.
#[inline(always)]
fn inside(p: f32) -> f32 {
    p.clamp(1e-6, 1.0 - 1e-6)
}

/// A uniform number given the bit that it decides, and the derivative of
/// `a·x - logit` of it with respect to `a·x` ([`chain_of`]):
///
/// ```text
/// h = 1:  ũ = v·p
/// h = 0:  ũ = p + v(1-p)
/// ```
#[inline(always)]
pub fn conditional(p: f32, v: f32, h: f32) -> (f32, f32) {
    let p = inside(p);
    // Near 1 the second rounds to 1, of which there is no logit.
    let u = if h > 0.5 { v * p } else { p + v * (1.0 - p) };
    let u = u.min(LAST);
    (u, chain_of(p, u, h))
}

/// The derivative of `a·x - logit(ũ)` with respect to `a·x`, for the uniform number `ũ` of
/// [`conditional`] with its `v` fixed:
///
/// ```text
/// h = 1:  1 - (1-p)/(1-ũ)
/// h = 0:  1 - p/ũ
/// ```
#[inline(always)]
pub fn chain_of(p: f32, u: f32, h: f32) -> f32 {
    let p = inside(p);
    // The bounds matter where `p` was moved inside: there `u` may lie on its other side.
    if h > 0.5 {
        1.0 - (1.0 - p) / (1.0 - u.min(p))
    } else {
        1.0 - p / u.max(p)
    }
}

/// A rule whose only setting is the probability function, by default the one named.
macro_rules! rule_with_probability {
    ($(#[$doc:meta])* $name:ident, $default:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            /// The probability function of the units.
            pub probability: super::Probability,
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    probability: super::Probability::$default,
                }
            }
        }
    };
}
pub(super) use rule_with_probability;

#[cfg(test)]
mod tests {
    use super::*;

    /// The ends of the grid of uniform numbers, and some in between.
    const GRID: [f32; 7] = [
        0.0,
        1.0 / 16_777_216.0,
        1e-6,
        0.3,
        0.97,
        1.0 - 1e-6,
        1.0 - 1.0 / 16_777_216.0,
    ];

    #[test]
    fn relaxed_bits_are_finite_at_the_ends_of_the_grid() {
        for x in [-200.0, -18.0, -4.0, 0.0, 0.3, 5.0, 18.0, 200.0] {
            let p = Probability::Sigmoid.of(1.0, x);
            for v in GRID {
                assert!(logit(v).is_finite());
                for h in [0.0, 1.0] {
                    let (u, chain) = conditional(p, v, h);
                    assert!(logit(u).is_finite(), "{x} {v} {h}: {u}");
                    assert!((0.0..=1.0).contains(&chain), "{x} {v} {h}: {chain}");
                    let own = chain_of(p, v, if v < p { 1.0 } else { 0.0 });
                    assert!((0.0..=1.0).contains(&own), "{x} {v}: {own}");
                    for t in [0.05, 0.5, 5.0] {
                        assert!((0.0..=1.0).contains(&relaxed(1.0, t, x, u)));
                    }
                }
            }
        }
    }

    /// The derivative against finite differences of `a·x - logit(ũ)`.
    #[test]
    fn a_uniform_number_given_its_bit_has_the_derivative_that_is_said() {
        for x in [-2.5f32, -0.4, 0.0, 0.9, 3.0] {
            for v in [0.1, 0.45, 0.8] {
                for h in [0.0, 1.0] {
                    let z = |x: f64| {
                        let (p, v) = (Probability::Sigmoid.exact(1.0, x as f32), f64::from(v));
                        let u = if h > 0.5 { v * p } else { p + v * (1.0 - p) };
                        x - (u / (1.0 - u)).ln()
                    };
                    let (u, chain) = conditional(Probability::Sigmoid.of(1.0, x), v, h);
                    let value = x - logit(u);
                    let step = 1.0 / 256.0;
                    let x = f64::from(x);
                    let want = (z(x + step) - z(x - step)) / (2.0 * step);
                    assert!((f64::from(chain) - want).abs() < 1e-4, "{x} {v} {h}");
                    assert!((f64::from(value) - z(x)).abs() < 1e-5, "{x} {v} {h}");
                }
            }
        }
    }
}
