//! Every layer, forwards and backwards, and packed networks, against plain loops in
//! double precision (`crate::common::oracle`): over random shapes, on every instruction set
//! of this machine, on one to four threads, which must give the same bits.
//!
//! `PROPTEST_CASES` raises the number of cases of a layer, `BNN_CPU_PACKED_NETS`
//! that of networks.

use std::io::Write;
use std::sync::{Arc, LazyLock};

use crate::common::oracle::{self, Norm};
use crate::common::packed::{Mix, RandomNet};
use crate::common::{bits, engines, fastest, pool};
use bnn_cpu::estimators::{BinaryUnit, Firing, StraightThrough};
use bnn_cpu::kernels::Engine;
use bnn_cpu::layers::{
    ActivationOp, BatchNormOp, ConvOp, CrossEntropyOp, Function, GroupedConvOp, LinearOp,
    MaxPoolOp, NormPool, PreluOp, Sides, Statistics, Terms, Weights, Window,
};
use bnn_cpu::random::{between, keyed};
use bnn_cpu::tape::{Mode, Tape, Value};
use bnn_cpu::tensor::Shape;
use proptest::prelude::*;

/// Cases of a layer in an ordinary run, each on every set and number of threads.
const CASES: u32 = 24;

fn config() -> ProptestConfig {
    match std::env::var("PROPTEST_CASES") {
        Ok(_) => ProptestConfig::default(),
        Err(_) => ProptestConfig::with_cases(CASES),
    }
}

fn fill(seed: u64, n: usize, size: f32) -> Vec<f32> {
    let mut rng = keyed(&[0x6f72_6163, seed]);
    (0..n).map(|_| between(&mut rng, -size, size)).collect()
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

fn size(x: &[f64]) -> Vec<f64> {
    x.iter().map(|x| x.abs()).collect()
}

/// What a layer does: its output, and the gradients of its input and parameters.
struct Done<T> {
    y: Vec<T>,
    dx: Vec<T>,
    grads: Vec<T>,
}

/// One layer on given numbers.
struct Layer<'a> {
    shape: Shape,
    rows: usize,
    /// Rows of the tape beyond those.
    spare: usize,
    x: &'a [f32],
    /// Seed of the gradient of the output.
    seed: u64,
    record: &'a (dyn Fn(&mut Tape, Value) -> Value + Sync),
    prepare: &'a (dyn Fn(&mut Tape) + Sync),
}

impl Layer<'_> {
    fn run(&self, engine: Engine) -> Done<f32> {
        let mut tape = Tape::new(engine, self.rows + self.spare);
        let x = tape.input(self.shape, true);
        let y = (self.record)(&mut tape, x);
        tape.seal(true);
        tape.set_rows(self.rows);
        tape.value_mut(x).copy_from_slice(self.x);
        (self.prepare)(&mut tape);
        tape.params.grads_mut().fill(0.0);
        tape.forward();
        let out = tape.value(y).to_vec();
        let g = fill(self.seed, out.len(), 1.0);
        tape.backward_from(y, |grad| grad.copy_from_slice(&g));
        Done {
            y: out,
            dx: tape.grad(x).to_vec(),
            grads: tape.params.grads().to_vec(),
        }
    }

    /// Compares with `want` within `within`, number by number, on every set, and
    /// the numbers of threads with one another, bit by bit.
    fn check(&self, want: &Done<f64>, within: &Done<f64>) -> Result<(), TestCaseError> {
        static POOLS: LazyLock<Vec<rayon::ThreadPool>> =
            LazyLock::new(|| (1..=4).map(pool).collect());
        for engine in engines() {
            let isa = engine.kernels.isa.name();
            let runs: Vec<_> = POOLS
                .iter()
                .map(|pool| pool.install(|| self.run(engine)))
                .collect();
            let first = &runs[0];
            for (what, got, want, within) in [
                ("y", &first.y, &want.y, &within.y),
                ("dx", &first.dx, &want.dx, &within.dx),
                ("grads", &first.grads, &want.grads, &within.grads),
            ] {
                prop_assert_eq!(got.len(), want.len(), "{} {}", isa, what);
                for (i, &got) in got.iter().enumerate() {
                    let error = (f64::from(got) - want[i]).abs();
                    prop_assert!(
                        error <= within[i],
                        "{} {}[{}]: {} instead of {}, {:e} off, {:e} allowed",
                        isa,
                        what,
                        i,
                        got,
                        want[i],
                        error,
                        within[i]
                    );
                }
            }
            for (threads, run) in (2..).zip(&runs[1..]) {
                let same = bits(&run.y) == bits(&first.y)
                    && bits(&run.dx) == bits(&first.dx)
                    && bits(&run.grads) == bits(&first.grads);
                prop_assert!(same, "{}: {} threads give other bits", isa, threads);
            }
        }
        Ok(())
    }
}

/// An error that is allowed in sums of products: so much of the largest sum of their
/// magnitudes (Winograd's algorithm mixes the numbers of a tile).
fn allowed(magnitudes: &[f64], share: f64) -> Vec<f64> {
    let largest = magnitudes.iter().fold(1e-30f64, |m, &x| m.max(x));
    vec![largest * share; magnitudes.len()]
}

/// The gradient of the output, as [`Layer::run`] makes it.
fn random_grad(seed: u64, n: usize) -> Vec<f64> {
    wide(&fill(seed, n, 1.0))
}

/// Sizes that fall on, before and after the widths of registers.
fn channels() -> impl Strategy<Value = usize> {
    prop_oneof![
        1usize..=9,
        prop::sample::select(vec![15usize, 16, 17, 24, 31, 32, 33, 40])
    ]
}

#[derive(Clone, Debug)]
struct Case {
    input: Shape,
    out: usize,
    window: Window,
    groups: usize,
    rows: usize,
    spare: usize,
    bias: bool,
    seed: u64,
}

fn conv_case() -> impl Strategy<Value = Case> {
    let sizes = (channels(), 1usize..=13, 1usize..=13, channels());
    let window = (1usize..=7, 1usize..=4, 0usize..7);
    let rest = (1usize..=9, 0usize..=3, any::<bool>(), any::<u64>());
    (sizes, window, rest)
        .prop_map(
            |((c, h, w, out), (kernel, stride, pad), (rows, spare, bias, seed))| Case {
                input: Shape::image(c, h, w),
                out,
                window: Window {
                    border: (seed % 3) as i8 - 1,
                    ..Window::square(kernel, stride, pad % kernel)
                },
                groups: 1,
                rows,
                spare,
                bias,
                seed,
            },
        )
        .prop_filter("the window fits, and the loops end soon", |case| {
            case.fits()
        })
}

impl Case {
    /// Whether the window fits, and the loops end soon.
    fn fits(&self) -> bool {
        let fits = |n: usize, k: usize, d: usize, p: usize| n + 2 * p > (k - 1) * d;
        let (k, d, p) = (
            self.window.kernel,
            self.window.dilation,
            self.window.padding,
        );
        let depth = k.area() * self.input.channels / self.groups;
        fits(self.input.height, k.height, d.height, p.height)
            && fits(self.input.width, k.width, d.width, p.width)
            && self.rows * self.input.pixels() * depth * self.out < 2_000_000
    }
}

/// Groups, dilation, and windows that differ by side. `groups` groups of so many inputs and
/// outputs: those that go channel by channel and those that are matrix products.
fn grouped_case() -> impl Strategy<Value = Case> {
    let side = || (1usize..=4, 1usize..=3, 1usize..=3, 0usize..9);
    let groups = prop_oneof![
        (2usize..=20, Just(1usize), 1usize..=3),
        (1usize..=5, 1usize..=9, 1usize..=18)
    ];
    let sizes = (groups, 1usize..=12, 1usize..=12);
    let rest = (1usize..=9, 0usize..=3, any::<bool>(), any::<u64>());
    let make = |((groups, n, m), height, width): ((usize, usize, usize), usize, usize),
                [(kh, sh, dh, ph), (kw, sw, dw, pw)]: [(usize, usize, usize, usize); 2],
                (rows, spare, bias, seed)| Case {
        input: Shape::image(groups * n, height, width),
        out: groups * m,
        window: Window {
            kernel: [kh, kw].into(),
            stride: [sh, sw].into(),
            padding: [ph % ((kh - 1) * dh + 1), pw % ((kw - 1) * dw + 1)].into(),
            border: (seed % 3) as i8 - 1,
            dilation: [dh, dw].into(),
        },
        groups,
        rows,
        spare,
        bias,
        seed,
    };
    (sizes, [side(), side()], rest)
        .prop_map(move |(sizes, window, rest)| make(sizes, window, rest))
        .prop_filter("the window fits, and the loops end soon", Case::fits)
}

/// Runs a convolution (or a linear layer) and its oracle. With `units` it stands
/// over straight-through bits.
fn products(
    case: &Case,
    units: bool,
    weights: Weights,
    over: &(dyn Fn(&mut Tape, Value, Terms) -> Value + Sync),
    layer: &oracle::Conv,
    order: &dyn Fn(&[f64]) -> Vec<f64>,
    back: &dyn Fn(&[f64]) -> Vec<f64>,
) -> Result<(), TestCaseError> {
    let count = layer.count();
    let slope = 0.8f32;
    let mut x = fill(case.seed, case.rows * case.input.len(), 1.5);
    for x in &mut x {
        // Not within rounding of where the unit's gradient ends.
        if (slope * x.abs() - 1.0).abs() < 1e-5 {
            *x = 0.5;
        }
    }
    let v = fill(case.seed ^ 1, count, 1.3);
    let bias = match (case.bias, weights) {
        (true, Weights::Real) => fill(case.seed ^ 2, case.out, 1.0),
        _ => Vec::new(),
    };
    let terms = match weights {
        Weights::Real => Terms::real(case.bias),
        Weights::Binary => Terms::binary(),
    };
    let record = |tape: &mut Tape, x: Value| {
        let below = match units {
            true => {
                let unit = Arc::new(StraightThrough::default());
                BinaryUnit::record(tape, x, Firing::Deterministic, unit)
            }
            false => x,
        };
        over(tape, below, terms)
    };
    let prepare = |tape: &mut Tape| {
        tape.pass.slope = slope;
        tape.params.values_mut()[..count].copy_from_slice(&v);
        tape.params.values_mut()[count..].copy_from_slice(&bias);
    };
    let run = Layer {
        shape: case.input,
        rows: case.rows,
        spare: case.spare,
        x: &x,
        seed: case.seed ^ 3,
        record: &record,
        prepare: &prepare,
    };

    let st = |x: f64| oracle::function(Function::HardSigmoid, f64::from(slope), x).1;
    let real = wide(&x);
    let h: Vec<f64> = match units {
        true => real.iter().map(|&x| f64::from(u8::from(x > 0.0))).collect(),
        false => real.clone(),
    };
    let w = order(&oracle::effective(weights, &wide(&v)));
    let bias = wide(&bias);
    let some = (!bias.is_empty()).then_some(&bias[..]);
    let y = layer.forward(&h, &w, some);
    let g = random_grad(case.seed ^ 3, y.len());
    // Whole numbers are exact; the rest within rounding of the magnitudes.
    let exact = units && weights == Weights::Binary;
    let mut absolute = *layer;
    absolute.window.border = absolute.window.border.abs();
    let sizes = absolute.forward(&size(&h), &size(&w), some.map(size).as_deref());
    let (gradients, magnitudes) = (
        layer.backward(&h, &w, &g),
        absolute.backward(&size(&h), &size(&w), &size(&g)),
    );
    let join = |[dx, dw, db]: [Vec<f64>; 3], tolerance: bool| -> (Vec<f64>, Vec<f64>) {
        let mut grads = back(&dw);
        if weights == Weights::Binary && !tolerance {
            for (d, v) in grads.iter_mut().zip(&v) {
                if v.abs() > 1.0 {
                    *d = 0.0;
                }
            }
        }
        if some.is_some() {
            grads.extend(db);
        }
        let dx = match units {
            true if !tolerance => dx.iter().zip(&real).map(|(d, &x)| d * st(x)).collect(),
            _ => dx,
        };
        (dx, grads)
    };
    let (dx, grads) = join(gradients, false);
    let (dx_size, grads_size) = join(magnitudes, true);
    let share = 2e-6;
    let want = Done { y, dx, grads };
    let within = Done {
        y: allowed(&sizes, if exact { 0.0 } else { share }),
        dx: allowed(&dx_size, share),
        grads: allowed(&grads_size, share),
    };
    run.check(&want, &within)
}

fn same(w: &[f64]) -> Vec<f64> {
    w.to_vec()
}

fn check_conv(case: &Case, units: bool, weights: Weights) -> Result<(), TestCaseError> {
    let record = |tape: &mut Tape, x: Value, terms: Terms| {
        ConvOp::record(tape, "layer", x, case.out, case.window, terms).unwrap()
    };
    let layer = oracle::Conv::new(case.input, case.out, case.window);
    products(case, units, weights, &record, &layer, &same, &same)
}

fn check_grouped(case: &Case, units: bool, weights: Weights) -> Result<(), TestCaseError> {
    let of = (case.window, case.groups);
    let record = |tape: &mut Tape, x: Value, terms: Terms| {
        GroupedConvOp::record(tape, "layer", x, case.out, of, terms).unwrap()
    };
    let layer = oracle::Conv::grouped(case.input, case.out, case.window, case.groups);
    products(case, units, weights, &record, &layer, &same, &same)
}

fn check_linear(case: &Case, units: bool, weights: Weights) -> Result<(), TestCaseError> {
    let record = |tape: &mut Tape, x: Value, terms: Terms| {
        LinearOp::record(tape, "layer", x, case.out, terms).unwrap()
    };
    let layer = oracle::linear(case.input, case.out);
    let order = |w: &[f64]| oracle::stored(case.input, w);
    // Back to (C, H, W): the same exchange of two dimensions.
    let turned = Shape::image(case.input.pixels(), 1, case.input.channels);
    let back = |w: &[f64]| oracle::stored(turned, w);
    products(case, units, weights, &record, &layer, &order, &back)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn convolutions(case in conv_case()) {
        check_conv(&case, false, Weights::Real)?;
    }

    #[test]
    fn convolutions_over_bits(case in conv_case(), binary in any::<bool>()) {
        check_conv(&case, true, if binary { Weights::Binary } else { Weights::Real })?;
    }

    #[test]
    fn grouped_and_dilated_convolutions(case in grouped_case(), (units, binary) in any::<(bool, bool)>()) {
        check_grouped(&case, units, if binary { Weights::Binary } else { Weights::Real })?;
    }

    #[test]
    fn convolutions_that_differ_by_side(mut case in grouped_case(), (units, binary) in any::<(bool, bool)>()) {
        (case.groups, case.window.dilation) = (1, Sides::ONE);
        let (kernel, padding) = (case.window.kernel, case.window.padding);
        case.window.padding = [padding.height % kernel.height, padding.width % kernel.width].into();
        prop_assume!(case.fits());
        check_conv(&case, units, if binary { Weights::Binary } else { Weights::Real })?;
    }

    #[test]
    fn linear_layers(mut case in conv_case(), (units, binary) in any::<(bool, bool)>(), rows in 1usize..=70) {
        case.rows = rows;
        check_linear(&case, units, if binary { Weights::Binary } else { Weights::Real })?;
    }

    #[test]
    fn batch_norms(
        (c, h, w) in (channels(), 1usize..=9, 1usize..=9),
        (rows, spare) in (4usize..=40, 0usize..=3),
        (fixed, pooled) in any::<(bool, bool)>(),
        seed in any::<u64>(),
    ) {
        let shape = Shape::image(c, h, w);
        // Other shapes are recorded as two layers.
        let pooled = pooled && NormPool::supports(shape, 2, 2);
        check_norm(shape, rows, spare, fixed, pooled, seed)?;
    }

    #[test]
    fn max_pools(
        (c, h, w) in (channels(), 1usize..=12, 1usize..=12),
        (kernel, stride) in ([1usize..=4, 1usize..=4], [1usize..=4, 1usize..=4]),
        (rows, spare) in (1usize..=9, 0usize..=3),
        (square, seed) in any::<(bool, u64)>(),
    ) {
        let same = |[side, other]: [usize; 2]| [side, if square { side } else { other }];
        let (kernel, stride) = (same(kernel), same(stride));
        prop_assume!(h >= kernel[0] && w >= kernel[1]);
        let shape = Shape::image(c, h, w);
        // A few levels, so that most windows have ties.
        let x: Vec<f32> = fill(seed, rows * shape.len(), 4.0).iter().map(|x| x.round()).collect();
        let record = |tape: &mut Tape, x: Value| {
            MaxPoolOp::record(tape, "layer", x, kernel, stride).unwrap()
        };
        let run = Layer {
            shape, rows, spare, x: &x, seed: seed ^ 3, record: &record, prepare: &|_| {},
        };
        let (_, y, places) = oracle::max_pool(&wide(&x), shape, kernel, stride);
        let mut dx = vec![0.0; x.len()];
        for (g, place) in random_grad(seed ^ 3, y.len()).iter().zip(places) {
            dx[place] += g;
        }
        let within = Done { y: vec![0.0; y.len()], dx: vec![4e-6; dx.len()], grads: vec![] };
        run.check(&Done { y, dx, grads: vec![] }, &within)?;
    }

    #[test]
    fn activations(len in 1usize..=300, rows in 1usize..=9, which in 0usize..4, slope in 0.1f32..8.0, seed in any::<u64>()) {
        let functions = [Some(Function::Relu), Some(Function::HardSigmoid), Some(Function::Sigmoid), None];
        let function = functions[which];
        let mut x = fill(seed, rows * len, 6.0);
        for x in &mut x {
            // Not within rounding of a kink.
            if (slope * x.abs() - 1.0).abs() < 1e-5 || *x == 0.0 {
                *x = 0.5 / slope;
            }
        }
        let record = |tape: &mut Tape, x: Value| match function {
            Some(function) => ActivationOp::record(tape, x, function),
            None => {
                let unit = Arc::new(StraightThrough::default());
                BinaryUnit::record(tape, x, Firing::Deterministic, unit)
            }
        };
        let prepare = |tape: &mut Tape| tape.pass.slope = slope;
        let run = Layer {
            shape: Shape::vector(len), rows, spare: 1, x: &x, seed: seed ^ 3, record: &record, prepare: &prepare,
        };
        let of = |x: f64| {
            let slope = f64::from(slope);
            match function {
                Some(function) => oracle::function(function, slope, x),
                None => (
                    f64::from(u8::from(x > 0.0)),
                    oracle::function(Function::HardSigmoid, slope, x).1,
                ),
            }
        };
        let (y, d): (Vec<f64>, Vec<f64>) = wide(&x).into_iter().map(of).unzip();
        let dx = random_grad(seed ^ 3, y.len()).iter().zip(d).map(|(g, d)| g * d).collect();
        let within = Done { y: vec![1e-6; y.len()], dx: vec![4e-6; y.len()], grads: vec![] };
        run.check(&Done { y, dx, grads: vec![] }, &within)?;
    }

    #[test]
    fn learned_slopes((c, h, w) in (channels(), 1usize..=9, 1usize..=9), (rows, spare) in (1usize..=40, 0usize..=3), seed in any::<u64>()) {
        let shape = Shape::image(c, h, w);
        let (x, a) = (fill(seed, rows * shape.len(), 2.0), fill(seed ^ 1, c, 1.0));
        let record = |tape: &mut Tape, x: Value| PreluOp::record(tape, "layer", x);
        let prepare = |tape: &mut Tape| tape.params.values_mut().copy_from_slice(&a);
        let run = Layer {
            shape, rows, spare, x: &x, seed: seed ^ 3, record: &record, prepare: &prepare,
        };
        let (real, slope) = (wide(&x), wide(&a));
        let (mut y, mut dx, mut da) = (Vec::new(), Vec::new(), vec![0.0; c]);
        for (i, (&x, g)) in real.iter().zip(random_grad(seed ^ 3, real.len())).enumerate() {
            let above = x > 0.0;
            y.push(if above { x } else { slope[i % c] * x });
            dx.push(if above { g } else { slope[i % c] * g });
            da[i % c] += if above { 0.0 } else { g * x };
        }
        let within = Done {
            y: vec![1e-6; y.len()], dx: vec![4e-6; dx.len()], grads: vec![4e-7 * (rows * h * w).max(10) as f64; c],
        };
        run.check(&Done { y, dx, grads: da }, &within)?;
    }

    #[test]
    fn cross_entropies(classes in 1usize..=40, rows in 1usize..=40, size in 0.1f32..30.0, seed in any::<u64>()) {
        let z = fill(seed, rows * classes, size);
        let labels: Vec<u32> = (0..rows).map(|i| ((seed >> (i % 32)) as usize % classes) as u32).collect();
        let record = |tape: &mut Tape, x: Value| CrossEntropyOp::record(tape, x);
        let prepare = |tape: &mut Tape| tape.batch.labels[..rows].copy_from_slice(&labels);
        let run = Layer {
            shape: Shape::vector(classes), rows, spare: 2, x: &z, seed: seed ^ 3, record: &record, prepare: &prepare,
        };
        let g = random_grad(seed ^ 3, rows);
        let (mut y, mut dx) = (Vec::new(), Vec::new());
        for ((z, &label), g) in wide(&z).chunks_exact(classes).zip(&labels).zip(&g) {
            let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = z.iter().map(|z| (z - max).exp()).sum();
            y.push(sum.ln() + max - z[label as usize]);
            for (i, z) in z.iter().enumerate() {
                dx.push(g * ((z - max).exp() / sum - f64::from(u8::from(i == label as usize))));
            }
        }
        let within = Done { y: vec![1e-6 * f64::from(size.max(1.0)); rows], dx: vec![2e-6 * f64::from(size.max(1.0)); dx.len()], grads: vec![] };
        run.check(&Done { y, dx, grads: vec![] }, &within)?;
    }
}

fn check_norm(
    shape: Shape,
    rows: usize,
    spare: usize,
    fixed: bool,
    pooled: bool,
    seed: u64,
) -> Result<(), TestCaseError> {
    let (eps, c) = (1e-3, shape.channels);
    // Numbers of a grid in random order: no two come within rounding of one another.
    let n = rows * shape.len();
    let keys = fill(seed, n, 1.0);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| keys[a].total_cmp(&keys[b]));
    let mut x = vec![0.0; n];
    for (rank, &i) in order.iter().enumerate() {
        x[i] = (rank as f32 - n as f32 / 2.0) * 4.0 / n as f32 + 0.3;
    }
    let gamma: Vec<f32> = fill(seed ^ 1, c, 1.0)
        .iter()
        .map(|g| g + 0.2 * g.signum())
        .collect();
    let beta = fill(seed ^ 2, c, 1.0);
    let running = [
        fill(seed ^ 4, c, 1.0),
        fill(seed ^ 5, c, 1.0)
            .iter()
            .map(|v| v.abs() + 0.5)
            .collect(),
    ];
    let statistics = match fixed {
        true => Statistics::Running,
        false => Statistics::Batch,
    };
    let record = |tape: &mut Tape, x: Value| match pooled {
        true => NormPool::record(tape, "layer", x, (eps, 0.1, statistics)).unwrap(),
        false => BatchNormOp::record_with(tape, "layer", x, eps, 0.1, statistics).unwrap(),
    };
    let prepare = |tape: &mut Tape| {
        tape.pass.mode = Mode::Train;
        tape.params
            .values_mut()
            .copy_from_slice(&[gamma.clone(), beta.clone()].concat());
        tape.params
            .buffer_values_mut()
            .copy_from_slice(&running.concat());
    };
    let run = Layer {
        shape,
        rows,
        spare,
        x: &x,
        seed: seed ^ 3,
        record: &record,
        prepare: &prepare,
    };
    let (real, gamma, beta) = (wide(&x), wide(&gamma), wide(&beta));
    let norm = match fixed {
        false => Norm::of_batch(&real, c, eps),
        true => Norm {
            mean: wide(&running[0]),
            var: wide(&running[1]),
            eps,
            batch: false,
        },
    };
    let mut y = norm.forward(&real, &gamma, &beta);
    let g = match pooled {
        false => random_grad(seed ^ 3, y.len()),
        true => {
            let (_, best, places) = oracle::max_pool(&y, shape, 2, 2);
            let mut g = vec![0.0; y.len()];
            for (d, place) in random_grad(seed ^ 3, best.len()).iter().zip(places) {
                g[place] += d;
            }
            y = best;
            g
        }
    };
    let [dx, dgamma, dbeta] = norm.backward(&real, &gamma, &g);
    let grads = [dgamma, dbeta].concat();
    // Rounding of x is magnified by the division, and sums run over a channel.
    let least = (0..c).fold(f64::INFINITY, |m, c| m.min(norm.std(c)));
    let magnified = (2.5 / least).max(1.0);
    let values = (n / c) as f64;
    let within = Done {
        y: vec![4e-6 * magnified; y.len()],
        dx: vec![8e-6 * magnified.powi(2) / least.min(1.0); dx.len()],
        grads: vec![4e-7 * values.max(10.0) * magnified; grads.len()],
    };
    run.check(&Done { y, dx, grads }, &within)
}

/// Packed networks against the whole network in double precision. Where a number
/// comes within rounding of a threshold, either bit is right: those images are
/// counted apart.
#[test]
fn packed_networks() {
    let nets = match std::env::var("BNN_CPU_PACKED_NETS") {
        Ok(n) => n.parse().expect("BNN_CPU_PACKED_NETS is a number"),
        Err(_) => 60,
    };
    let (mut compared, mut ties) = (0u64, 0u64);
    for seed in 0..nets {
        let mix = [Mix::Binary, Mix::Either, Mix::Real][seed as usize % 3];
        let mut random = RandomNet::new(3 << 32 | seed, Firing::Deterministic);
        let mut spec = random.either(seed / 3, mix);
        RandomNet::levels(&mut spec, seed / 6);
        let net = random.net(&spec, fastest(), 1);
        let packed = net
            .pack()
            .unwrap_or_else(|e| panic!("seed {seed}: {e}\n{spec:?}"));
        let mut runners: Vec<_> = engines().into_iter().map(|e| packed.runner(e)).collect();
        for _ in 0..3 {
            let image = random.image(spec.input.len());
            let (want, margin) = oracle::evaluate(&net, &image);
            if margin < 1e-5 {
                ties += 1;
                continue;
            }
            compared += 1;
            let largest = want.iter().fold(1.0f64, |m, x| m.max(x.abs()));
            let mut logits = vec![0.0; packed.classes()];
            for (runner, engine) in runners.iter_mut().zip(engines()) {
                runner.logits(&image, &mut logits);
                for (got, want) in logits.iter().zip(&want) {
                    let error = (f64::from(*got) - want).abs();
                    assert!(
                        error <= 2e-5 * largest,
                        "seed {seed}, {}: {got} instead of {want}\n{spec:?}",
                        engine.kernels.isa.name()
                    );
                }
            }
        }
    }
    let _ = writeln!(
        std::io::stderr(),
        "packed against double precision: {compared} images of {nets} nets compared, {ties} with a number on a threshold"
    );
    assert!(compared * 10 > nets, "{compared} compared, {ties} ties");
}
