//! Tables over seeds: mean and standard deviation of each row beside its
//! published figure, as Markdown, CSV and JSON.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cell::CellRecord;
use super::reference::{Published, published};
use super::suite::{Suite, SuiteRow};
use crate::error::{Error, Result};
use crate::seal;
use crate::train::DatasetRecord;

/// Mean and standard deviation (of a sample: over n - 1) of some figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation; absent for a single figure.
    pub deviation: Option<f64>,
}

impl Spread {
    /// Of at least one figure.
    pub fn of(figures: &[f64]) -> Option<Self> {
        let n = figures.len() as f64;
        if figures.is_empty() {
            return None;
        }
        let mean = figures.iter().sum::<f64>() / n;
        let squares: f64 = figures.iter().map(|x| (x - mean).powi(2)).sum();
        let deviation = (figures.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
        Some(Self { mean, deviation })
    }

    /// `mean ± deviation`, or the mean alone of a single figure.
    pub fn text(&self, digits: usize) -> String {
        match self.deviation {
            Some(deviation) => format!("{:.digits$} ± {deviation:.digits$}", self.mean),
            None => format!("{:.digits$}", self.mean),
        }
    }
}

/// One row of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableRow {
    /// The row's id.
    pub id: String,
    /// The row's name.
    pub title: String,
    /// The estimator of its binary units; absent without any.
    pub estimator: Option<String>,
    /// The published row that it stands beside.
    pub repeats: Option<String>,
    /// Seeds that are finished.
    pub seeds: Vec<u64>,
    /// Test accuracy in per cent.
    pub percent: Option<Spread>,
    /// Test loss.
    pub loss: Option<Spread>,
    /// Accuracy with the mean of 16 samples; absent without stochastic units.
    pub percent_of_16: Option<Spread>,
    /// Accuracy with stochastic units read as thresholds; absent without any.
    pub percent_threshold: Option<Spread>,
    /// Seconds of training.
    pub seconds: Option<Spread>,
    /// Published accuracy in per cent; absent beside other data than MNIST.
    pub published_percent: Option<f64>,
    /// Published loss; absent beside other data than MNIST.
    pub published_loss: Option<f64>,
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
    /// Its rows.
    pub rows: Vec<TableRow>,
}

impl Table {
    /// The table of `rows` from the records of finished cells. Published figures
    /// stand beside runs that keep to their protocol only.
    pub fn new(
        suite: Suite,
        dataset: &DatasetRecord,
        command: String,
        rows: &[SuiteRow],
        records: &[CellRecord],
    ) -> Self {
        let mut machines: Vec<String> = records
            .iter()
            .map(|r| {
                let p = &r.test.provenance;
                let threads = if p.threads == 1 { "thread" } else { "threads" };
                format!(
                    "{}, {} kernels, {} {threads} a run",
                    p.machine, p.isa, p.threads
                )
            })
            .collect();
        machines.sort();
        machines.dedup();
        let rows = rows
            .iter()
            .map(|row| Self::row(suite, row, records))
            .collect();
        Self {
            suite: suite.name().into(),
            about: suite.about().into(),
            dataset: dataset.name.clone(),
            data_sha256: dataset.sha256.clone(),
            machines,
            command,
            rows,
        }
    }

    fn row(suite: Suite, row: &SuiteRow, records: &[CellRecord]) -> TableRow {
        let mine: Vec<_> = records.iter().filter(|r| r.row == row.id).collect();
        let spread = |figure: fn(&CellRecord) -> f64| {
            Spread::of(&mine.iter().map(|r| figure(r)).collect::<Vec<_>>())
        };
        // Only where every run has the figure: older records may lack it.
        let all = |figure: fn(&CellRecord) -> Option<f64>| {
            let figures: Option<Vec<f64>> = mine.iter().map(|r| figure(r)).collect();
            figures.and_then(|figures| Spread::of(&figures))
        };
        let comparable = mine.iter().all(|r| match suite {
            Suite::Reference | Suite::Mlp => published(&r.config) == row.published,
            // Other settings, but the same images and no more epochs.
            _ => {
                let epochs = row.published.map_or(0, Published::epochs);
                r.config.dataset.is_mnist() && r.config.epochs <= epochs
            }
        });
        let published = row.published.filter(|_| comparable && !mine.is_empty());
        TableRow {
            id: row.id.clone(),
            title: row.title.clone(),
            estimator: row.binary.as_ref().map(|(_, name)| name.clone()),
            repeats: published.map(|p| p.row.to_string()),
            seeds: mine.iter().map(|r| r.config.seed).collect(),
            percent: spread(|r| r.test.accuracy * 100.0),
            loss: spread(|r| r.test.loss),
            percent_of_16: all(|r| r.test.mean_of_16.map(|e| e.accuracy * 100.0)),
            percent_threshold: all(|r| r.test.threshold.map(|e| e.accuracy * 100.0)),
            seconds: spread(|r| r.test.train_seconds),
            published_percent: published.map(|p| p.percent),
            published_loss: published.and_then(|p| p.loss),
        }
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "# {}: the {} suite\n\n{} Mean ± standard deviation over seeds.\n\n",
            self.dataset, self.suite, self.about
        );
        text += "| row | seeds | test accuracy % | published | difference | test loss | published | 16 samples % | thresholds % | seconds a run |\n";
        text += "|---|---|---|---|---|---|---|---|---|---|\n";
        for row in &self.rows {
            let number = |x: Option<f64>, digits| x.map_or("-".into(), |x| format!("{x:.digits$}"));
            let spread = |s: Option<Spread>, digits| s.map_or("-".into(), |s| s.text(digits));
            let difference = row.difference();
            text += &format!(
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
                row.title,
                row.seeds
                    .iter()
                    .map(u64::to_string)
                    .collect::<Vec<_>>()
                    .join(", "),
                spread(row.percent, 2),
                number(row.published_percent, 2),
                difference.map_or("-".into(), |d| format!("{d:+.2}")),
                spread(row.loss, 4),
                number(row.published_loss, 4),
                spread(row.percent_of_16, 2),
                spread(row.percent_threshold, 2),
                number(row.seconds.map(|s| s.mean), 0),
            );
        }
        text += &format!("\nMade with `{}`", self.command);
        if !self.machines.is_empty() {
            text += &format!(" on {}", self.machines.join("; "));
        }
        text += ". Seconds depend on what else the machine was doing.\n";
        text
    }

    /// As CSV with a header line.
    pub fn csv(&self) -> String {
        let mut text = String::from(
            "dataset,suite,row,seeds,accuracy_percent,accuracy_deviation,published_percent,difference,loss,loss_deviation,published_loss,percent_of_16,percent_threshold,seconds\n",
        );
        let number = |x: Option<f64>| x.map_or(String::new(), |x| format!("{x}"));
        for row in &self.rows {
            text += &format!(
                "\"{}\",{},{},{},{},{},{},{},{},{},{},{},{},{}\n",
                self.dataset.replace('"', "\"\""),
                self.suite,
                row.id,
                row.seeds.len(),
                number(row.percent.map(|s| s.mean)),
                number(row.percent.and_then(|s| s.deviation)),
                number(row.published_percent),
                number(row.difference()),
                number(row.loss.map(|s| s.mean)),
                number(row.loss.and_then(|s| s.deviation)),
                number(row.published_loss),
                number(row.percent_of_16.map(|s| s.mean)),
                number(row.percent_threshold.map(|s| s.mean)),
                number(row.seconds.map(|s| s.mean)),
            );
        }
        text
    }

    /// As JSON with a seal.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_follow_the_textbook() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(
            Spread::of(&[3.0]),
            Some(Spread {
                mean: 3.0,
                deviation: None
            })
        );
        // 2, 4, 9: mean 5, squares 9 + 1 + 16 over two.
        let spread = Spread::of(&[2.0, 4.0, 9.0]).unwrap();
        assert_eq!(
            spread,
            Spread {
                mean: 5.0,
                deviation: Some(13f64.sqrt())
            }
        );
    }
}
