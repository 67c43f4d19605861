//! Histograms of a layer's numbers, a panel a channel.

use super::canvas::{Anchor, Canvas, LINE, Rgb, Theme, text_width};
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
/// Zeros that are more than this share of the numbers do not set the height of the bars.
const MANY_ZEROS: f64 = 0.15;

/// The colour of bars.
fn ink(theme: Theme) -> Rgb {
    match theme == Theme::DARK {
        true => [124, 184, 255],
        false => [11, 92, 173],
    }
}

/// The heights of a channel's bars, from 0 to 1, and the number of the bar that is cut off at
/// 1 because it holds more zeros than all else could be seen beside.
pub fn heights(counts: &Counts, (low, high): (f32, f32)) -> (Vec<f64>, Option<usize>) {
    let total: u64 = counts.counts.iter().sum();
    let many = counts.zeros as f64 > MANY_ZEROS * total as f64 && low < high;
    let zero = many.then(|| {
        let place = f64::from(-low) / f64::from(high - low) * BINS as f64;
        (place as usize).min(BINS - 1)
    });
    let others = counts
        .counts
        .iter()
        .enumerate()
        .filter(|(i, _)| Some(*i) != zero);
    let most = others.map(|(_, &n)| n).max().unwrap_or(0).max(1);
    let height = |&n: &u64| (n as f64 / most as f64).min(1.0);
    let cut = zero.filter(|&i| counts.counts[i] > most);
    (counts.counts.iter().map(height).collect(), cut)
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
        "a bar of zeros that would dwarf the others is cut off, and its share named".into(),
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
    let about = format!("mean {}", short(counts.mean as f32));
    canvas.text((right, y), &about, Anchor::End, theme.faint);
    let (base, (heights, cut)) = (y + LINE + HEIGHT, heights(counts, ends));
    for (i, height) in heights.iter().enumerate() {
        let mut tall = (height * (HEIGHT - 4) as f64).round() as usize;
        // What is there is seen.
        if counts.counts[i] > 0 {
            tall = tall.max(1);
        }
        canvas.rect((x + i * BAR, base - tall), BAR - 1, tall, ink(theme));
    }
    canvas.rect((x, base), BINS * BAR, 1, theme.faint);
    if let Some(i) = cut {
        let total: u64 = counts.counts.iter().sum();
        let share = format!("0: {:.0} %", 100.0 * counts.zeros as f64 / total as f64);
        let middle = x + i * BAR;
        // Beside its bar, on the side with room.
        match middle + 2 * BAR + text_width(&share) <= right {
            true => canvas.text(
                (middle + 2 * BAR, y + LINE),
                &share,
                Anchor::Start,
                theme.ink,
            ),
            false => canvas.text((middle - BAR, y + LINE), &share, Anchor::End, theme.ink),
        }
    }
    let foot = base + 2;
    canvas.text((x, foot), &short(ends.0), Anchor::Start, theme.faint);
    canvas.text((right, foot), &short(ends.1), Anchor::End, theme.faint);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_do_not_dwarf_the_others() {
        let mut counts = Counts {
            channel: 0,
            counts: vec![0; BINS],
            zeros: 900,
            mean: 0.0,
            deviation: 1.0,
            not_finite: 0,
        };
        (counts.counts[0], counts.counts[5]) = (900, 60);
        counts.counts[6] = 30;
        let (tall, cut) = heights(&counts, (0.0, 4.0));
        assert_eq!((tall[0], tall[5], tall[6], cut), (1.0, 1.0, 0.5, Some(0)));
        // Without them the tallest bar sets the height.
        counts.zeros = 0;
        let (tall, cut) = heights(&counts, (0.0, 4.0));
        assert_eq!((tall[0], cut), (1.0, None));
        assert!((tall[5] - 60.0 / 900.0).abs() < 1e-12);
    }
}
