//! Every instruction set's element-wise kernels: bit for bit those of the scalar
//! table, and close to the same formula written independently in f64.

use crate::common::STEP;
use bnn_cpu::kernels::elementwise::{Adam, Pool, Sgd};
use bnn_cpu::kernels::{Elementwise, Isa};

/// Test numbers in (-2, 2) from a small generator (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn real(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 22) as f32 - 2.0
    }

    fn reals(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.real()).collect()
    }
}

/// What a kernel may read: (pixels, channels) images and numbers a channel.
struct Input {
    x: Vec<f32>,
    dy: Vec<f32>,
    old: Vec<f32>,
    old2: Vec<f32>,
    a: Vec<f32>,
    b: Vec<f32>,
    d: Vec<f32>,
}

impl Input {
    fn new(pixels: usize, channels: usize) -> Self {
        let n = &mut Numbers((pixels * 1000 + channels) as u64);
        let len = pixels * channels;
        let mut x = n.reals(len);
        // The corners that a formula may treat in its own way.
        for (x, special) in x.iter_mut().skip(len / 2).zip([0.0, -0.0, 0.5, -0.5]) {
            *x = special;
        }
        Self {
            x,
            dy: n.reals(len),
            old: n.reals(len),
            old2: n.reals(len).iter().map(|x| x.abs()).collect(),
            a: n.reals(channels),
            b: n.reals(channels),
            d: n.reals(channels),
        }
    }

    /// `f(x, dy, old, channel)` for each element.
    fn map(&self, f: impl Fn(f64, f64, f64, usize) -> f64) -> Vec<f64> {
        (0..self.x.len())
            .map(|i| {
                let of = |v: &[f32]| f64::from(v[i]);
                f(of(&self.x), of(&self.dy), of(&self.old), i % self.a.len())
            })
            .collect()
    }

    /// `start[c] + Σ f(x, dy, c)` over the pixels, for each channel.
    fn sum(&self, start: &[f32], f: impl Fn(f64, f64, usize) -> f64) -> Vec<f64> {
        let mut sum: Vec<f64> = start.iter().map(|&x| f64::from(x)).collect();
        for (i, (&x, &dy)) in self.x.iter().zip(&self.dy).enumerate() {
            let c = i % start.len();
            sum[c] += f(f64::from(x), f64::from(dy), c);
        }
        sum
    }
}

type Run = fn(&Elementwise, &Input) -> Vec<f32>;
type Want = fn(&Input) -> Vec<f64>;

const SLOPE: f32 = 2.0;
const SGD: [Sgd; 3] = [
    Sgd {
        lr: 0.1,
        momentum: 0.0,
        nesterov: false,
        weight_decay: 0.0,
    },
    Sgd {
        lr: 0.1,
        momentum: 0.9,
        nesterov: false,
        weight_decay: 0.01,
    },
    Sgd {
        lr: 0.1,
        momentum: 0.9,
        nesterov: true,
        weight_decay: 0.01,
    },
];
const ADAM: Adam = Adam {
    lr: 0.01,
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    weight_decay: 0.1,
    decoupled: false,
    correction1: 0.271,
    correction2: 0.002_997_001,
};

/// A kernel that reads two images and adds to, or overwrites, a third.
macro_rules! image {
    (|$e:ident, $i:ident, $out:ident| $call:expr) => {
        |$e, $i| {
            let mut $out = $i.old.clone();
            $call;
            $out
        }
    };
}

fn sgd(e: &Elementwise, i: &Input, s: &Sgd) -> Vec<f32> {
    let (mut w, mut m) = (i.old.clone(), i.old2.clone());
    (e.sgd)(s, &i.dy, &mut m, &mut w);
    [w, m].concat()
}

fn want_sgd(i: &Input, s: &Sgd) -> Vec<f64> {
    let (lr, mu, decay) = (
        f64::from(s.lr),
        f64::from(s.momentum),
        f64::from(s.weight_decay),
    );
    let both = i.old.iter().zip(&i.old2).zip(&i.dy).map(|((&w, &m), &g)| {
        let (w, m) = (f64::from(w), f64::from(m));
        let g = f64::from(g) + decay * w;
        let m = mu * m + g;
        let step = if s.nesterov { g + mu * m } else { m };
        (w - lr * step, m)
    });
    let (w, m): (Vec<_>, Vec<_>) = both.unzip();
    [w, m].concat()
}

fn adam(e: &Elementwise, i: &Input, s: &Adam) -> Vec<f32> {
    let (mut w, mut m, mut v) = (i.old.clone(), i.x.clone(), i.old2.clone());
    (e.adam)(s, &i.dy, &mut m, &mut v, &mut w);
    [w, m, v].concat()
}

fn want_adam(i: &Input, s: &Adam) -> Vec<f64> {
    let (b1, b2) = (f64::from(s.beta1), f64::from(s.beta2));
    let (lr, decay) = (f64::from(s.lr), f64::from(s.weight_decay));
    let mut out = [Vec::new(), Vec::new(), Vec::new()];
    for j in 0..i.x.len() {
        let of = |v: &[f32]| f64::from(v[j]);
        let (mut w, mut g) = (of(&i.old), of(&i.dy));
        if s.decoupled {
            w -= lr * decay * w;
        } else {
            g += decay * w;
        }
        let m = b1 * of(&i.x) + (1.0 - b1) * g;
        let v = b2 * of(&i.old2) + (1.0 - b2) * g * g;
        let (mean, var) = (m / f64::from(s.correction1), v / f64::from(s.correction2));
        w -= lr * mean / (var.sqrt() + f64::from(s.eps));
        for (out, x) in out.iter_mut().zip([w, m, v]) {
            out.push(x);
        }
    }
    out.concat()
}

const KERNELS: &[(&str, Run, Want)] = &[
    ("add", image!(|e, i, y| (e.add)(&i.x, &mut y)), |i| {
        i.map(|x, _, y, _| y + x)
    }),
    (
        "affine",
        image!(|e, i, y| (e.affine)(&i.x, &i.a, &i.b, &mut y)),
        |i| i.map(|x, _, _, c| x * f64::from(i.a[c]) + f64::from(i.b[c])),
    ),
    (
        "channel_sums",
        |e, i| {
            let (mut sum, mut squares) = (i.a.clone(), i.b.clone());
            (e.channel_sums)(&i.x, &i.d, &mut sum, &mut squares);
            [sum, squares].concat()
        },
        |i| {
            let away = |x, c: usize| x - f64::from(i.d[c]);
            let sum = i.sum(&i.a, |x, _, c| away(x, c));
            [sum, i.sum(&i.b, |x, _, c| away(x, c).powi(2))].concat()
        },
    ),
    (
        "batch_norm_sums",
        |e, i| {
            let (mut sum, mut dot) = (i.a.clone(), i.b.clone());
            (e.batch_norm_sums)(&i.x, &i.d, &i.dy, &mut sum, &mut dot);
            [sum, dot].concat()
        },
        |i| {
            let sum = i.sum(&i.a, |_, dy, _| dy);
            [sum, i.sum(&i.b, |x, dy, c| dy * (x - f64::from(i.d[c])))].concat()
        },
    ),
    (
        "batch_norm_grad",
        image!(|e, i, y| (e.batch_norm_grad)(&i.x, &i.dy, &i.a, &i.b, &i.d, &mut y)),
        |i| {
            let at = |v: &[f32], c: usize| f64::from(v[c]);
            i.map(|x, dy, old, c| old + at(&i.a, c) * dy + at(&i.b, c) * x + at(&i.d, c))
        },
    ),
    ("relu", image!(|e, i, y| (e.relu)(&i.x, &mut y)), |i| {
        i.map(|x, _, _, _| x.max(0.0))
    }),
    (
        "relu_grad",
        image!(|e, i, y| (e.relu_grad)(&i.x, &i.dy, &mut y)),
        |i| i.map(|x, dy, old, _| if x > 0.0 { old + dy } else { old }),
    ),
    (
        "prelu",
        image!(|e, i, y| (e.prelu)(&i.x, &i.a, &mut y)),
        |i| i.map(|x, _, _, c| if x > 0.0 { x } else { f64::from(i.a[c]) * x }),
    ),
    (
        "prelu_grad",
        image!(|e, i, y| (e.prelu_grad)(&i.x, &i.dy, &i.a, &mut y)),
        |i| {
            let slope = |x: f64, c: usize| if x > 0.0 { 1.0 } else { f64::from(i.a[c]) };
            i.map(|x, dy, old, c| old + slope(x, c) * dy)
        },
    ),
    (
        "prelu_sums",
        |e, i| {
            let mut sum = i.a.clone();
            (e.prelu_sums)(&i.x, &i.dy, &mut sum);
            sum
        },
        |i| i.sum(&i.a, |x, dy, _| dy * x.min(0.0)),
    ),
    (
        "hard_sigmoid",
        image!(|e, i, y| (e.hard_sigmoid)(SLOPE, &i.x, &mut y)),
        |i| i.map(|x, _, _, _| ((2.0 * x).clamp(-1.0, 1.0) + 1.0) / 2.0),
    ),
    (
        "hard_sigmoid_grad",
        image!(|e, i, y| (e.hard_sigmoid_grad)(SLOPE, &i.x, &i.dy, &mut y)),
        |i| i.map(|x, dy, old, _| if (2.0 * x).abs() < 1.0 { old + dy } else { old }),
    ),
    (
        "sigmoid",
        image!(|e, i, y| (e.sigmoid)(SLOPE, &i.x, &mut y)),
        |i| i.map(|x, _, _, _| 1.0 / (1.0 + (-2.0 * x).exp())),
    ),
    (
        "sigmoid_grad",
        image!(|e, i, y| (e.sigmoid_grad)(SLOPE, &i.x, &i.dy, &mut y)),
        |i| i.map(|y, dy, old, _| old + dy * 2.0 * y * (1.0 - y)),
    ),
    ("step", image!(|e, i, y| (e.step)(&i.x, &mut y)), |i| {
        i.map(|x, _, _, _| if x > 0.0 { 1.0 } else { 0.0 })
    }),
    (
        "bernoulli",
        image!(|e, i, y| (e.bernoulli)(&i.x, &i.dy, &mut y)),
        |i| i.map(|p, u, _, _| if u < p { 1.0 } else { 0.0 }),
    ),
    (
        "relaxed_bits",
        |e, i| {
            let u: Vec<f32> = i.dy.iter().map(|u| u.abs().fract()).collect();
            let mut r = vec![f32::NAN; u.len()];
            (e.relaxed_bits)((SLOPE, 0.5), &i.x, &u, &mut r);
            r
        },
        |i| {
            i.map(|x, u, _, _| {
                let u = u.abs().fract();
                1.0 / (1.0 + (-(2.0 * x - (u / (1.0 - u)).ln()) / 0.5).exp())
            })
        },
    ),
    ("sgd", |e, i| sgd(e, i, &SGD[0]), |i| want_sgd(i, &SGD[0])),
    (
        "sgd, momentum",
        |e, i| sgd(e, i, &SGD[1]),
        |i| want_sgd(i, &SGD[1]),
    ),
    (
        "sgd, nesterov",
        |e, i| sgd(e, i, &SGD[2]),
        |i| want_sgd(i, &SGD[2]),
    ),
    ("adam", |e, i| adam(e, i, &ADAM), |i| want_adam(i, &ADAM)),
    (
        "adamw",
        |e, i| {
            adam(
                e,
                i,
                &Adam {
                    decoupled: true,
                    ..ADAM
                },
            )
        },
        |i| {
            want_adam(
                i,
                &Adam {
                    decoupled: true,
                    ..ADAM
                },
            )
        },
    ),
];

fn tables() -> Vec<(&'static str, &'static Elementwise)> {
    Isa::available()
        .into_iter()
        .map(|isa| (isa.name(), &isa.kernels().expect("it is available").ew))
        .collect()
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

fn check(pixels: usize, channels: usize) {
    let input = Input::new(pixels, channels);
    let tables = tables();
    for (name, run, want) in KERNELS {
        let scalar = run(tables[0].1, &input);
        let want = want(&input);
        assert_eq!(scalar.len(), want.len());
        for (&got, &want) in scalar.iter().zip(&want) {
            let error = (f64::from(got) - want).abs();
            assert!(
                error <= 3e-6 * (1.0 + pixels as f64) + 1e-5 * want.abs(),
                "{name} ({pixels}, {channels}): {got} instead of {want}"
            );
        }
        for (isa, table) in &tables[1..] {
            let got = run(table, &input);
            assert_eq!(
                bits(&got),
                bits(&scalar),
                "{name} ({pixels}, {channels}) on {isa}"
            );
        }
    }
}

#[test]
fn every_length() {
    for len in (0..=67).step_by(STEP) {
        check(len, 1);
    }
}

#[test]
fn every_channel_count() {
    for channels in (1..=40).step_by(STEP).chain([64]) {
        for pixels in [1, 2, 5, 9] {
            check(pixels, channels);
        }
    }
}

/// The definition, pixel by pixel: (maximum, index) of one window of one channel.
fn window(pool: &Pool, x: &[f32], oy: usize, ox: usize, c: usize) -> (f32, u8) {
    let mut best = (f32::NEG_INFINITY, 0);
    for ky in 0..pool.kernel.0 {
        for kx in 0..pool.kernel.1 {
            let (iy, ix) = (oy * pool.stride.0 + ky, ox * pool.stride.1 + kx);
            let x = x[(iy * pool.width + ix) * pool.channels + c];
            if x > best.0 || x.is_nan() || (ky, kx) == (0, 0) {
                best = (x, (ky * pool.kernel.1 + kx) as u8);
            }
        }
    }
    best
}

#[test]
fn max_pool_by_its_definition() {
    for channels in (1..=40).step_by(STEP).chain([64, 70]) {
        for (height, width, kernel, stride) in [
            (4, 6, (2, 2), (2, 2)),
            (5, 7, (2, 2), (2, 2)),
            (4, 5, (2, 2), (1, 1)),
            (7, 6, (3, 3), (2, 2)),
            (3, 3, (3, 3), (1, 1)),
            (5, 4, (1, 1), (1, 1)),
            (5, 7, (2, 2), (1, 3)),
            (6, 5, (1, 3), (2, 1)),
            (5, 4, (4, 2), (1, 2)),
        ] {
            let pool = Pool {
                height,
                width,
                channels,
                kernel,
                stride,
            };
            let n = &mut Numbers(channels as u64);
            // Few distinct values, so that equals meet; and some NaN.
            let x: Vec<f32> = (0..height * width * channels)
                .map(|_| match (n.real() * 4.0).floor() {
                    -8.0 => f32::NAN,
                    x => x * 0.25,
                })
                .collect();
            let (rows, cols) = pool.output();
            let len = rows * cols * channels;
            let (dy, old) = (n.reals(len), n.reals(x.len()));
            let (mut want, mut want_index) = (vec![0.0; len], vec![0; len]);
            let mut want_dx = old.clone();
            for out in 0..rows * cols {
                for c in 0..channels {
                    let at = out * channels + c;
                    let (y, k) = window(&pool, &x, out / cols, out % cols, c);
                    (want[at], want_index[at]) = (y, k);
                    let iy = out / cols * stride.0 + k as usize / kernel.1;
                    let ix = out % cols * stride.1 + k as usize % kernel.1;
                    want_dx[(iy * width + ix) * channels + c] += dy[at];
                }
            }
            for (isa, table) in tables() {
                let (mut y, mut index) = (vec![7.0; len], vec![7; len]);
                (table.max_pool)(&pool, &x, &mut y, &mut index);
                assert_eq!(bits(&y), bits(&want), "{isa} {pool:?}");
                assert_eq!(index, want_index, "{isa} {pool:?}");
                let mut dx = old.clone();
                (table.max_pool_grad)(&pool, &dy, &index, &mut dx);
                assert_eq!(bits(&dx), bits(&want_dx), "{isa} {pool:?}");
            }
        }
    }
}

#[test]
fn sigmoid_at_the_ends() {
    for (isa, table) in tables() {
        let x = [
            f32::INFINITY,
            200.0,
            0.0,
            -200.0,
            f32::NEG_INFINITY,
            f32::NAN,
        ];
        // `tests/tools/avx512.sh` looks for this line.
        println!("element-wise kernels tested on: {isa}");
        let mut y = [7.0; 6];
        (table.sigmoid)(1.0, &x, &mut y);
        assert_eq!(y[..3], [1.0, 1.0, 0.5], "{isa}");
        assert!(y[3..5].iter().all(|&y| (0.0..1e-37).contains(&y)), "{isa}");
        assert!(y[5].is_nan(), "{isa}");
    }
}
