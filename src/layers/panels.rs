//! Weights on their way into a kernel's panels, on all threads: small work, but between
//! two parallel ops a thread that finds nothing to do goes to sleep, and waking it costs
//! more than the work.

use rayon::prelude::*;

use super::Weights;
use crate::bits;
use crate::kernels::NR;
use crate::kernels::gemm::panel_len;

/// Rows of a panel that a task fills, where they are read one by one.
const ROWS: usize = 64;

/// Fills the panels of a (depth, columns) matrix of `weight`, which is (columns, depth):
/// the number in row `k` and column `j` is `map(weight[j][order[k]])`. A column at a time is
/// written, which reads consecutive numbers where the order is nearly that of the weights.
/// Columns beyond the last are left as they are.
pub(super) fn fill_transposed(
    panels: &mut [f32],
    (depth, columns): (usize, usize),
    weight: &[f32],
    order: &[usize],
    map: impl Fn(f32) -> f32 + Sync,
) {
    let (order, weight) = (&order[..depth], &weight[..depth * columns]);
    let panels = &mut panels[..panel_len(depth, columns)];
    let tasks = panels.par_chunks_mut(ROWS * NR).enumerate();
    tasks.for_each(|(task, rows)| {
        let (mut rows, _) = rows.as_chunks_mut::<NR>();
        let mut at = task * ROWS;
        // The rows of a task may lie in two panels or more.
        while !rows.is_empty() {
            let (panel, k) = (at / depth, at % depth);
            let (here, rest) = rows.split_at_mut(rows.len().min(depth - k));
            let columns = weight[panel * NR * depth..].chunks_exact(depth);
            for (j, from) in columns.take(NR).enumerate() {
                for (to, &i) in here.iter_mut().zip(&order[k..]) {
                    to[j] = map(from[i]);
                }
            }
            at += here.len();
            rows = rest;
        }
    });
}

/// Fills the panels of a (columns, depth) matrix out of `from`, the panels of the same matrix
/// transposed, (depth, columns). Squares of NR x NR numbers, each without gaps on either side,
/// change places. Columns beyond the last are left as they are.
pub(super) fn turn(panels: &mut [f32], (depth, columns): (usize, usize), from: &[f32]) {
    let panels = &mut panels[..panel_len(columns, depth)];
    let from = &from[..panel_len(depth, columns)];
    let (panels, _) = panels.as_chunks_mut::<NR>();
    let (from, _) = from.as_chunks::<NR>();
    let tasks = panels.par_chunks_mut(columns).enumerate();
    tasks.for_each(|(panel, to)| {
        let first = panel * NR;
        let live = NR.min(depth - first);
        for (j, to) in to.chunks_mut(NR).enumerate() {
            let from = &from[j * depth + first..][..live];
            for (column, from) in from.iter().enumerate() {
                for (to, &x) in to.iter_mut().zip(from) {
                    to[column] = x;
                }
            }
        }
    });
}

/// How the weights of a convolution lie in the matrix that its panels hold: the number at depth
/// `tap * inner + i` and column `j` is `weight[j * column_step + i * inner_step + t]`, where `t` is
/// the tap that stands there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taps {
    pub taps: usize,
    pub inner: usize,
    pub columns: usize,
    pub column_step: usize,
    pub inner_step: usize,
}

/// Taps that are brought together before they go to their lines of a panel.
const TAPS: usize = 32;

/// Fills the panels of a convolution with what its weights are in its sums, the taps in the order
/// `tap`. Columns beyond the last are left as they are.
pub(super) fn fill_weights(
    panels: &mut [f32],
    at: Taps,
    tap: impl Fn(usize) -> usize + Sync,
    weight: &[f32],
    weights: Weights,
) {
    // A loop for each kind: the numbers are moved one by one.
    match weights {
        Weights::Real => fill_taps(panels, at, tap, weight, |w| w),
        Weights::Binary => fill_taps(panels, at, tap, weight, bits::sign),
    }
}

/// Fills the panels of a convolution with the taps in the order `tap`: each number is `map` of the
/// weight. Columns beyond the last are left as they are.
///
/// The taps of an output and an input lie beside each other in the weights, but in lines of the
/// panel that are so far apart that they may share a set of the cache: they are brought together
/// first, and each line is then written once.
fn fill_taps(
    panels: &mut [f32],
    at: Taps,
    tap: impl Fn(usize) -> usize + Sync,
    weight: &[f32],
    map: impl Fn(f32) -> f32 + Sync,
) {
    let depth = at.taps * at.inner;
    let panels = &mut panels[..panel_len(depth, at.columns)];
    let tasks = panels.par_chunks_mut(depth * NR).enumerate();
    tasks.for_each(|(panel, to)| {
        let (to, _) = to.as_chunks_mut::<NR>();
        let from = &weight[panel * NR * at.column_step..];
        let live = NR.min(at.columns - panel * NR);
        let mut lines = [[0.0; NR]; TAPS];
        for i in 0..at.inner {
            for first in (0..at.taps).step_by(TAPS) {
                let lines = &mut lines[..TAPS.min(at.taps - first)];
                for j in 0..live {
                    let from = &from[j * at.column_step + i * at.inner_step..];
                    for (t, line) in lines.iter_mut().enumerate() {
                        line[j] = map(from[tap(first + t)]);
                    }
                }
                let to = to[first * at.inner + i..].iter_mut().step_by(at.inner);
                for (line, to) in lines.iter().zip(to) {
                    to[..live].copy_from_slice(&line[..live]);
                }
            }
        }
    });
}

/// Calls `add(weights, numbers, gradients)` for all weights of a convolution, (columns, inner, taps),
/// some at a time, where the numbers stand in the panels of its (taps · inner, columns) matrix.
pub(super) fn scatter_taps(
    panels: &[f32],
    (columns, inner, taps): (usize, usize, usize),
    (weight, grad): (&[f32], &mut [f32]),
    add: impl Fn(&[f32], &[f32], &mut [f32]) + Sync,
) {
    let depth = inner * taps;
    let panels = panels[..panel_len(depth, columns)].par_chunks_exact(depth * NR);
    let weights = weight[..columns * depth].par_chunks(NR * depth);
    let tasks = weights.zip(grad[..columns * depth].par_chunks_mut(NR * depth));
    tasks.zip(panels).for_each(|((weight, grad), panel)| {
        let (panel, _) = panel.as_chunks::<NR>();
        let mut lines = [[0.0; NR]; TAPS];
        for i in 0..inner {
            for first in (0..taps).step_by(TAPS) {
                let lines = &mut lines[..TAPS.min(taps - first)];
                let from = panel[first * inner + i..].iter().step_by(inner);
                for (line, from) in lines.iter_mut().zip(from) {
                    *line = *from;
                }
                for j in 0..weight.len() / depth {
                    let at = j * depth + i * taps + first;
                    let run = at..at + lines.len();
                    let mut numbers = [0.0; TAPS];
                    for (number, line) in numbers.iter_mut().zip(lines.iter()) {
                        *number = line[j];
                    }
                    let numbers = &numbers[..lines.len()];
                    add(&weight[run.clone()], numbers, &mut grad[run]);
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills the panels of a (depth, columns) matrix one by one: `row(k)(j)` is its number in row
    /// `k` and column `j`. Columns beyond the last are left as they are.
    fn fill<F: Fn(usize) -> f32>(
        panels: &mut [f32],
        (depth, columns): (usize, usize),
        row: impl Fn(usize) -> F,
    ) {
        for (k, j) in (0..depth).flat_map(|k| (0..columns).map(move |j| (k, j))) {
            panels[(j / NR * depth + k) * NR + j % NR] = row(k)(j);
        }
    }

    #[test]
    fn panels_are_turned_number_by_number() {
        for (depth, columns) in [(1, 1), (3, 16), (70, 17), (64, 33), (200, 5), (5, 100)] {
            let number = |k: usize, j: usize| (k * 1000 + j) as f32;
            let mut from = vec![f32::NAN; panel_len(depth, columns)];
            fill(&mut from, (depth, columns), |k| move |j| number(k, j));
            let [mut got, mut want] = [(); 2].map(|()| vec![-1.0; panel_len(columns, depth)]);
            turn(&mut got, (depth, columns), &from);
            fill(&mut want, (columns, depth), |j| move |k| number(k, j));
            assert_eq!(got, want, "{depth}, {columns}");
        }
    }

    /// Both ways in which a convolution's weights (outputs, inputs, taps) are read.
    fn both_ways((outputs, inputs, taps): (usize, usize, usize)) -> [(Taps, bool); 2] {
        let forward = Taps {
            taps,
            inner: inputs,
            columns: outputs,
            column_step: inputs * taps,
            inner_step: taps,
        };
        let backward = Taps {
            taps,
            inner: outputs,
            columns: inputs,
            column_step: taps,
            inner_step: inputs * taps,
        };
        [(forward, false), (backward, true)]
    }

    #[test]
    fn weights_of_convolutions_are_filled_as_their_numbers_one_by_one() {
        for size in [
            (1, 1, 1),
            (5, 3, 9),
            (17, 20, 6),
            (130, 7, 9),
            (16, 140, 25),
        ] {
            let weight: Vec<f32> = (0..size.0 * size.1 * size.2).map(|i| i as f32).collect();
            for (at, turned) in both_ways(size) {
                let order = |tap: usize| if turned { at.taps - 1 - tap } else { tap };
                let depth = at.taps * at.inner;
                let [mut got, mut want] =
                    [(); 2].map(|()| vec![-1.0; panel_len(depth, at.columns)]);
                fill_taps(&mut got, at, order, &weight, |w| 2.0 * w);
                fill(&mut want, (depth, at.columns), |k| {
                    let (tap, i, weight) = (k / at.inner, k % at.inner, &weight);
                    let tap = order(tap);
                    move |j| 2.0 * weight[j * at.column_step + i * at.inner_step + tap]
                });
                assert_eq!(got, want, "{at:?}");
            }
        }
    }

    #[test]
    fn gradients_come_back_to_the_weights_that_were_filled() {
        for size in [(1, 1, 1), (5, 3, 9), (17, 20, 6), (130, 7, 9)] {
            let weight: Vec<f32> = (0..size.0 * size.1 * size.2).map(|i| i as f32).collect();
            let [(at, _), _] = both_ways(size);
            let mut panels = vec![f32::NAN; panel_len(at.taps * at.inner, at.columns)];
            fill_taps(&mut panels, at, |tap| tap, &weight, |w| w + 0.5);
            let mut grad = vec![100.0; weight.len()];
            scatter_taps(&panels, size, (&weight, &mut grad), |w, numbers, grad| {
                for ((w, number), grad) in w.iter().zip(numbers).zip(grad) {
                    *grad += number - w;
                }
            });
            assert!(grad.iter().all(|&g| g == 100.5), "{size:?}");
        }
    }

    #[test]
    fn a_transposed_matrix_is_filled_as_its_numbers_one_by_one() {
        for (depth, columns) in [(1, 1), (3, 16), (70, 17), (64, 33), (200, 5), (5, 100)] {
            let weight: Vec<f32> = (0..depth * columns).map(|i| i as f32).collect();
            let order: Vec<usize> = (0..depth).map(|k| (k * 3 + 1) % depth).collect();
            let [mut got, mut want] = [(); 2].map(|()| vec![-1.0; panel_len(depth, columns)]);
            fill_transposed(&mut got, (depth, columns), &weight, &order, |w| 2.0 * w);
            fill(&mut want, (depth, columns), |k| {
                let (order, weight) = (&order, &weight);
                move |j| 2.0 * weight[j * depth + order[k]]
            });
            assert_eq!(got, want, "{depth}, {columns}");
        }
    }
}
