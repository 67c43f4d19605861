//! Sums, differences, products and quotients, most of them with a constant.

use serde_json::json;

use super::array::Array;
use super::file::Node;
use super::reader::Reader;
use super::settings::{Done, refuse};
use super::value::{Entering, Known, Of, Unit, affine, each_channel, entered, settle, shifted};

/// What is done with a constant `c`: `x + c`, `x - c`, `c - x`, `x·c`, `x/c`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    Add,
    Sub,
    From,
    Mul,
    Div,
}

impl Op {
    fn of(self, x: f32, c: f32) -> f32 {
        match self {
            Op::Add => x + c,
            Op::Sub => x - c,
            Op::From => c - x,
            Op::Mul => x * c,
            Op::Div => x / c,
        }
    }
}

/// `Add`, `Sub`, `Mul`, `Div`, `Neg` and `Sum`.
pub(super) fn arithmetic<'a>(node: &Node<'a>, from: &mut Reader<'a>) -> Done {
    let inputs = node.inputs.len();
    let mut constants = Vec::new();
    for i in 0..inputs {
        if let Known::Constant(_) = from.input(node, i)? {
            constants.push(i);
        }
    }
    let op = match node.op {
        "Add" | "Sum" => Op::Add,
        "Sub" if constants == [0] => Op::From,
        "Sub" => Op::Sub,
        "Mul" => Op::Mul,
        "Neg" => return with(node, 0, (Op::Mul, &Array::one(-1.0)), from),
        _ => Op::Div,
    };
    match (op, &constants[..]) {
        (Op::Div, [0]) => Err("divides a constant by a value".into()),
        (op, [i]) if inputs == 2 => {
            let constant = from.numbers(node, *i)?;
            with(node, 1 - i, (op, &constant), from)
        }
        (Op::Add | Op::Sub, []) if inputs > 1 => values(node, op, from),
        (_, []) => Err("multiplies or divides two values".into()),
        _ => Err("reads several constants".into()),
    }
}

/// Sums and differences of values.
fn values<'a>(node: &Node<'a>, op: Op, from: &mut Reader<'a>) -> Done {
    let mut all = Vec::new();
    for i in 0..node.inputs.len() {
        all.push(from.value(node, i)?);
    }
    let alike =
        |of: &Of| (of.order, of.flat, of.image) == (all[0].order, all[0].flat, all[0].image);
    refuse(
        all.iter().all(alike),
        "adds values of different sides or orders",
    )?;
    if op == Op::Sub {
        refuse(all.len() == 2, "has another number of inputs than two")?;
        let n = from.to.shape(all[1].layer).channels;
        all[1] = affine(all[1], vec![-1.0; n], vec![0.0; n], &mut from.to)?;
    }
    let layers: Vec<_> = all.iter().map(|of| of.layer).collect();
    let made = from.to.layer("add", &layers, json!({}), vec![])?;
    from.set(node, Known::Value(all[0].on(made)))
}

/// What becomes of input `i` and a constant.
fn with<'a>(
    node: &Node<'a>,
    i: usize,
    (op, constant): (Op, &Array),
    from: &mut Reader<'a>,
) -> Done {
    let known = from.input(node, i)?;
    if let Some(made) = put_off(&known, (op, constant), from)? {
        return from.set(node, made);
    }
    let of = match known {
        // One multiplication and one addition, as two nodes have them.
        Known::Scaled(of, scale) if matches!(op, Op::Add | Op::Sub) => {
            let (on, numbers) = each_channel(of, constant, &mut from.to)?;
            if on == of {
                let shift = numbers.iter().map(|&c| op.of(0.0, c)).collect();
                let made = affine(of, scale, shift, &mut from.to)?;
                return from.set(node, Known::Value(made));
            }
            let scaled = settle(Known::Scaled(of, scale), &mut from.to)?;
            let shift = numbers.iter().map(|&c| op.of(0.0, c)).collect();
            let on = each_channel(scaled, constant, &mut from.to)?.0;
            let made = shifted(on, shift, &mut from.to)?;
            return from.set(node, Known::Value(made));
        }
        _ => from.value(node, i)?,
    };
    let (of, numbers) = each_channel(of, constant, &mut from.to)?;
    let made = match op {
        Op::Add | Op::Sub => {
            let shift: Vec<f32> = numbers.iter().map(|&c| op.of(0.0, c)).collect();
            let alone = from.is_alone(node, i);
            match of.layer.filter(|_| alone) {
                Some(layer) if from.to.bias(layer, &shift) => Known::Value(of),
                _ => Known::Value(shifted(of, shift, &mut from.to)?),
            }
        }
        Op::From => {
            let scale = vec![-1.0; numbers.len()];
            Known::Value(affine(of, scale, numbers, &mut from.to)?)
        }
        Op::Mul => Known::Scaled(of, numbers),
        Op::Div => Known::Scaled(of, numbers.iter().map(|c| 1.0 / c).collect()),
    };
    from.set(node, made)
}

/// What needs no layer of its own: pixels on their way in, levels of units, means of windows.
fn put_off<'a>(
    known: &Known,
    (op, constant): (Op, &Array),
    from: &mut Reader<'a>,
) -> Result<Option<Known>, String> {
    let single = constant.single();
    let per_255 = is_per_255(op, single);
    Ok(match known {
        Known::Value(of) if of.layer.is_none() && per_255 => {
            // What the file said, that pixels are bytes, it now says what becomes of.
            if from.to.is_whole(None) {
                from.to.pixels = None;
            }
            let (of, mean) = (*of, None);
            Some(Known::Entering(Entering { of, mean }))
        }
        Known::Entering(Entering { of, mean: None }) if op == Op::Sub => {
            let mean = Some(shortest(*of, constant, from)?);
            Some(Known::Entering(Entering { of: *of, mean }))
        }
        Known::Entering(entering) if op == Op::Div => {
            let std = shortest(entering.of, constant, from)?;
            Some(Known::Value(entered(entering.clone(), std, &mut from.to)?))
        }
        Known::Unit(unit) => match single {
            Some(c) => Some(level(unit.clone(), op, c)),
            None if op == Op::Mul => turned(unit, constant, from)?,
            None => None,
        },
        Known::Turned(unit, signs, Some(windows)) if op == Op::Mul => {
            match each_channel(unit.of, constant, &mut from.to)? {
                (_, numbers) if numbers == *signs => {
                    let unit = unit.clone().pooled(signs, windows, &mut from.to)?;
                    Some(Known::Unit(unit))
                }
                _ => None,
            }
        }
        Known::Value(of) => match (from.to.levels(of.layer), single) {
            (Some(levels @ ((0.0, 1.0) | (-1.0, 1.0))), Some(c)) => {
                let unit = Unit {
                    of: *of,
                    scale: None,
                    shift: None,
                    levels,
                    tie: None,
                };
                Some(level(unit, op, c))
            }
            _ => None,
        },
        Known::Sums(of, [kernel, stride], count) if op == Op::Div && single == Some(*count) => {
            let settings = json!({"kernel": kernel, "stride": stride});
            let made = from.to.layer("avg_pool", &[of.layer], settings, vec![])?;
            Some(Known::Value(of.with(made, from.to.shape(Some(made)))))
        }
        _ => None,
    })
}

/// Whether pixels become numbers from 0 to 1.
fn is_per_255(op: Op, constant: Option<f32>) -> bool {
    let by = [(Op::Div, 255.0), (Op::Mul, 1.0 / 255.0)];
    constant.is_some_and(|c| by.contains(&(op, c)))
}

/// Units times a constant that is 1 or -1 in each channel.
fn turned<'a>(
    unit: &Unit,
    constant: &Array,
    from: &mut Reader<'a>,
) -> Result<Option<Known>, String> {
    let grows = unit.levels.0 < unit.levels.1 && !unit.of.flat;
    if !grows || !constant.numbers.iter().all(|x| x.abs() == 1.0) {
        return Ok(None);
    }
    let signs = each_channel(unit.of, constant, &mut from.to)?.1;
    Ok(Some(Known::Turned(unit.clone(), signs, None)))
}

/// Units whose levels are computed further.
fn level(mut unit: Unit, op: Op, c: f32) -> Known {
    unit.levels = (op.of(unit.levels.0, c), op.of(unit.levels.1, c));
    unit.tie = unit.tie.map(|tie| op.of(tie, c));
    Known::Unit(unit)
}

/// Numbers of the channels of the images, one where all are the same.
fn shortest(of: Of, constant: &Array, from: &mut Reader<'_>) -> Result<Vec<f32>, String> {
    let numbers = each_channel(of, constant, &mut from.to)?.1;
    let same = numbers.iter().all(|x| *x == numbers[0]);
    Ok(if same { vec![numbers[0]] } else { numbers })
}
