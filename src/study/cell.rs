//! A cell of a table: one finished run, kept as a small JSON file from which
//! every table and plot can be drawn again without training.
//!
//! **A cell stands alone.** It states every setting, also one that has its default, so that
//! a default that changes later cannot turn an old cell into one of the new settings; and
//! the commit, instruction set, threads and processor that made it. A record that lacks any
//! of these is no cell of a table until it is completed ([`CellRecord::complete`]), which
//! names what was inferred.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::finish::{Finish, ValidationRecord};
use super::row::SuiteRow;
use super::suite::Suite;
use crate::error::{Error, Result};
use crate::files::{self, create_folder, write_atomic_bytes};
use crate::model::Pixels;
use crate::seal::{self, Origin};
use crate::train::{Config, EpochRecord, PartialConfig, RunFolder, Subject, TestRecord};
use crate::{bounded, notice};

/// The record of a finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct CellRecord {
    /// The suite's name.
    pub suite: String,
    /// The row's id.
    pub row: String,
    /// Everything that the result depends on.
    pub config: Config,
    /// The test of its best epoch, or its validation where nothing was tested.
    pub finish: Finish,
    /// Its epochs.
    pub history: Vec<EpochRecord>,
    /// What the record did not state when it was made and was added later, each as the path
    /// of a value.
    pub inferred: Vec<String>,
    /// What the file does not state, each as the path of a value.
    pub missing: Vec<String>,
    /// The run that it is the record of; absent in records from before runs had ids.
    pub origin: Option<Origin>,
    /// Whether the file had a seal, which was found sound ([`crate::seal`]).
    pub sealed: bool,
}

/// A cell's record as its file has it: with a test or with a validation.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    suite: String,
    row: String,
    config: Config,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    test: Option<TestRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    validation: Option<ValidationRecord>,
    history: Vec<EpochRecord>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    inferred: Vec<String>,
}

impl TryFrom<Stored> for CellRecord {
    type Error = String;

    fn try_from(stored: Stored) -> std::result::Result<Self, String> {
        let finish = match (stored.test, stored.validation) {
            (Some(test), None) => Finish::Test(test),
            (None, Some(validation)) => Finish::Validation(validation),
            (None, None) => return Err("missing field `test`".into()),
            (Some(_), Some(_)) => return Err("it has both `test` and `validation`".into()),
        };
        Ok(Self {
            suite: stored.suite,
            row: stored.row,
            config: stored.config,
            finish,
            history: stored.history,
            inferred: stored.inferred,
            missing: Vec::new(),
            origin: None,
            sealed: false,
        })
    }
}

impl From<CellRecord> for Stored {
    fn from(record: CellRecord) -> Self {
        let (test, validation) = match record.finish {
            Finish::Test(test) => (Some(test), None),
            Finish::Validation(validation) => (None, Some(validation)),
        };
        Self {
            suite: record.suite,
            row: record.row,
            config: record.config,
            test,
            validation,
            history: record.history,
            inferred: record.inferred,
        }
    }
}

impl CellRecord {
    /// The record in the text of the file `path`.
    ///
    /// # Errors
    /// A damaged record.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let opened = seal::open(text).map_err(|e| Error::checkpoint(path, e.to_string()))?;
        let content = opened.content.clone();
        let record: Self = serde_json::from_value(content).map_err(|e| {
            Error::checkpoint(
                path,
                format!("is no record of a run: {e}; delete it to train again"),
            )
        })?;
        record
            .check()
            .map_err(|what| Error::checkpoint(path, what))?;
        let all = serde_json::to_value(&record).unwrap_or_default();
        let mut missing = Vec::new();
        unstated("", &all, &opened.content, &mut missing);
        let provenance = record.finish.provenance();
        let dataset = &record.config.dataset;
        let of = record.finish.name();
        let noted = [
            ("config.model.pixels", record.config.model.pixels.is_some()),
            ("config.dataset.sha256", !dataset.sha256.is_empty()),
            (
                &format!("{of}.provenance.commit"),
                provenance.commit.is_some(),
            ),
            (&format!("{of}.provenance.cpu"), provenance.cpu.is_some()),
        ];
        let unnoted = noted.into_iter().filter(|(_, noted)| !noted);
        missing.extend(unnoted.map(|(path, _)| path.to_string()));
        Ok(Self {
            origin: opened.origin,
            sealed: opened.sealed,
            missing,
            ..record
        })
    }

    /// Writes into the record what its file does not state: settings at what they were by
    /// default, the commit where the caller knows it, and `unknown` for the processor.
    /// [`Self::inferred`] then names them.
    pub fn complete(&mut self, commit: Option<&str>) {
        let provenance = self.finish.provenance_mut();
        let unknown = || "unknown".to_string();
        let commit = commit.map_or_else(unknown, str::to_string);
        provenance.commit.get_or_insert(commit);
        provenance.cpu.get_or_insert_with(unknown);
        self.inferred.append(&mut self.missing);
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
        self.finish.check(&self.config, &self.history)
    }

    /// The record in the file `path`; `None` where nothing is.
    ///
    /// # Errors
    /// A file that cannot be read, or a damaged record.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        match files::read(path, bounded::MAX_TEXT, 1)? {
            Some(bytes) => {
                let record = Self::parse(&bounded::decode(bytes, path)?, path)?;
                if !record.sealed {
                    let folder = path.parent().unwrap_or(path).display().to_string();
                    notice::once(
                        &folder,
                        &format!(
                            "{folder}: records here were made before files had seals, so damage to them would not be noticed; `bnn-cpu verify` can look at them and seal them"
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
    /// What is set above what the rows state: epochs, where not the suite's own.
    pub over: PartialConfig,
    /// The folder of tables and records.
    pub results: PathBuf,
    /// The folder of runs.
    pub runs: PathBuf,
    /// Whether settings are being chosen: no cell is tested, and the names of the table and
    /// of its cells say so.
    pub validation_only: bool,
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
    /// Whether its run ends with its last validation, without a test.
    pub validation_only: bool,
}

impl Plan {
    /// The name of the table for a data set, e.g. `reference-mnist`.
    pub fn name(&self, subject: &Subject) -> String {
        self.named(&subject.slug())
    }

    /// [`Self::name`] for the data set with that [`Subject::slug`].
    fn named(&self, data: &str) -> String {
        let mut name = format!("{}-{data}", self.suite.name);
        if let Some(epochs) = self.over.epochs {
            name += &format!("-{epochs}-epochs");
        }
        if self.validation_only {
            name += "-validation";
        }
        name
    }

    /// The data set of the finished cells, here and in `others`, further folders of results, as
    /// they note it: the one with that slug, or the only one there is, or MNIST among several.
    ///
    /// # Errors
    /// No cells, several data sets of which none is MNIST, or a damaged record.
    pub fn noted(&self, slug: Option<&str>, others: &[PathBuf]) -> Result<Subject> {
        let cells = self.results.join("cells");
        let (mut found, mut damaged) = (Vec::new(), None);
        self.noted_below(&cells, slug, &mut found, &mut damaged)?;
        for other in others {
            self.noted_below(&other.join("cells"), slug, &mut found, &mut damaged)?;
        }
        found.sort_by_key(Subject::slug);
        found.dedup_by_key(|subject| subject.slug());
        let mnist = found.iter().find(|subject| subject.record.is_mnist());
        match (mnist, found.as_slice()) {
            (Some(mnist), _) => Ok(mnist.clone()),
            (None, [only]) => Ok(only.clone()),
            (None, []) => {
                let last = others.last().unwrap_or(&self.results).join("cells");
                let none = || no_cells(&last.join(self.named(slug.unwrap_or("*"))));
                Err(damaged.unwrap_or_else(none))
            }
            (None, several) => {
                let names: Vec<String> = several.iter().map(Subject::slug).collect();
                Err(Error::spec(format!(
                    "{} has cells of several data sets: {}; name one",
                    cells.display(),
                    names.join(", ")
                ))
                .mended_by(&["dataset"]))
            }
        }
    }

    /// Adds the data sets that tables in a folder `cells` note, of that slug if one is given.
    fn noted_below(
        &self,
        cells: &Path,
        slug: Option<&str>,
        found: &mut Vec<Subject>,
        damaged: &mut Option<Error>,
    ) -> Result<()> {
        if !files::is_folder(cells)? {
            return Ok(());
        }
        let read = || Error::io("read", cells);
        for entry in std::fs::read_dir(cells).map_err(read())? {
            let folder = entry.map_err(read())?.path();
            let wanted = self.named(slug.unwrap_or("mnist"));
            match self.noted_in(&folder) {
                Ok(subject) => {
                    found.extend(subject.filter(|s| slug.is_none_or(|slug| s.slug() == slug)));
                }
                Err(error) if folder.file_name() == Some(wanted.as_ref()) => return Err(error),
                // It may be another table's.
                Err(error) => *damaged = Some(error),
            }
        }
        Ok(())
    }

    /// The data set of the cells of these rows and seeds in a folder; `None` where it has
    /// none, or is not this table's for the data set that they note.
    fn noted_in(&self, folder: &Path) -> Result<Option<Subject>> {
        // A row that says itself what pixels are does not tell what they are to others.
        let says = |row: &&SuiteRow| row.settings.states("model.pixels");
        let silent = self.rows.iter().filter(|row| !says(row));
        let mut integer = None;
        for row in silent.chain(self.rows.iter().filter(says)) {
            for seed in &self.seeds {
                let path = folder.join(format!("{}-seed{seed}.json", row.id));
                let Some(record) = CellRecord::read(&path)? else {
                    continue;
                };
                let Some(subject) = record.config.subject() else {
                    continue;
                };
                let mine = record.suite == self.suite.name
                    && folder.file_name() == Some(self.name(&subject).as_ref());
                let subject = mine.then_some(subject);
                // Integer pixels do not tell how those of another network are normalised.
                match subject.as_ref().map(|subject| &subject.pixels) {
                    Some(Pixels::Integer) => integer = integer.or(subject),
                    _ => return Ok(subject),
                }
            }
        }
        Ok(integer)
    }

    /// The cells, seed by seed, so that a table fills evenly.
    ///
    /// # Errors
    /// A data set that a network does not fit.
    pub fn cells(&self, subject: &Subject) -> Result<Vec<Cell>> {
        let name = self.name(subject);
        let mut cells = Vec::new();
        for &seed in &self.seeds {
            for row in &self.rows {
                let file = format!("{}-seed{seed}", row.id);
                cells.push(Cell {
                    row: row.clone(),
                    config: self.suite.config(row, subject, seed, &self.over)?,
                    record: self
                        .results
                        .join("cells")
                        .join(&name)
                        .join(format!("{file}.json")),
                    run: self.runs.join(&name).join(&file),
                    validation_only: self.validation_only,
                });
            }
        }
        Ok(cells)
    }
}

impl Cell {
    /// Its row and its seed, in words.
    pub fn name(&self) -> String {
        format!("{} seed {}", self.row.id, self.config.seed)
    }

    /// The record, if the cell is finished.
    ///
    /// # Errors
    /// A damaged record, or one that was made with other settings.
    pub fn read(&self) -> Result<Option<CellRecord>> {
        let path = &self.record;
        let Some(record) = CellRecord::read(path)? else {
            return Ok(None);
        };
        if let Some(first) = record.missing.first() {
            return Err(Error::checkpoint(
                path,
                format!(
                    "does not state {first}, so it could be of other settings than this table's; verify and seal it, which completes it and notes what it inferred"
                ),
            )
            .mended_by(&["seal"]));
        }
        if let Some(what) = self.config.difference(&record.config) {
            return Err(Error::checkpoint(
                path,
                format!(
                    "was made with other settings than this table's ({what}); move it away to train the cell again"
                ),
            ));
        }
        if record.finish.test().is_none() != self.validation_only {
            let what = "is of the other kind, tested or not, than this table's; move it away";
            return Err(Error::checkpoint(path, what));
        }
        Ok(Some(record))
    }

    /// Writes the record of the cell's finished run, made with kernels of the instruction
    /// set `isa`, and returns it.
    ///
    /// # Errors
    /// An unfinished run, or a file that cannot be written.
    pub fn write(&self, suite: &str, run: &RunFolder, isa: &str) -> Result<CellRecord> {
        let finish = match (self.validation_only, run.test()?) {
            (true, _) => Finish::Validation(ValidationRecord::of(run, isa)?),
            (false, Some(test)) => Finish::Test(test),
            (false, None) => return Err(Error::checkpoint(run.path(), "is not finished")),
        };
        let mut config = run.config().clone();
        // A cell is published: its fingerprint says what the data are, and where they lay is
        // nobody's business.
        config.dataset.source = None;
        let record = CellRecord {
            suite: suite.into(),
            row: self.row.id.clone(),
            config,
            finish,
            history: run.metrics()?,
            inferred: Vec::new(),
            missing: Vec::new(),
            origin: run.origin().cloned(),
            sealed: true,
        };
        let path = &self.record;
        create_folder(path.parent().unwrap_or(Path::new(".")))?;
        record.write(path)?;
        Ok(record)
    }
}

/// There is nothing to draw a table from.
pub fn no_cells(folder: &Path) -> Error {
    Error::spec(format!(
        "there are no finished cells of these rows and seeds in {}; train them first",
        folder.display()
    ))
}

/// Keys that had another name in older records, which is still read.
const RENAMED: [(&str, &str); 1] = [("probability", "link")];

/// The paths of the values in `all` that `stated` lacks or leaves open.
fn unstated(path: &str, all: &Value, stated: &Value, missing: &mut Vec<String>) {
    let below = |key: &str| match path {
        "" => key.to_string(),
        _ => format!("{path}.{key}"),
    };
    match (all, stated) {
        (Value::Object(all), Value::Object(stated)) => {
            for (key, value) in all {
                let renamed = || RENAMED.iter().find(|(now, _)| now == key);
                let formerly = || stated.get(renamed()?.1);
                match stated.get(key).or_else(formerly) {
                    None => missing.push(below(key)),
                    Some(Value::Null) if !value.is_null() => missing.push(below(key)),
                    Some(found) => unstated(&below(key), value, found, missing),
                }
            }
        }
        (Value::Array(all), Value::Array(stated)) => {
            for (i, (value, found)) in all.iter().zip(stated).enumerate() {
                unstated(&below(&i.to_string()), value, found, missing);
            }
        }
        _ => {}
    }
}
