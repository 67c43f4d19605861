//! Grouped convolution for groups of many channels: each group is a matrix product over its
//! patches, which are read in place ([`crate::kernels::gemm::Patches`]).
//!
//! The channels of a group are copied into a contiguous image with a border. With a horizontal
//! dilation above 1 a row of a window is not contiguous; then the product is a sum of products, one
//! for each *column* of the window, whose contiguous runs are single pixels. The gradient of the
//! input is computed in the same way over the gradient of the output, dilated by the stride, with
//! the kernel rotated by 180 degrees.

use super::{Geometry, Place, Sizes, Way, Working};
use crate::kernels::gemm::{Patches, Store, panel_len};
use crate::kernels::{Kernels, NR};
use crate::layers::sides::Sides;
use crate::layers::window::{Window, fill_border};
use crate::tensor::Shape;

/// The matrix products of the forward or of the backward pass.
struct Side {
    /// Numbers of channels of a group that are read and that are computed.
    read: usize,
    made: usize,
    /// The patches of one product.
    patches: Patches,
    /// Number of products of a group, and the distance between the patches of consecutive products.
    columns: usize,
    column_step: usize,
}

impl Side {
    /// Makes the products for a window at each pixel of the `made` channels, over an image that is
    /// `width` pixels wide with its border.
    fn new(
        window: Window,
        stride: Sides,
        width: usize,
        read: usize,
        (made, pixels): (usize, Shape),
    ) -> Self {
        let (kernel, line) = (window.kernel, width * read);
        let apart = window.dilation.width > 1;
        let taps = if apart { 1 } else { kernel.width };
        Self {
            read,
            made,
            patches: Patches {
                rows: pixels.height,
                cols: pixels.width,
                row_step: stride.height * line,
                col_step: stride.width * read,
                runs: kernel.height,
                run_len: taps * read,
                run_step: window.dilation.height * line,
            },
            columns: if apart { kernel.width } else { 1 },
            column_step: window.dilation.width * read,
        }
    }

    /// Returns the number of weights of a product, in panels.
    fn panels(&self) -> usize {
        panel_len(self.patches.depth(), self.made)
    }

    /// Returns the index of the weight from channel `from` to channel `to` of a group at tap (u,
    /// v).
    fn place(&self, group: usize, (from, to): (usize, usize), (u, v): (usize, usize)) -> usize {
        let (column, within) = match self.columns {
            1 => (0, v),
            _ => (v, 0),
        };
        let depth = self.patches.depth();
        let row = u * self.patches.run_len + within * self.read + from;
        let panel = (to / NR * depth + row) * NR + to % NR;
        (group * self.columns + column) * self.panels() + panel
    }

    /// Computes the products of a group over the image `a` with its border, into `c`.
    fn product(
        &self,
        kernels: &Kernels,
        a: &[f32],
        weights: &[f32],
        bias: Option<&[f32]>,
        (c, store): (&mut [f32], Store),
    ) {
        for (i, w) in weights.chunks_exact(self.panels()).enumerate() {
            let a = &a[i * self.column_step..];
            let (bias, store) = match i {
                0 => (bias, store),
                _ => (None, Store::Add),
            };
            kernels.product(&self.patches, a, w, self.made, bias, c, store);
        }
    }
}

/// The algorithm for groups of many channels, which computes matrix products for each group.
pub(super) struct Products {
    of: Geometry,
    /// (height, width) of an image with its border and of a dilated gradient with its border.
    border: (usize, usize),
    dilated: (usize, usize),
    forward: Side,
    backward: Side,
}

/// Copies `channels` numbers, from number `first` on, of every pixel to the index that `place(row,
/// column)` returns.
fn copy_group(
    image: &[f32],
    shape: Shape,
    (first, channels): (usize, usize),
    to: &mut [f32],
    place: impl Fn(usize, usize) -> usize,
) {
    for (i, row) in image.chunks_exact(shape.width * shape.channels).enumerate() {
        for (j, pixel) in row.chunks_exact(shape.channels).enumerate() {
            to[place(i, j)..][..channels].copy_from_slice(&pixel[first..][..channels]);
        }
    }
}

/// Writes the pixels of a group, contiguous in `from`, to its channels of an image, or adds them.
fn put_group(from: &[f32], channels: usize, first: usize, image: (&mut [f32], Shape), add: bool) {
    let (image, shape) = image;
    for (pixel, from) in image
        .chunks_exact_mut(shape.channels)
        .zip(from.chunks_exact(channels))
    {
        let pixel = &mut pixel[first..][..channels];
        match add {
            true => pixel.iter_mut().zip(from).for_each(|(x, y)| *x += y),
            false => pixel.copy_from_slice(from),
        }
    }
}

impl Products {
    pub(super) fn new(of: Geometry) -> Self {
        let (n, m, window) = (of.inputs(), of.outputs(), of.window);
        let (border, dilated) = (window.bordered(of.input), window.dilated(of.input));
        Self {
            of,
            border,
            dilated,
            forward: Side::new(window, window.stride, border.1, n, (m, of.output)),
            backward: Side::new(window, Sides::ONE, dilated.1, m, (n, of.input)),
        }
    }

    /// Copies the input channels of a group into their border.
    fn image(&self, x: &[f32], group: usize, to: &mut [f32]) {
        let (n, padding) = (self.of.inputs(), self.of.window.padding);
        copy_group(x, self.of.input, (group * n, n), to, |i, j| {
            ((i + padding.height) * self.border.1 + padding.width + j) * n
        });
    }

    /// Copies the gradient of a group's outputs, dilated by the stride, into its border.
    fn dilate_grad(&self, g: &[f32], group: usize, to: &mut [f32]) {
        let (m, stride) = (self.of.outputs(), self.of.window.stride);
        let margin = self.of.window.margin();
        copy_group(g, self.of.output, (group * m, m), to, |i, j| {
            let line = (i * stride.height + margin.height) * self.dilated.1;
            (line + margin.width + j * stride.width) * m
        });
    }

    /// Returns the number of weights of a group.
    fn group(side: &Side) -> usize {
        side.columns * side.panels()
    }
}

impl Way for Products {
    fn sizes(&self) -> Sizes {
        let (n, m) = (self.of.inputs(), self.of.outputs());
        let alone = self.of.groups == 1;
        let part = |channels: usize, shape: Shape| match alone {
            true => 0,
            false => channels * shape.pixels(),
        };
        Sizes {
            weights: self.of.groups * Self::group(&self.forward),
            turned: self.of.groups * Self::group(&self.backward),
            working: [
                self.border.0 * self.border.1 * n,
                self.dilated.0 * self.dilated.1 * m,
                part(m, self.of.output),
                part(n, self.of.input),
            ],
        }
    }

    fn fill_border(&self, image: &mut [f32]) {
        let (n, Shape { height, width, .. }) = (self.of.inputs(), self.of.input);
        let part = Shape::image(n, height, width);
        fill_border(&self.of.window, part, (self.border.1, n), image);
    }

    fn place(&self, Place { o, c, u, v }: Place) -> usize {
        let m = self.of.outputs();
        self.forward.place(o / m, (c, o % m), (u, v))
    }

    fn turned(&self, Place { o, c, u, v }: Place) -> usize {
        let (m, kernel) = (self.of.outputs(), self.of.window.kernel);
        let tap = (kernel.height - 1 - u, kernel.width - 1 - v);
        self.backward.place(o / m, (o % m, c), tap)
    }

    fn forward(
        &self,
        kernels: &Kernels,
        x: &[f32],
        (weights, bias): (&[f32], Option<&[f32]>),
        y: &mut [f32],
        to: &mut Working,
    ) {
        let (m, side) = (self.of.outputs(), &self.forward);
        for (group, w) in weights.chunks_exact(Self::group(side)).enumerate() {
            let bias = bias.map(|bias| &bias[group * m..][..m]);
            self.image(x, group, &mut to.image);
            if self.of.groups == 1 {
                side.product(kernels, &to.image, w, bias, (y, Store::Assign));
                continue;
            }
            side.product(kernels, &to.image, w, bias, (&mut to.output, Store::Assign));
            put_group(&to.output, m, group * m, (y, self.of.output), false);
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
        let (m, side) = (self.of.outputs(), &self.forward);
        for (group, sums) in sums.chunks_exact_mut(Self::group(side)).enumerate() {
            self.image(x, group, &mut to.image);
            let g = match self.of.groups {
                1 => g,
                _ => {
                    let width = self.of.output.width;
                    copy_group(g, self.of.output, (group * m, m), &mut to.output, |i, j| {
                        (i * width + j) * m
                    });
                    &to.output
                }
            };
            for (i, sums) in sums.chunks_exact_mut(side.panels()).enumerate() {
                let a = &to.image[i * side.column_step..];
                kernels.transposed(&side.patches, a, g, m, sums);
            }
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
        let (n, side) = (self.of.inputs(), &self.backward);
        for (group, w) in weights.chunks_exact(Self::group(side)).enumerate() {
            self.dilate_grad(g, group, &mut to.dilated);
            if self.of.groups == 1 {
                side.product(kernels, &to.dilated, w, None, (&mut *dx, store));
                continue;
            }
            side.product(
                kernels,
                &to.dilated,
                w,
                None,
                (&mut to.input, Store::Assign),
            );
            let image = (&mut *dx, self.of.input);
            put_group(&to.input, n, group * n, image, store == Store::Add);
        }
    }
}
