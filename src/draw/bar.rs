//! The bar that says which colour is which number: of what quantity, with round ticks.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, LINE, SIZE, Stroke, text_width};
use super::letters::{Weight, room};
use super::paint::Paint;
use super::plane::Colours;
use super::tile::Tile;
use crate::error::Result;

/// Its width, and its height at most.
const WIDTH: usize = 14;
const TALLEST: usize = 260;
/// From the bar to its numbers, the tick between them, and from what stands beside it.
const BESIDE: usize = 9;
const TICK: f64 = 4.0;
const BEFORE: usize = 22;
/// The height that a line of text and a little more takes above it.
const ABOVE: usize = LINE + 9;

/// A colour bar.
#[derive(Clone, Debug)]
pub struct Bar {
    colours: Colours,
    quantity: String,
}

impl Bar {
    /// A bar of those colours that says of what they are, with the unit in brackets.
    pub fn new(colours: Colours, quantity: &str) -> Self {
        Self {
            colours,
            quantity: quantity.into(),
        }
    }

    fn axis(&self, height: usize) -> Axis {
        let (low, high) = self.colours.ends();
        let of = |most| Axis::linear(f64::from(low), f64::from(high), most);
        let most = (height / 48).clamp(2, 6);
        // One tick alone says nothing of the colours above and below it.
        let several = (most..=6).map(of).find(|axis| axis.ticks.len() > 1);
        several.unwrap_or_else(|| of(most))
    }

    /// How wide it is with its numbers, its name and the gap before it.
    pub fn room(&self, height: usize) -> usize {
        let labels = self.axis(height.min(TALLEST)).labels();
        let widest = labels.iter().map(|label| text_width(label)).max();
        BEFORE + text_width(&self.quantity).max(WIDTH + BESIDE + widest.unwrap_or(0))
    }

    /// How much of a picture it takes above itself.
    pub fn above() -> usize {
        ABOVE
    }

    /// Draws it to the right of `right`, its upper edge at `top`, no higher than `height`: the
    /// greatest number at its top.
    pub fn draw(&self, canvas: &mut Canvas, (right, top): (usize, usize), height: usize) {
        let (left, height) = (right + BEFORE, height.clamp(1, TALLEST));
        canvas.text(
            (left, top - ABOVE),
            &self.quantity,
            Anchor::Start,
            Paint::Ink,
        );
        let (low, high) = self.colours.ends();
        if low == high {
            // One number has one colour.
            canvas.rect((left, top), WIDTH, height, self.colours.of(low));
        } else {
            let steps = height.max(2);
            let colour = |row: usize| {
                let t = 1.0 - row as f32 / (steps - 1) as f32;
                Some(self.colours.of(low + (high - low) * t))
            };
            let tile = Tile {
                width: WIDTH,
                height: steps,
                pixels: (0..steps).flat_map(|row| [colour(row); WIDTH]).collect(),
            };
            canvas.tile((left, top), &tile, 1);
        }
        canvas.frame((left, top), WIDTH, height);
        let axis = self.axis(height);
        let edge = (left + WIDTH) as f64;
        let mut before = f64::INFINITY;
        for (&tick, label) in axis.ticks.iter().zip(axis.labels()) {
            let y = top as f64 + (1.0 - axis.place(tick)) * height as f64;
            let stroke = Stroke::new(Paint::Faint, 1.0);
            canvas.path(vec![(edge, y), (edge + TICK, y)], stroke);
            // A number that would touch the one below it is left out.
            if before - y < (LINE - 2) as f64 {
                continue;
            }
            before = y;
            let at = (edge + BESIDE as f64, y + 0.36 * SIZE);
            let letters = (SIZE, Weight::Regular);
            canvas.letters(at, &label, Anchor::Start, letters, Paint::Ink);
        }
    }
}

/// The bar of a page: its width, its height, and all of it.
const LYING: (f64, f64) = (220.0, 11.0);

impl Bar {
    /// The bar lying, the least number at its left, its quantity above it: for a page.
    ///
    /// # Errors
    /// Too large a picture.
    pub fn lying(&self) -> Result<Canvas> {
        let (wide, tall) = LYING;
        let (low, high) = self.colours.ends();
        let axis = Axis::linear(f64::from(low), f64::from(high), 4);
        let side = 24.0;
        let all = (wide + 2.0 * side).max(side + room(&self.quantity, SIZE, Weight::Regular));
        let mut canvas = Canvas::new(all.ceil() as usize, 50)?;
        let letters = (SIZE, Weight::Regular);
        canvas.letters(
            (side, 13.0),
            &self.quantity,
            Anchor::Start,
            letters,
            Paint::Ink,
        );
        let steps = wide as usize;
        let colour = |i: usize| low + (high - low) * i as f32 / (steps - 1) as f32;
        let row: Vec<_> = (0..steps)
            .map(|i| Some(self.colours.of(colour(i))))
            .collect();
        let tile = Tile {
            width: steps,
            height: tall as usize,
            pixels: row.repeat(tall as usize),
        };
        canvas.tile((side as usize, 20), &tile, 1);
        let foot = 20.0 + tall;
        for (&tick, label) in axis.ticks.iter().zip(axis.labels()) {
            let x = side + axis.place(tick) * wide;
            canvas.path(
                vec![(x, foot), (x, foot + TICK)],
                Stroke::new(Paint::Faint, 1.0),
            );
            let at = (x, foot + TICK + 12.0);
            canvas.letters(
                at,
                &label,
                Anchor::Middle,
                (11.5, Weight::Regular),
                Paint::Ink,
            );
        }
        Ok(canvas)
    }
}

#[cfg(test)]
mod tests {
    use super::super::canvas::tests::{assert_apart, assert_within, pixels, texts};
    use super::super::colour;
    use super::super::paint::Theme;
    use super::*;

    #[test]
    fn the_bar_names_its_quantity_and_has_round_ticks() {
        let bar = Bar::new(Colours::Amount(0.07, 0.93), "rate (share)");
        let mut canvas = Canvas::new(10 + bar.room(240), 280).unwrap();
        bar.draw(&mut canvas, (4, 30), 240);
        assert_within(&canvas);
        assert_apart(&canvas);
        let shown: Vec<&str> = texts(&canvas).into_iter().map(|(text, _)| text).collect();
        assert_eq!(shown, ["rate (share)", "0.2", "0.4", "0.6", "0.8"]);
        let drawn = pixels(&canvas, Theme::Light);
        // The greatest number at the top, the least at the foot.
        assert_eq!(drawn.at(4 + BEFORE + 5, 30), colour::sequential(1.0));
        assert_eq!(drawn.at(4 + BEFORE + 5, 269), colour::sequential(0.0));
        let lying = bar.lying().unwrap();
        assert_within(&lying);
        assert_apart(&lying);
        // A small one still has two ticks, a single number one colour.
        for colours in [Colours::Around0(0.3), Colours::Amount(11.9, 97.5)] {
            assert!(Bar::new(colours, "w").axis(98).ticks.len() >= 2);
        }
        let one = Bar::new(Colours::Amount(2.0, 2.0), "q");
        let mut canvas = Canvas::new(10 + one.room(100), 140).unwrap();
        one.draw(&mut canvas, (4, 30), 100);
        assert_eq!(
            pixels(&canvas, Theme::Dark).at(4 + BEFORE + 5, 40),
            colour::sequential(0.5)
        );
    }
}
