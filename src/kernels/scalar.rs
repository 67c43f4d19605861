//! The scalar kernels: the specification that the others are tested against.

use super::gemm::{Patches, Store, panels};
use super::{Isa, Kernels, NR, elementwise};

pub(super) static KERNELS: Kernels = Kernels {
    isa: Isa::Scalar,
    ew: elementwise::SCALAR,
    product,
    transposed,
    packed: super::packed::scalar::PACKED,
};

pub(super) fn product(
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

pub(super) fn transposed(patches: &Patches, a: &[f32], g: &[f32], columns: usize, d: &mut [f32]) {
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
