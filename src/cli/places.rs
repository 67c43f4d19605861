//! Whether results can be put where they are asked for, found out before any work is
//! done for them. Nothing that is there is changed, and no folder is made.

use std::fs::Metadata;
use std::io::{Error as IoError, ErrorKind};
use std::path::Path;

use bnn_cpu::Error;
use bnn_cpu::files::{self, FolderLock};
use bnn_cpu::train::CONFIG;

use super::{Failure, Outcome};

/// Whether a file can be written there, into a folder that is there already. `flag` is
/// what named it.
pub fn file(flag: &str, path: &Path) -> Outcome {
    names_a_file(flag, path)?;
    writable(folder_of(path)).map_err(Error::io("write", path))?;
    Ok(())
}

/// [`file`], where the folder is made with the file.
pub fn file_and_folder(flag: &str, path: &Path) -> Outcome {
    names_a_file(flag, path)?;
    folder(folder_of(path))
}

/// Whether the folder is there or can be made, and files be put into it.
pub fn folder(path: &Path) -> Outcome {
    let mut nearest = path;
    let found = loop {
        match files::look(nearest) {
            Ok(Some(found)) => break found,
            // The working folder itself was removed.
            Ok(None) if nearest == folder_of(nearest) => {
                return Err(Error::io("write into", path)(ErrorKind::NotFound.into()).into());
            }
            Ok(None) => {}
            // Something above it is a file; which one is found further up.
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotADirectory => {}
            Err(error) => return Err(error.into()),
        }
        nearest = folder_of(nearest);
    };
    let action = match nearest == path && found.is_dir() {
        true => "write into",
        false => "create folder",
    };
    if !found.is_dir() {
        let what = match nearest == path {
            true => IoError::new(ErrorKind::AlreadyExists, "there is a file of that name"),
            false => IoError::new(
                ErrorKind::NotADirectory,
                format!("{} is a file", nearest.display()),
            ),
        };
        return Err(Error::io(action, path)(what).into());
    }
    writable(nearest).map_err(Error::io(action, path))?;
    Ok(())
}

/// [`folder`], for a run that begins there: nobody else may be writing it.
pub fn run_folder(path: &Path) -> Outcome {
    folder(path)?;
    if files::look(&path.join(CONFIG))?.is_some() {
        FolderLock::acquire(path)?;
    }
    Ok(())
}

fn names_a_file(flag: &str, path: &Path) -> Outcome {
    let found = match files::look(path) {
        // Something above it is a file, which the look at its folder will find.
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotADirectory => None,
        found => found?,
    };
    if found.as_ref().is_some_and(Metadata::is_dir) {
        return Err(Failure::usage(format!(
            "{flag} {} is a folder; name a file",
            path.display()
        )));
    }
    if found.is_some_and(|found| !found.is_file()) {
        return Err(Error::io("write", path)(IoError::other(
            "this is a pipe, socket or device, not a regular file",
        ))
        .into());
    }
    if path.file_name().is_none() {
        return Err(Failure::usage(format!(
            "{flag} {}: the path does not end in a file name; name a file",
            path.display()
        )));
    }
    Ok(())
}

/// The folder that holds `path`; a bare name lies in the working folder.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Asks the system, which knows of permissions and of disks that are read-only.
#[cfg(unix)]
fn writable(folder: &Path) -> std::io::Result<()> {
    use nix::unistd::{AccessFlags, access};
    Ok(access(folder, AccessFlags::W_OK | AccessFlags::X_OK)?)
}

/// Other systems have no answer without writing; there the write itself is the test.
#[cfg(not(unix))]
fn writable(folder: &Path) -> std::io::Result<()> {
    folder.metadata().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(outcome: Outcome) -> String {
        match outcome {
            Err(Failure::Error(error)) => format!("1 {error}"),
            Err(Failure::Usage(what)) => format!("2 {what}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_cannot_be_written_is_named_and_nothing_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("file"), "x").unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        file("-o", &at("new")).unwrap();
        file("-o", &at("file")).unwrap();
        file_and_folder("-o", &at("a/b/new")).unwrap();
        for name in ["folder", "new", "a/b/c", "folder/d"] {
            folder(&at(name)).unwrap();
            run_folder(&at(name)).unwrap();
        }
        let line = said(file("--output", &at("folder")));
        assert!(
            line.starts_with("2 --output ") && line.ends_with("folder is a folder; name a file")
        );
        assert!(said(file("-o", &at("folder/.."))).starts_with("2 -o "));
        assert!(said(file("-o", &at("none/new"))).starts_with("1 cannot write "));
        assert!(said(file("-o", &at("file/new"))).starts_with("1 cannot write "));
        let line = said(file_and_folder("-o", &at("file/b/new")));
        assert!(line.starts_with("1 cannot create folder ") && line.ends_with("file is a file"));
        assert!(said(folder(&at("file"))).ends_with("there is a file of that name"));
        let mut left: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["file", "folder"]);
        assert_eq!(std::fs::read_dir(at("folder")).unwrap().count(), 0);
    }

    #[test]
    fn a_run_that_another_process_writes_is_in_use() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.json"), "{}").unwrap();
        run_folder(dir.path()).unwrap();
        let lock = FolderLock::acquire(dir.path()).unwrap();
        assert!(said(run_folder(dir.path())).contains("in use"));
        drop(lock);
        run_folder(dir.path()).unwrap();
    }
}
