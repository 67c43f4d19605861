//! From the user's choice of a data set to the data set.

use std::path::{Path, PathBuf};

use super::event::Event;
pub use super::loaded::Loaded;
use super::loaded::{printable, source};
use super::reading::Options;
use super::{Dataset, DatasetChoice, digits, download, mnist, omniglot, sets};
use crate::error::{Error, Result};

/// Loads what `choice` asks for.
///
/// `data_dir` is `--data`, `env` is `$BNN_CPU_DATA` (`$BNN_CPU_OMNIGLOT` for
/// [`DatasetChoice::Omniglot`], whose usual place is where it is fetched to), `mirror` is `--mirror` or
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
    load_with(choice, (data_dir, env), mirror, &Options::default(), events)
}

/// [`load`] with what is stated of how files become images. Places are `--data` and
/// `$BNN_CPU_DATA`.
///
/// # Errors
/// As [`load`]; also [`Error::Spec`] for options that have no effect on the set.
pub fn load_with(
    choice: DatasetChoice,
    places: (Option<&Path>, Option<&Path>),
    mirror: Option<&str>,
    options: &Options,
    events: &mut dyn FnMut(Event<'_>),
) -> Result<Loaded> {
    load_below(Path::new(""), choice, places, mirror, options, events)
}

/// [`load_with`] with the usual folders taken from below `base`.
fn load_below(
    base: &Path,
    choice: DatasetChoice,
    (data_dir, env): (Option<&Path>, Option<&Path>),
    mirror: Option<&str>,
    options: &Options,
    events: &mut dyn FnMut(Event<'_>),
) -> Result<Loaded> {
    let empty = |path: &&Path| path.as_os_str().is_empty();
    if data_dir.as_ref().is_some_and(empty) {
        return Err(Error::field("data", "is empty; name a folder"));
    }
    let env = env.filter(|path| !empty(path));
    let plain = |dataset| Loaded {
        dataset,
        notice: None,
    };
    let choice = meant(choice, data_dir.or(env));
    if !matches!(choice, DatasetChoice::Files | DatasetChoice::Omniglot) {
        refuse_options(options, choice.name())?;
    }
    match choice {
        DatasetChoice::Digits if data_dir.is_some() => Err(Error::field(
            "data",
            "has no use with the data set digits, which needs no file; leave one of them out",
        )),
        DatasetChoice::Digits => Ok(plain(digits::load())),
        DatasetChoice::Files
        | DatasetChoice::Idx
        | DatasetChoice::Emnist(_)
        | DatasetChoice::Qmnist => Ok(read_files(choice, data_dir, env, options, events)?.0),
        DatasetChoice::Omniglot => {
            let place = omniglot::place(base, data_dir, env)?;
            let files = DatasetChoice::Files;
            let (loaded, place) = read_files(files, Some(&place), None, options, events)?;
            omniglot::named(loaded, &place)
        }
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

/// What a choice stands for where a place is named: [`DatasetChoice::Auto`] for its files,
/// if they are of another kind than IDX.
pub fn meant(choice: DatasetChoice, named: Option<&Path>) -> DatasetChoice {
    match choice {
        DatasetChoice::Auto if named.is_some_and(is_no_idx) => DatasetChoice::Files,
        choice => choice,
    }
}

/// Whether a named place holds files of a kind that is not IDX, and no IDX files. What is
/// damaged, or of no kind that is known, is taken for one: the attempt to read it says what
/// it is.
#[cfg(feature = "formats")]
fn is_no_idx(place: &Path) -> bool {
    let other = || -> Result<bool> {
        if crate::files::look(place)?.is_none() {
            return Ok(false);
        }
        if super::formats::is_other_file(place)? {
            return Ok(true);
        }
        if sets::others(place, "data")?.is_some() {
            return Ok(false);
        }
        // Some of the four files are a set that lacks one.
        Ok(super::formats::is_here(place)? || !super::formats::has_idx_names(place)?)
    };
    other().unwrap_or(true)
}

#[cfg(not(feature = "formats"))]
fn is_no_idx(_: &Path) -> bool {
    false
}

/// Options are for files other than IDX.
fn refuse_options(options: &Options, what: &str) -> Result<()> {
    match options.stated()[..] {
        [] => Ok(()),
        [name, ..] => Err(Error::spec(format!(
            "{name} has no effect on the data set {what}, whose images are taken as they are; leave it out"
        ))),
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

/// Reads a set from files that are named: `data_dir`, else `env`
/// (`$BNN_CPU_DATA`), a folder or a file. Says where it was found.
///
/// # Errors
/// [`Error::Spec`] when no files are named, or options have no effect on them;
/// [`Error::Data`] when they are not there, are several sets of which none was chosen, or do
/// not hold what they should; [`Error::Io`] from the operating system.
pub fn read_files(
    choice: DatasetChoice,
    data_dir: Option<&Path>,
    env: Option<&Path>,
    options: &Options,
    events: &mut dyn FnMut(Event<'_>),
) -> Result<(Loaded, PathBuf)> {
    let (place, asked_by) = match (data_dir, env) {
        (Some(place), _) => (place, "data"),
        (None, Some(place)) => (place, "BNN_CPU_DATA"),
        (None, None) => {
            let what = "needs a folder; name one that holds its files";
            let what = format!("the data set {} {what}", choice.name());
            return Err(Error::spec(what).mended_by(&["data"]));
        }
    };
    if choice == DatasetChoice::Files
        && let Some(loaded) = read_other(place, asked_by, options, events)?
    {
        return Ok((loaded, place.to_path_buf()));
    }
    refuse_options(options, "in IDX files")?;
    let set = sets::find(place, asked_by, choice.family())?;
    let dataset = set.read(&name_of(place)?)?;
    let loaded = Loaded {
        dataset: dataset.read_from(source(place, Options::default())),
        notice: set.notice(),
    };
    Ok((loaded, place.to_path_buf()))
}

/// The set in a place that holds no IDX files.
#[cfg(feature = "formats")]
fn read_other(
    place: &Path,
    asked_by: &str,
    options: &Options,
    events: &mut dyn FnMut(Event<'_>),
) -> Result<Option<Loaded>> {
    use super::formats;
    if crate::files::look(place)?.is_some()
        && !formats::is_other_file(place)?
        && sets::others(place, asked_by)?.is_some()
    {
        return Ok(None);
    }
    let name = match crate::files::is_folder(place)? {
        true => name_of(place)?,
        false => printable(&formats::name_of(place)),
    };
    formats::read(place, &name, asked_by, options, events).map(Some)
}

#[cfg(not(feature = "formats"))]
fn read_other(
    _: &Path,
    _: &str,
    _: &Options,
    _: &mut dyn FnMut(Event<'_>),
) -> Result<Option<Loaded>> {
    Ok(None)
}

/// What the set in `folder` is called: the folder's or the zip's name, or that of the
/// folder above `raw`, where torchvision keeps its files. Bytes that are no text and characters that
/// would disturb a line of output are replaced.
fn name_of(folder: &Path) -> Result<String> {
    // "." and ".." have a name only once they are resolved.
    let resolved = folder.canonicalize().map_err(Error::io("open", folder))?;
    let above = resolved.parent().and_then(Path::file_name);
    let own = match resolved.extension() {
        Some(end) if end == "zip" => resolved.file_stem(),
        _ => resolved.file_name(),
    };
    let name = match own {
        Some(name) if name == "raw" => above.unwrap_or(name),
        Some(name) => name,
        None => return Ok("idx".into()),
    };
    Ok(printable(&name.to_string_lossy()))
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
