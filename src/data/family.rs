//! Data sets that are recognised by the names of their files.

use super::emnist::Part;

/// The name of QMNIST in [`Contents::name`](super::Contents::name).
pub(super) const QMNIST: &str = "QMNIST";

/// The first part of the names of EMNIST's splits in [`Contents::name`](super::Contents::name).
pub(super) const EMNIST: &str = "EMNIST ";

/// The names that the files of a data set have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// MNIST's names, which many other data sets use.
    Usual,
    /// The names of a split of EMNIST.
    Emnist(Part),
    /// The names of QMNIST.
    Qmnist,
}

impl Family {
    /// Returns all families, in the order in which they are looked for.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let emnist = Part::ALL.map(Self::Emnist);
        [Self::Usual]
            .into_iter()
            .chain(emnist)
            .chain([Self::Qmnist])
    }
}
