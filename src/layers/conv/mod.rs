//! Convolution with stride, padding and bias. With groups or dilation it is computed by
//! [`GroupedConvOp`].
//!
//! ```text
//! y[o, i, j] = bias[o] + Σ_{c, u, v} x[c, i·s + u - p, j·s + v - p] · w[o, c, u, v]
//! ```
//!
//! Kernel size `k`, stride `s` and padding `p` can differ between height and width. `x` outside of
//! the image is the border value of the window, 0 by default.
//!
//! The algorithm is im2col and GEMM without materialising the patch matrix: an image is copied once
//! into its border, and the product kernels read its patches in place
//! ([`crate::kernels::gemm::Patches`]). With `A` the (pixels, k·k·C) patch matrix, `W` the weights
//! as (k·k·C, O) and `G` the (pixels, O) gradient of the output:
//!
//! ```text
//! y  = A·W + bias          dW += Aᵀ·G          db += Σ_pixels G
//! dx = A'·W'               for each phase of the stride ([`phases`]), where A' are the patches
//!                          of G in a border of zeros, and W' are the weights of the phase's
//!                          taps, the last one first
//! ```
//!
//! Faster algorithms are chosen when the layer is recorded: over an input declared to be bits the
//! forward product is a sum of table entries ([`crate::kernels::lookup`]), and other products are
//! computed by Winograd's algorithm ([`crate::kernels::winograd`]) if it supports their shapes.

mod backward;
mod forward;
mod grouped;
mod layer;
mod partial_sums;
mod phases;
mod points;
mod stacked;

use crate::error::Result;
use crate::kernels::gemm::{Patches, panel_len};
use crate::kernels::lookup::{GROUP, Lookup, Pattern};
use crate::kernels::winograd::Winograd;
use crate::tape::{Backward, Finish, Forward, Op, ParamId, Pool, Tape, Value};
use crate::tensor::{Arena, Shape};

use super::panels::Taps;
use super::sides::Sides;
use super::weights::{Terms, Weights};
use super::window::{Window, fill_border};

pub(super) use backward::OutputGrad;
pub use grouped::GroupedConvOp;
pub use layer::Conv;
use partial_sums::{PartialSums, Travelling};
use phases::Phases;
use stacked::Stacked;

/// The operation of a convolution without groups or dilation: `y[o, i, j] = bias[o] + Σ_{c, u, v}
/// x[c, i·s + u - p, j·s + v - p] · w[o, c, u, v]`. The input is (C, H, W), the output (O, H', W'),
/// and the weights have PyTorch's shape (O, C, kh, kw).
pub struct ConvOp {
    input: Shape,
    output: Shape,
    window: Window,
    weights: Weights,
    weight: ParamId,
    bias: Option<ParamId>,
    /// `W` and `W'` in panels, for `version` and `backward_version` of the parameters.
    forward_weights: Arena,
    backward_weights: Arena,
    version: u64,
    backward_version: u64,
    /// The shapes of Winograd's algorithm for `A·W` and for `A'·W'`, if it is used, and the
    /// transformed weights.
    winograd: Option<[Winograd; 2]>,
    forward_points: Arena,
    backward_points: Arena,
    /// The computation over all images at once, if the weights are far larger than a cache.
    stacked: Option<Box<Stacked>>,
    /// The shape of the look-up over an input of bits, if it is used, and its tables.
    lookup: Option<Lookup>,
    tables: Arena,
    /// (height, width) of an input image with its border.
    border: (usize, usize),
    /// How the gradient of the input is computed where it is not Winograd's algorithm that does.
    phases: Phases,
    /// (height, width) of the output gradient with its border.
    spread: (usize, usize),
    /// The weight gradient `dW` in panels.
    weight_grad: Arena,
    /// Zeros, which are subtracted from the values that bias sums add up.
    zeros: Vec<f32>,
    partials: Vec<PartialSums>,
    sums: Option<Travelling>,
    pool: Pool<Scratch>,
}

/// The buffers of one thread.
struct Scratch {
    /// An input image with its border.
    padded: Arena,
    /// An output gradient with its border.
    spread: Arena,
    /// The gradient of the pixels of a phase.
    phase: Arena,
    /// The transformed tiles of Winograd's algorithm.
    tiles: Arena,
    /// An input image of bits with its border, as patterns of bits.
    patterns: Vec<Pattern>,
    /// An output gradient that is computed when it is needed ([`OutputGrad::Computed`]).
    grad_output: Arena,
    /// The sums of a chunk's second leaf; empty if a chunk is one leaf. Each running thread uses
    /// one buffer; the memory of the others is never touched.
    leaf: PartialSums,
}

/// Registers the weights, whose shape begins with the number of outputs, and the bias if there is
/// one.
fn add_params(
    tape: &mut Tape,
    name: &str,
    shape: &[usize],
    bias: bool,
) -> (ParamId, Option<ParamId>) {
    let weight = tape.params.add(format!("{name}.weight"), shape);
    let bias = bias.then(|| tape.params.add(format!("{name}.bias"), &shape[..1]));
    (weight, bias)
}

/// Makes a buffer for an image with its border and writes the border.
fn padded(input: Shape, window: Window, (height, width): (usize, usize)) -> Arena {
    let mut padded = Arena::zeros(height * width * input.channels);
    fill_border(
        &window,
        input,
        (width, input.channels),
        padded.as_mut_slice(),
    );
    padded
}

/// (height, width) of an input image in its border, and of the output gradient, and the numbers that
/// the phases work in.
fn borders(
    winograd: &Option<[Winograd; 2]>,
    (input, window): (Shape, Window),
    phases: &Phases,
) -> ((usize, usize), (usize, usize), usize) {
    match winograd {
        Some([forward, backward]) => (forward.bordered(), backward.bordered(), 0),
        None => (window.bordered(input), phases.border, phases.scratch_len()),
    }
}

/// Numbers of the transformed tiles of Winograd's algorithm.
fn tiles_len(winograd: &Option<[Winograd; 2]>) -> usize {
    winograd.map_or(0, |w| w[0].scratch_len().max(w[1].scratch_len()))
}

/// Numbers of the transformed weights of the forward pass, 0, or of the backward pass, 1.
fn points_len(winograd: &Option<[Winograd; 2]>, pass: usize) -> usize {
    winograd.map_or(0, |w| w[pass].weights_len())
}

/// Numbers of a chunk's sums of the weight gradient; stacked images need none.
fn sums_len(winograd: &Option<[Winograd; 2]>, stacked: bool, panel: usize) -> usize {
    match winograd {
        _ if stacked => 0,
        Some([forward, _]) => forward.weights_len(),
        None => panel,
    }
}

impl ConvOp {
    /// Records the layer on a tape, with the parameters `{name}.weight` (O, C, kh, kw) and, if it
    /// has a bias, `{name}.bias` (O). A convolution with dilation is recorded as a
    /// [`GroupedConvOp`] of one group.
    ///
    /// # Errors
    /// If the window is larger than the image with its padding, the padding is not smaller than the
    /// kernel, or real weights have a scale.
    pub fn record(
        tape: &mut Tape,
        name: &str,
        x: Value,
        channels: usize,
        window: Window,
        terms: Terms,
    ) -> Result<Value> {
        if !window.dilation.is_one() {
            return GroupedConvOp::record(tape, name, x, channels, (window, 1), terms);
        }
        let op = Self::build(tape, name, x, channels, window, terms, 0)?;
        let (weight, output) = (op.weight, op.output);
        let y = tape.push(Box::new(op), &[x], output);
        Ok(terms.finish(tape, name, y, weight))
    }

    /// Makes the operation and registers its parameters without recording it. `grad_output` is the
    /// length of an output gradient that is computed when it is needed, or 0.
    pub(super) fn build(
        tape: &mut Tape,
        name: &str,
        x: Value,
        channels: usize,
        window: Window,
        terms: Terms,
        grad_output: usize,
    ) -> Result<Self> {
        terms.check(name)?;
        let output = Self::output(name, tape.shape(x), channels, window)?;
        let (input, taps, kernel) = (tape.shape(x), window.kernel.area(), window.kernel);
        let size = [channels, input.channels, kernel.height, kernel.width];
        let (weight, bias) = add_params(tape, name, &size, terms.bias_in_sum());
        let winograd = Self::winograd(input, output, window);
        let phases = Phases::new(input, output, window);
        let (border, spread, of_phase) = borders(&winograd, (input, window), &phases);
        let stacked = Self::stack(tape, x, output, window);
        let panel = panel_len(taps * input.channels, channels);
        let grad_len = sums_len(&winograd, stacked.is_some(), panel);
        let partial = |used: bool| PartialSums::new(if used { grad_len } else { 0 }, channels);
        let scratch = |patterns: usize| Scratch {
            padded: padded(input, window, border),
            spread: Arena::zeros(spread.0 * spread.1 * channels),
            phase: Arena::zeros(of_phase),
            tiles: Arena::zeros(tiles_len(&winograd)),
            patterns: vec![Pattern::default(); patterns],
            grad_output: Arena::zeros(grad_output),
            leaf: partial(tape.cut(x).leaves_of_chunk() > 1),
        };
        let mut op = Self {
            input,
            output,
            window,
            weights: terms.weights,
            weight,
            bias,
            forward_weights: Arena::zeros(panel),
            backward_weights: Arena::zeros(panel_len(taps * channels, input.channels)),
            version: u64::MAX,
            backward_version: u64::MAX,
            winograd,
            forward_points: Arena::zeros(points_len(&winograd, 0)),
            backward_points: Arena::zeros(points_len(&winograd, 1)),
            border,
            spread,
            phases,
            weight_grad: Arena::zeros(panel),
            zeros: vec![0.0; channels],
            stacked,
            lookup: None,
            tables: Arena::default(),
            partials: (0..tape.chunks(x)).map(|_| partial(true)).collect(),
            sums: None,
            pool: Pool::new(0, || scratch(0)),
        };
        let patterns = op.prepare_lookup(tape.is_bits(x));
        op.pool = Pool::new(tape.chunks(x), || scratch(patterns));
        Ok(op)
    }

    /// Prepares the look-up for an input of bits, if it is faster. Returns the number of patterns
    /// of an image with its border.
    fn prepare_lookup(&mut self, bits: bool) -> usize {
        let (inputs, border) = (self.input.channels, self.border);
        // A border of 0 is the bit 0.
        if bits && self.window.border == 0 {
            self.lookup = Lookup::new(&self.patches(), inputs, self.output.channels);
        }
        let Some(lookup) = &self.lookup else {
            return 0;
        };
        self.tables = Arena::zeros(lookup.tables_len());
        border.0 * border.1 * inputs / GROUP
    }

    /// Returns the output shape.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn output(name: &str, input: Shape, channels: usize, window: Window) -> Result<Shape> {
        window.output(name, input, channels)
    }

    /// Returns the shapes of Winograd's algorithm for the forward and the backward pass, if it is
    /// used. In the backward pass, the zeros before the output gradient are those of the phases.
    fn winograd(input: Shape, output: Shape, window: Window) -> Option<[Winograd; 2]> {
        let kernel = window.kernel.equal()?;
        let (i, o) = (input.channels, output.channels);
        let side = |shape: Shape| (shape.height, shape.width);
        if (kernel, window.stride, window.padding) == (3, Sides::both(2), Sides::ONE) {
            // The last rows of a border may lie beyond those that the algorithm reads.
            let forward = Winograd::strided((i, o), side(output)).filter(|_| window.border == 0)?;
            let backward = Winograd::spread((o, i), side(input))?;
            return Some([forward, backward]);
        }
        if !window.stride.is_one() {
            return None;
        }
        let forward = Winograd::new(kernel, (i, o), side(output))?;
        let backward = Winograd::new(kernel, (o, i), side(input))?;
        Some([forward, backward])
    }

    /// Returns the shapes of Winograd's algorithm if all images of a batch are computed at once.
    fn stacked(input: Shape, output: Shape, window: Window) -> Option<[Winograd; 2]> {
        let winograd = Self::winograd(input, output, window);
        winograd.filter(|w| Stacked::serves(&w[0]) && window.border == 0)
    }

    /// Allocates what that computation works in, if all images are computed at once.
    fn stack(tape: &Tape, x: Value, output: Shape, window: Window) -> Option<Box<Stacked>> {
        let input = tape.shape(x);
        let winograd = Self::stacked(input, output, window)?;
        let margin = Phases::new(input, output, window).margin;
        let sides = [window.padding, margin].map(|sides| (sides.height, sides.width));
        let rows = (tape.cut(x).live, tape.chunks(x));
        Some(Box::new(Stacked::new(
            winograd,
            (input, output),
            sides,
            rows,
        )))
    }

    /// How the weights lie in the panels of the forward pass.
    fn weight_taps(&self) -> Taps {
        let (taps, inputs) = (self.window.kernel.area(), self.input.channels);
        Taps {
            taps,
            inner: inputs,
            columns: self.output.channels,
            column_step: inputs * taps,
            inner_step: taps,
        }
    }

    /// Returns the patches of an input image with its border.
    fn patches(&self) -> Patches {
        let width = self.border.1 * self.input.channels;
        Patches {
            rows: self.output.height,
            cols: self.output.width,
            row_step: self.window.stride.height * width,
            col_step: self.window.stride.width * self.input.channels,
            runs: self.window.kernel.height,
            run_len: self.window.kernel.width * self.input.channels,
            run_step: width,
        }
    }
}

impl Op for ConvOp {
    fn way(&self) -> Option<String> {
        let all = match self.winograd {
            Some(_) => "Winograd",
            None => "direct products",
        };
        let how = match self.lookup {
            Some(_) => format!("table look-ups over bits forwards, {all} backwards"),
            None => all.into(),
        };
        Some(match self.stacked {
            Some(_) => format!("{how}, all images together by output channels"),
            None => how,
        })
    }

    fn finish(&mut self, cx: Finish<'_>) {
        self.finish_grads(cx);
    }

    fn forward(&mut self, mut cx: Forward<'_>) {
        let y = std::mem::take(&mut cx.y);
        let mut partials = std::mem::take(&mut self.partials);
        self.run(&cx, y, &mut partials, |_, _, _| {});
        self.partials = partials;
    }

    fn backward(&mut self, cx: Backward<'_>) {
        let dy = OutputGrad::Given(cx.dy);
        self.add_grads(cx, &dy);
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod stacked_tests;
