//! Every estimator against golden values, which `tests/tools/golden_estimators.py` found in
//! double precision from the papers' formulas, and against what it is known to ask for.

use bnn_cpu::estimators::{
    Emit, Estimator, Needs, Outcome, Probability, Rule, SavedGrads, Unit, all, by_name,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    rows: Vec<Row>,
    rebar: Vec<Step>,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    probability: Probability,
    slope: f32,
    temperature: f32,
    loss: f32,
    extra: [f32; 2],
    baseline: f32,
    weight: f32,
    learning_signal: Option<f64>,
    units: Vec<OneUnit>,
}

#[derive(Deserialize)]
struct OneUnit {
    x: f32,
    u: f32,
    v: f32,
    h: f32,
    dh: f32,
    p: f32,
    saved_grads: [f32; 2],
    g: f64,
    control: Option<f64>,
}

#[derive(Deserialize)]
struct Step {
    sums: [f64; 3],
    temperature: f64,
    scale: f64,
    after: [f64; 5],
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/estimators.json")).unwrap()
}

#[track_caller]
fn near(got: f32, want: f64, what: &str) {
    let off = (f64::from(got) - want).abs();
    assert!(
        off <= 4e-6 * (1.0 + want.abs()),
        "{what}: {got}, not {want}"
    );
}

#[test]
fn learning_signals_and_gradients_are_those_of_the_formulas() {
    let rows = golden().rows;
    for row in &rows {
        let estimator = by_name(&row.name, Some(row.probability)).unwrap();
        assert_eq!(estimator.probability(), row.probability);
        let each = |f: fn(&OneUnit) -> f32| row.units.iter().map(f).collect::<Vec<_>>();
        let (h, p) = (each(|u| u.h), each(|u| u.p));
        let saved_grads = [each(|u| u.saved_grads[0]), each(|u| u.saved_grads[1])];
        let outcome = Outcome {
            loss: row.loss,
            extra: row.extra,
            baseline: row.baseline,
            weight: row.weight,
            h: &h,
            p: &p,
            saved_grads: [&saved_grads[0], &saved_grads[1]],
        };
        let score_function = estimator.score_function();
        let learning_signal = score_function.map_or(0.0, |rule| rule.learning_signal(outcome));
        let what = format!("{} ({:?}, slope {})", row.name, row.probability, row.slope);
        if let Some(want) = row.learning_signal {
            near(learning_signal, want, &format!("learning signal of {what}"));
        }
        for one in &row.units {
            let unit = Unit {
                slope: row.slope,
                temperature: row.temperature,
                x: one.x,
                p: one.p,
                u: one.u,
                v: one.v,
                h: one.h,
                dh: one.dh,
                learning_signal,
                saved_grads: one.saved_grads,
            };
            let what = format!("{what} at {}", one.x);
            near(estimator.grad(unit), one.g, &what);
            let control = score_function.map_or(0.0, |rule| rule.control_part(unit, row.extra));
            near(
                control,
                one.control.unwrap_or(0.0),
                &format!("control part of {what}"),
            );
        }
    }
    for estimator in all() {
        let name = estimator.info().name;
        assert!(rows.iter().any(|r| r.name == name), "{name} has no values");
    }
}

#[test]
fn rebar_learns_its_scale_and_temperature_as_the_recursions_say() {
    let rebar = by_name("rebar", None).unwrap();
    let rebar = rebar.score_function().unwrap();
    let mut controls = rebar.learned().to_vec();
    for (step, want) in golden().rebar.iter().enumerate() {
        let step = step as u64;
        // The temperature of the run is not the one that is learned.
        let (temperature, scale) = rebar.control(9.0, &controls, step);
        near(
            temperature,
            want.temperature,
            &format!("temperature at {step}"),
        );
        near(scale, want.scale, &format!("scale at {step}"));
        rebar.adapt(&mut controls, want.sums, step);
        for (got, want) in controls.iter().zip(want.after) {
            near(*got, want, &format!("learned numbers after {step}"));
        }
    }
}

/// `double-cv` keeps the averages that REBAR's scale is made of, and nothing else.
#[test]
fn double_cv_learns_its_scale_as_the_recursions_say() {
    let double = by_name("double-cv", None).unwrap();
    let double = double.score_function().unwrap();
    let mut controls = double.learned().to_vec();
    let (mut cross, mut square) = (0.0f64, 0.0f64);
    let sums = [
        (1.5, 3.0),
        (-2.0, 2.5),
        (0.5, 4.0),
        (9.0, 0.25),
        (-90.0, 1.0),
    ];
    for (step, (product, control)) in sums.into_iter().cycle().take(40).enumerate() {
        let want = if square > 0.0 { -cross / square } else { 0.0 };
        let want = want.clamp(-2.0, 2.0);
        let (temperature, scale) = double.control(0.375, &controls, step as u64);
        assert_eq!(temperature, 0.375);
        near(scale, want, &format!("scale at {step}"));
        double.adapt(&mut controls, [7.0, product, control], step as u64);
        // Σ g₀·c of the gradient without the control part.
        cross += 0.02 * (product - want * control - cross);
        square += 0.02 * (control - square);
        near(
            controls[0],
            cross,
            &format!("average of products after {step}"),
        );
        near(
            controls[1],
            square,
            &format!("average of squares after {step}"),
        );
    }
}

/// Whichever side of the temperature comes first.
#[test]
fn rebar_keeps_its_temperature_until_it_knows_both_sides() {
    let rebar = by_name("rebar", None).unwrap();
    let rebar = rebar.score_function().unwrap();
    for first in [0, 1] {
        let mut controls = rebar.learned().to_vec();
        let before = rebar.control(1.0, &controls, 2).0;
        rebar.adapt(&mut controls, [4.0, 1.0, 1.0], first);
        assert_eq!(rebar.control(1.0, &controls, 2).0, before);
        rebar.adapt(&mut controls, [9.0, 1.0, 1.0], 1 - first);
        assert_ne!(rebar.control(1.0, &controls, 2).0, before);
    }
}

/// What an estimator asks for, as its formula has it.
struct Asks {
    /// Its own probability function.
    probability: Probability,
    rule: &'static str,
    /// `p`, `u`, `v`, each named if it is needed.
    needs: &'static str,
    /// What its extra rows emit, in the layer and above it.
    extras: &'static [(Emit, Emit)],
    /// Words for everything else that it says yes to.
    says: &'static str,
}

fn asks(name: &str) -> Asks {
    use Emit::{Mean, Opposite, Relaxed, Sample};
    use Probability::{HardSigmoid, Sigmoid};
    const PATHWISE: &str = "pathwise";
    const SCORE: &str = "score function";
    const NONE: &[(Emit, Emit)] = &[];
    let (probability, rule, needs, extras, says) = match name {
        "st" | "st-clip" | "st-identity" | "approx-sign" | "swish-sign" | "reste" => {
            (HardSigmoid, PATHWISE, "", NONE, "surrogate")
        }
        "gumbel" => (Sigmoid, PATHWISE, "u", NONE, "explores temperature"),
        "gumbel-soft" => (Sigmoid, PATHWISE, "u", NONE, "explores relaxes temperature"),
        "reinforce" => (Sigmoid, SCORE, "p", NONE, "explores baseline"),
        "arm" => (Sigmoid, SCORE, "u", &[(Opposite, Sample)][..], "explores"),
        "disarm" => (Sigmoid, SCORE, "pu", &[(Opposite, Sample)][..], "explores"),
        "double-cv" => {
            let says = "explores grads-of-samples two-samples baseline learns";
            (Sigmoid, SCORE, "p", NONE, says)
        }
        "muprop" => (
            Sigmoid,
            SCORE,
            "p",
            &[(Mean, Mean)][..],
            "explores grads-of-extras",
        ),
        "rebar" => {
            let extras = &[(Relaxed, Relaxed)][..];
            (
                Sigmoid,
                SCORE,
                "pu",
                extras,
                "explores grads-of-extras learns",
            )
        }
        "reinmax" => (Sigmoid, PATHWISE, "p", NONE, "explores"),
        "local-expectation" => (Sigmoid, PATHWISE, "p", NONE, "explores differences"),
        "none" => (HardSigmoid, "none", "", NONE, ""),
        other => panic!("say here what {other} asks for"),
    };
    Asks {
        probability,
        rule,
        needs,
        extras,
        says,
    }
}

#[test]
fn each_one_asks_for_what_its_formula_has_and_no_more() {
    for estimator in all() {
        let name = estimator.info().name;
        let want = asks(name);
        assert_eq!(estimator.probability(), want.probability, "{name}");
        let rule = match estimator.rule() {
            Rule::Pathwise(_) => "pathwise",
            Rule::ScoreFunction(_) => "score function",
            Rule::NoGradient => "none",
        };
        assert_eq!(rule, want.rule, "{name}");
        let needs = Needs {
            p: want.needs.contains('p'),
            u: want.needs.contains('u'),
            v: want.needs.contains('v'),
        };
        assert_eq!(estimator.needs(), needs, "{name}");
        let extras: Vec<_> = estimator
            .extras()
            .iter()
            .map(|e| (e.here, e.above))
            .collect();
        assert_eq!(extras, want.extras, "{name}");
        assert_eq!(said(&*estimator), want.says, "{name}");
        if let Some(rule) = estimator.score_function()
            && rule.learned().is_empty()
        {
            let run = rule.control(0.375, &[], 5);
            assert_eq!(run, (0.375, 0.0), "{name} keeps the run's temperature");
        }
    }
    // With the logistic probability function the straight-through rule is a function of `p`.
    let logistic = by_name("st", Some(Probability::Sigmoid)).unwrap();
    assert!(logistic.needs().p);
}

fn said(estimator: &dyn Estimator) -> String {
    let two = match estimator.min_samples() {
        1 => false,
        2 => true,
        n => panic!("{n} samples"),
    };
    let grads = estimator.saved_grads();
    let surrogate = estimator
        .pathwise()
        .and_then(|rule| rule.surrogate(1.0, 0.25));
    let words = [
        (estimator.explores(), "explores"),
        (estimator.relaxes(), "relaxes"),
        (estimator.has_temperature(), "temperature"),
        (estimator.needs_differences(), "differences"),
        (grads == SavedGrads::ExtraRows, "grads-of-extras"),
        (grads == SavedGrads::Samples, "grads-of-samples"),
        (two, "two-samples"),
        (estimator.takes_baseline(), "baseline"),
        (!estimator.learned().is_empty(), "learns"),
        (surrogate.is_some(), "surrogate"),
    ];
    let said: Vec<_> = words.iter().filter(|w| w.0).map(|w| w.1).collect();
    said.join(" ")
}

/// Uniform numbers lie on a grid of 2^-24 and stand for the middles of their cells.
#[test]
fn noise_at_both_ends_of_its_grid_is_as_far_from_the_middle() {
    let gumbel = by_name("gumbel", None).unwrap();
    let temperature = 4.0;
    let logit = (0.5f64.powi(25) / (1.0 - 0.5f64.powi(25))).ln();
    let r = 1.0 / (1.0 + (-logit / f64::from(temperature)).exp());
    let want = r * (1.0 - r) * 1.5 / f64::from(temperature);
    for u in [0.0, 1.0 - 0.5f32.powi(24)] {
        let unit = Unit {
            slope: 1.5,
            temperature,
            u,
            dh: 1.0,
            ..Unit::default()
        };
        let got = f64::from(gumbel.grad(unit));
        assert!((got - want).abs() < 1e-5 * want, "{u}: {got}, not {want}");
    }
}
