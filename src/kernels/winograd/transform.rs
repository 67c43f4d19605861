//! The transforms of Winograd's algorithm for one tile, in two dimensions, over those of one
//! dimension.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use core::mem::MaybeUninit;

use super::lines::{Data, Lines};
use crate::kernels::vector::Vector;

/// The largest number of tiles in a run.
pub(super) const RUN: usize = 16;
/// The largest width of a run in pixels: 4 per tile, and 2 more.
const ACROSS: usize = 4 * RUN + 2;

/// Transforms the I x I inputs of `count` neighbouring tiles, `m` pixels apart, and writes them
/// point by point; the points of the next tile are `tile` elements further. Columns that
/// neighbouring tiles share are transformed once.
///
/// # Safety
/// The processor has the instruction set; all functions of this file require it. `count` is at most
/// [`RUN`] and `m` at most 4, all inputs are readable and all points writable.
#[inline(always)]
pub(super) unsafe fn data_run<V: Vector, F: Data<N, I>, const N: usize, const I: usize>(
    from: *const f32,
    (row, pixel): (usize, usize),
    (count, m): (usize, usize),
    to: *mut f32,
    (tile, step): (usize, usize),
) {
    let mut columns = [const { MaybeUninit::<[V; N]>::uninit() }; ACROSS];
    let across = (count - 1) * m + I;
    // SAFETY: guaranteed by the caller; the columns that a tile reads are written
    // before, and fewer than `ACROSS`.
    unsafe {
        for (x, column) in columns[..across].iter_mut().enumerate() {
            let mut d = [V::splat(0.0); I];
            for i in 0..I {
                d[i] = V::load(from.add(i * row + x * pixel));
            }
            column.write(F::data(d));
        }
        for t in 0..count {
            let columns = columns.as_ptr().add(t * m).cast::<[V; N]>();
            let to = to.add(t * tile);
            for i in 0..N {
                let mut d = [V::splat(0.0); I];
                for j in 0..I {
                    d[j] = (*columns.add(j))[i];
                }
                let d = F::data(d);
                for j in 0..N {
                    d[j].store(to.add((i * N + j) * step));
                }
            }
        }
    }
}

/// Transforms a K x K block of values by `up` and writes it point by point.
///
/// # Safety
/// As for [`data_run`]; all points are readable and writable.
#[inline(always)]
pub(super) unsafe fn up_tile<V: Vector, F: Lines<N, K>, const N: usize, const K: usize>(
    g: &[[V; K]; K],
    to: *mut f32,
    step: usize,
) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let mut rows = [[V::splat(0.0); N]; K];
        for i in 0..K {
            rows[i] = F::up(g[i]);
        }
        for j in 0..N {
            let mut column = [V::splat(0.0); K];
            for i in 0..K {
                column[i] = rows[i][j];
            }
            let points = F::up(column);
            for i in 0..N {
                points[i].store(to.add((i * N + j) * step));
            }
        }
    }
}

/// Reads N x N points at the distance `step` and transforms them by `down` to K x K values.
///
/// # Safety
/// As for [`data_run`]; all points are readable and writable.
#[inline(always)]
pub(super) unsafe fn down_tile<V: Vector, F: Lines<N, K>, const N: usize, const K: usize>(
    from: *const f32,
    step: usize,
) -> [[V; K]; K] {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let mut columns = [[V::splat(0.0); K]; N];
        for j in 0..N {
            let mut m = [V::splat(0.0); N];
            for i in 0..N {
                m[i] = V::load(from.add((i * N + j) * step));
            }
            columns[j] = F::down(m);
        }
        let mut y = [[V::splat(0.0); K]; K];
        for i in 0..K {
            let mut row = [V::splat(0.0); N];
            for j in 0..N {
                row[j] = columns[j][i];
            }
            y[i] = F::down(row);
        }
        y
    }
}
