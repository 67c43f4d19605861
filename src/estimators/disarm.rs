//! The DisARM estimator ([`DisArm`]).

use super::arm::OPPOSITE;
use super::{Estimator, Extra, Info, Needs, Outcome, Probability, Rule, ScoreFunction, Unit};

/// DisARM (U2G): ARM with the noise that does not change the pair of bits integrated out.
///
/// ```text
/// h = [u < p],  h̃ = [1-u < p]
/// dL/dx = (L(h) - L(h̃)) / 2 · (-1)^h̃ · [h ≠ h̃] · a·σ(|a·x|)
/// ```
///
/// Given the pair of bits, the expectation of ARM over `u` has a closed form; it is 0 for a unit
/// whose two bits are equal. Unbiased, for the logistic probability function alone, with at most
/// ARM's variance. Cost: one further forward pass for each binary layer.
///
/// Source: Dong, Mnih, Tucker, "DisARM" (arXiv 2006.10680); Yin et al., U2G (same year).
#[derive(Clone, Copy, Debug, Default)]
pub struct DisArm;

impl Estimator for DisArm {
    fn info(&self) -> Info {
        Info {
            name: "disarm",
            formula: "(L(h) - L(opposite))/2 · (-1)^opposite · [h != opposite] · a·σ(|ax|)",
            unbiased: true,
            cost: "2 forward a layer",
            source: "Dong 2020 (arXiv 2006.10680)",
        }
    }

    fn probability(&self) -> Probability {
        Probability::Sigmoid
    }

    fn rule(&self) -> Rule<'_> {
        Rule::ScoreFunction(self)
    }

    fn needs(&self) -> Needs {
        Needs {
            p: true,
            u: true,
            ..Needs::default()
        }
    }

    fn grad(&self, u: Unit) -> f32 {
        let opposite = if 1.0 - u.u < u.p { 1.0 } else { 0.0 };
        // h - h̃ is (-1)^h̃ if they differ and 0 if they are equal; σ(|x|) = max(p, 1-p).
        let half = 0.5 * (u.h - opposite);
        u.learning_signal * half * (u.slope * u.p.max(1.0 - u.p))
    }
}

impl ScoreFunction for DisArm {
    fn extras(&self) -> &'static [Extra] {
        &OPPOSITE
    }

    fn learning_signal(&self, of: Outcome<'_>) -> f32 {
        (of.loss - of.extra[0]) * of.weight
    }
}
