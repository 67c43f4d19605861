//! `bnn-cpu completions`: scripts that complete the command line.

use std::io::Write;

use bnn_cpu::estimators;
use clap::builder::PossibleValuesParser;

use super::Outcome;

const EXAMPLES: &str = "\
Examples:
  bnn-cpu completions bash > ~/.local/share/bash-completion/completions/bnn-cpu
  bnn-cpu completions zsh > ~/.zfunc/_bnn-cpu
  bnn-cpu completions fish > ~/.config/fish/completions/bnn-cpu.fish";

/// Write a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

/// The command whose estimators are offered by name. The command line itself takes lists of them
/// as well, such as `disarm+st`.
fn with_names(command: clap::Command) -> clap::Command {
    let offered = |arg: clap::Arg| match arg.get_long() {
        Some("estimator" | "estimators") => {
            let all = estimators::all();
            let names = all.iter().map(|estimator| estimator.info().name);
            arg.value_parser(PossibleValuesParser::new(names))
        }
        _ => arg,
    };
    let subs: Vec<String> = command
        .get_subcommands()
        .map(|sub| sub.get_name().into())
        .collect();
    let command = command.mut_args(offered);
    let deeper = |whole: clap::Command, name| whole.mut_subcommand(name, with_names);
    subs.into_iter().fold(command, deeper)
}

pub fn run(args: Args) -> Outcome {
    // Into memory first: the generator panics on a closed pipe.
    let mut script = Vec::new();
    let mut command = with_names(super::command());
    clap_complete::generate(args.shell, &mut command, "bnn-cpu", &mut script);
    let mut out = std::io::stdout().lock();
    out.write_all(&script)?;
    Ok(out.flush()?)
}
