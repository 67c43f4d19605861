//! `--recipe FILE`: settings of a run as a file.
//!
//! A recipe is a JSON object whose keys are the long flags of `train` without
//! their dashes, and `about`, a line on what it is for:
//!
//! ```json
//! {"about": "...", "model": "xnor-net", "optimizer": "adam", "lr": 0.005, "nesterov": true}
//! ```
//!
//! It is turned into flags before the command line is parsed, so a value means
//! what it means there, and a flag on the command line stands above it.

use std::ffi::OsString;
use std::path::Path;

use bnn_cpu::{Error, bounded};
use clap::parser::ValueSource;
use serde_json::{Map, Value};

use super::{Failure, Outcome, first_line};

/// Groups of flags that describe a run's place or its output, not the run.
const NOT_SETTINGS: [&str; 2] = ["Run", "Everywhere"];

/// The command line `args` with the flags of its recipe, if it names one.
pub fn expand(args: Vec<OsString>) -> Outcome<Vec<OsString>> {
    // What is wrong with the line itself is said when it is parsed for good.
    let Ok(given) = super::command().try_get_matches_from(&args) else {
        return Ok(args);
    };
    let Some(given) = given.subcommand_matches("train") else {
        return Ok(args);
    };
    let Some(path) = given.get_one::<std::path::PathBuf>("recipe") else {
        return Ok(args);
    };
    let flags = read(path)?;
    let alone = ["bnn-cpu", "train"].map(OsString::from).into_iter();
    let alone = alone.chain(flags.iter().map(|(_, flag)| flag.clone()));
    if let Err(e) = super::command().try_get_matches_from(alone) {
        let what = first_line(&e.to_string());
        return Err(Error::data(path, format!("as a recipe: {what}")).into());
    }
    let on_line = |id: &str| given.value_source(id) == Some(ValueSource::CommandLine);
    let rest = flags.into_iter().filter(|(id, _)| !on_line(id));
    Ok(args.into_iter().chain(rest.map(|(_, flag)| flag)).collect())
}

/// The flags of a recipe: each with its name in clap.
fn read(path: &Path) -> Outcome<Vec<(String, OsString)>> {
    parse(&bounded::text(path)?, path, &super::command())
}

/// The flags of the recipe with that text, for the whole command line `command`.
pub fn parse(text: &str, path: &Path, command: &clap::Command) -> Outcome<Vec<(String, OsString)>> {
    let fail = |what: String| Failure::Error(Error::data(path, what));
    let entries: Map<String, Value> = serde_json::from_str(text)
        .map_err(|e| fail(format!("not a recipe, a JSON object of settings: {e}")))?;
    let train = command.find_subcommand("train");
    let mut flags = Vec::new();
    for (key, value) in entries {
        if key == "about" {
            continue;
        }
        let arg = train.and_then(|train| {
            train.get_arguments().find(|arg| {
                let setting = !arg
                    .get_help_heading()
                    .is_some_and(|h| NOT_SETTINGS.contains(&h));
                setting && arg.get_long() == Some(&key)
            })
        });
        let Some(arg) = arg else {
            return Err(fail(format!(
                "`{key}` is no setting of a recipe; its keys are the flags of `bnn-cpu train` without their dashes"
            )));
        };
        let switch = !arg.get_action().takes_values();
        let flag = match value {
            Value::Bool(false) if switch => continue,
            Value::Bool(true) if switch => format!("--{key}").into(),
            Value::Number(n) if !switch => format!("--{key}={n}").into(),
            Value::String(text) if !switch => {
                let mut flag = OsString::from(format!("--{key}="));
                match path.parent() {
                    // A file is named as seen from the recipe.
                    Some(folder) if key == "model" && text.ends_with(".json") => {
                        flag.push(folder.join(text));
                    }
                    _ => flag.push(text),
                }
                flag
            }
            other => {
                let form = if switch {
                    "true or false"
                } else {
                    "a number or a text"
                };
                return Err(fail(format!("`{key}` must be {form}, not {other}")));
            }
        };
        flags.push((arg.get_id().to_string(), flag));
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(recipe: &str, line: &[&str]) -> Result<Vec<String>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.json");
        std::fs::write(&path, recipe).unwrap();
        let mut args: Vec<OsString> = ["bnn-cpu", "train", "--recipe"].map(Into::into).to_vec();
        args.push(path.into());
        let own = args.len();
        args.extend(line.iter().map(OsString::from));
        match expand(args) {
            Ok(args) => Ok(args[own + line.len()..]
                .iter()
                .map(|a| a.to_str().unwrap().to_string())
                .collect()),
            Err(Failure::Error(e)) => Err(e.to_string()),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_become_flags_and_flags_on_the_line_stand_above_them() {
        let recipe =
            r#"{"about": "a test", "lr": 0.005, "model": "mlp", "nesterov": true, "epochs": 3}"#;
        let flags = expanded(recipe, &[]).unwrap();
        assert_eq!(
            flags,
            ["--epochs=3", "--lr=0.005", "--model=mlp", "--nesterov"]
        );
        let flags = expanded(recipe, &["--epochs", "9", "--nesterov"]).unwrap();
        assert_eq!(flags, ["--lr=0.005", "--model=mlp"]);
        assert_eq!(expanded(r#"{"nesterov": false}"#, &[]).unwrap().len(), 0);
    }

    #[test]
    fn a_line_without_a_recipe_stays_as_it_is() {
        for line in [
            vec!["bnn-cpu", "train", "--epochs", "3"],
            vec!["bnn-cpu", "nothing"],
        ] {
            let line: Vec<OsString> = line.into_iter().map(Into::into).collect();
            assert_eq!(expand(line.clone()).unwrap(), line);
        }
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
            (r#"{"lr": [1]}"#, "`lr` must be a number or a text, not [1]"),
            (r#"{"lr": true}"#, "`lr` must be"),
            (r#"{"nesterov": 1}"#, "`nesterov` must be true or false"),
            (r#"{"lr": -1}"#, "invalid value '-1' for '--lr <X>'"),
            (r#"{"optimizer": "best"}"#, "invalid value 'best'"),
        ] {
            let error = expanded(recipe, &[]).unwrap_err();
            assert!(error.contains(what) && error.contains("r.json"), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_model_file_is_found_beside_the_recipe() {
        let flags = expanded(r#"{"model": "nets/a.json"}"#, &[]).unwrap();
        assert!(flags[0].starts_with("--model=/") && flags[0].ends_with("/nets/a.json"));
    }
}
