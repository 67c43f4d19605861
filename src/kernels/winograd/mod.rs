//! Convolution with fewer multiplications by Winograd's minimal filtering algorithm.
//!
//! The `m` outputs of a filter of `r` taps follow from a polynomial product of degree `m + r - 2`;
//! evaluated at `n = m + r - 1` points it needs `n` multiplications instead of `m·r`. In two
//! dimensions:
//!
//! ```text
//! Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A        d n x n inputs, g r x r taps, Y m x m
//! ```
//!
//! 3 x 3 taps take 36 multiplications for 4 x 4 outputs (`n` = 6 in both dimensions), where the
//! direct sum takes 144; 5 x 5 taps take 48 for outputs of 2 rows and 4 columns (`n` = 6 down and 8
//! across), where the direct sum takes 200. Summed over channels, the products at each point are one
//! matrix product over tiles. The weight gradient is the same identity with `g` and `Y` exchanged:
//! `r x r` outputs of a "filter" that is the gradients of a tile's outputs.
//!
//! Six points are 0, ±√½, ±√2 and ∞. They are closed under reciprocals, which keeps the entries of
//! the matrices near 1, so the rounding error is at most about three times that of the direct sum;
//! the usual points 0, ±1, ±2 lose a digit. Eight points are 0, ±½, ±1, ±2 and ∞: with six points
//! in the other dimension the error of outputs is about three times that of the direct sum, and that
//! of the weight gradient five times. Eight points in both dimensions would make it six times and
//! more. (`tests/kernels/winograd.rs` measures the errors.)
//!
//! With stride 2, three taps are two filters beside each other: the outer two meet every other input
//! alone, and the middle one those between. Two outputs take 3 multiplications for the outer two, at
//! the points 0, 1 and ∞, and 2 for the middle one: 25 for 2 x 2 outputs, where the direct sum takes
//! 36. Every constant is 1 or -1. The data gradient is the same with outputs and inputs exchanged:
//! two in four of its numbers in one dimension meet the middle tap, and two the outer ones.
//!
//! Source: Winograd, "Arithmetic Complexity of Computations" (1980); Lavin and
//! Gray, "Fast Algorithms for Convolutional Neural Networks" (arXiv 1509.09308).

mod blocks;
mod lines;
mod transform;

use super::gemm::{Store, panel_len, panels};
use super::tile::MAX_PANELS;
use super::{Kernels, NR};

pub(super) use blocks::{product, transposed, weight_grad, weights};

/// Size in bytes of a block of transformed tiles in the forward pass: half of a common L2 cache,
/// which also holds the weights.
const BLOCK_BYTES: usize = 170 << 10;
/// Size in bytes of a block in the weight gradient, whose sums are read and written once per block:
/// it fits the L2 cache.
const GRAD_BLOCK_BYTES: usize = 288 << 10;
/// Transformed weights of at most this size in bytes stay in the L2 cache.
const NEAR_BYTES: usize = 256 << 10;

/// What is computed: taps, stride and the points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// 3 x 3 taps, stride 1.
    Three,
    /// 5 x 5 taps, stride 1.
    Five,
    /// 3 x 3 taps, stride 2.
    Strided,
    /// The data gradient of [`Form::Strided`] with padding 1.
    Spread,
}

impl Form {
    /// Numbers of evaluation points (down, across).
    fn points(self) -> (usize, usize) {
        match self {
            Self::Three => (6, 6),
            Self::Five => (6, 8),
            Self::Strided | Self::Spread => (5, 5),
        }
    }

    /// Taps in one dimension.
    fn kernel(self) -> usize {
        match self {
            Self::Five => 5,
            _ => 3,
        }
    }

    /// Height and width of the outputs of a tile.
    fn tile(self) -> (usize, usize) {
        match self {
            Self::Three | Self::Spread => (4, 4),
            Self::Five => (2, 4),
            Self::Strided => (2, 2),
        }
    }

    /// Height and width of the inputs of a tile.
    fn reach(self) -> (usize, usize) {
        match self {
            Self::Three => (6, 6),
            Self::Five => (6, 8),
            Self::Strided => (5, 5),
            Self::Spread => (3, 3),
        }
    }

    /// Inputs from a tile to the next (down, across).
    fn step(self) -> (usize, usize) {
        match self {
            Self::Three | Self::Strided => (4, 4),
            Self::Five => (2, 4),
            Self::Spread => (2, 2),
        }
    }
}

/// The shape of a convolution that is computed by Winograd's algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Winograd {
    form: Form,
    inputs: usize,
    outputs: usize,
    height: usize,
    width: usize,
    /// Images one after the other.
    images: usize,
    /// Tiles of a block of the weight gradient, at least, where weights come from afar.
    grad_tiles: usize,
}

/// Tiles that weights from afar are used for each time, at least.
const FAR_TILES: usize = 48;

impl Winograd {
    /// Makes the shape of a convolution from `inputs` to `outputs` channels with (height, width)
    /// output pixels. Returns `None` if the algorithm does not support it: the kernel is neither 3
    /// x 3 nor 5 x 5, or the channels do not fill whole panels.
    pub fn new(kernel: usize, channels: (usize, usize), outputs: (usize, usize)) -> Option<Self> {
        let form = match kernel {
            3 => Form::Three,
            5 => Form::Five,
            _ => return None,
        };
        Self::of(form, channels, outputs)
    }

    /// As [`Self::new`], of 3 x 3 taps with stride 2.
    pub fn strided(channels: (usize, usize), outputs: (usize, usize)) -> Option<Self> {
        Self::of(Form::Strided, channels, outputs)
    }

    /// The gradient of the inputs of [`Self::strided`] whose padding is 1, which are (height,
    /// width) pixels: a convolution from the channels of the gradient of its outputs to those of
    /// its inputs, by the kernels rotated by 180 degrees. The gradient has no border before its
    /// first pixel.
    pub fn spread(channels: (usize, usize), inputs: (usize, usize)) -> Option<Self> {
        Self::of(Form::Spread, channels, inputs)
    }

    fn of(
        form: Form,
        (inputs, outputs): (usize, usize),
        (height, width): (usize, usize),
    ) -> Option<Self> {
        let whole = |channels: usize| channels > 0 && channels.is_multiple_of(NR);
        let supported = whole(inputs) && whole(outputs);
        (supported && height > 0 && width > 0).then_some(Self {
            form,
            inputs,
            outputs,
            height,
            width,
            images: 1,
            grad_tiles: FAR_TILES,
        })
    }

    /// Returns the same algorithm over `images` images one after the other, for `outputs` of its
    /// output channels; the weight gradient is computed over blocks of at least `grad_tiles` tiles.
    ///
    /// # Panics
    /// If the output channels do not fill panels, or there are no images.
    pub fn part(&self, images: usize, outputs: usize, grad_tiles: usize) -> Self {
        assert!(outputs > 0 && outputs.is_multiple_of(NR), "no whole panels");
        assert!(images > 0, "no images");
        Self {
            images,
            outputs,
            grad_tiles,
            ..*self
        }
    }

    /// Returns whether the stride is 2.
    pub fn is_strided(&self) -> bool {
        self.form == Form::Strided
    }

    /// Returns whether the transformed weights are too large to stay in the L2 cache.
    fn is_far(&self) -> bool {
        self.weights_len() * size_of::<f32>() > NEAR_BYTES
    }

    /// Returns the number of evaluation points in two dimensions.
    fn points(&self) -> usize {
        let (down, across) = self.form.points();
        down * across
    }

    /// Returns the number of tiles of an image (down, across).
    fn tiles(&self) -> (usize, usize) {
        let (height, width) = self.form.tile();
        (self.height.div_ceil(height), self.width.div_ceil(width))
    }

    /// Returns the number of tiles of one image.
    pub fn tiles_of_image(&self) -> usize {
        let (down, across) = self.tiles();
        down * across
    }

    /// Returns the number of tiles of all images.
    fn all_tiles(&self) -> usize {
        self.images * self.tiles_of_image()
    }

    /// Returns (height, width) of an input image with its border, which covers whole tiles; pixels
    /// beyond the image are zero.
    pub fn bordered(&self) -> (usize, usize) {
        let (down, across) = self.tiles();
        let (step, reach) = (self.form.step(), self.form.reach());
        (
            (down - 1) * step.0 + reach.0,
            (across - 1) * step.1 + reach.1,
        )
    }

    /// Returns the number of floats of the transformed weights, or of their gradient.
    pub fn weights_len(&self) -> usize {
        self.points() * panel_len(self.inputs, self.outputs)
    }

    /// Returns the distance from a panel of the transformed weights to the next.
    fn panel_step(&self) -> usize {
        self.points() * self.inputs * NR
    }

    /// Returns the largest number of tiles that are transformed at a time, so that they fit `bytes`
    /// bytes.
    fn most(&self, bytes: usize) -> usize {
        let most = bytes / (self.points() * (self.inputs + NR) * size_of::<f32>());
        // Weights that do not stay in the L2 cache must be used for many tiles each time they are
        // read.
        let least = match (self.is_far(), bytes) {
            (false, _) => 6,
            (true, GRAD_BLOCK_BYTES) => self.grad_tiles,
            (true, _) => FAR_TILES,
        };
        most.max(least).min(self.all_tiles())
    }

    /// Returns the number of tiles that are transformed at a time; the blocks are equally large up
    /// to one tile.
    fn block(&self, bytes: usize) -> usize {
        let all = self.all_tiles();
        all.div_ceil(all.div_ceil(self.most(bytes)))
    }

    /// Returns the number of floats of the scratch memory.
    pub fn scratch_len(&self) -> usize {
        let block = self.block(BLOCK_BYTES).max(self.block(GRAD_BLOCK_BYTES));
        self.points() * block * (self.inputs + self.columns())
    }

    /// Numbers of working memory that are enough for so many images and for fewer.
    pub fn most_scratch_len(&self) -> usize {
        let block = self.most(BLOCK_BYTES).max(self.most(GRAD_BLOCK_BYTES));
        self.points() * block * (self.inputs + self.columns())
    }

    /// Output channels whose products are there at a time: of weights that come from afar all,
    /// so that the inputs at a point are read once for all of them.
    fn columns(&self) -> usize {
        match self.is_far() {
            true => self.outputs,
            false => self.near_columns(),
        }
    }

    /// Output channels whose products are there at a time of weights that are near: those of the
    /// widest register tile.
    fn near_columns(&self) -> usize {
        self.outputs.min(MAX_PANELS * NR)
    }

    /// The panels of output channels that are computed together, one round after the other.
    #[inline(always)]
    fn rounds(&self) -> impl Iterator<Item = core::ops::Range<usize>> {
        let (all, step) = (panels(self.outputs), self.columns() / NR);
        (0..all)
            .step_by(step)
            .map(move |first| first..all.min(first + step))
    }

    /// Returns the number of floats of one image with its border.
    fn image_step(&self) -> usize {
        let (height, width) = self.bordered();
        height * width * self.inputs
    }

    /// Numbers of all bordered images.
    fn image_len(&self) -> usize {
        self.images * self.image_step()
    }

    fn output_len(&self) -> usize {
        self.images * self.height * self.width * self.outputs
    }

    /// Returns the number of floats of the weights, or their gradient, in the panels of the direct
    /// product.
    pub fn panels_len(&self) -> usize {
        panel_len(self.form.kernel().pow(2) * self.inputs, self.outputs)
    }

    /// Returns (first tile, number of tiles) of each block.
    #[inline(always)]
    fn blocks(&self, bytes: usize) -> impl Iterator<Item = (usize, usize)> {
        let (all, block) = (self.all_tiles(), self.block(bytes));
        (0..all)
            .step_by(block)
            .map(move |first| (first, block.min(all - first)))
    }
}

/// The functions of one instruction set, with the arguments of the methods of [`Kernels`], which
/// check the lengths.
pub(super) struct Functions {
    pub weights: fn(&Winograd, &[f32], &mut [f32]),
    pub product: ProductFn,
    pub transposed: TransposedFn,
    pub weight_grad: fn(&Winograd, &[f32], &mut [f32]),
}

type TransposedFn = fn(&Winograd, &[f32], &[f32], (&mut [f32], Store), &mut [f32]);

type ProductFn = fn(&Winograd, &[f32], &[f32], Option<&[f32]>, &mut [f32], Store, &mut [f32]);

/// Compiles the functions for an instruction set: `functions!(["features"], Register, Tiles)`.
macro_rules! functions {
    ($features:tt, $vector:ty, $tiles:ty) => {{
        use $crate::kernels::gemm::Store;
        use $crate::kernels::winograd::{self, Functions, Winograd};

        $crate::kernels::compile::compiled! { $features
            fn weights(shape: &Winograd, panels: &[f32], out: &mut [f32]) =
                winograd::weights::<$vector>;
            fn product(
                shape: &Winograd,
                image: &[f32],
                weights: &[f32],
                bias: Option<&[f32]>,
                y: &mut [f32],
                store: Store,
                scratch: &mut [f32],
            ) = winograd::product::<$vector, $tiles>;
            fn transposed(
                shape: &Winograd,
                image: &[f32],
                g: &[f32],
                d: (&mut [f32], Store),
                scratch: &mut [f32],
            ) = winograd::transposed::<$vector, $tiles>;
            fn weight_grad(shape: &Winograd, d: &[f32], panels: &mut [f32]) =
                winograd::weight_grad::<$vector>;
        }
        Functions {
            weights,
            product,
            transposed,
            weight_grad,
        }
    }};
}
pub(super) use functions;

impl Kernels {
    /// Transforms weights that are given in the panels of the direct product, whose depth is (row,
    /// column, input channel).
    ///
    /// # Panics
    /// Panics if a slice is shorter than the shape requires.
    pub fn winograd_weights(&self, shape: &Winograd, panels: &[f32], out: &mut [f32]) {
        assert!(panels.len() >= shape.panels_len(), "panels is too short");
        assert!(out.len() >= shape.weights_len(), "out is too short");
        (self.winograd.weights)(shape, panels, out);
    }

    /// Computes `y (+)= conv(image) + bias`: `image` has the border of [`Winograd::bordered`],
    /// `weights` are transformed, and `y` is stored as (height, width, channel).
    ///
    /// # Panics
    /// Panics if a slice is shorter than the shape requires.
    #[allow(
        clippy::too_many_arguments,
        reason = "a convolution has this many operands"
    )]
    pub fn winograd_product(
        &self,
        shape: &Winograd,
        image: &[f32],
        weights: &[f32],
        bias: Option<&[f32]>,
        y: &mut [f32],
        store: Store,
        scratch: &mut [f32],
    ) {
        assert!(image.len() >= shape.image_len(), "image is too short");
        assert!(weights.len() >= shape.weights_len(), "weights is too short");
        assert!(
            bias.is_none_or(|bias| bias.len() >= shape.outputs),
            "bias is too short"
        );
        assert!(y.len() >= shape.output_len(), "y is too short");
        assert!(scratch.len() >= shape.scratch_len(), "scratch is too short");
        (self.winograd.product)(shape, image, weights, bias, y, store, scratch);
    }

    /// Computes the contribution of an image to the transformed weight gradient `d`, or adds it; `g`
    /// is the gradient of the output.
    ///
    /// # Panics
    /// Panics if a slice is shorter than the shape requires.
    pub fn winograd_transposed(
        &self,
        shape: &Winograd,
        image: &[f32],
        g: &[f32],
        (d, store): (&mut [f32], Store),
        scratch: &mut [f32],
    ) {
        assert!(image.len() >= shape.image_len(), "image is too short");
        assert!(g.len() >= shape.output_len(), "g is too short");
        assert!(d.len() >= shape.weights_len(), "d is too short");
        assert!(scratch.len() >= shape.scratch_len(), "scratch is too short");
        (self.winograd.transposed)(shape, image, g, (d, store), scratch);
    }

    /// Transforms the weight gradient at the points back to the panels of the direct product.
    ///
    /// # Panics
    /// Panics if a slice is shorter than the shape requires.
    pub fn winograd_weight_grad(&self, shape: &Winograd, d: &[f32], panels: &mut [f32]) {
        assert!(d.len() >= shape.weights_len(), "d is too short");
        assert!(panels.len() >= shape.panels_len(), "panels is too short");
        (self.winograd.weight_grad)(shape, d, panels);
    }
}
