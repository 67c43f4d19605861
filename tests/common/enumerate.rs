//! The exact gradient of any small network with stochastic bits: its expected loss by
//! enumeration in double precision, written without the engine, and central differences
//! of that.

use bnn_cpu::estimators::Probability;
use bnn_cpu::layers::{
    Activation, Add, BernoulliNll, Binary, Concat, CrossEntropy, Flatten, Function, KlBernoulli,
    LayerSpec, Levels, Linear, WeightedSum,
};
use bnn_cpu::model::{ModelSpec, Source};

/// One image: its numbers and its class.
pub struct Image {
    pub x: Vec<f64>,
    pub label: usize,
}

/// The expected loss over the images.
pub fn expected_loss(spec: &ModelSpec, slope: f64, w: &[f64], images: &[Image]) -> f64 {
    let net = Net {
        spec,
        slope,
        sources: spec.topology().unwrap().inputs,
    };
    let of = |image: &Image| net.from(0, w, &mut Vec::new(), image);
    images.iter().map(of).sum::<f64>() / images.len() as f64
}

/// The gradient of [`expected_loss`].
pub fn exact_gradient(spec: &ModelSpec, slope: f64, w: &[f32], images: &[Image]) -> Vec<f64> {
    let w: Vec<f64> = w.iter().map(|&w| f64::from(w)).collect();
    let at = |i: usize, step: f64| {
        let mut w = w.clone();
        w[i] += step;
        expected_loss(spec, slope, &w, images)
    };
    (0..w.len())
        .map(|i| (at(i, 1e-5) - at(i, -1e-5)) / 2e-5)
        .collect()
}

struct Net<'a> {
    spec: &'a ModelSpec,
    slope: f64,
    sources: Vec<Vec<Source>>,
}

impl Net<'_> {
    /// The expected loss given the outputs of the layers before layer `i`; `w` are the
    /// weights of the layers from `i` on.
    fn from(&self, i: usize, w: &[f64], done: &mut Vec<Vec<f64>>, image: &Image) -> f64 {
        let Some(layer) = self.spec.layers.get(i) else {
            let last = done.last().unwrap();
            return match self.spec.layers[i - 1].layer().is_loss() {
                true => last[0],
                false => cross_entropy(last, image.label),
            };
        };
        let inputs: Vec<&[f64]> = self.sources[i]
            .iter()
            .map(|source| match source {
                Source::Input => &image.x[..],
                Source::Layer(j) => &done[*j][..],
            })
            .collect();
        if let Some(unit) = layer.get::<Binary>() {
            let p: Vec<f64> = inputs[0]
                .iter()
                .map(|&x| self.probability(unit, x))
                .collect();
            let mut total = 0.0;
            for outcome in 0..1u32 << p.len() {
                let h: Vec<f64> = (0..p.len()).map(|k| f64::from(outcome >> k & 1)).collect();
                let level = |h: &f64| match unit.levels {
                    Levels::Bits => *h,
                    Levels::Signs => {
                        if *h > 0.5 {
                            1.0
                        } else {
                            -1.0
                        }
                    }
                };
                let bits = p.iter().zip(&h);
                let probability: f64 = bits.map(|(p, h)| h * p + (1.0 - h) * (1.0 - p)).product();
                if probability > 0.0 {
                    done.push(h.iter().map(level).collect());
                    total += probability * self.from(i + 1, w, done, image);
                    done.pop();
                }
            }
            return total;
        }
        let (y, used) = self.apply(layer, &inputs, w, image);
        done.push(y);
        let loss = self.from(i + 1, &w[used..], done, image);
        done.pop();
        loss
    }

    fn probability(&self, unit: &Binary, x: f64) -> f64 {
        match unit.rule().unwrap().probability() {
            Probability::Sigmoid => sigmoid(self.slope * x),
            Probability::HardSigmoid => ((self.slope * x).clamp(-1.0, 1.0) + 1.0) / 2.0,
        }
    }

    /// The output of a layer that samples nothing, and how many weights it has.
    fn apply(
        &self,
        layer: &LayerSpec,
        x: &[&[f64]],
        w: &[f64],
        image: &Image,
    ) -> (Vec<f64>, usize) {
        let slope = self.slope;
        if let Some(linear) = layer.get::<Linear>() {
            let (out, depth) = (linear.out, x[0].len());
            let row = |j: usize| -> f64 {
                let weights = w[j * depth..][..depth].iter();
                weights.zip(x[0]).map(|(w, x)| w * x).sum::<f64>() + w[out * depth + j]
            };
            return ((0..out).map(row).collect(), out * (depth + 1));
        }
        let y = if layer.is::<Add>() {
            (0..x[0].len())
                .map(|k| x.iter().map(|x| x[k]).sum())
                .collect()
        } else if layer.is::<Concat>() {
            x.concat()
        } else if layer.is::<Flatten>() {
            // Images here have one row and one channel.
            x[0].to_vec()
        } else if layer.get()
            == Some(
                &(Activation {
                    function: Function::Sigmoid,
                }),
            )
        {
            x[0].iter().map(|x| sigmoid(slope * x)).collect()
        } else if layer.is::<CrossEntropy>() {
            vec![cross_entropy(x[0], image.label)]
        } else if layer.is::<BernoulliNll>() {
            let one = |(z, t): (&f64, &f64)| (1.0 + z.exp()).ln() - t * z;
            vec![x[0].iter().zip(x[1]).map(one).sum()]
        } else if layer.is::<KlBernoulli>() {
            let one = |x: &f64| {
                let q = sigmoid(slope * x);
                q * (2.0 * q).ln() + (1.0 - q) * (2.0 - 2.0 * q).ln()
            };
            vec![x[0].iter().map(one).sum()]
        } else if let Some(sum) = layer.get::<WeightedSum>() {
            let terms = sum.weights.iter().zip(x);
            vec![terms.map(|(w, x)| f64::from(*w) * x[0]).sum()]
        } else {
            panic!("no formula is written for {}", layer.label());
        };
        (y, 0)
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn cross_entropy(z: &[f64], label: usize) -> f64 {
    let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    z.iter().map(|z| (z - max).exp()).sum::<f64>().ln() + max - z[label]
}
