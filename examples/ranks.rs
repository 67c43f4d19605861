//! How far more ranks pay: the work of a rank and what it exchanges, measured, and the time of a
//! step on up to 1,024 ranks by a model of it; one SVG, and the numbers as JSON and CSV beside it.
//!
//! `cargo run --release --example ranks -- results/scale.svg`; with `--render` before the name it
//! measures nothing, and draws what the JSON holds. With the feature `mpi`,
//! `mpirun -n 2 target/release/examples/ranks --exchange results/scale.svg` measures exchanges and
//! steps on this machine, and adds them to the JSON beside what the model says.
//!
//! ```text
//! step = work of a rank of R + exchanges * latency * ceil(log2 R) + bytes received / bandwidth
//! ```
//!
//! The work is the least time in which one thread computes rank 0's share of a step, with an
//! exchange that takes no time, on a machine without other work; the exchanges and bytes are
//! counted. Sums are not taken to travel while layers compute, so that the model is the slower of
//! the two.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bnn_cpu::draw::Theme;
use bnn_cpu::draw::chart::{Block, Figure, Line, Panel};
use bnn_cpu::kernels::{self, Engine};
use bnn_cpu::model::{Init, Network, preset};
use bnn_cpu::random::keyed;
use bnn_cpu::ranks::{Data, Lane, Ranks, Share, Transport};
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::{Optimiser, OptimiserSpec};
use rand::Rng;
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

/// A network, the side of its images, its classes if it has any, and the batches.
#[derive(Clone, Copy)]
struct Net {
    name: &'static str,
    side: usize,
    classes: usize,
    batches: &'static [usize],
}

const NETS: [Net; 3] = [
    Net {
        name: "seed-net",
        side: 28,
        classes: 10,
        batches: &[64, 256, 1024],
    },
    Net {
        name: "omniglot-net",
        side: 105,
        classes: 964,
        batches: &[32, 128],
    },
    Net {
        name: "few-shot-encoder",
        side: 28,
        classes: 0,
        batches: &[100, 400],
    },
];

/// Numbers of ranks whose work is measured.
const MEASURED: [usize; 6] = [1, 2, 4, 8, 16, 32];

/// Parts of a batch that are worked on at a time: of more ranks some have no rows.
const PARTS: usize = 16;

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

/// A network with a batch in it, as one rank of a group trains it.
struct Rank {
    net: Network,
    optimiser: Optimiser,
    group: Ranks,
    engine: Engine,
    rate: f64,
}

impl Rank {
    /// `rate` is 0 where other ranks send nothing, so that nothing is learned from what is not there.
    fn new(of: Net, batch: usize, group: Ranks, rate: f64) -> Result<Self, Failure> {
        let engine = kernels::select(None)?;
        let spec = preset(
            of.name,
            Shape::image(1, of.side, of.side),
            of.classes.max(1),
        )?;
        let mut net = Network::new(&spec, engine, batch, true)?;
        net.init(Init::Pytorch, 1);
        let mut rng = keyed(&[2]);
        let mut image = vec![0; of.side * of.side];
        net.set_rows(batch);
        for row in 0..batch {
            image.fill_with(|| rng.next_u64() as u8);
            net.set_row(row, &image, (row % net.classes().max(1)) as u32);
        }
        net.set_ranks(group.clone());
        let sgd = OptimiserSpec::Sgd {
            momentum: 0.9,
            nesterov: false,
            weight_decay: 0.0,
        };
        let optimiser = Optimiser::new(sgd, net.params().values().len());
        Ok(Self {
            net,
            optimiser,
            group,
            engine,
            rate,
        })
    }

    fn step(&mut self, t: u64) {
        self.net.pass_mut().noise.step = t;
        self.net.forward();
        self.net.backward();
        let ew = &self.engine.kernels.ew;
        let (weights, grads) = self.net.params_mut().values_and_grads();
        self.optimiser.step(ew, self.rate, t, weights, grads);
    }

    /// The least seconds of `steps` steps after the first, which is not counted.
    fn least(&mut self, steps: u64) -> f64 {
        let mut best = f64::INFINITY;
        for t in 0..=steps {
            let begun = Instant::now();
            self.step(t);
            if t > 0 {
                best = best.min(begun.elapsed().as_secs_f64());
            }
        }
        best
    }
}

/// As many steps as take a second or two.
fn steps(net: Net) -> u64 {
    if net.side > 28 { 2 } else { 60 }
}

/// Seconds of a step of rank 0 of that many, its exchanges, and the bytes that it receives.
fn work(net: Net, batch: usize, ranks: usize) -> Result<[f64; 3], Failure> {
    let group = Ranks::over(Arc::new(Nothing(Share::new(0, ranks))), false);
    let mut rank = Rank::new(net, batch, group, 0.0)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    Ok(pool.install(|| {
        let seconds = rank.least(steps(net));
        let before = rank.group.traffic();
        rank.step(1000);
        let after = rank.group.traffic();
        [
            seconds,
            (after.exchanges - before.exchanges) as f64,
            (after.received - before.received) as f64,
        ]
    }))
}

fn measure() -> Result<Value, Failure> {
    let mut points = Vec::new();
    for net in NETS {
        for &batch in net.batches {
            for ranks in MEASURED {
                let [seconds, exchanges, bytes] = work(net, batch, ranks)?;
                println!(
                    "{}, batch {batch}, rank 0 of {ranks}: {:.2} ms, {exchanges} exchanges, {:.2} MB",
                    net.name,
                    seconds * 1e3,
                    bytes / 1e6
                );
                points.push(json!({
                    "network": net.name,
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

/// Work, exchanges and bytes of the busiest of that many ranks, as measured of rank 0.
fn point(measured: &Value, net: &str, batch: usize, ranks: usize) -> Result<[f64; 3], Failure> {
    let points = measured["points"].as_array().ok_or("no points")?;
    // More ranks than are measured get no rows either, and the same nodes of the others.
    let ranks = ranks.min(MEASURED[MEASURED.len() - 1]);
    let is = |p: &&Value| p["network"] == net && p["batch"] == batch && p["ranks"] == ranks;
    let point = points.iter().find(is);
    let point = point.ok_or("a point is missing; measure again")?;
    let number = |key: &str| point[key].as_f64().unwrap_or(f64::NAN);
    // A step is as long as that of the busiest rank: of more ranks than parts rank 0 has no rows, and
    // others one part each.
    let busiest = match ranks > PARTS {
        true => self::point(measured, net, batch, PARTS)?[0],
        false => 0.0,
    };
    Ok([
        busiest.max(number("milliseconds") / 1e3),
        number("exchanges"),
        number("bytes_received"),
    ])
}

fn draw(file: &str, measured: &Value) -> Result<(), Failure> {
    let mut blocks = Vec::new();
    for (wire, latency, bandwidth) in WIRES {
        let mut panels = Vec::new();
        for net in NETS {
            let mut lines = Vec::new();
            for (run, &batch) in net.batches.iter().enumerate() {
                let alone = point(measured, net.name, batch, 1)?[0];
                let mut along = Vec::new();
                for power in 0..=10 {
                    let ranks = 1usize << power;
                    let step = model(
                        point(measured, net.name, batch, ranks)?,
                        ranks,
                        (latency, bandwidth),
                    );
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
                title: net.name.into(),
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
            "A model with the work and the bytes measured. A batch has 16 parts that are worked on at a time: of more ranks 16 have rows.".into(),
        ],
        blocks,
    };
    std::fs::write(file, figure.draw()?.svg(Theme::Reader))?;
    std::fs::write(Path::new(file).with_extension("csv"), figure.csv())?;
    Ok(())
}

/// Between the processes of MPI: the least time of exchanges of several sizes, the latency and
/// bandwidth that follow, and steps beside what the model says of them.
#[cfg(feature = "mpi")]
fn exchange(file: &Path) -> Result<(), Failure> {
    fn lost(line: &str) -> ! {
        eprintln!("{line}");
        std::process::exit(1)
    }
    let world = bnn_cpu::ranks::World::join()?;
    let patience = std::time::Duration::from_secs(60);
    let ranks = Ranks::over(world.transport(patience, lost), false);
    let count = ranks.count();
    let mut times = Vec::new();
    for size in [1usize, 1 << 10, 1 << 14, 1 << 18, 1 << 20] {
        let (mut numbers, counts) = (vec![0.0f32; size * count], vec![size; count]);
        let mut best = f64::INFINITY;
        for _ in 0..200 {
            let begun = Instant::now();
            ranks.gather(Data::F32(&mut numbers), &counts);
            best = best.min(begun.elapsed().as_secs_f64());
        }
        times.push(((4 * size * (count - 1)) as f64, best));
    }
    let (&(few, short), &(many, long)) = (&times[0], &times[times.len() - 1]);
    let rounds = f64::from(count.next_power_of_two().ilog2()).max(1.0);
    let wire = (short / rounds, (many - few) / (long - short));
    let mut measured: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let mut checks = Vec::new();
    for net in NETS {
        for &batch in net.batches {
            let said = model(point(&measured, net.name, batch, count)?, count, wire);
            let mut rank = Rank::new(net, batch, ranks.clone(), 0.01)?;
            let took = pool.install(|| rank.least(steps(net)));
            checks.push(json!({
                "network": net.name,
                "batch": batch,
                "milliseconds": (took * 1e5).round() / 1e2,
                "model_milliseconds": (said * 1e5).round() / 1e2,
            }));
        }
    }
    if ranks.rank() == 0 {
        let times: Vec<_> = times
            .iter()
            .map(|(bytes, seconds)| json!({ "bytes_received": bytes, "microseconds": seconds * 1e6 }))
            .collect();
        measured["loopback"] = json!({
            "ranks": count,
            "exchanges": times,
            "latency_microseconds": wire.0 * 1e6,
            "gigabytes_a_second": wire.1 / 1e9,
            "steps": checks,
        });
        std::fs::write(file, serde_json::to_string_pretty(&measured)? + "\n")?;
        println!("{}", serde_json::to_string_pretty(&measured["loopback"])?);
    }
    drop(ranks);
    drop(world);
    Ok(())
}

#[cfg(not(feature = "mpi"))]
fn exchange(_: &Path) -> Result<(), Failure> {
    Err("build the example with --features mpi".into())
}

fn main() -> Result<(), Failure> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let flag = args.first().filter(|arg| arg.starts_with("--")).cloned();
    if flag.is_some() {
        args.remove(0);
    }
    let file = args.first().map_or("results/scale.svg", |file| file);
    let json = Path::new(file).with_extension("json");
    match flag.as_deref() {
        Some("--exchange") => return exchange(&json),
        Some("--render") => (),
        None => std::fs::write(&json, serde_json::to_string_pretty(&measure()?)? + "\n")?,
        Some(other) => return Err(format!("{other} is no flag: --exchange, --render").into()),
    }
    draw(
        file,
        &serde_json::from_str(&std::fs::read_to_string(&json)?)?,
    )?;
    println!("{file}, {}", json.display());
    Ok(())
}
