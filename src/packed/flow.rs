//! Shapes, kinds and integer ranges of all values in a packed network. Computing them checks that
//! the stages fit each other.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use super::layer::{Function, Kind, Product, Source, Stage, Step, Weights};
use crate::error::{Error, Result};
use crate::tensor::Shape;

/// The largest number of elements in a value, and of bits in a table.
const MAX_NUMBERS: usize = 1 << 28;

/// Integers below this number (2^24) are exact in a 32-bit float.
const INEXACT: usize = 1 << 24;

/// The values that a stage reads and computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The source of each input.
    pub sources: Vec<Source>,
    /// Shape and kind of each input.
    pub inputs: Vec<(Shape, Kind)>,
    /// Shape and kind of the product's result, and of the result of each step of the tail.
    pub values: Vec<(Shape, Kind)>,
    /// For each of `values`, an upper bound of the magnitude of its integers and of the difference
    /// of two integers in a channel; 0 for reals.
    pub(crate) reach: Vec<usize>,
}

/// The shape of a value, its kind, and the bound in [`Flow::reach`].
type Value = (Shape, Kind, usize);

impl Flow {
    /// Returns shape and kind of the first input.
    pub fn input(&self) -> (Shape, Kind) {
        self.inputs[0]
    }

    /// Returns shape and kind of the stage's result.
    pub fn output(&self) -> (Shape, Kind) {
        self.values[self.values.len() - 1]
    }

    fn output_reach(&self) -> usize {
        self.reach[self.reach.len() - 1]
    }

    /// Returns the number of integers that a channel of value `i` can take.
    pub(crate) fn sums(&self, i: usize) -> usize {
        self.reach[i] + 1
    }
}

/// Computes the values of each stage for an image. This checks the order of stages and steps and
/// all sizes, but not the tensors.
///
/// # Errors
/// One line that names the stage and says what does not fit.
pub(super) fn flows(image: (Shape, Kind), stages: &[Stage]) -> Result<Vec<Flow>> {
    let mut flows: Vec<Flow> = Vec::new();
    let mut read = vec![false; stages.len()];
    for (i, stage) in stages.iter().enumerate() {
        let fail = |what: &str| Error::spec(format!("stage {}: {what}", stage.name));
        let sources = match (&stage.inputs[..], i) {
            ([], 0) => vec![Source::Image],
            ([], _) => vec![Source::Stage(i - 1)],
            (inputs, _) => inputs.to_vec(),
        };
        let mut inputs = Vec::new();
        for source in &sources {
            inputs.push(match *source {
                Source::Image => (image.0, image.1, reach_of(image.1)),
                Source::Stage(j) => {
                    let before = flows.get(j).ok_or_else(|| {
                        fail(&format!(
                            "it reads stage number {j}, which is none before it"
                        ))
                    })?;
                    read[j] = true;
                    let (shape, kind) = before.output();
                    (shape, kind, before.output_reach())
                }
            });
        }
        flows.push(stage.flow(sources, &inputs)?);
    }
    let ends = stages.len().saturating_sub(1);
    if let Some(unread) = (0..ends).find(|&i| !read[i]) {
        return Err(Error::spec(format!(
            "stage {}: no stage reads its output",
            stages[unread].name
        )));
    }
    Ok(flows)
}

impl Product {
    /// Returns the number of inputs that an output is a sum over.
    pub fn depth(&self, input: Shape) -> usize {
        match self {
            Product::Conv { kernel, groups, .. } => {
                kernel * kernel * input.channels.checked_div(*groups).unwrap_or(0)
            }
            Product::Linear { .. } => input.len(),
            Product::Input | Product::Add | Product::Concat => 0,
        }
    }

    /// Returns the shape of the sums of a product with weights; `None` if the window does not fit.
    fn output(&self, input: Shape) -> Option<Shape> {
        let side = |n: usize, kernel: usize, stride: usize, padding: usize| {
            Some((n + 2 * padding).checked_sub(kernel)? / stride + 1)
        };
        match *self {
            Product::Conv {
                out,
                kernel,
                stride,
                padding,
                border,
                groups,
            } => {
                let whole = |channels: usize| groups > 0 && channels.is_multiple_of(groups);
                if !whole(input.channels) || !whole(out) {
                    return None;
                }
                let sizes = [out, kernel, stride];
                if sizes.iter().any(|&s| s == 0 || s > 1 << 16)
                    || padding >= kernel
                    || !(-1..=1).contains(&border)
                {
                    return None;
                }
                let padded = (input.height + 2 * padding) * (input.width + 2 * padding);
                (padded.checked_mul(input.channels)? <= MAX_NUMBERS).then_some(())?;
                Some(Shape::image(
                    out,
                    side(input.height, kernel, stride, padding)?,
                    side(input.width, kernel, stride, padding)?,
                ))
            }
            Product::Linear { out } => (out > 0 && out <= 1 << 20).then(|| Shape::vector(out)),
            Product::Input | Product::Add | Product::Concat => None,
        }
    }
}

/// Returns the smallest and the largest sum of `depth` products of weights, `positive` of which are
/// +1 and the others -1, with inputs in the range (low, high).
pub fn sums_of(depth: usize, positive: usize, (low, high): (i32, i32)) -> (i32, i32) {
    let (positive, negative) = (positive as i32, (depth - positive) as i32);
    (
        positive * low - negative * high,
        positive * high - negative * low,
    )
}

/// Returns the bound in [`Flow::reach`] that follows from the kind of a value alone.
fn reach_of(kind: Kind) -> usize {
    match kind {
        Kind::Reals => 0,
        _ => distance(kind.range()),
    }
}

/// Returns the difference of the limits of a range; the lower limit is at most 0.
fn distance((low, high): (i32, i32)) -> usize {
    (high - low) as usize
}

/// Returns the kind of a join: the kind that can represent all of the inputs.
fn joined(inputs: &[Value], bits: bool) -> Kind {
    let all = |kind: Kind| inputs.iter().all(|v| v.1 == kind);
    match inputs.iter().any(|v| v.1 == Kind::Reals) {
        true => Kind::Reals,
        false if bits && all(Kind::Bits) => Kind::Bits,
        false if bits && all(Kind::Signs) => Kind::Signs,
        false => Kind::Ints,
    }
}

impl Stage {
    /// Returns the value of a product without weights.
    fn join(&self, inputs: &[Value]) -> core::result::Result<Value, &'static str> {
        let first = inputs[0];
        let made = match self.product {
            Product::Input if inputs.len() == 1 => (first.0, joined(inputs, true), first.2),
            Product::Input => return Err("an input is one value"),
            _ if inputs.len() < 2 => return Err("a join needs at least two inputs"),
            Product::Add => {
                if inputs.iter().any(|v| v.0 != first.0) {
                    return Err("the inputs of a sum have different shapes");
                }
                let reach = inputs.iter().fold(0usize, |n, v| n.saturating_add(v.2));
                (first.0, joined(inputs, false), reach)
            }
            _ => {
                let size = |v: &Value| (v.0.height, v.0.width);
                if inputs.iter().any(|v| size(v) != size(&first)) {
                    return Err("the inputs of a concatenation have different sizes");
                }
                let channels = |n: usize, v: &Value| n.saturating_add(v.0.channels);
                let channels = inputs.iter().fold(0, channels);
                let shape = Shape::image(channels, first.0.height, first.0.width);
                let reach = inputs.iter().map(|v| v.2).max().unwrap_or(0);
                (shape, joined(inputs, true), reach)
            }
        };
        Ok(match made.1 {
            Kind::Reals => (made.0, made.1, 0),
            _ => made,
        })
    }

    /// Returns the value of a product with weights.
    fn sum(&self, (shape, kind, _): Value) -> core::result::Result<Value, &'static str> {
        let out = self.product.output(shape);
        let out = out.ok_or("the window does not fit its input")?;
        let binary = matches!(self.weights, Weights::Binary { .. }) && kind.is_bits();
        if self.product.groups() > 1 && !binary {
            return Err("groups need binary weights over bits");
        }
        let depth = self.product.depth(shape);
        let each = match &self.weights {
            Weights::Binary { .. } => depth.div_ceil(64),
            _ => depth,
        };
        let numbers = each.checked_mul(out.channels);
        if numbers.is_none_or(|m| m > MAX_NUMBERS) {
            return Err("there are too many weights");
        }
        match (kind, &self.weights) {
            (Kind::Ints, _) => Err("a sum cannot read integer sums"),
            (Kind::Pixels | Kind::Bits | Kind::Signs, Weights::Binary { .. }) => {
                let most = distance(self.product.meets(kind));
                Ok((out, Kind::Ints, depth.saturating_mul(most)))
            }
            _ => Ok((out, Kind::Reals, 0)),
        }
    }

    /// Returns the values of the stage for its inputs.
    fn flow(&self, sources: Vec<Source>, inputs: &[Value]) -> Result<Flow> {
        let fail = |what: &str| Error::spec(format!("stage {}: {what}", self.name));
        let is_sum = matches!(self.product, Product::Conv { .. } | Product::Linear { .. });
        let first = match (is_sum, &self.weights, inputs) {
            (false, Weights::None, _) => self.join(inputs),
            (false, ..) => Err("only a sum has weights"),
            (true, Weights::None, _) => Err("a sum needs weights"),
            (true, _, [input]) => self.sum(*input),
            (true, ..) => Err("a sum over weights reads one input"),
        };
        let mut at = first.map_err(fail)?;
        let mut values = vec![at];
        for step in &self.tail {
            // The JSON text may state a number that overflows a 32-bit float.
            if let Step::Function { slope, .. } | Step::Sample { slope, .. } = step
                && !(slope.is_finite() && *slope > 0.0)
            {
                return Err(fail("a slope must be a number above 0"));
            }
            let sums = at.2 + 1;
            at = step
                .output(at)
                .ok_or_else(|| fail(&format!("{} cannot follow here", step.name())))?;
            let table = at.0.channels.checked_mul(sums);
            if matches!(step, Step::Draw { .. }) && table.is_none_or(|n| n > MAX_NUMBERS) {
                return Err(fail("the table of probabilities is too large"));
            }
            values.push(at);
        }
        let size = |v: &Value| v.0.is_empty() || v.0.len() > MAX_NUMBERS;
        if values.iter().any(size) {
            return Err(fail("a value is empty or too large"));
        }
        if values.iter().any(|v| v.1 == Kind::Ints && v.2 >= INEXACT) {
            return Err(fail("its sums could reach 2^24, where f32 is not exact"));
        }
        Ok(Flow {
            sources,
            inputs: inputs.iter().map(|v| (v.0, v.1)).collect(),
            values: values.iter().map(|v| (v.0, v.1)).collect(),
            reach: values.iter().map(|v| v.2).collect(),
        })
    }
}

impl Step {
    /// Returns the name of the step, for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Step::Threshold { .. } => "cut",
            Step::Draw { .. } => "draw",
            Step::PoolBits { .. } => "pool_bits",
            Step::PoolInts { .. } => "pool_ints",
            Step::Affine { .. } => "affine",
            Step::Function { .. } => "function",
            Step::MaxPool { .. } => "max_pool",
            Step::SumPool { .. } => "sum_pool",
            Step::AvgPool { .. } => "avg_pool",
            Step::Divide { .. } => "divide",
            Step::Flatten => "flatten",
            Step::Signs => "signs",
            Step::Fire => "fire",
            Step::Sample { .. } => "sample",
        }
    }

    /// Returns ((height, width), stride) of the windows, if the step is a pooling.
    pub(crate) fn window(&self) -> Option<((usize, usize), usize)> {
        match *self {
            Step::PoolBits { kernel, stride, .. }
            | Step::PoolInts { kernel, stride, .. }
            | Step::MaxPool { kernel, stride } => Some(((kernel, kernel), stride)),
            Step::SumPool {
                height,
                width,
                stride,
            }
            | Step::AvgPool {
                height,
                width,
                stride,
            } => Some(((height, width), stride)),
            _ => None,
        }
    }

    /// Returns the kind of the step's result, or `None` if the step cannot read a value of that
    /// kind.
    fn kind(&self, kind: Kind) -> Option<Kind> {
        use Kind::{Bits, Ints, Reals, Signs};
        Some(match (self, kind) {
            (Step::Threshold { .. } | Step::Draw { .. }, Ints) => Bits,
            (Step::Signs, Bits) => Signs,
            (Step::PoolBits { .. }, Bits | Signs) => kind,
            (Step::PoolInts { .. }, Ints) => Ints,
            (Step::SumPool { .. }, Bits | Signs | Ints) => Ints,
            (Step::Affine { .. }, Ints | Reals) => Reals,
            (Step::Divide { by }, Ints) if *by > 0 => Reals,
            (Step::Function { .. } | Step::MaxPool { .. } | Step::AvgPool { .. }, Reals) => Reals,
            (Step::Flatten, Bits | Signs | Ints | Reals) => kind,
            (Step::Fire, Reals) => Bits,
            (Step::Sample { probability, .. }, Reals) if *probability != Function::Relu => Bits,
            _ => return None,
        })
    }

    fn output(&self, (shape, kind, reach): Value) -> Option<Value> {
        let made = self.kind(kind)?;
        let Some(((height, width), stride)) = self.window() else {
            let reach = match made {
                Kind::Ints => reach,
                _ => reach_of(made),
            };
            let shape = match self {
                Step::Flatten => Shape::vector(shape.len()),
                _ => shape,
            };
            return Some((shape, made, reach));
        };
        let largest = match self {
            Step::SumPool { .. } | Step::AvgPool { .. } => 1 << 14,
            _ => 16,
        };
        let sides = 1..=largest;
        if !sides.contains(&height) || !sides.contains(&width) || stride == 0 || stride > 1 << 16 {
            return None;
        }
        let side = |n: usize, window: usize| Some(n.checked_sub(window)? / stride + 1);
        let pooled = Shape::image(
            shape.channels,
            side(shape.height, height)?,
            side(shape.width, width)?,
        );
        let reach = match self {
            Step::SumPool { .. } => reach.saturating_mul(height * width),
            _ => reach,
        };
        Some((pooled, made, reach))
    }
}
