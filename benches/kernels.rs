//! Speed of each instruction set's kernels on the shapes of one image, and of
//! matrixmultiply on the same product with the patches written out.
//!
//! `cargo bench --bench kernels -- conv2` runs what has `conv2` in its name. The
//! throughput of `peak` (independent FMAs in registers) is what to compare the
//! products with: its "elements" a second, like theirs, are FLOP a second. That
//! of the element-wise passes is elements a second.

use bnn_cpu::kernels::elementwise::{Adam, Pool, Sgd};
use bnn_cpu::kernels::gemm::{Layout, Patches, Store, panel_len, sgemm};
use bnn_cpu::kernels::im2col::im2col;
use bnn_cpu::kernels::{Elementwise, Isa};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;

/// Numbers without a pattern that a predictor could learn.
fn numbers(len: usize) -> Vec<f32> {
    (0..len as u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0)
        .collect()
}

/// A convolution with "same" padding over one (side, side, channels) image.
fn conv(side: usize, channels: usize, kernel: usize) -> Patches {
    let padded = side + kernel - 1;
    Patches {
        rows: side,
        cols: side,
        row_step: padded * channels,
        col_step: channels,
        runs: kernel,
        run_len: kernel * channels,
        run_step: padded * channels,
    }
}

/// (name, patches, columns)
fn shapes() -> Vec<(&'static str, Patches, usize)> {
    vec![
        ("conv1", conv(28, 1, 5), 16),
        ("conv2", conv(14, 16, 5), 32),
        ("conv2_grad", conv(14, 32, 5), 16),
        ("linear_64", Patches::matrix(64, 1568), 10),
        ("linear_64_grad", Patches::matrix(64, 10), 1568),
        ("linear_4", Patches::matrix(4, 1568), 10),
        ("mlp_64", Patches::matrix(64, 784), 100),
    ]
}

/// Shapes beyond the caches: what `prefer_matrixmultiply` was measured on.
fn large() -> Vec<(&'static str, Patches, usize)> {
    vec![
        ("512x512x512", Patches::matrix(512, 512), 512),
        ("64x4096x4096", Patches::matrix(64, 4096), 4096),
        ("1024x1024x1024", Patches::matrix(1024, 1024), 1024),
    ]
}

#[cfg(target_arch = "x86_64")]
fn peak(c: &mut Criterion) {
    use std::arch::x86_64::*;

    const ROUNDS: u64 = 10_000;

    #[target_feature(enable = "avx2,fma")]
    fn run() -> f32 {
        let mut sums = [_mm256_set1_ps(1.0); 12];
        let (x, y) = (
            _mm256_set1_ps(black_box(0.5)),
            _mm256_set1_ps(black_box(0.25)),
        );
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, x, y);
            }
        }
        let total = sums.into_iter().reduce(|a, b| _mm256_add_ps(a, b));
        total.map_or(0.0, |total| _mm256_cvtss_f32(total))
    }

    if Isa::Avx2.kernels().is_none() {
        return;
    }
    let mut group = c.benchmark_group("peak");
    group.throughput(Throughput::Elements(ROUNDS * 12 * 8 * 2));
    group.bench_function("avx2", |bench| {
        // SAFETY: the machine has AVX2 and FMA.
        bench.iter(|| unsafe { run() });
    });
}

#[cfg(not(target_arch = "x86_64"))]
fn peak(_: &mut Criterion) {}

fn products(c: &mut Criterion, shapes: &[(&str, Patches, usize)], scalar: bool) {
    for &(name, patches, columns) in shapes {
        let (count, depth) = (patches.count(), patches.depth());
        let a = numbers(patches.span());
        let b = numbers(panel_len(depth, columns));
        let g = numbers(count * columns);
        let mut out = vec![0.0; count * columns];
        let mut d = vec![0.0; panel_len(depth, columns)];
        let mut rows = vec![0.0; count * depth];
        im2col(&patches, &a, &mut rows);
        let (la, lb) = (
            Layout::row_major(count, depth),
            Layout::row_major(depth, columns),
        );
        let lc = Layout::row_major(count, columns);
        let flop = Throughput::Elements((2 * count * depth * columns) as u64);
        let isas = || {
            Isa::available()
                .into_iter()
                .filter(|&i| scalar || i != Isa::Scalar)
        };

        let mut group = c.benchmark_group(format!("product/{name}"));
        group.throughput(flop.clone());
        for isa in isas() {
            let Some(kernels) = isa.kernels() else {
                continue;
            };
            group.bench_function(isa.name(), |bench| {
                bench.iter(|| {
                    kernels.product(&patches, &a, &b, columns, None, &mut out, Store::Assign);
                });
            });
        }
        group.bench_function("matrixmultiply", |bench| {
            bench.iter(|| sgemm(1.0, (&rows, la), (&b, lb), 0.0, (&mut out, lc)));
        });
        group.finish();

        let mut group = c.benchmark_group(format!("transposed/{name}"));
        group.throughput(flop);
        for isa in isas() {
            let Some(kernels) = isa.kernels() else {
                continue;
            };
            group.bench_function(isa.name(), |bench| {
                bench.iter(|| kernels.transposed(&patches, &a, &g, columns, &mut d));
            });
        }
        group.bench_function("matrixmultiply", |bench| {
            bench.iter(|| sgemm(1.0, (&rows, la.transposed()), (&g, lc), 1.0, (&mut d, lb)));
        });
        group.finish();
    }
}

fn elementwise(c: &mut Criterion) {
    for (side, channels) in [(28, 16), (14, 32)] {
        let len = side * side * channels;
        let (x, dy) = (numbers(len), numbers(len));
        let (s, t, u) = (numbers(channels), numbers(channels), numbers(channels));
        let (mut p, mut q) = (numbers(channels), numbers(channels));
        let mut y = numbers(len);
        let (mut m, mut v) = (vec![0.0; len], vec![0.0; len]);
        let pool = Pool {
            height: side,
            width: side,
            channels,
            kernel: (2, 2),
            stride: (2, 2),
        };
        let (mut max, mut index) = (vec![0.0; len / 4], vec![0; len / 4]);
        let sgd = Sgd {
            lr: 1e-9,
            momentum: 0.9,
            nesterov: false,
            weight_decay: 0.0,
        };
        let adam = Adam {
            lr: 1e-9,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            decoupled: false,
            correction1: 0.5,
            correction2: 0.5,
        };
        for isa in Isa::available()
            .into_iter()
            .filter(|&isa| isa != Isa::Scalar)
        {
            let Some(kernels) = isa.kernels() else {
                continue;
            };
            let e: &Elementwise = &kernels.ew;
            let mut group = c.benchmark_group(format!(
                "elementwise/{side}x{side}x{channels}/{}",
                isa.name()
            ));
            group.throughput(Throughput::Elements(len as u64));
            let mut run = |name: &str, f: &mut dyn FnMut()| {
                group.bench_function(name, |bench| bench.iter(&mut *f));
            };
            run("add", &mut || (e.add)(&x, &mut m));
            run("affine", &mut || (e.affine)(&x, &s, &t, &mut y));
            run("channel_sums", &mut || {
                (e.channel_sums)(&x, &s, &mut p, &mut q)
            });
            run("batch_norm_sums", &mut || {
                (e.batch_norm_sums)(&x, &s, &dy, &mut p, &mut q)
            });
            run("batch_norm_grad", &mut || {
                (e.batch_norm_grad)(&x, &dy, &s, &t, &u, &mut m)
            });
            run("max_pool", &mut || {
                (e.max_pool)(&pool, &x, &mut max, &mut index)
            });
            run("max_pool_grad", &mut || {
                (e.max_pool_grad)(&pool, &max, &index, &mut m)
            });
            run("relu", &mut || (e.relu)(&x, &mut y));
            run("relu_grad", &mut || (e.relu_grad)(&x, &dy, &mut m));
            run("hard_sigmoid", &mut || (e.hard_sigmoid)(1.5, &x, &mut y));
            run("hard_sigmoid_grad", &mut || {
                (e.hard_sigmoid_grad)(1.5, &x, &dy, &mut m)
            });
            run("sigmoid", &mut || (e.sigmoid)(1.5, &x, &mut y));
            run("sigmoid_grad", &mut || {
                (e.sigmoid_grad)(1.5, &x, &dy, &mut m)
            });
            run("step", &mut || (e.step)(&x, &mut y));
            run("bernoulli", &mut || (e.bernoulli)(&x, &dy, &mut y));
            m.fill(0.0);
            let mut run = |name: &str, f: &mut dyn FnMut()| {
                group.bench_function(name, |bench| bench.iter(&mut *f));
            };
            run("sgd", &mut || (e.sgd)(&sgd, &x, &mut m, &mut y));
            run("adam", &mut || (e.adam)(&adam, &x, &mut m, &mut v, &mut y));
        }
    }
}

fn all(c: &mut Criterion) {
    peak(c);
    products(c, &shapes(), true);
    products(c, &large(), false);
    elementwise(c);
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(300))
        .nresamples(5_000)
        .without_plots();
    targets = all
}
criterion_main!(benches);
