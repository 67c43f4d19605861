//! The window of a product with weights.

use crate::packed::{Product, Stage};
use crate::tensor::Shape;

/// The window of a convolution, or of a linear layer, whose window is the whole value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub input: Shape,
    pub kernel: (usize, usize),
    pub stride: usize,
    pub padding: usize,
    pub border: i8,
    pub outputs: usize,
}

impl Window {
    /// Returns the window of a stage over a value of that shape.
    pub fn of(stage: &Stage, input: Shape) -> Self {
        let (outputs, kernel, stride, padding, border) = match stage.product {
            Product::Conv {
                out,
                kernel,
                stride,
                padding,
                border,
                ..
            } => (out, (kernel, kernel), stride, padding, border),
            Product::Linear { out } => (out, (input.height, input.width), 1, 0, 0),
            Product::Input | Product::Add | Product::Concat => {
                unreachable!("only a product over weights has a window")
            }
        };
        Self {
            input,
            kernel,
            stride,
            padding,
            border,
            outputs,
        }
    }

    /// Returns how many numbers lie under the window.
    pub fn depth(&self) -> usize {
        self.kernel.0 * self.kernel.1 * self.input.channels
    }

    /// Returns whether the window is the whole input, as it is stored.
    pub fn is_whole(&self) -> bool {
        self.padding == 0 && self.kernel == (self.input.height, self.input.width)
    }

    /// Returns the index of a weight in the network's order (channel, row, column), for its index in
    /// the order in which values are stored (row, column, channel).
    pub fn weight_at(&self, stored: usize) -> usize {
        let taps = self.kernel.0 * self.kernel.1;
        stored % self.input.channels * taps + stored / self.input.channels
    }

    /// Returns the C expression for a side's first row or column under the window.
    pub fn start(&self, position: &str) -> String {
        let strided = match self.stride {
            1 => position.to_string(),
            n => format!("{position} * {n}"),
        };
        match self.padding {
            0 => strided,
            n => format!("{strided} - {n}"),
        }
    }
}
