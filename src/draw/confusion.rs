//! The confusion matrix: which classes are taken for which.

use super::canvas::{Anchor, Canvas, LINE, Theme, text_width};
use super::colour;
use crate::error::Result;
use crate::study::grouped;

/// Side of a cell.
const CELL: usize = 46;
const MARGIN: usize = 16;

/// Draws `counts`, how often class `i` was taken for class `j` at `i * classes + j`.
/// Mistakes are coloured by their number; right answers, far more of them, are not.
///
/// # Errors
/// Too large a picture.
///
/// # Panics
/// If `counts` is not square.
pub fn matrix(title: &str, counts: &[usize], classes: usize, theme: Theme) -> Result<Canvas> {
    assert_eq!(counts.len(), classes * classes, "a square matrix");
    let cell = CELL.max(text_width(&counts.iter().max().unwrap_or(&0).to_string()) + 10);
    let total: usize = counts.iter().sum();
    let right: usize = (0..classes).map(|c| counts[c * classes + c]).sum();
    let off = (0..counts.len()).filter(|i| i / classes != i % classes);
    let most = off.map(|i| counts[i]).max().unwrap_or(0).max(1);
    let left = MARGIN + 2 * LINE + text_width(&classes.to_string()) + 6;
    let top = MARGIN + 2 * (LINE + 4) + 8 + 2 * LINE + 6;
    let recall = text_width("100.00 %") + 18;
    let note = format!(
        "{} of {} right; rows are what the image shows, columns what it was taken for",
        grouped(right),
        grouped(total)
    );
    let widest = text_width(title).max(text_width(&note));
    let width = (left + cell * classes + recall).max(MARGIN + widest) + MARGIN;
    let mut canvas = Canvas::new(width, top + cell * classes + MARGIN, theme)?;
    canvas.bold((MARGIN, MARGIN), title, Anchor::Start, theme.ink);
    canvas.text(
        (MARGIN, MARGIN + LINE + 4),
        &note,
        Anchor::Start,
        theme.faint,
    );
    let end = left + cell * classes;
    canvas.text(
        (left + cell * classes / 2, top - 2 * LINE - 4),
        "taken for",
        Anchor::Middle,
        theme.faint,
    );
    canvas.text(
        (end + 14, top - LINE - 4),
        "right",
        Anchor::Start,
        theme.faint,
    );
    canvas.text(
        (MARGIN, top - LINE - 4),
        "shows",
        Anchor::Start,
        theme.faint,
    );
    for i in 0..classes {
        let middle = top + i * cell + (cell - LINE) / 2;
        canvas.text((left - 8, middle), &i.to_string(), Anchor::End, theme.ink);
        canvas.text(
            (left + i * cell + cell / 2, top - LINE - 4),
            &i.to_string(),
            Anchor::Middle,
            theme.ink,
        );
        for j in 0..classes {
            let n = counts[i * classes + j];
            let at = (left + j * cell, top + i * cell);
            let (fill, ink) = match (i == j, n) {
                (true, _) => (mix(theme.paper, theme.faint), theme.ink),
                (false, 0) => (mix(theme.paper, mix(theme.paper, theme.faint)), theme.faint),
                (false, n) => {
                    let colour = colour::sequential(n as f32 / most as f32);
                    (colour, colour::readable_on(colour))
                }
            };
            canvas.rect(at, cell - 1, cell - 1, fill);
            if n > 0 {
                canvas.text(
                    (at.0 + cell / 2, middle),
                    &n.to_string(),
                    Anchor::Middle,
                    ink,
                );
            }
        }
        let row = &counts[i * classes..][..classes];
        let of: usize = row.iter().sum();
        if of > 0 {
            let share = 100.0 * row[i] as f64 / of as f64;
            canvas.text(
                (end + 14, middle),
                &format!("{share:.2} %"),
                Anchor::Start,
                theme.ink,
            );
        }
    }
    Ok(canvas)
}

/// A fifth of the way from `a` to `b`.
fn mix(a: [u8; 3], b: [u8; 3]) -> [u8; 3] {
    [0, 1, 2].map(|i| ((4 * u32::from(a[i]) + u32::from(b[i])) / 5) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_coloured_and_right_answers_are_not() {
        let counts = [900, 4, 0, 7];
        let theme = Theme::LIGHT;
        let canvas = matrix("two classes", &counts, 2, theme).unwrap();
        let left = MARGIN + 2 * LINE + text_width("2") + 6;
        let top = MARGIN + 2 * (LINE + 4) + 8 + 2 * LINE + 6;
        let corner = |i: usize, j: usize| canvas.pixel(left + j * CELL, top + i * CELL);
        assert_eq!(corner(0, 0), mix(theme.paper, theme.faint));
        assert_eq!(corner(1, 1), corner(0, 0));
        assert_eq!(
            corner(0, 1),
            colour::sequential(1.0),
            "the most frequent mistake"
        );
        assert_eq!(
            corner(1, 0),
            mix(theme.paper, mix(theme.paper, theme.faint))
        );
    }
}
