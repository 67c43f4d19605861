//! The moments of estimators on a small net of logistic bits, in double precision from their
//! formulas: sums over all outcomes and integrals over the noise, nothing of the engine's.

use super::exact::{IMAGES, SLOPE};

/// The slope in double precision.
const A: f64 = SLOPE as f64;

/// Layers of bits under three logits, as [`super::exact::net`] has them.
pub struct Small {
    pub hidden: Vec<usize>,
    pub w: Vec<f64>,
}

/// One sample of an image: for each layer of bits its input, probabilities and bits, the
/// loss, and the gradient of each layer's bits.
pub struct Sample {
    pub inputs: Vec<Vec<f64>>,
    pub p: Vec<Vec<f64>>,
    pub h: Vec<Vec<f64>>,
    pub loss: f64,
    pub grads: Vec<Vec<f64>>,
    pub probability: f64,
}

pub fn fires(x: f64) -> f64 {
    1.0 / (1.0 + (-A * x).exp())
}

/// `d log P(h)/dx` and `p'`
pub fn score(p: f64, h: f64) -> f64 {
    A * (h - p)
}

pub fn derivative(p: f64) -> f64 {
    A * p * (1.0 - p)
}

impl Small {
    pub fn new(hidden: &[usize], w: &[f32]) -> Self {
        let w = w.iter().map(|&w| f64::from(w)).collect();
        let hidden = hidden.to_vec();
        Self { hidden, w }
    }

    /// Rows of the weights of a linear layer, its biases, and where it begins.
    fn linear(&self, layer: usize) -> (&[f64], &[f64], usize, usize) {
        let mut from = 0;
        let mut width = 3;
        for (i, &out) in self.hidden.iter().chain([&3]).enumerate() {
            let weights = out * width;
            if i == layer {
                let (w, rest) = self.w[from..].split_at(weights);
                return (w, &rest[..out], from, width);
            }
            from += weights + out;
            width = out;
        }
        panic!("no layer {layer}")
    }

    fn forward(&self, layer: usize, x: &[f64]) -> Vec<f64> {
        let (w, b, _, width) = self.linear(layer);
        let dot = |j: usize| (0..width).map(|i| w[j * width + i] * x[i]).sum::<f64>();
        (0..b.len()).map(|j| b[j] + dot(j)).collect()
    }

    fn backward(&self, layer: usize, dy: &[f64]) -> Vec<f64> {
        let (w, _, _, width) = self.linear(layer);
        let column = |i: usize| (0..dy.len()).map(|j| w[j * width + i] * dy[j]).sum::<f64>();
        (0..width).map(column).collect()
    }

    /// The loss above the values `h` of the last layer of bits, and its gradient there.
    pub fn top(&self, h: &[f64], label: usize) -> (f64, Vec<f64>) {
        let z = self.forward(self.hidden.len(), h);
        let sum: f64 = z.iter().map(|z| z.exp()).sum();
        let dz: Vec<f64> = (0..3)
            .map(|c| z[c].exp() / sum - f64::from(u8::from(c == label)))
            .collect();
        (sum.ln() - z[label], self.backward(self.hidden.len(), &dz))
    }

    /// The loss above the values `m` of a layer where the layers above emit their means, and
    /// its gradient there.
    pub fn mean_field(&self, layer: usize, m: &[f64], label: usize) -> (f64, Vec<f64>) {
        if layer + 1 == self.hidden.len() {
            return self.top(m, label);
        }
        let x = self.forward(layer + 1, m);
        let p: Vec<f64> = x.iter().map(|&x| fires(x)).collect();
        let (loss, grad) = self.mean_field(layer + 1, &p, label);
        let dx: Vec<f64> = (0..p.len()).map(|i| grad[i] * derivative(p[i])).collect();
        (loss, self.backward(layer + 1, &dx))
    }

    pub fn pixels(image: usize) -> Vec<f64> {
        IMAGES[image]
            .0
            .iter()
            .map(|&p| f64::from(f32::from(p) / 255.0))
            .collect()
    }

    pub fn label(image: usize) -> usize {
        IMAGES[image].1 as usize
    }

    /// The sample whose bits `bit(layer, unit, probability)` decides.
    pub fn sample(&self, image: usize, bit: impl Fn(usize, usize, f64) -> bool) -> Sample {
        let mut x = Self::pixels(image);
        let (mut inputs, mut ps, mut hs) = (Vec::new(), Vec::new(), Vec::new());
        let mut probability = 1.0;
        for layer in 0..self.hidden.len() {
            let p: Vec<f64> = self.forward(layer, &x).into_iter().map(fires).collect();
            let h: Vec<f64> = (0..p.len())
                .map(|i| f64::from(u8::from(bit(layer, i, p[i]))))
                .collect();
            for (p, h) in p.iter().zip(&h) {
                probability *= if *h > 0.5 { *p } else { 1.0 - p };
            }
            inputs.push(std::mem::replace(&mut x, h.clone()));
            ps.push(p);
            hs.push(h);
        }
        let (loss, top) = self.top(&x, Self::label(image));
        // Layers of bits pass gradients on as straight-through units do.
        let mut grads = vec![top];
        for layer in (1..self.hidden.len()).rev() {
            let above = &grads[grads.len() - 1];
            let dx: Vec<f64> = above
                .iter()
                .zip(&ps[layer])
                .map(|(g, &p)| g * derivative(p))
                .collect();
            grads.push(self.backward(layer, &dx));
        }
        grads.reverse();
        Sample {
            inputs,
            p: ps,
            h: hs,
            loss,
            grads,
            probability,
        }
    }

    /// Every outcome of the bits.
    pub fn outcomes(&self, image: usize) -> Vec<Sample> {
        let bits: usize = self.hidden.iter().sum();
        (0..1usize << bits)
            .map(|outcome| {
                self.sample(image, |layer, i, _| {
                    let below: usize = self.hidden[..layer].iter().sum();
                    outcome >> (below + i) & 1 == 1
                })
            })
            .collect()
    }

    /// The parameters of the layer that feeds a layer of bits.
    pub fn span(&self, layer: usize) -> std::ops::Range<usize> {
        let (w, b, from, _) = self.linear(layer);
        from..from + w.len() + b.len()
    }

    /// Adds what `dx` of a sample's layer gives to those parameters: weights, then biases.
    pub fn gradient(sample: &Sample, layer: usize, dx: &[f64], into: &mut [f64]) {
        let x = &sample.inputs[layer];
        for (j, dx) in dx.iter().enumerate() {
            for (i, x) in x.iter().enumerate() {
                into[j * x_len(sample, layer) + i] += dx * x;
            }
            into[dx_len(sample, layer) * x_len(sample, layer) + j] += dx;
        }
    }
}

fn x_len(sample: &Sample, layer: usize) -> usize {
    sample.inputs[layer].len()
}

fn dx_len(sample: &Sample, layer: usize) -> usize {
    sample.p[layer].len()
}

/// Σ of the variances of parameters, out of weighted draws of their gradient.
#[derive(Default)]
pub struct Spread {
    mean: Vec<f64>,
    square: f64,
    weight: f64,
}

impl Spread {
    pub fn add(&mut self, weight: f64, g: &[f64]) {
        self.mean.resize(g.len(), 0.0);
        for (mean, g) in self.mean.iter_mut().zip(g) {
            *mean += weight * g;
        }
        self.square += weight * g.iter().map(|g| g * g).sum::<f64>();
        self.weight += weight;
    }

    /// The variance; the weights must be probabilities.
    pub fn variance(&self) -> f64 {
        assert!(
            (self.weight - 1.0).abs() < 1e-6,
            "weights of {}",
            self.weight
        );
        self.square - self.mean.iter().map(|m| m * m).sum::<f64>()
    }
}

/// Nodes and weights of Gauss and Legendre's rule on (0, 1).
pub fn gauss(n: usize) -> Vec<(f64, f64)> {
    (0..n)
        .map(|i| {
            let mut x = (std::f64::consts::PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..50 {
                let (mut p, mut before) = (1.0, 0.0);
                for k in 0..n {
                    let k = k as f64;
                    (p, before) = (((2.0 * k + 1.0) * x * p - k * before) / (k + 1.0), p);
                }
                slope = n as f64 * (x * p - before) / (x * x - 1.0);
                x -= p / slope;
            }
            ((x + 1.0) / 2.0, 1.0 / ((1.0 - x * x) * slope * slope))
        })
        .collect()
}
