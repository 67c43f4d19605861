//! Data files within a zip, read where they are: nothing is unpacked to the disk.
//!
//! **Invariant:** what an archive says of itself is a claim. Its directory is read entry
//! by entry up to a limit, whatever number it states, and a member is read for as long
//! as there is data, whatever size it states.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::DeflateDecoder;
use rawzip::{
    CompressionMethod, ErrorKind, MAX_CENTRAL_DIRECTORY_RECORD_SIZE, ZipArchive,
    ZipArchiveEntryWayfinder,
};

use super::fault::Fault;
use super::place;
use crate::error::Result;

/// The first bytes of every zip that holds anything.
pub(super) const MAGIC: [u8; 4] = *b"PK\x03\x04";

/// The most entries that are looked at; EMNIST's archive has 25.
const MOST_ENTRIES: usize = 4096;

/// The longest name of a member that is taken for a data file.
const LONGEST_NAME: usize = 256;

/// A file within a zip.
#[derive(Debug, Clone)]
pub(super) struct Member {
    archive: PathBuf,
    /// Its name with the folders above it.
    name: String,
    way: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
}

impl Member {
    /// What messages call it: the archive, and the name within.
    pub(super) fn path(&self) -> PathBuf {
        self.archive.join(&self.name)
    }

    /// Its name without the folders above it.
    pub(super) fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// What `parse` makes of its content, which is checked against the archive's
    /// checksum where `parse` reads to the end.
    ///
    /// # Errors
    /// One line naming the archive and the member.
    pub(super) fn read<T>(
        &self,
        parse: impl FnOnce(&mut dyn Read) -> std::result::Result<T, Fault>,
    ) -> Result<T> {
        self.parse(parse).map_err(|fault| fault.at(&self.path()))
    }

    fn parse<T>(
        &self,
        parse: impl FnOnce(&mut dyn Read) -> std::result::Result<T, Fault>,
    ) -> std::result::Result<T, Fault> {
        let mut buffer = vec![0; MAX_CENTRAL_DIRECTORY_RECORD_SIZE];
        let file = File::open(&self.archive).map_err(Fault::Read)?;
        let archive = ZipArchive::from_file(file, &mut buffer).map_err(fault)?;
        let entry = archive.get_entry(self.way).map_err(fault)?;
        let data = BufReader::new(entry.reader());
        match self.method {
            CompressionMethod::STORE => parse(&mut entry.verifying_reader(data)),
            CompressionMethod::DEFLATE => {
                parse(&mut entry.verifying_reader(DeflateDecoder::new(data)))
            }
            other => Err(Fault::Format(format!(
                "is compressed within the zip by method {}; pack it again by deflate",
                other.as_u16()
            ))),
        }
    }
}

/// The files in the zip at `path` that may be IDX files, by their names.
///
/// # Errors
/// One line naming the archive, when it is no zip or its directory is damaged.
pub(super) fn members(path: &Path) -> Result<Vec<Member>> {
    let file = place::open(path)?;
    listed(file, path).map_err(|fault| fault.at(path))
}

fn listed(file: File, path: &Path) -> std::result::Result<Vec<Member>, Fault> {
    let mut buffer = vec![0; MAX_CENTRAL_DIRECTORY_RECORD_SIZE];
    let archive = ZipArchive::from_file(file, &mut buffer).map_err(fault)?;
    let mut entries = archive.entries(&mut buffer);
    let (mut members, mut seen) = (Vec::new(), 0);
    while let Some(entry) = entries.next_entry().map_err(fault)? {
        seen += 1;
        if seen > MOST_ENTRIES {
            return Err(Fault::Format(format!(
                "holds more than {MOST_ENTRIES} files; give a zip of the data files alone"
            )));
        }
        let name = entry.file_path();
        let name: &[u8] = name.as_ref();
        let Some(name) = std::str::from_utf8(name).ok().filter(|n| is_idx(n)) else {
            continue;
        };
        members.push(Member {
            archive: path.to_path_buf(),
            name: name.to_string(),
            way: entry.wayfinder(),
            method: entry.compression_method(),
        });
    }
    Ok(members)
}

/// Whether a name ends as those of IDX files do, compressed or not.
fn is_idx(name: &str) -> bool {
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    name.len() <= LONGEST_NAME && (plain.ends_with("-ubyte") || plain.ends_with("-int"))
}

fn fault(error: rawzip::Error) -> Fault {
    match error.into_kind() {
        ErrorKind::IO(source) if source.raw_os_error().is_some() => Fault::Read(source),
        ErrorKind::IO(_) | ErrorKind::Eof | ErrorKind::MissingEndOfCentralDirectory => {
            Fault::Format("is a zip file cut short; fetch or copy the file again".into())
        }
        other => Fault::Format(format!(
            "is no sound zip file ({}); fetch or copy the file again",
            rawzip::Error::from(other)
        )),
    }
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
