//! Every kind of layer by its `type` in a spec.

use std::sync::{Arc, PoisonError, RwLock};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::layer::Layer;
use crate::error::{Error, Result};

/// A kind of layer: its `type`, and how its settings are read.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    read: fn(Value) -> serde_json::Result<Arc<dyn Layer>>,
}

const fn kind<L: Layer + DeserializeOwned>(name: &'static str) -> Kind {
    Kind {
        name,
        read: |settings| Ok(Arc::new(serde_json::from_value::<L>(settings)?)),
    }
}

/// The layers of this crate.
const LAYERS: &[Kind] = &[
    kind::<super::Activation>("activation"),
    kind::<super::Add>("add"),
    kind::<super::AvgPool>("avg_pool"),
    kind::<super::BatchNorm>("batch_norm"),
    kind::<super::BernoulliNll>("bernoulli_nll"),
    kind::<super::Binary>("binary"),
    kind::<super::Concat>("concat"),
    kind::<super::Conv>("conv"),
    kind::<super::CrossEntropy>("cross_entropy"),
    kind::<super::Dropout>("dropout"),
    kind::<super::FewShot>("few_shot"),
    kind::<super::Flatten>("flatten"),
    kind::<super::GlobalAvgPool>("global_avg_pool"),
    kind::<super::Input>("input"),
    kind::<super::KlBernoulli>("kl_bernoulli"),
    kind::<super::Linear>("linear"),
    kind::<super::MaxPool>("max_pool"),
    kind::<super::Mse>("mse"),
    kind::<super::Prelu>("prelu"),
    kind::<super::Shift>("shift"),
    kind::<super::WeightedSum>("weighted_sum"),
];

/// Layers of other crates.
static MORE: RwLock<Vec<Kind>> = RwLock::new(Vec::new());

fn kinds() -> Vec<Kind> {
    let more = MORE.read().unwrap_or_else(PoisonError::into_inner);
    LAYERS.iter().chain(more.iter()).copied().collect()
}

/// Every `type` that a layer of a spec may have.
pub fn kind_names() -> Vec<&'static str> {
    kinds().iter().map(|kind| kind.name).collect()
}

/// Adds a kind of layer of another crate: from here on specs with this `type` can be read.
/// A network built in a program needs no such call.
///
/// # Errors
/// A `type` that is taken.
pub fn register<L: Layer + DeserializeOwned>(name: &'static str) -> Result<()> {
    if kind_names().contains(&name) {
        return Err(Error::spec(format!("the layer type {name} exists already")));
    }
    let mut more = MORE.write().unwrap_or_else(PoisonError::into_inner);
    more.push(kind::<L>(name));
    Ok(())
}

/// The layer of that `type` with those settings.
///
/// # Errors
/// One line: an unknown `type` (with the known ones), or what is wrong with the settings.
pub(super) fn read(name: &str, settings: Value) -> std::result::Result<Arc<dyn Layer>, String> {
    let Some(kind) = kinds().into_iter().find(|kind| kind.name == name) else {
        let known = kind_names().join(", ");
        return Err(format!("unknown layer type `{name}`; choose from {known}"));
    };
    (kind.read)(settings).map_err(|e| format!("layer of type {name}: {e}"))
}
