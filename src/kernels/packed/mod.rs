//! Kernels of packed inference: bits, bytes and small integers, and tables of partial sums for real
//! weights.
//!
//! **Binary weights over bits.** Lanes are pixels. The channels are split into groups of `b`. For
//! each group and each pattern `w` of `b` weights there is a *plane*, which states for every pixel
//! how many of the group's bits equal those of `w`. A layer's sum is the sum over taps and groups
//! of one plane, read at the tap's offset:
//!
//! ```text
//! matches[q] = Σ_taps Σ_groups plane[group][w(tap, group)][q + offset(tap)]
//! plane[~w]  = b - plane[w]                      so half of the planes suffice
//! ```
//!
//! One vector addition thus replaces `b` bit operations per lane, and no bit is counted twice.
//! Planes are computed from each other by one addition each (`planes`).
//!
//! **Slices of images.** The same with images as lanes: a word has a bit of each of 64 images
//! (`transpose` makes them of rows of bits), and the planes are those of one window, whose bits are
//! gathered one by one; all patterns have a plane, so that an output is a sum without signs.
//! `count_slices` and `cut_slices` compute all outputs at a position.
//!
//! **Binary weights over pixels.** The same method in 16-bit lanes: for each row of an image, the
//! sums of `k` neighbours under every pattern of signs are computed (`signed_sums`); a layer adds
//! one of them for each kernel row.
//!
//! **Real weights over bits.** For each tap and group of 4 channels there is a table of the 16
//! partial sums of the weights, for up to 32 output channels in a row (`look_up`).
//!
//! **Estimates of real sums** (`look_up16`, `cut_pool16`): sums of real weights are
//! computed in 16-bit integers, in units of a quantum of each channel and relative to its threshold.
//! An estimate above its largest possible error settles the bit; the others are in doubt, and their
//! sums are computed as floats.
//!
//! All kernels except the look-up of floats compute integers, with the same bits on every instruction
//! set. The scalar functions are the specification.

pub mod block_sums;
pub mod common;
pub(super) mod look_up;
pub(super) mod neighbours;
pub(super) mod planes;
pub mod rows;
mod shapes;
pub(super) mod shorts;
#[cfg(feature = "std")]
pub mod slices;
pub(super) mod sums;

use super::Inference;

pub use shapes::{BitRows, LANES, Lookups, SHORT_WIDTHS, ShortRows, TABLE_WIDTHS, TableRow, Terms};

/// Arguments: source and its rows, (height, width), whether bits are inverted, target and its rows.
type PoolFn = fn(&[u64], BitRows, (usize, usize), bool, &mut [u64], BitRows);

/// Arguments: source, the order of its rows, columns, whether bits are inverted, target and its rows.
type PoolRowsFn = fn(&[u64], &[u16], usize, bool, &mut [u64], BitRows);

/// The kernels of packed inference of one instruction set. The methods of [`Inference`] with the
/// same names check the lengths.
pub struct Packed {
    pub(super) sum8: fn(&[u8], &Terms, &mut [u8]),
    pub(super) sum16: fn(&[i16], &Terms, &mut [i16]),
    pub(super) add_sums: fn(&[u8], &block_sums::BlockTerms, bool, &mut [i16]),
    pub(super) cut8: fn(&[u8], usize, i32, &mut [u64]),
    pub(super) cut16: fn(&[i16], i16, &mut [u64]),
    pub(super) cut_sum16: fn(&[i16], &Terms, i16, usize, &mut [u64]),
    pub(super) unpack: fn(&[u64], &mut [u8]),
    pub(super) planes: fn(&[u8], usize, &mut [u8]),
    pub(super) signed_sums: fn(&[i16], usize, usize, usize, usize, &mut [i16]),
    pub(super) pool2: PoolFn,
    pub(super) differ: fn(&[u64], &[u64], &mut [i32]),
    pub(super) dot: fn(&[u8], &[i8], &mut [i32]),
    pub(super) look_up: fn(&[u8], &Lookups<'_>, &mut [f32]),
    pub(super) cut_pool2: fn(&[f32], usize, usize, &[f32], &mut [u8]),
    pub(super) look_up16: fn(&[TableRow], &Lookups<'_, i16>, &mut [i16]),
    pub(super) cut_pool16: fn(&[i16], &ShortRows<'_>, &mut [u8], &mut [u8]),
    pub(super) row_lanes: usize,
    pub(super) cut_rows: fn(&[u8], &rows::RowTerms, rows::Limit, usize, &mut [u64]),
    pub(super) gather_rows: fn(&[u64], &[u16], &mut [u64]),
    pub(super) pool_rows: PoolRowsFn,
    #[cfg(feature = "std")]
    pub(super) slices: slices::SliceKernels,
}

/// Compiles the kernels for an instruction set: `functions!(["features"], Register, others)`.
/// Functions that are written once over a register of bytes are compiled; the other ones are taken
/// from `others`.
macro_rules! functions {
    ($features:tt, $bytes:ty, $others:expr) => {{
        use $crate::kernels::packed::block_sums::{self, BlockTerms};
        use $crate::kernels::packed::rows::{self, Limit, ROW, RowTerms};
        use $crate::kernels::packed::{
            Lookups, Packed, ShortRows, TableRow, Terms, neighbours, planes, shorts, sums,
        };
        use $crate::kernels::vector::Bytes;

        $crate::kernels::compile::compiled! { $features
            fn sum8(x: &[u8], terms: &Terms, out: &mut [u8]) = sums::sum8::<$bytes>;
            fn sum16(x: &[i16], terms: &Terms, out: &mut [i16]) = sums::sum16::<$bytes>;
            fn add_sums(x: &[u8], terms: &BlockTerms, first: bool, out: &mut [i16]) =
                block_sums::add_sums::<$bytes>;
            fn cut8(x: &[u8], sections: usize, t: i32, out: &mut [u64]) = sums::cut8::<$bytes>;
            fn cut16(x: &[i16], below: i16, out: &mut [u64]) = sums::cut16::<$bytes>;
            fn cut_sum16(x: &[i16], terms: &Terms, below: i16, n: usize, out: &mut [u64]) =
                sums::cut_sum16::<$bytes>;
            fn unpack(bits: &[u64], out: &mut [u8]) = sums::unpack::<$bytes>;
            fn planes(bytes: &[u8], b: usize, out: &mut [u8]) = planes::planes::<$bytes>;
            fn signed_sums(
                x: &[i16],
                k: usize,
                pitch: usize,
                lanes: usize,
                rows: usize,
                out: &mut [i16],
            ) = neighbours::signed_sums::<$bytes>;
            fn cut_rows(x: &[u8], terms: &RowTerms, limit: Limit, rows: usize, out: &mut [u64]) =
                rows::cut_rows::<$bytes>;
            fn look_up16(rows: &[TableRow], l: &Lookups<'_, i16>, out: &mut [i16]) =
                shorts::look_up::<$bytes>;
            fn cut_pool16(x: &[i16], s: &ShortRows<'_>, above: &mut [u8], doubt: &mut [u8]) =
                shorts::cut_pool::<$bytes>;
        }
        Packed {
            sum8,
            sum16,
            add_sums,
            cut8,
            cut16,
            cut_sum16,
            unpack,
            planes,
            signed_sums,
            row_lanes: <$bytes>::LEN / ROW,
            cut_rows,
            look_up16,
            cut_pool16,
            #[cfg(feature = "std")]
            slices: $crate::kernels::packed::slices::kernels!($features, $bytes),
            ..$others
        }
    }};
}
pub(super) use functions;

impl Inference {
    /// Computes `out[q] = init + Σ_adds x[offset + q] - Σ_subs x[offset + q]`, modulo 256.
    ///
    /// # Panics
    /// Panics if the length of `out` is not a multiple of [`LANES`], or `x` ends before the last
    /// term.
    pub fn sum8(&self, x: &[u8], terms: &Terms, out: &mut [u8]) {
        assert!(out.len().is_multiple_of(LANES), "whole vectors of lanes");
        assert!(terms.last + out.len() <= x.len(), "x is too short");
        (self.packed.sum8)(x, terms, out);
    }

    /// As [`Self::sum8`], for 16-bit numbers.
    ///
    /// # Panics
    /// As [`Self::sum8`].
    pub fn sum16(&self, x: &[i16], terms: &Terms, out: &mut [i16]) {
        assert!(out.len().is_multiple_of(LANES), "whole vectors of lanes");
        assert!(terms.last + out.len() <= x.len(), "x is too short");
        (self.packed.sum16)(x, terms, out);
    }

    /// Sets bit `q` of `out` to `[Σ_s sums[s · n + q] >= threshold]`, for `sections` sections of
    /// `n` bytes each.
    ///
    /// # Panics
    /// Panics if `sums` is not `sections` sections of whole vectors, there are more than 128
    /// sections, or `out` does not have `n` bits.
    pub fn cut8(&self, sums: &[u8], sections: usize, threshold: i32, out: &mut [u64]) {
        assert!((1..=128).contains(&sections), "1 to 128 sections");
        let n = sums.len() / sections;
        assert!(n * sections == sums.len() && n.is_multiple_of(LANES));
        assert!(out.len() == n.div_ceil(64), "a bit for each position");
        (self.packed.cut8)(sums, sections, threshold, out);
    }

    /// Sets bit `q` of `out` to `[x[q] > below]`.
    ///
    /// # Panics
    /// Panics if the length of `x` is not a multiple of [`LANES`], or `out` does not have as many
    /// bits.
    pub fn cut16(&self, x: &[i16], below: i16, out: &mut [u64]) {
        assert!(x.len().is_multiple_of(LANES), "whole vectors of lanes");
        assert!(out.len() == x.len().div_ceil(64), "a bit for each position");
        (self.packed.cut16)(x, below, out);
    }

    /// Computes [`Self::sum16`] and [`Self::cut16`] in one pass, for `n` positions.
    ///
    /// # Panics
    /// Panics if `n` is not a multiple of [`LANES`], `x` ends before the last term, or `out` does
    /// not have as many bits.
    pub fn cut_sum16(&self, x: &[i16], terms: &Terms, below: i16, n: usize, out: &mut [u64]) {
        assert!(n.is_multiple_of(LANES), "whole vectors of lanes");
        assert!(terms.last + n <= x.len(), "x is too short");
        assert!(out.len() == n.div_ceil(64), "a bit for each position");
        (self.packed.cut_sum16)(x, terms, below, n, out);
    }

    /// Writes a byte for each bit: 1 for 1, 255 (that is, -1) for 0.
    ///
    /// # Panics
    /// Panics if there are fewer bits than bytes, or the length of `out` is not a multiple of
    /// [`LANES`].
    pub fn unpack(&self, bits: &[u64], out: &mut [u8]) {
        assert!(out.len().is_multiple_of(LANES) && bits.len() * 64 >= out.len());
        (self.packed.unpack)(bits, out);
    }

    /// Computes the planes of a group of `b` channels from their [`Self::unpack`] bytes (`b` runs
    /// of `n`). Plane `w` of `2^(b-1)` states for each position the number of channels whose bit
    /// equals that of `w` (bit `b - 1` of `w` is 0).
    ///
    /// # Panics
    /// Panics if the lengths do not match, or `b` is not in 1..=8.
    pub fn planes(&self, bytes: &[u8], b: usize, out: &mut [u8]) {
        assert!((1..=8).contains(&b), "1 to 8 channels a group");
        let n = bytes.len() / b;
        assert!(n * b == bytes.len() && out.len() == n << (b - 1));
        (self.packed.planes)(bytes, b, out);
    }

    /// Computes, for `rows` rows of pixels at a distance of `pitch`, the sums of `k` neighbours
    /// under every pattern of signs in which the first sign is +: `out[m][row][x] = row[x] ±row[x +
    /// 1] ...`. Bit `j - 1` of `m` makes neighbour `j` negative; a row of `out` has `lanes`
    /// numbers, and `out_rows` rows are stored for each pattern.
    ///
    /// # Panics
    /// Panics if the lengths do not match, `lanes` is not a multiple of [`LANES`], or `k` is not in
    /// 1..=8.
    pub fn signed_sums(
        &self,
        x: &[i16],
        (k, pitch): (usize, usize),
        (lanes, out_rows): (usize, usize),
        out: &mut [i16],
    ) {
        assert!((1..=8).contains(&k) && lanes + k - 1 <= pitch);
        assert!(lanes.is_multiple_of(LANES), "whole vectors of lanes");
        let rows = x.len() / pitch;
        assert!(rows <= out_rows && out.len() >= (((1 << (k - 1)) - 1) * out_rows + rows) * lanes);
        (self.packed.signed_sums)(x, k, pitch, lanes, out_rows, out);
    }

    /// Pools rows of bits by 2 x 2 windows with stride 2: each of `rows` by `columns` results is 1
    /// if a bit of its window is 1. With `invert` the results are inverted. They are combined into
    /// `out` by OR.
    ///
    /// # Panics
    /// Panics if a row lies outside of `bits` or `out`.
    pub fn pool2(
        &self,
        bits: &[u64],
        from: BitRows,
        (rows, columns): (usize, usize),
        invert: bool,
        out: &mut [u64],
        to: BitRows,
    ) {
        if rows == 0 || columns == 0 {
            return;
        }
        let last = from.origin + (2 * rows - 1) * from.step + 2 * columns;
        assert!(last <= bits.len() * 64, "bits are too short");
        let last = to.origin + (rows - 1) * to.step + columns;
        assert!(last <= out.len() * 64, "out is too short");
        (self.packed.pool2)(bits, from, (rows, columns), invert, out, to);
    }

    /// Computes for each row of `w`, which is as long as `x`, the number of bits that differ from
    /// those of `x`.
    ///
    /// # Panics
    /// Panics if `w` does not have one row for each element of `out`.
    pub fn differ(&self, x: &[u64], w: &[u64], out: &mut [i32]) {
        assert!(w.len() == x.len() * out.len(), "one row for each output");
        (self.packed.differ)(x, w, out);
    }

    /// Computes `out[o] = Σ_i x[i] · w[o][i]`, for weights -1, 0 and 1.
    ///
    /// # Panics
    /// Panics if `w` does not have one row for each element of `out`, or a row is longer than 2^23.
    pub fn dot(&self, x: &[u8], w: &[i8], out: &mut [i32]) {
        assert!(w.len() == x.len() * out.len() && x.len() <= 1 << 23);
        (self.packed.dot)(x, w, out);
    }

    /// Computes `out[p · out_step + j] += Σ_l table[l][nibbles[starts[p] + offsets[l]] & 15][j]`
    /// for every position `p` and every `j` below the table's width, adding in ascending order of
    /// `l`.
    ///
    /// # Panics
    /// Panics if a length does not match.
    pub fn look_up(&self, nibbles: &[u8], l: &Lookups<'_>, out: &mut [f32]) {
        let most = |x: &[u32]| x.iter().max().map_or(0, |&o| o as usize);
        if l.starts.is_empty() || l.offsets.is_empty() {
            return;
        }
        assert!(TABLE_WIDTHS.contains(&l.width) && l.out_step >= l.width);
        assert!(most(l.starts) + most(l.offsets) < nibbles.len(), "nibbles");
        assert!(l.table.len() >= l.offsets.len() * 16 * l.width, "table");
        assert!(out.len() >= (l.starts.len() - 1) * l.out_step + l.width);
        (self.packed.look_up)(nibbles, l, out);
    }

    /// Pools a row of 2 x 2 windows over two rows of pixels of `channels` numbers (a multiple of
    /// 8): bit `j` of nibble `g` of window `x` is 1 if the largest of the window's four numbers in
    /// channel `4g + j` is above `threshold[4g + j]`. `rows` holds both rows, the second starting
    /// at `step`.
    ///
    /// # Panics
    /// Panics if a length does not match.
    pub fn cut_pool2(
        &self,
        rows: &[f32],
        step: usize,
        channels: usize,
        threshold: &[f32],
        out: &mut [u8],
    ) {
        assert!(channels > 0 && channels.is_multiple_of(8) && threshold.len() == channels);
        let windows = out.len() / (channels / 4);
        assert!(windows * (channels / 4) == out.len(), "whole windows");
        assert!(rows.len() >= step + 2 * windows * channels);
        (self.packed.cut_pool2)(rows, step, channels, threshold, out);
    }

    /// As [`Self::look_up`], for 16-bit integers and the rows of nibbles; additions wrap.
    ///
    /// # Panics
    /// Panics if a length does not match, or the width is none of [`SHORT_WIDTHS`].
    pub fn look_up16(&self, rows: &[TableRow], l: &Lookups<'_, i16>, out: &mut [i16]) {
        let most = |x: &[u32]| x.iter().max().map_or(0, |&o| o as usize);
        if l.starts.is_empty() || l.offsets.is_empty() {
            return;
        }
        assert!(SHORT_WIDTHS.contains(&l.width) && l.out_step >= l.width);
        assert!(most(l.starts) + most(l.offsets) < rows.len(), "rows");
        assert!(l.table.len() >= l.offsets.len() * 16 * l.width, "table");
        assert!(out.len() >= (l.starts.len() - 1) * l.out_step + l.width);
        (self.packed.look_up16)(rows, l, out);
    }

    /// Pools estimates by 2 x 2 windows: bit `j` of nibble `g` of window `x` of `above` is 1 if the
    /// largest of the window's four estimates in channel `4g + j` is above the channel's margin;
    /// that of `doubt`, if it is at most the margin and at least its negative. Estimates are within
    /// ±(32767 - margin), and margins are not negative.
    ///
    /// # Panics
    /// Panics if a length does not match.
    pub fn cut_pool16(&self, rows: &[i16], s: &ShortRows<'_>, above: &mut [u8], doubt: &mut [u8]) {
        assert!(s.channels > 0 && s.channels.is_multiple_of(4) && s.channels <= s.pixel);
        assert!(s.pixel.is_multiple_of(16) && s.margin.len() == s.pixel);
        let windows = above.len() / (s.channels / 4);
        assert!(windows * (s.channels / 4) == above.len() && doubt.len() == above.len());
        assert!(rows.len() >= s.row + 2 * windows * s.pixel, "rows");
        (self.packed.cut_pool16)(rows, s, above, doubt);
    }
}
