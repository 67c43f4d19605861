//! The engine against values that others computed.

#[path = "../common/mod.rs"]
mod common;

mod few_shot_golden;
mod golden_estimators;
mod golden_losses;
mod layers;
mod ops;
mod oracle;
mod seednet;
mod tensors;
