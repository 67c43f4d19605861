//! Random nets with binary units, for packing: chains here, graphs in `graphs`; every pool order, word and tail
//! boundaries, gammas of every sign and zero, and means that make ties.

use bnn_cpu::estimators::Firing;
use bnn_cpu::kernels::Engine;
use bnn_cpu::layers::{
    Activation, BatchNorm, Binary, Conv, Function, Levels, Linear, MaxPool, Sides, Weights,
};
use bnn_cpu::model::{LayerSpec, ModelSpec, Network, Pixels};
use bnn_cpu::random::{below, between, keyed};
use bnn_cpu::tape::{Mode, Units};
use bnn_cpu::tensor::Shape;
use rand_xoshiro::Xoshiro256PlusPlus;

/// What the weights of a random net are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mix {
    /// Binary everywhere.
    Binary,
    /// Real everywhere.
    Real,
    /// Either, layer by layer.
    Either,
}

pub struct RandomNet {
    rng: Xoshiro256PlusPlus,
    names: usize,
    firing: Firing,
}

impl RandomNet {
    pub fn new(seed: u64, firing: Firing) -> Self {
        Self {
            rng: keyed(&[0x6e65_7473, seed]),
            names: 0,
            firing,
        }
    }

    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[below(&mut self.rng, choices.len() as u64) as usize]
    }

    /// How its units fire.
    pub fn firing(&self) -> Firing {
        self.firing
    }

    /// The next names are those of the first layers again.
    pub fn forget_names(&mut self) {
        self.names = 0;
    }

    pub fn name(&mut self) -> String {
        self.names += 1;
        format!("l{}", self.names)
    }

    pub fn weights(&mut self, mix: Mix) -> (Weights, bool) {
        let binary = match mix {
            Mix::Binary => true,
            Mix::Real => false,
            Mix::Either => self.one_of(&[true, false]),
        };
        match binary {
            true => (Weights::Binary, self.one_of(&[true, false])),
            false => (Weights::Real, false),
        }
    }

    pub fn batch_norm(&self) -> BatchNorm {
        BatchNorm {
            eps: 1e-5,
            momentum: 0.1,
            statistics: bnn_cpu::layers::Statistics::Batch,
        }
    }

    fn norm(&mut self) -> LayerSpec {
        LayerSpec::named(self.name(), self.batch_norm())
    }

    /// A chain where the number is even, else a graph.
    pub fn either(&mut self, number: u64, mix: Mix) -> ModelSpec {
        match number % 2 {
            0 => self.spec(mix),
            _ => self.graph(mix),
        }
    }

    /// Gives units levels, convolutions borders and channels means and deviations of their
    /// own, drawn by the number and apart from all else; every fourth net keeps 0 and 1,
    /// zeros and one mean.
    pub fn levels(spec: &mut ModelSpec, number: u64) {
        let mut rng = keyed(&[0x6c65_7665, number]);
        if number.is_multiple_of(4) {
            return;
        }
        let channels = spec.input.channels;
        if channels > 1 && matches!(spec.pixels, Some(Pixels::Normalised(_))) {
            let mut draw = |low, high| {
                (0..channels)
                    .map(|_| between(&mut rng, low, high))
                    .collect()
            };
            spec.pixels = Some(Pixels::normalised_each(draw(0.0, 1.0), draw(0.1, 0.5)));
        }
        // All units of signs, or each of its own; one border, or each of its own.
        let all = below(&mut rng, 2) == 0;
        let border = [0, 0, -1, 1, 2][below(&mut rng, 5) as usize];
        for layer in &mut spec.layers {
            let signs = all || below(&mut rng, 2) == 0;
            let own = below(&mut rng, 3) as i8 - 1;
            layer.update::<Binary>(|unit| {
                unit.levels = if signs { Levels::Signs } else { Levels::Bits };
            });
            layer.update::<Conv>(|conv| conv.border = if border == 2 { own } else { border });
        }
    }

    /// Gives every third chain convolutions in groups where channels allow it and bits are read: as
    /// many as there can be, or two. Returns whether there are any.
    pub fn groups(spec: &mut ModelSpec, number: u64) -> bool {
        let (mut channels, mut bits, mut any) = (spec.input.channels, false, false);
        if !number.is_multiple_of(3) {
            return false;
        }
        for layer in &mut spec.layers {
            bits |= layer.layer().kind() == "binary";
            layer.update::<Conv>(|conv| {
                let fits = |g: &usize| channels.is_multiple_of(*g) && conv.out.is_multiple_of(*g);
                let most = (1..=channels).rev().find(fits);
                let two = number.is_multiple_of(2).then_some(2).filter(fits);
                if bits && conv.weights == Weights::Binary {
                    conv.groups = two.or(most).unwrap_or(1);
                }
                any |= conv.groups > 1;
                channels = conv.out;
            });
        }
        any
    }

    /// A spec of one to three convolutions and one or two linear layers.
    pub fn spec(&mut self, mix: Mix) -> ModelSpec {
        loop {
            let spec = self.attempt(mix);
            if spec.check().is_ok() {
                return spec;
            }
        }
    }

    fn attempt(&mut self, mix: Mix) -> ModelSpec {
        self.names = 0;
        let side = |net: &mut Self| net.one_of(&[5, 7, 8, 11, 14, 17, 28, 33]);
        let input = Shape::image(self.one_of(&[1, 1, 1, 2, 3]), side(self), side(self));
        let mut layers = Vec::new();
        let mut first_binary = None;
        for _ in 0..self.one_of(&[0, 1, 2, 2, 2, 3]) {
            let (weights, scale) = self.weights(mix);
            first_binary.get_or_insert(weights == Weights::Binary);
            let kernel = self.one_of(&[1, 2, 3, 3, 5, 5, 7]);
            layers.push(LayerSpec::named(
                self.name(),
                Conv {
                    out: self.one_of(&[1, 3, 4, 5, 8, 16, 17, 24, 32, 65]),
                    stride: Sides::both(self.one_of(&[1, 1, 1, 2, 3])),
                    padding: Sides::both(below(&mut self.rng, kernel as u64) as usize),
                    bias: self.one_of(&[true, false]),
                    weights,
                    scale,
                    ..Conv::new(1, kernel)
                },
            ));
            self.tail(&mut layers, true);
        }
        for last in [false, true] {
            if !last && self.one_of(&[true, false]) {
                continue;
            }
            let (weights, scale) = self.weights(mix);
            first_binary.get_or_insert(weights == Weights::Binary);
            layers.push(LayerSpec::named(
                self.name(),
                Linear {
                    out: self.one_of(&[2, 10, 33, 70]),
                    bias: self.one_of(&[true, false]),
                    weights,
                    scale,
                },
            ));
            match last {
                false => self.tail(&mut layers, false),
                true if self.one_of(&[true, false]) => layers.push(self.norm()),
                true => {}
            }
        }
        ModelSpec {
            name: "random".into(),
            input,
            pixels: match first_binary {
                Some(true) => None,
                _ => Some(Pixels::normalised(0.1307, 0.3081)),
            },
            layers,
        }
    }

    /// Batch norm, pool, perhaps an activation, and the unit, in any sound order.
    fn tail(&mut self, layers: &mut Vec<LayerSpec>, pools: bool) {
        let (kernel, stride) = self.one_of(&[(2, None), (2, None), (3, Some(2)), (2, Some(1))]);
        let (kernel, stride) = (Sides::both(kernel), stride.map(Sides::both));
        let pool = LayerSpec::from(MaxPool { kernel, stride });
        let norm = self.norm();
        let unit = LayerSpec::from(Binary::new(self.firing, "st"));
        let function = LayerSpec::from(Activation {
            function: self.one_of(&[Function::Relu, Function::HardSigmoid, Function::Sigmoid]),
        });
        let order = if pools {
            below(&mut self.rng, 7)
        } else {
            below(&mut self.rng, 2)
        };
        layers.extend(match order {
            0 => vec![norm, unit],
            1 => vec![unit],
            2 => vec![norm, pool, unit],
            3 => vec![pool, norm, unit],
            4 => vec![norm, unit, pool],
            5 => vec![pool.clone(), norm, pool, unit],
            _ => vec![norm, pool, function, self.norm(), unit],
        });
    }

    /// The net, with weights, statistics and gammas that try everything.
    pub fn net(&mut self, spec: &ModelSpec, engine: Engine, batch: usize) -> Network {
        let mut net = Network::new(spec, engine, batch, false).expect("the spec is sound");
        let params = net.params_mut();
        let entries = params.entries().to_vec();
        for entry in &entries {
            let norm = entry.shape.len() == 1
                && !entries.iter().any(|e| {
                    e.shape.len() > 1 && e.name.split('.').next() == entry.name.split('.').next()
                });
            let gamma = norm && entry.name.ends_with("weight");
            let whole = norm && entry.name.ends_with("bias");
            for i in entry.span.clone() {
                let x = between(&mut self.rng, -1.0, 1.0);
                params.values_mut()[i] = match (gamma, whole) {
                    (true, _) => self.one_of(&[x, x, x, -0.5, 0.5, 0.0, 1.0]),
                    (_, true) => self.one_of(&[x, 0.0]),
                    _ => self.one_of(&[x, x, x, 0.5, -0.25, 0.0]),
                };
            }
        }
        let entries = params.buffer_entries().to_vec();
        for entry in &entries {
            for i in entry.span.clone() {
                let x = between(&mut self.rng, -40.0, 40.0);
                params.buffer_values_mut()[i] = match entry.name.ends_with("running_var") {
                    true => x.abs() * self.one_of(&[1.0, 100.0]) + 0.01,
                    // Whole means make ties.
                    false => self.one_of(&[x.round(), x.round(), x, x * 0.05, 0.0]),
                };
            }
        }
        let pass = net.pass_mut();
        pass.mode = Mode::Eval;
        pass.units = Units::Threshold;
        net
    }

    /// An image: noise, flat, or a digit's two-tone look.
    pub fn image(&mut self, len: usize) -> Vec<u8> {
        match below(&mut self.rng, 4) {
            0 => vec![self.one_of(&[0, 255, 7]); len],
            1 => (0..len)
                .map(|_| self.one_of(&[0, 0, 0, 255, 128]))
                .collect(),
            _ => (0..len).map(|_| below(&mut self.rng, 256) as u8).collect(),
        }
    }
}
