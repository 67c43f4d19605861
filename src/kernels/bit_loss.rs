//! The difference in the loss that each bit below a linear layer makes.

use super::math::exp;

/// Number of units that are processed together.
const BLOCK: usize = 64;

/// Returns the cross-entropy `log Σ_j exp(z_j) - z_label` of one row.
fn loss(z: &[f32], label: usize) -> f32 {
    let max = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = z.iter().map(|&z| exp(z - max)).sum();
    libm::logf(sum) - (z[label] - max)
}

/// Implements [`super::Elementwise::loss_differences`].
#[inline(always)]
pub(super) fn loss_differences_of(z: &[f32], label: usize, h: &[f32], w: &[f32], d: &mut [f32]) {
    let (units, now) = (h.len(), loss(z, label));
    for first in (0..units).step_by(BLOCK) {
        let n = BLOCK.min(units - first);
        // The direction in which each bit would change: +1 if it is 0, -1 if it is 1.
        let mut way = [0.0f32; BLOCK];
        for (way, &h) in way[..n].iter_mut().zip(&h[first..]) {
            *way = 1.0 - 2.0 * h;
        }
        let (mut max, mut sum) = ([f32::NEG_INFINITY; BLOCK], [0.0f32; BLOCK]);
        for (j, &z) in z.iter().enumerate() {
            let w = &w[j * units + first..][..n];
            for k in 0..n {
                let z = z + way[k] * w[k];
                max[k] = if z > max[k] { z } else { max[k] };
            }
        }
        for (j, &z) in z.iter().enumerate() {
            let w = &w[j * units + first..][..n];
            for k in 0..n {
                sum[k] += exp((z + way[k] * w[k]) - max[k]);
            }
        }
        let w = &w[label * units + first..][..n];
        for k in 0..n {
            let other = libm::logf(sum[k]) - ((z[label] + way[k] * w[k]) - max[k]);
            d[first + k] = way[k] * (other - now);
        }
    }
}
