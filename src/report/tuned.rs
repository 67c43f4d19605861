//! The settings of the tuned suite, chosen on validation images; `data/recipes` has
//! them as files.

use super::reference::MLP;
use super::row::SuiteRow;
use crate::data::Augment;
use crate::error::Result;
use crate::estimators::{Firing, Link};
use crate::model::Placement;
use crate::train::{Baseline, Config, LrSchedule, OptimiserSpec, SlopeKind, SlopeSchedule};

/// The best estimator that is unbiased in every binary layer.
pub fn unbiased(model: &str, placement: Placement) -> &'static str {
    match placement {
        // Its one hidden layer is the last one.
        _ if model == MLP => "local-expectation",
        Placement::None | Placement::First => "reinforce",
        Placement::Last => "local-expectation",
        Placement::Both => "reinforce+local-expectation",
    }
}

/// Adam with one cycle of the learning rate.
pub fn adam(config: &mut Config, lr: f64) {
    config.optimiser = OptimiserSpec::Adam {
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weight_decay: 0.0,
    };
    config.lr = lr;
    config.lr_schedule = LrSchedule::ONE_CYCLE;
}

/// The settings of a row of the seed-net.
pub fn tune(config: &mut Config, row: &SuiteRow) {
    adam(config, 0.005);
    let Some((mode, estimator)) = &row.binary else {
        return;
    };
    if estimator.contains("reinforce") {
        adam(config, 0.02);
        config.samples = 4;
        config.baseline = Baseline::Loo;
    } else if estimator != "st" {
        adam(config, 0.01);
    }
    if *mode == Firing::Stochastic || estimator != "st" {
        // Units grow decided as training settles: one sample says more, and what is
        // sampled in training meets what is thresholded in evaluation.
        config.slope = SlopeSchedule {
            start: 2.0,
            rate: 0.3,
            ..SlopeSchedule::new(SlopeKind::Linear)
        };
    }
}

/// The settings of a row of the network with one hidden layer. It learns its training
/// images by heart, so what helps is a penalty on its weights, or noise in its units.
pub fn tune_mlp(config: &mut Config, row: &SuiteRow) {
    config.epochs = 40;
    config.lr_schedule = LrSchedule::ONE_CYCLE;
    let mut penalty = 3e-4;
    if let Some((mode, estimator)) = &row.binary {
        // A threshold emits the same whatever its slope, but a lower one lets more of
        // the gradient pass; the logistic link needs twice the slope of a hard sigmoid.
        config.slope.start = match (mode, estimator.as_str()) {
            (Firing::Deterministic, "st") => 0.5,
            (Firing::Stochastic, "st") => 1.0,
            _ => 2.0,
        };
        if *mode == Firing::Stochastic || estimator != "st" {
            penalty = 1e-4;
        }
        if *mode == Firing::Stochastic && estimator == "st" {
            // Noise keeps these from learning by heart, so more epochs still help.
            config.epochs = 100;
        }
        if estimator == "reinforce" {
            config.samples = 4;
            config.baseline = Baseline::Loo;
            return adam(config, 0.01);
        }
    }
    config.optimiser = OptimiserSpec::Sgd {
        momentum: 0.9,
        nesterov: false,
        weight_decay: penalty,
    };
}

/// The best settings that we know.
///
/// # Errors
/// None for the rows of the suite: each has a network that takes the link.
pub fn best(config: &mut Config, row: &SuiteRow) -> Result<()> {
    adam(config, 0.005);
    config.epochs = 40;
    config.augment = Augment::Affine;
    let Some((mode, _)) = &row.binary else {
        return Ok(());
    };
    // Binary units want a higher rate from early on, weights that stay small enough for
    // their signs to change, and a slope that narrows what passes as training settles.
    adam(config, 0.01);
    config.lr_schedule = LrSchedule::OneCycle {
        rise: 0.1,
        start_divisor: 25.0,
        final_divisor: 1e4,
    };
    if let OptimiserSpec::Adam { weight_decay, .. } = &mut config.optimiser {
        *weight_decay = 3e-5;
    }
    let rate = match mode {
        Firing::Deterministic => {
            // Its gradient has no edge beyond which a unit is never heard again.
            config.model.set_link(Some(Link::Sigmoid))?;
            0.1
        }
        Firing::Stochastic => {
            config.samples = 2;
            // Its epochs are told apart by less than a sample's chance: 3,000 images do
            // for that, and 3,000 more are trained on.
            config.val_fraction = 0.05;
            0.15
        }
    };
    config.slope = SlopeSchedule {
        start: 2.0,
        rate,
        max: 8.0,
        ..SlopeSchedule::new(SlopeKind::Linear)
    };
    Ok(())
}
