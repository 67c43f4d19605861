//! From a stream of bits, one for each position of a layer, to the bits that the
//! next stage reads: stride, pooling and constants.

use super::layout::{Rows, copy_bits, get, set};
use crate::kernels::Kernels;
use crate::kernels::packed::BitRows;

/// What is done to the bits of every channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Epilogue {
    /// Bits from one row of positions to the next.
    pub step: usize,
    /// Positions from one output of the layer to the next.
    pub stride: usize,
    /// Kernel and stride of the pool that follows.
    pub pool: Option<(usize, usize)>,
    /// Output (height, width) after the pool.
    pub size: (usize, usize),
    /// Where the bits go.
    pub to: Rows,
}

impl Epilogue {
    /// Ors one channel's bits into `out`: the bit of a window is 1 if any of its
    /// bits is, all inverted with `invert`.
    pub fn channel(
        &self,
        kernels: &Kernels,
        stream: &[u64],
        channel: usize,
        invert: bool,
        out: &mut [u64],
    ) {
        let (height, width) = self.size;
        let origin = self.to.place(channel, 0, 0);
        match (self.stride, self.pool) {
            (1, Some((2, 2))) => {
                let from = BitRows {
                    origin: 0,
                    step: self.step,
                };
                let to = BitRows {
                    origin,
                    step: self.to.row,
                };
                kernels.pool2(stream, from, self.size, invert, out, to);
            }
            (1, None) => {
                for y in 0..height {
                    let to = origin + y * self.to.row;
                    copy_bits(stream, y * self.step, width, invert, out, to);
                }
            }
            (stride, pool) => {
                let (kernel, pool) = pool.unwrap_or((1, 1));
                for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                    let any = (0..kernel * kernel).any(|k| {
                        let row = (y * pool + k / kernel) * stride;
                        get(stream, row * self.step + (x * pool + k % kernel) * stride)
                    });
                    set(out, origin + y * self.to.row + x, any != invert);
                }
            }
        }
    }
}

/// A channel whose bits come from integer sums, rewritten so that every window is
/// an OR of `[sum >= threshold]`: `not` of an OR of `not`s is an AND, and `sum <
/// threshold` is `-sum >= 1 - threshold`, the sum of the opposite weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Channel {
    /// Take the opposite weights.
    pub negate: bool,
    /// The threshold of that sum.
    pub threshold: i32,
    /// Invert the result.
    pub invert: bool,
}

impl Channel {
    pub fn new(threshold: i32, inverted: bool, and: bool) -> Self {
        let negate = inverted != and;
        Self {
            negate,
            threshold: if negate { 1 - threshold } else { threshold },
            invert: and,
        }
    }
}
