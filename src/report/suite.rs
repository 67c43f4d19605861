//! Suites of runs: which rows a table has, and the exact configuration of each
//! of its cells.

use super::reference::{MLP, SEED_NET};
use super::row::{
    SLOPES, SuiteRow, estimators_rows, published_rows, reference_rows, with_best_unbiased,
};
use super::subject::Subject;
use super::tuned;
use crate::error::{Error, Result};
use crate::estimators::Firing;
use crate::model::{ModelSpec, Placement, preset};
use crate::train::{Config, SlopeSchedule};

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
                "The reference protocol: SGD 0.1 with momentum 0.9, batch 64, 10 epochs, the epoch with the best validation loss tested once. The rows published as REINFORCE carried no gradient below the binary unit: they are repeated as \"no gradient\"; \"REINFORCE\" is the score function with the mean of the batch's other rows as its baseline, which the published program did not have, with the logistic link and, above the first binary layer, running statistics. The controls below have these without a gradient and with ST. REINFORCE samples deterministic units in training; their controls do not."
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
                "Every estimator in every place, with stochastic units: Adam 0.002, one cycle, batch 64, 5 epochs. A part of the table has one place, one link and one kind of statistics in the batch norm above the bits, and begins with its own controls, no gradient and ST; rows of one part differ in their estimator alone, rows of two parts in more than that. Evaluations are the rows of an image that pass through the network in a step: samples times what the estimator asks for beside each. Local expectation evaluates each flip of the last layer's bits in closed form on top of that. REINFORCE with one sample has the mean of the batch's other rows as its baseline, RLOO that of the image's other samples."
            }
        }
    }

    /// Its rows, in the order of the table.
    pub fn rows(self) -> Vec<SuiteRow> {
        match self {
            Suite::Reference => reference_rows(),
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
            Suite::Estimators => estimators_rows(),
        }
    }

    /// The configuration of a cell.
    ///
    /// # Errors
    /// A data set that the network does not fit.
    pub fn config(
        self,
        row: &SuiteRow,
        subject: &Subject,
        seed: u64,
        epochs: Option<usize>,
    ) -> Result<Config> {
        let mut config = Config::reference(network(row, subject)?, subject.record.clone());
        config.model.pixels.get_or_insert(subject.pixels);
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
        if let Some(samples) = row.samples {
            config.samples = samples;
        }
        config.suit_samples();
        config.suit_baseline();
        config.epochs = epochs.unwrap_or(config.epochs);
        Ok(config)
    }
}

fn network(row: &SuiteRow, subject: &Subject) -> Result<ModelSpec> {
    let mut spec = preset(row.model, subject.input, subject.record.classes)?;
    if let Some((mode, estimator)) = &row.binary {
        spec.place(row.placement, *mode, estimator)?;
        if row.link.is_some() {
            spec.set_link(row.link)?;
        }
        if let Some(statistics) = row.statistics {
            spec.set_statistics(statistics);
        }
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
        assert_eq!(reference.len(), 13 + 6 + 12);
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
        assert_eq!(ids(Suite::Estimators).len(), 24 + 23 + 26);
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
        let subject = Subject::of(&dataset);
        for suite in Suite::ALL {
            for row in suite.rows() {
                let mut config = suite.config(&row, &subject, 3, None).unwrap();
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
