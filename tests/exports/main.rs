//! Networks as files for others, and files of others.

#[path = "../common/mod.rs"]
mod common;

mod c99;
#[cfg(feature = "idx")]
mod c99_mnist;
#[cfg(feature = "onnx")]
mod import_onnx;
#[cfg(feature = "onnx")]
mod onnx;
#[cfg(feature = "page")]
mod page;
