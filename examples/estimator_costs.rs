//! What the estimators cost beside what their rows and passes should cost: a table in Markdown.
//!
//! `cargo run --release --example estimator_costs -- --threads 2 --rounds 30`
//!
//! An estimator takes so many samples of an image, evaluates so many further rows for each, and
//! may go backwards twice. The straight-through estimator with as many samples as the other has
//! rows takes the same rows forwards and backwards once; from its times, forwards and backwards,
//! follows what the rows and passes cost without the estimator's own arithmetic. The fastest of all
//! rounds counts, of both, which take turns.

use std::time::Instant;

use bnn_cpu::estimators::{Firing, all};
use bnn_cpu::kernels;
use bnn_cpu::model::{Init, ModelSpec, Network, preset, usual_images};
use bnn_cpu::random::{keyed, uniform};
use bnn_cpu::train::processor;
use rand::Rng;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const BATCH: usize = 64;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let number = |name: &str, default: usize| {
        let at = args.iter().position(|arg| arg == name);
        let given = at.and_then(|i| args.get(i + 1));
        given.map_or(Ok(default), |given| given.parse())
    };
    let (threads, rounds) = (number("--threads", 2)?, number("--rounds", 30)?);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?;
    println!(
        "{}, {}, {threads} threads, batch {BATCH}, seed-net, stochastic\n",
        processor(),
        kernels::select(None)?.kernels.isa.name()
    );
    println!(
        "| binary layers | estimator | samples | rows an image | passes back | us an image | rows and passes | ratio |\n|---|---|---|---|---|---|---|---|"
    );
    for place in ["first", "last", "both"] {
        for estimator in all() {
            let name = estimator.info().name;
            let Ok(spec) = network(place, name) else {
                println!("| {place} | {name} | | | | not for this place | | |");
                continue;
            };
            println!("{}", pool.install(|| row(&spec, (place, name), rounds))?);
        }
    }
    Ok(())
}

/// The seed-net with units of an estimator, if it may stand there.
fn network(place: &str, estimator: &str) -> Result<ModelSpec, Failure> {
    let (input, classes) = usual_images("seed-net");
    let mut spec = preset("seed-net", input, classes)?;
    spec.place(place.parse()?, Firing::Stochastic, estimator)?;
    spec.check()?;
    Ok(spec)
}

/// A line of the table.
fn row(spec: &ModelSpec, (place, name): (&str, &str), rounds: usize) -> Result<String, Failure> {
    let (plan, samples) = (spec.plan()?, spec.min_samples());
    let (rows, passes) = (
        samples * plan.particles(),
        1 + usize::from(plan.needs_control_variate_pass()),
    );
    let mut own = ready(spec, samples)?;
    let mut plain = ready(&network(place, "st")?, rows)?;
    let (mut fastest, mut floor) = ([f64::INFINITY; 2], [f64::INFINITY; 2]);
    for _ in 0..rounds {
        for (net, best) in [(&mut own, &mut fastest), (&mut plain, &mut floor)] {
            let times = step(net);
            *best = [best[0].min(times[0]), best[1].min(times[1])];
        }
    }
    let own: f64 = fastest.iter().sum();
    let floor = floor[0] + passes as f64 * floor[1];
    Ok(format!(
        "| {place} | {name} | {samples} | {rows} | {passes} | {:.1} | {:.1} | {:.2} |",
        own * 1e6 / BATCH as f64,
        floor * 1e6 / BATCH as f64,
        own / floor
    ))
}

/// A network with a batch of random images, after a step that warms it up.
fn ready(spec: &ModelSpec, samples: usize) -> Result<Network, Failure> {
    let mut net = Network::sampled(spec, kernels::select(None)?, BATCH, samples)?;
    net.init(Init::Pytorch, 1);
    let mut rng = keyed(&[2]);
    let pixels = usual_images("seed-net").0.len();
    let images: Vec<u8> = (0..BATCH * pixels).map(|_| rng.next_u64() as u8).collect();
    net.set_rows(BATCH);
    for (row, image) in images.chunks_exact(pixels).enumerate() {
        let label = (uniform(rng.next_u64()) * net.classes() as f32) as u32;
        net.set_row(row, image, label);
    }
    step(&mut net);
    Ok(net)
}

/// Seconds of a step, forwards and backwards.
fn step(net: &mut Network) -> [f64; 2] {
    let begun = Instant::now();
    net.pass_mut().noise.step += 1;
    net.forward();
    let between = Instant::now();
    net.backward();
    [
        (between - begun).as_secs_f64(),
        between.elapsed().as_secs_f64(),
    ]
}
