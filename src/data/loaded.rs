//! The result of loading a data set: the set, its name and place, and a notice to the user.

use std::path::Path;

use super::Dataset;
use super::reading::{Options, Source};

/// A data set, and what the user has to be told about it.
#[derive(Debug)]
pub struct Loaded {
    /// The data set.
    pub dataset: Dataset,
    /// One line to show prominently, if there is one: that the built-in digits replace MNIST
    /// without having been asked for, that EMNIST's images were transposed, or how other files were
    /// read.
    pub notice: Option<String>,
    /// One line that says how many images were held out to test on, where the files do not say
    /// which are. It is of no interest to those who cut the set by class.
    pub held_out: Option<String>,
}

impl Loaded {
    /// All that the user has to be told, in one line.
    pub fn notices(&self) -> Option<String> {
        let all: Vec<&str> = [&self.notice, &self.held_out]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

/// Returns where a data set was read; `None` if the path is not UTF-8.
pub(super) fn source(place: &Path, options: Options) -> Option<Source> {
    let place = place.canonicalize().ok()?;
    Some(Source {
        place: place.to_str()?.to_string(),
        options,
    })
}

/// Returns a name without control characters and others that would garble a line of output.
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

/// Returns whether a character moves the cursor, is invisible, or changes the direction of writing.
fn disturbs(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
