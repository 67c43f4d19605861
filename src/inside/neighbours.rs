//! How far a layer's representation tells classes apart: the share of test images whose
//! nearest neighbour among training images is of their class.
//!
//! A representation is a layer's output as it is, or pooled to a grid of cells. Distances are
//! squared Euclidean ones; of bits, how many differ, counted by popcount, which puts
//! neighbours in the same order. Of equally near neighbours the first one in the training
//! set counts.

use rayon::prelude::*;
use serde::Serialize;

pub use super::pooled::Pool;
use super::pooled::pooled;
use super::watch::{draw, watch};
use super::{Pass, Site};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::model::{Network, argmax};
use crate::random::purpose;
use crate::tensor::Shape;

/// Numbers of an image that are compared at most; bits may be 64 times as many.
pub const MOST: usize = 1 << 15;

/// The images that are compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Images {
    /// The numbers of the training images among which neighbours are looked for.
    #[serde(skip)]
    pub references: Vec<u32>,
    /// The numbers of the test images whose neighbours are looked for.
    #[serde(skip)]
    pub queries: Vec<u32>,
}

impl Images {
    /// Draws so many training images and test images, without repetition; all of them where
    /// there are no more.
    pub fn draw(data: &Dataset, references: usize, queries: usize, seed: u64) -> Self {
        let key = |name: &[u8; 8]| [purpose(name), seed];
        Self {
            references: draw(data.train.len(), references, &key(b"nearrefs")),
            queries: draw(data.test.len(), queries, &key(b"nearquer")),
        }
    }
}

/// One-nearest-neighbour accuracy in the layers of a network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Neighbours {
    /// Training images among which neighbours were looked for.
    pub references: usize,
    /// Test images whose neighbours were looked for.
    pub queries: usize,
    /// The accuracy of a training image drawn at random for a neighbour, from 0 to 1.
    pub chance: f64,
    /// The network's own accuracy on the same test images; `None` where it is no classifier.
    pub network: Option<f64>,
    /// The representations: the pixels, then each site.
    pub layers: Vec<Layer>,
}

/// A layer as a representation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Layer {
    /// What it is called.
    pub name: String,
    /// The shape of its output.
    pub shape: Shape,
    /// Its forms: as it is, and pooled.
    pub forms: Vec<Form>,
}

/// A form of a representation, and how well it tells classes apart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Form {
    /// How it was pooled, and to how many cells on a side; `None` as it is.
    pub pool: Option<(Pool, usize)>,
    /// Numbers of an image.
    pub numbers: usize,
    /// How distances are measured: `squared` (Euclidean) or `hamming`.
    pub distance: &'static str,
    /// The share of queries whose nearest neighbour is of their class, from 0 to 1; `None`
    /// where an image has more numbers than are compared.
    pub accuracy: Option<f64>,
    /// Where it was not compared: the numbers of an image that are compared at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_compared_above: Option<usize>,
}

impl Neighbours {
    /// What was not compared because an image has too many numbers in it, in a line; `None` where
    /// all was.
    pub fn left_out(&self) -> Option<String> {
        let forms = |layer: &'_ Layer| layer.forms.clone().into_iter();
        let all = self
            .layers
            .iter()
            .flat_map(|l| forms(l).map(|f| (&l.name, f)));
        let large = all.filter_map(|(name, f)| Some((name, f.numbers, f.not_compared_above?)));
        let large: Vec<_> = large.collect();
        let most = large.iter().map(|(.., most)| *most).max()?;
        let mut names: Vec<String> = large
            .iter()
            .map(|(name, numbers, _)| format!("{name} ({numbers} numbers)"))
            .collect();
        names.dedup();
        Some(format!(
            "Not compared, with more than {most} numbers an image: {}.",
            names.join(", ")
        ))
    }
}

/// One-nearest-neighbour accuracy of the pixels and of each of `sites`, as they are and pooled
/// to each of `sides` cells on a side.
///
/// # Errors
/// A set without labels to compare, or images that do not fit the network.
///
/// # Panics
/// If an image's number is beyond its split.
pub fn neighbours(
    net: &mut Network,
    sites: &[Site],
    (data, images): (&Dataset, &Images),
    sides: &[usize],
    pass: Pass,
) -> Result<Neighbours> {
    if images.references.is_empty() || images.queries.is_empty() {
        return Err(Error::spec("there are no images to compare"));
    }
    let label = |of: &[u32], all: &[u32]| of.iter().map(|&i| all[i as usize]).collect::<Vec<_>>();
    let labels = Labels {
        references: label(&images.references, data.train.labels()),
        queries: label(&images.queries, data.test.labels()),
    };
    let (height, width, channels) = data.shape();
    let mut layers = vec![Layer {
        name: "pixels".into(),
        shape: Shape::image(channels, height, width),
        forms: forms(Shape::image(channels, height, width), false, sides),
    }];
    layers.extend(sites.iter().map(|site| Layer {
        name: site.name.clone(),
        shape: site.shape,
        forms: forms(site.shape, site.bits, sides),
    }));
    for (k, layer) in layers.iter_mut().enumerate() {
        let at = k.checked_sub(1).map(|k| sites[k].layer);
        let mut found = Sets::new(&layer.forms);
        for (of, split, step) in [(0, &data.train, 1), (1, &data.test, 0)] {
            let numbers = [&images.references, &images.queries][of];
            watch(net, split, numbers, later(pass, step), &mut |net, batch| {
                let rows = at.map_or_else(|| net.input(), |layer| net.layer_output(layer));
                for y in rows.chunks_exact(layer.shape.len()).take(batch.len()) {
                    found.add(of, y, layer.shape);
                }
            });
        }
        found.measure(&mut layer.forms, &labels);
    }
    Ok(Neighbours {
        references: images.references.len(),
        queries: images.queries.len(),
        chance: labels.chance(),
        network: own_accuracy(net, data, &images.queries, pass),
        layers,
    })
}

/// The pass of the training images has noise of its own.
fn later(pass: Pass, steps: u64) -> Pass {
    match pass {
        Pass::Sample { seed, step } => Pass::Sample {
            seed,
            step: step + steps,
        },
        Pass::Threshold => pass,
    }
}

fn own_accuracy(net: &mut Network, data: &Dataset, queries: &[u32], pass: Pass) -> Option<f64> {
    let classes = net.classes();
    if classes == 0 || classes < data.classes {
        return None;
    }
    let mut right = 0;
    watch(net, &data.test, queries, pass, &mut |net, batch| {
        for (z, &i) in net.logits().chunks_exact(classes).zip(batch) {
            right += usize::from(argmax(z) == Some(data.test.label(i as usize) as usize));
        }
    });
    Some(right as f64 / queries.len() as f64)
}

/// The forms of a representation: as it is, and pooled to fewer cells than it has.
fn forms(shape: Shape, bits: bool, sides: &[usize]) -> Vec<Form> {
    let form = |pool: Option<(Pool, usize)>| {
        let hamming = bits && !matches!(pool, Some((Pool::Mean, _)));
        let mut form = Form {
            pool,
            numbers: pool.map_or(shape.len(), |(_, side)| side * side * shape.channels),
            distance: if hamming { "hamming" } else { "squared" },
            accuracy: None,
            not_compared_above: None,
        };
        form.not_compared_above = Some(most(&form)).filter(|&most| form.numbers > most);
        form
    };
    let smaller = sides
        .iter()
        .filter(|&&s| s >= 1 && s < shape.height.min(shape.width));
    let smaller: Vec<usize> = smaller.copied().collect();
    let pools = [Pool::Mean, Pool::Max].into_iter();
    let pooled = pools.flat_map(|pool| smaller.iter().map(move |&side| Some((pool, side))));
    let all: Vec<_> = pooled.chain([None]).collect();
    all.into_iter().map(form).collect()
}

/// The classes of the images that are compared.
struct Labels {
    references: Vec<u32>,
    queries: Vec<u32>,
}

impl Labels {
    /// The probability that a random reference is of a random query's class.
    fn chance(&self) -> f64 {
        let classes = self.references.iter().chain(&self.queries).max();
        let count = |of: &[u32], class: u32| of.iter().filter(|&&c| c == class).count() as f64;
        let both = |c| count(&self.references, c) * count(&self.queries, c);
        let pairs = (self.references.len() * self.queries.len()) as f64;
        (0..=classes.copied().unwrap_or(0)).map(both).sum::<f64>() / pairs
    }
}

/// The representations of a set of images.
enum Set {
    /// Numbers, image by image.
    Numbers(Vec<f32>),
    /// Bits, 64 a word, image by image.
    Bits(Vec<u64>),
}

/// References and queries of every form.
struct Sets {
    forms: Vec<(Form, [Set; 2])>,
    row: Vec<f32>,
}

impl Sets {
    fn new(forms: &[Form]) -> Self {
        let set = |form: &Form| match form.distance {
            "hamming" => Set::Bits(Vec::new()),
            _ => Set::Numbers(Vec::new()),
        };
        let both = |form: &Form| (form.clone(), [set(form), set(form)]);
        Self {
            forms: forms.iter().map(both).collect(),
            row: Vec::new(),
        }
    }

    /// Adds an image to the references (0) or to the queries (1).
    fn add(&mut self, of: usize, y: &[f32], shape: Shape) {
        for (form, sets) in &mut self.forms {
            if form.not_compared_above.is_some() {
                continue;
            }
            self.row.clear();
            match form.pool {
                None => self.row.extend_from_slice(y),
                Some((pool, side)) => pooled(y, shape, pool, side, &mut self.row),
            }
            match &mut sets[of] {
                Set::Numbers(all) => all.extend_from_slice(&self.row),
                Set::Bits(all) => pack(&self.row, all),
            }
        }
    }

    fn measure(&self, forms: &mut [Form], labels: &Labels) {
        for (to, (form, sets)) in forms.iter_mut().zip(&self.forms) {
            let nearest = match sets {
                _ if form.not_compared_above.is_some() => continue,
                [Set::Numbers(a), Set::Numbers(b)] => nearest(a, b, form.numbers, squared),
                [Set::Bits(a), Set::Bits(b)] => nearest(a, b, form.numbers.div_ceil(64), hamming),
                _ => continue,
            };
            let right = nearest.iter().zip(&labels.queries);
            let right = right.filter(|(n, label)| labels.references[**n] == **label);
            to.accuracy = Some(right.count() as f64 / labels.queries.len() as f64);
        }
    }
}

/// Numbers of an image that are compared at most.
fn most(form: &Form) -> usize {
    match form.distance {
        "hamming" => 64 * MOST,
        _ => MOST,
    }
}

/// Appends bits as words: bit `i % 64` of word `i / 64` is 1 where number `i` is above 0.
fn pack(bits: &[f32], to: &mut Vec<u64>) {
    let word = |bits: &[f32]| {
        let bits = bits.iter().enumerate();
        bits.fold(0, |word, (i, &h)| word | u64::from(h > 0.0) << i)
    };
    to.extend(bits.chunks(64).map(word));
}

/// For each query the number of its nearest reference, the first of equals.
fn nearest<T: Sync, D: PartialOrd>(
    references: &[T],
    queries: &[T],
    len: usize,
    distance: impl Fn(&[T], &[T]) -> D + Sync,
) -> Vec<usize> {
    let of = |query: &[T]| {
        let mut best: Option<(usize, D)> = None;
        for (i, reference) in references.chunks_exact(len).enumerate() {
            let d = distance(query, reference);
            if best.as_ref().is_none_or(|(_, least)| d < *least) {
                best = Some((i, d));
            }
        }
        best.map_or(0, |(i, _)| i)
    };
    queries.par_chunks_exact(len).map(of).collect()
}

/// The squared distance of two rows of numbers.
fn squared(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0f32; LANES];
    let (whole_a, rest_a) = a.as_chunks::<LANES>();
    let (whole_b, rest_b) = b.as_chunks::<LANES>();
    for (a, b) in whole_a.iter().zip(whole_b) {
        for i in 0..LANES {
            let d = a[i] - b[i];
            sums[i] += d * d;
        }
    }
    let rest = rest_a.iter().zip(rest_b).map(|(a, b)| (a - b) * (a - b));
    sums.iter().sum::<f32>() + rest.sum::<f32>()
}

/// The number of bits that differ.
fn hamming(a: &[u64], b: &[u64]) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
}

#[cfg(test)]
#[path = "neighbours_tests.rs"]
mod tests;
