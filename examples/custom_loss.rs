//! A loss of one's own: the hinge between the label's logit and the largest other one.
//! `cargo run --release --example custom_loss`

use bnn_cpu::Result;
use bnn_cpu::data::digits;
use bnn_cpu::graph::{Graph, Sgd};
use bnn_cpu::layers::RowLoss;

/// `max(0, 1 + max_{j ≠ label} z_j - z_label)`
#[derive(Clone, Debug)]
struct Hinge;

impl RowLoss for Hinge {
    fn loss(&self, z: &[f32], label: u32, dz: &mut [f32]) -> f32 {
        let label = label as usize;
        let others = (0..z.len()).filter(|&j| j != label);
        let Some(other) = others.max_by(|&i, &j| z[i].total_cmp(&z[j])) else {
            return 0.0;
        };
        let loss = (1.0 + z[other] - z[label]).max(0.0);
        if loss > 0.0 {
            (dz[other], dz[label]) = (1.0, -1.0);
        }
        loss
    }
}

pub fn main() -> Result<()> {
    let (data, g) = (digits::generate(1, 1000, 10), Graph::new([1, 28, 28]));
    let logits = g.input().linear("a", 50).binary("st").linear("b", 10);
    logits.own_loss(Hinge);
    let (mut model, mut opt) = (g.compile(50)?, Sgd::new(0.02, 0.9));
    let mut losses = Vec::new();
    for (images, labels) in (1..5).flat_map(|epoch| data.train.batches(50, epoch)) {
        losses.push(model.step(&images, &labels, &mut opt)?);
    }
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    let (first, last) = (mean(&losses[..10]), mean(&losses[losses.len() - 10..]));
    println!("hinge loss of the first ten steps {first:.3}, of the last ten {last:.3}");
    assert!(last < 0.7 * first, "it has learned something");
    Ok(())
}
