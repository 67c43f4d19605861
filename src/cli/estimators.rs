//! `bnn-cpu estimators`: what each gradient estimator is.

use bnn_cpu::estimators;
use serde_json::json;

use super::output;
use super::{Context, Outcome};

const NOTES: &str = "\
Notation: h is the bit, x its pre-activation, a the slope, p = s(a*x) the
probability, L the loss, u the uniform number with h = [u < p], t a temperature.
Use one with --estimator NAME, or a list such as disarm+local-expectation.";

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
        output::line(&format!("{:<18} {bias:<12} {}", info.name, info.formula))?;
        output::line(&format!(
            "{:<18} {:<12} {}; {}",
            "",
            estimator.probability().name(),
            info.cost,
            info.source
        ))?;
    }
    Ok(())
}
