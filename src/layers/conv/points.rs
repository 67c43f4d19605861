//! Weights and their gradients at the points of Winograd's algorithm, on all threads: each panel
//! of output channels is transformed alone.

use rayon::prelude::*;

use crate::kernels::winograd::Winograd;
use crate::kernels::{Kernels, NR};

/// Transforms weights out of the panels of the direct product.
pub(super) fn of_weights(kernels: &Kernels, shape: &Winograd, panels: &[f32], points: &mut [f32]) {
    let [of_panel, of_points] = lengths(shape);
    let work = panels.par_chunks_exact(of_panel);
    let work = work.zip(points.par_chunks_exact_mut(of_points));
    let shape = shape.part(1, NR, 1);
    work.for_each(|(from, to)| kernels.winograd_weights(&shape, from, to));
}

/// Transforms the gradient at the points into the panels of the direct product.
pub(super) fn to_weight_grad(
    kernels: &Kernels,
    shape: &Winograd,
    points: &[f32],
    panels: &mut [f32],
) {
    let [of_panel, of_points] = lengths(shape);
    let work = panels.par_chunks_exact_mut(of_panel);
    let work = work.zip(points.par_chunks_exact(of_points));
    let shape = shape.part(1, NR, 1);
    work.for_each(|(to, from)| kernels.winograd_weight_grad(&shape, from, to));
}

/// Numbers of a panel of the direct product, and of one at the points.
fn lengths(shape: &Winograd) -> [usize; 2] {
    let part = shape.part(1, NR, 1);
    [part.panels_len(), part.weights_len()]
}
