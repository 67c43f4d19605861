//! Estimators on the command line: the list, their settings, the lab.

use serde_json::Value;

use crate::common::{Place, SMALL};

fn small<'a>(out: &'a str, flags: &[&'a str]) -> Vec<&'a str> {
    let mut args = SMALL.to_vec();
    args.extend(["--epochs", "1", "--out", out]);
    args.extend(flags);
    args
}

#[test]
fn the_list_says_what_each_one_is() {
    let place = Place::new();
    let text = place.good(&["estimators"]).out;
    for name in [
        "st",
        "reste",
        "reinforce",
        "disarm",
        "rebar",
        "reinmax",
        "local-expectation",
    ] {
        assert!(
            text.lines().any(|l| l.starts_with(&format!("{name} "))),
            "{name}"
        );
    }
    let lines = place.good(&["estimators", "--json"]).out;
    let all: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(all.len(), 17);
    for estimator in &all {
        for key in ["formula", "cost", "source", "probability"] {
            assert!(estimator[key].as_str().is_some_and(|s| !s.is_empty()));
        }
    }
}

#[test]
fn every_estimator_trains_and_keeps_its_settings() {
    let place = Place::new();
    for (name, flags) in [
        ("reinforce", &["--samples", "2", "--baseline", "loo"][..]),
        ("disarm+local-expectation", &[]),
        ("gumbel-soft", &["--temperature", "0.7"]),
        ("rebar", &[]),
        ("none", &[]),
    ] {
        let mut args = vec!["--mode", "stoch", "--estimator", name];
        args.extend(flags);
        place.good(&small(name, &args));
        let config: Value =
            serde_json::from_slice(&place.bytes(&format!("{name}/config.json"))).unwrap();
        let text = config.to_string();
        for part in name.split('+') {
            assert!(
                text.contains(&format!("\"estimator\":\"{part}\"")),
                "{text}"
            );
        }
        let test: Value =
            serde_json::from_slice(&place.bytes(&format!("{name}/test.json"))).unwrap();
        for reading in ["mean_of_16", "threshold"] {
            assert!(
                test[reading]["accuracy"].as_f64().is_some(),
                "{name}: {reading}"
            );
        }
    }
}

/// A short list is whole wherever it is shown: which estimator each layer has is not what was
/// asked for.
#[test]
fn what_a_short_list_becomes_is_said_and_shown() {
    let place = Place::new();
    let stochastic = ["--mode", "stoch", "--estimator", "local-expectation"];
    let ended = place.good(&small("run", &stochastic));
    let line = "--estimator local-expectation over 2 binary layers is disarm+local-expectation";
    assert!(ended.err.contains(line), "{}", ended.err);
    assert!(
        ended.out.contains("stoch, disarm+local-expectation"),
        "{}",
        ended.out
    );
    // A list that is as it was given needs no word.
    let ended = place.good(&small(
        "whole",
        &["--mode", "stoch", "--estimator", "disarm+local-expectation"],
    ));
    assert!(!ended.err.contains("binary layers is"), "{}", ended.err);

    let mut args = vec!["lab", "--dataset", "idx", "--data", "data", "--images", "4"];
    args.extend(["--draws", "10", "--warm-up", "2", "--reference-draws", "10"]);
    args.extend(["--reference", "local-expectation", "--out", "lab"]);
    args.extend(["--estimators", "st,local-expectation,local-expectation::2"]);
    let ended = place.good(&args);
    let record: Value = serde_json::from_slice(&place.bytes("lab/lab.json")).unwrap();
    let point = &record["points"][0];
    assert_eq!(point["reference"]["name"], "disarm+local-expectation");
    let names: Vec<_> = point["estimators"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["name"])
        .collect();
    assert_eq!(
        names,
        [
            "st",
            "disarm+local-expectation",
            "disarm+local-expectation::2"
        ]
    );
    assert!(
        ended.out.contains("disarm+local-expectation::2"),
        "{}",
        ended.out
    );
    // Every label of the list is whole: none stands without the layer below.
    assert!(
        !ended
            .out
            .replace("disarm+local", "")
            .contains("local-expectation"),
        "{}",
        ended.out
    );
    assert!(
        !ended
            .err
            .replace("disarm+local", "")
            .contains("local-expectation"),
        "{}",
        ended.err
    );
    let svg = String::from_utf8(place.bytes("lab/variance.svg")).unwrap();
    assert!(svg.contains("disarm+local-expectation"));
    // A record from before keeps the labels that it has.
    let old = include_bytes!("old_lab.json");
    std::fs::write(place.path("lab/lab.json"), old).unwrap();
    let again = place.good(&["lab", "--render", "--out", "lab"]).out;
    let keeps = |l: &str| l.trim_start().starts_with("local-expectation ");
    assert!(again.lines().any(keeps), "{again}");
}

#[test]
fn combinations_without_a_meaning_are_refused_in_one_line() {
    let place = Place::new();
    for (flags, says) in [
        (
            &["--estimator", "magic"][..],
            "unknown estimator `magic`; choose from st",
        ),
        (
            &["--estimator", "arm", "--probability", "hard-sigmoid"],
            "holds for the sigmoid probability function only",
        ),
        (
            &["--estimator", "local-expectation", "--binary", "first"],
            "only in the last binary layer",
        ),
        (
            &["--estimator", "local-expectation", "--binary", "first"],
            "or another estimator (--binary, --estimator)",
        ),
        (
            &["--estimator", "rebar+st"],
            "or an estimator that has it (--probability, --estimator)",
        ),
        (
            &["--estimator", "st+arm", "--binary", "last"],
            "names 2 estimators for 1 binary layer",
        ),
        (
            &["--baseline", "batch"],
            "no estimator of the network takes a baseline",
        ),
        (
            &["--estimator", "reinforce", "--baseline", "loo"],
            "at least 2 samples",
        ),
        (&["--samples", "3"], "would all be the same"),
        (&["--temperature", "0.5"], "--temperature: has no effect"),
        (
            &["--binary", "none", "--probability", "sigmoid"],
            "--probability: has no effect with model.binary none",
        ),
        (
            &["--binary", "none", "--levels", "-1/+1"],
            "--levels: has no effect with model.binary none",
        ),
    ] {
        let ended = place.run(&small("no", flags));
        assert!(
            matches!(ended.code, Some(1 | 2)),
            "{flags:?}: {:?}",
            ended.code
        );
        assert_eq!(
            ended.err.trim().lines().count(),
            1,
            "{flags:?}: {}",
            ended.err
        );
        assert!(ended.err.contains(says), "{flags:?}: {}", ended.err);
    }
}

#[test]
fn the_lab_measures_and_draws() {
    let place = Place::new();
    let base = [
        "lab",
        "--dataset",
        "idx",
        "--data",
        "data",
        "--binary",
        "last",
    ];
    let mut args = base.to_vec();
    args.extend([
        "--images",
        "8",
        "--draws",
        "20",
        "--warm-up",
        "5",
        "--reference-draws",
        "40",
    ]);
    args.extend(["--estimators", "st,reinforce:loo:4,disarm", "--out", "lab"]);
    let ended = place.good(&args);
    assert!(ended.out.contains("reinforce:loo:4"), "{}", ended.out);
    let record: Value = serde_json::from_slice(&place.bytes("lab/lab.json")).unwrap();
    let measured = record["points"][0]["estimators"].as_array().unwrap();
    assert_eq!(measured.len(), 3);
    for one in measured {
        let all = one["figures"].as_array().unwrap().last().unwrap();
        assert_eq!(all[0], "all");
        assert!(all[1]["variance"].as_f64().unwrap() > 0.0);
    }
    for figure in [
        "bias",
        "variance",
        "snr",
        "cosine",
        "milliseconds",
        "efficiency",
    ] {
        let svg = String::from_utf8(place.bytes(&format!("lab/{figure}.svg"))).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert!(svg.contains("disarm"), "{figure}");
    }
    // The record alone gives the same figures and the same lines again.
    let drawn = place.bytes("lab/lab.json");
    let figure = place.bytes("lab/bias.svg");
    std::fs::remove_file(place.path("lab/bias.svg")).unwrap();
    assert_eq!(
        place.good(&["lab", "--render", "--out", "lab"]).out,
        ended.out
    );
    assert_eq!(place.bytes("lab/lab.json"), drawn);
    assert_eq!(place.bytes("lab/bias.svg"), figure);
    let ended = place.run(&["lab", "--render", "--out", "elsewhere"]);
    assert_eq!(
        (ended.code, ended.err.lines().count()),
        (Some(1), 1),
        "{}",
        ended.err
    );
    // Too many bits for all outcomes; a biased reference; a fresh lab with epochs.
    for (flags, says) in [
        (&["--exact"][..], "outcomes of 12"),
        (&["--reference", "st"], "is biased"),
        (&["--at", "1"], "needs --epochs"),
        (&["--estimators", "disarm:x"], "is no contender"),
    ] {
        let mut args = base.to_vec();
        args.extend(flags);
        let ended = place.run(&args);
        assert_eq!(ended.code, Some(2), "{flags:?}: {}", ended.err);
        assert!(ended.err.contains(says), "{flags:?}: {}", ended.err);
    }
}
