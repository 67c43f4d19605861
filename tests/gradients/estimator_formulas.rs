//! One step of an estimator against its formula, found again in double precision from what
//! the layers emitted: figures that an average over draws would not show, for a control
//! variate may be of any size without a bias.

use crate::common::exact::{IMAGES, NETS, SLOPE, baseline, exact_gradient, net, ready, step};
use bnn_cpu::estimators::Probability;
use bnn_cpu::model::Network;
use bnn_cpu::train::Baseline;

/// The probability that a unit fires at `x`.
fn fires(x: f64) -> f64 {
    1.0 / (1.0 + (-f64::from(SLOPE) * x).exp())
}

/// The loss of the last layer, its 3 x units weights and 3 biases given, and its gradient at
/// each unit.
fn last_layer(last: &[f32], h: &[f64], label: usize) -> (f64, Vec<f64>) {
    let weight = |c: usize, i: usize| f64::from(last[c * h.len() + i]);
    let z: Vec<f64> = (0..3)
        .map(|c| {
            let dot: f64 = (0..h.len()).map(|i| weight(c, i) * h[i]).sum();
            dot + f64::from(last[3 * h.len() + c])
        })
        .collect();
    let sum: f64 = z.iter().map(|z| z.exp()).sum();
    let error = |c: usize| z[c].exp() / sum - f64::from(u8::from(c == label));
    let grad = |i: usize| (0..3).map(|c| error(c) * weight(c, i)).sum();
    (sum.ln() - z[label], (0..h.len()).map(grad).collect())
}

/// The gradient of the first layer's biases.
fn assert_bias(net: &Network, want: &[f64]) {
    let entry = net.params().entries().iter().find(|e| e.name == "fc1.bias");
    let span = entry.expect("the layer's bias").span.clone();
    for (got, want) in net.params().grads()[span].iter().zip(want) {
        let got = f64::from(*got);
        assert!((got - want).abs() < 1e-6, "{got}, not {want}");
    }
}

/// What the lab calls exact: every outcome of the bits as a sample, weighed.
#[test]
fn all_outcomes_of_the_bits_give_the_exact_gradient() {
    for hidden in NETS {
        for probability in Probability::ALL {
            let spec = net(hidden, "reinforce", Some(probability)).unwrap();
            let outcomes = 1 << hidden.iter().sum::<usize>();
            let (mut net, w) = ready(&spec, hidden, IMAGES.len(), outcomes);
            net.pass_mut().enumerate = true;
            net.forward();
            net.weigh_outcomes();
            baseline(Baseline::None, &net).apply(&mut net);
            net.backward();
            for (i, want) in exact_gradient(hidden, probability, &w).iter().enumerate() {
                let got = f64::from(net.params().grads()[i]);
                assert!(
                    (got - want).abs() < 2e-6,
                    "{hidden:?}, {probability:?}, {i}: {got}, not {want}"
                );
            }
        }
    }
}

/// The two control variates of `double-cv`, found again from what a layer emitted, at the
/// scale that it learned in the step before; and what it learns from this one.
#[test]
fn double_cv_is_its_formula_over_the_samples_of_an_image() {
    const SAMPLES: usize = 3;
    let units = NETS[0][0];
    let spec = net(NETS[0], "double-cv", None).unwrap();
    let (mut net, w) = ready(&spec, NETS[0], IMAGES.len(), SAMPLES);
    let mut loo = baseline(Baseline::Loo, &net);
    let learned = |net: &Network| -> [f64; 2] {
        let entry = &net.params().buffer_entries()[0];
        assert_eq!(entry.name, "estimator1.controls");
        let of = &net.params().buffer_values()[entry.span.clone()];
        [f64::from(of[0]), f64::from(of[1])]
    };
    // Nothing but the learned scale of a step is left in the next.
    step(&mut net, &mut loo, 0, 0);
    let before = learned(&net);
    let scale = -before[0] / before[1];
    assert!((-1.9..-0.1).contains(&scale), "{scale} tests nothing");
    step(&mut net, &mut loo, 0, 1);

    // Row `sample * images + image` is a sample.
    let last = &w[w.len() - 3 * (units + 1)..];
    let (x, h) = (net.layer_output(0), net.layer_output(1));
    let (mut bias, mut sums) = (vec![0.0; units], [0.0; 2]);
    for (image, (_, label)) in IMAGES.iter().enumerate() {
        // Below the first binary layer an image has one row.
        let x = &x[image * units..][..units];
        let p: Vec<f64> = x.iter().map(|&x| fires(f64::from(x))).collect();
        let bits: Vec<Vec<f64>> = (0..SAMPLES)
            .map(|k| &h[(k * IMAGES.len() + image) * units..][..units])
            .map(|h| h.iter().map(|&h| f64::from(h)).collect())
            .collect();
        let all: Vec<_> = bits
            .iter()
            .map(|h| last_layer(last, h, *label as usize))
            .collect();
        let without = |k: usize, of: &dyn Fn(usize) -> f64| {
            let others = (0..SAMPLES).filter(|&j| j != k);
            others.map(of).sum::<f64>() / (SAMPLES - 1) as f64
        };
        let g = |k: usize, i: usize| without(k, &|j| all[j].1[i]);
        let lines: Vec<f64> = (0..SAMPLES)
            .map(|k| (0..units).map(|i| g(k, i) * (bits[k][i] - p[i])).sum())
            .collect();
        for i in 0..units {
            let (mut base, mut control) = (0.0, 0.0);
            for k in 0..SAMPLES {
                let score = f64::from(SLOPE) * (bits[k][i] - p[i]);
                let slope = f64::from(SLOPE) * p[i] * (1.0 - p[i]);
                base += (all[k].0 - without(k, &|j| all[j].0)) * score;
                control += (lines[k] - without(k, &|j| lines[j])) * score - g(k, i) * slope;
            }
            let share = 1.0 / (SAMPLES * IMAGES.len()) as f64;
            (base, control) = (base * share, control * share);
            bias[i] += base + scale * control;
            sums[0] += base * control;
            sums[1] += control * control;
        }
    }
    assert_bias(&net, &bias);
    // The samples of an image are added up before they are squared.
    for (i, after) in learned(&net).into_iter().enumerate() {
        let want = before[i] + 0.02 * (sums[i] - before[i]);
        assert!(
            (after - want).abs() < 1e-4 * want.abs(),
            "{i}: {after}, not {want}"
        );
    }
}

/// MuProp below another of its layers: the loss is expanded at the means of all units, along
/// the derivative of that mean-field network, found here by differences.
#[test]
fn muprop_expands_the_mean_field_network() {
    let hidden = NETS[1];
    let spec = net(hidden, "muprop", None).unwrap();
    let (mut net, w) = ready(&spec, hidden, IMAGES.len(), 1);
    let mut none = baseline(Baseline::None, &net);
    step(&mut net, &mut none, 0, 0);
    let losses: Vec<f64> = net.losses().iter().map(|&l| f64::from(l)).collect();

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
        let second: Vec<f64> = second.into_iter().map(fires).collect();
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
        let p: Vec<f64> = x.iter().map(|&x| fires(x)).collect();
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
        let learning_signal = losses[row] - mean_field(&p, label) - line;
        for i in 0..p.len() {
            let dx = learning_signal * slope * (h[i] - p[i]) + g[i] * slope * p[i] * (1.0 - p[i]);
            bias[i] += dx / IMAGES.len() as f64;
        }
    }
    assert_bias(&net, &bias);
}

/// What REBAR learns from a step is made of its gradient and control part at every unit,
/// found here from the relaxed bits that the layer emitted beside its bits.
#[test]
fn rebar_learns_from_the_sums_over_its_units() {
    let units = NETS[0][0];
    let spec = net(NETS[0], "rebar", None).unwrap();
    let (mut net, w) = ready(&spec, NETS[0], IMAGES.len(), 1);
    let mut none = baseline(Baseline::None, &net);
    step(&mut net, &mut none, 3, 0);
    let learned = &net.params().buffer_entries()[0];
    assert!(learned.name.ends_with(".controls"));
    let learned = net.params().buffer_values()[learned.span.clone()].to_vec();

    let (a, images) = (f64::from(SLOPE), IMAGES.len());
    // The temperature of even steps; at the first one the scale of the control part is 0.
    let t = 0.5 * (-0.1f64).exp();
    let last = &w[w.len() - 3 * (units + 1)..];
    let rows = |layer: usize, row: usize| -> Vec<f64> {
        let of = &net.layer_output(layer)[row * units..][..units];
        of.iter().map(|&x| f64::from(x)).collect()
    };
    let mut sums = [0.0; 3];
    for (image, (_, label)) in IMAGES.iter().enumerate() {
        let label = *label as usize;
        let (x, h) = (rows(0, image), rows(1, image));
        // The relaxed bits are also those given the bits, for both have one noise.
        let relaxed = rows(1, images + image);
        let (loss, _) = last_layer(last, &h, label);
        let (loss_relaxed, grad) = last_layer(last, &relaxed, label);
        for i in 0..units {
            let p = fires(x[i]);
            // The uniform number that makes the relaxed bit.
            let r = relaxed[i];
            let u = 1.0 / (1.0 + (t * (r / (1.0 - r)).ln() - a * x[i]).exp());
            let chain = match h[i] > 0.5 {
                true => 1.0 - (1.0 - p) / (1.0 - u),
                false => 1.0 - p / u,
            };
            let slope = |r: f64| r * (1.0 - r) * a / t;
            let score = a * (h[i] - p);
            let path = grad[i] * slope(r) * (1.0 - chain);
            let (g, c) = (loss * score, path - loss_relaxed * score);
            sums[0] += g * g;
            sums[1] += g * c;
            sums[2] += c * c;
        }
    }
    // Averages to which a step adds 0.02; each row has the weight 1 / images.
    let scale = 0.02 / (images * images) as f64;
    for (place, want) in [(1, sums[1]), (2, sums[2]), (3, sums[0])] {
        let (got, want) = (f64::from(learned[place]), scale * want);
        assert!(
            (got - want).abs() < 1e-4 * want.abs(),
            "{place}: {got}, not {want}"
        );
    }
}
