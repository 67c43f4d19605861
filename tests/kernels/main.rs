//! Kernels of every instruction set against scalar ones.

#[path = "../common/mod.rs"]
mod common;

mod all;
mod depthwise;
mod elementwise;
mod lookup;
mod packed;
mod winograd;
