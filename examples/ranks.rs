//! How far more ranks pay: the work of a rank and what it exchanges, measured, and the time of a
//! step on up to 1,024 ranks by a model of it; one SVG, and the numbers as JSON and CSV beside it.
//!
//! `cargo run --release --example ranks -- results/scale.svg`; with `--render` before the name it
//! measures nothing, and draws what the JSON holds. With the feature `mpi`,
//! `mpirun -n 2 target/release/examples/ranks --exchange` measures an exchange on this machine.
//!
//! ```text
//! step = work of rank 0 of R + exchanges · latency · ceil(log2 R) + bytes received / bandwidth
//! ```
//!
//! The work is the processor time of one thread that computes rank 0's share of a step, with an
//! exchange that takes no time; the exchanges and bytes are counted. Sums are not taken to travel
//! while layers compute, so that the model is the slower of the two.

use std::path::Path;
use std::sync::Arc;

use bnn_cpu::draw::Theme;
use bnn_cpu::draw::chart::{Block, Figure, Line, Panel};
use bnn_cpu::kernels;
use bnn_cpu::model::{Init, Network, preset};
use bnn_cpu::random::keyed;
use bnn_cpu::ranks::{Data, Lane, Ranks, Share, Transport};
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::{Optimiser, OptimiserSpec};
use rand::Rng;
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

/// Networks, the side of their images, their classes, and the batches.
const NETS: [(&str, usize, usize, &[usize]); 3] = [
    ("seed-net", 28, 10, &[64, 256, 1024]),
    ("omniglot-net", 105, 964, &[32, 128]),
    ("few-shot-encoder", 28, 0, &[100, 400]),
];

/// Numbers of ranks whose work is measured; more than 16 have no rows.
const MEASURED: [usize; 6] = [1, 2, 4, 8, 16, 32];

/// Networks between machines: seconds of an exchange, and bytes a second.
const WIRES: [(&str, f64, f64); 2] = [
    ("10 Gbit/s Ethernet (30 µs)", 30e-6, 1.1e9),
    ("100 Gbit/s InfiniBand (2 µs)", 2e-6, 11e9),
];

/// Carries nothing, in no time.
struct Nothing(Share);

impl Transport for Nothing {
    fn share(&self) -> Share {
        self.0
    }

    fn all_gather(&self, _: Lane, _: Data<'_>, _: &[usize]) -> bnn_cpu::Result<()> {
        Ok(())
    }
}

/// The processor time of this thread in seconds, as Linux counts it.
fn processor_time() -> Result<f64, Failure> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split_whitespace().next().ok_or("no time")?;
    Ok(nanoseconds.parse::<f64>()? / 1e9)
}

/// Seconds of a step of rank 0 of that many, its exchanges, and the bytes that it receives.
fn work(
    (net, side, classes): (&str, usize, usize),
    batch: usize,
    ranks: usize,
) -> Result<[f64; 3], Failure> {
    let engine = kernels::select(None)?;
    let spec = preset(net, Shape::image(1, side, side), classes.max(1))?;
    let mut net = Network::new(&spec, engine, batch, true)?;
    net.init(Init::Pytorch, 1);
    let mut rng = keyed(&[2]);
    let mut image = vec![0; side * side];
    net.set_rows(batch);
    for row in 0..batch {
        image.fill_with(|| rng.next_u64() as u8);
        net.set_row(row, &image, (row % net.classes().max(1)) as u32);
    }
    let group = Ranks::over(Arc::new(Nothing(Share::new(0, ranks))), false);
    net.set_ranks(group.clone());
    let sgd = OptimiserSpec::Sgd {
        momentum: 0.9,
        nesterov: false,
        weight_decay: 0.0,
    };
    let mut optimiser = Optimiser::new(sgd, net.params().values().len());
    let mut step = |t: u64| {
        net.pass_mut().noise.step = t;
        net.forward();
        net.backward();
        let (weights, grads) = net.params_mut().values_and_grads();
        // What other ranks did not send may be anything: nothing is learned from it.
        optimiser.step(&engine.kernels.ew, 0.0, t, weights, grads);
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let seconds = pool.install(|| -> Result<f64, String> {
        let now = || processor_time().map_err(|e| e.to_string());
        step(1);
        let (mut best, mut spent) = (f64::INFINITY, 0.0);
        for t in 2..200 {
            let begun = now()?;
            step(t);
            let took = now()? - begun;
            best = best.min(took);
            spent += took;
            if t > 4 && spent > 1.5 {
                break;
            }
        }
        Ok(best)
    })?;
    let before = group.traffic();
    pool.install(|| step(500));
    let after = group.traffic();
    Ok([
        seconds,
        (after.exchanges - before.exchanges) as f64,
        (after.received - before.received) as f64,
    ])
}

fn measure() -> Result<Value, Failure> {
    let mut points = Vec::new();
    for (net, side, classes, batches) in NETS {
        for &batch in batches {
            for ranks in MEASURED {
                let [seconds, exchanges, bytes] = work((net, side, classes), batch, ranks)?;
                println!(
                    "{net}, batch {batch}, rank 0 of {ranks}: {:.2} ms, {exchanges} exchanges, {:.2} MB",
                    seconds * 1e3,
                    bytes / 1e6
                );
                points.push(json!({
                    "network": net,
                    "batch": batch,
                    "ranks": ranks,
                    "milliseconds": (seconds * 1e5).round() / 1e2,
                    "exchanges": exchanges,
                    "bytes_received": bytes,
                }));
            }
        }
    }
    Ok(json!({ "isa": kernels::select(None)?.kernels.isa.name(), "points": points }))
}

/// The model's seconds of a step.
fn model(
    [seconds, exchanges, bytes]: [f64; 3],
    ranks: usize,
    (latency, bandwidth): (f64, f64),
) -> f64 {
    let rounds = f64::from(ranks.next_power_of_two().ilog2());
    seconds + exchanges * latency * rounds + bytes / bandwidth
}

fn draw(file: &str, measured: &Value) -> Result<(), Failure> {
    let points = measured["points"].as_array().ok_or("no points")?;
    let number = |point: &Value, key: &str| point[key].as_f64().unwrap_or(f64::NAN);
    let of = |net: &str, batch: usize, ranks: usize| {
        let ranks = ranks.min(32);
        let is = |p: &&Value| p["network"] == net && p["batch"] == batch && p["ranks"] == ranks;
        let point = points
            .iter()
            .find(is)
            .ok_or("a point is missing; measure again")?;
        let seconds = number(point, "milliseconds") / 1e3;
        Ok::<_, Failure>([
            seconds,
            number(point, "exchanges"),
            number(point, "bytes_received"),
        ])
    };
    let mut blocks = Vec::new();
    for (wire, latency, bandwidth) in WIRES {
        let mut panels = Vec::new();
        for (net, _, _, batches) in NETS {
            let mut lines = Vec::new();
            for (run, &batch) in batches.iter().enumerate() {
                let alone = of(net, batch, 1)?[0];
                let mut along = Vec::new();
                for power in 0..=10 {
                    let ranks = 1usize << power;
                    let step = model(of(net, batch, ranks)?, ranks, (latency, bandwidth));
                    along.push((ranks as f64, alone / step));
                }
                lines.push(Line {
                    run,
                    colour: run,
                    name: format!("batch {batch}"),
                    n: 1,
                    points: along,
                    band: Vec::new(),
                });
            }
            panels.push(Panel {
                title: net.into(),
                lines,
            });
        }
        blocks.push(Block {
            quantity: format!("Speed-up of a step, {wire}"),
            unit: "",
            log: true,
            along: "ranks of one thread".into(),
            along_log: true,
            panels,
        });
    }
    let figure = Figure {
        title: "How far more ranks pay".into(),
        notes: vec![
            "A batch has 16 parts that are worked on at a time, so that more than 16 ranks have no rows and the lines fall from there: a model with the work and the bytes measured.".into(),
        ],
        blocks,
    };
    std::fs::write(file, figure.draw()?.svg(Theme::Reader))?;
    std::fs::write(Path::new(file).with_extension("csv"), figure.csv())?;
    Ok(())
}

/// The least time of exchanges of several sizes between the processes of MPI.
#[cfg(feature = "mpi")]
fn exchange() -> Result<(), Failure> {
    use std::time::{Duration, Instant};

    fn lost(line: &str) -> ! {
        eprintln!("{line}");
        std::process::exit(1)
    }
    let world = bnn_cpu::ranks::World::join()?;
    let ranks = Ranks::over(world.transport(Duration::from_secs(60), lost), false);
    for size in [1usize, 1 << 10, 1 << 14, 1 << 18, 1 << 22] {
        let (mut numbers, counts) = (
            vec![0.0f32; size * ranks.count()],
            vec![size; ranks.count()],
        );
        let mut best = f64::INFINITY;
        for _ in 0..200 {
            let begun = Instant::now();
            ranks.gather(Data::F32(&mut numbers), &counts);
            best = best.min(begun.elapsed().as_secs_f64());
        }
        if ranks.rank() == 0 {
            println!(
                "{} bytes from each of {} ranks: {:.1} µs",
                4 * size,
                ranks.count(),
                best * 1e6
            );
        }
    }
    drop(ranks);
    drop(world);
    Ok(())
}

#[cfg(not(feature = "mpi"))]
fn exchange() -> Result<(), Failure> {
    Err("build the example with --features mpi".into())
}

fn main() -> Result<(), Failure> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == "--exchange") {
        return exchange();
    }
    let render = args.first().is_some_and(|arg| arg == "--render");
    if render {
        args.remove(0);
    }
    let file = args.first().map_or("results/scale.svg", |file| file);
    let json = Path::new(file).with_extension("json");
    if !render {
        std::fs::write(&json, serde_json::to_string_pretty(&measure()?)? + "\n")?;
    }
    draw(
        file,
        &serde_json::from_str(&std::fs::read_to_string(&json)?)?,
    )?;
    println!("{file}, {}", json.display());
    Ok(())
}
