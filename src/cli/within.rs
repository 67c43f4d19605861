//! Commands within another program: the Python package runs `lab`, `table` and `plot` so, and has
//! the settings of a training made as `train` makes them.
//!
//! A command is carried out in the process that calls it, so that it knows the estimators and
//! layers that were registered there. It installs no handler of signals, writes to no standard
//! stream and never ends the process: its lines go to a [`Host`], [`stop`] takes the place of
//! Ctrl-C, and what went wrong is returned.

use std::ffi::OsString;
use std::sync::{Mutex, PoisonError};

use bnn_cpu::data::Dataset;
use bnn_cpu::model::ModelSpec;
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::DatasetRecord;
use bnn_cpu::{bounded, kernels};
use clap::FromArgMatches;

use super::progress::Progress;
use super::train::{Args, settled};
use super::{
    Cli, Command, Context, Failure, Outcome, data_args, first_line, flags, output, signals,
};

pub use super::output::{Host, Stream};
pub use super::train::{Settled, default_folder};

/// Held while a command runs: all commands of a process share the flag that stops them.
static TURN: Mutex<()> = Mutex::new(());

/// Takes the host away again, whatever becomes of the command.
struct Hosted;

impl Hosted {
    fn by(host: Host, dataset: Option<Dataset>) -> Self {
        signals::set_stop(false);
        data_args::set_in_memory(dataset);
        output::set_host(Some(host));
        Self
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        output::set_host(None);
        data_args::set_in_memory(None);
    }
}

/// Runs a command, such as `["plot", "curves", "runs/a"]`, without the program's name. Runs that
/// were made with `dataset` find their images there. One command runs at a time; a further one
/// waits.
///
/// # Errors
/// What the program would say on its last line, and [`bnn_cpu::Error::Interrupted`] after [`stop`].
pub fn run(args: &[String], dataset: Option<Dataset>, host: Host) -> Outcome {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let _hosted = Hosted::by(host, dataset);
    let (cli, context) = parsed(args)?;
    let pool = bounded::pool(cli.global.threads.unwrap_or(0))?;
    pool.install(|| cli.command.run(&context))
}

/// Asks the command that is running to save and end, as Ctrl-C does in the program.
pub fn stop() {
    signals::set_stop(true);
}

/// The settings that `bnn-cpu train` with those flags would train by, on `dataset` or on the data
/// that the flags name. Nothing is trained, and nothing written.
///
/// # Errors
/// What the program would say.
pub fn training(flags: &[String], dataset: Option<Dataset>, host: Host) -> Outcome<Settled> {
    with_flags(flags, host, |args, context| {
        settled(args, dataset, &mut Progress::new(context))
    })
}

/// The data that those flags of `bnn-cpu train` name.
///
/// # Errors
/// What the program would say.
pub fn dataset(flags: &[String], host: Host) -> Outcome<Dataset> {
    with_flags(flags, host, |args, context| {
        args.data.load(&mut Progress::new(context))
    })
}

/// The data of a stored run, by those flags or as the run remembers it.
///
/// # Errors
/// What the program would say.
pub fn dataset_of(flags: &[String], record: &DatasetRecord, host: Host) -> Outcome<Dataset> {
    with_flags(flags, host, |args, context| {
        args.data.load_for(record, &mut Progress::new(context))
    })
}

/// The network that those flags of `bnn-cpu train` make for images of that shape and so many
/// classes.
///
/// # Errors
/// What the program would say.
pub fn network(flags: &[String], input: Shape, classes: usize, host: Host) -> Outcome<ModelSpec> {
    with_flags(flags, host, |args, _| {
        let stated = args.stated()?;
        let model = stated.whole().model.unwrap_or_default();
        let spec = model.build(input, classes).map_err(|e| stated.refused(e))?;
        spec.check()?;
        Ok(spec)
    })
}

/// Does `work` with what `bnn-cpu train` makes of those flags.
fn with_flags<T: Send>(
    flags: &[String],
    host: Host,
    work: impl FnOnce(&Args, &Context) -> Outcome<T> + Send,
) -> Outcome<T> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let _hosted = Hosted::by(host, None);
    let whole: Vec<String> = std::iter::once("train".to_string())
        .chain(flags.iter().cloned())
        .collect();
    let (cli, context) = parsed(&whole)?;
    let Command::Train(args) = cli.command else {
        return Err(Failure::usage("these are no flags of a training"));
    };
    let pool = bounded::pool(cli.global.threads.unwrap_or(0))?;
    pool.install(|| work(&args, &context))
}

/// What failed in one line, with flags by their names. Empty where nobody reads the output.
pub fn message(failure: &Failure) -> String {
    match failure {
        Failure::Usage(what) => output::one_line(what),
        Failure::Error(error) => output::one_line(&flags::told(error)),
        Failure::Pipe => String::new(),
    }
}

fn parsed(args: &[String]) -> Outcome<(Cli, Context)> {
    let name = std::iter::once("bnn-cpu");
    let whole: Vec<OsString> = name
        .chain(args.iter().map(|arg| &**arg))
        .map(Into::into)
        .collect();
    let parsed = super::command().try_get_matches_from(&whole);
    let cli = parsed
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| Failure::Usage(first_line(&error.to_string(), &whole)))?;
    let engine = kernels::select(cli.global.isa.as_deref())?;
    let context = Context {
        engine,
        quiet: cli.global.quiet,
        verbose: cli.global.verbose,
        json: cli.global.json,
    };
    Ok((cli, context))
}
