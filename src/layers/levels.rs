//! The levels of binary units, [`Levels`].

use serde::{Deserialize, Serialize};

use crate::pack::{Packed, Packer};
use crate::tape::{Backward, Forward, Op, Tape, Value};

/// What a binary unit emits: its bit, or the bit as one of two signs.
///
/// ```text
/// y = 2h - 1          dh += 2 dy
/// ```
///
/// Estimators know bits alone: a unit of signs is a unit of bits followed by this formula. Also
/// where a row emits no bit but a probability or a relaxed bit, `y` is `2h - 1` of it. The
/// product with 2 is exact and there is one rounding behind it, none of a bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Levels {
    /// 0 and 1: the bit itself.
    #[default]
    #[serde(rename = "0/1")]
    Bits,
    /// -1 and +1: the sign of `x`, as Larq's `ste_sign` and `torch.sign` give it, except that
    /// `x = 0` gives -1.
    #[serde(rename = "-1/+1")]
    Signs,
}

impl Levels {
    /// Both kinds.
    pub const ALL: [Levels; 2] = [Levels::Bits, Levels::Signs];

    /// The name in a spec and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Levels::Bits => "0/1",
            Levels::Signs => "-1/+1",
        }
    }

    /// Whether they are 0 and 1.
    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "the form that serde calls"
    )]
    pub fn is_bits(&self) -> bool {
        *self == Levels::Bits
    }

    /// The level of a bit.
    #[inline]
    pub fn of(self, h: f32) -> f32 {
        match self {
            Levels::Bits => h,
            Levels::Signs => 2.0 * h - 1.0,
        }
    }

    /// The distance between the two levels, by which a change of the bit is multiplied.
    pub fn step(self) -> f32 {
        match self {
            Levels::Bits => 1.0,
            Levels::Signs => 2.0,
        }
    }

    /// Records what makes levels of the bits `h`, where they are no bits. `ignores_gradient`
    /// says that nothing is made of the gradient of `h`.
    pub(super) fn record(self, tape: &mut Tape, h: Value, ignores_gradient: bool) -> Value {
        if ignores_gradient {
            tape.declare_no_grad(h);
        }
        if self.is_bits() {
            return h;
        }
        let op = SignsOp {
            len: tape.shape(h).len(),
            chunks: vec![(); tape.chunks(h)],
        };
        let y = tape.push(Box::new(op), &[h], tape.shape(h));
        if ignores_gradient {
            tape.declare_no_grad(y);
        }
        y
    }

    /// The levels of packed bits.
    pub(super) fn pack(self, at: &mut Packer<'_>, bits: Packed) -> Packed {
        match self {
            Levels::Bits => bits,
            Levels::Signs => at.signs(bits),
        }
    }
}

struct SignsOp {
    len: usize,
    chunks: Vec<()>,
}

impl Op for SignsOp {
    fn forward(&mut self, cx: Forward<'_>) {
        let (h, len) = (cx.x(0), self.len);
        let write = |rows: std::ops::Range<usize>, y: &mut [f32], (): &mut ()| {
            for (y, &h) in y.iter_mut().zip(&h[rows.start * len..]) {
                *y = Levels::Signs.of(h);
            }
        };
        cx.pass.rows.write(cx.y, len, &mut self.chunks, write);
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        let (dy, len) = (cx.dy, self.len);
        if let Some(dh) = cx.grads.of(0) {
            let step = Levels::Signs.step();
            dh.map(len, &mut self.chunks, |i, dh| *dh += step * dy[i]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::{check_every_isa, fill};
    use crate::tensor::Shape;

    #[test]
    fn the_gradient_of_signs_is_twice_that_of_bits() {
        for (shape, rows) in [(Shape::image(3, 4, 2), 9), (Shape::vector(17), 33)] {
            check_every_isa(
                |tape| {
                    let x = tape.input(shape, true);
                    let y = Levels::Signs.record(tape, x, false);
                    assert_ne!(x, y);
                    tape.seal(true);
                    fill(1, tape.value_mut(x));
                    (vec![x], y)
                },
                rows,
                0.05,
            );
        }
        let mut tape = Tape::new(crate::kernels::select(None).unwrap(), 3);
        let x = tape.input(Shape::vector(4), true);
        let y = Levels::Signs.record(&mut tape, x, false);
        tape.seal(true);
        tape.value_mut(x)
            .copy_from_slice(&[0.0, 1.0, 0.25].repeat(4));
        tape.forward();
        assert_eq!(tape.value(y), [-1.0, 1.0, -0.5].repeat(4));
        tape.backward(y, 0.75);
        assert_eq!(tape.grad(x), [1.5; 12]);
    }

    #[test]
    fn the_levels_of_a_spec_are_names() {
        for levels in Levels::ALL {
            let text = format!("\"{}\"", levels.name());
            assert_eq!(serde_json::to_string(&levels).unwrap(), text);
            assert_eq!(serde_json::from_str::<Levels>(&text).unwrap(), levels);
            assert_eq!(levels.of(1.0) - levels.of(0.0), levels.step());
        }
        let error = serde_json::from_str::<Levels>("\"-1/1\"").unwrap_err();
        assert!(error.to_string().contains("expected `0/1` or `-1/+1`"));
    }
}
