//! The layer [`BernoulliNll`] and its op.

use serde::{Deserialize, Serialize};

use super::pair_loss::{Term, pair_loss, sigmoid, softplus};
use crate::tensor::Shape;

/// The negative log-likelihood of Bernoulli variables, summed over a row: PyTorch's
/// `BCEWithLogitsLoss(reduction="sum")`.
///
/// ```text
/// L = Σ_i log(1 + exp(z_i)) - t_i·z_i          dz_i += dL·(σ(z_i) - t_i)          dt_i += -dL·z_i
/// ```
///
/// The first input is the logits `z`, the second the targets `t` within [0, 1].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BernoulliNll {}

pair_loss!(BernoulliNll, "bernoulli_nll", 2..=2);

impl Term for BernoulliNll {
    fn loss(self, _slope: f64, z: f64, t: f64) -> f64 {
        softplus(z) - t * z
    }

    fn derivatives(self, _slope: f64, z: f64, t: f64) -> (f64, f64) {
        (sigmoid(z) - t, -z)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::{check_layer, layer_on_tape};

    #[test]
    fn gradients_match_finite_differences() {
        check_layer(&BernoulliNll {}, &[Shape::image(2, 3, 2); 2], 5);
    }

    #[test]
    fn the_loss_is_exact_where_a_probability_is_no_float() {
        let (mut tape, x, loss) = layer_on_tape(&BernoulliNll {}, &[Shape::vector(2); 2], 1);
        tape.value_mut(x[0]).copy_from_slice(&[250.0, -250.0]);
        tape.value_mut(x[1]).copy_from_slice(&[0.0, 0.0]);
        tape.forward();
        assert_eq!(tape.value(loss), [250.0]);
    }
}
