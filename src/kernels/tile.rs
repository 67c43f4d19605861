//! Register tiles of matrix products, written once over a [`Vector`].
//!
//! A tile keeps its sums in registers while it iterates over the depth of the product. Each
//! instruction set chooses the numbers of its rows and registers (`tiles!`).

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use super::NR;
use super::dense::{DenseTile, DenseTransposedTile, in_panels};
use super::vector::Vector;

/// The largest number of patches (or of depths) in a tile, for any instruction set.
pub(super) const MAX_ROWS: usize = 12;
/// The largest number of panels side by side in a tile, for any instruction set.
pub(super) const MAX_PANELS: usize = 2;

/// One tile of a product: `C[i][j] (+)= Σ_k A[i][k] · B[k][j] + bias[j]`.
pub(super) struct ProductTile {
    /// First element of each patch of the tile; pointers beyond the tile's rows are not set.
    pub a: [*const f32; MAX_ROWS],
    /// Number of runs of a patch.
    pub runs: usize,
    /// Number of elements in a run.
    pub run_len: usize,
    /// Distance from a run to the next, in elements.
    pub run_step: usize,
    /// First panel, at the first depth of the block.
    pub b: *const f32,
    /// Distance from a panel to the next, in elements.
    pub b_step: usize,
    /// First element of the tile in `C`.
    pub c: *mut f32,
    /// Distance from a row of `C` to the next, in elements.
    pub c_step: usize,
    /// Number of columns to store, at least 1.
    pub width: usize,
    /// The bias that is added to each row, of `MAX_PANELS * NR` elements.
    pub bias: *const f32,
    /// Whether the sums are added to `C`.
    pub add: bool,
}

/// One tile of a transposed product: `D[k][j] += Σ_p A[p][k] · G[p][j]`.
pub(super) struct TransposedTile {
    /// First element of the row of patches that the first patch is in.
    pub a: *const f32,
    /// Offset from a patch's first element to each depth of the tile.
    pub offsets: [usize; MAX_ROWS],
    /// Column of the first patch in its row.
    pub col: usize,
    /// Number of patches in a row.
    pub cols: usize,
    /// Distance from a row of patches to the next, in elements.
    pub row_step: usize,
    /// Distance from a patch to the next in its row, in elements.
    pub col_step: usize,
    /// Number of patches to sum over, at least 1.
    pub count: usize,
    /// First row of `G`, of which whole panels may be read.
    pub g: *const f32,
    /// Distance from a row of `G` to the next, in elements.
    pub g_step: usize,
    /// First depth of the tile in the first panel of `D`.
    pub d: *mut f32,
    /// Distance from a panel to the next, in elements.
    pub d_step: usize,
    /// Number of columns to store, at least 1.
    pub width: usize,
}

/// The register tiles of one instruction set.
pub(super) trait Micro {
    /// The largest number of panels side by side in a tile.
    const PANELS: usize;

    /// Returns the largest number of patches of a product tile with `width` columns, and of depths
    /// of a transposed one; at most [`MAX_ROWS`].
    fn rows(width: usize) -> usize;

    /// Computes a tile of `rows` patches.
    ///
    /// # Safety
    /// The processor has the instruction set, `rows` and `tile.width` are within the limits, and
    /// all addresses that the description of the tile states are valid.
    unsafe fn product(rows: usize, tile: &ProductTile);

    /// Computes a tile of `rows` depths.
    ///
    /// # Safety
    /// As for [`Self::product`].
    unsafe fn transposed(rows: usize, tile: &TransposedTile);

    /// Computes a tile of `rows` rows of whole panels.
    ///
    /// # Safety
    /// As for [`Self::product`].
    unsafe fn dense(rows: usize, tile: &DenseTile);

    /// Computes a tile of `rows` columns of the transposed matrix, of whole panels.
    ///
    /// # Safety
    /// As for [`Self::product`].
    unsafe fn dense_transposed(rows: usize, tile: &DenseTransposedTile);
}

/// Declares a type `$name` that implements [`Micro`], compiled with the features: tiles with
/// `$wide` registers per row, and tiles with half as many columns and `$narrow` registers per row.
/// The possible numbers of rows are listed in brackets.
macro_rules! tiles {
    ($name:ident, [$($features:literal)?], $vector:ty, panels: $panels:literal,
     wide: $wide:literal x [$($wide_rows:literal)*],
     narrow: $narrow:literal x [$($narrow_rows:literal)*]) => {
        struct $name;

        impl $crate::kernels::tile::Micro for $name {
            const PANELS: usize = $panels;

            fn rows(width: usize) -> usize {
                match Self::is_narrow(width) {
                    true => [$($narrow_rows),*].len(),
                    false => [$($wide_rows),*].len(),
                }
            }

            #[inline(always)]
            unsafe fn product(rows: usize, tile: &$crate::kernels::tile::ProductTile) {
                // SAFETY: the caller guarantees what the tile requires.
                unsafe {
                    match tile.run_len {
                        3 => Self::product_of::<3>(rows, tile),
                        5 => Self::product_of::<5>(rows, tile),
                        _ => Self::product_of::<0>(rows, tile),
                    }
                }
            }

            #[inline(always)]
            unsafe fn transposed(rows: usize, tile: &$crate::kernels::tile::TransposedTile) {
                // SAFETY: the caller guarantees what the tile requires.
                unsafe {
                    match (Self::is_narrow(tile.width), rows) {
                        $((false, $wide_rows) => Self::transposed_tile::<$wide_rows, $wide>(tile),)*
                        $((true, $narrow_rows) => Self::transposed_tile::<$narrow_rows, $narrow>(tile),)*
                        _ => unreachable!("more rows than a tile has"),
                    }
                }
            }

            #[inline(always)]
            unsafe fn dense(rows: usize, tile: &$crate::kernels::dense::DenseTile) {
                // SAFETY: the caller guarantees what the tile requires.
                unsafe {
                    match (Self::is_narrow(tile.width), rows) {
                        $((false, $wide_rows) => Self::dense_tile::<$wide_rows, $wide>(tile),)*
                        $((true, $narrow_rows) => Self::dense_tile::<$narrow_rows, $narrow>(tile),)*
                        _ => unreachable!("more rows than a tile has"),
                    }
                }
            }

            #[inline(always)]
            unsafe fn dense_transposed(
                rows: usize,
                tile: &$crate::kernels::dense::DenseTransposedTile,
            ) {
                // SAFETY: the caller guarantees what the tile requires.
                unsafe {
                    match (Self::is_narrow(tile.width), rows) {
                        $((false, $wide_rows) => {
                            Self::dense_transposed_tile::<$wide_rows, $wide>(tile)
                        })*
                        $((true, $narrow_rows) => {
                            Self::dense_transposed_tile::<$narrow_rows, $narrow>(tile)
                        })*
                        _ => unreachable!("more rows than a tile has"),
                    }
                }
            }
        }

        impl $name {
            #[inline(always)]
            fn is_narrow(width: usize) -> bool {
                width <= $narrow * <$vector as $crate::kernels::vector::Vector>::LANES
            }

            /// Computes a product tile with runs of `L` elements, or of any length if `L` is 0.
            ///
            /// # Safety
            /// As for `Micro::product`.
            #[inline(always)]
            unsafe fn product_of<const L: usize>(
                rows: usize,
                tile: &$crate::kernels::tile::ProductTile,
            ) {
                // SAFETY: the caller guarantees what the tile requires.
                unsafe {
                    match (Self::is_narrow(tile.width), rows) {
                        $((false, $wide_rows) => Self::product_tile::<$wide_rows, $wide, L>(tile),)*
                        $((true, $narrow_rows) => Self::product_tile::<$narrow_rows, $narrow, L>(tile),)*
                        _ => unreachable!("more rows than a tile has"),
                    }
                }
            }

            /// # Safety
            /// As for `Micro::product`.
            $(#[target_feature(enable = $features)])?
            unsafe fn product_tile<const R: usize, const W: usize, const L: usize>(
                tile: &$crate::kernels::tile::ProductTile,
            ) {
                // SAFETY: guaranteed by the caller.
                unsafe {
                    $crate::kernels::tile::product::<$vector, R, W, L>(tile, Self::store_part)
                }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn transposed_tile<const R: usize, const W: usize>(
                tile: &$crate::kernels::tile::TransposedTile,
            ) {
                // SAFETY: guaranteed by the caller.
                unsafe {
                    $crate::kernels::tile::transposed::<$vector, R, W>(tile, Self::add_part)
                }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn dense_tile<const R: usize, const W: usize>(
                tile: &$crate::kernels::dense::DenseTile,
            ) {
                // SAFETY: guaranteed by the caller.
                unsafe { $crate::kernels::dense::dense::<$vector, R, W>(tile) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn dense_transposed_tile<const R: usize, const W: usize>(
                tile: &$crate::kernels::dense::DenseTransposedTile,
            ) {
                // SAFETY: guaranteed by the caller.
                unsafe { $crate::kernels::dense::dense_transposed::<$vector, R, W>(tile) }
            }

            $(#[target_feature(enable = $features)])?
            #[inline(never)]
            unsafe fn store_part(
                sums: &[$vector],
                registers: usize,
                tile: &$crate::kernels::tile::ProductTile,
            ) {
                // SAFETY: guaranteed by the caller.
                unsafe { $crate::kernels::tile::store_part(sums, registers, tile) }
            }

            $(#[target_feature(enable = $features)])?
            #[inline(never)]
            unsafe fn add_part(
                sums: &[$vector],
                registers: usize,
                tile: &$crate::kernels::tile::TransposedTile,
            ) {
                // SAFETY: guaranteed by the caller.
                unsafe { $crate::kernels::tile::add_part(sums, registers, tile) }
            }
        }
    };
}
pub(super) use tiles;

/// A function that stores a product tile whose last columns are not whole vectors. It is not
/// inlined, and reads the sums from memory, row by row.
type StorePart<V> = unsafe fn(&[V], usize, &ProductTile);

/// A function that adds a transposed tile whose last columns are not whole vectors to `D`.
type AddPart<V> = unsafe fn(&[V], usize, &TransposedTile);

/// Computes a tile of `R` rows of `W` registers. `L` is the length of a run if it is short enough
/// for unrolling (a kernel over one channel), else 0.
///
/// # Safety
/// The processor has the instruction set, and the addresses of the tile are valid.
#[inline(always)]
pub(super) unsafe fn product<V: Vector, const R: usize, const W: usize, const L: usize>(
    t: &ProductTile,
    store_part: StorePart<V>,
) {
    let run_len = if L > 0 { L } else { t.run_len };
    let mut a = [core::ptr::null(); R];
    a.copy_from_slice(&t.a[..R]);
    let mut b = t.b;
    // SAFETY: R patches of `runs` runs of `run_len` numbers are readable at `a`, and as
    // many rows of W registers at `b`, in panels `b_step` apart; the step beyond the last
    // run and row is taken with `wrapping_add` and never read.
    let sum = unsafe {
        let mut sum = [[V::splat(0.0); W]; R];
        for _ in 0..t.runs {
            for k in 0..run_len {
                let mut row = [V::splat(0.0); W];
                for (v, row) in row.iter_mut().enumerate() {
                    *row = V::load(b.add(in_panels::<V>(v, t.b_step)));
                }
                for i in 0..R {
                    let x = V::splat(*a[i].add(k));
                    for v in 0..W {
                        sum[i][v] = x.fma(row[v], sum[i][v]);
                    }
                }
                b = b.wrapping_add(NR);
            }
            for a in &mut a {
                *a = a.wrapping_add(t.run_step);
            }
        }
        sum
    };
    if t.width < W * V::LANES {
        let sums = copied(&sum);
        // SAFETY: guaranteed by the caller.
        return unsafe { store_part(sums.as_flattened(), W, t) };
    }
    // SAFETY: W registers of R rows of `C` are valid, and of the bias. (Each case has one plain
    // loop, which the compiler always unrolls, so that the accumulators stay in registers.)
    unsafe {
        if t.add {
            for i in 0..R {
                for v in 0..W {
                    let c = t.c.add(i * t.c_step + v * V::LANES);
                    let y = sum[i][v].add(V::load(t.bias.add(v * V::LANES)));
                    y.add(V::load(c)).store(c);
                }
            }
        } else {
            for i in 0..R {
                for v in 0..W {
                    let c = t.c.add(i * t.c_step + v * V::LANES);
                    sum[i][v].add(V::load(t.bias.add(v * V::LANES))).store(c);
                }
            }
        }
    }
}

/// Copies the sums to memory element by element, so that the sums themselves stay in registers.
#[inline(always)]
fn copied<V: Vector, const R: usize, const W: usize>(sum: &[[V; W]; R]) -> [[V; W]; R] {
    let mut sums = [[sum[0][0]; W]; R];
    for i in 0..R {
        for v in 0..W {
            sums[i][v] = sum[i][v];
        }
    }
    sums
}

/// Stores a product tile whose last columns are not whole vectors.
///
/// # Safety
/// As for [`product`].
#[inline(always)]
pub(super) unsafe fn store_part<V: Vector>(sums: &[V], registers: usize, t: &ProductTile) {
    for (i, sums) in sums.chunks_exact(registers).enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            let lanes = t.width.saturating_sub(v * V::LANES).min(V::LANES);
            if lanes == 0 {
                break;
            }
            // SAFETY: so many numbers of the row are valid, and full vectors of the bias.
            unsafe {
                let c = t.c.add(i * t.c_step + v * V::LANES);
                let mut y = sum.add(V::load(t.bias.add(v * V::LANES)));
                if t.add {
                    y = y.add(V::load_first(c, lanes));
                }
                y.store_first(c, lanes);
            }
        }
    }
}

/// Computes a tile of `R` depths of `W` registers.
///
/// # Safety
/// As for [`product`].
#[inline(always)]
pub(super) unsafe fn transposed<V: Vector, const R: usize, const W: usize>(
    t: &TransposedTile,
    add_part: AddPart<V>,
) {
    let mut offsets = [0; R];
    offsets.copy_from_slice(&t.offsets[..R]);
    let (mut row, mut col, mut left) = (t.a, t.col, t.count);
    let mut g = t.g;
    // SAFETY: R numbers are readable at `offsets` from each of the `count`
    // patches, and whole vectors at each row of `g`; steps beyond the last
    // patch are taken with `wrapping_add` and never read.
    let sum = unsafe {
        let mut sum = [[V::splat(0.0); W]; R];
        while left > 0 {
            let here = left.min(t.cols - col);
            let mut a = row.wrapping_add(col * t.col_step);
            for _ in 0..here {
                let mut gs = [V::splat(0.0); W];
                for (v, gs) in gs.iter_mut().enumerate() {
                    *gs = V::load(g.add(v * V::LANES));
                }
                for i in 0..R {
                    let x = V::splat(*a.add(offsets[i]));
                    for v in 0..W {
                        sum[i][v] = x.fma(gs[v], sum[i][v]);
                    }
                }
                a = a.wrapping_add(t.col_step);
                g = g.wrapping_add(t.g_step);
            }
            row = row.wrapping_add(t.row_step);
            col = 0;
            left -= here;
        }
        sum
    };
    if t.width < W * V::LANES {
        let sums = copied(&sum);
        // SAFETY: guaranteed by the caller.
        return unsafe { add_part(sums.as_flattened(), W, t) };
    }
    // SAFETY: W registers of R rows of `D` are readable and writable.
    unsafe {
        for i in 0..R {
            for v in 0..W {
                let d = t.d.add(in_panels::<V>(v, t.d_step) + i * NR);
                V::load(d).add(sum[i][v]).store(d);
            }
        }
    }
}

/// Adds a transposed tile whose last columns are not whole vectors to `D`.
///
/// # Safety
/// As for [`product`].
#[inline(always)]
pub(super) unsafe fn add_part<V: Vector>(sums: &[V], registers: usize, t: &TransposedTile) {
    for (i, sums) in sums.chunks_exact(registers).enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            let lanes = t.width.saturating_sub(v * V::LANES).min(V::LANES);
            if lanes == 0 {
                break;
            }
            // SAFETY: so many numbers of the row of `D` are valid.
            unsafe {
                let d = t.d.add(in_panels::<V>(v, t.d_step) + i * NR);
                V::load_first(d, lanes).add(sum).store_first(d, lanes);
            }
        }
    }
}
