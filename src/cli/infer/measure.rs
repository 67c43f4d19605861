//! How fast: throughput, latency, and the time of each layer.

use std::time::{Duration, Instant};

use bnn_cpu::bounded;
use bnn_cpu::kernels::Engine;
use serde::Serialize;
use serde_json::json;

use super::super::aligned::{Align, Table};
use super::super::output::{self, grouped};
use super::super::{Context, Outcome};
use super::classifier::{Classifier, Source};
use super::inputs::Images;

/// Images that single calls are timed on, at most.
const SINGLES: usize = 1000;

/// Least time of the passes that a throughput is measured on.
const PASSES: Duration = Duration::from_millis(300);

/// Calls that warm up.
const WARM_UP: usize = 20;

/// Batch sizes of `--bench`.
const BATCHES: [usize; 3] = [1, 64, 1000];

/// Repeats of `--bench`, of which the median counts, and the least time of each.
const REPEATS: usize = 11;
const REPEAT: Duration = Duration::from_millis(100);

/// Times of single images, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    /// Half of them take no longer.
    pub p50_us: f64,
    /// 90 of 100 take no longer.
    pub p90_us: f64,
    /// 99 of 100 take no longer.
    pub p99_us: f64,
}

/// Times images one at a time, on the calling thread.
pub fn latency(classifier: &mut Classifier, images: &[u8], pixels: usize) -> Latency {
    let mut out = vec![0.0; classifier.classes()];
    let each = images.chunks_exact(pixels);
    for image in each.clone().cycle().take(WARM_UP) {
        classifier.one(image, &mut out);
    }
    let mut us: Vec<f64> = each
        .take(SINGLES)
        .map(|image| {
            let begun = Instant::now();
            classifier.one(image, &mut out);
            begun.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    us.sort_by(f64::total_cmp);
    Latency {
        p50_us: at(&us, 0.5),
        p90_us: at(&us, 0.9),
        p99_us: at(&us, 0.99),
    }
}

/// Images per second in passes over all of them, for at least [`PASSES`].
pub fn throughput(classifier: &mut Classifier, images: &Images) -> f64 {
    let mut logits = vec![0.0; images.len() * classifier.classes()];
    let (begun, mut passes) = (Instant::now(), 0);
    while passes == 0 || begun.elapsed() < PASSES {
        classifier.logits(&images.pixels, &mut logits);
        passes += 1;
    }
    (passes * images.len()) as f64 / begun.elapsed().as_secs_f64()
}

/// The number that a share of the sorted numbers do not pass.
fn at(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

/// `--profile`: the time of each layer, image by image on one thread.
pub fn profile(classifier: &mut Classifier, images: &Images, context: &Context) -> Outcome {
    let parts = classifier.parts();
    let pixels = images.pixels.len() / images.len();
    let mut times = vec![Duration::ZERO; parts.len()];
    let each = images.pixels.chunks_exact(pixels);
    for image in each.clone().cycle().take(WARM_UP) {
        classifier.profile(image, &mut times);
    }
    times.fill(Duration::ZERO);
    let count = images.len().min(SINGLES);
    for image in each.take(count) {
        classifier.profile(image, &mut times);
    }
    let us = |time: &Duration| time.as_secs_f64() * 1e6 / count as f64;
    let total: f64 = times.iter().map(us).sum();
    if context.json {
        let layers: Vec<_> = parts
            .iter()
            .zip(&times)
            .map(|((layer, work), time)| json!({ "layer": layer, "work": work, "us": us(time) }))
            .collect();
        return output::json(&json!({
            "event": "profile", "images": count, "layers": layers, "us": total,
        }));
    }
    let mut table = Table::new(&[
        ("layer", Align::Left),
        ("work", Align::Left),
        ("us an image", Align::Right),
        ("share", Align::Right),
    ]);
    for ((layer, work), time) in parts.iter().zip(&times) {
        table.row(vec![
            layer.clone(),
            work.to_string(),
            format!("{:.2}", us(time)),
            format!("{:.1} %", 100.0 * us(time) / total),
        ]);
    }
    table.rule();
    table.row(vec![
        "total".into(),
        String::new(),
        format!("{total:.2}"),
        String::new(),
    ]);
    table.print()
}

/// One line of `--bench`.
#[derive(Clone, Copy, Debug, Serialize)]
struct Timing {
    batch: usize,
    threads: usize,
    img_per_s: f64,
    us_per_call: f64,
}

/// `--bench`: medians over repeats, for several batch sizes on one and on all
/// threads.
pub fn bench(
    source: &Source,
    (packed, threshold): (bool, bool),
    images: &Images,
    context: &Context,
) -> Outcome {
    let timings = timings(source, (packed, threshold), images, context.engine)?;
    let isa = context.engine.kernels.isa.name();
    if context.json {
        return output::json(&json!({
            "event": "bench", "model": output::path(source.path()), "packed": packed, "isa": isa,
            "repeats": REPEATS, "timings": timings,
        }));
    }
    let form = if packed { "packed" } else { "float" };
    output::line(&output::bold(&format!(
        "{}, {form}, {isa} kernels",
        source.title()
    )))?;
    let mut table = Table::new(&[
        ("batch", Align::Right),
        ("threads", Align::Right),
        ("img/s", Align::Right),
        ("us a call", Align::Right),
    ]);
    for t in timings {
        table.row(vec![
            grouped(t.batch),
            t.threads.to_string(),
            grouped(t.img_per_s as usize),
            format!("{:.1}", t.us_per_call),
        ]);
    }
    table.print()
}

/// The timing of each batch size, on one thread and on all.
fn timings(
    source: &Source,
    form: (bool, bool),
    images: &Images,
    engine: Engine,
) -> Outcome<Vec<Timing>> {
    let pixels = images.pixels.len() / images.len();
    let all = rayon::current_num_threads();
    let mut threads = vec![1, all];
    threads.dedup();
    let mut timings = Vec::new();
    for &threads in &threads {
        for batch in BATCHES {
            let taken: Vec<u8> = images
                .pixels
                .iter()
                .copied()
                .cycle()
                .take(batch * pixels)
                .collect();
            let time = || time_one(source, form, engine, &taken, batch);
            let us = match threads {
                n if n == all => time()?,
                n => bounded::pool(n)?.install(time)?,
            };
            timings.push(Timing {
                batch,
                threads,
                img_per_s: batch as f64 * 1e6 / us,
                us_per_call: us,
            });
        }
    }
    Ok(timings)
}

/// Microseconds of a call on a batch, the median of the repeats.
fn time_one(
    source: &Source,
    (packed, threshold): (bool, bool),
    engine: Engine,
    images: &[u8],
    batch: usize,
) -> Outcome<f64> {
    let mut classifier = source.classifier(engine, packed, threshold, batch)?;
    let mut out = vec![0.0; batch * classifier.classes()];
    let mut call = || match batch {
        1 => classifier.one(images, &mut out),
        _ => classifier.logits(images, &mut out),
    };
    let begun = Instant::now();
    let mut calls = 0;
    while calls == 0 || begun.elapsed() < REPEAT {
        call();
        calls += 1;
    }
    let mut us: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let begun = Instant::now();
            for _ in 0..calls {
                call();
            }
            begun.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
        })
        .collect();
    us.sort_by(f64::total_cmp);
    Ok(at(&us, 0.5))
}
