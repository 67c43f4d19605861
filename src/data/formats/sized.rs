//! Conversion of pictures of any size and number of channels to images of one shape.
//!
//! Pictures are scaled by a triangular filter, as by Pillow's `BILINEAR`. Sums have a fixed order,
//! so the same picture gives the same bytes on every machine.

use super::super::preprocess::scaled;
use super::super::raster::Raster;
use super::super::reading::{Options, Resize, Size};
use crate::data::Background;

/// The shape of the images, and how pictures are brought to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) size: Size,
    pub(super) resize: Resize,
    pub(super) backdrop: Background,
    /// Number of channels: 1 (grey) or 3 (red, green, blue).
    pub(super) channels: usize,
}

impl Form {
    /// Returns the form for images of `size`, with the options' defaults where they state nothing.
    pub(super) fn of(options: &Options, size: Size, channels: usize) -> Self {
        Self {
            size,
            resize: options.resize.unwrap_or_default(),
            backdrop: options.backdrop.unwrap_or(Background::Light),
            channels,
        }
    }

    fn paper(&self) -> u8 {
        match self.backdrop {
            Background::Dark => 0,
            Background::Light => 255,
        }
    }

    /// Writes the picture to `image`. For one channel the picture must be grey; for three, a grey
    /// picture is written with equal channels.
    pub(super) fn write(&self, raster: &Raster, image: &mut [u8]) {
        let Size { height, width } = self.size;
        if (raster.height, raster.width) == (height, width) {
            for (to, from) in image
                .chunks_exact_mut(self.channels)
                .zip(raster.pixels.chunks_exact(raster.channels))
            {
                for (c, to) in to.iter_mut().enumerate() {
                    *to = self.opaque(from, c);
                }
            }
            return;
        }
        let (cut, placed) = match self.resize {
            Resize::Crop => (middle(raster, self.size), (0, 0, height, width)),
            Resize::Fit => {
                let whole = (0, 0, raster.height, raster.width);
                (whole, margins(raster, self.size))
            }
        };
        let (top, left, high, wide) = placed;
        image.fill(self.paper());
        for c in 0..self.channels {
            let plane = self.plane(raster, cut, c);
            let plane = scaled(&plane, cut.3, (high, wide));
            for (y, row) in plane.chunks_exact(wide).enumerate() {
                for (x, &v) in row.iter().enumerate() {
                    let at = ((top + y) * width + left + x) * self.channels + c;
                    image[at] = (v + 0.5).clamp(0.0, 255.0) as u8;
                }
            }
        }
    }

    /// Returns channel `c` of the part (top, left, height, width) of the picture, as floating-point
    /// numbers.
    fn plane(&self, raster: &Raster, cut: (usize, usize, usize, usize), c: usize) -> Vec<f32> {
        let (top, left, high, wide) = cut;
        let depth = raster.channels;
        let row = |y: usize| {
            let start = (y * raster.width + left) * depth;
            raster.pixels[start..start + wide * depth].chunks_exact(depth)
        };
        (top..top + high)
            .flat_map(row)
            .map(|p| f32::from(self.opaque(p, c)))
            .collect()
    }

    /// Returns channel `c` of a pixel, blended with the backdrop by its opacity.
    fn opaque(&self, pixel: &[u8], c: usize) -> u8 {
        let over = |v: u8, a: u8| {
            let (v, a, paper) = (u32::from(v), u32::from(a), u32::from(self.paper()));
            ((v * a + paper * (255 - a) + 127) / 255) as u8
        };
        match *pixel {
            [grey] => grey,
            [grey, a] => over(grey, a),
            [r, g, b] => [r, g, b][c],
            [r, g, b, a] => over([r, g, b][c], a),
            _ => 0,
        }
    }
}

/// Returns the largest centred part (top, left, height, width) with the aspect ratio of `size`.
fn middle(raster: &Raster, size: Size) -> (usize, usize, usize, usize) {
    let (h, w) = (raster.height, raster.width);
    // Sides are rounded to whole pixels.
    let share = |of: usize, by: usize, over: usize| ((2 * of * by + over) / (2 * over)).max(1);
    let (high, wide) = match w * size.height > h * size.width {
        true => (h, share(h, size.width, size.height).min(w)),
        false => (share(w, size.height, size.width).min(h), w),
    };
    ((h - high) / 2, (w - wide) / 2, high, wide)
}

/// Returns the part (top, left, height, width) of an image of `size` that the whole picture fills.
fn margins(raster: &Raster, size: Size) -> (usize, usize, usize, usize) {
    let (h, w) = (raster.height, raster.width);
    let share = |of: usize, by: usize, over: usize| ((2 * of * by + over) / (2 * over)).max(1);
    let (high, wide) = match w * size.height > h * size.width {
        true => (share(h, size.width, w).min(size.height), size.width),
        false => (size.height, share(w, size.height, h).min(size.width)),
    };
    (
        (size.height - high) / 2,
        (size.width - wide) / 2,
        high,
        wide,
    )
}

#[cfg(test)]
#[path = "sized_tests.rs"]
mod tests;
