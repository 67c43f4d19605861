//! The ReSTE estimator ([`ReSte`]).

use super::probability::rule_with_probability;
use super::{Estimator, Info, Pathwise, Probability, Rule, Unit};
use crate::kernels::elementwise::{exp, ln};

const POWER: f32 = 1.0 / 3.0;
const NEAR: f32 = 0.1;
const FAR: f32 = 1.5;
/// `NEAR^(POWER - 1)`
const CHORD: f32 = 4.641_589;

rule_with_probability!(
    /// ReSTE: the derivative of a power function in place of that of the step function.
    ///
    /// ```text
    /// dL/dx = dL/dh · a/2 · (1/o)·|y|^(1/o - 1)     y = a·x, m <= |y| <= t
    ///                   a/2 · m^(1/o - 1)           |y| < m: the chord's slope
    ///                   0                           |y| > t
    /// o = 3, m = 0.1, t = 1.5
    /// ```
    ///
    /// `sign(y)·|y|^(1/o)` is the identity for `o = 1` and tends to the sign as `o` grows. Its
    /// slope is unbounded at 0, so the rule is truncated below `m`, and beyond `t`. The publication
    /// raises `o` from 1 to 3 during training; here it is 3 throughout, and the slope `a` is
    /// annealed. Published for outputs -1 and +1, halved here for 0 and 1. Biased.
    ///
    /// Source: Wu et al., "Estimator Meets Equilibrium Perspective" (arXiv 2308.06689).
    ReSte,
    HardSigmoid
);

impl Estimator for ReSte {
    fn info(&self) -> Info {
        Info {
            name: "reste",
            formula: "dL/dh · a/2 · |ax|^(1/o - 1)/o, o = 3, truncated below 0.1 and above 1.5",
            unbiased: false,
            cost: "1 forward, 1 backward",
            source: "Wu 2023 (arXiv 2308.06689)",
        }
    }

    fn probability(&self) -> Probability {
        self.probability
    }

    fn rule(&self) -> Rule<'_> {
        Rule::Pathwise(self)
    }

    #[inline(always)]
    fn grad(&self, u: Unit) -> f32 {
        let y = (u.slope * u.x).abs();
        let power = POWER * exp((POWER - 1.0) * ln(y.clamp(NEAR, FAR)));
        let inside = if y < NEAR { CHORD } else { power };
        let slope = if y > FAR { 0.0 } else { inside };
        u.dh * (u.slope * 0.5 * slope)
    }
}

impl Pathwise for ReSte {
    fn surrogate(&self, slope: f32, x: f32) -> Option<f64> {
        let y = f64::from(slope) * f64::from(x);
        let (power, near) = (f64::from(POWER), f64::from(NEAR));
        let size = y.abs().min(f64::from(FAR));
        let f = if size < near {
            size * libm::pow(near, power - 1.0)
        } else {
            libm::pow(size, power)
        };
        Some(0.5 * f.copysign(y))
    }
}
