//! Every instruction set's products against the patch matrix written out and a
//! triple loop in f64, with NaN wherever a kernel has no business reading.

use crate::common::STEP;
use bnn_cpu::kernels::gemm::{
    Layout, Patches, Store, pack_panels, panel_len, sgemm, unpack_add_panels,
};
use bnn_cpu::kernels::im2col::im2col;
use bnn_cpu::kernels::{Isa, Kernels, NR, select};

/// A small generator of test numbers (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A whole number from `low` to `high`, both included.
    fn whole(&mut self, low: usize, high: usize) -> usize {
        low + (self.bits() % (high - low + 1) as u64) as usize
    }

    /// A number in (-1, 1) with all of its mantissa in use.
    fn real(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn reals(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.real()).collect()
    }
}

/// `values` with a guard of NaN on both sides; `inner` is the part in between.
struct Guarded {
    all: Vec<f32>,
    len: usize,
}

const GUARD: usize = 67;

impl Guarded {
    fn new(values: &[f32]) -> Self {
        let mut all = vec![f32::NAN; values.len() + 2 * GUARD];
        all[GUARD..][..values.len()].copy_from_slice(values);
        Self {
            all,
            len: values.len(),
        }
    }

    fn inner(&self) -> &[f32] {
        &self.all[GUARD..][..self.len]
    }

    fn inner_mut(&mut self) -> &mut [f32] {
        &mut self.all[GUARD..][..self.len]
    }

    fn intact(&self) -> bool {
        let (before, rest) = self.all.split_at(GUARD);
        before.iter().chain(&rest[self.len..]).all(|x| x.is_nan())
    }
}

/// Patches of the given size, with gaps and overlaps as `n` chooses.
fn patches(n: &mut Numbers, rows: usize, cols: usize, runs: usize, run_len: usize) -> Patches {
    Patches {
        rows,
        cols,
        row_step: n.whole(1, 2 * run_len + 40),
        col_step: n.whole(1, 2 * run_len + 3),
        runs,
        run_len,
        run_step: n.whole(1, 2 * run_len + 9),
    }
}

/// Numbers where the patches lie and NaN in the gaps between them.
fn with_gaps(n: &mut Numbers, patches: &Patches) -> Vec<f32> {
    let mut a = vec![f32::NAN; patches.span()];
    for p in 0..patches.count() {
        for r in 0..patches.runs {
            for x in &mut a[patches.start(p) + r * patches.run_step..][..patches.run_len] {
                if x.is_nan() {
                    *x = n.real();
                }
            }
        }
    }
    a
}

/// Where column `j` at depth `k` lies in panels.
fn at(depth: usize, k: usize, j: usize) -> usize {
    (j / NR * depth + k) * NR + j % NR
}

/// One product and one transposed product of this shape, on one instruction set.
fn check(kernels: &Kernels, n: &mut Numbers, patches: &Patches, columns: usize) {
    let (count, depth) = (patches.count(), patches.depth());
    let shape = format!("{kernels:?} {patches:?} columns {columns}");
    let a = Guarded::new(&with_gaps(n, patches));
    let mut rows = vec![0.0; count * depth];
    im2col(patches, a.inner(), &mut rows);
    let close = |got: f32, want: f64, size: f64, terms: usize| {
        let error = (f64::from(got) - want).abs();
        // Half a unit in the last place a term, of what the terms add up to.
        assert!(
            error <= f64::from(f32::EPSILON) * 0.5 * (terms + 2) as f64 * size + 1e-30,
            "{shape}: {got} instead of {want}"
        );
    };

    let bias = Guarded::new(&n.reals(columns));
    let bias = (n.whole(0, 1) == 1).then_some(&bias);
    let store = if n.whole(0, 1) == 1 {
        Store::Add
    } else {
        Store::Assign
    };
    // NaN in the padding, too: it must not reach a column that counts.
    let mut b = Guarded::new(&vec![f32::NAN; panel_len(depth, columns)]);
    for j in 0..columns {
        for k in 0..depth {
            b.inner_mut()[at(depth, k, j)] = n.real();
        }
    }
    let old = n.reals(count * columns);
    let mut c = Guarded::new(&match store {
        Store::Add => old.clone(),
        Store::Assign => vec![f32::NAN; count * columns],
    });
    kernels.product(
        patches,
        a.inner(),
        b.inner(),
        columns,
        bias.map(Guarded::inner),
        c.inner_mut(),
        store,
    );
    assert!(c.intact(), "{shape}: product wrote outside of c");
    for p in 0..count {
        for j in 0..columns {
            let (mut want, mut size) = (0.0, 0.0);
            let mut term = |x: f64| {
                want += x;
                size += x.abs();
            };
            for k in 0..depth {
                term(f64::from(rows[p * depth + k]) * f64::from(b.inner()[at(depth, k, j)]));
            }
            term(bias.map_or(0.0, |bias| f64::from(bias.inner()[j])));
            if store == Store::Add {
                term(f64::from(old[p * columns + j]));
            }
            close(c.inner()[p * columns + j], want, size, depth);
        }
    }

    let g = Guarded::new(&n.reals(count * columns));
    let old = n.reals(panel_len(depth, columns));
    let mut d = Guarded::new(&old);
    kernels.transposed(patches, a.inner(), g.inner(), columns, d.inner_mut());
    assert!(d.intact(), "{shape}: transposed wrote outside of d");
    for j in 0..columns.div_ceil(NR) * NR {
        for k in 0..depth {
            let (got, old) = (d.inner()[at(depth, k, j)], old[at(depth, k, j)]);
            if j >= columns {
                assert_eq!(got.to_bits(), old.to_bits(), "{shape}: padding changed");
                continue;
            }
            let (mut want, mut size) = (f64::from(old), f64::from(old.abs()));
            for p in 0..count {
                let x = f64::from(rows[p * depth + k]) * f64::from(g.inner()[p * columns + j]);
                want += x;
                size += x.abs();
            }
            close(got, want, size, count);
        }
    }
}

/// Every set of this machine, or only the one that `BNN_CPU_ISA` forces: an
/// emulated machine is too slow to repeat those that a real one has tested.
fn for_each_isa(mut test: impl FnMut(&Kernels, &mut Numbers)) {
    let engine = select(None).expect("BNN_CPU_ISA names a set of this machine");
    for isa in Isa::available() {
        if engine.forced && isa != engine.kernels.isa {
            continue;
        }
        // `tests/tools/avx512.sh` looks for this line.
        println!("products tested on: {}", isa.name());
        let kernels = isa.kernels().expect("an available set has kernels");
        test(kernels, &mut Numbers(1));
    }
}

#[test]
fn every_run_length_and_column_count() {
    for_each_isa(|kernels, n| {
        for run_len in (1..=40).step_by(STEP) {
            for runs in (1..=5).step_by(STEP) {
                for columns in (1..=40).step_by(STEP) {
                    let (rows, cols) = (n.whole(1, 5), n.whole(1, 6));
                    let patches = patches(n, rows, cols, runs, run_len);
                    check(kernels, n, &patches, columns);
                }
            }
        }
    });
}

#[test]
fn every_patch_count_and_column_count() {
    for_each_isa(|kernels, n| {
        for count in (1..=30).step_by(STEP) {
            for columns in (1..=40).step_by(STEP) {
                // Each way of laying that many patches out in rows.
                for rows in (1..=count).filter(|rows| count % rows == 0) {
                    let (runs, run_len) = (n.whole(1, 3), n.whole(1, 7));
                    let patches = patches(n, rows, count / rows, runs, run_len);
                    check(kernels, n, &patches, columns);
                }
            }
        }
    });
}

/// Sizes around the edges of the cache blocks.
#[test]
#[cfg_attr(miri, ignore = "millions of products")]
fn shapes_of_several_cache_blocks() {
    for_each_isa(|kernels, n| {
        for (rows, cols, runs, run_len, columns) in [
            (1, 7, 1, 767, 17),
            (1, 7, 1, 768, 33),
            (1, 7, 1, 769, 16),
            (1, 3, 1, 1568, 10),
            (1, 3, 2, 1600, 10),
            (2, 3, 5, 160, 16),
            (2, 3, 7, 300, 3),
            (1, 191, 1, 3, 20),
            (1, 193, 1, 3, 20),
            (28, 28, 5, 5, 16),
            (17, 15, 1, 4, 40),
            (16, 16, 1, 4, 16),
            (257, 1, 1, 4, 33),
            (3, 171, 2, 9, 48),
        ] {
            let patches = patches(n, rows, cols, runs, run_len);
            check(kernels, n, &patches, columns);
        }
    });
}

#[test]
fn nothing_to_multiply() {
    for_each_isa(|kernels, _| {
        let bias = [1.0, 2.0];
        let empty = Patches::matrix(3, 0);
        let mut c = [5.0; 6];
        kernels.product(&empty, &[], &[], 2, Some(&bias), &mut c, Store::Assign);
        assert_eq!(c, [1.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
        kernels.product(&empty, &[], &[], 2, Some(&bias), &mut c, Store::Add);
        assert_eq!(c, [2.0, 4.0, 2.0, 4.0, 2.0, 4.0]);
        kernels.product(&empty, &[], &[], 0, None, &mut [], Store::Add);
        kernels.transposed(&empty, &[], &c, 2, &mut []);
        let none = Patches::matrix(0, 3);
        kernels.product(&none, &[], &[0.0; 48], 2, None, &mut [], Store::Assign);
        let mut d = [4.0; 48];
        kernels.transposed(&none, &[], &[], 2, &mut d);
        assert_eq!(d, [4.0; 48]);
    });
}

#[test]
#[should_panic(expected = "overflows")]
fn sizes_that_wrap_are_refused() {
    let patches = Patches {
        rows: 1 << 33,
        cols: 1 << 33,
        ..Patches::matrix(1, 1)
    };
    let kernels = Isa::Scalar.kernels().expect("always there");
    kernels.transposed(&patches, &[0.0], &[0.0], 1, &mut [0.0; 16]);
}

#[test]
fn packing_and_back_in_both_orders() {
    let n = &mut Numbers(2);
    for depth in 0..=9 {
        for columns in (0..=40).step_by(STEP) {
            // (row step, column step): row-major with a gap, then column-major.
            for (row, col) in [(columns + 3, 1), (1, depth + 2)] {
                let w = n.reals((depth * row).max(columns * col) + 1);
                let mut packed = vec![f32::NAN; panel_len(depth, columns)];
                pack_panels(depth, columns, &w, (row, col), &mut packed);
                let mut back = w.clone();
                unpack_add_panels(depth, columns, &packed, &mut back, (row, col));
                let mut want = w.clone();
                for k in 0..depth {
                    for j in 0..columns.div_ceil(NR) * NR {
                        let got = packed[at(depth, k, j)];
                        if j < columns {
                            assert_eq!(got, w[k * row + j * col]);
                            want[k * row + j * col] *= 2.0;
                        } else {
                            assert_eq!(got, 0.0);
                        }
                    }
                }
                assert_eq!(back, want);
            }
        }
    }
}

#[test]
fn sgemm_against_three_loops() {
    let n = &mut Numbers(3);
    for (m, k, columns) in [(0, 3, 2), (3, 0, 2), (1, 1, 1), (5, 7, 3), (17, 33, 20)] {
        for orders in 0..8 {
            let layout = |rows, columns, swap: bool| {
                if swap {
                    Layout::row_major(columns, rows).transposed()
                } else {
                    Layout::row_major(rows, columns)
                }
            };
            let la = layout(m, k, orders & 1 != 0);
            let lb = layout(k, columns, orders & 2 != 0);
            let lc = layout(m, columns, orders & 4 != 0);
            let (a, b, old) = (n.reals(m * k), n.reals(k * columns), n.reals(m * columns));
            let mut c = old.clone();
            sgemm(2.0, (&a, la), (&b, lb), 0.5, (&mut c, lc));
            let of = |x: &[f32], l: Layout, i, j| f64::from(x[i * l.row_step + j * l.col_step]);
            for i in 0..m {
                for j in 0..columns {
                    let sum: f64 = (0..k).map(|d| of(&a, la, i, d) * of(&b, lb, d, j)).sum();
                    let want = 2.0 * sum + 0.5 * of(&old, lc, i, j);
                    assert!((of(&c, lc, i, j) - want).abs() < 1e-5);
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "b is too short")]
fn sgemm_refuses_a_short_slice() {
    let square = Layout::row_major(2, 2);
    sgemm(
        1.0,
        (&[0.0; 4], square),
        (&[0.0; 3], square),
        0.0,
        (&mut [0.0; 4], square),
    );
}

#[test]
#[should_panic(expected = "overlap")]
fn sgemm_refuses_an_overlapping_result() {
    let square = Layout::row_major(2, 2);
    let overlapping = Layout {
        row_step: 1,
        ..square
    };
    sgemm(
        1.0,
        (&[0.0; 4], square),
        (&[0.0; 4], square),
        0.0,
        (&mut [0.0; 4], overlapping),
    );
}
