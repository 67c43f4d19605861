//! What the subcommands that draw a run have in common: looking at its test images,
//! and writing pictures.

use std::path::{Path, PathBuf};

use bnn_cpu::data::Dataset;
use bnn_cpu::draw::activation_statistics::ActivationStatistics;
use bnn_cpu::draw::{Canvas, Form, Theme};
use bnn_cpu::files::{self, create_folder, write_atomic_bytes};
use bnn_cpu::model::Network;
use bnn_cpu::train::RunFolder;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::{Value, json};

use super::super::output;
use super::super::places;
use super::super::{Context, Failure, Outcome};

/// How pictures look.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct LookArgs {
    /// Form of the pictures [default: what --out ends in, else png; of charts svg]
    #[arg(long, value_name = "FORM", value_parser = form())]
    pub format: Option<Form>,
    /// Light text on a dark ground
    #[arg(long)]
    pub dark: bool,
}

fn form() -> impl TypedValueParser<Value = Form> {
    let names = PossibleValuesParser::new(Form::ALL.map(Form::extension));
    names.map(|name| Form::of(Path::new(&format!("x.{name}"))).unwrap_or(Form::Svg))
}

impl LookArgs {
    pub fn theme(self) -> Theme {
        match self.dark {
            true => Theme::Dark,
            false => Theme::Light,
        }
    }
}

/// How the figures look that lie beside the numbers they show.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct FigureArgs {
    /// Form of the figures [default: svg]
    #[arg(long, value_name = "FORM", value_parser = form())]
    pub format: Option<Form>,
    /// Light text on a dark ground [default: an SVG is as its reader prefers, others are light]
    #[arg(long, hide_short_help = true)]
    pub dark: bool,
}

impl FigureArgs {
    /// Whether anything is said of them.
    pub fn is_given(self) -> bool {
        self.format.is_some() || self.dark
    }

    /// Their form and their theme.
    pub fn chosen(self) -> (Form, Theme) {
        let form = self.format.unwrap_or(Form::Svg);
        let theme = match (form, self.dark) {
            (_, true) => Theme::Dark,
            (Form::Svg, false) => Theme::Reader,
            (_, false) => Theme::Light,
        };
        (form, theme)
    }
}

/// Where pictures go and how they look.
#[derive(Debug, clap::Args)]
pub struct PictureArgs {
    /// Folder for the pictures, or the file of a single one, whose end (.svg, .png, .pdf) is
    /// its form [default: `pictures` in the run's folder]
    #[arg(long, short, value_name = "DIR|FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub look: LookArgs,
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

/// Pictures on their way into a folder, or a single one into a file: folders are made, and files
/// replaced, once all of them are drawn.
pub struct Pictures {
    folder: PathBuf,
    /// The file of the only picture.
    single: Option<PathBuf>,
    form: Form,
    theme: Theme,
    /// How many of the files are pictures.
    count: usize,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Pictures {
    /// Pictures for the folder or the file that is named, else for that folder; of a form that
    /// is named, else of `usual`.
    ///
    /// # Errors
    /// A place that cannot be made or written; a file whose end is not the form that is named.
    pub fn new(args: &PictureArgs, folder: PathBuf, usual: Form) -> Outcome<Self> {
        let out = args.out.clone().unwrap_or(folder);
        let is_folder = matches!(files::look(&out), Ok(Some(found)) if found.is_dir());
        let named = Form::of(&out).filter(|_| !is_folder);
        let form = match (named, args.look.format) {
            (Some(named), Some(asked)) if named != asked => {
                return Err(Failure::usage(format!(
                    "--out {} ends in .{} and --format asks for {}",
                    out.display(),
                    named.extension(),
                    asked.extension()
                )));
            }
            (Some(form), _) | (None, Some(form)) => form,
            (None, None) => usual,
        };
        match named {
            Some(_) => places::file_and_folder("--out", &out)?,
            None => places::folder(&out)?,
        }
        let parent = || out.parent().unwrap_or(Path::new("")).to_path_buf();
        Ok(Self {
            folder: if named.is_some() {
                parent()
            } else {
                out.clone()
            },
            single: named.map(|_| out),
            form,
            theme: args.look.theme(),
            count: 0,
            files: Vec::new(),
        })
    }

    /// Whether a single file was named.
    pub fn is_single(&self) -> bool {
        self.single.is_some()
    }

    /// Adds a file that is no picture; beside a single picture it has its name.
    pub fn bytes(&mut self, stem: &str, extension: &str, bytes: Vec<u8>) {
        // A layer may be called anything; a file may not.
        let plain = |c: char| match c.is_alphanumeric() || matches!(c, '-' | '_' | '.') {
            true => c,
            false => '_',
        };
        let path = match &self.single {
            Some(path) => path.with_extension(extension),
            None => {
                let name: String = stem.chars().map(plain).collect();
                self.folder.join(format!("{name}.{extension}"))
            }
        };
        self.files.push((path, bytes));
    }

    /// Adds a picture in the theme that was asked for.
    ///
    /// # Errors
    /// A picture that cannot be encoded.
    pub fn picture(&mut self, stem: &str, canvas: &Canvas) -> Outcome {
        self.themed(stem, canvas, self.theme)
    }

    /// Adds a picture.
    ///
    /// # Errors
    /// A picture that cannot be encoded.
    pub fn themed(&mut self, stem: &str, canvas: &Canvas, theme: Theme) -> Outcome {
        let bytes = canvas.encode(self.form, theme)?;
        self.count += 1;
        self.bytes(stem, self.form.extension(), bytes);
        Ok(())
    }

    /// Writes the files, each whole or not at all, and names them: a line each, or one
    /// event with `more`.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(self, event: &str, more: Value, context: &Context) -> Outcome {
        if let (Some(single), true) = (&self.single, self.count > 1) {
            return Err(Failure::usage(format!(
                "{} is one file, and there are {} pictures; name a folder, and their form with --format",
                single.display(),
                self.count
            )));
        }
        if !self.files.is_empty() && !self.folder.as_os_str().is_empty() {
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
