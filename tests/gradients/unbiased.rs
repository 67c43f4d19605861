//! Estimators against the exact gradient of a small stochastic network, found by
//! enumerating all outcomes of its bits.
//!
//! An estimator that claims to be unbiased must match it within the error of a
//! fixed large number of draws; one that claims no such thing must miss it. A
//! deliberately wrong sign and a missing factor must be caught.

use std::sync::Arc;

use crate::common::exact::{IMAGES, Mean, NETS, SLOPE, baseline, exact_gradient, net, ready, step};
use bnn_cpu::estimators::{
    self, Estimator, Info, Needs, Probability, Reinforce, Rule, ScoreFunction, Unit,
};
use bnn_cpu::model::ModelSpec;
use bnn_cpu::train::Baseline;

/// Rows of a step, each a draw, and steps.
const ROWS: usize = 1024;
const STEPS: usize = 48;
/// A gradient is off where it is this many standard errors away: over a hundred
/// numbers and fifty runs, chance does that once in ten thousand times.
const FAR: f64 = 5.5;

/// How many standard errors the mean gradient is off, at worst, and the largest bias
/// as a share of the largest gradient.
fn worst(hidden: &[usize], spec: &ModelSpec, samples: usize, kind: Baseline) -> (f64, f64) {
    worst_of(STEPS, hidden, spec, samples, kind)
}

/// [`worst`] over that many steps.
fn worst_of(
    steps: usize,
    hidden: &[usize],
    spec: &ModelSpec,
    samples: usize,
    kind: Baseline,
) -> (f64, f64) {
    let images = ROWS / samples / IMAGES.len() * IMAGES.len();
    let (mut net, w) = ready(spec, hidden, images, samples);
    let probability = spec.estimators().unwrap()[0].probability();
    let exact = exact_gradient(hidden, probability, &w);
    let mut state = baseline(kind, &net);
    let mut mean = Mean::new(w.len());
    for number in 0..steps {
        step(&mut net, &mut state, 9, number as u64);
        mean.add(net.params().grads());
    }
    mean.worst(&exact)
}

fn check(name: &str, probability: Option<Probability>, samples: usize, baseline: Baseline) {
    for hidden in NETS {
        let Some(spec) = net(hidden, name, probability) else {
            return;
        };
        let all = spec.estimators().unwrap();
        if all
            .iter()
            .any(|e| Some(e.probability()) != probability && probability.is_some())
        {
            continue;
        }
        let unbiased = all.iter().all(|e| e.info().unbiased);
        // A bias of third order takes more draws to be seen.
        let steps = if name == "reinmax" { 24 * STEPS } else { STEPS };
        let (far, bias) = worst_of(steps, hidden, &spec, samples, baseline);
        println!(
            "{name} {probability:?} x{samples} {} over {hidden:?}: {far:.1} standard errors, bias {bias:.4}",
            baseline.name()
        );
        if unbiased {
            assert!(
                far < FAR,
                "{name} over {hidden:?} is off by {far} standard errors"
            );
        } else {
            assert!(
                far > 3.0 * FAR,
                "{name} over {hidden:?} calls itself biased and is off by {far} standard errors"
            );
        }
    }
}

#[test]
fn every_estimator_is_what_it_claims_to_be() {
    for make in estimators::ALL {
        for probability in Probability::ALL {
            if let Some(estimator) = make(Some(probability)) {
                let name = estimator.info().name;
                let samples = estimator.min_samples();
                check(name, Some(probability), samples, Baseline::None);
            }
        }
    }
}

#[test]
fn baselines_and_samples_bias_nothing() {
    for baseline in Baseline::ALL {
        for samples in [1, 4] {
            if baseline == Baseline::Loo && samples == 1 {
                continue;
            }
            check("reinforce", None, samples, baseline);
        }
    }
    for name in ["muprop", "rebar"] {
        check(name, None, 2, Baseline::None);
    }
    for name in [
        "arm",
        "disarm",
        "local-expectation",
        "reinforce+local-expectation",
    ] {
        for hidden in &NETS[name.matches('+').count()..] {
            let spec = net(hidden, name, None).unwrap();
            let (far, _) = worst(hidden, &spec, 3, Baseline::None);
            assert!(far < FAR, "{name}: {far}");
        }
    }
    for baseline in [Baseline::None, Baseline::Loo] {
        check("double-cv", None, 4, baseline);
    }
    for name in [
        "double-cv+local-expectation",
        "muprop+local-expectation",
        "rebar+local-expectation",
        "rebar+arm",
    ] {
        let spec = net(NETS[1], name, None).unwrap();
        let (far, _) = worst(NETS[1], &spec, spec.min_samples(), Baseline::None);
        assert!(far < FAR, "{name}: {far}");
    }
}

/// The variance of a draw's gradient, summed over the parameters, once what an estimator
/// learns has been learned.
fn variance(name: &str, samples: usize, kind: Baseline) -> f64 {
    let spec = net(NETS[1], name, None).unwrap();
    let (mut net, w) = ready(&spec, NETS[1], IMAGES.len(), samples);
    let mut state = baseline(kind, &net);
    let (warm_up, draws) = (300, 600);
    let (mut sum, mut squares) = (vec![0.0; w.len()], 0.0);
    for number in 0..warm_up + draws {
        step(&mut net, &mut state, 4, number);
        if number >= warm_up {
            for (sum, &g) in sum.iter_mut().zip(net.params().grads()) {
                *sum += f64::from(g);
                squares += f64::from(g).powi(2);
            }
        }
    }
    for entry in net.params().buffer_entries() {
        if entry.name.ends_with(".controls") && name == "rebar" {
            let learned = &net.params().buffer_values()[entry.span.clone()];
            // The temperature has moved; Σ c² and both averages of Σ g² are sums of squares.
            println!("rebar has learned {learned:?}");
            assert!((learned[0] + std::f32::consts::LN_2).abs() > 0.01);
            assert!(learned[2..].iter().all(|&s| s > 0.0), "{learned:?}");
        }
    }
    let means: f64 = sum.iter().map(|s| (s / draws as f64).powi(2)).sum();
    squares / draws as f64 - means
}

/// Control variates that are unbiased whatever their size help only with the right sign.
#[test]
fn control_variates_lower_the_variance() {
    let compare = |name: &str, samples, baseline, most: f64| {
        let plain = variance("reinforce", samples, baseline);
        let share = variance(name, samples, baseline) / plain;
        println!("{name}: {share:.3} of REINFORCE's variance");
        assert!(share < most, "{name}: {share} of REINFORCE's variance");
    };
    for name in ["arm", "disarm", "muprop", "rebar"] {
        compare(name, 1, Baseline::None, 0.1);
    }
    compare("double-cv", 4, Baseline::Loo, 0.75);
}

/// REINFORCE times a factor: what a slip would make of it.
struct Wrong(&'static str, f32);

impl Estimator for Wrong {
    fn info(&self) -> Info {
        Info {
            name: self.0,
            ..Reinforce::default().info()
        }
    }
    fn rule(&self) -> Rule<'_> {
        Rule::ScoreFunction(self)
    }
    fn probability(&self) -> Probability {
        Probability::Sigmoid
    }
    fn needs(&self) -> Needs {
        Reinforce::default().needs()
    }
    fn grad(&self, unit: Unit) -> f32 {
        self.1 * Reinforce::default().grad(unit)
    }
}

impl ScoreFunction for Wrong {}

#[test]
fn a_wrong_sign_and_a_missing_factor_are_caught() {
    estimators::register(|_| Some(Arc::new(Wrong("wrong-sign", -1.0)))).unwrap();
    // As if the slope were left out.
    estimators::register(|_| Some(Arc::new(Wrong("wrong-factor", 1.0 / SLOPE)))).unwrap();
    estimators::register(|_| Some(Arc::new(Wrong("right", 1.0)))).unwrap();
    let off = |name: &str| {
        let spec = net(NETS[1], name, None).unwrap();
        worst(NETS[1], &spec, 1, Baseline::None).0
    };
    assert!(off("right") < FAR);
    for name in ["wrong-sign", "wrong-factor"] {
        assert!(off(name) > FAR, "{name} passes for right: {}", off(name));
    }
    // The name is taken now.
    assert!(estimators::register(|_| Some(Arc::new(Wrong("right", 1.0)))).is_err());
}
