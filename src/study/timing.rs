//! How fast a network runs, packed or not: warmed up, the median of repeats.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::model::Network;
use crate::packed::Runner;
use crate::tape::{Mode, Units};

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Timing {
    /// The number of images that a call is given.
    pub batch: usize,
    /// The number of threads.
    pub threads: usize,
    /// Images a second, the median of the repeats.
    pub img_per_s: f64,
    /// Microseconds a call: the median, and the 5th and 95th percentile of the
    /// repeats.
    pub us: [f64; 3],
    /// The number of repeats.
    pub repeats: usize,
}

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How long calls warm up before the first repeat.
    pub warm_up: Duration,
    /// Each repeat takes at least this long.
    pub repeat: Duration,
    /// The number of repeats.
    pub repeats: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            warm_up: Duration::from_millis(200),
            repeat: Duration::from_millis(100),
            repeats: 15,
        }
    }
}

/// Times batches of the images `images` (whole ones, one after the other; as many
/// as the batch has are taken, from the start again where there are fewer). With
/// one thread the calling thread works alone; with more, the pool that the caller
/// is in, which must have that many.
///
/// # Panics
/// If `images` holds no whole image.
pub fn time(
    runner: &mut Runner,
    images: &[u8],
    batch: usize,
    threads: usize,
    effort: Effort,
) -> Timing {
    let (pixels, classes) = (runner.pixels(), runner.classes());
    assert!(!images.is_empty() && images.len().is_multiple_of(pixels));
    let taken: Vec<u8> = images
        .iter()
        .copied()
        .cycle()
        .take(batch * pixels)
        .collect();
    let mut out = vec![0.0; batch * classes];
    let each = images.chunks_exact(pixels).cycle();
    let mut singles = each;
    let mut call = || {
        if threads > 1 {
            runner.batch(&taken, &mut out);
        } else if batch == 1 {
            // A fresh image each time, as in use.
            if let Some(image) = singles.next() {
                runner.logits(image, &mut out);
            }
        } else {
            runner.batch_here(&taken, &mut out);
        }
    };
    median(&mut call, (batch, threads), effort)
}

/// Times the forward pass of a trained network, as numbers, on batches of the images
/// `images`, taken as by [`time`], on the pool that the caller is in, which has
/// `threads` threads.
///
/// # Panics
/// If `images` holds no whole image, or the batch is above the network's capacity.
pub fn time_network(
    net: &mut Network,
    images: &[u8],
    batch: usize,
    threads: usize,
    effort: Effort,
) -> Timing {
    let pixels = net.spec().input.len();
    assert!(!images.is_empty() && images.len().is_multiple_of(pixels));
    let (mode, units) = (net.pass().mode, net.pass().units);
    (net.pass_mut().mode, net.pass_mut().units) = (Mode::Eval, Units::Sample);
    net.set_rows(batch);
    let mut each = images.chunks_exact(pixels).cycle();
    let timing = median(
        &mut || {
            for (row, image) in each.by_ref().take(batch).enumerate() {
                net.set_row(row, image, 0);
            }
            net.forward();
        },
        (batch, threads),
        effort,
    );
    (net.pass_mut().mode, net.pass_mut().units) = (mode, units);
    timing
}

/// Warms up, then repeats.
fn median(call: &mut dyn FnMut(), (batch, threads): (usize, usize), effort: Effort) -> Timing {
    let mut calls = 0u32;
    let begun = Instant::now();
    while begun.elapsed() < effort.warm_up || calls == 0 {
        call();
        calls += 1;
    }
    let once = begun.elapsed().as_secs_f64() / f64::from(calls);
    let calls = (effort.repeat.as_secs_f64() / once).ceil().max(1.0) as u32;
    let mut us: Vec<f64> = (0..effort.repeats.max(1))
        .map(|_| {
            let begun = Instant::now();
            for _ in 0..calls {
                call();
            }
            begun.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
        })
        .collect();
    us.sort_by(f64::total_cmp);
    let at = |share: f64| us[((us.len() - 1) as f64 * share).round() as usize];
    Timing {
        batch,
        threads,
        img_per_s: batch as f64 * 1e6 / at(0.5),
        us: [at(0.5), at(0.05), at(0.95)],
        repeats: us.len(),
    }
}
