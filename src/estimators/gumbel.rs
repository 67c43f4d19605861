//! The Gumbel-softmax estimator ([`Gumbel`]).

use super::probability::{relaxed, relaxed_derivative};
use super::{Estimator, Info, Needs, Pathwise, Probability, Rule, Unit, Units};
use crate::kernels::Elementwise;

/// Units whose relaxed bits are computed at a time.
const BLOCK: usize = 256;

const HARD: Info = Info {
    name: "gumbel",
    formula: "dL/dh · r(1-r)·a/t, r = σ((ax - logit u)/t), its bit emitted",
    unbiased: false,
    cost: "1 forward, 1 backward",
    source: "Jang 2017 (arXiv 1611.01144); Maddison 2017 (1611.00712)",
};

const SOFT: Info = Info {
    name: "gumbel-soft",
    formula: "dL/dr · r(1-r)·a/t, r = σ((ax - logit u)/t) emitted",
    ..HARD
};

/// The binary Concrete (Gumbel-softmax) estimator.
///
/// ```text
/// z = a·x - log(u/(1-u)),  r = σ(z/t)
/// soft:  h = r in training, a bit in evaluation;   dL/dx = dL/dh · r(1-r)·a/t
/// hard:  h = [z > 0];                              dL/dx = dL/dh · r(1-r)·a/t
/// ```
///
/// A Bernoulli bit is `[z > 0]` for logistic noise. The relaxed bit `r` has a derivative, and tends
/// to the bit as the temperature `t` decreases, while the variance of the derivative increases.
/// Biased: the soft form trains a network of real activations and evaluates one of bits; the hard
/// form uses the derivative of the relaxation for the bit. The formula is an expectation over
/// noise, so units are sampled in training even if they are deterministic in evaluation.
///
/// Source: Jang, Gu, Poole (arXiv 1611.01144); Maddison, Mnih, Teh (1611.00712).
#[derive(Clone, Copy, Debug, Default)]
pub struct Gumbel {
    /// Whether training emits the relaxed bit `r` (soft) rather than the bit `h` (hard).
    pub soft: bool,
}

impl Estimator for Gumbel {
    fn info(&self) -> Info {
        match self.soft {
            true => SOFT,
            false => HARD,
        }
    }

    fn probability(&self) -> Probability {
        Probability::Sigmoid
    }

    fn rule(&self) -> Rule<'_> {
        Rule::Pathwise(self)
    }

    fn needs(&self) -> Needs {
        Needs {
            u: true,
            ..Needs::default()
        }
    }

    #[inline(always)]
    fn grad(&self, u: Unit) -> f32 {
        let r = relaxed(u.slope, u.temperature, u.x, u.u);
        u.dh * relaxed_derivative(u.slope, u.temperature, r)
    }

    fn grads(&self, ew: &Elementwise, units: Units<'_>, dx: &mut [f32]) {
        let (slope, temperature) = (units.slope, units.temperature);
        let mut relaxed = [0.0; BLOCK];
        let inputs = units.x.chunks(BLOCK).zip(units.u.chunks(BLOCK));
        let outputs = units.dh.chunks(BLOCK).zip(dx.chunks_mut(BLOCK));
        for ((x, u), (dh, dx)) in inputs.zip(outputs) {
            let relaxed = &mut relaxed[..x.len()];
            (ew.relaxed_bits)((slope, temperature), x, u, relaxed);
            for ((dx, &dh), &r) in dx.iter_mut().zip(dh).zip(&*relaxed) {
                *dx += dh * relaxed_derivative(slope, temperature, r);
            }
        }
    }
}

impl Pathwise for Gumbel {
    fn explores(&self) -> bool {
        true
    }

    fn has_temperature(&self) -> bool {
        true
    }

    fn relaxes(&self) -> bool {
        self.soft
    }
}
