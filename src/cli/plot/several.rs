//! One run or several side by side: which, what they are called, and how their pictures and
//! numbers are laid out.

use std::collections::BTreeSet;
use std::path::PathBuf;

use bnn_cpu::data::Dataset;
use bnn_cpu::draw::{Canvas, Form};
use bnn_cpu::model::Network;
use bnn_cpu::train::{Config, RunFolder};
use serde_json::{Value, json};

use super::super::data_args::RunDataArgs;
use super::super::output;
use super::super::progress::Progress;
use super::super::{Context, Failure, Outcome, result};
use super::pictures::{PictureArgs, Pictures};

/// The runs that are drawn.
#[derive(Debug, clap::Args)]
pub struct SeveralArgs {
    /// Folder of the run; with --compare, of each run
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Lay several runs out side by side, on the same images [folder: pictures]
    #[arg(long)]
    pub compare: bool,
}

impl SeveralArgs {
    /// The runs: one, or with --compare several that were made with the same images.
    pub fn open(&self) -> Outcome<Vec<RunFolder>> {
        if self.compare != (self.runs.len() > 1) {
            return Err(Failure::usage(match self.compare {
                true => "--compare needs at least two runs",
                false => {
                    "more than one run; lay them side by side with --compare, or draw one at a time"
                }
            }));
        }
        let runs: Vec<RunFolder> = self
            .runs
            .iter()
            .map(|path| RunFolder::open(path))
            .collect::<Result<_, _>>()?;
        for (run, path) in runs.iter().zip(&self.runs).skip(1) {
            let first = &runs[0].config().dataset;
            if let Some(what) = first.difference(&run.config().dataset) {
                return Err(Failure::usage(format!(
                    "{} and {} were made with different images ({what}); compare runs on the same ones",
                    self.runs[0].display(),
                    path.display()
                )));
            }
        }
        Ok(runs)
    }

    /// Pictures for the folder that is named, or for that of the run; several runs' are for
    /// `pictures`.
    pub fn pictures(&self, picture: &PictureArgs, runs: &[RunFolder]) -> Outcome<Pictures> {
        let folder = match self.compare {
            true => PathBuf::from("pictures"),
            false => runs[0].file("pictures"),
        };
        Pictures::new(picture, folder, Form::Png)
    }

    /// Writes what was drawn of each run: its own pictures, or those of one name beside each
    /// other; and its numbers.
    pub fn write(
        &self,
        event: &str,
        mut pictures: Pictures,
        drawn: Vec<Drawn>,
        context: &Context,
    ) -> Outcome {
        let with_run = |(drawn, path): (&Drawn, &PathBuf)| {
            let mut numbers = drawn.numbers.clone();
            numbers["run"] = json!(output::path(path));
            numbers
        };
        let numbers: Vec<Value> = drawn.iter().zip(&self.runs).map(with_run).collect();
        let more = match (self.compare, &numbers[..]) {
            (false, [one]) => one.clone(),
            _ => json!({ "runs": numbers }),
        };
        match self.compare {
            true => beside(&drawn, &mut pictures)?,
            false => {
                for picture in drawn.iter().flat_map(|d| &d.pictures) {
                    pictures.picture(&picture.stem, &picture.canvas)?;
                }
            }
        }
        pictures.write(event, more, context)
    }

    /// Draws each run with its best weights and the images of the first, and writes what was
    /// drawn. `plan` says what is to be drawn of a run, before anything is read or looked at.
    pub fn draw_each<P>(
        &self,
        event: &str,
        (picture, data): (&PictureArgs, &RunDataArgs),
        context: &Context,
        plan: impl Fn(&Config) -> Outcome<P>,
        draw: impl Fn(&mut Seen<'_>, P) -> Outcome<Drawn>,
    ) -> Outcome {
        let runs = self.open()?;
        let plans = runs.iter().map(|run| plan(run.config()));
        let plans: Vec<P> = plans.collect::<Outcome<_>>()?;
        let pictures = self.pictures(picture, &runs)?;
        let mut progress = Progress::new(context);
        let dataset = data.load_for(&runs[0].config().dataset, &mut progress)?;
        let names = names(&runs);
        let mut drawn = Vec::new();
        for ((run, name), plan) in runs.iter().zip(&names).zip(plans) {
            run.config().check_images(&dataset)?;
            progress.say(&format!("looking at {}", run.path().display()));
            let mut net = run.network(context.engine, run.config().batch)?;
            let mut seen = Seen {
                run,
                name,
                net: &mut net,
                dataset: &dataset,
            };
            drawn.push(draw(&mut seen, plan)?);
        }
        self.write(event, pictures, drawn, context)
    }
}

/// A run that is looked at.
pub struct Seen<'a> {
    pub run: &'a RunFolder,
    /// The network in a few words, and its folder where words alone do not tell.
    pub name: &'a str,
    pub net: &'a mut Network,
    pub dataset: &'a Dataset,
}

/// A picture of a run.
pub struct Picture {
    /// The name of its file, without its end.
    pub stem: String,
    /// The place: pictures of one place, of all runs, stand beside each other.
    pub place: usize,
    pub canvas: Canvas,
}

impl Picture {
    /// The only picture of a run.
    pub fn alone(stem: &str, canvas: Canvas) -> Self {
        Self {
            stem: stem.into(),
            place: 0,
            canvas,
        }
    }
}

/// What was drawn of a run.
pub struct Drawn {
    pub pictures: Vec<Picture>,
    /// The numbers behind them, an object.
    pub numbers: Value,
}

/// How many of so many pictures stand in a row: up to three, else about as many as there are rows.
fn across(count: usize) -> usize {
    match count {
        0..=3 => count.max(1),
        _ => count.isqrt() + usize::from(count.isqrt().pow(2) < count),
    }
}

/// Writes the pictures of each place beside each other, run by run, by the name of the first.
fn beside(drawn: &[Drawn], pictures: &mut Pictures) -> Outcome {
    let all = || drawn.iter().flat_map(|d| &d.pictures);
    let places: BTreeSet<usize> = all().map(|picture| picture.place).collect();
    let mut names: Vec<String> = Vec::new();
    for place in places {
        let panels = all().filter(|picture| picture.place == place);
        let panels: Vec<Canvas> = panels.map(|picture| picture.canvas.clone()).collect();
        let rows = panels.chunks(across(panels.len())).map(Canvas::beside);
        let canvas = Canvas::below(&rows.collect::<Result<Vec<_>, _>>()?)?;
        let mut first = all().filter(|picture| picture.place == place);
        let stem = first.next().map_or("", |picture| &picture.stem);
        // Runs may call layers of different depths by one name.
        let mut name = format!("{stem}-compared");
        if names.contains(&name) {
            name = format!("{stem}-{place}-compared");
        }
        pictures.picture(&name, &canvas)?;
        names.push(name);
    }
    Ok(())
}

/// A name for each run: its network, and its folder where networks alone do not tell.
pub fn names(runs: &[RunFolder]) -> Vec<String> {
    let names: Vec<String> = runs
        .iter()
        .map(|run| result::network(run.config()))
        .collect();
    let folder = |run: &RunFolder| {
        let path = run.path();
        path.file_name().map_or_else(
            || path.display().to_string(),
            |n| n.to_string_lossy().into(),
        )
    };
    let alone = |name: &String| names.iter().filter(|n| *n == name).count() == 1;
    let pairs = runs.iter().zip(&names);
    pairs
        .map(|(run, name)| match alone(name) {
            true => name.clone(),
            false => format!("{name} ({})", folder(run)),
        })
        .collect()
}
