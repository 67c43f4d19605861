//! Numbers on a plane, and how they become colours.

use super::colour::{self, Rgb};

/// Numbers on a plane.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// Numbers in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Row by row.
    pub values: Vec<f32>,
}

impl Plane {
    /// The mean over the channels of a map stored (height, width, channel).
    ///
    /// # Panics
    /// If there are not that many numbers.
    pub fn mean((height, width, channels): (usize, usize, usize), values: &[f32]) -> Self {
        assert_eq!(
            values.len(),
            height * width * channels,
            "a map of another size"
        );
        let mean = |pixel: &[f32]| pixel.iter().sum::<f32>() / channels as f32;
        Self {
            width,
            height,
            values: values.chunks_exact(channels).map(mean).collect(),
        }
    }

    /// One channel of such a map.
    ///
    /// # Panics
    /// If there are not that many numbers or channels.
    pub fn channel(
        (height, width, channels): (usize, usize, usize),
        values: &[f32],
        channel: usize,
    ) -> Self {
        assert_eq!(
            values.len(),
            height * width * channels,
            "a map of another size"
        );
        let of = values.chunks_exact(channels).map(|pixel| pixel[channel]);
        Self {
            width,
            height,
            values: of.collect(),
        }
    }
}

/// How numbers become colours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Colours {
    /// The map [`colour::sequential`], from the first number to the second.
    Amount(f32, f32),
    /// The map [`colour::diverging`], from minus that number to that number.
    Around0(f32),
}

impl Colours {
    /// The colour of a number.
    pub fn of(self, x: f32) -> Rgb {
        match self {
            Self::Amount(low, high) if high > low => colour::sequential((x - low) / (high - low)),
            Self::Amount(..) => colour::sequential(0.5),
            Self::Around0(most) => colour::diverging(if most > 0.0 { x / most } else { 0.0 }),
        }
    }

    /// The range from the least to the greatest of all finite numbers of those planes.
    pub fn range<'a>(planes: impl Iterator<Item = &'a Plane>) -> Self {
        let values = planes.flat_map(|p| &p.values).filter(|x| x.is_finite());
        let (low, high) = values.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &x| {
            (low.min(x), high.max(x))
        });
        match low <= high {
            true => Self::Amount(low, high),
            false => Self::Amount(0.0, 0.0),
        }
    }

    /// The numbers at both ends of the colour bar.
    pub fn ends(self) -> (f32, f32) {
        match self {
            Self::Amount(low, high) => (low, high),
            Self::Around0(most) => (-most, most),
        }
    }
}
