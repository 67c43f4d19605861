//! `bnn-cpu completions`: scripts that complete the command line.

use std::io::Write;

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

pub fn run(args: Args) -> Outcome {
    // Into memory first: the generator panics on a closed pipe.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "bnn-cpu", &mut script);
    let mut out = std::io::stdout().lock();
    out.write_all(&script)?;
    Ok(out.flush()?)
}
