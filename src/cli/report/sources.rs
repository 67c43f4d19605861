//! What a report is made from: runs, and tables with their cells.

use std::path::{Path, PathBuf};

use bnn_cpu::draw::page::Shown;
use bnn_cpu::model::ModelSpec;
use bnn_cpu::study::{CellRecord, Table, reference};
use bnn_cpu::train::{CONFIG, Config, EpochRecord, RunFolder, TestRecord};
use bnn_cpu::{Error, bounded, files};

use super::super::plot::settings::setting;
use super::super::{Outcome, output, result};
use super::command;

/// One input.
pub enum Source {
    /// A run's folder.
    Run(PathBuf),
    /// A table's JSON file.
    Table(PathBuf),
    /// A table that comes with the program, and its text.
    OfProgram(&'static str, &'static str),
}

/// All of them, read.
#[derive(Default)]
pub struct Sources {
    pub tables: Vec<Table>,
    pub runs: Vec<Shown>,
    /// Runs with weights, and what they are called.
    pub weights: Vec<(String, RunFolder)>,
    pub models: Vec<(String, ModelSpec)>,
    /// Networks whose speed has been measured, in words.
    pub measured: Vec<String>,
    /// The configuration of each line's first run.
    lines: Vec<Config>,
}

impl Sources {
    pub fn add(&mut self, source: Source, runs: &Path) -> Outcome {
        match source {
            Source::Run(path) => self.add_run(&path),
            Source::Table(path) => self.add_table(&path, &bounded::text(&path)?, runs),
            Source::OfProgram(name, text) => self.add_table(Path::new(name), text, runs),
        }
    }

    /// What the page is of.
    pub fn title(&self) -> String {
        match (self.tables.as_slice(), self.runs.as_slice()) {
            ([], [run]) => run.name.clone(),
            ([], runs) => format!("{} runs side by side", runs.len()),
            ([table], _) => format!("{}: the {} suite", table.dataset, table.suite),
            (tables, _) => format!("{} tables", tables.len()),
        }
    }

    fn add_run(&mut self, path: &Path) -> Outcome {
        let run = RunFolder::open(path)?;
        let config = run.config().clone();
        let mut name = result::network(&config);
        if self.runs.iter().any(|known| known.name == name) {
            // Networks alone do not tell them apart.
            let folder = path.file_name().unwrap_or(path.as_os_str());
            name = format!("{name} ({})", output::one_line(&folder.to_string_lossy()));
        }
        let best = run.find_best()?.map(|best| best.about);
        let mut shown = self.shown(&name, &config, run.metrics()?, run.test()?);
        if best.as_ref().is_some_and(|best| best.epoch == 0) {
            shown.command = "bnn-cpu import WEIGHTS.safetensors".into();
            shown.recipe.clear();
            shown.command_note = "The weights were imported, not trained here.".into();
        }
        shown.line = self.line(&config);
        self.runs.push(shown);
        self.models.push((name.clone(), config.model));
        if best.is_some() {
            self.weights.push((name, run));
        }
        Ok(())
    }

    fn add_table(&mut self, path: &Path, text: &str, runs: &Path) -> Outcome {
        let table = Table::parse(text, path)?;
        let stem = path.file_stem().unwrap_or_default();
        let cells = path
            .parent()
            .unwrap_or(Path::new("."))
            .join("cells")
            .join(stem);
        let records = records(&cells)?;
        check(&table, path, &records, &cells)?;
        for row in &table.rows {
            let mut mine: Vec<&CellRecord> = records.iter().filter(|r| r.row == row.id).collect();
            mine.sort_by_key(|record| record.config.seed);
            let Some(first) = mine.first() else { continue };
            // A row is a line, whatever its cells have in common with others.
            let line = self.lines.len();
            self.lines.push(first.config.clone());
            for record in &mine {
                let (history, test) = (record.history.clone(), record.finish.test().cloned());
                let mut shown = self.shown(&row.title, &record.config, history, test);
                shown.cell = true;
                shown.line = line;
                self.runs.push(shown);
            }
            self.models
                .push((row.title.clone(), first.config.model.clone()));
            let folder = runs
                .join("table")
                .join(stem)
                .join(format!("{}-seed{}", row.id, first.config.seed));
            // Only the run that the cell is the record of.
            if files::look(&folder.join(CONFIG))?.is_none() {
                continue;
            }
            let run = RunFolder::open(&folder)?;
            let same = match (&first.origin, run.origin()) {
                (Some(record), Some(run)) => record == run,
                _ => first.config.difference(run.config()).is_none(),
            };
            if same && run.find_best()?.is_some() {
                self.weights.push((row.title.clone(), run));
            }
        }
        self.tables.push(table);
        Ok(())
    }

    /// The line of a run: that of runs which differ from it in their seed alone, or a new one.
    fn line(&mut self, config: &Config) -> usize {
        let same = |first: &Config| {
            let mut own = config.clone();
            own.seed = first.seed;
            own == *first
        };
        self.lines.iter().position(same).unwrap_or_else(|| {
            self.lines.push(config.clone());
            self.lines.len() - 1
        })
    }

    fn shown(
        &self,
        name: &str,
        config: &Config,
        history: Vec<EpochRecord>,
        test: Option<TestRecord>,
    ) -> Shown {
        let command = command::of(config);
        let mut note = command.note;
        if let Some(test) = &test {
            note += &format!(
                " Made by bnn-cpu {} with {} kernels on {}; its bits are those of --isa {}.",
                test.provenance.version,
                test.provenance.isa,
                test.provenance.machine,
                test.provenance.isa
            );
        }
        Shown {
            name: name.into(),
            line: 0,
            cell: false,
            seed: config.seed,
            command: command.line,
            recipe: command.recipe,
            command_note: note.trim().into(),
            setting: setting(config),
            config: output::value(config),
            history,
            test,
            published: reference::published(config),
        }
    }
}

/// Whether a table and the records of its cells are of tests, and of the same data.
fn check(table: &Table, path: &Path, records: &[CellRecord], cells: &Path) -> Outcome {
    if table.validation {
        let what = "holds validation figures, for settings were being chosen and nothing was tested; a report is of tests, so name a table of tested runs";
        return Err(Error::data(path, what).into());
    }
    let foreign = records.iter().find(|r| {
        let of = &r.config.dataset;
        let known = !of.sha256.is_empty() && !table.data_sha256.is_empty();
        known && of.sha256 != table.data_sha256
    });
    if let Some(record) = foreign {
        return Err(Error::checkpoint(
            cells,
            format!(
                "the record of {} with seed {} was made with other data ({}) than the table of {}; make the table anew",
                record.row,
                record.config.seed,
                record.config.dataset.words(),
                table.dataset
            ),
        )
        .into());
    }
    Ok(())
}

/// The records in a folder; none where there is no such folder.
fn records(folder: &Path) -> Outcome<Vec<CellRecord>> {
    if files::look(folder)?.is_none() {
        return Ok(Vec::new());
    }
    let read = || Error::io("read", folder);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(read())? {
        let path = entry.map_err(read())?.path();
        if path.extension().is_some_and(|e| e == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut records = Vec::new();
    for path in paths {
        records.extend(CellRecord::read(&path)?);
    }
    Ok(records)
}
