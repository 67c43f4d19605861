//! ReinMax against what it is derived from: exact where the loss is quadratic in the bits,
//! and on a small net with less bias than straight-through.

use crate::common::exact::{IMAGES, SLOPE, net, ready};
use crate::common::moments::Small;
use bnn_cpu::estimators::{Probability, Unit, by_name};

/// The loss of some bits, and its gradient at each.
type Loss<'a> = dyn Fn(&[f64]) -> (f64, Vec<f64>) + 'a;

/// The mean of a rule's gradient at each pre-activation over all outcomes of the bits, and
/// the exact gradient, where `loss` gives the loss of some bits and its gradient.
fn means(name: &str, probability: Probability, xs: &[f32], loss: &Loss<'_>) -> Vec<(f64, f64)> {
    let rule = by_name(name, Some(probability)).unwrap();
    let p: Vec<f64> = xs.iter().map(|&x| probability.exact(SLOPE, x)).collect();
    let mut of = vec![(0.0, 0.0); xs.len()];
    for outcome in 0..1u32 << xs.len() {
        let h: Vec<f64> = (0..xs.len()).map(|i| f64::from(outcome >> i & 1)).collect();
        let fires = |i: usize| if h[i] > 0.5 { p[i] } else { 1.0 - p[i] };
        let weight: f64 = (0..xs.len()).map(fires).product();
        let (value, grad) = loss(&h);
        for (i, (mean, exact)) in of.iter_mut().enumerate() {
            let unit = Unit {
                slope: SLOPE,
                x: xs[i],
                p: p[i] as f32,
                h: h[i] as f32,
                dh: 1.0,
                ..Unit::default()
            };
            *mean += weight * grad[i] * f64::from(rule.grad(unit));
            // d P(h)/dx = P(h)·score
            let slope = f64::from(probability.derivative(SLOPE, xs[i], p[i] as f32));
            let sign = if h[i] > 0.5 { 1.0 } else { -1.0 };
            *exact += weight / fires(i) * sign * slope * value;
        }
    }
    of
}

const XS: [f32; 4] = [-0.5, 0.125, 0.25, 0.5625];

/// A polynomial of the bits: linear, quadratic and cubic terms, each bit's own among them.
fn polynomial(h: &[f64], quadratic: f64, cubic: f64) -> (f64, Vec<f64>) {
    let c = |i: usize, j: usize| ((3 * i + 5 * j + i * j) as f64 * 0.7).sin();
    let n = h.len();
    let (mut value, mut slope) = (0.0, vec![0.0; n]);
    for i in 0..n {
        value += c(i, i + 1) * h[i] + cubic * h[i].powi(3);
        slope[i] += c(i, i + 1) + 3.0 * cubic * h[i].powi(2);
        for j in 0..n {
            value += quadratic * c(i, j) * h[i] * h[j];
            slope[i] += quadratic * c(i, j) * h[j];
            slope[j] += quadratic * c(i, j) * h[i];
        }
    }
    (value, slope)
}

fn worst(name: &str, probability: Probability, quadratic: f64, cubic: f64) -> f64 {
    let of = means(name, probability, &XS, &|h| polynomial(h, quadratic, cubic));
    of.iter()
        .map(|(mean, exact)| (mean - exact).abs())
        .fold(0.0, f64::max)
}

#[test]
fn reinmax_is_exact_where_the_loss_is_quadratic_in_the_bits() {
    for probability in Probability::ALL {
        let off = worst("reinmax", probability, 1.0, 0.0);
        assert!(off < 1e-6, "{probability:?}: {off}");
        // Straight-through is exact where it is linear, and neither where it is cubic.
        assert!(worst("st", probability, 0.0, 0.0) < 1e-6, "{probability:?}");
        assert!(worst("st", probability, 1.0, 0.0) > 0.05, "{probability:?}");
        assert!(
            worst("reinmax", probability, 0.0, 1.0) > 0.05,
            "{probability:?}"
        );
    }
}

/// The published form for classes, written for the two of a bit with logits 0 and a·x.
#[test]
fn reinmax_is_the_published_rule_for_two_classes() {
    let rule = by_name("reinmax", None).unwrap();
    for x in XS {
        let p = Probability::Sigmoid.exact(SLOPE, x);
        for h in [0.0, 1.0] {
            // Twice straight-through at the mean of sample and softmax, less half of it.
            let through = |q: f64| q - q * q;
            let want = f64::from(SLOPE) * (2.0 * through((h + p) / 2.0) - 0.5 * through(p));
            let unit = Unit {
                slope: SLOPE,
                x,
                p: p as f32,
                h: h as f32,
                dh: 1.0,
                ..Unit::default()
            };
            let got = f64::from(rule.grad(unit));
            assert!((got - want).abs() < 1e-6, "{x}, {h}: {got}, not {want}");
        }
    }
}

/// Below a softmax, whose cross-entropy is of every order in the bits.
#[test]
fn reinmax_has_less_bias_than_straight_through_on_a_small_net() {
    let hidden: &[usize] = &[5];
    let spec = net(hidden, "reinmax", None).unwrap();
    let (mut network, w) = ready(&spec, hidden, IMAGES.len(), 1);
    network.forward();
    let small = Small::new(hidden, &w);
    for probability in Probability::ALL {
        let bias = |name: &str| {
            let (mut off, mut size) = (0.0, 0.0);
            for image in 0..IMAGES.len() {
                let xs = &network.layer_output(0)[image * 5..][..5];
                let of = means(name, probability, xs, &|h| {
                    small.top(h, Small::label(image))
                });
                off += of
                    .iter()
                    .map(|(mean, exact)| (mean - exact).powi(2))
                    .sum::<f64>();
                size += of.iter().map(|(_, exact)| exact.powi(2)).sum::<f64>();
            }
            (off / size).sqrt()
        };
        let (reinmax, st) = (bias("reinmax"), bias("st"));
        println!("{probability:?}: bias {reinmax:.4} of the gradient, straight-through {st:.4}");
        assert!(reinmax < 0.95 * st, "{reinmax} and {st}");
        assert!(
            reinmax > 1e-4,
            "a bias of {reinmax} shows that the loss tests nothing"
        );
    }
}
