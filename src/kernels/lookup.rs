//! Convolution over bits without multiplications, by tables of partial sums (the method of four
//! Russians).
//!
//! Four neighbouring channels of an image of bits form one of 16 patterns. For each tap and each
//! group of four channels, a table holds the 16 possible sums of their weights; an output is the
//! sum of one table entry per group:
//!
//! ```text
//! T[g][n] = Σ_{i < 4} bit_i(n) · W[4g + i]        n = 0 ... 15, for every output
//! y[p]    = bias + Σ_g T[g][ pattern of group g in patch p ]
//! ```
//!
//! So a quarter of the additions are needed, and no multiplications. If the weights are integers
//! (binary weights), every sum is exact.
//!
//! Patterns are stored as offsets into a table, in the layout of the image; a pixel outside of the
//! image has pattern 0, whose entry is 0.
//!
//! Source: Arlazarov, Dinic, Kronrod, Faradzev, "On economical construction of
//! the transitive closure of a directed graph" (1970).

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use super::gemm::{Patches, panel_len, panels};
use super::tiling::Tiles;
use super::vector::Vector;
use super::{Kernels, NR};

/// Number of channels in a group.
pub const GROUP: usize = 4;
/// Number of floats in the table of a group: 16 patterns of NR outputs.
const TABLE: usize = NR << GROUP;
/// Number of groups that are added in one pass, so that their tables (20 KB) stay in the L1 cache.
const PASS: usize = 20;
/// The largest number of groups times outputs, for tables of 8 MB. The tables of larger layers
/// would be read from main memory once per image.
const MAX_SUMS: usize = (8 << 20) / (16 * size_of::<f32>());
/// The largest number of pixels that are added side by side, which hides the latency of additions.
const PIXELS: usize = 5;

/// The pattern of a group, as an offset into its table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pattern(u16);

/// The shape of a convolution over bits that is computed by look-ups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The patches, in groups instead of channels.
    patches: Patches,
    outputs: usize,
}

impl Lookup {
    /// Makes the shape for patches of an image of `channels` channels. Returns `None` if the
    /// channels do not fill whole registers, the outputs do not fill whole panels, or the tables
    /// would exceed the caches.
    pub fn new(patches: &Patches, channels: usize, outputs: usize) -> Option<Self> {
        let whole = |n: usize| n > 0 && n.is_multiple_of(NR);
        if !whole(channels) || !whole(outputs) || patches.depth() / GROUP * outputs > MAX_SUMS {
            return None;
        }
        Some(Self {
            patches: Patches {
                row_step: patches.row_step / GROUP,
                col_step: patches.col_step / GROUP,
                run_len: patches.run_len / GROUP,
                run_step: patches.run_step / GROUP,
                ..*patches
            },
            outputs,
        })
    }

    /// Returns the number of floats in all tables.
    pub fn tables_len(&self) -> usize {
        panels(self.outputs) * self.patches.depth() * TABLE
    }
}

/// The functions of one instruction set, with the arguments of the methods of [`Kernels`], which
/// check the lengths.
pub(super) struct Functions {
    pub tables: fn(&Lookup, &[f32], &mut [f32]),
    pub patterns: fn(&[f32], &mut [Pattern]),
    pub product: ProductFn,
}

type ProductFn = fn(&Lookup, &[Pattern], &[f32], Option<&[f32]>, &mut [f32]);

/// Compiles the functions for an instruction set: `functions!(["features"], Register)`.
macro_rules! functions {
    ($features:tt, $vector:ty) => {{
        use $crate::kernels::lookup::{self, Functions, Lookup, Pattern};

        $crate::kernels::compile::compiled! { $features
            fn tables(shape: &Lookup, panels: &[f32], out: &mut [f32]) =
                lookup::tables::<$vector>;
            fn patterns(bits: &[f32], out: &mut [Pattern]) = lookup::patterns::<$vector>;
            fn product(
                shape: &Lookup,
                patterns: &[Pattern],
                tables: &[f32],
                bias: Option<&[f32]>,
                y: &mut [f32],
            ) = lookup::product::<$vector>;
        }
        Functions {
            tables,
            patterns,
            product,
        }
    }};
}
pub(super) use functions;

impl Kernels {
    /// Computes the tables of the weights, which are given in the panels of the direct product.
    ///
    /// # Panics
    /// Panics if a slice is shorter than the shape requires.
    pub fn lookup_tables(&self, shape: &Lookup, panels: &[f32], out: &mut [f32]) {
        let depth = shape.patches.depth() * GROUP;
        assert!(
            panels.len() >= panel_len(depth, shape.outputs),
            "panels is too short"
        );
        assert!(out.len() >= shape.tables_len(), "out is too short");
        (self.lookup.tables)(shape, panels, out);
    }

    /// Computes the patterns of bits `[x > 0]`, four elements per pattern, as offsets into a table.
    ///
    /// # Panics
    /// Panics if the length of `bits` is not a multiple of a register, or that of `out` is not a
    /// quarter of it.
    pub fn lookup_patterns(&self, bits: &[f32], out: &mut [Pattern]) {
        assert!(bits.len().is_multiple_of(NR), "bits do not fill registers");
        assert_eq!(bits.len(), out.len() * GROUP, "one pattern for four bits");
        (self.lookup.patterns)(bits, out);
    }

    /// Computes `y = conv(bits) + bias`: `y` is row-major of shape (patches, outputs).
    ///
    /// # Panics
    /// Panics if a slice is shorter than the shape requires.
    pub fn lookup_product(
        &self,
        shape: &Lookup,
        patterns: &[Pattern],
        tables: &[f32],
        bias: Option<&[f32]>,
        y: &mut [f32],
    ) {
        assert!(
            patterns.len() >= shape.patches.span(),
            "patterns is too short"
        );
        assert!(tables.len() >= shape.tables_len(), "tables is too short");
        assert!(
            bias.is_none_or(|bias| bias.len() >= shape.outputs),
            "bias is too short"
        );
        let len = shape.patches.count() * shape.outputs;
        assert!(y.len() >= len, "y is too short");
        (self.lookup.product)(shape, patterns, tables, bias, y);
    }
}

/// # Safety
/// The processor has the instruction set, and the slices have the lengths that the methods of
/// [`Kernels`] assert.
#[inline(always)]
pub(super) unsafe fn tables<V: Vector>(shape: &Lookup, weights: &[f32], out: &mut [f32]) {
    let groups = panels(shape.outputs) * shape.patches.depth();
    for group in 0..groups {
        for lane in (0..NR).step_by(V::LANES) {
            // SAFETY: the group's four rows and its table lie within the slices.
            unsafe {
                let w = weights.as_ptr().add(group * GROUP * NR + lane);
                let t = out.as_mut_ptr().add(group * TABLE + lane);
                V::splat(0.0).store(t);
                for bit in 0..GROUP {
                    let w = V::load(w.add(bit * NR));
                    for n in 0..1 << bit {
                        let sum = V::load(t.add(n * NR)).add(w);
                        sum.store(t.add((n | 1 << bit) * NR));
                    }
                }
            }
        }
    }
}

/// # Safety
/// As for [`tables`].
#[inline(always)]
pub(super) unsafe fn patterns<V: Vector>(bits: &[f32], out: &mut [Pattern]) {
    for (bits, out) in bits.chunks_exact(NR).zip(out.chunks_exact_mut(NR / GROUP)) {
        let mut mask = 0;
        for lane in (0..NR).step_by(V::LANES) {
            // SAFETY: NR numbers are readable.
            mask |= unsafe { V::load(bits.as_ptr().add(lane)).positive() } << lane;
        }
        for (i, out) in out.iter_mut().enumerate() {
            *out = Pattern(((mask >> (GROUP * i) & 15) as usize * NR) as u16);
        }
    }
}

/// # Safety
/// As for [`tables`].
#[inline(always)]
pub(super) unsafe fn product<V: Vector>(
    shape: &Lookup,
    patterns: &[Pattern],
    tables: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    let p = &shape.patches;
    let pieces = p.run_len.div_ceil(PASS).max(1);
    let piece = p.run_len.div_ceil(pieces);
    for panel in 0..panels(shape.outputs) {
        let mut start = [0.0; NR];
        if let Some(bias) = bias {
            start.copy_from_slice(&bias[panel * NR..][..NR]);
        }
        let mut begun = false;
        for run in 0..p.runs {
            for first in (0..p.run_len).step_by(piece) {
                let groups = piece.min(p.run_len - first);
                let depth = run * p.run_len + first;
                // SAFETY: the tables and patterns of the pass lie within the
                // slices, and so do the outputs of the pixels.
                unsafe {
                    let pass = Pass {
                        tables: tables.as_ptr().add((panel * p.depth() + depth) * TABLE),
                        groups,
                        bias: start.as_ptr(),
                        begun,
                        step: p.col_step,
                        y_step: shape.outputs,
                    };
                    for row in 0..p.rows {
                        let from = row * p.row_step + run * p.run_step + first;
                        let from = patterns.as_ptr().add(from);
                        let to = y
                            .as_mut_ptr()
                            .add(row * p.cols * shape.outputs + panel * NR);
                        let mut col = 0;
                        for some in Tiles::new(p.cols, PIXELS) {
                            let from = from.add(col * p.col_step);
                            match some {
                                1 => pixels::<V, 1>(&pass, from, to, col),
                                2 => pixels::<V, 2>(&pass, from, to, col),
                                3 => pixels::<V, 3>(&pass, from, to, col),
                                4 => pixels::<V, 4>(&pass, from, to, col),
                                _ => pixels::<V, PIXELS>(&pass, from, to, col),
                            }
                            col += some;
                        }
                    }
                }
                begun = true;
            }
        }
    }
}

/// The values that are the same for all pixels of a pass.
struct Pass {
    tables: *const f32,
    groups: usize,
    bias: *const f32,
    /// Whether `y` holds the sums of earlier passes.
    begun: bool,
    /// Number of patterns from a pixel to the next.
    step: usize,
    /// Number of floats from a pixel's outputs to the next.
    y_step: usize,
}

/// Adds the table entries of `P` pixels from column `col` on.
///
/// # Safety
/// As for [`tables`]; the tables of the pass, the patterns of the pixels and their outputs in the
/// row `y` are valid.
#[inline(always)]
unsafe fn pixels<V: Vector, const P: usize>(
    pass: &Pass,
    patterns: *const Pattern,
    y: *mut f32,
    col: usize,
) {
    // SAFETY: guaranteed by the caller; a register of floats is at most NR, so the
    // unused ones of `sum` are never touched.
    unsafe {
        // A panel has 1, 2 or 4 registers, or 16 scalars.
        match NR / V::LANES {
            1 => sums::<V, P, 1>(pass, patterns, y, col),
            2 => sums::<V, P, 2>(pass, patterns, y, col),
            4 => sums::<V, P, 4>(pass, patterns, y, col),
            _ => sums::<V, P, NR>(pass, patterns, y, col),
        }
    }
}

/// Implements [`pixels`] with `R` registers per pixel.
///
/// # Safety
/// As for [`pixels`].
#[inline(always)]
unsafe fn sums<V: Vector, const P: usize, const R: usize>(
    pass: &Pass,
    patterns: *const Pattern,
    y: *mut f32,
    col: usize,
) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let mut sum = [[V::splat(0.0); R]; P];
        for (i, sum) in sum.iter_mut().enumerate() {
            for (r, sum) in sum.iter_mut().enumerate() {
                let from = if pass.begun {
                    y.add((col + i) * pass.y_step).cast_const()
                } else {
                    pass.bias
                };
                *sum = V::load(from.add(r * V::LANES));
            }
        }
        let mut table = pass.tables;
        for group in 0..pass.groups {
            for i in 0..P {
                let entry = table.add(usize::from((*patterns.add(i * pass.step + group)).0));
                for r in 0..R {
                    sum[i][r] = sum[i][r].add(V::load(entry.add(r * V::LANES)));
                }
            }
            table = table.add(TABLE);
        }
        for (i, sum) in sum.iter().enumerate() {
            for (r, sum) in sum.iter().enumerate() {
                sum.store(y.add((col + i) * pass.y_step + r * V::LANES));
            }
        }
    }
}
