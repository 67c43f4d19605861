//! Whether a network answers as the one did that its weights come from.

use std::path::Path;

use bnn_cpu::Error;
use bnn_cpu::data::answers::Numbers;
use bnn_cpu::layers::Levels;
use bnn_cpu::model::weights::NamedTensor;
use bnn_cpu::model::{ModelSpec, Network};
use bnn_cpu::tape::Mode;
use bnn_cpu::tensor::Shape;

use super::filled;
use crate::cli::{Context, Failure, Outcome};

/// The largest difference of a logit that is still the same answer, as a share of the largest
/// logit: some hundred times what sums in another order give.
const TOLERANCE: f32 = 1e-3;

/// The share of examples that may be answered otherwise: a pre-activation as near to its
/// threshold as sums in another order differ makes another bit, and a bit another answer.
const TIES: f64 = 0.01;

/// How the answers compare.
pub struct Found {
    examples: usize,
    /// Examples with a logit that is another.
    differing: usize,
    /// Examples with another class.
    classes: usize,
    /// The largest difference of a logit, and the largest logit.
    largest: f32,
    scale: f32,
}

impl Found {
    /// Whether it is the same network.
    fn is_same(&self) -> bool {
        self.differing as f64 <= TIES * self.examples as f64
    }

    /// `answers as given on 200 of 200 examples; ...`
    pub fn words(&self) -> String {
        format!(
            "answers as given on {} of {} examples, with the class of {}; the largest difference of a logit is {:.3e}, the largest logit {:.3e}",
            self.examples - self.differing,
            self.examples,
            self.examples - self.classes,
            self.largest,
            self.scale
        )
    }

    /// The error of a network that is another.
    fn refusal(&self, file: &Path, remedy: Option<String>) -> Error {
        let remedy = remedy.unwrap_or_else(|| {
            "levels (--levels), pixels (--pixels, --mean, --std), slope (--slope), the order of layers and the eps of batch norms are what usually differs".into()
        });
        Error::checkpoint(
            file,
            format!("is of another network: it {}; {remedy}", self.words()),
        )
    }
}

/// Runs the network on `inputs` and compares its logits.
fn compare(net: &mut Network, slope: f32, answers: &[Numbers; 2]) -> Outcome<Found> {
    let [inputs, logits] = answers;
    let shape = net.spec().input;
    if net.spec().is_stochastic() {
        return Err(Failure::usage(
            "--check has no effect on stochastic units, whose answers are drawn; import the network with --mode det",
        ));
    }
    let order = Order::of(inputs, shape)?;
    let classes = net.classes();
    if logits.shape[1] != classes {
        return Err(Error::spec(format!(
            "{} has {} logits an example, and the network {classes}",
            logits.origin, logits.shape[1]
        ))
        .into());
    }
    let scale = logits
        .values
        .iter()
        .fold(0.0f32, |most, z| most.max(z.abs()));
    let mut found = Found {
        examples: inputs.shape[0],
        differing: 0,
        classes: 0,
        largest: 0.0,
        scale,
    };
    net.pass_mut().mode = Mode::Eval;
    net.pass_mut().slope = slope;
    net.set_rows(1);
    let examples = inputs.values.chunks_exact(shape.len());
    for (values, wanted) in examples.zip(logits.values.chunks_exact(classes)) {
        let image = order.turned(values, shape);
        match inputs.bytes {
            true => net.set_image(0, &image.iter().map(|x| *x as u8).collect::<Vec<u8>>()),
            false => net.input_mut().copy_from_slice(&image),
        }
        net.forward();
        let given = net.logits();
        let pairs = given.iter().zip(wanted);
        let largest = pairs.fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
        found.largest = found.largest.max(largest);
        found.differing += usize::from(largest.is_nan() || largest > TOLERANCE * scale);
        found.classes += usize::from(top(given) != top(wanted));
    }
    Ok(found)
}

fn top(logits: &[f32]) -> Option<usize> {
    bnn_cpu::model::argmax(logits)
}

/// The order of an example's numbers.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    /// Plane by plane, as PyTorch has them; also of an example with one axis.
    Planes,
    /// (height, width, channel).
    Interleaved,
}

impl Order {
    fn of(inputs: &Numbers, shape: Shape) -> Outcome<Self> {
        let (c, h, w) = (shape.channels, shape.height, shape.width);
        let one = &inputs.shape[1..];
        let planes = one == [c, h, w] || (c == 1 && one == [h, w]) || one == [shape.len()];
        match (planes, one == [h, w, c]) {
            (true, _) => Ok(Self::Planes),
            (false, true) => Ok(Self::Interleaved),
            (false, false) => Err(Error::spec(format!(
                "{} is an array of shape {:?}, and the network takes (N, {c}, {h}, {w})",
                inputs.origin, inputs.shape
            ))
            .into()),
        }
    }

    /// An example as the network stores it: (height, width, channel).
    fn turned(self, values: &[f32], shape: Shape) -> Vec<f32> {
        if self == Self::Interleaved || shape.channels == 1 {
            return values.to_vec();
        }
        let plane = shape.height * shape.width;
        let at = |i: usize| values[(i % shape.channels) * plane + i / shape.channels];
        (0..values.len()).map(at).collect()
    }
}

/// Runs the network on the inputs.
///
/// # Errors
/// A network that answers otherwise, with what would mend it where that is known.
pub fn passed(
    net: &mut Network,
    slope: f32,
    weights: (&[NamedTensor], &Path),
    answers: &[Numbers; 2],
    context: &Context,
) -> Outcome<Found> {
    let found = compare(net, slope, answers)?;
    if found.is_same() {
        return Ok(found);
    }
    let remedy = remedy(net.spec(), slope, weights, answers, context)?;
    Err(found.refusal(weights.1, remedy).into())
}

/// What would make the network answer as given, where that is known: its units' other levels.
fn remedy(
    model: &ModelSpec,
    slope: f32,
    (tensors, path): (&[NamedTensor], &Path),
    answers: &[Numbers; 2],
    context: &Context,
) -> Outcome<Option<String>> {
    for levels in Levels::ALL {
        let mut other = model.clone();
        other.set_levels(levels);
        if other == *model {
            continue;
        }
        let mut net = filled(&other, tensors, path, context)?;
        if compare(&mut net, slope, answers)?.is_same() {
            return Ok(Some(format!(
                "with --levels={} it is the same",
                levels.name()
            )));
        }
    }
    Ok(None)
}
