//! The probability function of binary units, and the arithmetic of relaxed bits.

use serde::{Deserialize, Serialize};

use crate::kernels::Elementwise;
use crate::kernels::elementwise::logistic;
pub(super) use crate::kernels::elementwise::relaxed;

/// The probability that a unit fires, as a function of its pre-activation.
///
/// ```text
/// hard-sigmoid  p = (clip(a·x, -1, 1) + 1) / 2      p' = a/2 where |a·x| < 1, else 0
/// sigmoid       p = 1 / (1 + exp(-a·x))             p' = a·p(1-p)
/// score         d log P(h)/dx = (h - p)/(p(1-p))·p'; for the sigmoid that is a·(h - p)
/// ```
///
/// The hard sigmoid is that of the reference program. It saturates: outside of its ramp a unit is
/// never random and its gradient is 0, and its score is unbounded towards the ends of the ramp. The
/// score of the logistic function is bounded, which score functions need, and the exact antithetic
/// rules (ARM, DisARM) and relaxations (Concrete, REBAR) are derived for the logistic function
/// alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probability {
    /// The hard sigmoid, as in the reference program.
    HardSigmoid,
    /// The logistic function.
    Sigmoid,
}

impl Probability {
    /// All probability functions.
    pub const ALL: [Probability; 2] = [Probability::HardSigmoid, Probability::Sigmoid];

    /// Returns the name on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Probability::HardSigmoid => "hard-sigmoid",
            Probability::Sigmoid => "sigmoid",
        }
    }

    /// Returns `p`, the probability of a 1 at the pre-activation `x` with the slope `a = slope`.
    #[inline(always)]
    pub fn of(self, slope: f32, x: f32) -> f32 {
        match self {
            Probability::HardSigmoid => ((slope * x).clamp(-1.0, 1.0) + 1.0) * 0.5,
            Probability::Sigmoid => logistic(slope * x),
        }
    }

    /// Returns `p' = dp/dx`, given `p`.
    #[inline(always)]
    pub fn derivative(self, slope: f32, x: f32, p: f32) -> f32 {
        match self {
            Probability::HardSigmoid if (slope * x).abs() < 1.0 => slope * 0.5,
            Probability::HardSigmoid => 0.0,
            Probability::Sigmoid => slope * (p * (1.0 - p)),
        }
    }

    /// Returns the score `d log P(h)/dx` of the bit `h`, given `p`.
    #[inline(always)]
    pub fn score(self, slope: f32, x: f32, p: f32, h: f32) -> f32 {
        match self {
            // A drawn bit had a probability above 0, so there is no division by 0.
            Probability::HardSigmoid if (slope * x).abs() < 1.0 => {
                slope * 0.5 / if h > 0.5 { p } else { p - 1.0 }
            }
            Probability::HardSigmoid => 0.0,
            Probability::Sigmoid => slope * (h - p),
        }
    }

    /// Returns [`Self::of`] in double precision, for tests and exact expectations.
    pub fn exact(self, slope: f32, x: f32) -> f64 {
        let x = f64::from(slope) * f64::from(x);
        match self {
            Probability::HardSigmoid => (x.clamp(-1.0, 1.0) + 1.0) * 0.5,
            Probability::Sigmoid => 1.0 / (1.0 + libm::exp(-x)),
        }
    }

    /// Computes [`Self::of`] for many units.
    pub fn probabilities(self, ew: &Elementwise, slope: f32, x: &[f32], p: &mut [f32]) {
        match self {
            Probability::HardSigmoid => (ew.hard_sigmoid)(slope, x, p),
            Probability::Sigmoid => (ew.sigmoid)(slope, x, p),
        }
    }
}

/// Returns the derivative of [`relaxed`] with respect to `x`, given its value.
#[inline(always)]
pub fn relaxed_derivative(slope: f32, temperature: f32, value: f32) -> f32 {
    value * (1.0 - value) * (slope / temperature)
}

/// The largest uniform number, whose logit is finite.
const LAST: f32 = 1.0 - 1.0 / 16_777_216.0;

/// Returns `p` moved into the open interval (0, 1).
#[inline(always)]
fn inside(p: f32) -> f32 {
    p.clamp(1e-6, 1.0 - 1e-6)
}

/// Returns a uniform number conditioned on the bit that it determines, and the derivative of `a·x -
/// logit` of that number with respect to `a·x` ([`chain_of`]):
///
/// ```text
/// h = 1:  ũ = v·p
/// h = 0:  ũ = p + v(1-p)
/// ```
#[inline(always)]
pub fn conditional(p: f32, v: f32, h: f32) -> (f32, f32) {
    let p = inside(p);
    // Near 1 the second expression rounds to 1, whose logit is infinite.
    let u = if h > 0.5 { v * p } else { p + v * (1.0 - p) };
    let u = u.min(LAST);
    (u, chain_of(p, u, h))
}

/// Returns the derivative of `a·x - logit(ũ)` with respect to `a·x`, for the uniform number `ũ` of
/// [`conditional`] with `v` held constant:
///
/// ```text
/// h = 1:  1 - (1-p)/(1-ũ)
/// h = 0:  1 - p/ũ
/// ```
#[inline(always)]
pub fn chain_of(p: f32, u: f32, h: f32) -> f32 {
    let p = inside(p);
    // The bounds are needed if `p` was moved into (0, 1), because `u` may then be on its other
    // side.
    if h > 0.5 {
        1.0 - (1.0 - p) / (1.0 - u.min(p))
    } else {
        1.0 - p / u.max(p)
    }
}

/// Declares a rule whose only setting is the probability function, with the named one as default.
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
    use crate::kernels::elementwise::logit;

    /// The ends of the grid of uniform numbers, and some between them.
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

    /// Compares the derivative with finite differences of `a·x - logit(ũ)`.
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
