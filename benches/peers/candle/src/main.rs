//! The seed-net's training step in candle: one JSON line.
//!
//! `cargo run --release --manifest-path benches/peers/candle/Cargo.toml -- --threads 2`
//!
//! Without binary layers. candle's SGD has no momentum, so its step does a little
//! less than the others'.

use std::time::Instant;

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::{
    BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, Linear, Module, ModuleT, Optimizer, SGD,
    VarBuilder, VarMap, batch_norm, conv2d, linear, ops::log_softmax,
};

struct SeedNet {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    fc: Linear,
}

fn hard_sigmoid(x: &Tensor) -> Result<Tensor> {
    x.clamp(-1f32, 1f32)?.affine(0.5, 0.5)
}

impl SeedNet {
    fn new(vb: VarBuilder) -> Result<Self> {
        let window = Conv2dConfig {
            padding: 2,
            ..Default::default()
        };
        Ok(Self {
            conv1: conv2d(1, 16, 5, window, vb.pp("conv1"))?,
            bn1: batch_norm(16, BatchNormConfig::default(), vb.pp("bn1"))?,
            conv2: conv2d(16, 32, 5, window, vb.pp("conv2"))?,
            bn2: batch_norm(32, BatchNormConfig::default(), vb.pp("bn2"))?,
            fc: linear(32 * 7 * 7, 10, vb.pp("fc"))?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.bn1.forward_t(&self.conv1.forward(x)?, true)?;
        let x = hard_sigmoid(&x.max_pool2d(2)?)?;
        let x = self.bn2.forward_t(&self.conv2.forward(&x)?, true)?;
        let x = hard_sigmoid(&x.max_pool2d(2)?)?;
        self.fc.forward(&x.flatten_from(1)?)
    }
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let get = |name: &str, default: usize| {
        let at = args.iter().position(|a| a == name);
        at.and_then(|i| args.get(i + 1)?.parse().ok()).unwrap_or(default)
    };
    let (batch, threads) = (get("--batch", 64), get("--threads", 2));
    let (steps, warmup) = (get("--steps", 50), get("--warmup", 5));
    // SAFETY: no other thread runs yet; candle reads it when it first computes.
    unsafe { std::env::set_var("RAYON_NUM_THREADS", threads.to_string()) };

    let device = Device::Cpu;
    let vars = VarMap::new();
    let net = SeedNet::new(VarBuilder::from_varmap(&vars, DType::F32, &device))?;
    let mut sgd = SGD::new(vars.all_vars(), 0.01)?;
    let images = Tensor::rand(-0.4f32, 2.8f32, (batch, 1, 28, 28), &device)?;
    let labels = Tensor::from_iter((0..batch as u32).map(|i| i % 10), &device)?;
    let mut step = || -> Result<()> {
        let logits = log_softmax(&net.forward(&images)?, D::Minus1)?;
        sgd.backward_step(&candle_nn::loss::nll(&logits, &labels)?)
    };
    for _ in 0..warmup {
        step()?;
    }
    let begun = Instant::now();
    for _ in 0..steps {
        step()?;
    }
    let speed = (batch * steps) as f64 / begun.elapsed().as_secs_f64();
    println!(
        "{{\"name\":\"candle\",\"img_per_s\":{speed:.0},\"batch\":{batch},\"threads\":{threads}}}"
    );
    Ok(())
}
