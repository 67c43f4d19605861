//! The buffers that hold the values of a run, and conversions between the layouts of bits.

use super::layout::{Nibbles, Place, Rows, copy_bits, get};
use super::op::{Cx, Op};
use crate::tensor::Shape;

/// The buffer that holds a stage's result, by its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Ints(usize),
    Reals(usize),
    Bits(Place),
}

/// The layout in which a stage reads bits, and their size in words or bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Rows(Rows, usize),
    Nibbles(Nibbles, usize),
}

impl Layout {
    /// Returns the layout without gaps, in the order (channel, row, column).
    pub fn flat(shape: Shape) -> Self {
        Layout::Rows(Rows::flat(shape), shape.len().div_ceil(64))
    }
}

/// The operation that copies bits to a buffer with another layout of the same type.
pub(super) struct Rearrange {
    pub shape: Shape,
    pub from: Place,
    pub to: Place,
}

impl Op for Rearrange {
    fn name(&self) -> &'static str {
        "bits in another order"
    }

    fn run(&self, cx: &mut Cx<'_>) {
        let shape = self.shape;
        match (self.from, self.to) {
            (Place::Rows(from, rows), Place::Rows(to, wanted)) => {
                let mut out = core::mem::take(&mut cx.s.bits[to]);
                out.fill(0);
                copy_image(&cx.s.bits[from], (rows, 0), shape, &mut out, (wanted, 0));
                cx.s.bits[to] = out;
            }
            (Place::Nibbles(from, nibbles), Place::Nibbles(to, wanted)) => {
                let mut out = core::mem::take(&mut cx.s.bytes[to]);
                let row = shape.width * wanted.groups;
                for y in 0..shape.height {
                    let x = &cx.s.bytes[from][nibbles.place(0, y, 0)..][..row];
                    out[wanted.place(0, y, 0)..][..row].copy_from_slice(x);
                }
                cx.s.bytes[to] = out;
            }
            _ => unreachable!("rows and nibbles have operations of their own"),
        }
    }
}

/// Combines an image's bits into a stream by OR. The channels start at channel `from.1` of the
/// source and at channel `to.1` of the target.
pub(super) fn copy_image(
    bits: &[u64],
    from: (Rows, usize),
    shape: Shape,
    out: &mut [u64],
    to: (Rows, usize),
) {
    for c in 0..shape.channels {
        for y in 0..shape.height {
            let at = from.0.place(from.1 + c, y, 0);
            let place = to.0.place(to.1 + c, y, 0);
            copy_bits(bits, at, shape.width, false, out, place);
        }
    }
}

/// The operation that converts bits to the integers 0 and 1, or signs to -1 and +1, stored as
/// (height, width, channel).
pub(super) struct Unpack {
    pub shape: Shape,
    pub signs: bool,
    pub from: Place,
    pub to: usize,
}

impl Op for Unpack {
    fn name(&self) -> &'static str {
        "bits to integers"
    }

    fn run(&self, cx: &mut Cx<'_>) {
        let shape = self.shape;
        let number = |bit: i32| if self.signs { 2 * bit - 1 } else { bit };
        let out = &mut cx.s.ints[self.to];
        for (p, out) in out.chunks_exact_mut(shape.channels).enumerate() {
            let (y, x) = (p / shape.width, p % shape.width);
            match self.from {
                Place::Rows(buffer, rows) => {
                    for (c, out) in out.iter_mut().enumerate() {
                        let bit = get(&cx.s.bits[buffer], rows.place(c, y, x));
                        *out = number(i32::from(bit));
                    }
                }
                Place::Nibbles(buffer, nibbles) => {
                    let groups = &cx.s.bytes[buffer][nibbles.place(0, y, x)..];
                    for (out, nibble) in out.chunks_mut(4).zip(groups) {
                        for (j, out) in out.iter_mut().enumerate() {
                            *out = number(i32::from(nibble >> j & 1));
                        }
                    }
                }
            }
        }
    }
}
