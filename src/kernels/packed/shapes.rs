//! Descriptions of the operands of the kernels for packed inference.

use alloc::vec::Vec;

/// Numbers of positions (lanes) are multiples of this.
pub const LANES: usize = 32;

/// The possible widths of a table row: numbers of output channels that one look-up adds to.
pub const TABLE_WIDTHS: [usize; 3] = [8, 16, 32];

/// The possible widths of a table row of 16-bit integers.
pub const SHORT_WIDTHS: [usize; 2] = [16, 32];

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
pub struct Lookups<'a, T = f32> {
    /// Index of the first nibble of each position.
    pub starts: &'a [u32],
    /// Offset of each look-up's nibble from the first one.
    pub offsets: &'a [u32],
    /// Partial sums, of shape (look-up, 16, width).
    pub table: &'a [T],
    /// Number of sums in a table row, one of [`TABLE_WIDTHS`] or [`SHORT_WIDTHS`].
    pub width: usize,
    /// Number of sums from a position to the next.
    pub out_step: usize,
}

/// The row of a table of 16-bit integers that belongs to a nibble. It is stored in the form in which it
/// is added to an address, and only [`TableRow::new`] makes one, so that it lies within every table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct TableRow(u8);

impl TableRow {
    /// Returns the row of the low 4 bits.
    #[inline(always)]
    pub fn new(nibble: u8) -> Self {
        Self((nibble & 15) << 3)
    }

    /// Returns the index of the row, which is below 16.
    pub fn index(self) -> usize {
        usize::from(self.0 >> 3)
    }

    /// Returns the address of the row in a table of rows of `width` 16-bit integers, a multiple of
    /// 4.
    #[inline(always)]
    pub(in crate::kernels) fn of(self, table: *const u8, width: usize) -> *const u8 {
        table.wrapping_add(usize::from(self.0) * (width / 4))
    }
}

/// Two rows of pixels of 16-bit estimates that are pooled.
#[derive(Clone, Copy, Debug)]
pub struct ShortRows<'a> {
    /// Number of integers from the first row to the second.
    pub row: usize,
    /// Number of integers of a pixel, a multiple of 16.
    pub pixel: usize,
    /// Number of channels, a multiple of 4; the remaining integers of a pixel are not used.
    pub channels: usize,
    /// The largest error of an estimate, for each integer of a pixel.
    pub margin: &'a [i16],
}
