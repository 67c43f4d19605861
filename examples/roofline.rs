//! Each layer of the seed-net alone, on one thread: arithmetic, memory traffic, time
//! and share of the machine's limit. A table in Markdown.
//!
//! `cargo run --release --example roofline`
//!
//! FLOP are those of the dense sums, bytes those of the values and gradients that the
//! layer reads and writes once. The limit is the greater of the time that the
//! arithmetic takes at the measured rate of multiply-adds and the time that
//! the bytes take at the measured rate of a copy within the last-level cache.
//! Cheaper algorithms may pass it.

use std::time::Instant;

use bnn_cpu::estimators::{BinaryUnit, Firing, by_name};
use bnn_cpu::kernels;
use bnn_cpu::kernels::limits::Limits;
use bnn_cpu::layers::{
    ActivationOp, ConvOp, CrossEntropyOp, Function, LinearOp, NormPool, Statistics, Terms, Window,
};
use bnn_cpu::random::{fill_uniform, keyed};
use bnn_cpu::tape::{Tape, Value};
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::processor;

type Failure = Box<dyn std::error::Error>;

const BATCH: usize = 64;
const WINDOW: Window = Window::square(5, 1, 2);

/// Seconds of `work`: the best of many.
fn best(mut work: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..200 {
        let begun = Instant::now();
        work();
        best = best.min(begun.elapsed().as_secs_f64());
    }
    best
}

/// Bytes a second, read plus written, of a copy of 2 MB.
fn copy_rate() -> f64 {
    let (from, mut to) = (vec![1.0f32; 1 << 19], vec![0.0f32; 1 << 19]);
    let seconds = best(|| {
        to.copy_from_slice(std::hint::black_box(&from));
        std::hint::black_box(&mut to);
    });
    (2 * 4 * from.len()) as f64 / seconds
}

struct Layer {
    name: &'static str,
    input: Shape,
    bits: bool,
    image: bool,
    record: fn(&mut Tape, Value) -> Result<Value, bnn_cpu::Error>,
}

fn layers() -> Vec<Layer> {
    let layer = |name, input, record| Layer {
        name,
        input,
        bits: false,
        image: false,
        record,
    };
    let image = Shape::image;
    let norm_pool: fn(&mut Tape, Value) -> _ =
        |t, x| NormPool::record(t, "bn", x, (1e-5, 0.1, Statistics::Batch));
    let conv2: fn(&mut Tape, Value) -> _ =
        |t, x| ConvOp::record(t, "conv", x, 32, WINDOW, Terms::real(true));
    vec![
        Layer {
            image: true,
            ..layer("conv1", image(1, 28, 28), |t, x| {
                ConvOp::record(t, "conv", x, 16, WINDOW, Terms::real(true))
            })
        },
        layer("batch norm + max-pool 1", image(16, 28, 28), norm_pool),
        layer("hard sigmoid 1", image(16, 14, 14), |t, x| {
            Ok(ActivationOp::record(t, x, Function::HardSigmoid))
        }),
        layer("binary unit 1, det", image(16, 14, 14), |t, x| {
            let st = by_name("st", None)?;
            Ok(BinaryUnit::record(t, x, Firing::Deterministic, st))
        }),
        layer("binary unit 1, stoch", image(16, 14, 14), |t, x| {
            let st = by_name("st", None)?;
            Ok(BinaryUnit::record(t, x, Firing::Stochastic, st))
        }),
        layer("conv2", image(16, 14, 14), conv2),
        Layer {
            bits: true,
            ..layer("conv2 over bits", image(16, 14, 14), conv2)
        },
        layer("batch norm + max-pool 2", image(32, 14, 14), norm_pool),
        layer("linear", image(32, 7, 7), |t, x| {
            LinearOp::record(t, "fc", x, 10, Terms::real(true))
        }),
        layer("cross entropy", Shape::vector(10), |t, x| {
            Ok(CrossEntropyOp::record(t, x))
        }),
    ]
}

/// Multiplications and additions of one product of the layer, for one image.
fn flop(name: &str) -> usize {
    match name {
        "conv1" => 2 * 28 * 28 * 16 * 25,
        "conv2" | "conv2 over bits" => 2 * 14 * 14 * 32 * 400,
        "linear" => 2 * 1568 * 10,
        _ => 0,
    }
}

fn main() -> Result<(), Failure> {
    let engine = kernels::select(None)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let (peak, copy) = (Limits::measure(engine.kernels.isa).fma, copy_rate());
    println!(
        "{}, {}: {:.1} GFLOP/s, {:.1} GB/s on one thread, batch {BATCH}\n",
        processor(),
        engine.kernels.isa.name(),
        peak / 1e9,
        copy / 1e9
    );
    println!("| layer | pass | MFLOP | KB | µs an image | GFLOP/s | GB/s | limit µs | share |");
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut total = [0.0; 2];
    for layer in layers() {
        let mut tape = Tape::new(engine, BATCH);
        let x = tape.input(layer.input, !layer.image);
        if layer.bits {
            tape.declare_bits(x);
        }
        let y = (layer.record)(&mut tape, x)?;
        tape.seal(true);
        fill_uniform(&mut keyed(&[1]), tape.value_mut(x));
        if layer.bits {
            tape.value_mut(x).iter_mut().for_each(|x| *x = x.round());
        }
        fill_uniform(&mut keyed(&[2]), tape.params.values_mut());
        let (from, to) = (tape.shape(x).len(), tape.shape(y).len());
        let (forward, both) = pool.install(|| {
            let forward = best(|| {
                tape.params.values_mut();
                tape.forward();
            });
            let both = best(|| {
                tape.params.values_mut();
                tape.forward();
                tape.backward(y, 1.0);
            });
            (forward, both)
        });
        let products = if layer.image { 1 } else { 2 };
        for (pass, seconds, flop, numbers) in [
            ("forward", forward, flop(layer.name), from + to),
            (
                "backward",
                both - forward,
                products * flop(layer.name),
                if layer.image {
                    from + to
                } else {
                    2 * from + to
                },
            ),
        ] {
            let (seconds, bytes) = (seconds / BATCH as f64, 4 * numbers);
            let limit = (flop as f64 / peak).max(bytes as f64 / copy);
            println!(
                "| {} | {pass} | {:.2} | {:.0} | {:.2} | {:.1} | {:.1} | {:.2} | {:.0} % |",
                layer.name,
                flop as f64 / 1e6,
                bytes as f64 / 1e3,
                seconds * 1e6,
                flop as f64 / seconds / 1e9,
                bytes as f64 / seconds / 1e9,
                limit * 1e6,
                100.0 * limit / seconds
            );
            let of = match layer.name {
                "hard sigmoid 1" | "conv2" => [1.0, 0.0],
                "binary unit 1, det" | "conv2 over bits" => [0.0, 1.0],
                "binary unit 1, stoch" => [0.0, 0.0],
                _ => [1.0, 1.0],
            };
            for (total, of) in total.iter_mut().zip(of) {
                *total += of * seconds;
            }
        }
    }
    println!(
        "\nSum of the layers: {:.0} µs without binary layers, {:.0} µs with both binary (the second unit left out)",
        total[0] * 1e6,
        total[1] * 1e6
    );
    Ok(())
}
