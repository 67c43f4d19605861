//! Networks of 3x3 convolutions: the plain and mixed nets for MNIST, and those for Omniglot.
//!
//! In each block the convolution keeps the size, or halves it by a stride of 2; a batch norm
//! follows, and in the form with pooling a max-pool of 2. Activations are ReLUs, any of which
//! can be a binary unit ([`ModelSpec::place`](super::ModelSpec::place)).

use super::pool_form::PoolForm;
use super::topology::INPUT;
use crate::estimators::Firing;
use crate::layers::{
    Activation, BatchNorm, Binary, Concat, Conv, Dropout, Function, LayerSpec, Linear, MaxPool,
    Sides, Weights,
};

/// Channels of the blocks of the plain net; each branch of the mixed net has half as many.
const PLAIN: [usize; 2] = [10, 20];

/// Channels of the blocks of the net for Omniglot; each branch of its mixed form has half as
/// many.
const OMNIGLOT: [usize; 5] = [64, 128, 256, 512, 512];

/// Characters of the 30 alphabets of Omniglot's background set.
const BACKGROUND: usize = 964;

/// Characters of all 50 alphabets of Omniglot: the outputs of the published networks.
const ALL_CHARACTERS: usize = 1623;

/// Two blocks (10, 20 channels) and a linear layer.
pub(super) fn plain(pool: PoolForm, classes: usize) -> Vec<LayerSpec> {
    let mut layers = stack("", &PLAIN, pool);
    layers.push(LayerSpec::named("fc", Linear::new(classes)));
    layers
}

/// Two stacks of two blocks (5, 10 channels) side by side, the first with ReLUs and the second
/// with binary units, and a linear layer over both.
pub(super) fn mixed(pool: PoolForm, classes: usize) -> Vec<LayerSpec> {
    let mut layers = branches(&PLAIN.map(|channels| channels / 2), pool);
    layers.push(LayerSpec::named("fc", Linear::new(classes)));
    layers
}

/// Five blocks (64, 128, 256, 512, 512 channels) and two linear layers.
pub(super) fn omniglot(pool: PoolForm, classes: usize) -> Vec<LayerSpec> {
    let mut layers = stack("", &OMNIGLOT, pool);
    layers.extend(omniglot_head(classes));
    layers
}

/// Two stacks of five blocks of half the channels side by side, the first with ReLUs and the
/// second with binary units, and two linear layers over both.
pub(super) fn omniglot_mixed(pool: PoolForm, classes: usize) -> Vec<LayerSpec> {
    let mut layers = branches(&OMNIGLOT.map(|channels| channels / 2), pool);
    layers.extend(omniglot_head(classes));
    layers
}

/// [`omniglot`] with a binary unit behind each convolution, and binary weights in all
/// convolutions but the first.
pub(super) fn omniglot_binary(pool: PoolForm, classes: usize) -> Vec<LayerSpec> {
    let mut layers = stack("", &OMNIGLOT, pool);
    layers.iter_mut().for_each(make_binary);
    for layer in layers.iter_mut().filter(|l| l.is::<Conv>()).skip(1) {
        layer.update::<Conv>(|conv| {
            conv.weights = Weights::Binary;
            // Without effect before a batch norm.
            conv.bias = false;
        });
    }
    layers.extend(omniglot_head(classes));
    layers
}

/// The published head: 4,096 units with dropout, and an output for each class. The published
/// networks have an output for each of Omniglot's 1,623 characters, also those of the
/// evaluation set, which no image of the background set shows.
fn omniglot_head(classes: usize) -> [LayerSpec; 4] {
    let outputs = match classes {
        BACKGROUND => ALL_CHARACTERS,
        classes => classes,
    };
    [
        LayerSpec::named("fc1", Linear::new(4096)),
        relu(),
        Dropout { p: 0.5 }.into(),
        LayerSpec::named("fc2", Linear::new(outputs)),
    ]
}

/// Blocks one after the other: convolution, batch norm, pool, ReLU. Names of layers with
/// parameters begin with `prefix`.
fn stack(prefix: &str, channels: &[usize], pool: PoolForm) -> Vec<LayerSpec> {
    let mut layers = Vec::new();
    for (number, &out) in (1..).zip(channels) {
        let stride = match pool {
            PoolForm::Max => 1,
            PoolForm::Stride => 2,
        };
        layers.push(conv(&format!("{prefix}conv{number}"), out, stride));
        let norm = format!("{prefix}bn{number}");
        layers.push(LayerSpec::named(norm, BatchNorm::default()));
        if pool == PoolForm::Max {
            layers.push(MaxPool::new(2).into());
        }
        layers.push(relu());
    }
    layers
}

/// A stack with ReLUs, one with binary units, both over the images, and their channels side
/// by side.
fn branches(channels: &[usize], pool: PoolForm) -> Vec<LayerSpec> {
    let mut real = stack("real_", channels, pool);
    let mut binary = stack("binary_", channels, pool);
    binary.iter_mut().for_each(make_binary);
    for (stack, name) in [(&mut real, "real"), (&mut binary, "binary")] {
        if let Some(last) = stack.last_mut() {
            last.name = Some(name.into());
        }
    }
    if let Some(first) = binary.first_mut() {
        first.inputs = vec![INPUT.into()];
    }
    let both = LayerSpec::named("both", Concat {}).with_inputs(["real", "binary"]);
    real.into_iter().chain(binary).chain([both]).collect()
}

/// Puts a deterministic unit with straight-through gradients in the place of a ReLU.
fn make_binary(layer: &mut LayerSpec) {
    if layer.is::<Activation>() {
        let mut unit = Binary::new(Firing::Deterministic, "st");
        unit.instead_of = Some(Function::Relu);
        layer.set(unit);
    }
}

/// A 3x3 convolution with a border of one pixel.
fn conv(name: &str, out: usize, stride: usize) -> LayerSpec {
    let conv = Conv {
        stride: Sides::both(stride),
        padding: Sides::both(1),
        ..Conv::new(out, 3)
    };
    LayerSpec::named(name, conv)
}

fn relu() -> LayerSpec {
    let function = Function::Relu;
    Activation { function }.into()
}
