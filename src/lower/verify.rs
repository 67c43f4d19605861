//! The float graph and the packed network side by side.

use serde::Serialize;

use crate::error::Result;
use crate::model::{Network, argmax};
use crate::packed::{Kind, PackedNet, Reading, Runner};
use crate::tape::{Mode, Units};

/// How one stage's outputs compare.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The stage.
    pub name: String,
    /// Whether its outputs are bits.
    pub bits: bool,
    /// Numbers compared.
    pub numbers: u64,
    /// Numbers that differ (in their bits, for reals).
    pub differing: u64,
    /// The largest difference, for reals.
    pub largest: f32,
}

/// How two networks compare.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verification {
    /// Images compared.
    pub images: usize,
    /// One entry a stage; the last is the logits.
    pub stages: Vec<Difference>,
    /// Images whose logits are not the same to the bit.
    pub logits: usize,
    /// The images whose predictions differ: their numbers.
    pub predictions: Vec<usize>,
    /// For each of those the least distance of the float graph's input to its last
    /// differing binary unit from the threshold: how near the tie was. `None`
    /// where no bit of any stage differs.
    pub margins: Vec<Option<f32>>,
}

/// Compares the evaluation of `net` with the packed network on images, stage by
/// stage. Stochastic units are read as thresholds.
///
/// # Errors
/// Images of another size.
pub fn verify<'a>(
    net: &mut Network,
    packed: &PackedNet,
    runner: &mut Runner,
    images: impl Iterator<Item = &'a [u8]>,
) -> Result<Verification> {
    let flows = packed.flows();
    let mut found = Verification {
        images: 0,
        stages: packed
            .stages()
            .iter()
            .zip(flows)
            .map(|(stage, flow)| Difference {
                name: stage.name.clone(),
                bits: flow.output().1 == Kind::Bits,
                numbers: 0,
                differing: 0,
                largest: 0.0,
            })
            .collect(),
        logits: 0,
        predictions: Vec::new(),
        margins: Vec::new(),
    };
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
        for (i, stage) in packed.stages().iter().enumerate() {
            runner.output(i, &mut output);
            let want = net.layer_output(stage.layer);
            let entry = &mut found.stages[i];
            entry.numbers += want.len() as u64;
            let differs = |(a, b): &(&f32, &f32)| a.to_bits() != b.to_bits();
            let pairs = || output.iter().zip(want);
            let differing = pairs().filter(differs).count() as u64;
            entry.differing += differing;
            let gaps = pairs().map(|(a, b)| (a - b).abs());
            entry.largest = gaps.fold(entry.largest, f32::max);
            if entry.bits && differing > 0 {
                let nearest = nearest_tie(net, stage.layer, &output);
                margin = Some(margin.map_or(nearest, |m: f32| m.min(nearest)));
            }
        }
        let want = net.logits();
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
/// has another shape than its stage's output.
fn nearest_tie(net: &Network, layer: usize, packed: &[f32]) -> f32 {
    let want = net.layer_output(layer);
    let is_unit = |l: &crate::model::LayerSpec| l.is::<crate::layers::Binary>();
    let unit = net.spec().layers[..=layer].iter().rposition(is_unit);
    let Some(before) = unit.and_then(|u| u.checked_sub(1)) else {
        return f32::INFINITY;
    };
    let x = net.layer_output(before);
    if x.len() != want.len() {
        return f32::INFINITY;
    }
    let pairs = want.iter().zip(packed).zip(x);
    let near = pairs.filter(|((a, b), _)| a != b).map(|(_, x)| x.abs());
    near.fold(f32::INFINITY, f32::min)
}
