//! A picture in memory: rectangles, enlarged maps, text.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

use crate::data::contact_sheet::ContactSheet;
use crate::error::{Error, Result};

/// Red, green, blue.
pub type Rgb = [u8; 3];

/// The most pixels a picture may have.
const MAX_PIXELS: usize = 100_000_000;

/// Height of a line of text.
pub const LINE: usize = 16;

/// Colours of what is not data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// The colour of the background.
    pub paper: Rgb,
    /// The colour of text.
    pub ink: Rgb,
    /// The colour of text that matters less, and of frames.
    pub faint: Rgb,
}

impl Theme {
    /// Dark text on white.
    pub const LIGHT: Self = Self {
        paper: [255, 255, 255],
        ink: [24, 26, 30],
        faint: [98, 104, 114],
    };
    /// Light text on near-black.
    pub const DARK: Self = Self {
        paper: [16, 18, 22],
        ink: [230, 233, 238],
        faint: [150, 157, 168],
    };
}

/// Where text stands relative to its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The text begins at the point.
    Start,
    /// The middle of the text is at the point.
    Middle,
    /// The text ends at the point.
    End,
}

/// A picture under way.
#[derive(Clone, Debug)]
pub struct Canvas {
    sheet: ContactSheet,
    /// Its colours.
    pub theme: Theme,
}

/// Width of a text in pixels.
pub fn text_width(text: &str) -> usize {
    text.chars().count() * get_raster_width(FontWeight::Regular, RasterHeight::Size16)
}

impl Canvas {
    /// An empty picture.
    ///
    /// # Errors
    /// More than 100 million pixels, or none.
    pub fn new(width: usize, height: usize, theme: Theme) -> Result<Self> {
        let pixels = width.saturating_mul(height);
        if pixels == 0 || pixels > MAX_PIXELS {
            return Err(Error::spec(format!(
                "a picture of {width}x{height} pixels cannot be made; show less at once"
            )));
        }
        let sheet = ContactSheet {
            width,
            height,
            channels: 3,
            pixels: theme.paper.repeat(pixels),
        };
        Ok(Self { sheet, theme })
    }

    /// The width and the height of the picture, in pixels.
    pub fn size(&self) -> (usize, usize) {
        (self.sheet.width, self.sheet.height)
    }

    /// The colour of a pixel.
    ///
    /// # Panics
    /// Outside the picture.
    pub fn pixel(&self, x: usize, y: usize) -> Rgb {
        assert!(x < self.sheet.width && y < self.sheet.height);
        let at = (y * self.sheet.width + x) * 3;
        [0, 1, 2].map(|i| self.sheet.pixels[at + i])
    }

    fn set(&mut self, x: usize, y: usize, colour: Rgb) {
        if x < self.sheet.width && y < self.sheet.height {
            let at = (y * self.sheet.width + x) * 3;
            self.sheet.pixels[at..at + 3].copy_from_slice(&colour);
        }
    }

    /// Draws a filled rectangle; what lies outside the picture is cut off.
    pub fn rect(&mut self, (x, y): (usize, usize), width: usize, height: usize, colour: Rgb) {
        for y in y..y + height {
            for x in x..x + width {
                self.set(x, y, colour);
            }
        }
    }

    /// Draws a frame of one pixel just outside a rectangle.
    pub fn frame(&mut self, (x, y): (usize, usize), width: usize, height: usize) {
        let colour = self.theme.faint;
        let (left, top) = (x.saturating_sub(1), y.saturating_sub(1));
        self.rect((left, top), width + 2, 1, colour);
        self.rect((left, y + height), width + 2, 1, colour);
        self.rect((left, top), 1, height + 2, colour);
        self.rect((x + width, top), 1, height + 2, colour);
    }

    /// Draws text on one line whose top is at `y`. Characters that the font lacks become `?`.
    pub fn text(&mut self, (x, y): (usize, usize), text: &str, anchor: Anchor, ink: Rgb) {
        self.write((x, y), text, anchor, ink, FontWeight::Regular);
    }

    /// Draws text as [`Self::text`] does, in bold.
    pub fn bold(&mut self, (x, y): (usize, usize), text: &str, anchor: Anchor, ink: Rgb) {
        self.write((x, y), text, anchor, ink, FontWeight::Bold);
    }

    fn write(
        &mut self,
        (x, y): (usize, usize),
        text: &str,
        anchor: Anchor,
        ink: Rgb,
        weight: FontWeight,
    ) {
        let width = text_width(text);
        let mut left = match anchor {
            Anchor::Start => x,
            Anchor::Middle => x.saturating_sub(width / 2),
            Anchor::End => x.saturating_sub(width),
        };
        for c in text.chars() {
            let raster = get_raster(c, weight, RasterHeight::Size16)
                .or_else(|| get_raster('?', weight, RasterHeight::Size16));
            let Some(raster) = raster else { continue };
            for (row, line) in raster.rows().enumerate() {
                for (column, &strength) in line.iter().enumerate() {
                    let (px, py) = (left + column, y + row);
                    if strength > 0 && px < self.sheet.width && py < self.sheet.height {
                        let below = self.pixel(px, py);
                        self.set(px, py, blend(below, ink, strength));
                    }
                }
            }
            left += raster.width();
        }
    }

    /// The picture as a PNG file.
    ///
    /// # Errors
    /// None for a canvas made by [`Self::new`].
    pub fn to_png(&self) -> Result<Vec<u8>> {
        self.sheet.to_png()
    }
}

fn blend(below: Rgb, ink: Rgb, strength: u8) -> Rgb {
    let s = u32::from(strength);
    [0, 1, 2].map(|i| {
        let sum = u32::from(ink[i]) * s + u32::from(below[i]) * (255 - s);
        ((sum + 127) / 255) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectangles_are_where_they_should_be() {
        let mut canvas = Canvas::new(6, 5, Theme::LIGHT).unwrap();
        canvas.frame((2, 2), 2, 1);
        canvas.rect((2, 2), 2, 1, [9, 8, 7]);
        canvas.rect((5, 4), 9, 9, [1, 1, 1]);
        let (paper, faint) = (Theme::LIGHT.paper, Theme::LIGHT.faint);
        let row = |y: usize| (0..6).map(|x| canvas.pixel(x, y)).collect::<Vec<_>>();
        assert_eq!(row(0), [paper; 6]);
        assert_eq!(row(1), [paper, faint, faint, faint, faint, paper]);
        assert_eq!(row(2), [paper, faint, [9, 8, 7], [9, 8, 7], faint, paper]);
        assert_eq!(row(3), row(1));
        assert_eq!(row(4)[5], [1, 1, 1]);
        assert!(Canvas::new(0, 3, Theme::DARK).is_err());
        assert!(Canvas::new(usize::MAX, 3, Theme::DARK).is_err());
    }

    #[test]
    fn text_is_drawn_within_its_box_and_aligned() {
        let inked = |anchor| {
            let mut canvas = Canvas::new(60, 20, Theme::LIGHT).unwrap();
            canvas.text((30, 2), "88", anchor, [0; 3]);
            let mut columns = Vec::new();
            for x in 0..60 {
                if (0..20).any(|y| canvas.pixel(x, y) != Theme::LIGHT.paper) {
                    columns.push(x);
                }
            }
            (columns[0], columns[columns.len() - 1])
        };
        let width = text_width("88");
        let (first, last) = inked(Anchor::Start);
        assert!(first >= 30 && last < 30 + width && last > first + width / 2);
        let (first, last) = inked(Anchor::End);
        assert!(first >= 30 - width && last < 30);
        let (first, last) = inked(Anchor::Middle);
        assert!(first < 30 && last > 30);
        // A character that no font has still takes its place.
        let mut canvas = Canvas::new(60, 20, Theme::DARK).unwrap();
        canvas.text((2, 2), "\u{4e00}", Anchor::Start, [255; 3]);
        assert!((2..10).any(|x| (2..18).any(|y| canvas.pixel(x, y) != Theme::DARK.paper)));
    }
}
