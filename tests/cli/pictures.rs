//! What the kinds of `plot` write and say. The other tests call the kinds by themselves, as
//! they were called before.

use bnn_cpu::data::picture;
use serde_json::Value;

use super::common::{Place, SMALL, TEST};

const DATA: [&str; 2] = ["--data", "data"];

fn train(place: &Place, out: &str, more: &[&str]) {
    place.good(
        &[
            &SMALL[..],
            &["--out", out, "--quiet", "--epochs", "2"],
            more,
        ]
        .concat(),
    );
}

fn one(place: &Place, args: &[&str]) -> Value {
    let mut lines = place.good(&[args, &["--json"]].concat()).json();
    assert_eq!(lines.len(), 1, "{args:?}");
    lines.remove(0)
}

/// The files of an event; every PNG decodes to more than one brightness.
fn files(place: &Place, event: &Value) -> Vec<String> {
    let files = event["files"].as_array().unwrap().iter();
    let files: Vec<String> = files.map(|f| f.as_str().unwrap().to_string()).collect();
    for file in files.iter().filter(|f| f.ends_with(".png")) {
        let picture = picture::decode(&place.bytes(file)).unwrap();
        assert!(
            picture.luma.iter().any(|&l| l != picture.luma[0]),
            "{file} is blank"
        );
    }
    files
}

#[test]
fn heat_maps_of_one_run_and_of_several() {
    let place = Place::new();
    train(&place, "a", &["--mode", "stoch"]);
    train(&place, "b", &["--binary", "none"]);
    let drawn = one(&place, &[&["plot", "heatmap", "a"], &DATA[..]].concat());
    assert_eq!(
        files(&place, &drawn),
        ["conv1", "conv1-mean", "conv2", "conv2-mean"].map(|n| format!("a/pictures/{n}.png"))
    );
    let drawn = one(
        &place,
        &[
            &["plot", "heatmap", "a", "--channels", "--dark", "-o", "m"],
            &DATA[..],
        ]
        .concat(),
    );
    let names = files(&place, &drawn);
    assert_eq!(names.len(), 8, "{names:?}");
    assert!(names.contains(&"m/conv2-channels-probability.png".to_string()));
    // A network without sampled units has no probabilities beside its maps.
    let drawn = one(
        &place,
        &[&["plot", "heatmap", "b", "--channels"], &DATA[..]].concat(),
    );
    assert_eq!(files(&place, &drawn).len(), 6);
    let drawn = one(
        &place,
        &[
            &["plot", "heatmap", "--compare", "a", "b", "-o", "c"],
            &DATA[..],
        ]
        .concat(),
    );
    let both = files(&place, &drawn);
    assert_eq!(
        both,
        ["conv1", "conv1-mean", "conv2", "conv2-mean"].map(|n| format!("c/{n}-compared.png"))
    );
    let height = |file: &str| picture::decode(&place.bytes(file)).unwrap().height;
    assert!(
        height(&both[0]) > height("a/pictures/conv1.png"),
        "a row more"
    );
    // The same command gives the same bytes.
    let again = place.bytes("c/conv1-compared.png");
    place.good(
        &[
            &["plot", "heatmap", "--compare", "a", "b", "-o", "c"],
            &DATA[..],
        ]
        .concat(),
    );
    assert!(place.bytes("c/conv1-compared.png") == again);
    place.bad(&["plot", "heatmap", "a", "b"], 2, "--compare");
    place.bad(&["plot", "heatmap", "--compare", "a"], 2, "at least two");
    place.bad(&["plot", "heatmap", "nowhere"], 1, "holds no run");
}

#[test]
fn a_network_without_convolutions_has_no_maps() {
    let place = Place::new();
    train(&place, "m", &["--model", "mlp"]);
    place.bad(
        &[&["plot", "heatmap", "m"], &DATA[..]].concat(),
        2,
        "no convolution",
    );
    place.bad(&["plot", "filters", "m"], 2, "no convolution");
    assert!(!place.path("m/pictures").exists());
    let counted = one(&place, &[&["plot", "confusion", "m"], &DATA[..]].concat());
    assert_eq!(files(&place, &counted), ["m/pictures/confusion.png"]);
}

#[test]
fn confusion_and_mistakes_are_those_of_the_test() {
    let place = Place::new();
    // Next to no training: it makes mistakes.
    let head = [
        "train",
        "--dataset",
        "idx",
        "--data",
        "data",
        "--out",
        "a",
        "--quiet",
    ];
    let rest = ["--epochs", "1", "--mode", "stoch", "--lr", "0.0001"];
    place.good(&[&head[..], &rest].concat());
    let (_, _, accuracy) = place.test("a");
    let counted = one(&place, &[&["plot", "confusion", "a"], &DATA[..]].concat());
    let counts: Vec<Vec<usize>> = serde_json::from_value(counted["counts"].clone()).unwrap();
    assert_eq!(counts.iter().flatten().sum::<usize>(), TEST);
    let right: usize = (0..3).map(|i| counts[i][i]).sum();
    assert_eq!(right as f64 / TEST as f64, accuracy);
    assert!(
        counts
            .iter()
            .all(|row| row.iter().sum::<usize>() == TEST / 3)
    );
    let found = one(
        &place,
        &[&["plot", "mistakes", "a", "--most", "5"], &DATA[..]].concat(),
    );
    let mistakes = found["mistakes"].as_array().unwrap();
    assert_eq!(
        mistakes.len(),
        TEST - right,
        "all of them, whatever is drawn"
    );
    assert!(
        !mistakes.is_empty(),
        "a test without mistakes shows nothing"
    );
    let mut before = f64::INFINITY;
    for mistake in mistakes {
        let (image, label) = (
            mistake["image"].as_u64().unwrap(),
            mistake["label"].as_u64().unwrap(),
        );
        assert_eq!(label, image % 3);
        assert_ne!(mistake["guess"], mistake["label"]);
        let margin = mistake["margin"].as_f64().unwrap();
        assert!(margin > 0.0 && margin <= before, "{margin} after {before}");
        before = margin;
    }
    files(&place, &found);
}

#[test]
fn filters_and_curves_are_files() {
    let place = Place::new();
    train(&place, "a", &[]);
    train(&place, "b", &["--seed", "2"]);
    let drawn = one(&place, &["plot", "filters", "a", "-o", "f"]);
    assert_eq!(
        files(&place, &drawn),
        ["f/filters-conv1.png", "f/filters-conv2.png"]
    );
    let drawn = one(&place, &["plot", "curves", "a"]);
    assert_eq!(
        files(&place, &drawn),
        ["a/pictures/curves-light.svg", "a/pictures/curves-dark.svg"]
    );
    place.good(&["plot", "curves", "a", "b", "-o", "c"]);
    let text = |file: &str| String::from_utf8(place.bytes(file)).unwrap();
    let (light, dark) = (text("c/curves-light.svg"), text("c/curves-dark.svg"));
    for svg in [&light, &dark] {
        for title in [
            "Validation loss",
            "Slope",
            "Learning rate",
            "Bits changed",
            "Units saturated",
        ] {
            assert!(svg.contains(title), "{title}");
        }
        assert!(svg.contains("class=\"run1\"") && !svg.contains("class=\"run2\""));
    }
    assert!(light != dark && light.contains("#ffffff") && !dark.contains("#ffffff"));
    place.bad(&["plot", "curves", "data"], 1, "holds no run");
}
