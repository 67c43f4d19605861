//! Training speed over batch size, threads, image size and width, beside what the
//! machine's multipliers could do: a table on the terminal, one SVG, and the numbers as
//! JSON beside it.
//!
//! `cargo run --release --example scaling -- results/scaling.svg`
//!
//! The roofline: the dense arithmetic of a training step (the multiplications and
//! additions of all layers' products, directly summed) over the fused multiply-adds
//! a second that one thread was measured to do, times the threads. Algorithms that
//! need less arithmetic may cross it.

use std::time::Instant;

use bnn_cpu::draw::chart::{self, Chart, Style};
use bnn_cpu::estimators::Firing;
use bnn_cpu::kernels::gemm::{Patches, Store};
use bnn_cpu::kernels::{self, Engine};
use bnn_cpu::layers::Conv;
use bnn_cpu::model::{Init, ModelSpec, Network, Placement, preset};
use bnn_cpu::random::{keyed, uniform};
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::{Optimiser, OptimiserSpec};
use rand::Rng;

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
type Panel = (&'static str, fn(&Point) -> usize, Vec<Point>);

fn panels(threads: usize) -> Vec<Panel> {
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

/// A line of a panel: (place on the axis, billions of dense FLOP a second).
type Line = Vec<(f64, f64)>;

fn main() -> Result<(), Failure> {
    let file = std::env::args()
        .nth(1)
        .unwrap_or("results/scaling.svg".into());
    let engine = kernels::select(None)?;
    let threads = std::thread::available_parallelism()?.get();
    let peak = peak(engine) / 1e9;
    println!(
        "{}, {threads} threads, {peak:.1} GFLOP/s a thread",
        engine.kernels.isa.name()
    );
    println!("| panel | value | binary | images/s | GFLOP/s (dense) | share of the dense limit |");
    println!("|---|---|---|---|---|---|");
    let mut drawn: Vec<(&str, Vec<Line>, Line)> = Vec::new();
    let mut rows = Vec::new();
    for (name, axis, points) in panels(threads) {
        let mut lines = Vec::new();
        for placement in [Placement::None, Placement::Both] {
            let mut line = Vec::new();
            for point in &points {
                let spec = spec(point, placement)?;
                let images = speed(&spec, point, engine)?;
                let rate = images * flop(&spec)? / 1e9;
                let binary = match placement {
                    Placement::None => "none",
                    _ => "both",
                };
                let share = rate / (peak * point.threads as f64);
                println!(
                    "| {name} | {} | {binary} | {images:.0} | {rate:.1} | {:.0} % |",
                    axis(point),
                    100.0 * share
                );
                rows.push(serde_json::json!({
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
                line.push((axis(point) as f64, rate));
            }
            lines.push(line);
        }
        let roof = points
            .iter()
            .map(|p| (axis(p) as f64, peak * p.threads as f64));
        drawn.push((name, lines, roof.collect()));
    }
    draw(&file, &drawn)?;
    let json = std::path::Path::new(&file).with_extension("json");
    let all = serde_json::json!({
        "isa": engine.kernels.isa.name(),
        "gflop_per_s_of_a_thread": (peak * 10.0).round() / 10.0,
        "points": rows,
    });
    std::fs::write(&json, serde_json::to_string_pretty(&all)? + "\n")?;
    println!("\n{file}, {}", json.display());
    Ok(())
}

/// What the lines are, in the order of their colours.
const NAMES: [&str; 3] = ["dense limit", "real", "binary"];

fn draw(file: &str, panels: &[(&'static str, Vec<Line>, Line)]) -> Result<(), Failure> {
    let chart = |(along, lines, roof): &(&'static str, Vec<Line>, Line)| Chart {
        title: "Training speed in dense arithmetic",
        unit: "GFLOP/s",
        log: false,
        along,
        along_log: true,
        lines: std::iter::once(roof)
            .chain(lines)
            .enumerate()
            .map(|(run, points)| chart::Line {
                run,
                points: points.clone(),
            })
            .collect(),
    };
    let charts: Vec<Chart> = panels.iter().map(chart).collect();
    let svg = chart::sheet(&charts, &NAMES.map(String::from), Style::Light);
    std::fs::write(file, svg)?;
    Ok(())
}
