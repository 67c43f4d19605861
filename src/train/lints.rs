//! Settings under which gradients hardly reach what they should train.

use super::config::Config;
use super::optimiser::OptimiserSpec;
use crate::layers::{Activation, BatchNorm, Binary, Conv, Function, LayerSpec, Linear};
use crate::model::{Pixels, Source};

/// Below this share of units that pass a gradient, a run is warned.
const FEW: f64 = 0.25;

/// One line for each setting that starves gradients; empty for a sound run.
pub fn warnings(config: &Config) -> Vec<String> {
    let checks = [unnormalised_sums, steep_slope, short_way];
    checks.iter().filter_map(|check| check(config)).collect()
}

/// Integer sums that meet a unit, or the loss, as they are.
///
/// A unit passes gradients where `|a·x| < 1`; of the sums of n weights few do.
/// A scale brings sums of bits to that size, but not sums of pixels. The softmax
/// of integers is one class alone, and passes nothing either.
fn unnormalised_sums(config: &Config) -> Option<String> {
    let model = &config.model;
    let pixels = match model.pixel_encoding() {
        Pixels::Integer => model.binary_first(),
        Pixels::Normalised(_) => None,
    };
    let topology = model.topology().ok()?;
    // For each layer, the one whose sums it hands on.
    let mut open: Vec<Option<&str>> = Vec::new();
    for (layer, from) in model.layers.iter().zip(&topology.inputs) {
        let below = from.iter().find_map(|source| match source {
            Source::Layer(j) => open[*j],
            Source::Input => None,
        });
        let scaled = |scale: bool| {
            let small = scale && pixels != Some(layer.label());
            (layer.has_binary_weights() && !small).then_some(layer.label())
        };
        let function = layer.get::<Activation>().map(|a| a.function);
        open.push(if let Some(conv) = layer.get::<Conv>() {
            scaled(conv.scale)
        } else if let Some(linear) = layer.get::<Linear>() {
            scaled(linear.scale)
        } else if layer.is::<BatchNorm>() {
            None
        } else if layer.is::<Binary>() || function.is_some_and(|f| f != Function::Relu) {
            if let Some(name) = below {
                return Some(format!(
                    "layer {name}: its integer sums reach a unit that passes gradients for |a*x| < 1 only, so few pass; put a batch_norm between"
                ));
            }
            None
        } else {
            below
        });
    }
    open.pop().flatten().map(|name| {
        format!(
            "layer {name}: the loss sees its integer sums as logits, whose softmax passes hardly any gradient; put a batch_norm after it"
        )
    })
}

/// A slope at which a batch-normed unit, x ~ N(0, 1), rarely has `|a·x| < 1`. A
/// latent weight has to travel to change its sign, and stands still without.
fn steep_slope(config: &Config) -> Option<String> {
    let layers = &config.model.layers;
    const HARD: Activation = Activation {
        function: Function::HardSigmoid,
    };
    let windowed = |l: &LayerSpec| l.is::<Binary>() || l.get() == Some(&HARD);
    let last_unit = layers.iter().rposition(windowed)?;
    let below = &layers[..last_unit];
    if !below.iter().any(LayerSpec::has_binary_weights) {
        return None;
    }
    let slope = f64::from(config.slope.at(config.epochs, config.epochs));
    let share = libm::erf(1.0 / (slope * std::f64::consts::SQRT_2));
    (share < FEW).then(|| {
        format!(
            "the slope ends at {slope:.3}, where a batch-normed unit passes gradients to the latent weights for {:.0} % of its inputs; choose a smaller slope.max or slope.start",
            100.0 * share
        )
    })
}

/// A run of Adam whose steps, all in one direction, do not bring a latent weight
/// from where it begins to the other side of 0. A step of Adam is about the
/// learning rate at most.
fn short_way(config: &Config) -> Option<String> {
    if matches!(config.optimiser, OptimiserSpec::Sgd { .. }) {
        return None;
    }
    let shapes = config.model.layer_shapes().ok()?;
    let binary = config.model.layers.iter().zip(&shapes);
    let binary = binary.filter(|(layer, _)| layer.has_binary_weights());
    let fan_ins = binary.filter_map(|(layer, shapes)| {
        let tensors = layer.layer().tensors(&shapes.inputs);
        let fan_in = tensors.params.first()?.shape[1..].iter().product::<usize>();
        Some((fan_in, layer.label()))
    });
    let (fan_in, name) = fan_ins.min()?;
    // Of the default initialiser, uniform to 1/√fan-in; the others begin farther off.
    let begin = 0.5 / (fan_in as f64).sqrt();
    let steps = config.steps_per_epoch() * config.epochs;
    let way: f64 = (0..steps).map(|t| config.learning_rate(t)).sum();
    (way < begin).then(|| {
        format!(
            "layer {name}: {steps} steps of this learning rate move a latent weight by {way:.2e} at most, less than the {begin:.2e} at which it begins on average, so its sign stays; choose a higher lr"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Weights;
    use crate::model::{ModelSpec, preset};
    use crate::tensor::Shape;
    use crate::train::{DatasetRecord, SlopeKind, SlopeSchedule};

    fn config(name: &str, change: impl Fn(&mut ModelSpec)) -> Config {
        let mut model = preset(name, Shape::image(1, 28, 28), 10).unwrap();
        change(&mut model);
        model.check().unwrap();
        let dataset = DatasetRecord {
            name: "MNIST".into(),
            sha256: crate::data::MNIST_FINGERPRINT.into(),
            sha256_inferred: false,
            train: 60_000,
            test: 10_000,
            classes: 10,
            background: None,
            ground: crate::data::Ground::default(),
            source: None,
        };
        Config::reference(model, dataset)
    }

    fn adam(lr: f64) -> impl Fn(&mut Config) {
        move |config| {
            config.lr = lr;
            config.optimiser = OptimiserSpec::Adam {
                beta1: 0.9,
                beta2: 0.999,
                eps: 1e-8,
                weight_decay: 0.0,
            }
        }
    }

    #[test]
    fn sound_runs_are_not_warned() {
        for name in ["seed-net", "mlp", "xnor-net", "xnor-large"] {
            let mut sound = config(name, |_| {});
            assert_eq!(warnings(&sound), [""; 0]);
            adam(0.001)(&mut sound);
            assert_eq!(warnings(&sound), [""; 0]);
        }
        let binary = config("mlp", |m| m.set_weights(Weights::Binary));
        assert_eq!(warnings(&binary), [""; 0]);
        // Real weights learn at any slope.
        let mut steep = config("seed-net", |_| {});
        steep.slope.start = 50.0;
        assert_eq!(warnings(&steep), [""; 0]);
    }

    #[test]
    fn starving_settings_are() {
        let without = |label: &'static str| {
            config("xnor-net", move |m| m.layers.retain(|l| l.label() != label))
        };
        let one = |config: &Config, what: &str| {
            let lines = warnings(config);
            assert!(lines.len() == 1 && lines[0].contains(what), "{lines:?}");
        };
        one(
            &without("bn1"),
            "layer conv1: its integer sums reach a unit",
        );
        one(
            &without("bn2"),
            "layer conv2: its integer sums reach a unit",
        );
        one(&without("fc_bn"), "layer fc: the loss sees");

        let scaled = |at: usize| {
            config("xnor-net", move |m| {
                m.layers.remove(at + 1);
                assert!(m.layers[at].update::<Conv>(|conv| conv.scale = true));
            })
        };
        one(&scaled(0), "layer conv1: its integer sums");
        assert_eq!(warnings(&scaled(4)), [""; 0]);

        let mut steep = config("xnor-net", |_| {});
        steep.slope = SlopeSchedule::new(SlopeKind::Linear);
        steep.slope.rate = 1.0;
        one(&steep, "the slope ends at 5.000");
        assert!(
            warnings(&steep)[0].contains("16 %"),
            "{:?}",
            warnings(&steep)
        );

        let mut slow = config("xnor-net", |_| {});
        adam(1e-6)(&mut slow);
        one(&slow, "layer conv1: 8440 steps of this learning rate");
    }
}
