//! The MuProp estimator ([`MuProp`]).

use super::probability::rule_with_probability;
use super::{
    Emit, Estimator, Extra, Info, Needs, Outcome, Probability, Rule, SavedGrads, ScoreFunction,
    Unit,
};

const MEAN: [Extra; 1] = [Extra {
    here: Emit::Mean,
    above: Emit::Mean,
}];

rule_with_probability!(
    /// MuProp: the score function with a first-order Taylor baseline, plus the mean of that
    /// baseline's term.
    ///
    /// ```text
    /// h̄ = p,  L̄ = L(h̄),  ḡ = dL/dh at h̄
    /// dL/dx = (L - L̄ - Σ ḡ·(h - h̄)) · d log P(h)/dx  +  ḡ·p'
    /// ```
    ///
    /// The loss at the mean is a baseline that depends on the image, unlike the mean loss of other
    /// rows. The expansion is about the layer's own mean given the sample below it, with the layers
    /// above at their means; the sum is over the row's units. Unbiased. Cost: one further forward
    /// pass for each binary layer, and one further backward pass in all.
    ///
    /// Source: Gu, Levine, Sutskever, Mnih, "MuProp" (arXiv 1511.05176).
    MuProp,
    Sigmoid
);

impl Estimator for MuProp {
    fn info(&self) -> Info {
        Info {
            name: "muprop",
            formula: "(L - Taylor at the mean) · d log P(h)/dx + dL/dmean · p'",
            unbiased: true,
            cost: "2 forward a layer, 2 backward",
            source: "Gu 2016 (arXiv 1511.05176)",
        }
    }

    fn probability(&self) -> Probability {
        self.probability
    }

    fn rule(&self) -> Rule<'_> {
        Rule::ScoreFunction(self)
    }

    fn needs(&self) -> Needs {
        Needs {
            p: true,
            ..Needs::default()
        }
    }

    fn grad(&self, u: Unit) -> f32 {
        u.learning_signal * self.probability.score(u.slope, u.x, u.p, u.h)
            + u.saved_grads[0] * self.probability.derivative(u.slope, u.x, u.p)
    }
}

impl ScoreFunction for MuProp {
    fn extras(&self) -> &'static [Extra] {
        &MEAN
    }

    fn saved_grads(&self) -> SavedGrads {
        SavedGrads::ExtraRows
    }

    fn learning_signal(&self, of: Outcome<'_>) -> f32 {
        let units = of.saved_grads[0].iter().zip(of.h).zip(of.p);
        let taylor: f64 = units.map(|((&g, &h), &p)| f64::from(g * (h - p))).sum();
        (of.loss - of.extra[0]) * of.weight - taylor as f32
    }
}
