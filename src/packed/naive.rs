//! A reference implementation of packed inference that computes one number at a time. The optimised
//! implementation is tested and measured against it.

use alloc::vec;
use alloc::vec::Vec;

use super::PackedNet;
use super::flow::Flow;
use super::layer::{Function, Kind, Pixels, Product, Source, Stage, Step, Weights};
use super::op::Reading;
use super::windows;
use crate::tensor::Shape;

/// A value, stored as (height, width, channel); a bit is 0 or 1, a sign is -1 or +1.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Pixels, bits, signs or integers.
    Ints(Vec<i32>),
    /// Reals.
    Reals(Vec<f32>),
}

impl PackedNet {
    /// Computes the results of all stages for one image by loops over single numbers.
    ///
    /// # Panics
    /// Panics if the length of `image` is not that of the input.
    pub fn naive(&self, image: &[u8], reading: Reading) -> Vec<Values> {
        assert_eq!(image.len(), self.input().len(), "an image of another size");
        let tables = self.pixels().tables();
        let number = |(i, &p): (usize, &u8)| tables[i % tables.len()][usize::from(p)];
        let image = match self.pixels() {
            Pixels::Raw => Values::Ints(image.iter().map(|&p| i32::from(p)).collect()),
            // With one table per channel, number i uses table i modulo the number of channels.
            _ => Values::Reals(image.iter().enumerate().map(number).collect()),
        };
        let lows = self.lows();
        let mut all: Vec<Values> = Vec::new();
        for (i, (stage, flow)) in self.stages().iter().zip(self.flows()).enumerate() {
            let of = |source: &Source| match source {
                Source::Image => &image,
                Source::Stage(j) => &all[*j],
            };
            let inputs: Vec<&Values> = flow.sources.iter().map(of).collect();
            let mut x = match stage.weights {
                Weights::None => join(stage, flow, &inputs),
                _ => product(stage, flow.input().0, flow.values[0].0, inputs[0]),
            };
            for (j, (step, (shape, _))) in stage.tail.iter().zip(&flow.values).enumerate() {
                let low = lows.get(&(i, j)).map_or(&[][..], |low| low);
                x = follow(step, *shape, &x, reading, (flow.sums(j), low));
            }
            all.push(x);
        }
        all
    }
}

/// Computes a product without weights: the sum or the concatenation of the inputs.
fn join(stage: &Stage, flow: &Flow, inputs: &[&Values]) -> Values {
    let (shape, kind) = flow.values[0];
    let real = |x: &Values, i: usize| match x {
        Values::Ints(x) => x[i] as f32,
        Values::Reals(x) => x[i],
    };
    let whole = |x: &Values, i: usize| match x {
        Values::Ints(x) => x[i],
        Values::Reals(_) => unreachable!("integers are made of integers"),
    };
    // Returns the index in input `n` of number `i` of the output.
    let place = |i: usize| {
        let (pixel, mut c) = (i / shape.channels, i % shape.channels);
        for (n, (input, _)) in flow.inputs.iter().enumerate() {
            if c < input.channels {
                return (n, pixel * input.channels + c);
            }
            c -= input.channels;
        }
        unreachable!("the inputs have all channels of the output")
    };
    let all = 0..shape.len();
    match (stage.product, kind) {
        (Product::Add, Kind::Reals) => {
            let add = |i| {
                let first = real(inputs[0], i);
                inputs[1..].iter().fold(first, |sum, x| sum + real(x, i))
            };
            Values::Reals(all.map(add).collect())
        }
        (Product::Add, _) => {
            let add = |i| inputs.iter().map(|x| whole(x, i)).sum();
            Values::Ints(all.map(add).collect())
        }
        (_, Kind::Reals) => {
            let at = all.map(place);
            Values::Reals(at.map(|(n, i)| real(inputs[n], i)).collect())
        }
        _ => {
            let at = all.map(place);
            Values::Ints(at.map(|(n, i)| whole(inputs[n], i)).collect())
        }
    }
}

fn product(stage: &Stage, input: Shape, output: Shape, x: &Values) -> Values {
    let (kernel, stride, padding, border) = match stage.product {
        Product::Conv {
            kernel,
            stride,
            padding,
            border,
            ..
        } => ((kernel, kernel), stride, padding, f32::from(border)),
        Product::Linear { .. } => ((input.height, input.width), 1, 0, 0.0),
        Product::Input | Product::Add | Product::Concat => {
            unreachable!("a product over weights")
        }
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
    let groups = stage.product.groups();
    for p in 0..output.pixels() {
        for o in 0..output.channels {
            let first = o / (output.channels / groups) * (input.channels / groups);
            let mut sum = 0.0f32;
            for i in 0..depth {
                let (c, tap) = (i / (kernel.0 * kernel.1), i % (kernel.0 * kernel.1));
                let c = first + c;
                let y = (p / output.width * stride + tap / kernel.1).wrapping_sub(padding);
                let xx = (p % output.width * stride + tap % kernel.1).wrapping_sub(padding);
                if y < input.height && xx < input.width {
                    sum += weight(o, i) * at((y * input.width + xx) * input.channels + c);
                } else if border != 0.0 {
                    sum += weight(o, i) * border;
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
    (sums, low): (usize, &[i32]),
) -> Values {
    let c = shape.channels;
    let bits = |bit: &mut dyn FnMut(usize) -> bool, n: usize| {
        Values::Ints((0..n).map(|i| i32::from(bit(i))).collect())
    };
    match (step, x) {
        (Step::Threshold { thresholds }, Values::Ints(x)) => {
            bits(&mut |i| thresholds.bit(i % c, x[i]), x.len())
        }
        (
            Step::Draw {
                node,
                thresholds,
                p,
            },
            Values::Ints(x),
        ) => match reading.noise(*node) {
            None => bits(&mut |i| thresholds.bit(i % c, x[i]), x.len()),
            Some(mut rng) => {
                let mut u = vec![0.0; x.len()];
                crate::random::fill_uniform(&mut rng, &mut u);
                let p = |i: usize| p[i % c * sums + (x[i] - low[i % c]) as usize];
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
            windows::pool_ints(x, shape, (*kernel, *stride), least, &mut y);
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
            windows::max_pool(x, shape, (*kernel, *stride), &mut y);
            Values::Reals(y)
        }
        (Step::SumPool { .. }, Values::Ints(x)) => {
            let mut y = Vec::new();
            each_window(step, shape, |places| y.push(places.map(|i| x[i]).sum()));
            Values::Ints(y)
        }
        (Step::AvgPool { height, width, .. }, Values::Reals(x)) => {
            let mut y = Vec::new();
            let n = (height * width) as f32;
            each_window(step, shape, |places| {
                y.push(places.fold(0.0, |sum, i| sum + x[i]) / n);
            });
            Values::Reals(y)
        }
        (Step::Divide { by }, Values::Ints(x)) => {
            Values::Reals(x.iter().map(|&x| x as f32 / *by as f32).collect())
        }
        (Step::Flatten, x) => {
            let at = |i: usize| shape.stored_at(i);
            match x {
                Values::Ints(x) => Values::Ints((0..x.len()).map(|i| x[at(i)]).collect()),
                Values::Reals(x) => Values::Reals((0..x.len()).map(|i| x[at(i)]).collect()),
            }
        }
        (Step::Signs, Values::Ints(x)) => Values::Ints(x.iter().map(|&bit| 2 * bit - 1).collect()),
        (Step::Fire, Values::Reals(x)) => bits(&mut |i| crate::bits::bit(x[i]), x.len()),
        (
            Step::Sample {
                node,
                probability,
                slope,
            },
            Values::Reals(x),
        ) => match reading.noise(*node) {
            None => bits(&mut |i| crate::bits::bit(x[i]), x.len()),
            Some(mut rng) => {
                let mut u = vec![0.0; x.len()];
                crate::random::fill_uniform(&mut rng, &mut u);
                bits(&mut |i| u[i] < probability.of(*slope, x[i]), x.len())
            }
        },
        _ => unreachable!("PackedNet::new has checked the order of the steps"),
    }
}

/// Calls `visit` with the indices of each window's numbers, row by row; the channels of a pixel are
/// consecutive windows.
fn each_window(step: &Step, shape: Shape, mut visit: impl FnMut(&mut dyn Iterator<Item = usize>)) {
    let ((height, width), stride) = step.window().expect("a pool has windows");
    for y in 0..(shape.height - height) / stride + 1 {
        for x in 0..(shape.width - width) / stride + 1 {
            for c in 0..shape.channels {
                let mut places = (0..height * width).map(|k| {
                    let (row, column) = (y * stride + k / width, x * stride + k % width);
                    (row * shape.width + column) * shape.channels + c
                });
                visit(&mut places);
            }
        }
    }
}

impl Function {
    /// Returns the function's value at `x`.
    pub fn of(self, slope: f32, x: f32) -> f32 {
        let kernels = crate::kernels::Isa::Scalar
            .kernels()
            .expect("every machine has the scalar set");
        let mut y = [0.0];
        match self {
            Function::Relu => (kernels.relu)(&[x], &mut y),
            Function::HardSigmoid => (kernels.hard_sigmoid)(slope, &[x], &mut y),
            Function::Sigmoid => (kernels.sigmoid)(slope, &[x], &mut y),
        }
        y[0]
    }
}
