//! [`PixelChoice`]: what pixels are to a network, by a word.

use serde::{Deserialize, Serialize};

use crate::model::Pixels;

/// What pixels are to a network, by a word; see [`Pixels`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PixelChoice {
    /// Centred and scaled by the mean and the deviation of the data set.
    Normalised,
    /// Divided by 255 and nothing else, so that they are from 0 to 1.
    Unit,
    /// The bytes themselves, 0 to 255.
    Integer,
}

impl PixelChoice {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Normalised, Self::Unit, Self::Integer];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normalised => "normalised",
            Self::Unit => "unit",
            Self::Integer => "integer",
        }
    }

    /// The choice that makes these pixels.
    pub(super) fn of(pixels: &Pixels) -> Self {
        match pixels {
            Pixels::Integer => Self::Integer,
            unit if *unit == Self::UNIT => Self::Unit,
            Pixels::Normalised(_) => Self::Normalised,
        }
    }

    const UNIT: Pixels = Pixels::normalised(0.0, 1.0);

    /// The pixels; `None` for those that the data set tells.
    pub(super) fn pixels(self) -> Option<Pixels> {
        match self {
            Self::Normalised => None,
            Self::Unit => Some(Self::UNIT),
            Self::Integer => Some(Pixels::Integer),
        }
    }
}
