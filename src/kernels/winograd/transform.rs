//! The transforms of Winograd's algorithm for one tile, in two dimensions, over those of one
//! dimension.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use core::hint::black_box;
use core::mem::MaybeUninit;

use super::lines::{Data, Lines};
use crate::kernels::vector::Vector;

/// The largest number of tiles in a run.
pub(super) const RUN: usize = 16;
/// The largest width of a run in pixels: 4 per tile, and 4 more.
const ACROSS: usize = 4 * RUN + 4;

/// Returns the same address as one that the compiler knows nothing about. Otherwise it turns the
/// addresses of a tile's points into as many variables of the loop over tiles, which do not fit
/// the registers and are counted up in memory one by one.
#[inline(always)]
fn opaque<T>(address: T) -> T {
    black_box(address)
}

/// Transforms the inputs, ID down and IA across, of `count` neighbouring tiles, `m` pixels apart,
/// and writes them point by point; the points of the next tile are `tile` elements further. Columns
/// that neighbouring tiles share are transformed once.
///
/// # Safety
/// The processor has the instruction set; all functions of this file require it. `count` is at most
/// [`RUN`] and `m` at most 4, all inputs are readable and all points writable.
#[inline(always)]
pub(super) unsafe fn data_run<
    V: Vector,
    D: Data<ND, ID>,
    A: Data<NA, IA>,
    const ND: usize,
    const ID: usize,
    const NA: usize,
    const IA: usize,
>(
    from: *const f32,
    (row, pixel): (usize, usize),
    (count, m): (usize, usize),
    to: *mut f32,
    (tile, step): (usize, usize),
) {
    let mut columns = [const { MaybeUninit::<[V; ND]>::uninit() }; ACROSS];
    let across = (count - 1) * m + IA;
    // SAFETY: guaranteed by the caller; the columns that a tile reads are written
    // before, and at most `ACROSS`.
    unsafe {
        for (x, column) in columns[..across].iter_mut().enumerate() {
            let mut d = [V::splat(0.0); ID];
            for i in 0..ID {
                d[i] = V::load(from.add(i * row + x * pixel));
            }
            column.write(D::data(d));
        }
        for t in 0..count {
            let columns = columns.as_ptr().add(t * m).cast::<[V; ND]>();
            let to = to.add(t * tile);
            for i in 0..ND {
                let to = opaque(to.add(i * NA * step));
                let mut d = [V::splat(0.0); IA];
                for j in 0..IA {
                    d[j] = (*columns.add(j))[i];
                }
                let d = A::data(d);
                for j in 0..NA {
                    d[j].store(to.add(j * step));
                }
            }
        }
    }
}

/// Transforms a block of values, KD down and KA across, by `up` and writes it point by point.
///
/// # Safety
/// As for [`data_run`]; all points are readable and writable.
#[inline(always)]
pub(super) unsafe fn up_tile<
    V: Vector,
    D: Lines<ND, KD>,
    A: Lines<NA, KA>,
    const ND: usize,
    const KD: usize,
    const NA: usize,
    const KA: usize,
>(
    g: &[[V; KA]; KD],
    to: *mut f32,
    step: usize,
) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let mut rows = [[V::splat(0.0); NA]; KD];
        for i in 0..KD {
            rows[i] = A::up(g[i]);
        }
        for j in 0..NA {
            let to = opaque(to.add(j * step));
            let mut column = [V::splat(0.0); KD];
            for i in 0..KD {
                column[i] = rows[i][j];
            }
            let points = D::up(column);
            for i in 0..ND {
                points[i].store(to.add(i * NA * step));
            }
        }
    }
}

/// Reads points, ND down and NA across, at the distance `step` and transforms them by `down` to
/// values, KD down and KA across.
///
/// # Safety
/// As for [`data_run`]; all points are readable and writable.
#[inline(always)]
pub(super) unsafe fn down_tile<
    V: Vector,
    D: Lines<ND, KD>,
    A: Lines<NA, KA>,
    const ND: usize,
    const KD: usize,
    const NA: usize,
    const KA: usize,
>(
    from: *const f32,
    step: usize,
) -> [[V; KA]; KD] {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let mut columns = [[V::splat(0.0); KD]; NA];
        for j in 0..NA {
            let from = opaque(from.add(j * step));
            let mut m = [V::splat(0.0); ND];
            for i in 0..ND {
                m[i] = V::load(from.add(i * NA * step));
            }
            columns[j] = D::down(m);
        }
        let mut y = [[V::splat(0.0); KA]; KD];
        for i in 0..KD {
            let mut row = [V::splat(0.0); NA];
            for j in 0..NA {
                row[j] = columns[j][i];
            }
            y[i] = A::down(row);
        }
        y
    }
}
