//! Small pictures in colour: images, patches of images, maps, and maps laid over images.

use super::colour::Rgb;
use super::plane::{Colours, Plane};
use crate::data::Split;
use crate::error::{Error, Result};

/// A small picture; a pixel may be empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Tile {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Row by row.
    pub pixels: Vec<Option<Rgb>>,
}

impl Tile {
    /// Numbers from 0 to 1, (height, width, channel): three channels in colour, any other number
    /// of them as the grey of their mean. A pixel with an empty channel is empty.
    ///
    /// # Panics
    /// If there are not that many numbers.
    pub fn of(
        (height, width, channels): (usize, usize, usize),
        numbers: impl IntoIterator<Item = Option<f32>>,
    ) -> Self {
        let numbers: Vec<Option<f32>> = numbers.into_iter().collect();
        assert_eq!(
            numbers.len(),
            height * width * channels,
            "a picture of another size"
        );
        let byte = |x: f32| (x.clamp(0.0, 1.0) * 255.0).round() as u8;
        let pixel = |pixel: &[Option<f32>]| {
            let there: Option<Vec<f32>> = pixel.iter().copied().collect();
            let there = there?;
            Some(match there[..] {
                [r, g, b] => [r, g, b].map(byte),
                _ => [byte(there.iter().sum::<f32>() / channels as f32); 3],
            })
        };
        Self {
            width,
            height,
            pixels: numbers.chunks_exact(channels).map(pixel).collect(),
        }
    }

    /// Bytes, (height, width, channel), as [`Self::of`].
    ///
    /// # Panics
    /// If there are not that many bytes.
    pub fn of_bytes(
        shape: (usize, usize, usize),
        bytes: impl IntoIterator<Item = Option<u8>>,
    ) -> Self {
        let number = |byte: Option<u8>| byte.map(|b| f32::from(b) / 255.0);
        Self::of(shape, bytes.into_iter().map(number))
    }

    /// An image of a split.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn image(split: &Split, i: u32) -> Self {
        let bytes = split.image(i as usize).iter();
        Self::of_bytes(split.shape(), bytes.map(|&b| Some(b)))
    }

    /// A map in colours.
    pub fn plane(plane: &Plane, colours: Colours) -> Self {
        Self {
            width: plane.width,
            height: plane.height,
            pixels: plane.values.iter().map(|&x| Some(colours.of(x))).collect(),
        }
    }

    /// An image under a map, which is spread over it: the stronger the map, the more of its
    /// colour and the less of the image.
    pub fn overlay(image: &Self, map: &Plane, colours: Colours) -> Self {
        let (low, high) = colours.ends();
        let mut pixels = Vec::with_capacity(image.pixels.len());
        for y in 0..image.height {
            for x in 0..image.width {
                let value = spread(map, (y, image.height), (x, image.width));
                let place = ((value - low) / (high - low)).clamp(0.0, 1.0);
                let share = match place.is_nan() {
                    true => 0.0,
                    false => 0.85 * place.sqrt(),
                };
                let over = colours.of(value);
                let under = image.pixels[y * image.width + x];
                pixels.push(under.map(|under| mix(under, over, share)));
            }
        }
        Self { pixels, ..*image }
    }

    /// A part of it.
    ///
    /// # Panics
    /// If it has no such part.
    #[must_use]
    pub fn part(&self, (top, left): (usize, usize), (height, width): (usize, usize)) -> Self {
        let row = |y: usize| &self.pixels[y * self.width + left..][..width];
        Self {
            width,
            height,
            pixels: (top..top + height).flat_map(|y| row(y).to_vec()).collect(),
        }
    }

    /// The tile as a PNG file, one pixel each; empty ones are clear.
    ///
    /// # Errors
    /// A tile whose sides and pixels do not agree.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        let side = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, side(self.width), side(self.height));
        encoder.set_color(png::ColorType::Rgba);
        encoder.set_depth(png::BitDepth::Eight);
        let rgba = |pixel: &Option<Rgb>| match pixel {
            Some([r, g, b]) => [*r, *g, *b, 255],
            None => [0; 4],
        };
        let data: Vec<u8> = self.pixels.iter().flat_map(rgba).collect();
        let written = encoder.write_header().and_then(|mut writer| {
            writer.write_image_data(&data)?;
            writer.finish()
        });
        written.map_err(|e| Error::spec(format!("the tile cannot be made a PNG: {e}")))?;
        Ok(bytes)
    }

    /// A whole number of picture pixels for each pixel, so that its longer side takes about
    /// `cell` of them.
    pub fn scale(&self, cell: usize) -> usize {
        (cell / self.width.max(self.height).max(1)).max(1)
    }
}

/// The share of the way from one colour to another.
fn mix(from: Rgb, to: Rgb, share: f32) -> Rgb {
    let of = |i: usize| f32::from(from[i]) * (1.0 - share) + f32::from(to[i]) * share;
    [0, 1, 2].map(|i| of(i).round() as u8)
}

/// The map at the middle of pixel `y` of `height` rows and `x` of `width` columns, between its
/// own middles by two-way linear interpolation.
fn spread(map: &Plane, (y, height): (usize, usize), (x, width): (usize, usize)) -> f32 {
    let place = |i: usize, of: usize, length: usize| {
        let at = (i as f32 + 0.5) * length as f32 / of as f32 - 0.5;
        let at = at.clamp(0.0, length as f32 - 1.0);
        let first = at.floor() as usize;
        (first, (first + 1).min(length - 1), at - first as f32)
    };
    let (top, bottom, down) = place(y, height, map.height);
    let (left, right, across) = place(x, width, map.width);
    let of = |y: usize, x: usize| map.values[y * map.width + x];
    let row = |y| of(y, left) * (1.0 - across) + of(y, right) * across;
    row(top) * (1.0 - down) + row(bottom) * down
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_greys_and_empty_pixels() {
        let colour = Tile::of_bytes((1, 2, 3), [Some(9), Some(0), Some(255), None, None, None]);
        assert_eq!(colour.pixels, [Some([9, 0, 255]), None]);
        let grey = Tile::of((1, 2, 2), [Some(0.0), Some(1.0), Some(1.0), None]);
        assert_eq!(grey.pixels, [Some([128; 3]), None]);
        assert_eq!(colour.part((0, 1), (1, 1)).pixels, [None]);
        assert_eq!((colour.scale(9), grey.scale(1)), (4, 1));
    }

    #[test]
    fn maps_are_spread_over_images() {
        let map = Plane {
            width: 2,
            height: 1,
            values: vec![0.0, 4.0],
        };
        let at = |x| spread(&map, (0, 3), (x, 8));
        assert_eq!([at(0), at(1), at(7)], [0.0, 0.0, 4.0]);
        assert_eq!(at(3) + at(4), 4.0, "even about the middle");
        let image = Tile::of((1, 8, 1), vec![Some(1.0); 8]);
        let colours = Colours::Amount(0.0, 4.0);
        let over = Tile::overlay(&image, &map, colours);
        let (weak, strong) = (over.pixels[0].unwrap(), over.pixels[7].unwrap());
        // Nearly the image where the map is weak, nearly the map's colour where it is strong.
        assert!(weak.iter().all(|&c| c > 220), "{weak:?}");
        let end = colours.of(4.0);
        assert!(
            (0..3).all(|i| strong[i].abs_diff(end[i]) < 64),
            "{strong:?} {end:?}"
        );
    }
}
