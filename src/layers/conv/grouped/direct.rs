//! Groups of few channels: channel by channel, many channels at once.
//!
//! With `n` inputs and `m` outputs a group, the sums are formed in `n` passes over all
//! output channels. In pass `c` every output channel reads input `c` of its group, which
//! is laid out beside the others on the way into the border; a depthwise convolution is
//! one pass. The gradient of the input is `m` passes over all input channels likewise,
//! with the weights turned by half a turn over the gradient of the output, dilated to
//! stride distance.

use super::{Geometry, Place, Sizes, Way, Working};
use crate::kernels::Kernels;
use crate::kernels::depthwise::{LANES, Taps};
use crate::kernels::gemm::Store;
use crate::layers::sides::Sides;
use crate::layers::window::{Window, fill_border};
use crate::tensor::Shape;

/// See the module's page.
pub(super) struct Direct {
    of: Geometry,
    /// (height, width) of an image and of a dilated gradient in their borders.
    border: (usize, usize),
    dilated: (usize, usize),
    forward: Taps,
    backward: Taps,
}

/// Channels of a pixel in a border.
fn lanes(channels: usize) -> usize {
    channels.next_multiple_of(LANES)
}

/// The windows of a border that is `width` pixels wide, one for each pixel of `shape`.
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

/// Lays an image out in a border: channel `k` of pixel (i, j) is channel `from(k)` of the
/// image's, at `origin` and at distances of `step`.
struct Layout {
    origin: Sides,
    step: Sides,
    /// Pixels of a line, channels of the border.
    width: usize,
    channels: usize,
    /// Of the image's `own` channels a group, number `part`; laid out `times` times.
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

    /// Lays out input `part` of every group.
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

    /// Lays out the gradient of output `part` of every group.
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

    /// Numbers of the weights of a pass.
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
        // A channel of every output, laid out side by side.
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
