//! Rows of suites: what each is called, and which rows a suite has.

use super::reference::{MLP, PUBLISHED, Published, SEED_NET, firing_name, placement_name};
use super::tuned;
use crate::estimators::{Firing, Link};
use crate::layers::Statistics;
use crate::model::Placement;
use crate::train::SlopeKind;

/// One row of a suite.
#[derive(Clone, Debug, PartialEq)]
pub struct SuiteRow {
    /// Its name in files and patterns, e.g. `stoch-first-st`.
    pub id: String,
    /// Its name in tables, e.g. `stochastic, first, ST`.
    pub title: String,
    /// The published row that it repeats.
    pub published: Option<&'static Published>,
    /// The preset.
    pub model: &'static str,
    /// Which activations are binary.
    pub placement: Placement,
    /// How they fire, and their estimators.
    pub binary: Option<(Firing, String)>,
    /// How the slope changes.
    pub slope: SlopeKind,
    /// The part of the table that it stands in; empty where the table has no parts.
    pub group: String,
    /// The link of its binary units, where not each estimator's own.
    pub link: Option<Link>,
    /// What batch norms above the first binary layer normalise by, where not what its
    /// estimator takes.
    pub statistics: Option<Statistics>,
    /// Samples of an image in a step, where more than the suite's.
    pub samples: Option<usize>,
    /// The ids of the rows without a gradient and with the straight-through estimator that
    /// have the same link, statistics and everything else.
    pub controls: Option<Controls>,
}

/// The rows that a row is compared with, seed by seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Controls {
    /// The one without a gradient below the binary layers.
    pub none: String,
    /// The one with the straight-through estimator.
    pub st: String,
}

pub(super) const SLOPES: [(SlopeKind, &str); 5] = [
    (SlopeKind::None, "none"),
    (SlopeKind::Linear, "linear"),
    (SlopeKind::Exp, "exp"),
    (SlopeKind::Step, "step"),
    (SlopeKind::Cosine, "cosine"),
];

fn slope_name(kind: SlopeKind) -> &'static str {
    SLOPES
        .iter()
        .find(|(k, _)| *k == kind)
        .map_or("none", |(_, name)| name)
}

impl SuiteRow {
    pub(super) fn new(
        model: &'static str,
        placement: Placement,
        binary: Option<(Firing, &str)>,
    ) -> Self {
        let (id, title) = match binary {
            None => ("none".into(), "no binary layer".into()),
            Some((mode, estimator)) => {
                let word = match mode {
                    Firing::Deterministic => "deterministic",
                    Firing::Stochastic => "stochastic",
                };
                let place = placement_name(placement);
                let mode = firing_name(mode);
                let name = match estimator {
                    "st" => "ST",
                    "reinforce" => "REINFORCE",
                    "none" => "no gradient",
                    other => other,
                };
                (
                    format!("{mode}-{place}-{estimator}"),
                    format!("{word}, {place}, {name}"),
                )
            }
        };
        Self {
            id,
            title,
            published: None,
            model,
            placement,
            binary: binary.map(|(mode, name)| (mode, name.into())),
            slope: SlopeKind::None,
            group: String::new(),
            link: None,
            statistics: None,
            samples: None,
            controls: None,
        }
    }

    /// The row that repeats a published one with another estimator, or its own.
    fn repeating(published: &'static Published, estimator: Option<&str>) -> Self {
        let binary = published
            .binary
            .map(|(mode, name)| (mode, estimator.unwrap_or(name)));
        let mut row = Self::new(published.model, published.placement, binary);
        row.published = Some(published);
        if published.model == MLP {
            row.title = match binary {
                None => "hard sigmoid".into(),
                Some(_) => row.title.replace("both, ", ""),
            };
            row.id = row.id.replace("both-", "");
        }
        if published.annealed {
            row.slope = SlopeKind::Exp;
            row.title += ", annealed";
            row.id += "-annealed";
        }
        row
    }

    pub(super) fn with_slope(mut self, slope: SlopeKind) -> Self {
        self.slope = slope;
        self.id += &format!("-{}", slope_name(slope));
        self.title += &format!(", slope {}", slope_name(slope));
        self
    }
}

/// The rows of a model, those published as REINFORCE once for each of `instead`.
pub(super) fn published_rows(model: &str, instead: &[&str]) -> Vec<SuiteRow> {
    let mut rows = Vec::new();
    for published in PUBLISHED.iter().filter(|p| p.model == model) {
        if published.no_gradient() {
            rows.extend(
                instead
                    .iter()
                    .map(|name| SuiteRow::repeating(published, Some(name))),
            );
        } else {
            rows.push(SuiteRow::repeating(published, None));
        }
    }
    rows
}

/// The published rows of a model, those of REINFORCE with the best unbiased estimator
/// in every binary layer and, beside it, with plain REINFORCE.
pub(super) fn with_best_unbiased(model: &str) -> Vec<SuiteRow> {
    let mut rows: Vec<SuiteRow> = Vec::new();
    for published in PUBLISHED.iter().filter(|p| p.model == model) {
        let mut estimators = vec![None];
        if published.no_gradient() {
            let best = tuned::unbiased(model, published.placement);
            estimators = vec![Some(best), Some("reinforce")];
            // Where plain REINFORCE is the best, it stands once.
            estimators.dedup();
        }
        rows.extend(
            estimators
                .into_iter()
                .map(|name| SuiteRow::repeating(published, name)),
        );
    }
    rows
}

const PLACES: [Placement; 3] = [Placement::First, Placement::Last, Placement::Both];

/// A link and what batch norms above the bits normalise by, under which estimators are
/// compared. Above the last binary layer of the seed-net no batch norm stands, so that its
/// rows have no statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Setting {
    link: Link,
    statistics: Option<Statistics>,
}

impl Setting {
    /// As part of an id: `hard-batch`, `logistic-running`, `logistic`.
    fn id(self) -> String {
        let link = match self.link {
            Link::HardSigmoid => "hard",
            Link::Sigmoid => "logistic",
        };
        match self.statistics {
            None => link.into(),
            Some(Statistics::Batch) => format!("{link}-batch"),
            Some(Statistics::Running) => format!("{link}-running"),
        }
    }

    /// In words: `logistic link, running statistics`.
    fn words(self) -> String {
        let link = match self.link {
            Link::HardSigmoid => "hard sigmoid",
            Link::Sigmoid => "logistic link",
        };
        match self.statistics {
            None => link.into(),
            Some(Statistics::Batch) => format!("{link}, batch statistics"),
            Some(Statistics::Running) => format!("{link}, running statistics"),
        }
    }

    /// A stochastic row of the seed-net in this setting.
    fn row(self, placement: Placement, estimator: &str, samples: usize) -> SuiteRow {
        let binary = Some((Firing::Stochastic, estimator));
        let mut row = SuiteRow::new(SEED_NET, placement, binary);
        let place = placement_name(placement);
        row.id = format!("{place}-{}-{estimator}", self.id());
        row.title = match estimator {
            "st" => "ST".into(),
            "none" => "no gradient".into(),
            "reinforce" if samples > 1 => format!("RLOO, {samples} samples"),
            "reinforce" => "REINFORCE".into(),
            "local-expectation" if placement == Placement::Both => {
                "local expectation over the last layer, DisARM below".into()
            }
            other => other.into(),
        };
        if samples > 1 {
            row.id += &format!("-{samples}");
            row.samples = Some(samples);
            if estimator != "reinforce" {
                row.title += &format!(", {samples} samples");
            }
        }
        row.group = format!("{place}: {}", self.words());
        row.link = Some(self.link);
        row.statistics = self.statistics;
        let control = |name: &str| format!("{place}-{}-{name}", self.id());
        row.controls = Some(Controls {
            none: control("none"),
            st: control("st"),
        });
        row
    }
}

/// Rules derived for a hard threshold or a hard sigmoid.
const PATHWISE: [&str; 5] = [
    "st-clip",
    "st-identity",
    "approx-sign",
    "swish-sign",
    "reste",
];

/// Rules through the logistic's own noise that are biased.
const RELAXED: [&str; 3] = ["reinmax", "gumbel", "gumbel-soft"];

/// Unbiased rules and their samples of an image.
const UNBIASED: [(&str, usize); 10] = [
    ("reinforce", 1),
    ("reinforce", 2),
    ("double-cv", 2),
    ("arm", 1),
    ("disarm", 1),
    ("muprop", 1),
    ("reinforce", 3),
    ("rebar", 1),
    ("reinforce", 4),
    ("double-cv", 4),
];

/// Every estimator in every place, beside the controls of its link and statistics.
pub(super) fn estimators_rows() -> Vec<SuiteRow> {
    let mut rows = Vec::new();
    for place in PLACES {
        let above = place != Placement::Last;
        let setting = |link, statistics| Setting {
            link,
            statistics: above.then_some(statistics),
        };
        let hard = setting(Link::HardSigmoid, Statistics::Batch);
        let controls = ["none", "st"];
        let names = controls.iter().chain(&PATHWISE);
        rows.extend(names.map(|name| hard.row(place, name, 1)));
        let batch = setting(Link::Sigmoid, Statistics::Batch);
        let names = controls.iter().chain(&RELAXED);
        rows.extend(names.map(|name| batch.row(place, name, 1)));
        let running = setting(Link::Sigmoid, Statistics::Running);
        if above {
            rows.extend(controls.iter().map(|name| running.row(place, name, 1)));
        }
        rows.extend(UNBIASED.map(|(name, samples)| running.row(place, name, samples)));
        if place == Placement::Both {
            // Rules that evaluate the loss once more a layer have three with both; beyond them.
            rows.push(running.row(place, "reinforce", 5));
        }
        if place != Placement::First {
            rows.push(running.row(place, "local-expectation", 1));
        }
    }
    rows
}

/// The published rows by the published protocol. Those of REINFORCE stand once without a
/// gradient, as they were made, and once with the score function; that one's logistic link
/// and running statistics have controls of their own.
pub(super) fn reference_rows() -> Vec<SuiteRow> {
    let mut rows = published_rows(SEED_NET, &["none", "reinforce"]);
    let scored: Vec<usize> = (0..rows.len())
        .filter(|&i| matches!(&rows[i].binary, Some((_, name)) if name == "reinforce"))
        .collect();
    for i in scored {
        let row = rows[i].clone();
        let id = |name: &str| row.id.replace("reinforce", name) + "-logistic";
        let controls = Controls {
            none: id("none"),
            st: id("st"),
        };
        rows[i].controls = Some(controls.clone());
        let statistics = (row.placement != Placement::Last).then_some(Statistics::Running);
        let setting = Setting {
            link: Link::Sigmoid,
            statistics,
        };
        for (name, words) in [("none", "no gradient"), ("st", "ST")] {
            let mut control = row.clone();
            control.id = id(name);
            control.title = format!(
                "{} ({})",
                row.title.replace("REINFORCE", words),
                setting.words()
            );
            control.binary = row.binary.as_ref().map(|(mode, _)| (*mode, name.into()));
            control.published = None;
            control.group = CONTROLS.into();
            control.link = Some(setting.link);
            control.statistics = statistics;
            control.controls = Some(controls.clone());
            rows.push(control);
        }
    }
    rows
}

/// The part of the reference table with the controls of the score function.
const CONTROLS: &str = "Controls: no gradient and ST with REINFORCE's link and statistics";
