//! Estimators against the exact gradient of a small stochastic network, found by
//! enumerating all outcomes of its bits.
//!
//! An estimator that claims to be unbiased must match it within the error of a
//! fixed large number of draws; one that claims no such thing must miss it. A
//! deliberately wrong sign and a missing factor must be caught.

use std::sync::Arc;

use bnn_cpu::estimators::{
    self, Emit, Estimator, Extra, Info, Link, Make, Needs, Reinforce, Signal, Unit,
};
use bnn_cpu::kernels::select;
use bnn_cpu::model::{LayerSpec, ModelSpec, Network};
use bnn_cpu::ops::Weights;
use bnn_cpu::random::{fill_uniform, keyed};
use bnn_cpu::tape::{Mode, Noise, Units};
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::{Baseline, BaselineState};

/// The images of the batch, in turn, and their classes.
const IMAGES: [([u8; 3], u32); 2] = [([255, 128, 40], 1), ([10, 90, 200], 2)];
const SLOPE: f32 = 1.5;
/// Rows of a step, each a draw, and steps.
const ROWS: usize = 1024;
const STEPS: usize = 48;
/// A gradient is off where it is this many standard errors away: over a hundred
/// numbers and fifty runs, chance does that once in ten thousand times.
const FAR: f64 = 5.5;

/// Hidden layers of stochastic bits, then logits.
fn net(hidden: &[usize], estimator: &str, link: Option<Link>) -> Option<ModelSpec> {
    let linear = |i: usize, out| LayerSpec::Linear {
        name: format!("fc{i}"),
        out,
        bias: true,
        weights: Weights::Real,
        scale: false,
    };
    let mut layers = Vec::new();
    for (i, &out) in hidden.iter().enumerate() {
        layers.push(linear(i + 1, out));
        layers.push(LayerSpec::Activation {
            function: bnn_cpu::ops::Function::HardSigmoid,
        });
    }
    layers.push(linear(hidden.len() + 1, 3));
    let mut spec = ModelSpec {
        name: "small".into(),
        input: Shape::image(1, 1, 3),
        pixels: None,
        layers,
    };
    use bnn_cpu::estimators::Firing::Stochastic;
    use bnn_cpu::model::Placement::Both;
    spec.place(Both, Stochastic, estimator).unwrap();
    if link.is_some() && spec.set_link(link).is_err() {
        return None;
    }
    Some(spec)
}

/// Weights large enough for the bits to matter, small enough for the hard sigmoid
/// to stay on its ramp.
fn weights(hidden: &[usize], len: usize) -> Vec<f32> {
    let mut w = vec![0.0; len];
    fill_uniform(&mut keyed(&[5]), &mut w);
    w.iter_mut().for_each(|w| *w = (*w - 0.5) * 0.4);
    // The last layer's weights decide how much a bit matters.
    let last = len - 3 * (hidden[hidden.len() - 1] + 1);
    w[last..].iter_mut().for_each(|w| *w *= 6.0);
    w
}

/// The expected loss by enumeration, in double precision; weights as PyTorch has
/// them, layer after layer.
fn expected_loss(hidden: &[usize], link: Link, w: &[f64]) -> f64 {
    fn layer(w: &mut &[f64], x: &[f64], out: usize) -> Vec<f64> {
        let (weight, rest) = w.split_at(out * x.len());
        let (bias, rest) = rest.split_at(out);
        *w = rest;
        let row = |j: usize| -> f64 {
            let dot: f64 = weight[j * x.len()..]
                .iter()
                .zip(x)
                .map(|(w, x)| w * x)
                .sum();
            dot + bias[j]
        };
        (0..out).map(row).collect()
    }
    fn below(hidden: &[usize], link: Link, mut w: &[f64], x: &[f64], label: usize) -> f64 {
        let Some((&out, rest)) = hidden.split_first() else {
            let z = layer(&mut w, x, 3);
            let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = z.iter().map(|z| (z - max).exp()).sum();
            return sum.ln() + max - z[label];
        };
        let x = layer(&mut w, x, out);
        let p: Vec<f64> = x
            .iter()
            .map(|x| match link {
                Link::Sigmoid => 1.0 / (1.0 + (-f64::from(SLOPE) * x).exp()),
                Link::HardSigmoid => ((f64::from(SLOPE) * x).clamp(-1.0, 1.0) + 1.0) / 2.0,
            })
            .collect();
        let mut total = 0.0;
        for bits in 0..1u32 << out {
            let h: Vec<f64> = (0..out).map(|i| f64::from(bits >> i & 1)).collect();
            let probability: f64 = (0..out)
                .map(|i| if h[i] > 0.5 { p[i] } else { 1.0 - p[i] })
                .product();
            if probability > 0.0 {
                total += probability * below(rest, link, w, &h, label);
            }
        }
        total
    }
    let loss = |(pixels, label): ([u8; 3], u32)| {
        let x = pixels.map(|p| f64::from(f32::from(p) / 255.0));
        below(hidden, link, w, &x, label as usize)
    };
    IMAGES.into_iter().map(loss).sum::<f64>() / IMAGES.len() as f64
}

/// The exact gradient: central differences of an exact function in double precision.
fn exact_gradient(hidden: &[usize], link: Link, w: &[f32]) -> Vec<f64> {
    let w: Vec<f64> = w.iter().map(|&w| f64::from(w)).collect();
    (0..w.len())
        .map(|i| {
            let at = |step: f64| {
                let mut w = w.clone();
                w[i] += step;
                expected_loss(hidden, link, &w)
            };
            (at(1e-5) - at(-1e-5)) / 2e-5
        })
        .collect()
}

/// How many standard errors the mean gradient is off, at worst, and the largest bias
/// as a share of the largest gradient.
fn worst(hidden: &[usize], spec: &ModelSpec, samples: usize, baseline: Baseline) -> (f64, f64) {
    let engine = select(None).unwrap();
    let images = ROWS / samples / IMAGES.len() * IMAGES.len();
    let mut net = Network::sampled(spec, engine, images, samples).unwrap();
    let w = weights(hidden, net.params().values().len());
    net.params_mut().values_mut().copy_from_slice(&w);
    let link = spec.estimators().unwrap()[0].link();
    let exact = exact_gradient(hidden, link, &w);
    let mut state = BaselineState::new(baseline, engine, &net, 1).unwrap();
    let (mut sum, mut squares) = (vec![0.0; w.len()], vec![0.0; w.len()]);
    for step in 0..STEPS {
        net.set_rows(images);
        for row in 0..images {
            let (pixels, label) = &IMAGES[row % IMAGES.len()];
            net.set_row(row, pixels, *label);
        }
        let pass = net.pass_mut();
        (pass.mode, pass.units) = (Mode::Train, Units::Sample);
        (pass.slope, pass.temperature) = (SLOPE, 0.5);
        pass.noise = Noise {
            seed: 9,
            step: step as u64,
            draw: 0,
        };
        net.forward();
        state.apply(&mut net);
        net.backward();
        for (i, &g) in net.params().grads().iter().enumerate() {
            sum[i] += f64::from(g);
            squares[i] += f64::from(g).powi(2);
        }
    }
    let n = STEPS as f64;
    let size = exact.iter().fold(0.0f64, |m, g| m.max(g.abs()));
    assert!(size > 0.05, "a gradient of {size} tests nothing");
    let (mut far, mut bias) = (0.0f64, 0.0f64);
    for i in 0..w.len() {
        let mean = sum[i] / n;
        let variance = (squares[i] / n - mean * mean).max(0.0) * n / (n - 1.0);
        // The floor is rounding: gradients are sums in single precision.
        let error = (variance / n).sqrt().max(2e-6);
        far = far.max((mean - exact[i]).abs() / error);
        bias = bias.max((mean - exact[i]).abs() / size);
    }
    (far, bias)
}

/// What the lab calls exact: every outcome of the bits as a sample, weighed.
#[test]
fn all_outcomes_of_the_bits_give_the_exact_gradient() {
    let engine = select(None).unwrap();
    for hidden in NETS {
        for link in Link::ALL {
            let spec = net(hidden, "reinforce", Some(link)).unwrap();
            let outcomes = 1 << hidden.iter().sum::<usize>();
            let mut net = Network::sampled(&spec, engine, IMAGES.len(), outcomes).unwrap();
            let w = weights(hidden, net.params().values().len());
            net.params_mut().values_mut().copy_from_slice(&w);
            net.set_rows(IMAGES.len());
            for (row, (pixels, label)) in IMAGES.iter().enumerate() {
                net.set_row(row, pixels, *label);
            }
            let pass = net.pass_mut();
            (pass.mode, pass.units) = (Mode::Train, Units::Sample);
            (pass.slope, pass.enumerate) = (SLOPE, true);
            net.forward();
            net.weigh_outcomes();
            let mut none = BaselineState::new(Baseline::None, engine, &net, 1).unwrap();
            none.apply(&mut net);
            net.backward();
            for (i, want) in exact_gradient(hidden, link, &w).iter().enumerate() {
                let got = f64::from(net.params().grads()[i]);
                assert!(
                    (got - want).abs() < 2e-6,
                    "{hidden:?}, {link:?}, {i}: {got}, not {want}"
                );
            }
        }
    }
}

const NETS: [&[usize]; 2] = [&[5], &[4, 3]];

fn check(name: &str, link: Option<Link>, samples: usize, baseline: Baseline) {
    for hidden in NETS {
        let Some(spec) = net(hidden, name, link) else {
            return;
        };
        let all = spec.estimators().unwrap();
        if all.iter().any(|e| Some(e.link()) != link && link.is_some()) {
            continue;
        }
        let unbiased = all.iter().all(|e| e.info().unbiased);
        let (far, bias) = worst(hidden, &spec, samples, baseline);
        println!(
            "{name} {link:?} x{samples} {} over {hidden:?}: {far:.1} standard errors, bias {bias:.4}",
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
        for link in Link::ALL {
            if let Some(estimator) = make(Some(link)) {
                let name = estimator.info().name;
                let samples = estimator.least_samples();
                check(name, Some(link), samples, Baseline::None);
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
        let (far, _) = worst(NETS[1], &spec, spec.least_samples(), Baseline::None);
        assert!(far < FAR, "{name}: {far}");
    }
}

/// The variance of a draw's gradient, summed over the parameters, once what an estimator
/// learns has been learned.
fn variance(name: &str, samples: usize, baseline: Baseline) -> f64 {
    let engine = select(None).unwrap();
    let spec = net(NETS[1], name, None).unwrap();
    let mut net = Network::sampled(&spec, engine, IMAGES.len(), samples).unwrap();
    let w = weights(NETS[1], net.params().values().len());
    net.params_mut().values_mut().copy_from_slice(&w);
    net.set_rows(IMAGES.len());
    for (row, (pixels, label)) in IMAGES.iter().enumerate() {
        net.set_row(row, pixels, *label);
    }
    let mut state = BaselineState::new(baseline, engine, &net, 1).unwrap();
    let (warm_up, draws) = (300, 600);
    let (mut sum, mut squares) = (vec![0.0; w.len()], 0.0);
    for step in 0..warm_up + draws {
        let pass = net.pass_mut();
        (pass.mode, pass.units, pass.slope) = (Mode::Train, Units::Sample, SLOPE);
        pass.noise = Noise {
            seed: 4,
            step,
            draw: 0,
        };
        net.forward();
        state.apply(&mut net);
        net.backward();
        if step >= warm_up {
            for (sum, &g) in sum.iter_mut().zip(net.params().grads()) {
                *sum += f64::from(g);
                squares += f64::from(g).powi(2);
            }
        }
    }
    for entry in net.params().buffer_entries() {
        if entry.name.ends_with(".controls") {
            let learned = &net.params().buffer_values()[entry.span.clone()];
            // The temperature has moved; Σ c² and both averages of Σ g² are sums of squares.
            assert!((learned[0] + std::f32::consts::LN_2).abs() > 0.05);
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
    compare("double-cv", 4, Baseline::Loo, 0.85);
}

/// A sample's loss, and its adjoint at each unit.
type Sample = (f64, Vec<f64>);

/// The two control variates of `double-cv`, found again from what a layer emitted: for each
/// sample the mean loss, and the mean adjoint, of the image's other samples.
#[test]
fn double_cv_is_its_formula_over_the_samples_of_an_image() {
    const SAMPLES: usize = 3;
    let (engine, units) = (select(None).unwrap(), NETS[0][0]);
    let spec = net(NETS[0], "double-cv", None).unwrap();
    let mut net = Network::sampled(&spec, engine, IMAGES.len(), SAMPLES).unwrap();
    let w = weights(NETS[0], net.params().values().len());
    net.params_mut().values_mut().copy_from_slice(&w);
    net.set_rows(IMAGES.len());
    for (row, (pixels, label)) in IMAGES.iter().enumerate() {
        net.set_row(row, pixels, *label);
    }
    let pass = net.pass_mut();
    (pass.mode, pass.units, pass.slope) = (Mode::Train, Units::Sample, SLOPE);
    net.forward();
    let mut loo = BaselineState::new(Baseline::Loo, engine, &net, 1).unwrap();
    loo.apply(&mut net);
    net.backward();

    // Row `sample * images + image` is a sample; the last layer's weights are 3 x units.
    let last = &w[w.len() - 3 * (units + 1)..];
    let rows = SAMPLES * IMAGES.len();
    let (x, h) = (net.layer_output(0), net.layer_output(1));
    let one = |row: usize| {
        let h = &h[row * units..][..units];
        let label = IMAGES[row % IMAGES.len()].1 as usize;
        let z: Vec<f64> = (0..3)
            .map(|c| {
                let dot: f32 = (0..units).map(|i| last[c * units + i] * h[i]).sum();
                f64::from(dot + last[3 * units + c])
            })
            .collect();
        let sum: f64 = z.iter().map(|z| z.exp()).sum();
        let adjoint = |i: usize| -> f64 {
            (0..3)
                .map(|c| {
                    let error = z[c].exp() / sum - f64::from(u8::from(c == label));
                    error * f64::from(last[c * units + i])
                })
                .sum()
        };
        let adjoints: Vec<f64> = (0..units).map(adjoint).collect();
        (sum.ln() - z[label], adjoints)
    };
    let all: Vec<_> = (0..rows).map(one).collect();
    let mut bias = vec![0.0; units];
    for row in 0..rows {
        let image = row % IMAGES.len();
        let others: Vec<_> = (0..rows)
            .filter(|&r| r != row && r % IMAGES.len() == image)
            .map(|r| &all[r])
            .collect();
        let mean = |f: &dyn Fn(&Sample) -> f64| {
            others.iter().map(|o| f(o)).sum::<f64>() / others.len() as f64
        };
        let g: Vec<f64> = (0..units).map(|i| mean(&|o| o.1[i])).collect();
        // Below the first binary layer an image has one row.
        let x = &x[image * units..][..units];
        let p: Vec<f64> = (x.iter())
            .map(|&x| 1.0 / (1.0 + (-f64::from(SLOPE) * f64::from(x)).exp()))
            .collect();
        let h = |i: usize| f64::from(h[row * units + i]);
        let line: f64 = (0..units).map(|i| g[i] * (h(i) - p[i])).sum();
        let credit = all[row].0 - mean(&|o| o.0) - line;
        for i in 0..units {
            let slope = f64::from(SLOPE) * p[i] * (1.0 - p[i]);
            let dx = credit * f64::from(SLOPE) * (h(i) - p[i]) + g[i] * slope;
            bias[i] += dx / rows as f64;
        }
    }
    let entry = net.params().entries().iter().find(|e| e.name == "fc1.bias");
    let span = entry.expect("the layer's bias").span.clone();
    for (got, want) in net.params().grads()[span].iter().zip(bias) {
        let got = f64::from(*got);
        assert!((got - want).abs() < 1e-6, "{got}, not {want}");
    }
}

/// MuProp below another of its layers: the loss is expanded at the means of all units, along
/// the derivative of that mean-field network, found here by differences.
#[test]
fn muprop_expands_the_mean_field_network() {
    let engine = select(None).unwrap();
    let hidden = NETS[1];
    let spec = net(hidden, "muprop", None).unwrap();
    let mut net = Network::sampled(&spec, engine, IMAGES.len(), 1).unwrap();
    let w = weights(hidden, net.params().values().len());
    net.params_mut().values_mut().copy_from_slice(&w);
    net.set_rows(IMAGES.len());
    for (row, (pixels, label)) in IMAGES.iter().enumerate() {
        net.set_row(row, pixels, *label);
    }
    let pass = net.pass_mut();
    (pass.mode, pass.units, pass.slope) = (Mode::Train, Units::Sample, SLOPE);
    net.forward();
    let losses: Vec<f64> = net.losses().iter().map(|&l| f64::from(l)).collect();
    let mut none = BaselineState::new(Baseline::None, engine, &net, 1).unwrap();
    none.apply(&mut net);
    net.backward();

    let slope = f64::from(SLOPE);
    let above: Vec<f64> = w[hidden[0] * 4..].iter().map(|&w| f64::from(w)).collect();
    // The loss above the first layer's means `m`.
    let mean_field = |m: &[f64], label: usize| {
        let mut rest = &above[..];
        let mut layer = |x: &[f64], out: usize| -> Vec<f64> {
            let (weight, bias) = rest[..out * (x.len() + 1)].split_at(out * x.len());
            rest = &rest[out * (x.len() + 1)..];
            (0..out)
                .map(|j| {
                    bias[j]
                        + (0..x.len())
                            .map(|i| weight[j * x.len() + i] * x[i])
                            .sum::<f64>()
                })
                .collect()
        };
        let second = layer(m, hidden[1]);
        let second: Vec<f64> = second
            .iter()
            .map(|x| 1.0 / (1.0 + (-slope * x).exp()))
            .collect();
        let z = layer(&second, 3);
        z.iter().map(|z| z.exp()).sum::<f64>().ln() - z[label]
    };
    let (x, h) = (net.layer_output(0), net.layer_output(1));
    let mut bias = vec![0.0; hidden[0]];
    for (row, (_, label)) in IMAGES.iter().enumerate() {
        let label = *label as usize;
        let own = |of: &[f32]| -> Vec<f64> {
            let of = &of[row * hidden[0]..][..hidden[0]];
            of.iter().map(|&x| f64::from(x)).collect()
        };
        let (x, h) = (own(x), own(h));
        let p: Vec<f64> = x.iter().map(|x| 1.0 / (1.0 + (-slope * x).exp())).collect();
        let g: Vec<f64> = (0..p.len())
            .map(|i| {
                let at = |step: f64| {
                    let mut m = p.clone();
                    m[i] += step;
                    mean_field(&m, label)
                };
                (at(1e-5) - at(-1e-5)) / 2e-5
            })
            .collect();
        let line: f64 = (0..p.len()).map(|i| g[i] * (h[i] - p[i])).sum();
        let credit = losses[row] - mean_field(&p, label) - line;
        for i in 0..p.len() {
            let dx = credit * slope * (h[i] - p[i]) + g[i] * slope * p[i] * (1.0 - p[i]);
            bias[i] += dx / IMAGES.len() as f64;
        }
    }
    let entry = net.params().entries().iter().find(|e| e.name == "fc1.bias");
    let span = entry.expect("the layer's bias").span.clone();
    for (got, want) in net.params().grads()[span].iter().zip(bias) {
        let got = f64::from(*got);
        assert!((got - want).abs() < 1e-6, "{got}, not {want}");
    }
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
    fn signal(&self) -> Signal {
        Signal::Loss
    }
    fn link(&self) -> Link {
        Link::Sigmoid
    }
    fn needs(&self) -> Needs {
        Reinforce::default().needs()
    }
    fn pullback(&self, unit: Unit) -> f32 {
        self.1 * Reinforce::default().pullback(unit)
    }
    fn surrogate(&self, _slope: f32, _x: f32) -> Option<f64> {
        None
    }
}

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

/// An estimator with a name and that many extra rows.
struct Named(&'static str, &'static [Extra]);

impl Estimator for Named {
    fn info(&self) -> Info {
        Info {
            name: self.0,
            ..Reinforce::default().info()
        }
    }
    fn link(&self) -> Link {
        Link::Sigmoid
    }
    fn extras(&self) -> &'static [Extra] {
        self.1
    }
    fn pullback(&self, _unit: Unit) -> f32 {
        0.0
    }
    fn surrogate(&self, _slope: f32, _x: f32) -> Option<f64> {
        None
    }
}

#[test]
fn estimators_that_could_not_be_named_or_run_are_not_registered() {
    const ROW: Extra = Extra {
        here: Emit::Mean,
        above: Emit::Mean,
    };
    let refused = |make: Make, says: &str| {
        let error = estimators::register(make).expect_err(says).to_string();
        assert!(error.contains(says), "{error}");
    };
    refused(|_| Some(Arc::new(Named("", &[]))), "one word");
    refused(|_| Some(Arc::new(Named("a+b", &[]))), "one word");
    refused(|_| Some(Arc::new(Named("a b", &[]))), "one word");
    refused(|_| Some(Arc::new(Named("st", &[]))), "exists already");
    refused(|_| None, "its own link");
    refused(
        |_| Some(Arc::new(Named("three-rows", &[ROW; 3]))),
        "more than two extra rows",
    );
    assert!(estimators::by_name("three-rows", None).is_err());
    estimators::register(|_| Some(Arc::new(Named("two-rows", &[ROW; 2])))).unwrap();
    estimators::by_name("two-rows", None).unwrap();
}
