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
        ["curves-light.svg", "curves-dark.svg", "curves.csv"].map(|n| format!("a/pictures/{n}"))
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
        // Two seeds of one setting are one line, their mean, in a band.
        assert!(svg.contains("class=\"run0\"") && !svg.contains("run1"));
        assert!(svg.contains("class=\"band run0\"") && svg.contains("n = 2."));
    }
    assert!(light != dark && light.contains("#ffffff") && !dark.contains("#ffffff"));
    place.bad(&["plot", "curves", "data"], 1, "holds no run");
    train(&place, "c1", &["--binary", "none"]);
    place.good(&["plot", "curves", "a", "c1", "-o", "two"]);
    let svg = text("two/curves-light.svg");
    assert!(svg.contains("class=\"run1\"") && !svg.contains("class=\"run2\""));
    assert!(svg.contains(">no binary layer<") && !svg.contains("class=\"band"));
}

/// The numbers that are drawn, as the CSV beside the picture has them.
#[test]
fn the_numbers_of_curves_are_those_of_the_runs() {
    let place = Place::new();
    train(&place, "a", &[]);
    train(&place, "b", &["--seed", "2"]);
    place.good(&["plot", "curves", "a", "b", "-o", "all.svg"]);
    let losses = |run: &str| -> Vec<f64> {
        let text = String::from_utf8(place.bytes(&format!("{run}/metrics.jsonl"))).unwrap();
        let epochs = text
            .lines()
            .map(|l| serde_json::from_str::<Value>(l).unwrap());
        epochs.map(|e| e["train_loss"].as_f64().unwrap()).collect()
    };
    let csv = String::from_utf8(place.bytes("all.csv")).unwrap();
    let rows = csv
        .lines()
        .filter(|line| line.starts_with("Training loss,"));
    let rows: Vec<Vec<&str>> = rows.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 2, "{csv}");
    for (i, (a, b)) in losses("a").iter().zip(losses("b")).enumerate() {
        let of = |column: usize| rows[i][column].parse::<f64>().unwrap();
        assert_eq!((of(4), of(6)), (2.0, (i + 1) as f64), "{csv}");
        assert!((of(7) - (a + b) / 2.0).abs() < 1e-12);
        assert_eq!((of(8), of(9)), (a.min(b), a.max(b)));
    }
}

#[test]
fn the_end_of_a_name_or_a_flag_says_the_form() {
    let place = Place::new();
    train(&place, "a", &[]);
    let filters = ["plot", "filters", "a"];
    let good = |more: &[&str]| one(&place, &[&filters[..], more].concat());
    assert_eq!(
        files(&place, &good(&["--format", "svg", "-o", "f"])),
        ["f/filters-conv1.svg", "f/filters-conv2.svg"]
    );
    place.bad(
        &["plot", "filters", "a", "-o", "one.png"],
        2,
        "there are 2 pictures",
    );
    assert!(!place.path("one.png").exists());
    place.bad(
        &["plot", "curves", "a", "-o", "x.png", "--format", "svg"],
        2,
        "--format asks for svg",
    );
    // One picture in each form; the PNG has twice the pixels of the SVG, and so has no other.
    let confusion = |file: &str, more: &[&str]| {
        let all = [&["plot", "confusion", "a", "-o", file], more, &DATA].concat();
        place.good(&all);
        place.bytes(file)
    };
    let svg = String::from_utf8(confusion("c/one.svg", &[])).unwrap();
    let number = |of: &str| -> u32 {
        let value = svg.split_once(&format!(" {of}=\"")).unwrap().1;
        value.split_once('"').unwrap().0.parse().unwrap()
    };
    let png = picture::decode(&confusion("c/one.png", &[])).unwrap();
    let size = (png.width as u32, png.height as u32);
    assert_eq!(size, (2 * number("width"), 2 * number("height")));
    assert!(confusion("c/one.pdf", &[]).starts_with(b"%PDF-1.7"));
    assert!(confusion("c/dark.png", &["--dark"]) != place.bytes("c/one.png"));
    let dark = String::from_utf8(confusion("c/dark.svg", &["--dark"])).unwrap();
    assert!(dark.contains("#101216") && !svg.contains("#101216"));
}
