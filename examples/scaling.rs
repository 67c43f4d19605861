//! Training speed over batch size, threads, image size and width, beside what the
//! machine's multipliers could do: a table on the terminal, one SVG, and the numbers as
//! JSON and CSV beside it.
//!
//! `cargo run --release --example scaling -- results/scaling.svg`; with `--render` before the
//! name it measures nothing, and draws what the JSON holds.
//!
//! The roofline: the dense arithmetic of a training step (the multiplications and
//! additions of all layers' products, directly summed) over the fused multiply-adds
//! a second that one thread was measured to do, times the threads. Algorithms that
//! need less arithmetic may cross it.

use std::path::Path;
use std::time::Instant;

use bnn_cpu::draw::Theme;
use bnn_cpu::draw::chart::{Block, Figure, Line, Panel};
use bnn_cpu::estimators::Firing;
use bnn_cpu::kernels::gemm::{Patches, Store};
use bnn_cpu::kernels::{self, Engine};
use bnn_cpu::layers::Conv;
use bnn_cpu::model::{Init, ModelSpec, Network, Placement, preset};
use bnn_cpu::random::{keyed, uniform};
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::{Optimiser, OptimiserSpec};
use rand::Rng;
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

/// A measured network.
#[derive(Clone, Copy)]
struct Point {
    batch: usize,
    threads: usize,
    side: usize,
    width: usize,
}

const USUAL: Point = Point {
    batch: 64,
    threads: 2,
    side: 28,
    width: 1,
};

/// A panel of the figure: what is on its axis, and its points.
type Sweep = (&'static str, fn(&Point) -> usize, Vec<Point>);

fn panels(threads: usize) -> Vec<Sweep> {
    let usual = Point { threads, ..USUAL };
    let point = |change: fn(&mut Point, usize), values: &[usize]| {
        let all = values.iter().map(|&v| {
            let mut point = usual;
            change(&mut point, v);
            point
        });
        all.collect::<Vec<_>>()
    };
    let counts: Vec<usize> = (1..=threads).collect();
    vec![
        (
            "batch size",
            |p| p.batch,
            point(|p, v| p.batch = v, &[1, 4, 16, 64, 256, 1024, 4096]),
        ),
        (
            "threads",
            |p| p.threads,
            point(|p, v| p.threads = v, &counts),
        ),
        (
            "image side",
            |p| p.side,
            point(|p, v| p.side = v, &[14, 28, 56, 112, 224]),
        ),
        (
            "width",
            |p| p.width,
            point(|p, v| p.width = v, &[1, 2, 4, 8, 16]),
        ),
    ]
}

/// The seed-net on larger images and with more channels.
fn spec(point: &Point, placement: Placement) -> Result<ModelSpec, Failure> {
    let mut spec = preset("seed-net", Shape::image(1, point.side, point.side), 10)?;
    for layer in &mut spec.layers {
        layer.update::<Conv>(|conv| conv.out *= point.width);
    }
    spec.place(placement, Firing::Deterministic, "st")?;
    Ok(spec)
}

/// Dense arithmetic of a training step for one image: three products a layer, but
/// for the first, whose input wants no gradient.
fn flop(spec: &ModelSpec) -> Result<f64, Failure> {
    let shapes = spec.layer_shapes()?;
    let mut sum = 0.0;
    for (i, (layer, shapes)) in spec.layers.iter().zip(&shapes).enumerate() {
        let products = if i == 0 { 2.0 } else { 3.0 };
        sum += products * 2.0 * layer.layer().multiply_adds(shapes) as f64;
    }
    Ok(sum)
}

/// FLOP a second of one thread's fused multiply-adds, on a tile that stays in the
/// first-level cache; the best of many.
fn peak(engine: Engine) -> f64 {
    let (rows, depth) = (48, 256);
    let a = vec![0.5; rows * depth];
    let b = vec![0.25; depth * kernels::NR];
    let mut c = vec![0.0; rows * kernels::NR];
    let patches = Patches::matrix(rows, depth);
    let mut best = f64::INFINITY;
    for _ in 0..400 {
        let begun = Instant::now();
        for _ in 0..20 {
            let columns = kernels::NR;
            engine
                .kernels
                .product(&patches, &a, &b, columns, None, &mut c, Store::Assign);
        }
        best = best.min(begun.elapsed().as_secs_f64() / 20.0);
    }
    2.0 * (rows * depth * kernels::NR) as f64 / best
}

/// Images a second: the best of several runs of at least a fifth of a second.
fn speed(spec: &ModelSpec, point: &Point, engine: Engine) -> Result<f64, Failure> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(point.threads)
        .build()?;
    let mut net = Network::new(spec, engine, point.batch, true)?;
    net.init(Init::Pytorch, 1);
    let mut rng = keyed(&[2]);
    let mut image = vec![0; point.side * point.side];
    net.set_rows(point.batch);
    for row in 0..point.batch {
        image.fill_with(|| rng.next_u64() as u8);
        net.set_row(row, &image, (uniform(rng.next_u64()) * 10.0) as u32);
    }
    let sgd = OptimiserSpec::Sgd {
        momentum: 0.9,
        nesterov: false,
        weight_decay: 0.0,
    };
    let mut optimiser = Optimiser::new(sgd, net.params().values().len());
    let mut t = 0;
    let mut step = || {
        t += 1;
        net.pass_mut().noise.step = t;
        net.forward();
        net.backward();
        let (weights, grads) = net.params_mut().values_and_grads();
        optimiser.step(&engine.kernels.ew, 1e-3, t, weights, grads);
    };
    Ok(pool.install(|| {
        step();
        let mut best: f64 = 0.0;
        for _ in 0..7 {
            let (begun, mut steps) = (Instant::now(), 0);
            while steps == 0 || begun.elapsed().as_secs_f64() < 0.2 {
                step();
                steps += 1;
            }
            let seconds = begun.elapsed().as_secs_f64();
            best = best.max((steps * point.batch) as f64 / seconds);
        }
        best
    }))
}

fn main() -> Result<(), Failure> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let render = args.first().is_some_and(|arg| arg == "--render");
    if render {
        args.remove(0);
    }
    let file = args.first().map_or("results/scaling.svg", |file| file);
    let json = Path::new(file).with_extension("json");
    if !render {
        let text = serde_json::to_string_pretty(&measure()?)? + "\n";
        std::fs::write(&json, text)?;
    }
    draw(
        file,
        &serde_json::from_str(&std::fs::read_to_string(&json)?)?,
    )?;
    println!("\n{file}, {}", json.display());
    Ok(())
}

/// Measures every point, and says so line by line.
fn measure() -> Result<Value, Failure> {
    let engine = kernels::select(None)?;
    let threads = std::thread::available_parallelism()?.get();
    let peak = peak(engine) / 1e9;
    println!(
        "{}, {}, {threads} threads, {peak:.1} GFLOP/s a thread",
        bnn_cpu::train::processor(),
        engine.kernels.isa.name()
    );
    println!("| panel | value | binary | images/s | GFLOP/s (dense) | share of the dense limit |");
    println!("|---|---|---|---|---|---|");
    let mut rows = Vec::new();
    for (name, axis, points) in panels(threads) {
        for (binary, placement) in [("none", Placement::None), ("both", Placement::Both)] {
            for point in &points {
                let spec = spec(point, placement)?;
                let images = speed(&spec, point, engine)?;
                let rate = images * flop(&spec)? / 1e9;
                let share = rate / (peak * point.threads as f64);
                println!(
                    "| {name} | {} | {binary} | {images:.0} | {rate:.1} | {:.0} % |",
                    axis(point),
                    100.0 * share
                );
                rows.push(json!({
                    "panel": name,
                    "batch": point.batch,
                    "threads": point.threads,
                    "side": point.side,
                    "width": point.width,
                    "binary": binary,
                    "img_per_s": images.round(),
                    "gflop_per_s": (rate * 10.0).round() / 10.0,
                    "share_of_dense_limit": (share * 1e3).round() / 1e3,
                }));
            }
        }
    }
    Ok(json!({
        "isa": engine.kernels.isa.name(),
        "gflop_per_s_of_a_thread": (peak * 10.0).round() / 10.0,
        "points": rows,
    }))
}

/// The axes of the panels: what each is called in the numbers.
const AXES: [(&str, &str); 4] = [
    ("batch size", "batch"),
    ("threads", "threads"),
    ("image side", "side"),
    ("width", "width"),
];

/// Draws the measured points, a panel an axis, and writes their numbers beside the picture.
fn draw(file: &str, measured: &Value) -> Result<(), Failure> {
    let points = measured["points"].as_array().ok_or("no points")?;
    let peak = measured["gflop_per_s_of_a_thread"]
        .as_f64()
        .ok_or("no limit")?;
    let block = |(name, key): (&str, &str)| {
        let of = |point: &&Value| point["panel"] == name;
        let at = |point: &Value| point[key].as_f64().unwrap_or(f64::NAN);
        let line = |run: usize, name: &str, points: Vec<(f64, f64)>| Line {
            run,
            colour: run,
            name: name.into(),
            n: 1,
            points,
            band: Vec::new(),
        };
        let own = |binary: &str| {
            let own = points.iter().filter(of).filter(|p| p["binary"] == binary);
            own.map(|p| (at(p), p["gflop_per_s"].as_f64().unwrap_or(f64::NAN)))
                .collect::<Vec<_>>()
        };
        let limit = points.iter().filter(of).filter(|p| p["binary"] == "none");
        let limit = limit.map(|p| (at(p), peak * p["threads"].as_f64().unwrap_or(1.0)));
        Block {
            quantity: "Dense arithmetic of training".into(),
            unit: "GFLOP/s",
            log: false,
            along: match name {
                "width" => "width (times the usual channels)".into(),
                "image side" => "image side (pixels)".into(),
                _ => name.into(),
            },
            along_log: true,
            panels: vec![Panel {
                title: name.into(),
                lines: vec![
                    line(0, "dense limit", limit.collect()),
                    line(1, "real", own("none")),
                    line(2, "binary", own("both")),
                ],
            }],
        }
    };
    let figure = Figure {
        title: "Training speed of the seed-net".into(),
        notes: vec![format!(
            "Dense limit: {peak} GFLOP/s of fused multiply-adds a thread, times the threads. What needs less arithmetic than dense sums may cross it."
        )],
        blocks: AXES.into_iter().map(block).collect(),
    };
    std::fs::write(file, figure.draw()?.svg(Theme::Reader))?;
    std::fs::write(Path::new(file).with_extension("csv"), figure.csv())?;
    Ok(())
}
