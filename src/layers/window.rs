//! Windows that slide over images, and images in the borders that they need.

use crate::error::{Error, Result};
use crate::kernels::Kernels;
use crate::kernels::lookup::{GROUP, Pattern};
use crate::tensor::{Arena, Shape};

/// A square window that slides over an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width.
    pub kernel: usize,
    /// Pixels from one position to the next.
    pub stride: usize,
    /// Zeros around the image; less than `kernel`.
    pub padding: usize,
}

impl Window {
    /// Positions along a side of `length` pixels, or `None` where the window does
    /// not fit.
    pub fn positions(&self, length: usize) -> Option<usize> {
        let padded = length.checked_add(self.padding.checked_mul(2)?)?;
        Some(padded.checked_sub(self.kernel)? / self.stride + 1)
    }

    /// The output shape of a convolution `name`.
    ///
    /// # Errors
    /// A window that does not fit the image, or a padding that is not below the
    /// kernel size.
    pub(super) fn output(&self, name: &str, input: Shape, channels: usize) -> Result<Shape> {
        let Window {
            kernel,
            stride,
            padding,
        } = *self;
        if kernel == 0 || stride == 0 || channels == 0 {
            return Err(Error::spec(format!(
                "layer {name}: kernel, stride and out must be at least 1"
            )));
        }
        if padding >= kernel {
            return Err(Error::spec(format!(
                "layer {name}: padding {padding} must be below the kernel size {kernel}"
            )));
        }
        match (self.positions(input.height), self.positions(input.width)) {
            (Some(height), Some(width)) => Ok(Shape::image(channels, height, width)),
            _ => Err(Error::spec(format!(
                "layer {name}: a {kernel}x{kernel} window does not fit an image of {}x{} with padding {padding}",
                input.height, input.width
            ))),
        }
    }
}

/// The image where the kernels may read it: in its border, or in place.
pub(super) fn bordered<'a>(
    image: &'a [f32],
    shape: Shape,
    padding: usize,
    (height, width): (usize, usize),
    border: &'a mut Arena,
) -> &'a [f32] {
    if (height, width) == (shape.height, shape.width) {
        return image;
    }
    let line = shape.width * shape.channels;
    let step = width * shape.channels;
    let to = border.as_mut_slice();
    for (i, row) in image.chunks_exact(line).enumerate() {
        let at = (i + padding) * step + padding * shape.channels;
        to[at..at + line].copy_from_slice(row);
    }
    border.as_slice()
}

/// The patterns of an image of bits in its border, which is `width` pixels wide and
/// already pattern 0.
pub(super) fn bordered_patterns(
    kernels: &Kernels,
    image: &[f32],
    shape: Shape,
    padding: usize,
    width: usize,
    border: &mut [Pattern],
) {
    let pixel = shape.channels / GROUP;
    for (i, row) in image.chunks_exact(shape.width * shape.channels).enumerate() {
        let at = ((i + padding) * width + padding) * pixel;
        kernels.lookup_patterns(row, &mut border[at..][..shape.width * pixel]);
    }
}

/// Copies an output adjoint to stride distance inside its border of zeros.
pub(super) fn spread(g: &[f32], shape: Shape, window: Window, width: usize, to: &mut [f32]) {
    let (c, border) = (shape.channels, window.kernel - 1 - window.padding);
    for (i, row) in g.chunks_exact(shape.width * c).enumerate() {
        let line = (i * window.stride + border) * width + border;
        if window.stride == 1 {
            to[line * c..][..row.len()].copy_from_slice(row);
        } else {
            for (j, pixel) in row.chunks_exact(c).enumerate() {
                to[(line + j * window.stride) * c..][..c].copy_from_slice(pixel);
            }
        }
    }
}
