//! What the subcommands that draw a run have in common: looking at its test images,
//! and writing pictures.

use std::path::PathBuf;

use bnn_cpu::data::Dataset;
use bnn_cpu::draw::activation_statistics::ActivationStatistics;
use bnn_cpu::draw::{Canvas, Theme};
use bnn_cpu::files::{create_folder, write_atomic_bytes};
use bnn_cpu::model::Network;
use bnn_cpu::train::RunFolder;
use serde_json::{Value, json};

use super::super::output;
use super::super::places;
use super::super::{Context, Outcome};

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

/// What a run's best weights do on the test images, with the noise of the run's own test.
pub fn look(
    run: &RunFolder,
    dataset: &Dataset,
    context: &Context,
) -> Outcome<ActivationStatistics> {
    run.config().check_images(dataset)?;
    let mut net = run.network(context.engine, run.config().batch)?;
    statistics(run, &mut net, dataset)
}

/// [`look`], with a network that has the weights.
pub fn statistics(
    run: &RunFolder,
    net: &mut Network,
    dataset: &Dataset,
) -> Outcome<ActivationStatistics> {
    let config = run.config();
    let at = (config.seed, config.epochs as u64 + 1);
    Ok(ActivationStatistics::of(net, &dataset.test, at)?)
}

/// Pictures on their way into a folder: it is made, and files in it are replaced, once
/// all of them are drawn.
pub struct Pictures {
    folder: PathBuf,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Pictures {
    /// Pictures for that folder.
    ///
    /// # Errors
    /// A folder that cannot be made or written.
    pub fn new(folder: PathBuf) -> Outcome<Self> {
        places::folder(&folder)?;
        Ok(Self {
            folder,
            files: Vec::new(),
        })
    }

    /// Adds a file.
    pub fn bytes(&mut self, name: &str, bytes: Vec<u8>) {
        // A layer may be called anything; a file may not.
        let plain = |c: char| match c.is_alphanumeric() || matches!(c, '-' | '_' | '.') {
            true => c,
            false => '_',
        };
        let name: String = name.chars().map(plain).collect();
        self.files.push((self.folder.join(name), bytes));
    }

    /// Adds a picture.
    ///
    /// # Errors
    /// A picture that cannot be encoded.
    pub fn png(&mut self, name: &str, canvas: &Canvas) -> Outcome {
        self.bytes(name, canvas.to_png()?);
        Ok(())
    }

    /// Writes the files, each whole or not at all, and names them: a line each, or one
    /// event with `more`.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(self, event: &str, more: Value, context: &Context) -> Outcome {
        if !self.files.is_empty() {
            create_folder(&self.folder)?;
        }
        for (path, bytes) in &self.files {
            write_atomic_bytes(path, bytes)?;
        }
        let paths: Vec<&PathBuf> = self.files.iter().map(|(path, _)| path).collect();
        if context.json {
            let mut value = json!({ "event": event, "files": output::paths(&paths) });
            if let (Some(value), Value::Object(more)) = (value.as_object_mut(), more) {
                value.extend(more);
            }
            return output::json(&value);
        }
        for path in paths {
            output::line(&output::path(path))?;
        }
        Ok(())
    }
}
