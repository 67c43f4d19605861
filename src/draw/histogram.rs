//! Histograms of a layer's numbers, a panel a channel.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, LINE, Stroke, text_width};
use super::grid::short;
use super::letters::Weight;
use super::paint::Paint;
use super::sheet::{head, head_width, heading};
use crate::error::Result;
use crate::inside::Histogram;
use crate::inside::histogram::{BINS, Counts, Values};
use crate::study::grouped;

const MARGIN: usize = 16;
/// Pixels of a bar's width, of a panel's bars, and between panels.
const BAR: usize = 6;
const HEIGHT: usize = 72;
const GAP: usize = 24;
/// Below a panel's bars: its numbers.
const FOOT: usize = 22;
/// Panels in a row.
const ACROSS: usize = 4;
/// Bars that are so many times as tall as the third tallest are cut off.
const DWARFS: u64 = 3;
/// The size of the numbers below.
const SMALL: f64 = 11.0;

/// A bar of a histogram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// Its height, from 0 to 1.
    pub height: f64,
    /// Whether it is cut off, because nothing could be seen beside it.
    pub cut: bool,
}

/// The bars of a histogram. The tallest one is 1 high, unless one or two of them would dwarf
/// the others, as zeros and ones of saturated units do: these are 1 high and cut off, and the
/// next is 0.85 high.
pub fn heights(counts: &[u64]) -> Vec<Bar> {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    let third = sorted.get(2).copied().unwrap_or(0);
    let dwarfs = |n: u64| third > 0 && n > DWARFS * third;
    let most = sorted
        .iter()
        .copied()
        .find(|&n| !dwarfs(n))
        .unwrap_or(0)
        .max(1);
    let whole = if dwarfs(sorted[0]) { 0.85 } else { 1.0 };
    let bar = |&n: &u64| match dwarfs(n) {
        true => Bar {
            height: 1.0,
            cut: true,
        },
        false => Bar {
            height: whole * n as f64 / most as f64,
            cut: false,
        },
    };
    counts.iter().map(bar).collect()
}

/// The share of a channel's numbers that are exactly 0, in words.
pub fn zeros(counts: &Counts) -> String {
    let total: u64 = counts.counts.iter().sum();
    format!("{:.1} %", 100.0 * counts.zeros as f64 / total.max(1) as f64)
}

/// What a picture of histograms says of itself.
pub fn notes(found: &Histogram, (low, high): (f32, f32)) -> Vec<String> {
    vec![
        format!(
            "How many outputs of each channel have which value, over {} test images: {BINS} bins from {} to {}.",
            grouped(found.images),
            short(low),
            short(high)
        ),
        "0: the share that is exactly 0. Below: the output (no unit). Bars that would dwarf the others are cut off, with a gap in them.".into(),
    ]
}

/// The histograms of a layer of numbers.
///
/// # Errors
/// Too large a picture.
pub fn numbers(title: &str, found: &Histogram) -> Result<Canvas> {
    let Values::Numbers {
        low,
        high,
        channels,
    } = &found.values
    else {
        return Err(crate::error::Error::spec("the layer has bits, not numbers"));
    };
    let notes = notes(found, (*low, *high));
    let (across, down) = (BINS * BAR + GAP, LINE + 4 + HEIGHT + FOOT + GAP);
    let columns = ACROSS.min(channels.len()).max(1);
    let top = head(notes.len());
    let width = (2 * MARGIN + columns * across - GAP).max(head_width(title, &notes));
    let height = top + channels.len().div_ceil(columns) * down - GAP + MARGIN;
    let mut canvas = Canvas::new(width, height)?;
    heading(&mut canvas, title, &notes);
    let axis = Axis::linear(f64::from(*low), f64::from(*high), 4);
    for (i, counts) in channels.iter().enumerate() {
        let at = (MARGIN + i % columns * across, top + i / columns * down);
        panel(&mut canvas, at, counts, &axis);
    }
    Ok(canvas)
}

fn panel(canvas: &mut Canvas, (x, y): (usize, usize), counts: &Counts, axis: &Axis) {
    let wide = BINS * BAR;
    let name = format!("channel {}", counts.channel);
    canvas.text((x, y), &name, Anchor::Start, Paint::Ink);
    let mean = match counts.mean.abs() {
        m if m > 0.0 && m < 5e-5 => "mean near 0".to_string(),
        _ => format!("mean {}", short(counts.mean as f32)),
    };
    let both = format!("{mean}, 0: {}", zeros(counts));
    // The mean gives way where both have no room beside the name.
    let about = match text_width(&name) + 8 + text_width(&both) <= wide {
        _ if counts.zeros == 0 => mean,
        true => both,
        false => format!("0: {}", zeros(counts)),
    };
    canvas.text((x + wide, y), &about, Anchor::End, Paint::Faint);
    let base = y + LINE + 4 + HEIGHT;
    for (i, bar) in heights(&counts.counts).iter().enumerate() {
        let mut tall = (bar.height * (HEIGHT - 4) as f64).round() as usize;
        // What is there is seen.
        if counts.counts[i] > 0 {
            tall = tall.max(1);
        }
        let left = x + i * BAR;
        let mut part = |from: usize, high: usize| {
            if high > 0 {
                canvas.rect((left, base - from - high), BAR - 1, high, Paint::Line(0));
            }
        };
        if bar.cut {
            // A gap below its top says that it goes on.
            part(0, tall - 8);
            part(tall - 5, 5);
        } else {
            part(0, tall);
        }
    }
    scale(canvas, (x, base), axis);
}

/// The axis below a panel.
fn scale(canvas: &mut Canvas, (x, base): (usize, usize), axis: &Axis) {
    let (left, wide, top) = (x as f64, (BINS * BAR) as f64, base as f64 + 0.5);
    let stroke = Stroke::new(Paint::Faint, 1.0);
    canvas.path(vec![(left, top), (left + wide, top)], stroke);
    for (&tick, label) in axis.ticks.iter().zip(axis.labels()) {
        let at = left + axis.place(tick) * wide;
        canvas.path(vec![(at, top), (at, top + 4.0)], stroke);
        let letters = (SMALL, Weight::Regular);
        canvas.letters(
            (at, top + 16.0),
            &label,
            Anchor::Middle,
            letters,
            Paint::Faint,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::canvas::tests::{assert_apart, assert_within, texts};
    use super::*;

    #[test]
    fn panels_have_round_numbers_below_them() {
        let mut canvas = Canvas::new(2 * MARGIN + BINS * BAR, 160).unwrap();
        let counts = Counts {
            channel: 7,
            counts: (0..BINS as u64).collect(),
            zeros: 5,
            mean: 0.53,
            deviation: 1.0,
            not_finite: 0,
        };
        panel(
            &mut canvas,
            (MARGIN, 4),
            &counts,
            &Axis::linear(0.0, 4.83, 4),
        );
        assert_within(&canvas);
        assert_apart(&canvas);
        let shown: Vec<&str> = texts(&canvas).into_iter().map(|(text, _)| text).collect();
        assert_eq!(
            shown,
            ["channel 7", "mean 0.53, 0: 0.6 %", "0", "1", "2", "3", "4"]
        );
    }

    #[test]
    fn zeros_and_ones_do_not_dwarf_the_others() {
        let mut counts = vec![0; BINS];
        (counts[0], counts[39], counts[5], counts[6]) = (900, 400, 60, 30);
        let bars = heights(&counts);
        assert!(bars[0].cut && bars[39].cut && !bars[5].cut);
        assert_eq!(
            [bars[0], bars[39], bars[5], bars[6]].map(|b| b.height),
            [1.0, 1.0, 0.85, 0.425]
        );
        // Without them the tallest bar sets the height; nothing is cut off beside nothing.
        (counts[0], counts[39]) = (0, 0);
        let bars = heights(&counts);
        assert_eq!(
            (bars[5].height, bars[6].height, bars[5].cut),
            (1.0, 0.5, false)
        );
        assert_eq!(heights(&[0, 0, 0])[0].height, 0.0);
    }
}
