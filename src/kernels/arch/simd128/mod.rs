//! SIMD of WebAssembly, registers of 128 bits, for inference. A module either has these
//! instructions or lacks them as a whole, so there is nothing to detect: they are those that it was
//! compiled with.
//!
//! Training has the scalar kernels. Floats are neither fused nor summed in another order than there,
//! so the bits are the scalar ones.

mod packed;
mod vector;

use core::arch::wasm32::*;

use super::scalar::{self, Plain};
use super::{Isa, table};
use crate::kernels::gemm::{Patches, Store, panels};
use crate::kernels::{Kernels, NR};

pub(super) static KERNELS: Kernels = table!(
    Isa::Simd128, [], f32, Plain, 1,
    products: Products { product, transposed: scalar::transposed },
    packed: packed::PACKED,
    limits: scalar::KERNELS.limits
);

/// Registers of a panel.
const WIDTH: usize = NR / 4;

fn product(
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
            let sum = one_panel(patches, &a[start..], b);
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

/// The product of a patch, the first of `a`, with a panel.
fn one_panel(patches: &Patches, a: &[f32], b: &[f32]) -> [f32; NR] {
    let mut sum = [f32x4_splat(0.0); WIDTH];
    for r in 0..patches.runs {
        let run = &a[r * patches.run_step..][..patches.run_len];
        let b = &b[r * patches.run_len * NR..][..patches.run_len * NR];
        for (&a, b) in run.iter().zip(b.chunks_exact(NR)) {
            let a = f32x4_splat(a);
            for (v, sum) in sum.iter_mut().enumerate() {
                // SAFETY: a chunk has NR numbers.
                let b = unsafe { v128_load(b.as_ptr().add(4 * v).cast()) };
                *sum = f32x4_add(*sum, f32x4_mul(a, b));
            }
        }
    }
    let mut out = [0.0; NR];
    for (v, sum) in sum.into_iter().enumerate() {
        // SAFETY: there are NR numbers.
        unsafe { v128_store(out.as_mut_ptr().add(4 * v).cast(), sum) };
    }
    out
}
