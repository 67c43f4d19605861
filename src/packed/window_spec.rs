//! The window of a sum over bits.

use super::layout::Nibbles;
use crate::tensor::Shape;

/// A window over bits: a convolution, or a linear layer as one window.
#[derive(Clone, Copy, Debug)]
pub(super) struct WindowSpec {
    pub input: Shape,
    pub output: Shape,
    pub kernel: (usize, usize),
    pub stride: usize,
    pub padding: usize,
    pub border: i8,
}

impl WindowSpec {
    /// How the input's nibbles must lie, and how many bytes they take.
    pub fn nibbles(&self) -> (Nibbles, usize) {
        let groups = self.input.channels.div_ceil(4);
        let row = self.input.width + 2 * self.padding;
        let nibbles = Nibbles {
            origin: (self.padding * row + self.padding) * groups,
            row,
            groups,
        };
        (
            nibbles,
            (self.input.height + 2 * self.padding) * row * groups,
        )
    }

    /// Inputs of one output.
    pub fn depth(&self) -> usize {
        self.kernel.0 * self.kernel.1 * self.input.channels
    }
}
