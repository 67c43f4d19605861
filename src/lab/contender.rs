//! What is measured: an estimator, its baseline, its samples.

use crate::error::{Error, Result};
use crate::model::ModelSpec;
use crate::train::{Baseline, Config};

/// Something to be measured: an estimator, its baseline and its number of samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Contender {
    /// The estimator's name, or a list of names joined by `+`, from the first binary layer to
    /// the last.
    pub estimator: String,
    /// Its baseline; the usual one where absent.
    pub baseline: Option<Baseline>,
    /// Samples of an image in a draw.
    pub samples: usize,
}

impl Contender {
    /// Reads `reinforce`, `reinforce:ema`, `reinforce:loo:4`, `disarm::2`.
    ///
    /// # Errors
    /// A text of another form, or an unknown name in it.
    pub fn parse(text: &str) -> Result<Self> {
        let fail = || {
            Error::spec(format!(
                "`{text}` is no contender; write estimator, estimator:baseline or estimator:baseline:samples, such as reinforce:loo:4"
            ))
        };
        let mut parts = text.split(':');
        let estimator = parts.next().unwrap_or_default().to_string();
        for name in estimator.split('+') {
            crate::estimators::by_name(name, None)?;
        }
        let baseline = match parts.next() {
            None | Some("") => None,
            Some(name) => Some(
                Baseline::ALL
                    .into_iter()
                    .find(|b| b.name() == name)
                    .ok_or_else(fail)?,
            ),
        };
        let least = estimator.split('+').map(|name| {
            let made = crate::estimators::by_name(name, None);
            made.map_or(1, |e| e.min_samples())
        });
        let samples = match parts.next() {
            None => least.max().unwrap_or(1),
            Some(n) => n.parse().ok().filter(|n| *n > 0).ok_or_else(fail)?,
        };
        match parts.next() {
            None => Ok(Self {
                estimator,
                baseline,
                samples,
            }),
            Some(_) => Err(fail()),
        }
    }

    /// The baseline of a network with its estimators: its own, or the usual one.
    pub(crate) fn baseline_in(&self, spec: &ModelSpec) -> Baseline {
        let usual = match (spec.takes_baseline(), self.samples) {
            (false, _) => Baseline::None,
            (true, 1) => Baseline::Batch,
            (true, _) => Baseline::Loo,
        };
        self.baseline.unwrap_or(usual)
    }

    /// Makes a configuration train with this estimator, baseline and number of samples; `spec`
    /// is the network with its estimators.
    pub fn train_in(&self, config: &mut Config, spec: ModelSpec) {
        config.baseline = self.baseline_in(&spec);
        config.samples = self.samples;
        config.model = spec;
        config.suit_samples();
    }

    /// The label in records, tables and figures: the estimators that stand in the network,
    /// as a list where they differ.
    pub fn label(&self, spec: &ModelSpec) -> String {
        let mut name = spec.estimator_list();
        if self.baseline.is_some() || self.samples > 1 {
            name += ":";
            name += self.baseline.map_or("", Baseline::name);
        }
        if self.samples > 1 {
            name += &format!(":{}", self.samples);
        }
        name
    }
}
