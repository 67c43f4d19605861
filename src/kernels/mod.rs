//! Floor 0: slices in, slices out, and the only `unsafe` code of the crate.
//!
//! A [`Kernels`] value is a table of function pointers, one table for each
//! instruction set. [`select`] finds the best table of this machine once (or
//! the one the user forces); the tape hands it to every op, so each op pays one
//! indirect call. The scalar table is the specification: every other table is
//! tested against it over a sweep of lengths.
//!
//! Three kinds of kernel live here:
//! - matrix products ([`gemm`]), whose inner loops are written by hand for each
//!   instruction set. They fuse multiply and add where the hardware does, so
//!   their last bits differ from one instruction set to another;
//! - element-wise passes ([`elementwise`]), written once and compiled for each
//!   instruction set. They never fuse and always reduce over a fixed number of
//!   lanes, so their bits are the same everywhere;
//! - packed inference ([`packed`]): bits, bytes, small integers and tables.
//!
//! [`heap`] is no kernel, but cannot be written without `unsafe` either.

mod arch;
mod bit_loss;
mod compile;
pub mod depthwise;
pub mod elementwise;
pub mod gemm;
pub mod heap;
pub mod im2col;
mod limit_loops;
pub mod limits;
pub mod lookup;
mod math;
mod norm_pool;
pub mod packed;
mod pool;
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

/// Columns of a packed weight panel, whatever the instruction set.
pub const NR: usize = 16;

/// One instruction set's kernels. Obtain one from [`Isa::kernels`] or [`select`].
pub struct Kernels {
    /// The instruction set that these kernels need.
    pub isa: Isa,
    /// Element-wise kernels.
    pub ew: Elementwise,
    products: gemm::Products,
    packed: packed::Packed,
    lookup: lookup::Functions,
    winograd: winograd::Functions,
    treed: treed::TreedFn,
    limits: fn() -> limit_loops::Loops,
}

impl std::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kernels({})", self.isa.name())
    }
}
