//! A cell of a table: one finished run, kept as a small JSON file from which
//! every table and plot can be drawn again without training.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::suite::{Suite, SuiteRow};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::files::{self, create_folder, write_atomic_bytes};
use crate::seal::{self, Origin};
use crate::train::{Config, EpochRecord, RunFolder, TestRecord};
use crate::{bounded, notice};

/// The record of a finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellRecord {
    /// The suite's name.
    pub suite: String,
    /// The row's id.
    pub row: String,
    /// Everything that the result depends on.
    pub config: Config,
    /// The test of its best epoch.
    pub test: TestRecord,
    /// Its epochs.
    pub history: Vec<EpochRecord>,
    /// The run that it is the record of; absent in records from before runs had ids.
    #[serde(skip)]
    pub origin: Option<Origin>,
    /// Whether the file had a seal, which was found sound ([`crate::seal`]).
    #[serde(skip)]
    pub sealed: bool,
}

impl CellRecord {
    /// The record in the text of the file `path`.
    ///
    /// # Errors
    /// A damaged record.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let opened = seal::open(text).map_err(|e| Error::checkpoint(path, e.to_string()))?;
        let record: Self = serde_json::from_value(opened.content).map_err(|e| {
            Error::checkpoint(
                path,
                format!("is no record of a run: {e}; delete it to train again"),
            )
        })?;
        record
            .check()
            .map_err(|what| Error::checkpoint(path, what))?;
        Ok(Self {
            origin: opened.origin,
            sealed: opened.sealed,
            ..record
        })
    }

    /// Whether the record can be of a finished run.
    ///
    /// # Errors
    /// What cannot be, in words that complete "the file ...".
    fn check(&self) -> std::result::Result<(), String> {
        if self.history.len() != self.config.epochs {
            return Err(format!(
                "is damaged: it has records of {} epochs, and {} are set",
                self.history.len(),
                self.config.epochs
            ));
        }
        for (record, epoch) in self.history.iter().zip(1..) {
            if record.epoch != epoch {
                return Err(format!(
                    "is damaged: epoch {} stands where epoch {epoch} should",
                    record.epoch
                ));
            }
            record.check()?;
        }
        self.test.check(&self.config)
    }

    /// The record in the file `path`; `None` where nothing is.
    ///
    /// # Errors
    /// A file that cannot be read, or a damaged record.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        match files::read(path, bounded::MOST_TEXT, 1)? {
            Some(bytes) => {
                let record = Self::parse(&bounded::decode(bytes, path)?, path)?;
                if !record.sealed {
                    let folder = path.parent().unwrap_or(path).display().to_string();
                    notice::once(
                        &folder,
                        &format!(
                            "{folder}: records here were made before files had seals, so damage to them would not be noticed; `bnn-cpu verify --seal` looks at them and seals them"
                        ),
                    );
                }
                Ok(Some(record))
            }
            None => Ok(None),
        }
    }

    /// Writes the record, whole or not at all.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = seal::text(self, self.origin.as_ref())
            .map_err(|e| Error::checkpoint(path, format!("cannot be encoded: {e}")))?;
        write_atomic_bytes(path, text.as_bytes())
    }
}

/// Where a table's cells, runs and files lie, and which cells it has.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The suite.
    pub suite: Suite,
    /// The rows asked for.
    pub rows: Vec<SuiteRow>,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// Epochs, where not the suite's own.
    pub epochs: Option<usize>,
    /// The folder of tables and records.
    pub results: PathBuf,
    /// The folder of runs.
    pub runs: PathBuf,
}

/// A cell to be trained or read.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Its row.
    pub row: SuiteRow,
    /// What it is.
    pub config: Config,
    /// Its record's file.
    pub record: PathBuf,
    /// Its run's folder.
    pub run: PathBuf,
}

impl Plan {
    /// The name of the table for a data set, e.g. `reference-mnist`.
    pub fn name(&self, dataset: &Dataset) -> String {
        let data = if dataset.is_mnist() {
            "mnist".to_string()
        } else {
            let words: Vec<String> = dataset
                .name
                .split(|c: char| !c.is_ascii_alphanumeric())
                .filter(|w| !w.is_empty())
                .map(str::to_lowercase)
                .collect();
            words.join("-")
        };
        match self.epochs {
            None => format!("{}-{data}", self.suite.name()),
            Some(epochs) => format!("{}-{data}-{epochs}-epochs", self.suite.name()),
        }
    }

    /// The cells, seed by seed, so that a table fills evenly.
    ///
    /// # Errors
    /// A data set that a network does not fit.
    pub fn cells(&self, dataset: &Dataset) -> Result<Vec<Cell>> {
        let name = self.name(dataset);
        let mut cells = Vec::new();
        for &seed in &self.seeds {
            for row in &self.rows {
                let file = format!("{}-seed{seed}", row.id);
                cells.push(Cell {
                    row: row.clone(),
                    config: self.suite.config(row, dataset, seed, self.epochs)?,
                    record: self
                        .results
                        .join("cells")
                        .join(&name)
                        .join(format!("{file}.json")),
                    run: self.runs.join(&name).join(&file),
                });
            }
        }
        Ok(cells)
    }
}

impl Cell {
    /// The record, if the cell is finished.
    ///
    /// # Errors
    /// A damaged record, or one that was made with other settings.
    pub fn read(&self) -> Result<Option<CellRecord>> {
        let path = &self.record;
        let Some(record) = CellRecord::read(path)? else {
            return Ok(None);
        };
        if let Some(what) = self.config.difference(&record.config) {
            return Err(Error::checkpoint(
                path,
                format!(
                    "was made with other settings than this table's ({what}); move it away to train the cell again"
                ),
            ));
        }
        Ok(Some(record))
    }

    /// Writes the record of the cell's finished run and returns it.
    ///
    /// # Errors
    /// An unfinished run, or a file that cannot be written.
    pub fn write(&self, suite: Suite, run: &RunFolder) -> Result<CellRecord> {
        let test = run
            .test()?
            .ok_or_else(|| Error::checkpoint(run.path(), "is not finished"))?;
        let record = CellRecord {
            suite: suite.name().into(),
            row: self.row.id.clone(),
            config: run.config().clone(),
            test,
            history: run.metrics()?,
            origin: run.origin().cloned(),
            sealed: true,
        };
        let path = &self.record;
        create_folder(path.parent().unwrap_or(Path::new(".")))?;
        record.write(path)?;
        Ok(record)
    }
}
