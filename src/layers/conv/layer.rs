//! The convolution as a layer of a network specification.

use serde::{Deserialize, Serialize};

use super::super::layer::{Layer, Recorder, Shapes, values};
use super::super::sides::Sides;
use super::super::sight::Sight;
use super::super::tensor_spec::{Tensors, product};
use super::super::weights::{self, Terms, Weights};
use super::super::window::Window;
use super::{ConvOp, GroupedConvOp, Stacked};
use crate::error::Result;
use crate::pack::{Packed, Packer};
use crate::packed::Product;
use crate::tape::{Rows, Value};
use crate::tensor::Shape;

/// A two-dimensional convolution, as `torch.nn.Conv2d`, with real or binary weights.
/// [`ConvOp`] states the formula, and [`GroupedConvOp`] that with groups or dilation. Kernel, stride,
/// padding and dilation are written as one number if they are equal in height and width, else as
/// `[height, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// Number of output channels.
    pub out: usize,
    /// Height and width of the kernel.
    pub kernel: Sides,
    /// Distance between neighbouring windows, in pixels.
    #[serde(default = "side")]
    pub stride: Sides,
    /// Width of the border around the image, in pixels.
    #[serde(default)]
    pub padding: Sides,
    /// Value of the pixels of the border: 0, -1 or 1 (Larq's `pad_values`). For units with the
    /// levels 0 and 1, a border of 0 is the bit 0. For units with the levels -1 and +1 a border of
    /// 0 is neither level and contributes nothing to a sum, as in PyTorch.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub border: i8,
    /// Whether a bias is added to each output channel.
    #[serde(default = "yes")]
    pub bias: bool,
    /// Whether the weights are real or binary.
    #[serde(default)]
    pub weights: Weights,
    /// Whether the sums of binary weights are multiplied by a scale for each output channel.
    #[serde(default)]
    pub scale: bool,
    /// Number of groups that the input and output channels are split into; the outputs of a group
    /// depend on the inputs of the same group only. As many groups as input channels make a
    /// depthwise convolution.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub groups: usize,
    /// Distance between neighbouring taps of the kernel, in pixels.
    #[serde(default = "side", skip_serializing_if = "Sides::is_one")]
    pub dilation: Sides,
}

fn one() -> usize {
    1
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde calls"
)]
fn is_one(groups: &usize) -> bool {
    *groups == 1
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde calls"
)]
fn is_zero(border: &i8) -> bool {
    *border == 0
}

fn side() -> Sides {
    Sides::ONE
}

fn yes() -> bool {
    true
}

impl Conv {
    /// Makes a convolution with real weights, a bias, stride 1, no padding, one group and no
    /// dilation.
    pub fn new(out: usize, kernel: impl Into<Sides>) -> Self {
        Self {
            out,
            kernel: kernel.into(),
            stride: Sides::ONE,
            padding: Sides::both(0),
            border: 0,
            bias: true,
            weights: Weights::Real,
            scale: false,
            groups: 1,
            dilation: Sides::ONE,
        }
    }

    /// Returns the settings that it shares with other layers that have weights: bias, kind of
    /// weights, scale.
    pub fn terms(&self) -> Terms {
        Terms {
            bias: self.bias,
            weights: self.weights,
            scale: self.scale,
        }
    }

    /// Returns the window: kernel, stride, padding, border and dilation.
    pub fn window(&self) -> Window {
        Window {
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
            border: self.border,
            dilation: self.dilation,
        }
    }

    /// Returns the number of weights for an input of that shape.
    fn weights_of(&self, input: Shape) -> u64 {
        let channels = input.channels / self.groups;
        product(&[self.kernel.area() as u64, channels as u64, self.out as u64])
    }

    /// Returns the number of 32-bit numbers for bias and scale and for their partial sums.
    fn tail_memory(&self, rows: usize) -> u64 {
        let out = self.out as u64;
        product(&[
            (rows as u64).saturating_add(8),
            out.next_multiple_of(weights::PANEL),
        ])
    }

    /// Returns whether the layer is recorded as a [`GroupedConvOp`].
    fn is_grouped(&self) -> bool {
        self.groups != 1 || !self.dilation.is_one()
    }
}

impl Layer for Conv {
    fn kind(&self) -> &'static str {
        "conv"
    }

    fn describe(&self) -> String {
        let (kernel, terms) = (self.kernel.pair(), self.terms().describe());
        let dilation = match self.dilation.is_one() {
            true => String::new(),
            false => format!(", dilation {}", self.dilation),
        };
        let groups = match self.groups {
            1 => String::new(),
            groups => format!(", groups {groups}"),
        };
        let border = match self.padding.most() {
            0 => String::new(),
            _ => format!(", border {}", self.border),
        };
        format!(
            "conv {kernel}, stride {}, padding {}{border}{dilation}{groups}{terms}",
            self.stride, self.padding
        )
    }

    fn output(&self, name: &str, inputs: &[Shape]) -> Result<Shape> {
        self.terms().check(name)?;
        GroupedConvOp::output(name, inputs[0], self.out, (self.window(), self.groups))
    }

    fn tensors(&self, inputs: &[Shape]) -> Tensors {
        let channels = inputs[0].channels.checked_div(self.groups).unwrap_or(0);
        let Sides { height, width } = self.kernel;
        self.terms().tensors(&[self.out, channels, height, width])
    }

    fn weights(&self) -> Option<Weights> {
        Some(self.weights)
    }

    fn multiply_adds(&self, shapes: &Shapes) -> usize {
        let depth = shapes.input().channels / self.groups * self.kernel.area();
        self.out * depth * shapes.output.pixels()
    }

    fn memory(&self, shapes: &Shapes, rows: usize, training: bool) -> u64 {
        let (input, out) = (shapes.input(), self.out as u64);
        let scratch = Rows::chunks_of(rows) as u64;
        if self.is_grouped() {
            let op = GroupedConvOp::memory(shapes, (self.window(), self.groups), scratch);
            return values(shapes, rows, if training { 2 } else { 1 })
                .saturating_add(product(&[
                    self.weights_of(input),
                    if training { 4 } else { 2 },
                ]))
                .saturating_add(op)
                .saturating_add(self.tail_memory(rows));
        }
        let depth = product(&[self.kernel.area() as u64, input.channels as u64]);
        let panel = product(&[depth, out.next_multiple_of(weights::PANEL)]);
        // Winograd's transformed weights, and the tables over bits, are up to four times the
        // weights.
        let square = self.kernel.equal();
        let points = match (square, self.stride.equal()) {
            (Some(3 | 5), Some(1)) => 4,
            (Some(3), Some(2)) => 3,
            _ => 1,
        };
        let side = |n: usize, k: usize| n as u64 + 2 * k as u64;
        let stacked = ConvOp::stacked(input, shapes.output, self.window());
        // A chunk's sums, and those of a leaf that joins them.
        let sums = match stacked {
            None => product(&[panel, points, 2 * scratch]),
            Some(of) => Stacked::memory(of, (input, shapes.output), rows),
        };
        let all = [
            values(shapes, rows, if training { 2 } else { 1 }),
            weights::memory(depth, out, training),
            product(&[panel, 3 * (points - 1)]),
            sums,
            self.tail_memory(rows),
            product(&[
                side(input.height, self.kernel.height),
                side(input.width, self.kernel.width),
                2 * (input.channels as u64 + out),
                scratch,
            ]),
        ];
        all.into_iter().fold(0, u64::saturating_add)
    }

    fn sight(&self) -> Sight {
        Sight::Window {
            window: self.window(),
            own_channel: false,
        }
    }

    fn record(&self, to: &mut Recorder<'_>, inputs: &[Value]) -> Result<Value> {
        let (out, window) = (self.out, self.window());
        if self.is_grouped() {
            let of = (window, self.groups);
            return GroupedConvOp::record(to.tape, to.name, inputs[0], out, of, self.terms());
        }
        ConvOp::record(to.tape, to.name, inputs[0], out, window, self.terms())
    }

    fn pack(&self, at: &mut Packer<'_>, inputs: &[Packed]) -> Result<Packed> {
        let binary = self.weights == Weights::Binary && inputs[0].is_bits();
        if self.groups != 1 && !binary {
            return Err(at.refuse("groups have a packed form only with binary weights over bits"));
        }
        if !self.dilation.is_one() {
            return Err(at.refuse("no packed form is known of dilation yet"));
        }
        let product = Product::Conv {
            out: self.out,
            kernel: self.kernel.packed(at)?,
            stride: self.stride.packed(at)?,
            padding: self.padding.packed(at)?,
            border: self.border,
            groups: self.groups,
        };
        let shape = self.output("", &[inputs[0].shape()])?;
        self.terms().pack(at, &inputs[0], product, shape)
    }
}
