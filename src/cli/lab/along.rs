//! Measurements along trainings: one whose weights all contenders are measured at, or one of
//! each contender.

use std::sync::atomic::{AtomicBool, Ordering};

use bnn_cpu::Error;
use bnn_cpu::data::Dataset;
use bnn_cpu::lab::{Contender, Lab, Point, Record, Trajectory};
use bnn_cpu::model::{Network, weights};
use bnn_cpu::tape::Params;
use bnn_cpu::train::{self, BestWeights, Config, EpochRecord, Event, RunFolder};

use super::super::progress::Progress;
use super::super::{Context, Outcome};
use super::Args;
use super::plan::Plan;
use super::record::remove_run;

/// All that a lab measures with.
pub struct Trip<'a> {
    pub args: &'a Args,
    pub context: &'a Context,
    pub dataset: &'a Dataset,
    pub plan: &'a Plan<'a>,
    pub stop: &'a AtomicBool,
    pub progress: &'a mut Progress,
}

/// An epoch, and the slope there.
type At = (usize, f32);

/// What is done at a point of a training: it is given the point, the weights, whether they
/// are new, and the record of the epoch.
type Visit<'a> =
    &'a mut dyn FnMut(At, &mut Params, bool, Option<&EpochRecord>) -> Result<(), Error>;

impl Trip<'_> {
    /// Fills the record with what the flags ask for: one point at a run's best weights or at
    /// new ones, or the points of trainings. Where all contenders are measured along one
    /// training, its run is given back.
    pub fn measure(
        &mut self,
        best: Option<BestWeights>,
        net: &mut Network,
        record: &mut Record,
    ) -> Outcome<Option<RunFolder>> {
        let config = &self.plan.config;
        match best {
            Some(best) => {
                let weights = (best.epoch, best.slope);
                let point = self.point(weights, net.params_mut(), false)?;
                record.points.push(point);
            }
            None if self.args.own => record.own = self.own()?,
            None if self.args.is_along() => {
                let (points, run) = self.along(config, net)?;
                record.points = points;
                return Ok(Some(run));
            }
            None => {
                let weights = (0, config.slope.at(1, config.epochs));
                let point = self.point(weights, net.params_mut(), true)?;
                record.points.push(point);
            }
        }
        Ok(None)
    }

    /// Measures every contender at those weights.
    fn point(&mut self, at: At, params: &mut Params, new: bool) -> Result<Point, Error> {
        let (plan, effort) = (self.plan, self.args.effort());
        let lab = self.lab(at, params, new)?;
        let long = plan.long.as_ref();
        let mut on = self.telling(format!("epoch {}", at.0));
        lab.measure(at.0, params, &plan.contenders, &effort, long, &mut on)
    }

    /// The lab at a point; new weights are given running statistics first.
    fn lab(&self, (epoch, slope): At, params: &mut Params, new: bool) -> Result<Lab<'_>, Error> {
        let of = &self.plan.lab;
        let lab = Lab {
            slope,
            temperature: self.plan.config.temperature.at(epoch.max(1)),
            model: of.model.clone(),
            images: of.images.clone(),
            layers: of.layers.clone(),
            ..*of
        };
        if new {
            lab.settle(params)?;
        }
        Ok(lab)
    }

    /// Shows how many draws there are of what, and stops where that is asked for.
    fn telling(&self, whence: String) -> impl FnMut(&str, usize, usize) -> Result<(), Error> {
        let (progress, stop) = (&*self.progress, self.stop);
        let mut last = (String::new(), 0);
        let mut bar = None;
        move |name, done, of| {
            if (name, of) != (last.0.as_str(), last.1) {
                // The one before it goes first.
                drop(bar.take());
                bar = progress.meter(&format!("{whence}: {name}"), of);
                last = (name.to_string(), of);
            }
            if let Some(bar) = &bar {
                bar.set_position(done as u64);
            }
            match stop.load(Ordering::Relaxed) {
                true => Err(interrupted()),
                false => Ok(()),
            }
        }
    }

    /// Measures along one training, whose run it gives back.
    fn along(&mut self, config: &Config, net: &mut Network) -> Outcome<(Vec<Point>, RunFolder)> {
        let mut points = Vec::new();
        let (args, context, dataset, stop) = (self.args, self.context, self.dataset, self.stop);
        let run = train(
            args,
            context,
            dataset,
            stop,
            config,
            net,
            &mut |at, params, new, _| {
                points.push(self.point(at, params, new)?);
                Ok(())
            },
        )?;
        Ok((points, run))
    }

    /// Trains with each contender, one after the other, and measures its own gradient, and
    /// ST's, on the way.
    fn own(&mut self) -> Outcome<Vec<Trajectory>> {
        let plan = self.plan;
        let st = [Contender::parse("st")?];
        let effort = self.args.effort();
        let mut all = Vec::new();
        for contender in &plan.contenders {
            let config = plan.own_config(contender)?;
            let mut net = Network::new(&config.model, self.context.engine, 1, false)?;
            net.init(config.init, config.seed);
            let name = contender.label(&config.model);
            let mut points = Vec::new();
            let (args, context, dataset, stop) = (self.args, self.context, self.dataset, self.stop);
            let mut visit =
                |at: At, params: &mut Params, new: bool, epoch: Option<&EpochRecord>| {
                    let lab = self.lab(at, params, new)?;
                    let mut on = self.telling(format!("trained with {name}, epoch {}", at.0));
                    let own = (contender, &st[..]);
                    let mut point = lab.measure_own(at.0, params, own, &effort, &mut on)?;
                    point.val_accuracy = epoch.and_then(|epoch| epoch.val_accuracy);
                    points.push(point);
                    Ok(())
                };
            let run = train(args, context, dataset, stop, &config, &mut net, &mut visit)?;
            remove_run(run);
            all.push(Trajectory { name, points });
        }
        Ok(all)
    }
}

/// Trains in a folder of its own, and visits the points that are asked for; `net` is given
/// their weights.
fn train(
    args: &Args,
    context: &Context,
    dataset: &Dataset,
    stop: &AtomicBool,
    config: &Config,
    net: &mut Network,
    visit: Visit<'_>,
) -> Outcome<RunFolder> {
    if args.asks_for(0) {
        let slope = config.slope.at(1, config.epochs);
        visit((0, slope), net.params_mut(), true, None)?;
    }
    // Apart from an earlier lab's run until this one is complete.
    let mut run = RunFolder::create(&args.partial(), config.clone(), true)?;
    let checkpoint = run.file("checkpoint.safetensors");
    let mut failed = None;
    let trained = train::train(&mut run, dataset, context.engine, stop, &mut |event| {
        let Event::Epoch { record: epoch, .. } = event else {
            return;
        };
        if !args.asks_for(epoch.epoch) || failed.is_some() {
            return;
        }
        let mut point = || {
            let (tensors, _) = weights::read_any(&checkpoint)?;
            weights::import(net.params_mut(), tensors, &checkpoint)?;
            let at = (epoch.epoch, epoch.slope as f32);
            visit(at, net.params_mut(), false, Some(epoch))
        };
        if let Err(error) = point() {
            stop.store(true, Ordering::Relaxed);
            failed = Some(error);
        }
    });
    let trained = match (failed, trained) {
        (Some(error), _) => Err(error),
        // Its state could be gone on with, but its points could not.
        (None, Err(Error::Interrupted(_))) => Err(interrupted()),
        (None, trained) => trained,
    };
    match trained {
        Ok(_) => Ok(run),
        Err(error) => {
            // Where the loss is no number, the message names a checkpoint that is kept.
            if !matches!(error, Error::Diverged(_)) {
                remove_run(run);
            }
            Err(error.into())
        }
    }
}

fn interrupted() -> Error {
    Error::Interrupted("interrupted; nothing was kept".into())
}
