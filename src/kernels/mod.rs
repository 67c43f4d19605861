//! Compute kernels, which read and write slices; the only `unsafe` code of the crate (floor 0).
//!
//! A [`Kernels`] value is a table of function pointers, one table for each instruction set.
//! [`select`] finds the best table of this machine, or the one that the user forces; the tape
//! passes it to every operation, so a call of a kernel is one indirect call. The scalar table is
//! the specification: all other tables are tested against it for many lengths.
//!
//! There are three kinds of kernels:
//! - matrix products ([`gemm`]), whose inner loops are written for each instruction set. They fuse
//!   multiplication and addition if the processor does, so their last bits differ between
//!   instruction sets;
//! - element-wise functions ([`elementwise`]), written once and compiled for each instruction set.
//!   They never fuse operations and always reduce over a fixed number of lanes, so their bits are
//!   the same everywhere;
//! - packed inference ([`packed`]): bits, bytes, small integers and tables.
//!
//! [`heap`] is not a kernel, but also requires `unsafe`.

mod arch;
mod bit_loss;
mod compile;
mod dense;
pub mod depthwise;
pub mod elementwise;
pub mod gemm;
#[cfg(feature = "std")]
pub mod heap;
pub mod im2col;
mod limit_loops;
#[cfg(feature = "std")]
pub mod limits;
pub mod lookup;
mod math;
mod norm_pool;
pub mod packed;
mod pool;
mod prefetch;
mod prelu;
mod small;
mod tile;
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    allow(dead_code, reason = "the scalar kernels need no tiles")
)]
mod tiling;
pub mod tree;
mod treed;
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    allow(unused, reason = "the scalar kernels need no registers")
)]
mod vector;
pub mod winograd;

pub use arch::{Engine, Isa, select};
pub use elementwise::Elementwise;
pub use tiling::block_depth;

/// Number of columns of a packed panel of weights, for all instruction sets.
pub const NR: usize = 16;

/// The kernels of one instruction set. [`Isa::kernels`] and [`select`] return them.
pub struct Kernels {
    /// The instruction set that these kernels require.
    pub isa: Isa,
    /// The element-wise functions.
    pub ew: Elementwise,
    products: gemm::Products,
    inference: &'static Inference,
    lookup: lookup::Functions,
    winograd: winograd::Functions,
    treed: treed::TreedFn,
    limits: fn() -> limit_loops::Loops,
}

/// Arguments: numbers, their scales and shifts for each channel, results.
type AffineFn = fn(&[f32], &[f32], &[f32], &mut [f32]);

/// The kernels of inference of one instruction set: those of packed layers, and those of training
/// that layers over reals need.
pub struct Inference {
    packed: packed::Packed,
    product: gemm::ProductFn,
    /// As [`Elementwise::affine`].
    pub affine: AffineFn,
    /// As [`Elementwise::relu`].
    pub relu: fn(&[f32], &mut [f32]),
    /// As [`Elementwise::hard_sigmoid`].
    pub hard_sigmoid: fn(f32, &[f32], &mut [f32]),
    /// As [`Elementwise::sigmoid`].
    pub sigmoid: fn(f32, &[f32], &mut [f32]),
    /// As [`Elementwise::max_pool`].
    pub max_pool: fn(&elementwise::Pool, &[f32], &mut [f32], &mut [u8]),
}

/// What inference calls is called on the table of training as well.
impl core::ops::Deref for Kernels {
    type Target = Inference;

    fn deref(&self) -> &Inference {
        self.inference
    }
}

impl core::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Kernels({})", self.isa.name())
    }
}
