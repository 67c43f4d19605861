//! What can be refused without work is refused before any: before the data are read, a
//! folder is made, or anything earlier is replaced. Data that cannot be read stand for
//! data that must not be: a refusal that names something else came first.

use std::collections::BTreeMap;
use std::path::Path;

use crate::common::{Place, SMALL, TEST, TRAIN, files, idx};

/// A small run in `out`, with more flags.
fn small<'a>(out: &'a str, flags: &[&'a str]) -> Vec<&'a str> {
    [
        &SMALL[..],
        &["--quiet", "--epochs", "1", "--out", out],
        flags,
    ]
    .concat()
}

/// Every file below a folder, and what is in it.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for name in files(folder) {
        let path = folder.join(&name);
        if path.is_dir() {
            for (below, bytes) in content(&path) {
                all.insert(format!("{name}/{below}"), bytes);
            }
        } else {
            all.insert(name, std::fs::read(&path).unwrap());
        }
    }
    all
}

const NO_DATA: [&str; 4] = ["--dataset", "idx", "--data", "nowhere"];

#[test]
fn one_cycle_trains_in_one_step_or_two() {
    let place = Place::new();
    // 270 images to train on: two steps of which the first is the peak, then a single one.
    for (batch, rise, last) in [
        ("135", "0.5", 0.2),
        ("270", "0.3", 0.2),
        ("270", "0.999", 0.2),
    ] {
        let mut args = small("run", &["--force", "--lr-schedule", "one-cycle"]);
        let at = args.iter().position(|arg| *arg == "16").unwrap();
        args[at] = batch;
        let at = args.iter().position(|arg| *arg == "0.05").unwrap();
        args[at] = "0.2";
        args.extend(["--lr-rise", rise]);
        place.good(&args);
        let epoch = &place.metrics("run")[0];
        assert!(epoch["train_loss"].as_f64().unwrap().is_finite(), "{epoch}");
        let lr = epoch["lr"].as_f64().unwrap();
        let end = last / 25.0 / 1e4;
        assert!((lr - end).abs() < 1e-12, "{batch}, {rise}: {lr}");
    }
}

#[test]
fn impossible_settings_are_refused_before_the_data_are_read() {
    let place = Place::new();
    let net = r#"{"name": "n", "input": {"channels": 1, "height": 12, "width": 12}, "layers": [
        {"type": "linear", "name": "fc1", "out": 0}]}"#;
    std::fs::write(place.path("bad.json"), net).unwrap();
    let train: [(&str, i32, &str); 8] = [
        ("--lr 1e39", 1, "32-bit float"),
        (
            "--lr-schedule step --lr-every 1 --lr-factor 1e30",
            1,
            "32-bit float",
        ),
        (
            "--lr-schedule one-cycle --lr-start-divisor 1e-300",
            1,
            "32-bit float",
        ),
        ("--lr-schedule cosine --lr-min 1e39", 1, "32-bit float"),
        ("--samples 4", 1, "would all be the same"),
        (
            "--baseline loo --mode stoch --estimator reinforce --samples 1",
            1,
            "loo",
        ),
        ("--epochs 10000000", 2, "from 1 to 1000000"),
        ("--model bad.json", 1, "out must be at least 1"),
    ];
    for (flags, code, mention) in train {
        let flags: Vec<&str> = flags.split(' ').collect();
        let args = [&["train", "--out", "run"][..], &NO_DATA, &flags].concat();
        place.bad(&args, code, mention);
    }
    let table = ["table", "--suite", "mlp", "--epochs", "10000000"];
    place.bad(&[&table[..], &NO_DATA].concat(), 2, "from 1 to 1000000");
    let lab: [(&str, i32, &str); 7] = [
        ("--at 5 --epochs 2", 2, "--at 5"),
        ("--at 0,1,3 --epochs 2", 2, "--at 3"),
        ("--every 3 --epochs 2", 2, "--every 3"),
        ("--at 1", 2, "needs --epochs"),
        ("--estimators disarm:x", 2, "no contender"),
        ("--reference st", 2, "is biased"),
        ("--at 1 --epochs 1 --lr 1e39", 1, "32-bit float"),
    ];
    for (flags, code, mention) in lab {
        let flags: Vec<&str> = flags.split(' ').collect();
        let args = [&["lab", "--binary", "last"][..], &NO_DATA, &flags].concat();
        place.bad(&args, code, mention);
    }
    place.good(&small("whole", &["--val-fraction", "0"]));
    let eval = ["eval", "whole", "--split", "val", "--data", "nowhere"];
    place.bad(&eval, 2, "held no images out");
    let weights = "whole/best.safetensors";
    let import = [&["import", weights, "--out", "whole"][..], &NO_DATA].concat();
    place.bad(&import, 1, "already holds a run");
    let import = [&["import", weights, "--binary", "none"][..], &NO_DATA].concat();
    place.bad(&import, 2, "--binary contradicts");
    place.good(&small("other", &["--val-fraction", "0.2"]));
    place.write_data("less");
    let file = place.path("less/t10k-labels-idx1-ubyte");
    let mut labels = std::fs::read(&file).unwrap();
    labels[8] = (labels[8] + 1) % 3;
    std::fs::write(file, labels).unwrap();
    place.good(
        &[
            &["train", "--quiet", "--epochs", "1", "--dataset", "idx"][..],
            &["--data", "less", "--out", "elsewhere"],
        ]
        .concat(),
    );
    let compare = [
        "heatmap",
        "--compare",
        "whole",
        "elsewhere",
        "--data",
        "nowhere",
    ];
    place.bad(&compare, 2, "different images");
    place.good(&small("flat", &["--model", "mlp"]));
    place.bad(
        &["heatmap", "flat", "--data", "nowhere"],
        2,
        "no convolution",
    );
    for made in ["run", "runs", "lab", "results", "pictures", "flat/pictures"] {
        assert!(!place.path(made).exists(), "{made}");
    }
}

#[test]
fn places_that_cannot_be_written_are_refused_before_the_data_are_read() {
    let place = Place::new();
    place.good(&small("run", &[]));
    std::fs::write(place.path("file"), "x").unwrap();
    std::fs::create_dir(place.path("folder")).unwrap();
    let before = content(&place.path("."));
    let away = ["--data", "nowhere"];
    let cases: [(&[&str], i32, &str); 20] = [
        (&["train", "--out", "file", "--data", "nowhere"], 1, "file"),
        (
            &["train", "--out", "file/run", "--data", "nowhere"],
            1,
            "file/run",
        ),
        (
            &[
                "import",
                "run/best.safetensors",
                "--out",
                "file/run",
                "--data",
                "nowhere",
            ],
            1,
            "file/run",
        ),
        (&["pack", "run", "-o", "folder"], 2, "folder is a folder"),
        (
            &["pack", "run", "-o", "none/net.packed"],
            1,
            "none/net.packed",
        ),
        (
            &["pack", "run", "-o", "file/net.packed"],
            1,
            "file/net.packed",
        ),
        (
            &["report", "run", "-o", "folder", "--data", "nowhere"],
            2,
            "folder is a folder",
        ),
        (
            &["report", "run", "-o", "file/r.html", "--data", "nowhere"],
            1,
            "file",
        ),
        (
            &["data", "show", "-o", "folder", "--data", "nowhere"],
            2,
            "folder is a folder",
        ),
        (
            &["data", "show", "-o", "none/x.png", "--data", "nowhere"],
            1,
            "none/x.png",
        ),
        (
            &[
                "data",
                "fetch",
                "--data",
                "file",
                "--mirror",
                "http://127.0.0.1:9",
            ],
            1,
            "file",
        ),
        (
            &["heatmap", "run", "-o", "file", "--data", "nowhere"],
            1,
            "file",
        ),
        (
            &["heatmap", "run", "-o", "file/maps", "--data", "nowhere"],
            1,
            "file/maps",
        ),
        (
            &["confusion", "run", "-o", "file", "--data", "nowhere"],
            1,
            "file",
        ),
        (
            &["mistakes", "run", "-o", "file/m", "--data", "nowhere"],
            1,
            "file/m",
        ),
        (&["filters", "run", "-o", "file"], 1, "file"),
        (&["curves", "run", "-o", "file/c"], 1, "file/c"),
        (
            &["lab", "run", "--out", "file", "--data", "nowhere"],
            1,
            "file",
        ),
        (
            &[
                "lab", "--binary", "last", "--epochs", "1", "--at", "1", "--out", "file/lab",
                "--data", "nowhere",
            ],
            1,
            "file/lab",
        ),
        (
            &["table", "--results", "file", "--data", "nowhere"],
            1,
            "file",
        ),
    ];
    for (args, code, mention) in cases {
        let line = place.bad(args, code, mention);
        assert!(!line.contains(away[1]), "{args:?}: {line}");
    }
    assert_eq!(content(&place.path(".")), before);
    // The same places, written well, are made when there is something to put there.
    place.good(&["heatmap", "run", "-o", "deep/maps", "--data", "data"]);
    place.good(&["report", "run", "-o", "deep/pages/r.html", "--data", "data"]);
    assert!(place.path("deep/maps/conv1.png").exists());
}

#[test]
fn an_impossible_run_leaves_the_one_that_it_was_to_replace() {
    let place = Place::new();
    place.good(&small("run", &["--mode", "stoch"]));
    let before = content(&place.path("run"));
    let cases: [(&[&str], &str); 8] = [
        (&["--batch", "271"], "--batch"),
        (&["--batch", "269", "--model", "bn.json"], "bn1"),
        (&["--val-fraction", "0.999"], "--val-fraction"),
        (&["--lr", "1e39"], "32-bit float"),
        (&["--model", "wide.json"], "--model"),
        (
            &[
                "--mode",
                "stoch",
                "--samples",
                "4096",
                "--model",
                "large.json",
            ],
            "MiB of memory",
        ),
        (&["--samples", "4"], "would all be the same"),
        (&["--data", "nowhere"], "nowhere"),
    ];
    let net = r#"{"name": "bn", "input": {"channels": 1, "height": 12, "width": 12}, "layers": [
        {"type": "linear", "name": "fc1", "out": 4}, {"type": "batch_norm", "name": "bn1"},
        {"type": "binary", "mode": "det"}, {"type": "linear", "name": "fc2", "out": 3}]}"#;
    let large = r#"{"name": "large", "input": {"channels": 1, "height": 12, "width": 12}, "layers": [
        {"type": "conv", "name": "conv1", "out": 4096, "kernel": 5, "padding": 2},
        {"type": "binary", "mode": "stoch"}, {"type": "linear", "name": "fc2", "out": 3}]}"#;
    std::fs::write(place.path("bn.json"), net).unwrap();
    std::fs::write(place.path("wide.json"), net.replace("12}", "13}")).unwrap();
    std::fs::write(place.path("large.json"), large).unwrap();
    for (flags, mention) in cases {
        let mut args = vec!["train", "--dataset", "idx", "--force", "--out", "run"];
        if !flags.contains(&"--data") {
            args.extend(["--data", "data"]);
        }
        if !flags.contains(&"--batch") {
            args.extend(["--batch", "16"]);
        }
        args.extend(flags);
        if flags.contains(&"large.json") {
            // A file keeps its own units.
            args.retain(|arg| !["--mode", "stoch"].contains(arg));
        }
        place.bad(&args, 1, mention);
        assert_eq!(content(&place.path("run")), before, "{flags:?}");
    }
    place.good(&small("run", &["--force", "--seed", "2"]));
    assert_ne!(content(&place.path("run")), before);
}

/// A set of a few images in `few`.
fn few_images(place: &Place, train: usize) {
    let folder = place.path("few");
    std::fs::create_dir(&folder).unwrap();
    let side = crate::common::SIDE as u32;
    for (part, count, of) in [("train", train, TRAIN), ("t10k", TEST, TEST)] {
        let images = place.bytes(&format!("data/{part}-images-idx3-ubyte"));
        let labels = place.bytes(&format!("data/{part}-labels-idx1-ubyte"));
        assert!(count <= of);
        let pixels = &images[16..][..count * (side * side) as usize];
        let images = idx(&[count as u32, side, side], pixels);
        let labels = idx(&[count as u32], &labels[8..][..count]);
        std::fs::write(folder.join(format!("{part}-images-idx3-ubyte")), images).unwrap();
        std::fs::write(folder.join(format!("{part}-labels-idx1-ubyte")), labels).unwrap();
    }
}

#[test]
fn weights_are_imported_and_measured_beside_a_few_images() {
    let place = Place::new();
    place.good(&small("run", &[]));
    // Fewer than a batch of 64, and a tenth of them is less than one image.
    few_images(&place, 4);
    let few = ["--dataset", "idx", "--data", "few"];
    let train = [&["train", "--out", "new"][..], &few].concat();
    place.bad(&train, 1, "leaves 4 of 4 images for training and 0");
    place.good(&[&["import", "run/best.safetensors", "--out", "in"][..], &few].concat());
    // The same test images give the same figures.
    let loss = |run: &str, data: &str| {
        let args = ["eval", run, "--json", "--data", data];
        place.good(&args).json()[0]["loss"].as_f64().unwrap()
    };
    assert!((loss("in", "few") - loss("run", "data")).abs() < 1e-12);
    place.bad(
        &["eval", "in", "--split", "val", "--data", "few"],
        2,
        "held no images out",
    );
    place.good(&["confusion", "in", "--data", "few"]);
    place.good(&["infer", "--model", "in", "--data", "few"]);
    let lab = [
        "lab",
        "in",
        "--images",
        "4",
        "--draws",
        "20",
        "--warm-up",
        "2",
    ];
    let of = [
        "--reference-draws",
        "20",
        "--estimators",
        "st",
        "--data",
        "few",
    ];
    place.good(&[&lab[..], &of].concat());
    // What import does need is still asked for.
    place.write_data("fewer");
    let net = r#"{"name": "n", "input": {"channels": 1, "height": 12, "width": 12}, "layers": [
        {"type": "linear", "name": "fc", "out": 2}]}"#;
    std::fs::write(place.path("two.json"), net).unwrap();
    let two = [
        "import",
        "run/best.safetensors",
        "--model",
        "two.json",
        "--out",
        "two",
    ];
    place.bad(&[&two[..], &few].concat(), 1, "2 classes apart");
}

#[test]
fn a_lab_replaces_a_record_by_a_whole_one_alone() {
    let place = Place::new();
    let base = "lab --dataset idx --data data --binary last --batch 16 --images 8 --draws 20 \
                --warm-up 2 --reference-draws 20 --quiet";
    let lab = |flags: &str| -> Vec<&'static str> {
        let text = format!("{base} {flags}");
        let text: &'static str = Box::leak(text.into_boxed_str());
        text.split_whitespace().collect()
    };
    place.good(&lab("--epochs 1 --at 0,1 --estimators st"));
    let before = content(&place.path("lab"));
    assert!(before.contains_key("lab.json") && before.contains_key("run/test.json"));
    for (flags, code, mention) in [
        ("--epochs 2 --at 5", 2, "--at 5"),
        ("--epochs 2 --every 3", 2, "--every 3"),
        ("--epochs 2 --at 1 --lr 1e39", 1, "32-bit float"),
        (
            "--epochs 2 --at 2 --layers nothing",
            1,
            "no parameter to look at",
        ),
        ("--epochs 2 --at 2 --estimators reinforce:loo", 1, "loo"),
        (
            "--epochs 2 --at 2 --val-fraction 0.999",
            1,
            "--val-fraction: 0.999 leaves 0",
        ),
        ("--layers nothing", 1, "no parameter to look at"),
    ] {
        place.bad(&lab(flags), code, mention);
        assert_eq!(content(&place.path("lab")), before, "{flags}");
    }
    // Training that fails on the way: the loss is no number in the first epoch.
    let failing = lab("--epochs 2 --at 2 --estimators st --lr 1e38");
    let ended = place.run(&failing);
    assert_eq!(
        (ended.code, ended.err.lines().count()),
        (Some(1), 1),
        "{}",
        ended.err
    );
    let mut after = content(&place.path("lab"));
    after.retain(|name, _| !name.starts_with(".run.partial/"));
    assert_eq!(after, before);
    // A whole one takes its place, the run with it, and nothing else is left there.
    place.good(&lab("--epochs 2 --at 2 --estimators st"));
    let after = content(&place.path("lab"));
    assert_eq!(
        after.keys().collect::<Vec<_>>(),
        before.keys().collect::<Vec<_>>()
    );
    assert_ne!(after["lab.json"], before["lab.json"]);
    assert_ne!(
        after["run/best.safetensors"],
        before["run/best.safetensors"]
    );
    assert_eq!(place.metrics("lab/run").len(), 2);
    place.good(&["eval", "lab/run", "--data", "data"]);
}

#[test]
fn a_table_whose_runs_cannot_be_carried_out_trains_none() {
    let place = Place::new();
    few_images(&place, 40);
    let table = [
        "table", "--suite", "mlp", "--rows", "det-st", "--seeds", "1",
    ];
    let few = ["--dataset", "idx", "--data", "few"];
    place.bad(
        &[&table[..], &few].concat(),
        1,
        "more than the 36 training images",
    );
    assert!(!place.path("runs").exists() && !place.path("results").exists());
}
