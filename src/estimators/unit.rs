//! The binary unit: the one layer that every estimator works in.
//!
//! ```text
//! deterministic  h = [x > 0]
//! stochastic     h ~ Bernoulli(p(x)), drawn as [u < p]; or [x > 0] where the
//!                pass asks for thresholds
//! dx += the estimator's pullback
//! ```
//!
//! A tie, `x = 0`, is 0: `p = 1/2` rounds to even. The uniform numbers of a row
//! come from the stream addressed (seed, step, draw, node, row), so they do not
//! depend on threads, on chunks or on the order of the layers' work.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Estimator, Units as Row};
use crate::random::fill_uniform;
use crate::tape::{Backward, Forward, Op, Tape, Units, Value};

/// How a binary unit fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Firing {
    /// `h = [x > 0]`
    #[serde(rename = "det")]
    Deterministic,
    /// `h ~ Bernoulli(p(x))`
    #[serde(rename = "stoch")]
    Stochastic,
}

/// The layer; see the module's page.
pub struct BinaryUnit {
    firing: Firing,
    estimator: Arc<dyn Estimator>,
    len: usize,
    slots: Vec<Slot>,
}

/// One row's probabilities and uniform numbers.
struct Slot {
    p: Vec<f32>,
    u: Vec<f32>,
}

impl BinaryUnit {
    /// Records the layer.
    pub fn record(
        tape: &mut Tape,
        x: Value,
        firing: Firing,
        estimator: Arc<dyn Estimator>,
    ) -> Value {
        let shape = tape.shape(x);
        let scratch = match firing {
            Firing::Deterministic => 0,
            Firing::Stochastic => shape.len(),
        };
        let op = Self {
            firing,
            estimator,
            len: shape.len(),
            slots: (0..tape.slots())
                .map(|_| Slot {
                    p: vec![0.0; scratch],
                    u: vec![0.0; scratch],
                })
                .collect(),
        };
        tape.push(Box::new(op), &[x], shape)
    }
}

impl Op for BinaryUnit {
    fn name(&self) -> &'static str {
        "binary"
    }

    fn forward(&mut self, cx: Forward<'_>) {
        let (x, len, pass, node) = (cx.x(0), self.len, cx.pass, cx.node);
        let (ew, estimator) = (&pass.engine.kernels.ew, &self.estimator);
        let sample = self.firing == Firing::Stochastic && pass.units == Units::Sample;
        pass.rows
            .write(cx.y, len, &mut self.slots, |rows, h, slot| {
                if !sample {
                    return (ew.step)(&x[rows.start * len..rows.end * len], h);
                }
                for (row, h) in rows.zip(h.chunks_exact_mut(len)) {
                    estimator.probabilities(ew, pass.slope, &x[row * len..][..len], &mut slot.p);
                    fill_uniform(&mut pass.noise(node, row), &mut slot.u);
                    (ew.bernoulli)(&slot.p, &slot.u, h);
                }
            });
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        let (x, h, dh, pass, len) = (cx.x(0), cx.y(), cx.dy, cx.pass, self.len);
        let (ew, estimator) = (&pass.engine.kernels.ew, &self.estimator);
        if let Some(dx) = cx.grads.of(0) {
            dx.add(&mut self.slots, |rows, dx, _| {
                for (row, dx) in rows.zip(dx.chunks_exact_mut(len)) {
                    let range = row * len..(row + 1) * len;
                    let row = Row {
                        slope: pass.slope,
                        x: &x[range.clone()],
                        h: &h[range.clone()],
                        dh: &dh[range],
                        credit: pass.credit[row],
                    };
                    estimator.pullbacks(ew, row, dx);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimators::StraightThrough;
    use crate::tensor::Shape;

    fn tape(firing: Firing, rows: usize, len: usize) -> (Tape, Value, Value) {
        let engine = crate::kernels::select(Some("scalar")).unwrap();
        let mut tape = Tape::new(engine, rows);
        let x = tape.input(Shape::vector(len), true);
        let h = BinaryUnit::record(&mut tape, x, firing, Arc::new(StraightThrough));
        tape.seal(true);
        (tape, x, h)
    }

    #[test]
    fn deterministic_units_threshold_at_zero_and_a_tie_is_zero() {
        let (mut tape, x, h) = tape(Firing::Deterministic, 1, 5);
        tape.value_mut(x)
            .copy_from_slice(&[-1.0, -0.0, 0.0, 1e-30, f32::NAN]);
        tape.forward();
        assert_eq!(tape.value(h), [0.0, 0.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn stochastic_units_fire_with_their_probability() {
        let (mut tape, x, h) = tape(Firing::Stochastic, 50, 2000);
        for (p, slope) in [(0.1, 1.0f32), (0.5, 2.0), (0.9, 3.0)] {
            tape.pass.slope = slope;
            tape.value_mut(x).fill((2.0 * p - 1.0) / slope);
            tape.forward();
            let n = tape.value(h).len() as f32;
            let mean = tape.value(h).iter().sum::<f32>() / n;
            // Five standard errors.
            assert!(
                (mean - p).abs() < 5.0 * (p * (1.0 - p) / n).sqrt(),
                "{mean} for {p}"
            );
        }
        tape.value_mut(x).fill(-1.0);
        tape.forward();
        assert!(tape.value(h).iter().all(|&h| h == 0.0), "p = 0 never fires");
        tape.value_mut(x).fill(1.0);
        tape.forward();
        assert!(
            tape.value(h).iter().all(|&h| h == 1.0),
            "p = 1 always fires"
        );
    }

    #[test]
    fn noise_changes_with_its_address_and_with_nothing_else() {
        let (mut tape, x, h) = tape(Firing::Stochastic, 4, 300);
        tape.value_mut(x).fill(0.0);
        let mut draw = |seed, step| {
            tape.pass.noise.seed = seed;
            tape.pass.noise.step = step;
            tape.forward();
            tape.value(h).to_vec()
        };
        let first = draw(1, 1);
        assert_eq!(first, draw(1, 1));
        assert_ne!(first, draw(1, 2));
        assert_ne!(first, draw(2, 1));
        assert_ne!(
            first[..300],
            first[300..600],
            "rows have noise of their own"
        );
    }

    #[test]
    fn thresholds_replace_samples_where_the_pass_asks() {
        let (mut tape, x, h) = tape(Firing::Stochastic, 1, 2);
        tape.pass.units = Units::Threshold;
        tape.value_mut(x).copy_from_slice(&[-0.1, 0.1]);
        tape.forward();
        assert_eq!(tape.value(h), [0.0, 1.0]);
    }
}
