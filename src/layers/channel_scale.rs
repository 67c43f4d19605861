//! The layer [`ChannelScale`] and its op.

use crate::bits;
use crate::tape::{Backward, Forward, Op, ParamId, Tape, Value, share_chunks, tree};
use crate::tensor::Shape;

/// Pixels that are summed in f32 before they join the f64 sum.
const BLOCK: usize = 256;

/// What follows the integer sums of a layer with binary weights: a scale for
/// each output channel, and a bias.
///
/// ```text
/// y  = α·x + b            α[o] = mean |V[o]| over the channel's latent weights V,
///                         or 1 without a scale
/// dx += α·dy              db += Σ dy
/// dV[o, i] += sign(V[o, i])/n · Σ x·dy      n weights a channel
/// ```
///
/// The scale is applied after the sum, not to the weights, so that the sum stays
/// an exact integer, and the whole is one monotone function of it (multiplied and
/// added with two roundings) that folds into batch norm. The gradient of α is
/// the whole derivative, of which XNOR-Net's formula keeps the diagonal.
///
/// Source: Rastegari et al., "XNOR-Net" (arXiv 1603.05279), whose α is the least-
/// squares scale of sign(V) for V.
pub struct ChannelScale {
    shape: Shape,
    /// The latent weights whose mean magnitude is the scale.
    latent: Option<ParamId>,
    bias: Option<ParamId>,
    scale: Vec<f32>,
    zeros: Vec<f32>,
    version: u64,
    scratch: Vec<Scratch>,
}

/// Sums of one chunk: Σ dy and Σ x·dy, over a block, over a leaf, and over the chunk's
/// leaves, which is a node of the tree.
struct Scratch {
    block: [Vec<f32>; 2],
    sums: [Vec<f64>; 2],
    node: [Vec<f64>; 2],
}

impl Scratch {
    /// The numbers of the chunk's node.
    fn each_node(&mut self, part: &mut dyn FnMut(&mut [f64])) {
        self.node.iter_mut().for_each(|node| part(node));
    }
}

impl ChannelScale {
    /// Records the layer with, for `bias`, the parameter `{name}.bias` (O), and
    /// with the scale of `latent`, weights (O, ...), where there are any.
    pub fn record(
        tape: &mut Tape,
        name: &str,
        x: Value,
        latent: Option<ParamId>,
        bias: bool,
    ) -> Value {
        let shape = tape.shape(x);
        let c = shape.channels;
        let op = Self {
            shape,
            latent,
            bias: bias.then(|| tape.params.add(format!("{name}.bias"), &[c])),
            scale: vec![1.0; c],
            zeros: vec![0.0; c],
            version: u64::MAX,
            scratch: (0..tape.chunks(x))
                .map(|_| Scratch {
                    block: [vec![0.0; c], vec![0.0; c]],
                    sums: [vec![0.0; c], vec![0.0; c]],
                    node: [vec![0.0; c], vec![0.0; c]],
                })
                .collect(),
        };
        tape.push(Box::new(op), &[x], shape)
    }
}

/// The scale of one channel, `mean |V|` over its latent weights. Training and packing share
/// this function.
pub fn channel_scale(latent: &[f32]) -> f32 {
    let sum: f64 = latent.iter().map(|&v| f64::from(v.abs())).sum();
    (sum / latent.len() as f64) as f32
}

impl Op for ChannelScale {
    fn forward(&mut self, cx: Forward<'_>) {
        if let Some(latent) = self.latent
            && self.version != cx.params.version()
        {
            let latent = cx.params.value(latent);
            let each = latent.len() / self.shape.channels;
            for (scale, v) in self.scale.iter_mut().zip(latent.chunks_exact(each)) {
                *scale = channel_scale(v);
            }
            self.version = cx.params.version();
        }
        let (x, len) = (cx.x(0), self.shape.len());
        let ew = &cx.pass.engine.kernels.ew;
        let bias = self.bias.map_or(&*self.zeros, |b| cx.params.value(b));
        let scale = &self.scale;
        cx.pass
            .rows
            .write(cx.y, len, &mut self.scratch, |rows, y, _| {
                (ew.affine)(&x[rows.start * len..rows.end * len], scale, bias, y);
            });
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        let (c, len) = (self.shape.channels, self.shape.len());
        let (x, dy, ew) = (cx.x(0), cx.dy, &cx.pass.engine.kernels.ew);
        let (scale, zeros) = (&self.scale, &self.zeros);
        let rows = cx.pass.rows;
        rows.each(&mut self.scratch, |chunk, scratch| {
            for (i, leaf) in rows.leaves_in(chunk) {
                scratch.sums.iter_mut().for_each(|s| s.fill(0.0));
                let range = leaf.start * len..leaf.end * len;
                for (x, dy) in x[range.clone()]
                    .chunks(BLOCK * c)
                    .zip(dy[range].chunks(BLOCK * c))
                {
                    let [sum, dot] = &mut scratch.block;
                    (ew.batch_norm_sums)(x, zeros, dy, sum, dot);
                    for (sums, block) in scratch.sums.iter_mut().zip(&mut scratch.block) {
                        for (sum, x) in sums.iter_mut().zip(block) {
                            *sum += f64::from(std::mem::take(x));
                        }
                    }
                }
                for (node, sums) in scratch.node.iter_mut().zip(&scratch.sums) {
                    for (node, &sum) in node.iter_mut().zip(sums) {
                        *node = if i == 0 { sum } else { *node + sum };
                    }
                }
            }
        });
        share_chunks((rows, cx.ranks), &mut self.scratch, Scratch::each_node);
        let scratch = &self.scratch[..rows.chunks()];
        let total = |part: usize, i: usize| {
            tree::fold(scratch.len(), |s| scratch[s].node[part][i], |a, b| a + b)
        };
        if let Some(bias) = self.bias {
            for (i, grad) in cx.params.grad_mut(bias).iter_mut().enumerate() {
                *grad += total(0, i) as f32;
            }
        }
        if let Some(latent) = self.latent {
            let (latent, grad) = cx.params.value_and_grad(latent);
            let each = latent.len() / c;
            for (i, (v, grad)) in latent
                .chunks_exact(each)
                .zip(grad.chunks_exact_mut(each))
                .enumerate()
            {
                let share = (total(1, i) / each as f64) as f32;
                for (&v, grad) in v.iter().zip(grad) {
                    *grad += bits::sign(v) * share;
                }
            }
        }
        if let Some(dx) = cx.grads.of(0) {
            dx.add(&mut self.scratch, |rows, dx, _| {
                let range = rows.start * len..rows.end * len;
                (ew.batch_norm_grad)(&x[range.clone()], &dy[range], scale, zeros, zeros, dx);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::{check_every_isa, fill, fill_apart};

    #[test]
    fn gradients_match_finite_differences() {
        for (shape, rows) in [
            (Shape::image(3, 4, 5), 7),
            (Shape::image(16, 3, 3), 2),
            (Shape::vector(5), 40),
        ] {
            for (scale, bias) in [(true, false), (false, true), (true, true)] {
                check_every_isa(
                    |tape| {
                        let x = tape.input(shape, true);
                        let latent = tape.params.add("l.weight", &[shape.channels, 6]);
                        let y = ChannelScale::record(tape, "l", x, scale.then_some(latent), bias);
                        tape.seal(true);
                        fill(1, tape.value_mut(x));
                        // No step crosses the kink of |V|.
                        fill_apart(2, 0.05, tape.params.values_mut());
                        let values = tape.params.values_mut();
                        values
                            .iter_mut()
                            .filter(|v| **v == 0.0)
                            .for_each(|v| *v = 0.02);
                        (vec![x], y)
                    },
                    rows,
                    0.01,
                );
            }
        }
    }
}
