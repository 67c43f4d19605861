//! [`Init`]: initial weights.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::random::{keyed, purpose, uniform};
use crate::tape::Params;

/// Initial weights.
///
/// ```text
/// kaiming uniform   U(±gain·√(3 / fan_in))     kaiming normal  N(0, gain²/fan_in)
/// xavier uniform    U(±√(6 / (fan_in + fan_out)))
/// xavier normal     N(0, 2 / (fan_in + fan_out))
/// ```
/// `pytorch`, the default of its layers, is Kaiming uniform with a = √5, which
/// comes to `U(±1/√fan_in)`. Biases are `U(±1/√fan_in)` under `pytorch` and zero
/// otherwise. Batch norm starts at γ = 1, β = 0. A parameter for which its layer states an
/// initial value ([`crate::tape::Entry::initial`]) begins with that under each of them.
///
/// Source: He et al. 2015 (arXiv 1502.01852); Glorot and Bengio 2010.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// PyTorch's default for convolution and linear layers.
    #[default]
    Pytorch,
    /// Kaiming uniform with ReLU's gain √2.
    KaimingUniform,
    /// Kaiming normal with ReLU's gain √2.
    KaimingNormal,
    /// Xavier uniform.
    XavierUniform,
    /// Xavier normal.
    XavierNormal,
}

impl Init {
    /// Every initialiser.
    pub const ALL: [Init; 5] = [
        Init::Pytorch,
        Init::KaimingUniform,
        Init::KaimingNormal,
        Init::XavierUniform,
        Init::XavierNormal,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Init::Pytorch => "pytorch",
            Init::KaimingUniform => "kaiming-uniform",
            Init::KaimingNormal => "kaiming-normal",
            Init::XavierUniform => "xavier-uniform",
            Init::XavierNormal => "xavier-normal",
        }
    }

    /// The initialiser of that name.
    ///
    /// # Errors
    /// An unknown name.
    pub fn parse(name: &str) -> Result<Init> {
        Init::ALL
            .into_iter()
            .find(|i| i.name() == name)
            .ok_or_else(|| {
                let names = Init::ALL.map(Init::name).join(", ");
                Error::spec(format!("unknown initialiser `{name}`; choose from {names}"))
            })
    }

    /// Draws every parameter. The random stream of each is keyed by the seed and the
    /// parameter's number.
    pub fn apply(self, params: &mut Params, seed: u64) {
        let entries = params.entries().to_vec();
        let values = params.values_mut();
        let mut fan_in = 1.0;
        for (number, entry) in entries.iter().enumerate() {
            let mut rng = keyed(&[purpose(b"weights\0"), seed, number as u64]);
            let out = &mut values[entry.span.clone()];
            if let Some(value) = entry.initial {
                out.fill(value);
                continue;
            }
            match entry.shape[..] {
                [o, ..] if entry.shape.len() > 1 => {
                    let receptive: usize = entry.shape[2..].iter().product();
                    fan_in = (entry.shape[1] * receptive) as f32;
                    self.weights(fan_in, (o * receptive) as f32, &mut rng, out);
                }
                // A bias belongs to the weight before it; batch norm's γ and β
                // follow no weight of their own name.
                _ => {
                    let (layer, kind) = entry.name.rsplit_once('.').unwrap_or(("", &entry.name));
                    let weight = format!("{layer}.weight");
                    let of_weights = entries
                        .iter()
                        .any(|e| e.name == weight && e.shape.len() > 1);
                    match (of_weights, kind, self) {
                        (true, _, Init::Pytorch) => fill(1.0 / fan_in.sqrt(), &mut rng, out),
                        (false, "weight", _) => out.fill(1.0),
                        _ => out.fill(0.0),
                    }
                }
            }
        }
    }

    fn weights(self, fan_in: f32, fan_out: f32, rng: &mut impl Rng, out: &mut [f32]) {
        match self {
            Init::Pytorch => fill(1.0 / fan_in.sqrt(), rng, out),
            Init::KaimingUniform => fill((6.0 / fan_in).sqrt(), rng, out),
            Init::KaimingNormal => fill_normal((2.0 / fan_in).sqrt(), rng, out),
            Init::XavierUniform => fill((6.0 / (fan_in + fan_out)).sqrt(), rng, out),
            Init::XavierNormal => fill_normal((2.0 / (fan_in + fan_out)).sqrt(), rng, out),
        }
    }
}

/// Uniform in `[-bound, bound)`.
fn fill(bound: f32, rng: &mut impl Rng, out: &mut [f32]) {
    for x in out {
        *x = (uniform(rng.next_u64()) * 2.0 - 1.0) * bound;
    }
}

/// Normal by Box and Muller.
fn fill_normal(deviation: f32, rng: &mut impl Rng, out: &mut [f32]) {
    for x in out {
        let radius = (-2.0 * libm::logf(1.0 - uniform(rng.next_u64()))).sqrt();
        let angle = std::f32::consts::TAU * uniform(rng.next_u64());
        *x = deviation * radius * libm::cosf(angle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deviation of the weights of each initialiser, from its formula.
    #[test]
    fn deviations_follow_the_formulas() {
        let (out, channels, kernel) = (64usize, 16usize, 5usize);
        let fan_in = (channels * kernel * kernel) as f64;
        let fan_out = (out * kernel * kernel) as f64;
        for init in Init::ALL {
            let expected = match init {
                Init::Pytorch => (1.0 / fan_in / 3.0).sqrt(),
                Init::KaimingUniform | Init::KaimingNormal => (2.0 / fan_in).sqrt(),
                Init::XavierUniform | Init::XavierNormal => (2.0 / (fan_in + fan_out)).sqrt(),
            };
            let mut params = Params::default();
            let weight = params.add("conv.weight", &[out, channels, kernel, kernel]);
            let bias = params.add("conv.bias", &[out]);
            let gamma = params.add("bn.weight", &[out]);
            let beta = params.add("bn.bias", &[out]);
            let slope = params.add("prelu.weight", &[out]);
            params.set_initial(slope, 0.25);
            init.apply(&mut params, 3);
            let w = params.value(weight);
            let n = w.len() as f64;
            let mean = w.iter().map(|&w| f64::from(w)).sum::<f64>() / n;
            let deviation = (w.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>() / n).sqrt();
            assert!(
                mean.abs() < 5.0 * expected / n.sqrt(),
                "{init:?}: mean {mean}"
            );
            assert!(
                (deviation / expected - 1.0).abs() < 0.02,
                "{init:?}: {deviation} for {expected}"
            );
            let bound = 1.0 / fan_in.sqrt() as f32;
            let bias = params.value(bias);
            assert!(bias.iter().all(|b| b.abs() <= bound));
            assert_eq!(bias.iter().any(|&b| b != 0.0), init == Init::Pytorch);
            assert!(params.value(gamma).iter().all(|&g| g == 1.0));
            assert!(params.value(beta).iter().all(|&b| b == 0.0));
            assert!(params.value(slope).iter().all(|&a| a == 0.25));
            assert_eq!(Init::parse(init.name()).unwrap(), init);
        }
    }
}
