//! Built-in digits: a synthetic replacement for MNIST that needs no file.
//!
//! A sample starts as the skeleton of a digit (`strokes.rs`), a list of control points. They are
//! displaced at random, joined by splines, deformed by a smooth random field, transformed by a
//! random affine map, and drawn by a pen of random width; faint clutter and noise are added. A
//! linear classifier is visibly less accurate on these images than a small convolutional network;
//! `data/README.md` states by how much.
//!
//! **Invariant:** a sample is a pure function of (seed, part, index), identical on any number of
//! threads and on any machine: only IEEE basic arithmetic and the portable functions of `libm` are
//! used, never the `sin` or `exp` of the operating system.

use ndarray::Array4;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use super::strokes::{GLYPHS, Point};
use super::{Dataset, Split};
use crate::random::{below, between, keyed, purpose};

pub use super::known::DIGITS as NAME;

/// Height and width of an image, in pixels.
pub const SIDE: usize = 28;

/// The seed of the data set that [`load`] returns. It does not depend on the seed of a run, so that
/// all runs train and test on the same images.
pub const SEED: u64 = 20_130_815;

/// Returns the full data set: 60,000 training and 10,000 test images, as many as MNIST has.
pub fn load() -> Dataset {
    generate(SEED, 60_000, 10_000)
}

/// Makes a data set of 28x28 grey images of the ten digits.
///
/// Sample `i` of the training set and of the test set shows the digit `i % 10`, so every ten
/// consecutive samples show each digit once. A count of 0 is raised to 1, because a [`Split`]
/// cannot be empty.
pub fn generate(seed: u64, n_train: usize, n_test: usize) -> Dataset {
    let train = part(seed, 0, n_train.max(1));
    let test = part(seed, 1, n_test.max(1));
    Dataset::named(NAME, GLYPHS.len(), train, test)
        .expect("the parts have one shape and ten classes")
}

fn part(seed: u64, part: u64, count: usize) -> Split {
    let mut pixels = vec![0; count * SIDE * SIDE];
    pixels
        .par_chunks_exact_mut(SIDE * SIDE)
        .enumerate()
        .for_each_init(Pen::default, |pen, (index, image)| {
            let mut rng = keyed(&[purpose(b"digits\0\0"), seed, part, index as u64]);
            pen.write(index % GLYPHS.len(), &mut rng, image);
        });
    let images = Array4::from_shape_vec((count, SIDE, SIDE, 1), pixels)
        .expect("the buffer was made for this shape");
    let labels = (0..count).map(|index| (index % GLYPHS.len()) as u32);
    Split::new(images, labels.collect()).expect("there is a label for each image")
}

/// Ranges of the random variation. Angles are in radians; lengths are in pixels, or in units of the
/// glyph's box where a constant says so.
mod range {
    /// Standard deviation of the displacement of a control point, in units of the glyph's box.
    pub const SHAKE: f32 = 0.028;
    /// Largest displacement by the deforming field, in units of the glyph's box.
    pub const BEND: f32 = 0.085;
    pub const ROTATION: f32 = 0.24;
    pub const SHEAR: f32 = 0.30;
    pub const HEIGHT: (f32, f32) = (16.0, 21.0);
    /// Ratio of the width of the glyph's box to its height.
    pub const ASPECT: (f32, f32) = (0.62, 1.0);
    pub const SHIFT: f32 = 1.7;
    pub const HALF_WIDTH: (f32, f32) = (0.55, 1.55);
    pub const INK: (f32, f32) = (0.65, 1.0);
    pub const MAX_CLUTTER: u64 = 3;
    pub const CLUTTER_LENGTH: (f32, f32) = (1.0, 4.0);
    pub const CLUTTER_INK: (f32, f32) = (0.25, 0.75);
    pub const NOISE: f32 = 0.05;
}

/// Number of knots along each side of the deforming field: displacements are drawn at random on a
/// grid over the glyph's box and interpolated between.
const FIELD: usize = 4;

/// Number of line segments by which the span between two control points is drawn.
const STEPS: usize = 6;

/// The buffers for drawing a sample, which are reused for the next.
#[derive(Default)]
struct Pen {
    /// Darkness of each pixel, 0 to 1.
    ink: Vec<f32>,
    control: Vec<Point>,
    curve: Vec<Point>,
}

impl Pen {
    fn write(&mut self, digit: usize, rng: &mut Xoshiro256PlusPlus, image: &mut [u8]) {
        self.ink.clear();
        self.ink.resize(SIDE * SIDE, 0.0);
        let ways = GLYPHS[digit];
        let glyph = ways[below(rng, ways.len() as u64) as usize];
        let field = Field::random(rng);
        let placing = Placing::random(rng);
        let half_width = within(rng, range::HALF_WIDTH);
        let strength = within(rng, range::INK);
        for stroke in glyph {
            self.control.clear();
            for &(x, y) in *stroke {
                let moved = (
                    x + range::SHAKE * normal(rng),
                    y + range::SHAKE * normal(rng),
                );
                self.control.push(moved);
            }
            self.spline();
            // The width of the pen varies a little from stroke to stroke.
            let half_width = half_width * between(rng, 0.85, 1.15);
            for point in &mut self.curve {
                *point = placing.apply(field.apply(*point));
            }
            for pair in self.curve.windows(2) {
                line(&mut self.ink, pair[0], pair[1], half_width, strength);
            }
        }
        self.clutter(rng);
        for (pixel, &ink) in image.iter_mut().zip(&self.ink) {
            let noisy = ink + range::NOISE * normal(rng);
            *pixel = (noisy.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
        }
    }

    /// Joins the control points by a Catmull-Rom spline and writes it to `curve`. The end points
    /// count twice, so that the curve reaches them.
    fn spline(&mut self) {
        self.curve.clear();
        let last = self.control.len() - 1;
        for span in 0..last {
            let [a, b, c, d] = [span.saturating_sub(1), span, span + 1, (span + 2).min(last)]
                .map(|i| self.control[i]);
            for step in 0..STEPS {
                let t = step as f32 / STEPS as f32;
                self.curve.push((
                    catmull_rom(a.0, b.0, c.0, d.0, t),
                    catmull_rom(a.1, b.1, c.1, d.1, t),
                ));
            }
        }
        self.curve.push(self.control[last]);
    }

    /// Draws a few faint scratches that are not part of a digit.
    fn clutter(&mut self, rng: &mut Xoshiro256PlusPlus) {
        for _ in 0..below(rng, range::MAX_CLUTTER + 1) {
            let start = (
                between(rng, 0.0, SIDE as f32),
                between(rng, 0.0, SIDE as f32),
            );
            let angle = between(rng, 0.0, core::f32::consts::TAU);
            let length = within(rng, range::CLUTTER_LENGTH);
            let end = (
                start.0 + length * libm::cosf(angle),
                start.1 + length * libm::sinf(angle),
            );
            let half_width = between(rng, 0.3, 0.7);
            let strength = within(rng, range::CLUTTER_INK);
            line(&mut self.ink, start, end, half_width, strength);
        }
    }
}

/// Returns one coordinate of the Catmull-Rom spline between `b` and `c`, at `t` in 0..1.
fn catmull_rom(a: f32, b: f32, c: f32, d: f32, t: f32) -> f32 {
    let linear = c - a;
    let square = 2.0 * a - 5.0 * b + 4.0 * c - d;
    let cube = 3.0 * (b - c) + d - a;
    b + 0.5 * t * (linear + t * (square + t * cube))
}

/// A smooth random displacement field over the glyph's box.
struct Field {
    knots: [[Point; FIELD]; FIELD],
}

impl Field {
    fn random(rng: &mut Xoshiro256PlusPlus) -> Self {
        let mut knots = [[(0.0, 0.0); FIELD]; FIELD];
        for knot in knots.iter_mut().flatten() {
            *knot = (
                between(rng, -range::BEND, range::BEND),
                between(rng, -range::BEND, range::BEND),
            );
        }
        Self { knots }
    }

    fn apply(&self, (x, y): Point) -> Point {
        let (left, u) = cell(x);
        let (top, v) = cell(y);
        let at = |row: usize, column: usize| self.knots[row][column];
        let mix = |pick: fn(Point) -> f32| {
            let upper = pick(at(top, left)) * (1.0 - u) + pick(at(top, left + 1)) * u;
            let lower = pick(at(top + 1, left)) * (1.0 - u) + pick(at(top + 1, left + 1)) * u;
            upper * (1.0 - v) + lower * v
        };
        (x + mix(|p| p.0), y + mix(|p| p.1))
    }
}

/// Returns the grid cell of a coordinate and the position within the cell, smoothed so that the
/// field has no creases where cells meet.
fn cell(coordinate: f32) -> (usize, f32) {
    let scaled = coordinate.clamp(0.0, 1.0) * (FIELD - 1) as f32;
    let index = (scaled as usize).min(FIELD - 2);
    let t = scaled - index as f32;
    (index, t * t * (3.0 - 2.0 * t))
}

/// The affine map from the glyph's box to the pixels of the image.
struct Placing {
    matrix: [f32; 4],
    centre: Point,
}

impl Placing {
    fn random(rng: &mut Xoshiro256PlusPlus) -> Self {
        let angle = between(rng, -range::ROTATION, range::ROTATION);
        let shear = between(rng, -range::SHEAR, range::SHEAR);
        let height = within(rng, range::HEIGHT);
        let width = height * within(rng, range::ASPECT);
        let (sin, cos) = (libm::sinf(angle), libm::cosf(angle));
        // Rotation * shear * scale.
        let matrix = [
            cos * width,
            (cos * shear - sin) * height,
            sin * width,
            (sin * shear + cos) * height,
        ];
        let middle = SIDE as f32 / 2.0;
        let centre = (
            middle + between(rng, -range::SHIFT, range::SHIFT),
            middle + between(rng, -range::SHIFT, range::SHIFT),
        );
        Self { matrix, centre }
    }

    fn apply(&self, (x, y): Point) -> Point {
        let (x, y) = (x - 0.5, y - 0.5);
        let [a, b, c, d] = self.matrix;
        (self.centre.0 + a * x + b * y, self.centre.1 + c * x + d * y)
    }
}

/// Draws a line with round ends. The ink of a pixel is the share of it that the line covers,
/// estimated from the distance between its centre and the line; where lines overlap, the larger ink
/// is kept.
fn line(ink: &mut [f32], from: Point, to: Point, half_width: f32, strength: f32) {
    let reach = half_width + 0.5;
    let (x0, x1) = pixels_between(from.0, to.0, reach);
    let (y0, y1) = pixels_between(from.1, to.1, reach);
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let squared = dx * dx + dy * dy;
    for row in y0..y1 {
        for column in x0..x1 {
            let (px, py) = (column as f32 + 0.5 - from.0, row as f32 + 0.5 - from.1);
            let along = if squared > 0.0 {
                ((px * dx + py * dy) / squared).clamp(0.0, 1.0)
            } else {
                0.0
            };
            let (ex, ey) = (px - along * dx, py - along * dy);
            let distance = (ex * ex + ey * ey).sqrt();
            let cover = (reach - distance).clamp(0.0, 1.0) * strength;
            let pixel = &mut ink[row * SIDE + column];
            *pixel = pixel.max(cover);
        }
    }
}

/// Returns the half-open range of pixels that are within `reach` of the span from `a` to `b`.
fn pixels_between(a: f32, b: f32, reach: f32) -> (usize, usize) {
    let low = (a.min(b) - reach).clamp(0.0, SIDE as f32);
    let high = (a.max(b) + reach + 1.0).clamp(0.0, SIDE as f32);
    (low as usize, high as usize)
}

fn within(rng: &mut Xoshiro256PlusPlus, (low, high): (f32, f32)) -> f32 {
    between(rng, low, high)
}

/// Returns a number that is close to normally distributed: the scaled sum of four uniform numbers.
/// It needs no logarithm, and its magnitude is at most 3.5.
fn normal(rng: &mut Xoshiro256PlusPlus) -> f32 {
    let sum: f32 = (0..4).map(|_| between(rng, -0.5, 0.5)).sum();
    // The variance of the sum is 4 / 12.
    sum * 1.732_050_8
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    fn digest(split: &Split) -> String {
        let hash = Sha256::digest(split.pixels());
        hash.iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// The images are the same on every machine. If this fails on one machine, its arithmetic
    /// differs; if it fails after a change of the code, all published figures on this data set are
    /// out of date.
    #[test]
    fn the_images_are_pinned() {
        let data = generate(SEED, 1_000, 200);
        assert_eq!([digest(&data.train), digest(&data.test)], PINNED);
    }
    const PINNED: [&str; 2] = ["102f7bb0428c0d51", "f8d3fd0361f7d2c5"];

    #[test]
    fn any_number_of_threads_draws_the_same() {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap().install(|| generate(3, 150, 50))
        };
        let (one, many) = (on(1), on(5));
        assert_eq!(one.train, many.train);
        assert_eq!(one.test, many.test);
    }

    #[test]
    fn a_longer_set_starts_with_the_shorter_one() {
        let (short, long) = (generate(3, 20, 10), generate(3, 40, 30));
        assert!(long.train.pixels().starts_with(short.train.pixels()));
        assert!(long.test.pixels().starts_with(short.test.pixels()));
    }

    #[test]
    fn seed_and_part_matter() {
        let data = generate(3, 10, 10);
        assert_ne!(data.train, data.test);
        assert_ne!(data.train, generate(4, 10, 10).train);
    }

    #[test]
    fn samples_are_balanced_inked_and_all_different() {
        let data = generate(1, 500, 10);
        assert_eq!((data.classes, data.shape()), (10, (28, 28, 1)));
        let mut seen = std::collections::HashSet::new();
        for i in 0..500 {
            assert_eq!(data.train.label(i), (i % 10) as u32);
            let image = data.train.image(i);
            let dark = image.iter().filter(|&&p| p > 100).count();
            assert!((12..400).contains(&dark), "sample {i}: {dark} dark pixels");
            assert!(seen.insert(image));
        }
    }

    #[test]
    fn a_count_of_zero_gives_one_sample() {
        let data = generate(1, 0, 0);
        assert_eq!((data.train.len(), data.test.len()), (1, 1));
    }

    #[test]
    fn a_spline_passes_its_points() {
        for (a, b, c, d) in [(0.0, 1.0, 3.0, 2.0), (5.0, 5.0, 1.0, 0.0)] {
            assert_eq!(catmull_rom(a, b, c, d, 0.0), b);
            assert!((catmull_rom(a, b, c, d, 1.0) - c).abs() < 1e-6);
        }
        assert!((catmull_rom(0.0, 1.0, 2.0, 3.0, 0.25) - 1.25).abs() < 1e-6);
    }

    #[test]
    fn a_line_covers_its_own_area() {
        let mut ink = vec![0.0; SIDE * SIDE];
        line(&mut ink, (4.0, 14.0), (24.0, 14.0), 1.5, 1.0);
        let area: f32 = ink.iter().sum();
        // A bar of 20 by 3 and two half discs of radius 1.5.
        assert!((area - (60.0 + 7.07)).abs() < 2.0, "{area}");
        // Lines outside the image draw nothing, and do not panic.
        let mut blank = vec![0.0; SIDE * SIDE];
        line(&mut blank, (-50.0, -9.0), (-3.0, 99.0), 1.5, 1.0);
        line(&mut blank, (40.0, 40.0), (1e9, 1e9), 1.5, 1.0);
        assert!(blank.iter().all(|&v| v == 0.0));
    }
}
