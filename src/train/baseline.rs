//! [`Baseline`]: what a score-function estimator expects of a loss.

use serde::{Deserialize, Serialize};

use super::optimiser::{Optimiser, OptimiserSpec};
use crate::error::Result;
use crate::kernels::Engine;
use crate::layers::{ActivationOp, Function, LinearOp, Terms};
use crate::model::{Init, Network};
use crate::tape::{Tape, Value};
use crate::tensor::Shape;

/// Baselines: what a score-function estimator expects of a row's loss, so that only
/// the surprise is credited to its bits.
///
/// ```text
/// none   0
/// batch  the mean loss of the batch's other rows
/// ema    a moving average of the batches before
/// nvil   the same average, and a small network of image and label that predicts
///        what is left: inputs + classes -> 64, ReLU -> 1, least squares, Adam 0.001
/// loo    the mean loss of the image's other samples
/// ```
///
/// None depends on the row's own bits, so none biases the gradient: the mean of the
/// whole batch, the row itself included, would shrink it by 1 - 1/N. Where rows are
/// not kept apart (batch statistics above the bits) that holds approximately. NVIL's
/// division by the deviation of the signal rescales the gradient and is left out.
///
/// Source: Mnih and Gregor (arXiv 1402.0030); Kool et al. 2019 (leave-one-out).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Baseline {
    /// No baseline: the whole loss is credited to the bits.
    #[default]
    None,
    /// The mean loss of the batch's other rows.
    Batch,
    /// A moving average of the losses of earlier batches.
    Ema,
    /// That average, and a small network's prediction of what is left.
    Nvil,
    /// The mean loss of the image's other samples (leave one out).
    Loo,
}

impl Baseline {
    /// Every baseline.
    pub const ALL: [Baseline; 5] = [
        Baseline::None,
        Baseline::Batch,
        Baseline::Ema,
        Baseline::Nvil,
        Baseline::Loo,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Baseline::None => "none",
            Baseline::Batch => "batch",
            Baseline::Ema => "ema",
            Baseline::Nvil => "nvil",
            Baseline::Loo => "loo",
        }
    }
}

/// Weight of a batch in the moving average.
const NEW: f64 = 0.1;

/// A baseline and what it has learned.
pub struct BaselineState {
    kind: Baseline,
    /// The moving average, and the weight of the batches in it.
    average: f64,
    weight: f64,
    net: Option<Predictor>,
}

/// NVIL's network.
struct Predictor {
    tape: Tape,
    input: Value,
    output: Value,
    optimiser: Optimiser,
    steps: u64,
}

const HIDDEN: usize = 64;

impl Predictor {
    fn new(engine: Engine, network: &Network, seed: u64) -> Result<Self> {
        let inputs = network.spec().input.len() + network.classes();
        let mut tape = Tape::new(engine, network.capacity());
        let input = tape.input(Shape::vector(inputs), false);
        let hidden = LinearOp::record(&mut tape, "baseline1", input, HIDDEN, Terms::real(true))?;
        let hidden = ActivationOp::record(&mut tape, hidden, Function::Relu);
        let output = LinearOp::record(&mut tape, "baseline2", hidden, 1, Terms::real(true))?;
        tape.seal(true);
        // A seed of its own, so that it shares no weight with the network.
        Init::Pytorch.apply(&mut tape.params, seed ^ 0xBA5E_11FE);
        let adam = OptimiserSpec::Adam {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
        };
        let optimiser = Optimiser::new(adam, tape.params.values().len());
        Ok(Self {
            tape,
            input,
            output,
            optimiser,
            steps: 0,
        })
    }

    /// Predicts from the network's images and labels.
    fn predict(&mut self, network: &Network) {
        let (pixels, classes) = (network.spec().input.len(), network.classes());
        let images = network.pass().group.images;
        self.tape.set_rows(images);
        let rows = self.tape.value_mut(self.input);
        let rows = rows.chunks_exact_mut(pixels + classes);
        for (n, (row, image)) in rows.zip(network.input().chunks_exact(pixels)).enumerate() {
            row[..pixels].copy_from_slice(image);
            row[pixels..].fill(0.0);
            row[pixels + network.batch().labels[n] as usize] = 1.0;
        }
        self.tape.forward();
    }

    /// One step towards the targets, one an image.
    fn learn(&mut self, target: impl Fn(usize) -> f64) {
        self.tape.params.grads_mut().fill(0.0);
        let predicted = self.tape.value(self.output);
        let n = predicted.len() as f64;
        let errors = predicted.iter().enumerate();
        let errors: Vec<f32> = errors
            .map(|(i, &y)| (2.0 * (f64::from(y) - target(i)) / n) as f32)
            .collect();
        self.tape
            .backward_from(self.output, |grad| grad.copy_from_slice(&errors));
        self.steps += 1;
        let ew = &self.tape.pass.engine.kernels.ew;
        let (values, grads) = self.tape.params.values_and_grads();
        self.optimiser.step(ew, 1e-3, self.steps, values, grads);
    }
}

impl BaselineState {
    /// A baseline that has learned nothing.
    ///
    /// # Errors
    /// A network too large to predict for.
    pub fn new(kind: Baseline, engine: Engine, network: &Network, seed: u64) -> Result<Self> {
        let net = match kind {
            Baseline::Nvil => Some(Predictor::new(engine, network, seed)?),
            _ => None,
        };
        Ok(Self {
            kind,
            average: 0.0,
            weight: 0.0,
            net,
        })
    }

    /// Sets the baselines of the network's last forward pass, then learns from it.
    pub fn apply(&mut self, network: &mut Network) {
        let group = network.pass().group;
        let (images, primary) = (group.images, group.primary());
        let losses = &network.signals().losses[..primary];
        let sum = network.pass().samples().sum(|row| f64::from(losses[row]));
        let expected = if self.weight > 0.0 {
            self.average / self.weight
        } else {
            0.0
        };
        if let Some(net) = &mut self.net {
            network.gather_input();
            net.predict(network);
        }
        let mut baselines = std::mem::take(&mut network.signals_mut().baselines);
        let losses = &network.signals().losses[..primary];
        let loss = |row: usize| f64::from(losses[row]);
        let of_image = |n: usize| (n..primary).step_by(images).map(loss).sum::<f64>();
        for (row, baseline) in baselines[..primary].iter_mut().enumerate() {
            *baseline = match self.kind {
                Baseline::None => 0.0,
                Baseline::Batch if primary < 2 => 0.0,
                Baseline::Batch => (sum - loss(row)) / (primary - 1) as f64,
                Baseline::Ema => expected,
                Baseline::Nvil => {
                    let said = self.net.as_ref().map(|net| net.tape.value(net.output));
                    expected + said.map_or(0.0, |said| f64::from(said[row % images]))
                }
                Baseline::Loo if group.samples < 2 => 0.0,
                Baseline::Loo => (of_image(row % images) - loss(row)) / (group.samples - 1) as f64,
            } as f32;
        }
        let means: Vec<f64> = match &self.net {
            Some(_) => (0..images)
                .map(|n| of_image(n) / group.samples as f64 - expected)
                .collect(),
            None => Vec::new(),
        };
        network.signals_mut().baselines = baselines;
        if let Some(net) = &mut self.net {
            net.learn(|n| means[n]);
        }
        self.average = (1.0 - NEW) * self.average + NEW * sum / primary as f64;
        self.weight = (1.0 - NEW) * self.weight + NEW;
    }

    /// What the baseline has learned, for a checkpoint.
    pub fn state(&self) -> Vec<Vec<f32>> {
        let mut state = vec![split(self.average), split(self.weight)];
        if let Some(net) = &self.net {
            state.push(net.tape.params.values().to_vec());
            state.extend(net.optimiser.state().iter().cloned());
            state.push(vec![net.steps as f32]);
        }
        state
    }

    /// Puts back what [`Self::state`] gave, and returns whether it is of this kind of
    /// baseline.
    pub fn restore(&mut self, state: &[Vec<f32>]) -> bool {
        let now = self.state();
        let fits =
            now.len() == state.len() && now.iter().zip(state).all(|(a, b)| a.len() == b.len());
        if !fits {
            return false;
        }
        self.average = joined(&state[0]);
        self.weight = joined(&state[1]);
        if let Some(net) = &mut self.net {
            net.tape.params.values_mut().copy_from_slice(&state[2]);
            for (to, from) in net.optimiser.state_mut().iter_mut().zip(&state[3..]) {
                to.copy_from_slice(from);
            }
            net.steps = state.last().map_or(0, |last| last[0] as u64);
        }
        true
    }
}

/// A double as three floats that add up to it exactly.
fn split(x: f64) -> Vec<f32> {
    let high = x as f32;
    let rest = x - f64::from(high);
    let middle = rest as f32;
    vec![high, middle, (rest - f64::from(middle)) as f32]
}

fn joined(parts: &[f32]) -> f64 {
    // From the smallest: every partial sum is a prefix of the double's bits.
    f64::from(parts[0]) + (f64::from(parts[1]) + f64::from(parts[2]))
}
