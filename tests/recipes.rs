//! The recipes of a suite's rows are the settings of its cells.
//! `BNN_CPU_BLESS=1 cargo test --test recipes` writes them anew.

use std::collections::BTreeMap;
use std::path::Path;

use bnn_cpu::data::{Augment, digits};
use bnn_cpu::report::Row;
use bnn_cpu::report::{Subject, Suite, SuiteRow};
use bnn_cpu::train::{Baseline, Config, LrSchedule, OptimiserSpec, SlopeKind, SlopeSchedule};
use serde_json::{Value, json};

/// Suites whose rows have recipes.
const SUITES: [Suite; 3] = [Suite::Tuned, Suite::MlpTuned, Suite::Best];

/// The flags that make the configuration, as a recipe writes them.
fn recipe(suite: Suite, row: &SuiteRow, config: &Config) -> BTreeMap<String, Value> {
    let about = format!("the row {} of the table `{}`", row.id, suite.name());
    let mut flags = BTreeMap::from([
        ("about", json!(about)),
        ("model", json!(row.model)),
        ("binary", json!(row.placement)),
        ("epochs", json!(config.epochs)),
        ("batch", json!(config.batch)),
        ("lr", json!(config.lr)),
        ("lr-schedule", json!("one-cycle")),
        ("optimizer", json!(config.optimiser.name())),
    ]);
    match (config.lr_schedule, LrSchedule::ONE_CYCLE) {
        (found, usual) if found == usual => {}
        (LrSchedule::OneCycle { rise, .. }, _) => {
            let _ = flags.insert("lr-rise", json!(rise));
        }
        (other, _) => panic!("{}: {other:?} has no place in a recipe yet", row.id),
    }
    let decay = match config.optimiser {
        OptimiserSpec::Adam {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay,
        }
        | OptimiserSpec::Sgd {
            momentum: 0.9,
            nesterov: false,
            weight_decay,
        } => weight_decay,
        other => panic!("{}: {other:?} has no place in a recipe yet", row.id),
    };
    if decay != 0.0 {
        // The nearest decimal, as a person writes it.
        let decay: f64 = decay.to_string().parse().unwrap();
        flags.insert("weight-decay", json!(decay));
    }
    if let Some((mode, estimator)) = &row.binary {
        flags.insert("mode", json!(mode));
        flags.insert("estimator", json!(estimator));
    }
    if let Some(link) = Row::of(&config.model).and_then(|row| row.link) {
        flags.insert("link", json!(link));
    }
    match config.baseline {
        Baseline::Loo => {
            let _ = flags.insert("baseline", json!("loo"));
        }
        other => assert_eq!(other, Baseline::None),
    }
    if config.samples != 1 {
        flags.insert("samples", json!(config.samples));
    }
    let usual = Config::reference(config.model.clone(), config.dataset.clone());
    if config.val_fraction != usual.val_fraction {
        flags.insert("val-fraction", json!(config.val_fraction));
    }
    if config.augment != Augment::None {
        flags.insert("augment", json!(config.augment));
    }
    let (slope, usual) = (config.slope, SlopeSchedule::new(config.slope.kind));
    if slope.kind != SlopeKind::None {
        flags.insert("anneal", json!(slope.kind));
    }
    for (name, value, usual) in [
        ("slope-start", slope.start, usual.start),
        ("slope-rate", slope.rate, usual.rate),
        ("slope-max", slope.max, usual.max),
    ] {
        if value != usual {
            flags.insert(name, json!(value));
        }
    }
    let owned = flags.into_iter().map(|(name, value)| (name.into(), value));
    owned.collect()
}

#[test]
fn every_row_has_its_recipe() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/recipes");
    let dataset = digits::generate(10, 10, 1);
    for suite in SUITES {
        let rows = suite.rows();
        for row in &rows {
            let config = suite.config(row, &Subject::of(&dataset), 1, None).unwrap();
            let wanted = recipe(suite, row, &config);
            let path = folder.join(format!("{}-{}.json", suite.name(), row.id));
            if std::env::var_os("BNN_CPU_BLESS").is_some() {
                let text = serde_json::to_string_pretty(&wanted).unwrap();
                std::fs::write(&path, text + "\n").unwrap();
            }
            let text = std::fs::read_to_string(&path).expect("a recipe for the row");
            let found: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
            assert_eq!(found, wanted, "{}", path.display());
        }
        let prefix = format!("{}-", suite.name());
        let files = std::fs::read_dir(&folder).unwrap().filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with(&prefix)
        });
        assert_eq!(
            files.count(),
            rows.len(),
            "{prefix}: a recipe without a row"
        );
    }
}
