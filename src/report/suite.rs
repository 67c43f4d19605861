//! Suites of runs: which rows a table has, and the exact configuration of each
//! of its cells.

use super::reference::{PUBLISHED, Published, firing_name, placement_name};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::model::{ModelSpec, preset};
use crate::tensor::Shape;
use crate::train::{Config, DatasetRecord};

/// A table's worth of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// The reference protocol: every published row of the seed-net whose
    /// estimator is one of ours.
    Reference,
}

/// One row of a suite.
#[derive(Clone, Debug, PartialEq)]
pub struct SuiteRow {
    /// Its name in files and patterns, e.g. `stoch-first-st`.
    pub id: String,
    /// Its name in tables, e.g. `stochastic, first, ST`.
    pub title: String,
    /// The published row that it repeats.
    pub published: &'static Published,
}

impl SuiteRow {
    fn of(published: &'static Published) -> Self {
        let id = match published.binary {
            None => "none".into(),
            Some((mode, estimator)) => format!(
                "{}-{}-{estimator}",
                firing_name(mode),
                placement_name(published.placement)
            ),
        };
        Self {
            id,
            title: published.row.into(),
            published,
        }
    }
}

impl Suite {
    /// Every suite.
    pub const ALL: [Suite; 1] = [Suite::Reference];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Suite::Reference => "reference",
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

    /// What the suite is, in a sentence.
    pub fn about(self) -> &'static str {
        match self {
            Suite::Reference => {
                "The reference protocol: SGD 0.1 with momentum 0.9, batch 64, 10 epochs, the epoch with the best validation loss tested once."
            }
        }
    }

    /// Its rows, in the order of the table.
    pub fn rows(self) -> Vec<SuiteRow> {
        let ours = |p: &&Published| p.model == "seed-net" && !p.no_gradient();
        PUBLISHED.iter().filter(ours).map(SuiteRow::of).collect()
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
        config.epochs = epochs.unwrap_or(config.epochs);
        Ok(config)
    }
}

fn network(row: &SuiteRow, dataset: &Dataset) -> Result<ModelSpec> {
    let (height, width, channels) = dataset.shape();
    let published = row.published;
    let mut spec = preset(
        published.model,
        Shape::image(channels, height, width),
        dataset.classes,
    )?;
    if let Some((mode, estimator)) = published.binary {
        spec.place(published.placement, mode, estimator)?;
    }
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::digits;
    use crate::report::reference;

    #[test]
    fn the_reference_suite_is_the_seven_rows_that_carry_a_gradient() {
        let ids: Vec<_> = Suite::Reference.rows().into_iter().map(|r| r.id).collect();
        assert_eq!(
            ids,
            [
                "none",
                "stoch-first-st",
                "stoch-last-st",
                "stoch-both-st",
                "det-first-st",
                "det-last-st",
                "det-both-st"
            ]
        );
    }

    #[test]
    fn every_cell_is_the_row_that_it_is_compared_with() {
        let dataset = digits::generate(1, 40, 20);
        for row in Suite::Reference.rows() {
            let mut config = Suite::Reference.config(&row, &dataset, 3, None).unwrap();
            assert_eq!(
                reference::published(&config),
                None,
                "these are no MNIST digits"
            );
            config.dataset.name = crate::data::mnist::NAME.into();
            (config.dataset.train, config.dataset.test) = (60_000, 10_000);
            config.model.pixels = Some(crate::model::Pixels::normalised(0.1307, 0.3081));
            assert_eq!(reference::published(&config), Some(row.published));
        }
    }
}
