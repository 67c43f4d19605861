//! The gradient of the weights, `dW = dyᵀ·x`.
//!
//! It is added up over leaves of rows in the one tree of
//! [`crate::tape::tree`]: by our own kernel within registers
//! ([`crate::kernels::Kernels::transposed_in_tree`]), so that the nodes take no memory.
//! Of very large layers a leaf's product is matrixmultiply's, unless the instruction set
//! is forced; then each thread at work holds log2(leaves) nodes more, each of a block's
//! size: five blocks of 112 inputs, 2.3 MB a thread for 1024 outputs.

use std::ops::Range;

use rayon::prelude::*;

use super::{BLOCK, LinearOp, Matrix};
use crate::kernels::gemm::{Layout, Store, pack_panels, panel_len, prefer_matrixmultiply, sgemm};
use crate::kernels::{Engine, Kernels, NR};
use crate::tape::tree::{self, Step};
use crate::tape::{Backward, LEAVES, Rows};

use super::Travelling;

/// Outputs and inputs whose gradients are handed on at a time; whole panels are whole
/// multiples of the outputs.
const ROWS: usize = NR / 2;
const INPUTS: usize = 64;

impl LinearOp {
    /// `dW = dyᵀ·x` over the live rows, in PyTorch's order, and what passes of it
    /// to the gradient of `weight`.
    pub(super) fn add_weight_grad(
        &mut self,
        engine: Engine,
        x: &[f32],
        dy: &[f32],
        cut: Rows,
        (weight, grad, store): (&[f32], &mut [f32], Store),
    ) {
        let (depth, out, kernels) = (self.depth, self.out, engine.kernels);
        let dense = !engine.forced && prefer_matrixmultiply(cut.live, depth, out);
        let leaves = cut.leaves();
        let mut starts = [0; LEAVES + 1];
        for (i, start) in starts[..=leaves].iter_mut().enumerate() {
            *start = cut.start_of_leaf(i);
        }
        let starts = &starts[..=leaves];
        if !dense {
            pack_panels(cut.live, out, dy, (out, 1), &mut self.grad_output);
        }
        if let (Some(far), false) = (&mut self.far, dense) {
            let of = Matrix {
                weight,
                weights: self.weights,
            };
            far.set_inputs(cut, x, &self.stored);
            return far.weight_grads(kernels, starts, &self.grad_output, of, (grad, store));
        }
        if store == Store::Assign {
            grad.fill(0.0);
        }
        let block_len = block_len(out, dense);
        let blocks = depth.div_ceil(BLOCK);
        let (grad_output, nodes) = (&self.grad_output, &self.nodes);
        let blocks = &mut self.weight_grad[..blocks * block_len];
        let each = blocks.par_chunks_mut(block_len).enumerate();
        each.for_each(|(b, d)| {
            let first = b * BLOCK;
            let width = BLOCK.min(depth - first);
            let x = (&x[first..], depth);
            if !dense {
                return kernels.transposed_in_tree(starts, x, width, grad_output, out, d);
            }
            let (add, all) = (kernels.ew.add, 0..leaves);
            nodes.with(|nodes| {
                transposed_in_tree((cut, all), x, width, (dy, out), d, nodes, add);
            });
        });
        self.hand_on(dense, &self.weight_grad, weight, grad);
    }

    /// Sends the sums over this rank's rows to the other ranks.
    pub(super) fn send_sums(&mut self, cx: &Backward<'_>, x: &[f32], dy: &[f32]) -> Travelling {
        let (rows, engine, out) = (cx.pass.rows, cx.pass.engine, self.out);
        let dense = !engine.forced && prefer_matrixmultiply(rows.live, self.depth, out);
        let (leaves, per_chunk) = (rows.leaves(), rows.leaves_of_chunk());
        let run = |chunks: Range<usize>| {
            (chunks.start * per_chunk).min(leaves)..(chunks.end * per_chunk).min(leaves)
        };
        let own = run(rows.own_chunks());
        let runs = || {
            let all = rows.share().all();
            all.map(|share| run(rows.chunks_of_share(share)))
        };
        let len = self.depth.div_ceil(BLOCK) * block_len(out, dense);
        let (ranks, add) = (cx.ranks, engine.kernels.ew.add);
        let weight = ranks.begin_sum(leaves, own.clone(), runs(), len, |node, sum| {
            self.sum_of_weights(engine.kernels, (x, dy), (rows, node), dense, sum);
        });
        let bias = self.bias.map(|_| {
            ranks.begin_sum(leaves, own, runs(), out, |node, sum| {
                self.sum_of_bias(add, dy, rows, node);
                sum.copy_from_slice(&self.bias_nodes[..out]);
            })
        });
        Travelling {
            weight,
            dense,
            bias,
        }
    }

    /// Computes `dWᵀ` over the leaves of a node of the tree, block by block.
    fn sum_of_weights(
        &mut self,
        kernels: &Kernels,
        (x, dy): (&[f32], &[f32]),
        (cut, node): (Rows, Range<usize>),
        dense: bool,
        sum: &mut [f32],
    ) {
        let (depth, out) = (self.depth, self.out);
        let first_row = cut.start_of_leaf(node.start);
        let rows = cut.start_of_leaf(node.end) - first_row;
        let mut starts = [0; LEAVES + 1];
        for (start, leaf) in starts.iter_mut().zip(node.start..=node.end) {
            *start = cut.start_of_leaf(leaf) - first_row;
        }
        let starts = &starts[..=node.len()];
        if !dense {
            let dy = &dy[first_row * out..];
            pack_panels(rows, out, dy, (out, 1), &mut self.grad_output);
        }
        let (grad_output, nodes) = (&self.grad_output, &self.nodes);
        let each = sum.par_chunks_mut(block_len(out, dense)).enumerate();
        each.for_each(|(b, d)| {
            let first = b * BLOCK;
            let width = BLOCK.min(depth - first);
            if !dense {
                let x = (&x[first_row * depth + first..], depth);
                return kernels.transposed_in_tree(starts, x, width, grad_output, out, d);
            }
            let (x, add) = ((&x[first..], depth), kernels.ew.add);
            nodes.with(|nodes| {
                let of = (cut, node.clone());
                transposed_in_tree(of, x, width, (dy, out), d, nodes, add);
            });
        });
    }

    /// Adds what the weights pass on of the gradients in the blocks of `weight_grad`.
    pub(super) fn hand_on(
        &self,
        dense: bool,
        weight_grad: &[f32],
        weight: &[f32],
        grad: &mut [f32],
    ) {
        let (depth, out) = (self.depth, self.out);
        let block_len = block_len(out, dense);
        // Some rows of one panel a task, and of them some inputs at a time: what is read of
        // the panels then stays in the first-level cache for all of the rows.
        let rows = weight.par_chunks(ROWS * depth);
        let rows = rows.zip(grad.par_chunks_mut(ROWS * depth)).enumerate();
        let (stored, weights) = (&self.stored, self.weights);
        rows.for_each(|(task, (weight, grad))| {
            let j = task * ROWS;
            for first in (0..depth).step_by(INPUTS) {
                let inputs = first..depth.min(first + INPUTS);
                let mut places = [0; INPUTS];
                for (place, &k) in places.iter_mut().zip(&stored[inputs.clone()]) {
                    let (block, k) = (k / BLOCK, k % BLOCK);
                    let width = BLOCK.min(depth - block * BLOCK);
                    let at = if dense {
                        k * out + j
                    } else {
                        (j / NR * width + k) * NR + j % NR
                    };
                    *place = block * block_len + at;
                }
                // Gathered first, so that both the gathering and the sums read and write
                // consecutive numbers.
                let mut gathered = [[0.0; INPUTS]; ROWS];
                let outputs = ROWS.min(out - j);
                for (i, &place) in places[..inputs.len()].iter().enumerate() {
                    let from = &weight_grad[place..][..outputs];
                    for (to, &from) in gathered.iter_mut().zip(from) {
                        to[i] = from;
                    }
                }
                let each = weight.chunks_exact(depth).zip(grad.chunks_exact_mut(depth));
                for ((weight, grad), gathered) in each.zip(&gathered) {
                    let (weight, grad) = (&weight[inputs.clone()], &mut grad[inputs.clone()]);
                    weights.add_pullback(weight, gathered, grad);
                }
            }
        });
    }
}

/// The length of a block of (inputs, out) gradients: row-major, or in panels.
fn block_len(out: usize, dense: bool) -> usize {
    match dense {
        true => BLOCK * out,
        false => panel_len(BLOCK, out),
    }
}

/// `xᵀ·dy` of `width` columns of `x`, whose rows are `step` apart: each leaf's product by
/// matrixmultiply, row-major, added up over the leaves of a node in `d` and, for the nodes beside the first,
/// in `nodes`.
fn transposed_in_tree(
    (cut, node): (Rows, Range<usize>),
    (x, step): (&[f32], usize),
    width: usize,
    (dy, out): (&[f32], usize),
    d: &mut [f32],
    nodes: &mut [f32],
    add: fn(&[f32], &mut [f32]),
) {
    let leaf = |i: usize, d: &mut [f32]| {
        let rows = cut.of_leaf(node.start + i);
        let layout = Layout {
            rows: rows.len(),
            columns: width,
            row_step: step,
            col_step: 1,
        };
        let a = (&x[rows.start * step..], layout.transposed());
        let g = Layout::row_major(rows.len(), out);
        let g = (&dy[rows.start * out..], g);
        sgemm(1.0, a, g, 0.0, (d, Layout::row_major(width, out)));
    };
    let len = width * out;
    for step in tree::steps(node.len()) {
        match step {
            Step::Leaf { leaf: i, to: 0 } => leaf(i, d),
            Step::Leaf { leaf: i, to } => leaf(i, &mut nodes[(to - 1) * len..][..len]),
            Step::Merge { into: 0 } => add(&nodes[..len], &mut d[..len]),
            Step::Merge { into } => {
                let (left, right) = tree::pair(nodes, len, into - 1);
                add(right, left);
            }
        }
    }
}
