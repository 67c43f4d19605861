//! The trained network and the packed one side by side.

use serde::Serialize;

use super::network::{Network, argmax};
use super::topology::Source;
use crate::error::Result;
use crate::packed::{Kind, PackedNet, Reading, Runner, Stage};
use crate::tape::{Mode, Units};

/// How one stage's outputs compare.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The stage.
    pub name: String,
    /// Whether its outputs are bits.
    pub bits: bool,
    /// How many numbers were compared.
    pub numbers: u64,
    /// How many of them differ; reals differ where any bit of them does.
    pub differing: u64,
    /// The largest difference, for reals.
    pub largest: f32,
}

/// How two networks compare.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verification {
    /// How many images were compared.
    pub images: usize,
    /// One entry a stage of bits or reals; the last is the logits.
    pub stages: Vec<Difference>,
    /// How many images have logits that are not the same to the bit.
    pub logits: usize,
    /// The images whose predictions differ: their numbers.
    pub predictions: Vec<usize>,
    /// For each of those the least distance of the float graph's input to its last
    /// differing binary unit from the threshold: how near the tie was. `None`
    /// where no bit of any stage differs.
    pub margins: Vec<Option<f32>>,
}

/// The stages whose outputs are those of layers: integers are what a layer makes before its
/// scale and bias.
fn compared(packed: &PackedNet) -> impl Iterator<Item = (usize, &Stage)> {
    let stages = packed.stages().iter().enumerate();
    stages.filter(|(i, _)| packed.flows()[*i].output().1 != Kind::Ints)
}

impl Verification {
    /// Nothing compared yet.
    fn new(packed: &PackedNet) -> Self {
        let stage = |(i, stage): (usize, &Stage)| Difference {
            name: stage.name.clone(),
            bits: packed.flows()[i].output().1.is_bits(),
            numbers: 0,
            differing: 0,
            largest: 0.0,
        };
        Self {
            images: 0,
            stages: compared(packed).map(stage).collect(),
            logits: 0,
            predictions: Vec::new(),
            margins: Vec::new(),
        }
    }
}

impl Difference {
    /// Compares an output with the layer's; how many numbers differ.
    fn compare(&mut self, output: &[f32], want: &[f32]) -> u64 {
        self.numbers += want.len() as u64;
        let pairs = || output.iter().zip(want);
        let differs = |(a, b): &(&f32, &f32)| a.to_bits() != b.to_bits();
        let differing = pairs().filter(differs).count() as u64;
        self.differing += differing;
        let gaps = pairs().map(|(a, b)| (a - b).abs());
        self.largest = gaps.fold(self.largest, f32::max);
        differing
    }
}

/// Compares the evaluation of `net` with the packed network on images, stage by
/// stage. Stochastic units are read as thresholds. What a network with a few-shot head has in
/// place of logits is its embedding, and its prediction the place of the largest number.
///
/// # Errors
/// Images of another size.
pub fn verify<'a>(
    net: &mut Network,
    packed: &PackedNet,
    runner: &mut Runner,
    images: impl Iterator<Item = &'a [u8]>,
) -> Result<Verification> {
    let mut found = Verification::new(packed);
    let before = (net.pass().mode, net.pass().units);
    net.pass_mut().mode = Mode::Eval;
    net.pass_mut().units = Units::Threshold;
    runner.read_as(Reading::Threshold);
    let mut logits = vec![0.0; packed.classes()];
    let mut output = Vec::new();
    net.set_rows(1);
    for image in images {
        if image.len() != packed.input().len() {
            return Err(crate::Error::spec("an image of another size"));
        }
        net.set_row(0, image, 0);
        net.forward();
        runner.logits(image, &mut logits);
        let mut margin = None;
        for (entry, (i, stage)) in found.stages.iter_mut().zip(compared(packed)) {
            runner.output(i, &mut output);
            let differing = entry.compare(&output, net.layer_output(stage.layer));
            if entry.bits && differing > 0 {
                let nearest = nearest_tie(net, stage.layer, &output);
                margin = Some(margin.map_or(nearest, |m: f32| m.min(nearest)));
            }
        }
        let want = net.embeddings();
        let same = want
            .iter()
            .zip(&logits)
            .all(|(a, b)| a.to_bits() == b.to_bits());
        found.logits += usize::from(!same);
        if argmax(want) != argmax(&logits) {
            found.predictions.push(found.images);
            found.margins.push(margin);
        }
        found.images += 1;
    }
    (net.pass_mut().mode, net.pass_mut().units) = before;
    Ok(found)
}

/// The least magnitude of what the binary unit at or before `layer` read, where
/// its bits (pooled or not) differ from `packed`. Infinite where the unit's input
/// has another shape than its stage's output, or several units meet on the way.
fn nearest_tie(net: &Network, layer: usize, packed: &[f32]) -> f32 {
    let want = net.layer_output(layer);
    let mut unit = layer;
    // A layer that makes bits of reals is a unit.
    while !net.spec().layers[unit].layer().makes_bits(&[false, false]) {
        match net.sources(unit) {
            [Source::Layer(before)] => unit = *before,
            _ => return f32::INFINITY,
        }
    }
    let x = net.layer_input(unit);
    if x.len() != want.len() {
        return f32::INFINITY;
    }
    let pairs = want.iter().zip(packed).zip(x);
    let near = pairs.filter(|((a, b), _)| a != b).map(|(_, x)| x.abs());
    near.fold(f32::INFINITY, f32::min)
}
