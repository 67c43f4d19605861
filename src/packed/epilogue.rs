//! Conversion of a layer's bits at stride 1 to the bits that the next stage reads: stride, pooling
//! and inversion.

use super::layout::{Rows, copy_bits, get, set};
use crate::kernels::Inference;
use crate::kernels::packed::BitRows;
use crate::kernels::packed::common::{deposit, even_bits, window};

/// The conversion of the bits of one channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Epilogue {
    /// Number of bits from one row of positions to the next.
    pub step: usize,
    /// Number of positions from one output of the layer to the next.
    pub stride: usize,
    /// Kernel and stride of the pooling that follows, if any.
    pub pool: Option<(usize, usize)>,
    /// Output (height, width) after pooling.
    pub size: (usize, usize),
    /// The layout of the output.
    pub to: Rows,
}

impl Epilogue {
    /// Combines one channel's bits into `out` by OR: the bit of a window is the OR of its bits,
    /// inverted with `invert`.
    #[inline(never)]
    pub fn channel(
        &self,
        kernels: &Inference,
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
            (2, None) => {
                let inverted = if invert { u64::MAX } else { 0 };
                for y in 0..height {
                    for x in (0..width).step_by(32) {
                        let mask = (1 << (width - x).min(32)) - 1;
                        let bits = even_bits(window(stream, 2 * (y * self.step + x)));
                        let to = origin + y * self.to.row + x;
                        deposit(out, to, (bits ^ inverted) & mask);
                    }
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

/// The rule by which a channel's bits follow from integer sums, written so that pooling is always
/// an OR of `[sum >= threshold]`. An AND is the inverted OR of inverted bits, and `sum < threshold`
/// is `-sum >= 1 - threshold`, the sum over negated weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Channel {
    /// Whether the weights are negated.
    pub negate: bool,
    /// The threshold of the sum, over the negated weights if `negate` is set.
    pub threshold: i32,
    /// Whether the result is inverted.
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
