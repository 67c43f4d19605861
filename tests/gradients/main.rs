//! Gradients of binary units, and what their layers compute.

#[path = "../common/mod.rs"]
mod common;

mod binary_weights;
mod estimator_formulas;
mod groups;
mod levels;
mod lowering;
mod numbers;
mod reinmax;
mod second_moments;
mod unbiased;
mod unbiased_graphs;
