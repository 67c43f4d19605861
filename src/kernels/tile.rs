//! Register tiles of matrix products, written once over a [`Vector`].
//!
//! A tile holds its sums in registers and goes along the depth of the product. How many
//! rows and registers it has is the choice of each instruction set (`tiles!`).

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use super::NR;
use super::vector::Vector;

/// The largest number of patches (or of depths) in a tile, for any instruction set.
pub(super) const MAX_ROWS: usize = 12;
/// The largest number of panels side by side in a tile, for any instruction set.
pub(super) const MAX_PANELS: usize = 2;

/// One tile of a product: `C[i][j] (+)= Σ_k A[i][k] · B[k][j] + bias[j]`.
pub(super) struct ProductTile {
    /// Start of each patch of the tile; those beyond the tile's rows are unset.
    pub a: [*const f32; MAX_ROWS],
    /// Runs of a patch.
    pub runs: usize,
    /// Numbers in a run.
    pub run_len: usize,
    /// Numbers from one run to the next.
    pub run_step: usize,
    /// First panel, at the block's first depth.
    pub b: *const f32,
    /// Numbers from a panel to the next.
    pub b_step: usize,
    /// First number of the tile in `C`.
    pub c: *mut f32,
    /// Numbers from a row of `C` to the next.
    pub c_step: usize,
    /// Columns to store: at least 1.
    pub width: usize,
    /// `MAX_PANELS * NR` numbers to add to each row.
    pub bias: *const f32,
    /// Whether to add what `C` holds.
    pub add: bool,
}

/// One tile of a transposed product: `D[k][j] += Σ_p A[p][k] · G[p][j]`.
pub(super) struct TransposedTile {
    /// Start of the first patch's row of patches.
    pub a: *const f32,
    /// Offset from a patch's start to each depth of the tile.
    pub offsets: [usize; MAX_ROWS],
    /// Column of the first patch in its row.
    pub col: usize,
    /// Patches in a row.
    pub cols: usize,
    /// Numbers from a row of patches to the next.
    pub row_step: usize,
    /// Numbers from a patch to the next.
    pub col_step: usize,
    /// Patches to sum over: at least 1.
    pub count: usize,
    /// First row of `G`; whole panels may be read.
    pub g: *const f32,
    /// Numbers from a row of `G` to the next.
    pub g_step: usize,
    /// The tile's first depth in the first panel of `D`.
    pub d: *mut f32,
    /// Numbers from a panel to the next.
    pub d_step: usize,
    /// Columns to store: at least 1.
    pub width: usize,
}

/// The register tiles of one instruction set.
pub(super) trait Micro {
    /// Panels side by side in a tile, where so many are left.
    const PANELS: usize;

    /// Most patches of a product tile of `width` columns, and most depths of a
    /// transposed one; at most [`MAX_ROWS`].
    fn rows(width: usize) -> usize;

    /// Computes a tile of `rows` patches.
    ///
    /// # Safety
    /// The machine has the instruction set, `rows` and `tile.width` are within
    /// the limits, and every address that the tile's description names is valid.
    unsafe fn product(rows: usize, tile: &ProductTile);

    /// Computes a tile of `rows` depths.
    ///
    /// # Safety
    /// As for [`Self::product`].
    unsafe fn transposed(rows: usize, tile: &TransposedTile);
}

/// Declares a type `$name` whose [`Micro`] has the tiles below, compiled with the
/// features: tiles of `$wide` registers a row, and of half as many columns, `$narrow`
/// registers a row. The rows that each may have are counted up in brackets.
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
                // SAFETY: the caller's promises are the tile's.
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
                // SAFETY: the caller's promises are the tile's.
                unsafe {
                    match (Self::is_narrow(tile.width), rows) {
                        $((false, $wide_rows) => Self::transposed_tile::<$wide_rows, $wide>(tile),)*
                        $((true, $narrow_rows) => Self::transposed_tile::<$narrow_rows, $narrow>(tile),)*
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

            /// # Safety
            /// As for [`Micro::product`]; runs of `L` numbers, or of any length for 0.
            #[inline(always)]
            unsafe fn product_of<const L: usize>(
                rows: usize,
                tile: &$crate::kernels::tile::ProductTile,
            ) {
                // SAFETY: the caller's promises are the tile's.
                unsafe {
                    match (Self::is_narrow(tile.width), rows) {
                        $((false, $wide_rows) => Self::product_tile::<$wide_rows, $wide, L>(tile),)*
                        $((true, $narrow_rows) => Self::product_tile::<$narrow_rows, $narrow, L>(tile),)*
                        _ => unreachable!("more rows than a tile has"),
                    }
                }
            }

            /// # Safety
            /// As for [`Micro::product`], here and below.
            $(#[target_feature(enable = $features)])?
            unsafe fn product_tile<const R: usize, const W: usize, const L: usize>(
                tile: &$crate::kernels::tile::ProductTile,
            ) {
                // SAFETY: the caller's promises, here and below.
                unsafe {
                    $crate::kernels::tile::product::<$vector, R, W, L>(tile, Self::store_part)
                }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn transposed_tile<const R: usize, const W: usize>(
                tile: &$crate::kernels::tile::TransposedTile,
            ) {
                // SAFETY: see above.
                unsafe {
                    $crate::kernels::tile::transposed::<$vector, R, W>(tile, Self::add_part)
                }
            }

            $(#[target_feature(enable = $features)])?
            #[inline(never)]
            unsafe fn store_part(
                sums: &[$vector],
                registers: usize,
                tile: &$crate::kernels::tile::ProductTile,
            ) {
                // SAFETY: see above.
                unsafe { $crate::kernels::tile::store_part(sums, registers, tile) }
            }

            $(#[target_feature(enable = $features)])?
            #[inline(never)]
            unsafe fn add_part(
                sums: &[$vector],
                registers: usize,
                tile: &$crate::kernels::tile::TransposedTile,
            ) {
                // SAFETY: see above.
                unsafe { $crate::kernels::tile::add_part(sums, registers, tile) }
            }
        }
    };
}
pub(super) use tiles;

/// Where register `v` of a row lies within panels that are `step` numbers apart.
#[inline(always)]
const fn in_panels<V: Vector>(v: usize, step: usize) -> usize {
    v * V::LANES / NR * step + v * V::LANES % NR
}

/// The end of a product tile whose last vectors are not all columns. It is not inlined,
/// and gets the sums in memory, a row of registers after the other.
type StorePart<V> = unsafe fn(&[V], usize, &ProductTile);

/// The same of a transposed tile.
type AddPart<V> = unsafe fn(&[V], usize, &TransposedTile);

/// A tile of `R` rows of `W` registers. `L` is the run length where it is short
/// enough to unroll (a kernel over one channel), else 0.
///
/// # Safety
/// The machine has the instruction set; the tile's addresses are valid. So below.
#[inline(always)]
pub(super) unsafe fn product<V: Vector, const R: usize, const W: usize, const L: usize>(
    t: &ProductTile,
    store_part: StorePart<V>,
) {
    let run_len = if L > 0 { L } else { t.run_len };
    let mut a = [std::ptr::null(); R];
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
        // SAFETY: the caller's promises.
        return unsafe { store_part(sums.as_flattened(), W, t) };
    }
    // SAFETY: W registers of R rows of `C` are valid, and of the bias.
    // (One plain loop each: the compiler unrolls those whatever its settings,
    // and then the accumulators never leave the registers.)
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

/// A copy in memory, number by number, so that the sums themselves stay in registers.
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

/// See [`StorePart`].
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

/// A tile of `R` depths of `W` registers.
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
        // SAFETY: the caller's promises.
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

/// See [`AddPart`].
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
