//! Convolutions of weights far larger than a cache, whose images are stacked.

use super::*;
use crate::kernels::{Engine, Isa, select};
use crate::layers::testing::fill;
use crate::tape::Tape;

const INPUT: Shape = Shape::image(128, 5, 6);
const OUT: usize = 256;

/// What a pass forwards and backwards gives: the output, the gradient of the input, and those
/// of the weights and the biases.
struct Passed {
    y: Vec<f32>,
    dx: Vec<f32>,
    params: Vec<f32>,
}

/// A tape of the layer over as many rows as it holds.
fn tape(
    engine: Engine,
    capacity: usize,
    (stride, padding): (usize, usize),
) -> (Tape, Value, Value) {
    let mut tape = Tape::new(engine, capacity);
    let x = tape.input(INPUT, true);
    let window = Window::square(3, stride, padding);
    let y = ConvOp::record(&mut tape, "c", x, OUT, window, Terms::real(true)).unwrap();
    tape.seal(true);
    fill(1, tape.params.values_mut());
    (tape, x, y)
}

/// A pass over the first `live` rows of images and gradients that `seed` tells.
fn pass((tape, x, y): &mut (Tape, Value, Value), live: usize, seed: u64) -> Passed {
    tape.set_rows(live);
    fill(seed, tape.value_mut(*x));
    tape.params.grads_mut().fill(0.0);
    tape.forward();
    tape.backward_from(*y, |dy| fill(seed + 1, dy));
    Passed {
        y: tape.value(*y).to_vec(),
        dx: tape.grad(*x).to_vec(),
        params: tape.params.grads().to_vec(),
    }
}

/// The sums of the module's formulas in double precision, over the first `live` rows.
fn direct(
    (tape, x, y): &(Tape, Value, Value),
    dy: &[f32],
    (stride, padding): (usize, usize),
    live: usize,
) -> [Vec<f64>; 3] {
    let (input, output) = (tape.shape(*x), tape.shape(*y));
    let (values, weights) = (tape.value(*x), tape.params.values());
    let bias = OUT * input.channels * 9;
    let mut sums = [
        vec![0.0; live * output.len()],
        vec![0.0; live * input.len()],
        vec![0.0; bias + OUT],
    ];
    for n in 0..live {
        for (i, j) in (0..output.height).flat_map(|i| (0..output.width).map(move |j| (i, j))) {
            let at = n * output.len() + (i * output.width + j) * OUT;
            for o in 0..OUT {
                sums[0][at + o] = f64::from(weights[bias + o]);
                sums[2][bias + o] += f64::from(dy[at + o]);
            }
            for (u, v) in (0..3).flat_map(|u| (0..3).map(move |v| (u, v))) {
                let (Some(r), Some(s)) = (
                    (stride * i + u).checked_sub(padding),
                    (stride * j + v).checked_sub(padding),
                ) else {
                    continue;
                };
                if r >= input.height || s >= input.width {
                    continue;
                }
                let from = n * input.len() + (r * input.width + s) * input.channels;
                for c in 0..input.channels {
                    let x = f64::from(values[from + c]);
                    let mut dx = 0.0;
                    for o in 0..OUT {
                        let k = (o * input.channels + c) * 9 + u * 3 + v;
                        let (w, g) = (f64::from(weights[k]), f64::from(dy[at + o]));
                        sums[0][at + o] += x * w;
                        dx += g * w;
                        sums[2][k] += x * g;
                    }
                    sums[1][from + c] += dx;
                }
            }
        }
    }
    sums
}

#[test]
fn outputs_and_gradients_are_the_direct_sums() {
    for (window, capacity, live) in [
        ((1, 1), 3, 3),
        ((1, 1), 4, 2),
        ((1, 0), 1, 1),
        ((2, 1), 3, 3),
        ((2, 1), 9, 7),
    ] {
        for isa in Isa::available() {
            let engine = select(Some(isa.name())).unwrap();
            let mut net = tape(engine, capacity, window);
            let got = pass(&mut net, live, 5);
            let mut dy = got.y.clone();
            fill(6, &mut dy);
            let want = direct(&net, &dy, window, live);
            for (got, want) in [&got.y, &got.dx, &got.params].into_iter().zip(&want) {
                assert_eq!(got.len(), want.len());
                let pairs = got.iter().zip(want);
                let error: f64 = pairs.map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
                let size: f64 = want.iter().map(|b| b * b).sum();
                assert!(
                    size > 1.0 && error.sqrt() < 2e-6 * size.sqrt(),
                    "{error} of {size}"
                );
            }
        }
    }
}

#[test]
fn the_bits_depend_neither_on_threads_nor_on_what_was_computed_before() {
    let engine = select(None).unwrap();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap()
    };
    for stride in [1, 2] {
        let window = (stride, 1);
        let first = on(1).install(|| pass(&mut tape(engine, 6, window), 4, 7));
        let again = on(3).install(|| {
            let mut net = tape(engine, 6, window);
            // Rows that are not live the next time.
            pass(&mut net, 6, 11);
            pass(&mut net, 4, 7)
        });
        assert_eq!(first.y, again.y);
        assert_eq!(first.dx, again.dx);
        assert_eq!(first.params, again.params);
    }
}
