//! Floor 4: layers, one file each: the layer of a spec ([`Layer`]), its op on a tape,
//! forward above backward, and the gradient check at its foot.
//!
//! [`registry`] names every kind; a network is a list of [`LayerSpec`].

mod activation;
mod add;
mod alias;
mod avg_pool;
mod batch_norm;
mod bernoulli_nll;
mod binary;
mod channel_scale;
mod column_parts;
mod concat;
mod conv;
mod conv_norm_pool;
mod cross_entropy;
mod dropout;
mod few_shot;
mod flatten;
mod global_avg_pool;
mod input;
mod kl_bernoulli;
mod layer;
mod levels;
mod linear;
mod max_pool;
mod mse;
mod norm_pool;
mod own_loss;
mod pair_loss;
mod panels;
mod pool_spec;
mod prelu;
pub mod registry;
mod shift;
mod sides;
mod sight;
mod spec;
mod tensor_spec;
mod weighted_sum;
mod weights;
mod window;

pub use activation::{Activation, ActivationOp, Function};
pub use add::Add;
pub use avg_pool::AvgPool;
pub use batch_norm::{BatchNorm, BatchNormOp, Statistics};
pub use bernoulli_nll::BernoulliNll;
pub use binary::Binary;
pub(crate) use binary::own_probability;
pub(crate) use channel_scale::{ChannelScale, channel_scale};
pub use concat::Concat;
pub use conv::{Conv, ConvOp, GroupedConvOp};
pub(crate) use conv_norm_pool::ConvNormPool;
pub(crate) use cross_entropy::loss_of_mean;
pub use cross_entropy::{CrossEntropy, CrossEntropyOp, log_softmax, row_loss, softmax};
pub use dropout::Dropout;
pub use few_shot::{Comparison, Distance, Episode, FewShot, Head};
pub use flatten::Flatten;
pub use global_avg_pool::GlobalAvgPool;
pub use input::Input;
pub use kl_bernoulli::KlBernoulli;
pub use layer::{Layer, Recorder, Shapes, same_shapes, values};
pub use levels::Levels;
pub use linear::{Linear, LinearOp};
pub use max_pool::{MaxPool, MaxPoolOp};
pub use mse::Mse;
pub use norm_pool::NormPool;
pub use own_loss::{OwnLoss, RowLoss};
pub use prelu::{Prelu, PreluOp};
pub use shift::Shift;
pub use sides::Sides;
pub use sight::Sight;
pub use spec::LayerSpec;
pub use tensor_spec::{TensorSpec, Tensors, product};
pub use weighted_sum::WeightedSum;
pub use weights::{Terms, Weights};
pub use window::Window;

#[cfg(test)]
mod tree_tests;

#[cfg(test)]
pub(crate) mod testing {
    //! What the gradient checks of all layers share.

    use super::{Layer, Recorder, TensorSpec};
    use crate::kernels::Isa;
    use crate::random::{fill_uniform, keyed};
    use crate::tape::check::gradient_check;
    use crate::tape::{Tape, Value};
    use crate::tensor::Shape;

    /// Fills a value (or parameters) with numbers in [-1, 1) from a seed.
    pub fn fill(seed: u64, out: &mut [f32]) {
        fill_uniform(&mut keyed(&[seed]), out);
        out.iter_mut().for_each(|x| *x = *x * 2.0 - 1.0);
    }

    /// Numbers at least `gap` apart and at least `gap / 2` from zero, in random
    /// order: no finite difference crosses a kink or a tie.
    pub fn fill_apart(seed: u64, gap: f32, out: &mut [f32]) {
        let mut order: Vec<usize> = (0..out.len()).collect();
        let mut keys = vec![0.0; out.len()];
        fill(seed, &mut keys);
        order.sort_by(|&a, &b| keys[a].total_cmp(&keys[b]));
        let middle = out.len() as f32 / 2.0;
        for (rank, &i) in order.iter().enumerate() {
            out[i] = (rank as f32 - middle + 0.5) * gap;
        }
    }

    /// A layer on a sealed tape of its own, its inputs and its output. All numbers are
    /// drawn within [-1, 1).
    pub fn layer_on_tape(
        layer: &dyn Layer,
        inputs: &[Shape],
        rows: usize,
    ) -> (Tape, Vec<Value>, Value) {
        let mut tape = Tape::new(crate::kernels::select(None).unwrap(), rows);
        let (x, y) = record_layer(&mut tape, layer, inputs);
        (tape, x, y)
    }

    fn record_layer(tape: &mut Tape, layer: &dyn Layer, inputs: &[Shape]) -> (Vec<Value>, Value) {
        let x: Vec<Value> = inputs.iter().map(|&s| tape.input(s, true)).collect();
        let mut to = Recorder {
            name: "layer",
            noise: 7,
            unit: None,
            ignores_gradient: false,
            loss_differences: None,
            tape: &mut *tape,
        };
        let y = layer.record(&mut to, &x).unwrap();
        let shape = layer.output("layer", inputs).unwrap();
        assert_eq!(
            tape.shape(y),
            shape,
            "the output has the shape that it said"
        );
        let found: Vec<TensorSpec> = tape
            .params
            .entries()
            .iter()
            .map(|e| TensorSpec::new(e.name.trim_start_matches("layer."), &e.shape))
            .collect();
        assert_eq!(
            layer.tensors(inputs).params,
            found,
            "it has the tensors that it said"
        );
        tape.seal(true);
        for (seed, &x) in x.iter().enumerate() {
            fill(seed as u64 + 1, tape.value_mut(x));
        }
        fill(99, tape.params.values_mut());
        (x, y)
    }

    /// A gradient check of a smooth layer with every instruction set of this machine.
    pub fn check_layer(layer: &dyn Layer, inputs: &[Shape], rows: usize) {
        check_layer_by(layer, inputs, rows, 0.05);
    }

    /// [`check_layer`] with differences of `h`, of a layer that is far from linear.
    pub fn check_layer_by(layer: &dyn Layer, inputs: &[Shape], rows: usize, h: f32) {
        check_every_isa(|tape| record_layer(tape, layer, inputs), rows, h);
    }

    /// A gradient check with every instruction set of this machine.
    pub fn check_every_isa(build: impl Fn(&mut Tape) -> (Vec<Value>, Value), rows: usize, h: f32) {
        for isa in Isa::available() {
            let engine = crate::kernels::select(Some(isa.name())).unwrap();
            let mut tape = Tape::new(engine, rows);
            let (inputs, root) = build(&mut tape);
            let check = gradient_check(&mut tape, &inputs, root, h, 150);
            assert!(check.compared > 0);
            assert!(
                check.worst < 2e-3,
                "{}: {} at {}",
                isa.name(),
                check.worst,
                check.at
            );
        }
    }
}
