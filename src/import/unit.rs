//! Binary units: comparisons, signs, and the thresholds and levels of QONNX.

use serde_json::json;

use super::array::Array;
use super::builder::Levels;
use super::file::Node;
use super::quantiser::{Quantiser, constant};
use super::reader::Reader;
use super::settings::{Done, float, refuse, word};
use super::value::{Known, Of, Order, Unit, affine, each_channel, row, settle};

/// A comparison with a limit: whether what is compared has to be more or less, and whether the
/// limit itself will do.
#[derive(Clone, Copy)]
struct Comparison {
    less: bool,
    equal: bool,
}

impl Comparison {
    fn of(op: &str) -> Self {
        Self {
            less: op.starts_with("Less"),
            equal: op.ends_with("OrEqual"),
        }
    }

    /// The same with its sides changed over.
    fn turned(self) -> Self {
        Self {
            less: !self.less,
            ..self
        }
    }

    /// The number `b` for which `[x + b > 0]`, or `[-x + b > 0]` where it has to be less, is this
    /// comparison of every float x, or of every whole number.
    fn shift(self, limit: f32, whole: bool) -> f32 {
        let exact = whole && limit.abs() < 4_194_304.0;
        match (self.less, self.equal, exact) {
            (false, false, true) => -(limit.floor() + 0.5),
            (false, true, true) => 0.5 - limit.ceil(),
            (true, false, true) => limit.ceil() - 0.5,
            (true, true, true) => limit.floor() + 0.5,
            (false, false, false) => -limit,
            (false, true, false) => -limit.next_down(),
            (true, false, false) => limit,
            (true, true, false) => limit.next_up(),
        }
    }

    /// The units of a value with limits, one a channel.
    fn unit(self, of: Of, limits: &[f32], whole: bool) -> Unit {
        let zero = limits.iter().all(|&limit| limit == 0.0) && !self.less && !self.equal;
        let shift = limits.iter().map(|&limit| self.shift(limit, whole));
        Unit {
            of,
            scale: self.less.then(|| vec![-1.0; limits.len()]),
            shift: (!zero).then(|| shift.collect()),
            levels: (0.0, 1.0),
            tie: None,
        }
    }
}

/// At least a limit.
const REACHED: Comparison = Comparison {
    less: false,
    equal: true,
};

impl Unit {
    /// The other bit in some channels: `[-x - b >= 0]` in place of `[x + b > 0]`.
    fn turned(mut self, channels: &[bool]) -> Self {
        let n = channels.len();
        let mut scale = self.scale.unwrap_or_else(|| vec![1.0; n]);
        let mut shift = self.shift.unwrap_or_else(|| vec![0.0; n]);
        for c in (0..n).filter(|&c| channels[c]) {
            scale[c] = -scale[c];
            shift[c] = -shift[c].next_down();
        }
        self.scale = Some(scale);
        self.shift = Some(shift);
        self
    }
}

/// `Greater` and its like.
pub(super) fn compare<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let mut comparison = Comparison::of(node.op);
    let mut of = 0;
    if matches!(from.input(node, 0)?, Known::Constant(_)) {
        (comparison, of) = (comparison.turned(), 1);
    }
    let limit = from.numbers(node, 1 - of)?;
    let unit = match from.input(node, of)? {
        // What is held between two numbers is not on the other side of one between them.
        Known::Held(inner, [low, high]) if limit.single().is_some_and(|l| low < l && l < high) => {
            let (of, limits) = each_channel(inner, &limit, &mut from.to)?;
            let whole = from.to.is_whole(of.layer);
            comparison.unit(of, &limits, whole)
        }
        // A sum of whole numbers is compared as their mean.
        Known::Sums(inner, [kernel, stride], count) => {
            let settings = json!({"kernel": kernel, "stride": stride});
            let made = from
                .to
                .layer("avg_pool", &[inner.layer], settings, vec![])?;
            let of = inner.with(made, from.to.shape(Some(made)));
            let (of, limits) = each_channel(of, &limit, &mut from.to)?;
            let mut unit = comparison.unit(of, &limits, true);
            let shift = unit.shift.unwrap_or_else(|| vec![-0.5; limits.len()]);
            unit.shift = Some(shift.iter().map(|b| b / count).collect());
            unit
        }
        _ => {
            let of = from.value(node, of)?;
            let (of, limits) = each_channel(of, &limit, &mut from.to)?;
            let whole = from.to.is_whole(of.layer);
            comparison.unit(of, &limits, whole)
        }
    };
    from.set(node, Known::Unit(unit))
}

/// Bits of a node's input, which are 0 and 1.
fn truth<'a>(node: &Node<'a>, i: usize, from: &mut Reader<'a>) -> Result<Unit, String> {
    match from.input(node, i)? {
        Known::Unit(unit) if unit.levels == (0.0, 1.0) => Ok(unit),
        _ => Err("reads what is no comparison".into()),
    }
}

/// `Not`, and `Xor` with a constant.
pub(super) fn turn<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let unit = truth(node, 0, from)?;
    let flags = match node.op {
        "Not" => Array::one(1.0),
        _ => (*from.numbers(node, 1)?).clone(),
    };
    let (of, flags) = each_channel(unit.of, &flags, &mut from.to)?;
    refuse(of == unit.of, "turns bits of a flattened image one by one")?;
    let flags: Vec<bool> = flags.iter().map(|&f| f != 0.0).collect();
    from.set(node, Known::Unit(unit.turned(&flags)))
}

/// A choice between two constants.
pub(super) fn choose<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let unit = truth(node, 0, from)?;
    let (yes, no) = (
        from.numbers(node, 1)?.single(),
        from.numbers(node, 2)?.single(),
    );
    let (Some(yes), Some(no)) = (yes, no) else {
        return Err("chooses between several constants".into());
    };
    let levels = (no, yes);
    from.set(node, Known::Unit(Unit { levels, ..unit }))
}

/// `Sign`, which is 0 of 0.
pub(super) fn sign<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let of = match from.input(node, 0)? {
        Known::Held(of, [low, high]) if low < 0.0 && high > 0.0 => of,
        Known::Unit(unit) => {
            let unit = sign_of(unit)?;
            return from.set(node, Known::Unit(unit));
        }
        _ => from.value(node, 0)?,
    };
    let unit = Unit {
        of,
        scale: None,
        shift: None,
        levels: (-1.0, 1.0),
        tie: Some(0.0),
    };
    from.set(node, Known::Unit(unit))
}

/// The signs of the levels of units: `sign(sign(x) + 0.1)` is 1 of 0.
fn sign_of(mut unit: Unit) -> Result<Unit, String> {
    let (low, high) = unit.levels;
    refuse(
        low < 0.0 && high > 0.0,
        "is the same of both levels of a unit",
    )?;
    unit.levels = (-1.0, 1.0);
    match unit.tie.take() {
        Some(0.0) => unit.tie = Some(0.0),
        Some(tie) if tie > 0.0 => unit.tie = Some(1.0),
        Some(_) | None => {}
    }
    Ok(unit)
}

/// Signs of weights, or of a value: 1 of 0.
pub(super) fn bipolar<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let scale = from.numbers(node, 1)?;
    if let Known::Constant(weights) = from.input(node, 0)? {
        let sign = |x: &[f32]| if x[0] >= 0.0 { x[1] } else { -x[1] };
        let signs = Array::combined(&[&weights, &scale], sign)?;
        let known = from.computed(signs)?;
        return from.set(node, known);
    }
    let scale = scale.single().ok_or("has several scales of a value")?;
    let of = match from.input(node, 0)? {
        Known::Held(of, [low, high]) if low < 0.0 && high > 0.0 => of,
        _ => from.value(node, 0)?,
    };
    let limits = vec![0.0; from.to.shape(of.layer).channels];
    let whole = from.to.is_whole(of.layer);
    let levels = (-scale, scale);
    let unit = Unit {
        levels,
        ..REACHED.unit(of, &limits, whole)
    };
    from.set(node, Known::Unit(unit))
}

/// `least + step·(how many limits a value has reached)`, the limits of each threshold one a channel.
fn reached<'a>(
    node: &Node<'a>,
    of: Of,
    limits: &[Vec<f32>],
    (least, step): Levels,
    from: &mut Reader<'a>,
) -> Done {
    let whole = from.to.is_whole(of.layer);
    let mut units = limits.iter().map(|limits| REACHED.unit(of, limits, whole));
    if let (Some(unit), 1) = (units.next(), limits.len()) {
        let levels = (least, least + step);
        return from.set(node, Known::Unit(Unit { levels, ..unit }));
    }
    let units = limits.iter().map(|limits| REACHED.unit(of, limits, whole));
    let mut all = Vec::new();
    for unit in units {
        all.push(settle(Known::Unit(unit), &mut from.to)?.layer);
    }
    let sum = of.on(from.to.layer("add", &all, json!({}), vec![])?);
    if (least, step) == (0.0, 1.0) {
        return from.set(node, Known::Value(sum));
    }
    let channels = from.to.shape(sum.layer).channels;
    let made = affine(
        sum,
        vec![step; channels],
        vec![least; channels],
        &mut from.to,
    )?;
    from.set(node, Known::Value(made))
}

/// `MultiThreshold`: counts the thresholds that a number has reached.
pub(super) fn thresholds<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let table = from.numbers(node, 1)?;
    let [rows, count] = table.sides[..] else {
        return Err("has thresholds that are no table".into());
    };
    refuse(
        (1..16).contains(&count),
        "has no thresholds, or more than 15",
    )?;
    let of = from.value(node, 0)?;
    let last = matches!(word(node, "data_layout", "NCHW"), "NHWC");
    refuse(
        of.flat || last == (of.order == Order::Interleaved),
        "has its thresholds along another side than channels",
    )?;
    let mut of = of;
    let mut limits = Vec::new();
    for i in 0..count {
        let column: Vec<f32> = (0..rows).map(|r| table.numbers[r * count + i]).collect();
        let one = match rows {
            1 => each_channel(of, &Array::one(column[0]), &mut from.to)?,
            _ => row(of, &column, &mut from.to)?,
        };
        of = one.0;
        limits.push(one.1);
    }
    let levels = (float(node, "out_bias", 0.0), float(node, "out_scale", 1.0));
    reached(node, of, &limits, levels, from)
}

/// `Quant`: of weights, or of a value, whose levels are then thresholds.
pub(super) fn quantise<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let (scale, zero) = (from.numbers(node, 1)?, from.numbers(node, 2)?);
    let bits = from.numbers(node, 3)?.single();
    let bits = bits.ok_or("has several widths")?;
    if let Known::Constant(weights) = from.input(node, 0)? {
        let made = constant(node, [&weights, &scale, &zero], bits)?;
        let known = from.computed(made)?;
        return from.set(node, known);
    }
    let alone = "has several scales or zeros of a value";
    let (scale, zero) = (scale.single().ok_or(alone)?, zero.single().ok_or(alone)?);
    let quantiser = Quantiser::new(node, scale, zero, bits)?;
    let all = quantiser.limits()?;
    let of = from.value(node, 0)?;
    let channels = from.to.shape(of.layer).channels;
    let limits: Vec<Vec<f32>> = all.iter().map(|&limit| vec![limit; channels]).collect();
    reached(node, of, &limits, (quantiser.least(), scale), from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_are_those_of_floats_and_of_whole_numbers() {
        let holds = |op: &str, x: f32, limit: f32| match op {
            "Greater" => x > limit,
            "GreaterOrEqual" => x >= limit,
            "Less" => x < limit,
            _ => x <= limit,
        };
        for op in ["Greater", "GreaterOrEqual", "Less", "LessOrEqual"] {
            let comparison = Comparison::of(op);
            let sign = if comparison.less { -1.0 } else { 1.0 };
            for limit in [0.0f32, 1.0, -3.0, 0.1, -1e-3, 1e30, f32::MIN_POSITIVE] {
                let near = [limit.next_down(), limit, limit.next_up(), -limit, 0.0];
                for x in near {
                    let found = sign * x + comparison.shift(limit, false) > 0.0;
                    assert_eq!(found, holds(op, x, limit), "{x} {op} {limit}");
                }
                for x in (-5..5).map(|x| x as f32) {
                    let found = sign * x + comparison.shift(limit, true) > 0.0;
                    assert_eq!(found, holds(op, x, limit), "{x} {op} {limit}");
                }
            }
        }
    }
}
