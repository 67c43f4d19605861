//! The loops around the register tiles, which are the same for every instruction set.
//!
//! A [`Micro`] computes one register tile; these loops choose the tiles so that data which tiles
//! read repeatedly stay in the L1 and L2 caches:
//!
//! ```text
//! product                              transposed
//!   for each block of depth (KC)         for each block of patches (PC)
//!     for each block of patches (MC)       for each panel of columns
//!       for each panel of columns            copy G's columns side by side
//!         for each tile of patches           for each tile of depth
//!           tile: loop over depth              tile: loop over patches
//! ```

use super::NR;
use super::gemm::{Patches, Store, panels};
use super::tile::{MAX_PANELS, MAX_ROWS, Micro, ProductTile, TransposedTile};
use core::mem::MaybeUninit;

/// Depth of a block: its part of a panel (32 KB) stays in the L2 cache, and nearly in the L1 cache.
const KC: usize = 512;
/// Number of patches in a block: `MC` x `KC` elements of `A` stay in the L2 cache.
const MC: usize = 192;
/// Number of patches in a block of `transposed`: a panel of `G` (16 KB) stays in the L1 cache.
const PC: usize = 256;
/// As `PC`, if each patch is on cache lines of its own: these lines must stay in the cache until
/// their last element was read.
const PC_FAR: usize = 96;

/// Splits `total` into the smallest number of tiles of at most `most`, of nearly equal size, so
/// that every tile has enough accumulators to hide the latency of the FMA.
pub(super) struct Tiles {
    small: usize,
    larger: usize,
    count: usize,
}

impl Tiles {
    pub(super) fn new(total: usize, most: usize) -> Self {
        let count = total.div_ceil(most);
        Self {
            small: total.checked_div(count).unwrap_or(0),
            larger: total.checked_rem(count).unwrap_or(0),
            count,
        }
    }
}

impl Iterator for Tiles {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.count = self.count.checked_sub(1)?;
        if self.larger > 0 {
            self.larger -= 1;
            Some(self.small + 1)
        } else {
            Some(self.small)
        }
    }
}

/// An iteration over the patches that needs no division per step.
struct Walk<'a> {
    patches: &'a Patches,
    row: usize,
    col: usize,
}

impl<'a> Walk<'a> {
    fn at(patches: &'a Patches, p: usize) -> Self {
        Self {
            patches,
            row: (p / patches.cols) * patches.row_step,
            col: p % patches.cols,
        }
    }

    /// Returns the start of the current patch and advances to the next.
    #[inline(always)]
    fn step(&mut self) -> usize {
        let start = self.row + self.col * self.patches.col_step;
        self.col += 1;
        if self.col == self.patches.cols {
            self.col = 0;
            self.row += self.patches.row_step;
        }
        start
    }
}

/// A part of the depth: `runs` runs of `run_len` elements, which start `offset` elements after the
/// start of a patch; `first` is its first depth.
struct Block {
    first: usize,
    offset: usize,
    runs: usize,
    run_len: usize,
}

/// Returns the depth of the blocks of a matrix of that depth, but for the last one, which may be
/// less.
pub fn block_depth(depth: usize) -> usize {
    depth.div_ceil(depth.div_ceil(KC * 3 / 2).max(1))
}

/// Splits the depth into blocks of about [`KC`]: whole runs if runs are short, parts of a run if
/// they are long.
fn depth_blocks(patches: &Patches) -> impl Iterator<Item = Block> {
    let Patches {
        runs,
        run_len,
        run_step,
        ..
    } = *patches;
    let piece = block_depth(run_len);
    let group = if piece < run_len {
        1
    } else {
        // Groups of equal size, none larger than one and a half blocks.
        let most = (KC * 3 / 2 / run_len).max(1);
        runs.div_ceil(runs.div_ceil(most))
    };
    (0..runs).step_by(group).flat_map(move |run| {
        (0..run_len).step_by(piece).map(move |k| Block {
            first: run * run_len + k,
            offset: run * run_step + k,
            runs: group.min(runs - run),
            run_len: piece.min(run_len - k),
        })
    })
}

/// Computes `C (+)= A·B + bias` with `M`'s tiles.
///
/// # Safety
/// The processor has `M`'s instruction set, and the slices have the lengths that
/// [`super::Kernels::product`] asserts.
pub(super) unsafe fn product<M: Micro>(
    patches: &Patches,
    a: &[f32],
    b: &[f32],
    columns: usize,
    bias: Option<&[f32]>,
    c: &mut [f32],
    store: Store,
) {
    let (count, depth) = (patches.count(), patches.depth());
    if count == 0 || columns == 0 {
        return;
    }
    if depth == 0 {
        return product_of_nothing(bias, &mut c[..count * columns], columns, store);
    }
    let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
    for block in depth_blocks(patches) {
        for first_patch in (0..count).step_by(MC) {
            let some = MC.min(count - first_patch);
            for panel in (0..panels(columns)).step_by(M::PANELS) {
                let first = panel * NR;
                let width = (M::PANELS * NR).min(columns - first);
                let mut padded = [0.0f32; MAX_PANELS * NR];
                if let (Some(bias), 0) = (bias, block.first) {
                    padded[..width].copy_from_slice(&bias[first..][..width]);
                }
                let tile = ProductTile {
                    a: [a; MAX_ROWS],
                    runs: block.runs,
                    run_len: block.run_len,
                    run_step: patches.run_step,
                    // SAFETY: the panel and the block's first depth lie within b.
                    b: unsafe { b.add((panel * depth + block.first) * NR) },
                    b_step: depth * NR,
                    // SAFETY: the panel's first column lies within c.
                    c: unsafe { c.add(first) },
                    c_step: columns,
                    width,
                    bias: padded.as_ptr(),
                    add: store == Store::Add || block.first > 0,
                };
                let a = a.wrapping_add(block.offset);
                // SAFETY: the tile's addresses are all within the slices, whose lengths
                // the caller has checked.
                unsafe { product_tiles::<M>(patches, a, (first_patch, some), tile) }
            }
        }
    }
}

/// Computes the product for patches of depth 0.
fn product_of_nothing(bias: Option<&[f32]>, c: &mut [f32], columns: usize, store: Store) {
    for c in c.chunks_exact_mut(columns) {
        for (j, c) in c.iter_mut().enumerate() {
            let old = if store == Store::Add { *c } else { 0.0 };
            *c = 0.0 + bias.map_or(0.0, |bias| bias[j]) + old;
        }
    }
}

/// Computes the tiles of `some` patches from `first` on; `tile` describes them except for the
/// addresses of the patches and the row of `C`.
///
/// # Safety
/// As for [`product`].
#[inline(always)]
unsafe fn product_tiles<M: Micro>(
    patches: &Patches,
    a: *const f32,
    (first, some): (usize, usize),
    mut tile: ProductTile,
) {
    let mut walk = Walk::at(patches, first);
    let c = tile.c;
    let mut p = first;
    for rows in Tiles::new(some, M::rows(tile.width)) {
        // SAFETY: the patches and their block lie within the span of `a`, row p of `C`
        // within its slice.
        unsafe {
            for start in &mut tile.a[..rows] {
                *start = a.add(walk.step());
            }
            tile.c = c.add(p * tile.c_step);
            M::product(rows, &tile);
        }
        p += rows;
    }
}

/// Computes `D += Aᵀ·G` with `M`'s tiles.
///
/// # Safety
/// The processor has `M`'s instruction set, and the slices have the lengths that
/// [`super::Kernels::transposed`] asserts.
pub(super) unsafe fn transposed<M: Micro>(
    patches: &Patches,
    a: &[f32],
    g: &[f32],
    columns: usize,
    d: &mut [f32],
) {
    let (count, depth) = (patches.count(), patches.depth());
    if count == 0 || depth == 0 {
        return;
    }
    let (a, d) = (a.as_ptr(), d.as_mut_ptr());
    let mut copy = [const { MaybeUninit::<f32>::uninit() }; PC * MAX_PANELS * NR];
    let block = if patches.col_step > 64 { PC_FAR } else { PC };
    for first_patch in (0..count).step_by(block) {
        let some = block.min(count - first_patch);
        for panel in (0..panels(columns)).step_by(M::PANELS) {
            let first = panel * NR;
            let width = (M::PANELS * NR).min(columns - first);
            let padded = panels(width) * NR;
            // Rows that are not whole panels are copied: then a tile can load whole vectors, and
            // rows that are far apart become contiguous.
            let (g, g_step) = if columns == padded {
                (g[first_patch * columns..].as_ptr(), columns)
            } else {
                for (i, row) in copy.chunks_exact_mut(padded).take(some).enumerate() {
                    let g = &g[(first_patch + i) * columns + first..][..width];
                    for (to, &from) in row.iter_mut().zip(g) {
                        to.write(from);
                    }
                    row[width..].fill(MaybeUninit::new(0.0));
                }
                (copy.as_ptr().cast::<f32>(), padded)
            };
            let mut tile = TransposedTile {
                // SAFETY: the row of patches starts within the span.
                a: unsafe { a.add((first_patch / patches.cols) * patches.row_step) },
                offsets: [0; MAX_ROWS],
                col: first_patch % patches.cols,
                cols: patches.cols,
                row_step: patches.row_step,
                col_step: patches.col_step,
                count: some,
                g,
                g_step,
                d,
                d_step: depth * NR,
                width,
            };
            // SAFETY: the panel lies within d; the tile's addresses are all within the
            // slices, whose lengths the caller has checked, or within the copy's
            // initialised rows.
            unsafe {
                tile.d = d.add(panel * depth * NR);
                transposed_tiles::<M>(patches, tile);
            }
        }
    }
}

/// Computes the tiles of the whole depth; `tile` describes them except for the offsets of the
/// depths and the row of `D`.
///
/// # Safety
/// As for [`transposed`].
#[inline(always)]
unsafe fn transposed_tiles<M: Micro>(patches: &Patches, mut tile: TransposedTile) {
    let (mut run, mut at) = (0, 0);
    for rows in Tiles::new(patches.depth(), M::rows(tile.width)) {
        for offset in &mut tile.offsets[..rows] {
            *offset = run * patches.run_step + at;
            at += 1;
            if at == patches.run_len {
                (run, at) = (run + 1, 0);
            }
        }
        // SAFETY: so many depths are left, and `D` has a row for each.
        unsafe {
            M::transposed(rows, &tile);
            tile.d = tile.d.add(rows * NR);
        }
    }
}

/// Makes the products of an instruction set from its tiles.
macro_rules! products {
    ($tiles:ty) => {{
        use $crate::kernels::gemm::{Patches, Products, Store};

        // Only the tiles are compiled with the features.
        $crate::kernels::compile::compiled! { []
            fn product(
                patches: &Patches,
                a: &[f32],
                b: &[f32],
                columns: usize,
                bias: Option<&[f32]>,
                c: &mut [f32],
                store: Store,
            ) = $crate::kernels::tiling::product::<$tiles>;
            fn transposed(
                patches: &Patches,
                a: &[f32],
                g: &[f32],
                columns: usize,
                d: &mut [f32],
            ) = $crate::kernels::tiling::transposed::<$tiles>;
        }
        Products {
            product,
            transposed,
        }
    }};
}
pub(super) use products;

#[cfg(test)]
#[path = "tiling_tests.rs"]
mod tests;
