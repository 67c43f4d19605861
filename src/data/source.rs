//! From the user's choice of a data set to the data set.

use std::path::Path;
use std::str::FromStr;

use super::event::Event;
use super::{Dataset, digits, download, idx, mnist};
use crate::error::{Error, Result};

/// Which data set is wanted (`--dataset`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DatasetChoice {
    /// MNIST: found, else fetched, else replaced by the built-in digits, with
    /// a notice that says so.
    #[default]
    Auto,
    /// MNIST or an error.
    Mnist,
    /// The built-in digits.
    Digits,
    /// Any IDX set, from a named folder.
    Idx,
}

impl DatasetChoice {
    /// Every choice, in the order in which help lists them.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Mnist, Self::Digits, Self::Idx];

    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Mnist => "mnist",
            Self::Digits => "digits",
            Self::Idx => "idx",
        }
    }
}

impl FromStr for DatasetChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|choice| choice.name() == text)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name).join(", ");
                Error::spec(format!(
                    "no data set is called \"{text}\"; choose one of {names}"
                ))
            })
    }
}

/// A data set, and what the user must be told about it.
#[derive(Debug)]
pub struct Loaded {
    /// The data set.
    pub dataset: Dataset,
    /// One line to show prominently: set when the built-in digits stand in for
    /// MNIST without having been asked for.
    pub notice: Option<String>,
}

/// Loads what `choice` asks for.
///
/// `data_dir` is `--data`, `env` is `$BNN_CPU_DATA`, `mirror` is `--mirror` or
/// `$BNN_CPU_MIRROR`; an empty `env` counts as unset. A folder that is named
/// is the only one looked at. Where none is named, MNIST is looked for in
/// [`mnist::FOLDERS`] and fetched into the first of them. `events` hears how a
/// download goes.
///
/// # Errors
/// [`Error::Data`] for a folder or file that is not as it should be;
/// [`Error::Network`] when [`DatasetChoice::Mnist`] is neither here nor to be
/// fetched; [`Error::Spec`] for settings that contradict each other;
/// [`Error::Io`] from the operating system.
pub fn load(
    choice: DatasetChoice,
    data_dir: Option<&Path>,
    env: Option<&Path>,
    mirror: Option<&str>,
    events: &mut dyn FnMut(Event<'_>),
) -> Result<Loaded> {
    load_below(Path::new(""), choice, data_dir, env, mirror, events)
}

/// [`load`] with the usual folders taken from below `base`.
fn load_below(
    base: &Path,
    choice: DatasetChoice,
    data_dir: Option<&Path>,
    env: Option<&Path>,
    mirror: Option<&str>,
    events: &mut dyn FnMut(Event<'_>),
) -> Result<Loaded> {
    let empty = |path: &&Path| path.as_os_str().is_empty();
    if data_dir.as_ref().is_some_and(empty) {
        return Err(Error::spec("--data is empty; name a folder"));
    }
    let env = env.filter(|path| !empty(path));
    let plain = |dataset| Loaded {
        dataset,
        notice: None,
    };
    match choice {
        DatasetChoice::Digits if data_dir.is_some() => Err(Error::spec(
            "--data has no use with --dataset digits, which needs no file; leave one of them out",
        )),
        DatasetChoice::Digits => Ok(plain(digits::load())),
        DatasetChoice::Idx => load_idx(data_dir, env).map(plain),
        DatasetChoice::Mnist => find_or_fetch(base, data_dir, env, mirror, events).map(plain),
        DatasetChoice::Auto => match find_or_fetch(base, data_dir, env, mirror, events) {
            Ok(dataset) => Ok(plain(dataset)),
            Err(Error::Network(why)) => Ok(Loaded {
                dataset: digits::load(),
                notice: Some(format!(
                    "NOT MNIST: using the {} instead, so figures cannot be compared with published ones; {why}",
                    digits::NAME
                )),
            }),
            Err(error) => Err(error),
        },
    }
}

fn find_or_fetch(
    base: &Path,
    data_dir: Option<&Path>,
    env: Option<&Path>,
    mirror: Option<&str>,
    events: &mut dyn FnMut(Event<'_>),
) -> Result<Dataset> {
    if let Some(found) = mnist::find_below(base, data_dir, env)? {
        return mnist::load(&found);
    }
    let folder = base.join(mnist::FOLDERS[0]);
    download::download(&folder, mirror, events)?;
    mnist::load(&mnist::find_in(&folder, "the download")?)
}

fn load_idx(data_dir: Option<&Path>, env: Option<&Path>) -> Result<Dataset> {
    let (folder, asked_by) = match (data_dir, env) {
        (Some(folder), _) => (folder, "--data"),
        (None, Some(folder)) => (folder, "BNN_CPU_DATA"),
        (None, None) => {
            return Err(Error::spec(
                "--dataset idx needs a folder; name one that holds the four IDX files with --data",
            ));
        }
    };
    read_idx(folder, asked_by)
}

/// Any set of four IDX files in `folder`, called by the folder's name; `asked_by` is
/// the setting that named it.
///
/// # Errors
/// As [`mnist::find_in`] and [`idx::read_dataset`]; [`Error::Io`] when the folder's own
/// name cannot be found out.
pub fn read_idx(folder: &Path, asked_by: &str) -> Result<Dataset> {
    let found = mnist::find_in(folder, asked_by)?;
    idx::read_dataset(&name_of(folder)?, &found.files)
}

/// What the set in `folder` is called: the folder's name, or that of the folder above
/// `raw`, where torchvision keeps its files. Bytes that are no text and characters that
/// would disturb a line of output are replaced.
fn name_of(folder: &Path) -> Result<String> {
    // "." and ".." have a name only once they are resolved.
    let resolved = folder.canonicalize().map_err(Error::io("open", folder))?;
    let above = resolved.parent().and_then(Path::file_name);
    let name = match resolved.file_name() {
        Some(name) if name == "raw" => above.unwrap_or(name),
        Some(name) => name,
        None => return Ok("idx".into()),
    };
    let plain = |c: char| {
        if disturbs(c) {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    Ok(name.to_string_lossy().chars().map(plain).collect())
}

/// Whether a character moves the cursor, hides, or changes the direction of writing.
fn disturbs(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::super::testing::mnist_folder;
    use super::*;
    use DatasetChoice::{Auto, Digits, Idx, Mnist};

    /// A mirror that refuses the connection.
    const DEAD: Option<&str> = Some("http://127.0.0.1:9");

    #[test]
    fn names_parse_back() {
        for choice in DatasetChoice::ALL {
            assert_eq!(choice.name().parse::<DatasetChoice>().unwrap(), choice);
        }
        let line = "cifar".parse::<DatasetChoice>().unwrap_err().to_string();
        assert!(line.contains("auto, mnist, digits, idx"), "{line}");
    }

    #[test]
    fn auto_falls_back_with_a_notice_and_mnist_never_does() {
        let base = tempfile::tempdir().unwrap();
        let load = |choice| load_below(base.path(), choice, None, None, DEAD, &mut |_| ());
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
            let outcome = load_below(base.path(), Auto, data, env, DEAD, &mut |_| ());
            assert!(matches!(outcome, Err(Error::Data { .. })));
        }
        let outcome = load_below(base.path(), Auto, None, None, Some("no-url"), &mut |_| ());
        assert!(matches!(outcome, Err(Error::Spec(_))));
        let empty = Some(Path::new(""));
        let outcome = load_below(base.path(), Auto, empty, None, DEAD, &mut |_| ());
        assert!(matches!(outcome, Err(Error::Spec(_))));
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
        // The same files are not MNIST.
        let outcome = load(Auto, Some(&folder), None, None, &mut |_| ());
        assert!(outcome.unwrap_err().to_string().contains("--dataset idx"));
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
        let measured = super::super::Normalisation::of(&data.train);
        assert!((measured.mean - 0.1307).abs() < 5e-5);
        assert!((measured.std - 0.3081).abs() < 5e-5);
        // However it is asked for, it is the same set.
        let idx = load(Idx, Some(&folder), None, None, &mut |_| ()).unwrap();
        assert_eq!(idx.dataset.train, data.train);
        assert_eq!(idx.dataset.name, "MNIST");
        assert_eq!(idx.dataset.normalisation(), mnist::NORMALISATION);
    }

    /// From an empty folder, over a mirror that serves the real files, to the
    /// data set; and once more from what was saved, with the mirror gone.
    #[cfg(feature = "download")]
    #[test]
    fn real_mnist_is_fetched_once() {
        use super::super::testing::{Reply, serve};
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
        let first = load_below(base.path(), Auto, None, None, Some(&mirror), &mut count).unwrap();
        assert_eq!((first.notice, saved), (None, 4));
        let again = load_below(base.path(), Mnist, None, None, DEAD, &mut |_| ()).unwrap();
        assert_eq!(again.dataset.name, "MNIST");
        assert_eq!(again.dataset.test, first.dataset.test);
    }
}
