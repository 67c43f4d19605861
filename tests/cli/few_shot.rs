//! Few-shot runs from outside, on pictures of strokes that are made here: they are no script
//! of this world.

use std::path::Path;

use bnn_cpu::data::testing_set::alphabets;

use crate::common::{Ended, Place};

/// A binary embedding of a small encoder.
const NET: &str = r#"{"name": "small", "input": {"channels": 1, "height": 28, "width": 28},
    "layers": [
    {"type": "conv", "name": "conv1", "out": 8, "kernel": 3, "padding": 1},
    {"type": "batch_norm", "name": "bn1"},
    {"type": "max_pool", "kernel": 4},
    {"type": "activation", "function": "relu"},
    {"type": "conv", "name": "conv2", "out": 16, "kernel": 3, "padding": 1},
    {"type": "max_pool", "kernel": 3},
    {"type": "batch_norm", "name": "bn2"},
    {"type": "binary", "mode": "det"},
    {"type": "flatten"},
    {"type": "few_shot"}]}"#;

const TRAIN: [&str; 30] = [
    "train",
    "--task",
    "few-shot",
    "--data",
    "set",
    "--model",
    "net.json",
    "--way",
    "3",
    "--queries",
    "4",
    "--train-way",
    "4",
    "--train-queries",
    "3",
    "--scale",
    "0.1",
    "--episodes",
    "60",
    "--eval-episodes",
    "50",
    "--test-alphabets",
    "2",
    "--val-alphabets",
    "1",
    "--epochs",
    "6",
    "--rotations",
    "--out",
    "run",
];

fn write(path: &Path, pixels: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = std::fs::File::create(path).unwrap();
    let mut encoder = png::Encoder::new(file, 28, 28);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(pixels).unwrap();
}

/// Seven alphabets of five characters as pictures in `set`, and five characters of an eighth:
/// a picture of each in `letters`, two further ones in `queries`.
fn place() -> Place {
    let place = Place::new();
    std::fs::write(place.path("net.json"), NET).unwrap();
    let data = alphabets(8, 5, 10);
    let mut counts = vec![0; data.classes];
    let splits = [&data.train, &data.test];
    for (split, i) in splits
        .iter()
        .flat_map(|s| (0..s.len()).map(move |i| (s, i)))
    {
        let class = split.label(i) as usize;
        let number = counts[class];
        counts[class] += 1;
        let name = &data.class_names[class];
        let path = match (name.split_once('/').unwrap(), number) {
            (("alphabet07", character), 0) => format!("letters/{character}/0.png"),
            (("alphabet07", character), 1 | 2) => format!("queries/{character}-{number}.png"),
            (("alphabet07", _), _) => continue,
            _ => format!("set/{name}/{number}.png"),
        };
        write(&place.path(&path), split.image(i));
    }
    place
}

/// Runs what is refused once the data are read: the last line on the standard error says so,
/// behind what was said of the data.
fn refused(place: &Place, args: &[&str], code: i32, mention: &str) {
    let ended = place.run(args);
    assert_eq!(ended.code, Some(code), "{args:?}: {}", ended.err);
    let last = ended.err.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("error: ") && last.contains(mention),
        "{args:?}: {}",
        ended.err
    );
    assert!(ended.out.is_empty(), "{args:?}: {}", ended.out);
}

fn event(ended: &Ended, name: &str) -> serde_json::Value {
    let found = ended.json().into_iter().find(|v| v["event"] == name);
    found.unwrap_or_else(|| panic!("no {name}: {}", ended.out))
}

#[test]
fn a_few_shot_run_is_trained_evaluated_packed_and_taught() {
    let place = place();
    let ended = place.good(&TRAIN);
    assert!(!ended.err.contains("held out to test on"), "{}", ended.err);
    for what in [
        "learns from 4 alphabets with all their images; validated on alphabet0",
        "episodes, 3-way 1-shot, 4 queries a class",
        "2 alphabets, 10 characters: alphabet0",
    ] {
        assert!(
            format!("{}{}", ended.err, ended.out).contains(what),
            "{what}: {}{}",
            ended.err,
            ended.out
        );
    }
    // An evaluation repeats the test and the validation to the bit.
    let test: serde_json::Value = serde_json::from_slice(&place.bytes("run/test.json")).unwrap();
    let eval = event(&place.good(&["eval", "run", "--json"]), "eval");
    for field in ["loss", "accuracy", "images", "few_shot"] {
        assert_eq!(eval[field], test[field], "{field}");
    }
    let epoch = test["epoch"].as_u64().unwrap() as usize;
    let lines = String::from_utf8(place.bytes("run/metrics.jsonl")).unwrap();
    let line: serde_json::Value =
        serde_json::from_str(lines.lines().nth(epoch - 1).unwrap()).unwrap();
    let eval = event(
        &place.good(&["eval", "run", "--split", "val", "--json"]),
        "eval",
    );
    assert_eq!(eval["loss"], line["val_loss"]);
    // It is inspected, verified and packed.
    let inspected = place.good(&["inspect", "run"]);
    for what in [
        "few-shot head, matching, squared",
        "1 and 2 alphabets to validate and to test, on 50 episodes each, 3-way 1-shot, ",
        "60 an epoch, 4-way 1-shot, 3 queries a class, turned ",
        "episodes, 3-way 1-shot, 4 queries a class",
        "2 alphabets, 10 characters: alphabet0",
    ] {
        assert!(inspected.out.contains(what), "{what}: {}", inspected.out);
    }
    assert!(!inspected.out.contains("to train, "), "{}", inspected.out);
    place.good(&["verify", "run"]);
    place.good(&["pack", "run", "-o", "net.packed"]);
    // It answers by a picture of each class, from the folder and from what was saved of it.
    let taught = [
        "infer",
        "--model",
        "net.packed",
        "--support",
        "letters",
        "--save-support",
        "letters.support",
        "queries",
        "--json",
    ];
    let ended = place.good(&taught);
    let saved = event(&ended, "support");
    assert_eq!(
        (&saved["classes"], &saved["bits"], &saved["width"]),
        (&5.into(), &true.into(), &64.into())
    );
    let answers = |ended: &Ended| -> Vec<(String, String)> {
        let all = ended.json().into_iter().filter(|v| v["event"] == "infer");
        let text = |v: &serde_json::Value| v.as_str().unwrap().to_string();
        all.map(|v| (text(&v["image"]), text(&v["name"]))).collect()
    };
    let first = answers(&ended);
    assert_eq!(first.len(), 10);
    let right = first
        .iter()
        .filter(|(image, name)| image.contains(name.as_str()))
        .count();
    assert!(
        right >= 6,
        "{right} of 10 right, where chance is two: {first:?}"
    );
    let again = [
        "infer",
        "--model",
        "run",
        "--packed",
        "--support",
        "letters.support",
        "queries",
        "--json",
    ];
    assert_eq!(answers(&place.good(&again)), first);
    let table = place.good(&[
        "infer",
        "--model",
        "net.packed",
        "--support",
        "letters",
        "queries",
    ]);
    assert!(table.out.contains("character0"), "{}", table.out);
    let csv = place.good(&[
        "infer",
        "--model",
        "net.packed",
        "--support",
        "letters",
        "--csv",
        "queries",
    ]);
    assert_eq!(csv.out.lines().count(), 11, "{}", csv.out);
    #[cfg(all(unix, feature = "serve"))]
    is_served(&place);
    refusals(&place);
}

/// A run and its packed file are served by a page of their own.
#[cfg(all(unix, feature = "serve"))]
fn is_served(place: &Place) {
    for (source, float) in [("run", true), ("net.packed", false)] {
        let server = crate::serve::serve(place, &[source, "--quiet"]);
        let (status, page) = server.ask("GET /", "");
        assert_eq!(status, "200");
        assert!(page.contains("Teach five characters"));
        let about = server.json("GET /network", "");
        assert_eq!(
            (&about["source"], &about["float"]),
            (&source.into(), &float.into())
        );
        assert_eq!(about["embedding"], 64);
        let drawing = crate::serve::stroke();
        let ask = |support: &str| {
            let question = format!("{{\"drawing\":{drawing},\"support\":[{support}]}}");
            server.json("POST /compare", &question)
        };
        let first = ask("");
        assert_eq!(first["bits"], true);
        let embedding = first["embedding"].to_string();
        let answer = ask(&format!("{embedding},{embedding}"));
        assert_eq!(answer["packed"]["distances"], serde_json::json!([0.0, 0.0]));
        assert_eq!(answer["float"].is_null(), !float);
        let (status, why) = server.ask("POST /compare", "{}");
        assert_eq!((&*status, why.lines().count()), ("400", 1), "{why}");
        assert_eq!(server.ask("POST /read", &drawing).0, "404");
        assert_eq!(server.end("-TERM"), (Some(0), String::new()));
    }
}

/// What such a run cannot do, it says by name.
fn refusals(place: &Place) {
    let resumed = ["train", "--resume", "--out", "run", "--way", "4"];
    place.bad(
        &resumed,
        2,
        "--way 4 contradicts the run in run, which has 3",
    );
    for command in [
        &["infer", "--model", "run"][..],
        &[
            "infer",
            "--model",
            "net.packed",
            "letters/character00/0.png",
        ],
    ] {
        place.bad(command, 2, "has no classes of its own; teach it some");
    }
    for command in [
        &["plot", "confusion", "run"][..],
        &["plot", "mistakes", "run"],
        &["report", "run", "--out", "r.html"],
        &["lab", "run", "--out", "lab"],
    ] {
        refused(
            place,
            command,
            1,
            "has a few-shot head and no classes of its own",
        );
    }
    let support = ["infer", "--model", "net.packed", "--support"];
    let with = |more: &[&'static str]| [&support[..], more].concat();
    place.bad(&with(&["queries", "x.png"]), 1, "queries");
    place.bad(&with(&["letters"]), 2, "name the pictures to classify");
    place.bad(
        &with(&["letters", "nothing.png"]),
        1,
        "no such file or folder",
    );
    place.bad(
        &["infer", "--model", "run", "--support", "letters", "queries"],
        2,
        "add --packed",
    );
    std::fs::create_dir_all(place.path("one")).unwrap();
    std::fs::rename(
        place.path("letters/character00"),
        place.path("one/character00"),
    )
    .unwrap();
    place.bad(&with(&["one", "queries"]), 1, "pictures of one class alone");
    // A support set of another network.
    let mut other = TRAIN.to_vec();
    other.extend(["--seed", "2", "--force", "--quiet"]);
    place.good(&other);
    place.bad(
        &[
            "infer",
            "--model",
            "run",
            "--packed",
            "--support",
            "letters.support",
            "queries",
        ],
        1,
        "was taught to another network than run",
    );
    // A classifier takes no support set.
    place.good(
        &crate::common::SMALL
            .iter()
            .copied()
            .chain(["--model", "mlp", "--epochs", "1", "--out", "mlp"])
            .collect::<Vec<_>>(),
    );
    place.bad(
        &[
            "infer",
            "--model",
            "mlp",
            "--packed",
            "--support",
            "letters",
            "queries",
        ],
        2,
        "has no effect on mlp, which has classes of its own",
    );
}

#[test]
fn what_makes_no_episode_is_one_line_that_names_the_flag() {
    let place = place();
    let with = |more: &[&'static str]| -> Vec<&'static str> { [&TRAIN[..], more].concat() };
    let without: Vec<&str> = TRAIN
        .iter()
        .copied()
        .filter(|w| !["--task", "few-shot"].contains(w))
        .collect();
    refused(
        &place,
        &without,
        2,
        "has no effect with classify; it is a setting of few-shot",
    );
    refused(
        &place,
        &[
            "train",
            "--model",
            "few-shot-encoder",
            "--dataset",
            "digits",
        ],
        1,
        "--task: few-shot-encoder ends in a few-shot head",
    );
    refused(
        &place,
        &["train", "--task", "few-shot", "--dataset", "digits"],
        1,
        "each of which counts as an alphabet",
    );
    let mut many = with(&[]);
    many[8] = "11";
    refused(
        &place,
        &many,
        1,
        "--way: 11 classes are more than the 5 of the validation part",
    );
    let mut many = with(&[]);
    many[10] = "10";
    refused(
        &place,
        &many,
        1,
        "--queries: 10 and a shot of 1 need 11 pictures of a character",
    );
    refused(
        &place,
        &with(&["--batch", "17"]),
        1,
        "--batch: 17 images are no whole episodes of 16",
    );
    refused(
        &place,
        &with(&["--split-by", "alphabet"]),
        1,
        "split-by has no effect on few-shot runs",
    );
    refused(
        &place,
        &with(&["--val-fraction", "0.2"]),
        1,
        "--val-fraction: has no effect on few-shot runs",
    );
    refused(
        &place,
        &["train", "--task", "few-shot", "--model", "mlp"],
        1,
        "does not end in the head of the task",
    );
    assert!(!place.path("run").exists());
}
