//! Classes and parts of a data set of pictures, determined from their names alone.
//!
//!
//! ```text
//! class/picture                     no test pictures: some are held out
//! train/class/picture  test/class/picture  [val/class/picture]
//! alphabet/character/picture        as in torchvision's Omniglot: classes are characters
//! ```
//!
//! A folder that contains only one other folder is ignored, so an archive may contain the folder of
//! the data set or its content. Classes are numbered in the order of their names.

use std::collections::{BTreeMap, BTreeSet};

use super::super::idx::MAX_CLASSES;

/// The class and the part of each picture.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// The names of the classes, sorted; `alphabet/character` if there are alphabets.
    pub(super) classes: Vec<String>,
    /// Training pictures, as (index among all files, class).
    pub(super) train: Vec<(usize, u32)>,
    /// Test pictures, as (index among all files, class); `None` if there is no folder of test
    /// pictures.
    pub(super) test: Option<Vec<(usize, u32)>>,
    /// The alphabet of each class, if there are alphabets.
    pub(super) alphabets: Option<Vec<String>>,
    /// The alphabets in Omniglot's second part, none of which is in the first.
    pub(super) evaluation: BTreeSet<String>,
    /// What the user should know, as phrases that are joined to one line.
    pub(super) notes: Vec<String>,
}

const TRAIN: &[&str] = &["train", "training"];
const VALIDATION: &[&str] = &["val", "valid", "validation"];
const TEST: &[&str] = &["test", "testing"];
/// The names of Omniglot's two parts.
const OMNIGLOT: [&str; 2] = ["images_background", "images_evaluation"];

/// The index of a picture among all files, and its path as a list of names.
type Named<'a> = (usize, &'a [String]);

fn is_one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Sorts pictures into classes and parts. Each is given as its index and its path, a list of names.
///
/// # Errors
/// What is wrong with the folders, in words that complete "the folder ...".
pub(super) fn sort(pictures: &[(usize, Vec<String>)]) -> Result<Layout, String> {
    let mut all: Vec<Named> = pictures.iter().map(|(i, p)| (*i, &p[..])).collect();
    let mut notes = Vec::new();
    let beside = drop_shallow(&mut all, 2);
    if all.is_empty() {
        return Err(
            "holds pictures and no folders; give it a sub-folder with the pictures of each class"
                .into(),
        );
    }
    if beside > 0 {
        notes.push(format!("{beside} pictures beside the folders left out"));
    }
    // A folder that contains only one other folder is ignored.
    while tops(&all).len() == 1 && all.iter().all(|(_, parts)| parts.len() > 2) {
        for (_, parts) in &mut all {
            *parts = &parts[1..];
        }
    }
    let tops = tops(&all);
    let part = |names: &[&str]| -> Vec<Named> {
        let inside = all.iter().filter(|(_, parts)| is_one_of(names, &parts[0]));
        inside.map(|(i, parts)| (*i, &parts[1..])).collect()
    };
    if tops.iter().all(|top| is_one_of(&OMNIGLOT, top)) && tops.len() == 2 {
        let evaluation = second_part(&part(&OMNIGLOT[..1]), &part(&OMNIGLOT[1..]))?;
        let layout = classes(part(&OMNIGLOT), None, notes)?;
        return Ok(Layout {
            evaluation,
            ..layout
        });
    }
    let train = part(TRAIN);
    // Otherwise `train` may be the name of a class, for example of pictures of trains.
    let in_parts = !train.is_empty() && train.iter().all(|(_, parts)| parts.len() >= 2);
    if !in_parts {
        return classes(all, None, notes);
    }
    let known = |top: &&String| [TRAIN, VALIDATION, TEST].iter().any(|n| is_one_of(n, top));
    let others: Vec<_> = tops.iter().filter(|top| !known(top)).collect();
    if !others.is_empty() {
        notes.push(format!("folders beside train left out: {others:?}"));
    }
    let (train, test) = joined(train, part(VALIDATION), part(TEST), &mut notes);
    classes(train, test, notes)
}

/// Returns the alphabets of Omniglot's second part, if none of them is in the first.
fn second_part(first: &[Named], second: &[Named]) -> Result<BTreeSet<String>, String> {
    let known: BTreeSet<&str> = first.iter().map(|(_, parts)| &*parts[0]).collect();
    let twice = second.iter().find(|(_, parts)| known.contains(&*parts[0]));
    match twice {
        Some((_, parts)) => Err(format!(
            "has the alphabet {:?} in both of Omniglot's parts; fetch them anew",
            parts[0]
        )),
        None => Ok(second.iter().map(|(_, parts)| parts[0].clone()).collect()),
    }
}

/// Determines the training and the test pictures from three parts, of which the last two may be
/// empty.
fn joined<'a>(
    mut train: Vec<Named<'a>>,
    mut validation: Vec<Named<'a>>,
    mut test: Vec<Named<'a>>,
    notes: &mut Vec<String>,
) -> (Vec<Named<'a>>, Option<Vec<Named<'a>>>) {
    let bare = drop_shallow(&mut test, 2);
    if bare > 0 {
        notes.push(format!("{bare} test pictures without a class left out"));
    }
    let bare = drop_shallow(&mut validation, 2);
    if bare > 0 {
        notes.push(format!(
            "{bare} validation pictures without a class left out"
        ));
    }
    match (test.is_empty(), validation.is_empty()) {
        (true, true) => (train, None),
        (true, false) => {
            notes.push("there are no test pictures, so those in val are tested on".into());
            (train, Some(validation))
        }
        (false, true) => (train, Some(test)),
        (false, false) => {
            notes.push(
                "pictures in val are learned from as those in train are, and validation images are drawn from both"
                    .into(),
            );
            train.extend(validation);
            (train, Some(test))
        }
    }
}

/// Removes pictures whose path has fewer than `least` names; returns how many were removed.
fn drop_shallow(pictures: &mut Vec<Named>, least: usize) -> usize {
    let before = pictures.len();
    pictures.retain(|(_, parts)| parts.len() >= least);
    before - pictures.len()
}

fn tops(pictures: &[Named]) -> Vec<String> {
    let tops: BTreeSet<&String> = pictures.iter().map(|(_, parts)| &parts[0]).collect();
    tops.into_iter().cloned().collect()
}

/// Numbers the classes, which are one folder deep in every part, or two folders deep in every part.
fn classes(
    train: Vec<Named>,
    test: Option<Vec<Named>>,
    notes: Vec<String>,
) -> Result<Layout, String> {
    let both = || train.iter().chain(test.iter().flatten());
    let depth = train.first().map_or(0, |(_, parts)| parts.len());
    if let Some((_, other)) = both().find(|(_, parts)| parts.len() != depth) {
        let first = train.first().map_or(&[][..], |(_, parts)| parts);
        return Err(format!(
            "has pictures at different depths, {:?} and {:?}; give every class one folder, or every alphabet folders of characters",
            first.join("/"),
            other.join("/")
        ));
    }
    if !(2..=3).contains(&depth) {
        return Err(format!(
            "has pictures {} folders deep; give class/picture, or alphabet/character/picture",
            depth.saturating_sub(1)
        ));
    }
    let names: BTreeSet<String> = train.iter().map(|(_, parts)| class_of(parts)).collect();
    let numbers: BTreeMap<&str, u32> = names.iter().map(String::as_str).zip(0..).collect();
    if names.len() < 2 {
        return Err(format!(
            "has pictures of one class alone, {:?}; a classifier needs at least two",
            names.first().map_or("", String::as_str)
        ));
    }
    if names.len() > MAX_CLASSES as usize {
        return Err(format!(
            "has {} classes; the limit is {MAX_CLASSES}",
            names.len()
        ));
    }
    let alphabet = |name: &String| name.split('/').next().unwrap_or_default().to_string();
    Ok(Layout {
        train: numbered(&train, &numbers)?,
        test: test.map(|test| numbered(&test, &numbers)).transpose()?,
        alphabets: (depth == 3).then(|| names.iter().map(alphabet).collect()),
        classes: names.into_iter().collect(),
        evaluation: BTreeSet::new(),
        notes,
    })
}

/// Returns the name of the class of a picture: the names of its folders.
fn class_of(parts: &[String]) -> String {
    parts[..parts.len() - 1].join("/")
}

/// Sorts pictures by their names and returns each with the number of its class.
fn numbered(
    pictures: &[Named],
    numbers: &BTreeMap<&str, u32>,
) -> Result<Vec<(usize, u32)>, String> {
    let mut sorted: Vec<&Named> = pictures.iter().collect();
    sorted.sort_by(|a, b| a.1.cmp(b.1));
    let number = |(i, parts): &Named| {
        let name = class_of(parts);
        match numbers.get(&*name) {
            Some(&class) => Ok((*i, class)),
            None => Err(format!(
                "has test pictures of the class {name:?}, which training never shows; give two parts of one set"
            )),
        }
    };
    sorted.into_iter().map(number).collect()
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
