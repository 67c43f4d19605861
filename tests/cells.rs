//! Cells stand alone: a record states every setting, and what it lacks is noticed. Tables
//! say beside their figures what the records show.

mod common;

use std::path::Path;

use bnn_cpu::data::digits;
use bnn_cpu::estimators::Firing;
use bnn_cpu::layers::Binary;
use bnn_cpu::study::{Cell, CellRecord, Finish, Plan, Suite, SuiteRow, Table, notes};
use bnn_cpu::train::{
    Config, EpochRecord, Evaluation, PartialConfig, Provenance, Subject, TestRecord,
};
use serde_json::Value;

fn subject() -> Subject {
    Subject::of(&digits::generate(1, 200, 20))
}

fn config(suite: &Suite, row: &SuiteRow, seed: u64) -> Config {
    let none = PartialConfig::default();
    suite.config(row, &subject(), seed, &none).unwrap()
}

fn named(suite: &str) -> Suite {
    Suite::named(suite).unwrap()
}

/// The record of a run with that test accuracy.
fn record(suite: &Suite, row: &SuiteRow, seed: u64, accuracy: f64) -> CellRecord {
    let config = config(suite, row, seed);
    let history = (1..=config.epochs).map(|epoch| EpochRecord {
        epoch,
        train_loss: 0.5,
        train_accuracy: 0.5,
        val_loss: Some(0.5),
        val_accuracy: Some(0.5),
        slope: 1.0,
        lr: 0.1,
        img_per_s: 100.0,
        seconds: 1.0,
        flip_ratio: None,
        flip_ratios: Default::default(),
        saturated: None,
        saturated_layers: Default::default(),
        dead_layers: vec![],
        bit_flips: None,
        bit_flips_layers: Default::default(),
    });
    let test = TestRecord {
        dataset: config.dataset.name.clone(),
        data_sha256: config.dataset.sha256.clone(),
        images: config.dataset.test,
        epoch: 1,
        loss: 0.5,
        accuracy,
        mean_of_16: None::<Evaluation>,
        threshold: None,
        few_shot: None,
        troubles: vec![],
        train_seconds: 1.0,
        provenance: Provenance::here("scalar"),
    };
    CellRecord {
        suite: suite.name.clone(),
        row: row.id.clone(),
        history: history.collect(),
        config,
        finish: Finish::Test(test),
        inferred: vec![],
        missing: vec![],
        origin: None,
        sealed: true,
    }
}

fn row(suite: &Suite, id: &str) -> SuiteRow {
    let found = suite.rows.iter().find(|row| row.id == id);
    found.cloned().unwrap_or_else(|| panic!("no row {id}"))
}

/// The paths of all values of a JSON object, without the elements of numbers and texts.
fn paths(value: &Value, path: &str, found: &mut Vec<String>) {
    let entries: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), v)).collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(i, v)| (i.to_string(), v))
            .collect(),
        _ => return,
    };
    for (key, below) in entries {
        let path = format!("{path}/{key}");
        if value.is_object() {
            found.push(path.clone());
        }
        paths(below, &path, found);
    }
}

fn without(value: &Value, path: &str) -> Value {
    let (parent, key) = path.rsplit_once('/').unwrap();
    let mut value = value.clone();
    let object = value.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    object.remove(key).unwrap();
    value
}

/// Records from before the probability function of a unit was named so.
#[test]
fn a_cell_with_the_former_names_of_its_keys_is_whole() {
    let suite = named("estimators");
    let written = record(&suite, &row(&suite, "both-logistic-batch-gumbel"), 1, 0.9);
    let text = serde_json::to_string(&written).unwrap();
    let former = text.replace("\"probability\"", "\"link\"");
    assert_ne!(former, text);
    let read = CellRecord::parse(&former, Path::new("cell.json")).unwrap();
    assert_eq!(read.missing, Vec::<String>::new());
    assert_eq!(read.config, written.config);
}

#[test]
fn no_setting_can_be_left_out_of_a_cell() {
    let file = Path::new("cell.json");
    let rows = [
        ("estimators", "both-logistic-batch-gumbel"),
        ("estimators", "first-logistic-running-reinforce-4"),
        ("tuned", "stoch-both-reinforce+local-expectation"),
        ("best", "det-both-st"),
    ];
    let mut removed = 0;
    for (suite, id) in rows {
        let suite = named(suite);
        let record = record(&suite, &row(&suite, id), 1, 0.9);
        let whole = serde_json::to_value(&record).unwrap();
        let read = CellRecord::parse(&whole.to_string(), file).unwrap();
        assert_eq!(read.missing, Vec::<String>::new(), "{id}");
        let settings = whole.pointer("/config").unwrap();
        let mut all = Vec::new();
        paths(settings, "/config", &mut all);
        // What tells whether a fingerprint was noted by the run is no setting.
        all.retain(|path| path != "/config/dataset/background");
        for must in [
            "temperature",
            "samples",
            "baseline",
            "model/layers/3/probability",
        ] {
            assert!(all.contains(&format!("/config/{must}")), "{id}: {must}");
        }
        for path in all {
            let text = without(&whole, &path).to_string();
            let noticed = match CellRecord::parse(&text, file) {
                Err(_) => true,
                Ok(read) => read.missing.contains(&path[1..].replace('/', ".")),
            };
            assert!(noticed, "{id}: {path} was left out, and nothing was said");
            removed += 1;
        }
    }
    println!("{removed} settings left out: all noticed");
    assert!(removed > 200);
}

#[test]
fn a_record_that_lacks_a_setting_is_no_cell_until_it_is_completed() {
    let folder = tempfile::tempdir().unwrap();
    let suite = named("estimators");
    let plan = Plan {
        rows: vec![row(&suite, "last-logistic-gumbel")],
        suite,
        seeds: vec![1],
        over: PartialConfig::default(),
        results: folder.path().to_path_buf(),
        runs: folder.path().join("runs"),
        validation_only: false,
    };
    let cell: Cell = plan.cells(&subject()).unwrap().remove(0);
    std::fs::create_dir_all(cell.record.parent().unwrap()).unwrap();
    let whole = record(&plan.suite, &plan.rows[0], 1, 0.9);
    let mut old = serde_json::to_value(&whole).unwrap();
    for path in [
        "/config/temperature",
        "/test/provenance/commit",
        "/test/provenance/cpu",
    ] {
        old = without(&old, path);
    }
    std::fs::write(&cell.record, old.to_string()).unwrap();
    let refused = cell.read().unwrap_err().to_string();
    assert!(
        refused.contains("does not state config.temperature")
            && refused.contains("verify and seal"),
        "{refused}"
    );
    let mut record = CellRecord::read(&cell.record).unwrap().unwrap();
    let commit = "0123456789012345678901234567890123456789";
    record.complete(Some(commit));
    record.write(&cell.record).unwrap();
    let read = cell.read().unwrap().unwrap();
    assert_eq!(
        read.inferred,
        [
            "config.temperature",
            "test.provenance.commit",
            "test.provenance.cpu"
        ]
    );
    assert_eq!(read.config, whole.config);
    assert_eq!(read.finish.provenance().commit.as_deref(), Some(commit));
    assert_eq!(read.finish.provenance().cpu.as_deref(), Some("unknown"));
    // Completed once more it says nothing new.
    record.complete(None);
    assert_eq!(record.finish.provenance().commit.as_deref(), Some(commit));
    // The table says so, and needs no images for it.
    let noted = plan.noted(None, &[]).unwrap();
    assert_eq!(noted.record, whole.config.dataset);
    let cells = plan.cells(&noted).unwrap();
    assert_eq!(cells[0].config, cell.config);
    let said = notes::notes(&plan.rows, &[read]);
    assert!(said[0].starts_with("1 of 1 records"), "{said:?}");
    assert!(plan.noted(Some("mnist"), &[]).is_err());
}

#[test]
fn rows_are_compared_with_their_controls_seed_by_seed() {
    let suite = &named("estimators");
    let ids = [
        "first-logistic-running-none",
        "first-logistic-running-st",
        "first-logistic-running-arm",
    ];
    let rows: Vec<SuiteRow> = ids.iter().map(|id| row(suite, id)).collect();
    let figures = [[0.90, 0.91, 0.95], [0.97, 0.96, 0.98], [0.93, 0.95, 0.97]];
    let mut records = Vec::new();
    for (row, figures) in rows.iter().zip(figures) {
        for (seed, accuracy) in (1..).zip(figures) {
            records.push(record(suite, row, seed, accuracy));
        }
    }
    // A seed that the controls lack counts for the row, not for the differences.
    records.push(record(suite, &rows[2], 4, 0.5));
    records.reverse();
    let table = Table::new(suite, &subject().record, "c".into(), &rows, &records);
    let arm = &table.rows[2];
    assert_eq!(arm.seeds, [1, 2, 3, 4]);
    let near = |found: &[f64], wanted: &[f64]| {
        let pairs = found.iter().zip(wanted);
        found.len() == wanted.len() && pairs.clone().all(|(a, b)| (a - b).abs() < 1e-9)
    };
    assert!(
        near(&arm.percents, &[93.0, 95.0, 97.0, 50.0]),
        "{:?}",
        arm.percents
    );
    // 3, 4, 2 points above the one control; -4, -1, -1 above the other.
    let over = arm.over_none.unwrap();
    assert!(near(
        &[over.n as f64, over.mean, over.deviation.unwrap()],
        &[3.0, 3.0, 1.0]
    ));
    assert!((over.half_width.unwrap() - 4.302_652_73 / 3f64.sqrt()).abs() < 1e-6);
    assert!(near(&[arm.over_st.unwrap().mean], &[-2.0]));
    assert_eq!(
        table.rows[0].over_none, None,
        "a control is not above itself"
    );
    assert!(near(&[table.rows[1].over_none.unwrap().mean], &[5.0]));
    assert_eq!((arm.samples, arm.evaluations), (Some(1), Some(2)));
    assert_eq!(arm.probability.as_deref(), Some("sigmoid"));
    assert!(!arm.statistics.unwrap().is_batch());
    let text = table.markdown();
    assert!(
        text.contains("## first: logistic function, running statistics"),
        "{text}"
    );
    assert!(
        text.contains("| arm | sigmoid | running | 2 | 4 |"),
        "{text}"
    );
    assert!(text.contains("93.00 95.00 97.00 50.00"), "{text}");
    assert!(text.contains("+3.00 ± 2.48"), "{text}");
    let csv = table.csv();
    let columns = csv.lines().next().unwrap().split(',').count();
    assert_eq!(csv.lines().count(), 1 + 3);
    for line in csv.lines().skip(1) {
        // No quoted field of these rows but the group's has a comma.
        let line = line.replace("function, running", "function running");
        assert_eq!(line.split(',').count(), columns, "{line}");
    }
}

#[test]
fn controls_differ_from_their_rows_in_the_estimator_alone() {
    for suite in [named("estimators"), named("reference")] {
        for row in &suite.rows {
            let Some(controls) = &row.controls else {
                continue;
            };
            let own = self::config(&suite, row, 1);
            for (id, name) in [(&controls.none, "none"), (&controls.st, "st")] {
                let control = suite.rows.iter().find(|r| r.id == *id);
                let control = control.unwrap_or_else(|| panic!("{}: no row {id}", row.id));
                let mut config = self::config(&suite, control, 1);
                assert_eq!(control.estimator(), Some(name));
                // All but the estimators, their baseline and their samples.
                let estimator = |config: &Config| -> Vec<String> {
                    let layers = config.model.layers.iter();
                    let units = layers.filter_map(|layer| layer.get::<Binary>());
                    units.map(|unit| unit.estimator.clone()).collect()
                };
                let mut own_names = estimator(&own).into_iter();
                for layer in &mut config.model.layers {
                    layer.update::<Binary>(|unit| unit.estimator = own_names.next().unwrap());
                }
                (config.baseline, config.samples) = (own.baseline, own.samples);
                assert_eq!(config, own, "{} and {id}", row.id);
            }
        }
    }
}

#[test]
fn tables_say_which_rows_share_their_training_and_which_mix_instruction_sets() {
    let suite = &named("reference");
    let ids = [
        "stoch-last-reinforce",
        "det-last-reinforce",
        "stoch-last-st",
        "det-last-st",
    ];
    let rows: Vec<SuiteRow> = ids.iter().map(|id| row(suite, id)).collect();
    let mut records: Vec<CellRecord> = rows.iter().map(|row| record(suite, row, 1, 0.9)).collect();
    let said = notes::notes(&rows, &records);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("stochastic, last, REINFORCE")
            && said[0].contains("deterministic, last, REINFORCE")
    );
    let mut other = record(suite, &rows[2], 2, 0.9);
    other.finish.provenance_mut().isa = "avx2".into();
    records.push(other);
    let said = notes::notes(&rows, &records);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("instruction sets") && said[0].ends_with("stochastic, last, ST."));
    let mode = rows[1].settings.model.as_ref().unwrap().mode;
    assert_eq!(mode, Some(Firing::Deterministic));
}
