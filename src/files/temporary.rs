//! Temporary files: names that no other writer uses, and the removal of those that a killed writer
//! left.
//!
//! The temporary file for `NAME` is named `.NAME.RRRRRRRRRRRRRRRR-CCCCCCCC.tmp`: random digits, and
//! the first digits of a SHA-256 of both, so that only files that this program can have created are
//! removed. A writer holds a lock of the operating system on its file until the file has its final
//! name. The lock is released when the process ends, also if process identifiers are not unique
//! (containers on one disk).

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Dir, Disk};
use crate::{random, seal};

/// Number of names that are tried before a write fails.
const TRIES: usize = 16;

/// The longest part of a file's name that is used in a temporary name, in bytes; names of files
/// have at most 255 bytes.
const LONGEST: usize = 200;

/// Creates a temporary file for `name`, and returns its name and the file.
pub(super) fn create<D: Disk>(disk: &D, name: &Path) -> io::Result<(PathBuf, D::File)> {
    let name = name.as_os_str();
    let mut tried = 0;
    loop {
        let temporary = PathBuf::from(temporary(name, &format!("{:016x}", random::entropy()?)));
        tried += 1;
        match disk.create(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            // The name is used by another writer.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && tried < TRIES => {}
            Err(e) => {
                // The call may have failed after it created the file.
                if e.kind() != io::ErrorKind::AlreadyExists {
                    let _ = disk.remove(&temporary);
                }
                return Err(e);
            }
        }
    }
}

/// Removes the temporary files for `name` that killed writers left.
///
/// Errors are ignored, because a file that is not removed does no harm.
pub(super) fn remove_leftovers(dir: &Dir, name: &Path) {
    let Ok(entries) = fs::read_dir(dir.path()) else {
        return;
    };
    for entry in entries.flatten() {
        if is_temporary(name.as_os_str(), &entry.file_name()) {
            let _ = remove_if_left(dir, Path::new(&entry.file_name()));
        }
    }
}

/// Removes a temporary file unless a writer is using it.
fn remove_if_left(dir: &Dir, temporary: &Path) -> io::Result<()> {
    let file = dir.open_regular(temporary)?;
    // An active writer holds the lock.
    file.try_lock()?;
    match dir.still_names(temporary, &file)? {
        true => dir.remove_name(temporary),
        false => Ok(()),
    }
}

fn temporary(name: &OsStr, digits: &str) -> OsString {
    let mut hidden = prefix(name);
    hidden.push(digits);
    hidden.push("-");
    hidden.push(check(name, digits));
    hidden.push(".tmp");
    hidden
}

/// Returns whether `candidate` is a temporary name for `name`.
fn is_temporary(name: &OsStr, candidate: &OsStr) -> bool {
    let candidate = candidate.as_encoded_bytes();
    let Some(rest) = candidate.strip_prefix(prefix(name).as_encoded_bytes()) else {
        return false;
    };
    let digits = rest.get(..16).and_then(|d| std::str::from_utf8(d).ok());
    digits.is_some_and(|digits| temporary(name, digits).as_encoded_bytes() == candidate)
}

/// Returns the common prefix of the temporary names for `name`.
fn prefix(name: &OsStr) -> OsString {
    let mut hidden = OsString::from(".");
    match name.len() > LONGEST {
        true => hidden.push(&seal::sha256(name.as_encoded_bytes())[..32]),
        false => hidden.push(name),
    }
    hidden.push(".");
    hidden
}

/// Returns eight digits that are a function of the name and the random digits.
fn check(name: &OsStr, digits: &str) -> String {
    let text = [
        b"bnn-cpu ",
        name.as_encoded_bytes(),
        b" ",
        digits.as_bytes(),
    ]
    .concat();
    seal::sha256(&text)[..8].to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_name_is_known_for_its_own_name_alone() {
        let long = "x".repeat(250);
        for name in ["run.json", "a b", long.as_str()] {
            let made = temporary(OsStr::new(name), "0123456789abcdef");
            assert!(made.len() <= 255);
            assert!(is_temporary(OsStr::new(name), &made));
            assert!(!is_temporary(OsStr::new("other.json"), &made));
            let mut text = made.into_string().unwrap();
            // This is the last of the eight digits.
            let at = text.len() - 5;
            let digit = if &text[at..=at] == "0" { "1" } else { "0" };
            text.replace_range(at..=at, digit);
            assert!(!is_temporary(OsStr::new(name), OsStr::new(&text)), "{text}");
        }
        for other in [".run.json.7-1.tmp", ".run.json.", "run.json", ""] {
            assert!(!is_temporary(OsStr::new("run.json"), OsStr::new(other)));
        }
    }
}
