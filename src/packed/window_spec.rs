//! The window of a product over bits.

use super::layout::Nibbles;
use crate::tensor::Shape;

/// The window of a convolution over bits, or of a linear layer, which is one window.
#[derive(Clone, Copy, Debug)]
pub(super) struct WindowSpec {
    pub input: Shape,
    pub output: Shape,
    pub kernel: (usize, usize),
    pub stride: usize,
    pub padding: usize,
    pub border: i8,
    pub groups: usize,
}

impl WindowSpec {
    /// Returns the layout of the input's nibbles, and their size in bytes.
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

    /// Returns the number of inputs that an output is a sum over.
    pub fn depth(&self) -> usize {
        self.kernel.0 * self.kernel.1 * self.input.channels / self.groups
    }
}
