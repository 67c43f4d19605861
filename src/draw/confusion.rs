//! The confusion matrix: which classes are taken for which.

use super::bar::Bar;
use super::canvas::{Anchor, Canvas, LINE, text_width, title_width};
use super::colour;
use super::paint::Paint;
use super::plane::Colours;
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
pub fn matrix(title: &str, counts: &[usize], classes: usize) -> Result<Canvas> {
    assert_eq!(counts.len(), classes * classes, "a square matrix");
    let total: usize = counts.iter().sum();
    let right: usize = (0..classes).map(|c| counts[c * classes + c]).sum();
    let off = (0..counts.len()).filter(|i| i / classes != i % classes);
    let most = off.map(|i| counts[i]).max().unwrap_or(0).max(1);
    let note = format!(
        "{} of {} right; rows are what the image shows, columns what it was taken for",
        grouped(right),
        grouped(total)
    );
    let places = Places {
        cell: CELL.max(text_width(&counts.iter().max().unwrap_or(&0).to_string()) + 10),
        left: MARGIN + 2 * LINE + text_width(&classes.to_string()) + 6,
        top: MARGIN + 2 * (LINE + 4) + 8 + 2 * LINE + 6,
        classes,
    };
    let recall = text_width("100.00 %") + 18;
    let widest = title_width(title).max(text_width(&note));
    let bar = Bar::new(Colours::Amount(0.0, most as f32), "mistakes (images)");
    let tall = places.cell * classes;
    let right = places.end() + recall;
    let width = (right + bar.room(tall)).max(MARGIN + widest) + MARGIN;
    let height = places.top + places.cell * classes + MARGIN;
    let mut canvas = Canvas::new(width, height)?;
    canvas.bold((MARGIN, MARGIN), title, Anchor::Start, Paint::Ink);
    canvas.text(
        (MARGIN, MARGIN + LINE + 4),
        &note,
        Anchor::Start,
        Paint::Faint,
    );
    places.headings(&mut canvas);
    bar.draw(&mut canvas, (right, places.top), tall);
    for shown in 0..classes {
        places.row(
            &mut canvas,
            shown,
            &counts[shown * classes..][..classes],
            most,
        );
    }
    Ok(canvas)
}

/// Where the cells lie.
struct Places {
    /// Side of a cell.
    cell: usize,
    /// Left edge of the first column.
    left: usize,
    /// Upper edge of the first row.
    top: usize,
    classes: usize,
}

impl Places {
    /// Right edge of the last column.
    fn end(&self) -> usize {
        self.left + self.cell * self.classes
    }

    /// What rows, columns and the shares beside them are.
    fn headings(&self, canvas: &mut Canvas) {
        let faint = Paint::Faint;
        let middle = self.left + self.cell * self.classes / 2;
        let (upper, lower) = (self.top - 2 * LINE - 4, self.top - LINE - 4);
        canvas.text((middle, upper), "taken for", Anchor::Middle, faint);
        canvas.text((self.end() + 14, lower), "right", Anchor::Start, faint);
        canvas.text((MARGIN, lower), "shows", Anchor::Start, faint);
    }

    /// The images of the class `shown`: its name beside its row and above its column, how
    /// often it was taken for each class, and the share that was right. `most` is the number
    /// of mistakes that has the strongest colour.
    fn row(&self, canvas: &mut Canvas, shown: usize, counts: &[usize], most: usize) {
        let (cell, y) = (self.cell, self.top + shown * self.cell);
        let middle = y + (cell - LINE) / 2;
        let name = shown.to_string();
        canvas.text((self.left - 8, middle), &name, Anchor::End, Paint::Ink);
        let column = self.left + shown * cell + cell / 2;
        canvas.text(
            (column, self.top - LINE - 4),
            &name,
            Anchor::Middle,
            Paint::Ink,
        );
        for (taken, &n) in counts.iter().enumerate() {
            let x = self.left + taken * cell;
            let (fill, ink) = match (shown == taken, n) {
                (true, _) => (Paint::Wash, Paint::Ink),
                (false, 0) => (Paint::Thin, Paint::Faint),
                (false, n) => {
                    let colour = colour::sequential(n as f32 / most as f32);
                    (colour.into(), colour::readable_on(colour).into())
                }
            };
            canvas.rect((x, y), cell - 1, cell - 1, fill);
            if n > 0 {
                canvas.text((x + cell / 2, middle), &n.to_string(), Anchor::Middle, ink);
            }
        }
        let of: usize = counts.iter().sum();
        if of > 0 {
            let share = format!("{:.2} %", 100.0 * counts[shown] as f64 / of as f64);
            canvas.text((self.end() + 14, middle), &share, Anchor::Start, Paint::Ink);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::canvas::tests::{assert_apart, assert_within, pixels};
    use super::super::paint::Theme;
    use super::*;

    #[test]
    fn mistakes_are_coloured_and_right_answers_are_not() {
        let counts = [900, 4, 0, 7];
        let canvas = matrix("two classes", &counts, 2).unwrap();
        assert_within(&canvas);
        assert_apart(&canvas);
        let drawn = pixels(&canvas, Theme::Light);
        let left = MARGIN + 2 * LINE + text_width("2") + 6;
        let top = MARGIN + 2 * (LINE + 4) + 8 + 2 * LINE + 6;
        let corner = |i: usize, j: usize| drawn.at(left + j * CELL, top + i * CELL);
        assert_eq!(corner(0, 0), Paint::Wash.rgb(Theme::Light));
        assert_eq!(corner(1, 1), corner(0, 0));
        assert_eq!(
            corner(0, 1),
            colour::sequential(1.0),
            "the most frequent mistake"
        );
        assert_eq!(corner(1, 0), Paint::Thin.rgb(Theme::Light));
    }
}
