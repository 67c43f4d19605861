//! What each operator becomes.

use serde_json::{Value, json};

use super::builder::{Builder, Known, Order};
use super::file::Node;

type Done = Result<(), String>;

/// A value of the network: layer, order of its numbers, and whether its sides were made one.
type Of = (Option<usize>, Order, bool);

/// Reads a node.
///
/// # Errors
/// Why it is not understood, in words that complete "a node which ...".
pub(super) fn read<'a>(node: &Node<'a>, to: &mut Builder<'a>) -> Done {
    if node.outputs.iter().filter(|name| !name.is_empty()).count() != 1 {
        return Err("has another number of results than one".into());
    }
    match node.op {
        "Constant" => constant(node, to),
        "Identity" | "Dropout" => same(node, to),
        "Cast" => cast(node, to),
        "Transpose" => transpose(node, to),
        "Flatten" | "Reshape" | "Squeeze" => flatten(node, to),
        "Conv" => conv(node, to),
        "Gemm" | "MatMul" => product(node, to),
        "BatchNormalization" => norm(node, to),
        "MaxPool" | "AveragePool" => pool(node, to),
        "GlobalAveragePool" => layer(node, "global_avg_pool", json!({}), to),
        "Relu" => layer(node, "activation", json!({"function": "relu"}), to),
        "Sigmoid" => layer(node, "activation", json!({"function": "sigmoid"}), to),
        "HardSigmoid" => hard_sigmoid(node, to),
        "PRelu" => prelu(node, to),
        "Sign" => layer(node, "binary", unit("-1/+1"), to),
        "BipolarQuant" => bipolar(node, to),
        "Greater" => greater(node, to),
        "Add" => add(node, to),
        "Concat" => concat(node, to),
        "Softmax" | "LogSoftmax" => softmax(node, to),
        _ => {
            Err("is of a kind that is not understood; replace it by others, or leave it out".into())
        }
    }
}

fn unit(levels: &str) -> Value {
    json!({"mode": "det", "estimator": "st", "levels": levels})
}

fn input(node: &Node<'_>, i: usize, to: &Builder<'_>) -> Result<Known, String> {
    let name = node.inputs.get(i).filter(|name| !name.is_empty());
    to.known(name.ok_or_else(|| format!("lacks its input {}", i + 1))?)
}

/// An input that the network computes.
fn value(node: &Node<'_>, i: usize, to: &Builder<'_>) -> Result<Of, String> {
    match input(node, i, to)? {
        Known::Layer { layer, order, flat } => Ok((layer, order, flat)),
        Known::Above(..) => Err("reads a comparison; cast it to floats first".into()),
        Known::Constant(..) => Err(format!("has a constant for its input {}", i + 1)),
    }
}

/// A constant input: its sides and numbers.
fn numbers(node: &Node<'_>, i: usize, to: &Builder<'_>) -> Result<(Vec<u64>, Vec<f32>), String> {
    match input(node, i, to)? {
        Known::Constant(sides, numbers) => Ok((sides, numbers)),
        _ => Err(format!("has no constant for its input {}", i + 1)),
    }
}

fn set<'a>(node: &Node<'a>, (layer, order, flat): Of, to: &mut Builder<'a>) -> Done {
    to.set(node.outputs[0], Known::Layer { layer, order, flat })
}

fn int(node: &Node<'_>, name: &str, usual: i64) -> i64 {
    node.settings.get(name).map_or(usual, |setting| setting.int)
}

fn float(node: &Node<'_>, name: &str, usual: f32) -> f32 {
    node.settings
        .get(name)
        .map_or(usual, |setting| setting.float)
}

fn ints(node: &Node<'_>, name: &str, usual: &[i64]) -> Vec<i64> {
    let found = node.settings.get(name).map(|setting| setting.ints.clone());
    found.unwrap_or_else(|| usual.to_vec())
}

fn refuse(unless: bool, what: &str) -> Done {
    if unless { Ok(()) } else { Err(what.into()) }
}

fn layer<'a>(node: &Node<'a>, kind: &'static str, settings: Value, to: &mut Builder<'a>) -> Done {
    let (from, order, flat) = value(node, 0, to)?;
    let made = to.layer(kind, &[from], settings, vec![]);
    set(node, (Some(made), order, flat), to)
}

fn constant<'a>(node: &Node<'a>, to: &mut Builder<'a>) -> Done {
    let tensor = node
        .settings
        .get("value")
        .and_then(|setting| setting.tensor.as_ref());
    let tensor = tensor.ok_or("is a constant of another kind than a tensor")?;
    to.constant(node.outputs[0], tensor)
}

fn same<'a>(node: &Node<'a>, to: &mut Builder<'a>) -> Done {
    let known = input(node, 0, to)?;
    to.set(node.outputs[0], known)
}

fn cast<'a>(node: &Node<'a>, to: &mut Builder<'a>) -> Done {
    refuse(
        int(node, "to", 1) == 1,
        "makes other numbers than 32-bit floats",
    )?;
    match input(node, 0, to)? {
        Known::Above(from, order, flat) => {
            let made = to.layer("binary", &[from], unit("0/1"), vec![]);
            set(node, (Some(made), order, flat), to)
        }
        known => to.set(node.outputs[0], known),
    }
}

fn transpose<'a>(node: &Node<'a>, to: &mut Builder<'a>) -> Done {
    let (from, order, flat) = value(node, 0, to)?;
    let turned = match (&ints(node, "perm", &[])[..], order) {
        ([0, 3, 1, 2], Order::Interleaved) => Order::Planes,
        ([0, 2, 3, 1], Order::Planes) => Order::Interleaved,
        _ => return Err("turns a value otherwise than between channels first and last".into()),
    };
    refuse(!flat, "turns a value without sides")?;
    set(node, (from, turned, false), to)
}

fn flatten<'a>(node: &Node<'a>, to: &mut Builder<'a>) -> Done {
    let (from, order, _) = value(node, 0, to)?;
    let length = i64::try_from(to.shape(from)?.len()).unwrap_or(-1);
    let whole = match node.op {
        "Flatten" => int(node, "axis", 1) == 1,
        "Squeeze" => to.shape(from)?.pixels() == 1,
        _ => {
            let sides = node.inputs.get(1).and_then(|name| to.integers(name));
            let sides = sides.unwrap_or_default();
            sides.len() == 2 && (sides[1] == length || (sides[1] == -1 && sides[0] != -1))
        }
    };
    refuse(whole, "changes sides otherwise than to one row an image")?;
    set(node, (from, order, true), to)
}

/// A pair as a layer's setting.
fn pair(of: &[i64]) -> Result<Value, String> {
    match *of {
        [a, b] if a == b && a >= 0 => Ok(json!(a)),
        [a, b] if a >= 0 && b >= 0 => Ok(json!([a, b])),
        _ => Err("has another number of sides than two".into()),
    }
}

/// The border of a window.
fn border(node: &Node<'_>) -> Result<Value, String> {
    let auto = node
        .settings
        .get("auto_pad")
        .map_or(&b"NOTSET"[..], |s| s.text);
    refuse(
        [&b""[..], b"NOTSET", b"VALID"].contains(&auto),
        "has a border that depends on the image; export it with `pads`",
    )?;
    match ints(node, "pads", &[0; 4])[..] {
        [top, left, bottom, right] if (top, left) == (bottom, right) => pair(&[top, left]),
        _ => Err("has a border that differs between opposite sides".into()),
    }
}

/// Whether weights are binary: all of an output's have one magnitude. Then whether that is 1.
fn binary(weights: &[f32], row: usize) -> (bool, bool) {
    let is =
        |row: &[f32]| row.len() > 1 && row[0] != 0.0 && row.iter().all(|w| w.abs() == row[0].abs());
    let all = weights.chunks_exact(row.max(1)).all(is);
    (all, all && weights.iter().all(|w| w.abs() == 1.0))
}

/// The settings that say what weights are.
fn settings(out: usize, bias: bool, weights: &[f32]) -> Value {
    let (are, plain) = binary(weights, weights.len() / out.max(1));
    json!({
        "out": out, "bias": bias, "weights": if are { "binary" } else { "real" },
        "scale": are && !plain,
    })
}

fn size(sides: &[u64]) -> Vec<usize> {
    sides
        .iter()
        .map(|&n| usize::try_from(n).unwrap_or(0))
        .collect()
}

fn conv<'a>(node: &Node<'a>, to: &mut Builder<'a>) -> Done {
    let (from, order, _) = value(node, 0, to)?;
    refuse(
        order == Order::Planes,
        "reads a value with its channels last",
    )?;
    let (sides, weights) = numbers(node, 1, to)?;
    refuse(
        sides.len() == 4 && !weights.is_empty(),
        "has weights of another form than a convolution of images",
    )?;
    let bias = match node.inputs.get(2).is_some_and(|name| !name.is_empty()) {
        true => Some(numbers(node, 2, to)?.1),
        false => None,
    };
    let sides = size(&sides);
    let mut of = settings(sides[0], bias.is_some(), &weights);
    of["kernel"] = pair(&[sides[2] as i64, sides[3] as i64])?;
    of["stride"] = pair(&ints(node, "strides", &[1, 1]))?;
    of["padding"] = border(node)?;
    of["dilation"] = pair(&ints(node, "dilations", &[1, 1]))?;
    of["groups"] = int(node, "group", 1).into();
    let out = sides[0];
    let mut tensors = vec![("weight", sides, weights)];
    tensors.extend(bias.map(|bias| ("bias", vec![out], bias)));
    let made = to.layer("conv", &[from], of, tensors);
    set(node, (Some(made), order, false), to)
}

fn product<'a>(node: &Node<'a>, to: &mut Builder<'a>) -> Done {
    let (from, order, flat) = value(node, 0, to)?;
    let (sides, numbers_in) = numbers(node, 1, to)?;
    refuse(
        sides.len() == 2 && !numbers_in.is_empty(),
        "has weights that are no matrix",
    )?;
    let sides = size(&sides);
    let transposed = node.op == "Gemm" && int(node, "transB", 0) == 1;
    let plain = float(node, "alpha", 1.0) == 1.0 && float(node, "beta", 1.0) == 1.0;
    refuse(
        plain && int(node, "transA", 0) == 0,
        "scales or turns its operands",
    )?;
    let (depth, out) = if transposed {
        (sides[1], sides[0])
    } else {
        (sides[0], sides[1])
    };
    let shape = to.shape(from)?;
    refuse(
        flat || shape.pixels() == 1,
        "multiplies images that are not flattened",
    )?;
    refuse(
        shape.len() == depth,
        "has another number of weights than inputs",
    )?;
    // Where an input of ours lies in the file's order.
    let plane = shape.pixels();
    let place = |i: usize| match order {
        Order::Planes => i,
        Order::Interleaved => i % plane * shape.channels + i / plane,
    };
    let weight = |o: usize, i: usize| match transposed {
        true => numbers_in[o * depth + place(i)],
        false => numbers_in[place(i) * out + o],
    };
    let weights: Vec<f32> = (0..out)
        .flat_map(|o| (0..depth).map(move |i| (o, i)))
        .map(|(o, i)| weight(o, i))
        .collect();
    let bias = match node.op == "Gemm" && node.inputs.get(2).is_some_and(|n| !n.is_empty()) {
        true => Some(numbers(node, 2, to)?.1),
        false => None,
    };
    let of = settings(out, bias.is_some(), &weights);
    let mut tensors = vec![("weight", vec![out, depth], weights)];
    tensors.extend(bias.map(|bias| ("bias", vec![out], bias)));
    let made = to.layer("linear", &[from], of, tensors);
    set(node, (Some(made), Order::Planes, true), to)
}

fn norm<'a>(node: &Node<'a>, to: &mut Builder<'a>) -> Done {
    let (from, order, flat) = value(node, 0, to)?;
    refuse(
        flat || order == Order::Planes,
        "reads a value with its channels last",
    )?;
    let of = json!({"eps": f64::from(float(node, "epsilon", 1e-5))});
    let mut tensors = Vec::new();
    for (i, name) in ["weight", "bias", "running_mean", "running_var"]
        .into_iter()
        .enumerate()
    {
        let (sides, numbers) = numbers(node, i + 1, to)?;
        tensors.push((name, size(&sides), numbers));
    }
    let made = to.layer("batch_norm", &[from], of, tensors);
    set(node, (Some(made), order, flat), to)
}

fn pool<'a>(node: &Node<'a>, to: &mut Builder<'a>) -> Done {
    refuse(border(node)? == json!(0), "has a border around the image")?;
    refuse(
        int(node, "ceil_mode", 0) == 0,
        "has windows that go beyond the image",
    )?;
    refuse(
        ints(node, "dilations", &[1, 1]) == [1, 1],
        "has windows with gaps",
    )?;
    let of = json!({
        "kernel": pair(&ints(node, "kernel_shape", &[]))?,
        "stride": pair(&ints(node, "strides", &[1, 1]))?,
    });
    let (_, order, flat) = value(node, 0, to)?;
    refuse(
        order == Order::Planes && !flat,
        "reads a value with its channels last, or none",
    )?;
    let kind = if node.op == "MaxPool" {
        "max_pool"
    } else {
        "avg_pool"
    };
    layer(node, kind, of, to)
}

fn hard_sigmoid<'a>(node: &Node<'a>, to: &mut Builder<'a>) -> Done {
    let settings = (float(node, "alpha", 0.2), float(node, "beta", 0.5));
    refuse(
        settings == (0.5, 0.5),
        "has another slope than 0.5 or another middle",
    )?;
    layer(node, "activation", json!({"function": "hard_sigmoid"}), to)
}

fn prelu<'a>(node: &Node<'a>, to: &mut Builder<'a>) -> Done {
    let (from, order, flat) = value(node, 0, to)?;
    let channels = to.shape(from)?.channels;
    let slopes = match numbers(node, 1, to)?.1 {
        one if one.len() == 1 => vec![one[0]; channels],
        all => all,
    };
    refuse(
        slopes.len() == channels,
        "has another number of slopes than channels",
    )?;
    let made = to.layer(
        "prelu",
        &[from],
        json!({}),
        vec![("weight", vec![channels], slopes)],
    );
    set(node, (Some(made), order, flat), to)
}

/// Signs of weights, or of a value.
fn bipolar<'a>(node: &Node<'a>, to: &mut Builder<'a>) -> Done {
    let scale = numbers(node, 1, to)?.1;
    if let Known::Constant(sides, numbers) = input(node, 0, to)? {
        let row = numbers.len() / sides.first().map_or(1, |&n| n as usize).max(1);
        refuse(
            scale.len() == 1 || scale.len() * row == numbers.len(),
            "has another number of scales than outputs",
        )?;
        let of = |i: usize| scale[if scale.len() == 1 { 0 } else { i / row.max(1) }];
        let sign = |(i, x): (usize, &f32)| if *x >= 0.0 { of(i) } else { -of(i) };
        let signs = numbers.iter().enumerate().map(sign).collect();
        return to.set(node.outputs[0], Known::Constant(sides, signs));
    }
    refuse(scale == [1.0], "has another scale than 1")?;
    layer(node, "binary", unit("-1/+1"), to)
}

fn greater<'a>(node: &Node<'a>, to: &mut Builder<'a>) -> Done {
    let limit = numbers(node, 1, to)?.1;
    refuse(limit == [0.0], "compares with another number than 0")?;
    let (from, order, flat) = value(node, 0, to)?;
    to.set(node.outputs[0], Known::Above(from, order, flat))
}

fn add<'a>(node: &Node<'a>, to: &mut Builder<'a>) -> Done {
    let constant =
        |i: usize, to: &Builder<'_>| matches!(input(node, i, to), Ok(Known::Constant(..)));
    for (from, bias) in [(0, 1), (1, 0)] {
        if !constant(bias, to) {
            continue;
        }
        let (of, order, flat) = value(node, from, to)?;
        let (_, numbers) = numbers(node, bias, to)?;
        let alone = to.uses(node.inputs[from]) == 1;
        if let Some(layer) = of.filter(|_| alone)
            && to.bias(layer, &numbers)
        {
            return set(node, (of, order, flat), to);
        }
        return Err("adds a constant to what is no product alone".into());
    }
    let (a, b) = (value(node, 0, to)?, value(node, 1, to)?);
    refuse((a.1, a.2) == (b.1, b.2), "adds values of different orders")?;
    let made = to.layer("add", &[a.0, b.0], json!({}), vec![]);
    set(node, (Some(made), a.1, a.2), to)
}

fn concat<'a>(node: &Node<'a>, to: &mut Builder<'a>) -> Done {
    refuse(
        int(node, "axis", 1) == 1,
        "joins along another side than channels",
    )?;
    let all: Vec<Of> = (0..node.inputs.len())
        .map(|i| value(node, i, to))
        .collect::<Result<_, _>>()?;
    refuse(
        all.iter().all(|of| of.1 == Order::Planes),
        "joins values with their channels last",
    )?;
    for of in all.iter().filter(|of| of.2) {
        refuse(to.shape(of.0)?.pixels() == 1, "joins rows of images")?;
    }
    let from: Vec<_> = all.iter().map(|of| of.0).collect();
    let made = to.layer("concat", &from, json!({}), vec![]);
    set(node, (Some(made), Order::Planes, all[0].2), to)
}

/// What makes probabilities of logits changes no class.
fn softmax<'a>(node: &Node<'a>, to: &mut Builder<'a>) -> Done {
    let of = value(node, 0, to)?;
    set(node, of, to)?;
    to.ends(node.outputs[0])
}
