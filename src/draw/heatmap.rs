//! Heat maps: what a convolution's block hands on, for a digit of each class and on
//! average, of one network or of several on the same digits.

use super::activation_statistics::{ActivationStatistics, LayerMaps, Maps};
use super::canvas::{Canvas, Theme};
use super::grid::{Colours, Grid, Plane, Row};
use super::sheet::{Cell, Lane, Sheet};
use super::tile::Tile;
use crate::data::Split;
use crate::error::{Error, Result};
use crate::study::grouped;
use crate::tensor::Shape;

/// A network's statistics and what to call it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The network in a few words.
    pub name: &'a str,
    /// What the network does on the images.
    pub statistics: &'a ActivationStatistics,
}

/// Pixels of a map's side, at least.
const CELL: usize = 84;
/// The same of a map that stands for a whole network.
const LARGE: usize = 336;
/// The same where every channel has a map.
const SMALL: usize = 42;

fn sides(shape: Shape) -> (usize, usize, usize) {
    (shape.height, shape.width, shape.channels)
}

/// The maps of a layer averaged over its channels: those of the examples, then the
/// mean over all images.
fn means(shape: Shape, maps: &Maps) -> Vec<Option<Plane>> {
    let plane = |values: &Vec<f32>| {
        let there = !values.is_empty();
        there.then(|| Plane::mean(sides(shape), values))
    };
    let all = maps.examples.iter().chain([&maps.mean]);
    all.map(plane).collect()
}

/// An image of a split, from 0 to 1, averaged over its channels.
///
/// # Panics
/// If there is no such image.
pub fn image(split: &Split, i: u32) -> Plane {
    let pixels = split.image(i as usize).iter();
    let values: Vec<f32> = pixels.map(|&p| f32::from(p) / 255.0).collect();
    Plane::mean(split.shape(), &values)
}

/// The mean of all images of a split: numbers from 0 to 1, (height, width, channel).
fn mean_pixels(split: &Split) -> Vec<f32> {
    let (height, width, channels) = split.shape();
    let mut sums = vec![0u64; height * width * channels];
    for i in 0..split.len() {
        for (sum, &p) in sums.iter_mut().zip(split.image(i)) {
            *sum += u64::from(p);
        }
    }
    let most = 255.0 * split.len().max(1) as f64;
    sums.iter().map(|&s| (s as f64 / most) as f32).collect()
}

/// The mean of all images of a split, averaged over its channels.
pub fn mean_image(split: &Split) -> Plane {
    Plane::mean(split.shape(), &mean_pixels(split))
}

/// The mean of all images of a split, in colour.
pub fn mean_tile(split: &Split) -> Tile {
    Tile::of(split.shape(), mean_pixels(split).into_iter().map(Some))
}

/// The examples as pictures, and the mean of all images.
fn images(split: &Split, examples: &[Option<u32>]) -> Row {
    let examples = examples.iter().map(|e| e.map(|i| image(split, i)));
    Row {
        name: "image".into(),
        maps: examples.chain([Some(mean_image(split))]).collect(),
        colours: Colours::Grey,
    }
}

fn columns(classes: usize) -> Vec<String> {
    let mut columns: Vec<String> = (0..classes).map(|c| c.to_string()).collect();
    columns.push("mean".into());
    columns
}

fn about(layer: &LayerMaps, images: usize) -> String {
    format!(
        "{}x{} after pooling and activation, mean of {} channels; the first test image of each class, and the mean of {}",
        layer.shape.height,
        layer.shape.width,
        layer.shape.channels,
        grouped(images)
    )
}

/// Layer `layer` of one or more networks, a row each (two for stochastic units: the
/// sample and its probabilities), all in one range of colours.
///
/// # Errors
/// Networks whose layers differ in number or shape, or no network at all.
pub fn layer(
    subjects: &[Subject<'_>],
    layer: usize,
    split: &Split,
    theme: Theme,
) -> Result<Canvas> {
    let first = subjects
        .first()
        .and_then(|s| s.statistics.layers.get(layer));
    let Some(first) = first else {
        return Err(Error::spec("there is no such convolution to draw"));
    };
    let rows = rows(subjects, layer, first)?;
    let planes = rows.iter().flat_map(|(_, maps)| maps.iter().flatten());
    let colours = Colours::range(planes);
    let mut all = vec![images(split, &subjects[0].statistics.examples)];
    all.extend(rows.into_iter().map(|(name, maps)| Row {
        name,
        maps,
        colours,
    }));
    let classes = subjects[0].statistics.examples.len();
    Grid {
        title: title(subjects, first),
        notes: vec![about(first, subjects[0].statistics.evaluation.images)],
        columns: columns(classes),
        apart: Some(classes),
        rows: all,
        cell: CELL,
    }
    .draw(theme)
}

/// What a picture of one network or of several is called.
fn title(subjects: &[Subject<'_>], layer: &LayerMaps) -> String {
    match subjects {
        [one] => format!("{}: {}", one.name, layer.name),
        _ => format!("{}, network by network", layer.name),
    }
}

/// A row of maps for each network, two for stochastic units, and what they are called.
fn rows(
    subjects: &[Subject<'_>],
    layer: usize,
    first: &LayerMaps,
) -> Result<Vec<(String, Vec<Option<Plane>>)>> {
    let alone = subjects.len() == 1;
    let mut rows = Vec::new();
    for subject in subjects {
        let maps = subject.statistics.layers.get(layer);
        let Some(maps) = maps.filter(|maps| maps.shape == first.shape) else {
            return Err(Error::spec(format!(
                "{} has no convolution {} of {} to compare with that of {}",
                subject.name,
                layer + 1,
                first.shape,
                subjects[0].name
            )));
        };
        let mut push = |name: String, of: &Maps| {
            let maps = means(first.shape, of);
            rows.push((name, maps));
        };
        let name = |part: &str| match (alone, part) {
            (true, part) => part.to_string(),
            (false, "activation") => subject.name.to_string(),
            (false, part) => format!("{}, {part}", subject.name),
        };
        match &maps.probability {
            None => push(name("activation"), &maps.output),
            Some(probability) => {
                push(name("sample"), &maps.output);
                push(name("probability"), probability);
            }
        }
    }
    Ok(rows)
}

/// The maps of layer `layer` laid over the images, the example of each class: a row for each
/// network (two for stochastic units), all in one range of colours; the more a map is excited,
/// the more of its colour and the less of the image is seen.
///
/// # Errors
/// As [`layer`](fn@layer).
pub fn overlay(
    subjects: &[Subject<'_>],
    layer: usize,
    split: &Split,
    theme: Theme,
) -> Result<Canvas> {
    let first = subjects
        .first()
        .and_then(|s| s.statistics.layers.get(layer));
    let Some(first) = first else {
        return Err(Error::spec("there is no such convolution to draw"));
    };
    let rows = rows(subjects, layer, first)?;
    let examples = &subjects[0].statistics.examples;
    let planes = rows.iter().flat_map(|(_, maps)| &maps[..examples.len()]);
    let colours = Colours::range(planes.flatten());
    let images: Vec<Option<Tile>> = examples
        .iter()
        .map(|e| e.map(|i| Tile::image(split, i)))
        .collect();
    let lane = |name: String, tiles: Vec<Option<Tile>>| Lane {
        name,
        about: vec![],
        cells: tiles
            .into_iter()
            .map(|tile| {
                Some(Cell {
                    tile: tile?,
                    caption: String::new(),
                })
            })
            .collect(),
    };
    let mut lanes = vec![lane("image".into(), images.clone())];
    for (name, maps) in rows {
        let over = images
            .iter()
            .zip(maps)
            .map(|(image, map)| Some(Tile::overlay(image.as_ref()?, &map?, colours)));
        lanes.push(lane(name, over.collect()));
    }
    let mut columns = columns(examples.len());
    columns.pop();
    Sheet {
        title: format!("{}, over the images", title(subjects, first)),
        notes: vec![
            about(first, subjects[0].statistics.evaluation.images)
                .split("; ")
                .next()
                .unwrap_or_default()
                .into(),
        ],
        columns,
        apart: None,
        lanes,
        cell: CELL,
        bar: Some(colours),
    }
    .draw(theme)
}

/// The mean maps alone, large and in a range of their own: layer `layer` of one or more
/// networks, averaged over its channels and over all test images.
///
/// # Errors
/// As [`layer`](fn@layer).
pub fn layer_mean(subjects: &[Subject<'_>], layer: usize, theme: Theme) -> Result<Canvas> {
    let first = subjects
        .first()
        .and_then(|s| s.statistics.layers.get(layer));
    let Some(first) = first else {
        return Err(Error::spec("there is no such convolution to draw"));
    };
    let rows = rows(subjects, layer, first)?;
    let (names, maps): (Vec<String>, Vec<Option<Plane>>) = rows
        .into_iter()
        .map(|(name, mut maps)| (name, maps.pop().flatten()))
        .unzip();
    let colours = Colours::range(maps.iter().flatten());
    Grid {
        title: title(subjects, first),
        notes: vec![format!(
            "mean of {} channels and {} test images",
            first.shape.channels,
            grouped(subjects[0].statistics.evaluation.images)
        )],
        columns: names,
        apart: None,
        rows: vec![Row {
            name: String::new(),
            maps,
            colours,
        }],
        cell: LARGE,
    }
    .draw(theme)
}

/// Every channel of a layer by itself: a column each, a row for each class and one for
/// the mean. `probability` draws those of a stochastic unit instead of its sample.
///
/// # Errors
/// A layer that does not exist or has no probabilities.
pub fn channels(
    subject: Subject<'_>,
    layer: usize,
    probability: bool,
    theme: Theme,
) -> Result<Canvas> {
    let found = subject.statistics.layers.get(layer);
    let maps = found.and_then(|l| match probability {
        true => l.probability.as_ref(),
        false => Some(&l.output),
    });
    let (Some(found), Some(maps)) = (found, maps) else {
        return Err(Error::spec("there are no such maps to draw"));
    };
    let all = maps.examples.iter().chain([&maps.mean]);
    let planes = all.map(|values| {
        let channel =
            |c| (!values.is_empty()).then(|| Plane::channel(sides(found.shape), values, c));
        (0..found.shape.channels).map(channel).collect::<Vec<_>>()
    });
    let planes: Vec<_> = planes.collect();
    let colours = Colours::range(planes.iter().flatten().flatten());
    let names = columns(maps.examples.len());
    let rows = names.into_iter().zip(planes).map(|(name, maps)| Row {
        name,
        maps,
        colours,
    });
    let what = match (&found.probability, probability) {
        (None, _) => "activation",
        (Some(_), false) => "sample",
        (Some(_), true) => "probability",
    };
    Grid {
        title: format!("{}: {}, {what} by channel", subject.name, found.name),
        notes: vec![format!(
            "{}x{} after pooling and activation; a row for the first test image of each class, and the mean of {}",
            found.shape.height, found.shape.width, grouped(subject.statistics.evaluation.images)
        )],
        columns: (0..found.shape.channels).map(|c| c.to_string()).collect(),
        apart: None,
        rows: rows.collect(),
        cell: SMALL,
    }
    .draw(theme)
}
