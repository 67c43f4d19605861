//! Each operation of a packed network on one thread: what it counts or adds, how long
//! that would take at the machine's limit, and how long it takes. A table in Markdown.
//!
//! ```text
//! cargo run --release --example inference_roofline -- [--isa avx2]
//! ```
//!
//! The limits: an XOR and a count for each binary weight over bits; a multiply-add of
//! bytes for each binary weight over pixels; a multiply-add of f32 for each real weight
//! over pixels; 4 bytes from the first-level cache for each output and each 4 bits under
//! real weights. Methods that need fewer operations may pass their limit.

use std::time::Duration;

use bnn_cpu::data::digits;
use bnn_cpu::estimators::Firing;
use bnn_cpu::kernels::{self, Engine, limits::Limits};
use bnn_cpu::model::{Init, Network, Placement, preset};
use bnn_cpu::packed::PackedNet;
use bnn_cpu::tensor::Shape;

type Failure = Box<dyn std::error::Error>;

/// Multiply-adds of the seed-net's shape, by stage.
const WORK: [(&str, f64); 3] = [
    ("conv1", 313_600.0),
    ("conv2", 2_508_800.0),
    ("fc", 15_680.0),
];

fn network(name: &str, engine: Engine) -> Result<PackedNet, Failure> {
    let mut spec = preset(name, Shape::image(1, 28, 28), 10)?;
    spec.place(Placement::Both, Firing::Deterministic, "st")?;
    let mut net = Network::new(&spec, engine, 1, false)?;
    net.init(Init::Pytorch, 1);
    Ok(net.pack()?)
}

/// What a stage's products are, how many, and seconds at the limit.
fn limit(net: &str, stage: &str, macs: f64, l: &Limits) -> (String, f64) {
    match (net, stage) {
        ("xnor-net", "conv1") => (
            format!("{:.2} M byte operations", 2e-6 * macs),
            2.0 * macs / l.int8,
        ),
        ("xnor-net", _) => (
            format!("{:.2} M bit operations", 2e-6 * macs),
            2.0 * macs / l.bits,
        ),
        (_, "conv1") => (format!("{:.2} MFLOP", 2e-6 * macs), 2.0 * macs / l.fma),
        _ => (format!("{:.2} MB of tables", 1e-6 * macs), macs / l.loads),
    }
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let isa = match arguments.next().as_deref() {
        None => None,
        Some("--isa") => Some(arguments.next().ok_or("--isa needs a name")?),
        Some(other) => return Err(format!("unexpected argument {other}").into()),
    };
    let engine = kernels::select(isa.as_deref())?;
    let l = Limits::measure(engine.kernels.isa);
    println!(
        "{}, {} on one thread: {:.0} GFLOP/s of f32 multiply-adds, {:.0} Gop/s of bytes, {:.0} Gbit-op/s, {:.0} GB/s from the first-level cache\n",
        bnn_cpu::train::processor(),
        engine.kernels.isa.name(),
        l.fma / 1e9,
        l.int8 / 1e9,
        l.bits / 1e9,
        l.loads / 1e9
    );
    println!("| net | stage | operation | work | limit µs | µs | share |");
    println!("|---|---|---|---|---|---|---|");
    let digits = digits::generate(1, 1000, 1).train.clone();
    let images: Vec<u8> = (0..1000).flat_map(|i| digits.image(i).to_vec()).collect();
    for name in ["xnor-net", "seed-net"] {
        let net = network(name, engine)?;
        let mut runner = net.runner(engine);
        let operations = runner.operations();
        let mut best = vec![Duration::MAX; operations.len()];
        for _ in 0..40 {
            let mut times = vec![Duration::ZERO; operations.len()];
            for image in images.chunks_exact(runner.pixels()) {
                runner.profile(image, &mut times);
            }
            for (best, time) in best.iter_mut().zip(times) {
                *best = time.min(*best);
            }
        }
        let (mut limits, mut all) = (0.0, 0.0);
        for (stage, macs) in WORK {
            let (work, seconds) = limit(name, stage, macs, &l);
            let of_stage = |&(i, _): &(usize, &str)| net.stages()[i].name == stage;
            let parts = operations.iter().zip(&best).filter(|(op, _)| of_stage(op));
            let (names, times): (Vec<_>, Vec<_>) = parts
                .map(|(op, time)| (op.1, time.as_secs_f64() / 1000.0))
                .unzip();
            let time: f64 = times.iter().sum();
            println!(
                "| {name} | {stage} | {} | {work} | {:.2} | {:.2} | {:.0} % |",
                names.join(", "),
                1e6 * seconds,
                1e6 * time,
                100.0 * seconds / time
            );
            limits += seconds;
            all += time;
        }
        println!(
            "| **{name}** | all | | | **{:.2}** | **{:.2}** | **{:.0} %** |",
            1e6 * limits,
            1e6 * all,
            100.0 * limits / all
        );
    }
    Ok(())
}
