//! Sums of planes over images of at most 16 columns, in which no load crosses a cache line.
//!
//! A row of pixels is 16 bytes, and a vector holds [`Inference::row_lanes`] rows. Rows that are
//! neighbours in the image are in neighbouring *vectors* (row `i + V·l` in lane `l` of vector `i`),
//! so a vertical offset is a number of whole vectors. A horizontal offset is applied after the sum:
//! the taps of one kernel column are added first, and their sum is shifted within its rows.
//!
//! ```text
//! part[dx][r][j]  = init[dx] + Σ_adds x[offset + 16r + j] - Σ_subs x[offset + 16r + j]
//! total[r][j]     = edge[j] + Σ_dx part[dx][r][j + dx]      0 beyond column 15
//! bit[r][j]       = [total >= t]  or  [total <= t]
//! ```
//!
//! Totals saturate at 255. Sums of up to 509 bits are still compared exactly: if the threshold is
//! above 255, the negated weights are used, whose sum is the number of missing matches.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use alloc::vec::Vec;

use super::Inference;
use super::shapes::BitRows;
use super::sums::{clear, put};
use crate::kernels::vector::Bytes;

/// Number of columns of a row.
pub const ROW: usize = 16;

/// The largest number of kernel columns.
pub const COLUMNS: usize = 8;

/// The taps of a kernel, column by column: for each kernel column, the initial value `init` and the
/// offsets of the planes that are added and subtracted; and the initial value `edge` of each output
/// column.
#[derive(Clone, Debug, Default)]
pub struct RowTerms {
    columns: Vec<Column>,
    offsets: Vec<u32>,
    pub(in crate::kernels) edge: [u8; ROW],
    last: usize,
}

#[derive(Clone, Copy, Debug)]
struct Column {
    adds: usize,
    subs: usize,
    init: u8,
}

impl RowTerms {
    /// Makes terms without taps; `edge` is the initial value of each output column.
    pub fn new(edge: [u8; ROW]) -> Self {
        Self {
            edge,
            ..Self::default()
        }
    }

    /// Adds the next kernel column.
    ///
    /// # Panics
    /// Panics if there are [`COLUMNS`] already.
    pub fn column(&mut self, init: u8, adds: &[u32], subs: &[u32]) {
        assert!(self.columns.len() < COLUMNS, "too many kernel columns");
        let most = adds.iter().chain(subs).max().map_or(0, |&o| o as usize);
        self.last = self.last.max(most);
        self.offsets.extend_from_slice(adds);
        self.offsets.extend_from_slice(subs);
        self.columns.push(Column {
            adds: adds.len(),
            subs: subs.len(),
            init,
        });
    }

    /// Returns for each kernel column the initial value, and the offsets that are added and
    /// subtracted.
    pub(in crate::kernels) fn columns(&self) -> impl Iterator<Item = (u8, &[u32], &[u32])> {
        let mut offsets = &self.offsets[..];
        self.columns.iter().map(move |column| {
            let (adds, rest) = offsets.split_at(column.adds);
            let (subs, rest) = rest.split_at(column.subs);
            offsets = rest;
            (column.init, adds, subs)
        })
    }
}

/// The comparison that makes a bit of a total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `[total >= t]`
    AtLeast(u8),
    /// `[total <= t]`
    AtMost(u8),
}

/// The origin of each row of a stream of rows of 16 bits.
#[derive(Clone, Debug, Default)]
pub struct RowOrder {
    rows: Vec<u16>,
    most: usize,
}

impl RowOrder {
    /// Makes an order: row `i` is row `rows[i]` of the origin.
    pub fn new(rows: Vec<u16>) -> Self {
        let most = rows.iter().max().map_or(0, |&r| usize::from(r));
        Self { rows, most }
    }
}

impl Inference {
    /// Returns the number of rows of 16 bytes in a vector.
    pub fn row_lanes(&self) -> usize {
        self.packed.row_lanes
    }

    /// Reorders rows of 16 bits.
    ///
    /// # Panics
    /// Panics if `order` does not have one origin for each row of `out`, or states a row that `x`
    /// does not have.
    pub fn gather_rows(&self, x: &[u64], order: &RowOrder, out: &mut [u64]) {
        assert!(order.rows.len() == 4 * out.len(), "an origin for each row");
        assert!(order.most < 4 * x.len(), "rows of x");
        (self.packed.gather_rows)(x, &order.rows, out);
    }

    /// As [`Self::pool2`], over the rows of 16 bits of `x` in the given order.
    ///
    /// # Panics
    /// Panics if `order` has fewer than two rows for each of `rows` or states a row that `x` does
    /// not have, `columns` is above 8, or a row lies outside of `out`.
    pub fn pool_rows(
        &self,
        x: &[u64],
        order: &RowOrder,
        (rows, columns): (usize, usize),
        invert: bool,
        out: &mut [u64],
        to: BitRows,
    ) {
        if rows == 0 || columns == 0 {
            return;
        }
        assert!(order.most < 4 * x.len() && 2 * columns <= ROW, "rows of x");
        let last = to.origin + (rows - 1) * to.step + columns;
        assert!(last <= out.len() * 64, "out is too short");
        let order = &order.rows[..2 * rows];
        (self.packed.pool_rows)(x, order, columns, invert, out, to);
    }

    /// Computes the bits of `rows` rows: `[total >= t]` or `[total <= t]` for the totals of `terms`
    /// over `x`, 16 bits per row from bit `16 r` of `out` on.
    ///
    /// # Panics
    /// Panics if `rows` is not a multiple of [`Self::row_lanes`], `x` ends before the last term, or
    /// the number of words of `out` is not that of `rows` rows.
    pub fn cut_rows(&self, x: &[u8], terms: &RowTerms, limit: Limit, rows: usize, out: &mut [u64]) {
        assert!(rows.is_multiple_of(self.row_lanes()), "whole vectors");
        assert!(terms.last + rows * ROW <= x.len(), "x is too short");
        assert!(out.len() == rows.div_ceil(4), "a bit for each column");
        (self.packed.cut_rows)(x, terms, limit, rows, out);
    }
}

/// # Safety
/// The processor has the instruction set, and the lengths were checked.
#[inline(always)]
pub(in crate::kernels) unsafe fn cut_rows<B: Bytes>(
    x: &[u8],
    terms: &RowTerms,
    limit: Limit,
    rows: usize,
    out: &mut [u64],
) {
    let (x, registers) = (x.as_ptr(), rows * ROW / B::LEN);
    clear::<B>(out);
    let mut at = 0;
    while at < registers {
        // SAFETY: the last part has all registers from its offset.
        at += unsafe {
            match registers - at {
                7.. if B::ROWS == 7 => cut_block::<B, 7>(x, terms, limit, at, out),
                4.. => cut_block::<B, 4>(x, terms, limit, at, out),
                3 => cut_block::<B, 3>(x, terms, limit, at, out),
                2 => cut_block::<B, 2>(x, terms, limit, at, out),
                _ => cut_block::<B, 1>(x, terms, limit, at, out),
            }
        };
    }
}

/// Computes `N` registers from register `at` on.
///
/// # Safety
/// As for [`cut_rows`]; those registers exist from every offset.
#[inline(always)]
unsafe fn cut_block<B: Bytes, const N: usize>(
    x: *const u8,
    terms: &RowTerms,
    limit: Limit,
    at: usize,
    out: &mut [u64],
) -> usize {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let mut total = [B::repeat(terms.edge.as_ptr()); N];
        for (dx, (init, adds, subs)) in terms.columns().enumerate() {
            let mut part = [B::splat8(init); N];
            let x = x.add(at * B::LEN);
            for &offset in adds {
                let x = x.add(offset as usize);
                for v in 0..N {
                    part[v] = part[v].add8(B::load(x.add(v * B::LEN)));
                }
            }
            for &offset in subs {
                let x = x.add(offset as usize);
                for v in 0..N {
                    part[v] = part[v].sub8(B::load(x.add(v * B::LEN)));
                }
            }
            for v in 0..N {
                total[v] = total[v].add8_saturating(part[v].shift_down(dx));
            }
        }
        for v in 0..N {
            let bits = match limit {
                Limit::AtLeast(t) => total[v].at_least(B::splat8(t)),
                Limit::AtMost(t) => total[v].at_most(B::splat8(t)),
            };
            put::<B>(out, (at + v) * B::LEN, bits);
        }
    }
    N
}
