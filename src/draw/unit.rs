//! What an estimator gives at a single unit: the mean of its gradient over the pre-activation, the
//! spread of a single draw, and the exact gradient.

use super::chart::{Block, Figure, Line, Panel};
use crate::estimators::Info;
use crate::lab::UnitGradient;

/// The figure of an estimator, with its formula below.
pub fn figure(info: &Info, at: &[UnitGradient], draws: u64) -> Figure {
    let spread = at.iter().any(|p| p.deviation > 1e-6);
    let line = |run: usize, name: &str, of: fn(&UnitGradient) -> f64| Line {
        run,
        colour: run,
        name: name.into(),
        n: 1,
        points: at.iter().map(|p| (p.x, of(p))).collect(),
        band: Vec::new(),
    };
    let mut own = line(0, "mean of the rule", |p| p.mean);
    if spread {
        let band = |p: &UnitGradient| (p.x, p.mean - p.deviation, p.mean + p.deviation);
        own.band = at.iter().map(band).collect();
    }
    let kind = match (info.name, info.unbiased) {
        ("none", _) => "no gradient",
        (_, true) => "unbiased",
        (_, false) => "biased",
    };
    let band = match spread {
        true => ", band: ± one standard deviation of a draw",
        false => "",
    };
    Figure {
        title: format!("{}: {kind}", info.name),
        notes: vec![
            info.formula.to_string(),
            format!("L(h) = ln(1 + exp(2h - 1)), slope 1, {draws} draws at each x{band}"),
        ],
        blocks: vec![Block {
            quantity: "gradient dL/dx".into(),
            unit: "",
            log: false,
            along: "pre-activation x".into(),
            along_log: false,
            panels: vec![Panel {
                title: String::new(),
                lines: vec![own, line(1, "exact", |p| p.exact)],
            }],
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimators;

    fn drawn(deviation: f64) -> Figure {
        let at = |x: f64| UnitGradient {
            x,
            exact: 0.1,
            mean: 0.2,
            deviation,
        };
        let info = estimators::by_name("st", None).unwrap().info();
        figure(&info, &[at(-1.0), at(0.5)], 7)
    }

    #[test]
    fn the_rule_stands_beside_the_exact_gradient_with_its_spread() {
        let figure = drawn(0.5);
        let lines = &figure.blocks[0].panels[0].lines;
        assert_eq!(lines[0].band, [(-1.0, -0.3, 0.7), (0.5, -0.3, 0.7)]);
        assert_eq!(lines[1].points, [(-1.0, 0.1), (0.5, 0.1)]);
        assert!(figure.title.contains("st: biased") && figure.notes[1].contains("7 draws"));
        assert!(drawn(0.0).blocks[0].panels[0].lines[0].band.is_empty());
        assert!(figure.draw().is_ok());
    }
}
