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
