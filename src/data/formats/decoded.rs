//! Decoding of the pictures of a data set into one block of memory, on all threads.
//!
//! **Invariant:** the size of the block is compared with the free memory before it is allocated,
//! and at most one decoded picture per thread is in memory beside it.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::super::event::Event;
use super::super::raster::{self, Raster};
use super::super::reading::{Options, Size};
use super::sized::Form;
use super::tree::Entry;
use crate::bounded;
use crate::error::{Error, Result};

/// The largest size of a picture file, in bytes.
const MAX_OF_FILE: u64 = 64 << 20;

/// The largest size of all images together, in bytes.
const MAX_PIXELS: u64 = 64 << 30;

/// Number of pictures that are decoded between two progress events.
const AT_ONCE: usize = 256;

/// Number of pictures from which it is estimated whether the data set has colours.
const GUESSED_BY: usize = 16;

/// Consecutive images of one shape.
pub(super) struct Decoded {
    pub(super) pixels: Vec<u8>,
    /// Height, width and channels.
    pub(super) shape: (usize, usize, usize),
    /// The options by which the pictures were read.
    pub(super) options: Options,
}

/// The reason why a picture could not be written as an image, or success.
enum Outcome {
    Written,
    /// Its height and width differ from those of the first picture.
    OtherSize,
    /// It is in colour, and the images have one channel.
    Colour,
}

/// Decodes `pictures`, of which there must be at least one.
pub(super) fn decode(
    pictures: &[&Entry],
    options: &Options,
    place: &std::path::Path,
    events: &mut dyn FnMut(Event<'_>),
) -> Result<Decoded> {
    let first = raster_of(pictures[0])?;
    let own = Size {
        height: first.height,
        width: first.width,
    };
    if options.size.is_none() && options.resize.is_some() {
        return Err(
            Error::spec("resize has no effect without a size; state one, or leave it out")
                .mended_by(&["size", "resize"]),
        );
    }
    let mut form = Form::of(options, options.size.unwrap_or(own), 1);
    let step = pictures.len().div_ceil(GUESSED_BY);
    for entry in pictures.iter().step_by(step) {
        if !raster_of(entry)?.is_grey() {
            form.channels = 3;
            break;
        }
    }
    let check_size = options.size.is_none();
    let pixels = loop {
        match fill(pictures, &form, check_size, place, events)? {
            Filled::Pixels(pixels) => break pixels,
            Filled::Colour => form.channels = 3,
            Filled::OtherSize => return Err(sizes(pictures, place)),
        }
    };
    Ok(Decoded {
        pixels,
        shape: (form.size.height, form.size.width, form.channels),
        options: Options {
            size: options.size,
            resize: options.size.map(|_| form.resize),
            backdrop: Some(form.backdrop),
            split_by: options.split_by,
        },
    })
}

/// The result of decoding all pictures.
enum Filled {
    Pixels(Vec<u8>),
    OtherSize,
    Colour,
}

fn fill(
    pictures: &[&Entry],
    form: &Form,
    check_size: bool,
    place: &std::path::Path,
    events: &mut dyn FnMut(Event<'_>),
) -> Result<Filled> {
    let Size { height, width } = form.size;
    let image = height * width * form.channels;
    let mut pixels = room(pictures.len(), image, place)?;
    let mut done = 0;
    for (entries, images) in pictures
        .chunks(AT_ONCE)
        .zip(pixels.chunks_mut(AT_ONCE * image))
    {
        let outcomes: Vec<Result<Outcome>> = entries
            .par_iter()
            .zip(images.par_chunks_exact_mut(image))
            .map(|(entry, image)| {
                let raster = raster_of(entry)?;
                if check_size && (raster.height, raster.width) != (height, width) {
                    return Ok(Outcome::OtherSize);
                }
                if form.channels == 1 && !raster.is_grey() {
                    return Ok(Outcome::Colour);
                }
                form.write(&raster, image);
                Ok(Outcome::Written)
            })
            .collect();
        // The first fault in the order of the pictures is reported, on any number of threads.
        for outcome in outcomes {
            match outcome? {
                Outcome::Written => {}
                Outcome::OtherSize => return Ok(Filled::OtherSize),
                Outcome::Colour => return Ok(Filled::Colour),
            }
        }
        done += entries.len();
        events(Event::Reading {
            place,
            done,
            total: pictures.len(),
        });
    }
    Ok(Filled::Pixels(pixels))
}

/// Allocates zeros for `count` images of `image` bytes, if there is enough free memory.
pub(super) fn room(count: usize, image: usize, place: &std::path::Path) -> Result<Vec<u8>> {
    let bytes = (count as u64).checked_mul(image as u64);
    let bytes = bytes.filter(|&bytes| bytes <= MAX_PIXELS);
    let large = || {
        Error::data(
            place,
            format!(
                "has {count} images of {image} bytes, more than this machine has memory for; name fewer of them, or a smaller size"
            ),
        )
    };
    let bytes = bytes.ok_or_else(large)?;
    // A quarter is added because test images are copied to a block of their own.
    if bounded::lacking(bytes.saturating_add(bytes / 4)).is_some() {
        return Err(large());
    }
    let length = usize::try_from(bytes).map_err(|_| large())?;
    let mut pixels = Vec::new();
    bounded::attempt(|| pixels.try_reserve_exact(length)).map_err(|_| large())?;
    pixels.resize(length, 0);
    Ok(pixels)
}

fn raster_of(entry: &Entry) -> Result<Raster> {
    let bytes = entry.bytes(MAX_OF_FILE)?;
    raster::decode(&bytes).map_err(|fault| fault.at(&entry.place.path()))
}

/// Returns the error for pictures of several sizes, which lists the most frequent sizes first.
fn sizes(pictures: &[&Entry], place: &std::path::Path) -> Error {
    let all: Result<Vec<(usize, usize)>> = pictures
        .par_iter()
        .map(|entry| raster_of(entry).map(|raster| (raster.height, raster.width)))
        .collect();
    let all = match all {
        Ok(all) => all,
        Err(error) => return error,
    };
    let mut counts = BTreeMap::new();
    for size in all {
        *counts.entry(size).or_insert(0_usize) += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|&((height, width), count)| (std::cmp::Reverse(count), height, width));
    let mut seen: Vec<String> = counts
        .iter()
        .take(5)
        .map(|((height, width), count)| format!("{height}x{width} ({count})"))
        .collect();
    if counts.len() > seen.len() {
        seen.push(format!("{} more", counts.len() - seen.len()));
    }
    Error::data(
        place,
        format!(
            "holds pictures of {} sizes: {}; state the size that all are to have, as height x width",
            counts.len(),
            seen.join(", ")
        ),
    )
    .mended_by(&["size"])
}
