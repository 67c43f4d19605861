//! Convolutions and pools: what slides over images, and the borders around these.

use serde_json::{Value, json};

use super::array::Array;
use super::file::Node;
use super::product::terms;
use super::reader::Reader;
use super::settings::{Done, int, ints, pair, refuse, word};
use super::value::{Known, Of, Order, settle};

/// Rows and columns around an image: top, left, bottom, right.
type Border = [usize; 4];

/// The most pixels of a side.
const MOST: i64 = 1 << 14;

/// The border that a window of that size has by `pads` and `auto_pad` of its node.
fn border(node: &Node<'_>, of: Of, kernel: &[i64]) -> Result<Border, String> {
    let (strides, gaps) = (
        ints(node, "strides", &[1, 1]),
        ints(node, "dilations", &[1, 1]),
    );
    refuse(
        kernel.len() == 2 && strides.len() == 2 && gaps.len() == 2,
        "has another number of sides than two",
    )?;
    let sizes_given = kernel.iter().chain(&strides).chain(&gaps);
    refuse(
        sizes_given.into_iter().all(|n| (1..MOST).contains(n)),
        "has windows of no size, or of one without end",
    )?;
    let auto = word(node, "auto_pad", "NOTSET");
    match auto {
        "" | "NOTSET" => {}
        "VALID" => return Ok([0; 4]),
        "SAME_UPPER" | "SAME_LOWER" => {
            let mut all = [0; 4];
            let sides = [of.image.height as i64, of.image.width as i64];
            for i in 0..2 {
                let reach = (kernel[i] - 1) * gaps[i] + 1;
                let end = (sides[i] - 1) / strides[i] * strides[i] + reach;
                let missing = (end - sides[i]).max(0) as usize;
                let (less, more) = (missing / 2, missing - missing / 2);
                (all[i], all[i + 2]) = match auto {
                    "SAME_UPPER" => (less, more),
                    _ => (more, less),
                };
            }
            return Ok(all);
        }
        _ => return Err("has an unknown kind of border".into()),
    }
    sizes(&ints(node, "pads", &[0; 4]))
}

fn sizes(pads: &[i64]) -> Result<Border, String> {
    let one = |i: usize| {
        let n = pads.get(i).filter(|n| (0..MOST).contains(*n));
        n.map(|&n| n as usize)
    };
    match (one(0), one(1), one(2), one(3), pads.len()) {
        (Some(a), Some(b), Some(c), Some(d), 4) => Ok([a, b, c, d]),
        _ => Err("has a border of no size, or of one without end".into()),
    }
}

/// A border as a node of its own, which the next convolution takes.
pub(super) fn pad<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    refuse(
        word(node, "mode", "constant") == "constant",
        "continues an image otherwise than by one number",
    )?;
    let number = match node.settings.get("value") {
        Some(setting) => setting.float,
        None if from.has(node, 2) => {
            let number = from.numbers(node, 2)?.single();
            number.ok_or("has a border of several numbers")?
        }
        None => 0.0,
    };
    let all = match node.settings.get("pads") {
        Some(setting) => setting.ints.clone(),
        None => from.integers(node, 1)?.to_vec(),
    };
    refuse(!from.has(node, 3), "has a border along chosen sides")?;
    if all.iter().all(|&n| n == 0) {
        let same = from.input(node, 0)?;
        return from.set(node, same);
    }
    let of = from.value(node, 0)?;
    refuse(!of.flat, "has a border around a value without sides")?;
    let (rows, columns, channels) = match of.order {
        Order::Planes => (2, 3, 1),
        Order::Interleaved => (1, 2, 3),
    };
    refuse(
        all.len() == 8 && [0, 4, channels, channels + 4].iter().all(|&i| all[i] == 0),
        "has a border along another side than rows and columns",
    )?;
    let border = sizes(&[rows, columns, rows + 4, columns + 4].map(|i| all[i]))?;
    from.set(node, Known::Bordered(of, border, number))
}

/// The value that a convolution reads, its border, and the number that this is of.
fn bordered<'a>(
    node: &Node<'a>,
    kernel: &[i64],
    from: &mut Reader<'a>,
) -> Result<(Of, Border, f32), String> {
    let (of, mut all, number) = match from.input(node, 0)? {
        Known::Bordered(of, border, number) => (of, border, number),
        _ => (from.value(node, 0)?, [0; 4], 0.0),
    };
    let mut inside = of;
    inside.image.height += all[0] + all[2];
    inside.image.width += all[1] + all[3];
    let own = border(node, inside, kernel)?;
    refuse(
        number == 0.0 || own == [0; 4] || all == [0; 4],
        "has a border around a border of another number",
    )?;
    all.iter_mut().zip(own).for_each(|(a, b)| *a += b);
    refuse(
        [-1.0, 0.0, 1.0].contains(&number),
        "has a border of another number than -1, 0 or 1",
    )?;
    Ok((of, all, number))
}

/// Weights with rows and columns of zeros, so that the border is the same on opposite sides.
fn evened(weights: &Array, border: Border, gaps: &[i64]) -> Result<(Array, [usize; 2]), String> {
    let mut made = weights.clone();
    let mut even = [0; 2];
    for side in 0..2 {
        let (first, last) = (border[side], border[side + 2]);
        even[side] = first.max(last);
        let (gap, more) = (gaps[side].max(1) as usize, first.abs_diff(last));
        refuse(
            more.is_multiple_of(gap),
            "has a border that differs between opposite sides and taps that lie apart",
        )?;
        let more = more / gap;
        if more == 0 {
            continue;
        }
        let axis = side + 2;
        let length = made.sides[axis];
        refuse(
            more <= length,
            "has a border that is larger than its window",
        )?;
        let step: usize = made.sides[axis + 1..].iter().product();
        let zeros = vec![0.0; more * step];
        let blocks = made.numbers.chunks_exact(length * step);
        let one = |block: &[f32]| match first < last {
            true => [&zeros, block].concat(),
            false => [block, &zeros].concat(),
        };
        made.numbers = blocks.flat_map(one).collect();
        made.sides[axis] += more;
    }
    Ok((made, even))
}

pub(super) fn conv<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let weights = from.numbers(node, 1)?;
    refuse(
        weights.sides.len() == 4 && !weights.numbers.is_empty(),
        "has weights of another form than a convolution of images",
    )?;
    let sides: Vec<i64> = weights.sides.iter().map(|&n| n as i64).collect();
    let (of, border, number) = bordered(node, &sides[2..], from)?;
    refuse(
        of.order == Order::Planes && !of.flat,
        "reads a value with its channels last, or without sides",
    )?;
    let gaps = ints(node, "dilations", &[1, 1]);
    let (weights, even) = evened(&weights, border, &gaps)?;
    let strides = ints(node, "strides", &[1, 1]);
    let groups = int(node, "group", 1);
    let plain = border == [0; 4] && gaps == [1, 1] && !from.has(node, 2);
    let ones = weights.numbers.iter().all(|&w| w == 1.0) && groups == weights.sides[0] as i64;
    if plain && ones && weights.sides[0] == of.image.channels && from.to.is_whole(of.layer) {
        let windows = [pair(&sides[2..])?, pair(&strides)?];
        let count = weights.sides[2] * weights.sides[3];
        return from.set(node, Known::Sums(of, windows, count as f32));
    }
    let out = weights.sides[0];
    let bias = match from.has(node, 2) {
        true => Some(from.numbers(node, 2)?.numbers.clone()),
        false => None,
    };
    let side = |i: usize| weights.sides[i] as i64;
    let mut settings = terms(out, bias.as_deref(), &weights.numbers);
    settings["kernel"] = pair(&[side(2), side(3)])?;
    settings["stride"] = pair(&strides)?;
    settings["padding"] = pair(&even.map(|n| n as i64))?;
    settings["border"] = json!(number as i8);
    settings["dilation"] = pair(&gaps)?;
    settings["groups"] = groups.into();
    let mut tensors = vec![("weight", weights.sides.clone(), weights.numbers)];
    tensors.extend(bias.map(|bias| ("bias", vec![out], bias)));
    let made = from.to.layer("conv", &[of.layer], settings, tensors)?;
    made_image(node, of, made, from)
}

/// Says that a node makes the images of a layer.
fn made_image<'a>(node: &Node<'a>, of: Of, made: usize, from: &mut Reader<'a>) -> Done {
    let shape = from.to.shape(Some(made));
    from.set(node, Known::Value(of.with(made, shape)))
}

pub(super) fn pool<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let kernel = ints(node, "kernel_shape", &[]);
    let windows = [pair(&kernel)?, pair(&ints(node, "strides", &[1, 1]))?];
    let known = from.input(node, 0)?;
    let of = known.source().ok_or("has a constant for its input 1")?;
    refuse(
        border(node, of, &kernel)? == [0; 4],
        "has a border around the image",
    )?;
    refuse(
        int(node, "ceil_mode", 0) == 0,
        "has windows that go beyond the image",
    )?;
    refuse(
        ints(node, "dilations", &[1, 1]) == [1, 1],
        "has windows with gaps",
    )?;
    let planes = of.order == Order::Planes && !of.flat;
    match known {
        Known::Unit(unit) if node.op == "MaxPool" && planes && unit.levels.0 < unit.levels.1 => {
            let turned = vec![1.0; from.to.shape(of.layer).channels];
            let unit = unit.pooled(&turned, &windows, &mut from.to)?;
            from.set(node, Known::Unit(unit))
        }
        Known::Turned(unit, turned, None) if node.op == "MaxPool" && planes => {
            from.set(node, Known::Turned(unit, turned, Some(windows)))
        }
        _ => {
            let of = from.value(node, 0)?;
            let kind = match node.op {
                "MaxPool" => "max_pool",
                _ => "avg_pool",
            };
            let [kernel, stride] = windows;
            let settings = json!({"kernel": kernel, "stride": stride});
            pooled(node, of, (kind, settings), from)
        }
    }
}

fn pooled<'a>(
    node: &Node<'a>,
    of: Of,
    (kind, settings): (&'static str, Value),
    from: &mut Reader<'a>,
) -> Done {
    refuse(
        of.order == Order::Planes && !of.flat,
        "reads a value with its channels last, or without sides",
    )?;
    let made = from.to.layer(kind, &[of.layer], settings, vec![])?;
    made_image(node, of, made, from)
}

/// Pools over whole images.
pub(super) fn global<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let of = from.value(node, 0)?;
    match node.op {
        "GlobalMaxPool" => {
            let size = pair(&[of.image.height as i64, of.image.width as i64])?;
            pooled(node, of, ("max_pool", json!({"kernel": size})), from)
        }
        _ => pooled(node, of, ("global_avg_pool", json!({})), from),
    }
}

/// The mean over rows and columns.
pub(super) fn mean<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let axes = match from.has(node, 1) {
        true => from.integers(node, 1)?.to_vec(),
        false => ints(node, "axes", &[]),
    };
    let known = from.input(node, 0)?;
    let of = settle(known, &mut from.to)?;
    let mut axes: Vec<i64> = axes
        .iter()
        .map(|&a| if a < 0 { a + 4 } else { a })
        .collect();
    axes.sort_unstable();
    let wanted = match of.order {
        Order::Planes => [2, 3],
        Order::Interleaved => [1, 2],
    };
    refuse(
        !of.flat && axes == wanted,
        "takes the mean along other sides than rows and columns",
    )?;
    let made = from
        .to
        .layer("global_avg_pool", &[of.layer], json!({}), vec![])?;
    let mut made = of.with(made, from.to.shape(Some(made)));
    made.flat = int(node, "keepdims", 1) == 0;
    from.set(node, Known::Value(made))
}
