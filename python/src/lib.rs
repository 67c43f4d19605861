//! The native half of the Python package `bnn_cpu`: NumPy arrays in and out, and the engine
//! between them. What needs no engine is Python, in `bnn_cpu/` beside this folder.
//!
//! Every function that computes releases the GIL and works on a thread pool of the process
//! ([`pool`]); every error and panic becomes a Python exception with one line ([`errors`]).
//! `unsafe` stands in [`views`] alone.

#![deny(unsafe_code)]

mod arrays;
mod data;
mod errors;
mod estimator;
mod network;
mod optimiser;
mod packed;
mod pool;
mod program;
mod training;
#[allow(
    unsafe_code,
    reason = "arrays that view a network's memory without a copy"
)]
mod views;
mod web;

use pyo3::prelude::*;

/// The engine of bnn_cpu; use the package `bnn_cpu`.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::data::Dataset;
    #[pymodule_export]
    use super::errors::{Diverged, Error};
    #[pymodule_export]
    use super::estimator::{at_one_unit, listed, register};
    #[pymodule_export]
    use super::network::Network;
    #[pymodule_export]
    use super::optimiser::Optimizer;
    #[pymodule_export]
    use super::packed::PackedNet;
    #[pymodule_export]
    use super::pool::{set_threads, threads};
    #[pymodule_export]
    use super::program::{command, main};
    #[pymodule_export]
    use super::training::{curves, default_folder, fit, run_network, settle, stored};

    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::errors::catch_panics();
        super::errors::tell_notices();
        super::web::install();
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
