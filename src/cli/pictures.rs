//! What the subcommands that draw a run have in common: looking at its test images,
//! and writing pictures.

use std::path::{Path, PathBuf};

use bnn_cpu::data::Dataset;
use bnn_cpu::files::{create_folder, write_atomic_bytes};
use bnn_cpu::model::Network;
use bnn_cpu::report::pictures::{Canvas, Theme};
use bnn_cpu::report::survey::Survey;
use bnn_cpu::train::RunFolder;
use serde_json::{Value, json};

use super::data_args::DataArgs;
use super::output;
use super::progress::Progress;
use super::{Context, Outcome, result};

/// Where pictures go and how they look.
#[derive(Debug, clap::Args)]
pub struct PictureArgs {
    /// Folder for the pictures [default: `pictures` in the run's folder]
    #[arg(long, short, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Light text on a dark ground
    #[arg(long)]
    pub dark: bool,
}

impl PictureArgs {
    pub fn theme(&self) -> Theme {
        match self.dark {
            true => Theme::DARK,
            false => Theme::LIGHT,
        }
    }

    /// The folder, for pictures of one run.
    pub fn folder(&self, run: &RunFolder) -> PathBuf {
        self.out.clone().unwrap_or_else(|| run.file("pictures"))
    }
}

/// A run and what its best weights do on the test images.
pub struct Looked {
    pub run: RunFolder,
    pub net: Network,
    pub survey: Survey,
}

/// Looks at the test images with the noise of the run's own test.
pub fn look(run: RunFolder, dataset: &Dataset, context: &Context) -> Outcome<Looked> {
    let config = run.config();
    config.check(dataset)?;
    let mut net = run.network(context.engine, config.batch)?;
    let at = (config.seed, config.epochs as u64 + 1);
    let survey = Survey::of(&mut net, &dataset.test, at)?;
    Ok(Looked { run, net, survey })
}

/// [`look`], with the run's own data set.
pub fn look_at(path: &Path, data: &DataArgs, context: &Context) -> Outcome<(Looked, Dataset)> {
    let run = RunFolder::open(path)?;
    let dataset = data.load_for(&run.config().dataset, &mut Progress::new(context))?;
    let looked = look(run, &dataset, context)?;
    Ok((looked, dataset))
}

impl Looked {
    /// The network in a few words.
    pub fn name(&self) -> String {
        result::network(self.run.config())
    }
}

/// Pictures that were written.
pub struct Written {
    folder: PathBuf,
    files: Vec<PathBuf>,
}

impl Written {
    pub fn new(folder: PathBuf) -> Outcome<Self> {
        create_folder(&folder)?;
        Ok(Self {
            folder,
            files: Vec::new(),
        })
    }

    /// Writes a file, whole or not at all.
    pub fn bytes(&mut self, name: &str, bytes: &[u8]) -> Outcome {
        // A layer may be called anything; a file may not.
        let plain = |c: char| match c.is_alphanumeric() || matches!(c, '-' | '_' | '.') {
            true => c,
            false => '_',
        };
        let path = self
            .folder
            .join(name.chars().map(plain).collect::<String>());
        write_atomic_bytes(&path, bytes)?;
        self.files.push(path);
        Ok(())
    }

    pub fn png(&mut self, name: &str, canvas: &Canvas) -> Outcome {
        self.bytes(name, &canvas.to_png()?)
    }

    /// Names the files: a line each, or one event with `more`.
    pub fn show(&self, event: &str, more: Value, context: &Context) -> Outcome {
        if context.json {
            let mut value = json!({ "event": event, "files": self.files });
            if let (Some(value), Value::Object(more)) = (value.as_object_mut(), more) {
                value.extend(more);
            }
            return output::json(&value);
        }
        for file in &self.files {
            output::line(&file.display().to_string())?;
        }
        Ok(())
    }
}
