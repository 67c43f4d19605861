//! Data sets of pictures: which files are pictures, how they are decoded, and which are test
//! pictures.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::event::Event;
use super::super::raster::is_named_picture;
use super::super::reading::{Options, SplitBy};
use super::decoded::{self, Decoded};
use super::layout::{self, Layout};
use super::material::Material;
use super::tree::{Entry, Tree};
use super::{START, Sniffed, held_out, sniff};
use crate::error::{Error, Result};

/// Returns whether a file is meant as a picture by its name, or is one by its content. A file with
/// such a name that cannot be decoded is an error and is not skipped.
pub(super) fn is_picture(entry: &Entry) -> Result<bool> {
    Ok(is_named_picture(entry.file_name())
        || sniff(&entry.start(START as u64)?) == Sniffed::Picture)
}

/// Returns whether there is a picture within a folder of the tree.
pub(super) fn is_here(tree: &Tree) -> Result<bool> {
    let inside = || tree.entries.iter().filter(|entry| entry.parts.len() > 1);
    if inside().any(|entry| is_named_picture(entry.file_name())) {
        return Ok(true);
    }
    for entry in inside() {
        if is_picture(entry)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the pictures of a tree: the number of each one's entry, and the parts of its path.
pub(super) fn of_tree(tree: &Tree) -> Result<Vec<(usize, Vec<String>)>> {
    let mut pictures = Vec::new();
    for (i, entry) in tree.entries.iter().enumerate() {
        if is_picture(entry)? {
            pictures.push((i, entry.parts.clone()));
        }
    }
    Ok(pictures)
}

/// Reads the pictures of a tree as a data set.
pub(super) fn read(
    tree: &Tree,
    place: &Path,
    options: &Options,
    events: &mut dyn FnMut(Event<'_>),
) -> Result<Material> {
    let mut notes = tree.skipped.notes();
    let (mut pictures, mut others) = (Vec::new(), Vec::new());
    for (i, entry) in tree.entries.iter().enumerate() {
        match is_picture(entry)? {
            true => pictures.push((i, entry.parts.clone())),
            false => others.push(entry.parts.join("/")),
        }
    }
    if let Some(first) = others.first() {
        notes.push(format!(
            "{} files that are no PNG or JPEG pictures left out ({first:?})",
            others.len()
        ));
    }
    let layout = layout::sort(&pictures).map_err(|what| Error::data(place, what))?;
    notes.extend(layout.notes.iter().cloned());
    let (layout, held) = by_alphabet(layout, options, place)?;
    notes.extend(held);
    let front = layout.test.is_some().then_some(layout.train.len());
    let all = || layout.train.iter().chain(layout.test.iter().flatten());
    let entries: Vec<&Entry> = all().map(|&(i, _)| &tree.entries[i]).collect();
    let Decoded {
        pixels,
        shape,
        options,
    } = decoded::decode(&entries, options, place, events)?;
    Ok(Material {
        pixels,
        labels: all().map(|&(_, class)| class).collect(),
        shape,
        train: front,
        classes: layout.classes.len(),
        names: layout.classes,
        options,
        notes,
    })
}

/// Moves whole alphabets to the test part if that is requested. Returns the layout and a note to
/// the user.
fn by_alphabet(
    mut layout: Layout,
    options: &Options,
    place: &Path,
) -> Result<(Layout, Option<String>)> {
    if options.split_by.is_some() && layout.test.is_some() {
        return Err(Error::data(
            place,
            "has test pictures of its own, so split-by has no effect; leave it out",
        )
        .mended_by(&["split-by"]));
    }
    if options.split_by != Some(SplitBy::Alphabet) {
        return Ok((layout, None));
    }
    let Some(alphabets) = &layout.alphabets else {
        return Err(Error::data(
            place,
            "has no alphabets, so it cannot be split by them; give alphabet/character/picture, or leave split-by out",
        )
        .mended_by(&["split-by"]));
    };
    let all: BTreeSet<&str> = alphabets.iter().map(String::as_str).collect();
    let held = match layout.evaluation.is_empty() {
        true => held_out::by_name(&all),
        false => layout.evaluation.clone(),
    };
    if held.is_empty() {
        return Err(Error::data(
            place,
            "has one alphabet alone, so none can be held out; split by image",
        )
        .mended_by(&["split-by"]));
    }
    let is_held = |&(_, class): &(usize, u32)| held.contains(&alphabets[class as usize]);
    let (test, train): (Vec<_>, Vec<_>) = layout.train.iter().copied().partition(is_held);
    let names: Vec<&str> = held.iter().map(String::as_str).collect();
    let note = format!(
        "{} of {} alphabets are held out to test on, whose characters training never shows: {}",
        held.len(),
        all.len(),
        names.join(", ")
    );
    (layout.train, layout.test) = (train, Some(test));
    Ok((layout, Some(note)))
}
