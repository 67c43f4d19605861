//! `--recipe NAME|FILE.json`: settings of a run, of a recipe that comes with the program or of a
//! file, and the flags that stand above them.
//!
//! A recipe is a JSON object of [`PartialConfig`]'s fields, and `about`, a line on what it
//! is for:
//!
//! ```json
//! {"about": "...", "model": {"from": "xnor-net"}, "optimiser": {"name": "adam"}, "lr": 0.005}
//! ```
//!
//! A key may also be a long flag of `train` without its dashes, as in recipes of before:
//! `{"model": "xnor-net", "optimizer": "adam", "lr": 0.005}`.

use std::path::{Path, PathBuf};

use bnn_cpu::study::recipes;
use bnn_cpu::train::PartialConfig;
use bnn_cpu::{Error, bounded, files};
use serde_json::{Map, Value};

use super::{Failure, Outcome, flags};

/// The settings in the file `path`.
///
/// # Errors
/// A file that cannot be read or is no recipe, with the field's name.
pub fn read(path: &Path) -> Result<PartialConfig, Error> {
    parse(&bounded::text(path)?, path)
}

/// The settings of the recipe that comes with the program by that name, or of a JSON file.
///
/// # Errors
/// An unknown name, and as [`read`].
pub fn find(name: &Path) -> Result<PartialConfig, Error> {
    if name.extension().is_some_and(|e| e == "json") || files::look(name)?.is_some() {
        return read(name);
    }
    let own = name.to_str().and_then(recipes::text);
    let own = own.ok_or_else(|| {
        Error::spec(format!(
            "there is no recipe {}; choose from {}, or name a JSON file",
            name.display(),
            recipes::names().collect::<Vec<_>>().join(", ")
        ))
    })?;
    parse(own, name)
}

/// The settings in the text of the file `path`.
///
/// # Errors
/// As [`read`].
pub fn parse(text: &str, path: &Path) -> Result<PartialConfig, Error> {
    let fail = |what: String| Error::data(path, what);
    let entries: Map<String, Value> = serde_json::from_str(text)
        .map_err(|e| fail(format!("not a recipe, a JSON object of settings: {e}")))?;
    let mut fields = Map::new();
    for (key, value) in entries {
        let field = match (key.as_str(), value.is_object()) {
            (_, true) | ("about", _) => &key,
            ("model", _) => "model.from",
            ("dataset", _) => "dataset.set",
            ("data", _) => "dataset.folder",
            ("mirror", _) => "dataset.mirror",
            (key, _) => {
                let known = flags::all().find(|flag| flag.is(key));
                let unknown = || {
                    fail(format!(
                        "`{key}` is no setting of a recipe; `bnn-cpu train --help` names them"
                    ))
                };
                known.ok_or_else(unknown)?.field
            }
        };
        flags::put(&mut fields, field, value);
    }
    for flag in flags::all() {
        let pointer = format!("/{}", flag.field.replace('.', "/"));
        let whole = Value::Object(std::mem::take(&mut fields));
        let read = whole.pointer(&pointer).map(|value| flag.read(value));
        if let Value::Object(whole) = whole {
            fields = whole;
        }
        match read {
            Some(Ok(value)) => flags::put(&mut fields, flag.field, value),
            Some(Err(why)) => return Err(fail(format!("{} {why}", flag.field))),
            None => {}
        }
    }
    PartialConfig::of_value(Value::Object(fields), path)
}

/// What the command line states of a configuration: a recipe, and flags above it.
#[derive(Debug, Default)]
pub struct Stated {
    flags: PartialConfig,
    recipe: Option<(PathBuf, PartialConfig)>,
}

impl Stated {
    /// What those flags state above the recipe in that file.
    pub fn new(flags: PartialConfig, recipe: Option<&Path>) -> Outcome<Self> {
        let recipe = match recipe {
            Some(path) => Some((path.to_path_buf(), find(path)?)),
            None => None,
        };
        Ok(Self { flags, recipe })
    }

    /// What those flags state alone.
    pub fn of_flags(flags: PartialConfig) -> Self {
        Self {
            flags,
            recipe: None,
        }
    }

    /// The recipe that it names.
    pub fn recipe_name(&self) -> Option<&Path> {
        self.recipe.as_ref().map(|(path, _)| path.as_path())
    }

    /// The same flags above that recipe.
    pub fn above(self, name: PathBuf, recipe: PartialConfig) -> Self {
        Self {
            flags: self.flags,
            recipe: Some((name, recipe)),
        }
    }

    /// All that is stated.
    pub fn whole(&self) -> PartialConfig {
        let under = self.recipe.as_ref().map(|(_, recipe)| recipe.clone());
        self.flags.clone().over(under.unwrap_or_default())
    }

    /// An error of a setting, in the words of whoever stated it.
    pub fn named(&self, error: Error) -> Error {
        let Error::Field { field, what } = error else {
            return error;
        };
        match (&self.recipe, flags::of_field(field)) {
            (Some((path, recipe)), _) if recipe.states(field) && !self.flags.states(field) => {
                Error::data(path, format!("{field}: {what}"))
            }
            (_, Some(flag)) => Error::spec(format!("{flag}: {what}")),
            (_, None) => Error::Field { field, what },
        }
    }

    /// What is wrong with how settings are put together: a mistake of usage.
    pub fn refused(&self, error: Error) -> Failure {
        match error {
            Error::Field { .. } => Failure::usage(self.named(error).to_string()),
            other => other.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(recipe: &str) -> PartialConfig {
        parse(recipe, Path::new("folder/r.json")).unwrap()
    }

    #[test]
    fn both_forms_mean_the_same() {
        let flat = r#"{"about": "a test", "lr": 0.005, "model": "mlp", "nesterov": true,
            "optimizer": "sgd", "val-fraction": 0.2, "anneal": "exp", "dataset": "idx",
            "batch": "32", "data": "d"}"#;
        let nested = r#"{"about": "a test", "lr": 0.005, "model": {"from": "mlp"},
            "optimiser": {"name": "sgd", "nesterov": true}, "val_fraction": 0.2,
            "slope": {"kind": "exp"}, "dataset": {"set": "idx", "folder": "d"}, "batch": 32}"#;
        assert_eq!(parsed(flat), parsed(nested));
        assert_eq!(parsed(nested).lr, Some(0.005));
    }

    #[test]
    fn a_setting_is_read_by_its_former_name() {
        let now = parsed(r#"{"probability": "sigmoid"}"#);
        assert_eq!(now.get("model.probability").unwrap(), "sigmoid");
        assert_eq!(parsed(r#"{"link": "sigmoid"}"#), now);
        assert_eq!(parsed(r#"{"model": {"link": "sigmoid"}}"#), now);
    }

    #[test]
    fn flags_stand_above_a_recipe_and_errors_name_who_stated_a_field() {
        let stated = Stated {
            flags: parsed(r#"{"epochs": 9}"#),
            recipe: Some(("r.json".into(), parsed(r#"{"epochs": 3, "lr": 0.5}"#))),
        };
        let whole = stated.whole();
        assert_eq!((whole.epochs, whole.lr), (Some(9), Some(0.5)));
        let named = |field| stated.named(Error::field(field, "no")).to_string();
        assert_eq!(named("epochs"), "--epochs: no");
        assert_eq!(named("lr"), "r.json: lr: no");
        assert_eq!(named("batch"), "--batch: no");
        assert_eq!(named("model.statistics"), "model.statistics: no");
    }

    #[test]
    fn bad_recipes_are_refused_in_one_line() {
        for (recipe, what) in [
            ("", "not a recipe"),
            ("[1]", "not a recipe"),
            (r#"{"epoch": 3}"#, "`epoch` is no setting"),
            (r#"{"out": "x"}"#, "`out` is no setting"),
            (r#"{"threads": 1}"#, "`threads` is no setting"),
            (r#"{"recipe": "x"}"#, "`recipe` is no setting"),
            (r#"{"lr": [1]}"#, "lr [1]: it must be a number"),
            (r#"{"lr": true}"#, "lr true: it must be"),
            (
                r#"{"nesterov": 1}"#,
                "optimiser.nesterov 1: it must be true",
            ),
            (r#"{"lr": -1}"#, "lr -1: it must be a number above 0"),
            (
                r#"{"lr_schedule": {"rise": -1}}"#,
                "lr_schedule.rise -1: it must be",
            ),
            (r#"{"optimizer": "best"}"#, "choose from sgd, adam, adamw"),
            (
                r#"{"optimiser": {"moment": 1}}"#,
                "optimiser: unknown field `moment`",
            ),
            (r#"{"nothing": {}}"#, "unknown field `nothing`"),
            (r#"{"estimator": "st+best"}"#, "best"),
        ] {
            let error = parse(recipe, Path::new("r.json")).unwrap_err().to_string();
            assert!(error.contains(what) && error.contains("r.json"), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_model_file_is_found_beside_the_recipe() {
        let model = |recipe: &str| parsed(recipe).get("model.from").unwrap();
        assert_eq!(model(r#"{"model": "nets/a.json"}"#), "folder/nets/a.json");
        assert_eq!(model(r#"{"model": {"from": "a.json"}}"#), "folder/a.json");
        assert_eq!(model(r#"{"model": "mlp"}"#), "mlp");
    }
}
