//! The variance of estimators against independent formulas: a control variate of the wrong
//! size, or one that is left out, biases nothing and only shows here.
//!
//! The engine's gradient is drawn many times at fixed weights; the formulas are summed over
//! all outcomes of the bits, or integrated over their noise, in double precision
//! (`common/moments.rs`). **Resolution:** the sum of the variances of a layer's parameters is
//! told from the formula's where the two are [`FAR`] standard errors apart, and each test
//! asserts that such an error is at most [`COARSEST`] of the variance, so a wrong variance
//! shows from a factor of 1.1 on; for most estimators from 1.05.

use std::sync::{Arc, Once};

use crate::common::exact::{IMAGES, SLOPE, baseline, net, ready, step};
use crate::common::moments::{Sample, Small, Spread, derivative, gauss, score};
use bnn_cpu::estimators::{
    self, Estimator, Info, Needs, Outcome, Probability, Rebar, Rule, SavedGrads, ScoreFunction,
    Unit, by_name,
};
use bnn_cpu::model::Network;
use bnn_cpu::train::Baseline;

/// Standard errors within which a variance is the formula's: some thirty comparisons.
const FAR: f64 = 4.5;
/// The largest standard error of a variance, as a share of it.
const COARSEST: f64 = 0.02;

const TWO: &[usize] = &[2, 2];
const THREE: &[usize] = &[3, 2];
const A: f64 = SLOPE as f64;

/// What an engine's draws have shown of a layer: the variance and its standard error.
struct Drawn {
    variance: f64,
    error: f64,
}

impl Drawn {
    /// How many standard errors it is from `want`.
    fn off(&self, want: f64) -> f64 {
        (self.variance - want).abs() / self.error
    }

    #[track_caller]
    fn assert_is(&self, want: f64, what: &str) {
        let (variance, error) = (self.variance, self.error);
        println!("{what}: variance {variance:.6} +- {error:.6}, by the formula {want:.6}");
        assert!(
            error < COARSEST * want,
            "{what}: {error} of {want} is too coarse"
        );
        let off = self.off(want);
        assert!(
            off < FAR,
            "{what}: {variance}, not {want}: {off} standard errors"
        );
    }
}

/// The learned numbers before each step; none are touched where absent.
type Learned = Option<&'static [f32]>;

/// Draws of both images' gradient, for each layer of bits; `every` is from step to step.
fn drawn(
    hidden: &[usize],
    name: &str,
    samples: usize,
    kind: Baseline,
    learned: Learned,
    (draws, every): (usize, u64),
) -> Vec<Drawn> {
    let spec = net(hidden, name, Some(Probability::Sigmoid)).unwrap();
    let (mut net, w) = ready(&spec, hidden, IMAGES.len(), samples);
    let small = Small::new(hidden, &w);
    let mut state = baseline(kind, &net);
    let mut grads: Vec<Vec<f64>> = vec![Vec::new(); hidden.len()];
    crate::common::pool(1).install(|| {
        for number in 0..draws as u64 {
            if let Some(learned) = learned {
                set_learned(&mut net, learned);
            }
            step(&mut net, &mut state, 21, number * every);
            for (layer, grads) in grads.iter_mut().enumerate() {
                let of = &net.params().grads()[small.span(layer)];
                grads.extend(of.iter().map(|&g| f64::from(g)));
            }
        }
    });
    let one = |layer: usize| {
        let (len, grads) = (small.span(layer).len(), &grads[layer]);
        let n = draws as f64;
        let mean = |i: usize| grads.iter().skip(i).step_by(len).sum::<f64>() / n;
        let mean: Vec<f64> = (0..len).map(mean).collect();
        let far = |g: &[f64]| {
            g.iter()
                .zip(&mean)
                .map(|(g, m)| (g - m).powi(2))
                .sum::<f64>()
        };
        let squares: Vec<f64> = grads.chunks_exact(len).map(far).collect();
        let variance = squares.iter().sum::<f64>() / (n - 1.0);
        let spread = squares.iter().map(|s| (s - variance).powi(2)).sum::<f64>();
        let error = (spread / n / (n - 1.0)).sqrt();
        Drawn { variance, error }
    };
    (0..hidden.len()).map(one).collect()
}

fn set_learned(net: &mut Network, to: &[f32]) {
    let params = net.params_mut();
    let spans: Vec<_> = params
        .buffer_entries()
        .iter()
        .filter(|e| e.name.ends_with(".controls"))
        .map(|e| e.span.clone())
        .collect();
    assert!(!spans.is_empty());
    for span in spans {
        params.buffer_values_mut()[span].copy_from_slice(to);
    }
}

/// The weights of [`drawn`]'s network.
fn small(hidden: &[usize]) -> Small {
    let spec = net(hidden, "reinforce", Some(Probability::Sigmoid)).unwrap();
    let (_, w) = ready(&spec, hidden, IMAGES.len(), 1);
    Small::new(hidden, &w)
}

/// The variance of a layer where images are independent: each weighs a half.
fn over_images(of: impl Fn(usize) -> Spread) -> f64 {
    (0..IMAGES.len())
        .map(|image| of(image).variance())
        .sum::<f64>()
        / 4.0
}

const PLAIN: (usize, u64) = (30_000, 1);

#[test]
fn reinforce_with_the_batch_baseline() {
    let small = small(THREE);
    let all: Vec<_> = (0..2).map(|image| small.outcomes(image)).collect();
    for (layer, drawn) in drawn(THREE, "reinforce", 1, Baseline::Batch, None, PLAIN)
        .iter()
        .enumerate()
    {
        let mut spread = Spread::default();
        for a in &all[0] {
            for b in &all[1] {
                let mut g = vec![0.0; small.span(layer).len()];
                // The baseline of each row is the other's loss.
                for (own, other) in [(a, b), (b, a)] {
                    let dx = along(own, layer, (own.loss - other.loss) / 2.0);
                    Small::gradient(own, layer, &dx, &mut g);
                }
                spread.add(a.probability * b.probability, &g);
            }
        }
        drawn.assert_is(
            spread.variance(),
            &format!("reinforce:batch, layer {layer}"),
        );
    }
}

/// The score of a sample's layer times a number.
fn along(sample: &Sample, layer: usize, learning_signal: f64) -> Vec<f64> {
    let units = sample.h[layer].iter().zip(&sample.p[layer]);
    units
        .map(|(&h, &p)| learning_signal * score(p, h))
        .collect()
}

/// The variances of leave-one-out REINFORCE with a control part times a scale, as the three
/// moments that it is made of: Σ Var g₀, Σ Cov(g₀, c), Σ Var c.
#[derive(Clone, Copy, Debug, Default)]
struct Scaled([f64; 3]);

impl Scaled {
    fn at(&self, scale: f64) -> f64 {
        self.0[0] + 2.0 * scale * self.0[1] + scale * scale * self.0[2]
    }

    fn best(&self) -> f64 {
        -self.0[1] / self.0[2]
    }
}

/// Which control variates are in the control part.
#[derive(Clone, Copy, PartialEq)]
enum Controls {
    Both,
    First,
}

/// The moments of a layer over all parameters, and over its biases alone.
fn double_cv(small: &Small, layer: usize, samples: usize, with: Controls) -> (Scaled, Scaled) {
    let (mut all, mut biases) = (Scaled::default(), Scaled::default());
    let len = small.span(layer).len();
    let units = small.hidden[layer];
    for image in 0..IMAGES.len() {
        let outcomes = small.outcomes(image);
        let mut sums = vec![[0.0; 5]; len];
        for tuple in 0..outcomes.len().pow(samples as u32) {
            let of: Vec<&Sample> = (0..samples)
                .map(|k| &outcomes[tuple / outcomes.len().pow(k as u32) % outcomes.len()])
                .collect();
            let weight: f64 = of.iter().map(|s| s.probability).product();
            let others = (samples - 1) as f64;
            let without = |k: usize, f: &dyn Fn(usize) -> f64| {
                (0..samples).filter(|&j| j != k).map(f).sum::<f64>() / others
            };
            let line = |k: usize, i: usize| without(k, &|j| of[j].grads[layer][i]);
            let own: Vec<f64> = (0..samples)
                .map(|k| {
                    let apart = |i: usize| of[k].h[layer][i] - of[k].p[layer][i];
                    (0..units).map(|i| line(k, i) * apart(i)).sum()
                })
                .collect();
            let (mut g, mut c) = (vec![0.0; len], vec![0.0; len]);
            for (k, &sample) in of.iter().enumerate() {
                let learning_signal = sample.loss - without(k, &|j| of[j].loss);
                let share = 1.0 / samples as f64 / 2.0;
                Small::gradient(
                    sample,
                    layer,
                    &along(sample, layer, learning_signal * share),
                    &mut g,
                );
                let second = if with == Controls::Both {
                    without(k, &|j| own[j])
                } else {
                    0.0
                };
                let mut dx = along(sample, layer, (own[k] - second) * share);
                for (i, dx) in dx.iter_mut().enumerate() {
                    *dx -= share * line(k, i) * derivative(sample.p[layer][i]);
                }
                Small::gradient(sample, layer, &dx, &mut c);
            }
            for (i, sums) in sums.iter_mut().enumerate() {
                let terms = [g[i] * g[i], g[i] * c[i], c[i] * c[i], g[i], c[i]];
                for (sum, term) in sums.iter_mut().zip(terms) {
                    *sum += weight * term;
                }
            }
        }
        for (i, [gg, gc, cc, g, c]) in sums.into_iter().enumerate() {
            let central = [gg - g * g, gc - g * c, cc - c * c];
            for (n, term) in central.into_iter().enumerate() {
                all.0[n] += term;
                if i >= len - units {
                    biases.0[n] += term;
                }
            }
        }
    }
    (all, biases)
}

#[test]
fn leave_one_out_reinforce() {
    for samples in [2, 4] {
        let small = small(TWO);
        let drawn = drawn(TWO, "reinforce", samples, Baseline::Loo, None, PLAIN);
        for (layer, drawn) in drawn.iter().enumerate() {
            let want = double_cv(&small, layer, samples, Controls::Both).0.at(0.0);
            drawn.assert_is(want, &format!("reinforce:loo:{samples}, layer {layer}"));
        }
    }
}

/// Averages whose scale is -1, and one whose scale is another one.
const WHOLE: &[f32] = &[1.0, 1.0];
const LESS: &[f32] = &[0.6, 1.0];

#[test]
fn double_cv_has_both_control_variates_at_any_scale() {
    for samples in [2, 4] {
        let small = small(TWO);
        for (learned, scale) in [(WHOLE, -1.0), (LESS, f64::from(-0.6f32))] {
            let drawn = drawn(
                TWO,
                "double-cv",
                samples,
                Baseline::Loo,
                Some(learned),
                PLAIN,
            );
            for (layer, drawn) in drawn.iter().enumerate() {
                let want = double_cv(&small, layer, samples, Controls::Both)
                    .0
                    .at(scale);
                let what = format!("double-cv:loo:{samples} at {scale:.1}, layer {layer}");
                drawn.assert_is(want, &what);
            }
        }
    }
}

/// `double-cv` with its second control variate left out, and its scale fixed at -1.
struct FirstOnly;

impl Estimator for FirstOnly {
    fn info(&self) -> Info {
        Info {
            name: "double-cv-first-only",
            ..by_name("double-cv", None).unwrap().info()
        }
    }
    fn rule(&self) -> Rule<'_> {
        Rule::ScoreFunction(self)
    }
    fn probability(&self) -> Probability {
        Probability::Sigmoid
    }
    fn needs(&self) -> Needs {
        Needs {
            p: true,
            ..Needs::default()
        }
    }
    fn grad(&self, u: Unit) -> f32 {
        let probability = Probability::Sigmoid;
        u.learning_signal * probability.score(u.slope, u.x, u.p, u.h)
            + u.saved_grads[0] * probability.derivative(u.slope, u.x, u.p)
    }
}

impl ScoreFunction for FirstOnly {
    fn saved_grads(&self) -> SavedGrads {
        SavedGrads::Samples
    }
    fn takes_baseline(&self) -> bool {
        true
    }
    fn learning_signal(&self, of: Outcome<'_>) -> f32 {
        let units = of.saved_grads[0].iter().zip(of.h).zip(of.p);
        let line: f32 = units.map(|((g, h), p)| g * (h - p)).sum();
        (of.loss - of.baseline) * of.weight - line
    }
}

#[test]
fn a_second_control_variate_that_is_left_out_is_caught() {
    estimators::register(|_| Some(Arc::new(FirstOnly))).unwrap();
    let small = small(TWO);
    let drawn = drawn(TWO, "double-cv-first-only", 4, Baseline::Loo, None, PLAIN);
    for (layer, drawn) in drawn.iter().enumerate() {
        let (whole, _) = double_cv(&small, layer, 4, Controls::Both);
        let (weaker, _) = double_cv(&small, layer, 4, Controls::First);
        drawn.assert_is(weaker.at(-1.0), &format!("the first alone, layer {layer}"));
        let ratio = weaker.at(-1.0) / whole.at(-1.0);
        println!("layer {layer}: {ratio:.2} times the variance of both");
        // The first layer's bits decide so little here that no control variate matters.
        if layer == 0 {
            continue;
        }
        assert!(ratio > 1.3, "{ratio}");
        let off = drawn.off(whole.at(-1.0));
        assert!(off > 2.0 * FAR, "the fault passes: {off} standard errors");
    }
}

/// What the engine learns is the scale of the least second moment of the biases' gradient,
/// and that is nearly the best for all parameters.
#[test]
fn double_cv_learns_the_scale_of_the_least_variance() {
    let small = small(TWO);
    for samples in [2, 4] {
        let spec = net(TWO, "double-cv", None).unwrap();
        let (mut net, _) = ready(&spec, TWO, IMAGES.len(), samples);
        let mut loo = baseline(Baseline::Loo, &net);
        let (warm_up, steps) = (500, 4000);
        let mut means = vec![[0.0; 2]; TWO.len()];
        crate::common::pool(1).install(|| {
            for number in 0..warm_up + steps {
                step(&mut net, &mut loo, 33, number);
                if number < warm_up {
                    continue;
                }
                let learned = net.params().buffer_values().chunks_exact(2);
                for (mean, learned) in means.iter_mut().zip(learned) {
                    mean[0] += f64::from(learned[0]);
                    mean[1] += f64::from(learned[1]);
                }
            }
        });
        let learning = drawn(TWO, "double-cv", samples, Baseline::Loo, None, PLAIN);
        for layer in 0..TWO.len() {
            let (all, biases) = double_cv(&small, layer, samples, Controls::Both);
            let scale = -means[layer][0] / means[layer][1];
            let (best, least) = (biases.best(), all.at(all.best()));
            let variance = learning[layer].variance;
            println!(
                "{samples} samples, layer {layer}: learned {scale:.3}, best {best:.3}; variance {variance:.5} while it learns, {least:.5} at best, {:.5} at 0",
                all.at(0.0)
            );
            // The first layer's bits decide so little here that no scale matters.
            if layer > 0 {
                let off = (scale - best).abs();
                assert!(off < 0.1 * best.abs(), "{scale}, not {best}");
            }
            assert!(all.at(best) < 1.02 * least);
            assert!(variance < 1.1 * least, "{variance} against {least}");
        }
    }
}

/// A cell of the noise of one unit: its ends.
type Cell = (f64, f64);

/// The cells of `len` units' noise that the numbers `at(unit)` cut it into, joined.
fn cells(len: usize, at: impl Fn(usize) -> Vec<f64>) -> Vec<Vec<Cell>> {
    let mut all: Vec<Vec<Cell>> = vec![Vec::new()];
    for unit in 0..len {
        let mut ends = at(unit);
        ends.extend([0.0, 1.0]);
        ends.sort_by(f64::total_cmp);
        let own: Vec<Cell> = ends
            .windows(2)
            .map(|w| (w[0], w[1]))
            .filter(|c| c.1 > c.0)
            .collect();
        all = all
            .iter()
            .flat_map(|cells| own.iter().map(move |&c| [&cells[..], &[c]].concat()))
            .collect();
    }
    all
}

/// ARM and DisARM share a sample and its opposites; within a cell of the noise all bits are
/// what they are, and the noise itself has two known moments.
#[test]
fn arm_and_disarm_over_the_cells_of_their_noise() {
    let small = small(TWO);
    for name in ["arm", "disarm"] {
        // Losses that differ are rare and far apart where a bit decides little.
        let many = (120_000, 1);
        let drawn = drawn(TWO, name, 1, Baseline::None, None, many);
        for (layer, drawn) in drawn.iter().enumerate() {
            let want: f64 = (0..2)
                .map(|image| antithetic(&small, image, layer, name))
                .sum();
            drawn.assert_is(want / 4.0, &format!("{name}, layer {layer}"));
        }
    }
}

fn antithetic(small: &Small, image: usize, layer: usize, name: &str) -> f64 {
    let outcomes = small.outcomes(image);
    // Whatever probability a unit may have, it cuts the noise there and at its opposite.
    let at = |unit: usize| -> Vec<f64> {
        let (l, i) = if unit < TWO[0] {
            (0, unit)
        } else {
            (1, unit - TWO[0])
        };
        outcomes
            .iter()
            .flat_map(|o| [o.p[l][i], 1.0 - o.p[l][i]])
            .collect()
    };
    let len = small.span(layer).len();
    let (mut mean, mut square, mut total) = (vec![0.0; len], 0.0, 0.0);
    for cell in cells(4, at) {
        let weight: f64 = cell.iter().map(|c| c.1 - c.0).product();
        let u = |l: usize, i: usize| {
            let (from, to) = cell[l * TWO[0] + i];
            (from + to) / 2.0
        };
        let primary = small.sample(image, |l, i, p| u(l, i) < p);
        // The opposite bits here, and above them the noise of the sample.
        let opposite = small.sample(image, |l, i, p| {
            let u = if l == layer { 1.0 - u(l, i) } else { u(l, i) };
            u < p
        });
        // A gradient is a number for the cell times a factor with two moments.
        let (mut g, mut factors) = (vec![0.0; len], Vec::new());
        let mut dx = Vec::new();
        for i in 0..TWO[layer] {
            let (p, h, other) = (
                primary.p[layer][i],
                primary.h[layer][i],
                opposite.h[layer][i],
            );
            let (from, to) = cell[layer * TWO[0] + i];
            let (from, to) = (from - 0.5, to - 0.5);
            if name == "arm" {
                dx.push((opposite.loss - primary.loss) * A);
                factors.push(((from + to) / 2.0, (from * from + from * to + to * to) / 3.0));
            } else {
                dx.push((primary.loss - opposite.loss) / 2.0 * (h - other) * A * p.max(1.0 - p));
                factors.push((1.0, 1.0));
            }
        }
        Small::gradient(&primary, layer, &dx, &mut g);
        let inputs = (len - dx.len()) / dx.len();
        for (n, g) in g.iter().enumerate() {
            let unit = if n < len - dx.len() {
                n / inputs
            } else {
                n - (len - dx.len())
            };
            mean[n] += weight * g * factors[unit].0;
            square += weight * g * g * factors[unit].1;
        }
        total += weight;
    }
    assert!((total - 1.0).abs() < 1e-9);
    square - mean.iter().map(|m| m * m).sum::<f64>()
}

#[test]
fn muprop_expands_about_the_means() {
    let small = small(THREE);
    let drawn = drawn(THREE, "muprop", 1, Baseline::None, None, PLAIN);
    for (layer, drawn) in drawn.iter().enumerate() {
        let want = over_images(|image| {
            let mut spread = Spread::default();
            for sample in small.outcomes(image) {
                let (p, h) = (&sample.p[layer], &sample.h[layer]);
                let (loss, slope) = small.mean_field(layer, p, Small::label(image));
                let line: f64 = (0..p.len()).map(|i| slope[i] * (h[i] - p[i])).sum();
                let mut dx = along(&sample, layer, sample.loss - loss - line);
                for (i, dx) in dx.iter_mut().enumerate() {
                    *dx += slope[i] * derivative(p[i]);
                }
                let mut g = vec![0.0; small.span(layer).len()];
                Small::gradient(&sample, layer, &dx, &mut g);
                spread.add(sample.probability, &g);
            }
            spread
        });
        drawn.assert_is(want, &format!("muprop, layer {layer}"));
    }
}

/// One layer of two bits: each has one or two dimensions of noise to integrate over.
const ONE: &[usize] = &[2];
/// The scale and, of even steps, the temperature of REBAR's control part.
const ETA: f64 = 0.75;
const REBAR: &[f32] = &[-0.4, -0.75, 1.0, 1.0, 1.0];

fn register_untied() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        estimators::register(|_| Some(Arc::new(Rebar { tied: false }))).unwrap();
    });
}

/// The variance of REBAR at a scale, integrated over the noise `u` of each bit, and over `v`.
fn rebar(small: &Small, t: f64, eta: f64, tied: bool, nodes: usize) -> f64 {
    let nodes = gauss(nodes);
    over_images(|image| {
        let p = small.sample(image, |_, _, _| true).p[0].clone();
        // For a unit: the weight, the bit, its relaxation, the one given the bit, and the
        // derivative of either with respect to x.
        let unit = |p: f64| -> Vec<[f64; 6]> {
            let x = (p / (1.0 - p)).ln();
            let relaxed = |u: f64| 1.0 / (1.0 + (-(x - (u / (1.0 - u)).ln()) / t).exp());
            let path = |r: f64| r * (1.0 - r) * A / t;
            let mut all = Vec::new();
            for &(node, weight) in &nodes {
                for (h, u, share) in [(1.0, node * p, p), (0.0, p + node * (1.0 - p), 1.0 - p)] {
                    let mut given = |v: f64, more: f64| {
                        let (u2, chain) = if h > 0.5 {
                            (v * p, 1.0 - (1.0 - p) / (1.0 - v * p))
                        } else {
                            let u2 = p + v * (1.0 - p);
                            (u2, 1.0 - p / u2)
                        };
                        let (free, bound) = (relaxed(u), relaxed(u2));
                        let weight = weight * share * more;
                        all.push([weight, h, free, bound, path(free), path(bound) * chain]);
                    };
                    if tied {
                        given(node, 1.0);
                    } else {
                        nodes.iter().for_each(|&(v, more)| given(v, more));
                    }
                }
            }
            all
        };
        let units: Vec<_> = p.iter().map(|&p| unit(p)).collect();
        let mut spread = Spread::default();
        let label = Small::label(image);
        let tops: Vec<f64> = (0..4)
            .map(|b| small.top(&[f64::from(b & 1), f64::from(b >> 1)], label).0)
            .collect();
        let sample = small.sample(image, |_, _, _| true);
        for a in &units[0] {
            for b in &units[1] {
                let loss = tops[a[1] as usize + 2 * b[1] as usize];
                let (_, free) = small.top(&[a[2], b[2]], label);
                let (loss_given, given) = small.top(&[a[3], b[3]], label);
                let dx: Vec<f64> = [a, b]
                    .iter()
                    .enumerate()
                    .map(|(i, n)| {
                        (loss - eta * loss_given) * score(p[i], n[1])
                            + eta * (free[i] * n[4] - given[i] * n[5])
                    })
                    .collect();
                let mut g = vec![0.0; small.span(0).len()];
                Small::gradient(&sample, 0, &dx, &mut g);
                spread.add(a[0] * b[0], &g);
            }
        }
        spread
    })
}

#[test]
fn rebar_with_tied_noise_and_with_noise_of_its_own() {
    register_untied();
    let small = small(ONE);
    let t = f64::from(-0.4f32 - 0.1f32).exp();
    for (name, tied, nodes) in [("rebar", true, 40), ("rebar-untied", false, 14)] {
        let want = rebar(&small, t, ETA, tied, nodes);
        let finer = rebar(&small, t, ETA, tied, nodes + 4);
        assert!((want / finer - 1.0).abs() < 2e-3, "{want} and {finer}");
        let draws = drawn(ONE, name, 1, Baseline::None, Some(REBAR), (30_000, 2));
        draws[0].assert_is(finer, name);
    }
}

/// The two forms where both learn, over two layers of bits: the default has the lesser
/// product of variance and rows, and its variance is not much above the other's.
#[test]
fn the_default_rebar_has_the_lesser_variance_for_its_cost() {
    register_untied();
    let hidden: &[usize] = &[4, 3];
    let of = |name: &str| {
        let spec = net(hidden, name, None).unwrap();
        let rows = spec.plan().unwrap().particles();
        let draws = drawn(hidden, name, 1, Baseline::None, None, (12_000, 1));
        (draws, rows)
    };
    let ((tied, rows), (own, more)) = (of("rebar"), of("rebar-untied"));
    assert_eq!((rows, more), (3, 5));
    for (layer, (tied, own)) in tied.iter().zip(&own).enumerate() {
        let ratio = tied.variance / own.variance;
        println!(
            "layer {layer}: variance {:.6} +- {:.6} tied, {:.6} +- {:.6} untied: {ratio:.3}",
            tied.variance, tied.error, own.variance, own.error
        );
        assert!(ratio < 1.3, "{ratio}");
        let product = ratio * rows as f64 / more as f64;
        assert!(product < 0.85, "{product}");
    }
}
