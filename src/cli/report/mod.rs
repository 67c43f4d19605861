//! `bnn-cpu report`: runs and tables as one HTML file.

mod command;
mod inside;
mod sources;
mod speed;

use std::path::{Path, PathBuf};

use bnn_cpu::Error;
use bnn_cpu::data::Dataset;
use bnn_cpu::draw::page::{Layers, Report, Subject};
use bnn_cpu::files::{self, create_folder, write_atomic_bytes};
use bnn_cpu::model::{LayerRow, table};
use bnn_cpu::study::tables;
use bnn_cpu::train::{DatasetRecord, Provenance, RunFolder};
use serde_json::json;

use super::data_args::DataArgs;
use super::output;
use super::places;
use super::plot::pictures::look;
use super::progress::Progress;
use super::train::RUNS;
use super::{Context, Failure, Outcome};
use sources::{Source, Sources};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu report                                     the newest run, as report.html
  bnn-cpu report runs/a runs/b runs/c -o page.html   several runs side by side
  bnn-cpu report reference-mnist                     results/reference-mnist.json and its cells
  bnn-cpu report runs/xnor-net-both-det-st-1 --speed packed beside float, measured now
  bnn-cpu report runs/a runs/b --inside              what excites their channels";

/// Write runs and tables as one self-contained HTML page
///
/// Headline, results beside the published figures, curves, heat maps, confusion,
/// mistakes, layers, speed, commands and configurations. The file needs no network and
/// no script, follows the reader's light or dark setting, and prints.
///
/// Of a table's rows, those whose runs are still in --runs are drawn as well.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folders of runs, table files (.json), or names of tables in --results
    /// [default: the newest run]
    #[arg(value_name = "RUN|TABLE")]
    inputs: Vec<PathBuf>,
    /// The file to write
    #[arg(long, short, value_name = "FILE.html", default_value = "report.html")]
    out: PathBuf,
    /// What the page is headed by [default: what it is of]
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Measure the networks, packed and not, on this machine; some seconds each
    #[arg(long)]
    speed: bool,
    /// Look inside as well: nearest neighbours, patches and made images that excite each channel,
    /// rates of bits and histograms; some seconds a run, minutes for large networks
    #[arg(long)]
    inside: bool,
    /// Folder of the tables
    #[arg(long, value_name = "DIR", default_value = "results")]
    results: PathBuf,
    /// Folder of the runs
    #[arg(long, value_name = "DIR", default_value = RUNS)]
    runs: PathBuf,
    #[command(flatten)]
    data: DataArgs,
}

pub fn run(args: Args, context: &Context) -> Outcome {
    places::file_and_folder("--out", &args.out)?;
    let mut progress = Progress::new(context);
    let mut sources = Sources::default();
    for source in args.sources()? {
        sources.add(source, &args.runs)?;
    }
    let weights = std::mem::take(&mut sources.weights);
    let sets = args.sets(&weights, &mut progress)?;
    let (mut subjects, mut speeds) = (Vec::new(), Vec::new());
    for (name, run) in weights {
        let (set, dataset) = set_of(&sets, &run)?;
        progress.say(&format!("looking at {}", run.path().display()));
        if args.speed && speed::wanted(&mut sources.measured, run.config()) {
            speeds.push(speed::measure(&name, &run, dataset, context)?);
        }
        let statistics = look(&run, dataset, context)?;
        let inside = args.inside.then(|| inside::look(&run, dataset, context));
        let inside = inside.transpose()?;
        subjects.push(Subject {
            name,
            set,
            statistics,
            inside,
        });
    }
    let layers = layers(&sources)?;
    let report = Report {
        title: args.title.clone().unwrap_or_else(|| sources.title()),
        tables: sources.tables,
        runs: sources.runs,
        subjects,
        sets: sets
            .iter()
            .map(|set| (set.name.clone(), &set.test))
            .collect(),
        layers,
        speeds,
        command: args.command(),
        made_by: Provenance::here(context.engine.kernels.isa.name()),
    };
    let html = report.html();
    if let Some(parent) = args.out.parent().filter(|p| !p.as_os_str().is_empty()) {
        create_folder(parent)?;
    }
    write_atomic_bytes(&args.out, html.as_bytes())?;
    if context.json {
        return output::json(&json!({
            "event": "report", "file": output::path(&args.out), "bytes": html.len(),
            "runs": report.runs.len(), "tables": report.tables.len(),
            "drawn": report.subjects.len(), "measured": report.speeds.len(),
        }));
    }
    output::line(&format!(
        "{}: {} bytes, opens in any browser",
        args.out.display(),
        output::grouped(html.len())
    ))
}

/// The layer tables of the networks, one for all networks whose tables are alike.
fn layers(sources: &Sources) -> Outcome<Vec<Layers>> {
    let mut layers: Vec<Layers> = Vec::new();
    for (name, model) in &sources.models {
        let rows = table(model)?;
        match layers.iter_mut().find(|known| alike(&known.rows, &rows)) {
            Some(known) => known.names.push(name.clone()),
            None => layers.push(Layers {
                names: vec![name.clone()],
                rows,
            }),
        }
    }
    Ok(layers)
}

impl Args {
    /// What the inputs are.
    fn sources(&self) -> Outcome<Vec<Source>> {
        if self.inputs.is_empty() {
            let newest = RunFolder::newest(&self.runs)?.ok_or_else(|| {
                Failure::usage(format!(
                    "{} holds no run; name a run or a table",
                    self.runs.display()
                ))
            })?;
            return Ok(vec![Source::Run(newest)]);
        }
        self.inputs.iter().map(|input| self.source(input)).collect()
    }

    fn source(&self, input: &Path) -> Outcome<Source> {
        let mut name = input.as_os_str().to_os_string();
        name.push(".json");
        let table = self.results.join(name);
        let run = self.runs.join(input);
        for path in [input, &table, &run] {
            match files::look(path)? {
                Some(found) if found.is_dir() => return Ok(Source::Run(path.into())),
                Some(_) => return Ok(Source::Table(path.into())),
                None => {}
            }
        }
        let name = tables::names().find(|name| input.as_os_str() == *name);
        if let Some((name, text)) = name.and_then(|name| Some((name, tables::text(name)?))) {
            return Ok(Source::OfProgram(name, text));
        }
        Err(Failure::usage(format!(
            "{}: no such run or table; name a run's folder, a table's .json file, a table in {}, or one that comes with the program: {}",
            input.display(),
            self.results.display(),
            tables::names().collect::<Vec<_>>().join(", ")
        )))
    }

    /// The data sets of the runs whose weights are at hand, each once.
    fn sets(
        &self,
        weights: &[(String, RunFolder)],
        progress: &mut Progress,
    ) -> Outcome<Vec<Dataset>> {
        let mut sets: Vec<Dataset> = Vec::new();
        for (_, run) in weights {
            if set_of(&sets, run).is_err() {
                sets.push(self.data.load_for(&run.config().dataset, progress)?);
            }
        }
        Ok(sets)
    }

    /// The command that makes the page again.
    fn command(&self) -> String {
        let mut line = String::from("bnn-cpu report");
        for input in &self.inputs {
            line += &format!(" {}", quoted(&output::path(input)));
        }
        if let Some(title) = &self.title {
            line += &format!(" --title {}", quoted(title));
        }
        if self.speed {
            line += " --speed";
        }
        if self.inside {
            line += " --inside";
        }
        line
    }
}

/// Which of the data sets is the run's, and that set.
fn set_of<'a>(sets: &'a [Dataset], run: &RunFolder) -> Outcome<(usize, &'a Dataset)> {
    let record = &run.config().dataset;
    let same = |set: &&Dataset| record.difference(&DatasetRecord::of(set)).is_none();
    let at = sets.iter().position(|set| same(&set));
    let missing = || {
        Error::spec(format!(
            "{}: its data are not at hand",
            run.path().display()
        ))
    };
    at.map(|at| (at, &sets[at])).ok_or_else(|| missing().into())
}

/// Whether two networks have the same sizes, layer by layer, whatever their units are.
fn alike(a: &[LayerRow], b: &[LayerRow]) -> bool {
    let sizes = |row: &LayerRow| {
        let numbers = [
            row.params_f32,
            row.params_bit,
            row.madds_f32,
            row.madds_bit,
            row.bytes,
        ];
        (row.output, numbers)
    };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| sizes(a) == sizes(b))
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./+=:,".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}
