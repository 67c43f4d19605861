//! Tests of all kinds of folders, by the names in them alone.

use super::*;

fn named(paths: &[&str]) -> Vec<(usize, Vec<String>)> {
    let parts = |path: &str| path.split('/').map(String::from).collect();
    paths.iter().map(|path| parts(path)).enumerate().collect()
}

fn sorted(paths: &[&str]) -> Layout {
    sort(&named(paths)).unwrap()
}

fn refused(paths: &[&str]) -> String {
    let line = sort(&named(paths)).unwrap_err();
    assert!(line.contains(';') && !line.contains('\n'), "{line}");
    line
}

#[test]
fn classes_are_numbered_by_their_names() {
    let layout = sorted(&["b/1.png", "a/2.png", "b/0.png", "a/1.png", "c/1.png"]);
    assert_eq!(layout.classes, ["a", "b", "c"]);
    assert_eq!(layout.train, [(3, 0), (1, 0), (2, 1), (0, 1), (4, 2)]);
    assert_eq!((layout.test, layout.alphabets), (None, None));
    assert!(layout.notes.is_empty());
}

#[test]
fn a_folder_around_the_classes_does_not_count() {
    let plain = sorted(&["a/1", "b/1"]);
    assert_eq!(sorted(&["set/a/1", "set/b/1"]), plain);
    assert_eq!(sorted(&["x/set/a/1", "x/set/b/1"]), plain);
    // A single folder with the name of a part is ignored as any other folder around the classes.
    assert_eq!(sorted(&["train/a/1", "train/b/1"]), plain);
}

#[test]
fn parts_by_any_of_their_names() {
    for (train, test) in [("train", "test"), ("Training", "TESTING")] {
        let paths = [
            format!("{train}/a/1"),
            format!("{train}/b/1"),
            format!("{test}/b/2"),
        ];
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let layout = sorted(&paths);
        assert_eq!(layout.train, [(0, 0), (1, 1)]);
        assert_eq!(layout.test, Some(vec![(2, 1)]));
        assert!(layout.notes.is_empty());
    }
}

#[test]
fn validation_is_tested_on_or_learned_from_and_that_is_said() {
    let two = ["train/a/1", "train/b/1", "val/a/2"];
    let layout = sorted(&two);
    assert_eq!(layout.test, Some(vec![(2, 0)]));
    assert!(layout.notes[0].contains("those in val are tested on"));
    let three = [&two[..], &["test/b/3"]].concat();
    let layout = sorted(&three);
    assert_eq!(layout.train, [(0, 0), (2, 0), (1, 1)]);
    assert_eq!(layout.test, Some(vec![(3, 1)]));
    assert!(layout.notes[0].contains("pictures in val are learned from"));
}

#[test]
fn what_has_no_place_is_left_out_and_that_is_said() {
    let layout = sorted(&["a/1", "b/1", "logo.png"]);
    assert_eq!(layout.notes, ["1 pictures beside the folders left out"]);
    let layout = sorted(&["train/a/1", "train/b/1", "test/1", "test/2", "extra/c/1"]);
    assert_eq!(layout.test, None);
    assert_eq!(layout.classes, ["a", "b"]);
    assert_eq!(
        layout.notes,
        [
            "folders beside train left out: [\"extra\"]",
            "2 test pictures without a class left out"
        ]
    );
}

#[test]
fn a_class_of_trains_is_a_class() {
    let layout = sorted(&["bus/1", "train/1", "test/1"]);
    assert_eq!(layout.classes, ["bus", "test", "train"]);
    assert_eq!(layout.test, None);
}

#[test]
fn alphabets_have_characters() {
    let layout = sorted(&[
        "Latin/character01/1",
        "Greek/character01/1",
        "Greek/character02/1",
    ]);
    assert_eq!(
        layout.classes,
        [
            "Greek/character01",
            "Greek/character02",
            "Latin/character01"
        ]
    );
    let alphabets = ["Greek", "Greek", "Latin"].map(String::from);
    assert_eq!(layout.alphabets.as_deref(), Some(&alphabets[..]));
    let both = sorted(&[
        "images_evaluation/Tibetan/character01/1",
        "images_background/Greek/character01/1",
    ]);
    assert_eq!(both.classes, ["Greek/character01", "Tibetan/character01"]);
    assert_eq!(both.evaluation, BTreeSet::from(["Tibetan".to_string()]));
    let line = refused(&[
        "images_evaluation/Greek/character01/1",
        "images_background/Greek/character01/1",
    ]);
    assert!(line.contains("in both of Omniglot's parts"), "{line}");
}

#[test]
fn what_is_no_set_is_refused() {
    assert!(refused(&["1.png", "2.png"]).contains("no folders"));
    assert!(refused(&["a/1", "a/2"]).contains("one class alone, \"a\""));
    assert!(refused(&["a/1", "b/c/1"]).contains("different depths, \"a/1\" and \"b/c/1\""));
    let deep = refused(&["a/b/c/1", "a/x/c/1", "b/b/c/1"]);
    assert!(deep.contains("3 folders deep"), "{deep}");
    let line = refused(&["train/a/1", "train/b/1", "test/c/1"]);
    assert!(line.contains("the class \"c\", which training never shows"));
}
