//! The recipes that come with the program: each makes a configuration, and is the one place
//! where its settings stand.

use std::path::{Path, PathBuf};

use bnn_cpu::data::digits;
use bnn_cpu::study::{Suite, recipes as names};
use bnn_cpu::train::{PartialConfig, Subject};

/// Suites whose rows are recipes.
const SUITES: [&str; 4] = ["tuned", "mlp-tuned", "best", "frontier"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/recipes")
}

/// Every recipe, with its file.
fn recipes() -> Vec<(PathBuf, PartialConfig)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let recipe = PartialConfig::parse(&text, &path).unwrap();
        found.push((path, recipe));
    }
    assert!(found.len() > 30, "only {} recipes", found.len());
    found
}

fn subject() -> Subject {
    Subject::of(&digits::generate(10, 10, 1))
}

#[test]
fn every_recipe_makes_a_configuration_that_makes_the_recipe() {
    for (path, recipe) in recipes() {
        let path = path.display();
        assert!(recipe.about.is_some(), "{path}: what is it for?");
        let config = recipe.complete(&subject()).unwrap();
        config.check_settings().unwrap();
        let (fewest, exact) = PartialConfig::of(&config);
        assert!(exact, "{path}");
        assert_eq!(fewest.complete(&subject()).unwrap(), config, "{path}");
        // What it states it means: the fewest settings are among its own.
        let stated = serde_json::to_value(&recipe).unwrap();
        let fewest = serde_json::to_value(&fewest).unwrap();
        for (field, value) in fewest.as_object().unwrap() {
            match value.as_object() {
                Some(below) => below.keys().for_each(|key| {
                    assert!(stated[field].get(key).is_some(), "{path}: {field}.{key}");
                }),
                None => assert!(stated.get(field).is_some(), "{path}: {field}"),
            }
        }
    }
}

/// An installed program has every recipe, by its name.
#[test]
fn the_program_holds_the_recipes_of_the_folder() {
    let mut files: Vec<String> = Vec::new();
    for (path, _) in recipes() {
        let name = path.file_stem().unwrap().to_str().unwrap().to_string();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(names::text(&name), Some(&*text), "{name}");
        files.push(name);
    }
    files.sort();
    assert_eq!(names::names().collect::<Vec<_>>(), files);
    assert_eq!(names::text("no-such"), None);
}

/// A row's settings are its recipe's, so that `train --recipe` repeats a cell.
#[test]
fn every_row_is_its_recipe() {
    let recipes = recipes();
    for name in SUITES {
        let suite = Suite::named(name).unwrap();
        for row in &suite.rows {
            let file = folder().join(format!("{name}-{}.json", row.id));
            let found = recipes.iter().find(|(path, _)| *path == file);
            let (_, recipe) = found.unwrap_or_else(|| panic!("{}: no recipe", file.display()));
            let seed = PartialConfig {
                seed: Some(1),
                ..PartialConfig::default()
            };
            let config = suite.config(row, &subject(), 1, &PartialConfig::default());
            let by_recipe = seed.over(recipe.clone()).complete(&subject()).unwrap();
            assert_eq!(config.unwrap(), by_recipe, "{}", file.display());
        }
        let prefix = format!("{name}-");
        let files = recipes.iter().filter(|(path, _)| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with(&prefix)
        });
        assert_eq!(
            files.count(),
            suite.rows.len(),
            "{name}: a recipe without a row"
        );
    }
}
