//! One loss: `eval` and `infer` say the same of the same images, also where a probability
//! is too small for a float.

use bnn_cpu::model::weights::{self, Data};
use bnn_cpu::train::{BestWeights, RunFolder};
use serde_json::Value;

use crate::common::{Place, SMALL};

/// A run whose logits are far apart, and its answers wrong: the weights of its last layer
/// are 10,000 times as large as they were trained to be, with the other sign.
fn far_apart(mode: &str) -> Place {
    let place = Place::new();
    let more = ["--epochs", "1", "--quiet", "--out", "run", "--mode", mode];
    place.good(&[&SMALL[..], &more].concat());
    let path = place.path("run/best.safetensors");
    let (mut tensors, about) = weights::read::<BestWeights>(&path).unwrap();
    let last = tensors.iter_mut().find(|t| t.name == "fc.weight").unwrap();
    match &mut last.data {
        Data::F32(numbers) => numbers.iter_mut().for_each(|x| *x *= -1e4),
        Data::I64(_) => panic!("a weight is real"),
    }
    let run = RunFolder::resume(&place.path("run")).unwrap();
    run.write_weights("best.safetensors", &tensors, &about)
        .unwrap();
    place
}

fn event(place: &Place, args: &[&str]) -> Value {
    let args = [args, &["--data", "data", "--json"]].concat();
    place.good(&args).json().remove(0)
}

#[test]
fn eval_and_infer_have_the_same_loss_where_logits_are_far_apart() {
    let place = far_apart("det");
    place.good(&["pack", "run", "-o", "net.packed"]);
    let eval = event(&place, &["eval", "run"]);
    let loss = eval["loss"].as_f64().unwrap();
    // Beyond the logarithm of the least float, by which losses were once cut off.
    assert!(loss > 500.0 && loss.is_finite(), "{loss}");
    for model in [
        &["infer", "--model", "run"][..],
        &["infer", "--model", "run", "--packed"],
        &[
            "infer",
            "--model",
            "run/best.safetensors",
            "--dataset",
            "idx",
        ],
        &["infer", "--model", "net.packed", "--dataset", "idx"],
    ] {
        let infer = event(&place, model);
        let other = infer["loss"].as_f64().unwrap();
        // Packed sums of real weights are added up in another order.
        let packed = infer["packed"].as_bool().unwrap();
        let within = if packed { 1e-5 } else { 1e-12 } * loss;
        assert!((other - loss).abs() <= within, "{model:?}: {other}, {loss}");
        assert_eq!(infer["accuracy"], eval["accuracy"], "{model:?}");
    }
    // And as they are printed.
    let printed = |args: &[&str]| {
        let out = place.good(&[args, &["--data", "data"]].concat()).out;
        let line = out.lines().find(|line| line.starts_with("loss")).unwrap();
        line.split_whitespace().nth(1).unwrap().to_string()
    };
    assert_eq!(
        printed(&["eval", "run"]),
        printed(&["infer", "--model", "run"])
    );
}

#[test]
fn a_mean_over_samples_is_not_cut_off_either() {
    let place = far_apart("stoch");
    let of = |samples: &str| {
        let found = event(&place, &["eval", "run", "--samples", samples]);
        found["loss"].as_f64().unwrap()
    };
    // The mean of probabilities is at least the S-th part of the largest of them, and no
    // sample's loss is the mean's for every image.
    let (one, four) = (of("1"), of("4"));
    assert!(
        one > 200.0 && four > 100.0 && four.is_finite(),
        "{one}, {four}"
    );
}

#[test]
fn a_set_with_more_classes_than_the_network_is_refused() {
    let place = Place::new();
    let net = r#"{"name": "two", "input": {"channels": 1, "height": 12, "width": 12}, "layers": [
        {"type": "linear", "name": "fc1", "out": 4}, {"type": "binary", "mode": "det"},
        {"type": "linear", "name": "fc2", "out": 2}]}"#;
    std::fs::write(place.path("two.json"), net).unwrap();
    place.write_data("halved");
    for part in ["train", "t10k"] {
        let name = format!("halved/{part}-labels-idx1-ubyte");
        let mut labels = place.bytes(&name);
        labels[8..].iter_mut().for_each(|label| *label %= 2);
        std::fs::write(place.path(&name), labels).unwrap();
    }
    let train = ["train", "--quiet", "--dataset", "idx", "--data", "halved"];
    let more = ["--model", "two.json", "--epochs", "1", "--out", "run"];
    place.good(&[&train[..], &more].concat());
    let infer = [
        "infer",
        "--model",
        "run/best.safetensors",
        "--dataset",
        "idx",
    ];
    place.good(&[&infer[..], &["--data", "halved"]].concat());
    let ended = place.run(&[&infer[..], &["--data", "data", "--other-data"]].concat());
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    let line = ended.err.lines().last().unwrap();
    assert!(
        line.contains("2 classes apart") && line.contains("has 3"),
        "{line}"
    );
}
