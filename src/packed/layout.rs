//! Memory layouts of bits between two stages; the reading stage determines which one is used.

use crate::kernels::packed::common::{deposit, window};
use crate::tensor::Shape;

/// The layout of bits in rows: the bit (channel, row, column) is at
/// `origin + c · channel + y · row + x` of a stream of 64-bit words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    pub origin: usize,
    pub channel: usize,
    pub row: usize,
}

impl Rows {
    /// Returns PyTorch's order (channel, row, column), without gaps.
    pub fn flat(shape: Shape) -> Self {
        Self {
            origin: 0,
            channel: shape.pixels(),
            row: shape.width,
        }
    }

    pub fn place(&self, c: usize, y: usize, x: usize) -> usize {
        self.origin + c * self.channel + y * self.row + x
    }
}

/// The layout of bits in nibbles: one byte holds 4 channels of a pixel; the byte (group, row,
/// column) is at `origin + (y · row + x) · groups + g`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nibbles {
    pub origin: usize,
    pub row: usize,
    pub groups: usize,
}

impl Nibbles {
    pub fn place(&self, c: usize, y: usize, x: usize) -> usize {
        self.origin + (y * self.row + x) * self.groups + c / 4
    }
}

/// The place of a stage's bits: the index of a buffer (of words or of bytes), and the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Rows(usize, Rows),
    Nibbles(usize, Nibbles),
}

/// Combines a bit into a stream by OR.
pub fn set(bits: &mut [u64], at: usize, bit: bool) {
    bits[at / 64] |= u64::from(bit) << (at % 64);
}

/// Returns a bit of a stream.
pub fn get(bits: &[u64], at: usize) -> bool {
    bits[at / 64] >> (at % 64) & 1 == 1
}

/// Copies `width` bits from one stream to another by OR; with `invert` they are inverted.
pub fn copy_bits(
    bits: &[u64],
    from: usize,
    width: usize,
    invert: bool,
    out: &mut [u64],
    to: usize,
) {
    let inversion = if invert { u64::MAX } else { 0 };
    for done in (0..width).step_by(64) {
        let mask = u64::MAX >> (64 - (width - done).min(64));
        let value = (window(bits, from + done) ^ inversion) & mask;
        deposit(out, to + done, value);
    }
}
