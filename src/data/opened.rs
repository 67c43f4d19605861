//! Checks of what lies at a path, and opening of files. A check that fails is an error and is never
//! taken for an absent file; pipes, sockets and devices are refused, because reading could block.

use std::fs::File;
use std::path::Path;

use crate::error::{Error, Result};
use crate::files;

/// Returns whether a regular file is at `path`; for a folder the result is false.
///
/// # Errors
/// [`Error::Io`] if the check fails; [`Error::Data`] for a pipe, a socket or a device, on which
/// reading could block for ever.
pub fn is_file(path: &Path) -> Result<bool> {
    match files::look(path)? {
        None => Ok(false),
        Some(there) if there.is_file() => Ok(true),
        Some(there) if there.is_dir() => Ok(false),
        Some(_) => Err(Error::data(
            path,
            "is a pipe, a socket or a device; name a plain file",
        )),
    }
}

/// Opens a regular file for reading.
///
/// # Errors
/// [`Error::Data`] if nothing is at `path`, or something that is not a regular file; [`Error::Io`]
/// if the file cannot be opened.
pub fn open(path: &Path) -> Result<File> {
    if !is_file(path)? {
        return Err(Error::data(
            path,
            match files::look(path)? {
                Some(_) => "is a folder; name a file in it",
                None => "no such file; check the path, or fetch the file",
            },
        ));
    }
    File::open(path).map_err(Error::io("open", path))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Makes a named pipe.
    #[cfg(unix)]
    pub(in super::super) fn pipe(path: &Path) {
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.unwrap().success());
    }

    #[test]
    fn only_what_is_not_there_is_absent() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), b"x").unwrap();
        assert!(is_file(&at("file")).unwrap());
        assert!(!is_file(&at("nothing")).unwrap());
        assert!(!is_file(folder.path()).unwrap());
        let line = open(&at("nothing")).unwrap_err().to_string();
        assert!(line.contains("nothing: no such file;"), "{line}");
        let line = open(folder.path()).unwrap_err().to_string();
        assert!(line.contains("is a folder;"), "{line}");
        #[cfg(unix)]
        {
            // The check fails for a loop of links, and for a path below a file.
            std::os::unix::fs::symlink(at("loop"), at("loop")).unwrap();
            for path in [at("loop"), at("file/below")] {
                assert!(matches!(is_file(&path), Err(Error::Io { .. })));
                assert!(matches!(open(&path), Err(Error::Io { .. })));
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn pipes_and_devices_are_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        pipe(&path);
        for path in [&*path, Path::new("/dev/zero")] {
            for line in [is_file(path).unwrap_err(), open(path).unwrap_err()] {
                assert!(
                    line.to_string()
                        .contains("is a pipe, a socket or a device;")
                );
            }
        }
    }
}
