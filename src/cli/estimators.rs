//! `bnn-cpu estimators`: what each gradient estimator is.

use std::iter;
use std::path::{Path, PathBuf};

use bnn_cpu::draw::{Theme, unit};
use bnn_cpu::estimators;
use bnn_cpu::files::{create_folder, write_atomic_bytes};
use bnn_cpu::lab::at_one_unit;
use serde_json::json;

use super::output;
use super::places;
use super::{Context, Outcome};

const NOTES: &str = "\
Notation: h is the bit, x its pre-activation, a the slope, p = s(a*x) the
probability, L the loss, u the uniform number with h = [u < p], t a temperature.
Use one with --estimator NAME, or a list such as disarm+local-expectation.";

/// Where formulas, costs and sources begin in a line.
const INDENT: usize = 32;

/// List the gradient estimators: formula, bias, cost, source
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub struct Args {
    /// Draw a picture of each, NAME.svg in this folder: its gradient at a single unit beside the
    /// exact one
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
}

/// The pre-activations of a picture, from -3 to 3, and the draws at each.
const POINTS: usize = 49;
const DRAWS: u64 = 1000;

/// Draws the pictures.
fn pictures(folder: &Path, context: &Context) -> Outcome {
    places::folder(folder)?;
    create_folder(folder)?;
    let at: Vec<f64> = (0..POINTS)
        .map(|i| 6.0 * i as f64 / (POINTS - 1) as f64 - 3.0)
        .collect();
    let mut files = Vec::new();
    for estimator in estimators::all() {
        let info = estimator.info();
        let found = at_one_unit(info.name, context.engine, &at, DRAWS)?;
        let picture = unit::figure(&info, &found, DRAWS).draw()?;
        let path = folder.join(format!("{}.svg", info.name));
        write_atomic_bytes(&path, picture.svg(Theme::Reader).as_bytes())?;
        files.push(path);
    }
    if context.json {
        return output::json(&json!({ "event": "estimators", "files": output::paths(&files) }));
    }
    output::line(&format!("{}: {} pictures", folder.display(), files.len()))
}

pub fn run(args: Args, context: &Context) -> Outcome {
    if let Some(folder) = &args.pictures {
        return pictures(folder, context);
    }
    let all = estimators::all();
    if context.json {
        for estimator in &all {
            let info = estimator.info();
            output::json(&json!({
                "event": "estimator",
                "name": info.name,
                "formula": info.formula,
                "unbiased": info.unbiased,
                "cost": info.cost,
                "source": info.source,
                "probability": estimator.probability().name(),
                "takes_baseline": estimator.takes_baseline(),
            }))?;
        }
        return Ok(());
    }
    for estimator in &all {
        let info = estimator.info();
        let bias = match info.name {
            "none" => "no gradient",
            _ if info.unbiased => "unbiased",
            _ => "biased",
        };
        let probability = estimator.probability().name();
        let about = format!("{}; {}", info.cost, info.source);
        let columns = output::columns().unwrap_or(usize::MAX);
        for (head, kind, text) in [(info.name, bias, info.formula), ("", probability, &*about)] {
            let lines = output::folded(text, columns.saturating_sub(INDENT), "");
            let heads = iter::once((head, kind)).chain(iter::repeat(("", "")));
            for ((head, kind), line) in heads.zip(lines) {
                output::line(&format!("{head:<18} {kind:<12} {line}"))?;
            }
        }
    }
    Ok(())
}
