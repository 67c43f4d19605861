//! Data augmentation: random changes to training images that leave their class unchanged.
//!
//! The value of each output pixel is taken from a position in the input by bilinear interpolation;
//! positions outside of the image have the value of the data set's [`Ground`]. The kinds of augmentation differ only in the map from
//! output positions to input positions.

use std::str::FromStr;

use rand_xoshiro::Xoshiro256PlusPlus;

use serde::{Deserialize, Serialize};

use super::Ground;
use crate::error::{Error, Result};
use crate::random::{below, between, keyed, purpose};

/// The kind of data augmentation: how training images are varied from epoch to epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Augment {
    /// Images are not changed.
    #[default]
    None,
    /// Images are shifted by whole pixels, by up to 2 in each direction.
    Shift,
    /// Images are rotated by up to 12 degrees, scaled by 0.9 to 1.1, sheared by up to 0.1 and
    /// shifted by up to 2 pixels.
    Affine,
    /// Images are deformed by a smooth random displacement field of up to 2 pixels.
    Elastic,
}

/// Largest shift, in pixels.
const SHIFT: usize = 2;
/// Largest rotation: 12 degrees, in radians.
const ROTATION: f32 = 12.0 * core::f32::consts::PI / 180.0;
/// Smallest and largest scale.
const SCALE: (f32, f32) = (0.9, 1.1);
/// Largest shear.
const SHEAR: f32 = 0.1;
/// Largest displacement of a knot of the elastic displacement field, in pixels.
const BEND: f32 = 2.0;
/// Distance between two knots of the elastic displacement field, in pixels.
const SPACING: usize = 7;

/// Buffers that [`Augment::apply`] reuses from one image to the next, so that it does not allocate
/// after its first call.
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    /// Displacements (x, y) of the knots of the displacement field, row by row, in pixels.
    knots: Vec<(f32, f32)>,
}

impl Augment {
    /// All kinds, in the order in which the help lists them.
    pub const ALL: [Self; 4] = [Self::None, Self::Shift, Self::Affine, Self::Elastic];

    /// Returns the name of this kind on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Shift => "shift",
            Self::Affine => "affine",
            Self::Elastic => "elastic",
        }
    }

    /// Writes the augmented form of `image` to `out`.
    ///
    /// Both slices hold bytes stored as (height, width, channel); `shape` is (height, width,
    /// channels), and `ground` what lies outside of the image. The result depends on the image, the
    /// ground and (`seed`, `epoch`, `index`) only. In images
    /// with a side of less than 9 pixels the shifts and displacements are smaller, down to none in
    /// a side of one pixel.
    ///
    /// # Panics
    /// Panics if the length of `image` or `out` is not height x width x channels.
    #[allow(clippy::too_many_arguments, reason = "the key, the image, the buffers")]
    pub fn apply(
        self,
        seed: u64,
        epoch: u64,
        index: u64,
        image: &[u8],
        shape: (usize, usize, usize),
        ground: &Ground,
        out: &mut [u8],
        scratch: &mut Scratch,
    ) {
        let (height, width, channels) = shape;
        assert_eq!(image.len(), height * width * channels, "image of {shape:?}");
        assert_eq!(out.len(), image.len(), "output of {shape:?}");
        let mut rng = keyed(&[purpose(b"augment\0"), seed, epoch, index]);
        match self {
            Self::None => out.copy_from_slice(image),
            Self::Shift => {
                let dx = whole_shift(&mut rng, width);
                let dy = whole_shift(&mut rng, height);
                shift(image, shape, ground, out, (dx, dy));
            }
            Self::Affine => {
                let map = Affine::random(&mut rng, height, width);
                warp(image, shape, ground, out, |x, y| map.source(x, y));
            }
            Self::Elastic => {
                let field = Field::random(&mut rng, height, width, &mut scratch.knots);
                warp(image, shape, ground, out, |x, y| field.source(x, y));
            }
        }
    }
}

impl FromStr for Augment {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name).join(", ");
                Error::spec(format!(
                    "no augmentation is called \"{text}\"; choose one of {names}"
                ))
            })
    }
}

/// Returns the largest shift along a side of `side` pixels: [`SHIFT`], or a quarter of a small
/// side.
fn largest_shift(side: usize) -> usize {
    SHIFT.min(side.saturating_sub(1) / 4)
}

fn whole_shift(rng: &mut Xoshiro256PlusPlus, side: usize) -> isize {
    let most = largest_shift(side);
    below(rng, 2 * most as u64 + 1) as isize - most as isize
}

/// Shifts `image` by (`dx`, `dy`) whole pixels; pixels that come from outside of the image are
/// `ground`.
fn shift(
    image: &[u8],
    (height, width, channels): (usize, usize, usize),
    ground: &Ground,
    out: &mut [u8],
    (dx, dy): (isize, isize),
) {
    for pixel in out.chunks_exact_mut(channels) {
        for (channel, value) in pixel.iter_mut().enumerate() {
            *value = ground.at(channel);
        }
    }
    let row_size = width * channels;
    let moved = dx.unsigned_abs().min(width) * channels;
    for (y, row) in out.chunks_exact_mut(row_size).enumerate() {
        let Some(from) = y.checked_add_signed(-dy).filter(|&from| from < height) else {
            continue;
        };
        let source = &image[from * row_size..][..row_size];
        if dx >= 0 {
            row[moved..].copy_from_slice(&source[..row_size - moved]);
        } else {
            row[..row_size - moved].copy_from_slice(&source[moved..]);
        }
    }
}

/// Fills `out`, taking pixel (x, y) from the input position that `source` gives for (x, y).
fn warp(
    image: &[u8],
    shape: (usize, usize, usize),
    ground: &Ground,
    out: &mut [u8],
    source: impl Fn(f32, f32) -> (f32, f32),
) {
    let (_, width, channels) = shape;
    for (y, row) in out.chunks_exact_mut(width * channels).enumerate() {
        for (x, pixel) in row.chunks_exact_mut(channels).enumerate() {
            let (u, v) = source(x as f32, y as f32);
            sample(image, shape, ground, (u, v), pixel);
        }
    }
}

/// Interpolates one pixel of `image` bilinearly at the position (`u`, `v`). The four weights add up
/// to 1, so the result is at most 255.
#[inline]
fn sample(
    image: &[u8],
    (height, width, channels): (usize, usize, usize),
    ground: &Ground,
    (u, v): (f32, f32),
    pixel: &mut [u8],
) {
    let (left, top) = (floor(u), floor(v));
    let (fx, fy) = (u - left as f32, v - top as f32);
    let weights = [
        (1.0 - fx) * (1.0 - fy),
        fx * (1.0 - fy),
        (1.0 - fx) * fy,
        fx * fy,
    ];
    let (right, bottom) = (left.saturating_add(1), top.saturating_add(1));
    // Nearly all positions have four neighbours inside the image, so these are not tested one by
    // one.
    if left >= 0 && top >= 0 && (right as usize) < width && (bottom as usize) < height {
        let upper = &image[(top as usize * width + left as usize) * channels..];
        let lower = &upper[width * channels..];
        for (channel, value) in pixel.iter_mut().enumerate() {
            let [a, b, c, d] = [
                upper[channel],
                upper[channel + channels],
                lower[channel],
                lower[channel + channels],
            ]
            .map(f32::from);
            let sum = weights[0] * a + weights[1] * b + weights[2] * c + weights[3] * d;
            *value = (sum + 0.5) as u8;
        }
        return;
    }
    // The index at which the pixel at (column, row) starts, or `None` outside of the image.
    let inside = |column: i32, row: i32| {
        let column = usize::try_from(column).ok().filter(|&c| c < width)?;
        let row = usize::try_from(row).ok().filter(|&r| r < height)?;
        Some((row * width + column) * channels)
    };
    let corners = [(left, top), (right, top), (left, bottom), (right, bottom)];
    let starts = corners.map(|(column, row)| inside(column, row));
    for (channel, value) in pixel.iter_mut().enumerate() {
        let mut sum = 0.0;
        for (start, weight) in starts.iter().zip(weights) {
            let value = start.map_or(ground.at(channel), |start| image[start + channel]);
            sum += weight * f32::from(value);
        }
        *value = (sum + 0.5) as u8;
    }
}

/// Returns the largest integer that is not above `x`. `f32::floor` is not used because it is a
/// library call on processors that may lack the instruction for it.
#[inline]
fn floor(x: f32) -> i32 {
    let truncated = x as i32;
    truncated.saturating_sub(i32::from(x < truncated as f32))
}

/// An affine map from output positions to input positions.
#[derive(Debug, Clone, Copy)]
struct Affine {
    matrix: [f32; 4],
    centre: (f32, f32),
    shift: (f32, f32),
}

impl Affine {
    fn random(rng: &mut Xoshiro256PlusPlus, height: usize, width: usize) -> Self {
        let angle = between(rng, -ROTATION, ROTATION);
        let scale = between(rng, SCALE.0, SCALE.1);
        let shear = between(rng, -SHEAR, SHEAR);
        let mut shift = |side| {
            let most = largest_shift(side) as f32;
            between(rng, -most, most)
        };
        let shift = (shift(width), shift(height));
        Self::new((height, width), angle, scale, shear, shift)
    }

    /// Makes the inverse of this map: rotate by `angle` (radians), shear, scale by `scale` about
    /// the middle of the image, then shift by `shift` pixels.
    fn new(
        (height, width): (usize, usize),
        angle: f32,
        scale: f32,
        shear: f32,
        shift: (f32, f32),
    ) -> Self {
        let (sin, cos) = (libm::sinf(angle), libm::cosf(angle));
        // Output = scale * rotation * shear * input; the inverse is
        // input = shear^-1 * rotation^-1 / scale * output.
        let matrix = [
            (cos - shear * -sin) / scale,
            (sin - shear * cos) / scale,
            -sin / scale,
            cos / scale,
        ];
        let centre = ((width as f32 - 1.0) / 2.0, (height as f32 - 1.0) / 2.0);
        Self {
            matrix,
            centre,
            shift,
        }
    }

    fn source(&self, x: f32, y: f32) -> (f32, f32) {
        let x = x - self.centre.0 - self.shift.0;
        let y = y - self.centre.1 - self.shift.1;
        let [a, b, c, d] = self.matrix;
        (self.centre.0 + a * x + b * y, self.centre.1 + c * x + d * y)
    }
}

/// A displacement field: random on a coarse grid of knots, interpolated bilinearly between them.
#[derive(Debug)]
struct Field<'a> {
    knots: &'a [(f32, f32)],
    columns: usize,
}

impl<'a> Field<'a> {
    fn random(
        rng: &mut Xoshiro256PlusPlus,
        height: usize,
        width: usize,
        knots: &'a mut Vec<(f32, f32)>,
    ) -> Self {
        let most = |side: usize| BEND.min(side.saturating_sub(1) as f32 / 4.0);
        let (across, down) = (most(width), most(height));
        // There is one knot beyond the last pixel, so that every pixel lies between four knots.
        let (columns, rows) = ((width - 1) / SPACING + 2, (height - 1) / SPACING + 2);
        knots.clear();
        knots.extend(
            (0..rows * columns).map(|_| (between(rng, -across, across), between(rng, -down, down))),
        );
        Self { knots, columns }
    }

    fn source(&self, x: f32, y: f32) -> (f32, f32) {
        let (gx, gy) = (x / SPACING as f32, y / SPACING as f32);
        let (column, row) = (gx as usize, gy as usize);
        let (fx, fy) = (gx - column as f32, gy - row as f32);
        let at = |r: usize, c: usize| self.knots[(row + r) * self.columns + column + c];
        let (a, b, c, d) = (at(0, 0), at(0, 1), at(1, 0), at(1, 1));
        let mix = |a: f32, b: f32, c: f32, d: f32| {
            (a * (1.0 - fx) + b * fx) * (1.0 - fy) + (c * (1.0 - fx) + d * fx) * fy
        };
        (x + mix(a.0, b.0, c.0, d.0), y + mix(a.1, b.1, c.1, d.1))
    }
}

#[cfg(test)]
#[path = "augment_tests.rs"]
mod tests;
