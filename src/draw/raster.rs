//! Pictures as PNG: each mark rasterised as the SVG has it, at twice its size, with the letters of
//! [`super::letters`].
//!
//! Tiles, over which nothing else is drawn, are laid into the pixels, so that theirs stay hard.

use tiny_skia::{
    Color, FillRule, LineJoin, Paint as Colour, Path, PathBuilder, Pixmap, Rect, Stroke as Pen,
    StrokeDash, Transform,
};

use super::canvas::{Anchor, Canvas, Letters, Mark, Point, Shape, Stroke};
use super::colour::Rgb;
use super::letters::{Step, width};
use super::paint::{Paint, Theme};
use super::pdf::HANDLE;
use super::svg::short;
use super::tile::Tile;
use crate::error::{Error, Result};

/// Pixels of a PNG for each pixel of its SVG, across and down.
pub const ENLARGED: usize = 2;

/// Pixels without transparency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Red, green and blue of each, row by row.
    pub bytes: Vec<u8>,
}

impl Pixels {
    /// The colour of a pixel.
    ///
    /// # Panics
    /// Outside the picture.
    pub fn at(&self, x: usize, y: usize) -> Rgb {
        assert!(x < self.width && y < self.height, "({x}, {y})");
        let at = (y * self.width + x) * 3;
        [0, 1, 2].map(|i| self.bytes[at + i])
    }

    /// Lays a tile over the pixels, each of its own a square of that side; where it is empty, and
    /// outside of the picture, nothing changes.
    fn lay(&mut self, (left, top): (usize, usize), tile: &Tile, side: usize) {
        for y in 0..(tile.height * side).min(self.height.saturating_sub(top)) {
            for x in 0..(tile.width * side).min(self.width.saturating_sub(left)) {
                if let Some(colour) = tile.pixels[y / side * tile.width + x / side] {
                    let at = ((top + y) * self.width + left + x) * 3;
                    self.bytes[at..at + 3].copy_from_slice(&colour);
                }
            }
        }
    }
}

/// A coordinate as SVG files state it, to a hundredth of a pixel.
fn coordinate(v: f64) -> f32 {
    short(v) as f32
}

/// What a mark covers; `None` where that is nothing.
fn outline(mark: &Mark) -> Option<Path> {
    let mut path = PathBuilder::new();
    match &mark.shape {
        Shape::Rect((x, y), width, height) => {
            let [x, y, width, height] = [*x, *y, *width, *height].map(coordinate);
            return Some(PathBuilder::from_rect(Rect::from_xywh(
                x, y, width, height,
            )?));
        }
        Shape::Path(points) => {
            for (i, &(x, y)) in points.iter().enumerate() {
                match i {
                    0 => path.move_to(coordinate(x), coordinate(y)),
                    _ => path.line_to(coordinate(x), coordinate(y)),
                }
            }
            if mark.fill.is_some() {
                path.close();
            }
        }
        Shape::Disc((x, y), radius) => disc(&mut path, [*x, *y, *radius].map(coordinate)),
        Shape::Text(at, letters) => text(&mut path, *at, letters),
        Shape::Tile(..) => return None,
    }
    path.finish()
}

/// A circle as four curves.
fn disc(path: &mut PathBuilder, [x, y, r]: [f32; 3]) {
    let h = HANDLE as f32 * r;
    path.move_to(x + r, y);
    path.cubic_to(x + r, y + h, x + h, y + r, x, y + r);
    path.cubic_to(x - h, y + r, x - r, y + h, x - r, y);
    path.cubic_to(x - r, y - h, x - h, y - r, x, y - r);
    path.cubic_to(x + h, y - r, x + r, y - h, x + r, y);
    path.close();
}

/// The letters of a text, one after the other on their line.
fn text(path: &mut PathBuilder, (x, y): Point, letters: &Letters) {
    let (x, y) = (short(x), short(y));
    let wide = width(&letters.text, letters.size, letters.weight);
    let mut left = match letters.anchor {
        Anchor::Start => x,
        Anchor::Middle => x - wide / 2.0,
        Anchor::End => x - wide,
    };
    for c in letters.text.chars() {
        letters.weight.outline(c, &mut |step| {
            let at = |[across, up]: [f32; 2]| {
                let place = |v: f32| f64::from(v) * letters.size;
                ((left + place(across)) as f32, (y - place(up)) as f32)
            };
            match step {
                Step::Move(to) => path.move_to(at(to).0, at(to).1),
                Step::Line(to) => path.line_to(at(to).0, at(to).1),
                Step::Curve(by, to) => path.quad_to(at(by).0, at(by).1, at(to).0, at(to).1),
                Step::Close => path.close(),
            }
        });
        left += width(c.encode_utf8(&mut [0; 4]), letters.size, letters.weight);
    }
}

fn colour(paint: Paint, theme: Theme, strength: f64) -> Colour<'static> {
    let [red, green, blue] = paint.rgb(theme);
    let mut colour = Colour::default();
    colour.set_color_rgba8(red, green, blue, (strength * 255.0).round() as u8);
    colour
}

fn pen(stroke: Stroke, shape: &Shape) -> Pen {
    let dashes = stroke.dash.split_whitespace();
    let dashes: Vec<f32> = dashes.filter_map(|dash| dash.parse().ok()).collect();
    Pen {
        width: stroke.width as f32,
        // Curves of many points have round corners.
        line_join: match shape {
            Shape::Path(_) => LineJoin::Round,
            _ => LineJoin::Miter,
        },
        dash: StrokeDash::new(dashes, 0.0),
        ..Pen::default()
    }
}

impl Canvas {
    /// The picture in pixels, so many times as wide and as high.
    ///
    /// # Errors
    /// None for a canvas made by [`Self::new`].
    pub fn raster(&self, theme: Theme, enlarged: usize) -> Result<Pixels> {
        let (width, height) = (self.size().0 * enlarged, self.size().1 * enlarged);
        let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
        let mut pixmap = Pixmap::new(side(width), side(height)).ok_or_else(|| {
            Error::spec(format!(
                "the picture cannot be made a PNG: {width}x{height} pixels are too many"
            ))
        })?;
        let [red, green, blue] = Paint::Paper.rgb(theme);
        pixmap.fill(Color::from_rgba8(red, green, blue, 255));
        let scale = Transform::from_scale(enlarged as f32, enlarged as f32);
        for mark in &self.marks {
            let Some(path) = outline(mark) else { continue };
            if let Some(fill) = mark.fill {
                let colour = colour(fill, theme, mark.strength);
                pixmap.fill_path(&path, &colour, FillRule::Winding, scale, None);
            }
            if let Some(stroke) = mark.stroke {
                let (colour, pen) = (colour(stroke.paint, theme, 1.0), pen(stroke, &mark.shape));
                pixmap.stroke_path(&path, &colour, &pen, scale, None);
            }
        }
        // The paper covers everything, so no pixel is transparent.
        let rgb = pixmap
            .data()
            .chunks_exact(4)
            .flat_map(|p| [p[0], p[1], p[2]]);
        let mut pixels = Pixels {
            width,
            height,
            bytes: rgb.collect(),
        };
        for mark in &self.marks {
            if let Shape::Tile(at, tile, side) = &mark.shape {
                let whole = |v: f64| (v * enlarged as f64).round() as usize;
                pixels.lay((whole(at.0), whole(at.1)), tile, whole(*side));
            }
        }
        Ok(pixels)
    }

    /// The picture as a PNG file, [`ENLARGED`].
    ///
    /// # Errors
    /// As [`Self::raster`].
    pub fn to_png(&self, theme: Theme) -> Result<Vec<u8>> {
        let pixels = self.raster(theme, ENLARGED)?;
        let bad = |e| Error::spec(format!("the picture cannot be made a PNG: {e}"));
        let side = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, side(pixels.width), side(pixels.height));
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        // Twice as many dots an inch as a screen has: programs that know of it show the size of
        // the SVG.
        encoder.set_pixel_dims(Some(png::PixelDimensions {
            xppu: 96 * 2 * 10_000 / 254,
            yppu: 96 * 2 * 10_000 / 254,
            unit: png::Unit::Meter,
        }));
        let mut writer = encoder.write_header().map_err(bad)?;
        writer.write_image_data(&pixels.bytes).map_err(bad)?;
        writer.finish().map_err(bad)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::canvas::Anchor;
    use super::super::paint::Paint;
    use super::*;
    use crate::data::raster;

    fn picture() -> Canvas {
        let mut canvas = Canvas::new(90, 40).unwrap();
        canvas.text((4, 4), "Text", Anchor::Start, Paint::Ink);
        canvas.tile((60, 10), &Tile::of((1, 2, 1), [Some(0.2), Some(0.8)]), 7);
        canvas
    }

    #[test]
    fn a_png_is_twice_as_large_and_always_the_same() {
        let png = picture().to_png(Theme::Dark).unwrap();
        let decoded = raster::decode(&png).unwrap();
        assert_eq!((decoded.width, decoded.height), (180, 80));
        assert!(png == picture().to_png(Theme::Dark).unwrap());
        assert!(png != picture().to_png(Theme::Light).unwrap());
    }

    #[test]
    fn tiles_keep_hard_pixels_and_letters_are_drawn() {
        let drawn = picture().raster(Theme::Light, ENLARGED).unwrap();
        for (x, grey) in [(120, 51), (133, 51), (134, 204), (147, 204)] {
            assert_eq!(drawn.at(x, 20), [grey; 3], "{x}");
            assert_eq!(drawn.at(x, 33), [grey; 3], "{x}");
        }
        let paper = Paint::Paper.rgb(Theme::Light);
        assert_eq!([drawn.at(119, 20), drawn.at(148, 20)], [paper; 2]);
        // The stem of the T, at twice the size: black, and more than one pixel wide.
        let ink = Paint::Ink.rgb(Theme::Light);
        let dark = (8..60).filter(|&x| drawn.at(x, 28) == ink).count();
        assert!(dark >= 2, "{dark}");
    }
}
