//! What `--json` writes is what the documentation says: the version in every object, every
//! event, and every field of each.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::common::Place;

const PAGE: &str = include_str!("../../book/src/json.md");

/// The documented fields of each event: the table's rows `| event | command | fields |`.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let code = |cell: &str| -> Vec<String> {
        let parts = cell.split('`').skip(1).step_by(2);
        parts.map(str::to_string).collect()
    };
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in PAGE.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').collect();
        let [event] = &code(cells[1])[..] else {
            panic!("{line}")
        };
        found
            .entry(event.clone())
            .or_default()
            .extend(code(cells[3]));
    }
    found
}

fn object(line: &str) -> serde_json::Map<String, Value> {
    match serde_json::from_str(line) {
        Ok(Value::Object(map)) => map,
        other => panic!("{other:?}: {line}"),
    }
}

/// A word of a command line; spaces part words.
fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// Commands in an order in which each finds what it needs.
const COMMANDS: &[&str] = &[
    "train --dataset idx --data data --batch 16 --lr 0.05 --epochs 2 --out run",
    "train --dataset idx --data data --batch 16 --lr 1e9 --epochs 1 --model mlp --out bad",
    "train --dataset idx --data data --batch 16 --epochs 1 --no-test --out part",
    "train --dataset idx --data data --batch 16 --epochs 1 --recipe xnor-net --out xnor",
    "train --dataset idx --data data --batch 16 --epochs 1 --mode stoch --model mlp --out stoch",
    "eval run",
    "inspect seed-net",
    "inspect run",
    "inspect run/best.safetensors",
    "import run/best.safetensors --out in --dataset idx --data data",
    "estimators",
    "estimators --pictures rules",
    "lab run --images 8 --draws 20 --warm-up 2 --reference-draws 20 --estimators st --out lab",
    "lab run --images 8 --draws 20 --reference-draws 20 --estimators st,disarm --shard 1/2 --out shards",
    "pack xnor",
    "export xnor --to c99 --out firmware",
    "export xnor --to onnx --out models",
    "infer --model xnor --data data",
    "infer --model xnor --data data --packed",
    "infer --model xnor --data data --verify",
    "infer --model xnor --data data --profile",
    "infer --model xnor --data data --packed --bench",
    "infer --model xnor data/t10k-images-idx3-ubyte",
    "plot heatmap run -o maps",
    "plot filters run -o filters",
    "plot confusion run -o confusion",
    "plot mistakes run -o mistakes",
    "plot curves run -o curves",
    "plot regions run -o regions",
    "plot maximise run -o maximise --steps 2",
    "plot histogram run -o histogram",
    "plot neighbours run -o neighbours",
    "report run -o r.html",
    "table --suite mlp --rows none --seeds 1 --epochs 1 --dataset idx --data data",
    "sweep --model mlp --lr 0.1,0.01 --seeds 1 --epochs 1 --dataset idx --data data --validation-only",
    "verify run results",
    "man -o man",
    "data list",
    "data verify --dataset idx --data data",
    "data show --dataset idx --data data -o sheet.png",
];

#[test]
fn every_event_and_field_is_documented_and_carries_the_version() {
    let (place, documented) = (Place::new(), documented());
    assert!(
        documented.len() > 20,
        "the table of {} events",
        documented.len()
    );
    let mut missing = BTreeSet::new();
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for command in COMMANDS {
        let ended = place.good(&[&words(command)[..], &["--json"]].concat());
        assert!(!ended.out.is_empty(), "{command}");
        for line in ended.out.lines() {
            let fields = object(line);
            assert_eq!(fields["format"], 1, "{command}: {line}");
            assert!(line.starts_with(r#"{"format":1,"#), "{command}: {line}");
            let event = fields["event"].as_str().expect("an event").to_string();
            let known = documented.get(&event);
            for field in fields
                .keys()
                .filter(|f| !matches!(f.as_str(), "format" | "event"))
            {
                if known.is_none_or(|known| !known.contains(field)) {
                    missing.insert(format!("{event}: {field}"));
                }
            }
            seen.entry(event)
                .or_default()
                .extend(fields.keys().cloned());
        }
    }
    assert!(missing.is_empty(), "not in book/src/json.md: {missing:#?}");
    // The other way round: these cannot be made here without a fetch, a signal, a socket or time.
    let elsewhere = [
        "reading",
        "unpacking",
        "fetching",
        "fetch_failed",
        "saved",
        "fetched",
        "interrupted",
        "step",
        "serve",
        "support",
        "sealed",
        "completed",
    ];
    // Of few-shot runs, of images with labels beside them, and of tables that test.
    let others = [
        "eval: few_shot",
        "test: few_shot",
        "infer: name",
        "infer: label",
        "cell: validation",
    ];
    let mut unwritten = BTreeSet::new();
    for (event, fields) in &documented {
        let Some(made) = seen.get(event) else {
            if !elsewhere.contains(&&**event) {
                unwritten.insert(event.clone());
            }
            continue;
        };
        let names = fields
            .difference(made)
            .map(|field| format!("{event}: {field}"));
        unwritten.extend(names.filter(|name| !others.contains(&&**name)));
    }
    assert!(
        unwritten.is_empty(),
        "documented, but not written: {unwritten:#?}"
    );
}

#[test]
fn a_runs_configuration_carries_a_version() {
    let place = Place::new();
    let flags = "train --dataset idx --data data --batch 16 --epochs 1 --model mlp --out run";
    place.good(&words(flags));
    for file in ["config.json", "test.json"] {
        assert_eq!(place.json(&format!("run/{file}"))["format"], 2, "{file}");
    }
}
