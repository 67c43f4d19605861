//! `bnn-cpu plot`: pictures of runs, a kind each. Some kinds are subcommands of the program
//! as well, as they were before; help does not show these.

mod confusion;
mod curves;
mod filters;
mod heatmap;
mod histogram;
mod maximise;
mod mistakes;
mod neighbours;
pub mod pictures;
mod regions;
pub mod settings;
mod several;
mod sites;

use super::{Context, Outcome};

/// Draw pictures of runs
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    kind: Every,
}

/// The kinds that were subcommands of the program before.
#[derive(Debug, clap::Subcommand)]
pub enum Kind {
    Heatmap(heatmap::Args),
    Filters(filters::Args),
    Confusion(confusion::Args),
    Mistakes(mistakes::Args),
    Curves(curves::Args),
}

/// Every kind.
#[derive(Debug, clap::Subcommand)]
enum Every {
    #[command(flatten)]
    Before(Kind),
    Regions(regions::Args),
    Maximise(maximise::Args),
    Histogram(histogram::Args),
    Neighbours(neighbours::Args),
}

pub fn run(args: Args, context: &Context) -> Outcome {
    match args.kind {
        Every::Before(kind) => kind.draw(context),
        Every::Regions(args) => regions::run(args, context),
        Every::Maximise(args) => maximise::run(args, context),
        Every::Histogram(args) => histogram::run(args, context),
        Every::Neighbours(args) => neighbours::run(args, context),
    }
}

impl Kind {
    /// Draws the pictures of that kind.
    pub fn draw(self, context: &Context) -> Outcome {
        match self {
            Self::Heatmap(args) => heatmap::run(args, context),
            Self::Filters(args) => filters::run(args, context),
            Self::Confusion(args) => confusion::run(args, context),
            Self::Mistakes(args) => mistakes::run(args, context),
            Self::Curves(args) => curves::run(args, context),
        }
    }
}
