//! One look at a network over a set of images: its maps behind each convolution,
//! and what it takes every image for.
//!
//! A **map** is what a convolution's block hands on: the output after the batch
//! norm, pooling and activation that follow it. Where the block ends in a stochastic
//! unit, a map is a sample of bits, and beside it stands the map of the
//! probabilities that it was drawn with.

use crate::data::Split;
use crate::error::{Error, Result};
use crate::estimators::{Firing, Probability};
use crate::layers::{Binary, Conv, softmax};
use crate::model::{ModelSpec, Network, argmax};
use crate::tensor::Shape;
use crate::train::{Evaluation, Evaluator, Reading};

/// Maps of a layer: one image of each class, and the mean over all images. Each is
/// stored (height, width, channel).
#[derive(Clone, Debug, PartialEq)]
pub struct Maps {
    /// The map of the example of each class; empty for a class without an image.
    pub examples: Vec<Vec<f32>>,
    /// The mean over all images.
    pub mean: Vec<f32>,
}

/// The maps of one convolution's block.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerMaps {
    /// The convolution's name.
    pub name: String,
    /// How many convolutions and linear layers the longest way to it leads through.
    pub depth: usize,
    /// Shape of a map.
    pub shape: Shape,
    /// The block's output; a sample where its units are stochastic.
    pub output: Maps,
    /// The probabilities of a sample.
    pub probability: Option<Maps>,
}

/// What the network took an image for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guess {
    /// The index of the image in the split.
    pub image: u32,
    /// The label of the image.
    pub label: u32,
    /// The class with the largest logit.
    pub guess: u32,
    /// Probability of the guess less that of the label: 0 where it is right.
    pub margin: f32,
}

/// What a network does on every image of a split: the maps behind each convolution, and its
/// guesses.
#[derive(Clone, Debug)]
pub struct ActivationStatistics {
    /// Loss and accuracy, as the evaluation of the same images gives them.
    pub evaluation: Evaluation,
    /// The first image of each class; `None` for a class without one.
    pub examples: Vec<Option<u32>>,
    /// Every convolution, in order.
    pub layers: Vec<LayerMaps>,
    /// Every image, in order.
    pub guesses: Vec<Guess>,
}

/// Where a block's maps are read.
struct Block {
    name: String,
    depth: usize,
    /// The layer whose output is the map.
    output: usize,
    shape: Shape,
    /// The layer that holds what a stochastic unit's probabilities are of.
    sampled: Option<Probability>,
}

fn blocks(spec: &ModelSpec) -> Result<Vec<Block>> {
    let (shapes, depths) = (spec.layer_shapes()?, spec.depths()?);
    let mut found = Vec::new();
    for block in spec.blocks()? {
        if !spec.layers[block.first].is::<Conv>() {
            continue;
        }
        let stochastic = spec.layers[block.last].get::<Binary>();
        let stochastic = stochastic.filter(|unit| unit.mode == Firing::Stochastic);
        found.push(Block {
            name: block.name,
            depth: depths[block.last],
            output: block.last,
            shape: shapes[block.last].output,
            sampled: stochastic.and_then(|unit| Some(unit.rule().ok()?.probability())),
        });
    }
    Ok(found)
}

/// Sums of maps under way.
struct Sums {
    examples: Vec<Vec<f32>>,
    total: Vec<f64>,
}

impl Sums {
    fn new(classes: usize, len: usize) -> Self {
        Self {
            examples: vec![Vec::new(); classes],
            total: vec![0.0; len],
        }
    }

    fn add(&mut self, map: impl Iterator<Item = f32> + Clone, example: Option<usize>) {
        for (sum, x) in self.total.iter_mut().zip(map.clone()) {
            *sum += f64::from(x);
        }
        if let Some(class) = example {
            self.examples[class] = map.collect();
        }
    }

    fn maps(self, images: usize) -> Maps {
        let mean = |&sum: &f64| (sum / images as f64) as f32;
        Maps {
            mean: self.total.iter().map(mean).collect(),
            examples: self.examples,
        }
    }
}

/// A block, and what was seen of it so far.
struct Seen {
    block: Block,
    outputs: Sums,
    /// Stays 0 where the block samples nothing.
    probabilities: Sums,
}

impl Seen {
    fn new(block: Block, classes: usize) -> Self {
        let len = block.shape.len();
        Self {
            outputs: Sums::new(classes, len),
            probabilities: Sums::new(classes, len),
            block,
        }
    }

    /// Adds the maps of `images`, which are in the network's rows. `example` gives the class
    /// that an image is the example of.
    fn look(&mut self, net: &Network, images: &[u32], example: &dyn Fn(u32) -> Option<usize>) {
        let len = self.block.shape.len();
        let outputs = net.layer_output(self.block.output).chunks_exact(len);
        for (&image, y) in images.iter().zip(outputs) {
            self.outputs.add(y.iter().copied(), example(image));
        }
        let Some(probability) = self.block.sampled else {
            return;
        };
        let slope = net.pass().slope;
        let inputs = net.layer_input(self.block.output).chunks_exact(len);
        for (&image, x) in images.iter().zip(inputs) {
            let p = x.iter().map(|&x| probability.of(slope, x));
            self.probabilities.add(p, example(image));
        }
    }

    fn maps(self, images: usize) -> LayerMaps {
        let sampled = self.block.sampled;
        LayerMaps {
            probability: sampled.map(|_| self.probabilities.maps(images)),
            output: self.outputs.maps(images),
            name: self.block.name,
            depth: self.block.depth,
            shape: self.block.shape,
        }
    }
}

/// The first image of each class.
fn first_of_each(split: &Split, classes: usize) -> Vec<Option<u32>> {
    let mut examples = vec![None; classes];
    for i in 0..split.len() {
        let first = &mut examples[split.label(i) as usize];
        *first = first.or(Some(i as u32));
    }
    examples
}

/// What the network takes the images in its rows for; they are given with their labels.
fn guess(net: &Network, images: impl Iterator<Item = (u32, u32)>) -> impl Iterator<Item = Guess> {
    let classes = net.classes();
    let mut p = vec![0.0; classes];
    let rows = images.zip(net.logits().chunks_exact(classes));
    rows.map(move |((image, label), z)| {
        softmax(z, &mut p);
        // A row with a NaN is never right; whichever class it is given.
        let guess = argmax(z).unwrap_or((label as usize + 1) % classes);
        Guess {
            image,
            label,
            guess: guess as u32,
            margin: p[guess] - p[label as usize],
        }
    })
}

impl ActivationStatistics {
    /// Looks at all of `split`. Stochastic units are sampled once, with the noise of
    /// (`seed`, `step`); with those of a run's own test, the guesses are the ones
    /// that the test counted.
    ///
    /// # Errors
    /// A split without images.
    ///
    /// # Panics
    /// If the split does not fit the network.
    pub fn of(net: &mut Network, split: &Split, at: (u64, u64)) -> Result<Self> {
        if split.is_empty() {
            return Err(Error::spec("there are no images to look at"));
        }
        let blocks = blocks(net.spec())?;
        let classes = net.classes();
        let examples = first_of_each(split, classes);
        let mut layers: Vec<Seen> = blocks.into_iter().map(|b| Seen::new(b, classes)).collect();
        let mut guesses = Vec::with_capacity(split.len());
        let all: Vec<u32> = (0..split.len() as u32).collect();
        let mut look = |net: &Network, images: &[u32]| {
            let example = |image: u32| {
                let label = split.label(image as usize) as usize;
                (examples[label] == Some(image)).then_some(label)
            };
            for layer in &mut layers {
                layer.look(net, images, &example);
            }
            let labels = images.iter().map(|&i| (i, split.label(i as usize)));
            guesses.extend(guess(net, labels));
        };
        let evaluation =
            Evaluator::default().watch(net, split, &all, Reading::Samples(1), at, &mut look);
        Ok(Self {
            layers: layers.into_iter().map(|l| l.maps(all.len())).collect(),
            evaluation,
            examples,
            guesses,
        })
    }

    /// How often an image of class `i` was taken for class `j`, at `i * classes + j`.
    pub fn confusion(&self) -> Vec<usize> {
        let classes = self.examples.len();
        let mut counts = vec![0; classes * classes];
        for g in &self.guesses {
            counts[g.label as usize * classes + g.guess as usize] += 1;
        }
        counts
    }

    /// The wrong guesses, the surest first; of equally sure ones the first image.
    pub fn mistakes(&self) -> Vec<Guess> {
        let wrong = self.guesses.iter().filter(|g| g.label != g.guess);
        let mut wrong: Vec<Guess> = wrong.copied().collect();
        wrong.sort_by(|a, b| b.margin.total_cmp(&a.margin).then(a.image.cmp(&b.image)));
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::digits;
    use crate::estimators::Firing;
    use crate::kernels;
    use crate::model::{Init, Pixels, Placement, preset};
    use crate::tape::{Mode, Units};

    fn net(firing: Firing, capacity: usize) -> Network {
        let mut spec = preset("seed-net", Shape::image(1, 28, 28), 10).unwrap();
        spec.place(Placement::First, firing, "st").unwrap();
        spec.pixels = Some(Pixels::normalised(0.1307, 0.3081));
        let engine = kernels::select(Some("scalar")).unwrap();
        let mut net = Network::new(&spec, engine, capacity, false).unwrap();
        net.init(Init::Pytorch, 3);
        net
    }

    #[test]
    fn maps_are_what_the_blocks_hand_on() {
        // 14 images in batches of 4, the last of them short.
        let split = digits::generate(2, 1, 14).test.clone();
        let statistics =
            ActivationStatistics::of(&mut net(Firing::Stochastic, 4), &split, (1, 9)).unwrap();
        let names: Vec<&str> = statistics.layers.iter().map(|l| &*l.name).collect();
        assert_eq!(names, ["conv1", "conv2"]);
        let [first, second] = &statistics.layers[..] else {
            unreachable!()
        };
        assert_eq!((first.shape.height, second.shape.channels), (14, 32));
        assert!(second.probability.is_none(), "a hard sigmoid draws nothing");
        // Each image by itself: the layer below the unit, and its probabilities.
        let mut alone = net(Firing::Stochastic, 1);
        let (mut mean, len) = (vec![0.0; first.shape.len()], split.len() as f64);
        for i in 0..split.len() {
            (alone.pass_mut().mode, alone.pass_mut().units) = (Mode::Eval, Units::Sample);
            alone.set_rows(1);
            alone.set_row(0, split.image(i), split.label(i));
            alone.forward();
            let p: Vec<f32> = alone
                .layer_output(2)
                .iter()
                .map(|&x| (x.clamp(-1.0, 1.0) + 1.0) / 2.0)
                .collect();
            for (sum, &p) in mean.iter_mut().zip(&p) {
                *sum += f64::from(p) / len;
            }
            let class = split.label(i) as usize;
            if statistics.examples[class] == Some(i as u32) {
                let maps = first.probability.as_ref().unwrap();
                assert_eq!(maps.examples[class], p, "image {i}");
            }
        }
        let maps = first.probability.as_ref().unwrap();
        let near = |(a, b): (&f32, &f64)| (f64::from(*a) - b).abs() < 1e-6;
        assert!(maps.mean.iter().zip(&mean).all(near));
        // A sample is of bits, and more of them where they are likelier.
        let bits = first.output.examples.iter().flatten();
        assert!(bits.clone().count() > 0 && bits.clone().all(|&b| b == 0.0 || b == 1.0));
        let (ones, chance) = (
            first.output.mean.iter().sum::<f32>(),
            maps.mean.iter().sum::<f32>(),
        );
        assert!((ones / chance - 1.0).abs() < 0.05, "{ones} of {chance}");
    }

    #[test]
    fn every_image_is_counted_once_and_mistakes_are_sorted() {
        let split = digits::generate(2, 1, 40).test.clone();
        let mut net = net(Firing::Deterministic, 16);
        let statistics = ActivationStatistics::of(&mut net, &split, (1, 9)).unwrap();
        let counts = statistics.confusion();
        assert_eq!(counts.iter().sum::<usize>(), 40);
        let right: usize = (0..10).map(|c| counts[c * 10 + c]).sum();
        assert_eq!(right as f64 / 40.0, statistics.evaluation.accuracy);
        let mistakes = statistics.mistakes();
        assert_eq!(mistakes.len(), 40 - right);
        assert!(mistakes.windows(2).all(|m| m[0].margin >= m[1].margin));
        assert!(
            mistakes
                .iter()
                .all(|m| m.label != m.guess && m.margin > 0.0)
        );
        let images: Vec<u32> = statistics.guesses.iter().map(|g| g.image).collect();
        assert_eq!(images, (0..40).collect::<Vec<u32>>());
    }
}
