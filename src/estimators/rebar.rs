//! The REBAR estimator ([`Rebar`]).

use super::probability::{chain_of, conditional, relaxed, relaxed_derivative};
use super::scale::{NEW, learn, scale};
use super::{
    Emit, Estimator, Extra, Info, Needs, Outcome, Probability, Rule, SavedGrads, ScoreFunction,
    Unit,
};

const RELAXED: [Extra; 2] = [
    Extra {
        here: Emit::Relaxed,
        above: Emit::Relaxed,
    },
    Extra {
        here: Emit::Conditional,
        above: Emit::Relaxed,
    },
];

/// Indices of the learned numbers: `log t`, averages of Σ g₀·c and Σ c² (g₀ is the gradient without
/// the control part), and averages of Σ g² at the lower and the higher temperature.
const LOG_T: usize = 0;
const CROSS: usize = 1;
const SQUARE: usize = 2;
const SIDES: usize = 3;

/// Initial values of the learned numbers: temperature 1/2, no control variate.
const BEGIN: [f32; 5] = [-std::f32::consts::LN_2, 0.0, 0.0, 0.0, 0.0];

/// Half the difference of the two temperatures, in logarithms.
const APART: f32 = 0.1;

/// The largest change of `log t` in a step.
const MOVE: f32 = 0.01;

/// The range of temperatures, in logarithms: about 0.05 to 5.
const RANGE: (f32, f32) = (-3.0, 1.6);

const TIED: Info = Info {
    name: "rebar",
    formula: "(L(h) - η L(r̃)) · d log P(h)/dx + η(dL(r)/dx - dL(r̃)/dx)",
    unbiased: true,
    cost: "2 forward a layer, 2 backward",
    source: "Tucker 2017 (arXiv 1703.07370)",
};

const UNTIED: Info = Info {
    name: "rebar-untied",
    cost: "3 forward a layer, 2 backward",
    ..TIED
};

/// REBAR: the score function with a relaxed control variate, plus the mean of that variate.
///
/// ```text
/// z = a·x - logit(u),  h = [z > 0],  z̃ ~ z given h,  r = σ(z/t)
/// dL/dx = (L(h) - η·L(r̃)) · d log P(h)/dx  +  η·(dL(r)/dx - dL(r̃)/dx)
/// ```
///
/// The loss at a relaxed sample that agrees with the bit is a control variate of the score; its
/// mean is added back along two reparameterised paths, that of `z` and that of `z̃`. Unbiased for
/// every `η` and `t` that were fixed before the sample was drawn. Layers above are relaxed with
/// their own noise. The probability function is logistic.
///
/// **Tied noise.** The mean depends only on the distribution of `z̃` given the bit, so its uniform
/// number `v` may be a function of `u`: `v = u/p` for a 1 and `(u - p)/(1 - p)` for a 0, as in the
/// publication. Then `z̃` equals `z`, the two relaxed rows are one row, and only the derivatives of
/// the two paths differ (that of `z̃` is taken with `v` held constant).
///
/// The default was chosen by measurement. On the seed network with new weights (16 images of MNIST,
/// 600 draws, `cargo run --example rebar_noise FOLDER 600`) the tied form has 0.94 of the variance
/// of the untied form with the last layer binary, 0.94 with the first and 1.01 with both, and a
/// draw takes 25 ms instead of 55. On the small network of `tests/gradients/second_moments.rs` it has 1.00 of
/// it in the first layer and 1.13 in the last, with 3 rows per sample instead of 5. Variance times
/// cost is lower in all cases, so noise is tied by default. Cost: one further forward pass for each
/// binary layer, and one further backward pass in all; untied, two further forward passes for each
/// binary layer.
///
/// **Learned.** `η` minimises Σ g², the second moment of the gradient over the layer's units
/// (`scale.rs`). `log t` is learned from the same quantity by two-point (Kiefer-Wolfowitz) steps:
/// even and odd steps use a slightly lower and a slightly higher temperature, and `log t` moves
/// towards the better one. Each step uses averages of earlier steps only, so the gradient stays
/// unbiased.
///
/// Source: Tucker et al., "REBAR" (arXiv 1703.07370); Grathwohl et al. (1711.00123).
#[derive(Clone, Copy, Debug)]
pub struct Rebar {
    /// Whether `z̃` is computed from the noise of the sample (the default) rather than from
    /// independent noise. The untied form has the name `rebar-untied`; it is not registered by
    /// default.
    pub tied: bool,
}

impl Default for Rebar {
    fn default() -> Self {
        Self { tied: true }
    }
}

impl Estimator for Rebar {
    fn info(&self) -> Info {
        match self.tied {
            true => TIED,
            false => UNTIED,
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
            v: !self.tied,
        }
    }

    #[inline(always)]
    fn grad(&self, u: Unit) -> f32 {
        u.learning_signal * Probability::Sigmoid.score(u.slope, u.x, u.p, u.h)
    }
}

impl ScoreFunction for Rebar {
    fn extras(&self) -> &'static [Extra] {
        &RELAXED[..if self.tied { 1 } else { 2 }]
    }

    fn saved_grads(&self) -> SavedGrads {
        SavedGrads::ExtraRows
    }

    fn learning_signal(&self, of: Outcome<'_>) -> f32 {
        of.loss * of.weight
    }

    #[inline(always)]
    fn control_part(&self, u: Unit, losses: [f32; 2]) -> f32 {
        let score = Probability::Sigmoid.score(u.slope, u.x, u.p, u.h);
        let free = relaxed(u.slope, u.temperature, u.x, u.u);
        let free = relaxed_derivative(u.slope, u.temperature, free);
        if self.tied {
            let chain = chain_of(u.p, u.u, u.h);
            return u.saved_grads[0] * free * (1.0 - chain) - losses[0] * score;
        }
        let (given_u, chain) = conditional(u.p, u.v, u.h);
        let given = relaxed(u.slope, u.temperature, u.x, given_u);
        u.saved_grads[0] * free
            - u.saved_grads[1] * relaxed_derivative(u.slope, u.temperature, given) * chain
            - losses[1] * score
    }

    fn learned(&self) -> &'static [f32] {
        &BEGIN
    }

    fn control(&self, _temperature: f32, c: &[f32], step: u64) -> (f32, f32) {
        let side = if step.is_multiple_of(2) {
            -APART
        } else {
            APART
        };
        (libm::expf(c[LOG_T] + side), scale([c[CROSS], c[SQUARE]]))
    }

    fn adapt(&self, c: &mut [f32], [squares, cross, control]: [f64; 3], step: u64) {
        let used = scale([c[CROSS], c[SQUARE]]);
        let [_, mean_cross, mean_square, ..] = c else {
            return;
        };
        learn([mean_cross, mean_square], used, cross, control);
        let side = SIDES + usize::from(!step.is_multiple_of(2));
        c[side] += NEW * (squares as f32 - c[side]);
        let (low, high) = (c[SIDES], c[SIDES + 1]);
        if low > 0.0 && high > 0.0 {
            let towards = ((low - high) / (low + high) / APART).clamp(-1.0, 1.0);
            c[LOG_T] = (c[LOG_T] + MOVE * towards).clamp(RANGE.0, RANGE.1);
        }
    }
}
