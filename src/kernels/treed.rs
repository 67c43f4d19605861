//! The weight gradient `D = Aᵀ·G` of a linear layer over the rows of a batch, added up in the fixed
//! order of [`super::tree`].
//!
//! A leaf may have only one or two rows, so that computing its product takes less time than writing
//! it to memory and reading it again. Therefore the whole tree is traversed for one register tile
//! of `D` after another: four leaves are added up in registers, and the nodes above them are stored
//! in the L1 cache.

use core::mem::MaybeUninit;

use super::gemm::panels;
use super::tree::{self, MAX_LEAVES, Step};
use super::vector::Vector;
use super::{Kernels, NR};

/// Number of leaves that are added up in registers; they form a whole node of the tree.
const QUAD: usize = 4;

/// The largest number of nodes of a tree that are stored at a time.
const HELD: usize = (MAX_LEAVES / QUAD).ilog2() as usize + 1;

/// Arguments `(starts of leaves, (a, its row step), depth, panels of g, columns, panels of d)`; the
/// lengths were checked.
pub(super) type TreedFn = fn(&[usize], (&[f32], usize), usize, &[f32], usize, &mut [f32]);

impl Kernels {
    /// Computes `D[k][j] = Σ_p A[p][k] · G[p][j]`, adding each leaf's rows one after another and
    /// the leaves in the order of the tree. Leaf `i` has the rows `starts[i]` to `starts[i + 1]`,
    /// at least one; row `p` of `A` has `depth` elements from `p * step` on; `g` is a (rows,
    /// columns) matrix in panels, `d` a (depth, columns) one in panels.
    ///
    /// # Panics
    /// Panics if a slice is shorter than the shapes require, a leaf is empty, or there are no
    /// leaves or more than [`MAX_LEAVES`].
    pub fn transposed_in_tree(
        &self,
        starts: &[usize],
        (a, step): (&[f32], usize),
        depth: usize,
        g: &[f32],
        columns: usize,
        d: &mut [f32],
    ) {
        assert!(
            (2..=MAX_LEAVES + 1).contains(&starts.len()) && starts[0] == 0,
            "no leaves, or too many"
        );
        assert!(starts.is_sorted_by(|a, b| a < b), "a leaf is empty");
        let rows = starts[starts.len() - 1];
        let span = (rows - 1).checked_mul(step).map(|last| last + depth);
        assert!(span.is_some_and(|span| span <= a.len()), "a is too short");
        let of = |rows: usize| panels(columns).checked_mul(rows * NR);
        assert!(of(rows).is_some_and(|n| n <= g.len()), "g is too short");
        assert!(of(depth).is_some_and(|n| n <= d.len()), "d is too short");
        (self.treed)(starts, (a, step), depth, g, columns, d);
    }
}

/// A tile of `D`: `K` depths of a panel, which has `W` registers per row.
type Tile<V, const W: usize, const K: usize> = [[V; W]; K];

/// Returns the sum over the rows `from` to `to`, added one after another.
///
/// # Safety
/// The processor has `V`'s instruction set, and the rows lie within the matrices; the functions
/// below require the same.
#[inline(always)]
unsafe fn leaf<V: Vector, const W: usize, const K: usize>(
    (a, step): (*const f32, usize),
    g: *const f32,
    (from, to): (usize, usize),
) -> Tile<V, W, K> {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let mut tile = [[V::splat(0.0); W]; K];
        for p in from..to {
            let (a, g) = (a.add(p * step), g.add(p * NR));
            let mut row = [V::splat(0.0); W];
            for (w, row) in row.iter_mut().enumerate() {
                *row = V::load(g.add(w * V::LANES));
            }
            for (k, tile) in tile.iter_mut().enumerate() {
                let a = V::splat(*a.add(k));
                for (sum, &g) in tile.iter_mut().zip(&row) {
                    *sum = a.fma(g, *sum);
                }
            }
        }
        tile
    }
}

/// Computes `left += right`.
#[inline(always)]
unsafe fn merge<V: Vector, const W: usize, const K: usize>(
    left: &mut Tile<V, W, K>,
    right: &Tile<V, W, K>,
) {
    for (left, right) in left.iter_mut().zip(right) {
        for (left, &right) in left.iter_mut().zip(right) {
            // SAFETY: guaranteed by the caller.
            *left = unsafe { left.add(right) };
        }
    }
}

/// Returns the sum over at most [`QUAD`] leaves, which begin and end at `starts`.
#[inline(always)]
unsafe fn node<V: Vector, const W: usize, const K: usize>(
    starts: &[usize],
    a: (*const f32, usize),
    g: *const f32,
) -> Tile<V, W, K> {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let leaf = |i: usize| leaf::<V, W, K>(a, g, (starts[i], starts[i + 1]));
        let leaves = starts.len() - 1;
        let mut sum = leaf(0);
        if leaves > 1 {
            merge(&mut sum, &leaf(1));
        }
        if leaves > 2 {
            let mut right = leaf(2);
            if leaves > 3 {
                merge(&mut right, &leaf(3));
            }
            merge(&mut sum, &right);
        }
        sum
    }
}

/// Computes one tile of `D` through the whole tree.
#[inline(always)]
unsafe fn tile<V: Vector, const W: usize, const K: usize>(
    starts: &[usize],
    a: (*const f32, usize),
    g: *const f32,
    d: *mut f32,
) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let leaves = starts.len() - 1;
        let mut held = [const { MaybeUninit::<Tile<V, W, K>>::uninit() }; HELD];
        // Whole nodes of four leaves are the leaves of another tree.
        for step in tree::steps(leaves.div_ceil(QUAD)) {
            match step {
                Step::Leaf { leaf: quad, to } => {
                    let first = quad * QUAD;
                    let last = leaves.min(first + QUAD);
                    held[to].write(node(&starts[first..=last], a, g));
                }
                Step::Merge { into } => {
                    // The steps have written both.
                    let right = held[into + 1].assume_init();
                    merge(held[into].assume_init_mut(), &right);
                }
            }
        }
        for (k, row) in held[0].assume_init_ref().iter().enumerate() {
            for (w, &sum) in row.iter().enumerate() {
                sum.store(d.add(k * NR + w * V::LANES));
            }
        }
    }
}

/// # Safety
/// The processor has `V`'s instruction set, `W` of its registers make a panel, and the slices have
/// the lengths that [`Kernels::transposed_in_tree`] asserts.
#[inline(always)]
pub(super) unsafe fn transposed<V: Vector, const W: usize, const K: usize>(
    starts: &[usize],
    (a, step): (&[f32], usize),
    depth: usize,
    g: &[f32],
    columns: usize,
    d: &mut [f32],
) {
    let rows = starts[starts.len() - 1];
    for panel in 0..panels(columns) {
        let mut k = 0;
        while k < depth {
            // SAFETY: depths k to k + K, or k alone, lie within the slices.
            unsafe {
                let a = (a.as_ptr().add(k), step);
                let g = g.as_ptr().add(panel * rows * NR);
                let d = d.as_mut_ptr().add((panel * depth + k) * NR);
                if k + K <= depth {
                    tile::<V, W, K>(starts, a, g, d);
                    k += K;
                } else {
                    tile::<V, W, 1>(starts, a, g, d);
                    k += 1;
                }
            }
        }
    }
}

/// Compiles the function for one instruction set, from its features, its register, and the depths
/// of a tile.
macro_rules! function {
    ($features:tt, $vector:ty, $depths:literal) => {{
        const WIDTH: usize =
            $crate::kernels::NR / <$vector as $crate::kernels::vector::Vector>::LANES;

        $crate::kernels::compile::compiled! { $features
            fn treed(
                starts: &[usize],
                a: (&[f32], usize),
                depth: usize,
                g: &[f32],
                columns: usize,
                d: &mut [f32],
            ) = $crate::kernels::treed::transposed::<$vector, WIDTH, $depths>;
        }
        treed
    }};
}
pub(super) use function;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;
    use crate::kernels::gemm::{pack_panels, panel_len};

    /// Returns numbers whose sums depend on the order of addition.
    fn numbers(len: usize) -> Vec<f32> {
        (0..len)
            .map(|i| ((i * 7919 + len) % 1013) as f32 / 1013.0 - 0.5)
            .collect()
    }

    /// Returns the tree sum over the sums of the leaves, by definition.
    fn by_definition(starts: &[usize], of: impl Fn(usize) -> f32) -> f32 {
        let leaf = |pair: &[usize]| (pair[0]..pair[1]).map(&of).fold(0.0f32, |a, b| a + b);
        let mut nodes: Vec<f32> = starts.windows(2).map(leaf).collect();
        while nodes.len() > 1 {
            nodes = nodes
                .chunks(2)
                .map(|pair| pair[1..].iter().fold(pair[0], |a, b| a + b))
                .collect();
        }
        nodes[0]
    }

    #[test]
    fn every_instruction_set_adds_up_in_the_tree() {
        let depths_and_columns = [(1, 1), (7, 16), (9, 17), (16, 33), (112, 10)];
        for leaves in 1..=MAX_LEAVES {
            let (depth, columns) = depths_and_columns[leaves % depths_and_columns.len()];
            // Leaves have one, two and three rows.
            let starts: Vec<usize> = (0..=leaves).map(|i| i * 2 + i % 2).collect();
            let (rows, step) = (starts[leaves], depth + 3);
            let a = numbers(rows * step);
            // The gradients are powers of two: the product is exact, so a fused multiply-add rounds
            // as two operations do.
            let g: Vec<f32> = (0..rows * columns)
                .map(|i| [0.5f32, -1.0, 2.0, -4.0, 0.25][(i * 31 + leaves) % 5])
                .collect();
            let mut panels = vec![0.0; panel_len(rows, columns)];
            pack_panels(rows, columns, &g, (columns, 1), &mut panels);
            for isa in Isa::available() {
                let kernels = isa.kernels().unwrap();
                let mut d = vec![f32::NAN; panel_len(depth, columns)];
                kernels.transposed_in_tree(&starts, (&a, step), depth, &panels, columns, &mut d);
                for (k, j) in (0..depth).flat_map(|k| (0..columns).map(move |j| (k, j))) {
                    let of = |p: usize| a[p * step + k] * g[p * columns + j];
                    let got = d[(j / NR * depth + k) * NR + j % NR];
                    let want = by_definition(&starts, of);
                    assert_eq!(got, want, "{isa:?}, {leaves} leaves, ({k}, {j})");
                }
            }
        }
    }
}
