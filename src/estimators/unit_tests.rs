//! Tests of a binary unit without a network.

use super::*;
use crate::estimators::StraightThrough;
use crate::tensor::Shape;

fn tape(firing: Firing, rows: usize, len: usize) -> (Tape, Value, Value) {
    let engine = crate::kernels::select(Some("scalar")).unwrap();
    let mut tape = Tape::new(engine, rows);
    let x = tape.input(Shape::vector(len), true);
    let h = BinaryUnit::record(&mut tape, x, firing, Arc::new(StraightThrough::default()));
    tape.seal(true);
    (tape, x, h)
}

#[test]
fn deterministic_units_threshold_at_zero_and_a_tie_is_zero() {
    let (mut tape, x, h) = tape(Firing::Deterministic, 1, 5);
    tape.value_mut(x)
        .copy_from_slice(&[-1.0, -0.0, 0.0, 1e-30, f32::NAN]);
    tape.forward();
    assert_eq!(tape.value(h), [0.0, 0.0, 0.0, 1.0, 0.0]);
}

#[test]
fn stochastic_units_fire_with_their_probability() {
    let (mut tape, x, h) = tape(Firing::Stochastic, 50, 2000);
    for (p, slope) in [(0.1, 1.0f32), (0.5, 2.0), (0.9, 3.0)] {
        tape.pass.slope = slope;
        tape.value_mut(x).fill((2.0 * p - 1.0) / slope);
        tape.forward();
        let n = tape.value(h).len() as f32;
        let mean = tape.value(h).iter().sum::<f32>() / n;
        // The tolerance is five standard errors.
        assert!(
            (mean - p).abs() < 5.0 * (p * (1.0 - p) / n).sqrt(),
            "{mean} for {p}"
        );
    }
    tape.value_mut(x).fill(-1.0);
    tape.forward();
    assert!(tape.value(h).iter().all(|&h| h == 0.0), "p = 0 never fires");
    tape.value_mut(x).fill(1.0);
    tape.forward();
    assert!(
        tape.value(h).iter().all(|&h| h == 1.0),
        "p = 1 always fires"
    );
}

#[test]
fn noise_changes_with_its_address_and_with_nothing_else() {
    let (mut tape, x, h) = tape(Firing::Stochastic, 4, 300);
    tape.value_mut(x).fill(0.0);
    let mut draw = |seed, step| {
        tape.pass.noise.seed = seed;
        tape.pass.noise.step = step;
        tape.forward();
        tape.value(h).to_vec()
    };
    let first = draw(1, 1);
    assert_eq!(first, draw(1, 1));
    assert_ne!(first, draw(1, 2));
    assert_ne!(first, draw(2, 1));
    assert_ne!(
        first[..300],
        first[300..600],
        "rows have noise of their own"
    );
}

#[test]
fn thresholds_replace_samples_where_the_pass_asks() {
    let (mut tape, x, h) = tape(Firing::Stochastic, 1, 2);
    tape.pass.units = Units::Threshold;
    tape.value_mut(x).copy_from_slice(&[-0.1, 0.1]);
    tape.forward();
    assert_eq!(tape.value(h), [0.0, 1.0]);
}

#[test]
fn bits_are_declared_where_every_row_emits_them() {
    use crate::estimators::{Gumbel, Rebar};
    let declared = |estimator: Arc<dyn Estimator>, particles: Particles| {
        let engine = crate::kernels::select(Some("scalar")).unwrap();
        let mut tape = Tape::new(engine, 2);
        let x = tape.input(Shape::vector(3), true);
        let firing = Firing::Stochastic;
        let part = Part {
            particles,
            ..Part::alone(0)
        };
        let h = BinaryUnit::record_as(&mut tape, x, firing, estimator, part, "u");
        tape.is_bits(h)
    };
    assert!(declared(
        Arc::new(Gumbel { soft: false }),
        Particles::plain()
    ));
    assert!(!declared(
        Arc::new(Gumbel { soft: true }),
        Particles::plain()
    ));
    let rebar = Rebar::default();
    assert!(!declared(
        Arc::new(rebar),
        Particles::of(&[&rebar], &|_, _| false).remove(0)
    ));
}
