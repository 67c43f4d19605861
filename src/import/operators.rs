//! Which operator is read by what, and those that are one layer alone.

use serde_json::{Value, json};

use super::array::{Array, fold};
use super::file::Node;
use super::reader::Reader;
use super::settings::{Done, float, int, refuse};
use super::value::{Known, Order, affine, each_channel, row};
use super::{arithmetic, product, sides, unit, window};

/// Reads a node.
///
/// # Errors
/// Why it is not understood, in words that complete "a node which ...".
pub(super) fn read<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    if node.outputs.iter().filter(|name| !name.is_empty()).count() != 1 {
        return Err("has another number of results than one".into());
    }
    if folded(node, from)? {
        return Ok(());
    }
    match node.op {
        "Constant" => constant(node, from),
        "Identity" | "Dropout" => sides::pass(node, from),
        "Cast" => cast(node, from),
        "Transpose" => sides::transpose(node, from),
        "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => sides::flatten(node, from),
        "Shape" => sides::shape(node, from),
        "Gather" => sides::gather(node, from),
        "Slice" => sides::slice(node, from),
        "Concat" => sides::concat(node, from),
        "Conv" => window::conv(node, from),
        "Pad" => window::pad(node, from),
        "MaxPool" | "AveragePool" => window::pool(node, from),
        "GlobalAveragePool" | "GlobalMaxPool" => window::global(node, from),
        "ReduceMean" => window::mean(node, from),
        "Gemm" | "MatMul" => product::product(node, from),
        "Add" | "Sub" | "Mul" | "Div" | "Neg" | "Sum" => arithmetic::arithmetic(node, from),
        "BatchNormalization" => norm(node, from),
        "Relu" => activation(node, "relu", from),
        "Sigmoid" => activation(node, "sigmoid", from),
        "Tanh" => tanh(node, from),
        "HardSigmoid" => hard_sigmoid(node, from),
        "Clip" => clip(node, from),
        "PRelu" | "LeakyRelu" => prelu(node, from),
        "Sign" => unit::sign(node, from),
        "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" => unit::compare(node, from),
        "Not" | "Xor" => unit::turn(node, from),
        "Where" => unit::choose(node, from),
        "BipolarQuant" => unit::bipolar(node, from),
        "MultiThreshold" => unit::thresholds(node, from),
        "Quant" | "IntQuant" => unit::quantise(node, from),
        "Softmax" | "LogSoftmax" => softmax(node, from),
        _ => {
            Err("is of a kind that is not understood; replace it by others, or leave it out".into())
        }
    }
}

/// Computes a node over constants alone; whether it is one.
fn folded<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Result<bool, String> {
    let mut all = Vec::new();
    for i in 0..node.inputs.len() {
        match from.has(node, i).then(|| from.input(node, i)) {
            Some(Ok(Known::Constant(array))) => all.push(array),
            _ => return Ok(false),
        }
    }
    let inputs: Vec<&Array> = all.iter().map(|array| &**array).collect();
    let Some(made) = fold(node, &inputs) else {
        return Ok(false);
    };
    let known = from.computed(made?)?;
    from.set(node, known)?;
    Ok(true)
}

fn constant<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let setting = |name| node.settings.get(name);
    let array = |numbers: &[f32]| {
        Known::Constant(std::rc::Rc::new(Array {
            sides: vec![numbers.len()],
            numbers: numbers.to_vec(),
        }))
    };
    let known = if let Some(tensor) = setting("value").and_then(|s| s.tensor.as_ref()) {
        from.constant(tensor)?
    } else if let Some(number) = setting("value_float") {
        Known::Constant(std::rc::Rc::new(Array::one(number.float)))
    } else if let Some(numbers) = setting("value_floats") {
        array(&numbers.floats)
    } else if let Some(number) = setting("value_int") {
        Known::Integers([number.int].into())
    } else if let Some(numbers) = setting("value_ints") {
        Known::Integers(numbers.ints.as_slice().into())
    } else {
        return Err("is a constant of another kind than a tensor".into());
    };
    from.set(node, known)
}

fn cast<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let known = from.input(node, 0)?;
    match (&known, int(node, "to", 1)) {
        (Known::Integers(_), 6 | 7) | (Known::Constant(_), 1 | 9) => from.set(node, known),
        (Known::Integers(all), 1) => {
            let numbers: Vec<f32> = all.iter().map(|&n| n as f32).collect();
            let array = match numbers[..] {
                [one] => Array::one(one),
                _ => Array {
                    sides: vec![numbers.len()],
                    numbers,
                },
            };
            let known = from.computed(array)?;
            from.set(node, known)
        }
        (Known::Integers(_) | Known::Constant(_), _) => {
            Err("makes other numbers than 32-bit floats or integers".into())
        }
        (_, 1) => from.set(node, known),
        _ => Err("makes other numbers than 32-bit floats".into()),
    }
}

fn layer<'a>(
    node: &Node<'a>,
    (kind, settings): (&'static str, Value),
    from: &mut Reader<'a>,
) -> Done {
    let of = from.value(node, 0)?;
    let made = from.to.layer(kind, &[of.layer], settings, vec![])?;
    from.set(node, Known::Value(of.on(made)))
}

fn activation<'a>(node: &Node<'a>, function: &str, from: &mut Reader<'a>) -> Done {
    layer(node, ("activation", json!({"function": function})), from)
}

/// An activation between two affine maps: `high·f(inside·x + offset) + low`.
fn between<'a>(
    node: &Node<'a>,
    function: &str,
    [inside, offset, high, low]: [f32; 4],
    from: &mut Reader<'a>,
) -> Done {
    let mut of = from.value(node, 0)?;
    let n = from.to.shape(of.layer).channels;
    if (inside, offset) != (1.0, 0.0) {
        of = affine(of, vec![inside; n], vec![offset; n], &mut from.to)?;
    }
    let settings = json!({"function": function});
    of = of.on(from.to.layer("activation", &[of.layer], settings, vec![])?);
    if (high, low) != (1.0, 0.0) {
        of = affine(of, vec![high; n], vec![low; n], &mut from.to)?;
    }
    from.set(node, Known::Value(of))
}

fn tanh<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    between(node, "sigmoid", [2.0, 0.0, 2.0, -1.0], from)
}

/// `max(0, min(1, alpha·x + beta))`.
fn hard_sigmoid<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let (alpha, beta) = (float(node, "alpha", 0.2), float(node, "beta", 0.5));
    let inside = [2.0 * alpha, 2.0 * beta - 1.0, 1.0, 0.0];
    between(node, "hard_sigmoid", inside, from)
}

fn clip<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let mut ends = [
        float(node, "min", f32::NEG_INFINITY),
        float(node, "max", f32::INFINITY),
    ];
    for (i, end) in ends.iter_mut().enumerate() {
        if from.has(node, i + 1) {
            let stated = from.numbers(node, i + 1)?.single();
            *end = stated.ok_or("has several limits")?;
        }
    }
    match ends {
        [0.0, f32::INFINITY] => activation(node, "relu", from),
        [low, high] if low.is_finite() && high.is_finite() => {
            let of = from.value(node, 0)?;
            from.set(node, Known::Held(of, ends))
        }
        _ => Err("holds a value on one side of another number than 0".into()),
    }
}

fn prelu<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let of = from.value(node, 0)?;
    let slopes = match node.op {
        "LeakyRelu" => Array::one(float(node, "alpha", 0.01)),
        _ => (*from.numbers(node, 1)?).clone(),
    };
    let (of, slopes) = each_channel(of, &slopes, &mut from.to)?;
    let tensors = vec![("weight", vec![slopes.len()], slopes)];
    let made = from.to.layer("prelu", &[of.layer], json!({}), tensors)?;
    from.set(node, Known::Value(of.on(made)))
}

fn norm<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let mut of = from.value(node, 0)?;
    refuse(
        of.flat || of.order == Order::Planes,
        "reads a value with its channels last",
    )?;
    let settings = json!({"eps": f64::from(float(node, "epsilon", 1e-5))});
    let mut tensors = Vec::new();
    let names = ["weight", "bias", "running_mean", "running_var"];
    for (i, name) in names.into_iter().enumerate() {
        let numbers = from.numbers(node, i + 1)?;
        let (on, numbers) = row(of, &numbers.numbers, &mut from.to)?;
        of = on;
        tensors.push((name, vec![numbers.len()], numbers));
    }
    let made = from
        .to
        .layer("batch_norm", &[of.layer], settings, tensors)?;
    from.set(node, Known::Value(of.on(made)))
}

/// What makes probabilities of logits changes no class.
fn softmax<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let of = from.value(node, 0)?;
    from.set(node, Known::Value(of))?;
    from.ends(node)
}
