//! The suites' rows are what they were when their committed cells were trained: the names,
//! and a hash of the configuration of each cell, stand in `tests/golden/suites.txt`.
//! `BNN_CPU_BLESS=1 cargo test --test project suites::` writes them anew.

use std::path::Path;

use bnn_cpu::data::{Ground, mnist, omniglot};
use bnn_cpu::model::Pixels;
use bnn_cpu::seal::sha256;
use bnn_cpu::study::Suite;
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::{DatasetRecord, PartialConfig, Subject};

/// What the suite's runs are of, as records name it: MNIST, or Omniglot.
fn subject(suite: &Suite) -> Subject {
    let of = mnist::NORMALISATION;
    if let Some(data) = &suite.data {
        let (side, sha256) = match data.size {
            None => (105, omniglot::FINGERPRINT),
            Some(size) => (size.height, omniglot::FINGERPRINT_28),
        };
        return Subject {
            record: DatasetRecord {
                name: omniglot::NAME.into(),
                sha256: sha256.into(),
                sha256_inferred: false,
                train: 17_352,
                test: 1_928,
                classes: 964,
                background: None,
                ground: Ground::default(),
                source: None,
            },
            input: Shape::image(1, side, side),
            pixels: Pixels::normalised(of.mean, of.std),
        };
    }
    Subject {
        record: DatasetRecord {
            name: mnist::NAME.into(),
            sha256: mnist::FINGERPRINT.into(),
            sha256_inferred: false,
            train: 60_000,
            test: 10_000,
            classes: 10,
            background: None,
            ground: Ground::default(),
            source: None,
        },
        input: Shape::image(1, 28, 28),
        pixels: Pixels::normalised(of.mean, of.std),
    }
}

fn rows(suite: &Suite) -> Vec<String> {
    let mut lines = Vec::new();
    for row in &suite.rows {
        let controls = row.controls.as_ref();
        let names: [&str; 7] = [
            &suite.name,
            &row.id,
            &row.title,
            &row.group,
            row.published.map_or("-", |p| p.row),
            controls.map_or("-", |c| &c.none),
            controls.map_or("-", |c| &c.st),
        ];
        lines.push(names.join(" | "));
        for seed in 1..=3 {
            let config = suite
                .config(row, &subject(suite), seed, &PartialConfig::default())
                .unwrap();
            let text = serde_json::to_string(&config).unwrap();
            lines.push(format!("  {seed} {}", sha256(text.as_bytes())));
        }
    }
    lines
}

#[test]
fn every_cell_has_the_configuration_that_it_was_trained_with() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/suites.txt");
    let suites = Suite::names().map(|name| Suite::named(name).unwrap());
    let found: Vec<String> = suites.iter().flat_map(rows).collect();
    if std::env::var_os("BNN_CPU_BLESS").is_some() {
        std::fs::write(&path, found.join("\n") + "\n").unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let wanted: Vec<&str> = text.lines().collect();
    assert!(wanted.len() > 4 * 150, "{} lines", wanted.len());
    for (found, wanted) in found.iter().zip(&wanted) {
        assert_eq!(found, wanted);
    }
    assert_eq!(found.len(), wanted.len());
}

/// The grids that settings were chosen by are suites, and each of their cells can be built.
#[test]
fn the_grids_of_sweeps_can_be_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/sweeps");
    let recipe = |path: &Path| PartialConfig::parse(&std::fs::read_to_string(path).unwrap(), path);
    let mut read = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let suite = Suite::read(&path, &recipe).unwrap();
        let subject = subject(&suite);
        for row in &suite.rows {
            let config = suite.config(row, &subject, 1, &PartialConfig::default());
            let config = config.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            assert!(config.split_sizes().1 > 0, "{}", row.id);
        }
        read += 1;
    }
    assert!(read > 0);
}
