//! A packed network as an ONNX file: of standard operators, or in QONNX, the dialect of FINN.
//!
//! Values are 32-bit floats of shape (batch, channel, row, column): bits are 0 and 1, signs -1 and
//! +1, and whole numbers stay below 2^24, where floats are exact. So a network of binary weights has
//! exact sums and the bits of [`crate::packed::Runner`] in every runtime; its logits, and all
//! numbers behind real weights, are equal within the rounding of the runtime. Stochastic units are
//! read as `[x > 0]`.
//!
//! In QONNX a unit is `MultiThreshold` and a binary weight goes through `BipolarQuant`; the rest is
//! standard.

mod builder;
mod proto;
mod steps;

use prost::Message;

use super::About;
use crate::named::named;
use crate::packed::{Flow, PackedNet, Pixels, Product, Source, Stage, Weights};
use builder::{Builder, QONNX, int, ints};
use proto::{
    Dimension, Entry, FLOAT, Graph, Model, OperatorSet, TensorShape, TensorType, Type, UINT8,
    ValueInfo,
};

/// The set of operators: the newest that older runtimes take as well.
const OPERATORS: i64 = 15;

/// The version of the file's form that has these operators.
const FORM: i64 = 8;

/// The type of the pixels that go in; their numbers are 0 to 255 in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Input {
    /// Bytes.
    #[default]
    Uint8,
    /// 32-bit floats.
    Float,
}

named!(Input, Uint8 "uint8", Float "float");

/// Returns the bytes of an ONNX file. Its input is `pixels` of shape (batch, channels, height,
/// width), its output `logits`, or `embedding`, of shape (batch, number); the batch is free.
pub fn bytes(net: &PackedNet, input: Input, about: &About) -> Vec<u8> {
    write(net, input, about, Builder::default())
}

/// As [`bytes`], in QONNX.
pub fn qonnx_bytes(net: &PackedNet, input: Input, about: &About) -> Vec<u8> {
    write(net, input, about, Builder::of_qonnx())
}

fn write(net: &PackedNet, input: Input, about: &About, mut to: Builder) -> Vec<u8> {
    to.begin(0, "image");
    let image = image(net, input, &mut to);
    let mut outputs: Vec<String> = Vec::new();
    for (i, (stage, flow)) in net.stages().iter().zip(net.flows()).enumerate() {
        to.begin(i, &stage.name);
        let of = |source: &Source| match *source {
            Source::Image => image.as_str(),
            Source::Stage(j) => outputs[j].as_str(),
        };
        let inputs: Vec<&str> = flow.sources.iter().map(of).collect();
        let mut x = product(stage, flow, &inputs, &mut to);
        for (j, step) in stage.tail.iter().enumerate() {
            x = steps::write(step, flow.values[j].0, &x, &mut to);
        }
        outputs.push(x);
    }
    let made = match net.comparison() {
        Some(_) => "embedding",
        None => "logits",
    };
    let last = outputs.last().expect("a network has a stage");
    to.node_to("Flatten", &[last], vec![int("axis", 1)], made.into());
    model(net, input, about, (made, to)).encode_to_vec()
}

/// Writes what makes the numbers of the network of its pixels.
fn image(net: &PackedNet, input: Input, to: &mut Builder) -> String {
    let mut x = "pixels".to_string();
    if input == Input::Uint8 {
        x = to.bits(&x);
    }
    let Pixels::Normalised { mean, std } = net.pixels() else {
        return x;
    };
    let most = to.each("most", &[255.0]);
    let (mean, std) = (
        to.each("mean", mean.numbers()),
        to.each("std", std.numbers()),
    );
    let share = to.node("Div", &[&x, &most], vec![]);
    let centred = to.node("Sub", &[&share, &mean], vec![]);
    to.node("Div", &[&centred, &std], vec![])
}

/// Writes the product of a stage.
fn product(stage: &Stage, flow: &Flow, inputs: &[&str], to: &mut Builder) -> String {
    match stage.product {
        Product::Input => inputs[0].to_string(),
        Product::Concat => to.node("Concat", inputs, vec![int("axis", 1)]),
        // In the order of the network, two at a time.
        Product::Add => inputs[1..].iter().fold(inputs[0].to_string(), |sum, x| {
            to.node("Add", &[&sum, x], vec![])
        }),
        Product::Linear { out } => {
            let (weights, bias) = weights(stage, flow, &[out, flow.input().0.len()], to);
            let flat = to.node("Flatten", inputs, vec![int("axis", 1)]);
            let all = [Some(flat.as_str()), Some(&weights), bias.as_deref()];
            let all: Vec<&str> = all.into_iter().flatten().collect();
            let sums = to.node("Gemm", &all, vec![int("transB", 1)]);
            let shape = to.shape("shape", &[0, out as i64, 1, 1]);
            to.node("Reshape", &[&sums, &shape], vec![])
        }
        Product::Conv {
            out,
            kernel,
            stride,
            padding,
            border,
            groups,
        } => {
            let channels = flow.input().0.channels / groups;
            let (weights, bias) = weights(stage, flow, &[out, channels, kernel, kernel], to);
            let mut x = inputs[0].to_string();
            let mut pads = padding;
            if padding > 0 && border != 0 {
                let side = padding as i64;
                let sides = to.shape("pads", &[0, 0, side, side, 0, 0, side, side]);
                let value = to.floats("border", &[], &[f32::from(border)]);
                x = to.node("Pad", &[&x, &sides, &value], vec![]);
                pads = 0;
            }
            let all = [Some(x.as_str()), Some(&weights), bias.as_deref()];
            let all: Vec<&str> = all.into_iter().flatten().collect();
            let mut settings = vec![
                ints("kernel_shape", &[kernel, kernel]),
                ints("strides", &[stride, stride]),
                ints("pads", &[pads; 4]),
            ];
            if groups > 1 {
                settings.push(int("group", groups as i64));
            }
            to.node("Conv", &all, settings)
        }
    }
}

/// Adds weights of that shape, and the bias if there is one.
fn weights(
    stage: &Stage,
    flow: &Flow,
    dims: &[usize],
    to: &mut Builder,
) -> (String, Option<String>) {
    let depth = stage.product.depth(flow.input().0);
    match &stage.weights {
        Weights::Real { values, bias } => {
            let bias = to.floats("bias", &[bias.len()], bias);
            (to.floats("weight", dims, values), Some(bias))
        }
        Weights::Binary { words } => {
            let sign = |word: u64, i: usize| if word >> i & 1 == 1 { 1.0 } else { -1.0 };
            let row = |words: &[u64]| -> Vec<f32> {
                (0..depth).map(|i| sign(words[i / 64], i % 64)).collect()
            };
            let rows = words.chunks_exact(depth.div_ceil(64));
            let all: Vec<f32> = rows.flat_map(row).collect();
            let weight = to.floats("weight", dims, &all);
            if !to.quantised {
                return (weight, None);
            }
            let scale = to.floats("scale", &[], &[1.0]);
            let binary = to.own_node("BipolarQuant", &[&weight, &scale], vec![]);
            (binary, None)
        }
        Weights::None => unreachable!("a product over weights has some"),
    }
}

/// Returns the file of a graph that makes `made`.
fn model(net: &PackedNet, input: Input, about: &About, (made, graph): (&str, Builder)) -> Model {
    let shape = net.input();
    let kind = match input {
        Input::Uint8 => UINT8,
        Input::Float => FLOAT,
    };
    let sides = [shape.channels, shape.height, shape.width];
    let own = graph.quantised.then_some((QONNX, 1));
    let sets = std::iter::once(("", OPERATORS)).chain(own);
    let sets = sets.map(|(domain, version)| OperatorSet {
        domain: domain.into(),
        version,
    });
    let mut entries = vec![
        ("name", net.name().to_string()),
        // What an import asks for.
        ("pixels", "0 to 255".into()),
    ];
    if !about.licence.is_empty() {
        // The key that the format names for it.
        entries.push(("model_license", about.licence.clone()));
    }
    if !about.sha256.is_empty() {
        entries.push(("packed_sha256", about.sha256.clone()));
    }
    let entry = |(key, value): (&str, String)| Entry {
        key: key.into(),
        value,
    };
    Model {
        ir_version: FORM,
        producer_name: "bnn-cpu".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        doc_string: about.lines.join("\n"),
        graph: Some(Graph {
            node: graph.nodes,
            name: net.name().into(),
            initializer: graph.constants,
            input: vec![value("pixels", kind, &sides)],
            output: vec![value(made, FLOAT, &[net.classes()])],
        }),
        opset_import: sets.collect(),
        metadata_props: entries.into_iter().map(entry).collect(),
    }
}

/// Returns the description of an input or output with a free batch.
fn value(name: &str, elem_type: i32, sides: &[usize]) -> ValueInfo {
    let batch = Dimension {
        dim_value: None,
        dim_param: Some("batch".into()),
    };
    let side = |&n: &usize| Dimension {
        dim_value: Some(n as i64),
        dim_param: None,
    };
    let dim = std::iter::once(batch)
        .chain(sides.iter().map(side))
        .collect();
    ValueInfo {
        name: name.into(),
        kind: Some(Type {
            tensor: Some(TensorType {
                elem_type,
                shape: Some(TensorShape { dim }),
            }),
        }),
    }
}
