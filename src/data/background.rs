//! Whether the images of a data set are light on a dark background or dark on a light one.

use serde::{Deserialize, Serialize};

use super::Split;
use super::border::{self, Counts};

/// The brightness of the background of images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Background {
    /// The background is black or nearly black, as in MNIST.
    #[default]
    Dark,
    /// The background is white or nearly white, as on scanned paper.
    Light,
}

impl Background {
    /// Returns the background of the training images: [`Background::Light`] if more than half of
    /// all values in the outermost rows and columns of all images are above 127.
    pub fn of(train: &Split) -> Self {
        Self::of_counts(&border::counts(train))
    }

    /// Returns the background by how often each value occurs in the border, for each channel.
    pub(super) fn of_counts(counts: &[Counts]) -> Self {
        let (mut light, mut all) = (0, 0);
        for channel in counts {
            for (value, count) in (0..=255).zip(channel) {
                all += count;
                light += if is_light(value) { *count } else { 0 };
            }
        }
        Self::from_light(2 * light > all)
    }

    pub(super) fn from_light(light: bool) -> Self {
        if light { Self::Light } else { Self::Dark }
    }
}

/// Returns whether a value is nearer to white (255) than to black (0).
pub(super) fn is_light(pixel: u8) -> bool {
    pixel > 127
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::super::digits;
    use super::*;

    #[test]
    fn the_edges_of_all_training_images_decide() {
        let digits = digits::generate(2, 40, 1).train.clone();
        assert_eq!(Background::of(&digits), Background::Dark);
        let inverted = Split::new(digits.images().map(|v| 255 - v), digits.labels().to_vec());
        assert_eq!(Background::of(&inverted.unwrap()), Background::Light);
        // Light ink that fills the middle of dark images, in colour too.
        let of = |inside: u8, edge: u8, odd: u8| {
            let images = Array4::from_shape_fn((3, 5, 6, 3), |(n, y, x, _)| {
                let within = (1..4).contains(&y) && (1..5).contains(&x);
                match (within, n) {
                    (true, _) => inside,
                    // One image in three has another border.
                    (false, 2) => odd,
                    (false, _) => edge,
                }
            });
            Background::of(&Split::new(images, vec![0; 3]).unwrap())
        };
        assert_eq!(of(255, 10, 255), Background::Dark);
        assert_eq!(of(0, 200, 0), Background::Light);
        let dot = Split::new(Array4::from_elem((1, 1, 1, 1), 128), vec![0]).unwrap();
        assert_eq!(Background::of(&dot), Background::Light);
    }

    #[test]
    fn it_is_written_as_a_word() {
        for (background, word) in [
            (Background::Dark, "\"dark\""),
            (Background::Light, "\"light\""),
        ] {
            assert_eq!(serde_json::to_string(&background).unwrap(), word);
            assert_eq!(
                serde_json::from_str::<Background>(word).unwrap(),
                background
            );
        }
        assert_eq!(Background::default(), Background::Dark);
    }
}
