//! The layer [`KlBernoulli`] and its op.

use serde::{Deserialize, Serialize};

use super::pair_loss::{Term, pair_loss, sigmoid, softplus};
use crate::tensor::Shape;

/// The Kullback-Leibler divergence of Bernoulli variables, summed over a row.
///
/// ```text
/// q = σ(a·x),  p = σ(a·y) (1/2 without a second input)      a the slope of the pass
/// L = Σ_i q log(q/p) + (1-q) log((1-q)/(1-p))
///   = Σ_i q·a(x - y) - log(1 + exp(a·x)) + log(1 + exp(a·y))
/// dx += dL·a·q(1-q)·a(x - y)          dy += dL·a·(p - q)
/// ```
///
/// The inputs are pre-activations: those of a stochastic binary layer with the logistic
/// probability function have these probabilities, so that the divergence of latent bits
/// from their prior is this layer beside the binary one.
///
/// The first input is that of `q`; the second, which may be left out, that of `p`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KlBernoulli {}

pair_loss!(KlBernoulli, "kl_bernoulli", 1..=2);

impl Term for KlBernoulli {
    fn loss(self, slope: f64, x: f64, y: f64) -> f64 {
        let (x, y) = (slope * x, slope * y);
        sigmoid(x) * (x - y) - softplus(x) + softplus(y)
    }

    fn derivatives(self, slope: f64, x: f64, y: f64) -> (f64, f64) {
        let (x, y) = (slope * x, slope * y);
        let (q, p) = (sigmoid(x), sigmoid(y));
        (slope * q * (1.0 - q) * (x - y), slope * (p - q))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::{check_layer_by, layer_on_tape};

    #[test]
    fn gradients_match_finite_differences() {
        check_layer_by(&KlBernoulli {}, &[Shape::image(2, 3, 2); 2], 5, 0.02);
        check_layer_by(&KlBernoulli {}, &[Shape::vector(7)], 3, 0.02);
    }

    #[test]
    fn the_divergence_is_that_of_its_definition() {
        let (mut tape, x, loss) = layer_on_tape(&KlBernoulli {}, &[Shape::vector(1); 2], 3);
        tape.pass.slope = 2.0;
        tape.value_mut(x[0]).copy_from_slice(&[0.3, -1.0, 0.4]);
        tape.value_mut(x[1]).copy_from_slice(&[-0.2, 0.0, 0.4]);
        tape.forward();
        for (row, (x, y)) in [(0.3f64, -0.2f64), (-1.0, 0.0), (0.4, 0.4)]
            .into_iter()
            .enumerate()
        {
            let p = |x: f64| 1.0 / (1.0 + (-2.0 * x).exp());
            let (q, p) = (p(x), p(y));
            let want = q * (q / p).ln() + (1.0 - q) * ((1.0 - q) / (1.0 - p)).ln();
            assert!((f64::from(tape.value(loss)[row]) - want).abs() < 1e-6);
        }
    }
}
