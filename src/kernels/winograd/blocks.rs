//! Winograd's algorithm over whole images: transforms of blocks of tiles, and matrix products at
//! the points.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use core::ops::Range;

use super::lines::{Data, EightPoints, Halves, Lines, SixPoints};
use super::transform::{RUN, data_run, down_tile, up_tile};
use super::{BLOCK_BYTES, Form, GRAD_BLOCK_BYTES, Winograd};
use crate::kernels::NR;
use crate::kernels::gemm::{Store, panels};
use crate::kernels::small;
use crate::kernels::tile::Micro;
use crate::kernels::vector::Vector;

/// Calls `$f::<V, D, A, ND, KD, NA, KA>` for the forms D and A of the transforms down and across,
/// of ND and NA points, and the numbers KD and KA of what is transformed: the inputs of a tile, its
/// taps or its outputs.
macro_rules! by_form {
    ($shape:expr, inputs, $f:ident::<$v:ty>($($arg:expr),*)) => {
        match $shape.form {
            Form::Three => $f::<$v, SixPoints, SixPoints, 6, 6, 6, 6>($($arg),*),
            Form::Five => $f::<$v, SixPoints, EightPoints, 6, 6, 8, 8>($($arg),*),
            Form::Strided => $f::<$v, Halves, Halves, 5, 5, 5, 5>($($arg),*),
            Form::Spread => $f::<$v, Halves, Halves, 5, 3, 5, 3>($($arg),*),
        }
    };
    ($shape:expr, taps, $f:ident::<$v:ty>($($arg:expr),*)) => {
        match $shape.form {
            Form::Three => $f::<$v, SixPoints, SixPoints, 6, 3, 6, 3>($($arg),*),
            Form::Five => $f::<$v, SixPoints, EightPoints, 6, 5, 8, 5>($($arg),*),
            Form::Strided | Form::Spread => $f::<$v, Halves, Halves, 5, 3, 5, 3>($($arg),*),
        }
    };
    ($shape:expr, outputs, $f:ident::<$v:ty>($($arg:expr),*)) => {
        match $shape.form {
            Form::Three => $f::<$v, SixPoints, SixPoints, 6, 4, 6, 4>($($arg),*),
            Form::Five => $f::<$v, SixPoints, EightPoints, 6, 2, 8, 4>($($arg),*),
            Form::Strided => $f::<$v, Halves, Halves, 5, 2, 5, 2>($($arg),*),
            Form::Spread => $f::<$v, Halves, Halves, 5, 4, 5, 4>($($arg),*),
        }
    };
}

/// # Safety
/// The processor has the instruction set, and the slices have the lengths that the methods of
/// [`Kernels`](crate::kernels::Kernels) assert.
#[inline(always)]
pub(in crate::kernels) unsafe fn weights<V: Vector>(
    shape: &Winograd,
    from: &[f32],
    to: &mut [f32],
) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        by_form!(
            shape,
            taps,
            weights_of::<V>(shape, from.as_ptr(), to.as_mut_ptr())
        )
    }
}

#[inline(always)]
unsafe fn weights_of<
    V: Vector,
    D: Lines<ND, KD>,
    A: Lines<NA, KA>,
    const ND: usize,
    const KD: usize,
    const NA: usize,
    const KA: usize,
>(
    shape: &Winograd,
    from: *const f32,
    to: *mut f32,
) {
    let c = shape.inputs;
    for panel in 0..panels(shape.outputs) {
        for i in 0..c {
            for lane in (0..NR).step_by(V::LANES) {
                // SAFETY: the indices stay below the lengths of the panels.
                unsafe {
                    let from = from.add((panel * KD * KA * c + i) * NR + lane);
                    let mut g = [[V::splat(0.0); KA]; KD];
                    for u in 0..KD {
                        for v in 0..KA {
                            g[u][v] = V::load(from.add((u * KA + v) * c * NR));
                        }
                    }
                    let to = to.add((panel * ND * NA * c + i) * NR + lane);
                    up_tile::<V, D, A, ND, KD, NA, KA>(&g, to, c * NR);
                }
            }
        }
    }
}

/// # Safety
/// As for [`weights`].
#[inline(always)]
pub(in crate::kernels) unsafe fn weight_grad<V: Vector>(
    shape: &Winograd,
    from: &[f32],
    to: &mut [f32],
) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        by_form!(
            shape,
            taps,
            weight_grad_of::<V>(shape, from.as_ptr(), to.as_mut_ptr())
        )
    }
}

#[inline(always)]
unsafe fn weight_grad_of<
    V: Vector,
    D: Lines<ND, KD>,
    A: Lines<NA, KA>,
    const ND: usize,
    const KD: usize,
    const NA: usize,
    const KA: usize,
>(
    shape: &Winograd,
    from: *const f32,
    to: *mut f32,
) {
    let c = shape.inputs;
    for panel in 0..panels(shape.outputs) {
        for i in 0..c {
            for lane in (0..NR).step_by(V::LANES) {
                // SAFETY: the indices stay below the lengths of the panels.
                unsafe {
                    let from = from.add((panel * ND * NA * c + i) * NR + lane);
                    let g = down_tile::<V, D, A, ND, KD, NA, KA>(from, c * NR);
                    let to = to.add((panel * KD * KA * c + i) * NR + lane);
                    for u in 0..KD {
                        for v in 0..KA {
                            g[u][v].store(to.add((u * KA + v) * c * NR));
                        }
                    }
                }
            }
        }
    }
}

/// Transforms the inputs of a block of tiles into `v`, stored as (point, tile, channel).
///
/// # Safety
/// As for [`weights`].
#[inline(always)]
unsafe fn data_block<
    V: Vector,
    D: Data<ND, KD>,
    A: Data<NA, KA>,
    const ND: usize,
    const KD: usize,
    const NA: usize,
    const KA: usize,
>(
    shape: &Winograd,
    image: *const f32,
    (first, count): (usize, usize),
    v: *mut f32,
) {
    let (c, (m, n)) = (shape.inputs, shape.form.step());
    let (row, step) = (shape.bordered().1 * c, shape.image_step());
    let (down, across) = shape.tiles();
    let mut t = 0;
    while t < count {
        let (i, j) = ((first + t) / across, (first + t) % across);
        let run = RUN.min(across - j).min(count - t);
        for lane in (0..c).step_by(V::LANES) {
            // SAFETY: the tiles lie within the bordered image, their transforms
            // within the block.
            unsafe {
                let image = image.add(i / down * step);
                let from = image.add(i % down * m * row + j * n * c + lane);
                let to = v.add(t * c + lane);
                data_run::<V, D, A, ND, KD, NA, KA>(from, (row, c), (run, n), to, (c, count * c));
            }
        }
        t += run;
    }
}

/// Panels side by side whose products at a point are computed together.
struct Group {
    first: usize,
    panels: usize,
    /// The first panel of the round.
    round: usize,
}

impl Group {
    /// Where the products, or the transformed gradients, of a point begin: the groups lie one
    /// behind the other, each as (point, tile, column).
    #[inline(always)]
    fn start(&self, point: usize, (points, tiles): (usize, usize)) -> usize {
        ((self.first - self.round) * points + self.panels * point) * tiles * NR
    }
}

/// Cuts the panels of a round into groups as wide as the tiles of the instruction set.
#[inline(always)]
fn groups<T: Micro>(round: &Range<usize>) -> impl Iterator<Item = Group> + use<T> {
    let (first, end) = (round.start, round.end);
    (first..end).step_by(T::PANELS).map(move |at| Group {
        first: at,
        panels: T::PANELS.min(end - at),
        round: first,
    })
}

/// # Safety
/// As for [`weights`].
#[inline(always)]
pub(in crate::kernels) unsafe fn product<V: Vector, T: Micro>(
    shape: &Winograd,
    image: &[f32],
    weights: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
    store: Store,
    scratch: &mut [f32],
) {
    let (c, step, points) = (shape.inputs, shape.panel_step(), shape.points());
    let (v, m) = scratch.split_at_mut(points * shape.block(BLOCK_BYTES) * c);
    for (first, count) in shape.blocks(BLOCK_BYTES) {
        // SAFETY: the block's tiles lie within the image, the transforms within
        // the scratch memory, the panels within the weights.
        unsafe {
            let (image, to) = (image.as_ptr(), v.as_mut_ptr());
            by_form!(
                shape,
                inputs,
                data_block::<V>(shape, image, (first, count), to)
            );
            for some in shape.rounds() {
                // A point after the other: its inputs stay near for all of the panels.
                for point in 0..points {
                    for group in groups::<T>(&some) {
                        let weights = weights.as_ptr();
                        small::product::<T>(
                            (count, c, group.panels),
                            v.as_ptr().add(point * count * c),
                            (weights.add((group.first * points + point) * c * NR), step),
                            m.as_mut_ptr().add(group.start(point, (points, count))),
                        );
                    }
                }
                for group in groups::<T>(&some) {
                    for panel in 0..group.panels {
                        let column = (group.first + panel) * NR;
                        let mut padded = [0.0; NR];
                        if let Some(bias) = bias {
                            padded.copy_from_slice(&bias[column..][..NR]);
                        }
                        let m = m.as_ptr().add(group.start(0, (points, count)) + panel * NR);
                        let m = (m, group.panels * NR);
                        let y = y.as_mut_ptr().add(column);
                        by_form!(
                            shape,
                            outputs,
                            output_block::<V>(shape, (first, count), m, &padded, y, store)
                        );
                    }
                }
            }
        }
    }
}

/// Transforms the products `m` of one panel over a block of tiles, which are `row` numbers apart,
/// into outputs.
///
/// # Safety
/// As for [`weights`].
#[inline(always)]
unsafe fn output_block<
    V: Vector,
    D: Lines<ND, KD>,
    A: Lines<NA, KA>,
    const ND: usize,
    const KD: usize,
    const NA: usize,
    const KA: usize,
>(
    shape: &Winograd,
    (first, count): (usize, usize),
    (m, row): (*const f32, usize),
    bias: &[f32; NR],
    y: *mut f32,
    store: Store,
) {
    let (down, across) = shape.tiles();
    let image = shape.height * shape.width * shape.outputs;
    // The image, and the tile's row and column in it.
    let mut n = first / (down * across);
    let (mut i, mut j) = (first / across % down, first % across);
    for t in 0..count {
        let rows = KD.min(shape.height - i * KD);
        let cols = KA.min(shape.width - j * KA);
        let whole = rows == KD && cols == KA;
        for lane in (0..NR).step_by(V::LANES) {
            // SAFETY: the tile's rows and columns lie within the output.
            unsafe {
                let tile = down_tile::<V, D, A, ND, KD, NA, KA>(m.add(t * row + lane), count * row);
                let bias = V::load(bias.as_ptr().add(lane));
                let corner =
                    y.add(n * image + (i * KD * shape.width + j * KA) * shape.outputs + lane);
                // The compiler makes a loop without conditions of whole tiles.
                for a in 0..KD {
                    for b in 0..KA {
                        if whole || (a < rows && b < cols) {
                            let to = corner.add((a * shape.width + b) * shape.outputs);
                            let mut sum = tile[a][b].add(bias);
                            if store == Store::Add {
                                sum = sum.add(V::load(to));
                            }
                            sum.store(to);
                        }
                    }
                }
            }
        }
        j += 1;
        if j == across {
            (i, j) = (i + 1, 0);
        }
        if i == down {
            (n, i) = (n + 1, 0);
        }
    }
}

/// # Safety
/// As for [`weights`].
#[inline(always)]
pub(in crate::kernels) unsafe fn transposed<V: Vector, T: Micro>(
    shape: &Winograd,
    image: &[f32],
    g: &[f32],
    (d, store): (&mut [f32], Store),
    scratch: &mut [f32],
) {
    let (c, step, points) = (shape.inputs, shape.panel_step(), shape.points());
    let (v, q) = scratch.split_at_mut(points * shape.block(GRAD_BLOCK_BYTES) * c);
    for (first, count) in shape.blocks(GRAD_BLOCK_BYTES) {
        // SAFETY: as in `product`.
        unsafe {
            let (image, to) = (image.as_ptr(), v.as_mut_ptr());
            by_form!(
                shape,
                inputs,
                data_block::<V>(shape, image, (first, count), to)
            );
            for some in shape.rounds() {
                for group in groups::<T>(&some) {
                    for panel in 0..group.panels {
                        let g = g.as_ptr().add((group.first + panel) * NR);
                        let q = q
                            .as_mut_ptr()
                            .add(group.start(0, (points, count)) + panel * NR);
                        let q = (q, group.panels * NR);
                        by_form!(shape, outputs, grad_block::<V>(shape, (first, count), g, q));
                    }
                }
                for point in 0..points {
                    for group in groups::<T>(&some) {
                        let d = d.as_mut_ptr();
                        small::transposed::<T>(
                            (count, c, group.panels),
                            v.as_ptr().add(point * count * c),
                            q.as_ptr().add(group.start(point, (points, count))),
                            (d.add((group.first * points + point) * c * NR), step),
                            if first == 0 { store } else { Store::Add },
                        );
                    }
                }
            }
        }
    }
}

/// Transforms one panel of the output gradients of a block of tiles into `q`, stored as (point,
/// tile, channel), with the tiles `row` numbers apart.
///
/// # Safety
/// As for [`weights`].
#[inline(always)]
unsafe fn grad_block<
    V: Vector,
    D: Lines<ND, KD>,
    A: Lines<NA, KA>,
    const ND: usize,
    const KD: usize,
    const NA: usize,
    const KA: usize,
>(
    shape: &Winograd,
    (first, count): (usize, usize),
    g: *const f32,
    (q, row): (*mut f32, usize),
) {
    let (down, across) = shape.tiles();
    let image = shape.height * shape.width * shape.outputs;
    // The image, and the tile's row and column in it.
    let mut n = first / (down * across);
    let (mut i, mut j) = (first / across % down, first % across);
    for t in 0..count {
        let rows = KD.min(shape.height - i * KD);
        let cols = KA.min(shape.width - j * KA);
        for lane in (0..NR).step_by(V::LANES) {
            // SAFETY: what lies within the output is read; beyond it are zeros.
            unsafe {
                let corner =
                    g.add(n * image + (i * KD * shape.width + j * KA) * shape.outputs + lane);
                let mut tile = [[V::splat(0.0); KA]; KD];
                for a in 0..KD {
                    for b in 0..KA {
                        if a < rows && b < cols {
                            tile[a][b] = V::load(corner.add((a * shape.width + b) * shape.outputs));
                        }
                    }
                }
                up_tile::<V, D, A, ND, KD, NA, KA>(&tile, q.add(t * row + lane), count * row);
            }
        }
        j += 1;
        if j == across {
            (i, j) = (i + 1, 0);
        }
        if i == down {
            (n, i) = (n + 1, 0);
        }
    }
}
