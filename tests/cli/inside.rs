//! What the kinds of `plot` that look inside a network write and say: patches, histograms,
//! neighbours, made images, of one run and of several.

use std::collections::BTreeSet;
use std::path::Path;

use bnn_cpu::data::reading::Options;
use bnn_cpu::data::{DatasetChoice, load_with, picture, raster};
use serde_json::Value;

use super::common::{Place, SMALL, TEST, TRAIN};

const DATA: [&str; 2] = ["--data", "data"];

fn train(place: &Place, out: &str, more: &[&str]) {
    let short = ["--out", out, "--quiet", "--epochs", "1"];
    place.good(&[&SMALL[..], &short, more].concat());
}

/// The one event of a kind of `plot`; every file that it names is a picture of more than one
/// brightness.
fn plot(place: &Place, args: &[&str]) -> Value {
    let all = [&["plot"], args, &DATA, &["--json", "--quiet"]].concat();
    let mut lines = place.good(&all).json();
    assert_eq!(lines.len(), 1, "{args:?}");
    let event = lines.remove(0);
    assert_eq!(event["event"], args[0]);
    for file in event["files"].as_array().unwrap() {
        let picture = picture::decode(&place.bytes(file.as_str().unwrap())).unwrap();
        let blank = picture.luma.iter().all(|&l| l == picture.luma[0]);
        assert!(!blank, "{file} is blank");
    }
    event
}

fn files(event: &Value) -> Vec<&str> {
    let files = event["files"].as_array().unwrap().iter();
    files.map(|f| f.as_str().unwrap()).collect()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

#[test]
fn regions_are_patches_of_the_test_images() {
    let place = Place::new();
    train(&place, "a", &[]);
    let found = plot(&place, &["regions", "a", "--most", "3", "--mean-of", "10"]);
    let names = ["conv1-block", "conv2-block"].map(|n| format!("a/pictures/regions-{n}.png"));
    assert_eq!(files(&found), names);
    assert_eq!(
        (&found["run"], found["layers"][0]["images"].as_u64()),
        (&"a".into(), Some(TEST as u64))
    );
    for layer in list(&found["layers"]) {
        let channels = list(&layer["channels"]);
        assert_eq!(channels.len(), 16, "the first channels");
        for channel in channels {
            let patches = list(&channel["patches"]);
            assert_eq!((patches.len(), channel["averaged"].as_u64()), (3, Some(10)));
            let mut images: Vec<u64> = patches
                .iter()
                .map(|p| p["image"].as_u64().unwrap())
                .collect();
            let strengths: Vec<f64> = patches
                .iter()
                .map(|p| p["strength"].as_f64().unwrap())
                .collect();
            assert!(strengths.windows(2).all(|s| s[0] >= s[1]), "{strengths:?}");
            for patch in patches {
                assert_eq!(
                    patch["label"].as_u64().unwrap(),
                    patch["image"].as_u64().unwrap() % 3
                );
                // Bits: 1 exactly where the pre-activation is above 0.
                let fires = patch["strength"].as_f64().unwrap() > 0.0;
                assert_eq!(patch["activation"].as_f64().unwrap(), f64::from(fires));
            }
            images.sort_unstable();
            images.dedup();
            assert_eq!(images.len(), 3, "one of an image");
        }
    }
    // A layer by its name, fewer images, some channels, in the dark.
    let args = [
        "regions",
        "a",
        "--layer",
        "conv2",
        "--channels",
        "30,3-4",
        "--images",
        "7",
        "--dark",
        "-o",
        "r",
    ];
    let found = plot(&place, &args);
    assert_eq!(files(&found), ["r/regions-conv2.png"]);
    let channels: Vec<_> = list(&found["layers"][0]["channels"])
        .iter()
        .map(|c| &c["channel"])
        .collect();
    assert_eq!(channels, [30, 3, 4]);
    assert_eq!(found["layers"][0]["window"], serde_json::json!([14, 14]));
}

#[test]
fn histograms_count_numbers_and_rates_of_bits() {
    let place = Place::new();
    train(&place, "a", &["--binary", "first", "--mode", "stoch"]);
    let found = plot(&place, &["histogram", "a"]);
    assert_eq!(files(&found).len(), 2);
    let [bits, numbers] = &list(&found["layers"])[..] else {
        panic!("two layers")
    };
    assert_eq!(
        (&bits["values"]["kind"], &numbers["values"]["kind"]),
        (&"bits".into(), &"numbers".into())
    );
    for channel in list(&bits["values"]["channels"]) {
        let fired: Vec<u64> = serde_json::from_value(channel["fired"].clone()).unwrap();
        let rates: Vec<f64> = serde_json::from_value(channel["rates"].clone()).unwrap();
        for (fired, rate) in fired.iter().zip(&rates) {
            // 20 images of each class, 6x6 places.
            assert!((*fired as f64 / 720.0 - rate).abs() < 1e-12);
        }
        let all = fired.iter().sum::<u64>() as f64 / 2160.0;
        assert!((channel["rate"].as_f64().unwrap() - all).abs() < 1e-12);
    }
    for channel in list(&numbers["values"]["channels"]) {
        let counts: Vec<u64> = serde_json::from_value(channel["counts"].clone()).unwrap();
        assert_eq!(counts.iter().sum::<u64>(), 60 * 9);
    }
}

#[test]
fn neighbours_are_compared_with_chance_and_with_the_network() {
    let place = Place::new();
    train(&place, "a", &[]);
    train(&place, "m", &["--model", "mlp"]);
    let args = [
        "neighbours",
        "a",
        "--references",
        "100",
        "--queries",
        "50",
        "--sizes",
        "1,3",
    ];
    let found = plot(&place, &args);
    assert_eq!(files(&found), ["a/pictures/neighbours.png"]);
    let names: Vec<&str> = list(&found["layers"])
        .iter()
        .map(|l| l["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["pixels", "conv1-block", "conv2-block", "fc"]);
    assert_eq!(list(&found["layers"][1]["forms"]).len(), 5);
    let chance = found["chance"].as_f64().unwrap();
    assert!((0.25..0.42).contains(&chance), "{chance}");
    // Where the bar is can be seen in the pixels.
    let pixels = list(&found["layers"][0]["forms"]).last().unwrap();
    assert!(pixels["accuracy"].as_f64().unwrap() > 0.9, "{pixels}");
    assert_eq!(plot(&place, &args), found, "the same images");
    // All of both, where there are no more; vectors are compared as they are.
    let found = plot(&place, &["neighbours", "m"]);
    assert_eq!(found["references"].as_u64(), Some(TRAIN as u64));
    assert_eq!(found["queries"].as_u64(), Some(TEST as u64));
    assert_eq!(list(&found["layers"][1]["forms"]).len(), 1);
    let (_, _, accuracy) = place.test("m");
    assert_eq!(found["network"].as_f64(), Some(accuracy));
}

#[test]
fn made_images_excite_more_than_the_mean_image() {
    let place = Place::new();
    train(&place, "a", &[]);
    let few = ["--steps", "30", "--restarts", "2", "--channels", "0-3"];
    let made = plot(&place, &[&["maximise", "a"], &few[..]].concat());
    assert_eq!(files(&made).len(), 2);
    for layer in list(&made["layers"]) {
        for channel in list(&layer["channels"]) {
            let number = |key: &str| channel[key].as_f64().unwrap();
            assert!(
                number("strength") > number("start").max(number("mean_image")),
                "{channel}"
            );
            assert_eq!(list(&channel["pixels"]).len(), 144);
        }
    }
    let before = place.bytes("a/pictures/maximise-conv2-block.png");
    assert_eq!(plot(&place, &[&["maximise", "a"], &few[..]].concat()), made);
    assert!(place.bytes("a/pictures/maximise-conv2-block.png") == before);
    // An image for each class, and textures.
    let fc = [
        "--layer",
        "fc",
        "--steps",
        "20",
        "--restarts",
        "1",
        "-o",
        "c",
    ];
    let made = plot(&place, &[&["maximise", "a"], &fc[..]].concat());
    assert_eq!(list(&made["layers"][0]["channels"]).len(), 3);
    plot(
        &place,
        &[
            "maximise", "a", "--aim", "channel", "--layer", "1", "--steps", "5", "-o", "t",
        ],
    );
}

#[test]
fn runs_are_laid_side_by_side() {
    let place = Place::new();
    train(&place, "a", &[]);
    train(&place, "b", &["--binary", "none"]);
    let width = |file: &str| picture::decode(&place.bytes(file)).unwrap().width;
    for (kind, more) in [
        ("regions", &["--most", "2"][..]),
        ("histogram", &[]),
        ("neighbours", &["--references", "50"]),
        (
            "maximise",
            &["--steps", "3", "--restarts", "1", "--channels", "0,1"],
        ),
        ("confusion", &[]),
        ("mistakes", &[]),
        ("filters", &[]),
    ] {
        if kind == "filters" {
            // It looks at no image.
            place.good(&["plot", "filters", "--compare", "a", "b", "-o", "c"]);
            assert!(place.path("c/filters-conv1-compared.png").exists());
            continue;
        }
        let both = plot(
            &place,
            &[&[kind, "--compare", "a", "b", "-o", "c"], more].concat(),
        );
        assert_eq!(both["runs"][1]["run"], "b", "{kind}");
        assert!(files(&both).iter().all(|f| f.ends_with("-compared.png")));
        if kind == "regions" || kind == "neighbours" {
            plot(&place, &[&[kind, "a", "-o", "one"], more].concat());
            let one = files(&both)[0]
                .replace("c/", "one/")
                .replace("-compared", "");
            assert!(width(files(&both)[0]) > width(&one), "{kind}");
        }
        place.bad(&["plot", kind, "a", "b"], 2, "--compare");
        place.bad(&["plot", kind, "a", "--compare"], 2, "at least two");
    }
}

/// Layers of one depth stand beside each other, both branches of a mixed network among them.
#[test]
fn networks_of_unlike_layers_are_laid_side_by_side() {
    let place = Place::new();
    train(&place, "a", &["--model", "plain-net", "--binary", "none"]);
    train(&place, "m", &["--model", "mixed-net", "--mode", "stoch"]);
    let size = |file: &str| {
        let picture = picture::decode(&place.bytes(file)).unwrap();
        (picture.width, picture.height)
    };
    for (kind, more) in [
        ("regions", &["--most", "2"][..]),
        ("histogram", &[]),
        ("maximise", &["--steps", "3", "--restarts", "1"]),
    ] {
        let both = [&[kind, "--compare", "a", "m", "-o", "c"], more].concat();
        let both = plot(&place, &both);
        let names = ["conv1", "conv2"].map(|n| format!("c/{kind}-{n}-block-compared.png"));
        assert_eq!(files(&both), names);
        let parts = plot(&place, &[&[kind, "m", "-o", "one"], more].concat());
        let plain = plot(&place, &[&[kind, "a", "-o", "one"], more].concat());
        let (parts, plain) = (files(&parts), files(&plain));
        let (real, binary) = (size(parts[0]), size(parts[2]));
        let (width, height) = size(plain[0]);
        let expected = (width + real.0 + binary.0, height.max(real.1).max(binary.1));
        assert_eq!(size(&names[0]), expected, "{kind}");
    }
    place.good(&["plot", "filters", "--compare", "m", "a", "-o", "c"]);
    assert!(place.path("c/filters-real_conv2-compared.png").exists());
    let maps = plot(
        &place,
        &["heatmap", "--compare", "a", "m", "-o", "c", "--overlay"],
    );
    assert_eq!(files(&maps).len(), 6, "{maps}");
    let alone = plot(&place, &["heatmap", "a", "-o", "one"]);
    assert!(size("c/conv1-compared.png").1 > size(files(&alone)[0]).1);
    let page = ["report", "a", "m", "-o", "page.html"];
    place.good(&[&page[..], &DATA].concat());
    let html = String::from_utf8(place.bytes("page.html")).unwrap();
    let heading = "conv1, 6x6, 10 channels; real_conv1, 6x6, 5 channels; binary_conv1, 6x6, 5";
    assert!(html.contains(heading));
    // A network without a convolution so deep has nothing to stand there.
    let shallow = r#"{"name": "shallow", "input": {"channels": 1, "height": 12, "width": 12},
        "layers": [{"type": "conv", "name": "c", "out": 2, "kernel": 3}, {"type": "linear", "out": 3, "name": "fc"}]}"#;
    std::fs::write(place.path("s.json"), shallow).unwrap();
    train(&place, "s", &["--model", "s.json"]);
    let compare = ["plot", "heatmap", "--compare", "a", "s", "-o", "d"];
    let refusal = "has no convolution as deep as conv2 of plain-net";
    place.bad(&[&compare[..], &DATA].concat(), 1, refusal);
}

#[test]
fn two_branches_in_colour_are_looked_into() {
    let place = Place::new();
    let set = format!("{}/tests/data/cifar-10.tar.gz", env!("CARGO_MANIFEST_DIR"));
    let net = r#"{"name": "mixed", "input": {"channels": 3, "height": 32, "width": 32}, "layers": [
        {"type": "conv", "name": "a", "out": 4, "kernel": 3, "padding": 1},
        {"type": "activation", "function": "relu"},
        {"type": "max_pool", "name": "real", "kernel": 2},
        {"type": "conv", "name": "b", "out": 5, "kernel": 5, "padding": 2, "stride": 2, "inputs": ["input"]},
        {"type": "binary", "mode": "stoch", "name": "bits"},
        {"type": "concat", "name": "both", "inputs": ["real", "bits"]},
        {"type": "flatten"},
        {"type": "linear", "name": "fc", "out": 10}]}"#;
    std::fs::write(place.path("net.json"), net).unwrap();
    let train = [
        "train",
        "--model",
        "net.json",
        "--data",
        &set,
        "--epochs",
        "1",
        "--batch",
        "2",
        "--out",
        "m",
        "--val-fraction",
        "0.34",
        "--quiet",
    ];
    place.good(&train);
    let look = |args: &[&str]| {
        let all = [&["plot"], args, &["--data", &set, "--json", "--quiet"]].concat();
        place.good(&all).json().remove(0)
    };
    let found = look(&["regions", "m", "--layer", "both"]);
    let layer = &found["layers"][0];
    // A unit of the real branch sees 4x4 pixels, one of the binary branch 5x5.
    assert_eq!(
        (&layer["window"], &layer["image_channels"]),
        (&serde_json::json!([5, 5]), &3.into())
    );
    assert_eq!(list(&layer["channels"]).len(), 9);
    assert_eq!(files(&look(&["regions", "m"])).len(), 2);
    assert_eq!(
        files(&look(&["maximise", "m", "--steps", "4", "--restarts", "1"])).len(),
        2
    );
    assert_eq!(files(&look(&["histogram", "m"])).len(), 2);
    look(&["neighbours", "m"]);
    let maps = look(&["heatmap", "m", "--overlay"]);
    assert!(files(&maps).contains(&"m/pictures/b-overlay.png"));
    // The images stand in the plain maps in colour, pixel by pixel.
    let places = (Some(Path::new(&set)), None);
    let options = Options::default();
    let read = load_with(DatasetChoice::Auto, places, None, &options, &mut |_| ());
    let image = read.unwrap().dataset.test.image(0).to_vec();
    let drawn = raster::decode(&place.bytes("m/pictures/b.png")).unwrap();
    let drawn: BTreeSet<&[u8]> = drawn.pixels.chunks_exact(3).collect();
    assert!(image.chunks_exact(3).all(|pixel| drawn.contains(pixel)));
    let page = ["report", "m", "--inside", "--data", &set, "-o", "page.html"];
    place.good(&page);
    let html = String::from_utf8(place.bytes("page.html")).unwrap();
    assert!(html.contains("<section id=\"inside\">") && html.contains("href=\"#inside\""));
    for text in [
        "image made for channel 3",
        "Nearest neighbours",
        "strongest patches",
        "--inside",
    ] {
        assert!(html.contains(text), "{text}");
    }
}

#[test]
fn layers_and_channels_that_are_not_there_are_told_in_one_line() {
    let place = Place::new();
    train(&place, "a", &[]);
    for kind in ["regions", "maximise", "histogram", "neighbours"] {
        let bad = |args: &[&str], mention: &str| {
            let all = [&["plot", kind, "a"], args, &DATA].concat();
            place.bad(&all, 2, mention);
        };
        bad(
            &["--layer", "conv9"],
            "there is no layer conv9; choose a position from 1 to 9",
        );
        bad(&["--layer", "binary"], "choose one by its position, 4 or 8");
        if kind != "neighbours" {
            bad(
                &["--channels", "0-16", "--layer", "conv1"],
                "no channel 16; --channels takes 0 to 15",
            );
            bad(&["--channels", "x"], "write them as 0,3,8-15");
        }
        place.bad(&["plot", kind, "nowhere"], 1, "holds no run");
    }
    place.bad(&["plot", "maximise", "a", "--decay", "1.5"], 2, "--decay");
    place.bad(&["plot", "maximise", "a", "--smooth=-1"], 2, "--smooth");
    assert!(!place.path("a/pictures").exists());
}
