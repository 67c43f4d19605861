//! Random changes to training images that leave their class as it is.
//!
//! Each output pixel takes its value from a place in the input, by bilinear
//! interpolation; places outside the image are 0. What differs between the
//! kinds is only the map from output to input places.

use std::str::FromStr;

use rand_xoshiro::Xoshiro256PlusPlus;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::random::{below, between, keyed, purpose};

/// How training images are varied from epoch to epoch (`--augment`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Augment {
    /// Images stay as they are.
    #[default]
    None,
    /// Moved by whole pixels, up to 2 each way.
    Shift,
    /// Rotated by up to 12 degrees, scaled by 0.9 to 1.1, sheared by up to 0.1
    /// and moved by up to 2 pixels.
    Affine,
    /// Bent by a smooth random field of up to 2 pixels.
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
/// Largest displacement of a knot of the bending field, in pixels.
const BEND: f32 = 2.0;
/// Pixels between two knots of the bending field.
const SPACING: usize = 7;

/// Buffers kept from one image to the next, so that a warm call allocates
/// nothing.
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    /// Displacements (x, y) of the bending field's knots, row by row.
    knots: Vec<(f32, f32)>,
}

impl Augment {
    /// Every kind, in the order in which help lists them.
    pub const ALL: [Self; 4] = [Self::None, Self::Shift, Self::Affine, Self::Elastic];

    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Shift => "shift",
            Self::Affine => "affine",
            Self::Elastic => "elastic",
        }
    }

    /// Writes the varied form of `image` to `out`.
    ///
    /// Both hold (H, W, C) pixels of the `shape` (height, width, channels).
    /// The result depends on the image and on (`seed`, `epoch`, `index`) only.
    /// In images under 9 pixels a side the shifts and bends are smaller, down
    /// to none in a single pixel.
    ///
    /// # Panics
    /// When `image` or `out` has another length than `shape` says.
    #[allow(clippy::too_many_arguments, reason = "the key, the image, the buffers")]
    pub fn apply(
        self,
        seed: u64,
        epoch: u64,
        index: u64,
        image: &[u8],
        shape: (usize, usize, usize),
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
                shift(image, shape, out, (dx, dy));
            }
            Self::Affine => {
                let map = Affine::random(&mut rng, height, width);
                warp(image, shape, out, |x, y| map.source(x, y));
            }
            Self::Elastic => {
                let field = Field::random(&mut rng, height, width, &mut scratch.knots);
                warp(image, shape, out, |x, y| field.source(x, y));
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

/// The largest shift along a side: [`SHIFT`], or a quarter of a small side.
fn largest_shift(side: usize) -> usize {
    SHIFT.min(side.saturating_sub(1) / 4)
}

fn whole_shift(rng: &mut Xoshiro256PlusPlus, side: usize) -> isize {
    let most = largest_shift(side);
    below(rng, 2 * most as u64 + 1) as isize - most as isize
}

/// Moves `image` by (`dx`, `dy`) whole pixels; what comes in from outside is 0.
fn shift(
    image: &[u8],
    (height, width, channels): (usize, usize, usize),
    out: &mut [u8],
    (dx, dy): (isize, isize),
) {
    out.fill(0);
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

/// Fills `out` from the input places that `source` gives for each (x, y).
fn warp(
    image: &[u8],
    shape: (usize, usize, usize),
    out: &mut [u8],
    source: impl Fn(f32, f32) -> (f32, f32),
) {
    let (_, width, channels) = shape;
    for (y, row) in out.chunks_exact_mut(width * channels).enumerate() {
        for (x, pixel) in row.chunks_exact_mut(channels).enumerate() {
            let (u, v) = source(x as f32, y as f32);
            sample(image, shape, (u, v), pixel);
        }
    }
}

/// Interpolates one pixel of `image` at the place (`u`, `v`). The four weights
/// add up to 1, so the sum stays within a byte.
#[inline]
fn sample(
    image: &[u8],
    (height, width, channels): (usize, usize, usize),
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
    // Most places have four neighbours; they need no test of each.
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
    // Where the pixel at (column, row) starts; nothing where there is none.
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
            if let Some(start) = start {
                sum += weight * f32::from(image[start + channel]);
            }
        }
        *value = (sum + 0.5) as u8;
    }
}

/// The integer at or below `x`. Written out because `f32::floor` is a call
/// into a library on processors that are not known to have the instruction.
#[inline]
fn floor(x: f32) -> i32 {
    let truncated = x as i32;
    truncated.saturating_sub(i32::from(x < truncated as f32))
}

/// An affine map from output places to input places.
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

    /// Rotates by `angle` (radians), shears, enlarges by `scale` about the
    /// middle of the image, then moves by `shift` pixels.
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

/// A displacement field: random on a coarse grid of knots, bilinear between.
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
        // One knot beyond the last pixel, so that each pixel has four corners.
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
mod tests {
    use super::*;

    const SHAPE: (usize, usize, usize) = (28, 28, 1);

    /// A soft blob well inside a 28x28 image.
    fn blob() -> Vec<u8> {
        (0..28 * 28)
            .map(|i| {
                let (x, y) = ((i % 28) as f32 - 15.0, (i / 28) as f32 - 12.0);
                (230.0 - 5.0 * (x * x + 2.0 * y * y)).max(0.0) as u8
            })
            .collect()
    }

    fn varied(kind: Augment, key: (u64, u64, u64), image: &[u8]) -> Vec<u8> {
        let mut out = vec![99; image.len()];
        kind.apply(
            key.0,
            key.1,
            key.2,
            image,
            SHAPE,
            &mut out,
            &mut Scratch::default(),
        );
        out
    }

    fn mass(image: &[u8]) -> f32 {
        image.iter().map(|&p| f32::from(p)).sum()
    }

    #[test]
    fn names_parse_back() {
        for kind in Augment::ALL {
            assert_eq!(kind.name().parse::<Augment>().unwrap(), kind);
        }
        assert!("flip".parse::<Augment>().is_err());
    }

    #[test]
    fn the_key_alone_decides() {
        let image = blob();
        for kind in [Augment::Shift, Augment::Affine, Augment::Elastic] {
            let first = varied(kind, (1, 2, 3), &image);
            assert_eq!(first, varied(kind, (1, 2, 3), &image), "{kind:?}");
            for part in 0..3 {
                // Of 20 other keys in each part, most must give another image
                // (two whole shifts are alike once in 25).
                let differs = (10..30).filter(|&other| {
                    let mut key = [1, 2, 3];
                    key[part] = other;
                    varied(kind, (key[0], key[1], key[2]), &image) != first
                });
                assert!(differs.count() > 12, "{kind:?} ignores part {part}");
            }
        }
        assert_eq!(varied(Augment::None, (1, 2, 3), &image), image);
    }

    #[test]
    fn floor_is_the_floor() {
        for x in [-2.5, -2.0, -0.1, -0.0, 0.0, 0.9, 1.0, 27.99] {
            assert_eq!(floor(x) as f32, x.floor(), "{x}");
        }
    }

    /// An image with a border of zeros around it takes the fast path where the
    /// bare image takes the careful one, and must give the same.
    #[test]
    fn both_ways_of_sampling_agree() {
        let image: Vec<u8> = (0..4 * 5 * 2).map(|i| (i * 53 + 7) as u8).collect();
        let mut framed = vec![0; 8 * 9 * 2];
        for y in 0..4 {
            framed[((y + 2) * 9 + 2) * 2..][..10].copy_from_slice(&image[y * 10..][..10]);
        }
        let (mut bare, mut wide) = ([0; 2], [0; 2]);
        for step in 0..400 {
            let (u, v) = (
                -1.0 + (step % 20) as f32 * 0.31,
                -1.0 + (step / 20) as f32 * 0.27,
            );
            sample(&image, (4, 5, 2), (u, v), &mut bare);
            sample(&framed, (8, 9, 2), (u + 2.0, v + 2.0), &mut wide);
            for (a, b) in bare.iter().zip(wide) {
                // Adding 2 rounds the place, by far less than a grey level.
                assert!(a.abs_diff(b) <= 1, "{u} {v}: {bare:?} {wide:?}");
            }
        }
    }

    #[test]
    fn a_shift_equals_the_warp_by_whole_pixels() {
        let shape = (5, 4, 2);
        let image: Vec<u8> = (1..=40).collect();
        let (mut moved, mut warped) = (vec![9; 40], vec![9; 40]);
        for dx in -5_i8..=5 {
            for dy in -6_i8..=6 {
                shift(&image, shape, &mut moved, (dx.into(), dy.into()));
                let (dx, dy) = (f32::from(dx), f32::from(dy));
                warp(&image, shape, &mut warped, |x, y| (x - dx, y - dy));
                assert_eq!(moved, warped, "{dx} {dy}");
            }
        }
    }

    #[test]
    fn nothing_changes_where_the_parameters_are_nothing() {
        let image = blob();
        let mut out = vec![0; image.len()];
        let map = Affine::new((28, 28), 0.0, 1.0, 0.0, (0.0, 0.0));
        warp(&image, SHAPE, &mut out, |x, y| map.source(x, y));
        assert_eq!(out, image);
        let knots = [(0.0, 0.0); 25];
        let field = Field {
            knots: &knots,
            columns: 5,
        };
        warp(&image, SHAPE, &mut out, |x, y| field.source(x, y));
        assert_eq!(out, image);
    }

    #[test]
    fn the_affine_map_does_what_its_parameters_say() {
        // An output place that the forward map reaches has its origin as source.
        let forward = |x: f32, y: f32, angle: f32, scale: f32, shear: f32| {
            let (sheared, y) = (x + shear * y, y);
            let (sin, cos) = angle.sin_cos();
            (
                scale * (cos * sheared - sin * y),
                scale * (sin * sheared + cos * y),
            )
        };
        for (angle, scale, shear) in [(0.2, 1.1, 0.1), (-0.1, 0.9, -0.05), (0.0, 1.0, 0.1)] {
            let map = Affine::new((28, 28), angle, scale, shear, (1.5, -2.0));
            let (x, y) = forward(3.0, -4.0, angle, scale, shear);
            let (u, v) = map.source(13.5 + x + 1.5, 13.5 + y - 2.0);
            assert!((u - 16.5).abs() < 1e-4 && (v - 9.5).abs() < 1e-4, "{u} {v}");
        }
    }

    #[test]
    fn a_shift_moves_whole_pixels_and_reaches_every_offset() {
        let mut image = vec![0; 28 * 28];
        image[14 * 28 + 14] = 200;
        let mut seen = std::collections::BTreeSet::new();
        for index in 0..600 {
            let out = varied(Augment::Shift, (0, 0, index), &image);
            let place = out.iter().position(|&p| p == 200).unwrap();
            assert_eq!(mass(&out), 200.0);
            seen.insert((place % 28, place / 28));
        }
        assert_eq!(seen.len(), 25);
        assert_eq!(
            (seen.first(), seen.last()),
            (Some(&(12, 12)), Some(&(16, 16)))
        );
    }

    #[test]
    fn the_mass_stays_about_the_same() {
        let image = blob();
        for kind in Augment::ALL {
            let mut total = 0.0;
            for index in 0..200 {
                let ratio = mass(&varied(kind, (5, 0, index), &image)) / mass(&image);
                // A scale of 0.9 or 1.1 alone makes 0.81 or 1.21 of an area.
                assert!((0.55..1.7).contains(&ratio), "{kind:?} {index}: {ratio}");
                total += ratio;
            }
            assert!(
                (total / 200.0 - 1.0).abs() < 0.06,
                "{kind:?}: {}",
                total / 200.0
            );
        }
    }

    #[test]
    fn any_size_and_channel_count() {
        let mut scratch = Scratch::default();
        for shape in [
            (1, 1, 1),
            (1, 9, 2),
            (2, 1, 3),
            (7, 8, 1),
            (8, 7, 4),
            (33, 15, 3),
        ] {
            let size = shape.0 * shape.1 * shape.2;
            let image: Vec<u8> = (0..size).map(|i| (i * 37 + 11) as u8).collect();
            for kind in Augment::ALL {
                for index in 0..50 {
                    let mut out = vec![1; size];
                    kind.apply(1, 1, index, &image, shape, &mut out, &mut scratch);
                    if shape == (1, 1, 1) {
                        assert_eq!(out, image, "{kind:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn channels_move_together() {
        let grey = blob();
        let colour: Vec<u8> = grey.iter().flat_map(|&p| [p, p / 2, 255 - p]).collect();
        let mut out = vec![0; colour.len()];
        for kind in [Augment::Affine, Augment::Elastic] {
            let alone = varied(kind, (1, 1, 1), &grey);
            let shape = (28, 28, 3);
            kind.apply(1, 1, 1, &colour, shape, &mut out, &mut Scratch::default());
            let first: Vec<u8> = out.chunks(3).map(|pixel| pixel[0]).collect();
            assert_eq!(first, alone);
        }
    }

    #[test]
    fn a_warm_call_keeps_its_buffer() {
        let image = blob();
        let mut out = vec![0; image.len()];
        let mut scratch = Scratch::default();
        Augment::Elastic.apply(1, 1, 0, &image, SHAPE, &mut out, &mut scratch);
        let (place, room) = (scratch.knots.as_ptr(), scratch.knots.capacity());
        for index in 1..50 {
            Augment::Elastic.apply(1, 1, index, &image, SHAPE, &mut out, &mut scratch);
        }
        assert_eq!(
            (scratch.knots.as_ptr(), scratch.knots.capacity()),
            (place, room)
        );
    }
}
