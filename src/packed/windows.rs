//! Pooling of images stored as (height, width, channel), and flattening to PyTorch's order.

use alloc::vec::Vec;

use crate::tensor::Shape;

/// Takes the largest number of each window, or the smallest for channels in which `least` is set;
/// the result is stored as (height, width, channel).
pub(super) fn pool_ints(
    x: &[i32],
    shape: Shape,
    (kernel, stride): (usize, usize),
    least: &[bool],
    y: &mut Vec<i32>,
) {
    y.clear();
    for_windows(shape, ((kernel, kernel), stride), |corner, c| {
        y.push(extreme(x, shape, kernel, (corner, c), least[c]));
    });
}

/// Takes the largest number of each window; a NaN counts as larger than all numbers.
pub(super) fn max_pool(
    x: &[f32],
    shape: Shape,
    (kernel, stride): (usize, usize),
    y: &mut Vec<f32>,
) {
    y.clear();
    for_windows(shape, ((kernel, kernel), stride), |corner, c| {
        let mut best = x[corner * shape.channels + c];
        for k in 0..kernel * kernel {
            let pixel = corner + k / kernel * shape.width + k % kernel;
            let x = x[pixel * shape.channels + c];
            best = if x > best || x.is_nan() { x } else { best };
        }
        y.push(best);
    });
}

/// Returns the largest number of a channel in a window, or the smallest.
pub(super) fn extreme(
    x: &[i32],
    shape: Shape,
    kernel: usize,
    (corner, c): (usize, usize),
    least: bool,
) -> i32 {
    let mut best = x[corner * shape.channels + c];
    for k in 0..kernel * kernel {
        let pixel = corner + k / kernel * shape.width + k % kernel;
        let x = x[pixel * shape.channels + c];
        best = if least { best.min(x) } else { best.max(x) };
    }
    best
}

/// Calls `f(index of the window's first pixel, channel)` for each window and channel.
pub(super) fn for_windows(
    shape: Shape,
    ((height, width), stride): ((usize, usize), usize),
    mut f: impl FnMut(usize, usize),
) {
    for y in 0..(shape.height - height) / stride + 1 {
        for x in 0..(shape.width - width) / stride + 1 {
            for c in 0..shape.channels {
                f((y * shape.width + x) * stride, c);
            }
        }
    }
}

/// Adds up the numbers of each window, channel by channel, row by row from zero.
pub(super) fn add_windows<T: Copy + Default + core::ops::AddAssign>(
    x: &[T],
    shape: Shape,
    ((height, width), stride): ((usize, usize), usize),
    y: &mut [T],
) {
    let c = shape.channels;
    let columns = (shape.width - width) / stride + 1;
    for (p, y) in y.chunks_exact_mut(c).enumerate() {
        let corner = (p / columns * shape.width + p % columns) * stride;
        y.fill(T::default());
        for row in 0..height {
            let from = (corner + row * shape.width) * c;
            for x in x[from..][..width * c].chunks_exact(c) {
                for (y, &x) in y.iter_mut().zip(x) {
                    *y += x;
                }
            }
        }
    }
}

/// Writes the numbers of an image in the order (channel, height, width).
pub(super) fn flatten<T: Copy>(x: &[T], shape: Shape, y: &mut [T]) {
    for (p, x) in x
        .chunks_exact(shape.channels)
        .take(shape.pixels())
        .enumerate()
    {
        for (c, &x) in x.iter().enumerate() {
            y[c * shape.pixels() + p] = x;
        }
    }
}
