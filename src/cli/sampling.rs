//! Flags of estimators that work with samples.

use bnn_cpu::train::{Baseline, Config};
use clap::builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser};

use super::settings::{Setter, positive};
use super::{Failure, Outcome};

fn baselines() -> impl TypedValueParser<Value = Baseline> {
    PossibleValuesParser::new(Baseline::ALL.map(Baseline::name)).map(|name| {
        let found = Baseline::ALL.into_iter().find(|b| b.name() == name);
        found.unwrap_or(Baseline::None)
    })
}

/// How estimators draw and credit samples.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Sampling")]
pub struct SamplingArgs {
    /// Samples of an image in a step; the layers below the first binary one run
    /// once whatever their number [default: 1; 2 where an estimator needs them]
    #[arg(long, value_name = "K")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=4096))]
    pub samples: Option<usize>,
    /// What score functions take from a loss [default: loo with several samples,
    /// else batch, where the estimator takes one]
    #[arg(long, value_name = "NAME", value_parser = baselines())]
    pub baseline: Option<Baseline>,
    /// Temperature of relaxed bits in the first epoch [default: 1]
    #[arg(long, value_name = "T", value_parser = positive)]
    pub temperature: Option<f64>,
    /// What the temperature is multiplied by from epoch to epoch [default: 0.9]
    #[arg(long, value_name = "X", value_parser = positive)]
    pub temperature_rate: Option<f64>,
    /// The least temperature [default: 0.5]
    #[arg(long, value_name = "T", value_parser = positive)]
    pub temperature_min: Option<f64>,
}

impl SamplingArgs {
    /// Applies the flags that were given to `config`.
    pub fn apply(&self, config: &mut Config, setter: &Setter) -> Outcome {
        setter.set("--samples", &mut config.samples, self.samples)?;
        if self.samples.is_none() && setter.stored.is_none() {
            config.suit_samples();
        }
        match self.baseline {
            Some(baseline) => {
                setter.differs("--baseline", config.baseline.name(), Some(baseline.name()))?;
                config.baseline = baseline;
                if baseline != Baseline::None && !config.model.takes_baseline() {
                    return Err(Failure::usage(format!(
                        "--baseline {} has no effect: no estimator of the network takes a baseline (reinforce and double-cv do)",
                        baseline.name()
                    )));
                }
            }
            None if setter.stored.is_none() => config.suit_baseline(),
            None => {}
        }
        let given = [
            ("--temperature", self.temperature.is_some()),
            ("--temperature-rate", self.temperature_rate.is_some()),
            ("--temperature-min", self.temperature_min.is_some()),
        ];
        if let Some((flag, _)) = given.iter().find(|(_, given)| *given)
            && !config.model.has_temperature()
        {
            return Err(Failure::usage(format!(
                "{flag} has no effect: no estimator of the network has a temperature to set (gumbel and gumbel-soft do; rebar learns its own)"
            )));
        }
        let t = &mut config.temperature;
        setter.set("--temperature", &mut t.start, self.temperature)?;
        setter.set("--temperature-rate", &mut t.rate, self.temperature_rate)?;
        setter.set("--temperature-min", &mut t.min, self.temperature_min)?;
        // A start below the default least means that start.
        if self.temperature_min.is_none() && setter.stored.is_none() {
            t.min = t.min.min(t.start);
        }
        t.check().map_err(|e| {
            Failure::usage(format!(
                "--temperature, --temperature-rate, --temperature-min: {e}"
            ))
        })
    }
}
