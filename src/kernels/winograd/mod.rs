//! Convolution with fewer multiplications by Winograd's minimal filtering algorithm.
//!
//! The `m` outputs of a filter of `r` taps follow from a polynomial product of degree `m + r - 2`;
//! evaluated at `n = m + r - 1` points it needs `n` multiplications instead of `m·r`. In two
//! dimensions, with `n = 6`:
//!
//! ```text
//! Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A        d 6 x 6 inputs, g r x r taps, Y m x m
//! ```
//!
//! This takes 36 multiplications, where the direct sum takes (m·r)²: 100 for 5 x 5 taps (`m` = 2),
//! 144 for 3 x 3 taps (`m` = 4). Summed over channels, the products at each of the 36 points are
//! one matrix product over tiles. The weight gradient is the same identity with `g` and `Y`
//! exchanged: `r x r` outputs of a "filter" that is the `m x m` output gradients.
//!
//! The points are 0, ±√½, ±√2 and ∞. They are closed under reciprocals, which keeps the entries of
//! the matrices near 1, so the rounding error is close to that of the direct sum
//! (`tests/kernels_winograd.rs` measures both); the usual points 0, ±1, ±2 lose a digit.
//!
//! Source: Winograd, "Arithmetic Complexity of Computations" (1980); Lavin and
//! Gray, "Fast Algorithms for Convolutional Neural Networks" (arXiv 1509.09308).

mod blocks;
mod transform;

use super::gemm::{Store, panel_len};
use super::{Kernels, NR};

pub(super) use blocks::{product, transposed, weight_grad, weights};

/// Number of evaluation points in one dimension.
const N: usize = 6;
/// Number of evaluation points in two dimensions.
const POINTS: usize = N * N;
/// Size in bytes of a block of transformed tiles in the forward pass: half of a common L2 cache,
/// which also holds the weights.
const BLOCK_BYTES: usize = 170 << 10;
/// Size in bytes of a block in the weight gradient, whose sums are read and written once per block:
/// it fits the L2 cache.
const GRAD_BLOCK_BYTES: usize = 288 << 10;
/// Transformed weights of at most this size in bytes stay in the L2 cache.
const NEAR_BYTES: usize = 256 << 10;

/// The shape of a convolution with stride 1 that is computed by Winograd's algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Winograd {
    kernel: usize,
    inputs: usize,
    outputs: usize,
    height: usize,
    width: usize,
}

impl Winograd {
    /// Makes the shape of a convolution from `inputs` to `outputs` channels with (height, width)
    /// output pixels. Returns `None` if the algorithm does not support it: the kernel is neither 3
    /// x 3 nor 5 x 5, or the channels do not fill whole panels.
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
        })
    }

    /// Returns the height and width of an output tile.
    fn tile(&self) -> usize {
        N + 1 - self.kernel
    }

    /// Returns the number of tiles (down, across).
    fn tiles(&self) -> (usize, usize) {
        let tile = self.tile();
        (self.height.div_ceil(tile), self.width.div_ceil(tile))
    }

    /// Returns (height, width) of the input image with its border, which covers whole tiles; pixels
    /// beyond the image are zero.
    pub fn bordered(&self) -> (usize, usize) {
        let (down, across) = self.tiles();
        let side = |tiles: usize| tiles * self.tile() + self.kernel - 1;
        (side(down), side(across))
    }

    /// Returns the number of floats of the transformed weights, or of their gradient.
    pub fn weights_len(&self) -> usize {
        POINTS * panel_len(self.inputs, self.outputs)
    }

    /// Returns the number of tiles that are transformed at a time, so that they fit `bytes` bytes.
    fn block(&self, bytes: usize) -> usize {
        let (down, across) = self.tiles();
        let all = down * across;
        let most = bytes / (POINTS * (self.inputs + NR) * size_of::<f32>());
        // Weights that do not stay in the L2 cache must be used for many tiles each time they are
        // read.
        let far = self.weights_len() * size_of::<f32>() > NEAR_BYTES;
        all.div_ceil(all.div_ceil(most.max(if far { 48 } else { 6 })))
    }

    /// Returns the number of floats of the scratch memory.
    pub fn scratch_len(&self) -> usize {
        let block = self.block(BLOCK_BYTES).max(self.block(GRAD_BLOCK_BYTES));
        POINTS * block * (self.inputs + NR)
    }

    /// Returns the number of floats of an image with its border.
    fn image_len(&self) -> usize {
        let (height, width) = self.bordered();
        height * width * self.inputs
    }

    fn output_len(&self) -> usize {
        self.height * self.width * self.outputs
    }

    /// Returns the number of floats of the weights, or their gradient, in the panels of the direct
    /// product.
    fn panels_len(&self) -> usize {
        panel_len(self.kernel * self.kernel * self.inputs, self.outputs)
    }

    /// Returns (first tile, number of tiles) of each block.
    #[inline(always)]
    fn blocks(&self, bytes: usize) -> impl Iterator<Item = (usize, usize)> {
        let (down, across) = self.tiles();
        let (all, block) = (down * across, self.block(bytes));
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

type TransposedFn = fn(&Winograd, &[f32], &[f32], &mut [f32], &mut [f32]);

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

    /// Adds the contribution of an image to the transformed weight gradient `d`; `g` is the
    /// gradient of the output.
    ///
    /// # Panics
    /// Panics if a slice is shorter than the shape requires.
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
