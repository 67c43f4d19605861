//! `infer`: images in, answers out, in floats and in bits.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::common::{Ended, Place, SIDE, SMALL, TEST, ended, idx};

/// A place with a finished run in `runs/net`; its weights and units are binary.
fn place_with_a_run(more: &[&str]) -> Place {
    let place = Place::new();
    let train = ["--model", "mlp", "--epochs", "2", "--out", "runs/net"];
    place.good(&[&SMALL[..], &train, more].concat());
    place
}

fn binary() -> Place {
    place_with_a_run(&["--weights", "binary"])
}

fn png(width: u32, height: u32, grey: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(grey).unwrap();
    writer.finish().unwrap();
    bytes
}

fn with_stdin(place: &Place, args: &[&str], input: &[u8]) -> Ended {
    let mut command = place.command(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    // A program that refuses early closes its end.
    let _ = child.stdin.take().unwrap().write_all(input);
    ended(child.wait_with_output().unwrap())
}

/// The columns image, class and margin of a CSV.
fn columns(csv: &str) -> Vec<Vec<String>> {
    let lines = csv.lines().skip(1);
    let cells = |line: &str| line.split(',').skip(1).map(String::from).collect();
    lines.map(cells).collect()
}

const TEST_IMAGES: &str = "data/t10k-images-idx3-ubyte";

#[test]
fn the_test_set_has_accuracy_and_speed_in_both_forms() {
    let place = binary();
    let base = ["infer", "--data", "data", "--json"];
    // Without --model: the newest run.
    let float = place.good(&base).json()[0].clone();
    let eval = place.good(&["eval", "runs/net", "--data", "data", "--json"]);
    let eval = eval.json()[0].clone();
    assert_eq!(float["accuracy"], eval["accuracy"]);
    let losses = [&float, &eval].map(|v| v["loss"].as_f64().unwrap());
    assert!((losses[0] - losses[1]).abs() < 1e-5, "{losses:?}");
    let packed = place.good(&[&base[..], &["--packed", "--threads", "2"]].concat());
    let packed = packed.json()[0].clone();
    for (found, form) in [(&float, false), (&packed, true)] {
        assert_eq!(found["packed"], form);
        assert_eq!(found["images"], TEST);
        assert_eq!(
            (&found["accuracy"], &found["loss"]),
            (&float["accuracy"], &float["loss"])
        );
        assert!(found["img_per_s"].as_f64().unwrap() > 0.0);
        let of = |p: &str| found["latency"][p].as_f64().unwrap();
        assert!(0.0 < of("p50_us") && of("p50_us") <= of("p90_us") && of("p90_us") <= of("p99_us"));
    }
    let text = place.good(&["infer", "--data", "data", "--packed"]).out;
    assert!(
        text.contains("packed") && text.contains("img/s") && text.contains("us median"),
        "{text}"
    );
}

#[test]
fn both_forms_give_the_same_answers_for_every_kind_of_input() {
    let place = binary();
    let float = place.good(&["infer", "--csv", TEST_IMAGES]).out;
    assert!(
        float.starts_with("image,class,margin,p0,p1,p2\n"),
        "{float}"
    );
    let of_idx = columns(&float);
    assert_eq!(of_idx.len(), TEST);
    let packed = place.good(&["infer", "--packed", "--csv", TEST_IMAGES]).out;
    assert_eq!(packed, float);

    // The same images as pictures of the network's size, in a folder and one by one.
    let images = place.bytes(TEST_IMAGES);
    let size = SIDE * SIDE;
    std::fs::create_dir(place.path("scans")).unwrap();
    for (i, image) in images[16..].chunks_exact(size).enumerate() {
        let name = place.path(&format!("scans/{i:03}.png"));
        std::fs::write(name, png(SIDE as u32, SIDE as u32, image)).unwrap();
    }
    std::fs::write(place.path("scans/notes.txt"), "no picture").unwrap();
    let folder = place
        .good(&["infer", "--csv", "--invert", "no", "scans"])
        .out;
    assert_eq!(columns(&folder), of_idx);
    let two = [
        "infer",
        "--packed",
        "--csv",
        "--invert",
        "no",
        "scans/007.png",
        "scans/009.png",
    ];
    assert_eq!(
        columns(&place.good(&two).out),
        [of_idx[7].clone(), of_idx[9].clone()]
    );

    let one = std::fs::read(place.path("scans/007.png")).unwrap();
    let stdin = with_stdin(&place, &["infer", "--csv", "--invert", "no", "-"], &one);
    assert_eq!(columns(&stdin.out), [of_idx[7].clone()]);
    assert!(stdin.out.contains("\nstandard input,"), "{}", stdin.out);

    let json = place
        .good(&["infer", "--json", "--invert", "no", "scans/007.png"])
        .json();
    assert_eq!(json[0]["class"].to_string(), of_idx[7][0]);
    let p: Vec<f64> = json[0]["probabilities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p.as_f64().unwrap())
        .collect();
    assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{p:?}");
    let table = place
        .good(&["infer", "--invert", "no", "scans/007.png"])
        .out;
    assert!(
        table.starts_with("image ") && table.contains("scans/007.png"),
        "{table}"
    );
}

#[test]
fn bits_and_floats_are_compared_layer_by_layer() {
    let place = binary();
    let verify = ["infer", "--verify", "--json", "--data", "data"];
    let found: Value = place.good(&verify).json()[0].clone();
    assert_eq!(found["images"], TEST);
    assert_eq!(
        (&found["logits"], &found["predictions"]),
        (&0.into(), &Value::Array(vec![]))
    );
    for stage in found["stages"].as_array().unwrap() {
        assert_eq!(stage["differing"], 0, "{stage}");
        assert!(stage["numbers"].as_u64().unwrap() > 0);
    }
    let text = place.good(&["infer", "--verify", "--data", "data"]).out;
    assert!(text.contains("other predictions  0"), "{text}");
}

#[test]
fn layers_and_batches_are_timed() {
    let place = binary();
    for form in [&[][..], &["--packed"]] {
        let profile = ["infer", "--profile", "--json", TEST_IMAGES];
        let found = place.good(&[&profile[..], form].concat()).json()[0].clone();
        let layers = found["layers"].as_array().unwrap();
        let sum: f64 = layers.iter().map(|l| l["us"].as_f64().unwrap()).sum();
        let total = found["us"].as_f64().unwrap();
        assert!(total > 0.0 && (sum - total).abs() < 1e-6 * total);
        assert_eq!(layers[0]["layer"], "fc1");
    }
    let bench = [
        "infer",
        "--bench",
        "--packed",
        "--threads",
        "2",
        "--json",
        TEST_IMAGES,
    ];
    let found = place.good(&bench).json()[0].clone();
    let timings = found["timings"].as_array().unwrap();
    let cases: Vec<_> = timings
        .iter()
        .map(|t| (t["batch"].as_u64(), t["threads"].as_u64()))
        .collect();
    let want = [1, 2]
        .map(|t| [1, 64, 1000].map(|b| (Some(b), Some(t))))
        .concat();
    assert_eq!(cases, want);
    assert!(
        timings
            .iter()
            .all(|t| t["img_per_s"].as_f64().unwrap() > 0.0)
    );
}

#[test]
fn stochastic_units_draw_the_same_bits_in_both_forms_or_none() {
    let place = place_with_a_run(&["--weights", "binary", "--mode", "stoch"]);
    let csv = |more: &[&str]| {
        place
            .good(&[&["infer", "--csv", TEST_IMAGES][..], more].concat())
            .out
    };
    let drawn = csv(&[]);
    assert_eq!(drawn, csv(&["--packed"]));
    assert_eq!(drawn, csv(&["--threads", "1"]));
    let thresholds = csv(&["--threshold"]);
    assert_ne!(drawn, thresholds);
    assert_eq!(thresholds, csv(&["--threshold", "--packed"]));
}

#[test]
fn bad_images_are_one_line() {
    let place = binary();
    let write = |name: &str, bytes: &[u8]| std::fs::write(place.path(name), bytes).unwrap();
    let whole = png(40, 30, &[200; 1200]);
    write("text.png", b"no picture at all");
    write("nothing.png", b"");
    write("short.png", &whole[..50]);
    write("flat.png", &whole);
    let mut giant = whole.clone();
    giant[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    let crc = !giant[12..29].iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| {
            (c >> 1) ^ (0xEDB8_8320 & (c & 1).wrapping_neg())
        })
    });
    giant[29..33].copy_from_slice(&crc.to_be_bytes());
    write("giant.png", &giant);
    write("labels.idx", &idx(&[3], &[0, 1, 2]));
    write("colour.idx", &idx(&[1, 5, 5, 3], &[0; 75]));
    write("short.idx", &idx(&[9, 5, 5], &[0; 75]));
    std::fs::create_dir(place.path("empty")).unwrap();
    for (input, what) in [
        (
            "text.png",
            "text.png: is neither a PNG or JPEG picture nor an IDX file",
        ),
        ("nothing.png", "nothing.png: is empty"),
        ("short.png", "short.png: is a PNG file cut short"),
        ("flat.png", "flat.png: shows nothing that stands out"),
        (
            "giant.png",
            "giant.png: is a picture of 65536x65536; the limit is",
        ),
        ("labels.idx", "labels.idx: has 1 dimension"),
        (
            "colour.idx",
            "colour.idx: holds images of 3,5,5, but the network takes 1,12,12",
        ),
        ("short.idx", "short.idx: "),
        ("empty", "empty: holds no PNG or JPEG picture"),
        ("missing.png", "missing.png: no such file;"),
    ] {
        place.bad(&["infer", input], 1, what);
        // A good image before it does not help.
        place.bad(&["infer", "--packed", TEST_IMAGES, input], 1, what);
    }
    let stdin = with_stdin(&place, &["infer", "-"], b"neither");
    stdin.assert_one_line(1, "standard input: is neither", &["infer", "-"]);
}

#[test]
fn wrong_models_and_flags_are_one_line() {
    let place = Place::new();
    place.bad(&["infer"], 1, "runs: holds no run; train one");
    let place = binary();
    std::fs::write(place.path("bad.file"), b"xx").unwrap();
    place.bad(&["infer", "--model", "nowhere"], 1, "cannot read nowhere");
    place.bad(
        &["infer", "--model", "bad.file"],
        1,
        "no whole safetensors file",
    );
    place.bad(&["infer", "--model", "data"], 1, "data: holds no run");
    place.bad(&["infer", "--threshold"], 2, "--threshold has no effect");
    place.bad(
        &["infer", "--invert", "yes", "--data", "data"],
        2,
        "--invert has no effect",
    );
    place.bad(&["infer", "--csv", "--json"], 2, "--csv");
    place.bad(&["infer", "--bench", "--verify"], 2, "--verify");
    place.bad(&["infer", "--invert", "perhaps"], 2, "--invert");
    // The file of weights names its network.
    let best = [
        "infer",
        "--model",
        "runs/net/best.safetensors",
        "--csv",
        TEST_IMAGES,
    ];
    let by_run = ["infer", "--model", "runs/net", "--csv", TEST_IMAGES];
    assert_eq!(place.good(&best).out, place.good(&by_run).out);
}
