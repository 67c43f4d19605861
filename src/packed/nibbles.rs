//! Conversion of bits between the two layouts in which stages read them.

use super::layout::{Nibbles, Rows};
use super::op::{Cx, Op};
use crate::kernels::packed::common::{deposit, window};
use crate::tensor::Shape;

/// Calls `each` with the first channel, the row, the first column and the number of columns of each
/// part of at most 64 pixels of a row and at most 4 channels.
fn parts(shape: Shape, mut each: impl FnMut(usize, usize, usize, usize)) {
    for y in 0..shape.height {
        for x in (0..shape.width).step_by(64) {
            for c in (0..shape.channels).step_by(4) {
                each(c, y, x, (shape.width - x).min(64));
            }
        }
    }
}

/// The operation that converts bits from rows to nibbles.
pub(super) struct ToNibbles {
    pub shape: Shape,
    pub from: (usize, Rows),
    pub to: (usize, Nibbles),
}

impl Op for ToNibbles {
    fn name(&self) -> &'static str {
        "rows to nibbles"
    }

    fn run(&self, cx: &mut Cx<'_>) {
        let (bits, out) = (&cx.s.bits[self.from.0], &mut cx.s.bytes[self.to.0]);
        let (from, to) = (self.from.1, self.to.1);
        parts(self.shape, |c, y, x, columns| {
            let mut words = [0; 4];
            for (word, c) in words.iter_mut().zip(c..self.shape.channels) {
                *word = window(bits, from.place(c, y, x));
            }
            let out = out[to.place(c, y, x)..].iter_mut().step_by(to.groups);
            for out in out.take(columns) {
                let bit = |j: usize| (words[j] & 1) << j;
                *out = (bit(0) | bit(1) | bit(2) | bit(3)) as u8;
                words = words.map(|word| word >> 1);
            }
        });
    }
}

/// The operation that converts bits from nibbles to rows.
pub(super) struct ToRows {
    pub shape: Shape,
    pub from: (usize, Nibbles),
    pub to: (usize, Rows),
}

impl Op for ToRows {
    fn name(&self) -> &'static str {
        "nibbles to rows"
    }

    fn run(&self, cx: &mut Cx<'_>) {
        let (nibbles, out) = (&cx.s.bytes[self.from.0], &mut cx.s.bits[self.to.0]);
        let (from, to) = (self.from.1, self.to.1);
        out.fill(0);
        parts(self.shape, |c, y, x, columns| {
            let mut words = [0; 4];
            let nibbles = nibbles[from.place(c, y, x)..].iter().step_by(from.groups);
            for (x, &nibble) in nibbles.take(columns).enumerate() {
                for (j, word) in words.iter_mut().enumerate() {
                    *word |= u64::from(nibble >> j & 1) << x;
                }
            }
            for (word, c) in words.into_iter().zip(c..self.shape.channels) {
                deposit(out, to.place(c, y, x), word);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::op::Reading;
    use super::super::scratch::{Scratch, Sizes};
    use super::*;
    use crate::kernels;

    #[test]
    fn every_bit_arrives_where_the_other_layout_has_it() {
        for (channels, height, width) in [(1, 1, 1), (4, 3, 5), (6, 2, 64), (9, 3, 130), (3, 2, 65)]
        {
            let shape = Shape::image(channels, height, width);
            let rows = Rows {
                origin: 3,
                channel: height * (width + 2) + 5,
                row: width + 2,
            };
            let nibbles = Nibbles {
                origin: 7,
                row: width + 1,
                groups: channels.div_ceil(4),
            };
            let mut sizes = Sizes::default();
            let words = rows.place(channels, 0, 0).div_ceil(64) + 1;
            let bits = [sizes.bits(words), sizes.bits(words)];
            let bytes = sizes.bytes(nibbles.place(0, height, 0) + 1);
            let mut scratch = Scratch::new(&sizes);
            let places = || {
                (0..channels).flat_map(move |c| {
                    (0..height).flat_map(move |y| (0..width).map(move |x| (c, y, x)))
                })
            };
            let bit = |c: usize, y: usize, x: usize| (c * 7 + y * 5 + x * x).is_multiple_of(3);
            for (c, y, x) in places() {
                super::super::layout::set(
                    &mut scratch.bits[bits[0]],
                    rows.place(c, y, x),
                    bit(c, y, x),
                );
            }
            let before = scratch.bits[bits[0]].to_vec();
            let mut cx = Cx {
                image: &[],
                kernels: kernels::select(None).unwrap().kernels,
                reading: Reading::Threshold,
                s: &mut scratch,
            };
            let from = (bits[0], rows);
            let to = (bytes, nibbles);
            ToNibbles { shape, from, to }.run(&mut cx);
            for (c, y, x) in places() {
                let nibble = cx.s.bytes[bytes][nibbles.place(c, y, x)];
                assert_eq!(
                    nibble >> (c % 4) & 1 == 1,
                    bit(c, y, x),
                    "{shape}: {c}, {y}, {x}"
                );
            }
            let (from, to) = (to, (bits[1], rows));
            ToRows { shape, from, to }.run(&mut cx);
            assert_eq!(cx.s.bits[bits[1]].to_vec(), before, "{shape}");
        }
    }
}
