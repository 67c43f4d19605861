//! Products of vectors and matrices.

use serde_json::{Value, json};

use super::file::Node;
use super::reader::Reader;
use super::settings::{Done, float, int, refuse};
use super::value::{Known, Of, Order};
use crate::tensor::Shape;

/// Whether weights are binary: all of an output's have one magnitude. Then whether that is 1.
fn binary(weights: &[f32], row: usize) -> (bool, bool) {
    let is =
        |row: &[f32]| row.len() > 1 && row[0] != 0.0 && row.iter().all(|w| w.abs() == row[0].abs());
    let all = weights.chunks_exact(row.max(1)).all(is);
    (all, all && weights.iter().all(|w| w.abs() == 1.0))
}

/// The settings of a layer that say what its weights are.
pub(super) fn terms(out: usize, bias: Option<&[f32]>, weights: &[f32]) -> Value {
    let (are, plain) = binary(weights, weights.len() / out.max(1));
    json!({
        "out": out, "bias": bias.is_some(), "weights": if are { "binary" } else { "real" },
        "scale": are && !plain,
    })
}

/// The bias of a `Gemm`, if it has one: a number an output, or one for all.
fn bias<'a>(
    node: &Node<'a>,
    out: usize,
    from: &mut Reader<'a>,
) -> Result<Option<Vec<f32>>, String> {
    if node.op != "Gemm" || !from.has(node, 2) {
        return Ok(None);
    }
    let bias = match &from.numbers(node, 2)?.numbers[..] {
        [one] => vec![*one; out],
        all => all.to_vec(),
    };
    refuse(
        bias.len() == out,
        "has another number of biases than outputs",
    )?;
    Ok(Some(bias))
}

pub(super) fn product<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let of = from.value(node, 0)?;
    let matrix = from.numbers(node, 1)?;
    let [rows, columns] = matrix.sides[..] else {
        return Err("has weights that are no matrix".into());
    };
    refuse(!matrix.numbers.is_empty(), "has weights that are no matrix")?;
    let transposed = node.op == "Gemm" && int(node, "transB", 0) == 1;
    let plain = float(node, "alpha", 1.0) == 1.0 && float(node, "beta", 1.0) == 1.0;
    refuse(
        plain && int(node, "transA", 0) == 0,
        "scales or turns its operands",
    )?;
    let (depth, out) = match transposed {
        true => (columns, rows),
        false => (rows, columns),
    };
    let shape = from.to.shape(of.layer);
    refuse(
        of.flat || shape.pixels() == 1,
        "multiplies images that are not flattened",
    )?;
    refuse(
        shape.len() == depth,
        "has another number of weights than inputs",
    )?;
    let mut weights = vec![0.0; out * depth];
    for i in 0..depth {
        let place = of.place(i);
        for o in 0..out {
            let from = if transposed {
                o * depth + i
            } else {
                i * out + o
            };
            weights[o * depth + place] = matrix.numbers[from];
        }
    }
    let bias = bias(node, out, from)?;
    let settings = terms(out, bias.as_deref(), &weights);
    let mut tensors = vec![("weight", vec![out, depth], weights)];
    tensors.extend(bias.map(|bias| ("bias", vec![out], bias)));
    let made = from.to.layer("linear", &[of.layer], settings, tensors)?;
    let made = Of {
        layer: Some(made),
        order: Order::Planes,
        flat: true,
        image: Shape::vector(out),
    };
    from.set(node, Known::Value(made))
}
