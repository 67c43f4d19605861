//! A data set as it was read: what must be said of it, what it is called, where it was.

use std::path::Path;

use super::Dataset;
use super::reading::{Options, Source};

/// A data set, and what the user must be told about it.
#[derive(Debug)]
pub struct Loaded {
    /// The data set.
    pub dataset: Dataset,
    /// One line to show prominently: that the built-in digits stand in for MNIST
    /// without having been asked for, that EMNIST's images were put upright, or what was
    /// done to read other files.
    pub notice: Option<String>,
}

/// Where a set was read; `None` where the path is no text.
pub(super) fn source(place: &Path, options: Options) -> Option<Source> {
    let place = place.canonicalize().ok()?;
    Some(Source {
        place: place.to_str()?.to_string(),
        options,
    })
}

/// A name without characters that would disturb a line of output.
pub(super) fn printable(name: &str) -> String {
    let plain = |c: char| {
        if disturbs(c) {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    name.chars().map(plain).collect()
}

/// Whether a character moves the cursor, hides, or changes the direction of writing.
fn disturbs(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
