//! The ARM estimator ([`Arm`]).

use super::{Emit, Estimator, Extra, Info, Needs, Outcome, Probability, Rule, ScoreFunction, Unit};

/// The further evaluation of ARM: the antithetic sample.
pub(super) const OPPOSITE: [Extra; 1] = [Extra {
    here: Emit::Opposite,
    above: Emit::Sample,
}];

/// ARM: augment, REINFORCE, merge.
///
/// ```text
/// h = [u < p],  h̃ = [1-u < p]
/// dL/dx = (L(h̃) - L(h)) · a·(u - 1/2)
/// ```
///
/// A sample and its antithetic sample use the same uniform numbers; the difference of their losses
/// is the learning signal. Unbiased, for the logistic probability function alone. Cost: one further
/// forward pass for each binary layer.
///
/// Source: Yin and Zhou, "ARM" (arXiv 1807.11143).
#[derive(Clone, Copy, Debug, Default)]
pub struct Arm;

impl Estimator for Arm {
    fn info(&self) -> Info {
        Info {
            name: "arm",
            formula: "(L(opposite) - L(h)) · a(u - 1/2)",
            unbiased: true,
            cost: "2 forward a layer",
            source: "Yin and Zhou 2019 (arXiv 1807.11143)",
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
            u: true,
            ..Needs::default()
        }
    }

    fn grad(&self, u: Unit) -> f32 {
        u.learning_signal * (u.slope * (u.u - 0.5))
    }
}

impl ScoreFunction for Arm {
    fn extras(&self) -> &'static [Extra] {
        &OPPOSITE
    }

    fn learning_signal(&self, of: Outcome<'_>) -> f32 {
        (of.extra[0] - of.loss) * of.weight
    }
}
