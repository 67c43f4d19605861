//! Draws of gradients at fixed weights.

use std::ops::Range;

use super::{Contender, Moments};
use crate::data::Split;
use crate::error::{Error, Result};
use crate::estimators::{Firing, Probability};
use crate::kernels::Engine;
use crate::layers::{Binary, Statistics};
use crate::model::{LayerSpec, ModelSpec, Network, Placement};
use crate::tape::{Mode, Noise, Params, Units};
use crate::train::{Baseline, BaselineState};

/// The most bits an image whose outcomes are enumerated: 2 to that power passes.
pub const MAX_BITS: usize = 12;

/// Passes that bring the running statistics of new weights near those of the batch.
const SETTLE: u64 = 100;

/// A network, its weights aside, and a batch: what gradients are measured of.
pub struct Lab<'a> {
    /// The network; its binary units are placed anew for each estimator.
    pub model: ModelSpec,
    /// Which activations are binary.
    pub placement: Placement,
    /// The probability function of all estimators.
    pub probability: Probability,
    /// The kernels.
    pub engine: Engine,
    /// The split that the images are from.
    pub split: &'a Split,
    /// The indices of the images in the split.
    pub images: Vec<u32>,
    /// The seed of the noise.
    pub seed: u64,
    /// The slope of binary units and hard sigmoids.
    pub slope: f32,
    /// The temperature of relaxed bits.
    pub temperature: f32,
    /// The prefixes of the names of the parameters that are looked at; where there are none,
    /// all parameters below the last binary layer are.
    pub layers: Vec<String>,
}

/// A network in the middle of a measurement.
pub(super) struct Bench {
    pub net: Network,
    baseline: BaselineState,
    /// Running statistics, put back after each draw.
    statistics: Vec<(usize, Vec<f32>)>,
}

impl Lab<'_> {
    /// The network with that estimator.
    ///
    /// # Errors
    /// An estimator that does not fit the network or the probability function.
    pub fn spec(&self, estimator: &str) -> Result<ModelSpec> {
        let mut spec = self.model.clone();
        spec.place(self.placement, Firing::Stochastic, estimator)?;
        spec.set_probability(Some(self.probability))?;
        spec.set_statistics(Statistics::Running);
        Ok(spec)
    }

    /// The number of binary units that an image passes.
    pub fn bits(&self) -> Result<usize> {
        let spec = self.spec("st")?;
        Ok(spec.units()?.iter().map(|unit| unit.len).sum())
    }

    /// Brings running statistics near those of the batch at new weights.
    ///
    /// # Errors
    /// A network that cannot be built.
    pub fn settle(&self, params: &mut Params) -> Result<()> {
        let none = Contender {
            estimator: "none".into(),
            baseline: None,
            samples: 1,
        };
        let mut bench = self.bench(&none, params)?;
        for step in 0..SETTLE {
            self.forward(&mut bench.net, u64::MAX - step);
        }
        transfer(bench.net.params(), params);
        Ok(())
    }

    pub(super) fn bench(&self, contender: &Contender, params: &Params) -> Result<Bench> {
        let spec = self.spec(&contender.estimator)?;
        let rows = self.images.len();
        let mut net = Network::sampled(&spec, self.engine, rows, contender.samples)?;
        transfer(params, net.params_mut());
        net.set_rows(rows);
        for (row, &i) in self.images.iter().enumerate() {
            let i = i as usize;
            net.set_row(row, self.split.image(i), self.split.label(i));
        }
        let kind = contender.baseline_in(&spec);
        if kind == Baseline::Loo && contender.samples < 2 {
            return Err(Error::spec("baseline loo needs at least 2 samples"));
        }
        let baseline = BaselineState::new(kind, self.engine, &net, self.seed)?;
        let entries = net.params().buffer_entries().iter();
        let statistics = entries
            .filter(|e| e.name.ends_with("running_mean") || e.name.ends_with("running_var"))
            .map(|e| {
                let values = net.params().buffer_values()[e.span.clone()].to_vec();
                (e.span.start, values)
            })
            .collect();
        Ok(Bench {
            net,
            baseline,
            statistics,
        })
    }

    fn forward(&self, net: &mut Network, step: u64) {
        let pass = net.pass_mut();
        (pass.mode, pass.units) = (Mode::Train, Units::Sample);
        (pass.slope, pass.temperature) = (self.slope, self.temperature);
        pass.noise = Noise {
            seed: self.seed,
            step,
            draw: 1 << 33,
        };
        net.forward();
    }

    pub(super) fn draw(&self, bench: &mut Bench, step: u64) {
        self.forward(&mut bench.net, step);
        bench.baseline.apply(&mut bench.net);
        bench.net.backward();
        for (at, values) in &bench.statistics {
            bench.net.params_mut().buffer_values_mut()[*at..][..values.len()]
                .copy_from_slice(values);
        }
    }

    /// The parameters that are looked at.
    pub(super) fn looked_at(&self, params: &Params) -> Result<LookedAt> {
        let spec = self.spec("st")?;
        let last = spec.layers.iter().rposition(LayerSpec::is::<Binary>);
        let below: Vec<&str> = spec.layers[..last.unwrap_or(0)]
            .iter()
            .map(LayerSpec::label)
            .collect();
        let wanted = |name: &str| {
            if self.layers.is_empty() {
                name.rsplit_once('.')
                    .is_some_and(|(of, _)| below.contains(&of))
            } else {
                self.layers.iter().any(|layer| name.starts_with(layer))
            }
        };
        let mut found = LookedAt::default();
        let mut len = 0;
        for entry in params.entries().iter().filter(|e| wanted(&e.name)) {
            found.names.push(entry.name.clone());
            found.groups.push(len..len + entry.span.len());
            found.spans.push(entry.span.clone());
            len += entry.span.len();
        }
        if found.names.is_empty() {
            let names: Vec<_> = params.entries().iter().map(|e| e.name.as_str()).collect();
            return Err(Error::spec(format!(
                "no parameter to look at; the network has {}",
                names.join(", ")
            )));
        }
        found.names.push("all".into());
        found.groups.push(0..len);
        Ok(found)
    }

    /// Whether all of that can be measured: a parameter to look at, estimators that fit,
    /// and the memory for each.
    ///
    /// # Errors
    /// As [`Self::measure`], without any draw.
    pub fn check(
        &self,
        params: &Params,
        contenders: &[Contender],
        long: Option<&Contender>,
    ) -> Result<()> {
        self.looked_at(params)?;
        match long {
            Some(contender) => self.bench(contender, params)?,
            None => self.bench(&self.outcomes()?, params)?,
        };
        self.check_contenders(params, contenders)
    }

    /// Whether what needs no reference can be measured.
    ///
    /// # Errors
    /// As [`Self::measure_own`], without any draw.
    pub fn check_contenders(&self, params: &Params, contenders: &[Contender]) -> Result<()> {
        self.looked_at(params)?;
        for contender in contenders {
            self.bench(contender, params)?;
        }
        Ok(())
    }

    /// The parameters that are looked at.
    ///
    /// # Errors
    /// None that are asked for.
    pub fn parameters(&self, params: &Params) -> Result<Vec<String>> {
        let mut names = self.looked_at(params)?.names;
        names.pop();
        Ok(names)
    }

    /// What stands for all outcomes of the bits.
    fn outcomes(&self) -> Result<Contender> {
        Ok(Contender {
            estimator: "reinforce".into(),
            baseline: Some(Baseline::None),
            samples: 1 << self.bits()?,
        })
    }

    /// The exact gradient, over all outcomes of the bits.
    pub(super) fn enumerate(&self, params: &Params, looked_at: &LookedAt) -> Result<Moments> {
        let mut bench = self.bench(&self.outcomes()?, params)?;
        bench.net.pass_mut().enumerate = true;
        self.forward(&mut bench.net, 0);
        bench.net.weigh_outcomes();
        bench.baseline.apply(&mut bench.net);
        bench.net.backward();
        Ok(looked_at.exact(bench.net.params().grads()))
    }
}

/// The numbers of a gradient that are looked at, one parameter after the other.
#[derive(Default)]
pub(super) struct LookedAt {
    /// The parameters, and `all`.
    pub names: Vec<String>,
    /// Which of the numbers are theirs.
    pub groups: Vec<Range<usize>>,
    /// Where the parameters lie in a whole gradient.
    spans: Vec<Range<usize>>,
}

impl LookedAt {
    /// How many numbers they are.
    pub fn len(&self) -> usize {
        self.all().len()
    }

    /// All of them.
    pub fn all(&self) -> Range<usize> {
        self.groups.last().cloned().unwrap_or_default()
    }

    /// Those of a whole gradient.
    pub fn of(&self, gradient: &[f32], into: &mut Vec<f32>) {
        into.clear();
        for span in &self.spans {
            into.extend_from_slice(&gradient[span.clone()]);
        }
    }

    fn exact(&self, gradient: &[f32]) -> Moments {
        let (mut moments, mut numbers) = (Moments::new(self.len(), 0), Vec::new());
        self.of(gradient, &mut numbers);
        moments.add(&numbers, &self.groups, None);
        moments
    }
}

/// Copies the parameters, and the buffers that both have.
pub(super) fn transfer(from: &Params, to: &mut Params) {
    to.values_mut().copy_from_slice(from.values());
    let entries: Vec<_> = to.buffer_entries().to_vec();
    for entry in entries {
        let found = from.buffer_entries().iter().find(|e| e.name == entry.name);
        if let Some(found) = found
            && found.span.len() == entry.span.len()
        {
            let values = &from.buffer_values()[found.span.clone()];
            to.buffer_values_mut()[entry.span].copy_from_slice(values);
        }
    }
}
