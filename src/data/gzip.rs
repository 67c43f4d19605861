//! Decompression of gzip files as `gzip` itself does it: members one after another, then the end of
//! the file or zeros.
//!
//! Any number of zeros may follow the last member, because disk images and tapes pad files with
//! them. Other bytes after the last member are reported as garbage, and not as a damaged stream.

use std::fmt;
use std::io::{self, BufRead, Cursor, Read};

use flate2::bufread::GzDecoder;

/// The first bytes of every gzip member.
pub(super) const MAGIC: [u8; 2] = [0x1F, 0x8B];

/// The largest number of bytes after the last member that are checked: 4 GiB.
const MAX_AFTER: u64 = 4 << 30;

/// The error of a file that has bytes other than zeros after its last member; the number says how
/// many bytes follow the member.
#[derive(Debug)]
pub(super) struct Garbage(u64);

impl fmt::Display for Garbage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..=MAX_AFTER => write!(f, "has {} bytes of garbage after the gzip data", self.0),
            _ => write!(f, "goes on for more than 4 GiB after the gzip data"),
        }
    }
}

impl std::error::Error for Garbage {}

/// A reader with two bytes put back in front of it.
type PutBack<R> = io::Chain<Cursor<[u8; 2]>, R>;

/// A reader that decompresses all members of a gzip file, one after another.
pub(super) struct Members<R> {
    /// The member that is being read; `None` after the last one.
    member: Option<GzDecoder<PutBack<R>>>,
}

impl<R: BufRead> Members<R> {
    /// Makes a reader from a `reader` that has already consumed the [`MAGIC`] of the first member.
    pub(super) fn after_magic(reader: R) -> Self {
        Self {
            member: Some(member(reader)),
        }
    }
}

fn member<R: BufRead>(reader: R) -> GzDecoder<PutBack<R>> {
    GzDecoder::new(Cursor::new(MAGIC).chain(reader))
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(current) = &mut self.member {
            let n = current.read(buffer)?;
            if n > 0 {
                return Ok(n);
            }
            // The decoder has checked the CRC-32 and has consumed exactly the bytes of the member.
            if let Some(ended) = self.member.take() {
                let (_, mut rest) = ended.into_inner().into_inner();
                let mut start = Vec::with_capacity(2);
                rest.by_ref().take(2).read_to_end(&mut start)?;
                if start == MAGIC {
                    self.member = Some(member(rest));
                } else {
                    only_zeros(Cursor::new(start).chain(rest))?;
                }
            }
        }
        Ok(0)
    }
}

/// Reads up to the end of the file.
///
/// # Errors
/// The error of the reader, or [`Garbage`] if a byte is not zero.
fn only_zeros(mut rest: impl BufRead) -> io::Result<()> {
    let (mut length, mut zeros) = (0, true);
    while length <= MAX_AFTER {
        let some = match rest.fill_buf() {
            Ok(some) => some,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let n = some.len();
        if n == 0 {
            break;
        }
        zeros &= some.iter().all(|&byte| byte == 0);
        length += n as u64;
        rest.consume(n);
    }
    if zeros && length <= MAX_AFTER {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, Garbage(length)))
}

#[cfg(test)]
mod tests {
    use super::super::idx::gzip;
    use super::*;

    /// Decompresses `file`, of which at most `step` bytes are read at a time.
    fn read(file: &[u8], step: usize) -> Result<Vec<u8>, String> {
        let reader = io::BufReader::with_capacity(step, &file[2..]);
        let mut plain = Vec::new();
        match Members::after_magic(reader).read_to_end(&mut plain) {
            Ok(_) => Ok(plain),
            Err(error) => Err(error.to_string()),
        }
    }

    /// `gzip -t` accepts and refuses the same files.
    #[test]
    fn members_and_zeros_are_read_and_garbage_is_called_garbage() {
        let one = gzip(b"one");
        let three = [one.clone(), gzip(b""), gzip(b" and two")].concat();
        for step in [1, 2, 3, 7, 1 << 16] {
            assert_eq!(read(&three, step).unwrap(), b"one and two");
            for zeros in [0, 1, 2, 3, 511, 70_000] {
                let padded = [three.clone(), vec![0; zeros]].concat();
                assert_eq!(read(&padded, step).unwrap(), b"one and two", "{zeros}");
            }
            for (garbage, bytes) in [
                (&b"x"[..], 1),
                (b"\x1f", 1),
                (b"\x1f\0", 2),
                (b"\0x", 2),
                (b"\0\0\0\0\x1f\x8b", 6),
                (b"<html>", 6),
            ] {
                let spoiled = [&one, garbage].concat();
                let said = format!("has {bytes} bytes of garbage after the gzip data");
                assert_eq!(read(&spoiled, step).unwrap_err(), said);
            }
        }
    }

    #[test]
    fn a_second_member_is_read_as_strictly_as_the_first() {
        let (one, two) = (gzip(b"one"), gzip(b"two"));
        for end in 2..two.len() {
            let error = read(&[&one, &two[..end]].concat(), 1 << 16);
            assert!(error.is_err(), "{end} bytes of the second");
        }
        let mut spoiled = [one, two].concat();
        let last = spoiled.len() - 1;
        spoiled[last - 5] ^= 1;
        assert!(read(&spoiled, 1 << 16).is_err());
    }
}
