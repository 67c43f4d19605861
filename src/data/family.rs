//! Sets that are known by the names of their files.

use super::emnist::Part;

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
    /// Every family, in the order in which they are looked for.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let emnist = Part::ALL.map(Self::Emnist);
        [Self::Usual]
            .into_iter()
            .chain(emnist)
            .chain([Self::Qmnist])
    }
}
