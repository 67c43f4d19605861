//! Names that are not UTF-8, and names that hold what a terminal obeys.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::common::{Ended, Place, SIDE};
use crate::terminal::{command, on_terminal};

const ODD: &[u8] = b"odd-\xff";

/// A line of arguments; `ODD` in it stands for the name that is not UTF-8.
fn args(line: &str) -> Vec<OsString> {
    let odd = |word: &str| {
        let mut bytes = Vec::new();
        for (i, part) in word.split("ODD").enumerate() {
            if i > 0 {
                bytes.extend(ODD);
            }
            bytes.extend(part.bytes());
        }
        OsString::from_vec(bytes)
    };
    line.split_whitespace().map(odd).collect()
}

/// Runs it. Whatever comes of it, it is no panic, and an error is one line.
fn run(place: &Place, line: &str, json: bool, code: i32) -> Ended {
    let mut command = place.command(&[]);
    command.args(args(line));
    if json {
        command.arg("--json");
    }
    let ended = crate::common::ended(command.output().unwrap());
    let what = format!("{line}, json {json}: {}", ended.err);
    assert_eq!(ended.code, Some(code), "{what}");
    for word in ["internal error", "panicked"] {
        assert!(!ended.err.contains(word), "{what}");
    }
    if code != 0 {
        assert_eq!(ended.err.lines().count(), 1, "{what}");
        assert!(ended.err.starts_with("error: "), "{what}");
        // Events that came before the error are events still.
        assert!(json || ended.out.is_empty(), "{what}: {}", ended.out);
    }
    if json {
        for line in ended.out.lines() {
            let parsed: Result<serde_json::Value, _> = serde_json::from_str(line);
            assert!(parsed.is_ok(), "{what}: {line}");
        }
    }
    ended
}

#[cfg(target_os = "linux")]
#[test]
fn every_command_takes_a_path_that_is_not_utf8() {
    let place = Place::new();
    let odd = place.path(".").join(OsStr::from_bytes(ODD));
    std::fs::create_dir(&odd).unwrap();
    std::fs::rename(place.path("data"), odd.join("data")).unwrap();
    let net = r#"{"name": "n", "input": {"channels": 1, "height": 12, "width": 12}, "layers": [
        {"type": "linear", "name": "fc1", "out": 4}, {"type": "binary", "mode": "det"},
        {"type": "linear", "name": "fc2", "out": 3}]}"#;
    std::fs::write(odd.join("net.json"), net).unwrap();
    std::fs::write(odd.join("recipe.json"), r#"{"model": "net.json"}"#).unwrap();
    let data = "--dataset idx --data ODD/data";
    let small = "--epochs 1 --batch 16 --lr 0.05";
    for json in [false, true] {
        let good = |line: &str| {
            let ended = run(&place, line, json, 0);
            // What is shown of the name is what can be shown.
            if ended.out.contains("odd-") {
                assert!(ended.out.contains("odd-\u{fffd}"), "{line}: {}", ended.out);
            }
            ended
        };
        good(&format!("train {data} {small} --force --out ODD/run"));
        std::fs::remove_file(odd.join("run/test.json")).unwrap();
        good("train --resume --data ODD/data --out ODD/run");
        good("train --resume --out ODD/run");
        good(&format!(
            "train {data} {small} --recipe ODD/recipe.json --force --out ODD/own"
        ));
        good(&format!(
            "train {data} {small} --model ODD/net.json --force --out ODD/own"
        ));
        good("eval ODD/run --data ODD/data");
        for what in ["run", "run/best.safetensors", "net.json"] {
            good(&format!("inspect ODD/{what}"));
        }
        good(&format!(
            "import ODD/run/best.safetensors {data} --force --out ODD/in"
        ));
        let few = "--images 8 --draws 20 --warm-up 2 --reference-draws 20 --estimators st";
        good(&format!("lab ODD/run --data ODD/data {few} --out ODD/lab"));
        good("lab --render --out ODD/lab");
        good("pack ODD/run -o ODD/net.packed");
        for how in ["", "--packed", "--verify", "--profile", "--packed --bench"] {
            good(&format!("infer --model ODD/run --data ODD/data {how}"));
        }
        good("infer --model ODD/net.packed ODD/data/t10k-images-idx3-ubyte");
        if !json {
            good("infer --model ODD/run ODD/data/t10k-images-idx3-ubyte --csv");
        }
        good("heatmap ODD/run --data ODD/data");
        good("heatmap --compare ODD/run ODD/in --data ODD/data -o ODD/maps");
        good("filters ODD/run -o ODD/filters");
        good("confusion ODD/run --data ODD/data -o ODD/confusion");
        good("mistakes ODD/run --data ODD/data -o ODD/mistakes");
        good("curves ODD/run ODD/own -o ODD/curves");
        good("report ODD/run --data ODD/data -o ODD/r.html");
        let table = format!("table --suite mlp --rows det-st --seeds 1 --epochs 1 {data}");
        good(&format!("{table} --results ODD/results"));
        good(&format!("{table} --results ODD/results --render"));
        good(&format!("data verify {data}"));
        good(&format!("data show {data} -o ODD/x.png"));

        let bad = |line: &str, code: i32| run(&place, line, json, code);
        bad("train --dataset idx --data ODD/none", 1);
        bad("train --resume --out ODD/none", 1);
        bad(&format!("train {data} --out ODD/run"), 1);
        bad(&format!("train {data} --recipe ODD/none.json"), 1);
        bad(&format!("train {data} --model ODD/none.json"), 1);
        bad(&format!("train {data} --model ODD"), 1);
        bad("train --resume --out ODD/run --lr 3", 2);
        bad("eval ODD/none", 1);
        bad("eval ODD/run --threshold", 2);
        bad("inspect ODD/none", 2);
        bad("inspect ODD/none.safetensors", 1);
        bad("inspect ODD/run --binary none", 2);
        bad("import ODD/none.safetensors", 1);
        bad("import ODD/run/checkpoint.safetensors", 2);
        bad("lab ODD/none", 1);
        bad("lab --render --out ODD/none", 1);
        bad("pack ODD/none", 1);
        bad("pack ODD/run -o ODD/run", 2);
        bad("infer --model ODD/none", 1);
        bad("infer --model ODD/run --threshold", 2);
        bad("infer --model ODD/run ODD/none.png", 1);
        bad("infer --model ODD/run ODD/net.json", 1);
        for command in ["heatmap", "filters", "confusion", "mistakes", "curves"] {
            bad(&format!("{command} ODD/none"), 1);
        }
        bad("report ODD/none", 2);
        bad("report ODD/run -o ODD/run", 2);
        bad(&format!("{table} --results ODD/net.json"), 1);
        bad(&format!("{table} --results ODD/absent --render"), 1);
        bad("data list --data ODD/none", 1);
        bad("data verify --data ODD/none", 1);
        bad("data show --data ODD/none", 1);
        bad("data show --data ODD/data -o ODD/none/x.png", 1);
        bad(
            "data fetch --data ODD/new --mirror http://127.0.0.1:9 --quiet",
            1,
        );
        if cfg!(feature = "serve") {
            bad("serve ODD/none", 1);
        }
    }
}

#[test]
fn an_argument_that_must_be_text_is_named() {
    let place = Place::new();
    for line in [
        "ODD",
        "train --epochs ODD",
        "train --optimizer ODD",
        "train --mirror ODD",
        "train --estimator ODD",
        "eval run --split ODD",
        "inspect seed-net --probability ODD",
        "import x --mode ODD",
        "estimators ODD",
        "lab --layers ODD",
        "pack run ODD",
        "infer --invert ODD",
        "heatmap run --mirror ODD",
        "plot histogram run --channels ODD",
        "plot regions run --layer ODD",
        "confusion run --mirror ODD",
        "mistakes run --most ODD",
        "curves",
        "report --title ODD",
        "table --rows ODD",
        "data show --split ODD",
        "data ODD",
        "completions ODD",
        "--isa ODD estimators",
    ] {
        for json in [false, true] {
            let ended = run(&place, line, json, 2);
            if line.contains("ODD") {
                assert!(ended.err.contains("odd-\u{fffd}"), "{line}: {}", ended.err);
            }
        }
    }
    let mut isa = place.command(&["estimators"]);
    let output = isa.env("BNN_CPU_ISA", OsStr::from_bytes(ODD)).output();
    let ended = crate::common::ended(output.unwrap());
    ended.assert_one_line(1, "odd-\u{fffd}", &["BNN_CPU_ISA"]);
    let mut mirror = place.command(&["data", "fetch"]);
    let output = mirror
        .env("BNN_CPU_MIRROR", OsStr::from_bytes(ODD))
        .output();
    let ended = crate::common::ended(output.unwrap());
    ended.assert_one_line(1, "odd-\u{fffd}", &["BNN_CPU_MIRROR"]);
}

/// A colour, a bell, a return, a line, a C1 control, a line separator, a turn of direction.
const EVIL: &str = "x\u{1b}[31my\u{7}z\rRETURN\nLINE\u{9b}31mC\u{2028}D\u{202e}E";

/// Insists that nothing of the name was obeyed. On a terminal our own styles and bars
/// remain.
fn assert_tame(text: &str, terminal: bool, what: &str) {
    for raw in ["\u{1b}[31m", "\u{7}", "\rRETURN", "\nLINE", "\u{9b}"] {
        assert!(!text.contains(raw), "{what}: {raw:?} in {text:?}");
    }
    assert!(!text.contains(['\u{2028}', '\u{202e}']), "{what}: {text:?}");
    if !terminal {
        let control = |c: char| c.is_control() && c != '\n';
        assert!(!text.contains(control), "{what}: {text:?}");
    }
}

#[test]
fn control_characters_of_names_never_reach_the_terminal() {
    let place = Place::new();
    // The model, its layers, the data set, the run: all of them from files.
    let data = format!("data-{EVIL}");
    place.write_data(&data);
    let side = serde_json::json!({ "channels": 1, "height": SIDE, "width": SIDE });
    let bits = serde_json::json!({ "type": "binary", "mode": "det", "estimator": "st" });
    let net = serde_json::json!({
        "name": format!("model-{EVIL}"), "input": side, "pixels": "integer", "layers": [
            { "type": "conv", "name": format!("conv-{EVIL}"), "out": 4, "kernel": 3, "padding": 1,
              "bias": false, "weights": "binary" },
            bits,
            { "type": "linear", "name": format!("fc-{EVIL}"), "out": 3 },
        ],
    });
    std::fs::write(place.path("net.json"), net.to_string()).unwrap();
    let run = format!("run-{EVIL}");
    let weights = format!("{run}/best.safetensors");
    let images = format!("{data}/t10k-images-idx3-ubyte");
    let of_data = ["--dataset", "idx", "--data", &data];
    let train = [
        "train", "--model", "net.json", "--epochs", "2", "--batch", "16", "--lr", "0.01",
    ];
    let train = [&train[..], &["--force", "--out", &run], &of_data].concat();
    let table = [
        "table", "--suite", "mlp", "--rows", "det-st", "--seeds", "1", "--epochs", "1",
    ];
    let few = [
        "--images",
        "8",
        "--draws",
        "20",
        "--warm-up",
        "2",
        "--estimators",
        "st",
    ];
    let good: Vec<Vec<&str>> = vec![
        train,
        [&table[..], &of_data].concat(),
        [&table[..], &of_data, &["--render"]].concat(),
        vec!["eval", &run, "--data", &data],
        vec!["inspect", &run],
        vec!["inspect", &weights],
        vec!["inspect", "net.json"],
        vec!["infer", "--model", &run, "--data", &data],
        vec!["infer", "--model", &run, "--packed", &images],
        vec!["infer", "--model", &run, "--data", &data, "--verify"],
        vec!["infer", "--model", &run, "--data", &data, "--profile"],
        vec!["infer", "--model", &run, &images],
        vec!["pack", &run],
        [
            &["lab", &run, "--data", &data][..],
            &few,
            &["--reference", "rebar"],
        ]
        .concat(),
        vec!["heatmap", &run, "--data", &data],
        vec!["filters", &run],
        vec!["curves", &run],
        vec!["confusion", &run, "--data", &data],
        vec!["report", &run, "--data", &data],
        vec!["data", "verify", "--dataset", "idx", "--data", &data],
        vec!["data", "show", "--dataset", "idx", "--data", &data],
    ];
    for args in &good {
        let what = format!("{args:?}");
        let plain = place.good(args);
        assert_tame(&plain.out, false, &what);
        assert_tame(&plain.err, false, &what);
        let json = place.good(&[&args[..], &["--json"]].concat());
        assert_tame(&json.out, false, &what);
        assert_tame(&json.err, false, &what);
        let coloured = on_terminal(command(&place, args, "xterm", false), 100);
        assert_tame(&coloured, true, &what);
    }
    // The names are shown, and a warning that quotes one is still a warning.
    let train = on_terminal(command(&place, &good[0], "xterm", false), 100);
    assert!(train.contains("model-x\u{fffd}[31my\u{fffd}z"), "{train:?}");
    assert!(
        train.contains("\u{1b}[1;33mwarning\u{1b}[0m: "),
        "no warning: {train:?}"
    );
    let csv = place
        .good(&["infer", "--model", &run, "--data", &data, "--csv"])
        .out;
    assert_tame(&csv, false, "csv");
    assert_eq!(csv.lines().count(), 1 + crate::common::TEST);
    // JSON gives paths back as they are; what a set is called was cleaned when it was read.
    let json = place.good(&["eval", &run, "--data", &data, "--json"]);
    assert_eq!(json.json()[0]["run"], run.as_str());
    let called = json.json()[0]["dataset"].as_str().unwrap().to_string();
    assert!(called.starts_with("data-x\u{fffd}[31my"), "{called:?}");
    // Lines of errors, of the program's and of clap's.
    let absent = format!("absent-{EVIL}");
    for args in [
        vec!["eval", &absent],
        vec!["inspect", &absent],
        vec!["report", &absent],
        vec!["train", "--model", &absent],
        vec!["train", "--optimizer", EVIL],
        vec!["train", "--resume", "--out", &run, "--lr", "3"],
        vec!["infer", "--model", &run, &absent],
        vec!["pack", &run, "-o", &run],
        vec!["table", "--rows", EVIL],
        vec![EVIL],
    ] {
        for json in [&[][..], &["--json"]] {
            let ended = place.run(&[&args[..], json].concat());
            assert!(matches!(ended.code, Some(1 | 2)), "{args:?}: {}", ended.err);
            assert_eq!(ended.err.lines().count(), 1, "{args:?}: {:?}", ended.err);
            assert_tame(&ended.err, false, &format!("{args:?}"));
        }
    }
}
