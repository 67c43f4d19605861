//! Weights on their way into a kernel's panels, on all threads: small work, but between
//! two parallel ops a thread that finds nothing to do goes to sleep, and waking it costs
//! more than the work.

use rayon::prelude::*;

use crate::kernels::NR;
use crate::kernels::gemm::panel_len;

/// Rows of a panel that a task fills.
const ROWS: usize = 64;

/// Fills the panels of a (depth, columns) matrix: `row(k)(j)` is its number in row `k`
/// and column `j`. Columns beyond the last are left as they are.
pub(super) fn fill<F: Fn(usize) -> f32>(
    panels: &mut [f32],
    (depth, columns): (usize, usize),
    row: impl Fn(usize) -> F + Sync,
) {
    let panels = &mut panels[..panel_len(depth, columns)];
    let tasks = panels.par_chunks_mut(ROWS * NR).enumerate();
    tasks.for_each(|(task, rows)| {
        for (i, to) in rows.chunks_exact_mut(NR).enumerate() {
            let at = task * ROWS + i;
            let (panel, k) = (at / depth, at % depth);
            let first = panel * NR;
            let number = row(k);
            let live = NR.min(columns - first);
            for (j, to) in to[..live].iter_mut().enumerate() {
                *to = number(first + j);
            }
        }
    });
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_lands_in_its_place() {
        for (depth, columns) in [(1, 1), (3, 16), (70, 17), (64, 33), (200, 5)] {
            let mut panels = vec![-1.0; panel_len(depth, columns)];
            fill(&mut panels, (depth, columns), |k| {
                move |j| (k * 100 + j) as f32
            });
            for (k, j) in (0..depth).flat_map(|k| (0..columns).map(move |j| (k, j))) {
                let at = (j / NR * depth + k) * NR + j % NR;
                assert_eq!(panels[at], (k * 100 + j) as f32, "({k}, {j}) of {columns}");
            }
            let filled = panels.iter().filter(|&&x| x >= 0.0).count();
            assert_eq!(filled, depth * columns);
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
