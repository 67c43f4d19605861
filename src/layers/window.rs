//! Windows that slide over images, and images in the borders that they need.
//!
//! A border has one number, [`Window::border`]: 0 as everywhere, or a level of binary units
//! of signs, -1 or 1 (Larq's `pad_values`).

use super::sides::Sides;
use crate::error::{Error, Result};
use crate::kernels::Kernels;
use crate::kernels::lookup::{GROUP, Pattern};
use crate::tensor::{Arena, Shape};

/// A window that slides over an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its taps down and across.
    pub kernel: Sides,
    /// Pixels from one position to the next.
    pub stride: Sides,
    /// Pixels of the border around the image; less than [`Self::reach`].
    pub padding: Sides,
    /// What those pixels are: -1, 0 or 1.
    pub border: i8,
    /// Pixels from one tap to the next.
    pub dilation: Sides,
}

impl Window {
    /// A window that is the same on both sides, its taps side by side, in a border of zeros.
    pub const fn square(kernel: usize, stride: usize, padding: usize) -> Self {
        Self {
            kernel: Sides::both(kernel),
            stride: Sides::both(stride),
            padding: Sides::both(padding),
            border: 0,
            dilation: Sides::ONE,
        }
    }

    /// Pixels from its first tap to its last one, both included, on each side:
    /// `(kernel - 1)·dilation + 1`; `None` where that overflows.
    pub fn reach(&self) -> Option<Sides> {
        let side = |kernel: usize, dilation: usize| {
            let steps = kernel.checked_sub(1)?;
            steps.checked_mul(dilation)?.checked_add(1)
        };
        Some(Sides {
            height: side(self.kernel.height, self.dilation.height)?,
            width: side(self.kernel.width, self.dilation.width)?,
        })
    }

    /// Positions of a window of that reach along a side of `length` pixels, or `None`
    /// where it does not fit.
    fn positions(length: usize, reach: usize, stride: usize, padding: usize) -> Option<usize> {
        let padded = length.checked_add(padding.checked_mul(2)?)?;
        Some(padded.checked_sub(reach)? / stride + 1)
    }

    /// The output shape of a convolution `name`.
    ///
    /// # Errors
    /// A window that does not fit the image, a padding that is not below the window's
    /// reach, or a zero where there must be a number.
    pub(super) fn output(&self, name: &str, input: Shape, channels: usize) -> Result<Shape> {
        let Window {
            kernel,
            stride,
            padding,
            border,
            dilation,
        } = *self;
        let fail = |what: String| Err(Error::spec(format!("layer {name}: {what}")));
        if kernel.least() == 0 || stride.least() == 0 || channels == 0 {
            return fail("kernel, stride and out must be at least 1".into());
        }
        if !(-1..=1).contains(&border) {
            return fail(format!(
                "border {border} is no level of a binary unit; choose -1, 0 or 1"
            ));
        }
        if dilation.least() == 0 {
            return fail("dilation must be at least 1".into());
        }
        let spaced = match dilation.is_one() {
            true => String::new(),
            false => format!(", dilation {dilation},"),
        };
        let taps = kernel.pair();
        let unfit = || {
            fail(format!(
                "a {taps} window{spaced} does not fit an image of {}x{} with padding {padding}",
                input.height, input.width
            ))
        };
        let Some(reach) = self.reach() else {
            return unfit();
        };
        if padding.height >= reach.height || padding.width >= reach.width {
            let what = match dilation.is_one() {
                true => "kernel size",
                false => "window's reach, (kernel - 1)·dilation + 1,",
            };
            return fail(format!(
                "padding {padding} must be below the {what} {reach}"
            ));
        }
        let down = Self::positions(input.height, reach.height, stride.height, padding.height);
        let across = Self::positions(input.width, reach.width, stride.width, padding.width);
        match (down, across) {
            (Some(height), Some(width)) => Ok(Shape::image(channels, height, width)),
            _ => unfit(),
        }
    }

    /// (height, width) of an image of that shape in its border.
    pub(super) fn bordered(&self, shape: Shape) -> (usize, usize) {
        (
            shape.height + 2 * self.padding.height,
            shape.width + 2 * self.padding.width,
        )
    }

    /// The zeros before the first pixel of a gradient that is dilated by the stride: `reach - 1 - padding` on each side.
    pub(super) fn margin(&self) -> Sides {
        let side =
            |kernel: usize, dilation: usize, padding: usize| (kernel - 1) * dilation - padding;
        let (k, d, p) = (self.kernel, self.dilation, self.padding);
        Sides {
            height: side(k.height, d.height, p.height),
            width: side(k.width, d.width, p.width),
        }
    }

    /// (height, width) of a dilated gradient whose windows are the pixels of the input
    /// image: `input + reach - 1`.
    pub(super) fn dilated(&self, input: Shape) -> (usize, usize) {
        (
            input.height + (self.kernel.height - 1) * self.dilation.height,
            input.width + (self.kernel.width - 1) * self.dilation.width,
        )
    }
}

/// The output shape of a pool `name`: windows without padding, and pixels that fill none
/// are left out.
///
/// # Errors
/// A window that does not fit the image or is larger than `most` on a side, or a zero.
pub(super) fn pooled(
    name: &str,
    input: Shape,
    (kernel, stride): (Sides, Sides),
    most: usize,
) -> Result<Shape> {
    if kernel.least() == 0 || stride.least() == 0 || kernel.most() > most {
        let within = match most {
            usize::MAX => "kernel and stride must be at least 1".into(),
            most => format!("kernel must be within 1 to {most} and stride at least 1"),
        };
        return Err(Error::spec(format!("layer {name}: {within}")));
    }
    if kernel.height > input.height || kernel.width > input.width {
        return Err(Error::spec(format!(
            "layer {name}: a {} window does not fit an image of {}x{}",
            kernel.pair(),
            input.height,
            input.width
        )));
    }
    Ok(Shape::image(
        input.channels,
        (input.height - kernel.height) / stride.height + 1,
        (input.width - kernel.width) / stride.width + 1,
    ))
}

/// Writes the border of an image of that shape into memory that is `width` pixels of
/// `pixel` numbers wide, of which the first are the channels; what lies beyond the border
/// stays as it is.
pub(super) fn fill_border(
    window: &Window,
    shape: Shape,
    (width, pixel): (usize, usize),
    to: &mut [f32],
) {
    let (padding, value) = (window.padding, f32::from(window.border));
    if window.border == 0 {
        return;
    }
    let (rows, columns) = window.bordered(shape);
    let inside = |i: usize, before: usize, length: usize| (before..before + length).contains(&i);
    for i in 0..rows {
        for j in 0..columns {
            let image =
                inside(i, padding.height, shape.height) && inside(j, padding.width, shape.width);
            if !image {
                to[(i * width + j) * pixel..][..shape.channels].fill(value);
            }
        }
    }
}

/// The image where the kernels may read it: in its border, or in place.
pub(super) fn bordered<'a>(
    image: &'a [f32],
    shape: Shape,
    padding: Sides,
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
        let at = (i + padding.height) * step + padding.width * shape.channels;
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
    padding: Sides,
    width: usize,
    border: &mut [Pattern],
) {
    let pixel = shape.channels / GROUP;
    for (i, row) in image.chunks_exact(shape.width * shape.channels).enumerate() {
        let at = ((i + padding.height) * width + padding.width) * pixel;
        kernels.lookup_patterns(row, &mut border[at..][..shape.width * pixel]);
    }
}
