//! Training speed of the seed-net, or of another preset, on random images: one JSON line.
//!
//! `cargo run --release --example throughput -- --binary none --threads 2 --model mlp`

use std::time::Instant;

use bnn_cpu::estimators::Firing;
use bnn_cpu::kernels;
use bnn_cpu::model::{Init, Network, preset, usual_images};
use bnn_cpu::random::{keyed, uniform};
use bnn_cpu::train::{Optimiser, OptimiserSpec};
use rand::Rng;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let get = |name: &str, default: &str| {
        let at = args.iter().position(|a| a == name);
        at.and_then(|i| args.get(i + 1))
            .map_or(default.to_string(), Clone::clone)
    };
    let number = |name, default| get(name, default).parse::<usize>();
    let (batch, threads) = (number("--batch", "64")?, number("--threads", "2")?);
    let (steps, warmup) = (number("--steps", "200")?, number("--warmup", "20")?);
    let binary = get("--binary", "none");
    let mode = match get("--mode", "det").as_str() {
        "det" => Firing::Deterministic,
        "stoch" => Firing::Stochastic,
        other => return Err(format!("unknown --mode {other}").into()),
    };
    let model = get("--model", "seed-net");
    let (input, classes) = usual_images(&model);
    let mut spec = preset(&model, input, classes)?;
    // `own` keeps the units that a preset has.
    if binary != "own" {
        spec.place(binary.parse()?, mode, "st")?;
    }
    let engine = kernels::select(None)?;
    let mut net = Network::new(&spec, engine, batch, true)?;
    net.init(Init::Pytorch, 1);
    let mut rng = keyed(&[2]);
    let pixels = input.len();
    let images: Vec<u8> = (0..batch * pixels).map(|_| rng.next_u64() as u8).collect();
    net.set_rows(batch);
    for row in 0..batch {
        let label = (uniform(rng.next_u64()) * classes as f32) as u32;
        net.set_row(row, &images[row * pixels..][..pixels], label);
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?;
    let sgd = OptimiserSpec::Sgd {
        momentum: 0.9,
        nesterov: false,
        weight_decay: 0.0,
    };
    let mut optimiser = Optimiser::new(sgd, net.params().values().len());
    let mut t = 0;
    let mut step = |net: &mut Network| {
        t += 1;
        net.pass_mut().noise.step = t;
        net.forward();
        net.backward();
        let (weights, grads) = net.params_mut().values_and_grads();
        optimiser.step(&engine.kernels.ew, 0.01, t, weights, grads);
    };
    let seconds = pool.install(|| {
        (0..warmup).for_each(|_| step(&mut net));
        let start = Instant::now();
        (0..steps).for_each(|_| step(&mut net));
        start.elapsed().as_secs_f64()
    });
    let speed = (batch * steps) as f64 / seconds;
    let model = match model.as_str() {
        "seed-net" => String::new(),
        model => format!(" {model}"),
    };
    println!(
        "{{\"name\":\"bnn-cpu{model} {binary}\",\"img_per_s\":{speed:.1},\"batch\":{batch},\"threads\":{threads},\"isa\":\"{}\"}}",
        engine.kernels.isa.name()
    );
    Ok(())
}
