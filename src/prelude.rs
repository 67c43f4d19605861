//! What most programs need, in one line: `use bnn_cpu::prelude::*;`.
//!
//! `examples/own_data.rs`, `examples/train_in_memory.rs` and
//! `examples/packed_inference.rs` need nothing else.

pub use crate::data::{Dataset, Split, digits};
pub use crate::estimators::Firing;
pub use crate::kernels::select;
pub use crate::lower::lower;
pub use crate::model::{ModelSpec, Network, Placement, preset};
pub use crate::packed::PackedNet;
pub use crate::tensor::Shape;
pub use crate::train::{Config, DatasetRecord, Event, Observer, Trained, train_in_memory};
