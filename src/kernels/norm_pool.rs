//! Batch norm and max-pooling in one pass, for 2 x 2 windows with stride 2 and multiples of 8
//! channels.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use super::pool::{Pool, blend, two_pixels};
use super::prefetch::fetch;

/// Implements [`super::Elementwise::norm_max_pool`].
#[inline(always)]
pub(super) fn norm_max_pool_of(
    pool: &Pool,
    x: &[f32],
    scale: &[f32],
    shift: &[f32],
    y: &mut [f32],
    at: &mut [f32],
) {
    let c = pool.channels;
    let (height, width) = pool.output();
    let row = pool.width * c;
    let (scale, shift) = (scale[..c].as_chunks::<8>().0, shift[..c].as_chunks::<8>().0);
    for oy in 0..height {
        let (top, bottom) = x[oy * 2 * row..][..2 * row].split_at(row);
        for ox in 0..width {
            let out = (oy * width + ox) * c;
            let y = y[out..][..c].as_chunks_mut::<8>().0;
            let at = at[out..][..c].as_chunks_mut::<8>().0;
            fetch(&top[ox * 2 * c..], 2 * row, 2 * c);
            fetch(&bottom[ox * 2 * c..], 2 * row, 2 * c);
            let (a, b) = two_pixels(&top[ox * 2 * c..], c);
            let (d, e) = two_pixels(&bottom[ox * 2 * c..], c);
            for (i, (y, at)) in y.iter_mut().zip(at).enumerate() {
                let (s, t) = (&scale[i], &shift[i]);
                let mut best = affine(&a[i], s, t);
                let mut from = a[i];
                for x in [&b[i], &d[i], &e[i]] {
                    let z = affine(x, s, t);
                    let mut mask = [0u32; 8];
                    for j in 0..8 {
                        mask[j] = u32::from((z[j] > best[j]) | z[j].is_nan()).wrapping_neg();
                    }
                    for j in 0..8 {
                        best[j] = f32::from_bits(blend(mask[j], z[j].to_bits(), best[j].to_bits()));
                    }
                    for j in 0..8 {
                        from[j] = f32::from_bits(blend(mask[j], x[j].to_bits(), from[j].to_bits()));
                    }
                }
                (*y, *at) = (best, from);
            }
        }
    }
}

#[inline(always)]
fn affine(x: &[f32; 8], scale: &[f32; 8], shift: &[f32; 8]) -> [f32; 8] {
    let mut z = [0.0; 8];
    for j in 0..8 {
        z[j] = x[j] * scale[j] + shift[j];
    }
    z
}

/// Implements [`super::Elementwise::norm_max_pool_grad`].
#[inline(always)]
pub(super) fn norm_max_pool_grad_of(
    pool: &Pool,
    x: &[f32],
    (at, dy): (&[f32], &[f32]),
    (a, b, d): (&[f32], &[f32], &[f32]),
    add: bool,
    dx: &mut [f32],
) {
    if add {
        norm_max_pool_grad_to::<true>(pool, x, (at, dy), (a, b, d), dx);
    } else {
        norm_max_pool_grad_to::<false>(pool, x, (at, dy), (a, b, d), dx);
    }
}

#[inline(always)]
fn norm_max_pool_grad_to<const ADD: bool>(
    pool: &Pool,
    x: &[f32],
    (at, dy): (&[f32], &[f32]),
    (a, b, d): (&[f32], &[f32], &[f32]),
    dx: &mut [f32],
) {
    let c = pool.channels;
    let (height, width) = pool.output();
    let row = pool.width * c;
    let (a, b, d) = (
        a[..c].as_chunks::<8>().0,
        b[..c].as_chunks::<8>().0,
        d[..c].as_chunks::<8>().0,
    );
    for oy in 0..height {
        let (top, bottom) = x[oy * 2 * row..][..2 * row].split_at(row);
        let (dtop, dbottom) = dx[oy * 2 * row..][..2 * row].split_at_mut(row);
        for ox in 0..width {
            let out = (oy * width + ox) * c;
            let at = at[out..][..c].as_chunks::<8>().0;
            let dy = dy[out..][..c].as_chunks::<8>().0;
            let left = ox * 2 * c;
            fetch(&top[left..], 2 * row, 2 * c);
            fetch(&bottom[left..], 2 * row, 2 * c);
            let (x0, x1) = two_pixels(&top[left..], c);
            let (x2, x3) = two_pixels(&bottom[left..], c);
            let (d0, d1) = dtop[left..][..2 * c].split_at_mut(c);
            let (d2, d3) = dbottom[left..][..2 * c].split_at_mut(c);
            let (d0, d1) = (d0.as_chunks_mut::<8>().0, d1.as_chunks_mut::<8>().0);
            let (d2, d3) = (d2.as_chunks_mut::<8>().0, d3.as_chunks_mut::<8>().0);
            for (i, (at, dy)) in at.iter().zip(dy).enumerate() {
                let mut g = [0.0; 8];
                for j in 0..8 {
                    g[j] = a[i][j] * dy[j];
                }
                // The first pixel with the maximum gets the gradient; `g` is then set to 0.
                let (b, d) = (&b[i], &d[i]);
                d0[i] = take::<ADD>(&x0[i], at, &mut g, b, d, &d0[i]);
                d1[i] = take::<ADD>(&x1[i], at, &mut g, b, d, &d1[i]);
                d2[i] = take::<ADD>(&x2[i], at, &mut g, b, d, &d2[i]);
                d3[i] = take::<ADD>(&x3[i], at, &mut g, b, d, &d3[i]);
            }
        }
        if pool.width % 2 == 1 {
            let left = row - c;
            dense::<ADD>(&top[left..], b, d, &mut dtop[left..]);
            dense::<ADD>(&bottom[left..], b, d, &mut dbottom[left..]);
        }
    }
    if pool.height % 2 == 1 {
        let rest = height * 2 * row;
        for (x, dx) in x[rest..][..row]
            .chunks_exact(c)
            .zip(dx[rest..].chunks_exact_mut(c))
        {
            dense::<ADD>(x, b, d, dx);
        }
    }
}

/// Returns `(g·[x is the maximum] + b·x) + d` for one pixel, and sets `g` to 0 if the pixel is the
/// maximum.
#[inline(always)]
fn take<const ADD: bool>(
    x: &[f32; 8],
    at: &[f32; 8],
    g: &mut [f32; 8],
    b: &[f32; 8],
    d: &[f32; 8],
    old: &[f32; 8],
) -> [f32; 8] {
    let mut mask = [0u32; 8];
    for j in 0..8 {
        mask[j] = u32::from(x[j] == at[j]).wrapping_neg();
    }
    let mut sum = [0.0; 8];
    for j in 0..8 {
        let taken = f32::from_bits(g[j].to_bits() & mask[j]);
        sum[j] = (taken + b[j] * x[j]) + d[j];
    }
    for j in 0..8 {
        g[j] = f32::from_bits(g[j].to_bits() & !mask[j]);
    }
    if ADD {
        for j in 0..8 {
            sum[j] += old[j];
        }
    }
    sum
}

/// Computes the gradient of a pixel that is in no window.
#[inline(always)]
fn dense<const ADD: bool>(x: &[f32], b: &[[f32; 8]], d: &[[f32; 8]], dx: &mut [f32]) {
    let (x, dx) = (x.as_chunks::<8>().0, dx.as_chunks_mut::<8>().0);
    for (i, (b, d)) in b.iter().zip(d).enumerate() {
        for j in 0..8 {
            let sum = b[j] * x[i][j] + d[j];
            dx[i][j] = if ADD { dx[i][j] + sum } else { sum };
        }
    }
}
