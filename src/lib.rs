//! Train neural networks with binary activations on ordinary CPUs.
//!
//! A binary unit emits 0 or 1, so it has no useful derivative: a gradient
//! *estimator* takes its place. This crate holds the networks, the estimators,
//! a reverse-mode engine with hand-written SIMD kernels, and the training loop;
//! the `bnn-cpu` program is a thin shell over it.
//!
//! ```
//! use bnn_cpu::data::digits;
//! use bnn_cpu::estimators::Firing;
//! use bnn_cpu::kernels;
//! use bnn_cpu::model::{Init, Network, Placement, preset};
//! use bnn_cpu::tensor::Shape;
//!
//! # fn main() -> bnn_cpu::Result<()> {
//! // The reference network, both of its activations binary.
//! let mut spec = preset("seed-net", Shape::image(1, 28, 28), 10)?;
//! spec.place(Placement::Both, Firing::Deterministic, "st")?;
//! let mut net = Network::new(&spec, kernels::select(None)?, 32, true)?;
//! net.init(Init::Pytorch, 1);
//!
//! // One step of plain gradient descent on built-in digits.
//! let digits = digits::generate(1, 32, 1);
//! net.set_rows(32);
//! for row in 0..32 {
//!     net.set_row(row, digits.train.image(row), digits.train.label(row));
//! }
//! net.forward();
//! net.backward();
//! let (weights, gradients) = net.params_mut().values_and_grads();
//! for (w, g) in weights.iter_mut().zip(gradients) {
//!     *w -= 0.1 * g;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Where things are: ARCHITECTURE.md in the repository draws the floors. In
//! short, [`kernels`] at the bottom, then [`bits`], [`tape`], [`layers`] and [`estimators`],
//! then [`model`], [`train`] and [`report`].

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod bits;
pub mod bounded;
pub mod container;
pub mod data;
pub mod error;
pub mod estimators;
pub mod files;
#[allow(
    unsafe_code,
    reason = "SIMD intrinsics and the allocator; the only floor that may"
)]
pub mod kernels;
pub mod layers;
pub mod lower;
pub mod model;
pub mod notice;
pub mod pack;
pub mod packed;
pub mod random;
pub mod report;
pub mod seal;
#[cfg(feature = "serve")]
pub mod serve;
pub mod tape;
pub mod tensor;
pub mod train;

pub use error::{Error, Result};
