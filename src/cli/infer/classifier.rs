//! A trained network ready to be asked, in floats or in bits.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bnn_cpu::data::Background;
use bnn_cpu::data::preprocess::Invert;
use bnn_cpu::kernels::Engine;
use bnn_cpu::model::{Network, weights};
use bnn_cpu::packed::{Lineage, PackedNet, Reading, Runner};
use bnn_cpu::tape::{Mode, Noise, Units};
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::{BEST, BestWeights, CONFIG, Config, FILES, RunFolder};
use bnn_cpu::{Error, bounded, files, notice};

use super::super::train::RUNS;
use super::super::{Failure, Outcome, result};
use super::inputs::Manner;

/// Draws of this command, apart from those of training and evaluation.
pub const DRAW: u64 = 1 << 40;

/// Images of a batch where units draw: an image's noise has the address (batch,
/// row), the same in floats and in bits.
pub const BATCH: usize = 64;

/// Where a network comes from.
pub enum Source {
    /// A run's folder.
    Run(Box<RunFolder>),
    /// A run's file of weights, which names its network.
    Weights(PathBuf, Box<BestWeights>),
    /// A packed file.
    Packed(PathBuf, Box<PackedNet>),
}

impl Source {
    /// What `--model` names; without it the newest run that has weights.
    ///
    /// # Errors
    /// A path that is none of these.
    pub fn find(model: Option<&Path>) -> Outcome<Self> {
        let Some(path) = model else {
            let none = || {
                Failure::Error(Error::checkpoint(
                    RUNS,
                    "holds no run; train one with `bnn-cpu train`, or name one with --model",
                ))
            };
            let newest = RunFolder::newest(Path::new(RUNS))?.ok_or_else(none)?;
            let run = RunFolder::open(&newest)?;
            if let Some(trouble) = run
                .test()?
                .and_then(|test| test.troubles.into_iter().next())
            {
                notice::once(
                    "the newest run failed",
                    &format!(
                        "the newest run, {}, is one whose training failed: {}; name another with --model",
                        newest.display(),
                        trouble.seen
                    ),
                );
            }
            return Ok(Self::Run(Box::new(run)));
        };
        if files::is_folder(path)? {
            return Ok(Self::Run(Box::new(RunFolder::open(path)?)));
        }
        let beside = run_beside(path)?;
        let bytes = bounded::read(path, weights::MAX_BYTES, weights::COPIES)?;
        let packed = PackedNet::is_packed(&bytes).map_err(|what| Error::checkpoint(path, what))?;
        if packed {
            let net = PackedNet::read(path)?;
            if let Some((run, name)) = beside {
                let origin = net.lineage().and_then(|lineage| lineage.run.as_ref());
                run.check_origin(name, origin)?;
            }
            return Ok(Self::Packed(path.into(), Box::new(net)));
        }
        // The weights of a run lie in its folder and are of that run.
        if let Some((run, BEST)) = beside {
            run.best()?;
            return Ok(Self::Run(Box::new(run)));
        }
        let best = weights::open::<BestWeights>(path)?.about;
        Ok(Self::Weights(path.into(), Box::new(best)))
    }

    /// Fingerprint of the data set that the network was trained on; empty where it is
    /// not known.
    pub fn data_sha256(&self) -> &str {
        match self {
            Self::Run(run) => &run.config().dataset.sha256,
            Self::Weights(_, best) => &best.data_sha256,
            Self::Packed(_, net) => net.lineage().map_or("", |lineage| &lineage.data_sha256),
        }
    }

    /// The run or file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Run(run) => run.path(),
            Self::Weights(path, _) | Self::Packed(path, _) => path,
        }
    }

    /// The network in a few words.
    pub fn title(&self) -> String {
        match self {
            Self::Run(run) => result::network(run.config()),
            Self::Weights(_, best) => best.model.name.clone(),
            Self::Packed(_, net) => net.name().to_string(),
        }
    }

    /// What the run was, where it is known.
    pub fn config(&self) -> Option<&Config> {
        match self {
            Self::Run(run) => Some(run.config()),
            Self::Weights(..) | Self::Packed(..) => None,
        }
    }

    /// The background of the images that the network was trained on; dark, as MNIST's
    /// is, where that is not known.
    pub fn background(&self) -> Background {
        let known = match self {
            Self::Run(run) => run.config().dataset.background,
            Self::Weights(_, best) => best.background,
            Self::Packed(_, net) => {
                let light = net.lineage().and_then(|lineage| lineage.light_ground);
                light.map(|light| match light {
                    true => Background::Light,
                    false => Background::Dark,
                })
            }
        };
        known.unwrap_or_default()
    }

    /// How pictures become images like those that the network was trained on.
    pub fn manner(&self, invert: Invert) -> Manner {
        let source = self.config().and_then(|c| c.dataset.source.as_ref());
        Manner {
            invert,
            background: self.background(),
            options: source.map(|source| source.options).unwrap_or_default(),
        }
    }

    /// The shape of an image.
    pub fn input(&self) -> Shape {
        match self {
            Self::Run(run) => run.config().model.input,
            Self::Weights(_, best) => best.model.input,
            Self::Packed(_, net) => net.input(),
        }
    }

    /// Whether the network ends in an embedding and has no classes of its own.
    pub fn is_few_shot(&self) -> bool {
        match self {
            Self::Run(run) => run.config().model.few_shot().is_some(),
            Self::Weights(_, best) => best.model.few_shot().is_some(),
            Self::Packed(_, net) => net.comparison().is_some(),
        }
    }

    /// Whether any unit draws.
    pub fn is_stochastic(&self) -> bool {
        match self {
            Self::Run(run) => run.config().model.is_stochastic(),
            Self::Weights(_, best) => best.model.is_stochastic(),
            Self::Packed(_, net) => net.is_stochastic(),
        }
    }

    /// Of the run's noise.
    pub fn seed(&self) -> u64 {
        match self {
            Self::Run(run) => run.config().seed,
            Self::Weights(_, best) => best.seed,
            Self::Packed(..) => 0,
        }
    }

    /// The trained graph for batches of up to `batch`.
    ///
    /// # Errors
    /// Weights that cannot be read, or a packed file, which has none.
    pub fn network(&self, engine: Engine, batch: usize) -> Outcome<Network> {
        match self {
            Self::Run(run) => Ok(run.network(engine, batch)?),
            Self::Weights(path, _) => {
                let (tensors, best) = weights::read::<BestWeights>(path)?;
                weights::check(&best.model, &tensors, path)?;
                let mut net = Network::new(&best.model, engine, batch, false)?;
                weights::import(net.params_mut(), tensors, path)?;
                net.pass_mut().slope = best.slope;
                Ok(net)
            }
            Self::Packed(path, _) => Err(Failure::usage(format!(
                "{} is a packed file without the graph that it was made from; name the run with --model",
                path.display()
            ))),
        }
    }

    /// The packed network.
    ///
    /// # Errors
    /// As [`Self::network`], or a layer that cannot be packed.
    pub fn packed(&self, engine: Engine) -> Outcome<PackedNet> {
        match self {
            Self::Packed(_, net) => Ok((**net).clone()),
            Self::Run(run) => Ok(run.network(engine, 1)?.pack()?.with_lineage(run.lineage())),
            Self::Weights(_, best) => Ok(self.network(engine, 1)?.pack()?.with_lineage(Lineage {
                run: None,
                data_sha256: best.data_sha256.clone(),
                light_ground: best.background.map(|b| b == Background::Light),
            })),
        }
    }

    /// The network for batches of up to `batch`.
    ///
    /// # Errors
    /// As [`Self::network`] and [`Self::packed`].
    pub fn classifier(
        &self,
        engine: Engine,
        packed: bool,
        threshold: bool,
        batch: usize,
    ) -> Outcome<Classifier> {
        let samples = self.is_stochastic() && !threshold;
        let seed = samples.then(|| self.seed());
        if packed || matches!(self, Self::Packed(..)) {
            let net = Box::new(self.packed(engine)?);
            let runner = net.runner(engine);
            let runner = Box::new(runner);
            return Ok(Classifier::Packed { net, runner, seed });
        }
        let mut net = self.network(engine, batch)?;
        net.pass_mut().mode = Mode::Eval;
        net.pass_mut().units = match samples {
            true => Units::Sample,
            false => Units::Threshold,
        };
        Ok(Classifier::Float {
            net: Box::new(net),
            seed: seed.unwrap_or(0),
        })
    }
}

/// The run in whose folder a file lies, if the file has the name of one of a run's.
fn run_beside(path: &Path) -> Outcome<Option<(RunFolder, &'static str)>> {
    let name = path.file_name().and_then(|name| name.to_str());
    let Some(name) = FILES.into_iter().find(|known| Some(*known) == name) else {
        return Ok(None);
    };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match files::look(&folder.join(CONFIG))? {
        Some(_) => Ok(Some((RunFolder::open(folder)?, name))),
        None => Ok(None),
    }
}

/// A network that answers.
pub enum Classifier {
    /// The trained graph.
    Float {
        /// Ready to evaluate.
        net: Box<Network>,
        /// Of the noise.
        seed: u64,
    },
    /// Bits.
    Packed {
        /// The network.
        net: Box<PackedNet>,
        /// Ready to run.
        runner: Box<Runner>,
        /// Of the noise, where units draw.
        seed: Option<u64>,
    },
}

impl Classifier {
    /// Classes that it tells apart.
    pub fn classes(&self) -> usize {
        match self {
            Self::Float { net, .. } => net.classes(),
            Self::Packed { runner, .. } => runner.classes(),
        }
    }

    /// The logits of images, one after the other, on the threads of the current
    /// pool; floats in batches of the network's capacity.
    pub fn logits(&mut self, images: &[u8], out: &mut [f32]) {
        let classes = self.classes();
        match self {
            Self::Float { net, seed } => {
                let (batch, pixels) = (net.capacity(), net.spec().input.len());
                let parts = images.chunks(batch * pixels);
                for (i, (images, out)) in parts.zip(out.chunks_mut(batch * classes)).enumerate() {
                    net.set_rows(images.len() / pixels);
                    for (row, image) in images.chunks_exact(pixels).enumerate() {
                        net.set_row(row, image, 0);
                    }
                    net.pass_mut().noise = Noise {
                        seed: *seed,
                        step: i as u64,
                        draw: DRAW,
                    };
                    net.forward();
                    out.copy_from_slice(net.logits());
                }
            }
            Self::Packed { runner, seed, .. } => {
                let Some(seed) = *seed else {
                    return runner.batch(images, out);
                };
                let parts = images.chunks(BATCH * runner.pixels());
                for (i, (images, out)) in parts.zip(out.chunks_mut(BATCH * classes)).enumerate() {
                    runner.read_as(Reading::Sample {
                        seed,
                        step: i as u64,
                        draw: DRAW,
                        row: 0,
                    });
                    runner.batch(images, out);
                }
            }
        }
    }

    /// The logits of one image, on this thread.
    pub fn one(&mut self, image: &[u8], out: &mut [f32]) {
        match self {
            Self::Packed { runner, seed, .. } => {
                if let Some(seed) = *seed {
                    runner.read_as(Reading::Sample {
                        seed,
                        step: 0,
                        draw: DRAW,
                        row: 0,
                    });
                }
                runner.logits(image, out);
            }
            Self::Float { .. } => self.logits(image, out),
        }
    }

    /// The parts that [`Self::profile`] times: the layer, and what is done.
    pub fn parts(&self) -> Vec<(String, &'static str)> {
        match self {
            Self::Float { net, .. } => {
                let layers = net.spec().layers.iter();
                layers.map(|l| (l.label().to_string(), "")).collect()
            }
            Self::Packed { net, runner, .. } => {
                let parts = runner.operations().into_iter();
                let name = |stage: usize| net.stages()[stage].name.clone();
                parts.map(|(stage, kind)| (name(stage), kind)).collect()
            }
        }
    }

    /// Runs one image and adds the time of each part.
    pub fn profile(&mut self, image: &[u8], times: &mut [Duration]) {
        match self {
            Self::Float { net, .. } => {
                net.set_rows(1);
                net.set_row(0, image, 0);
                net.profile(times);
            }
            Self::Packed { runner, .. } => runner.profile(image, times),
        }
    }
}
