//! What the ink or the objects of a data set's images stand on: the values by which augmentation
//! continues an image beyond its border.
//!
//! **Invariant:** the ground is a function of the training images alone, and stands in the record
//! of the data set, so that a resumed run continues images by the same values. A record without
//! one has the ground 0, as runs had before the ground was noted.

use serde::{Deserialize, Serialize};

use super::Split;
use super::border::{self, Counts};

/// The ground of images: a value for each channel, or none, which is 0 for every channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ground(Vec<u8>);

impl Ground {
    /// Returns the ground of the training images: of each channel the most frequent value in the
    /// outermost rows and columns of all images, and of equally frequent ones the smallest.
    pub fn of(train: &Split) -> Self {
        Self::of_counts(&border::counts(train))
    }

    /// Returns the ground by how often each value occurs in the border, for each channel.
    pub(super) fn of_counts(counts: &[Counts]) -> Self {
        let most = |count: &Counts| {
            let most = count.iter().max();
            (0..=255).find(|&value| Some(&count[usize::from(value)]) == most)
        };
        counts.iter().filter_map(most).collect::<Vec<u8>>().into()
    }

    /// Returns the value of a channel.
    #[inline]
    pub fn at(&self, channel: usize) -> u8 {
        self.0.get(channel).copied().unwrap_or(0)
    }

    /// Returns whether the value of every channel is 0.
    pub fn is_black(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether images of so many channels can have this ground.
    pub fn fits(&self, channels: usize) -> bool {
        self.is_black() || self.0.len() == channels
    }

    /// Returns the values in words: `0`, `255` or `12, 40, 9`.
    pub fn words(&self) -> String {
        match self.is_black() {
            true => "0".into(),
            false => {
                let values: Vec<String> = self.0.iter().map(u8::to_string).collect();
                values.join(", ")
            }
        }
    }
}

/// Zeros alone are no list, so that there is one way to write each ground.
impl From<Vec<u8>> for Ground {
    fn from(values: Vec<u8>) -> Self {
        match values.iter().all(|&value| value == 0) {
            true => Self::default(),
            false => Self(values),
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::super::digits;
    use super::*;

    fn of(images: Array4<u8>) -> Ground {
        let labels = vec![0; images.dim().0];
        Ground::of(&Split::new(images, labels).unwrap())
    }

    #[test]
    fn the_most_frequent_value_of_the_border_is_the_ground() {
        let digits = digits::generate(2, 40, 1).train.clone();
        assert_eq!(Ground::of(&digits), Ground::default());
        assert_eq!(of(digits.images().map(|v| 255 - v)), vec![255].into());
        // The border alone counts, and each channel by itself: 7 is everywhere within, and the
        // mean of the border is none of its values.
        let images = Array4::from_shape_fn((4, 6, 5, 3), |(n, y, x, c)| {
            let within = (1..5).contains(&y) && (1..4).contains(&x);
            match (within, n) {
                (true, _) => 7,
                (false, 3) => 99,
                (false, _) => [250, 0, 40][c],
            }
        });
        let ground = of(images);
        assert_eq!((ground.at(0), ground.at(1), ground.at(2)), (250, 0, 40));
        assert!(ground.fits(3) && !ground.fits(1));
        assert_eq!(ground.words(), "250, 0, 40");
        // Of two equally frequent values the smaller one.
        let images = Array4::from_shape_fn((2, 3, 3, 1), |(n, ..)| [200, 180][n]);
        assert_eq!(of(images), vec![180].into());
    }

    #[test]
    fn a_ground_is_written_as_its_values() {
        let white: Ground = serde_json::from_str("[255,0,1]").unwrap();
        assert_eq!(serde_json::to_string(&white).unwrap(), "[255,0,1]");
        for black in [vec![], vec![0], vec![0; 3]] {
            let ground = Ground::from(black);
            assert!(ground.is_black() && ground.fits(1) && ground.fits(3));
            assert_eq!((ground.at(2), ground.words()), (0, "0".into()));
        }
        assert!(serde_json::from_str::<Ground>("[256]").is_err());
    }
}
