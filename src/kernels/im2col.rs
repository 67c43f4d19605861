//! The explicit patch matrix (im2col): a reference for [`Patches`], and the form that
//! matrixmultiply needs.

use super::gemm::Patches;

/// Writes the (patches, depth) matrix that `patches` describes over `a` to `out`.
///
/// # Panics
/// Panics if a slice is shorter than the shapes require.
pub fn im2col(patches: &Patches, a: &[f32], out: &mut [f32]) {
    let depth = patches.depth();
    assert!(out.len() >= patches.count() * depth, "out is too short");
    if depth == 0 {
        return;
    }
    for (p, row) in out
        .chunks_exact_mut(depth)
        .take(patches.count())
        .enumerate()
    {
        let start = patches.start(p);
        for (r, run) in row.chunks_exact_mut(patches.run_len).enumerate() {
            run.copy_from_slice(&a[start + r * patches.run_step..][..patches.run_len]);
        }
    }
}
