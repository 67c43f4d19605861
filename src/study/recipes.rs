//! The recipes that come with the program, by name: those that suites read, and more.

use std::path::Path;

use crate::error::{Error, Result};
use crate::train::PartialConfig;

/// Files of the program, each with its name.
macro_rules! files {
    ($folder:literal $($name:literal)*) => {
        [$(($name, include_str!(concat!("../../data/", $folder, "/", $name, ".json")))),*]
    };
}
pub(super) use files;

/// The recipes that come with the program, in alphabetical order.
const RECIPES: [(&str, &str); 66] = files!("recipes"
    "best-det-both-st"
    "best-none"
    "best-stoch-both-st"
    "colour-small"
    "estimator-approx-sign"
    "estimator-arm"
    "estimator-disarm"
    "estimator-double-cv"
    "estimator-gumbel"
    "estimator-gumbel-soft"
    "estimator-local-expectation"
    "estimator-muprop"
    "estimator-rebar"
    "estimator-reinforce"
    "estimator-reinforce+local-expectation"
    "estimator-reinmax"
    "estimator-reste"
    "estimator-st"
    "estimator-st-clip"
    "estimator-st-identity"
    "estimator-swish-sign"
    "frontier-conv-12-16-20"
    "frontier-conv-16-32-40"
    "frontier-conv-16-48-64"
    "frontier-dense-128-128"
    "frontier-dense-512-512"
    "frontier-depthwise-32-64"
    "frontier-patches-32-128"
    "frontier-patches-48-128"
    "frontier-patches-64-64"
    "frontier-strided-32-64-128"
    "frontier-xnor-large"
    "mixed-tuned"
    "mlp-tuned-det-local-expectation"
    "mlp-tuned-det-local-expectation-annealed"
    "mlp-tuned-det-reinforce"
    "mlp-tuned-det-reinforce-annealed"
    "mlp-tuned-det-st"
    "mlp-tuned-det-st-annealed"
    "mlp-tuned-none"
    "mlp-tuned-none-annealed"
    "mlp-tuned-stoch-local-expectation"
    "mlp-tuned-stoch-local-expectation-annealed"
    "mlp-tuned-stoch-reinforce"
    "mlp-tuned-stoch-reinforce-annealed"
    "mlp-tuned-stoch-st"
    "mlp-tuned-stoch-st-annealed"
    "tuned-det-both-reinforce"
    "tuned-det-both-reinforce+local-expectation"
    "tuned-det-both-st"
    "tuned-det-first-reinforce"
    "tuned-det-first-st"
    "tuned-det-last-local-expectation"
    "tuned-det-last-reinforce"
    "tuned-det-last-st"
    "tuned-none"
    "tuned-stoch-both-reinforce"
    "tuned-stoch-both-reinforce+local-expectation"
    "tuned-stoch-both-st"
    "tuned-stoch-first-reinforce"
    "tuned-stoch-first-st"
    "tuned-stoch-last-local-expectation"
    "tuned-stoch-last-reinforce"
    "tuned-stoch-last-st"
    "xnor-large"
    "xnor-net");

/// The names of the recipes that come with the program.
pub fn names() -> impl Iterator<Item = &'static str> {
    RECIPES.iter().map(|(name, _)| *name)
}

/// The text of the recipe of that name that comes with the program.
pub fn text(name: &str) -> Option<&'static str> {
    let found = RECIPES.iter().find(|(own, _)| *own == name);
    found.map(|(_, text)| *text)
}

/// The recipe in a file that comes with the program, as the program holds it.
pub(super) fn of_file(file: &str) -> Result<PartialConfig> {
    let path = Path::new(file);
    let name = path.file_stem().and_then(|name| name.to_str());
    let missing = || Error::data(path, "is no recipe of the program");
    let text = name.and_then(text).ok_or_else(missing)?;
    PartialConfig::parse(text, path)
}
