//! The published figures that runs are measured against, and which run may be
//! measured against which.
//!
//! A published figure belongs beside a result only where the data set is the one that it was
//! made on and the run kept to its protocol; [`published`] decides that.
//!
//! **The published REINFORCE rows carry no gradient.** The program that made
//! them samples the bit without a gradient and adds no score-function term to
//! the loss, so every layer below the binary unit kept its random initial
//! weights. They are the accuracy of untrained features under a trained top:
//! [`Published::no_gradient`] marks them.

pub use super::protocol::{FEW_SHOT, MLP, SEED_NET};
use super::protocol::{Protocol, keeps};
use crate::estimators::Firing;
use crate::model::{Placement, Places};
use crate::train::{Config, DatasetRecord, Placed, SlopeKind};

/// A published result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// The row, in words.
    pub row: &'static str,
    /// The model's name.
    pub model: &'static str,
    /// Which activations are binary.
    pub placement: Placement,
    /// How they fire, and the estimator as its authors call it.
    pub binary: Option<(Firing, &'static str)>,
    /// Whether the slope was annealed, by `1.005^(epoch-1)`.
    pub annealed: bool,
    /// Test loss, where it was published.
    pub loss: Option<f64>,
    /// Test accuracy in per cent.
    pub percent: f64,
}

impl Published {
    /// Whether the figure was made without any gradient below the binary unit,
    /// as all published REINFORCE rows were.
    pub fn no_gradient(&self) -> bool {
        matches!(self.binary, Some((_, "reinforce")))
    }

    /// Epochs that its protocol trains.
    pub fn epochs(&self) -> usize {
        Protocol::of(self.model).map_or(10, |protocol| protocol.epochs)
    }

    /// Whether that is the data set that it was made on.
    pub fn is_of(&self, dataset: &DatasetRecord) -> bool {
        Protocol::of(self.model).is_some_and(|protocol| protocol.is_of(dataset))
    }

    /// Whether the epoch was chosen on the test images, which flatters it.
    pub fn test_selected(&self) -> bool {
        self.model == MLP
    }

    /// What a reader must know beside the figure; empty if nothing.
    pub fn caveats(&self) -> String {
        let mut caveats = Vec::new();
        if self.no_gradient() {
            caveats.push("published without a gradient: untrained layers below the binary unit");
        }
        if self.test_selected() {
            caveats.push("published figure chosen on the test images");
        }
        if self.model == FEW_SHOT {
            caveats.push("published figure of twenty other alphabets than those held back here");
        }
        caveats.join("; ")
    }
}

/// The net of two plain blocks; with `-stride` behind its name, that without pools.
const PLAIN: [&str; 2] = ["plain-net", "plain-net-stride"];
/// Its form of two branches.
const MIXED: [&str; 2] = ["mixed-net", "mixed-net-stride"];
/// The net for Omniglot.
const OMNIGLOT: [&str; 2] = ["omniglot-net", "omniglot-net-stride"];
/// Its form of two branches.
const OMNIGLOT_MIXED: [&str; 2] = ["omniglot-mixed", "omniglot-mixed-stride"];
const DET: Firing = Firing::Deterministic;
const STOCH: Firing = Firing::Stochastic;

/// A row of the seed-net's table: 10 epochs, no annealing.
const fn net(
    row: &'static str,
    placement: Placement,
    binary: Option<(Firing, &'static str)>,
    loss: f64,
    percent: f64,
) -> Published {
    Published {
        row,
        model: SEED_NET,
        placement,
        binary,
        annealed: false,
        loss: Some(loss),
        percent,
    }
}

/// A row of the MLP's table: 100 epochs, no loss published.
const fn mlp(
    row: &'static str,
    binary: Option<(Firing, &'static str)>,
    annealed: bool,
    percent: f64,
) -> Published {
    let placement = match binary {
        None => Placement::None,
        Some(_) => Placement::Both,
    };
    Published {
        row,
        model: MLP,
        placement,
        binary,
        annealed,
        loss: None,
        percent,
    }
}

/// A row of the later studies, whose binary units are stochastic: 10 epochs, no annealing.
const fn later(
    row: &'static str,
    model: &'static str,
    placement: Placement,
    loss: Option<f64>,
    percent: f64,
) -> Published {
    let binary = match placement {
        Placement::None => None,
        _ => Some((STOCH, "st")),
    };
    Published {
        row,
        model,
        placement,
        binary,
        annealed: false,
        loss,
        percent,
    }
}

/// The units of the binary branch, which stand behind as many ReLUs.
const fn branch(numbers: &[usize]) -> Placement {
    match Places::new(numbers) {
        Some(places) => Placement::At(places),
        None => Placement::None,
    }
}

const MIXED_UNITS: Placement = branch(&[3, 4]);
const OMNIGLOT_UNITS: Placement = branch(&[6, 7, 8, 9, 10]);

/// Every published row: 13 of the seed-net, 10 of the MLP, 6 of the plain and the mixed net, 6
/// on Omniglot, 5 of few shots.
#[rustfmt::skip]
pub const PUBLISHED: [Published; 40] = [
    net("no binary layer", Placement::None, None, 0.0341, 98.79),
    net("stochastic, first, ST", Placement::First, Some((STOCH, "st")), 0.0539, 98.29),
    net("stochastic, last, ST", Placement::Last, Some((STOCH, "st")), 0.0534, 98.31),
    net("stochastic, both, ST", Placement::Both, Some((STOCH, "st")), 0.0710, 97.54),
    net("stochastic, first, REINFORCE", Placement::First, Some((STOCH, "reinforce")), 0.0749, 97.56),
    net("stochastic, last, REINFORCE", Placement::Last, Some((STOCH, "reinforce")), 1.2811, 88.95),
    net("stochastic, both, REINFORCE", Placement::Both, Some((STOCH, "reinforce")), 3.2085, 80.68),
    net("deterministic, first, ST", Placement::First, Some((DET, "st")), 0.03912, 98.65),
    net("deterministic, last, ST", Placement::Last, Some((DET, "st")), 0.0743, 97.81),
    net("deterministic, both, ST", Placement::Both, Some((DET, "st")), 0.0745, 97.57),
    net("deterministic, first, REINFORCE", Placement::First, Some((DET, "reinforce")), 0.0684, 97.76),
    net("deterministic, last, REINFORCE", Placement::Last, Some((DET, "reinforce")), 0.5569, 95.42),
    net("deterministic, both, REINFORCE", Placement::Both, Some((DET, "reinforce")), 0.8538, 93.40),
    mlp("MLP, hard sigmoid", None, false, 97.34),
    mlp("MLP, hard sigmoid, annealed", None, true, 97.14),
    mlp("MLP, deterministic, ST", Some((DET, "st")), false, 97.20),
    mlp("MLP, deterministic, ST, annealed", Some((DET, "st")), true, 97.09),
    mlp("MLP, stochastic, ST", Some((STOCH, "st")), false, 97.48),
    mlp("MLP, stochastic, ST, annealed", Some((STOCH, "st")), true, 97.17),
    mlp("MLP, deterministic, REINFORCE", Some((DET, "reinforce")), false, 80.86),
    mlp("MLP, deterministic, REINFORCE, annealed", Some((DET, "reinforce")), true, 81.28),
    mlp("MLP, stochastic, REINFORCE", Some((STOCH, "reinforce")), false, 59.37),
    mlp("MLP, stochastic, REINFORCE, annealed", Some((STOCH, "reinforce")), true, 70.95),
    later("plain net, no binary layer", PLAIN[0], Placement::None, Some(0.04), 98.59),
    later("mixed net, stochastic, ST", MIXED[0], MIXED_UNITS, Some(0.05), 98.36),
    later("plain net, stochastic, first, ST", PLAIN[0], Placement::First, Some(0.08), 97.57),
    later("plain net with stride, no binary layer", PLAIN[1], Placement::None, Some(0.06), 98.07),
    later("mixed net with stride, stochastic, ST", MIXED[1], MIXED_UNITS, Some(0.08), 97.49),
    later("plain net with stride, stochastic, first, ST", PLAIN[1], Placement::First, Some(0.11), 96.71),
    later("Omniglot, no binary layer", OMNIGLOT[0], Placement::None, None, 97.20),
    later("Omniglot, mixed, stochastic, ST", OMNIGLOT_MIXED[0], OMNIGLOT_UNITS, None, 96.06),
    later("Omniglot, stochastic, first, ST", OMNIGLOT[0], Placement::First, None, 96.89),
    later("Omniglot with stride, no binary layer", OMNIGLOT[1], Placement::None, None, 94.81),
    later("Omniglot with stride, mixed, stochastic, ST", OMNIGLOT_MIXED[1], OMNIGLOT_UNITS, None, 93.62),
    later("Omniglot with stride, stochastic, first, ST", OMNIGLOT[1], Placement::First, None, 94.66),
    later("few shots, no binary layer", FEW_SHOT, Placement::None, None, 84.4),
    later("few shots, stochastic, first, ST", FEW_SHOT, Placement::First, None, 79.6),
    later("few shots, stochastic, second, ST", FEW_SHOT, branch(&[2]), None, 79.6),
    later("few shots, stochastic, third, ST", FEW_SHOT, branch(&[3]), None, 64.8),
    later("few shots, stochastic, fourth, ST", FEW_SHOT, Placement::Last, None, 53.6),
];

/// The published row of that kind, whatever the protocol. The estimator `none`
/// (no gradient at all) finds the rows published as REINFORCE, because that is
/// how they were made.
pub fn lookup(row: &Placed, annealed: bool) -> Option<&'static Published> {
    PUBLISHED.iter().find(|published| {
        let binary = match (&row.binary, published.binary) {
            (None, None) => true,
            (Some((mode, estimator)), Some((of, name))) => {
                *mode == of && (estimator == name || (estimator == "none" && name == "reinforce"))
            }
            _ => false,
        };
        binary
            && published.model == row.model
            && published.placement == row.placement
            && published.annealed == annealed
    })
}

/// The published row that a run's result may be compared with: on its data set and by its
/// protocol only.
pub fn published(config: &Config) -> Option<&'static Published> {
    let row = Placed::of(&config.model)?;
    keeps(config, &row)
        .then(|| lookup(&row, config.slope.kind == SlopeKind::Exp))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Augment, Ground, mnist};
    use crate::model::{Init, ModelSpec, Pixels, preset};
    use crate::tensor::Shape;
    use crate::train::{
        Baseline, DatasetRecord, LrSchedule, OptimiserSpec, SlopeSchedule, Task,
        TemperatureSchedule,
    };

    fn spec(name: &str, placement: Placement, mode: Firing) -> ModelSpec {
        let mut spec = preset(name, Shape::image(1, 28, 28), 10).unwrap();
        spec.place(placement, mode, "st").unwrap();
        spec.pixels = Some(Pixels::normalised(0.1307, 0.3081));
        spec
    }

    fn config(model: ModelSpec) -> Config {
        Config {
            epochs: if model.name == MLP { 100 } else { 10 },
            model,
            dataset: DatasetRecord {
                name: "MNIST".into(),
                sha256: mnist::FINGERPRINT.into(),
                sha256_inferred: false,
                train: 60_000,
                test: 10_000,
                classes: 10,
                background: None,
                ground: Ground::default(),
                source: None,
            },
            batch: 64,
            optimiser: OptimiserSpec::Sgd {
                momentum: 0.9,
                nesterov: false,
                weight_decay: 0.0,
            },
            lr: 0.1,
            lr_schedule: LrSchedule::Constant,
            slope: SlopeSchedule::new(SlopeKind::None),
            temperature: TemperatureSchedule::default(),
            samples: 1,
            baseline: Baseline::None,
            augment: Augment::None,
            val_fraction: 0.1,
            seed: 7,
            init: Init::Pytorch,
            clip_norm: 0.0,
            task: Task::Classify,
        }
    }

    #[test]
    fn every_row_is_found_by_its_own_key_only() {
        for published in &PUBLISHED {
            let row = Placed {
                model: published.model.into(),
                placement: published.placement,
                binary: published.binary.map(|(mode, name)| (mode, name.into())),
                probability: None,
                levels: None,
            };
            assert_eq!(lookup(&row, published.annealed), Some(published));
            assert_eq!(published.no_gradient(), published.row.contains("REINFORCE"));
            assert!((53.0..99.0).contains(&published.percent));
        }
    }

    #[test]
    fn rows_published_as_reinforce_are_what_no_gradient_gives() {
        let row = Placed {
            model: SEED_NET.into(),
            placement: Placement::Last,
            binary: Some((STOCH, "none".into())),
            probability: None,
            levels: None,
        };
        let found = lookup(&row, false).unwrap();
        assert_eq!(found.percent, 88.95);
        assert!(found.caveats().contains("without a gradient"));
    }

    #[test]
    fn figures_stand_beside_the_reference_protocol_only() {
        let good = config(spec(SEED_NET, Placement::Both, DET));
        assert_eq!(published(&good).unwrap().percent, 97.57);
        type Change = fn(&mut Config);
        let changes: [Change; 8] = [
            |c| c.dataset.sha256 = "5".repeat(64),
            |c| c.dataset.sha256.clear(),
            |c| c.epochs = 11,
            |c| c.lr = 0.05,
            |c| c.batch = 32,
            |c| c.augment = Augment::Shift,
            |c| c.slope = SlopeSchedule::new(SlopeKind::Linear),
            |c| c.model.pixels = None,
        ];
        for (i, change) in changes.iter().enumerate() {
            let mut other = good.clone();
            change(&mut other);
            assert_eq!(published(&other), None, "change {i}");
        }
        let mut mlp = config(spec(MLP, Placement::Both, STOCH));
        mlp.slope = SlopeSchedule::new(SlopeKind::Exp);
        assert_eq!(published(&mlp).unwrap().percent, 97.17);
        assert!(published(&mlp).unwrap().test_selected());
    }
}
