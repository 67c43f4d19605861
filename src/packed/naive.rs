//! The naive twin: the stages as they are written, one number at a time. It is
//! the specification that the fast paths are tested against, and what they are
//! measured against.

use super::layer::{Function, Kind, Product, Step, Weights};
use super::steps::{self, Reading};
use super::{PackedNet, Stage};
use crate::tensor::Shape;

/// A value, stored (height, width, channel); a bit is 0 or 1.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Pixels, bits or integers.
    Ints(Vec<i32>),
    /// Reals.
    Reals(Vec<f32>),
}

impl PackedNet {
    /// The output of every stage for one image, by plain loops over single numbers.
    ///
    /// # Panics
    /// If the image has another size.
    pub fn naive(&self, image: &[u8], reading: Reading) -> Vec<Values> {
        assert_eq!(image.len(), self.input().len(), "an image of another size");
        let table = self.pixels().table();
        let mut x = match self.flows()[0].input.1 {
            Kind::Pixels => Values::Ints(image.iter().map(|&p| i32::from(p)).collect()),
            _ => Values::Reals(image.iter().map(|&p| table[usize::from(p)]).collect()),
        };
        let mut all = Vec::new();
        for (stage, flow) in self.stages().iter().zip(self.flows()) {
            x = product(stage, flow.input.0, flow.values[0].0, &x);
            for (step, (shape, _)) in stage.tail.iter().zip(&flow.values) {
                let sums = self.sums(stage, flow);
                let low = |c: usize| self.range(stage, flow, c).0;
                x = follow(step, *shape, &x, reading, (sums, &low));
            }
            all.push(x.clone());
        }
        all
    }
}

fn product(stage: &Stage, input: Shape, output: Shape, x: &Values) -> Values {
    let (kernel, stride, padding) = match stage.product {
        Product::Conv {
            kernel,
            stride,
            padding,
            ..
        } => ((kernel, kernel), stride, padding),
        Product::Linear { .. } => ((input.height, input.width), 1, 0),
        Product::Input => return x.clone(),
    };
    let depth = stage.product.depth(input);
    let weight = |o: usize, i: usize| match &stage.weights {
        Weights::Binary { words } => {
            let word = words[o * depth.div_ceil(64) + i / 64];
            if word >> (i % 64) & 1 == 1 { 1.0 } else { -1.0 }
        }
        Weights::Real { values, .. } => values[o * depth + i],
        Weights::None => 0.0,
    };
    let at = |i: usize| match x {
        Values::Ints(x) => x[i] as f32,
        Values::Reals(x) => x[i],
    };
    let mut sums = Vec::with_capacity(output.len());
    for p in 0..output.pixels() {
        for o in 0..output.channels {
            let mut sum = 0.0f32;
            for i in 0..depth {
                let (c, tap) = (i / (kernel.0 * kernel.1), i % (kernel.0 * kernel.1));
                let y = (p / output.width * stride + tap / kernel.1).wrapping_sub(padding);
                let xx = (p % output.width * stride + tap % kernel.1).wrapping_sub(padding);
                if y < input.height && xx < input.width {
                    sum += weight(o, i) * at((y * input.width + xx) * input.channels + c);
                }
            }
            if let Weights::Real { bias, .. } = &stage.weights {
                sum += bias[o];
            }
            sums.push(sum);
        }
    }
    match (x, &stage.weights) {
        (Values::Ints(_), Weights::Binary { .. }) => {
            Values::Ints(sums.iter().map(|&s| s as i32).collect())
        }
        _ => Values::Reals(sums),
    }
}

/// Applies one step; `sums` describes the table of a [`Step::Draw`].
fn follow(
    step: &Step,
    shape: Shape,
    x: &Values,
    reading: Reading,
    (sums, low): (usize, &dyn Fn(usize) -> i32),
) -> Values {
    let c = shape.channels;
    let bits = |bit: &mut dyn FnMut(usize) -> bool, n: usize| {
        Values::Ints((0..n).map(|i| i32::from(bit(i))).collect())
    };
    match (step, x) {
        (Step::Cut { cut }, Values::Ints(x)) => bits(&mut |i| cut.bit(i % c, x[i]), x.len()),
        (Step::Draw { node, cut, p }, Values::Ints(x)) => match reading.noise(*node) {
            None => bits(&mut |i| cut.bit(i % c, x[i]), x.len()),
            Some(mut rng) => {
                let mut u = vec![0.0; x.len()];
                crate::random::fill_uniform(&mut rng, &mut u);
                let p = |i: usize| p[i % c * sums + (x[i] - low(i % c)) as usize];
                bits(&mut |i| u[i] < p(i), x.len())
            }
        },
        (
            Step::PoolBits {
                kernel,
                stride,
                and: least,
            }
            | Step::PoolInts {
                kernel,
                stride,
                min: least,
            },
            Values::Ints(x),
        ) => {
            let mut y = Vec::new();
            steps::pool_ints(x, shape, (*kernel, *stride), least, &mut y);
            Values::Ints(y)
        }
        (Step::Affine { scale, shift }, x) => {
            let at = |i: usize| match x {
                Values::Ints(x) => x[i] as f32,
                Values::Reals(x) => x[i],
            };
            let y = (0..shape.len()).map(|i| at(i) * scale[i % c] + shift[i % c]);
            Values::Reals(y.collect())
        }
        (Step::Function { function, slope }, Values::Reals(x)) => {
            Values::Reals(x.iter().map(|&x| function.of(*slope, x)).collect())
        }
        (Step::MaxPool { kernel, stride }, Values::Reals(x)) => {
            let mut y = Vec::new();
            steps::max_pool(x, shape, (*kernel, *stride), &mut y);
            Values::Reals(y)
        }
        (Step::Fire, Values::Reals(x)) => bits(&mut |i| crate::bits::bit(x[i]), x.len()),
        (Step::Sample { node, link, slope }, Values::Reals(x)) => match reading.noise(*node) {
            None => bits(&mut |i| crate::bits::bit(x[i]), x.len()),
            Some(mut rng) => {
                let mut u = vec![0.0; x.len()];
                crate::random::fill_uniform(&mut rng, &mut u);
                bits(&mut |i| u[i] < link.of(*slope, x[i]), x.len())
            }
        },
        _ => unreachable!("PackedNet::new has checked the order of the steps"),
    }
}

impl Function {
    /// The function of one number.
    pub fn of(self, slope: f32, x: f32) -> f32 {
        let ew = &crate::kernels::Isa::Scalar
            .kernels()
            .expect("every machine has the scalar set")
            .ew;
        let mut y = [0.0];
        match self {
            Function::Relu => (ew.relu)(&[x], &mut y),
            Function::HardSigmoid => (ew.hard_sigmoid)(slope, &[x], &mut y),
            Function::Sigmoid => (ew.sigmoid)(slope, &[x], &mut y),
        }
        y[0]
    }
}
