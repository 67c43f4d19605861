//! Tables over seeds: figures of each row beside its published ones and its controls.
//! [`super::written`] writes them as Markdown and CSV.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cell::CellRecord;
use super::notes::notes;
use super::protocol::held_back;
use super::reference::published;
use super::row::SuiteRow;
use super::spread::Spread;
use super::suite::Suite;
use crate::error::{Error, Result};
use crate::layers::Statistics;
use crate::seal;
use crate::train::DatasetRecord;

/// One row of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableRow {
    /// The row's id.
    pub id: String,
    /// The row's name.
    pub title: String,
    /// The estimator of its binary units; absent without any.
    pub estimator: Option<String>,
    /// The part of the table that it stands in; empty where the table has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The probability functions of its binary layers; absent without any, and without a run.
    #[serde(default)]
    pub probability: Option<String>,
    /// What batch norms above the first binary layer normalise by in training; absent where
    /// there are none.
    #[serde(default)]
    pub statistics: Option<Statistics>,
    /// Samples of an image in a step.
    #[serde(default)]
    pub samples: Option<usize>,
    /// Rows of an image that pass through the network in a step
    /// ([`crate::train::Config::evaluations`]).
    #[serde(default)]
    pub evaluations: Option<usize>,
    /// The published row that it stands beside.
    pub repeats: Option<String>,
    /// Seeds that are finished.
    pub seeds: Vec<u64>,
    /// Test accuracy in per cent.
    pub percent: Option<Spread>,
    /// The test accuracy of each seed, in per cent.
    #[serde(default)]
    pub percents: Vec<f64>,
    /// Points of accuracy above the row without a gradient and the same settings, seed by
    /// seed.
    #[serde(default)]
    pub over_none: Option<Spread>,
    /// Points of accuracy above the straight-through row with the same settings, seed by seed.
    #[serde(default)]
    pub over_st: Option<Spread>,
    /// Test loss.
    pub loss: Option<Spread>,
    /// Accuracy with the mean of 16 samples; absent without stochastic units.
    pub percent_of_16: Option<Spread>,
    /// Accuracy with stochastic units read as thresholds; absent without any.
    pub percent_threshold: Option<Spread>,
    /// Seconds of training.
    pub seconds: Option<Spread>,
    /// Published accuracy in per cent; absent beside other data than it was made on.
    pub published_percent: Option<f64>,
    /// Published loss; absent beside other data than it was made on.
    pub published_loss: Option<f64>,
    /// Points of accuracy above the row of [`Table::against`], seed by seed; absent without
    /// one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_row: Option<Spread>,
    /// The settings in which the rows of a sweep differ, by their paths in a configuration.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The suite's name.
    pub suite: String,
    /// What the suite is.
    pub about: String,
    /// Name of the data set.
    pub dataset: String,
    /// Fingerprint of the data set; empty in tables from before it was noted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data_sha256: String,
    /// Machines that the runs were made on.
    pub machines: Vec<String>,
    /// The command that makes the table.
    pub command: String,
    /// What a reader must know beside the figures.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Whether its figures are of validation images: settings are being chosen, and nothing
    /// was tested.
    #[serde(default, skip_serializing_if = "is_false")]
    pub validation: bool,
    /// The row that every other is compared with, seed by seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
    /// The row with the lowest mean validation loss, where settings are being chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<String>,
    /// Its rows.
    pub rows: Vec<TableRow>,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Table {
    /// The table of `rows` from the records of finished cells. Published figures
    /// stand beside runs that keep to their protocol only.
    pub fn new(
        suite: &Suite,
        dataset: &DatasetRecord,
        command: String,
        rows: &[SuiteRow],
        records: &[CellRecord],
    ) -> Self {
        let mut machines: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for provenance in records.iter().map(|r| r.finish.provenance()) {
            let commits = machines.entry(provenance.words()).or_default();
            commits.insert(provenance.short_commit());
        }
        let machines = machines.into_iter().map(|(words, commits)| {
            let many = if commits.len() == 1 {
                "commit"
            } else {
                "commits"
            };
            let commits: Vec<String> = commits.into_iter().collect();
            format!("{words} ({many} {})", commits.join(", "))
        });
        let notes = notes(rows, records);
        let few_shot = records
            .iter()
            .filter_map(|r| r.finish.test()?.few_shot.as_ref());
        let of_classes = held_back(few_shot).map_or(String::new(), |text| format!(" {text}"));
        let rows = rows
            .iter()
            .map(|row| Self::row(suite, row, records))
            .collect();
        Self {
            suite: suite.name.clone(),
            about: suite.about.clone() + &of_classes,
            dataset: dataset.name.clone(),
            data_sha256: dataset.sha256.clone(),
            machines: machines.collect(),
            command,
            notes,
            validation: false,
            against: None,
            chosen: None,
            rows,
        }
    }

    fn row(suite: &Suite, row: &SuiteRow, records: &[CellRecord]) -> TableRow {
        let mut mine: Vec<_> = records.iter().filter(|r| r.row == row.id).collect();
        mine.sort_by_key(|r| r.config.seed);
        let over = |id: Option<&String>| {
            let id = id.filter(|id| **id != row.id)?;
            let pairs: Vec<f64> = mine
                .iter()
                .filter_map(|r| {
                    let same = |c: &&CellRecord| c.row == *id && c.config.seed == r.config.seed;
                    let control = records.iter().find(same)?;
                    Some((r.finish.accuracy() - control.finish.accuracy()) * 100.0)
                })
                .collect();
            Spread::of(&pairs)
        };
        let config = mine.first().map(|r| &r.config);
        let spread = |figure: fn(&CellRecord) -> f64| {
            Spread::of(&mine.iter().map(|r| figure(r)).collect::<Vec<_>>())
        };
        // Only where every run has the figure: older records may lack it.
        let all = |figure: fn(&CellRecord) -> Option<f64>| {
            let figures: Option<Vec<f64>> = mine.iter().map(|r| figure(r)).collect();
            figures.and_then(|figures| Spread::of(&figures))
        };
        let comparable = mine.iter().all(|r| match suite.published_protocol {
            true => published(&r.config) == row.published,
            // Other settings, but the same images and no more epochs.
            false => row
                .published
                .is_some_and(|of| of.is_of(&r.config.dataset) && r.config.epochs <= of.epochs()),
        });
        let published = row.published.filter(|_| comparable && !mine.is_empty());
        TableRow {
            id: row.id.clone(),
            title: row.title.clone(),
            estimator: row.estimator().map(String::from),
            group: row.group.clone(),
            probability: config.and_then(|c| c.model.probabilities()),
            statistics: config.and_then(|c| c.model.statistics_above()),
            samples: config.map(|c| c.samples),
            evaluations: config.and_then(|c| c.evaluations().ok()),
            repeats: published.map(|p| p.row.to_string()),
            seeds: mine.iter().map(|r| r.config.seed).collect(),
            percent: spread(|r| r.finish.accuracy() * 100.0),
            percents: mine.iter().map(|r| r.finish.accuracy() * 100.0).collect(),
            over_none: over(row.controls.as_ref().map(|c| &c.none)),
            over_st: over(row.controls.as_ref().map(|c| &c.st)),
            loss: spread(|r| r.finish.loss()),
            percent_of_16: all(|r| r.finish.test()?.mean_of_16.map(|e| e.accuracy * 100.0)),
            percent_threshold: all(|r| r.finish.test()?.threshold.map(|e| e.accuracy * 100.0)),
            seconds: spread(|r| r.finish.train_seconds()),
            published_percent: published.map(|p| p.percent),
            published_loss: published.and_then(|p| p.loss),
            over_row: None,
            settings: BTreeMap::new(),
        }
    }

    /// The table as JSON with a seal.
    ///
    /// # Errors
    /// Figures that JSON cannot hold.
    pub fn json(&self) -> Result<String> {
        seal::text(self, None).map_err(|e| Error::spec(format!("the table cannot be encoded: {e}")))
    }

    /// The table in the text of the file `path`.
    ///
    /// # Errors
    /// A text that is no table, or a damaged one.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let opened = seal::open(text).map_err(|e| Error::checkpoint(path, e.to_string()))?;
        serde_json::from_value(opened.content)
            .map_err(|e| Error::data(path, format!("is no table of `bnn-cpu table`: {e}")))
    }
}

impl TableRow {
    /// Points of accuracy above the published figure.
    pub fn difference(&self) -> Option<f64> {
        Some(self.percent?.mean - self.published_percent?)
    }
}
