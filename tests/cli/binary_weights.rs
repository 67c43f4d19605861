//! `train --weights binary`: metrics, warnings, and the way to packed bits.

use crate::common::{Place, SMALL};

#[test]
fn flips_are_metrics_and_the_run_packs_to_the_same_bits() {
    let place = Place::new();
    let train = ["--model", "mlp", "--weights", "binary", "--epochs", "2"];
    place.good(&[&SMALL[..], &train, &["--out", "runs/net"]].concat());
    for epoch in place.metrics("runs/net") {
        let all = epoch["flip_ratio"].as_f64().unwrap();
        let layers = epoch["flip_ratios"].as_object().unwrap();
        let each: Vec<f64> = layers.values().map(|v| v.as_f64().unwrap()).collect();
        assert_eq!(each.len(), 2, "a ratio for each layer: {layers:?}");
        let least = each.iter().copied().fold(f64::INFINITY, f64::min);
        let most = each.iter().copied().fold(0.0, f64::max);
        assert!((least..=most).contains(&all) && most <= 1.0, "{epoch}");
        assert!(most > 0.0, "no weight changed its sign: {epoch}");
    }
    place.good(&["pack", "runs/net", "--output", "net.packed"]);
    let import = place.run(&["import", "net.packed", "--model", "mlp"]);
    assert_eq!(import.code, Some(1));
    let hint = "is a packed network, not a file of weights; `bnn-cpu infer --model` reads it";
    assert!(import.err.contains(hint), "{}", import.err);
    let model = ["infer", "--model", "runs/net", "--data", "data"];
    let shown = place.good(&[&model[..], &["--verify", "--json"]].concat());
    let report = &shown.json()[0];
    for layer in report["stages"].as_array().unwrap() {
        assert_eq!(layer["differing"], 0, "{layer}");
    }
    assert_eq!(
        report["predictions"].as_array().unwrap().len(),
        0,
        "{report}"
    );
}

#[test]
fn real_weights_have_no_flips() {
    let place = Place::new();
    place.good(
        &[
            &SMALL[..],
            &["--model", "mlp", "--epochs", "1", "--out", "a"],
        ]
        .concat(),
    );
    let epoch = &place.metrics("a")[0];
    assert!(epoch["flip_ratio"].is_null(), "{epoch}");
}

#[test]
fn a_starving_combination_is_warned_of() {
    let place = Place::new();
    let net = r#"{"name": "bare", "input": {"channels": 1, "height": 12, "width": 12},
        "pixels": "integer", "layers": [
        {"type": "linear", "name": "fc1", "out": 8, "bias": false, "weights": "binary"},
        {"type": "binary", "mode": "det", "estimator": "st"},
        {"type": "linear", "name": "fc2", "out": 3, "bias": true}]}"#;
    std::fs::write(place.path("bare.json"), net).unwrap();
    let train = ["--model", "bare.json", "--epochs", "1", "--out", "a"];
    let ended = place.good(&[&SMALL[..], &train].concat());
    assert!(
        ended
            .err
            .contains("layer fc1: its integer sums reach a unit"),
        "{}",
        ended.err
    );
    let sound = ["--model", "mlp", "--weights", "binary", "--epochs", "1"];
    let ended = place.good(&[&SMALL[..], &sound, &["--out", "b"]].concat());
    assert!(!ended.err.contains("warning"), "{}", ended.err);
}
