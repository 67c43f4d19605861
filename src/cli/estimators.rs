//! `bnn-cpu estimators`: what each gradient estimator is.

use std::iter;

use bnn_cpu::estimators;
use serde_json::json;

use super::aligned::folded;
use super::output;
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
pub struct Args {}

pub fn run(_args: Args, context: &Context) -> Outcome {
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
            let lines = folded(text, columns.saturating_sub(INDENT));
            let heads = iter::once((head, kind)).chain(iter::repeat(("", "")));
            for ((head, kind), line) in heads.zip(lines) {
                output::line(&format!("{head:<18} {kind:<12} {line}"))?;
            }
        }
    }
    Ok(())
}
