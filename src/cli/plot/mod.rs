//! `bnn-cpu plot`: pictures of runs, a kind each. The kinds are subcommands of the program
//! as well, as they were before; help does not show these.

mod confusion;
mod curves;
mod filters;
mod heatmap;
mod mistakes;
pub mod pictures;

use super::{Context, Outcome};

/// Draw pictures of runs
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, clap::Subcommand)]
pub enum Kind {
    Heatmap(heatmap::Args),
    Filters(filters::Args),
    Confusion(confusion::Args),
    Mistakes(mistakes::Args),
    Curves(curves::Args),
}

pub fn run(args: Args, context: &Context) -> Outcome {
    args.kind.draw(context)
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
