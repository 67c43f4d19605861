//! Real and binary weights, [`Weights`].

use serde::{Deserialize, Serialize};

use super::tensor_spec::{TensorSpec, Tensors, product};
use super::{ChannelScale, channel_scale};
use crate::bits;
use crate::error::{Error, Result};
use crate::pack::{Map, Packed, Packer};
use crate::packed::Product;
use crate::tape::{ParamId, Tape, Value};
use crate::tensor::Shape;

/// Real and binary weights.
///
/// ```text
/// real     W = V              dV += dW
/// binary   W = sign(V)        dV += dW·[|V| <= 1]
/// ```
///
/// `V` is the parameter that is stored and trained. A binary layer's is called
/// latent: the gradient passes straight through the sign, and not at all where
/// the latent weight has left [-1, 1], which the optimiser's step keeps it from
/// doing ([`crate::tape::Params::clip_latents`]).
///
/// Source: Courbariaux et al., "Binarized Neural Networks" (arXiv 1602.02830).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weights {
    /// The parameter itself.
    #[default]
    Real,
    /// The sign of the parameter, +1 or -1 ([`bits::sign`]).
    Binary,
}

impl Weights {
    /// Both kinds.
    pub const ALL: [Weights; 2] = [Weights::Real, Weights::Binary];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Weights::Real => "real",
            Weights::Binary => "binary",
        }
    }

    /// Whether they are [`Weights::Real`].
    pub fn is_real(&self) -> bool {
        *self == Weights::Real
    }

    /// `W` of `V`.
    #[inline]
    pub(super) fn effective(self, v: f32) -> f32 {
        match self {
            Weights::Real => v,
            Weights::Binary => bits::sign(v),
        }
    }

    /// Adds `dV` of `dW` to `grad`, number by number.
    pub(super) fn add_pullback(self, v: &[f32], dw: &[f32], grad: &mut [f32]) {
        let all = grad.iter_mut().zip(v.iter().zip(dw));
        // A loop for each kind, which the compiler vectorises.
        match self {
            Weights::Real => all.for_each(|(grad, (_, dw))| *grad += dw),
            Weights::Binary => all.for_each(|(grad, (&v, &dw))| *grad += self.pullback(v, dw)),
        }
    }

    /// `dV` of `dW`.
    #[inline]
    pub(super) fn pullback(self, v: f32, dw: f32) -> f32 {
        match self {
            Weights::Binary if v.abs() > 1.0 => 0.0,
            _ => dw,
        }
    }
}

/// Which terms a convolution or a linear layer has, beside its sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Whether it has a bias.
    pub bias: bool,
    /// Real or binary weights.
    pub weights: Weights,
    /// Whether binary weights have a scale for each output channel, by which its integer sums
    /// are multiplied: `α = mean |V|` over the channel's latent weights `V` (XNOR-Net, arXiv
    /// 1603.05279).
    pub scale: bool,
}

impl Terms {
    /// Real weights, with or without a bias.
    pub fn real(bias: bool) -> Self {
        Self {
            bias,
            weights: Weights::Real,
            scale: false,
        }
    }

    /// Binary weights alone.
    pub fn binary() -> Self {
        Self {
            bias: false,
            weights: Weights::Binary,
            scale: false,
        }
    }

    /// What is said of binary weights behind the kind of the layer.
    pub(super) fn describe(self) -> &'static str {
        match (self.weights, self.scale) {
            (Weights::Real, _) => "",
            (Weights::Binary, false) => ", binary weights",
            (Weights::Binary, true) => ", binary weights, scaled",
        }
    }

    /// The tensors of a layer whose weights have that shape, outputs first.
    pub(super) fn tensors(self, shape: &[usize]) -> Tensors {
        let mut params = vec![TensorSpec::new("weight", shape)];
        params.extend(self.bias.then(|| TensorSpec::new("bias", &shape[..1])));
        Tensors {
            params,
            ..Tensors::default()
        }
    }

    /// Whether the sum itself begins with the bias. After binary weights it is
    /// added to the whole sum, which is an exact integer until then.
    pub(super) fn bias_in_sum(self) -> bool {
        self.bias && self.weights.is_real()
    }

    /// Packs a layer with these terms: the sum that is `product`, and its scale and bias,
    /// which follow integer sums.
    ///
    /// # Errors
    /// Weights that are not finite, or sums that cannot be packed.
    pub(super) fn pack(
        self,
        at: &mut Packer<'_>,
        x: &Packed,
        product: Product,
        shape: Shape,
    ) -> Result<Packed> {
        let out = shape.channels;
        let values = at.param("weight")?;
        let bias = match self.bias {
            true => at.param("bias")?.to_vec(),
            false => vec![0.0; out],
        };
        if values.iter().chain(&bias).any(|w| !w.is_finite()) {
            return Err(at.refuse("a weight is not a finite number"));
        }
        if self.weights.is_real() {
            return Ok(at.real_sum(x, (product, shape), values.to_vec(), bias));
        }
        let rows = || values.chunks_exact(values.len() / out);
        let scale = rows().map(|v| match self.scale {
            true => channel_scale(v),
            false => 1.0,
        });
        let after = (self.scale || self.bias).then(|| Map::Affine {
            scale: scale.collect(),
            shift: bias,
        });
        let words = rows().flat_map(bits::pack_signs).collect();
        at.binary_sum(x, (product, shape), words, after)
    }

    /// Whether the terms go together.
    ///
    /// # Errors
    /// A scale of real weights.
    pub(super) fn check(self, name: &str) -> Result<()> {
        if self.scale && self.weights.is_real() {
            return Err(Error::spec(format!(
                "layer {name}: a scale is for binary weights; leave it out, or set \"weights\": \"binary\""
            )));
        }
        Ok(())
    }

    /// Records what follows the sum `y` of a layer with the parameter `weight`.
    pub(super) fn finish(self, tape: &mut Tape, name: &str, y: Value, weight: ParamId) -> Value {
        if self.weights.is_real() {
            return y;
        }
        tape.params.set_latent(weight);
        if !self.scale && !self.bias {
            return y;
        }
        ChannelScale::record(tape, name, y, self.scale.then_some(weight), self.bias)
    }
}

/// Columns that the kernels' panels of weights are rounded up to, at most.
pub(super) const PANEL: u64 = 64;

/// Numbers of 32 bits that (depth, out) weights take in PyTorch's order and in panels, with
/// their gradients and an optimiser's moments in training.
pub(super) fn memory(depth: u64, out: u64, training: bool) -> u64 {
    let panels = product(&[depth, out.next_multiple_of(PANEL), 6]);
    unpacked_memory(depth, out, training).saturating_add(panels)
}

/// As [`memory`], of weights that are in panels only block by block.
pub(super) fn unpacked_memory(depth: u64, out: u64, training: bool) -> u64 {
    product(&[depth, out, if training { 4 } else { 2 }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;
    use crate::layers::testing::fill;
    use crate::layers::{ConvOp, LinearOp, Window};
    use crate::tensor::Shape;

    const WINDOW: Window = Window::square(3, 1, 1);

    /// Output, dx and dV of a convolution or a linear layer.
    fn run(isa: Isa, conv: bool, terms: Terms, latent: impl Fn(&mut [f32])) -> [Vec<f32>; 4] {
        let engine = crate::kernels::select(Some(isa.name())).unwrap();
        let rows = 5;
        let mut tape = Tape::new(engine, rows);
        let x = tape.input(Shape::image(3, 4, 6), true);
        let y = match conv {
            true => ConvOp::record(&mut tape, "l", x, 7, WINDOW, terms).unwrap(),
            false => LinearOp::record(&mut tape, "l", x, 7, terms).unwrap(),
        };
        tape.seal(true);
        // Pixels: integers 0 to 255.
        fill(1, tape.value_mut(x));
        for x in tape.value_mut(x) {
            *x = (x.abs() * 255.0).round();
        }
        latent(tape.params.values_mut());
        tape.forward();
        tape.backward_from(y, |dy| fill(3, dy));
        let value = tape.value(y).to_vec();
        let (dx, dv) = (tape.grad(x).to_vec(), tape.params.grads().to_vec());
        [value, dx, dv, tape.params.values().to_vec()]
    }

    /// Latent weights on both sides of 1, 0 and -1, and ties.
    fn latents(v: &mut [f32]) {
        fill(2, v);
        v.iter_mut().for_each(|v| *v *= 1.5);
        v[..4].copy_from_slice(&[0.0, -0.0, 1.0, -1.0]);
    }

    #[test]
    fn binary_weights_are_the_signs_and_pass_gradients_straight_through() {
        for (isa, conv) in Isa::available()
            .into_iter()
            .flat_map(|i| [(i, true), (i, false)])
        {
            let [y, dx, dv, v] = run(isa, conv, Terms::binary(), latents);
            let signs = |v: &mut [f32]| {
                latents(v);
                v.iter_mut()
                    .for_each(|v| *v = if *v >= 0.0 { 1.0 } else { -1.0 });
            };
            let [y_real, dx_real, dw, _] = run(isa, conv, Terms::real(false), signs);
            assert_eq!((y, dx), (y_real, dx_real));
            assert!(v.iter().any(|v| v.abs() > 1.0) && dw.iter().all(|&g| g != 0.0));
            for ((v, dv), dw) in v.iter().zip(&dv).zip(&dw) {
                assert_eq!(*dv, if v.abs() <= 1.0 { *dw } else { 0.0 }, "at {v}");
            }
        }
    }

    /// Over pixels the sums are integers, whatever the kernel's order.
    #[test]
    fn sums_are_exact_integers() {
        let input = |i: usize| {
            let mut x = vec![0.0; 5 * 72];
            fill(1, &mut x);
            (x[i].abs() * 255.0).round() as i64
        };
        let all: Vec<i64> = (0..5 * 72).map(input).collect();
        for isa in Isa::available() {
            let [y, _, _, v] = run(isa, false, Terms::binary(), latents);
            for (at, y) in y.iter().enumerate() {
                let (row, o) = (at / 7, at % 7);
                let sum: i64 = (0..72)
                    .map(|i| {
                        let x = all[row * 72 + Shape::image(3, 4, 6).stored_at(i)];
                        if v[o * 72 + i] >= 0.0 { x } else { -x }
                    })
                    .sum();
                assert_eq!(*y, sum as f32);
            }
            let [y, ..] = run(isa, true, Terms::binary(), latents);
            assert!(y.iter().all(|y| y.fract() == 0.0) && y.iter().any(|y| *y != 0.0));
        }
    }

    #[test]
    fn a_lost_latent_weight_shows() {
        let lost = |v: &mut [f32]| {
            latents(v);
            v[5] = f32::NAN;
        };
        for (isa, conv) in Isa::available()
            .into_iter()
            .flat_map(|i| [(i, true), (i, false)])
        {
            let [y, ..] = run(isa, conv, Terms::binary(), lost);
            assert!(y.iter().any(|y| y.is_nan()));
        }
    }

    #[test]
    fn scale_and_bias_follow_the_whole_sum() {
        let isa = Isa::available()[0];
        let terms = Terms {
            bias: true,
            weights: Weights::Binary,
            scale: true,
        };
        for conv in [true, false] {
            let [sum, ..] = run(isa, conv, Terms::binary(), |v| fill(2, v));
            let [y, _, _, v] = run(isa, conv, terms, |v| fill(2, v));
            let (v, bias) = v.split_at(v.len() - 7);
            let each = v.len() / 7;
            for (at, (y, sum)) in y.iter().zip(&sum).enumerate() {
                let o = at % 7;
                let scale = super::super::channel_scale(&v[o * each..][..each]);
                assert_eq!(*y, sum * scale + bias[o]);
            }
        }
        let terms = Terms {
            scale: true,
            ..Terms::real(false)
        };
        let error = terms.check("fc").unwrap_err().to_string();
        assert!(
            error.starts_with("layer fc: a scale is for binary"),
            "{error}"
        );
    }
}
