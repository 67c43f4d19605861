//! Grouped convolution for groups of few channels, vectorised over the output channels.
//!
//! With `n` input and `m` output channels per group, the sums are formed in `n` passes over all
//! output channels. In pass `c` every output channel reads input channel `c` of its group; these
//! channels are laid out side by side when the image is copied into its border. A depthwise
//! convolution is one pass. The gradient of the input takes `m` passes over all input channels in
//! the same way, with the kernel rotated by 180 degrees, over the gradient of the output dilated by
//! the stride.

use super::{Geometry, Place, Sizes, Way, Working};
use crate::kernels::Kernels;
use crate::kernels::depthwise::{LANES, Taps};
use crate::kernels::gemm::Store;
use crate::layers::sides::Sides;
use crate::layers::window::{Window, fill_border};
use crate::tensor::Shape;

/// The algorithm for groups of few channels, which makes one pass per input channel of a group.
pub(super) struct Direct {
    of: Geometry,
    /// (height, width) of an image with its border and of a dilated gradient with its border.
    border: (usize, usize),
    dilated: (usize, usize),
    forward: Taps,
    backward: Taps,
}

/// Number of channels of a pixel with a border: `channels` rounded up to whole vectors.
fn lanes(channels: usize) -> usize {
    channels.next_multiple_of(LANES)
}

/// Returns the windows of an image that is `width` pixels wide with its border, one for each pixel
/// of `shape`.
fn taps(window: Window, stride: Sides, shape: Shape, width: usize) -> Taps {
    let (pixel, line) = (lanes(shape.channels), width * lanes(shape.channels));
    Taps {
        rows: shape.height,
        cols: shape.width,
        row_step: stride.height * line,
        col_step: stride.width * pixel,
        down: window.kernel.height,
        across: window.kernel.width,
        down_step: window.dilation.height * line,
        across_step: window.dilation.width * pixel,
        channels: shape.channels,
    }
}

/// A copy of an image into a border: which channels are copied, and where pixel (i, j) is written,
/// namely at `origin` plus (i, j) times `step`.
struct Layout {
    origin: Sides,
    step: Sides,
    /// Number of pixels in a row with its border, and number of channels written.
    width: usize,
    channels: usize,
    /// Of the `own` channels of each group in the image, channel `part` is written to `times`
    /// consecutive channels.
    own: usize,
    part: usize,
    times: usize,
}

impl Layout {
    fn copy(&self, image: &[f32], shape: Shape, to: &mut [f32]) {
        let pixel = lanes(self.channels);
        for (i, row) in image.chunks_exact(shape.width * shape.channels).enumerate() {
            let line = (i * self.step.height + self.origin.height) * self.width;
            for (j, from) in row.chunks_exact(shape.channels).enumerate() {
                let at = (line + self.origin.width + j * self.step.width) * pixel;
                let to = &mut to[at..][..self.channels];
                if self.own == 1 && self.times == 1 {
                    to.copy_from_slice(from);
                    continue;
                }
                let groups = from.chunks_exact(self.own);
                for (to, from) in to.chunks_exact_mut(self.times).zip(groups) {
                    to.fill(from[self.part]);
                }
            }
        }
    }
}

impl Direct {
    pub(super) fn new(of: Geometry) -> Self {
        let (border, dilated) = (of.window.bordered(of.input), of.window.dilated(of.input));
        Self {
            of,
            border,
            dilated,
            forward: taps(of.window, of.window.stride, of.output, border.1),
            backward: taps(of.window, Sides::ONE, of.input, dilated.1),
        }
    }

    /// Copies input channel `part` of every group into the border.
    fn image(&self, x: &[f32], part: usize, to: &mut [f32]) {
        let layout = Layout {
            origin: self.of.window.padding,
            step: Sides::ONE,
            width: self.border.1,
            channels: self.of.output.channels,
            own: self.of.inputs(),
            part,
            times: self.of.outputs(),
        };
        layout.copy(x, self.of.input, to);
    }

    /// Copies the gradient of output channel `part` of every group, dilated by the stride, into the
    /// border.
    fn dilate_grad(&self, g: &[f32], part: usize, to: &mut [f32]) {
        let layout = Layout {
            origin: self.of.window.margin(),
            step: self.of.window.stride,
            width: self.dilated.1,
            channels: self.of.input.channels,
            own: self.of.outputs(),
            part,
            times: self.of.inputs(),
        };
        layout.copy(g, self.of.output, to);
    }

    /// Returns the number of weights of a pass, with padding.
    fn pass(taps: &Taps) -> usize {
        taps.count() * taps.lanes()
    }
}

impl Way for Direct {
    fn sizes(&self) -> Sizes {
        let (forward, backward) = (&self.forward, &self.backward);
        Sizes {
            weights: self.of.inputs() * Self::pass(forward),
            turned: self.of.outputs() * Self::pass(backward),
            working: [
                self.border.0 * self.border.1 * forward.lanes(),
                self.dilated.0 * self.dilated.1 * backward.lanes(),
                0,
                0,
            ],
        }
    }

    fn fill_border(&self, image: &mut [f32]) {
        // One channel for every output channel is laid out.
        let Shape { height, width, .. } = self.of.input;
        let part = Shape::image(self.of.output.channels, height, width);
        let pixels = (self.border.1, self.forward.lanes());
        fill_border(&self.of.window, part, pixels, image);
    }

    fn place(&self, Place { o, c, u, v }: Place) -> usize {
        let tap = u * self.forward.across + v;
        c * Self::pass(&self.forward) + tap * self.forward.lanes() + o
    }

    fn turned(&self, Place { o, c, u, v }: Place) -> usize {
        let (group, part) = (o / self.of.outputs(), o % self.of.outputs());
        let tap = self.backward.count() - 1 - (u * self.backward.across + v);
        let channel = group * self.of.inputs() + c;
        part * Self::pass(&self.backward) + tap * self.backward.lanes() + channel
    }

    fn forward(
        &self,
        kernels: &Kernels,
        x: &[f32],
        (weights, bias): (&[f32], Option<&[f32]>),
        y: &mut [f32],
        to: &mut Working,
    ) {
        for (part, w) in weights.chunks_exact(Self::pass(&self.forward)).enumerate() {
            self.image(x, part, &mut to.image);
            (kernels.ew.taps_product)(&self.forward, &to.image, w, bias, part > 0, y);
        }
    }

    fn gradient(
        &self,
        kernels: &Kernels,
        x: &[f32],
        g: &[f32],
        sums: &mut [f32],
        to: &mut Working,
    ) {
        let pass = Self::pass(&self.forward);
        for (part, sums) in sums.chunks_exact_mut(pass).enumerate() {
            self.image(x, part, &mut to.image);
            (kernels.ew.taps_transposed)(&self.forward, &to.image, g, sums);
        }
    }

    fn data(
        &self,
        kernels: &Kernels,
        g: &[f32],
        weights: &[f32],
        (dx, store): (&mut [f32], Store),
        to: &mut Working,
    ) {
        let pass = Self::pass(&self.backward);
        for (part, w) in weights.chunks_exact(pass).enumerate() {
            self.dilate_grad(g, part, &mut to.dilated);
            let add = part > 0 || store == Store::Add;
            (kernels.ew.taps_product)(&self.backward, &to.dilated, w, None, add, dx);
        }
    }
}
