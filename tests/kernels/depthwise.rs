//! Products channel by channel: every instruction set bit for bit as the scalar table, and
//! close to the same formula written independently in f64.

use crate::common::{STEP, bits};
use bnn_cpu::kernels::depthwise::Taps;
use bnn_cpu::kernels::{Elementwise, Isa};
use bnn_cpu::random::{between, keyed};

fn numbers(seed: u64, len: usize) -> Vec<f32> {
    let mut rng = keyed(&[seed]);
    (0..len).map(|_| between(&mut rng, -1.0, 1.0)).collect()
}

fn tables() -> Vec<(&'static str, &'static Elementwise)> {
    Isa::available()
        .into_iter()
        .map(|isa| (isa.name(), &isa.kernels().expect("it is available").ew))
        .collect()
}

/// Windows over an image of `height` x `width` in its border.
struct Case {
    taps: Taps,
    image: Vec<f32>,
    weights: Vec<f32>,
    /// Numbers of the output's, bias first.
    bias: Vec<f32>,
    g: Vec<f32>,
}

impl Case {
    fn new(
        (height, width, channels): (usize, usize, usize),
        (down, across): (usize, usize),
        (stride, dilation): (usize, usize),
    ) -> Self {
        let lanes = channels.next_multiple_of(8);
        let side = |n: usize, k: usize| (n - (k - 1) * dilation - 1) / stride + 1;
        let line = width * lanes;
        let taps = Taps {
            rows: side(height, down),
            cols: side(width, across),
            row_step: stride * line,
            col_step: stride * lanes,
            down,
            across,
            down_step: dilation * line,
            across_step: dilation * lanes,
            channels,
        };
        // Channels beyond the last are 0.
        let padded = |seed, pixels: usize| {
            let mut x = numbers(seed, pixels * lanes);
            for pixel in x.chunks_exact_mut(lanes) {
                pixel[channels..].fill(0.0);
            }
            x
        };
        Self {
            taps,
            image: padded(1, height * width),
            weights: padded(2, down * across),
            bias: numbers(3, channels),
            g: numbers(4, taps.rows * taps.cols * channels),
        }
    }

    /// Calls `f(window, tap, channel, its place in the image)`.
    fn each(&self, mut f: impl FnMut(usize, usize, usize, usize)) {
        let t = &self.taps;
        for p in 0..t.rows * t.cols {
            for k in 0..t.down * t.across {
                let start = p / t.cols * t.row_step + p % t.cols * t.col_step;
                let tap = k / t.across * t.down_step + k % t.across * t.across_step;
                for c in 0..t.channels {
                    f(p, k, c, start + tap + c);
                }
            }
        }
    }

    fn check(&self) {
        let (t, lanes) = (&self.taps, self.taps.lanes());
        let of = |v: &[f32], i: usize| f64::from(v[i]);
        let old = numbers(5, self.g.len());
        let mut want = vec![0.0; self.g.len()];
        let mut want_d = vec![0.0; self.weights.len()];
        self.each(|p, k, c, at| {
            let i = p * t.channels + c;
            want[i] += of(&self.image, at) * of(&self.weights, k * lanes + c);
            want_d[k * lanes + c] += of(&self.image, at) * of(&self.g, i);
        });
        let run = |e: &Elementwise, bias: Option<&[f32]>, add: bool| {
            let mut y = old.clone();
            (e.taps_product)(t, &self.image, &self.weights, bias, add, &mut y);
            y
        };
        let transposed = |e: &Elementwise| {
            let mut d = self.weights.clone();
            (e.taps_transposed)(t, &self.image, &self.g, &mut d);
            d
        };
        let tables = tables();
        let scalar = tables[0].1;
        let d = transposed(scalar);
        for (i, d) in d.iter().enumerate() {
            let want = want_d[i] + of(&self.weights, i);
            assert!((f64::from(*d) - want).abs() < 2e-5, "{t:?}: {d} for {want}");
        }
        for (bias, add) in [(None, false), (Some(&*self.bias), false), (None, true)] {
            let y = run(scalar, bias, add);
            for (i, y) in y.iter().enumerate() {
                let first = match (bias, add) {
                    (Some(bias), _) => of(bias, i % t.channels),
                    (None, true) => of(&old, i),
                    (None, false) => 0.0,
                };
                let error = (f64::from(*y) - want[i] - first).abs();
                assert!(error < 2e-5, "{t:?}: {error:e} off");
            }
            for (isa, table) in &tables[1..] {
                assert_eq!(bits(&run(table, bias, add)), bits(&y), "{isa} {t:?}");
            }
        }
        for (isa, table) in &tables[1..] {
            assert_eq!(bits(&transposed(table)), bits(&d), "{isa} {t:?}");
        }
    }
}

#[test]
fn every_channel_count() {
    for channels in (1..=40).step_by(STEP).chain([64]) {
        Case::new((5, 7, channels), (3, 3), (1, 1)).check();
        Case::new((6, 5, channels), (2, 1), (2, 3)).check();
    }
}

#[test]
fn every_window_and_width() {
    for across in 1..=9 {
        for cols in 1..=9 {
            for (stride, dilation) in [(1, 1), (2, 1), (1, 2)] {
                let width = (cols - 1) * stride + (across - 1) * dilation + 1;
                Case::new((4, width, 24), (2, across), (stride, dilation)).check();
            }
        }
    }
}
