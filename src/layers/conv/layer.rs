//! The convolution of a spec.

use serde::{Deserialize, Serialize};

use super::super::layer::{Layer, Recorder, Shapes, Tensors, product, values};
use super::super::weights::{self, Terms, Weights};
use super::super::window::Window;
use super::ConvOp;
use crate::error::Result;
use crate::pack::{Packed, Packer};
use crate::packed::Product;
use crate::tape::{Rows, Value};
use crate::tensor::Shape;

/// See [`super::ConvOp`] for what it computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// Output channels.
    pub out: usize,
    /// Height and width of the window.
    pub kernel: usize,
    /// Pixels from one window to the next.
    #[serde(default = "one")]
    pub stride: usize,
    /// Zeros around the image: the code of a bit or pixel that is 0.
    #[serde(default)]
    pub padding: usize,
    /// Whether it has a bias.
    #[serde(default = "yes")]
    pub bias: bool,
    /// Real or binary weights.
    #[serde(default)]
    pub weights: Weights,
    /// Whether binary weights have a scale for each output channel.
    #[serde(default)]
    pub scale: bool,
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

impl Conv {
    /// Real weights, a bias, stride 1 and no padding.
    pub fn new(out: usize, kernel: usize) -> Self {
        Self {
            out,
            kernel,
            stride: 1,
            padding: 0,
            bias: true,
            weights: Weights::Real,
            scale: false,
        }
    }

    /// What it is made of.
    pub fn terms(&self) -> Terms {
        Terms {
            bias: self.bias,
            weights: self.weights,
            scale: self.scale,
        }
    }

    /// Its window.
    pub fn window(&self) -> Window {
        Window {
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
        }
    }
}

impl Layer for Conv {
    fn kind(&self) -> &'static str {
        "conv"
    }

    fn describe(&self) -> String {
        let Self {
            kernel,
            stride,
            padding,
            ..
        } = self;
        let terms = self.terms().describe();
        format!("conv {kernel}x{kernel}, stride {stride}, padding {padding}{terms}")
    }

    fn output(&self, name: &str, inputs: &[Shape]) -> Result<Shape> {
        self.terms().check(name)?;
        ConvOp::output(name, inputs[0], self.out, self.window())
    }

    fn tensors(&self, inputs: &[Shape]) -> Tensors {
        let shape = [self.out, inputs[0].channels, self.kernel, self.kernel];
        self.terms().tensors(&shape)
    }

    fn weights(&self) -> Option<Weights> {
        Some(self.weights)
    }

    fn multiply_adds(&self, shapes: &Shapes) -> usize {
        self.out * shapes.input().channels * self.kernel * self.kernel * shapes.output.pixels()
    }

    fn memory(&self, shapes: &Shapes, rows: usize, training: bool) -> u64 {
        let (input, k, out) = (shapes.input(), self.kernel as u64, self.out as u64);
        let slots = Rows::chunks_of(rows) as u64;
        let depth = product(&[k, k, input.channels as u64]);
        let panel = product(&[depth, out.next_multiple_of(weights::PANEL)]);
        // Winograd's points are up to four times the weights; tables as well.
        let cheaper = self.stride == 1 && (self.kernel == 3 || self.kernel == 5);
        let points = if cheaper { 4 } else { 1 };
        let side = |n: usize| n as u64 + 2 * k;
        let all = [
            values(shapes, rows, if training { 2 } else { 1 }),
            weights::memory(depth, out, training),
            product(&[panel, 3 * (points - 1)]),
            // A chunk's sums, and those of a leaf that joins them.
            product(&[panel, points, 2 * slots]),
            product(&[
                (rows as u64).saturating_add(8),
                out.next_multiple_of(weights::PANEL),
            ]),
            product(&[
                side(input.height),
                side(input.width),
                2 * (input.channels as u64 + out),
                slots,
            ]),
        ];
        all.into_iter().fold(0, u64::saturating_add)
    }

    fn record(&self, to: &mut Recorder<'_>, inputs: &[Value]) -> Result<Value> {
        let (out, window) = (self.out, self.window());
        ConvOp::record(to.tape, to.name, inputs[0], out, window, self.terms())
    }

    fn pack(&self, at: &mut Packer<'_>, inputs: &[Packed]) -> Result<Packed> {
        let product = Product::Conv {
            out: self.out,
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
        };
        let shape = self.output("", &[inputs[0].shape()])?;
        self.terms().pack(at, &inputs[0], product, shape)
    }
}
