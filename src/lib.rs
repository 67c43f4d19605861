//! Train neural networks with binary activations on ordinary CPUs.
//!
//! A binary unit emits one of two numbers, 0 or 1 (or -1 or +1), so it has no useful
//! derivative: a gradient *estimator* takes its place. This crate holds the networks, the estimators,
//! a reverse-mode engine with hand-written SIMD kernels, and the training loop;
//! the `bnn-cpu` program is a thin shell over it.
//!
//! ```
//! use bnn_cpu::prelude::*;
//!
//! # fn main() -> bnn_cpu::Result<()> {
//! // 200 built-in digits to learn from and 50 to test on, in memory.
//! let data = digits::generate(1, 200, 50);
//! // The reference network, both of its activations binary.
//! let mut model = preset("seed-net", Shape::image(1, 28, 28), data.classes)?;
//! model.place(Placement::Both, Firing::Deterministic, "st")?;
//!
//! let mut config = Config::reference(model, DatasetRecord::of(&data));
//! config.normalise_by(&data);
//! config.epochs = 1;
//! let mut watch = |event: Event<'_>| {
//!     if let Event::Epoch { record, .. } = event {
//!         println!("epoch {}: loss {}", record.epoch, record.train_loss);
//!     }
//! };
//! let trained = train_in_memory(&config, &data, select(None)?, &mut watch)?;
//! assert_eq!(trained.history.len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Where to go on
//!
//! - [`prelude`]: the names that most programs need. `examples/own_data.rs` trains on images
//!   of one's own, `examples/train_in_memory.rs` reads what training reports, and
//!   `examples/packed_inference.rs` packs a network into bits and classifies.
//! - [`graph`]: a network written in a program layer by layer, and a training loop of its own.
//! - [`train`]: configurations, and runs that are kept in a folder and resumed.
//! - [`model`]: what a network is, as data; [`data`]: what it learns from; [`estimators`]:
//!   gradients of binary units, also a program's own; [`pack`] and [`packed`]: inference on bits.
//! - [`tape`], [`layers`], [`kernels`]: the engine below, floor by floor as ARCHITECTURE.md in
//!   the repository draws it.
//!
//! # For those who know PyTorch or Larq
//!
//! - Parameters have the names, shapes and order of PyTorch's `state_dict`, and files of
//!   weights are safetensors, so they can be exchanged with it. Shapes are written (channels,
//!   height, width); values in memory are stored (height, width, channel).
//! - What Larq calls an input quantizer is a layer here, [`layers::Binary`], and what its
//!   gradient is, an estimator: `ste_sign` is `st-clip`, `approx_sign` is `approx-sign` and
//!   `swish_sign` is `swish-sign`, each with the levels -1 and +1 ([`layers::Levels`]; by
//!   default a unit emits 0 or 1). A kernel quantizer is [`layers::Weights::Binary`] of a
//!   convolution or a linear layer.
//! - A binary unit may be deterministic or stochastic ([`estimators::Firing`]). Its
//!   pre-activation is multiplied by a slope, 1 unless it is annealed.
//! - Each type of a layer and of an estimator states its formula and its source.
//!
//! # Features
//!
//! With `std` alone (`default-features = false, features = ["std"]`) the crate is this engine.
//! Without any feature it is packed inference ([`packed`]), and needs `alloc` in place of the standard
//! library: `PackedNet::from_bytes`, [`packed::PackedNet::runner`] with the kernels of
//! [`kernels::select`], and [`packed::Runner::classify`]. By default it has what the program needs:
//! `cli` (the program), `report` (published figures), `idx` (MNIST and other sets in files),
//! `pictures` (PNG), `download` and `serve`.

#![cfg_attr(not(feature = "std"), no_std)]
#![deny(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

// The command line calls the library by its name, as every other program does.
#[cfg(feature = "cli")]
extern crate self as bnn_cpu;

pub mod bits;
pub mod channels;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "std")]
pub mod data;
#[cfg(feature = "report")]
pub mod draw;
pub mod error;
#[cfg(feature = "std")]
pub mod estimators;
#[cfg(feature = "std")]
pub mod export;
#[cfg(feature = "ffi")]
#[allow(
    unsafe_code,
    reason = "pointers of programs in C; see src/ffi/calls.rs"
)]
pub mod ffi;
#[cfg(feature = "std")]
pub mod graph;
#[cfg(feature = "onnx")]
pub mod import;
#[cfg(feature = "report")]
pub mod inside;
#[allow(
    unsafe_code,
    reason = "SIMD intrinsics and the allocator; the only floor that may"
)]
#[cfg_attr(
    not(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64"))),
    allow(
        dead_code,
        unused_imports,
        unused_macros,
        reason = "what is written over a register serves no machine without one, and inference trains nothing"
    )
)]
pub mod kernels;
#[cfg(feature = "report")]
pub mod lab;
#[cfg(feature = "std")]
pub mod layers;
#[cfg(feature = "std")]
pub mod model;
mod named;
#[cfg(feature = "std")]
pub mod notice;
#[cfg(feature = "std")]
pub mod pack;
pub mod packed;
#[cfg(feature = "std")]
pub mod prelude;
pub mod random;
#[cfg(feature = "std")]
pub mod ranks;
#[cfg(feature = "serve")]
pub mod serve;
pub mod similarity;
#[cfg(feature = "report")]
pub mod study;
#[cfg(feature = "std")]
pub mod tape;
pub mod tensor;
#[cfg(feature = "std")]
pub mod train;

// How files are read, written, locked and sealed. They are public for the program and the
// tests alone; what a user needs of them, `model`, `packed` and `train` have.
#[doc(hidden)]
#[cfg(feature = "std")]
pub mod bounded;
#[doc(hidden)]
pub mod container;
#[doc(hidden)]
#[cfg(feature = "std")]
pub mod files;
#[doc(hidden)]
pub mod seal;

pub use error::{Error, Result};
