//! Descriptions of the operands of the kernels for packed inference.

use alloc::vec::Vec;

/// Numbers of positions (lanes) are multiples of this.
pub const LANES: usize = 32;

/// The possible widths of a table row: numbers of output channels that one look-up adds to.
pub const TABLE_WIDTHS: [usize; 3] = [8, 16, 32];

/// The terms of a sum over parts of a slice, as offsets of their first elements: `init + Σ_adds
/// x[offset ..] - Σ_subs x[offset ..]`, wrapping on overflow.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    offsets: Vec<u32>,
    adds: usize,
    pub(in crate::kernels) init: i16,
    pub(super) last: usize,
}

impl Terms {
    /// Makes the terms of a sum.
    pub fn new(init: i16, adds: &[u32], subs: &[u32]) -> Self {
        let offsets = [adds, subs].concat();
        Self {
            adds: adds.len(),
            init,
            last: offsets.iter().max().map_or(0, |&o| o as usize),
            offsets,
        }
    }

    pub(in crate::kernels) fn adds(&self) -> &[u32] {
        &self.offsets[..self.adds]
    }

    pub(in crate::kernels) fn subs(&self) -> &[u32] {
        &self.offsets[self.adds..]
    }
}

/// Rows of bits within a stream: the position of the first row, and the distance between rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitRows {
    /// Index of the bit at the first row and column.
    pub origin: usize,
    /// Number of bits from a row to the next.
    pub step: usize,
}

/// The operands of a table look-up: `out[p] += Σ_l table[l][nibbles[starts[p] + offsets[l]] & 15]`.
#[derive(Clone, Copy, Debug)]
pub struct Lookups<'a> {
    /// Index of the first nibble of each position.
    pub starts: &'a [u32],
    /// Offset of each look-up's nibble from the first one.
    pub offsets: &'a [u32],
    /// Partial sums, of shape (look-up, 16, width).
    pub table: &'a [f32],
    /// Number of floats in a table row, one of [`TABLE_WIDTHS`].
    pub width: usize,
    /// Number of floats from a position's sums to the next.
    pub out_step: usize,
}
