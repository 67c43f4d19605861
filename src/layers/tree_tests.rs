//! Sums of batch norm, of a channel's scale and of a learned slope are added up in the one tree over leaves, to
//! the bit. They are sums of 64-bit numbers that end as 32-bit ones, in which orders of
//! ordinary numbers seldom show; those here are so far apart in size that they do.

use super::{BatchNormOp, ChannelScale, PreluOp};
use crate::kernels::Isa;
use crate::random::{below, keyed};
use crate::tape::{Rows, Tape};
use crate::tensor::Shape;

const BATCHES: [(usize, usize); 4] = [(64, 64), (64, 50), (50, 37), (40, 33)];

/// A number a row, other than 0 in the first row of each leaf: small ones, and in two leaves
/// 2^60 and its opposite. What is added between these two is lost, and which numbers that are
/// depends on the order.
fn numbers(rows: &Rows, seed: u64) -> Vec<f32> {
    let mut random = keyed(&[seed]);
    let leaves = rows.leaves() as u64;
    let large = below(&mut random, leaves);
    let other = (large + 1 + below(&mut random, leaves - 1)) % leaves;
    let mut numbers = vec![0.0; rows.live];
    for leaf in 0..leaves {
        numbers[rows.of_leaf(leaf as usize).start] = match leaf {
            leaf if leaf == large => 2f32.powi(60),
            leaf if leaf == other => -(2f32.powi(60)),
            _ => 1.0 + below(&mut random, 9) as f32,
        };
    }
    numbers
}

/// Neighbours in pairs until one is left; a last one without a partner moves up.
fn tree<T: Copy>(mut nodes: Vec<T>, merge: impl Fn(T, T) -> T) -> T {
    while nodes.len() > 1 {
        let pair = |p: &[T]| p[1..].iter().fold(p[0], |a, &b| merge(a, b));
        nodes = nodes.chunks(2).map(pair).collect();
    }
    nodes[0]
}

fn engines() -> impl Iterator<Item = crate::kernels::Engine> {
    Isa::available()
        .into_iter()
        .map(|isa| crate::kernels::select(Some(isa.name())).unwrap())
}

#[test]
fn gradients_of_bias_shift_and_slope_are_added_up_in_the_tree() {
    let mut told = 0;
    for engine in engines() {
        for (capacity, live) in BATCHES {
            let rows = Rows::new(capacity).with_live(live);
            for seed in 0..8 {
                let dy = numbers(&rows, seed);
                let leaves: Vec<f64> = (0..rows.leaves())
                    .map(|leaf| dy[rows.of_leaf(leaf)].iter().map(|&x| f64::from(x)).sum())
                    .collect();
                let wanted = tree(leaves.clone(), |a, b| a + b) as f32;
                told += usize::from(wanted != leaves.iter().sum::<f64>() as f32);
                for layer in ["batch_norm", "channel_scale", "prelu"] {
                    let mut tape = Tape::new(engine, capacity);
                    let x = tape.input(Shape::vector(1), false);
                    let y = match layer {
                        "batch_norm" => BatchNormOp::record(&mut tape, "l", x, 1e-5, 0.1).unwrap(),
                        "channel_scale" => ChannelScale::record(&mut tape, "l", x, None, true),
                        _ => PreluOp::record(&mut tape, "l", x),
                    };
                    tape.seal(true);
                    tape.set_rows(live);
                    for (i, x) in tape.value_mut(x).iter_mut().enumerate() {
                        *x = match layer {
                            // The sum is then one of the gradients with the opposite sign.
                            "prelu" => -1.0,
                            _ => i as f32,
                        };
                    }
                    tape.forward();
                    tape.backward_from(y, |out| out.copy_from_slice(&dy));
                    let sign = if layer == "prelu" { -1.0 } else { 1.0 };
                    let found = sign * *tape.params.grads().last().unwrap();
                    assert_eq!(found, wanted, "{layer}, {live} of {capacity}, seed {seed}");
                }
            }
        }
    }
    assert!(told > 20, "the test tells no orders apart: {told}");
}

#[test]
fn statistics_are_merged_in_the_tree() {
    let chan = |(n, mean, m2): (f64, f64, f64), (count, other, other_m2): (f64, f64, f64)| {
        let (all, delta) = (n + count, other - mean);
        let share = count / all;
        (
            all,
            mean + delta * share,
            m2 + other_m2 + delta * delta * n * share,
        )
    };
    let mut told = 0;
    for engine in engines() {
        for (capacity, live) in BATCHES {
            let rows = Rows::new(capacity).with_live(live);
            for seed in 0..8 {
                let x = numbers(&rows, seed);
                let leaves: Vec<(f64, f64, f64)> = (0..rows.leaves())
                    .map(|leaf| {
                        // As the layer has it: relative to the leaf's first number, whose
                        // square its kernels add up in 32 bits.
                        let x = &x[rows.of_leaf(leaf)];
                        let (n, origin) = (x.len() as f64, x[0]);
                        let sum: f32 = x.iter().map(|x| x - origin).sum();
                        let squares: f32 = x.iter().map(|x| (x - origin).powi(2)).sum();
                        let (sum, squares) = (f64::from(sum), f64::from(squares));
                        let m2 = (squares - sum * sum / n).max(0.0);
                        (n, f64::from(origin) + sum / n, m2)
                    })
                    .collect();
                let (n, mean, m2) = tree(leaves.clone(), chan);
                let other = leaves[1..].iter().fold(leaves[0], |a, &b| chan(a, b));
                told += usize::from(mean as f32 != other.1 as f32);
                let mut tape = Tape::new(engine, capacity);
                let input = tape.input(Shape::vector(1), false);
                // The running statistics are those of the batch alone.
                BatchNormOp::record(&mut tape, "l", input, 1e-5, 1.0).unwrap();
                tape.seal(true);
                tape.set_rows(live);
                tape.value_mut(input).copy_from_slice(&x);
                tape.forward();
                let variance = m2 / n * (live as f64 / (live as f64 - 1.0));
                assert_eq!(
                    tape.params.buffer_values_mut(),
                    [mean as f32, variance as f32],
                    "{live} of {capacity}, seed {seed}"
                );
            }
        }
    }
    assert!(told > 20, "the test tells no orders apart: {told}");
}
