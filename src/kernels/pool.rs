//! Max-pooling over images stored as (height, width, channel): the bodies of two functions of
//! [`super::Elementwise`].
//!
//! The common 2 x 2 window over multiples of 8 channels has its own body, in straight-line code
//! over arrays of 8, which the compiler vectorises; the general body is about four times slower.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use super::prefetch::fetch;

/// The shape of a max-pooling over one image stored as (height, width, channel), without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Height of the input.
    pub height: usize,
    /// Width of the input.
    pub width: usize,
    /// Number of channels.
    pub channels: usize,
    /// (height, width) of the window; at most 16 each, so that the index of a pixel in its window
    /// fits a byte.
    pub kernel: (usize, usize),
    /// Distance between neighbouring windows in pixels, as (down, across).
    pub stride: (usize, usize),
}

impl Pool {
    /// Returns whether [`super::Elementwise::norm_max_pool`] supports this pooling: 2 x 2 windows
    /// with stride 2 and a multiple of 8 channels.
    pub fn fuses(&self) -> bool {
        is_common(self) && self.stride == (2, 2)
    }

    /// Returns the output (height, width).
    pub fn output(&self) -> (usize, usize) {
        (
            (self.height - self.kernel.0) / self.stride.0 + 1,
            (self.width - self.kernel.1) / self.stride.1 + 1,
        )
    }
}

/// Calls `f(index, top left pixel)` for each window.
#[inline(always)]
fn for_each_window(pool: &Pool, mut f: impl FnMut(usize, usize)) {
    let (height, width) = pool.output();
    for oy in 0..height {
        for ox in 0..width {
            let corner = oy * pool.stride.0 * pool.width + ox * pool.stride.1;
            f(oy * width + ox, corner);
        }
    }
}

/// Returns whether the body for 2 x 2 windows and multiples of 8 channels applies.
#[inline(always)]
fn is_common(pool: &Pool) -> bool {
    pool.kernel == (2, 2) && pool.channels.is_multiple_of(8)
}

#[inline(always)]
pub(super) fn max_pool_of(pool: &Pool, x: &[f32], y: &mut [f32], index: &mut [u8]) {
    if is_common(pool) {
        max_pool_2x2(pool, x, y, index);
    } else {
        max_pool_any(pool, x, y, index);
    }
}

#[inline(always)]
pub(super) fn max_pool_grad_of(pool: &Pool, dy: &[f32], index: &[u8], dx: &mut [f32]) {
    if is_common(pool) {
        max_pool_grad_2x2(pool, dy, index, dx);
    } else {
        max_pool_grad_any(pool, dy, index, dx);
    }
}

#[inline(always)]
fn max_pool_2x2(pool: &Pool, x: &[f32], y: &mut [f32], index: &mut [u8]) {
    let c = pool.channels;
    let (height, width) = pool.output();
    let row = pool.width * c;
    for oy in 0..height {
        let (top, bottom) = x[oy * pool.stride.0 * row..][..2 * row].split_at(row);
        for ox in 0..width {
            let out = (oy * width + ox) * c;
            let y = y[out..][..c].as_chunks_mut::<8>().0;
            let index = index[out..][..c].as_chunks_mut::<8>().0;
            let left = ox * pool.stride.1 * c;
            fetch(&top[left..], pool.stride.0 * row, 2 * c);
            fetch(&bottom[left..], pool.stride.0 * row, 2 * c);
            let (a, b) = two_pixels(&top[left..], c);
            let (d, e) = two_pixels(&bottom[left..], c);
            for (i, (y, index)) in y.iter_mut().zip(index).enumerate() {
                (*y, *index) = max_of_four(&a[i], &b[i], &d[i], &e[i]);
            }
        }
    }
}

/// Returns two neighbouring pixels of `c` channels, in blocks of 8.
#[inline(always)]
pub(super) fn two_pixels(row: &[f32], c: usize) -> (&[[f32; 8]], &[[f32; 8]]) {
    let (left, right) = row[..2 * c].split_at(c);
    (left.as_chunks().0, right.as_chunks().0)
}

/// Returns `x` if all bits of the mask are 1, and `y` if all are 0.
#[inline(always)]
pub(super) fn blend(mask: u32, x: u32, y: u32) -> u32 {
    (x & mask) | (y & !mask)
}

/// Returns maximum and index for a 2 x 2 window, 8 channels at a time.
#[inline(always)]
fn max_of_four(a: &[f32; 8], b: &[f32; 8], c: &[f32; 8], d: &[f32; 8]) -> ([f32; 8], [u8; 8]) {
    let mut best = *a;
    let mut which = [0u32; 8];
    for (k, x) in [(1, b), (2, c), (3, d)] {
        let mut mask = [0u32; 8];
        for i in 0..8 {
            mask[i] = u32::from((x[i] > best[i]) | x[i].is_nan()).wrapping_neg();
        }
        for i in 0..8 {
            best[i] = f32::from_bits(blend(mask[i], x[i].to_bits(), best[i].to_bits()));
        }
        for i in 0..8 {
            which[i] = blend(mask[i], k, which[i]);
        }
    }
    (best, which.map(|k| k as u8))
}

#[inline(always)]
fn max_pool_grad_2x2(pool: &Pool, dy: &[f32], index: &[u8], dx: &mut [f32]) {
    let c = pool.channels;
    let (height, width) = pool.output();
    let row = pool.width * c;
    for oy in 0..height {
        let (top, bottom) = dx[oy * pool.stride.0 * row..][..2 * row].split_at_mut(row);
        for ox in 0..width {
            let out = (oy * width + ox) * c;
            let dy = dy[out..][..c].as_chunks::<8>().0;
            let index = index[out..][..c].as_chunks::<8>().0;
            let left = ox * pool.stride.1 * c;
            let (a, b) = top[left..][..2 * c].split_at_mut(c);
            let (d, e) = bottom[left..][..2 * c].split_at_mut(c);
            let a = a.as_chunks_mut::<8>().0;
            let b = b.as_chunks_mut::<8>().0;
            let d = d.as_chunks_mut::<8>().0;
            let e = e.as_chunks_mut::<8>().0;
            for (i, (dy, index)) in dy.iter().zip(index).enumerate() {
                let which = index.map(u32::from);
                a[i] = add_where(&a[i], dy, &which, 0);
                b[i] = add_where(&b[i], dy, &which, 1);
                d[i] = add_where(&d[i], dy, &which, 2);
                e[i] = add_where(&e[i], dy, &which, 3);
            }
        }
    }
}

/// Returns `dx + dy` for channels whose maximum is at `k`, and `dx + 0` for the others.
#[inline(always)]
fn add_where(dx: &[f32; 8], dy: &[f32; 8], which: &[u32; 8], k: u32) -> [f32; 8] {
    let mut mask = [0u32; 8];
    for i in 0..8 {
        mask[i] = u32::from(which[i] == k).wrapping_neg();
    }
    let mut sum = [0.0; 8];
    for i in 0..8 {
        sum[i] = dx[i] + f32::from_bits(blend(mask[i], dy[i].to_bits(), 0));
    }
    sum
}

/// Number of channels in a block: the index is stored in lanes as wide as those of the maximum, so
/// that one comparison selects both, and is narrowed at the end of the block.
const BLOCK: usize = 64;

#[inline(always)]
fn max_pool_any(pool: &Pool, x: &[f32], y: &mut [f32], index: &mut [u8]) {
    let c = pool.channels;
    for_each_window(pool, |out, corner| {
        let (y, index) = (&mut y[out * c..][..c], &mut index[out * c..][..c]);
        let mut at = corner * c;
        for (y, index) in y.chunks_mut(BLOCK).zip(index.chunks_mut(BLOCK)) {
            let width = y.len();
            let mut which = [0u32; BLOCK];
            let which = &mut which[..width];
            y.copy_from_slice(&x[at..][..width]);
            let mut k = 0;
            for ky in 0..pool.kernel.0 {
                for kx in 0..pool.kernel.1 {
                    let x = &x[at + (ky * pool.width + kx) * c..][..width];
                    // For the first pixel the comparison holds only if it is NaN, and then it
                    // changes nothing.
                    for ((y, which), &x) in y.iter_mut().zip(which.iter_mut()).zip(x) {
                        let wins = (x > *y) | x.is_nan();
                        *y = if wins { x } else { *y };
                        *which = if wins { k } else { *which };
                    }
                    k += 1;
                }
            }
            for (index, &k) in index.iter_mut().zip(which.iter()) {
                *index = k as u8;
            }
            at += BLOCK;
        }
    });
}

#[inline(always)]
fn max_pool_grad_any(pool: &Pool, dy: &[f32], index: &[u8], dx: &mut [f32]) {
    let c = pool.channels;
    for_each_window(pool, |out, corner| {
        let (dy, index) = (&dy[out * c..][..c], &index[out * c..][..c]);
        let mut at = corner * c;
        for (dy, index) in dy.chunks(BLOCK).zip(index.chunks(BLOCK)) {
            let width = dy.len();
            let mut which = [0u32; BLOCK];
            let which = &mut which[..width];
            for (which, &k) in which.iter_mut().zip(index) {
                *which = u32::from(k);
            }
            let mut k = 0;
            for ky in 0..pool.kernel.0 {
                for kx in 0..pool.kernel.1 {
                    let dx = &mut dx[at + (ky * pool.width + kx) * c..][..width];
                    for ((dx, &dy), &which) in dx.iter_mut().zip(dy).zip(which.iter()) {
                        *dx += if which == k { dy } else { 0.0 };
                    }
                    k += 1;
                }
            }
            at += BLOCK;
        }
    });
}
