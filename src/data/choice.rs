//! The choice of a data set (`--dataset`).

use std::str::FromStr;

use super::emnist::Part;
use super::family::{EMNIST, Family, QMNIST};
use super::known;
use crate::error::{Error, Result};

/// The data set to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DatasetChoice {
    /// MNIST from the disk, else downloaded, else replaced by the built-in digits with a notice
    /// that says so. If a place is named and it holds files of another format than IDX, it is read
    /// as [`Self::Files`].
    #[default]
    Auto,
    /// MNIST; its absence is an error.
    Mnist,
    /// The synthetic built-in digits ([`digits`](super::digits)).
    Digits,
    /// The only data set in the named place, in any supported file format.
    Files,
    /// The only data set of IDX files in the named folder or zip archive.
    Idx,
    /// A split of EMNIST from the named folder or zip archive.
    Emnist(Part),
    /// QMNIST from the named folder.
    Qmnist,
    /// Omniglot's background set, from a named place or where it is fetched to.
    Omniglot,
}

impl DatasetChoice {
    /// All choices, in the order in which the help lists them.
    pub const ALL: [Self; 13] = [
        Self::Auto,
        Self::Mnist,
        Self::Digits,
        Self::Files,
        Self::Idx,
        Self::Emnist(Part::ByClass),
        Self::Emnist(Part::ByMerge),
        Self::Emnist(Part::Balanced),
        Self::Emnist(Part::Letters),
        Self::Emnist(Part::Digits),
        Self::Emnist(Part::Mnist),
        Self::Qmnist,
        Self::Omniglot,
    ];

    /// Returns the name of this choice on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Mnist => "mnist",
            Self::Digits => "digits",
            Self::Files => "files",
            Self::Idx => "idx",
            Self::Emnist(Part::ByClass) => "emnist-byclass",
            Self::Emnist(Part::ByMerge) => "emnist-bymerge",
            Self::Emnist(Part::Balanced) => "emnist-balanced",
            Self::Emnist(Part::Letters) => "emnist-letters",
            Self::Emnist(Part::Digits) => "emnist-digits",
            Self::Emnist(Part::Mnist) => "emnist-mnist",
            Self::Qmnist => "qmnist",
            Self::Omniglot => "omniglot",
        }
    }

    /// Returns the choice that loads the data set with this name
    /// ([`Contents::name`](super::Contents::name)); for an unknown name [`Self::Files`].
    pub fn of_set(name: &str) -> Self {
        let part = |word| Part::ALL.into_iter().find(|part| part.name() == word);
        match name {
            known::NAME => Self::Mnist,
            known::DIGITS => Self::Digits,
            QMNIST => Self::Qmnist,
            known::OMNIGLOT => Self::Omniglot,
            _ => match name.strip_prefix(EMNIST).and_then(part) {
                Some(part) => Self::Emnist(part),
                None => Self::Files,
            },
        }
    }

    /// Returns whether the data set is read from files that the user has to name, because it is
    /// neither built in nor downloaded when it is wanted. Omniglot's files have a usual place.
    pub fn needs_files(self) -> bool {
        matches!(
            self,
            Self::Files | Self::Idx | Self::Emnist(_) | Self::Qmnist | Self::Omniglot
        )
    }

    /// Returns the family of file names to look for, or `None` if the data set may have any names.
    pub(super) fn family(self) -> Option<Family> {
        match self {
            Self::Emnist(part) => Some(Family::Emnist(part)),
            Self::Qmnist => Some(Family::Qmnist),
            Self::Auto | Self::Mnist | Self::Digits | Self::Files | Self::Idx | Self::Omniglot => {
                None
            }
        }
    }
}

impl FromStr for DatasetChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|choice| choice.name() == text)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name).join(", ");
                Error::spec(format!(
                    "no data set is called \"{text}\"; choose one of {names}"
                ))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for choice in DatasetChoice::ALL {
            assert_eq!(choice.name().parse::<DatasetChoice>().unwrap(), choice);
        }
        let line = "cifar".parse::<DatasetChoice>().unwrap_err().to_string();
        assert!(
            line.contains("auto, mnist, digits, files, idx, emnist-byclass"),
            "{line}"
        );
        let parts = DatasetChoice::ALL.iter().filter_map(|c| match c {
            DatasetChoice::Emnist(part) => Some(*part),
            _ => None,
        });
        assert_eq!(parts.collect::<Vec<_>>(), Part::ALL);
        for part in Part::ALL {
            let name = format!("emnist-{}", part.name());
            assert_eq!(DatasetChoice::Emnist(part).name(), name);
        }
    }

    #[test]
    fn a_stored_name_tells_how_to_load_the_set() {
        for (name, choice) in [
            ("MNIST", DatasetChoice::Mnist),
            (known::DIGITS, DatasetChoice::Digits),
            ("QMNIST", DatasetChoice::Qmnist),
            ("Omniglot", DatasetChoice::Omniglot),
            ("EMNIST letters", DatasetChoice::Emnist(Part::Letters)),
            ("EMNIST", DatasetChoice::Files),
            ("MNIST (other data)", DatasetChoice::Files),
            ("letters", DatasetChoice::Files),
        ] {
            assert_eq!(DatasetChoice::of_set(name), choice, "{name}");
        }
    }
}
