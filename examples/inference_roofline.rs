//! Each operation of a packed network on one thread: what it counts or adds, how long
//! that would take at the machine's limit, and how long it takes. A table in Markdown.
//!
//! ```text
//! cargo run --release --example inference_roofline -- [NETWORK...] [--isa avx2]
//! ```
//! A network is a preset, which gets initial weights and has all activations binary, or a packed
//! file; without any, xnor-net and seed-net.
//!
//! The limits: an XOR and a count for each binary weight over bits; a multiply-add of
//! bytes for each binary weight over pixels; a multiply-add of f32 for each real weight
//! over pixels; 4 bytes from the first-level cache for each output and each 4 bits under
//! real weights. Methods that need fewer operations may pass their limit.

use std::time::Duration;

use bnn_cpu::data::digits;
use bnn_cpu::estimators::Firing;
use bnn_cpu::kernels::{self, Engine, limits::Limits};
use bnn_cpu::model::usual_images;
use bnn_cpu::model::{Init, Network, PRESETS, Placement, preset};
use bnn_cpu::packed::{Flow, Kind, PackedNet, Product, Stage, Weights};

type Failure = Box<dyn std::error::Error>;

fn network(name: &str, engine: Engine) -> Result<PackedNet, Failure> {
    if !PRESETS.iter().any(|(preset, _)| *preset == name) {
        return Ok(PackedNet::read(name.as_ref())?);
    }
    let (input, classes) = usual_images(name);
    let mut spec = preset(name, input, classes)?;
    spec.place(Placement::Both, Firing::Deterministic, "st")?;
    let mut net = Network::new(&spec, engine, 1, false)?;
    net.init(Init::Pytorch, 1);
    Ok(net.pack()?)
}

/// The multiply-adds of a stage for an image.
fn multiply_adds(stage: &Stage, flow: &Flow) -> f64 {
    let (input, _) = flow.input();
    let (output, _) = flow.values[0];
    let of_one = match stage.product {
        Product::Conv { kernel, groups, .. } => kernel * kernel * input.channels / groups,
        Product::Linear { .. } => input.len(),
        Product::Input | Product::Add | Product::Concat => 0,
    };
    (output.len() * of_one) as f64
}

/// What a stage's products are, how many, and seconds at the limit.
fn limit(stage: &Stage, flow: &Flow, l: &Limits) -> (String, f64) {
    let macs = multiply_adds(stage, flow);
    let (_, input) = flow.input();
    match (&stage.weights, input) {
        (Weights::Binary { .. }, Kind::Pixels) => (
            format!("{:.2} M byte operations", 2e-6 * macs),
            2.0 * macs / l.int8,
        ),
        (Weights::Binary { .. }, Kind::Bits | Kind::Signs) => (
            format!("{:.2} M bit operations", 2e-6 * macs),
            2.0 * macs / l.bits,
        ),
        (Weights::Real { .. }, Kind::Bits) => {
            (format!("{:.2} MB of tables", 1e-6 * macs), macs / l.loads)
        }
        _ => (format!("{:.2} MFLOP", 2e-6 * macs), 2.0 * macs / l.fma),
    }
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (mut isa, mut names) = (None, Vec::new());
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--isa" => isa = Some(arguments.next().ok_or("--isa needs a name")?),
            _ => names.push(argument),
        }
    }
    if names.is_empty() {
        names = ["xnor-net", "seed-net"].map(String::from).to_vec();
    }
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
    for name in &names {
        let net = network(name, engine)?;
        let mut runner = net.runner(engine);
        let images = images.chunks_exact(runner.pixels());
        let operations = runner.operations();
        let mut best = vec![Duration::MAX; operations.len()];
        for _ in 0..40 {
            let mut times = vec![Duration::ZERO; operations.len()];
            for image in images.clone() {
                runner.profile(image, &mut times);
            }
            for (best, time) in best.iter_mut().zip(times) {
                *best = time.min(*best);
            }
        }
        let (mut limits, mut all) = (0.0, 0.0);
        for (i, (stage, flow)) in net.stages().iter().zip(net.flows()).enumerate() {
            let (work, seconds) = limit(stage, flow, &l);
            let parts = operations.iter().zip(&best).filter(|(op, _)| op.0 == i);
            let (kinds, times): (Vec<_>, Vec<f64>) = parts
                .map(|(op, time)| (op.1, time.as_secs_f64() / images.len() as f64))
                .unzip();
            let kinds = match kinds.len() {
                1 => kinds[0].to_string(),
                // Of several operations, the microseconds of each.
                _ => {
                    let each = kinds.iter().zip(&times);
                    let each = each.map(|(kind, time)| format!("{kind} {:.1}", 1e6 * time));
                    each.collect::<Vec<_>>().join(", ")
                }
            };
            let time: f64 = times.iter().sum();
            println!(
                "| {name} | {} | {kinds} | {work} | {:.2} | {:.2} | {:.0} % |",
                stage.name,
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
