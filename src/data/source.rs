//! Loading of the data set that a [`DatasetChoice`] stands for.

use std::path::{Path, PathBuf};

use super::event::Event;
pub use super::loaded::Loaded;
use super::loaded::{printable, source};
use super::reading::Options;
use super::{Dataset, DatasetChoice, digits, download, mnist, omniglot, sets};
use crate::error::{Error, Result};

/// Loads the data set that `choice` stands for.
///
/// `data_dir` is `--data`, `env` is `$BNN_CPU_DATA` (`$BNN_CPU_OMNIGLOT` for
/// [`DatasetChoice::Omniglot`]), `mirror` is `--mirror` or `$BNN_CPU_MIRROR`; an empty `env` counts
/// as unset. If a folder is named, no other is searched. If none is named, MNIST is looked for in
/// [`mnist::FOLDERS`] and downloaded into the first of them, and Omniglot is looked for in the
/// folder into which it is downloaded. `events` is called with the progress of downloading and
/// reading.
///
/// # Errors
/// [`Error::Data`] if a folder or file does not have the expected content; [`Error::Network`] if
/// [`DatasetChoice::Mnist`] is neither on the disk nor can be downloaded; [`Error::Spec`] for
/// settings that contradict each other; [`Error::Io`] from the operating system.
pub fn load(
    choice: DatasetChoice,
    data_dir: Option<&Path>,
    env: Option<&Path>,
    mirror: Option<&str>,
    events: &mut dyn FnMut(Event<'_>),
) -> Result<Loaded> {
    load_with(choice, (data_dir, env), mirror, &Options::default(), events)
}

/// As [`load`], with options of how files become images. `places` are `--data` and `$BNN_CPU_DATA`.
///
/// # Errors
/// As [`load`]; also [`Error::Spec`] for options that have no effect on the data set.
pub fn load_with(
    choice: DatasetChoice,
    places: (Option<&Path>, Option<&Path>),
    mirror: Option<&str>,
    options: &Options,
    events: &mut dyn FnMut(Event<'_>),
) -> Result<Loaded> {
    load_below(Path::new(""), choice, places, mirror, options, events)
}

/// As [`load_with`], with [`mnist::FOLDERS`] below `base`.
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
        held_out: None,
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
                held_out: None,
            }),
            Err(error) => Err(error),
        },
    }
}

/// Resolves [`DatasetChoice::Auto`] for a named place: [`DatasetChoice::Files`] if the place holds
/// files of another format than IDX. Other choices are returned unchanged.
pub fn meant(choice: DatasetChoice, named: Option<&Path>) -> DatasetChoice {
    match choice {
        DatasetChoice::Auto if named.is_some_and(is_no_idx) => DatasetChoice::Files,
        choice => choice,
    }
}

/// Returns whether a named place holds files of another format than IDX, and no IDX files. The
/// result is also true for a damaged place or one of unknown format, because reading it as
/// [`DatasetChoice::Files`] gives the error that describes it.
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
        // A place with some of the four IDX files is an incomplete IDX data set.
        Ok(super::formats::is_here(place)? || !super::formats::has_idx_names(place)?)
    };
    other().unwrap_or(true)
}

#[cfg(not(feature = "formats"))]
fn is_no_idx(_: &Path) -> bool {
    false
}

/// Returns an error if options are stated for a data set that has no use for them.
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
        let dataset = mnist::load(&found)?;
        // Other places are looked at again by themselves.
        return Ok(match data_dir {
            Some(place) => dataset.read_from(source(place, Options::default())),
            None => dataset,
        });
    }
    let folder = base.join(mnist::FOLDERS[0]);
    download::download(&folder, mirror, events)?;
    mnist::load(&mnist::find_in(&folder, "the download")?)
}

/// Reads a data set from the named folder or file `data_dir`, else `env` (`$BNN_CPU_DATA`). Returns
/// it with the place where it was found.
///
/// # Errors
/// [`Error::Spec`] if no place is named, or options have no effect on its files; [`Error::Data`] if
/// nothing is there, if it holds several data sets and none was chosen, or if a file does not have
/// the expected content; [`Error::Io`] from the operating system.
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
        held_out: None,
    };
    Ok((loaded, place.to_path_buf()))
}

/// Reads the data set in `place`, or returns `None` if the place holds a data set of IDX files.
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

/// Returns the name of the data set in `folder`: the name of the folder or archive, or that of the
/// folder above `raw`, in which torchvision keeps its files. Bytes that are not UTF-8 and
/// characters that would garble a line of output are replaced.
fn name_of(folder: &Path) -> Result<String> {
    // The names "." and ".." are replaced by the names of the folders that they stand for.
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
