//! Floor 9: the command line. One file a subcommand; each has an `Args` and a
//! `run`. Nothing below this folder prints or reads flags.
//!
//! Results go to the standard output, progress and notices to the standard
//! error. Exit codes: 0, 1 for errors, 2 for usage, 130 when interrupted.
//!
//! To add a subcommand: write its file, add it to `Command` and to `Command::run`.
//!
//! Another program may run commands in its own process by [`within`].
//!
//! A program that has estimators or layers of its own is all of this with one call,
//! [`main_with`]; `examples/own_program.rs` is one.

mod aligned;
mod completions;
mod curve;
mod data;
mod data_args;
mod distributed;
mod estimators;
mod eval;
mod exhausted;
mod export;
mod flags;
mod help;
mod import;
#[doc(hidden)]
pub mod infer;
mod inspect;
mod lab;
mod man;
mod model_args;
#[doc(hidden)]
pub mod output;
mod pack;
mod places;
mod plot;
mod progress;
mod protocol;
#[doc(hidden)]
pub mod recipe;
mod registry;
mod report;
mod result;
#[cfg(feature = "serve")]
mod serve;
mod shard;
mod signals;
mod sweep;
mod table;
mod train;
mod verify;
mod weights;
pub mod within;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Once;

use bnn_cpu::Error;
use bnn_cpu::bounded;
use bnn_cpu::kernels::heap::Heap;
use bnn_cpu::kernels::{self, Engine, Isa};
use clap::builder::{PossibleValuesParser, RangedU64ValueParser};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub use registry::Registry;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// The command line asks for what cannot be: exit 2.
    Usage(String),
    /// The work failed: exit 1, or 130 if it was interrupted.
    Error(Error),
    /// Nobody reads the output any more: a quiet end.
    Pipe,
}

/// What a command returns.
pub type Outcome<T = ()> = std::result::Result<T, Failure>;

impl Failure {
    /// A usage error that is not clap's.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::Usage(what.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// An error of the standard output.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::Pipe,
            _ => Self::Error(Error::io("write", "standard output")(error)),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  bnn-cpu train                             MNIST, both layers binary
  bnn-cpu train --mode stoch --anneal linear
                                            stochastic units, slope annealing
  bnn-cpu train --resume                    go on after an interruption
  bnn-cpu sweep --lr 0.01,0.1 --seeds 5     every setting of a list, compared
  bnn-cpu eval runs/seed-net-both-det-st-1  loss and accuracy of a finished run
  bnn-cpu inspect seed-net                  the layer table
  bnn-cpu pack runs/xnor-net-both-det-st-1  a run as a packed network
  bnn-cpu infer --packed                    classify on packed bits
  bnn-cpu export net.packed --to c99 --out firmware
                                            a network as C
  bnn-cpu serve                             draw a digit in the browser
  bnn-cpu data show -o digits.png           a picture of some training images

Exit codes: 0 done, 1 error, 2 wrong usage, 130 interrupted.";

/// Train neural networks with binary activations on ordinary CPUs
#[derive(Debug, Parser)]
#[command(name = "bnn-cpu", version, long_version = concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("BNN_CPU_COMMIT"), ")"), about, after_help = format!("{}\n\n{EXAMPLES}", help::EVERYWHERE))]
#[command(arg_required_else_help = true, subcommand_required = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags that every subcommand has. The program's help says them once (`help::EVERYWHERE`).
#[derive(Debug, Args)]
struct Global {
    /// Instruction set of the kernels; fails where the machine lacks it
    /// [default: $BNN_CPU_ISA, else the fastest]
    #[arg(long, global = true, hide_short_help = true, hide_long_help = true, value_parser = PossibleValuesParser::new(Isa::ALL.map(Isa::name)))]
    isa: Option<String>,
    /// Threads to work on; results do not depend on them [default: all cores]
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        hide_long_help = true,
        value_name = "N"
    )]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
    threads: Option<usize>,
    /// Say what was decided, and why: kernels, data, layers
    #[arg(
        long,
        short,
        global = true,
        hide_short_help = true,
        hide_long_help = true,
        conflicts_with = "quiet"
    )]
    verbose: bool,
    /// No progress; only results, warnings and errors
    #[arg(
        long,
        short,
        global = true,
        hide_short_help = true,
        hide_long_help = true
    )]
    quiet: bool,
    /// Whether to colour what is written [default: auto, on a terminal without $NO_COLOR]
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        hide_long_help = true,
        value_name = "WHEN",
        value_enum,
        hide_possible_values = true
    )]
    color: Option<output::Color>,
    /// Results and events as JSON, one object a line, on the standard output
    #[arg(long, global = true, hide_short_help = true, hide_long_help = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(Box<train::Args>),
    Eval(eval::Args),
    Inspect(Box<inspect::Args>),
    Import(Box<import::Args>),
    Estimators(estimators::Args),
    Lab(Box<lab::Args>),
    Pack(pack::Args),
    Export(export::Args),
    Infer(Box<infer::Args>),
    Plot(plot::Args),
    #[command(flatten)]
    Picture(plot::Kind),
    Report(report::Args),
    #[cfg(feature = "serve")]
    Serve(serve::Args),
    Sweep(Box<sweep::Args>),
    Table(table::Args),
    Verify(verify::Args),
    #[command(subcommand)]
    Data(data::Command),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Train(args) => train::run(*args, context),
            Self::Eval(args) => eval::run(args, context),
            Self::Inspect(args) => inspect::run(*args, context),
            Self::Import(args) => import::run(*args, context),
            Self::Estimators(args) => estimators::run(args, context),
            Self::Lab(args) => lab::run(*args, context),
            Self::Pack(args) => pack::run(args, context),
            Self::Export(args) => export::run(args, context),
            Self::Infer(args) => infer::run(*args, context),
            Self::Plot(args) => plot::run(args, context),
            Self::Picture(kind) => kind.draw(context),
            Self::Report(args) => report::run(args, context),
            #[cfg(feature = "serve")]
            Self::Serve(args) => serve::run(args, context),
            Self::Sweep(args) => sweep::run(*args, context),
            Self::Table(args) => table::run(args, context),
            Self::Verify(args) => verify::run(args, context),
            Self::Data(command) => data::run(command, context),
            Self::Completions(args) => completions::run(args),
            Self::Man(args) => man::run(&args, context),
        }
    }
}

/// What every subcommand is given.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// The kernels to use.
    pub engine: Engine,
    /// `--quiet`
    pub quiet: bool,
    /// `--verbose`
    pub verbose: bool,
    /// `--json`
    pub json: bool,
}

impl Context {
    /// A line on what was decided and why, under `--verbose`.
    pub fn explain(&self, text: impl FnOnce() -> String) {
        if self.verbose {
            output::note(&text());
        }
    }
}

/// Which kernels work, on how many threads, and why those.
fn kernels_and_threads(global: &Global, context: &Context, threads: usize) -> String {
    let has: Vec<&str> = kernels::Isa::available()
        .into_iter()
        .map(kernels::Isa::name)
        .collect();
    let isa = match (&global.isa, std::env::var_os("BNN_CPU_ISA")) {
        (Some(_), _) => "as --isa says".to_string(),
        (None, Some(set)) if !set.is_empty() => "as $BNN_CPU_ISA says".to_string(),
        _ => format!("the fastest of {}", has.join(", ")),
    };
    let threads_why = match global.threads {
        Some(_) => "as --threads says",
        None => "as many as there are cores",
    };
    format!(
        "kernels: {}, {isa}; threads: {threads}, {threads_why}",
        context.engine.kernels.isa.name()
    )
}

/// An allocator that ends the program with one line when memory runs out. Without it as
/// its `#[global_allocator]`, a program ends as Rust does, by a signal.
pub const HEAP: Heap = Heap::new(exhausted::failed);

/// Runs the program with what a registry adds to it: the whole command line, in which every
/// subcommand knows the estimators and layers of the registry as it knows its own. Returns
/// the exit code. To be called first in `main`, before there are other threads.
pub fn main_with(registry: Registry) -> ExitCode {
    ExitCode::from(main_of(&std::env::args_os().collect::<Vec<_>>(), registry))
}

/// [`main_with`] for arguments that are not this process's own, the program's name first: those
/// of a script that an interpreter runs. Returns the exit code.
pub fn main_of(args: &[OsString], registry: Registry) -> u8 {
    report_panics_in_one_line();
    exhausted::prepare();
    bnn_cpu::notice::listen(|text| output::note(&output::warning(text)));
    signals::let_large_writes_fail();
    let whole = || {
        registry
            .register()
            .map_err(Failure::from)
            .and_then(|()| run(args))
    };
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(whole)) {
        Ok(Ok(())) | Ok(Err(Failure::Pipe)) => 0,
        Ok(Err(Failure::Usage(what))) => complain(&what, 2),
        Ok(Err(Failure::Error(error @ Error::Interrupted(_)))) => {
            output::note(&flags::told(&error));
            130
        }
        Ok(Err(Failure::Error(error))) => complain(&flags::told(&error), 1),
        Err(_) => 1,
    }
}

fn complain(what: &str, code: u8) -> u8 {
    // Some messages quote files, which may hold anything.
    output::note(&output::error(&output::one_line(what)));
    code
}

/// What `--color` says. It is looked up before the command line is parsed, so that it holds for
/// what is wrong with that as well.
fn stated_color(args: impl Iterator<Item = OsString>) -> Option<output::Color> {
    let texts = args.map_while(|arg| arg.into_string().ok().filter(|text| text != "--"));
    let mut texts = texts.skip_while(|text| !text.starts_with("--color"));
    let first = texts.next()?;
    let value = match first.strip_prefix("--color=") {
        Some(value) => value.to_string(),
        None => texts.next().filter(|_| first == "--color")?,
    };
    output::Color::from_str(&value, false).ok()
}

fn run(args: &[OsString]) -> Outcome {
    let color = stated_color(args.iter().skip(1).cloned());
    let mut command = command();
    if let Some(color) = color {
        output::set_color(color);
        command = command.color(color.into());
    }
    let parsed = command.try_get_matches_from(args);
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, args),
    };
    let engine = kernels::select(cli.global.isa.as_deref())?;
    let context = Context {
        engine,
        quiet: cli.global.quiet,
        verbose: cli.global.verbose,
        json: cli.global.json,
    };
    let pool = bounded::pool(cli.global.threads.unwrap_or(0))?;
    context.explain(|| kernels_and_threads(&cli.global, &context, pool.current_num_threads()));
    pool.install(|| cli.command.run(&context))
}

/// Help and version are results; everything else is one line.
fn usage(error: &clap::Error, args: &[OsString]) -> Outcome {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(error.print()?),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // The whole help is the best answer to an empty command line.
            let _ = error.print();
            std::process::exit(2)
        }
        // Clap does not say which.
        ErrorKind::InvalidUtf8 => {
            let odd = args.iter().find(|arg| arg.to_str().is_none());
            Err(Failure::Usage(not_text(odd.map_or("".as_ref(), |arg| arg))))
        }
        _ => Err(Failure::Usage(first_line(&error.to_string(), args))),
    }
}

/// What is wrong with an argument that is no text where one is needed.
fn not_text(arg: &std::ffi::OsStr) -> String {
    format!(
        "the argument {} is not UTF-8; only files and folders may have such names here",
        output::path(arg)
    )
}

/// Clap's message without its "error: ", its usage and its closing hint.
fn first_line(message: &str, args: &[OsString]) -> String {
    let mut parts = Vec::new();
    for paragraph in message.split("\n\n") {
        let text = output::one_line(paragraph);
        if !text.is_empty() && !text.starts_with("Usage:") && !text.starts_with("For more") {
            parts.push(text);
        }
    }
    let text = parts.join("; ");
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    format!(
        "{text} (see bnn-cpu{} --help)",
        subcommand(args.iter().skip(1).cloned())
    )
}

/// The subcommand that was meant, with a blank before it; empty if there is none.
fn subcommand(args: impl Iterator<Item = OsString>) -> String {
    let commands = command();
    let mut texts = args.filter_map(|arg| arg.into_string().ok());
    let known = |arg: &String| commands.find_subcommand(arg).is_some();
    texts
        .find(known)
        .map_or(String::new(), |arg| format!(" {arg}"))
}

/// A panic is a mistake in this program. The user gets one line, of the first
/// panic only: one thread's panic may cause others.
fn report_panics_in_one_line() {
    static FIRST: Once = Once::new();
    std::panic::set_hook(Box::new(|info| {
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let what = text.unwrap_or("unknown");
        exhausted::panicked(what);
        FIRST.call_once(|| {
            let place = info
                .location()
                .map_or_else(String::new, |at| format!(" ({}:{})", at.file(), at.line()));
            let what = output::one_line(what);
            let _ = writeln!(
                std::io::stderr(),
                "internal error: {what}{place}; please report it"
            );
        });
    }));
}

/// The command line as clap sees it, for completions.
pub fn command() -> clap::Command {
    let names: Vec<String> = plot::Kind::augment_subcommands(clap::Command::new("plot"))
        .get_subcommands()
        .map(|kind| kind.get_name().to_string())
        .collect();
    // The names from before pictures were kinds of `plot`.
    let hide = |command: clap::Command, name| command.mut_subcommand(name, |kind| kind.hide(true));
    let whole = help::arranged(Cli::command());
    names.into_iter().fold(whole, hide)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn the_colour_is_known_before_the_command_line_is_understood() {
        let of = |line: &str| stated_color(line.split(' ').map(OsString::from));
        assert_eq!(of("--color never nonsense"), Some(output::Color::Never));
        assert_eq!(
            of("train --color=always --nothing"),
            Some(output::Color::Always)
        );
        for line in [
            "train",
            "--color",
            "--color loud",
            "--colour always",
            "-- --color never",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }

    #[test]
    fn claps_messages_become_one_line() {
        let error = Cli::try_parse_from(["bnn-cpu", "train", "--epoch", "3"]).unwrap_err();
        let line = first_line(
            &error.to_string(),
            &["bnn-cpu", "train"].map(OsString::from),
        );
        assert!(
            line.starts_with("unexpected argument '--epoch' found; tip:"),
            "{line}"
        );
        let args = ["--json", "train", "--epoch"].map(OsString::from);
        assert_eq!(subcommand(args.into_iter()), " train");
        assert_eq!(subcommand([OsString::from("--nothing")].into_iter()), "");
        assert!(
            line.contains("'--epochs'") && !line.contains('\n'),
            "{line}"
        );
    }
}
