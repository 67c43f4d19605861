//! The op of [`Linear`], which states the formulas.
//!
//! How the weight gradient is computed is said in `weight_grad`.

mod far;
mod layer;
mod weight_grad;

use crate::bits;
use std::ops::Range;

use crate::error::{Error, Result};
use crate::kernels::gemm::{Patches, Store, panel_len, prefer_matrixmultiply};
use crate::ranks::Sum;
use crate::tape::tree::{self, Step};
use crate::tape::{Backward, Finish, Forward, Op, ParamId, Params, Phase, Pool, Rows, Tape, Value};
use crate::tensor::{Arena, Shape};

use super::column_parts::FAR_BYTES;
use super::levels::Levels;
use super::panels;
use super::weights::{Terms, Weights};

use far::{Far, Matrix};
pub use layer::Linear;

/// Inputs whose weight gradient one task computes. Tasks share no output: each goes
/// through the whole tree of its block.
const BLOCK: usize = 112;

/// The op of a [`Linear`] layer on a tape.
pub struct LinearOp {
    depth: usize,
    out: usize,
    weights: Weights,
    weight: ParamId,
    bias: Option<ParamId>,
    /// Where input `i` of PyTorch's order is stored, and the way back.
    stored: Vec<usize>,
    inverse: Vec<usize>,
    /// `Wᵀ` and `W` in panels, as of `version` of the parameters; none if the weights are read
    /// where they are.
    forward_weights: Vec<f32>,
    backward_weights: Vec<f32>,
    version: u64,
    backward_version: u64,
    /// `dWᵀ`: for each block of inputs, its panels.
    weight_grad: Vec<f32>,
    /// The panels of `dy`.
    grad_output: Vec<f32>,
    /// Nodes of a block's tree beside the first, where matrixmultiply computes leaves.
    nodes: Pool<Arena>,
    /// Nodes of the tree of the bias.
    bias_nodes: Vec<f32>,
    /// The gradients of the weights and of the bias on their way to this rank.
    sums: Option<Travelling>,
    /// The levels of the inputs where `dx` is the difference that each bit makes; then what a
    /// bit moves the outputs by as (out, depth), inputs as stored.
    differences: Option<Levels>,
    difference_weights: Vec<f32>,
    scratch: Vec<Vec<f32>>,
    /// The products where the weights are far larger than a cache.
    far: Option<Far>,
}

impl LinearOp {
    /// Records the layer with parameters `{name}.weight` (out, in) and, with a
    /// bias, `{name}.bias` (out).
    ///
    /// # Errors
    /// If `out` is 0, or a scale of real weights.
    pub fn record(
        tape: &mut Tape,
        name: &str,
        x: Value,
        out: usize,
        terms: Terms,
    ) -> Result<Value> {
        Self::record_with(tape, name, x, out, terms, None)
    }

    /// [`Self::record`] over bits, with real weights, of a layer whose outputs are the
    /// logits of the pass's labels: in place of the gradient of a bit goes the exact
    /// difference that the bit makes to the row's loss, the others as they are.
    ///
    /// # Errors
    /// If `out` is 0.
    pub fn record_differences(
        tape: &mut Tape,
        name: &str,
        x: Value,
        (out, bias): (usize, bool),
        levels: Levels,
    ) -> Result<Value> {
        Self::record_with(tape, name, x, out, Terms::real(bias), Some(levels))
    }

    fn record_with(
        tape: &mut Tape,
        name: &str,
        x: Value,
        out: usize,
        terms: Terms,
        differences: Option<Levels>,
    ) -> Result<Value> {
        terms.check(name)?;
        if out == 0 {
            return Err(Error::spec(format!("layer {name}: out must be at least 1")));
        }
        let input = tape.shape(x);
        let depth = input.len();
        let weight = tape.params.add(format!("{name}.weight"), &[out, depth]);
        let bias = terms.bias_in_sum();
        let bias = bias.then(|| tape.params.add(format!("{name}.bias"), &[out]));
        let rows = tape.cut(x).live;
        let blocks = depth.div_ceil(BLOCK);
        let far = Self::is_far(depth, out);
        let large = prefer_matrixmultiply(rows, depth, out);
        let held = tree::buffers(Rows::new(rows).leaves());
        let node = if large { (held - 1) * BLOCK * out } else { 0 };
        // The differences of a row, and the bits of signs.
        let scratch = match differences {
            None => 0,
            Some(Levels::Bits) => depth,
            Some(Levels::Signs) => 2 * depth,
        };
        let op = Self {
            depth,
            out,
            weights: terms.weights,
            weight,
            bias,
            inverse: inverse(depth, |i| input.stored_at(i)),
            stored: (0..depth).map(|i| input.stored_at(i)).collect(),
            forward_weights: zeros(panel_len(depth, out), !far),
            backward_weights: zeros(panel_len(out, depth), !far),
            version: u64::MAX,
            backward_version: u64::MAX,
            weight_grad: zeros(blocks * panel_len(BLOCK, out), large || !far),
            grad_output: vec![0.0; panel_len(rows, out)],
            nodes: Pool::new(if large { blocks } else { 0 }, || Arena::zeros(node)),
            bias_nodes: vec![0.0; held * out],
            sums: None,
            differences,
            difference_weights: zeros(out * depth, differences.is_some()),
            scratch: vec![vec![0.0; scratch]; tape.chunks(x)],
            far: far.then(|| Far::new(depth, out, (rows, tape.chunks(x)))),
        };
        let y = tape.push(Box::new(op), &[x], Shape::vector(out));
        Ok(terms.finish(tape, name, y, weight))
    }
}

impl LinearOp {
    /// Whether its weights are far larger than a cache.
    fn is_far(depth: usize, out: usize) -> bool {
        depth.saturating_mul(out) > FAR_BYTES / size_of::<f32>()
    }
}

/// So many zeros, or none.
fn zeros(len: usize, used: bool) -> Vec<f32> {
    vec![0.0; if used { len } else { 0 }]
}

/// For each place, the number that is stored there.
fn inverse(len: usize, stored_at: impl Fn(usize) -> usize) -> Vec<usize> {
    let mut inverse = vec![0; len];
    (0..len).for_each(|i| inverse[stored_at(i)] = i);
    inverse
}

/// The sums of all ranks' rows, on their way.
struct Travelling {
    /// `dWᵀ`, and whether its blocks are row-major rather than in panels.
    weight: Sum,
    dense: bool,
    bias: Option<Sum>,
}

impl LinearOp {
    /// Computes the gradient of the bias over the leaves of a node of the tree, which becomes the
    /// first of `self.bias_nodes`.
    fn sum_of_bias(
        &mut self,
        add: fn(&[f32], &mut [f32]),
        dy: &[f32],
        rows: Rows,
        node: Range<usize>,
    ) {
        let (out, nodes) = (self.out, &mut self.bias_nodes);
        for step in tree::steps(node.len()) {
            match step {
                Step::Leaf { leaf, to } => {
                    let sum = &mut nodes[to * out..][..out];
                    sum.fill(0.0);
                    for row in rows.of_leaf(node.start + leaf) {
                        add(&dy[row * out..][..out], sum);
                    }
                }
                Step::Merge { into } => {
                    let (left, right) = tree::pair(nodes, out, into);
                    add(right, left);
                }
            }
        }
    }

    /// Packs the weights for the forward pass, if they have changed.
    fn pack_forward_weights(&mut self, params: &Params) {
        if self.version == params.version() {
            return;
        }
        let (weight, inverse) = (params.value(self.weight), &self.inverse);
        let (panels, size) = (&mut self.forward_weights, (self.depth, self.out));
        match self.weights {
            Weights::Real => panels::fill_transposed(panels, size, weight, inverse, |w| w),
            Weights::Binary => {
                panels::fill_transposed(panels, size, weight, inverse, bits::sign);
            }
        }
        self.version = params.version();
    }

    /// `dx += dL·(L[x_i = 1] - L[x_i = 0])` for every row whose loss counts; of signs the
    /// half of it.
    fn add_differences(&mut self, levels: Levels, cx: &mut Backward<'_>) {
        let step = levels.step();
        let (x, z, pass) = (cx.x(0), cx.y(), cx.pass);
        let (labels, grad_output) = (&cx.batch.labels, &cx.signals.grad_output);
        let (depth, out, ew) = (self.depth, self.out, &pass.engine.kernels.ew);
        let weight = cx.params.value(self.weight);
        for (weight, to) in weight
            .chunks_exact(depth)
            .zip(self.difference_weights.chunks_exact_mut(depth))
        {
            for (&k, &w) in self.stored.iter().zip(weight) {
                to[k] = step * w;
            }
        }
        let Some(dx) = cx.grads.of(0) else { return };
        let weights = &self.difference_weights;
        dx.add(&mut self.scratch, |rows, dx, d| {
            for (row, dx) in rows.zip(dx.chunks_exact_mut(depth)) {
                let dl = grad_output[row];
                if dl == 0.0 {
                    continue;
                }
                let (x, z) = (&x[row * depth..][..depth], &z[row * out..][..out]);
                let (d, bits) = d.split_at_mut(depth);
                for (bit, &x) in bits.iter_mut().zip(x) {
                    *bit = (x + 1.0) / 2.0;
                }
                let h = if levels.is_bits() { x } else { &*bits };
                (ew.loss_differences)(z, labels[row] as usize, h, weights, d);
                let dl = dl / step;
                for (dx, &d) in dx.iter_mut().zip(&*d) {
                    *dx += dl * d;
                }
            }
        });
    }
}

impl Op for LinearOp {
    fn way(&self) -> Option<String> {
        let how = match self.far {
            Some(_) => "weights read where they are, for all rows at once",
            None => "weights in panels",
        };
        Some(how.into())
    }

    fn forward(&mut self, cx: Forward<'_>) {
        let (depth, out) = (self.depth, self.out);
        let x = cx.x(0);
        let bias = self.bias.map(|bias| cx.params.value(bias));
        let kernels = cx.pass.engine.kernels;
        if let Some(far) = &mut self.far {
            let rows = cx.pass.rows;
            let of = Matrix {
                weight: cx.params.value(self.weight),
                weights: self.weights,
            };
            far.set_inputs(rows, x, &self.stored);
            far.product(kernels, rows, of, bias);
            return rows.write(cx.y, out, &mut self.scratch, |rows, y, _| {
                far.outputs(rows.start, y);
            });
        }
        self.pack_forward_weights(cx.params);
        let weights = &self.forward_weights;
        cx.pass
            .rows
            .write(cx.y, out, &mut self.scratch, |rows, y, _| {
                let patches = Patches::matrix(rows.len(), depth);
                let x = &x[rows.start * depth..rows.end * depth];
                kernels.product(&patches, x, weights, out, bias, y, Store::Assign);
            });
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        let (x, dy) = (cx.x(0), cx.dy);
        let (depth, out, rows) = (self.depth, self.out, cx.pass.rows);
        let kernels = cx.pass.engine.kernels;

        if let Some(levels) = self.differences
            && cx.pass.phase == Phase::Gradient
        {
            self.add_differences(levels, &mut cx);
        } else if let (Some(far), true) = (&mut self.far, cx.grads.wants(0)) {
            let of = Matrix {
                weight: cx.params.value(self.weight),
                weights: self.weights,
            };
            far.input_grads(kernels, rows, of, dy);
            if let Some(dx) = cx.grads.of(0) {
                dx.store(&mut self.scratch, |rows, dx, _, store| {
                    far.take_input_grads(rows.start, dx, &self.stored, store);
                });
            }
        } else if let Some(dx) = cx.grads.of(0) {
            if self.backward_version != cx.params.version() {
                self.pack_forward_weights(cx.params);
                let from = &self.forward_weights;
                panels::turn(&mut self.backward_weights, (depth, out), from);
                self.backward_version = cx.params.version();
            }
            let weights = &self.backward_weights;
            dx.store(&mut self.scratch, |rows, dx, _, store| {
                let patches = Patches::matrix(rows.len(), out);
                let dy = &dy[rows.start * out..rows.end * out];
                kernels.product(&patches, dy, weights, depth, None, dx, store);
            });
        }

        if !rows.share().is_whole() {
            // The gradients of parameters of any other pass are meaningless.
            if cx.pass.phase == Phase::Gradient {
                self.sums = Some(self.send_sums(&cx, x, dy));
            }
            return;
        }
        let weight = cx.params.value_and_grad_to_store(self.weight);
        self.add_weight_grad(cx.pass.engine, x, dy, rows, weight);
        if let Some(bias) = self.bias {
            self.sum_of_bias(kernels.ew.add, dy, rows, 0..rows.leaves());
            (kernels.ew.add)(&self.bias_nodes[..out], cx.params.grad_mut(bias));
        }
    }

    fn finish(&mut self, cx: Finish<'_>) {
        let Some(sums) = self.sums.take() else {
            return;
        };
        let dense = sums.dense;
        let (weight, grad) = cx.params.value_and_grad(self.weight);
        sums.weight.finish(cx.ranks, |sum| {
            self.hand_on(dense, sum, weight, grad);
        });
        if let (Some(sum), Some(bias)) = (sums.bias, self.bias) {
            let add = cx.pass.engine.kernels.ew.add;
            sum.finish(cx.ranks, |sum| add(sum, cx.params.grad_mut(bias)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::{check_every_isa, fill};

    #[test]
    fn a_large_layer_has_the_same_gradient_by_either_product() {
        let (rows, depth, out) = (512, 1024, 1024);
        assert!(prefer_matrixmultiply(rows, depth, out));
        let mut engine = crate::kernels::select(Some("scalar")).unwrap();
        let mut grads = [true, false].map(|forced| {
            engine.forced = forced;
            let mut tape = Tape::new(engine, rows);
            let x = tape.input(Shape::vector(depth), false);
            let y = LinearOp::record(&mut tape, "fc", x, out, Terms::real(true)).unwrap();
            tape.seal(true);
            fill(1, tape.value_mut(x));
            tape.backward_from(y, |dy| fill(3, dy));
            tape.params.grads().to_vec()
        });
        let [ours, theirs] = &mut grads;
        let scale = ours.iter().fold(0.0f32, |m, g| m.max(g.abs()));
        assert!(scale > 1.0);
        for (a, b) in ours.iter().zip(theirs) {
            assert!((*a - *b).abs() < 1e-4 * scale, "{a} against {b}");
        }
    }

    /// The gradient is the explicit tree over leaves, to the bit, and not the sum of the
    /// rows one after the other.
    #[test]
    fn gradients_are_added_up_in_the_tree() {
        let engine = crate::kernels::select(Some("scalar")).unwrap();
        let (depth, out) = (150, 19);
        let tree = |mut nodes: Vec<f32>| {
            while nodes.len() > 1 {
                let sum = |pair: &[f32]| pair[1..].iter().fold(pair[0], |a, b| a + b);
                nodes = nodes.chunks(2).map(sum).collect();
            }
            nodes[0]
        };
        for (capacity, live) in [(64, 64), (64, 39), (33, 33), (50, 7), (3, 3)] {
            let mut tape = Tape::new(engine, capacity);
            let x = tape.input(Shape::vector(depth), false);
            let y = LinearOp::record(&mut tape, "fc", x, out, Terms::real(true)).unwrap();
            tape.seal(true);
            tape.set_rows(live);
            fill(1, tape.value_mut(x));
            let mut grad_output = Vec::new();
            tape.backward_from(y, |dy| {
                fill(3, dy);
                grad_output = dy.to_vec();
            });
            let rows = Rows::new(capacity).with_live(live);
            let values = tape.value(x).to_vec();
            let (grads, mut differ) = (tape.params.grads(), 0);
            let mut check = |got: f32, of: &dyn Fn(usize) -> f32| {
                let leaf = |i| rows.of_leaf(i).map(of).fold(0.0f32, |a, b| a + b);
                assert_eq!(got, tree((0..rows.leaves()).map(leaf).collect()));
                differ += usize::from(got != (0..live).map(of).fold(0.0f32, |a, b| a + b));
            };
            for j in 0..out {
                let g = |p: usize| grad_output[p * out + j];
                for k in 0..depth {
                    check(grads[j * depth + k], &|p| values[p * depth + k] * g(p));
                }
                check(grads[out * depth + j], &g);
            }
            assert!(live < 4 || differ > 100, "{live} of {capacity}: {differ}");
        }
    }

    #[test]
    fn gradients_match_finite_differences() {
        for (input, out, rows) in [
            (Shape::vector(7), 3, 5),
            (Shape::image(3, 4, 5), 10, 33),
            (Shape::image(16, 4, 4), 18, 2),
            (Shape::vector(1), 1, 1),
        ] {
            check_every_isa(
                |tape| {
                    let x = tape.input(input, true);
                    let y = LinearOp::record(tape, "fc", x, out, Terms::real(true)).unwrap();
                    tape.seal(true);
                    fill(1, tape.value_mut(x));
                    fill(2, tape.params.values_mut());
                    (vec![x], y)
                },
                rows,
                0.05,
            );
        }
    }
}
