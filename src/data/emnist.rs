//! EMNIST: handwritten letters and digits of NIST's forms in six splits, in MNIST's file format.
//!
//! Its files store every image transposed (rows and columns exchanged), so images are transposed
//! when they are read. Labels are not changed, as in torchvision: the letters of the split
//! `letters` count from 1, and class 0 stays empty.
//!
//! Source: Cohen, Afshar, Tapson and van Schaik, "EMNIST: an extension of MNIST to
//! handwritten letters" (2017).

use ndarray::{Array4, Axis};

/// One of the six splits of EMNIST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// 62 classes: digits, capital letters and small letters.
    ByClass,
    /// 47 classes: letters whose capital form looks like the small one are merged.
    ByMerge,
    /// The 47 classes of [`Self::ByMerge`], each with the same number of images.
    Balanced,
    /// 26 classes of letters, whose labels count from 1.
    Letters,
    /// Ten classes of digits, with 240,000 training images.
    Digits,
    /// Ten classes of digits, with as many images as MNIST has.
    Mnist,
}

impl Part {
    /// All splits, in the order in which EMNIST lists them.
    pub const ALL: [Self; 6] = [
        Self::ByClass,
        Self::ByMerge,
        Self::Balanced,
        Self::Letters,
        Self::Digits,
        Self::Mnist,
    ];

    /// Returns the name of the split as it occurs in the names of EMNIST's files.
    pub fn name(self) -> &'static str {
        match self {
            Self::ByClass => "byclass",
            Self::ByMerge => "bymerge",
            Self::Balanced => "balanced",
            Self::Letters => "letters",
            Self::Digits => "digits",
            Self::Mnist => "mnist",
        }
    }

    /// Returns one line that tells the user how the images and labels were read.
    pub(super) fn notice(self) -> String {
        let labels = match self {
            Self::Letters => "; its labels count from 1, as in PyTorch, so class 0 stays empty",
            _ => "",
        };
        format!(
            "EMNIST's images are stored with rows and columns exchanged, and were put upright{labels}"
        )
    }
}

/// Transposes every image: (N, H, W, C) becomes (N, W, H, C) with rows and columns exchanged.
pub(super) fn upright(mut images: Array4<u8>) -> Array4<u8> {
    let (_, height, width, _) = images.dim();
    if height != width {
        let exchanged = images.permuted_axes([0, 2, 1, 3]);
        return exchanged.as_standard_layout().into_owned();
    }
    // Square images are transposed in place; a copy could take half a gigabyte.
    for mut image in images.axis_iter_mut(Axis(0)) {
        for y in 0..height {
            for x in 0..y {
                for c in 0..image.dim().2 {
                    image.swap((y, x, c), (x, y, c));
                }
            }
        }
    }
    images
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_columns() {
        for (height, width) in [(3, 3), (2, 4)] {
            let lying = Array4::from_shape_fn((2, height, width, 2), |(n, y, x, c)| {
                (100 * n + 20 * y + 3 * x + c) as u8
            });
            let upright = upright(lying.clone());
            assert_eq!(upright.dim(), (2, width, height, 2));
            assert!(upright.is_standard_layout());
            for ((n, y, x, c), &v) in lying.indexed_iter() {
                assert_eq!(upright[(n, x, y, c)], v);
            }
        }
    }
}
