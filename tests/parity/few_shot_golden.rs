//! The few-shot head against values that PyTorch computed with other formulas
//! (`tests/tools/golden_few_shot.py`), on every instruction set of this machine.

use bnn_cpu::kernels::{self, Isa};
use bnn_cpu::layers::{Distance, FewShot, Head, Layer, Recorder, row_loss};
use bnn_cpu::model::Support;
use bnn_cpu::tape::Tape;
use bnn_cpu::tensor::Shape;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    head: Head,
    distance: Distance,
    shot: usize,
    scale: f32,
    way: usize,
    queries: usize,
    width: usize,
    x: Vec<f32>,
    z: Vec<f32>,
    loss: Vec<f32>,
    dz: Vec<f32>,
    dx: Vec<f32>,
}

fn cases() -> Vec<Case> {
    let text = include_str!("../golden/few_shot.json");
    let golden: Golden = serde_json::from_str(text).unwrap();
    assert_eq!(golden.cases.len(), 16);
    golden.cases
}

impl Case {
    fn layer(&self) -> FewShot {
        FewShot {
            head: self.head,
            distance: self.distance,
            scale: Some(self.scale),
            way: self.way,
            shot: self.shot,
            queries: self.queries,
        }
    }
}

fn close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        let error = (a - b).abs();
        assert!(error <= 2e-6 * largest, "{what}[{i}]: {a} is not {b}");
    }
}

#[test]
fn logits_losses_and_gradients_are_pytorch_s() {
    for case in cases() {
        for isa in Isa::available() {
            let engine = kernels::select(Some(isa.name())).unwrap();
            let rows = case.layer().episode().rows();
            let mut tape = Tape::new(engine, rows);
            let x = tape.input(Shape::vector(case.width), true);
            let mut to = Recorder {
                name: "head",
                noise: 0,
                unit: None,
                ignores_gradient: false,
                loss_differences: None,
                tape: &mut tape,
            };
            let y = case.layer().record(&mut to, &[x]).unwrap();
            tape.seal(true);
            tape.value_mut(x).copy_from_slice(&case.x);
            tape.forward();
            let support = case.layer().episode().support() * case.way;
            let z = tape.value(y)[support..].to_vec();
            close(&z, &case.z, &case.name);
            for (i, (z, &expected)) in z.chunks_exact(case.way).zip(&case.loss).enumerate() {
                let loss = row_loss(z, i / case.queries);
                let what = format!("{}: loss {i}: {loss} is not {expected}", case.name);
                assert!(
                    (loss - expected).abs() <= 1e-5 * expected.max(1.0),
                    "{what}"
                );
            }
            tape.backward_from(y, |grad| {
                grad.fill(0.0);
                grad[support..].copy_from_slice(&case.dz);
            });
            close(tape.grad(x), &case.dx, &case.name);
        }
    }
}

/// What evaluation and packed inference compute: of bits by counting, of reals as the op.
#[test]
fn a_support_set_answers_as_pytorch_does() {
    for case in cases() {
        let mut support = Support::new(case.layer().comparison(), case.width);
        let mut rows = case.x.chunks_exact(case.width);
        for class in 0..case.way {
            let pictures: Vec<f32> = rows.by_ref().take(case.shot).flatten().copied().collect();
            support.teach(&format!("class {class}"), &pictures).unwrap();
        }
        assert_eq!(
            support.is_bits(),
            case.name.ends_with("bits"),
            "{}",
            case.name
        );
        let mut z = vec![0.0; case.way];
        for (query, expected) in rows.zip(case.z.chunks_exact(case.way)) {
            support.logits(query, &mut z);
            close(&z, expected, &case.name);
        }
    }
}
