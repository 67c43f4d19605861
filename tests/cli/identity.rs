//! Nothing is taken for something else: data by their content, files by their digest,
//! runs by their id.

use serde_json::Value;

use crate::common::{Place, SMALL, TABLE, files};

fn small<'a>(out: &'a str, flags: &[&'a str]) -> Vec<&'a str> {
    let mut args = SMALL.to_vec();
    args.extend(["--quiet", "--out", out]);
    args.extend(flags);
    args
}

/// A place with a finished run in `run`, a checkpoint of an epoch before its end in
/// `open`, and two other sets: as many images with one pixel changed in `pixel`, and the
/// same images with the labels of two classes exchanged in `labels`.
fn place() -> Place {
    let place = Place::new();
    place.good(&small("run", &["--epochs", "2", "--model", "mlp"]));
    for other in ["pixel", "labels"] {
        place.write_data(other);
    }
    let file = place.path("pixel/train-images-idx3-ubyte");
    let mut images = std::fs::read(&file).unwrap();
    images[16 + 777] ^= 1;
    std::fs::write(file, images).unwrap();
    for part in ["train", "t10k"] {
        let file = place.path(&format!("labels/{part}-labels-idx1-ubyte"));
        let mut labels = std::fs::read(&file).unwrap();
        for label in &mut labels[8..] {
            *label = [1, 0, 2][usize::from(*label)];
        }
        std::fs::write(file, labels).unwrap();
    }
    place
}

fn json(place: &Place, file: &str) -> Value {
    serde_json::from_slice(&place.bytes(file)).unwrap()
}

#[test]
fn the_hash_of_the_data_stands_in_every_record() {
    let place = place();
    let sha256 = json(&place, "run/config.json")["dataset"]["sha256"].clone();
    assert_eq!(sha256.as_str().unwrap().len(), 64);
    assert_eq!(json(&place, "run/test.json")["data_sha256"], sha256);
    place.good(&TABLE);
    let cells = files(&place.path("results/cells/mlp-data-1-epochs"));
    let cell = json(
        &place,
        &format!("results/cells/mlp-data-1-epochs/{}", cells[0]),
    );
    assert_eq!(cell["config"]["dataset"]["sha256"], sha256);
    assert_eq!(cell["test"]["data_sha256"], sha256);
    // A run notes where its data lay; a cell, which is published, does not.
    let source = |record: &serde_json::Value| record["config"]["dataset"]["source"].clone();
    let run = json(&place, "run/config.json");
    assert!(run["dataset"]["source"]["place"].is_string(), "{run}");
    assert!(source(&cell).is_null(), "{cell}");
    assert!(cell["run_id"].as_str().unwrap().len() == 32);
    place.good(&[
        "lab",
        "--binary",
        "last",
        "--model",
        "mlp",
        "--images",
        "8",
        "--draws",
        "10",
        "--reference-draws",
        "20",
        "--warm-up",
        "2",
        "--estimators",
        "st",
        "--dataset",
        "idx",
        "--data",
        "data",
        "--quiet",
    ]);
    assert_eq!(json(&place, "lab/lab.json")["data_sha256"], sha256);
}

#[test]
fn other_data_are_refused_by_every_command_in_a_line_that_says_which() {
    let place = place();
    place.good(&small("open", &["--epochs", "2"]));
    std::fs::remove_file(place.path("open/test.json")).unwrap();
    std::fs::remove_file(place.path("open/metrics.jsonl")).unwrap();
    let commands: [&[&str]; 8] = [
        &["eval", "run"],
        &["infer", "--model", "run"],
        &["confusion", "run"],
        &["mistakes", "run"],
        &["heatmap", "open"],
        &["lab", "open", "--draws", "10"],
        &["report", "run"],
        &["train", "--resume", "--out", "open"],
    ];
    for other in ["pixel", "labels"] {
        for command in commands {
            let args = [command, &["--data", other]].concat();
            let line = place.bad(&args, 1, "other data");
            // Which differs: both names, and both digests.
            assert!(
                line.matches("sha256").count() == 2 && line.contains(other),
                "{line}"
            );
        }
    }
    for command in commands {
        let kept = if command[0] == "lab" {
            continue;
        } else {
            [command, &["--data", "data"]].concat()
        };
        place.good(&kept);
    }
}

#[test]
fn other_data_on_purpose_are_named_in_the_output() {
    let place = place();
    for command in [
        "eval run",
        "infer --model run",
        "confusion run",
        "mistakes run",
    ] {
        let mut args: Vec<&str> = command.split(' ').collect();
        args.extend(["--data", "labels", "--other-data"]);
        let ended = place.good(&args);
        assert!(
            ended.err.contains("other data than the run's"),
            "{}",
            ended.err
        );
    }
    let ended = place.good(&["eval", "run", "--data", "labels", "--other-data"]);
    assert!(
        ended.out.contains("labels (not the run's data)"),
        "{}",
        ended.out
    );
    let args = ["eval", "run", "--data", "labels", "--other-data", "--json"];
    let event = place.good(&args).json().remove(1);
    assert_eq!(event["dataset"], "labels (not the run's data)");
    // The run's own data by another name are no other data.
    std::fs::rename(place.path("data"), place.path("moved")).unwrap();
    let ended = place.good(&["eval", "run", "--data", "moved", "--other-data"]);
    assert!(!ended.err.contains("other data"), "{}", ended.err);
}

#[test]
fn a_packed_file_and_weights_alone_know_their_data_as_well() {
    let place = Place::new();
    let net = ["--model", "xnor-net", "--epochs", "1"];
    place.good(&small("run", &net));
    place.good(&["pack", "run", "-o", "net.packed"]);
    std::fs::copy(
        place.path("run/best.safetensors"),
        place.path("w.safetensors"),
    )
    .unwrap();
    place.write_data("other");
    let file = place.path("other/t10k-labels-idx1-ubyte");
    let mut labels = std::fs::read(&file).unwrap();
    labels[8] = (labels[8] + 1) % 3;
    std::fs::write(file, labels).unwrap();
    for model in ["net.packed", "w.safetensors"] {
        let infer = |data| {
            [
                "infer",
                "--model",
                model,
                "--dataset",
                "idx",
                "--data",
                data,
            ]
        };
        place.good(&infer("data"));
        let line = place.bad(&infer("other"), 1, "was trained on other data");
        assert!(line.contains("--other-data"), "{line}");
        place.good(&[&infer("other")[..], &["--other-data"]].concat());
    }
}

#[test]
fn a_table_of_one_set_is_not_printed_for_another() {
    let place = place();
    place.good(&TABLE);
    // Another set under the same name, with the same images and other labels.
    std::fs::rename(place.path("data"), place.path("before")).unwrap();
    std::fs::rename(place.path("labels"), place.path("data")).unwrap();
    let line = place.bad(&TABLE, 1, "other data");
    assert!(line.contains("is not data (sha256"), "{line}");
}

#[test]
fn a_folder_called_mnist_does_not_make_its_images_mnist() {
    let place = Place::new();
    place.write_data("MNIST");
    let args = [
        "train",
        "--dataset",
        "idx",
        "--data",
        "MNIST",
        "--epochs",
        "1",
        "--model",
        "mlp",
        "--batch",
        "16",
        "--out",
        "run",
    ];
    let ended = place.good(&args);
    assert!(ended.out.contains("MNIST (other data)"), "{}", ended.out);
    assert!(
        ended.out.contains("no figure for this data set"),
        "{}",
        ended.out
    );
}

#[test]
fn a_flipped_bit_in_any_file_of_a_run_is_one_line() {
    let place = place();
    place
        .good(&["pack", "run", "-o", "run/extra.packed"])
        .code
        .unwrap();
    // Every byte of the small files, every so many of the large ones; the bit changes from
    // byte to byte. `tests/seals.rs` takes every bit of small files.
    for (name, reader) in [
        ("config.json", vec!["eval", "run", "--data", "data"]),
        ("test.json", vec!["inspect", "run"]),
        ("metrics.jsonl", vec!["inspect", "run"]),
        ("best.safetensors", vec!["eval", "run", "--data", "data"]),
        ("checkpoint.safetensors", vec!["verify", "run"]),
    ] {
        let file = place.path(&format!("run/{name}"));
        let whole = std::fs::read(&file).unwrap();
        let step = (whole.len() / 40).max(1);
        for at in (0..whole.len()).step_by(step) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at / step % 8);
            std::fs::write(&file, &bytes).unwrap();
            let ended = place.run(&reader);
            assert_eq!(ended.code, Some(1), "{name}, byte {at}: {}", ended.out);
            assert_eq!(
                ended.err.lines().count(),
                1,
                "{name}, byte {at}: {}",
                ended.err
            );
        }
        std::fs::write(&file, whole).unwrap();
    }
    place.good(&["verify", "run"]);
}

#[test]
fn files_of_two_runs_are_not_mixed() {
    let place = place();
    // The same configuration: only the id tells the two apart.
    place.good(&small("twin", &["--epochs", "2", "--model", "mlp"]));
    for name in [
        "best.safetensors",
        "test.json",
        "metrics.jsonl",
        "checkpoint.safetensors",
    ] {
        let own = place.bytes(&format!("run/{name}"));
        let file = place.path(&format!("run/{name}"));
        std::fs::copy(place.path(&format!("twin/{name}")), &file).unwrap();
        let ended = place.run(&["verify", "run"]);
        assert_eq!(ended.code, Some(1), "{name}: {}", ended.out);
        assert!(
            ended.out.contains("is of another run"),
            "{name}: {}",
            ended.out
        );
        std::fs::write(&file, own).unwrap();
    }
    // What two runs of one configuration computed is the same.
    place.assert_same_run("run", "twin");
}

#[test]
fn a_run_without_its_configuration_is_not_begun_over() {
    let place = place();
    let config = place.bytes("run/config.json");
    std::fs::remove_file(place.path("run/config.json")).unwrap();
    let other = small("run", &["--epochs", "5", "--seed", "7"]);
    let line = place.bad(&other, 1, "config.json is gone");
    assert!(line.contains("--force"), "{line}");
    place.bad(&["train", "--resume", "--out", "run"], 1, "config.json");
    std::fs::write(place.path("run/config.json"), config).unwrap();
    place.good(&["eval", "run", "--data", "data"]);
    std::fs::remove_file(place.path("run/config.json")).unwrap();
    place.good(&small("run", &["--epochs", "1", "--seed", "7", "--force"]));
    place.good(&["verify", "run"]);
}

#[test]
fn verify_looks_at_whatever_it_is_given() {
    let place = place();
    place.good(&["pack", "run", "-o", "net.packed"]);
    let sound = place.good(&["verify", "run", "net.packed", "data/t10k-images-idx3-ubyte"]);
    assert!(
        sound.out.lines().all(|line| line.starts_with("sound ")),
        "{}",
        sound.out
    );
    assert!(sound.out.lines().count() >= 8, "{}", sound.out);
    let counted = format!("none of {} files is damaged", sound.out.lines().count());
    assert!(sound.err.contains(&counted), "{}", sound.err);
    let events = place.good(&["verify", "run", "--json"]).json();
    assert!(events.iter().all(|event| event["sound"] == true));
    std::fs::write(place.path("nothing"), "what is this").unwrap();
    std::fs::write(place.path("cut"), &place.bytes("net.packed")[..500]).unwrap();
    for (path, said) in [
        ("nothing", "is nothing that this program"),
        ("cut", "cut short"),
    ] {
        let ended = place.run(&["verify", "run", path]);
        assert_eq!(ended.code, Some(1));
        assert!(ended.out.contains("DAMAGED"), "{}", ended.out);
        assert!(ended.out.contains(said), "{}", ended.out);
        assert!(ended.err.contains("1 of "), "{}", ended.err);
    }
    place.bad(&["verify", "absent"], 1, "absent");
    // Records and tables below a folder.
    place.good(&TABLE);
    place.good(&["verify", "results", "runs"]);
    let metrics = place.path("run/metrics.csv");
    let csv = std::fs::read_to_string(&metrics).unwrap();
    std::fs::write(&metrics, csv.replacen("0.", "1.", 1)).unwrap();
    let ended = place.run(&["verify", "run"]);
    assert!(
        ended.out.contains("differs from metrics.jsonl"),
        "{}",
        ended.out
    );
}

/// Takes the seals off a run's files, as an earlier version would have written them.
fn unseal(place: &Place, run: &str) {
    for name in ["config.json", "test.json"] {
        let file = place.path(&format!("{run}/{name}"));
        let mut value: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let object = value.as_object_mut().unwrap();
        for key in ["sha256", "format", "run_id", "config_sha256", "data_sha256"] {
            object.remove(key);
        }
        if let Some(data) = object.get_mut("dataset").and_then(Value::as_object_mut) {
            data.remove("sha256");
            data.remove("background");
        }
        std::fs::write(&file, value.to_string()).unwrap();
    }
    let file = place.path(&format!("{run}/metrics.jsonl"));
    let lines = std::fs::read_to_string(&file).unwrap();
    let lines = lines.lines().map(|line| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        let object = value.as_object_mut().unwrap();
        for key in ["sha256", "run_id", "config_sha256"] {
            object.remove(key);
        }
        value.to_string() + "\n"
    });
    let text: String = lines.collect();
    std::fs::write(&file, text).unwrap();
    for name in ["best.safetensors", "checkpoint.safetensors"] {
        let file = place.path(&format!("{run}/{name}"));
        let bytes = std::fs::read(&file).unwrap();
        let length = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
        let mut header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
        let metadata = header["__metadata__"].as_object_mut().unwrap();
        metadata.remove("bnn-cpu-sha256");
        let mut about: Value = serde_json::from_str(metadata["bnn-cpu"].as_str().unwrap()).unwrap();
        let object = about.as_object_mut().unwrap();
        for key in ["run_id", "config_sha256", "data_sha256", "background"] {
            object.remove(key);
        }
        object.insert("format".into(), 1.into());
        metadata.insert("bnn-cpu".into(), about.to_string().into());
        let mut header = header.to_string();
        while !header.len().is_multiple_of(8) {
            header.push(' ');
        }
        let length = (header.len() as u64).to_le_bytes();
        let file_bytes = [
            &length[..],
            header.as_bytes(),
            &bytes[8 + length_of(&bytes)..],
        ]
        .concat();
        std::fs::write(&file, file_bytes).unwrap();
    }
}

fn length_of(bytes: &[u8]) -> usize {
    u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize
}

#[test]
fn a_run_from_before_seals_is_read_with_one_warning_and_sealed_after_a_look() {
    let place = place();
    std::fs::create_dir(place.path("old")).unwrap();
    for name in files(&place.path("run")) {
        std::fs::copy(
            place.path(&format!("run/{name}")),
            place.path(&format!("old/{name}")),
        )
        .unwrap();
    }
    unseal(&place, "old");
    let ended = place.good(&["eval", "old", "--data", "data"]);
    assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    assert!(
        ended.err.contains("before files had seals"),
        "{}",
        ended.err
    );
    let ended = place.good(&["inspect", "old"]);
    assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    // It is looked at: a run whose files contradict each other gets no seal.
    let test = place.bytes("old/test.json");
    let mut wrong: Value = serde_json::from_slice(&test).unwrap();
    wrong["images"] = 61.into();
    std::fs::write(place.path("old/test.json"), wrong.to_string()).unwrap();
    let ended = place.run(&["verify", "--seal", "old", "--data", "data"]);
    assert_eq!(ended.code, Some(1), "{}", ended.out);
    std::fs::write(place.path("old/test.json"), test).unwrap();
    let ended = place.good(&["verify", "--seal", "old", "--data", "data"]);
    assert!(ended.out.starts_with("sealed   old"), "{}", ended.out);
    let ended = place.good(&["eval", "old", "--data", "data"]);
    assert_eq!(ended.err, "");
    place.assert_same_run("run", "old");
    let again = place.good(&["verify", "--seal", "old"]);
    assert!(!again.out.contains("sealed   "), "{}", again.out);
    // The fingerprint was in the checkpoint.
    let config = json(&place, "old/config.json");
    assert_eq!(
        config["dataset"]["sha256"],
        json(&place, "run/config.json")["dataset"]["sha256"]
    );
    assert_eq!(config["dataset"].get("sha256_inferred"), None);
}

#[test]
fn a_sealed_file_beside_an_unsealed_configuration_is_refused() {
    let place = place();
    place.good(&small("other", &["--epochs", "2", "--model", "mlp"]));
    unseal(&place, "other");
    std::fs::copy(
        place.path("run/best.safetensors"),
        place.path("other/best.safetensors"),
    )
    .unwrap();
    let ended = place.run(&["eval", "other", "--data", "data"]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended
            .err
            .contains("has a seal, but the config.json beside it has none"),
        "{}",
        ended.err
    );
}

#[cfg(unix)]
#[test]
fn a_pipe_in_a_run_is_refused_and_not_waited_for() {
    let place = place();
    for name in [
        "best.safetensors",
        "test.json",
        "metrics.jsonl",
        "config.json",
    ] {
        let file = place.path(&format!("run/{name}"));
        let whole = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&file).status();
        assert!(made.unwrap().success());
        let line = place.bad(&["inspect", "run"], 1, name);
        assert!(line.contains("not a regular file"), "{line}");
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, whole).unwrap();
    }
    // Of a probability function that leads nowhere nobody can say what it stands for.
    let file = place.path("run/test.json");
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("nowhere", &file).unwrap();
    place.bad(
        &["train", "--resume", "--out", "run", "--data", "data"],
        1,
        "test.json",
    );
}

#[test]
fn the_built_in_digits_are_called_so_by_every_command() {
    let place = Place::new();
    let train = [
        "train",
        "--dataset",
        "digits",
        "--model",
        "mlp",
        "--epochs",
        "1",
        "--val-fraction",
        "0.98",
        "--quiet",
        "--out",
        "run",
    ];
    let name = "built-in digits (synthetic)";
    assert!(place.good(&train).out.contains(name));
    for args in [&["eval", "run"][..], &["infer", "--model", "run"]] {
        let event = place.good(&[args, &["--json"]].concat()).json().remove(0);
        assert_eq!(event["dataset"], name);
    }
}

#[cfg(unix)]
#[test]
fn a_run_on_mnist_finds_its_folder_again() {
    let Some(folder) = std::env::var_os("BNN_CPU_DATA").filter(|v| !v.is_empty()) else {
        eprintln!("left out: needs MNIST in $BNN_CPU_DATA");
        return;
    };
    let place = Place::new();
    std::os::unix::fs::symlink(&folder, place.path("mnist")).unwrap();
    let train = "train --data mnist --model mlp --epochs 1 --batch 512 --out run";
    place.good(&train.split(' ').collect::<Vec<_>>());
    let without = |args: &[&str]| {
        let mut command = place.command(args);
        command.env("BNN_CPU_MIRROR", "http://127.0.0.1:9/");
        crate::common::ended(command.output().unwrap())
    };
    let ended = without(&["eval", "run"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("MNIST"), "{}", ended.out);
}
