//! Draws of gradients at fixed weights.

use std::time::Instant;

use super::{Measured, Moments, PARTS, Point, Reference};
use crate::data::Split;
use crate::error::{Error, Result};
use crate::estimators::{Firing, Link};
use crate::kernels::Engine;
use crate::model::{LayerSpec, ModelSpec, Network, Placement};
use crate::ops::Statistics;
use crate::tape::{Mode, Noise, Params, Units};
use crate::train::{Baseline, BaselineState};

/// Bits whose outcomes are enumerated at most.
pub const MOST_BITS: usize = 12;

/// Passes that bring the running statistics of new weights near those of the batch.
const SETTLE: u64 = 100;

/// Something to be measured: an estimator, its baseline, its samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Contender {
    /// A name or a list of names.
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
            made.map_or(1, |e| e.least_samples())
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

    /// The label in records, tables and figures: the estimators that stand in the network,
    /// as a list where they differ.
    fn label(&self, spec: &ModelSpec) -> String {
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

/// A batch and a network whose gradient is asked for.
pub struct Lab<'a> {
    /// The network; its binary units are placed anew for each estimator.
    pub model: ModelSpec,
    /// Which activations are binary.
    pub placement: Placement,
    /// The link of all estimators.
    pub link: Link,
    /// Kernels.
    pub engine: Engine,
    /// Where the images are from.
    pub split: &'a Split,
    /// Their indices.
    pub images: Vec<u32>,
    /// Of the noise.
    pub seed: u64,
    /// Slope.
    pub slope: f32,
    /// Temperature of relaxed bits.
    pub temperature: f32,
    /// Only parameters whose name begins with one of these; all below the last binary
    /// layer where empty.
    pub layers: Vec<String>,
}

/// A network in the middle of a measurement.
struct Bench {
    net: Network,
    baseline: BaselineState,
    /// Running statistics, put back after each draw.
    statistics: Vec<(usize, Vec<f32>)>,
}

impl Lab<'_> {
    /// The network with that estimator.
    ///
    /// # Errors
    /// An estimator that does not fit the network or the link.
    pub fn spec(&self, estimator: &str) -> Result<ModelSpec> {
        let mut spec = self.model.clone();
        spec.place(self.placement, Firing::Stochastic, estimator)?;
        spec.set_link(Some(self.link))?;
        spec.set_statistics(Statistics::Running);
        Ok(spec)
    }

    /// Binary units of an image.
    pub fn bits(&self) -> Result<usize> {
        let spec = self.spec("st")?;
        let shapes = spec.shapes()?;
        let layers = spec.layers.iter().zip(&shapes[1..]);
        Ok(layers
            .filter(|(layer, _)| matches!(layer, LayerSpec::Binary { .. }))
            .map(|(_, shape)| shape.len())
            .sum())
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

    fn bench(&self, contender: &Contender, params: &Params) -> Result<Bench> {
        let spec = self.spec(&contender.estimator)?;
        let rows = self.images.len();
        let mut net = Network::sampled(&spec, self.engine, rows, contender.samples)?;
        transfer(params, net.params_mut());
        net.set_rows(rows);
        for (row, &i) in self.images.iter().enumerate() {
            let i = i as usize;
            net.set_row(row, self.split.image(i), self.split.label(i));
        }
        let usual = match (spec.takes_baseline(), contender.samples) {
            (false, _) => Baseline::None,
            (true, 1) => Baseline::Batch,
            (true, _) => Baseline::Loo,
        };
        let kind = contender.baseline.unwrap_or(usual);
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

    fn draw(&self, bench: &mut Bench, step: u64) {
        self.forward(&mut bench.net, step);
        bench.baseline.apply(&mut bench.net);
        bench.net.backward();
        for (at, values) in &bench.statistics {
            bench.net.params_mut().buffer_values_mut()[*at..][..values.len()]
                .copy_from_slice(values);
        }
    }

    /// The parameters that are looked at, each with its numbers, and `all` of them.
    fn groups(&self, params: &Params) -> Result<Vec<(String, Vec<usize>)>> {
        let spec = self.spec("st")?;
        let last = spec
            .layers
            .iter()
            .rposition(|layer| matches!(layer, LayerSpec::Binary { .. }));
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
        let entries = params.entries().iter().filter(|e| wanted(&e.name));
        let mut groups: Vec<(String, Vec<usize>)> = entries
            .map(|e| (e.name.clone(), e.span.clone().collect()))
            .collect();
        if groups.is_empty() {
            let names: Vec<_> = params.entries().iter().map(|e| e.name.as_str()).collect();
            return Err(Error::spec(format!(
                "no parameter to look at; the network has {}",
                names.join(", ")
            )));
        }
        let all = groups
            .iter()
            .flat_map(|(_, of)| of.iter().copied())
            .collect();
        groups.push(("all".into(), all));
        Ok(groups)
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
        self.groups(params)?;
        match long {
            Some(contender) => self.bench(contender, params)?,
            None => self.bench(&self.outcomes()?, params)?,
        };
        for contender in contenders {
            self.bench(contender, params)?;
        }
        Ok(())
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
    fn enumerate(&self, params: &Params) -> Result<Moments> {
        let mut bench = self.bench(&self.outcomes()?, params)?;
        bench.net.pass_mut().enumerate = true;
        self.forward(&mut bench.net, 0);
        bench.net.weigh_outcomes();
        bench.baseline.apply(&mut bench.net);
        bench.net.backward();
        let mut moments = Moments::new(params.values().len(), 0);
        moments.add(bench.net.params().grads(), None);
        Ok(moments)
    }

    /// Measures estimators at the weights `params`, against all outcomes (`None`) or a
    /// long run of an estimator and that many draws. `on(name, done, of)` is told of
    /// each draw and may stop the work.
    ///
    /// # Errors
    /// Estimators that do not fit, too many bits to enumerate, or an interruption.
    pub fn measure(
        &self,
        epoch: usize,
        params: &Params,
        contenders: &[Contender],
        (warm_up, draws): (usize, usize),
        long: Option<(&Contender, usize)>,
        on: &mut dyn FnMut(&str, usize, usize) -> Result<()>,
    ) -> Result<Point> {
        let fewest = long.map_or(draws, |(_, of)| draws.min(of));
        if fewest < PARTS {
            return Err(Error::spec(format!(
                "{fewest} draws are too few to know an error by; take at least {PARTS}"
            )));
        }
        let groups = self.groups(params)?;
        let spans: Vec<Vec<usize>> = groups.iter().map(|(_, of)| of.clone()).collect();
        let (reference, target_name) = match long {
            None => {
                on("enumeration", 0, 1)?;
                (self.enumerate(params)?, "enumeration".into())
            }
            Some((contender, draws)) => {
                let mut bench = self.bench(contender, params)?;
                let label = contender.label(bench.net.spec());
                let mut moments = Moments::new(params.values().len(), 0);
                for step in 0..warm_up + draws {
                    on("the reference", step, warm_up + draws)?;
                    self.draw(&mut bench, 1 << 40 | step as u64);
                    if step >= warm_up {
                        let grads = bench.net.params().grads();
                        finite(&label, step, grads)?;
                        moments.add(grads, None);
                    }
                }
                (moments, label)
            }
        };
        let target = reference.mean();
        let of_mean = |i: usize| reference.variance(i) / reference.draws() as f64;
        let whole = spans.last().map_or(&[][..], |all| all);
        let norm = whole.iter().map(|&i| target[i].powi(2)).sum::<f64>().sqrt();
        let error = whole.iter().map(|&i| of_mean(i)).sum::<f64>().sqrt();
        let mut estimators = Vec::new();
        for contender in contenders {
            let mut bench = self.bench(contender, params)?;
            let name = contender.label(bench.net.spec());
            let mut moments = Moments::new(params.values().len(), spans.len());
            let mut times = Vec::new();
            for step in 0..warm_up + draws {
                on(&name, step, warm_up + draws)?;
                let begun = Instant::now();
                self.draw(&mut bench, step as u64);
                if step >= warm_up {
                    times.push(begun.elapsed().as_secs_f64() * 1e3);
                    let grads = bench.net.params().grads();
                    finite(&name, step, grads)?;
                    moments.add(grads, Some((target, &spans)));
                }
            }
            times.sort_by(f64::total_cmp);
            let all = bench.net.spec().estimators()?;
            let figures = groups.iter().enumerate().map(|(number, (name, group))| {
                let figures = moments.figures(number, group, &reference);
                (name.clone(), figures)
            });
            estimators.push(Measured {
                name,
                unbiased: all.iter().all(|e| e.info().unbiased),
                draws,
                forward: bench.net.pass().group.size(),
                backward: 1 + usize::from(all.iter().any(|e| e.probes())),
                milliseconds: times[times.len() / 2],
                figures: figures.collect(),
            });
        }
        Ok(Point {
            epoch,
            slope: f64::from(self.slope),
            reference: Reference {
                name: target_name,
                draws: reference.draws(),
                norm,
                error: if norm > 0.0 { error / norm } else { 0.0 },
            },
            estimators,
        })
    }
}

/// Refuses a gradient of which there is no mean.
fn finite(name: &str, draw: usize, gradient: &[f32]) -> Result<()> {
    if gradient.iter().all(|g| g.is_finite()) {
        return Ok(());
    }
    Err(Error::Diverged(format!(
        "draw {draw} of {name} is no finite gradient; measure at other weights, or leave it out of --estimators"
    )))
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
