//! Reading within a limit, and how much memory is to be had.
//!
//! **Invariant:** what a file says of itself is a claim. Memory grows with the bytes
//! that are really there, and never beyond a limit that the caller states.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::error::{Error, Result};

/// The most bytes of a text (settings, records, descriptions of networks): 16 MiB.
pub const MOST_TEXT: u64 = 16 << 20;

/// The most bytes of what is no plain file, whose end cannot be known: 64 MiB.
const MOST_OF_STREAM: u64 = 64 << 20;

/// Up to so many bytes the system is not asked what is free: 64 MiB.
const ALWAYS: u64 = 64 << 20;

/// The first growth of a buffer.
const FIRST: u64 = 1 << 16;

/// The bytes of a file of at most `most`.
///
/// # Errors
/// [`Error::Io`] when it cannot be read; [`Error::Data`] when it is larger.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    read_open(file, path, most)
}

/// [`read`] of a file that is open already; `path` is named in messages.
///
/// # Errors
/// As [`read`].
pub fn read_open(file: File, path: &Path, most: u64) -> Result<Vec<u8>> {
    let known = file.metadata().map_err(Error::io("read", path))?;
    let most = match known.is_file() {
        true => most,
        false => most.min(MOST_OF_STREAM),
    };
    let large = || Error::data(path, format!("is larger than {most} bytes, the limit here"));
    if known.len() > most {
        return Err(large());
    }
    let bytes = fill(file, most).map_err(Error::io("read", path))?;
    match bytes.len() as u64 > most {
        true => Err(large()),
        false => Ok(bytes),
    }
}

/// The text of a file of at most [`MOST_TEXT`] bytes, without the mark (U+FEFF) that some
/// editors put before a text.
///
/// # Errors
/// As [`read`], and [`Error::Data`] when it is no UTF-8.
pub fn text(path: &Path) -> Result<String> {
    decode(read(path, MOST_TEXT)?, path)
}

/// The text in the bytes of the file `path`, without the mark (BOM) that some editors
/// put before it.
///
/// # Errors
/// [`Error::Data`] when it is no UTF-8.
pub fn decode(bytes: Vec<u8>, path: &Path) -> Result<String> {
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::data(path, "is no text (UTF-8); is it another file?"))?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(unmarked) => unmarked.to_string(),
        None => text,
    })
}

/// What `reader` gives, up to one byte more than `most`: the one shows that there is
/// more. The buffer never has room for more than that.
///
/// # Errors
/// The reader's, or [`io::ErrorKind::OutOfMemory`].
pub fn fill(reader: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut reader = reader.take(most.saturating_add(1));
    let mut bytes = Vec::new();
    loop {
        let room = (bytes.len() as u64).max(FIRST).min(reader.limit());
        if room == 0 {
            return Ok(bytes);
        }
        let short = |_| io::Error::from(io::ErrorKind::OutOfMemory);
        let grow = usize::try_from(room).map_err(|_| io::ErrorKind::OutOfMemory)?;
        bytes.try_reserve_exact(grow).map_err(short)?;
        let before = bytes.len();
        // As much as there is room for: no growth that was not asked for here.
        reader.by_ref().take(room).read_to_end(&mut bytes)?;
        if ((bytes.len() - before) as u64) < room {
            return Ok(bytes);
        }
    }
}

/// Bytes of memory that this process may still take, as far as the operating system
/// tells: what is free, and the limits on its address space. `None` where it does
/// not tell.
pub fn memory() -> Option<u64> {
    let free = std::fs::read_to_string("/proc/meminfo").ok();
    let free = free.and_then(|text| kilobytes(&text, "MemAvailable:"));
    let limit = std::fs::read_to_string("/proc/self/limits").ok();
    let limit = limit.and_then(|text| address_space(&text));
    let used = std::fs::read_to_string("/proc/self/status").ok();
    let used = used.and_then(|text| kilobytes(&text, "VmSize:"));
    let left = limit.map(|limit| limit.saturating_sub(used.unwrap_or(0)));
    [free, left].into_iter().flatten().min()
}

/// What is free, where it is less than the bytes that are `needed`.
pub fn lacking(needed: u64) -> Option<u64> {
    let free = (needed > ALWAYS).then(memory).flatten();
    free.filter(|&free| needed > free)
}

/// `MemAvailable:   23456 kB`
fn kilobytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let number = line.split_whitespace().next()?.parse::<u64>().ok()?;
    number.checked_mul(1024)
}

/// `Max address space   4294967296   unlimited   bytes`; the first is what holds.
fn address_space(text: &str) -> Option<u64> {
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_has_room_for_the_limit_and_one_byte() {
        for most in [0, 1, FIRST - 1, FIRST, FIRST + 1, 3 * FIRST, 5 * FIRST + 7] {
            for there in [0, 1, most, most + 1, 2 * most + 9] {
                let bytes = fill(io::repeat(7).take(there), most).unwrap();
                assert_eq!(bytes.len() as u64, there.min(most + 1), "{there} of {most}");
                assert!(bytes.capacity() as u64 <= most + 1 + FIRST);
            }
        }
    }

    #[test]
    fn files_over_the_limit_and_without_end_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        std::fs::write(&path, [b'x'; 100]).unwrap();
        assert_eq!(read(&path, 100).unwrap().len(), 100);
        let error = read(&path, 99).unwrap_err().to_string();
        assert!(error.contains("a.json: is larger than 99 bytes"), "{error}");
        // A file of a terabyte that takes no place on the disk.
        let file = File::create(&path).unwrap();
        file.set_len(1 << 40).unwrap();
        assert!(text(&path).unwrap_err().to_string().contains("larger"));
        std::fs::write(&path, [0xFF]).unwrap();
        assert!(text(&path).unwrap_err().to_string().contains("UTF-8"));
        // One mark before a text is none of it; a second one is.
        std::fs::write(&path, "\u{feff}{}").unwrap();
        assert_eq!(text(&path).unwrap(), "{}");
        std::fs::write(&path, "\u{feff}\u{feff}a\u{feff}").unwrap();
        assert_eq!(text(&path).unwrap(), "\u{feff}a\u{feff}");
        if Path::new("/dev/zero").exists() {
            let error = read(Path::new("/dev/zero"), u64::MAX).unwrap_err();
            assert!(error.to_string().contains("larger than"), "{error}");
        }
    }

    #[test]
    fn little_is_never_lacking() {
        assert_eq!((lacking(0), lacking(ALWAYS)), (None, None));
    }

    #[test]
    fn memory_is_read_from_what_the_system_tells() {
        let meminfo = "MemTotal:       24 kB\nMemAvailable:   16 kB\n";
        assert_eq!(kilobytes(meminfo, "MemAvailable:"), Some(16 << 10));
        assert_eq!(kilobytes("MemTotal: 24 kB", "MemAvailable:"), None);
        let limits = "Limit   Soft   Hard   Units\nMax address space   4096   unlimited   bytes\n";
        assert_eq!(address_space(limits), Some(4096));
        let limits = limits.replace("4096", "unlimited");
        assert_eq!(address_space(&limits), None);
        if Path::new("/proc/meminfo").exists() {
            assert!(memory().unwrap() > 1 << 20);
            assert!(lacking(u64::MAX).unwrap() > 1 << 20);
        }
    }
}
