//! The recipes of the tuned table are its settings.

use std::collections::BTreeMap;

use bnn_cpu::data::digits;
use bnn_cpu::report::suite::Suite;
use bnn_cpu::train::{Baseline, OptimiserSpec, SlopeKind};
use serde_json::{Value, json};

#[test]
fn every_row_of_the_tuned_suite_has_its_recipe() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/data/recipes");
    let dataset = digits::generate(10, 10, 1);
    let rows = Suite::Tuned.rows();
    for row in &rows {
        let config = Suite::Tuned.config(row, &dataset, 1, None).unwrap();
        let mut wanted: BTreeMap<&str, Value> = BTreeMap::from([
            ("model", json!(row.model)),
            ("binary", json!(row.placement)),
            ("epochs", json!(config.epochs)),
            ("batch", json!(config.batch)),
            ("lr", json!(config.lr)),
            ("lr-schedule", json!("one-cycle")),
            ("optimizer", json!("adam")),
        ]);
        assert!(matches!(
            config.optimiser,
            OptimiserSpec::Adam {
                beta1: 0.9,
                beta2: 0.999,
                weight_decay: 0.0,
                ..
            }
        ));
        if let Some((mode, estimator)) = &row.binary {
            wanted.insert("mode", json!(mode));
            wanted.insert("estimator", json!(estimator));
        }
        if config.baseline == Baseline::Loo {
            wanted.insert("baseline", json!("loo"));
            wanted.insert("samples", json!(config.samples));
        } else {
            assert_eq!((config.baseline, config.samples), (Baseline::None, 1));
        }
        if config.slope.kind == SlopeKind::Linear {
            wanted.insert("anneal", json!("linear"));
            wanted.insert("slope-start", json!(config.slope.start));
            wanted.insert("slope-rate", json!(config.slope.rate));
        }
        let path = format!("{folder}/tuned-{}.json", row.id);
        let text = std::fs::read_to_string(&path).expect("a recipe for the row");
        let mut recipe: BTreeMap<&str, Value> = serde_json::from_str(&text).unwrap();
        recipe.remove("about");
        assert_eq!(recipe, wanted, "{path}");
    }
    let files = std::fs::read_dir(folder).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with("tuned-")
    });
    assert_eq!(files.count(), rows.len(), "a recipe without a row");
}
