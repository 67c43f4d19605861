//! Convolution with fewer multiplications: Winograd's minimal filtering.
//!
//! `m` outputs of a filter of `r` taps are a polynomial product of degree
//! `m + r - 2`; evaluated at `n = m + r - 1` points it costs `n` multiplications
//! instead of `m·r`. In two dimensions, with `n = 6`:
//!
//! ```text
//! Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A        d 6 x 6 inputs, g r x r taps, Y m x m
//! ```
//!
//! 36 multiplications where the direct sum takes (m·r)²: 100 for 5 x 5 taps
//! (`m` = 2), 144 for 3 x 3 (`m` = 4). Summed over channels, the products at each
//! of the 36 points are one matrix product over tiles. The weight gradient is the
//! same identity with `g` and `Y` exchanged: `r x r` outputs of a "filter" of the
//! `m x m` output gradients.
//!
//! The points are 0, ±√½, ±√2 and ∞. They are closed under reciprocals, which
//! keeps the matrices' entries near 1: the rounding error is close to the direct
//! sum (`tests/kernels_winograd.rs` measures both), where the textbook's 0, ±1, ±2 lose a
//! digit.
//!
//! Source: Winograd, "Arithmetic Complexity of Computations" (1980); Lavin and
//! Gray, "Fast Algorithms for Convolutional Neural Networks" (arXiv 1509.09308).

mod blocks;
mod transform;

use super::gemm::{Store, panel_len, panels};
use super::{Kernels, NR};

pub(super) use blocks::{product, transposed, weight_grad, weights};

/// Evaluation points a dimension.
const N: usize = 6;
/// The same in two dimensions.
const POINTS: usize = N * N;
/// Bytes that a block of transformed tiles may take forwards: half of a common
/// second-level cache, where the weights are, too.
const BLOCK_BYTES: usize = 170 << 10;
/// The same for the weight gradient, whose sums over a block are read and written
/// once a block: it stays in the second-level cache.
const GRAD_BLOCK_BYTES: usize = 288 << 10;
/// Transformed weights of at most this size stay in the second-level cache.
const NEAR_BYTES: usize = 256 << 10;

/// The shape of a convolution of stride 1 that Winograd's algorithm computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Winograd {
    kernel: usize,
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
    /// A convolution from `inputs` to `outputs` channels with `height` x `width`
    /// output pixels, or `None` where the algorithm does not support it: kernels
    /// other than 3 and 5, and channels that do not fill panels.
    pub fn new(
        kernel: usize,
        (inputs, outputs): (usize, usize),
        (height, width): (usize, usize),
    ) -> Option<Self> {
        let whole = |channels: usize| channels > 0 && channels.is_multiple_of(NR);
        let supported = matches!(kernel, 3 | 5) && whole(inputs) && whole(outputs);
        (supported && height > 0 && width > 0).then_some(Self {
            kernel,
            inputs,
            outputs,
            height,
            width,
            images: 1,
            grad_tiles: FAR_TILES,
        })
    }

    /// The same algorithm over `images` images one after the other, for `outputs` of its
    /// output channels; the weight gradient goes over blocks of at least `grad_tiles` tiles.
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

    /// Whether the transformed weights do not stay in the second-level cache.
    fn is_far(&self) -> bool {
        self.weights_len() * size_of::<f32>() > NEAR_BYTES
    }

    /// Outputs of a tile, a side.
    fn tile(&self) -> usize {
        N + 1 - self.kernel
    }

    /// Tiles of an image (down, across).
    fn tiles(&self) -> (usize, usize) {
        let tile = self.tile();
        (self.height.div_ceil(tile), self.width.div_ceil(tile))
    }

    /// Tiles of all images.
    fn all_tiles(&self) -> usize {
        let (down, across) = self.tiles();
        self.images * down * across
    }

    /// (height, width) of an input image in its border: whole tiles, of which
    /// what lies beyond the image is zero.
    pub fn bordered(&self) -> (usize, usize) {
        let (down, across) = self.tiles();
        let side = |tiles: usize| tiles * self.tile() + self.kernel - 1;
        (side(down), side(across))
    }

    /// Numbers of the transformed weights, or of their gradient.
    pub fn weights_len(&self) -> usize {
        POINTS * panel_len(self.inputs, self.outputs)
    }

    /// Tiles that are transformed at a time, within so many bytes, at most.
    fn most(&self, bytes: usize) -> usize {
        let most = bytes / (POINTS * (self.inputs + NR) * size_of::<f32>());
        // Weights that come from afar must be used for many tiles each time.
        let least = match (self.is_far(), bytes) {
            (false, _) => 6,
            (true, GRAD_BLOCK_BYTES) => self.grad_tiles,
            (true, _) => FAR_TILES,
        };
        most.max(least).min(self.all_tiles())
    }

    /// Tiles that are transformed at a time: as many in each block as can be.
    fn block(&self, bytes: usize) -> usize {
        let all = self.all_tiles();
        all.div_ceil(all.div_ceil(self.most(bytes)))
    }

    /// Numbers of working memory.
    pub fn scratch_len(&self) -> usize {
        let block = self.block(BLOCK_BYTES).max(self.block(GRAD_BLOCK_BYTES));
        POINTS * block * (self.inputs + self.columns())
    }

    /// Numbers of working memory that are enough for so many images and for fewer.
    pub fn most_scratch_len(&self) -> usize {
        let block = self.most(BLOCK_BYTES).max(self.most(GRAD_BLOCK_BYTES));
        POINTS * block * (self.inputs + self.columns())
    }

    /// Output channels whose products are there at a time: of weights that come from afar all,
    /// so that the inputs at a point are read once for all of them.
    fn columns(&self) -> usize {
        match self.is_far() {
            true => self.outputs,
            false => NR,
        }
    }

    /// The panels of output channels that are computed together, one round after the other.
    #[inline(always)]
    fn rounds(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let (all, step) = (panels(self.outputs), self.columns() / NR);
        (0..all)
            .step_by(step)
            .map(move |first| first..all.min(first + step))
    }

    /// Numbers of a bordered image.
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

    /// The weights, or their gradient, as the direct product's panels.
    fn panels_len(&self) -> usize {
        panel_len(self.kernel * self.kernel * self.inputs, self.outputs)
    }

    /// Calls `f(first tile, tiles)` for each block.
    #[inline(always)]
    fn blocks(&self, bytes: usize) -> impl Iterator<Item = (usize, usize)> {
        let (all, block) = (self.all_tiles(), self.block(bytes));
        (0..all)
            .step_by(block)
            .map(move |first| (first, block.min(all - first)))
    }
}

/// One instruction set's functions; the arguments are those of the methods of
/// [`Kernels`], with the lengths checked.
pub(super) struct Functions {
    pub weights: fn(&Winograd, &[f32], &mut [f32]),
    pub product: ProductFn,
    pub transposed: TransposedFn,
    pub weight_grad: fn(&Winograd, &[f32], &mut [f32]),
}

type TransposedFn = fn(&Winograd, &[f32], &[f32], &mut [f32], &mut [f32]);

type ProductFn = fn(&Winograd, &[f32], &[f32], Option<&[f32]>, &mut [f32], Store, &mut [f32]);

/// The functions of an instruction set: `functions!(["features"], Register, Tiles)`.
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
                d: &mut [f32],
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
    /// Transforms weights given as the direct product's panels, whose depth runs
    /// over (row, column, input channel).
    ///
    /// # Panics
    /// If a slice is shorter than the shape says, here and below.
    pub fn winograd_weights(&self, shape: &Winograd, panels: &[f32], out: &mut [f32]) {
        assert!(panels.len() >= shape.panels_len(), "panels is too short");
        assert!(out.len() >= shape.weights_len(), "out is too short");
        (self.winograd.weights)(shape, panels, out);
    }

    /// `y (+)= conv(image) + bias`: `image` in the border of
    /// [`Winograd::bordered`], `weights` transformed, `y` (height, width, channel).
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

    /// Adds an image's share to the weight gradient at the points: `g` is the
    /// gradient of the output.
    pub fn winograd_transposed(
        &self,
        shape: &Winograd,
        image: &[f32],
        g: &[f32],
        d: &mut [f32],
        scratch: &mut [f32],
    ) {
        assert!(image.len() >= shape.image_len(), "image is too short");
        assert!(g.len() >= shape.output_len(), "g is too short");
        assert!(d.len() >= shape.weights_len(), "d is too short");
        assert!(scratch.len() >= shape.scratch_len(), "scratch is too short");
        (self.winograd.transposed)(shape, image, g, d, scratch);
    }

    /// The weight gradient, in the direct product's panels, from that at the
    /// points.
    pub fn winograd_weight_grad(&self, shape: &Winograd, d: &[f32], panels: &mut [f32]) {
        assert!(d.len() >= shape.weights_len(), "d is too short");
        assert!(panels.len() >= shape.panels_len(), "panels is too short");
        (self.winograd.weight_grad)(shape, d, panels);
    }
}
