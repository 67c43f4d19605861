//! `--protocol`: the settings of a training for which none are given.
//!
//! Straight-through runs follow the reference protocol, SGD at a constant rate, so that a plain
//! `train` is the published one. Most other rules learn nothing by it; theirs come from the
//! recipe `estimator-NAME`, which was chosen on validation images (`data/sweeps/estimators.json`).

use std::path::PathBuf;

use bnn_cpu::study::recipes;
use bnn_cpu::train::{Config, PartialConfig};

use super::recipe::Stated;
use super::{Failure, Outcome, flags};

/// Which settings a training takes where none are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Protocol {
    /// The reference protocol, whatever the estimator.
    Reference,
    /// The recipe of the estimator, with flags above it.
    Tuned,
}

/// Estimators that follow the reference protocol: ST, and the control that it is compared with.
const REFERENCE: [&str; 2] = ["st", "none"];

/// What `stated` is with the settings of a protocol below it, and a line on which those are where
/// a reader could be in doubt. `config` is what it makes without them.
pub fn chosen(
    stated: Stated,
    protocol: Option<Protocol>,
    config: &Config,
) -> Outcome<(Stated, Option<String>)> {
    if let Some(recipe) = stated.recipe_name() {
        return match protocol {
            None => Ok((stated, None)),
            Some(_) => Err(Failure::usage(format!(
                "--protocol and --recipe {} both say what the settings are; leave one of them out",
                recipe.display()
            ))),
        };
    }
    let name = match (protocol, config.task.is_classification()) {
        (Some(Protocol::Reference), _) | (None, false) => return Ok((stated, None)),
        (Some(Protocol::Tuned), _) => recipe_of(&stated.whole(), config).ok_or_else(|| {
            Failure::usage(format!(
                "--protocol tuned: no recipe comes with the program for {}; state settings by --optimizer, --lr and their like",
                config.model.estimator_list()
            ))
        })?,
        (None, true) => match own_recipe(&stated.whole(), config) {
            Some(name) => name,
            None => return Ok((stated, None)),
        },
    };
    let path = PathBuf::from(&name);
    let mut recipe = super::recipe::find(&path)?;
    // The network has its estimators already, by a flag or by its file.
    recipe.model = None;
    let flag = stated
        .whole()
        .paths()
        .into_iter()
        .find(|p| is_over(&recipe, p));
    let flag = flag.and_then(|path| flags::of_field(&path));
    match (protocol, flag) {
        (None, Some(flag)) => {
            let line = format!(
                "{flag} is given, so all other settings are those of the reference protocol; --protocol tuned takes them from the recipe {name}"
            );
            Ok((stated, Some(line)))
        }
        _ => {
            let line = format!(
                "settings: the recipe {name}, tuned on validation images; --protocol reference takes the published ones"
            );
            Ok((stated.above(path, recipe), Some(line)))
        }
    }
}

/// Whether the field of a flag is a part of what the recipe settles. Epochs are not: a shorter
/// or longer training by the same recipe is still one.
fn is_over(recipe: &PartialConfig, field: &str) -> bool {
    let group = |path: &str| path.split('.').next().unwrap_or_default().to_string();
    let settles = |path: &String| !matches!(&**path, "about" | "epochs");
    let own = recipe.paths().into_iter().filter(settles);
    let own: Vec<String> = own.map(|path| group(&path)).collect();
    // What an estimator is given beside its optimiser belongs to every recipe.
    let more = ["samples", "baseline", "temperature"];
    own.contains(&group(field)) || more.contains(&&*group(field))
}

/// The recipe of the network's estimators where they are others than ST.
fn own_recipe(stated: &PartialConfig, config: &Config) -> Option<String> {
    let rules = config.model.estimators().ok()?;
    let others = rules
        .iter()
        .any(|rule| !REFERENCE.contains(&rule.info().name));
    others.then(|| recipe_of(stated, config)).flatten()
}

/// The recipe of the network's estimators: of the whole list, of the list as it was given, or of
/// the first in it that has one.
fn recipe_of(stated: &PartialConfig, config: &Config) -> Option<String> {
    let given = stated
        .model
        .as_ref()
        .and_then(|model| model.estimator.clone());
    let rules = config.model.estimators().ok()?;
    let names = rules.iter().map(|rule| rule.info().name.to_string());
    let (st, others): (Vec<_>, Vec<_>) = names.partition(|name| REFERENCE.contains(&&**name));
    let lists = [Some(config.model.estimator_list()), given];
    lists
        .into_iter()
        .flatten()
        .chain(others)
        .chain(st)
        .map(|name| format!("estimator-{name}"))
        .find(|name| recipes::text(name).is_some())
}
