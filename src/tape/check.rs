//! Gradient checks: the backward pass against central differences.
//!
//! The checked function is `f = Σ w_i · y_i` over the elements `y` of the root, with fixed random
//! weights `w` and a sum in f64. Its derivative by the backward pass is compared with `(f(x + h) -
//! f(x - h)) / 2h`, coordinate by coordinate.

use rand::Rng;

use super::{Tape, Value};
use crate::random::{below, keyed, uniform};

/// The result of a [`gradient_check`].
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// The largest error `|analytic - numeric| / max(|analytic|, |numeric|, scale / 10)`, where
    /// `scale` is the largest analytic derivative of the same tensor.
    pub worst: f64,
    /// The coordinate with the largest error.
    pub at: String,
    /// Number of compared coordinates.
    pub compared: usize,
}

/// The tensor that a coordinate belongs to.
#[derive(Clone, Copy)]
enum Leaf {
    Input(Value),
    Params,
}

/// Checks the derivative of `root` with respect to each of `inputs` and each parameter, in at most
/// `most` coordinates of each (a random subset if there are more), with step `h`. The current rows
/// and inputs of the tape are used.
pub fn gradient_check(
    tape: &mut Tape,
    inputs: &[Value],
    root: Value,
    h: f32,
    most: usize,
) -> Check {
    let mut rng = keyed(&[0xc4ec]);
    tape.forward();
    let weights: Vec<f32> = tape
        .value(root)
        .iter()
        .map(|_| uniform(rng.next_u64()) * 2.0 - 1.0)
        .collect();
    // Values left by the first pass must not change the gradients of the second.
    for _ in 0..2 {
        tape.params.grads_mut().fill(0.0);
        tape.backward_from(root, |grad| grad.copy_from_slice(&weights));
    }

    let mut result = Check {
        worst: 0.0,
        at: "nothing".into(),
        compared: 0,
    };
    let leaves = inputs.iter().map(|&v| Leaf::Input(v)).chain([Leaf::Params]);
    for leaf in leaves {
        let analytic = match leaf {
            Leaf::Input(value) => tape.grad(value).to_vec(),
            Leaf::Params => tape.params.grads().to_vec(),
        };
        let scale = analytic
            .iter()
            .fold(0.0f64, |m, &g| m.max(f64::from(g.abs())));
        let count = analytic.len().min(most);
        for k in 0..count {
            let i = if count == analytic.len() {
                k
            } else {
                below(&mut rng, analytic.len() as u64) as usize
            };
            let numeric = central_difference(tape, (leaf, i), root, &weights, h);
            let exact = f64::from(analytic[i]);
            let size = exact.abs().max(numeric.abs()).max(scale / 10.0).max(1e-12);
            let error = (exact - numeric).abs() / size;
            result.compared += 1;
            // A NaN must fail the check; a comparison alone would ignore it.
            if error.is_nan() || error > result.worst {
                result.worst = if error.is_nan() { f64::INFINITY } else { error };
                result.at = match leaf {
                    Leaf::Input(value) => {
                        format!("input {}[{i}]: {exact} against {numeric}", value.0)
                    }
                    Leaf::Params => format!("{}: {exact} against {numeric}", name_of(tape, i)),
                };
            }
        }
    }
    result
}

/// Returns `(f(x + h) - f(x - h)) / 2h` in coordinate `i` of a tensor.
fn central_difference(
    tape: &mut Tape,
    (leaf, i): (Leaf, usize),
    root: Value,
    weights: &[f32],
    h: f32,
) -> f64 {
    let at = leaf_mut(tape, leaf)[i];
    let mut f = |x: f32| {
        leaf_mut(tape, leaf)[i] = x;
        tape.forward();
        let y = tape.value(root);
        y.iter()
            .zip(weights)
            .map(|(&y, &w)| f64::from(y) * f64::from(w))
            .sum::<f64>()
    };
    let (up, down) = (f(at + h), f(at - h));
    leaf_mut(tape, leaf)[i] = at;
    // The step that was made, after rounding.
    let step = f64::from(at + h) - f64::from(at - h);
    (up - down) / step
}

fn leaf_mut(tape: &mut Tape, leaf: Leaf) -> &mut [f32] {
    match leaf {
        Leaf::Input(value) => tape.value_mut(value),
        Leaf::Params => tape.params.values_mut(),
    }
}

/// Returns name and index of the parameter at index `flat` of the flat storage.
fn name_of(tape: &Tape, flat: usize) -> String {
    let entry = tape
        .params
        .entries()
        .iter()
        .find(|e| e.span.contains(&flat));
    entry.map_or_else(
        || format!("parameter {flat}"),
        |e| format!("{}[{}]", e.name, flat - e.span.start),
    )
}
