//! What losses over two inputs share: one number a row, and gradients to both inputs.

use crate::tape::{Backward, Forward, Op, Pass, Tape, Value};
use crate::tensor::Shape;

/// A loss that is a sum, or a mean, over the numbers of a row.
pub(super) trait Term: Copy + Send + Sync + 'static {
    /// What the sum over `len` numbers is multiplied by.
    fn scale(self, _len: usize) -> f64 {
        1.0
    }

    /// The loss of one pair of numbers.
    fn loss(self, slope: f64, a: f64, b: f64) -> f64;

    /// Its derivatives with respect to both.
    fn derivatives(self, slope: f64, a: f64, b: f64) -> (f64, f64);
}

/// The op: `scale · Σ_i loss(a_i, b_i)`, in double precision within a row. Where there is
/// no second input, `b` is 0.
struct SumOp<T> {
    term: T,
    scale: f64,
    len: usize,
    pair: bool,
    scratch: Vec<()>,
}

/// Records the op over one or two inputs of one shape.
pub(super) fn record(tape: &mut Tape, inputs: &[Value], term: impl Term) -> Value {
    let len = tape.shape(inputs[0]).len();
    let op = SumOp {
        term,
        scale: term.scale(len),
        len,
        pair: inputs.len() > 1,
        scratch: vec![(); tape.chunks(inputs[0])],
    };
    tape.push(Box::new(op), inputs, Shape::vector(1))
}

/// Makes a layer of a [`Term`]: its name in a spec, and how many inputs of one shape it has.
macro_rules! pair_loss {
    ($name:ident, $kind:literal, $arity:expr) => {
        impl crate::layers::Layer for $name {
            fn kind(&self) -> &'static str {
                $kind
            }

            fn arity(&self) -> std::ops::RangeInclusive<usize> {
                $arity
            }

            fn output(&self, name: &str, inputs: &[Shape]) -> crate::error::Result<Shape> {
                crate::layers::same_shapes(name, inputs)?;
                Ok(Shape::vector(1))
            }

            fn is_loss(&self) -> bool {
                true
            }

            fn record(
                &self,
                to: &mut crate::layers::Recorder<'_>,
                inputs: &[crate::tape::Value],
            ) -> crate::error::Result<crate::tape::Value> {
                Ok(super::pair_loss::record(to.tape, inputs, *self))
            }
        }
    };
}
pub(super) use pair_loss;

/// The slope of the pass, as the terms take it.
fn slope(pass: &Pass) -> f64 {
    f64::from(pass.slope)
}

impl<T: Term> Op for SumOp<T> {
    fn forward(&mut self, mut cx: Forward<'_>) {
        let y = std::mem::take(&mut cx.y);
        let (term, scale, len, slope) = (self.term, self.scale, self.len, slope(cx.pass));
        let (a, b) = (cx.x(0), self.pair.then(|| cx.x(1)));
        cx.pass
            .rows
            .write(y, 1, &mut self.scratch, |rows, loss, ()| {
                for (row, loss) in rows.zip(loss) {
                    let at = |i: usize| {
                        let i = row * len + i;
                        (f64::from(a[i]), b.map_or(0.0, |b| f64::from(b[i])))
                    };
                    let sum: f64 = (0..len).map(at).map(|(a, b)| term.loss(slope, a, b)).sum();
                    *loss = (scale * sum) as f32;
                }
            });
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        let (term, scale, len, slope) = (self.term, self.scale, self.len, slope(cx.pass));
        let (a, b, dl) = (cx.x(0), self.pair.then(|| cx.x(1)), cx.dy);
        for input in 0..=usize::from(self.pair) {
            let Some(dx) = cx.grads.of(input) else {
                continue;
            };
            dx.add(&mut self.scratch, |rows, dx, ()| {
                for (row, dx) in rows.zip(dx.chunks_exact_mut(len)) {
                    for (i, dx) in dx.iter_mut().enumerate() {
                        let i = row * len + i;
                        let (a, b) = (f64::from(a[i]), b.map_or(0.0, |b| f64::from(b[i])));
                        let both = term.derivatives(slope, a, b);
                        let own = if input == 0 { both.0 } else { both.1 };
                        *dx += (f64::from(dl[row]) * scale * own) as f32;
                    }
                }
            });
        }
    }
}

/// `log(1 + exp(x))`
pub(super) fn softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

/// `1 / (1 + exp(-x))`
pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}
