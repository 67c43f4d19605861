//! A contact sheet of the images that were taken for something else.

use super::activation_statistics::Guess;
use super::canvas::{Anchor, Canvas, LINE, text_width, title_width};
use super::paint::Paint;
use super::tile::Tile;
use crate::data::Split;
use crate::error::Result;
use crate::study::grouped;

/// Sheets are as wide as this many images, at most.
const ACROSS: usize = 12;
/// Pixels of an image's side, at least.
const CELL: usize = 84;
const MARGIN: usize = 16;
const GAP: usize = 12;

/// Draws the images of `mistakes` in their order, below each what it shows, what it was
/// taken for, and by how much; `total` is how many mistakes there are in all.
///
/// # Errors
/// Too large a picture.
///
/// # Panics
/// If an image is not in `split`.
pub fn sheet(
    title: &str,
    mistakes: &[Guess],
    (total, images): (usize, usize),
    split: &Split,
) -> Result<Canvas> {
    let (height, width, _) = split.shape();
    let scale = (CELL / height.max(width)).max(1);
    let note = match mistakes.len() {
        n if n == total => format!(
            "all {n} mistakes on {} images, the surest first",
            grouped(images)
        ),
        n => format!(
            "the {n} surest of {total} mistakes on {} images",
            grouped(images)
        ),
    };
    let how = "shown as taken for, and the margin: the guess's probability less the right class's";
    let cell = (width * scale).max(text_width("10 as 10"));
    let columns = ACROSS.min(mistakes.len()).max(1);
    let rows = mistakes.len().div_ceil(columns);
    let step = height * scale + 2 * LINE + GAP;
    let top = MARGIN + 3 * (LINE + 4) + 8;
    let widest = [title_width(title), text_width(&note), text_width(how)];
    let widest = widest.into_iter().max();
    let across = (columns * (cell + GAP)).max(widest.unwrap_or(0) + GAP);
    let mut canvas = Canvas::new(2 * MARGIN + across - GAP, top + rows * step + MARGIN)?;
    canvas.bold((MARGIN, MARGIN), title, Anchor::Start, Paint::Ink);
    for (i, line) in [note.as_str(), how].into_iter().enumerate() {
        let y = MARGIN + (LINE + 4) * (i + 1);
        canvas.text((MARGIN, y), line, Anchor::Start, Paint::Faint);
    }
    for (place, mistake) in mistakes.iter().enumerate() {
        let (x, y) = (
            MARGIN + place % columns * (cell + GAP),
            top + place / columns * step,
        );
        let left = x + (cell - width * scale) / 2;
        canvas.tile((left, y), &Tile::image(split, mistake.image), scale);
        let (middle, foot) = (x + cell / 2, y + height * scale + 1);
        let answer = format!("{} as {}", mistake.label, mistake.guess);
        canvas.text((middle, foot), &answer, Anchor::Middle, Paint::Ink);
        let margin = format!("{:.3}", mistake.margin);
        canvas.text(
            (middle, foot + LINE - 2),
            &margin,
            Anchor::Middle,
            Paint::Faint,
        );
    }
    Ok(canvas)
}
