//! The loops around the register tiles: the same for every instruction set.
//!
//! A [`Micro`] computes one register tile; these loops choose the tiles so that
//! what a tile reads again stays in the near caches:
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
use std::mem::MaybeUninit;

/// Depth of a block: its part of a panel (32 KB) stays in the second-level cache
/// with room to spare, and nearly in the first.
const KC: usize = 512;
/// Patches of a block: `MC` x `KC` numbers of `A` stay in the second-level cache.
const MC: usize = 192;
/// Patches of a block of `transposed`: a panel of `G` (16 KB) stays in the first.
const PC: usize = 256;
/// The same where each patch lies on cache lines of its own: the lines, too, must
/// stay near until their last number has been read.
const PC_FAR: usize = 96;
/// Largest number of patches (or of depths) in a tile, for any instruction set.
pub(super) const MAX_ROWS: usize = 12;
/// Largest number of panels side by side in a tile, for any instruction set.
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
    #[cfg_attr(
        not(target_arch = "x86_64"),
        allow(dead_code, reason = "only AVX-512 takes two panels")
    )]
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
    #[cfg_attr(
        not(target_arch = "x86_64"),
        allow(dead_code, reason = "only AVX-512 takes two panels")
    )]
    pub d_step: usize,
    /// Columns to store: at least 1.
    pub width: usize,
}

/// The register tiles of one instruction set.
pub(super) trait Micro {
    /// Panels side by side in a tile, where so many are left.
    const PANELS: usize;

    /// Most patches of a product tile of `width` columns; at most [`MAX_ROWS`].
    fn product_rows(width: usize) -> usize;

    /// Most depths of a transposed tile of `width` columns; at most [`MAX_ROWS`].
    fn transposed_rows(width: usize) -> usize;

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

/// Splits `total` into the fewest tiles of at most `most`, as even as can be, so
/// that no tile is left with too few accumulators to hide the FMA's latency.
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

/// A walk along the patches without a division a step.
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

    /// The start of the present patch; moves on to the next.
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

/// A part of the depth: `runs` runs of `run_len`, starting `offset` numbers
/// after a patch's start; `first` is its first depth.
struct Block {
    first: usize,
    offset: usize,
    runs: usize,
    run_len: usize,
}

/// Cuts the depth into blocks of about [`KC`]: whole runs where runs are short,
/// pieces of a run where they are long.
fn depth_blocks(patches: &Patches) -> impl Iterator<Item = Block> {
    let Patches {
        runs,
        run_len,
        run_step,
        ..
    } = *patches;
    let pieces = run_len.div_ceil(KC * 3 / 2).max(1);
    let piece = run_len.div_ceil(pieces);
    let group = if pieces > 1 {
        1
    } else {
        // Even groups, none longer than one and a half blocks.
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

/// `C (+)= A·B + bias` on `M`'s tiles.
///
/// # Safety
/// The machine has `M`'s instruction set, and the slices have the lengths that
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
        return super::scalar::product(patches, a, b, columns, bias, c, store);
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
                let mut tile = ProductTile {
                    a: [a; MAX_ROWS],
                    runs: block.runs,
                    run_len: block.run_len,
                    run_step: patches.run_step,
                    // SAFETY: the panel and the block's first depth lie within b.
                    b: unsafe { b.add((panel * depth + block.first) * NR) },
                    b_step: depth * NR,
                    c,
                    c_step: columns,
                    width,
                    bias: padded.as_ptr(),
                    add: store == Store::Add || block.first > 0,
                };
                let mut walk = Walk::at(patches, first_patch);
                let mut p = first_patch;
                for rows in Tiles::new(some, M::product_rows(width)) {
                    for start in &mut tile.a[..rows] {
                        // SAFETY: the patch and its block lie within the span.
                        *start = unsafe { a.add(walk.step() + block.offset) };
                    }
                    // SAFETY: row p, column first is within c; the tile's
                    // addresses are all within the slices, whose lengths the
                    // caller has checked.
                    unsafe {
                        tile.c = c.add(p * columns + first);
                        M::product(rows, &tile);
                    }
                    p += rows;
                }
            }
        }
    }
}

/// `D += Aᵀ·G` on `M`'s tiles.
///
/// # Safety
/// The machine has `M`'s instruction set, and the slices have the lengths that
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
            // Rows that are not whole panels are copied: a tile may then load
            // whole vectors, and rows far apart in memory come together.
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
            let (mut k, mut run, mut at) = (0, 0, 0);
            for rows in Tiles::new(depth, M::transposed_rows(width)) {
                for offset in &mut tile.offsets[..rows] {
                    *offset = run * patches.run_step + at;
                    at += 1;
                    if at == patches.run_len {
                        (run, at) = (run + 1, 0);
                    }
                }
                // SAFETY: depth k of the panel is within d; the tile's addresses
                // are all within the slices, whose lengths the caller has
                // checked, or within the copy's initialised rows.
                unsafe {
                    tile.d = d.add((panel * depth + k) * NR);
                    M::transposed(rows, &tile);
                }
                k += rows;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::gemm::panel_len;

    /// Tiles of two panels in plain Rust: AVX-512's walk through the loops, on a
    /// machine that need not have it.
    struct TwoPanels;

    impl Micro for TwoPanels {
        const PANELS: usize = 2;

        fn product_rows(_width: usize) -> usize {
            8
        }

        fn transposed_rows(_width: usize) -> usize {
            8
        }

        unsafe fn product(rows: usize, t: &ProductTile) {
            for i in 0..rows {
                for j in 0..t.width {
                    // SAFETY: the caller's promises.
                    unsafe {
                        let mut b = t.b.add(j / NR * t.b_step + j % NR);
                        let c = t.c.add(i * t.c_step + j);
                        let mut sum = *t.bias.add(j) + if t.add { *c } else { 0.0 };
                        for run in 0..t.runs {
                            for k in 0..t.run_len {
                                sum += *t.a[i].add(run * t.run_step + k) * *b;
                                b = b.wrapping_add(NR);
                            }
                        }
                        *c = sum;
                    }
                }
            }
        }

        unsafe fn transposed(rows: usize, t: &TransposedTile) {
            for i in 0..rows {
                for j in 0..t.width {
                    for p in 0..t.count {
                        let p_of_rows = t.col + p;
                        let start =
                            p_of_rows / t.cols * t.row_step + p_of_rows % t.cols * t.col_step;
                        // SAFETY: the caller's promises.
                        unsafe {
                            let a = *t.a.add(start + t.offsets[i]);
                            let g = *t.g.add(p * t.g_step + j);
                            *t.d.add(j / NR * t.d_step + i * NR + j % NR) += a * g;
                        }
                    }
                }
            }
        }
    }

    /// Small whole numbers, whose sums are exact in any order.
    fn whole(len: usize) -> Vec<f32> {
        (0..len)
            .map(|i| ((i * 7919 + len) % 13) as f32 - 6.0)
            .collect()
    }

    #[test]
    fn two_panels_side_by_side() {
        for columns in 1..=70 {
            for (rows, cols, runs, run_len) in [
                (3, 5, 2, 7),
                (1, 9, 1, 1000),
                (20, 20, 1, 3),
                (1, 9, 3, 400),
            ] {
                let patches = Patches {
                    rows,
                    cols,
                    row_step: 3 * run_len + cols,
                    col_step: 2,
                    runs,
                    run_len,
                    run_step: run_len + 1,
                };
                let (count, depth) = (patches.count(), patches.depth());
                let a = whole(patches.span());
                let b = whole(panel_len(depth, columns));
                let (bias, g) = (whole(columns), whole(count * columns));
                for store in [Store::Assign, Store::Add] {
                    let (mut c, mut want) = (g.clone(), g.clone());
                    let bias = Some(bias.as_slice());
                    // SAFETY: no instruction set; lengths as the shapes say.
                    unsafe {
                        product::<TwoPanels>(&patches, &a, &b, columns, bias, &mut c, store);
                    }
                    crate::kernels::scalar::product(
                        &patches, &a, &b, columns, bias, &mut want, store,
                    );
                    assert_eq!(c, want, "{patches:?} {columns}");
                }
                let (mut d, mut want) = (b.clone(), b.clone());
                // SAFETY: as above.
                unsafe { transposed::<TwoPanels>(&patches, &a, &g, columns, &mut d) };
                crate::kernels::scalar::transposed(&patches, &a, &g, columns, &mut want);
                assert_eq!(d, want, "{patches:?} {columns}");
            }
        }
    }

    #[test]
    fn tiles_are_few_and_even() {
        for total in 0..100 {
            for most in 1..=MAX_ROWS {
                let tiles: Vec<_> = Tiles::new(total, most).collect();
                assert_eq!(tiles.iter().sum::<usize>(), total);
                assert_eq!(tiles.len(), total.div_ceil(most));
                if let (Some(max), Some(min)) = (tiles.iter().max(), tiles.iter().min()) {
                    assert!(*max <= most && max - min <= 1);
                }
            }
        }
    }
}
