//! Times packed networks, and says where the time goes.
//!
//! ```text
//! cargo run --release --example infer_speed -- NETWORK... [--isa avx2] [--threads N] [--batches 1,64]
//!     [--repeats 15]
//! ```
//! A network is a packed file, or the name of a preset or the description of a network in a file
//! `*.json`, which get initial weights: speed does not depend on them. A preset has all activations
//! binary.
//!
//! One JSON object a line: a timing for each batch size and number of threads, and
//! the microseconds of each operation. Images are the built-in digits.

use std::time::Duration;

use bnn_cpu::data::digits;
use bnn_cpu::estimators::Firing;
use bnn_cpu::kernels;
use bnn_cpu::model::{Init, ModelSpec, Network, PRESETS, Placement, preset, usual_images};
use bnn_cpu::packed::PackedNet;
use bnn_cpu::study::timing::{Effort, time};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (mut isa, mut files) = (None, Vec::new());
    let mut effort = Effort::default();
    let mut batches = vec![1, 64, 1000];
    let mut threads = std::thread::available_parallelism()?.get();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or("a value is missing");
        match &*argument {
            "--isa" => isa = Some(value()?),
            // Many short repeats: their 5th percentile holds on a busy machine.
            "--short" => {
                effort.repeat = Duration::from_micros(500);
                effort.repeats = 1000;
            }
            "--threads" => threads = value()?.parse()?,
            "--repeats" => effort.repeats = value()?.parse()?,
            "--batches" => {
                let numbers = value()?;
                let numbers: Result<_, _> = numbers.split(',').map(str::parse).collect();
                batches = numbers?;
            }
            _ => files.push(argument),
        }
    }
    let engine = kernels::select(isa.as_deref())?;
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()?;
    let digits = digits::generate(1, 1000, 1);
    for file in &files {
        let net = network(file, engine)?;
        let mut runner = net.runner(engine);
        let mut images: Vec<u8> = (0..1000)
            .flat_map(|i| digits.train.image(i).to_vec())
            .collect();
        // Whole images: those of another size are pieces of digits one after another.
        images.truncate(images.len() / runner.pixels() * runner.pixels());
        // A batch of one image has work for one thread.
        let one = batches.iter().map(|&batch| (batch, 1));
        let all = batches.iter().map(|&batch| (batch, threads));
        let cases = one.chain(all.filter(|&(batch, threads)| batch > 1 && threads > 1));
        for (batch, threads) in cases {
            let timing = time(&mut runner, &images, batch, threads, effort);
            let mut line = serde_json::to_value(timing)?;
            line["network"] = net.name().into();
            line["isa"] = engine.kernels.isa.name().into();
            println!("{line}");
        }
        let operations = runner.operations();
        let mut times = vec![Duration::ZERO; operations.len()];
        let rounds = 20;
        let each = images.chunks_exact(runner.pixels());
        for _ in 0..rounds {
            for image in each.clone() {
                runner.profile(image, &mut times);
            }
        }
        for ((stage, kind), time) in operations.iter().zip(&times) {
            let us = time.as_secs_f64() * 1e6 / (f64::from(rounds) * each.len() as f64);
            let stage = &net.stages()[*stage].name;
            println!(
                "{}",
                serde_json::json!({"stage": stage, "operation": kind, "us": us})
            );
        }
    }
    Ok(())
}

fn network(name: &str, engine: kernels::Engine) -> bnn_cpu::Result<PackedNet> {
    if name.ends_with(".json") {
        return packed(&ModelSpec::read(name.as_ref())?, engine);
    }
    if !PRESETS.iter().any(|(preset, _)| *preset == name) {
        return PackedNet::read(name.as_ref());
    }
    let (input, classes) = usual_images(name);
    let mut spec = preset(name, input, classes)?;
    spec.place(Placement::Both, Firing::Deterministic, "st")?;
    packed(&spec, engine)
}

/// Packs a network with initial weights.
fn packed(spec: &ModelSpec, engine: kernels::Engine) -> bnn_cpu::Result<PackedNet> {
    let mut net = Network::new(spec, engine, 1, false)?;
    net.init(Init::Pytorch, 1);
    net.pack()
}
