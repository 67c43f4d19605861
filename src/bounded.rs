//! Reading within a limit, and how much memory is to be had.
//!
//! **Invariant:** what a file says of itself is a claim. Memory grows with the bytes
//! that are really there, and never beyond a limit that the caller states. A file that
//! is read whole is compared with the memory that is free before any is reserved.

mod memory;
mod threads;

pub(crate) use memory::lacking;
pub use memory::{address_space_left, attempt, attempting, memory};
pub use threads::{check_threads, pool};

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::error::{Error, Result};

/// The most bytes of a text (settings, records, descriptions of networks): 16 MiB.
pub const MAX_TEXT: u64 = 16 << 20;

/// The most bytes of what is no plain file, whose end cannot be known: 64 MiB.
const MAX_OF_STREAM: u64 = 64 << 20;

/// The first growth of a buffer.
const FIRST: u64 = 1 << 16;

/// Up to so many bytes of a file the system is not asked what is free: 1 MiB.
const SMALL_FILE: u64 = 1 << 20;

/// The bytes of a file of at most `most`, for a caller that will hold its content
/// `copies` times, these bytes included: 1 where they are all that is made of it, 2
/// where they are converted and kept meanwhile.
///
/// # Errors
/// [`Error::Io`] when it cannot be read; [`Error::Data`] when it is larger, or when less
/// memory is free than its copies take.
pub fn read(path: &Path, most: u64, copies: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    read_open(file, path, most, copies)
}

/// [`read`] of a file that is open already; `path` is named in messages.
///
/// # Errors
/// As [`read`].
pub fn read_open(file: File, path: &Path, most: u64, copies: u64) -> Result<Vec<u8>> {
    let known = file.metadata().map_err(Error::io("read", path))?;
    let most = match known.is_file() {
        true => most,
        false => most.min(MAX_OF_STREAM),
    };
    let large = || Error::data(path, format!("is larger than {most} bytes, the limit here"));
    let size = known.len();
    if size > most {
        return Err(large());
    }
    let needed = size.saturating_mul(copies);
    if size > SMALL_FILE
        && let Some(free) = memory().filter(|&free| needed > free)
    {
        return Err(Error::data(path, too_large(size, needed, free)));
    }
    let mut bytes = Vec::new();
    // A plain file's length is known, so that its buffer never moves.
    let expected = if known.is_file() { size } else { 0 };
    let read = match reserve(&mut bytes, expected.saturating_add(1)) {
        Ok(()) => fill_into(&mut bytes, file, most),
        Err(error) => Err(error),
    };
    match read {
        Ok(()) if bytes.len() as u64 > most => Err(large()),
        Ok(()) => Ok(bytes),
        Err(e) if e.kind() == io::ErrorKind::OutOfMemory && size > 0 => {
            let free = memory().unwrap_or(0);
            Err(Error::data(path, too_large(size, needed, free)))
        }
        Err(e) => Err(Error::io("read", path)(e)),
    }
}

/// What is said of a file that the memory does not hold.
fn too_large(size: u64, needed: u64, free: u64) -> String {
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    format!(
        "has {}, reading it takes {} of memory, and {} are free; end other programs, or use a smaller file",
        mib(size),
        mib(needed),
        mib(free)
    )
}

/// The text of a file of at most [`MAX_TEXT`] bytes, without the mark (U+FEFF) that some
/// editors put before a text.
///
/// # Errors
/// As [`read`], and [`Error::Data`] when it is no UTF-8.
pub fn text(path: &Path) -> Result<String> {
    decode(read(path, MAX_TEXT, 1)?, path)
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
    let mut bytes = Vec::new();
    fill_into(&mut bytes, reader, most)?;
    Ok(bytes)
}

/// [`fill`] of an empty buffer, which may have room already.
fn fill_into(bytes: &mut Vec<u8>, reader: impl Read, most: u64) -> io::Result<()> {
    let mut reader = reader.take(most.saturating_add(1));
    loop {
        let free = (bytes.capacity() - bytes.len()) as u64;
        let room = (bytes.len() as u64)
            .max(FIRST)
            .max(free)
            .min(reader.limit());
        if room == 0 {
            return Ok(());
        }
        reserve(bytes, room)?;
        let before = bytes.len();
        // As much as there is room for: no growth that was not asked for here.
        reader.by_ref().take(room).read_to_end(bytes)?;
        if ((bytes.len() - before) as u64) < room {
            return Ok(());
        }
    }
}

/// Room for so many more bytes, or [`io::ErrorKind::OutOfMemory`].
fn reserve(bytes: &mut Vec<u8>, more: u64) -> io::Result<()> {
    let short = || io::Error::from(io::ErrorKind::OutOfMemory);
    let more = usize::try_from(more).map_err(|_| short())?;
    attempt(|| bytes.try_reserve_exact(more)).map_err(|_| short())
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
        assert_eq!(read(&path, 100, 1).unwrap().len(), 100);
        let error = read(&path, 99, 1).unwrap_err().to_string();
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
            let error = read(Path::new("/dev/zero"), u64::MAX, 1).unwrap_err();
            assert!(error.to_string().contains("larger than"), "{error}");
        }
    }

    #[test]
    fn a_file_is_compared_with_what_is_free_before_it_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weights");
        let Some(free) = memory() else { return };
        // It takes no place on the disk, and would not fit three times.
        let size = free / 3 + (64 << 20);
        File::create(&path).unwrap().set_len(size).unwrap();
        let error = read(&path, u64::MAX, 3).unwrap_err().to_string();
        let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
        for part in ["weights: has ", &mib(size), &mib(3 * size), " are free; "] {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert_eq!(error.lines().count(), 1);
        // No number overflows, and what is small is read whatever it takes.
        let error = read(&path, u64::MAX, u64::MAX).unwrap_err().to_string();
        assert!(error.contains(" are free; "), "{error}");
        std::fs::write(&path, [7; 100]).unwrap();
        assert_eq!(read(&path, 100, u64::MAX).unwrap(), [7; 100]);
    }

    #[test]
    fn a_plain_file_is_read_into_a_buffer_of_its_size() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        for size in [0, 1, FIRST, 3 * FIRST + 7, 1 << 21] {
            let content: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            std::fs::write(&path, &content).unwrap();
            let bytes = read(&path, 1 << 30, 1).unwrap();
            assert!(bytes == content, "{size}");
            let most = bytes.len() + 1 + FIRST as usize;
            assert!(bytes.capacity() <= most, "{} of {size}", bytes.capacity());
        }
    }
}
