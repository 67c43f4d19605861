//! `bnn-cpu data`: what data sets there are, fetching and checking them, and
//! looking at them.

mod fetch;
mod list;
mod show;
mod verify;

use super::data_args::DataArgs;
use super::{Context, Outcome};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu data list
  bnn-cpu data fetch                                   MNIST into data/mnist
  bnn-cpu data fetch cifar10                           CIFAR-10 into data/cifar10
  bnn-cpu data verify --data ~/mnist
  bnn-cpu data verify --data pets/ --size 32           pictures in a folder a class
  bnn-cpu data show --data data/cifar10 -o cifar.png
  bnn-cpu data show --dataset digits -o digits.png
  bnn-cpu data show --augment elastic --count 60 -o elastic.png";

/// List, fetch, check and look at data sets
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum Command {
    /// List the data sets and say where they are
    List(list::Args),
    /// Fetch a public data set and check its files
    Fetch(fetch::Args),
    /// Read a data set's files, check them, and say what they hold
    Verify(DataArgs),
    /// Write a PNG of samples
    Show(show::Args),
}

pub fn run(command: Command, context: &Context) -> Outcome {
    match command {
        Command::List(args) => list::run(&args, context),
        Command::Fetch(args) => fetch::run(&args, context),
        Command::Verify(args) => verify::run(&args, context),
        Command::Show(args) => show::run(&args, context),
    }
}
