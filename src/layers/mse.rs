//! The layer [`Mse`] and its op.

use serde::{Deserialize, Serialize};

use super::pair_loss::{Term, pair_loss};
use crate::tensor::Shape;

/// Mean squared error, as PyTorch's `MSELoss` for each row.
///
/// ```text
/// L = 1/n Σ_i (x_i - t_i)²          dx_i += dL·2(x_i - t_i)/n          dt_i += -dx_i
/// ```
///
/// The first input is the prediction `x`, the second the target `t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mse {}

pair_loss!(Mse, "mse", 2..=2);

impl Term for Mse {
    fn scale(self, len: usize) -> f64 {
        1.0 / len as f64
    }

    fn loss(self, _slope: f64, x: f64, t: f64) -> f64 {
        (x - t) * (x - t)
    }

    fn derivatives(self, _slope: f64, x: f64, t: f64) -> (f64, f64) {
        (2.0 * (x - t), 2.0 * (t - x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Layer;
    use crate::layers::testing::{check_layer, layer_on_tape};

    #[test]
    fn gradients_match_finite_differences() {
        check_layer(&Mse {}, &[Shape::image(2, 3, 2); 2], 5);
    }

    #[test]
    fn the_loss_is_the_mean_square_of_a_row() {
        let (mut tape, x, loss) = layer_on_tape(&Mse {}, &[Shape::vector(2); 2], 2);
        tape.value_mut(x[0]).copy_from_slice(&[1.0, 2.0, 0.0, -1.0]);
        tape.value_mut(x[1]).copy_from_slice(&[0.0, 4.0, 0.0, -1.0]);
        tape.forward();
        assert_eq!(tape.value(loss), [2.5, 0.0]);
        assert!(
            Mse {}
                .output("l", &[Shape::vector(2), Shape::vector(3)])
                .is_err()
        );
    }
}
