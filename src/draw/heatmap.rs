//! Heat maps: what a convolution's block hands on, for a digit of each class and on
//! average, of one network or of several on the same digits.

use super::activation_statistics::{ActivationStatistics, LayerMaps, Maps};
use super::bar::Bar;
use super::canvas::Canvas;
use super::grid::{Grid, Row};
use super::plane::{Colours, Plane};
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

/// The mean of all images of a split, in colour.
pub fn mean_tile(split: &Split) -> Tile {
    Tile::of(split.shape(), mean_pixels(split).into_iter().map(Some))
}

/// The examples as pictures, and the mean of all images, in colour where they have colours.
fn images(split: &Split, examples: &[Option<u32>]) -> Row {
    let examples = examples.iter().map(|e| e.map(|i| Tile::image(split, i)));
    let tiles = examples.chain([Some(mean_tile(split))]).collect();
    Row::of_pictures("image".into(), tiles)
}

fn columns(classes: usize) -> Vec<String> {
    let mut columns: Vec<String> = (0..classes).map(|c| c.to_string()).collect();
    columns.push("mean".into());
    columns
}

/// What the maps of a picture are.
fn about(beside: &Beside<'_>) -> String {
    let shape = beside.first.shape;
    match beside.layers.iter().all(|(_, layer)| layer.shape == shape) {
        true => format!(
            "{}x{} after pooling and activation, mean of {} channels",
            shape.height, shape.width, shape.channels
        ),
        false => "after pooling and activation, mean of all channels of each layer".into(),
    }
}

/// The layers of one or more networks that are drawn beside each other.
struct Beside<'a> {
    subjects: &'a [Subject<'a>],
    /// The layer of the first network that was asked for.
    first: &'a LayerMaps,
    /// Names of rows, and what they show.
    layers: Vec<(String, &'a LayerMaps)>,
}

impl<'a> Beside<'a> {
    /// Layer `layer` of a single network; of several, all layers of its depth.
    fn of(subjects: &'a [Subject<'a>], layer: usize) -> Result<Self> {
        let first = subjects.first().map(|s| &s.statistics.layers);
        let Some(first) = first.and_then(|layers| layers.get(layer)) else {
            return Err(Error::spec("there is no such convolution to draw"));
        };
        let mut layers = Vec::new();
        for subject in subjects {
            let all = subject.statistics.layers.iter();
            let own: Vec<&LayerMaps> = match subjects.len() {
                1 => vec![first],
                _ => all.filter(|maps| maps.depth == first.depth).collect(),
            };
            if own.is_empty() {
                return Err(Error::spec(format!(
                    "{} has no convolution as deep as {} of {} to compare with it",
                    subject.name, first.name, subjects[0].name
                )));
            }
            for maps in &own {
                let name = match own.len() {
                    1 => subject.name.to_string(),
                    _ => format!("{}, {}", subject.name, maps.name),
                };
                layers.push((name, *maps));
            }
        }
        Ok(Self {
            subjects,
            first,
            layers,
        })
    }

    /// What the picture is called.
    fn title(&self) -> String {
        match self.subjects {
            [one] => format!("{}: {}", one.name, self.first.name),
            _ => format!("{}, network by network", self.first.name),
        }
    }

    /// The test images that the means are over.
    fn images(&self) -> String {
        grouped(self.subjects[0].statistics.evaluation.images)
    }

    /// A row of maps for each layer, two for stochastic units, and what they are called.
    fn rows(&self) -> Vec<(String, Vec<Option<Plane>>)> {
        let alone = self.subjects.len() == 1;
        let mut rows = Vec::new();
        for (name, maps) in &self.layers {
            let named = |part: &str| match (alone, part) {
                (true, part) => part.to_string(),
                (false, "activation") => name.clone(),
                (false, part) => format!("{name}, {part}"),
            };
            let mut push = |part, of| rows.push((named(part), means(maps.shape, of)));
            match &maps.probability {
                None => push("activation", &maps.output),
                Some(probability) => {
                    push("sample", &maps.output);
                    push("probability", probability);
                }
            }
        }
        rows
    }
}

/// What the numbers of the maps are.
const QUANTITY: &str = "mean output";

/// Layer `layer` of a network, or all layers of its depth of several: a row each (two for
/// stochastic units: the sample and its probabilities), all in one range of colours.
///
/// # Errors
/// A network without a layer of that depth, or no network at all.
pub fn layer(subjects: &[Subject<'_>], layer: usize, split: &Split) -> Result<Canvas> {
    let beside = Beside::of(subjects, layer)?;
    let rows = beside.rows();
    let planes = rows.iter().flat_map(|(_, maps)| maps.iter().flatten());
    let colours = Colours::range(planes);
    let mut all = vec![images(split, &subjects[0].statistics.examples)];
    let maps = rows.into_iter();
    all.extend(maps.map(|(name, maps)| Row::of_maps(name, &maps, colours)));
    let classes = subjects[0].statistics.examples.len();
    Grid {
        title: beside.title(),
        notes: vec![format!(
            "{}; the first test image of each class, and the mean of {}",
            about(&beside),
            beside.images()
        )],
        columns: columns(classes),
        apart: Some(classes),
        rows: all,
        cell: CELL,
        quantity: QUANTITY.into(),
    }
    .draw()
}

/// The maps of layer `layer` laid over the images, the example of each class: a row for each
/// network (two for stochastic units), all in one range of colours; the more a map is excited,
/// the more of its colour and the less of the image is seen.
///
/// # Errors
/// As [`layer`](fn@layer).
pub fn overlay(subjects: &[Subject<'_>], layer: usize, split: &Split) -> Result<Canvas> {
    let beside = Beside::of(subjects, layer)?;
    let rows = beside.rows();
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
        title: format!("{}, over the images", beside.title()),
        notes: vec![about(&beside)],
        columns,
        apart: None,
        lanes,
        cell: CELL,
        bar: Some(Bar::new(colours, QUANTITY)),
    }
    .draw()
}

/// The mean maps alone, large and in a range of their own: layer `layer` of one or more
/// networks, averaged over its channels and over all test images.
///
/// # Errors
/// As [`layer`](fn@layer).
pub fn layer_mean(subjects: &[Subject<'_>], layer: usize) -> Result<Canvas> {
    let beside = Beside::of(subjects, layer)?;
    let rows = beside.rows();
    let (names, maps): (Vec<String>, Vec<Option<Plane>>) = rows
        .into_iter()
        .map(|(name, mut maps)| (name, maps.pop().flatten()))
        .unzip();
    let colours = Colours::range(maps.iter().flatten());
    Grid {
        title: beside.title(),
        notes: vec![format!(
            "{}; over {} test images",
            about(&beside),
            beside.images()
        )],
        columns: names,
        apart: None,
        rows: vec![Row::of_maps(String::new(), &maps, colours)],
        cell: LARGE,
        quantity: QUANTITY.into(),
    }
    .draw()
}

/// Every channel of a layer by itself: a column each, a row for each class and one for
/// the mean. `probability` draws those of a stochastic unit instead of its sample.
///
/// # Errors
/// A layer that does not exist or has no probabilities.
pub fn channels(subject: Subject<'_>, layer: usize, probability: bool) -> Result<Canvas> {
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
    let rows = names.into_iter().zip(planes);
    let rows = rows.map(|(name, maps)| Row::of_maps(name, &maps, colours));
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
        quantity: what.into(),
    }
    .draw()
}
