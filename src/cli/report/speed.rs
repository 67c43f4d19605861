//! Speed of a run's network, packed and not, on the machine that writes the report.

use std::time::Duration;

use bnn_cpu::bounded;
use bnn_cpu::data::Dataset;
use bnn_cpu::draw::page::Speed;
use bnn_cpu::study::timing::{Effort, Timing, time, time_network};
use bnn_cpu::train::Placed;
use bnn_cpu::train::{Config, RunFolder, processor};

use super::super::{Context, Outcome};

/// Images a call.
const BATCHES: [usize; 2] = [1, 64];

const EFFORT: Effort = Effort {
    warm_up: Duration::from_millis(100),
    repeat: Duration::from_millis(60),
    repeats: 11,
};

/// Whether a network is unlike those that were measured: speed depends on its shape
/// and on which of its units and weights are binary, not on how it was trained.
pub fn wanted(measured: &mut Vec<String>, config: &Config) -> bool {
    let row = Placed::of(&config.model).map(|row| (row.placement, row.binary.map(|b| b.0)));
    let binary = config.model.has_binary_weights();
    let key = format!("{} {row:?} {binary}", config.model.name);
    let new = !measured.contains(&key);
    if new {
        measured.push(key);
    }
    new
}

pub fn measure(
    name: &str,
    run: &RunFolder,
    dataset: &Dataset,
    context: &Context,
) -> Outcome<Speed> {
    let most = BATCHES.into_iter().max().unwrap_or(1);
    let mut net = run.network(context.engine, most)?;
    let images = dataset.test.pixels();
    let all = rayon::current_num_threads();
    let mut settings = Vec::new();
    for threads in [1, all] {
        for batch in BATCHES {
            // A single image is work for one thread.
            if (threads, batch) == (1, 1) || (batch > 1 && !settings.contains(&(threads, batch))) {
                settings.push((threads, batch));
            }
        }
    }
    let float: Vec<Timing> = settings
        .iter()
        .map(|&(threads, batch)| {
            on(threads, || {
                time_network(&mut net, images, batch, threads, EFFORT)
            })
        })
        .collect::<Outcome<_>>()?;
    let (packed, bytes) = match net.pack() {
        Err(error) => (Err(error.to_string()), 0),
        Ok(packed) => {
            let mut runner = packed.runner(context.engine);
            let timings = settings.iter().map(|&(threads, batch)| {
                on(threads, || {
                    time(&mut runner, images, batch, threads, EFFORT)
                })
            });
            let timings = timings.collect::<Outcome<Vec<_>>>()?;
            (Ok(timings), packed.to_bytes()?.len())
        }
    };
    Ok(Speed {
        name: name.into(),
        float,
        packed,
        bytes,
        machine: machine(context),
    })
}

/// Runs `work` on that many threads.
fn on<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> Outcome<T> {
    if threads == rayon::current_num_threads() {
        return Ok(work());
    }
    Ok(bounded::pool(threads)?.install(work))
}

/// The processor, where the system tells, and the kernels.
fn machine(context: &Context) -> String {
    let model = match processor() {
        unknown if unknown == "unknown" => std::env::consts::ARCH.into(),
        model => model,
    };
    format!(
        "{model}, {} logical cores, {} kernels",
        std::thread::available_parallelism().map_or(1, usize::from),
        context.engine.kernels.isa.name()
    )
}
