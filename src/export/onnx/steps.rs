//! The steps behind a product as operators.

use crate::packed::{Function, Step, Thresholds};
use crate::tensor::Shape;

use super::builder::{Builder, float, int, ints, text};

/// Writes a step on the value `x` of that shape; returns the name of its result.
pub(super) fn write(step: &Step, shape: Shape, x: &str, to: &mut Builder) -> String {
    match step {
        Step::Threshold { thresholds } | Step::Draw { thresholds, .. } => {
            threshold(thresholds, x, to)
        }
        Step::PoolBits {
            kernel,
            stride,
            and: least,
        }
        | Step::PoolInts {
            kernel,
            stride,
            min: least,
        } => extreme((*kernel, *stride), least, x, to),
        Step::Affine { scale, shift } => {
            let (scale, shift) = (to.each("scale", scale), to.each("shift", shift));
            let scaled = to.node("Mul", &[x, &scale], vec![]);
            to.node("Add", &[&scaled, &shift], vec![])
        }
        Step::Function { function, slope } => activation(*function, *slope, x, to),
        Step::MaxPool { kernel, stride } => max_pool((*kernel, *stride), x, to),
        Step::SumPool {
            height,
            width,
            stride,
        } => sum_pool(shape.channels, ((*height, *width), *stride), x, to),
        Step::AvgPool {
            height,
            width,
            stride,
        } => to.node("AveragePool", &[x], windows((*height, *width), *stride)),
        Step::Divide { by } => {
            let by = to.each("by", &[*by as f32]);
            to.node("Div", &[x, &by], vec![])
        }
        Step::Flatten => {
            let sides = to.shape("shape", &[0, shape.len() as i64, 1, 1]);
            to.node("Reshape", &[x, &sides], vec![])
        }
        Step::Signs => {
            let (two, one) = (to.each("two", &[2.0]), to.each("one", &[1.0]));
            let twice = to.node("Mul", &[x, &two], vec![]);
            to.node("Sub", &[&twice, &one], vec![])
        }
        // The least float above 0: what is at least that is above 0.
        Step::Fire | Step::Sample { .. } if to.quantised => {
            multi_threshold(&vec![f32::from_bits(1); shape.channels], x, to)
        }
        Step::Fire | Step::Sample { .. } => {
            let zero = to.each("zero", &[0.0]);
            let above = to.node("Greater", &[x, &zero], vec![]);
            to.bits(&above)
        }
    }
}

fn activation(function: Function, slope: f32, x: &str, to: &mut Builder) -> String {
    match function {
        Function::Relu => to.node("Relu", &[x], vec![]),
        Function::HardSigmoid => {
            let settings = vec![float("alpha", slope * 0.5), float("beta", 0.5)];
            to.node("HardSigmoid", &[x], settings)
        }
        Function::Sigmoid => {
            let slope = to.each("slope", &[slope]);
            let steep = to.node("Mul", &[x, &slope], vec![]);
            to.node("Sigmoid", &[&steep], vec![])
        }
    }
}

/// Writes the sum of each window as a convolution of each channel with ones: a mean would be rounded.
fn sum_pool(
    channels: usize,
    ((height, width), stride): ((usize, usize), usize),
    x: &str,
    to: &mut Builder,
) -> String {
    let ones = vec![1.0; channels * height * width];
    let ones = to.floats("ones", &[channels, 1, height, width], &ones);
    let mut settings = windows((height, width), stride);
    settings.push(int("group", channels as i64));
    to.node("Conv", &[x, &ones], settings)
}

/// Writes QONNX's operator that counts the thresholds which a number has reached: one a channel.
fn multi_threshold(limits: &[f32], x: &str, to: &mut Builder) -> String {
    let limits = to.floats("threshold", &[limits.len(), 1], limits);
    let settings = vec![
        text("out_dtype", "BINARY"),
        float("out_scale", 1.0),
        float("out_bias", 0.0),
        text("data_layout", "NCHW"),
    ];
    to.own_node("MultiThreshold", &[x, &limits], settings)
}

/// Writes thresholds as QONNX has them. `[x < t]` of a whole number x is `[-x >= 1 - t]`.
fn quantised(thresholds: &Thresholds, x: &str, to: &mut Builder) -> String {
    let Thresholds {
        threshold,
        inverted,
    } = thresholds;
    let limit = |(&t, &inverted): (&i32, &bool)| if inverted { 1 - t } else { t } as f32;
    let limits: Vec<f32> = threshold.iter().zip(inverted).map(limit).collect();
    if !inverted.contains(&true) {
        return multi_threshold(&limits, x, to);
    }
    let sign = |&inverted: &bool| if inverted { -1.0 } else { 1.0 };
    let signs: Vec<f32> = inverted.iter().map(sign).collect();
    let signs = to.each("signs", &signs);
    let turned = to.node("Mul", &[x, &signs], vec![]);
    multi_threshold(&limits, &turned, to)
}

fn threshold(thresholds: &Thresholds, x: &str, to: &mut Builder) -> String {
    if to.quantised {
        return quantised(thresholds, x, to);
    }
    let limits: Vec<f32> = thresholds.threshold.iter().map(|&t| t as f32).collect();
    let limits = to.each("threshold", &limits);
    let mut reached = to.node("GreaterOrEqual", &[x, &limits], vec![]);
    if thresholds.inverted.contains(&true) {
        let inverted = to.flags("inverted", &thresholds.inverted);
        reached = to.node("Xor", &[&reached, &inverted], vec![]);
    }
    to.bits(&reached)
}

/// Writes the largest number of each window, or the smallest for channels in which `least` is set:
/// the smallest number is the negative of the largest negative one.
fn extreme(window: (usize, usize), least: &[bool], x: &str, to: &mut Builder) -> String {
    if !least.contains(&true) {
        return max_pool(window, x, to);
    }
    let signs: Vec<f32> = least.iter().map(|&l| if l { -1.0 } else { 1.0 }).collect();
    let signs = to.each("signs", &signs);
    let turned = to.node("Mul", &[x, &signs], vec![]);
    let pooled = max_pool(window, &turned, to);
    to.node("Mul", &[&pooled, &signs], vec![])
}

fn max_pool((kernel, stride): (usize, usize), x: &str, to: &mut Builder) -> String {
    to.node("MaxPool", &[x], windows((kernel, kernel), stride))
}

fn windows((height, width): (usize, usize), stride: usize) -> Vec<super::proto::Attribute> {
    vec![
        ints("kernel_shape", &[height, width]),
        ints("strides", &[stride, stride]),
    ]
}
