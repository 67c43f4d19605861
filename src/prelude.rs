//! What most programs need, in one line: `use bnn_cpu::prelude::*;`.
//!
//! `examples/own_data.rs`, `examples/train_in_memory.rs`, `examples/packed_inference.rs`
//! and `examples/custom_layer.rs` need nothing else beside [`crate::Result`].

pub use crate::data::{Dataset, Split, digits};
pub use crate::estimators::Firing;
pub use crate::graph::{Adam, Graph, Model, Node, Optimise, Sgd};
pub use crate::kernels::select;
pub use crate::layers::{Layer, LayerSpec, Recorder, RowLoss};
pub use crate::model::{ModelSpec, Network, Placement, preset};
pub use crate::packed::PackedNet;
pub use crate::tape::{Backward, Forward, Op, Value};
pub use crate::tensor::Shape;
pub use crate::train::{Config, DatasetRecord, Event, Observer, Trained, train_in_memory};
