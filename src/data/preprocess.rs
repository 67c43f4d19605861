//! Conversion of a picture to an image like those of MNIST: ink on the background that the training
//! images have, scaled with its aspect ratio kept into a box of 20x20 pixels, and placed in 28x28
//! pixels with its centre of mass in the middle.
//!
//! ```text
//! ink    = (brightness - paper) / (brightest - paper), cut off at 0
//! paper  = median of the border + 4·(its 9th decile - median)
//! ```
//!
//! A picture that already has the network's input size is neither scaled nor moved. Source: LeCun,
//! Cortes and Burges, "The MNIST database of handwritten digits".

use super::background::{Background, is_light};
use super::fault::Fault;
use super::picture::Picture;
use std::str::FromStr;

/// Whether a picture is inverted (x becomes 255 - x) first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Invert {
    /// Inverts the picture if the brightness of its border differs from the background of the
    /// training images; a picture of the network's input size with an opaque border is not
    /// inverted.
    #[default]
    Auto,
    /// Always inverts the picture.
    Yes,
    /// Never inverts the picture.
    No,
}

impl Invert {
    /// All choices.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Yes, Self::No];

    /// Returns the name of this choice on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Yes => "yes",
            Self::No => "no",
        }
    }
}

impl FromStr for Invert {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|i| i.name() == text);
        found.ok_or_else(|| format!("`{text}` is none of auto, yes, no"))
    }
}

impl Background {
    /// Returns the other background.
    fn opposite(self) -> Self {
        Self::from_light(self == Self::Dark)
    }

    /// Returns the value of a pixel of this background: 0 or 255.
    fn paper(self) -> u8 {
        match self {
            Self::Dark => 0,
            Self::Light => 255,
        }
    }
}

/// Ratio of the box that the ink fills to the side of the image: 20 of 28 pixels.
const FILL: (usize, usize) = (20, 28);
/// The smallest contrast between ink and paper that is accepted, of 255.
const LEAST_CONTRAST: f32 = 16.0;

/// Converts a picture to an image of `height` x `width` bytes, in one channel, whose ink is on the
/// `background` of the images that the network was trained on.
///
/// # Errors
/// [`Fault::Format`] if nothing in the picture stands out from its background.
pub fn preprocess(
    picture: &Picture,
    invert: Invert,
    background: Background,
    (height, width): (usize, usize),
) -> Result<Vec<u8>, Fault> {
    let own = (picture.height, picture.width) == (height, width);
    let inverted = match invert {
        Invert::Yes => true,
        Invert::No => false,
        // An opaque picture of the network's size is assumed to be made like the training images.
        Invert::Auto if own && has_paper(picture) => false,
        Invert::Auto => of_picture(picture) != background,
    };
    // Transparent pixels are paper: they have the background of the network after the inversion.
    let paper = if inverted {
        background.opposite()
    } else {
        background
    };
    let mut image = on_paper(picture, paper.paper());
    if inverted {
        flip(&mut image);
    }
    if own {
        return Ok(image);
    }
    // Until the end of this function ink is light.
    if background == Background::Light {
        flip(&mut image);
    }
    let (paper, top) = (self::paper(&image, picture.width), brightest(&image));
    if top - paper < LEAST_CONTRAST {
        return Err(Fault::Format(
            "shows nothing that stands out from its background; give a picture of one digit".into(),
        ));
    }
    let ink: Vec<f32> = image
        .iter()
        .map(|&v| ((f32::from(v) - paper) / (top - paper)).max(0.0))
        .collect();
    let mut fitted = centre(&ink, picture.width, (height, width));
    if background == Background::Light {
        flip(&mut fitted);
    }
    Ok(fitted)
}

/// The longest side of a drawing, in pixels.
pub const MAX_DRAWN: usize = 256;

/// Converts a drawing to an image of `height` x `width` bytes. A drawing is ink on paper, row by row
/// of `drawn.1` bytes, 0 for none and 255 for most. A drawing that already has that size is returned
/// as it is; any other is scaled and centred by mass. If the `background` of the images that the
/// network was trained on is light, the image is inverted.
///
/// # Errors
/// What is wrong with the drawing and what to do, in one line.
pub fn drawn(
    ink: &[u8],
    drawn: (usize, usize),
    background: Background,
    (height, width): (usize, usize),
) -> Result<Vec<u8>, &'static str> {
    let sides = 1..=MAX_DRAWN;
    if !sides.contains(&drawn.0) || !sides.contains(&drawn.1) {
        return Err("width and height must be 1 to 256");
    }
    if ink.len() != drawn.0 * drawn.1 {
        return Err("there must be width x height pixels of ink");
    }
    if ink.iter().all(|&v| v == 0) {
        return Err("there is no ink; draw something");
    }
    let mut image = if drawn == (height, width) {
        ink.to_vec()
    } else {
        let ink: Vec<f32> = ink.iter().map(|&v| f32::from(v) / 255.0).collect();
        centre(&ink, drawn.1, (height, width))
    };
    if background == Background::Light {
        flip(&mut image);
    }
    Ok(image)
}

/// Scales and centres ink (rows of `from` numbers, 0 without ink, at least one above 0) in an image
/// of `height` x `width` bytes.
///
/// # Panics
/// Panics if no number is above 0, or the length is not a multiple of `from`.
pub(crate) fn centre(ink: &[f32], from: usize, (height, width): (usize, usize)) -> Vec<u8> {
    let (rows, columns) = bounds(ink, from);
    let side = |of: usize| (of * FILL.0 / FILL.1).max(1);
    let (most_high, most_wide) = (side(height), side(width));
    let scale = (most_high as f32 / rows.len() as f32).min(most_wide as f32 / columns.len() as f32);
    let length = |n: usize, most: usize| ((n as f32 * scale).round() as usize).clamp(1, most);
    let (high, wide) = (
        length(rows.len(), most_high),
        length(columns.len(), most_wide),
    );
    let cut: Vec<f32> = rows
        .clone()
        .flat_map(|y| &ink[y * from..][columns.clone()])
        .copied()
        .collect();
    let box_of_ink = scaled(&cut, columns.len(), (high, wide));
    let (y, x) = centre_of_mass(&box_of_ink, wide);
    // The centre of mass of MNIST's images is within half a pixel of the middle.
    let place = |side: usize, centre: f32, len: usize| {
        let at = ((side / 2) as f32 - centre - 0.5).ceil();
        (at.max(0.0) as usize).min(side - len)
    };
    let (top_row, left) = (place(height, y, high), place(width, x, wide));
    let peak = box_of_ink.iter().fold(0.0f32, |m, &v| m.max(v));
    let mut image = vec![0; height * width];
    for (i, row) in box_of_ink.chunks_exact(wide).enumerate() {
        for (to, &v) in image[(top_row + i) * width + left..].iter_mut().zip(row) {
            *to = (v / peak * 255.0).round() as u8;
        }
    }
    image
}

fn flip(image: &mut [u8]) {
    for v in image {
        *v = 255 - *v;
    }
}

/// Returns whether at least half of the pixels at the border are opaque.
fn has_paper(picture: &Picture) -> bool {
    let alpha = picture.alpha.as_deref();
    alpha.is_none_or(|alpha| quantile(&border(alpha, picture.width), 0.5) > 127.0)
}

/// Returns the background of a picture.
fn of_picture(picture: &Picture) -> Background {
    let luma = &picture.luma;
    match &picture.alpha {
        Some(alpha) if !has_paper(picture) => {
            // The paper is transparent, so the opaque pixels are ink, and the background is the
            // opposite of their brightness.
            let weight: u64 = alpha.iter().map(|&a| u64::from(a)).sum();
            let pixels = luma.iter().zip(alpha);
            let sum: u64 = pixels.map(|(&v, &a)| u64::from(v) * u64::from(a)).sum();
            Background::from_light(sum <= 127 * weight)
        }
        _ => {
            let median = quantile(&border(luma, picture.width), 0.5);
            Background::from_light(is_light(median as u8))
        }
    }
}

/// Blends the picture with a background of the brightness `paper`, by its opacity.
fn on_paper(picture: &Picture, paper: u8) -> Vec<u8> {
    let Some(alpha) = &picture.alpha else {
        return picture.luma.clone();
    };
    let mix = |(&v, &a): (&u8, &u8)| {
        let (v, a, paper) = (u32::from(v), u32::from(a), u32::from(paper));
        ((v * a + paper * (255 - a) + 127) / 255) as u8
    };
    picture.luma.iter().zip(alpha).map(mix).collect()
}

/// Returns the pixels of the outermost rows and columns.
fn border(v: &[u8], width: usize) -> Vec<u8> {
    let rows = v.chunks_exact(width);
    let last = rows.len() - 1;
    let edge = |(y, row): (usize, &'_ [u8])| -> Vec<u8> {
        match y {
            0 => row.to_vec(),
            y if y == last => row.to_vec(),
            _ => vec![row[0], row[width - 1]],
        }
    };
    rows.enumerate().flat_map(edge).collect()
}

/// Returns the quantile of the numbers for a share of 0..=1.
fn quantile(v: &[u8], share: f32) -> f32 {
    let mut sorted = v.to_vec();
    sorted.sort_unstable();
    f32::from(sorted[((sorted.len() - 1) as f32 * share) as usize])
}

/// Returns the brightness up to which a pixel is paper; the formula is at the head of this file.
fn paper(light: &[u8], width: usize) -> f32 {
    let border = border(light, width);
    let (median, high) = (quantile(&border, 0.5), quantile(&border, 0.9));
    median + 4.0 * (high - median)
}

fn brightest(light: &[u8]) -> f32 {
    f32::from(light.iter().copied().max().unwrap_or(0))
}

/// Returns the range of rows and of columns that hold ink; there must be some.
fn bounds(ink: &[f32], width: usize) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let (mut y0, mut y1, mut x0, mut x1) = (usize::MAX, 0, usize::MAX, 0);
    for (y, row) in ink.chunks_exact(width).enumerate() {
        for (x, _) in row.iter().enumerate().filter(|(_, v)| **v > 0.0) {
            (y0, y1) = (y0.min(y), y1.max(y + 1));
            (x0, x1) = (x0.min(x), x1.max(x + 1));
        }
    }
    (y0..y1, x0..x1)
}

/// Scales an image of rows of `from` numbers to (`high`, `wide`): first its rows, then its columns.
pub(super) fn scaled(v: &[f32], from: usize, (high, wide): (usize, usize)) -> Vec<f32> {
    let rows = v.len() / from;
    let across = filter(from, wide);
    let mut half = vec![0.0; rows * wide];
    for (row, to) in v.chunks_exact(from).zip(half.chunks_exact_mut(wide)) {
        for ((first, weights), to) in across.iter().zip(to) {
            *to = weights.iter().zip(&row[*first..]).map(|(w, v)| w * v).sum();
        }
    }
    let mut out = Vec::with_capacity(high * wide);
    for (first, weights) in filter(rows, high) {
        for x in 0..wide {
            let column = half[first * wide + x..].iter().step_by(wide);
            out.push(weights.iter().zip(column).map(|(w, v)| w * v).sum());
        }
    }
    out
}

/// Returns, for each of `to` output numbers, the index of the first of the `from` input numbers
/// that it is a mean of, and their weights: a triangle whose half-width is a pixel of the coarser
/// grid.
fn filter(from: usize, to: usize) -> Vec<(usize, Vec<f32>)> {
    let scale = from as f32 / to as f32;
    let reach = scale.max(1.0);
    (0..to)
        .map(|i| {
            let centre = (i as f32 + 0.5) * scale - 0.5;
            let first = (centre - reach).ceil().max(0.0) as usize;
            let last = ((centre + reach).floor() as usize).min(from - 1);
            let weight = |j: usize| (1.0 - (j as f32 - centre).abs() / reach).max(0.0);
            let weights: Vec<f32> = (first..=last).map(weight).collect();
            let sum: f32 = weights.iter().sum();
            (first, weights.iter().map(|w| w / sum).collect())
        })
        .collect()
}

/// Returns the centre of mass as (row, column).
fn centre_of_mass(v: &[f32], width: usize) -> (f32, f32) {
    let (mut y, mut x, mut mass) = (0.0, 0.0, 0.0);
    for (i, &v) in v.iter().enumerate() {
        y += v * (i / width) as f32;
        x += v * (i % width) as f32;
        mass += v;
    }
    (y / mass, x / mass)
}

#[cfg(test)]
#[path = "preprocess_tests.rs"]
mod tests;
