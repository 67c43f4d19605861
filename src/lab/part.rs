//! A lab that is divided over processes: each measures some of the contenders along the same
//! training, and their parts make the record that one process would have written.
//!
//! Every contender draws from the noise of the same seed and steps, in a network of its own, so
//! that its numbers do not depend on which others are measured beside it. The reference is
//! measured by each part, because the figures need the draws of both; that all parts came to the
//! same one is checked when they are put together.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Record;
use crate::error::{Error, Result};
use crate::files::{create_folder, is_folder, write_atomic_bytes};
use crate::train::parse_json;
use crate::{bounded, seal};

/// What one of several processes measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Its number, from 1.
    pub part: usize,
    /// The number of parts.
    pub of: usize,
    /// All that the numbers of any part depend on, as a JSON object; the same in each part.
    pub settings: Value,
    /// What was measured: the contender of that number, and each `of`-th after it.
    pub record: Record,
}

/// The parts that are in a folder, in the order of their numbers.
#[derive(Clone, Debug)]
pub struct Parts {
    folder: PathBuf,
    found: Vec<(PathBuf, Part)>,
}

impl Part {
    /// The file of a part within its folder.
    pub fn file(part: usize, of: usize) -> String {
        format!("part-{part}-of-{of}.json")
    }

    /// Writes the part into a folder, which is made where there is none, and gives back its file.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, folder: &Path) -> Result<PathBuf> {
        let text = seal::text(self, None)
            .map_err(|e| Error::spec(format!("the part cannot be encoded: {e}")))?;
        create_folder(folder)?;
        let file = folder.join(Self::file(self.part, self.of));
        write_atomic_bytes(&file, text.as_bytes())?;
        Ok(file)
    }

    /// The record without what differs from part to part: what all of them measured.
    fn shared(&self, like: &Record) -> Record {
        let mut record = self.record.clone();
        for point in &mut record.points {
            point.estimators.clear();
        }
        record.own.clear();
        // A run may be named by several paths; its weights are among the settings.
        record.weights.clone_from(&like.weights);
        record.provenance = like.provenance.clone();
        record
    }
}

impl Parts {
    /// Reads the parts in a folder; there are none where there is no folder.
    ///
    /// # Errors
    /// A file that is damaged or cannot be read, or parts of different labs.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut named = Vec::new();
        if is_folder(folder)? {
            for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
                let entry = entry.map_err(Error::io("read", folder))?;
                named.extend(entry.file_name().to_str().and_then(numbers));
            }
        }
        named.sort_by_key(|(part, of)| (*of, *part));
        let mut found: Vec<(PathBuf, Part)> = Vec::new();
        for (part, of) in named {
            let file = folder.join(Part::file(part, of));
            let read: Part = parse_json(&bounded::text(&file)?, &file)?;
            if (read.part, read.of) != (part, of) {
                return Err(Error::checkpoint(
                    &file,
                    format!(
                        "is part {} of {} by its content; give it its name again",
                        read.part, read.of
                    ),
                ));
            }
            found.push((file, read));
        }
        let parts = Self {
            folder: folder.to_path_buf(),
            found,
        };
        if let Some((_, first)) = parts.found.first() {
            parts.check(first.of, &first.settings)?;
        }
        Ok(parts)
    }

    /// The file of one of them, if there is any.
    pub fn any(&self) -> Option<&Path> {
        self.found.first().map(|(file, _)| &**file)
    }

    /// Whether the part of that number is there.
    pub fn has(&self, part: usize) -> bool {
        self.found.iter().any(|(_, found)| found.part == part)
    }

    /// Whether all of them are parts of the lab with those settings, divided into `of`.
    ///
    /// # Errors
    /// The file of one that is not, and the first setting that differs.
    pub fn check(&self, of: usize, settings: &Value) -> Result<()> {
        for (file, part) in &self.found {
            let differs = match part.of == of {
                true => difference(&part.settings, settings, ""),
                false => Some(format!("it is one of {} parts, not of {of}", part.of)),
            };
            if let Some(differs) = differs {
                return Err(Error::checkpoint(
                    file,
                    format!(
                        "is a part of another lab ({differs}); remove it, or choose another folder"
                    ),
                ));
            }
        }
        Ok(())
    }

    /// The numbers of the parts that are not there.
    pub fn missing(&self) -> Vec<usize> {
        let of = self.found.first().map_or(0, |(_, part)| part.of);
        (1..=of).filter(|part| !self.has(*part)).collect()
    }

    /// The record of the whole lab: what one process would have written, with the times of each
    /// part, and the machine of the first.
    ///
    /// # Errors
    /// A part that is missing, or one that came to another reference.
    pub fn whole(&self) -> Result<Record> {
        let Some((first_file, first)) = self.found.first() else {
            return Err(Error::checkpoint(&self.folder, "has no part of a lab"));
        };
        let missing = self.missing();
        if !missing.is_empty() {
            return Err(Error::checkpoint(
                &self.folder,
                format!(
                    "has {} of the {} parts of a lab; missing: {}; measure these as well",
                    self.found.len(),
                    first.of,
                    listed(&missing, first.of)
                ),
            ));
        }
        let mut record = first.record.clone();
        let shared = first.shared(&record);
        for (file, part) in &self.found {
            if part.shared(&record) != shared {
                return Err(Error::checkpoint(
                    file,
                    format!(
                        "measured another reference than {}, and the same settings give the same one; find out which was made by a changed program, remove it, and measure it again",
                        first_file.display()
                    ),
                ));
            }
        }
        let records = || self.found.iter().map(|(_, part)| &part.record);
        for (number, point) in record.points.iter_mut().enumerate() {
            point.estimators = in_turn(records().map(|of| &*of.points[number].estimators));
        }
        record.own = in_turn(records().map(|of| &*of.own));
        Ok(record)
    }
}

/// Parts in a line: `1/3, 3/3`.
pub fn listed(parts: &[usize], of: usize) -> String {
    let all: Vec<String> = parts.iter().map(|part| format!("{part}/{of}")).collect();
    all.join(", ")
}

/// The numbers in the name of a part's file.
fn numbers(name: &str) -> Option<(usize, usize)> {
    let (part, of) = name
        .strip_prefix("part-")?
        .strip_suffix(".json")?
        .split_once("-of-")?;
    let (part, of) = (part.parse().ok()?, of.parse().ok()?);
    // One part has one name.
    ((1..=of).contains(&part) && name == Part::file(part, of)).then_some((part, of))
}

/// The first of each list, then the second of each, and so on.
fn in_turn<'a, T: Clone + 'a>(lists: impl Iterator<Item = &'a [T]>) -> Vec<T> {
    let lists: Vec<&[T]> = lists.collect();
    let longest = lists.iter().map(|list| list.len()).max().unwrap_or(0);
    let row = |number: usize| lists.iter().filter_map(move |list| list.get(number));
    (0..longest).flat_map(row).cloned().collect()
}

/// The first value that differs: its path, and both.
fn difference(found: &Value, wanted: &Value, path: &str) -> Option<String> {
    let below = |name: &str| match path {
        "" => name.to_string(),
        _ => format!("{path}.{name}"),
    };
    match (found, wanted) {
        _ if found == wanted => None,
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            names.into_iter().find_map(|name| {
                let of = |map: &serde_json::Map<String, Value>| map.get(name).cloned();
                let (a, b) = (of(a).unwrap_or_default(), of(b).unwrap_or_default());
                difference(&a, &b, &below(name))
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(i, (a, b))| difference(a, b, &below(&i.to_string())))
        }
        // A list of layers would make the line a page.
        (Value::Array(_) | Value::Object(_), _) | (_, Value::Array(_) | Value::Object(_)) => {
            Some(format!("it has another {path}"))
        }
        _ => Some(format!("its {path} is {found}, not {wanted}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_has_the_name_of_one_part() {
        assert_eq!(numbers("part-2-of-12.json"), Some((2, 12)));
        for name in [
            "part-0-of-2.json",
            "part-3-of-2.json",
            "part-02-of-3.json",
            "part-1-of-2.json.tmp",
            "lab.json",
        ] {
            assert_eq!(numbers(name), None, "{name}");
        }
    }

    #[test]
    fn lists_are_dealt_out_and_taken_in_turn() {
        let all: Vec<usize> = (0..7).collect();
        for of in 1..=7 {
            let parts: Vec<Vec<usize>> = (0..of)
                .map(|part| all.iter().skip(part).step_by(of).copied().collect())
                .collect();
            assert_eq!(in_turn(parts.iter().map(|part| &**part)), all);
        }
    }

    #[test]
    fn what_differs_is_named_by_its_path() {
        let one = json!({ "a": { "b": [1, 2] }, "c": null });
        assert_eq!(difference(&one, &json!({ "a": { "b": [1, 2] } }), ""), None);
        let other = json!({ "a": { "b": [1, 3] }, "c": null });
        let said = difference(&one, &other, "");
        assert_eq!(said.as_deref(), Some("its a.b.1 is 2, not 3"));
        let said = difference(&one, &json!({ "a": { "b": [1] } }), "");
        assert_eq!(said.as_deref(), Some("it has another a.b"));
    }
}
