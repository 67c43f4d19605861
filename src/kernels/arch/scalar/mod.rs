//! The scalar kernels, which are the specification of all others.

pub(super) mod limits;
pub(super) mod packed;
#[cfg(feature = "std")]
mod slices;

use super::{Isa, table};
use crate::kernels::dense::{self, DenseTile, DenseTransposedTile};
use crate::kernels::gemm::{Patches, Store, panels};
use crate::kernels::tile::{Micro, ProductTile, TransposedTile};
use crate::kernels::{Kernels, NR};

pub(super) static KERNELS: Kernels = table!(
    Isa::Scalar, [], f32, Plain, 1,
    products: Products { product, transposed },
    packed: packed::PACKED,
    limits: || limits::LOOPS
);

pub(in crate::kernels) fn product(
    patches: &Patches,
    a: &[f32],
    b: &[f32],
    columns: usize,
    bias: Option<&[f32]>,
    c: &mut [f32],
    store: Store,
) {
    let depth = patches.depth();
    for p in 0..patches.count() {
        let start = patches.start(p);
        for panel in 0..panels(columns) {
            let b = &b[panel * depth * NR..][..depth * NR];
            let mut sum = [0.0f32; NR];
            for r in 0..patches.runs {
                let run = &a[start + r * patches.run_step..][..patches.run_len];
                let b = &b[r * patches.run_len * NR..][..patches.run_len * NR];
                for (&a, b) in run.iter().zip(b.chunks_exact(NR)) {
                    for (sum, &b) in sum.iter_mut().zip(b) {
                        *sum += a * b;
                    }
                }
            }
            let first = panel * NR;
            let width = NR.min(columns - first);
            let c = &mut c[p * columns + first..][..width];
            for (j, (c, &sum)) in c.iter_mut().zip(&sum).enumerate() {
                let old = if store == Store::Add { *c } else { 0.0 };
                *c = sum + bias.map_or(0.0, |bias| bias[first + j]) + old;
            }
        }
    }
}

pub(in crate::kernels) fn transposed(
    patches: &Patches,
    a: &[f32],
    g: &[f32],
    columns: usize,
    d: &mut [f32],
) {
    let depth = patches.depth();
    for p in 0..patches.count() {
        let start = patches.start(p);
        for panel in 0..panels(columns) {
            let first = panel * NR;
            let width = NR.min(columns - first);
            let g = &g[p * columns + first..][..width];
            let d = &mut d[panel * depth * NR..][..depth * NR];
            for r in 0..patches.runs {
                let run = &a[start + r * patches.run_step..][..patches.run_len];
                let d = &mut d[r * patches.run_len * NR..][..patches.run_len * NR];
                for (&a, d) in run.iter().zip(d.chunks_exact_mut(NR)) {
                    for (d, &g) in d.iter_mut().zip(g) {
                        *d += a * g;
                    }
                }
            }
        }
    }
}

/// Register tiles in plain Rust, for the loops around tiles.
pub(super) struct Plain;

impl Micro for Plain {
    const PANELS: usize = 1;

    fn rows(_width: usize) -> usize {
        4
    }

    unsafe fn product(rows: usize, t: &ProductTile) {
        for i in 0..rows {
            // SAFETY: the tile's addresses are valid for its rows, runs and width.
            unsafe {
                let mut sum = [0.0f32; NR];
                let mut b = t.b;
                for run in 0..t.runs {
                    for k in 0..t.run_len {
                        let a = *t.a[i].add(run * t.run_step + k);
                        for (j, sum) in sum[..t.width].iter_mut().enumerate() {
                            *sum += a * *b.add(j);
                        }
                        b = b.wrapping_add(NR);
                    }
                }
                for (j, sum) in sum[..t.width].iter().enumerate() {
                    let c = t.c.add(i * t.c_step + j);
                    let old = if t.add { *c } else { 0.0 };
                    *c = sum + *t.bias.add(j) + old;
                }
            }
        }
    }

    unsafe fn transposed(rows: usize, t: &TransposedTile) {
        for i in 0..rows {
            let mut sum = [0.0f32; NR];
            for p in 0..t.count {
                let p_of_rows = t.col + p;
                let start = p_of_rows / t.cols * t.row_step + p_of_rows % t.cols * t.col_step;
                // SAFETY: the tile's addresses are valid for its patches and width.
                unsafe {
                    let a = *t.a.add(start + t.offsets[i]);
                    for (j, sum) in sum[..t.width].iter_mut().enumerate() {
                        *sum += a * *t.g.add(p * t.g_step + j);
                    }
                }
            }
            for (j, sum) in sum[..t.width].iter().enumerate() {
                // SAFETY: the tile's addresses are valid for its patches and width.
                unsafe { *t.d.add(i * NR + j) += sum };
            }
        }
    }

    unsafe fn dense(rows: usize, t: &DenseTile) {
        for i in 0..rows {
            let row = DenseTile {
                a: t.a.wrapping_add(i * t.depth),
                c: t.c.wrapping_add(i * t.width),
                ..*t
            };
            // SAFETY: the tile's addresses are valid for its rows.
            unsafe { dense::dense::<f32, 1, NR>(&row) };
        }
    }

    unsafe fn dense_transposed(rows: usize, t: &DenseTransposedTile) {
        for i in 0..rows {
            let row = DenseTransposedTile {
                a: t.a.wrapping_add(i),
                d: t.d.wrapping_add(i * NR),
                ..*t
            };
            // SAFETY: the tile's addresses are valid for its rows.
            unsafe { dense::dense_transposed::<f32, 1, NR>(&row) };
        }
    }
}
