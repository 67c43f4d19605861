//! What each subcommand does when all is well.

use serde_json::Value;

use crate::common::{Place, SMALL, TEST, TRAIN, files, gzip};

fn small<'a>(out: &'a str, flags: &[&'a str]) -> Vec<&'a str> {
    let mut args = SMALL.to_vec();
    args.extend(["--out", out]);
    args.extend(flags);
    args
}

#[test]
fn train_leaves_a_run_and_shows_its_result() {
    let place = Place::new();
    let ended = place.good(&small("run", &["--epochs", "3"]));
    let files = files(&place.path("run"));
    assert_eq!(
        files,
        [
            "best.safetensors",
            "checkpoint.safetensors",
            "config.json",
            "metrics.csv",
            "metrics.jsonl",
            "test.json"
        ]
    );
    // Beginning, an epoch a line, the test.
    assert_eq!(ended.err.lines().count(), 5, "{}", ended.err);
    assert!(
        ended
            .err
            .lines()
            .nth(1)
            .unwrap()
            .starts_with("epoch 1/3  train ")
    );
    assert!(
        ended.out.contains("on data"),
        "the data set's name: {}",
        ended.out
    );
    assert!(
        ended.out.contains("no figure"),
        "nothing published on it: {}",
        ended.out
    );
    assert_eq!(place.metrics("run").len(), 3);
    let csv = String::from_utf8(place.bytes("run/metrics.csv")).unwrap();
    assert_eq!(csv.lines().count(), 4);
    let (_, _, accuracy) = place.test("run");
    assert!(
        accuracy > 0.9,
        "three bars are easily told apart: {accuracy}"
    );
    let quiet = place.good(&small("quiet", &["--epochs", "1", "--quiet"]));
    assert_eq!(quiet.err, "");
    assert!(quiet.out.contains("accuracy"));
}

#[test]
fn default_folders_are_named_by_what_they_hold() {
    let place = Place::new();
    let train = |flags: &[&str]| {
        let mut args = SMALL.to_vec();
        args.extend(["--epochs", "1", "--quiet"]);
        args.extend(flags);
        place.good(&args);
    };
    train(&[]);
    train(&["--mode", "stoch", "--binary", "first"]);
    train(&["--model", "mlp", "--binary", "none"]);
    train(&[]);
    assert_eq!(
        files(&place.path("runs")),
        [
            "mlp-none-1",
            "seed-net-both-det-st-1",
            "seed-net-both-det-st-2",
            "seed-net-first-stoch-st-1"
        ]
    );
}

#[test]
fn every_setting_reaches_the_configuration() {
    let place = Place::new();
    let config = |out: &str, flags: &str| -> Value {
        let flags: Vec<&str> = flags.split(' ').collect();
        place.good(&small(
            out,
            &[&["--epochs", "2", "--quiet"][..], &flags].concat(),
        ));
        serde_json::from_slice(&place.bytes(&format!("{out}/config.json"))).unwrap()
    };
    let a = config(
        "a",
        "--optimizer adamw --beta1 0.8 --beta2 0.9 --eps 1e-7 --weight-decay 0.2 \
         --lr-schedule one-cycle --lr-rise 0.5 --lr-start-divisor 10 --lr-final-divisor 100 \
         --anneal cosine --slope-start 0.5 --slope-max 2 --val-fraction 0.2 --init kaiming-normal"
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .as_str(),
    );
    assert_eq!(
        a["optimiser"],
        serde_json::json!({"name": "adamw", "beta1": 0.8, "beta2": 0.9, "eps": 1e-7, "weight_decay": 0.2})
    );
    assert_eq!(
        a["lr_schedule"],
        serde_json::json!({"name": "one-cycle", "rise": 0.5, "start_divisor": 10.0, "final_divisor": 100.0})
    );
    assert_eq!(a["slope"]["kind"], "cosine");
    assert_eq!(
        (&a["slope"]["start"], &a["slope"]["max"]),
        (&Value::from(0.5), &Value::from(2.0))
    );
    assert_eq!(
        (&a["val_fraction"], &a["init"]),
        (&Value::from(0.2), &Value::from("kaiming-normal"))
    );
    let falling = config(
        "falling",
        "--lr-schedule plateau --lr-patience 0 --lr-factor 0.5 --lr-min 0.01",
    );
    assert_eq!(
        falling["lr_schedule"],
        serde_json::json!({"name": "plateau", "factor": 0.5, "patience": 0, "min": 0.01})
    );
    let b = config(
        "b",
        "--momentum 0.5 --nesterov --lr-schedule step --lr-every 1 --lr-factor 0.1 --seed 9 --augment affine --binary last",
    );
    assert_eq!(
        b["optimiser"],
        serde_json::json!({"name": "sgd", "momentum": 0.5, "nesterov": true, "weight_decay": 0.0})
    );
    assert_eq!(
        (&b["seed"], &b["augment"]),
        (&Value::from(9), &Value::from("affine"))
    );
    let lr: Vec<f64> = place
        .metrics("b")
        .iter()
        .map(|r| r["lr"].as_f64().unwrap())
        .collect();
    assert!(
        (lr[0] - 0.05).abs() < 1e-12 && (lr[1] - 0.005).abs() < 1e-12,
        "{lr:?}"
    );
    let c = config("c", "--anneal linear --val-fraction 0");
    assert_eq!(c["slope"]["kind"], "linear");
    let slopes: Vec<f64> = place
        .metrics("c")
        .iter()
        .map(|r| r["slope"].as_f64().unwrap())
        .collect();
    assert!(
        (slopes[0] - 1.0).abs() < 1e-6 && (slopes[1] - 1.04).abs() < 1e-6,
        "{slopes:?}"
    );
    // The default rate of adam is its own.
    let mut args = SMALL[..7].to_vec();
    args.extend(["--optimizer", "adam", "--epochs", "1", "--out", "d"]);
    place.good(&args);
    let d: Value = serde_json::from_slice(&place.bytes("d/config.json")).unwrap();
    assert_eq!(d["lr"], 0.001);
}

#[test]
fn json_is_one_event_a_line() {
    let place = Place::new();
    let ended = place.good(&small("run", &["--epochs", "2", "--json"]));
    assert_eq!(ended.err, "");
    let events = ended.json();
    let count = |name: &str| events.iter().filter(|e| e["event"] == name).count();
    assert_eq!(
        (
            count("begin"),
            count("epoch"),
            count("testing"),
            count("test")
        ),
        (1, 2, 1, 1)
    );
    assert_eq!(events[0]["config"]["optimiser"]["momentum"], 0.9);
    let test = events.last().unwrap();
    assert_eq!(test["event"], "test");
    assert_eq!(
        (&test["dataset"], &test["published"]),
        (&Value::from("data"), &Value::Null)
    );
    for args in [
        &["eval", "run", "--data", "data", "--json"][..],
        &["inspect", "run", "--json"],
        &["inspect", "seed-net", "--json"],
        &["inspect", "run/best.safetensors", "--json"],
        &["data", "list", "--json"],
        &[
            "data",
            "verify",
            "--dataset",
            "idx",
            "--data",
            "data",
            "--json",
        ],
        &[
            "data",
            "show",
            "--dataset",
            "idx",
            "--data",
            "data",
            "--json",
        ],
    ] {
        assert_eq!(place.good(args).json().len(), 1, "{args:?}");
    }
}

#[test]
fn eval_repeats_the_figures_of_the_run() {
    let place = Place::new();
    place.good(&small(
        "run",
        &["--epochs", "2", "--mode", "stoch", "--anneal", "linear"],
    ));
    let eval = |flags: &[&str]| {
        let args = [&["eval", "run", "--data", "data", "--json"][..], flags].concat();
        place.good(&args).json().remove(0)
    };
    let (epoch, loss, accuracy) = place.test("run");
    let test = eval(&[]);
    assert_eq!(
        (test["loss"].as_f64(), test["accuracy"].as_f64()),
        (Some(loss), Some(accuracy))
    );
    assert_eq!(
        (test["images"].as_u64(), test["epoch"].as_u64()),
        (Some(TEST as u64), Some(epoch))
    );
    let val = eval(&["--split", "val"]);
    let record = &place.metrics("run")[epoch as usize - 1];
    assert_eq!(
        (&val["loss"], &val["accuracy"]),
        (&record["val_loss"], &record["val_accuracy"])
    );
    assert_eq!(val["images"].as_u64(), Some(TRAIN as u64 / 10));
    // Other readings of the same bits.
    let (mean, threshold) = (eval(&["--samples", "8"]), eval(&["--threshold"]));
    assert_ne!(mean["loss"], test["loss"]);
    assert_ne!(threshold["loss"], test["loss"]);
    assert_eq!(eval(&["--samples", "8"])["loss"], mean["loss"]);
    place.bad(
        &["eval", "run", "--threshold", "--samples", "2"],
        2,
        "--samples",
    );
    place.good(&small("det", &["--epochs", "1"]));
    place.bad(&["eval", "det", "--samples", "2"], 2, "--samples");
    place.bad(&["eval", "det", "--threshold"], 2, "--threshold");
}

#[test]
fn inspect_shows_the_reference_sizes() {
    let place = Place::new();
    let out = place.good(&["inspect", "seed-net"]).out;
    for part in [
        "29,034",
        "313,600",
        "2,524,480",
        "16,28,28",
        "binary unit, deterministic, st",
    ] {
        assert!(out.contains(part), "{part} in\n{out}");
    }
    let json = place
        .good(&["inspect", "seed-net", "--binary", "none", "--json"])
        .json();
    assert_eq!(
        (&json[0]["madds_f32"], &json[0]["madds_bit"]),
        (&Value::from(2_838_080), &Value::from(0))
    );
    assert_eq!(json[0]["params_f32"], 29_034);
    // What it prints of a model is a model.
    std::fs::write(place.path("net.json"), json[0]["model"].to_string()).unwrap();
    let again = place.good(&["inspect", "net.json", "--json"]).json();
    assert_eq!(again[0]["layers"], json[0]["layers"]);
    place.good(&small("run", &["--epochs", "1"]));
    let out = place.good(&["inspect", "run"]).out;
    for part in ["on data", "best epoch", "seed 1", "conv1", "momentum 0.9,"] {
        assert!(out.contains(part), "{part} in\n{out}");
    }
    assert!(
        place
            .good(&["inspect", "run/best.safetensors"])
            .out
            .contains("(16,1,5,5)")
    );
}

#[test]
fn import_makes_a_run_of_weights() {
    let place = Place::new();
    place.good(&small("run", &["--epochs", "1"]));
    let data = ["--dataset", "idx", "--data", "data"];
    let import =
        |flags: &[&'static str]| [&["import", "run/best.safetensors"][..], &data, flags].concat();
    place.good(&import(&["--out", "a"]));
    place.good(&import(&[
        "--out", "b", "--model", "seed-net", "--binary", "both",
    ]));
    let loss = |run: &str| {
        let args = ["eval", run, "--data", "data", "--json"];
        place.good(&args).json()[0]["loss"].clone()
    };
    assert_eq!(loss("a"), loss("run"));
    assert_eq!(loss("b"), loss("run"));
    let line = place.bad(
        &import(&["--out", "c", "--model", "mlp"]),
        1,
        "best.safetensors",
    );
    assert!(
        line.contains("missing: fc1.weight") && line.contains("unexpected: bn1.bias"),
        "{line}"
    );
    assert!(!place.path("c").exists());
    let shown = place.good(&["inspect", "a"]).out;
    assert!(shown.contains("imported weights, slope 1"), "{shown}");
    place.bad(&["eval", "run/checkpoint.safetensors"], 1, "import");
    place.bad(&import(&["--out", "a"]), 1, "a");
    place.bad(
        &["train", "--resume", "--out", "a", "--data", "data"],
        1,
        "imported",
    );
    std::fs::write(
        place.path("cut.safetensors"),
        &place.bytes("run/best.safetensors")[..900],
    )
    .unwrap();
    place.bad(
        &["import", "cut.safetensors", "--model", "mlp"],
        1,
        "cut.safetensors",
    );
}

#[test]
fn data_is_listed_verified_and_shown() {
    let place = Place::new();
    let list = place.good(&["data", "list"]).out;
    assert!(
        list.contains("MNIST") && list.contains("not here") && list.contains("built-in digits")
    );
    let verify = ["data", "verify", "--dataset", "idx", "--data", "data"];
    let out = place.good(&verify).out;
    assert!(
        out.contains("300 to train, 60 to test") && out.contains("12x12"),
        "{out}"
    );
    // Gzip'd, and under the other name.
    std::fs::create_dir(place.path("zip")).unwrap();
    for file in files(&place.path("data")) {
        let bytes = gzip(&place.bytes(&format!("data/{file}")));
        let dotted = file.replacen("-idx", ".idx", 1);
        std::fs::write(place.path(&format!("zip/{dotted}.gz")), bytes).unwrap();
    }
    let json = |data: &str| {
        let args = [
            "data",
            "verify",
            "--dataset",
            "idx",
            "--data",
            data,
            "--json",
        ];
        place.good(&args).json().remove(0)
    };
    assert_eq!(json("zip")["mean"], json("data")["mean"]);
    place.bad(&["data", "verify"], 1, "data/mnist");
    place.bad(&["data", "verify", "--data", "data"], 1, "SHA-256");
    let show = [
        "data",
        "show",
        "--dataset",
        "idx",
        "--data",
        "data",
        "--count",
        "7",
        "--columns",
        "4",
        "--scale",
        "3",
    ];
    place.good(&[&show[..], &["-o", "plain.png"]].concat());
    place.good(&[&show[..], &["-o", "bent.png", "--augment", "elastic"]].concat());
    let size = |name: &str| {
        let decoder = png::Decoder::new(std::io::Cursor::new(place.bytes(name)));
        let reader = decoder.read_info().unwrap();
        (reader.info().width, reader.info().height)
    };
    // Four cells of 36 pixels and five gaps of two; two rows and three gaps.
    assert_eq!(size("plain.png"), (154, 78));
    assert_eq!(size("bent.png"), (154, 78));
    assert_ne!(place.bytes("plain.png"), place.bytes("bent.png"));
    place.bad(&[&show[..], &["--first", "300"]].concat(), 2, "--first");
}

#[test]
fn completions_are_written_for_every_shell() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = place.good(&["completions", shell]).out;
        assert!(
            script.contains("slope-rate") && script.contains("completions"),
            "{shell}"
        );
    }
}

#[test]
fn the_built_in_digits_need_no_file() {
    let place = Place::new();
    let args = [
        "train",
        "--dataset",
        "digits",
        "--model",
        "mlp",
        "--epochs",
        "1",
    ];
    let ended = place.good(&args);
    assert!(
        ended.out.contains("built-in digits (synthetic)"),
        "{}",
        ended.out
    );
    assert!(ended.out.contains("no figure"), "{}", ended.out);
    let (_, _, accuracy) = place.test("runs/mlp-both-det-st-1");
    assert!(accuracy > 0.9, "{accuracy}");
}

/// A complete run of the reference protocol, as its files describe it.
#[test]
fn published_figures_stand_beside_the_reference_protocol_on_mnist_only() {
    let place = Place::new();
    let mut model = place.good(&["inspect", "seed-net", "--json"]).json()[0]["model"].clone();
    model["pixels"] = serde_json::json!({"mean": 0.1307, "std": 0.3081});
    place.good(&small("run", &["--epochs", "1"]));
    let sha256 = bnn_cpu::data::mnist::FINGERPRINT;
    place.rewrite("run/config.json", |config| {
        config["model"] = model.clone();
        config["dataset"] = serde_json::json!({
            "name": "MNIST", "sha256": sha256, "train": 60_000, "test": 10_000, "classes": 10,
        });
        config["batch"] = 64.into();
        config["lr"] = 0.1.into();
    });
    place.rewrite("run/test.json", |test| {
        test["dataset"] = "MNIST".into();
        test["data_sha256"] = sha256.into();
        test["images"] = 10_000.into();
    });
    // Weights of the network that the run is now said to have.
    std::fs::remove_file(place.path("run/best.safetensors")).unwrap();
    let show = |epochs: usize, flags: &[&str]| {
        place.rewrite("run/config.json", |config| config["epochs"] = epochs.into());
        place.good(&[&["train", "--resume", "--out", "run"], flags].concat())
    };
    let out = show(10, &[]).out;
    for part in [
        "ours",
        "published",
        "97.57 %",
        "0.0745",
        "\"deterministic, both, ST\"",
    ] {
        assert!(out.contains(part), "{part} in\n{out}");
    }
    let published = show(10, &["--json"]).json()[0]["published"].clone();
    assert_eq!(published["row"], "deterministic, both, ST");
    assert_eq!(published["no_gradient"], false);
    let out = show(11, &[]).out;
    assert!(out.contains("no figure") && !out.contains("97.57"), "{out}");
}
