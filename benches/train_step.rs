//! The training step of the seed-net, and each of its layers, at batch 64.
//!
//! `cargo bench --bench train_step` reports images a second (criterion's
//! "elem/s"). Groups: `op` runs each layer alone, forward and forward plus
//! backward; `train_step` the whole step on one and two threads.

use std::time::Duration;

use bnn_cpu::data::digits;
use bnn_cpu::estimators::{BinaryUnit, Firing, by_name};
use bnn_cpu::kernels;
use bnn_cpu::layers::{
    ActivationOp, BatchNormOp, ConvOp, CrossEntropyOp, Function, GroupedConvOp, LinearOp,
    MaxPoolOp, Terms, Window,
};
use bnn_cpu::model::{Init, Network, Placement, preset};
use bnn_cpu::random::{fill_uniform, keyed};
use bnn_cpu::tape::{Tape, Value};
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::{Optimiser, OptimiserSpec};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const BATCH: usize = 64;

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("threads start")
}

/// A layer of the seed-net: its input and how it is recorded.
type Layer = (&'static str, Shape, fn(&mut Tape, Value) -> Value);

const WINDOW: Window = Window::square(5, 1, 2);

/// A convolution of 3x3 to 64 channels that keeps the size.
fn grouped(tape: &mut Tape, x: Value, groups: usize, dilation: usize) -> Value {
    let window = Window {
        dilation: dilation.into(),
        ..Window::square(3, 1, dilation)
    };
    let (of, terms) = ((window, groups), Terms::real(true));
    GroupedConvOp::record(tape, "conv", x, 64, of, terms).expect("it fits")
}

fn layers() -> Vec<Layer> {
    let image = Shape::image;
    vec![
        ("conv1", image(1, 28, 28), |t, x| {
            ConvOp::record(t, "conv", x, 16, WINDOW, Terms::real(true)).expect("it fits")
        }),
        ("batch_norm1", image(16, 28, 28), |t, x| {
            BatchNormOp::record(t, "bn", x, 1e-5, 0.1).expect("it fits")
        }),
        ("max_pool1", image(16, 28, 28), |t, x| {
            MaxPoolOp::record(t, "pool", x, 2, 2).expect("it fits")
        }),
        ("hard_sigmoid1", image(16, 14, 14), |t, x| {
            ActivationOp::record(t, x, Function::HardSigmoid)
        }),
        ("binary1_det", image(16, 14, 14), |t, x| {
            BinaryUnit::record(
                t,
                x,
                Firing::Deterministic,
                by_name("st", None).expect("known"),
            )
        }),
        ("binary1_stoch", image(16, 14, 14), |t, x| {
            BinaryUnit::record(
                t,
                x,
                Firing::Stochastic,
                by_name("st", None).expect("known"),
            )
        }),
        ("conv2", image(16, 14, 14), |t, x| {
            ConvOp::record(t, "conv", x, 32, WINDOW, Terms::real(true)).expect("it fits")
        }),
        ("batch_norm2", image(32, 14, 14), |t, x| {
            BatchNormOp::record(t, "bn", x, 1e-5, 0.1).expect("it fits")
        }),
        ("max_pool2", image(32, 14, 14), |t, x| {
            MaxPoolOp::record(t, "pool", x, 2, 2).expect("it fits")
        }),
        ("depthwise", image(64, 14, 14), |t, x| grouped(t, x, 64, 1)),
        ("conv_groups4", image(64, 14, 14), |t, x| {
            grouped(t, x, 4, 1)
        }),
        ("conv_dilated", image(64, 14, 14), |t, x| {
            grouped(t, x, 1, 2)
        }),
        ("linear", image(32, 7, 7), |t, x| {
            LinearOp::record(t, "fc", x, 10, Terms::real(true)).expect("it fits")
        }),
        ("cross_entropy", Shape::vector(10), CrossEntropyOp::record),
    ]
}

fn ops(c: &mut Criterion) {
    let mut group = c.benchmark_group("op");
    group.throughput(Throughput::Elements(BATCH as u64));
    let pool = pool(1);
    for (name, shape, record) in layers() {
        let mut tape = Tape::new(kernels::select(None).expect("kernels"), BATCH);
        // conv1 sees the image, which wants no gradient.
        let x = tape.input(shape, name != "conv1");
        let y = record(&mut tape, x);
        tape.seal(true);
        fill_uniform(&mut keyed(&[1]), tape.value_mut(x));
        fill_uniform(&mut keyed(&[2]), tape.params.values_mut());
        group.bench_function(BenchmarkId::new(name, "forward"), |b| {
            b.iter(|| pool.install(|| tape.forward()));
        });
        group.bench_function(BenchmarkId::new(name, "forward+backward"), |b| {
            b.iter(|| {
                pool.install(|| {
                    tape.forward();
                    tape.backward(y, 1.0);
                });
            });
        });
    }
    group.finish();
}

fn train_step(c: &mut Criterion) {
    let mut group = c.benchmark_group("train_step");
    group.throughput(Throughput::Elements(BATCH as u64));
    let data = digits::generate(1, BATCH, 1).train.clone();
    for (name, placement, mode) in [
        ("no binary layer", Placement::None, Firing::Deterministic),
        ("both deterministic", Placement::Both, Firing::Deterministic),
        ("both stochastic", Placement::Both, Firing::Stochastic),
    ] {
        let mut spec = preset("seed-net", Shape::image(1, 28, 28), 10).expect("known");
        spec.place(placement, mode, "st")
            .expect("it has activations");
        for threads in [1, 2] {
            let pool = pool(threads);
            let engine = kernels::select(None).expect("kernels");
            let mut net = Network::new(&spec, engine, BATCH, true).expect("it fits");
            net.init(Init::Pytorch, 1);
            let sgd = OptimiserSpec::Sgd {
                momentum: 0.9,
                nesterov: false,
                weight_decay: 0.0,
            };
            let mut optimiser = Optimiser::new(sgd, net.params().values().len());
            for row in 0..BATCH {
                net.set_row(row, data.image(row), data.label(row));
            }
            let mut t = 0;
            group.bench_function(BenchmarkId::new(name, format!("{threads} threads")), |b| {
                b.iter(|| {
                    pool.install(|| {
                        t += 1;
                        net.pass_mut().noise.step = t;
                        net.forward();
                        net.backward();
                        let (weights, grads) = net.params_mut().values_and_grads();
                        optimiser.step(&engine.kernels.ew, 0.01, t, weights, grads);
                    });
                });
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .nresamples(5_000)
        .without_plots();
    targets = ops, train_step
}
criterion_main!(benches);
