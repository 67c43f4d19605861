//! Pictures as PNG: the SVG, rasterised with the letters of [`super::letters`] at twice its size.
//!
//! The rasteriser is built without its decoders of pictures: with them the JPEG decoder would be
//! built with instruction sets, and give other pixels on other machines. So tiles, over which
//! nothing else is drawn, are laid into the pixels here.

use std::sync::Arc;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use super::canvas::{Canvas, Shape};
use super::colour::Rgb;
use super::letters::Weight;
use super::paint::Theme;
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

/// The fonts that a raster is made with; those of the system are not looked at, so that a
/// picture has the same bytes on every machine.
fn fonts() -> Arc<fontdb::Database> {
    let mut fonts = fontdb::Database::new();
    for weight in [Weight::Regular, Weight::Bold] {
        fonts.load_font_data(weight.font().to_vec());
    }
    fonts.set_sans_serif_family("Noto Sans");
    Arc::new(fonts)
}

impl Canvas {
    /// The picture in pixels, so many times as wide and as high.
    ///
    /// # Errors
    /// None for a canvas made by [`Self::new`].
    pub fn raster(&self, theme: Theme, enlarged: usize) -> Result<Pixels> {
        let bad = |what: String| Error::spec(format!("the picture cannot be made a PNG: {what}"));
        let options = Options {
            fontdb: fonts(),
            font_family: "Noto Sans".into(),
            ..Options::default()
        };
        let theme = match theme {
            Theme::Dark => Theme::Dark,
            _ => Theme::Light,
        };
        let svg = self.file(theme, false);
        let tree = Tree::from_str(&svg, &options).map_err(|e| bad(e.to_string()))?;
        let (width, height) = (self.size().0 * enlarged, self.size().1 * enlarged);
        let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
        let mut pixmap = Pixmap::new(side(width), side(height))
            .ok_or_else(|| bad(format!("{width}x{height} pixels are too many")))?;
        let scale = Transform::from_scale(enlarged as f32, enlarged as f32);
        resvg::render(&tree, scale, &mut pixmap.as_mut());
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
