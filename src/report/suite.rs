//! Suites of runs: which rows a table has, and the exact configuration of each
//! of its cells.

use super::reference::{MLP, PUBLISHED, Published, SEED_NET, firing_name, placement_name};
use super::tuned;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::estimators::{self, Firing};
use crate::model::{ModelSpec, Placement, preset};
use crate::tensor::Shape;
use crate::train::{Config, DatasetRecord, SlopeKind, SlopeSchedule};

/// A table's worth of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// The reference protocol: the thirteen published rows of the seed-net. Those
    /// published as REINFORCE stand twice, without any gradient below the unit, as
    /// they were made, and with the score function.
    Reference,
    /// The thirteen rows with our choice of settings, and plain REINFORCE beside the
    /// best unbiased estimator.
    Tuned,
    /// The ten rows of the network with one hidden layer, by its protocol.
    Mlp,
    /// The ten rows with our choice of settings.
    MlpTuned,
    /// The best that we know for the seed-net, in at most 40 epochs.
    Best,
    /// Slope schedules of the straight-through rows.
    Anneal,
    /// Every estimator in every place, stochastic.
    Estimators,
}

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
}

const PLACES: [Placement; 3] = [Placement::First, Placement::Last, Placement::Both];

const SLOPES: [(SlopeKind, &str); 5] = [
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
    fn new(model: &'static str, placement: Placement, binary: Option<(Firing, &str)>) -> Self {
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

    fn with_slope(mut self, slope: SlopeKind) -> Self {
        self.slope = slope;
        self.id += &format!("-{}", slope_name(slope));
        self.title += &format!(", slope {}", slope_name(slope));
        self
    }
}

/// The rows of a model, those published as REINFORCE once for each of `instead`.
fn published_rows(model: &str, instead: &[&str]) -> Vec<SuiteRow> {
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
fn with_best_unbiased(model: &str) -> Vec<SuiteRow> {
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

impl Suite {
    /// Every suite.
    pub const ALL: [Suite; 7] = [
        Suite::Reference,
        Suite::Tuned,
        Suite::Mlp,
        Suite::MlpTuned,
        Suite::Best,
        Suite::Anneal,
        Suite::Estimators,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Suite::Reference => "reference",
            Suite::Tuned => "tuned",
            Suite::Mlp => "mlp",
            Suite::MlpTuned => "mlp-tuned",
            Suite::Best => "best",
            Suite::Anneal => "anneal",
            Suite::Estimators => "estimators",
        }
    }

    /// The suite of that name.
    ///
    /// # Errors
    /// An unknown name.
    pub fn parse(name: &str) -> Result<Suite> {
        Suite::ALL
            .into_iter()
            .find(|s| s.name() == name)
            .ok_or_else(|| {
                let names = Suite::ALL.map(Suite::name).join(", ");
                Error::spec(format!("unknown suite `{name}`; choose from {names}"))
            })
    }

    /// The suites of the same published rows, and the name of the table that sets them
    /// side by side: by the published protocol and with our settings.
    pub fn side_by_side(self) -> Option<(&'static str, Suite, Suite)> {
        match self {
            Suite::Reference | Suite::Tuned => Some(("table", Suite::Reference, Suite::Tuned)),
            Suite::Mlp | Suite::MlpTuned => Some(("table-mlp", Suite::Mlp, Suite::MlpTuned)),
            Suite::Best | Suite::Anneal | Suite::Estimators => None,
        }
    }

    /// What the suite is, in a sentence or two.
    pub fn about(self) -> &'static str {
        match self {
            Suite::Reference => {
                "The reference protocol: SGD 0.1 with momentum 0.9, batch 64, 10 epochs, the epoch with the best validation loss tested once. The rows published as REINFORCE carried no gradient below the binary unit: they are repeated as \"no gradient\"; \"REINFORCE\" is the score function with the mean of the batch's other rows as its baseline, which the published program did not have."
            }
            Suite::Tuned => {
                "Settings of our choice (data/recipes), 10 epochs, batch 64, chosen on validation images; the epoch with the best validation loss tested once. The REINFORCE rows show the best unbiased estimator of the family in every binary layer, and plain REINFORCE."
            }
            Suite::Mlp => {
                "The network with one hidden layer of 100 units, by the protocol it was published with (SGD 0.1 with momentum 0.9, batch 64, 100 epochs; annealed slope 1.005^(epoch-1)), except that the epoch is chosen on validation images; the published figures were chosen on the test images."
            }
            Suite::MlpTuned => {
                "The same network with settings of our choice (data/recipes), 40 epochs (100 of stochastic ST), chosen on validation images; the epoch with the best validation loss tested once. The REINFORCE rows show local expectation, which is unbiased and exact over the one hidden layer, and plain REINFORCE."
            }
            Suite::Best => {
                "The seed-net's 29,034 parameters with the best settings that we know (data/recipes), 40 epochs on augmented images, chosen on validation images; the epoch with the best validation loss tested once."
            }
            Suite::Anneal => {
                "Slope schedules of the straight-through rows, everything else by the reference protocol."
            }
            Suite::Estimators => {
                "Every estimator in every place, with stochastic units: Adam 0.002, one cycle, batch 64, 5 epochs, one sample an image (two where the estimator needs them). Link and statistics differ: pathwise rules and `no gradient` have the hard sigmoid and batch statistics; the unbiased rules have the logistic link and, with the first layer or both binary, running statistics above the bits. Rows of one group can be compared, rows of the two cannot."
            }
        }
    }

    /// Its rows, in the order of the table.
    pub fn rows(self) -> Vec<SuiteRow> {
        match self {
            Suite::Reference => published_rows(SEED_NET, &["none", "reinforce"]),
            Suite::Mlp => published_rows(MLP, &["none", "reinforce"]),
            Suite::Tuned => with_best_unbiased(SEED_NET),
            Suite::MlpTuned => with_best_unbiased(MLP),
            Suite::Best => {
                let both = |mode| SuiteRow::new(SEED_NET, Placement::Both, Some((mode, "st")));
                vec![
                    SuiteRow::new(SEED_NET, Placement::None, None),
                    both(Firing::Deterministic),
                    both(Firing::Stochastic),
                ]
            }
            Suite::Anneal => published_rows(SEED_NET, &[])
                .into_iter()
                .filter(|row| row.binary.is_some())
                .flat_map(|row| SLOPES.map(|(kind, _)| row.clone().with_slope(kind)))
                .collect(),
            Suite::Estimators => {
                let mut rows = Vec::new();
                for estimator in estimators::ALL.iter().filter_map(|make| make(None)) {
                    let name = estimator.info().name;
                    for placement in PLACES {
                        if estimator.flips() && placement == Placement::First {
                            continue;
                        }
                        let binary = Some((Firing::Stochastic, name));
                        rows.push(SuiteRow::new(SEED_NET, placement, binary));
                    }
                }
                rows
            }
        }
    }

    /// The configuration of a cell.
    ///
    /// # Errors
    /// A data set that the network does not fit.
    pub fn config(
        self,
        row: &SuiteRow,
        dataset: &Dataset,
        seed: u64,
        epochs: Option<usize>,
    ) -> Result<Config> {
        let mut config = Config::reference(network(row, dataset)?, DatasetRecord::of(dataset));
        config.normalise_by(dataset);
        config.seed = seed;
        config.slope = SlopeSchedule::new(row.slope);
        match self {
            Suite::Reference | Suite::Anneal => {}
            Suite::Mlp => config.epochs = 100,
            Suite::Tuned => tuned::tune(&mut config, row),
            Suite::MlpTuned => tuned::tune_mlp(&mut config, row),
            Suite::Best => tuned::best(&mut config, row)?,
            Suite::Estimators => {
                tuned::adam(&mut config, 0.002);
                config.epochs = 5;
            }
        }
        config.suit_samples();
        config.suit_baseline();
        config.epochs = epochs.unwrap_or(config.epochs);
        Ok(config)
    }
}

fn network(row: &SuiteRow, dataset: &Dataset) -> Result<ModelSpec> {
    let (height, width, channels) = dataset.shape();
    let mut spec = preset(
        row.model,
        Shape::image(channels, height, width),
        dataset.classes,
    )?;
    if let Some((mode, estimator)) = &row.binary {
        spec.place(row.placement, *mode, estimator)?;
    }
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::digits;
    use crate::report::reference;

    #[test]
    fn suites_have_the_rows_that_they_promise() {
        let ids =
            |suite: Suite| -> Vec<String> { suite.rows().into_iter().map(|r| r.id).collect() };
        let reference = ids(Suite::Reference);
        assert_eq!(reference.len(), 13 + 6);
        for id in [
            "none",
            "stoch-first-st",
            "det-both-none",
            "det-both-reinforce",
        ] {
            assert!(reference.iter().any(|r| r == id), "{id}");
        }
        assert_eq!(ids(Suite::Tuned).len(), 13 + 4);
        assert_eq!(ids(Suite::Mlp).len(), 10 + 4);
        assert_eq!(ids(Suite::MlpTuned).len(), 10 + 4);
        assert_eq!(ids(Suite::Best), ["none", "det-both-st", "stoch-both-st"]);
        assert_eq!(ids(Suite::Anneal).len(), 6 * 5);
        assert_eq!(ids(Suite::Estimators).len(), 17 * 3 - 1);
        for suite in Suite::ALL {
            let mut all = ids(suite);
            let count = all.len();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), count, "{}: an id stands twice", suite.name());
        }
    }

    #[test]
    fn every_cell_can_be_built_and_is_the_row_that_it_is_compared_with() {
        let dataset = digits::generate(1, 200, 20);
        for suite in Suite::ALL {
            for row in suite.rows() {
                let mut config = suite.config(&row, &dataset, 3, None).unwrap();
                config.check(&dataset).unwrap();
                assert_eq!(
                    reference::published(&config),
                    None,
                    "these are no MNIST digits"
                );
                if !matches!(suite, Suite::Reference | Suite::Mlp) {
                    continue;
                }
                // The name alone does not make them MNIST's.
                config.dataset.name = crate::data::mnist::NAME.into();
                assert_eq!(reference::published(&config), None);
                config.dataset.sha256 = crate::data::mnist::FINGERPRINT.into();
                (config.dataset.train, config.dataset.test) = (60_000, 10_000);
                config.model.pixels = Some(crate::model::Pixels::normalised(0.1307, 0.3081));
                assert_eq!(reference::published(&config), row.published, "{}", row.id);
            }
        }
    }
}
