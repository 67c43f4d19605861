//! Tests of how a choice becomes a data set: what is found, downloaded, replaced and refused.

use super::*;
use crate::data::idx;
use crate::data::testing::mnist_folder;
use DatasetChoice::{Auto, Digits, Idx, Mnist};

/// A mirror that refuses the connection.
const DEAD: Option<&str> = Some("http://127.0.0.1:9");

/// No option of how files become images is stated.
const NONE: Options = Options {
    size: None,
    resize: None,
    backdrop: None,
    split_by: None,
};

#[test]
fn auto_falls_back_with_a_notice_and_mnist_never_does() {
    let base = tempfile::tempdir().unwrap();
    let load = |choice| load_below(base.path(), choice, (None, None), DEAD, &NONE, &mut |_| ());
    let loaded = load(Auto).unwrap();
    assert_eq!(loaded.dataset.name, digits::NAME);
    let notice = loaded.notice.unwrap();
    assert!(
        notice.contains("NOT MNIST") && !notice.contains('\n'),
        "{notice}"
    );
    assert!(matches!(load(Mnist), Err(Error::Network(_))));
    assert!(!base.path().join("data").exists());
}

#[test]
fn auto_does_not_replace_a_folder_or_a_mirror_that_was_mistyped() {
    let base = tempfile::tempdir().unwrap();
    let gone = base.path().join("gone");
    for (data, env) in [(Some(&*gone), None), (None, Some(&*gone))] {
        let outcome = load_below(base.path(), Auto, (data, env), DEAD, &NONE, &mut |_| ());
        assert!(matches!(outcome, Err(Error::Data { .. })));
    }
    let outcome = load_below(
        base.path(),
        Auto,
        (None, None),
        Some("no-url"),
        &NONE,
        &mut |_| (),
    );
    assert!(matches!(outcome, Err(Error::Mended { .. })));
    let empty = Some(Path::new(""));
    let outcome = load_below(base.path(), Auto, (empty, None), DEAD, &NONE, &mut |_| ());
    assert!(matches!(outcome, Err(Error::Field { field: "data", .. })));
}

#[test]
fn digits_need_nothing_and_take_no_folder() {
    let gone = Path::new("gone");
    let loaded = load(Digits, None, Some(gone), None, &mut |_| ()).unwrap();
    assert_eq!(loaded.dataset.train.len(), 60_000);
    assert_eq!(loaded.dataset.test.len(), 10_000);
    assert_eq!(loaded.notice, None);
    assert!(load(Digits, Some(gone), None, None, &mut |_| ()).is_err());
}

#[test]
fn idx_takes_its_name_from_the_folder() {
    let base = tempfile::tempdir().unwrap();
    let folder = base.path().join("letters");
    std::fs::create_dir(&folder).unwrap();
    idx::write_dataset(&digits::generate(5, 30, 20), &folder).unwrap();
    for (data, env) in [(Some(&*folder), None), (None, Some(&*folder))] {
        let loaded = load(Idx, data, env, None, &mut |_| ()).unwrap();
        assert_eq!(loaded.dataset.name, "letters");
        assert_eq!(loaded.dataset.classes, 10);
    }
    let line = load(Idx, None, None, None, &mut |_| ()).unwrap_err();
    assert!(line.to_string().contains("needs a folder"), "{line}");
    // The same files are not MNIST under the choice of MNIST.
    let outcome = load(Auto, Some(&folder), None, None, &mut |_| ());
    assert!(outcome.unwrap_err().to_string().contains("idx"));
}

#[test]
fn a_set_is_named_by_its_folder_and_passes_for_no_other() {
    let base = tempfile::tempdir().unwrap();
    let small = digits::generate(5, 30, 20);
    let name = |folder: &Path| {
        std::fs::create_dir_all(folder).unwrap();
        idx::write_dataset(&small, folder).unwrap();
        let loaded = load(Idx, Some(folder), None, None, &mut |_| ()).unwrap();
        assert_ne!(loaded.dataset.normalisation(), mnist::NORMALISATION);
        loaded.dataset.name.clone()
    };
    for (folder, named) in [
        ("FashionMNIST/raw", "FashionMNIST"),
        ("raw/raw", "raw"),
        ("raw/x", "x"),
        ("MNIST", "MNIST (other data)"),
        ("MNIST/raw", "MNIST (other data)"),
        ("m-nist", "m-nist (other data)"),
        ("x/../letters", "letters"),
    ] {
        std::fs::create_dir_all(base.path().join("x")).unwrap();
        assert_eq!(name(&base.path().join(folder)), named);
    }
    let digits = base.path().join(digits::NAME.to_uppercase());
    assert!(name(&digits).ends_with("(SYNTHETIC) (other data)"));
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let odd = std::ffi::OsStr::from_bytes(b"a\x1b[31m\n\xff\xe2\x80\xaeb");
        assert_eq!(
            name(&base.path().join(odd)),
            "a\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}b"
        );
        assert_eq!(name_of(Path::new("/")).unwrap(), "idx");
    }
}

#[test]
fn real_mnist_is_found_verified_and_normalised() {
    let Some(folder) = mnist_folder("real_mnist_is_found_verified_and_normalised") else {
        return;
    };
    let loaded = load(Auto, Some(&folder), None, None, &mut |_| ()).unwrap();
    let data = loaded.dataset;
    assert_eq!((&*data.name, data.classes), ("MNIST", 10));
    assert_eq!(data.shape(), (28, 28, 1));
    assert_eq!((data.train.len(), data.test.len()), (60_000, 10_000));
    assert_eq!(data.train.labels()[..5], [5, 0, 4, 1, 9]);
    assert_eq!(data.test.labels()[..5], [7, 2, 1, 0, 4]);
    assert_eq!(data.normalisation(), mnist::NORMALISATION);
    let measured = crate::data::Normalisation::of(&data.train);
    assert!((measured.mean - 0.1307).abs() < 5e-5);
    assert!((measured.std - 0.3081).abs() < 5e-5);
    // Each choice that reads the files gives the same data set.
    let idx = load(Idx, Some(&folder), None, None, &mut |_| ()).unwrap();
    assert_eq!(idx.dataset.train, data.train);
    assert_eq!(idx.dataset.name, "MNIST");
    assert_eq!(idx.dataset.normalisation(), mnist::NORMALISATION);
}

/// From an empty folder the data set is downloaded from a mirror with the real files; it is then
/// loaded again from the saved files, without the mirror.
#[cfg(feature = "download")]
#[test]
fn real_mnist_is_fetched_once() {
    use crate::data::testing::{Reply, serve};
    let Some(folder) = mnist_folder("real_mnist_is_fetched_once") else {
        return;
    };
    let found = mnist::find_in(&folder, "BNN_CPU_DATA").unwrap();
    let server = serve(move |path| {
        let place = mnist::FILES
            .iter()
            .position(|known| path == format!("/mnist/{}.gz", known.name));
        match place.map(|place| std::fs::read(&found.files[place]).unwrap()) {
            Some(bytes) if bytes.starts_with(&[0x1F, 0x8B]) => Reply::ok(&bytes),
            Some(bytes) => Reply::ok(&idx::gzip(&bytes)),
            None => Reply::status(404),
        }
    });
    let base = tempfile::tempdir().unwrap();
    let mirror = format!("{}/mnist/", server.url);
    let mut saved = 0;
    let mut count = |event: Event<'_>| saved += u32::from(matches!(event, Event::Saved { .. }));
    let first = load_below(
        base.path(),
        Auto,
        (None, None),
        Some(&mirror),
        &NONE,
        &mut count,
    )
    .unwrap();
    assert_eq!((first.notice, saved), (None, 4));
    let again = load_below(base.path(), Mnist, (None, None), DEAD, &NONE, &mut |_| ()).unwrap();
    assert_eq!(again.dataset.name, "MNIST");
    assert_eq!(again.dataset.test, first.dataset.test);
}
