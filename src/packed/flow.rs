//! The values around and within the stages: their shapes, what they consist of and how
//! large integers can become. Computing them is the check that the stages fit each other.

use super::layer::{Function, Kind, Product, Source, Stage, Step, Weights};
use crate::error::{Error, Result};
use crate::tensor::Shape;

/// More numbers in one value, or bits in one table, than this are refused.
const MAX_NUMBERS: usize = 1 << 28;

/// From here on an integer may not be exact in a 32-bit float.
const INEXACT: usize = 1 << 24;

/// The values around and within a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Where the product reads each of its inputs.
    pub sources: Vec<Source>,
    /// What the inputs are.
    pub inputs: Vec<(Shape, Kind)>,
    /// What the product makes, and what each step of the tail makes.
    pub values: Vec<(Shape, Kind)>,
    /// For each of the values, the largest magnitude of an integer in it, and the
    /// largest distance of two integers of a channel; 0 for reals.
    pub(crate) reach: Vec<usize>,
}

/// The shape of a value, what it consists of, and its reach.
type Value = (Shape, Kind, usize);

impl Flow {
    /// What the first input is.
    pub fn input(&self) -> (Shape, Kind) {
        self.inputs[0]
    }

    /// What the stage makes.
    pub fn output(&self) -> (Shape, Kind) {
        self.values[self.values.len() - 1]
    }

    fn output_reach(&self) -> usize {
        self.reach[self.reach.len() - 1]
    }

    /// Integers that a channel of value `i` can be.
    pub(crate) fn sums(&self, i: usize) -> usize {
        self.reach[i] + 1
    }
}

/// The flow of each stage over an image: checks the order of stages and steps and every
/// size, not the tensors.
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
    /// Inputs of one output.
    pub fn depth(&self, input: Shape) -> usize {
        match self {
            Product::Conv { kernel, .. } => kernel * kernel * input.channels,
            Product::Linear { .. } => input.len(),
            Product::Input | Product::Add | Product::Concat => 0,
        }
    }

    /// The shape of the sums of a product with weights.
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
            } => {
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

/// The least and the largest sum of one output with that many weights, `positive`
/// of which are +1, over inputs within those limits.
pub fn sums_of(depth: usize, positive: usize, (low, high): (i32, i32)) -> (i32, i32) {
    let (positive, negative) = (positive as i32, (depth - positive) as i32);
    (
        positive * low - negative * high,
        positive * high - negative * low,
    )
}

/// The reach of a value of that kind, where the kind alone says it.
fn reach_of(kind: Kind) -> usize {
    match kind {
        Kind::Reals => 0,
        _ => distance(kind.range()),
    }
}

/// How far two limits are apart, the first of which is no more than 0.
fn distance((low, high): (i32, i32)) -> usize {
    (high - low) as usize
}

/// What a value without weights is made of: the kind that can hold all of the inputs.
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
    /// Whether the product makes one value of its inputs as they are.
    fn join(&self, inputs: &[Value]) -> std::result::Result<Value, &'static str> {
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

    /// The sum over weights.
    fn sum(&self, (shape, kind, _): Value) -> std::result::Result<Value, &'static str> {
        let out = self.product.output(shape);
        let out = out.ok_or("the window does not fit its input")?;
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

    /// The values of the stage, for its inputs.
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
            // A text can name a number that no 32-bit float is.
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
    /// Its kind, for messages.
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

    /// Height, width and stride of the windows of a pool.
    pub(super) fn window(&self) -> Option<((usize, usize), usize)> {
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

    /// The kind of what the step makes of a value.
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
