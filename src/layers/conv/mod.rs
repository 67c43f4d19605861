//! Convolution with stride, padding and bias; with groups or dilation it is
//! [`GroupedConvOp`], an op of its own.
//!
//! ```text
//! y[o, i, j] = bias[o] + Σ_{c, u, v} x[c, i·s + u - p, j·s + v - p] · w[o, c, u, v]
//! ```
//!
//! Kernel, stride and padding may differ by side: `k`, `s` and `p` are those of the side.
//!
//! `x` outside of the image is the window's border, 0 unless it says otherwise.
//!
//! im2col and GEMM without the im2col: an image is copied once into its
//! border, and the product kernels read its patches in place
//! ([`crate::kernels::gemm::Patches`]). With `A` the (pixels, k·k·C) patch matrix,
//! `W` the weights as (k·k·C, O) and `G` the (pixels, O) gradient of the output:
//!
//! ```text
//! y  = A·W + bias          dW += Aᵀ·G          db += Σ_pixels G
//! dx = A'·W'               where A' are the k x k patches of G, dilated to
//!                          stride distance in a border of k - 1 - p (of zeros),
//!                          and W' are the weights turned by half a turn
//! ```
//!
//! Where they serve, cheaper algorithms take the place of the direct products: over
//! declared bits the forward product is a sum of table entries
//! ([`crate::kernels::lookup`]), the others are Winograd's
//! ([`crate::kernels::winograd`]). Which ones is decided when the layer is recorded.

mod backward;
mod forward;
mod grouped;
mod layer;
mod partial_sums;
mod stacked;

use crate::error::Result;
use crate::kernels::gemm::{Patches, panel_len};
use crate::kernels::lookup::{GROUP, Lookup, Pattern};
use crate::kernels::winograd::Winograd;
use crate::tape::{Backward, Forward, Op, ParamId, Pool, Tape, Value};
use crate::tensor::{Arena, Shape};

use super::weights::{Terms, Weights};
use super::window::{Window, fill_border};

pub(super) use backward::OutputGrad;
pub use grouped::GroupedConvOp;
pub use layer::Conv;
use partial_sums::PartialSums;
use stacked::Stacked;

/// The op; see the module's page.
pub struct ConvOp {
    input: Shape,
    output: Shape,
    window: Window,
    weights: Weights,
    weight: ParamId,
    bias: Option<ParamId>,
    /// `W` in panels, and `W'` in panels, as of `version` of the parameters.
    forward_weights: Arena,
    backward_weights: Arena,
    version: u64,
    backward_version: u64,
    /// Winograd's algorithm for `A·W` and for `A'·W'`, where it serves, and the
    /// transformed weights.
    winograd: Option<[Winograd; 2]>,
    forward_points: Arena,
    backward_points: Arena,
    /// All images at once, where the weights are far larger than a cache.
    stacked: Option<Box<Stacked>>,
    /// Over bits: sums of table entries, and the tables.
    lookup: Option<Lookup>,
    tables: Arena,
    /// (height, width) of an input image in its border.
    border: (usize, usize),
    /// (height, width) of the dilated output gradient.
    dilated: (usize, usize),
    /// `dW` in panels.
    weight_grad: Arena,
    /// The origin that bias sums are taken from.
    zeros: Vec<f32>,
    partials: Vec<PartialSums>,
    pool: Pool<Scratch>,
}

/// What one thread works with.
struct Scratch {
    /// An input image in its border.
    padded: Arena,
    /// An output gradient, dilated in its border.
    dilated: Arena,
    /// Winograd's transformed tiles.
    tiles: Arena,
    /// An input image of bits in its border.
    patterns: Vec<Pattern>,
    /// An output gradient that is made when it is needed.
    grad_output: Arena,
    /// Sums of a leaf that joins those of the chunk's first one; empty where a chunk is
    /// one leaf. Threads at work have one each; the others' memory is never touched.
    leaf: PartialSums,
}

/// Registers the weights, of a shape whose first number is that of the outputs, and a bias.
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

/// The border of an image, filled, around pixels that are yet to come.
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

/// (height, width) of an input image in its border, and of the dilated output gradient.
fn borders(
    winograd: &Option<[Winograd; 2]>,
    input: Shape,
    window: Window,
) -> ((usize, usize), (usize, usize)) {
    match winograd {
        Some([forward, backward]) => (forward.bordered(), backward.bordered()),
        None => (window.bordered(input), window.dilated(input)),
    }
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
    /// Records the layer with parameters `{name}.weight` (O, C, kh, kw) and, with
    /// a bias, `{name}.bias` (O). A dilated window makes it a [`GroupedConvOp`] of one
    /// group.
    ///
    /// # Errors
    /// A window that does not fit the image, or a padding that is not below the
    /// window's reach, or a scale of real weights.
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

    /// The layer with its parameters, not yet on the tape; `gradient` is the length of an
    /// output gradient that is made when it is needed, or 0.
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
        let input = tape.shape(x);
        let output = Self::output(name, input, channels, window)?;
        let (taps, kernel) = (window.kernel.area(), window.kernel);
        let depth = taps * input.channels;
        let size = [channels, input.channels, kernel.height, kernel.width];
        let (weight, bias) = add_params(tape, name, &size, terms.bias_in_sum());
        let winograd = Self::winograd(input, output, window);
        let (border, dilated) = borders(&winograd, input, window);
        let stacked = Self::stack(tape, x, output, window);
        let panel = panel_len(depth, channels);
        let grad_len = sums_len(&winograd, stacked.is_some(), panel);
        let partial = |used: bool| PartialSums::new(if used { grad_len } else { 0 }, channels);
        let pairs = tape.cut(x).leaves_of_chunk() > 1;
        let scratch = |patterns: usize| Scratch {
            padded: padded(input, window, border),
            dilated: Arena::zeros(dilated.0 * dilated.1 * channels),
            tiles: Arena::zeros(winograd.map_or(0, |w| w[0].scratch_len().max(w[1].scratch_len()))),
            patterns: vec![Pattern::default(); patterns],
            grad_output: Arena::zeros(grad_output),
            leaf: partial(pairs),
        };
        let points_len = |i: usize| winograd.map_or(0, |w| w[i].weights_len());
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
            forward_points: Arena::zeros(points_len(0)),
            backward_points: Arena::zeros(points_len(1)),
            border,
            dilated,
            weight_grad: Arena::zeros(panel),
            zeros: vec![0.0; channels],
            stacked,
            lookup: None,
            tables: Arena::default(),
            partials: (0..tape.chunks(x)).map(|_| partial(true)).collect(),
            pool: Pool::new(0, || scratch(0)),
        };
        let patterns = op.prepare_lookup(tape.is_bits(x));
        op.pool = Pool::new(tape.chunks(x), || scratch(patterns));
        Ok(op)
    }

    /// Sums over bits by look-ups, where that is quicker; the patterns of an image in its
    /// border.
    fn prepare_lookup(&mut self, bits: bool) -> usize {
        let (inputs, border) = (self.input.channels, self.border);
        // The border of an image of bits is the bit 0.
        if bits && self.window.border == 0 {
            self.lookup = Lookup::new(&self.patches(), inputs, self.output.channels);
        }
        let Some(lookup) = &self.lookup else {
            return 0;
        };
        self.tables = Arena::zeros(lookup.tables_len());
        border.0 * border.1 * inputs / GROUP
    }

    /// The output shape.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn output(name: &str, input: Shape, channels: usize, window: Window) -> Result<Shape> {
        window.output(name, input, channels)
    }

    /// Winograd's algorithm forwards and backwards, where it serves.
    fn winograd(input: Shape, output: Shape, window: Window) -> Option<[Winograd; 2]> {
        let kernel = window.kernel.equal().filter(|_| window.stride.is_one())?;
        let (i, o) = (input.channels, output.channels);
        let side = |shape: Shape| (shape.height, shape.width);
        let forward = Winograd::new(kernel, (i, o), side(output))?;
        let backward = Winograd::new(kernel, (o, i), side(input))?;
        Some([forward, backward])
    }

    /// The same, where all images of a batch are computed at once.
    fn stacked(input: Shape, output: Shape, window: Window) -> Option<[Winograd; 2]> {
        let winograd = Self::winograd(input, output, window);
        winograd.filter(|w| Stacked::serves(&w[0]) && window.border == 0)
    }

    /// The memory for that.
    fn stack(tape: &Tape, x: Value, output: Shape, window: Window) -> Option<Box<Stacked>> {
        let input = tape.shape(x);
        let winograd = Self::stacked(input, output, window)?;
        let sides = [window.padding, window.margin()].map(|sides| (sides.height, sides.width));
        let rows = (tape.cut(x).live, tape.chunks(x));
        Some(Box::new(Stacked::new(
            winograd,
            (input, output),
            sides,
            rows,
        )))
    }

    /// The patches of a padded input image.
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

    /// The patches of the dilated output gradient: one for each input pixel.
    fn spread_patches(&self) -> Patches {
        let width = self.dilated.1 * self.output.channels;
        Patches {
            rows: self.input.height,
            cols: self.input.width,
            row_step: width,
            col_step: self.output.channels,
            runs: self.window.kernel.height,
            run_len: self.window.kernel.width * self.output.channels,
            run_step: width,
        }
    }
}

impl Op for ConvOp {
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
