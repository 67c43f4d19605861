//! A node that repeats a value with one row per image for each row of the image's group.
//!
//! ```text
//! y[row] = x[image of row]          dx[image] += Σ over the image's rows of dy[row]
//! ```

use super::{Backward, Forward, Op, Phase, Tape, Value};

struct Repeat {
    len: usize,
    scratch: Vec<()>,
}

/// Records the node; the declarations of `x` also apply to its output.
pub(super) fn record(tape: &mut Tape, x: Value) -> Value {
    let shape = tape.shape(x);
    let scratch = vec![
        ();
        tape.chunks(x)
            .max(crate::tape::Rows::chunks_of(tape.full().live))
    ];
    let op = Repeat {
        len: shape.len(),
        scratch,
    };
    let y = tape.push_expanded(Box::new(op), &[x], shape);
    let (wants_grad, bits) = (tape.places[x.0].wants_grad, tape.places[x.0].bits);
    let place = &mut tape.places[y.0];
    (place.wants_grad, place.bits) = (wants_grad, bits);
    y
}

impl Op for Repeat {
    fn forward(&mut self, cx: Forward<'_>) {
        let (x, len, group) = (cx.x(0), self.len, cx.pass.group);
        let rows = cx.pass.rows;
        rows.write(cx.y, len, &mut self.scratch, |rows, y, ()| {
            for (row, y) in rows.zip(y.chunks_exact_mut(len)) {
                y.copy_from_slice(&x[group.image(row) * len..][..len]);
            }
        });
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        // No unit below a repeated value is sampled, so none saves its gradient.
        if cx.pass.phase == Phase::ControlVariate {
            return;
        }
        let (dy, len, group) = (cx.dy, self.len, cx.pass.group);
        let rows = cx.pass.rows.live;
        if let Some(dx) = cx.grads.of(0) {
            dx.add(&mut self.scratch, |images, dx, ()| {
                for (image, dx) in images.zip(dx.chunks_exact_mut(len)) {
                    for row in (image..rows).step_by(group.images) {
                        for (dx, dy) in dx.iter_mut().zip(&dy[row * len..][..len]) {
                            *dx += dy;
                        }
                    }
                }
            });
        }
    }
}
