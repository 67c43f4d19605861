use alloc::vec::Vec;

use super::*;
use crate::kernels::gemm::panel_len;

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
