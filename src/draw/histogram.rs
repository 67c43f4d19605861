//! Histograms of a layer's numbers, a panel a channel.

use super::canvas::{Anchor, Canvas, LINE, Rgb, Theme};
use super::grid::short;
use super::sheet::{head, head_width, heading};
use crate::error::Result;
use crate::inside::Histogram;
use crate::inside::histogram::{BINS, Counts, Values};
use crate::study::grouped;

const MARGIN: usize = 16;
/// Pixels of a bar's width, of a panel's bars, and between panels.
const BAR: usize = 5;
const HEIGHT: usize = 72;
const GAP: usize = 18;
/// Panels in a row.
const ACROSS: usize = 4;
/// Bars that are so many times as tall as the third tallest are cut off.
const DWARFS: u64 = 3;

/// The colour of bars.
fn ink(theme: Theme) -> Rgb {
    match theme == Theme::DARK {
        true => [124, 184, 255],
        false => [11, 92, 173],
    }
}

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
            "All outputs of each channel over {} test images, from {} to {} in {BINS} bins;",
            grouped(found.images),
            short(low),
            short(high)
        ),
        "bars that would dwarf the others are cut off; below: the share that is exactly 0".into(),
    ]
}

/// The histograms of a layer of numbers.
///
/// # Errors
/// Too large a picture.
pub fn numbers(title: &str, found: &Histogram, theme: Theme) -> Result<Canvas> {
    let Values::Numbers {
        low,
        high,
        channels,
    } = &found.values
    else {
        return Err(crate::error::Error::spec("the layer has bits, not numbers"));
    };
    let notes = notes(found, (*low, *high));
    let (across, down) = (BINS * BAR + GAP, HEIGHT + 2 * LINE + GAP);
    let columns = ACROSS.min(channels.len()).max(1);
    let top = head(notes.len());
    let width = (2 * MARGIN + columns * across - GAP).max(head_width(title, &notes));
    let height = top + channels.len().div_ceil(columns) * down - GAP + MARGIN;
    let mut canvas = Canvas::new(width, height, theme)?;
    heading(&mut canvas, title, &notes);
    for (i, counts) in channels.iter().enumerate() {
        let at = (MARGIN + i % columns * across, top + i / columns * down);
        panel(&mut canvas, at, counts, (*low, *high));
    }
    Ok(canvas)
}

fn panel(canvas: &mut Canvas, (x, y): (usize, usize), counts: &Counts, ends: (f32, f32)) {
    let theme = canvas.theme;
    let name = format!("channel {}", counts.channel);
    canvas.text((x, y), &name, Anchor::Start, theme.ink);
    let right = x + BINS * BAR;
    let about = match counts.mean.abs() {
        m if m > 0.0 && m < 5e-5 => "mean near 0".to_string(),
        _ => format!("mean {}", short(counts.mean as f32)),
    };
    canvas.text((right, y), &about, Anchor::End, theme.faint);
    let base = y + LINE + HEIGHT;
    for (i, bar) in heights(&counts.counts).iter().enumerate() {
        let mut tall = (bar.height * (HEIGHT - 4) as f64).round() as usize;
        // What is there is seen.
        if counts.counts[i] > 0 {
            tall = tall.max(1);
        }
        let left = x + i * BAR;
        canvas.rect((left, base - tall), BAR - 1, tall, ink(theme));
        if bar.cut {
            // A gap below its top says that it goes on.
            canvas.rect((left, base - tall + 5), BAR - 1, 3, theme.paper);
        }
    }
    canvas.rect((x, base), BINS * BAR, 1, theme.faint);
    let (middle, foot) = (x + BINS * BAR / 2, base + 2);
    if counts.zeros > 0 {
        let share = format!("0: {}", zeros(counts));
        canvas.text((middle, foot), &share, Anchor::Middle, theme.ink);
    }
    canvas.text((x, foot), &short(ends.0), Anchor::Start, theme.faint);
    canvas.text((right, foot), &short(ends.1), Anchor::End, theme.faint);
}

#[cfg(test)]
mod tests {
    use super::*;

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
