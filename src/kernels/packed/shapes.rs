//! What the kernels of packed inference are told about their operands.

/// Positions (lanes) come in multiples of this.
pub const LANES: usize = 32;

/// Widths of a row of a table: output channels that one look-up adds to.
pub const TABLE_WIDTHS: [usize; 3] = [8, 16, 32];

/// Which parts of a slice a sum adds and subtracts, as offsets of their first
/// element: `init + Σ_adds x[offset ..] - Σ_subs x[offset ..]`, wrapping.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    offsets: Vec<u32>,
    adds: usize,
    pub(in crate::kernels) init: i16,
    pub(super) last: usize,
}

impl Terms {
    /// The sum of those parts.
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

/// Rows of bits within a stream: where row `y` of `width` bits starts, and how
/// far apart rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitRows {
    /// Bit of the first row's first column.
    pub origin: usize,
    /// Bits from a row to the next.
    pub step: usize,
}

/// Shape of a table look-up; see `look_up.rs` beside.
#[derive(Clone, Copy, Debug)]
pub struct Lookups<'a> {
    /// Where each position's nibbles start.
    pub starts: &'a [u32],
    /// Where each look-up's nibble lies from there.
    pub offsets: &'a [u32],
    /// `(look-up, 16, width)` partial sums.
    pub table: &'a [f32],
    /// Numbers of a row, one of [`TABLE_WIDTHS`].
    pub width: usize,
    /// Numbers from a position's sums to the next one's.
    pub out_step: usize,
}
