//! What changes the sides of a value and not its numbers, and the integers that say so.

use serde_json::json;

use super::file::Node;
use super::reader::Reader;
use super::settings::{Done, int, ints, refuse};
use super::value::{Known, Of, Order};
use crate::tensor::Shape;

const OTHERWISE: &str = "changes sides otherwise than to one row an image, or back";

/// The value behind an input, with what was put off still put off.
fn source<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Result<(Known, Of), String> {
    let known = from.input(node, 0)?;
    match known.source() {
        Some(of) => Ok((known, of)),
        None => Err("has a constant for its input 1".into()),
    }
}

pub(super) fn transpose<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let perm = ints(node, "perm", &[]);
    if let Known::Constant(array) = from.input(node, 0)? {
        let known = from.computed(array.transposed(&perm)?)?;
        return from.set(node, known);
    }
    let (known, mut of) = source(node, from)?;
    of.order = match (&perm[..], of.order) {
        ([0, 3, 1, 2], Order::Interleaved) => Order::Planes,
        ([0, 2, 3, 1], Order::Planes) => Order::Interleaved,
        _ => return Err("turns a value otherwise than between channels first and last".into()),
    };
    refuse(!of.flat, "turns a value without sides")?;
    from.set(node, known.over(of))
}

pub(super) fn flatten<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    match from.input(node, 0)? {
        Known::Integers(_) if node.op != "Flatten" => return pass(node, from),
        Known::Constant(array) if node.op == "Reshape" => {
            let to = from.integers(node, 1)?;
            let known = from.computed(array.reshaped(&to)?)?;
            return from.set(node, known);
        }
        Known::Constant(_) if node.op != "Flatten" => {
            return Err("changes the sides of a constant".into());
        }
        Known::Bordered(..) => return Err("reads a border; only convolutions have one here".into()),
        _ => {}
    }
    let (known, of) = source(node, from)?;
    match node.op {
        "Flatten" => {
            refuse(int(node, "axis", 1) == 1, OTHERWISE)?;
            flat(node, known, of, from)
        }
        "Squeeze" => {
            refuse(from.to.shape(of.layer).pixels() == 1, OTHERWISE)?;
            flat(node, known, of, from)
        }
        "Unsqueeze" => {
            refuse(of.flat && from.to.shape(of.layer).pixels() == 1, OTHERWISE)?;
            let of = Of {
                flat: false,
                image: from.to.shape(of.layer),
                order: Order::Planes,
                ..of
            };
            from.set(node, known.over(of))
        }
        _ => {
            let sides = from.integers(node, 1)?;
            reshape(node, (known, of), &sides, from)
        }
    }
}

fn flat<'a>(node: &Node<'a>, known: Known, of: Of, from: &mut Reader<'a>) -> Done {
    let of = Of { flat: true, ..of };
    from.set(node, known.over(of))
}

fn reshape<'a>(
    node: &Node<'a>,
    (known, of): (Known, Of),
    to: &[i64],
    from: &mut Reader<'a>,
) -> Done {
    let length = from.to.shape(of.layer).len();
    match *to {
        [batch, side] if side == length as i64 || (side == -1 && batch != -1) => {
            flat(node, known, of, from)
        }
        [batch, side] if side == 0 && of.flat && batch != -1 => flat(node, known, of, from),
        [_, a, b, c] => {
            let own = own_sides(of);
            let mut sides = [a, b, c];
            for (i, side) in sides.iter_mut().enumerate() {
                if *side == 0 {
                    *side = own.get(i).copied().ok_or(OTHERWISE)?;
                }
            }
            if let Some(free) = sides.iter().position(|&side| side == -1) {
                let others = sides.iter().enumerate().filter(|(i, _)| *i != free);
                let known = others.fold(1i64, |n, (_, &side)| n.saturating_mul(side));
                refuse(known > 0, OTHERWISE)?;
                sides[free] = length as i64 / known;
            }
            image(node, (known, of), sides, from)
        }
        _ => Err(OTHERWISE.into()),
    }
}

/// The sides of a value in the file but for the batch.
fn own_sides(of: Of) -> Vec<i64> {
    let Shape {
        channels,
        height,
        width,
    } = of.image;
    let sides = match (of.flat, of.order) {
        (true, _) => vec![of.image.len()],
        (false, Order::Planes) => vec![channels, height, width],
        (false, Order::Interleaved) => vec![height, width, channels],
    };
    sides.into_iter().map(|side| side as i64).collect()
}

/// A value as an image of those sides.
fn image<'a>(
    node: &Node<'a>,
    (known, of): (Known, Of),
    sides: [i64; 3],
    from: &mut Reader<'a>,
) -> Done {
    let shape = from.to.shape(of.layer);
    let whole = sides.map(|side| usize::try_from(side).unwrap_or(0));
    let count = whole
        .iter()
        .try_fold(1usize, |n, &side| n.checked_mul(side));
    refuse(count == Some(shape.len()), OTHERWISE)?;
    let back = Of { flat: false, ..of };
    if own_sides(back) == sides && shape == of.image {
        return from.set(node, known.over(back));
    }
    let vector = whole[1] == 1 && whole[2] == 1;
    if vector && (of.order == Order::Planes || shape.pixels() == 1) {
        let mut of = from.value(node, 0)?;
        if shape.pixels() > 1 {
            let made = from.to.layer("flatten", &[of.layer], json!({}), vec![])?;
            of = of.on(made);
        }
        return from.set(
            node,
            Known::Value(Of {
                order: Order::Planes,
                flat: false,
                image: from.to.shape(of.layer),
                ..of
            }),
        );
    }
    // Images that came as rows.
    if of.layer.is_none() && of.flat && from.to.is_empty() {
        let last = matches!(whole[2], 1 | 3) && !matches!(whole[0], 1 | 3);
        let (order, shape) = match last {
            true => (
                Order::Interleaved,
                Shape::image(whole[2], whole[0], whole[1]),
            ),
            false => (Order::Planes, Shape::image(whole[0], whole[1], whole[2])),
        };
        from.to.images(shape);
        let of = Of {
            layer: None,
            order,
            flat: false,
            image: shape,
        };
        return from.set(node, known.over(of));
    }
    Err(OTHERWISE.into())
}

/// Hands an input on.
pub(super) fn pass<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let known = from.input(node, 0)?;
    from.set(node, known)
}

/// The sides of a value; that of the batch is 0, as `Reshape` copies it.
pub(super) fn shape<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let (_, of) = source(node, from)?;
    let sides: Vec<i64> = std::iter::once(0).chain(own_sides(of)).collect();
    from.set(node, Known::Integers(sides.into()))
}

/// Some of several integers.
pub(super) fn gather<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let (all, chosen) = (from.integers(node, 0)?, from.integers(node, 1)?);
    let one = |&i: &i64| {
        let i = if i < 0 { i + all.len() as i64 } else { i };
        let i = usize::try_from(i).ok()?;
        all.get(i).copied()
    };
    let found: Option<Vec<i64>> = chosen.iter().map(one).collect();
    let found = found.ok_or("chooses a side that there is not")?;
    from.set(node, Known::Integers(found.into()))
}

/// Neighbouring integers of several.
pub(super) fn slice<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let all = from.integers(node, 0)?;
    let (first, end) = (from.integers(node, 1)?, from.integers(node, 2)?);
    let ([first], [end]) = (&first[..], &end[..]) else {
        return Err("takes a part along several sides".into());
    };
    if from.has(node, 4) {
        refuse(from.integers(node, 4)?[..] == [1], "takes a part with gaps")?;
    }
    let length = all.len() as i64;
    let at = |i: i64| if i < 0 { i.saturating_add(length) } else { i }.clamp(0, length) as usize;
    let part = all.get(at(*first)..at(*end));
    let part = part.ok_or("takes a part that there is not")?;
    from.set(node, Known::Integers(part.into()))
}

/// Values joined along their channels, or integers one after another.
pub(super) fn concat<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    if let Known::Integers(_) = from.input(node, 0)? {
        let mut joined = Vec::new();
        for i in 0..node.inputs.len() {
            joined.extend_from_slice(&from.integers(node, i)?);
        }
        refuse(joined.len() < 64, "joins more sides than a value has")?;
        return from.set(node, Known::Integers(joined.into()));
    }
    let mut all = Vec::new();
    for i in 0..node.inputs.len() {
        all.push(from.value(node, i)?);
    }
    let first = all[0];
    let same = all
        .iter()
        .all(|of| (of.order, of.flat) == (first.order, first.flat));
    refuse(same, "joins values of different orders")?;
    let axis = match (first.flat, first.order) {
        (false, Order::Interleaved) => [3, -1],
        (false, Order::Planes) => [1, -3],
        (true, _) => [1, -1],
    };
    refuse(
        axis.contains(&int(node, "axis", 1)),
        "joins along another side than channels",
    )?;
    for of in all.iter_mut().filter(|of| of.flat) {
        if from.to.shape(of.layer).pixels() > 1 {
            refuse(
                of.order == Order::Planes,
                "joins rows of images with their channels last",
            )?;
            *of = of.on(from.to.layer("flatten", &[of.layer], json!({}), vec![])?);
        }
    }
    let layers: Vec<_> = all.iter().map(|of| of.layer).collect();
    let made = from.to.layer("concat", &layers, json!({}), vec![])?;
    let made = first.with(made, from.to.shape(Some(made)));
    from.set(node, Known::Value(made))
}
