//! Train neural networks with binary activations on ordinary CPUs.

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod data;
pub mod error;
pub mod estimators;
pub mod files;
#[allow(unsafe_code, reason = "SIMD intrinsics; the only floor that may")]
pub mod kernels;
pub mod model;
pub mod ops;
pub mod random;
pub mod report;
pub mod tape;
pub mod tensor;
pub mod train;

pub use error::{Error, Result};
