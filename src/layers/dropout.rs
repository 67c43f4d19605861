//! The layer [`Dropout`] and its op.

use serde::{Deserialize, Serialize};

use super::layer::{Layer, Recorder};
use super::sight::Sight;
use crate::error::{Error, Result};
use crate::pack::{Packed, Packer};
use crate::random::fill_uniform;
use crate::tape::{Backward, Forward, Mode, Op, Pass, Value};
use crate::tensor::Shape;

/// Dropout: in training each number is 0 with probability `p`, else divided by `1 - p`;
/// in evaluation nothing happens.
///
/// ```text
/// y = x·m / (1 - p),  m = [u >= p]          dx += dy·m / (1 - p)
/// ```
///
/// The uniform numbers `u` come from the stream addressed (seed, step, draw, key of the
/// layer, sample), so all rows of a sample share them.
///
/// Source: Srivastava et al. 2014.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// The probability that a number becomes 0.
    pub p: f32,
}

impl Layer for Dropout {
    fn kind(&self) -> &'static str {
        "dropout"
    }

    fn describe(&self) -> String {
        format!("dropout {}", self.p)
    }

    fn output(&self, name: &str, inputs: &[Shape]) -> Result<Shape> {
        if !(0.0..1.0).contains(&self.p) {
            return Err(Error::spec(format!(
                "layer {name}: p must be from 0 up to but not including 1, not {}",
                self.p
            )));
        }
        Ok(inputs[0])
    }

    fn sight(&self) -> Sight {
        Sight::Place
    }

    fn record(&self, to: &mut Recorder<'_>, inputs: &[Value]) -> Result<Value> {
        let x = inputs[0];
        let shape = to.tape.shape(x);
        let op = DropoutOp {
            p: self.p,
            noise: to.noise,
            len: shape.len(),
            scratch: vec![vec![0.0; shape.len()]; to.tape.chunks(x)],
        };
        Ok(to.tape.push(Box::new(op), &[x], shape))
    }

    /// Nothing happens in evaluation.
    fn pack(&self, _at: &mut Packer<'_>, inputs: &[Packed]) -> Result<Packed> {
        Ok(inputs[0].clone())
    }
}

struct DropoutOp {
    p: f32,
    noise: usize,
    len: usize,
    /// A row's uniform numbers.
    scratch: Vec<Vec<f32>>,
}

/// What a row's numbers are multiplied by, written over its uniform numbers.
fn factors(pass: &Pass, (p, noise): (f32, usize), row: usize, u: &mut [f32]) {
    if pass.mode == Mode::Eval || p == 0.0 {
        return u.fill(1.0);
    }
    fill_uniform(&mut pass.noise(noise, row), u);
    let kept = 1.0 / (1.0 - p);
    for u in u {
        *u = if *u >= p { kept } else { 0.0 };
    }
}

impl Op for DropoutOp {
    fn forward(&mut self, cx: Forward<'_>) {
        let (of, len, x, pass) = ((self.p, self.noise), self.len, cx.x(0), cx.pass);
        pass.rows.write(cx.y, len, &mut self.scratch, |rows, y, u| {
            for (row, y) in rows.zip(y.chunks_exact_mut(len)) {
                factors(pass, of, row, u);
                let x = &x[row * len..][..len];
                for ((y, x), m) in y.iter_mut().zip(x).zip(&*u) {
                    *y = x * m;
                }
            }
        });
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        let (of, len, dy, pass) = ((self.p, self.noise), self.len, cx.dy, cx.pass);
        if let Some(dx) = cx.grads.of(0) {
            dx.add(&mut self.scratch, |rows, dx, u| {
                for (row, dx) in rows.zip(dx.chunks_exact_mut(len)) {
                    factors(pass, of, row, u);
                    let dy = &dy[row * len..][..len];
                    for ((dx, dy), m) in dx.iter_mut().zip(dy).zip(&*u) {
                        *dx += dy * m;
                    }
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::{check_layer, layer_on_tape};

    #[test]
    fn gradients_match_finite_differences() {
        check_layer(&Dropout { p: 0.3 }, &[Shape::image(3, 4, 2)], 9);
    }

    #[test]
    fn training_keeps_the_mean_and_evaluation_keeps_everything() {
        let dropout = Dropout { p: 0.25 };
        let (mut tape, x, y) = layer_on_tape(&dropout, &[Shape::vector(1000)], 40);
        tape.value_mut(x[0]).fill(3.0);
        tape.forward();
        let mean = tape.value(y).iter().sum::<f32>() / 40_000.0;
        // Five standard errors: each number is 4 or 0.
        assert!(
            (mean - 3.0).abs() < 5.0 * (3.0f32 / 40_000.0).sqrt(),
            "{mean}"
        );
        assert!(tape.value(y).iter().all(|&y| y == 0.0 || y == 4.0));
        tape.pass.mode = Mode::Eval;
        tape.forward();
        assert!(tape.value(y).iter().all(|&y| y == 3.0));
        for p in [-0.1, 1.0, f32::NAN] {
            assert!(Dropout { p }.output("d", &[Shape::vector(1)]).is_err());
        }
    }
}
