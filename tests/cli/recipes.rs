//! Settings of a run from a file.

use crate::common::Place;

fn write(place: &Place, name: &str, text: &str) {
    std::fs::write(place.path(name), text).unwrap();
}

#[test]
fn a_recipe_is_its_flags_and_a_flag_stands_above_it() {
    let place = Place::new();
    write(
        &place,
        "r.json",
        r#"{"about": "small", "model": "mlp", "weights": "binary", "epochs": 2, "batch": 16,
            "optimizer": "adam", "lr": 0.01, "dataset": "idx"}"#,
    );
    let data = ["--data", "data", "--out"];
    let by_recipe = [&["train", "--recipe", "r.json"][..], &data, &["a"]].concat();
    place.good(&by_recipe);
    let flags = "train --model mlp --weights binary --epochs 2 --batch 16 --optimizer adam --lr 0.01 --dataset idx";
    let flags: Vec<&str> = flags.split(' ').collect();
    place.good(&[&flags[..], &data, &["b"]].concat());
    place.assert_same_run("a", "b");
    let config = |run: &str| {
        let text = String::from_utf8(place.bytes(&format!("{run}/config.json"))).unwrap();
        bnn_cpu::seal::open(&text).unwrap().content
    };
    assert_eq!(config("a"), config("b"));
    assert_eq!(place.metrics("a").len(), 2);
    let once = ["train", "--recipe", "r.json", "--epochs", "1"];
    place.good(&[&once[..], &data, &["c"]].concat());
    assert_eq!(place.metrics("c").len(), 1);
}

#[test]
fn bad_recipes_are_one_line() {
    let place = Place::new();
    let train = ["train", "--recipe", "r.json"];
    place.bad(&train, 1, "cannot read r.json");
    write(&place, "r.json", "no json");
    place.bad(&train, 1, "r.json: not a recipe");
    write(&place, "r.json", r#"{"epoch": 3}"#);
    place.bad(&train, 1, "r.json: `epoch` is no setting of a recipe");
    write(&place, "r.json", r#"{"epochs": 0}"#);
    place.bad(
        &train,
        1,
        "r.json: epochs 0: it must be a whole number from 1 to",
    );
    write(&place, "r.json", r#"{"momentum": 0.5}"#);
    let clash = [&train[..], &["--optimizer", "adam"]].concat();
    place.bad(
        &clash,
        2,
        "r.json: optimiser.momentum: has no effect with adam; it is a setting of sgd",
    );
    let flag = ["train", "--optimizer", "adam", "--momentum", "0.5"];
    place.bad(&flag, 2, "--momentum: has no effect with adam");
}

/// Every recipe that comes with the program can be begun.
#[test]
fn the_recipes_at_hand_are_sound() {
    let place = Place::new();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/data/recipes");
    let mut found = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "json") {
            found += 1;
            let path = path.to_str().unwrap();
            // Nothing but the data is missing.
            let train = ["train", "--recipe", path, "--data", "nowhere"];
            place.bad(&train, 1, "nowhere");
        }
    }
    assert!(found >= 2);
}

/// Other words for a choice mean it, on the command line and in a recipe.
#[test]
fn words_that_others_use_are_understood() {
    let place = Place::new();
    let of = |flags: &[&str]| {
        place
            .good(&[&["inspect", "mlp", "--json"], flags].concat())
            .out
    };
    for (word, own) in [
        (["--mode", "deterministic"], ["--mode", "det"]),
        (["--mode", "stochastic"], ["--mode", "stoch"]),
        (["--levels", "signs"], ["--levels", "-1/+1"]),
        (["--probability", "logistic"], ["--probability", "sigmoid"]),
    ] {
        assert_eq!(of(&word), of(&own), "{word:?}");
    }
    assert_ne!(of(&["--mode", "det"]), of(&["--mode", "stoch"]));
    std::fs::write(
        place.path("r.json"),
        r#"{"mode": "stochastic", "epochs": 1}"#,
    )
    .unwrap();
    let data = ["--dataset", "idx", "--data", "data", "--out", "run"];
    place.good(&[&["train", "--recipe", "r.json"], &data[..]].concat());
    let config = place.json("run/config.json").to_string();
    assert!(config.contains(r#""mode":"stoch""#), "{config}");
}

/// The optimiser and the samples of a run that was trained by those flags, and what was said.
fn settings(flags: &[&str]) -> (String, u64, String) {
    let place = Place::new();
    let small = ["train", "--dataset", "idx", "--data", "data"];
    let rest = [
        "--batch", "16", "--epochs", "1", "--mode", "stoch", "--out", "run",
    ];
    let ended = place.good(&[&small[..], &rest, flags].concat());
    let config = place.json("run/config.json");
    let name = config["optimiser"]["name"].as_str().unwrap().to_string();
    (name, config["samples"].as_u64().unwrap(), ended.err)
}

#[test]
fn an_estimator_takes_its_own_recipe_where_nothing_is_given() {
    let (optimiser, samples, said) = settings(&["--estimator", "reinforce"]);
    assert_eq!((&*optimiser, samples), ("adam", 4));
    assert!(said.contains("the recipe estimator-reinforce"), "{said}");
    // Straight-through follows the reference protocol, as do runs that are told to.
    for flags in [&[][..], &["--estimator", "st"]] {
        let (optimiser, _, said) = settings(flags);
        assert_eq!(optimiser, "sgd");
        assert!(!said.contains("recipe"), "{said}");
    }
    let reference = ["--estimator", "reinforce", "--protocol", "reference"];
    assert_eq!(settings(&reference).0, "sgd");
    let tuned = ["--estimator", "st", "--protocol", "tuned"];
    assert_eq!(settings(&tuned).0, "adam");
}

#[test]
fn a_setting_that_is_given_is_not_mixed_with_a_recipe_by_chance() {
    let (optimiser, _, said) = settings(&["--estimator", "disarm", "--lr", "0.05"]);
    assert_eq!(optimiser, "sgd");
    assert!(
        said.contains("--lr is given") && said.contains("--protocol tuned"),
        "{said}"
    );
    let both = [
        "--estimator",
        "disarm",
        "--lr",
        "0.05",
        "--protocol",
        "tuned",
    ];
    let (optimiser, _, said) = settings(&both);
    assert_eq!(optimiser, "adam");
    assert!(said.contains("the recipe estimator-disarm"), "{said}");
    // A list has a recipe of its own, or that of its first member.
    let list = [
        "--estimator",
        "reinforce+local-expectation",
        "--model",
        "seed-net",
    ];
    assert_eq!(settings(&list).1, 4);
    let place = Place::new();
    let refused = ["train", "--recipe", "xnor-net", "--protocol", "tuned"];
    place.bad(&refused, 2, "leave one of them out");
    place.bad(
        &["train", "--resume", "--protocol", "tuned"],
        2,
        "--protocol has no effect",
    );
}
