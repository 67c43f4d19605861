//! Optimisers of a program's own training loop.

use crate::error::Result;
use crate::model::Network;
use crate::train::{Optimiser, OptimiserSpec};

/// An optimiser, which turns gradients into new weights.
pub trait Optimise {
    /// Takes one step with the gradients that the network holds.
    fn step(&mut self, net: &mut Network);
}

/// An optimiser with a learning rate; its state begins with its first step.
struct Running {
    spec: OptimiserSpec,
    state: Option<Optimiser>,
    steps: u64,
}

impl Running {
    fn new(spec: OptimiserSpec) -> Self {
        Self {
            spec,
            state: None,
            steps: 0,
        }
    }

    fn step(&mut self, lr: f64, net: &mut Network) {
        self.steps += 1;
        let len = net.params().values().len();
        let state = self
            .state
            .get_or_insert_with(|| Optimiser::new(self.spec, len));
        let ew = &net.pass().engine.kernels.ew;
        let (values, grads) = net.params_mut().values_and_grads();
        state.step(ew, lr, self.steps, values, grads);
        net.params_mut().clip_latents();
    }
}

/// Adam (Kingma and Ba, arXiv 1412.6980) with PyTorch's settings.
pub struct Adam {
    /// The learning rate, which may be changed between steps.
    pub lr: f64,
    running: Running,
}

impl Adam {
    /// Adam with that learning rate, and PyTorch's defaults for everything else.
    pub fn new(lr: f64) -> Self {
        let spec = OptimiserSpec::Adam {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
        };
        Self {
            lr,
            running: Running::new(spec),
        }
    }
}

impl Optimise for Adam {
    fn step(&mut self, net: &mut Network) {
        self.running.step(self.lr, net);
    }
}

/// An optimiser as a configuration states it: any of [`OptimiserSpec::ALL`], with any settings.
pub struct Stated {
    /// The learning rate, which may be changed between steps.
    pub lr: f64,
    running: Running,
}

impl Stated {
    /// That optimiser with that learning rate.
    ///
    /// # Errors
    /// A setting that is impossible.
    pub fn new(spec: OptimiserSpec, lr: f64) -> Result<Self> {
        spec.check()?;
        Ok(Self {
            lr,
            running: Running::new(spec),
        })
    }
}

impl Optimise for Stated {
    fn step(&mut self, net: &mut Network) {
        self.running.step(self.lr, net);
    }
}

/// Stochastic gradient descent with momentum, in PyTorch's form: `b = μb + g`, `w -= lr·b`.
pub struct Sgd {
    /// The learning rate, which may be changed between steps.
    pub lr: f64,
    running: Running,
}

impl Sgd {
    /// Gradient descent with that learning rate and momentum.
    pub fn new(lr: f64, momentum: f32) -> Self {
        let spec = OptimiserSpec::Sgd {
            momentum,
            nesterov: false,
            weight_decay: 0.0,
        };
        Self {
            lr,
            running: Running::new(spec),
        }
    }
}

impl Optimise for Sgd {
    fn step(&mut self, net: &mut Network) {
        self.running.step(self.lr, net);
    }
}
