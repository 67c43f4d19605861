//! Sets that are known by the names of their files.

use super::emnist::Part;
use super::mnist_files::FILES;

/// What QMNIST is called.
pub(super) const QMNIST: &str = "QMNIST";

/// How the names of EMNIST's parts begin.
pub(super) const EMNIST: &str = "EMNIST ";

/// Sets whose files have names of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Any set whose files are named as MNIST's are.
    Usual,
    /// A part of EMNIST.
    Emnist(Part),
    /// QMNIST.
    Qmnist,
}

impl Family {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let emnist = Part::ALL.map(Self::Emnist);
        [Self::Usual]
            .into_iter()
            .chain(emnist)
            .chain([Self::Qmnist])
    }

    /// What it is, and how it is asked for.
    pub(super) fn described(self) -> String {
        match self {
            Self::Usual => "files named as MNIST's (idx)".into(),
            Self::Emnist(part) => {
                let name = part.name();
                format!("EMNIST {name} (emnist-{name})")
            }
            Self::Qmnist => "QMNIST (qmnist)".into(),
        }
    }

    /// For each of the four files, its possible names, without `.gz`.
    pub(super) fn names(self) -> [Vec<String>; 4] {
        let both = |name: String| vec![name.clone(), name.replacen("-idx", ".idx", 1)];
        match self {
            Self::Usual => [0, 1, 2, 3].map(|i| both(FILES[i].name.into())),
            Self::Emnist(part) => [
                "train-images-idx3-ubyte",
                "train-labels-idx1-ubyte",
                "test-images-idx3-ubyte",
                "test-labels-idx1-ubyte",
            ]
            .map(|end| both(format!("emnist-{}-{end}", part.name()))),
            // The labels come with where each image is from, or as MNIST's do.
            Self::Qmnist => {
                let images = |part| both(format!("qmnist-{part}-images-idx3-ubyte"));
                let labels = |part| {
                    let name = |end| both(format!("qmnist-{part}-labels-{end}"));
                    [name("idx2-int"), name("idx1-ubyte")].concat()
                };
                [
                    images("train"),
                    labels("train"),
                    images("test"),
                    labels("test"),
                ]
            }
        }
    }
}
