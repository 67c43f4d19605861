//! The kernels of packed inference on every instruction set against the scalar
//! ones, over a sweep of lengths.

use std::io::Write;

use crate::common::{STEP, bits};
use bnn_cpu::kernels::packed::block_sums::{BlockTerms, WHOLE};
use bnn_cpu::kernels::packed::rows::{COLUMNS, Limit, ROW, RowOrder, RowTerms};
use bnn_cpu::kernels::packed::slices::{GROUP, SLICE, SliceTerms};
use bnn_cpu::kernels::packed::{
    BitRows, Lookups, SHORT_WIDTHS, ShortRows, TABLE_WIDTHS, TableRow, Terms,
};
use bnn_cpu::kernels::{Isa, Kernels};
use bnn_cpu::random::{below, between, keyed};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::Rng;

/// The scalar kernels, and every other set of this machine.
fn sets() -> (&'static Kernels, Vec<&'static Kernels>) {
    let mut all: Vec<_> = Isa::available()
        .into_iter()
        .filter_map(Isa::kernels)
        .collect();
    let scalar = all.remove(0);
    let names: Vec<_> = all.iter().map(|k| k.isa.name()).collect();
    // Past the harness's capture: a machine without any must not pass unseen.
    let _ = writeln!(
        std::io::stderr(),
        "packed kernels tested on: {}",
        names.join(", ")
    );
    (scalar, all)
}

fn words(rng: &mut Xoshiro256PlusPlus, n: usize) -> Vec<u64> {
    (0..n).map(|_| rng.next_u64()).collect()
}

fn bytes(rng: &mut Xoshiro256PlusPlus, n: usize) -> Vec<u8> {
    (0..n).map(|_| rng.next_u64() as u8).collect()
}

#[test]
fn sums_and_cuts() {
    let (scalar, sets) = sets();
    let mut rng = keyed(&[1, 61]);
    for n in (32..=640usize).step_by(32 * STEP) {
        let x = bytes(&mut rng, n + 100);
        let shorts: Vec<i16> = (0..n + 100).map(|_| rng.next_u64() as i16).collect();
        let mut offsets = |n| -> Vec<u32> { (0..n).map(|_| below(&mut rng, 101) as u32).collect() };
        let terms = Terms::new(-3, &offsets(5), &offsets(4));
        let sum = |k: &Kernels| {
            let (mut a, mut b) = (vec![0; n], vec![0; n]);
            k.sum8(&x, &terms, &mut a);
            k.sum16(&shorts, &terms, &mut b);
            (a, b)
        };
        for k in &sets {
            assert_eq!(sum(k), sum(scalar), "{} at {n}", k.isa.name());
        }
        for sections in [1, 2, 3, 7] {
            let sums = bytes(&mut rng, n * sections);
            let most = 255 * sections as i32;
            let mut thresholds = vec![-1, 0, 1, 128, 254, 255, 256, 257, most - 1, most, most + 1];
            // Those that some sum just reaches.
            thresholds.extend((0..5).map(|q| {
                (0..sections)
                    .map(|s| i32::from(sums[s * n + q]))
                    .sum::<i32>()
            }));
            for t in thresholds {
                let cut = |k: &Kernels| {
                    let mut out = vec![7; n.div_ceil(64)];
                    k.cut8(&sums, sections, t, &mut out);
                    out
                };
                for k in &sets {
                    assert_eq!(
                        cut(k),
                        cut(scalar),
                        "{} at {n}, {sections}, {t}",
                        k.isa.name()
                    );
                }
            }
        }
        for t in [i16::MIN, -1, 0, shorts[0], shorts[1], i16::MAX] {
            let cut = |k: &Kernels| {
                let mut out = vec![7; n.div_ceil(64)];
                k.cut16(&shorts[..n], t, &mut out);
                out
            };
            for k in &sets {
                assert_eq!(cut(k), cut(scalar), "{} at {n}, {t}", k.isa.name());
            }
        }
    }
}

#[test]
fn sums_of_blocks() {
    let (scalar, sets) = sets();
    let mut rng = keyed(&[2, 61]);
    for n in (WHOLE..=11 * WHOLE).step_by(WHOLE * STEP) {
        for outputs in [1, 3] {
            let x = bytes(&mut rng, n + 300);
            // What the definition says, in numbers that do not wrap.
            let mut expected = Vec::new();
            let mut terms = BlockTerms::default();
            for _ in 0..outputs {
                let mut offsets = |most: u64| -> Vec<u16> {
                    let count = below(&mut rng, most);
                    (0..count).map(|_| below(&mut rng, 301) as u16).collect()
                };
                let (adds, subs) = (offsets(20), offsets(20));
                let init = below(&mut rng, 256) as u8;
                terms.output(init, &adds, &subs);
                expected.extend((0..n).map(|q| {
                    let sum = |of: &[u16]| -> i64 {
                        of.iter().map(|&o| i64::from(x[usize::from(o) + q])).sum()
                    };
                    (i64::from(init) + sum(&adds) - sum(&subs)).rem_euclid(256)
                }));
            }
            assert_eq!(terms.outputs(), outputs);
            for first in [true, false] {
                let mut before: Vec<i16> = words(&mut rng, n * outputs)
                    .iter()
                    .map(|&w| w as i16)
                    .collect();
                before[0] = i16::MAX;
                let begun = |q: usize| if first { 0 } else { i64::from(before[q]) };
                let want: Vec<i16> = (0..n * outputs)
                    .map(|q| (begun(q) + expected[q]) as i16)
                    .collect();
                for k in sets.iter().chain([&scalar]) {
                    let mut out = before.clone();
                    k.add_sums(&x, &terms, first, &mut out);
                    assert!(out == want, "{} at {n}, {outputs}, {first}", k.isa.name());
                }
            }
        }
    }
}

#[test]
fn slices_of_images() {
    let (scalar, sets) = sets();
    let mut rng = keyed(&[5, 61]);
    for round in 0..20usize {
        let square: [u64; SLICE] = std::array::from_fn(|_| rng.next_u64());
        let transposed = |k: &Kernels| {
            let mut words = square;
            k.transpose(&mut words);
            words
        };
        let outputs = 1 + round % 7;
        // Every size of a group, in blocks of one and more, as many as two checks for the end.
        let sizes: Vec<usize> = (0..1 + round % 9)
            .map(|g| 1 + (round + g) % GROUP)
            .collect();
        let inputs: usize = sizes.iter().sum();
        let weights: Vec<u64> = words(&mut rng, outputs);
        let positive = |o: usize, i: usize| weights[o] >> i & 1 == 1;
        let terms = SliceTerms::new(&sizes, outputs, positive);
        let bits = words(&mut rng, inputs);
        let before = bytes(&mut rng, outputs * SLICE);
        let counts = |k: &Kernels, more: bool| {
            let (mut planes, mut out) = (vec![7; terms.planes()], before.clone());
            k.count_slices(&bits, &terms, more, &mut planes, &mut out);
            out
        };
        let expected = |more: bool| -> Vec<u8> {
            let same = |o: usize, q: usize| {
                let agrees = |&i: &usize| (bits[i] >> q & 1 == 1) == positive(o, i);
                (0..inputs).filter(agrees).count() as u8
            };
            let at = |i: usize| same(i / SLICE, i % SLICE).wrapping_add(before[i] * u8::from(more));
            (0..outputs * SLICE).map(at).collect()
        };
        for more in [false, true] {
            assert_eq!(
                counts(scalar, more),
                expected(more),
                "scalar, round {round}"
            );
        }
        for k in &sets {
            let name = k.isa.name();
            assert_eq!(transposed(k), transposed(scalar), "{name}");
            for more in [false, true] {
                assert_eq!(counts(k, more), expected(more), "{name}, round {round}");
            }
        }
        for sections in [1, 2, 3, 128] {
            let sums = bytes(&mut rng, sections * outputs * SLICE);
            let most = 255 * sections as i32;
            let of = |o: usize, q: usize| -> i32 {
                let at = |s: usize| sums[(s * outputs + o) * SLICE + q];
                (0..sections).map(|s| i32::from(at(s))).sum()
            };
            // Those that some sum just reaches, and those that none or every sum reaches.
            let edges = [-1, 0, 1, 255, 256, most, most + 1];
            let threshold = |o: usize| match (round + o) % 3 {
                0 => edges[(round + o) % edges.len()],
                i => of(o, 7 * o) + i as i32 - 1,
            };
            let thresholds: Vec<i32> = (0..outputs).map(threshold).collect();
            let cut = |k: &Kernels| {
                let mut out = vec![7; outputs];
                k.cut_slices(&sums, sections, &thresholds, &mut out);
                out
            };
            for k in &sets {
                assert_eq!(cut(k), cut(scalar), "{}, {sections}", k.isa.name());
            }
        }
    }
}

#[test]
fn sums_cut_at_once() {
    let (scalar, sets) = sets();
    let mut rng = keyed(&[3, 61]);
    for n in (32..=928usize).step_by(32 * STEP) {
        // Sums within 16 bits, as far as wrapping ones are: small numbers.
        let x: Vec<i16> = (0..n + 100).map(|_| rng.next_u64() as i16 >> 3).collect();
        let mut offsets = |n| -> Vec<u32> { (0..n).map(|_| below(&mut rng, 101) as u32).collect() };
        let terms = Terms::new(7, &offsets(4), &offsets(3));
        let mut sums = vec![0; n];
        scalar.sum16(&x, &terms, &mut sums);
        for t in [i16::MIN, -1, 0, sums[0], sums[n - 1], i16::MAX] {
            let mut wanted = vec![7; n.div_ceil(64)];
            scalar.cut16(&sums, t, &mut wanted);
            for k in sets.iter().chain([&scalar]) {
                let mut out = vec![7; n.div_ceil(64)];
                k.cut_sum16(&x, &terms, t, n, &mut out);
                assert_eq!(out, wanted, "{} at {n}, {t}", k.isa.name());
            }
        }
    }
}

/// The bits that [`Kernels::cut_rows`] should make, in integers that cannot overflow.
fn rows_wanted(
    x: &[u8],
    edge: [u8; ROW],
    columns: &[(u8, Vec<u32>, Vec<u32>)],
    limit: Limit,
    rows: usize,
) -> Vec<u64> {
    let mut out = vec![0; rows.div_ceil(4)];
    for (r, j) in (0..rows).flat_map(|r| (0..ROW).map(move |j| (r, j))) {
        let mut total = u32::from(edge[j]);
        for (dx, (init, adds, subs)) in columns.iter().enumerate() {
            if j + dx >= ROW {
                continue;
            }
            let at = |&o: &u32| i32::from(x[o as usize + ROW * r + j + dx]);
            let part = i32::from(*init) + adds.iter().map(at).sum::<i32>()
                - subs.iter().map(at).sum::<i32>();
            total += u32::from(part as u8);
        }
        let bit = match limit {
            Limit::AtLeast(t) => total.min(255) >= u32::from(t),
            Limit::AtMost(t) => total.min(255) <= u32::from(t),
        };
        out[r / 4] |= u64::from(bit) << (ROW * (r % 4) + j);
    }
    out
}

#[test]
fn sums_over_rows() {
    let (scalar, sets) = sets();
    let mut rng = keyed(&[4, 61]);
    let limits: Vec<_> = [0, 1, 100, 150, 254, 255]
        .into_iter()
        .flat_map(|t| [Limit::AtLeast(t), Limit::AtMost(t)])
        .step_by(STEP.div_ceil(4))
        .collect();
    let sizes = (4..=64usize).step_by(4);
    for (rows, k) in sizes
        .flat_map(|rows| (1..=COLUMNS).map(move |k| (rows, k)))
        .step_by(STEP)
    {
        // Small bytes, so that some totals stay below 255.
        let x: Vec<u8> = bytes(&mut rng, rows * ROW + 200)
            .iter()
            .map(|x| x & 15)
            .collect();
        let edge: [u8; ROW] = std::array::from_fn(|_| below(&mut rng, 60) as u8);
        let mut offsets = |n| -> Vec<u32> { (0..n).map(|_| below(&mut rng, 201) as u32).collect() };
        let columns: Vec<_> = (0..k)
            .map(|dx| (30 + dx as u8, offsets(dx % 4), offsets(2)))
            .collect();
        let mut terms = RowTerms::new(edge);
        for (init, adds, subs) in &columns {
            terms.column(*init, adds, subs);
        }
        for &limit in &limits {
            let wanted = rows_wanted(&x, edge, &columns, limit, rows);
            for kernels in sets.iter().chain([&scalar]) {
                let mut out = vec![7; rows.div_ceil(4)];
                kernels.cut_rows(&x, &terms, limit, rows, &mut out);
                assert_eq!(out, wanted, "{} at {rows}, {k}", kernels.isa.name());
            }
        }
    }
}

#[test]
fn rows_in_another_order() {
    let (scalar, sets) = sets();
    let mut rng = keyed(&[5, 61]);
    for (from, to) in (1..=10usize)
        .flat_map(|a| (1..=10usize).map(move |b| (a, b)))
        .step_by(STEP)
    {
        let x = words(&mut rng, from);
        let order: Vec<u16> = (0..4 * to)
            .map(|_| below(&mut rng, 4 * from as u64) as u16)
            .collect();
        for k in sets.iter().chain([&scalar]) {
            let mut out = vec![7; to];
            k.gather_rows(&x, &RowOrder::new(order.clone()), &mut out);
            for (i, &from) in order.iter().enumerate() {
                let row = |x: &[u64], i: usize| x[i / 4] >> (i % 4 * 16) & 0xffff;
                let wanted = row(&x, usize::from(from));
                assert_eq!(row(&out, i), wanted, "{} row {i}", k.isa.name());
            }
        }
    }
}

#[test]
fn pooled_rows_in_another_order() {
    let (scalar, sets) = sets();
    let mut rng = keyed(&[10, 61]);
    for (words_of_x, rows) in (1..=10usize).flat_map(|a| (1..=18usize).map(move |b| (a, b))) {
        let columns = 1 + below(&mut rng, 8) as usize;
        let x: Vec<u64> = (0..words_of_x)
            .map(|_| rng.next_u64() & rng.next_u64() & rng.next_u64())
            .collect();
        let order: Vec<u16> = (0..2 * rows + below(&mut rng, 3) as usize)
            .map(|_| below(&mut rng, 4 * words_of_x as u64) as u16)
            .collect();
        let to = BitRows {
            origin: below(&mut rng, 70) as usize,
            step: columns + below(&mut rng, 5) as usize,
        };
        let places = RowOrder::new(order.clone());
        for invert in [false, true] {
            let run = |k: &Kernels| {
                let mut out = vec![0; (to.origin + rows * to.step).div_ceil(64) + 1];
                k.pool_rows(&x, &places, (rows, columns), invert, &mut out, to);
                out
            };
            let out = run(scalar);
            let mut ones = 0;
            for (y, c) in (0..rows).flat_map(|y| (0..columns).map(move |c| (y, c))) {
                let any = [0, 1].iter().any(|&dy| {
                    let row = usize::from(order[2 * y + dy]);
                    x[row / 4] >> (row % 4 * 16 + 2 * c) & 3 != 0
                });
                let at = to.origin + y * to.step + c;
                assert_eq!(out[at / 64] >> (at % 64) & 1 == 1, any != invert);
                ones += u32::from(any != invert);
            }
            assert_eq!(out.iter().map(|w| w.count_ones()).sum::<u32>(), ones);
            for k in &sets {
                assert_eq!(run(k), out, "{} at {rows}, {columns}", k.isa.name());
            }
        }
    }
}

#[test]
fn unpacked_bits_and_planes() {
    let (scalar, sets) = sets();
    let mut rng = keyed(&[2, 61]);
    for n in (32..=352usize).step_by(32 * STEP) {
        for b in 1..=8 {
            let bits: Vec<_> = (0..b).map(|_| words(&mut rng, n.div_ceil(64))).collect();
            let run = |k: &Kernels| {
                let mut unpacked = vec![0; b * n];
                for (bits, out) in bits.iter().zip(unpacked.chunks_exact_mut(n)) {
                    k.unpack(bits, out);
                }
                let mut planes = vec![0; n << (b - 1)];
                k.planes(&unpacked, b, &mut planes);
                (unpacked, planes)
            };
            let (_, planes) = run(scalar);
            // What a plane is: matches of its pattern.
            for (w, plane) in planes.chunks_exact(n).enumerate() {
                for (q, &count) in plane.iter().enumerate() {
                    let matches =
                        (0..b).filter(|&j| bits[j][q / 64] >> (q % 64) & 1 == (w >> j & 1) as u64);
                    assert_eq!(usize::from(count), matches.count());
                }
            }
            for k in &sets {
                assert_eq!(run(k), run(scalar), "{} at {n}, {b}", k.isa.name());
            }
        }
    }
}

#[test]
fn signed_sums_of_neighbours() {
    let (scalar, sets) = sets();
    let mut rng = keyed(&[3, 61]);
    for k in (1..=8usize).step_by(STEP.div_ceil(4)) {
        for lanes in [32usize, 64] {
            let (rows, out_rows, pitch) = (5, 7, lanes + k - 1);
            let x: Vec<i16> = (0..rows * pitch)
                .map(|_| below(&mut rng, 256) as i16)
                .collect();
            let run = |kernels: &Kernels| {
                let mut out = vec![9; (out_rows * lanes) << (k - 1)];
                kernels.signed_sums(&x, (k, pitch), (lanes, out_rows), &mut out);
                out
            };
            let out = run(scalar);
            for m in 0..1usize << (k - 1) {
                for (r, lane) in (0..rows).flat_map(|r| (0..lanes).map(move |l| (r, l))) {
                    let sign = |j: usize| {
                        if j > 0 && m >> (j - 1) & 1 == 1 {
                            -1i16
                        } else {
                            1
                        }
                    };
                    let sum: i16 = (0..k).map(|j| sign(j) * x[r * pitch + lane + j]).sum();
                    assert_eq!(out[(m * out_rows + r) * lanes + lane], sum);
                }
            }
            for kernels in &sets {
                assert_eq!(run(kernels), out, "{} at {k}, {lanes}", kernels.isa.name());
            }
        }
    }
}

#[test]
fn pooled_rows() {
    let (scalar, sets) = sets();
    let mut rng = keyed(&[4, 61]);
    for columns in [1usize, 2, 7, 14, 16, 31, 32, 33, 50, 64, 70]
        .into_iter()
        .step_by(STEP.div_ceil(4))
    {
        for rows in [1, 3] {
            let from = BitRows {
                origin: below(&mut rng, 70) as usize,
                step: 2 * columns + below(&mut rng, 5) as usize,
            };
            let to = BitRows {
                origin: below(&mut rng, 70) as usize,
                step: columns + below(&mut rng, 5) as usize,
            };
            // Few ones, so that windows of zeros occur.
            let n = (from.origin + 2 * rows * from.step).div_ceil(64) + 1;
            let input: Vec<u64> = (0..n)
                .map(|_| rng.next_u64() & rng.next_u64() & rng.next_u64())
                .collect();
            for invert in [false, true] {
                let run = |k: &Kernels| {
                    let mut out = vec![0; (to.origin + rows * to.step).div_ceil(64) + 1];
                    k.pool2(&input, from, (rows, columns), invert, &mut out, to);
                    out
                };
                let out = run(scalar);
                let bit = |x: &[u64], at: usize| x[at / 64] >> (at % 64) & 1 == 1;
                let mut ones = 0;
                for (y, x) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
                    let at = from.origin + 2 * y * from.step + 2 * x;
                    let any = [0, 1, from.step, from.step + 1]
                        .iter()
                        .any(|d| bit(&input, at + d));
                    assert_eq!(bit(&out, to.origin + y * to.step + x), any != invert);
                    ones += u32::from(any != invert);
                }
                assert_eq!(out.iter().map(|w| w.count_ones()).sum::<u32>(), ones);
                for k in &sets {
                    assert_eq!(run(k), out, "{} at {columns}", k.isa.name());
                }
            }
        }
    }
}

#[test]
fn differing_bits_and_dot_products() {
    let (scalar, sets) = sets();
    let mut rng = keyed(&[5, 61]);
    for n in (0..40).step_by(STEP).chain([63, 64, 65, 130]) {
        for outputs in [1, 3, 10] {
            let (x, w) = (words(&mut rng, n), words(&mut rng, n * outputs));
            let pixels = bytes(&mut rng, n);
            let signs: Vec<i8> = (0..n * outputs)
                .map(|_| below(&mut rng, 3) as i8 - 1)
                .collect();
            let run = |k: &Kernels| {
                let (mut a, mut b) = (vec![-1; outputs], vec![-1; outputs]);
                k.differ(&x, &w, &mut a);
                k.dot(&pixels, &signs, &mut b);
                (a, b)
            };
            for k in &sets {
                assert_eq!(run(k), run(scalar), "{} at {n}, {outputs}", k.isa.name());
            }
        }
    }
}

/// Every set adds the look-ups of a position in order, so even these floats agree
/// to the bit.
#[test]
fn look_ups_and_real_cuts() {
    let (scalar, sets) = sets();
    let mut rng = keyed(&[6, 61]);
    for width in TABLE_WIDTHS {
        for (positions, lookups) in [(1, 1), (2, 3), (3, 10), (4, 5), (5, 1), (9, 12), (23, 7)] {
            let cells = bytes(&mut rng, 200);
            let mut index =
                |n: usize| -> Vec<u32> { (0..n).map(|_| below(&mut rng, 100) as u32).collect() };
            let (starts, offsets) = (index(positions), index(lookups));
            let table: Vec<f32> = (0..lookups * 16 * width)
                .map(|_| between(&mut rng, -1.0, 1.0))
                .collect();
            let out_step = width + 8;
            let lookups = Lookups {
                starts: &starts,
                offsets: &offsets,
                table: &table,
                width,
                out_step,
            };
            let run = |k: &Kernels| {
                let mut out = vec![0.5; positions * out_step];
                k.look_up(&cells, &lookups, &mut out);
                bits(&out)
            };
            for k in &sets {
                assert_eq!(
                    run(k),
                    run(scalar),
                    "{} at {width}, {positions}",
                    k.isa.name()
                );
            }
        }
    }
    for channels in [8, 16, 24, 40] {
        for windows in [0, 1, 2, 7] {
            let step = 2 * windows * channels + 3;
            let mut rows: Vec<f32> = (0..step + 2 * windows * channels)
                .map(|_| between(&mut rng, -1.0, 1.0))
                .collect();
            if let Some(x) = rows.first_mut() {
                *x = f32::NAN;
            }
            // Ties, and the constants' thresholds.
            let mut threshold: Vec<f32> = (0..channels)
                .map(|c| rows.get(c).copied().unwrap_or(0.0))
                .collect();
            threshold[0] = f32::NEG_INFINITY;
            threshold[1] = f32::INFINITY;
            let run = |k: &Kernels| {
                let mut out = vec![99; windows * channels / 4];
                k.cut_pool2(&rows, step, channels, &threshold, &mut out);
                out
            };
            for k in &sets {
                assert_eq!(
                    run(k),
                    run(scalar),
                    "{} at {channels}, {windows}",
                    k.isa.name()
                );
            }
        }
    }
}

#[test]
fn look_ups_of_16_bit_integers() {
    let (scalar, sets) = sets();
    let mut rng = keyed(&[7, 61]);
    for width in SHORT_WIDTHS {
        for (positions, lookups) in [(1, 1), (2, 3), (3, 10), (4, 5), (5, 1), (9, 12), (23, 7)] {
            let cells = bytes(&mut rng, 200).into_iter();
            let cells: Vec<_> = cells.map(TableRow::new).collect();
            let mut index =
                |n: usize| -> Vec<u32> { (0..n).map(|_| below(&mut rng, 100) as u32).collect() };
            let (starts, offsets) = (index(positions), index(lookups));
            // Any integers: sums wrap.
            let table: Vec<i16> = (0..lookups * 16 * width)
                .map(|_| rng.next_u64() as i16)
                .collect();
            let out_step = width + 16;
            let lookups = Lookups {
                starts: &starts,
                offsets: &offsets,
                table: &table,
                width,
                out_step,
            };
            let run = |k: &Kernels| {
                let mut out = vec![5; positions * out_step];
                k.look_up16(&cells, &lookups, &mut out);
                out
            };
            for k in &sets {
                let name = k.isa.name();
                assert_eq!(run(k), run(scalar), "{name} at {width}, {positions}");
            }
        }
    }
}

#[test]
fn pooled_16_bit_estimates() {
    let (scalar, sets) = sets();
    let mut rng = keyed(&[9, 61]);
    for channels in (4..=100).step_by(4) {
        for windows in [0, 1, 2, 7] {
            let pixel = usize::next_multiple_of(channels, 16);
            let row = 2 * windows * pixel + 5;
            // Estimates at, beside and far from the margins.
            let margin: Vec<i16> = (0..pixel).map(|_| below(&mut rng, 900) as i16).collect();
            let mut estimate = |i: usize| {
                let margin = margin[i % pixel];
                match below(&mut rng, 8) {
                    0 => margin,
                    1 => margin + 1,
                    2 => -margin,
                    3 => -margin - 1,
                    4 => 31_000,
                    _ => -31_000,
                }
            };
            let mut rows = vec![0; row + 2 * windows * pixel];
            for at in [0, row] {
                for i in 0..2 * windows * pixel {
                    rows[at + i] = estimate(i);
                }
            }
            let s = ShortRows {
                row,
                pixel,
                channels,
                margin: &margin,
            };
            let run = |k: &Kernels| {
                let (mut above, mut doubt) = (
                    vec![99; windows * channels / 4],
                    vec![77; windows * channels / 4],
                );
                k.cut_pool16(&rows, &s, &mut above, &mut doubt);
                (above, doubt)
            };
            for k in &sets {
                let name = k.isa.name();
                assert_eq!(run(k), run(scalar), "{name} at {channels}, {windows}");
            }
        }
    }
}
