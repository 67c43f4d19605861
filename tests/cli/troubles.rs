//! Trainings that fail say so while they work, in their test, and where they would be
//! taken for one that did not.

use crate::common::Place;

/// A run of the small set, by those flags.
fn train(place: &Place, flags: &[&str]) -> crate::common::Ended {
    let data = [
        "train",
        "--dataset",
        "idx",
        "--data",
        "data",
        "--batch",
        "16",
    ];
    place.run(&[&data[..], flags].concat())
}

#[test]
fn a_rate_far_too_high_is_warned_of_once_and_marked() {
    let place = Place::new();
    let ended = train(&place, &["--lr", "1e9", "--epochs", "3", "--model", "mlp"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let warned: Vec<&str> = ended
        .err
        .lines()
        .filter(|l| l.contains("warning: epoch"))
        .collect();
    assert_eq!(warned.len(), 1, "{}", ended.err);
    assert!(
        warned[0].contains("epoch 1: ")
            && warned[0].ends_with("lower the learning rate, to 0.1 for instance")
    );
    let test = place.json("runs/mlp-both-det-st-1/test.json");
    let troubles = test["troubles"].as_array().expect("a mark");
    assert!(!troubles.is_empty() && troubles.iter().all(|t| t["seen"].is_string()));
    // Whoever takes the newest run is told.
    let ended = place.run(&["infer", "--dataset", "idx", "--data", "data"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(
        ended.err.contains("is one whose training failed"),
        "{}",
        ended.err
    );
    let named = [
        "infer",
        "--model",
        "runs/mlp-both-det-st-1",
        "--dataset",
        "idx",
        "--data",
        "data",
    ];
    assert!(!place.run(&named).err.contains("training failed"));
}

#[test]
fn a_sound_run_has_no_mark() {
    let place = Place::new();
    let ended = train(&place, &["--lr", "0.05", "--epochs", "2", "--model", "mlp"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(!ended.err.contains("warning"), "{}", ended.err);
    assert!(
        place
            .json("runs/mlp-both-det-st-1/test.json")
            .get("troubles")
            .is_none()
    );
}
