use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::kernels::dense::{DenseTile, DenseTransposedTile};
use crate::kernels::gemm::panel_len;
use crate::kernels::small;

/// Tiles of two panels in plain Rust, which test the loops of AVX-512 on any machine.
struct TwoPanels;

impl Micro for TwoPanels {
    const PANELS: usize = 2;

    fn rows(_width: usize) -> usize {
        8
    }

    unsafe fn product(rows: usize, t: &ProductTile) {
        for i in 0..rows {
            for j in 0..t.width {
                // SAFETY: guaranteed by the caller.
                unsafe {
                    let mut b = t.b.add(j / NR * t.b_step + j % NR);
                    let c = t.c.add(i * t.c_step + j);
                    let mut sum = *t.bias.add(j) + if t.add { *c } else { 0.0 };
                    for run in 0..t.runs {
                        for k in 0..t.run_len {
                            sum += *t.a[i].add(run * t.run_step + k) * *b;
                            b = b.wrapping_add(NR);
                        }
                    }
                    *c = sum;
                }
            }
        }
    }

    unsafe fn transposed(rows: usize, t: &TransposedTile) {
        for i in 0..rows {
            for j in 0..t.width {
                for p in 0..t.count {
                    let p_of_rows = t.col + p;
                    let start = p_of_rows / t.cols * t.row_step + p_of_rows % t.cols * t.col_step;
                    // SAFETY: guaranteed by the caller.
                    unsafe {
                        let a = *t.a.add(start + t.offsets[i]);
                        let g = *t.g.add(p * t.g_step + j);
                        *t.d.add(j / NR * t.d_step + i * NR + j % NR) += a * g;
                    }
                }
            }
        }
    }

    unsafe fn dense(rows: usize, t: &DenseTile) {
        for (i, j) in (0..rows).flat_map(|i| (0..t.width).map(move |j| (i, j))) {
            // SAFETY: guaranteed by the caller.
            unsafe {
                let b = t.b.add(j / NR * t.b_step + j % NR);
                let term = |k| *t.a.add(i * t.depth + k) * *b.add(k * NR);
                *t.c.add(i * t.width + j) = (0..t.depth).map(term).sum();
            }
        }
    }

    unsafe fn dense_transposed(rows: usize, t: &DenseTransposedTile) {
        for (i, j) in (0..rows).flat_map(|i| (0..t.width).map(move |j| (i, j))) {
            // SAFETY: guaranteed by the caller.
            unsafe {
                let d = t.d.add(j / NR * t.d_step + i * NR + j % NR);
                let term = |p| *t.a.add(p * t.depth + i) * *t.g.add(p * t.width + j);
                let sum: f32 = (0..t.count).map(term).sum();
                *d = if t.store == Store::Add { *d + sum } else { sum };
            }
        }
    }
}

/// Returns small integers, whose sums are exact in any order.
fn whole(len: usize) -> Vec<f32> {
    (0..len)
        .map(|i| ((i * 7919 + len) % 13) as f32 - 6.0)
        .collect()
}

#[test]
fn two_panels_side_by_side() {
    for columns in 1..=70 {
        for (rows, cols, runs, run_len) in [
            (3, 5, 2, 7),
            (1, 9, 1, 1000),
            (20, 20, 1, 3),
            (1, 9, 3, 400),
        ] {
            let patches = Patches {
                rows,
                cols,
                row_step: 3 * run_len + cols,
                col_step: 2,
                runs,
                run_len,
                run_step: run_len + 1,
            };
            let (count, depth) = (patches.count(), patches.depth());
            let a = whole(patches.span());
            let b = whole(panel_len(depth, columns));
            let (bias, g) = (whole(columns), whole(count * columns));
            for store in [Store::Assign, Store::Add] {
                let (mut c, mut want) = (g.clone(), g.clone());
                let bias = Some(bias.as_slice());
                // SAFETY: no instruction set; lengths as the shapes say.
                unsafe {
                    product::<TwoPanels>(&patches, &a, &b, columns, bias, &mut c, store);
                }
                crate::kernels::arch::scalar::product(
                    &patches, &a, &b, columns, bias, &mut want, store,
                );
                assert_eq!(c, want, "{patches:?} {columns}");
            }
            let (mut d, mut want) = (b.clone(), b.clone());
            // SAFETY: as above.
            unsafe { transposed::<TwoPanels>(&patches, &a, &g, columns, &mut d) };
            crate::kernels::arch::scalar::transposed(&patches, &a, &g, columns, &mut want);
            assert_eq!(d, want, "{patches:?} {columns}");
        }
    }
}

/// One panel and two side by side of matrices without gaps, as Winograd's algorithm has them.
#[test]
fn products_without_blocking() {
    for (rows, depth, panels) in [(1, 1, 1), (7, 16, 2), (28, 5, 1), (30, 33, 2)] {
        let (width, far) = (panels * NR, 3 * NR);
        let (a, g) = (whole(rows * depth), whole(rows * width));
        let step = depth * NR + far;
        let b = whole(panels * step);
        let mut c = vec![f32::NAN; rows * width];
        // SAFETY: no instruction set; lengths as the sizes say.
        unsafe {
            let b = (b.as_ptr(), step);
            small::product::<TwoPanels>((rows, depth, panels), a.as_ptr(), b, c.as_mut_ptr());
        }
        let place = |k: usize, j: usize| j / NR * step + k * NR + j % NR;
        for (i, j) in (0..rows).flat_map(|i| (0..width).map(move |j| (i, j))) {
            let term = |k: usize| a[i * depth + k] * b[place(k, j)];
            assert_eq!(c[i * width + j], (0..depth).map(term).sum::<f32>());
        }
        for store in [Store::Assign, Store::Add] {
            let mut d = b.clone();
            // SAFETY: as above.
            unsafe {
                let to = (d.as_mut_ptr(), step);
                let (a, g) = (a.as_ptr(), g.as_ptr());
                small::transposed::<TwoPanels>((rows, depth, panels), a, g, to, store);
            }
            for (k, j) in (0..depth).flat_map(|k| (0..width).map(move |j| (k, j))) {
                let term = |p: usize| a[p * depth + k] * g[p * width + j];
                let old = if store == Store::Add {
                    b[place(k, j)]
                } else {
                    0.0
                };
                assert_eq!(d[place(k, j)], (0..rows).map(term).sum::<f32>() + old);
            }
        }
    }
}

#[test]
fn tiles_are_few_and_even() {
    for total in 0..100 {
        for most in 1..=MAX_ROWS {
            let tiles: Vec<_> = Tiles::new(total, most).collect();
            assert_eq!(tiles.iter().sum::<usize>(), total);
            assert_eq!(tiles.len(), total.div_ceil(most));
            if let (Some(max), Some(min)) = (tiles.iter().max(), tiles.iter().min()) {
                assert!(*max <= most && max - min <= 1);
            }
        }
    }
}
