//! Tests that run over all registered estimators, so that they cover a new one without changes.

use super::*;
use crate::kernels::Isa;

/// Returns pre-activations that avoid the kinks at 0 and ±1/slope.
fn xs() -> impl Iterator<Item = f32> {
    (-40..40).map(|i| (i as f32 + 0.5) * 0.07)
}

/// Returns all estimators with each probability function that they support.
fn linked() -> Vec<std::sync::Arc<dyn Estimator>> {
    ALL.iter()
        .flat_map(|make| Probability::ALL.map(|probability| make(Some(probability))))
        .flatten()
        .collect()
}

#[test]
fn names_are_unique_and_found() {
    let all = all();
    for one in &all {
        let name = one.info().name;
        assert_eq!(by_name(name, None).unwrap().info().name, name);
        assert_eq!(all.iter().filter(|e| e.info().name == name).count(), 1);
    }
    let error = by_name("magic", None).err().unwrap().to_string();
    assert!(
        error.contains("unknown estimator `magic`; choose from st"),
        "{error}"
    );
    let error = by_name("arm", Some(Probability::HardSigmoid))
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("arm holds for the sigmoid probability function only"),
        "{error}"
    );
}

#[test]
fn pathwise_rules_are_the_derivative_of_their_surrogate() {
    let mut tested = 0;
    for estimator in linked() {
        for (slope, x) in [1.0f32, 2.5]
            .into_iter()
            .flat_map(|a| xs().map(move |x| (a, x)))
        {
            let h = 1e-3f32;
            let Some(rule) = estimator.pathwise() else {
                continue;
            };
            let Some(up) = rule.surrogate(slope, x + h) else {
                continue;
            };
            let down = rule.surrogate(slope, x - h).unwrap();
            let numeric = 3.0 * (up - down) / (f64::from(x + h) - f64::from(x - h));
            let unit = Unit {
                slope,
                x,
                p: estimator.probability().of(slope, x),
                h: 1.0,
                dh: 3.0,
                ..Unit::default()
            };
            let rule = f64::from(estimator.grad(unit));
            let name = estimator.info().name;
            tested += 1;
            assert!(
                (rule - numeric).abs() < 2e-3 * (1.0 + numeric.abs()),
                "{name}: {rule} against {numeric} at {x}"
            );
        }
    }
    assert!(tested > 1000, "{tested}");
}

#[test]
fn slices_agree_with_the_scalar_rule_on_every_isa() {
    for estimator in linked() {
        for isa in Isa::available() {
            let ew = &isa.kernels().unwrap().ew;
            let x: Vec<f32> = xs().collect();
            let h: Vec<f32> = x.iter().map(|&x| f32::from(x > 0.3)).collect();
            let dh: Vec<f32> = x.iter().map(|&x| x * 0.3 + 0.1).collect();
            let u: Vec<f32> = (0..x.len()).map(|i| i as f32 / 97.0).collect();
            let v: Vec<f32> = (0..x.len()).map(|i| (i as f32 + 0.5) / 83.0).collect();
            let (slope, temperature, learning_signal) = (1.3, 0.6, 0.7);
            let probability = estimator.probability();
            let mut p = vec![0.0; x.len()];
            probability.probabilities(ew, slope, &x, &mut p);
            let mut dx = vec![1.0; x.len()];
            let units = Units {
                slope,
                temperature,
                x: &x,
                p: &p,
                u: &u,
                v: &v,
                h: &h,
                dh: &dh,
                learning_signal,
                saved_grads: [&v, &u],
            };
            estimator.grads(ew, units, &mut dx);
            for i in 0..x.len() {
                assert_eq!(p[i], probability.of(slope, x[i]));
                assert_eq!(dx[i], 1.0 + estimator.grad(units.at(i)));
            }
        }
    }
}

#[test]
fn derivative_and_score_of_a_link_are_those_of_its_probability() {
    for probability in Probability::ALL {
        for x in xs() {
            let (slope, h) = (1.7f32, 1e-3f32);
            let step = f64::from(x + h) - f64::from(x - h);
            let (up, down) = (
                probability.exact(slope, x + h),
                probability.exact(slope, x - h),
            );
            let p = probability.of(slope, x);
            let rule = f64::from(probability.derivative(slope, x, p));
            assert!(
                (rule - (up - down) / step).abs() < 2e-3,
                "{probability:?} at {x}"
            );
            // A bit of probability 0 is never drawn.
            for (bit, q) in [(1.0, (up, down)), (0.0, (1.0 - up, 1.0 - down))] {
                if q.0.min(q.1) < 1e-2 {
                    continue;
                }
                let numeric = (q.0.ln() - q.1.ln()) / step;
                let rule = f64::from(probability.score(slope, x, p, bit));
                assert!(
                    (rule - numeric).abs() < 1e-2 * (1.0 + numeric.abs()),
                    "{probability:?} at {x}: {rule} against {numeric}"
                );
            }
        }
    }
}

#[test]
fn roles_follow_the_layers() {
    let (disarm, rebar) = (DisArm, Rebar { tied: false });
    let particles = Particles::of(&[&disarm, &rebar], &|_, _| true);
    use Emit::*;
    assert_eq!(particles[0].emits, [Sample, Opposite, Sample, Sample]);
    assert_eq!(particles[0].own, 1..2);
    assert_eq!(particles[1].emits, [Sample, Sample, Relaxed, Conditional]);
    assert_eq!(particles[1].own, 2..4);
    assert_eq!(samples(&particles), [true, true, false, false]);
    let particles = Particles::of(&[&rebar, &rebar], &|_, _| true);
    assert_eq!(
        particles[1].emits,
        [Sample, Relaxed, Relaxed, Relaxed, Conditional]
    );
    // With tied noise the relaxed row is also the one conditioned on the bits.
    let tied = Rebar::default();
    let particles = Particles::of(&[&tied, &tied], &|_, _| true);
    assert_eq!(particles[0].emits, [Sample, Relaxed, Sample]);
    assert_eq!(particles[1].emits, [Sample, Relaxed, Relaxed]);
    // A layer in another branch emits what it emits in the sample.
    let apart = Particles::of(&[&tied, &tied], &|_, _| false);
    assert_eq!(apart[0].emits, [Sample, Relaxed, Sample]);
    assert_eq!(apart[1].emits, [Sample, Sample, Relaxed]);
}
