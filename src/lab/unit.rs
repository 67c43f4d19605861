//! What an estimator gives at a single unit, where everything is known: a bit `h` decides between
//! two classes by the logits `0` and `2h - 1`, the first is right, and the exact gradient of the
//! mean of the cross-entropy `L(h) = ln(1 + exp(2h - 1))` is `p'(x) (L(1) - L(0)) = p'(x)`.

use crate::error::Result;
use crate::estimators::{self, Firing};
use crate::kernels::Engine;
use crate::layers::{Binary, LayerSpec, Linear};
use crate::model::{ModelSpec, Network, Pixels};
use crate::tape::{Mode, Noise, Units};
use crate::tensor::Shape;
use crate::train::{Baseline, BaselineState};

/// The values of `x.weight` (that of the pre-activation), `fc.weight` and `fc.bias`.
const PARAMETERS: [f32; 5] = [0.0, 0.0, 2.0, 0.0, -1.0];

/// The slope of the unit.
const SLOPE: f32 = 1.0;

/// The temperature of relaxed bits, about that in the middle of a training.
const TEMPERATURE: f32 = 0.7;

/// The gradient at one pre-activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnitGradient {
    /// The pre-activation.
    pub x: f64,
    /// The exact gradient of the mean loss.
    pub exact: f64,
    /// The mean of the estimator's draws.
    pub mean: f64,
    /// Their standard deviation.
    pub deviation: f64,
}

/// Samples that the rule takes of the unit for a draw: two where it needs them or where a baseline
/// of its other samples helps it.
fn samples(estimator: &dyn estimators::Estimator) -> usize {
    let learns = estimator.score_function();
    learns.map_or(1, |rule| match rule.takes_baseline() {
        true => 2,
        false => rule.min_samples(),
    })
}

/// The network of the unit.
fn spec(name: &str) -> ModelSpec {
    ModelSpec {
        name: "one unit".into(),
        input: Shape::image(1, 1, 1),
        pixels: Some(Pixels::Integer),
        layers: vec![
            LayerSpec::named(
                "x",
                Linear {
                    bias: false,
                    ..Linear::new(1)
                },
            ),
            LayerSpec::named("unit", Binary::new(Firing::Stochastic, name)),
            LayerSpec::named("fc", Linear::new(2)),
        ],
    }
}

/// Draws the gradient of that estimator at each of those pre-activations, `draws` times.
///
/// # Errors
/// An estimator that is not known.
pub fn at_one_unit(
    name: &str,
    engine: Engine,
    at: &[f64],
    draws: u64,
) -> Result<Vec<UnitGradient>> {
    let estimator = estimators::by_name(name, None)?;
    let spec = spec(name);
    let mut net = Network::sampled(&spec, engine, 1, samples(&*estimator))?;
    net.set_rows(1);
    net.input_mut()[0] = 1.0;
    net.batch_mut().labels[0] = 0;
    net.params_mut().values_mut().copy_from_slice(&PARAMETERS);
    let kind = match estimator
        .score_function()
        .is_some_and(|r| r.takes_baseline())
    {
        true => Baseline::Loo,
        false => Baseline::None,
    };
    let mut baseline = BaselineState::new(kind, engine, &net, 1)?;
    let probability = estimator.probability();
    let mut found = Vec::new();
    for (i, &x) in at.iter().enumerate() {
        net.params_mut().values_mut()[0] = x as f32;
        let (mut sum, mut squares) = (0.0, 0.0);
        for draw in 0..draws {
            let pass = net.pass_mut();
            (pass.mode, pass.units) = (Mode::Train, Units::Sample);
            (pass.slope, pass.temperature) = (SLOPE, TEMPERATURE);
            let step = i as u64 * draws + draw;
            pass.noise = Noise {
                seed: 1,
                step,
                draw: 0,
            };
            net.forward();
            baseline.apply(&mut net);
            net.backward();
            let gradient = f64::from(net.params().grads()[0]);
            sum += gradient;
            squares += gradient * gradient;
        }
        let (n, mean) = (draws as f64, sum / draws as f64);
        let variance = (squares - n * mean * mean) / (n - 1.0).max(1.0);
        let p = probability.of(SLOPE, x as f32);
        found.push(UnitGradient {
            x,
            exact: f64::from(probability.derivative(SLOPE, x as f32, p)),
            mean,
            deviation: variance.max(0.0).sqrt(),
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels;

    fn drawn(name: &str, draws: u64) -> Vec<UnitGradient> {
        let engine = kernels::select(None).unwrap();
        at_one_unit(name, engine, &[-1.5, -0.3, 0.0, 0.8], draws).unwrap()
    }

    #[test]
    fn unbiased_rules_meet_the_exact_gradient_and_others_do_not() {
        for estimator in estimators::all() {
            let name = estimator.info().name;
            if !estimator.info().unbiased {
                continue;
            }
            for at in drawn(name, 4000) {
                let error = at.deviation / 4000f64.sqrt() + 1e-7;
                let away = (at.mean - at.exact).abs();
                assert!(away < 5.0 * error, "{name} at {}: {away} of {error}", at.x);
            }
        }
        // A control that must fail: the rule without a gradient.
        let none = drawn("none", 10);
        assert!(none.iter().all(|at| at.mean == 0.0));
        assert!(none.iter().any(|at| at.exact > 0.1));
    }

    #[test]
    fn local_expectation_is_exact_and_straight_through_follows_its_formula() {
        for at in drawn("local-expectation", 5) {
            assert!(
                (at.mean - at.exact).abs() < 1e-6 && at.deviation < 1e-6,
                "{at:?}"
            );
        }
        // dL/dh = 2 σ(2h - 1), which is 1.462 for a 1 and 0.538 for a 0, times p'.
        for at in drawn("st", 4000) {
            let p = (at.x.clamp(-1.0, 1.0) + 1.0) / 2.0;
            let slope = if at.x.abs() < 1.0 { 0.5 } else { 0.0 };
            let mean = slope * (p * 1.4621 + (1.0 - p) * 0.5379);
            assert!((at.mean - mean).abs() < 0.04, "{at:?} and {mean}");
        }
    }
}
