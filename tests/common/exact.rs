//! A small stochastic network whose exact gradient is found by enumerating all outcomes of
//! its bits, in double precision.

use bnn_cpu::estimators::{Firing, Probability};
use bnn_cpu::kernels::select;
use bnn_cpu::layers::{Activation, Function, Linear, Weights};
use bnn_cpu::model::{LayerSpec, ModelSpec, Network, Placement};
use bnn_cpu::random::{fill_uniform, keyed};
use bnn_cpu::tape::{Mode, Noise, Units};
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::{Baseline, BaselineState};

/// The images of the batch, in turn, and their classes.
pub const IMAGES: [([u8; 3], u32); 2] = [([255, 128, 40], 1), ([10, 90, 200], 2)];
/// The slope of every unit.
pub const SLOPE: f32 = 1.5;
/// Units of the hidden layers.
pub const NETS: [&[usize]; 2] = [&[5], &[4, 3]];

/// Hidden layers of stochastic bits, then logits.
pub fn net(
    hidden: &[usize],
    estimator: &str,
    probability: Option<Probability>,
) -> Option<ModelSpec> {
    let linear = |i: usize, out| {
        LayerSpec::named(
            format!("fc{i}"),
            Linear {
                out,
                bias: true,
                weights: Weights::Real,
                scale: false,
            },
        )
    };
    let mut layers = Vec::new();
    for (i, &out) in hidden.iter().enumerate() {
        layers.push(linear(i + 1, out));
        layers.push(LayerSpec::from(Activation {
            function: Function::HardSigmoid,
        }));
    }
    layers.push(linear(hidden.len() + 1, 3));
    let mut spec = ModelSpec {
        name: "small".into(),
        input: Shape::image(1, 1, 3),
        pixels: None,
        layers,
    };
    spec.place(Placement::Both, Firing::Stochastic, estimator)
        .unwrap();
    if probability.is_some() && spec.set_probability(probability).is_err() {
        return None;
    }
    Some(spec)
}

/// Weights large enough for the bits to matter, small enough for the hard sigmoid
/// to stay on its ramp.
fn weights(hidden: &[usize], len: usize) -> Vec<f32> {
    let mut w = vec![0.0; len];
    fill_uniform(&mut keyed(&[5]), &mut w);
    w.iter_mut().for_each(|w| *w = (*w - 0.5) * 0.4);
    // The last layer's weights decide how much a bit matters.
    let last = len - 3 * (hidden[hidden.len() - 1] + 1);
    w[last..].iter_mut().for_each(|w| *w *= 6.0);
    w
}

/// The expected loss by enumeration, in double precision; weights as PyTorch has
/// them, layer after layer.
fn expected_loss(hidden: &[usize], probability: Probability, w: &[f64]) -> f64 {
    fn layer(w: &mut &[f64], x: &[f64], out: usize) -> Vec<f64> {
        let (weight, rest) = w.split_at(out * x.len());
        let (bias, rest) = rest.split_at(out);
        *w = rest;
        let row = |j: usize| -> f64 {
            let dot: f64 = weight[j * x.len()..]
                .iter()
                .zip(x)
                .map(|(w, x)| w * x)
                .sum();
            dot + bias[j]
        };
        (0..out).map(row).collect()
    }
    fn below(
        hidden: &[usize],
        probability: Probability,
        mut w: &[f64],
        x: &[f64],
        label: usize,
    ) -> f64 {
        let Some((&out, rest)) = hidden.split_first() else {
            let z = layer(&mut w, x, 3);
            let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = z.iter().map(|z| (z - max).exp()).sum();
            return sum.ln() + max - z[label];
        };
        let x = layer(&mut w, x, out);
        let p: Vec<f64> = x
            .iter()
            .map(|x| match probability {
                Probability::Sigmoid => 1.0 / (1.0 + (-f64::from(SLOPE) * x).exp()),
                Probability::HardSigmoid => ((f64::from(SLOPE) * x).clamp(-1.0, 1.0) + 1.0) / 2.0,
            })
            .collect();
        let mut total = 0.0;
        for bits in 0..1u32 << out {
            let h: Vec<f64> = (0..out).map(|i| f64::from(bits >> i & 1)).collect();
            let mass: f64 = (0..out)
                .map(|i| if h[i] > 0.5 { p[i] } else { 1.0 - p[i] })
                .product();
            if mass > 0.0 {
                total += mass * below(rest, probability, w, &h, label);
            }
        }
        total
    }
    let loss = |(pixels, label): ([u8; 3], u32)| {
        let x = pixels.map(|p| f64::from(f32::from(p) / 255.0));
        below(hidden, probability, w, &x, label as usize)
    };
    IMAGES.into_iter().map(loss).sum::<f64>() / IMAGES.len() as f64
}

/// The exact gradient: central differences of an exact function in double precision.
pub fn exact_gradient(hidden: &[usize], probability: Probability, w: &[f32]) -> Vec<f64> {
    let w: Vec<f64> = w.iter().map(|&w| f64::from(w)).collect();
    (0..w.len())
        .map(|i| {
            let at = |step: f64| {
                let mut w = w.clone();
                w[i] += step;
                expected_loss(hidden, probability, &w)
            };
            (at(1e-5) - at(-1e-5)) / 2e-5
        })
        .collect()
}

/// A network for a training step with `samples` of each of that many images, the two of
/// the batch in turn, and its weights.
pub fn ready(
    spec: &ModelSpec,
    hidden: &[usize],
    images: usize,
    samples: usize,
) -> (Network, Vec<f32>) {
    let mut net = Network::sampled(spec, select(None).unwrap(), images, samples).unwrap();
    let w = weights(hidden, net.params().values().len());
    net.params_mut().values_mut().copy_from_slice(&w);
    net.set_rows(images);
    for row in 0..images {
        let (pixels, label) = &IMAGES[row % IMAGES.len()];
        net.set_row(row, pixels, *label);
    }
    let pass = net.pass_mut();
    (pass.mode, pass.units) = (Mode::Train, Units::Sample);
    (pass.slope, pass.temperature) = (SLOPE, 0.5);
    (net, w)
}

/// One step of [`ready`]'s network: the gradient of the draws at that address.
pub fn step(net: &mut Network, state: &mut BaselineState, seed: u64, step: u64) {
    net.pass_mut().noise = Noise {
        seed,
        step,
        draw: 0,
    };
    net.forward();
    state.apply(net);
    net.backward();
}

/// A baseline for [`ready`]'s network.
pub fn baseline(kind: Baseline, net: &Network) -> BaselineState {
    BaselineState::new(kind, net.pass().engine, net, 1).unwrap()
}

/// The mean gradient of many steps, number by number, and how far it is off.
pub struct Mean {
    sum: Vec<f64>,
    squares: Vec<f64>,
    steps: usize,
}

impl Mean {
    /// Of gradients of `len` numbers.
    pub fn new(len: usize) -> Self {
        Self {
            sum: vec![0.0; len],
            squares: vec![0.0; len],
            steps: 0,
        }
    }

    /// Adds the gradient of a step.
    pub fn add(&mut self, gradient: &[f32]) {
        self.steps += 1;
        for (i, &g) in gradient.iter().enumerate() {
            self.sum[i] += f64::from(g);
            self.squares[i] += f64::from(g).powi(2);
        }
    }

    /// How many standard errors it is off, at worst, and the largest bias as a share of
    /// the largest exact gradient.
    pub fn worst(&self, exact: &[f64]) -> (f64, f64) {
        let n = self.steps as f64;
        let size = exact.iter().fold(0.0f64, |m, g| m.max(g.abs()));
        assert!(size > 0.05, "a gradient of {size} tests nothing");
        let (mut far, mut bias) = (0.0f64, 0.0f64);
        for (i, exact) in exact.iter().enumerate() {
            let mean = self.sum[i] / n;
            let variance = (self.squares[i] / n - mean * mean).max(0.0) * n / (n - 1.0);
            // The floor is rounding: gradients are sums in single precision.
            let error = (variance / n).sqrt().max(2e-6);
            far = far.max((mean - exact).abs() / error);
            bias = bias.max((mean - exact).abs() / size);
        }
        (far, bias)
    }
}
