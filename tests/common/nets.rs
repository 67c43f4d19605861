//! Small nets and data, and a training step as the reference protocol takes it.

use bnn_cpu::data::Split;
use bnn_cpu::estimators::Firing;
use bnn_cpu::kernels::Engine;
use bnn_cpu::layers::{
    Activation, BatchNorm, Binary, Conv, Function, Linear, MaxPool, Sides, Weights,
};
use bnn_cpu::model::{Init, LayerSpec, ModelSpec, Network, Pixels, Placement, preset};
use bnn_cpu::tape::{Mode, Noise, Units};
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::{Optimiser, OptimiserSpec};

/// The literature's normalisation of MNIST, for every net here.
pub const PIXELS: Pixels = Pixels::normalised(0.1307, 0.3081);

/// Momentum 0.9, as the reference protocol has it.
pub const SGD: OptimiserSpec = OptimiserSpec::Sgd {
    momentum: 0.9,
    nesterov: false,
    weight_decay: 0.0,
};

/// Adam with PyTorch's defaults.
pub const ADAM: OptimiserSpec = OptimiserSpec::Adam {
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    weight_decay: 0.0,
};

/// A preset for 28x28 digits with straight-through units where `placement` says.
pub fn digits_net(name: &str, placement: Placement, firing: Firing) -> ModelSpec {
    let mut spec = preset(name, Shape::image(1, 28, 28), 10).expect("a known preset");
    spec.pixels = Some(PIXELS);
    spec.place(placement, firing, "st")
        .expect("the preset has these activations");
    spec
}

/// A net of every kind of layer that a scalar machine trains in no time.
pub fn tiny_net(firing: Firing) -> ModelSpec {
    let conv = |name: &str, out: usize, kernel: usize, stride, padding, bias| {
        LayerSpec::named(
            name,
            Conv {
                stride: Sides::both(stride),
                padding: Sides::both(padding),
                bias,
                ..Conv::new(out, kernel)
            },
        )
    };
    let norm = |name: &str| {
        LayerSpec::named(
            name,
            BatchNorm {
                eps: 1e-5,
                momentum: 0.1,
                statistics: bnn_cpu::layers::Statistics::Batch,
            },
        )
    };
    let linear = |name: &str, out| {
        LayerSpec::named(
            name,
            Linear {
                out,
                bias: true,
                weights: Weights::Real,
                scale: false,
            },
        )
    };
    let function = |function| LayerSpec::from(Activation { function });
    let binary = || LayerSpec::from(Binary::new(firing, "st"));
    ModelSpec {
        name: "tiny".into(),
        input: Shape::image(1, 28, 28),
        pixels: Some(PIXELS),
        layers: vec![
            conv("conv1", 3, 5, 3, 1, true),
            norm("bn1"),
            function(Function::Relu),
            conv("conv2", 5, 3, 1, 1, false),
            norm("bn2"),
            LayerSpec::from(MaxPool {
                kernel: Sides::both(2),
                stride: None,
            }),
            binary(),
            linear("fc1", 17),
            function(Function::Sigmoid),
            linear("fc2", 10),
        ],
    }
}

/// A net of grouped, depthwise and dilated convolutions, windows that differ by side, and
/// learned slopes.
pub fn grouped_net(firing: Firing) -> ModelSpec {
    let mode = match firing {
        Firing::Deterministic => "det",
        Firing::Stochastic => "stoch",
    };
    let text = r#"{"name":"grouped","input":{"channels":1,"height":28,"width":28},"layers":[
        {"type":"conv","name":"conv1","out":6,"kernel":[5,3],"stride":[3,2],"padding":[2,1]},
        {"type":"batch_norm","name":"bn1"},
        {"type":"prelu","name":"prelu1"},
        {"type":"conv","name":"depthwise","out":12,"kernel":3,"padding":[1,2],"dilation":[1,2],"groups":6,"bias":false},
        {"type":"batch_norm","name":"bn2"},
        {"type":"max_pool","kernel":[2,3],"stride":[2,1]},
        {"type":"binary","mode":"MODE","estimator":"st"},
        {"type":"conv","name":"grouped","out":10,"kernel":3,"padding":1,"groups":2,"weights":"binary","scale":true},
        {"type":"conv","name":"dilated","out":7,"kernel":3,"padding":2,"dilation":2},
        {"type":"prelu","name":"prelu2"},
        {"type":"avg_pool","kernel":[5,4]},
        {"type":"linear","name":"fc","out":10}]}"#;
    let mut spec: ModelSpec =
        serde_json::from_str(&text.replace("MODE", mode)).expect("the spec can be read");
    spec.pixels = Some(PIXELS);
    spec.check().expect("the spec is sound");
    spec
}

/// Units of -1 and +1 below convolutions of every kind and border.
pub fn signs_net(estimator: &str) -> ModelSpec {
    let text = r#"{"name":"signs","input":{"channels":1,"height":28,"width":28},"layers":[
        {"type":"conv","name":"conv1","out":6,"kernel":5,"stride":3,"padding":2,"border":1},
        {"type":"binary","mode":"stoch","estimator":"ESTIMATOR","levels":"-1/+1"},
        {"type":"conv","name":"conv2","out":8,"kernel":3,"padding":1,"border":-1},
        {"type":"batch_norm","name":"bn2","statistics":"running"},
        {"type":"max_pool","kernel":2},
        {"type":"binary","mode":"stoch","estimator":"ESTIMATOR","levels":"-1/+1"},
        {"type":"conv","name":"conv3","out":8,"kernel":3,"padding":1,"border":1,"weights":"binary","scale":true},
        {"type":"binary","mode":"stoch","estimator":"ESTIMATOR","levels":"-1/+1"},
        {"type":"conv","name":"conv4","out":8,"kernel":3,"padding":2,"dilation":2,"groups":4,"border":-1},
        {"type":"binary","mode":"stoch","estimator":"ESTIMATOR"},
        {"type":"linear","name":"fc","out":10}]}"#;
    let mut spec: ModelSpec =
        serde_json::from_str(&text.replace("ESTIMATOR", estimator)).expect("the spec can be read");
    spec.pixels = Some(PIXELS);
    spec.check().expect("the spec is sound");
    spec
}

/// A graph of every layer that joins, pools, drops or adds up losses: a skip round a
/// stochastic layer, a deterministic branch beside it, and a divergence from a prior.
pub fn graph_net(estimator: &str) -> ModelSpec {
    let text = r#"{"name":"graph","input":{"channels":1,"height":28,"width":28},"layers":[
        {"type":"conv","name":"conv1","out":4,"kernel":5,"stride":3},
        {"type":"avg_pool","name":"pooled","kernel":2},
        {"type":"shift","name":"shifted"},
        {"type":"binary","name":"bits","mode":"stoch","estimator":"ESTIMATOR"},
        {"type":"conv","name":"conv2","out":4,"kernel":3,"padding":1},
        {"type":"add","name":"skip","inputs":["conv2","pooled"]},
        {"type":"binary","name":"upper","mode":"stoch","estimator":"ESTIMATOR"},
        {"type":"dropout","name":"dropped","p":0.2},
        {"type":"flatten","name":"vector"},
        {"type":"global_avg_pool","name":"means","inputs":["pooled"]},
        {"type":"concat","name":"both","inputs":["vector","means"]},
        {"type":"linear","name":"fc","out":10},
        {"type":"cross_entropy","name":"ce","label_smoothing":0.1},
        {"type":"kl_bernoulli","name":"kl","inputs":["shifted"]},
        {"type":"mse","name":"error","inputs":["skip","pooled"]},
        {"type":"weighted_sum","weights":[1.0,0.01,0.1],"inputs":["ce","kl","error"]}]}"#;
    let mut spec: ModelSpec =
        serde_json::from_str(&text.replace("ESTIMATOR", estimator)).expect("the spec can be read");
    spec.pixels = Some(PIXELS);
    spec.check().expect("the spec is sound");
    spec
}

/// A net in training.
pub struct Trainee {
    pub net: Network,
    pub optimiser: Optimiser,
    pub lr: f64,
    pub seed: u64,
    pub steps: u64,
}

impl Trainee {
    /// A net with PyTorch's initial weights for batches of up to `batch`.
    pub fn new(
        spec: &ModelSpec,
        engine: Engine,
        batch: usize,
        optimiser: OptimiserSpec,
        lr: f64,
        seed: u64,
    ) -> Self {
        let mut net = Network::new(spec, engine, batch, true).expect("the spec is sound");
        net.init(Init::Pytorch, seed);
        let optimiser = Optimiser::new(optimiser, net.params().values().len());
        Self {
            net,
            optimiser,
            lr,
            seed,
            steps: 0,
        }
    }

    /// One step on the images `batch`; returns their mean loss.
    pub fn step(&mut self, split: &Split, batch: &[u32]) -> f64 {
        let net = &mut self.net;
        net.set_rows(batch.len());
        for (row, &i) in batch.iter().enumerate() {
            net.set_row(row, split.image(i as usize), split.label(i as usize));
        }
        let pass = net.pass_mut();
        pass.mode = Mode::Train;
        pass.units = Units::Sample;
        pass.noise = Noise {
            seed: self.seed,
            step: self.steps,
            draw: 0,
        };
        net.forward();
        let loss: f64 = net.losses().iter().map(|&l| f64::from(l)).sum();
        net.backward();
        self.steps += 1;
        let ew = &net.pass().engine.kernels.ew;
        let (values, grads) = net.params_mut().values_and_grads();
        self.optimiser.step(ew, self.lr, self.steps, values, grads);
        net.params_mut().clip_latents();
        loss / batch.len() as f64
    }
}

/// An encoder of two small blocks for few-shot tasks, as JSON; `unit` stands in the second.
pub fn few_shot_encoder(unit: &str) -> String {
    format!(
        r#"{{"name": "small", "input": {{"channels": 1, "height": 28, "width": 28}}, "layers": [
        {{"type": "conv", "name": "conv1", "out": 8, "kernel": 3, "padding": 1}},
        {{"type": "batch_norm", "name": "bn1"}},
        {{"type": "max_pool", "kernel": 4}},
        {{"type": "activation", "function": "relu"}},
        {{"type": "conv", "name": "conv2", "out": 16, "kernel": 3, "padding": 1}},
        {{"type": "batch_norm", "name": "bn2"}},
        {{"type": "max_pool", "kernel": 3}},
        {unit},
        {{"type": "flatten"}},
        {{"type": "few_shot"}}]}}"#
    )
}
