//! Accuracy over speed and over size: packed networks of different shapes, beside other engines.
//!
//! ```text
//! cargo run --release --example frontier -- --measure [--data DIR] FILE.packed...
//! cargo run --release --example frontier
//! ```
//! The first form measures: the images a second of each packed file at batches of 1,000 images of
//! bytes on two threads, in rounds over all files, the bytes of its compact form, and the accuracy on
//! MNIST's test images. It writes `results/frontier.json`. A file is named after its row in the suite
//! `frontier`, and must be as accurate as one of the row's seeds.
//!
//! The second form reads that, `results/frontier-mnist.json` (the accuracies of the suite over seeds)
//! and, where it is there, `results/frontier-peers.json` (of `benches/peers/frontier/peers.py`). It
//! writes `results/frontier.svg` and `.csv`, and prints the table in Markdown.

use std::path::Path;

use bnn_cpu::data::{DatasetChoice, load};
use bnn_cpu::draw::Theme;
use bnn_cpu::draw::chart::{Block, Figure, Line, Panel};
use bnn_cpu::kernels;
use bnn_cpu::packed::PackedNet;
use bnn_cpu::study::grouped;
use bnn_cpu::study::timing::{Effort, time};
use bnn_cpu::train::Provenance;
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

const MEASURED: &str = "results/frontier.json";
const TABLE: &str = "results/frontier-mnist.json";
const PEERS: &str = "results/frontier-peers.json";
const FIGURE: &str = "results/frontier.svg";
const BATCH: usize = 1000;
const THREADS: usize = 2;
const ROUNDS: usize = 5;

/// A network of an engine.
struct Point {
    engine: String,
    network: String,
    /// Test accuracy in per cent, of how many seeds, and half the width of its interval.
    accuracy: (f64, usize, Option<f64>),
    /// Images a second: the median, the least and the greatest.
    speed: [f64; 3],
    bytes: f64,
}

fn field(value: &Value, name: &str) -> Result<f64, Failure> {
    let missing = || format!("{name} is no number in {value}");
    Ok(value[name].as_f64().ok_or_else(missing)?)
}

fn rows<'a>(file: &'a Value, name: &str) -> Result<&'a Vec<Value>, Failure> {
    let missing = || format!("there is no list {name}");
    Ok(file[name].as_array().ok_or_else(missing)?)
}

fn read(file: &str) -> Result<Value, Failure> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{file}: {e}"))?;
    Ok(serde_json::from_str(&text)?)
}

fn measure(files: &[String], data: Option<&Path>) -> Result<(), Failure> {
    let engine = kernels::select(None)?;
    let env = std::env::var_os("BNN_CPU_DATA");
    let loaded = load(
        DatasetChoice::Mnist,
        data,
        env.as_deref().map(Path::new),
        None,
        &mut |_| {},
    )?;
    let test = &loaded.dataset.test;
    let effort = Effort {
        repeats: 9,
        ..Effort::default()
    };
    let nets: Vec<PackedNet> = files
        .iter()
        .map(|file| PackedNet::read(file.as_ref()))
        .collect::<Result<_, _>>()?;
    let mut speeds = vec![Vec::new(); nets.len()];
    for round in 0..ROUNDS {
        for i in (0..nets.len()).map(|i| (i + round) % nets.len()) {
            let mut runner = nets[i].runner(engine);
            let timing = time(&mut runner, test.pixels(), BATCH, THREADS, effort);
            speeds[i].push(timing.img_per_s);
        }
        eprintln!("round {} of {ROUNDS}", round + 1);
    }
    let mut found = Vec::new();
    for ((file, net), mut speeds) in files.iter().zip(&nets).zip(speeds) {
        let runner = net.runner(engine);
        let mut logits = vec![0.0; test.len() * net.classes()];
        runner.batch(test.pixels(), &mut logits);
        let right = (logits.chunks_exact(net.classes()).zip(test.labels()))
            .filter(|(row, label)| {
                let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
                best.is_some_and(|(class, _)| class as u32 == **label)
            })
            .count();
        speeds.sort_by(f64::total_cmp);
        found.push(json!({
            "row": Path::new(file).file_stem().map(|s| s.to_string_lossy()),
            "bytes": net.to_compact_bytes()?.len(),
            "right": right,
            "images": test.len(),
            "sliced": runner.is_sliced(),
            "img_per_s": [speeds[ROUNDS / 2], speeds[0], speeds[ROUNDS - 1]],
        }));
    }
    let record = json!({
        "batch": BATCH,
        "threads": THREADS,
        "rounds": ROUNDS,
        "made_by": Provenance::here(engine.kernels.isa.name()),
        "networks": found,
    });
    std::fs::write(MEASURED, serde_json::to_string_pretty(&record)? + "\n")?;
    println!("{MEASURED}");
    Ok(())
}

/// The measured networks of the suite, with their accuracies over seeds.
fn ours() -> Result<Vec<Point>, Failure> {
    let (measured, table) = (read(MEASURED)?, read(TABLE)?);
    let mut points = Vec::new();
    for net in rows(&measured, "networks")? {
        let row = rows(&table, "rows")?.iter().find(|r| r["id"] == net["row"]);
        let row = row.ok_or_else(|| format!("{TABLE} has no row {}", net["row"]))?;
        // The name alone does not make a file a network of that row.
        let own = 100.0 * field(net, "right")? / field(net, "images")?;
        let mut percents = rows(row, "percents")?.iter().filter_map(Value::as_f64);
        if !percents.any(|percent| (percent - own).abs() < 1e-6) {
            let what = "is not as accurate as any seed of the row of its name";
            return Err(format!("{}: the file measured {what}", net["row"]).into());
        }
        let speed = rows(net, "img_per_s")?.iter().filter_map(Value::as_f64);
        let speed: Vec<f64> = speed.collect();
        points.push(Point {
            engine: "bnn-cpu, packed".into(),
            network: row["title"].as_str().unwrap_or_default().into(),
            accuracy: (
                field(&row["percent"], "mean")?,
                rows(row, "seeds")?.len(),
                row["percent"]["half_width"].as_f64(),
            ),
            speed: speed.try_into().map_err(|_| "three speeds a network")?,
            bytes: field(net, "bytes")?,
        });
    }
    Ok(points)
}

/// The networks of other engines, where they were measured.
fn peers() -> Result<Vec<Point>, Failure> {
    if !Path::new(PEERS).exists() {
        eprintln!("{PEERS} is not there: other engines are left out");
        return Ok(Vec::new());
    }
    let mut points = Vec::new();
    for peer in rows(&read(PEERS)?, "rows")? {
        points.push(Point {
            engine: peer["engine"].as_str().unwrap_or_default().into(),
            network: peer["network"].as_str().unwrap_or_default().into(),
            accuracy: (100.0 * field(peer, "accuracy")?, 1, None),
            speed: [
                field(peer, "img_per_s")?,
                field(peer, "img_per_s_min")?,
                field(peer, "img_per_s_max")?,
            ],
            bytes: field(peer, "bytes")?,
        });
    }
    Ok(points)
}

/// A chart of test errors over a quantity, a line through the networks of each engine.
fn block(points: &[Point], along: &str, of: fn(&Point) -> f64) -> Block {
    let mut lines: Vec<Line> = Vec::new();
    for point in points {
        let at = (of(point), 100.0 - point.accuracy.0);
        let run = match lines.iter().position(|line| line.name == point.engine) {
            Some(run) => run,
            None => {
                lines.push(Line {
                    run: lines.len(),
                    colour: lines.len(),
                    name: point.engine.clone(),
                    n: 1,
                    points: Vec::new(),
                    band: Vec::new(),
                });
                lines.len() - 1
            }
        };
        lines[run].points.push(at);
    }
    for line in &mut lines {
        line.points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    Block {
        quantity: "MNIST test error".into(),
        unit: "%",
        log: true,
        along: along.into(),
        along_log: true,
        panels: vec![Panel {
            title: along.into(),
            lines,
        }],
    }
}

fn render() -> Result<(), Failure> {
    let mut points = ours()?;
    points.extend(peers()?);
    points.sort_by(|a, b| b.speed[0].total_cmp(&a.speed[0]));
    let figure = Figure {
        title: "Accuracy over speed and over size".into(),
        notes: vec![format!(
            "Images a second from bytes at batches of {BATCH} on {THREADS} threads; bytes of the stored network."
        )],
        blocks: vec![
            block(&points, "images a second", |p| p.speed[0]),
            block(&points, "bytes", |p| p.bytes),
        ],
    };
    std::fs::write(FIGURE, figure.draw()?.svg(Theme::Reader))?;
    std::fs::write(Path::new(FIGURE).with_extension("csv"), figure.csv())?;
    println!("| engine | network | test accuracy % | n | 95 % ± | images a second | bytes |");
    println!("|---|---|---|---|---|---|---|");
    for p in &points {
        let (accuracy, n, half) = p.accuracy;
        let half = half.map_or("-".into(), |half| format!("{half:.2}"));
        let [median, least, greatest] = p.speed.map(|speed| grouped(speed.round() as usize));
        println!(
            "| {} | {} | {accuracy:.2} | {n} | {half} | {median} ({least} to {greatest}) | {} |",
            p.engine,
            p.network,
            grouped(p.bytes as usize)
        );
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (mut asked, mut data, mut files) = (false, None, Vec::new());
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--measure" => asked = true,
            "--data" => data = Some(arguments.next().ok_or("--data needs a folder")?),
            _ => files.push(argument),
        }
    }
    if !asked {
        return render();
    }
    if files.is_empty() {
        return Err("--measure needs packed files".into());
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(THREADS);
    pool.build_global()?;
    measure(&files, data.as_deref().map(Path::new))
}
