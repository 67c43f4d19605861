//! What the names of a file stand for: values of the network, some of them put off until it is known
//! what reads them, and constants.

use std::rc::Rc;

use serde_json::{Value, json};

use super::array::Array;
use super::builder::{Builder, Levels};
use crate::model::Pixels;
use crate::tensor::Shape;

/// The order in which a value's numbers lie in the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Order {
    /// (channel, row, column), as PyTorch's.
    Planes,
    /// (row, column, channel), as TensorFlow's.
    Interleaved,
}

/// The output of a layer, or the images where there is no layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Of {
    pub layer: Option<usize>,
    pub order: Order,
    /// Whether its sides were made one.
    pub flat: bool,
    /// The image that its numbers are of, also behind a layer that flattened it.
    pub image: Shape,
}

/// Bits `[scale·x + shift > 0]`, scale and shift one a channel of the layer; scale is -1 or 1, and 1
/// where there is none.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub of: Of,
    pub scale: Option<Vec<f32>>,
    pub shift: Option<Vec<f32>>,
    /// What the bits 0 and 1 stand for.
    pub levels: Levels,
    /// What `x = 0` becomes where that is neither: the sign of 0 is 0.
    pub tie: Option<f32>,
}

/// Pixels from 0 to 255 on their way into the network: `(x / 255 - mean) / std`.
#[derive(Clone, Debug)]
pub(super) struct Entering {
    pub of: Of,
    pub mean: Option<Vec<f32>>,
}

/// What a name of the file stands for.
#[derive(Clone, Debug)]
pub(super) enum Known {
    Value(Of),
    Entering(Entering),
    /// A value times a number a channel.
    Scaled(Of, Vec<f32>),
    Unit(Unit),
    /// Units times 1 or -1, one a channel, and the windows over which they are pooled, if they are:
    /// where an exporter takes the least of bits.
    Turned(Unit, Vec<f32>, Option<[Value; 2]>),
    /// A value held between two numbers.
    Held(Of, [f32; 2]),
    /// A value in a border of rows and columns (top, left, bottom, right) of one number.
    Bordered(Of, [usize; 4], f32),
    /// Sums over windows of that size and step.
    Sums(Of, [Value; 2], f32),
    Constant(Rc<Array>),
    /// Integers, of which the size of the batch is 0.
    Integers(Rc<[i64]>),
}

impl Known {
    /// The value that it is made of.
    pub fn source(&self) -> Option<Of> {
        match self {
            Known::Value(of)
            | Known::Entering(Entering { of, .. })
            | Known::Scaled(of, _)
            | Known::Unit(Unit { of, .. })
            | Known::Turned(Unit { of, .. }, ..)
            | Known::Held(of, _)
            | Known::Bordered(of, ..)
            | Known::Sums(of, ..) => Some(*of),
            Known::Constant(_) | Known::Integers(_) => None,
        }
    }

    /// The same of another source.
    pub fn over(mut self, other: Of) -> Self {
        match &mut self {
            Known::Value(of)
            | Known::Entering(Entering { of, .. })
            | Known::Scaled(of, _)
            | Known::Unit(Unit { of, .. })
            | Known::Turned(Unit { of, .. }, ..)
            | Known::Held(of, _)
            | Known::Bordered(of, ..)
            | Known::Sums(of, ..) => *of = other,
            Known::Constant(_) | Known::Integers(_) => {}
        }
        self
    }
}

impl Of {
    /// Another layer over the same image.
    pub fn on(self, layer: usize) -> Self {
        Self {
            layer: Some(layer),
            ..self
        }
    }

    /// Another layer, whose output has that shape.
    pub fn with(self, layer: usize, image: Shape) -> Self {
        Self {
            image,
            ..self.on(layer)
        }
    }

    /// Where number `i` of the flattened image stands in PyTorch's order.
    pub fn place(self, i: usize) -> usize {
        let (plane, channels) = (self.image.pixels(), self.image.channels);
        match self.order {
            Order::Planes => i,
            Order::Interleaved => i % channels * plane + i / channels,
        }
    }
}

/// Adds `scale·x + shift`, each a number a channel.
pub(super) fn affine(
    of: Of,
    scale: Vec<f32>,
    shift: Vec<f32>,
    to: &mut Builder,
) -> Result<Of, String> {
    let n = scale.len();
    let all = |number: f32| vec![number; n];
    let tensors = vec![
        ("weight", vec![n], scale),
        ("bias", vec![n], shift),
        ("running_mean", vec![n], all(0.0)),
        // With eps exactly 1.
        ("running_var", vec![n], all(0.75)),
    ];
    let made = to.layer("batch_norm", &[of.layer], json!({"eps": 0.25}), tensors)?;
    Ok(of.on(made))
}

/// Adds `x + shift`, a number a channel.
pub(super) fn shifted(of: Of, shift: Vec<f32>, to: &mut Builder) -> Result<Of, String> {
    let tensors = vec![("bias", vec![shift.len()], shift)];
    let made = to.layer("shift", &[of.layer], json!({}), tensors)?;
    Ok(of.on(made))
}

impl Unit {
    /// The bit of the largest number of each window, or, where `turned` is -1, of the least: as
    /// `[x + b > 0]` grows with x, the bits of pooled numbers are pooled bits.
    pub fn pooled(
        self,
        turned: &[f32],
        windows: &[Value; 2],
        to: &mut Builder,
    ) -> Result<Self, String> {
        let n = to.shape(self.of.layer).channels;
        let scale = self.scale.unwrap_or_else(|| vec![1.0; n]);
        let all: Vec<f32> = scale.iter().zip(turned).map(|(a, b)| a * b).collect();
        let mut of = self.of;
        if all.iter().any(|&x| x != 1.0) {
            of = affine(of, all, vec![0.0; n], to)?;
        }
        let settings = json!({"kernel": windows[0], "stride": windows[1]});
        let made = to.layer("max_pool", &[of.layer], settings, vec![])?;
        Ok(Self {
            of: of.with(made, to.shape(Some(made))),
            scale: turned.contains(&-1.0).then(|| turned.to_vec()),
            ..self
        })
    }

    /// The layers of the units.
    fn layers(mut self, to: &mut Builder) -> Result<Of, String> {
        if self.tie == Some(self.levels.1) {
            let least = if to.is_whole(self.of.layer) {
                0.5
            } else {
                f32::from_bits(1)
            };
            self.shift = Some(vec![least; to.shape(self.of.layer).channels]);
            self.tie = None;
        }
        let plain = self.scale.is_none() && self.shift.is_none();
        if plain && to.levels(self.of.layer) == Some(self.levels) {
            return Ok(self.of);
        }
        if self.tie.is_some() && to.is_whole(self.of.layer) {
            return Err(
                "gives 0 for sums that are 0, which no unit here does; compare with `>` or `>=` instead"
                    .into(),
            );
        }
        let of = match (self.scale, self.shift) {
            (None, None) => self.of,
            (None, Some(shift)) => shifted(self.of, shift, to)?,
            (Some(scale), shift) => {
                let shift = shift.unwrap_or_else(|| vec![0.0; scale.len()]);
                affine(self.of, scale, shift, to)?
            }
        };
        let (low, high) = self.levels;
        let signs = low == -high;
        let levels = if signs { "-1/+1" } else { "0/1" };
        let settings = json!({"mode": "det", "estimator": "st", "levels": levels});
        let made = of.on(to.layer("binary", &[of.layer], settings, vec![])?);
        let channels = to.shape(made.layer).channels;
        match self.levels {
            (0.0, 1.0) | (-1.0, 1.0) => Ok(made),
            _ if signs => affine(made, vec![high; channels], vec![0.0; channels], to),
            _ => affine(made, vec![high - low; channels], vec![low; channels], to),
        }
    }
}

/// Adds the layers of what was put off.
///
/// # Errors
/// What is no value of a network, in words that complete "a node which ...".
pub(super) fn settle(known: Known, to: &mut Builder) -> Result<Of, String> {
    match known {
        Known::Value(of) => Ok(of),
        Known::Entering(entering) => entered(entering, vec![1.0], to),
        Known::Scaled(of, scale) => {
            let shift = vec![0.0; scale.len()];
            affine(of, scale, shift, to)
        }
        Known::Unit(unit) => unit.layers(to),
        Known::Turned(unit, turned, windows) => {
            let of = unit.layers(to)?;
            let n = turned.len();
            let of = affine(of, turned, vec![0.0; n], to)?;
            match windows {
                None => Ok(of),
                Some([kernel, stride]) => {
                    let settings = json!({"kernel": kernel, "stride": stride});
                    let made = to.layer("max_pool", &[of.layer], settings, vec![])?;
                    Ok(of.with(made, to.shape(Some(made))))
                }
            }
        }
        Known::Held(of, [low, high]) => held(of, (low, high), to),
        Known::Bordered(..) => Err("reads a border; only convolutions have one here".into()),
        Known::Sums(of, [kernel, stride], count) => {
            let settings = json!({"kernel": kernel, "stride": stride});
            let made = to.layer("avg_pool", &[of.layer], settings, vec![])?;
            let of = of.with(made, to.shape(Some(made)));
            let channels = of.image.channels;
            affine(of, vec![count; channels], vec![0.0; channels], to)
        }
        Known::Constant(_) | Known::Integers(_) => Err("reads a constant for a value".into()),
    }
}

/// Says what pixels are to the network.
pub(super) fn entered(from: Entering, std: Vec<f32>, to: &mut Builder) -> Result<Of, String> {
    let pixels = Pixels::normalised_each(from.mean.unwrap_or_else(|| vec![0.0]), std);
    match &to.pixels {
        None => to.pixels = Some(pixels),
        Some(known) if *known == pixels => {}
        Some(_) => return Err("reads pixels otherwise than another node does".into()),
    }
    Ok(from.of)
}

/// Adds what holds a value between two numbers: a hard sigmoid between two affine maps.
fn held(of: Of, (low, high): Levels, to: &mut Builder) -> Result<Of, String> {
    let half = (high - low) / 2.0;
    if !(half.is_finite() && half > 0.0) {
        return Err("holds a value between numbers that are no range".into());
    }
    let channels = to.shape(of.layer).channels;
    let all = |x: f32| vec![x; channels];
    let mut of = of;
    if (low, high) != (-1.0, 1.0) {
        let middle = f32::midpoint(low, high);
        of = affine(of, all(1.0 / half), all(-middle / half), to)?;
    }
    let settings = json!({"function": "hard_sigmoid"});
    let made = of.on(to.layer("activation", &[of.layer], settings, vec![])?);
    affine(made, all(high - low), all(low), to)
}

/// A value with the numbers of a constant that has one for each of its channels, or one for all. A
/// flattened image of which each number has its own becomes a layer of its own.
///
/// # Errors
/// A constant of another form.
pub(super) fn each_channel(
    of: Of,
    constant: &Array,
    to: &mut Builder,
) -> Result<(Of, Vec<f32>), String> {
    let channels = to.shape(of.layer).channels;
    if let Some(one) = constant.single() {
        return Ok((of, vec![one; channels]));
    }
    let from_right = match (of.flat, of.order) {
        (false, Order::Planes) => 2,
        _ => 0,
    };
    let sides = &constant.sides;
    let own = sides.len().checked_sub(from_right + 1);
    let own = own.filter(|&own| (0..sides.len()).all(|i| i == own || sides[i] == 1));
    let Some(own) = own else {
        return Err("has a constant that differs along another side than channels".into());
    };
    row(of, &constant.numbers, to).map_err(|_| {
        format!(
            "has a constant of {} numbers, and a value of {channels} channels",
            sides[own]
        )
    })
}

/// A value with numbers that are one for each channel, or for each number of a flattened image.
///
/// # Errors
/// Another number of them.
pub(super) fn row(of: Of, numbers: &[f32], to: &mut Builder) -> Result<(Of, Vec<f32>), String> {
    let mut of = of;
    if of.flat && to.shape(of.layer).pixels() > 1 {
        of = of.on(to.layer("flatten", &[of.layer], json!({}), vec![])?);
    }
    if to.shape(of.layer).channels != numbers.len() {
        return Err("has another number of constants than channels".into());
    }
    let mut turned = numbers.to_vec();
    if of.flat {
        for (i, &x) in numbers.iter().enumerate() {
            turned[of.place(i)] = x;
        }
    }
    Ok((of, turned))
}
