//! EMNIST: letters and digits cut six ways out of NIST's forms, in MNIST's format.
//!
//! Its files hold every image with rows and columns exchanged, so the images are put
//! upright when they are read. Labels are taken as they are, as torchvision takes them:
//! the letters of the part `letters` count from 1, and class 0 stays empty.
//!
//! Source: Cohen, Afshar, Tapson and van Schaik, "EMNIST: an extension of MNIST to
//! handwritten letters" (2017).

use ndarray::{Array4, Axis};

/// One of the six ways in which EMNIST is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// 62 classes: digits, capital and small letters.
    ByClass,
    /// 47 classes: letters whose capital looks like the small one are merged.
    ByMerge,
    /// The 47 classes, equally often each.
    Balanced,
    /// 26 letters, counted from 1.
    Letters,
    /// Ten digits, 240,000 of them to learn from.
    Digits,
    /// Ten digits, as many as MNIST has.
    Mnist,
}

impl Part {
    /// Every part, in the order in which EMNIST lists them.
    pub const ALL: [Self; 6] = [
        Self::ByClass,
        Self::ByMerge,
        Self::Balanced,
        Self::Letters,
        Self::Digits,
        Self::Mnist,
    ];

    /// The word for it in the files' names.
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

    /// What was done to the set on loading, in one line for the user.
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

/// Exchanges rows and columns of every image.
pub(super) fn upright(mut images: Array4<u8>) -> Array4<u8> {
    let (_, height, width, _) = images.dim();
    if height != width {
        let exchanged = images.permuted_axes([0, 2, 1, 3]);
        return exchanged.as_standard_layout().into_owned();
    }
    // Square images need no second copy of what may be half a gigabyte.
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
