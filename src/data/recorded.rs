//! The recorded SHA-256 of downloaded files, in a file beside them that has the format of
//! `sha256sum` (`sha256sum -c sha256sums.txt` checks it).

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::place;
use crate::bounded;
use crate::error::{Error, Result};
use crate::files::{self, write_atomic_bytes};
use crate::seal::hexadecimal;

/// The name of the file with the digests.
pub const FILE: &str = "sha256sums.txt";

/// Reads the digests that are recorded in a folder: hexadecimal digests by file name. The map is
/// empty if nothing is recorded.
///
/// # Errors
/// [`Error::Data`] if a line is not in the format of `sha256sum`, or names a file in another
/// folder; [`Error::Io`] if the file cannot be read.
pub fn read(folder: &Path) -> Result<BTreeMap<String, String>> {
    let path = folder.join(FILE);
    let mut sums = BTreeMap::new();
    if files::look(&path)?.is_none() || !place::is_file(&path)? {
        return Ok(sums);
    }
    for (i, line) in bounded::text(&path)?.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let (sum, name) = parse(line).ok_or_else(|| {
            Error::data(
                &path,
                format!("line {} is no SHA-256 and name of a file beside it; restore it, or remove the file", i + 1),
            )
        })?;
        sums.insert(name, sum);
    }
    Ok(sums)
}

fn parse(line: &str) -> Option<(String, String)> {
    let (sum, name) = line.split_once("  ")?;
    let digits = sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit());
    let beside = !name.is_empty() && !name.contains(['/', '\\']) && name != "..";
    (digits && beside).then(|| (sum.to_lowercase(), name.to_string()))
}

/// Records the digest of the file `name`, replacing an earlier one.
///
/// # Errors
/// As [`read`]; also [`Error::Io`] if the file cannot be written.
pub fn note(folder: &Path, name: &str, sha256: &str) -> Result<()> {
    let mut sums = read(folder)?;
    if sums.get(name).is_some_and(|known| known == sha256) {
        return Ok(());
    }
    sums.insert(name.to_string(), sha256.to_string());
    let line = |(name, sum): (&String, &String)| format!("{sum}  {name}\n");
    let text: String = sums.iter().map(line).collect();
    write_atomic_bytes(&folder.join(FILE), text.as_bytes())
}

/// Compares the files in a folder with their recorded digests; returns the number of files.
///
/// # Errors
/// [`Error::Data`] if a file is missing or its digest differs; otherwise as [`read`].
pub fn check(folder: &Path) -> Result<usize> {
    let sums = read(folder)?;
    for (name, sum) in &sums {
        let path = folder.join(name);
        if digest(&path)? != *sum {
            return Err(Error::data(
                &path,
                format!(
                    "is not what it was when it was recorded in {FILE}: its SHA-256 differs; fetch it again"
                ),
            ));
        }
    }
    Ok(sums.len())
}

fn digest(path: &Path) -> Result<String> {
    let mut file = place::open(path)?;
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 16];
    loop {
        let n = file.read(&mut block).map_err(Error::io("read", path))?;
        if n == 0 {
            break;
        }
        hash.update(&block[..n]);
    }
    Ok(hexadecimal(&hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_compared_and_a_changed_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zip");
        std::fs::write(&path, b"abc").unwrap();
        assert_eq!(check(folder.path()).unwrap(), 0);
        // The test vector is from FIPS 180-2.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        note(folder.path(), "a.zip", abc).unwrap();
        let text = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert_eq!(text, format!("{abc}  a.zip\n"));
        assert_eq!(check(folder.path()).unwrap(), 1);
        std::fs::write(&path, b"abd").unwrap();
        let line = check(folder.path()).unwrap_err().to_string();
        assert!(line.contains("a.zip: is not what it was"), "{line}");
        std::fs::remove_file(&path).unwrap();
        let line = check(folder.path()).unwrap_err().to_string();
        assert!(line.contains("a.zip: no such file;"), "{line}");
    }

    #[test]
    fn names_elsewhere_and_lines_of_other_kinds_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let sum = "0".repeat(64);
        for bad in [
            format!("{sum}  ../a"),
            format!("{sum}  /etc/passwd"),
            format!("{sum} a"),
            "x  a".to_string(),
        ] {
            std::fs::write(folder.path().join(FILE), &bad).unwrap();
            let line = read(folder.path()).unwrap_err().to_string();
            assert!(line.contains("line 1 is no SHA-256"), "{bad}: {line}");
        }
    }
}
