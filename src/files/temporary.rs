//! Temporary files: names that no other writer takes, and the sweeping of those that a
//! killed writer left.
//!
//! A temporary file for `NAME` is called `.NAME.RRRRRRRRRRRRRRRR-CCCCCCCC.tmp`: random
//! digits, and the beginning of a SHA-256 over both, so that a file is swept only if
//! this program can have made it. A writer holds the operating system's lock on its
//! file until the file has its final name; the lock goes with the process, also where
//! process numbers mean nothing (containers on one disk).

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Dir, Disk};
use crate::{random, seal};

/// Names that are tried before a write gives up.
const TRIES: usize = 16;

/// The longest name that is part of a temporary one; names of files end at 255 bytes.
const LONGEST: usize = 200;

/// Makes a temporary file for `name`, and says what it is called.
pub(super) fn create<D: Disk>(disk: &D, name: &Path) -> io::Result<(PathBuf, D::File)> {
    let name = name.as_os_str();
    let mut tried = 0;
    loop {
        let temporary = PathBuf::from(temporary(name, &format!("{:016x}", random::entropy()?)));
        tried += 1;
        match disk.create(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            // The file of that name is another writer's.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && tried < TRIES => {}
            Err(e) => {
                // The call may have failed after it made the file.
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
/// A file that cannot be removed does no harm, so nothing is reported.
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

/// Removes a temporary file unless a writer is at work on it.
fn remove_if_left(dir: &Dir, temporary: &Path) -> io::Result<()> {
    let file = dir.open_regular(temporary)?;
    // A writer at work has the lock.
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

/// Whether `candidate` is a name that [`temporary`] makes for `name`.
fn is_temporary(name: &OsStr, candidate: &OsStr) -> bool {
    let candidate = candidate.as_encoded_bytes();
    let Some(rest) = candidate.strip_prefix(prefix(name).as_encoded_bytes()) else {
        return false;
    };
    let digits = rest.get(..16).and_then(|d| std::str::from_utf8(d).ok());
    digits.is_some_and(|digits| temporary(name, digits).as_encoded_bytes() == candidate)
}

/// How the temporary names for `name` begin.
fn prefix(name: &OsStr) -> OsString {
    let mut hidden = OsString::from(".");
    match name.len() > LONGEST {
        true => hidden.push(&seal::sha256(name.as_encoded_bytes())[..32]),
        false => hidden.push(name),
    }
    hidden.push(".");
    hidden
}

/// Eight digits that follow from the name and the random ones.
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
            // The last digit of the check.
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
