//! Packed networks.

#[path = "../common/mod.rs"]
mod common;

mod compact;
mod files;
mod graphs;
#[cfg(feature = "idx")]
mod mnist;
mod nets;
mod slices;
