//! A table of shares, each cell in the colour of its number.

use super::bar::Bar;
use super::canvas::{Anchor, Canvas, LINE, text_width};
use super::colour::{self, Rgb};
use super::paint::Paint;
use super::plane::Colours;
use super::sheet::{head, head_width, heading};
use crate::error::Result;

const MARGIN: usize = 16;
const HEIGHT: usize = 26;
const APART: usize = 12;
/// Around the text of a cell, on both sides together.
const PADDING: usize = 14;

/// A table of shares from 0 to 1.
#[derive(Clone, Debug)]
pub struct HeatTable {
    /// The first line of the picture.
    pub title: String,
    /// The lines below the title.
    pub notes: Vec<String>,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Columns that are set apart from those before them.
    pub apart: Vec<usize>,
    /// Names of the rows, and their numbers; a place may stay empty. What was left out, which the
    /// notes explain, is no number (NaN) and stands as a dash.
    pub rows: Vec<(String, Vec<Option<f64>>)>,
    /// The numbers of the first and of the last colour.
    pub range: (f64, f64),
    /// What the numbers are, with their unit.
    pub quantity: &'static str,
}

/// A share as it stands in a cell.
pub fn share(x: f64) -> String {
    if x.is_nan() {
        return "-".into();
    }
    format!("{:.1}", 100.0 * x)
}

/// The colour of a share within a range.
pub fn shade(x: f64, (low, high): (f64, f64)) -> Rgb {
    colour::sequential(match high > low {
        true => ((x - low) / (high - low)) as f32,
        false => 0.5,
    })
}

impl HeatTable {
    /// Draws the picture; the numbers are per cent.
    ///
    /// # Errors
    /// Too large a picture.
    pub fn draw(&self) -> Result<Canvas> {
        let names = self.rows.iter().map(|(name, _)| text_width(name));
        let left = MARGIN + names.max().unwrap_or(0) + 10;
        let widest = self.columns.iter().map(|name| text_width(name)).max();
        let cell = widest.unwrap_or(0).max(text_width("100.0")) + PADDING;
        let column = |i: usize| {
            let apart = self.apart.iter().filter(|&&from| i >= from).count();
            left + i * cell + apart * APART
        };
        let top = head(self.notes.len()) + LINE + 6;
        let right = column(self.columns.len().max(1) - 1) + cell;
        let (low, high) = self.range;
        let percent = Colours::Amount(100.0 * low as f32, 100.0 * high as f32);
        let bar = Bar::new(percent, self.quantity);
        let tall = self.rows.len() * HEIGHT;
        let width = right + bar.room(tall) + MARGIN;
        let width = width.max(head_width(&self.title, &self.notes));
        let mut canvas = Canvas::new(width, top + tall + MARGIN)?;
        heading(&mut canvas, &self.title, &self.notes);
        bar.draw(&mut canvas, (right, top), tall);
        for (i, name) in self.columns.iter().enumerate() {
            let at = (column(i) + cell / 2, top - LINE - 4);
            canvas.text(at, name, Anchor::Middle, Paint::Ink);
        }
        for (row, (name, numbers)) in self.rows.iter().enumerate() {
            let y = top + row * HEIGHT;
            let middle = y + (HEIGHT - 1 - LINE) / 2;
            canvas.text((left - 10, middle), name, Anchor::End, Paint::Ink);
            for (i, number) in numbers.iter().enumerate() {
                let Some(x) = number else { continue };
                let mut ink = Paint::Faint;
                if !x.is_nan() {
                    let fill = shade(*x, self.range);
                    canvas.rect((column(i), y), cell - 1, HEIGHT - 1, fill);
                    ink = colour::readable_on(fill).into();
                }
                let at = (column(i) + cell / 2, middle);
                canvas.text(at, &share(*x), Anchor::Middle, ink);
            }
        }
        Ok(canvas)
    }
}

#[cfg(test)]
mod tests {
    use super::super::canvas::tests::{assert_apart, assert_within, pixels};
    use super::super::paint::Theme;
    use super::*;

    #[test]
    fn cells_have_the_colours_of_their_numbers() {
        let table = HeatTable {
            title: "t".into(),
            notes: vec![],
            columns: vec!["a".into(), "b".into()],
            apart: vec![1],
            rows: vec![
                ("r".into(), vec![Some(0.1), Some(0.9)]),
                ("s".into(), vec![None]),
            ],
            range: (0.1, 0.9),
            quantity: "rate (%)",
        };
        let canvas = table.draw().unwrap();
        assert_within(&canvas);
        assert_apart(&canvas);
        let drawn = pixels(&canvas, Theme::Dark);
        let (left, top) = (
            MARGIN + text_width("r").max(text_width("s")) + 10,
            head(0) + LINE + 6,
        );
        let cell = text_width("100.0") + PADDING;
        assert_eq!(drawn.at(left, top), colour::sequential(0.0));
        assert_eq!(drawn.at(left + cell + APART, top), colour::sequential(1.0));
        assert_eq!(drawn.at(left, top + HEIGHT), Paint::Paper.rgb(Theme::Dark));
        assert_eq!(
            (share(0.98765), shade(0.4, (0.2, 0.2))),
            ("98.8".into(), shade(0.5, (0.0, 1.0)))
        );
    }
}
