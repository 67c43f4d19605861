//! Reading of data files from a zip archive in place: no file is unpacked to the disk.
//!
//! **Invariant:** nothing that an archive states about itself is trusted. The central directory is
//! read entry by entry up to [`MAX_ENTRIES`], whatever count it states, and a member is read until
//! its data end, whatever size it states. Nothing is written to the disk, and members whose names
//! would lead out of the folder of an unpacked archive are nevertheless left out.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::bufread::DeflateDecoder;
use rawzip::{
    CompressionMethod, ErrorKind, FileReader, MAX_CENTRAL_DIRECTORY_RECORD_SIZE, ZipArchive,
    ZipArchiveEntryWayfinder,
};

use super::fault::Fault;
use super::opened;
use crate::error::Result;

/// The first bytes of every zip archive that has at least one member.
pub(super) const MAGIC: [u8; 4] = *b"PK\x03\x04";

/// The largest number of entries that is accepted; EMNIST's archive has 25, Omniglot's 20,000.
pub(super) const MAX_ENTRIES: usize = 1 << 20;

/// The longest member name, in bytes, that is accepted.
pub(super) const LONGEST_NAME: usize = 512;

/// Number of bytes that are read from the disk at a time.
const BLOCK: usize = 1 << 14;

/// An open zip archive.
struct Archive {
    path: PathBuf,
    zip: ZipArchive<FileReader>,
}

/// A file within a zip archive.
#[derive(Clone)]
pub(super) struct Member {
    archive: Arc<Archive>,
    /// Path of the member within the archive, with its folders.
    name: String,
    way: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
    encrypted: bool,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path().display())
    }
}

impl Member {
    /// Returns the path that messages show: the path of the archive followed by [`Self::name`].
    pub(super) fn path(&self) -> PathBuf {
        self.archive.path.join(&self.name)
    }

    /// Returns the path of the member within the archive, with its folders.
    #[cfg(feature = "formats")]
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name of the member without its folders.
    pub(super) fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// Decompresses the member, gives the bytes to `parse` and returns its result. The CRC-32 of
    /// the archive is compared if `parse` reads up to the end.
    ///
    /// # Errors
    /// One line that names the archive and the member, if the member cannot be decompressed or
    /// `parse` returns a [`Fault`].
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
        if self.encrypted {
            return Err(Fault::Format(
                "is encrypted within the zip; unpack it, and pack it again without".into(),
            ));
        }
        let entry = self.archive.zip.get_entry(self.way).map_err(fault)?;
        let data = BufReader::with_capacity(BLOCK, entry.reader());
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

/// Entries of an archive or a folder that were left out, sorted by the reason.
#[derive(Debug, Default)]
pub(super) struct Skipped {
    /// Names of symbolic links.
    pub(super) links: Vec<String>,
    /// Names that would lead out of the folder of an unpacked archive.
    pub(super) climbing: Vec<String>,
    /// Number of names that are not UTF-8 or longer than [`LONGEST_NAME`].
    pub(super) unreadable: usize,
}

impl Skipped {
    /// Returns a phrase for each reason, which a notice to the user joins into one line.
    #[cfg(feature = "formats")]
    pub(super) fn notes(&self) -> Vec<String> {
        let some = |names: &[String], what: &str| {
            let first = names.first()?;
            Some(format!("{} {what} left out ({first:?})", names.len()))
        };
        let unreadable = (self.unreadable > 0).then(|| {
            format!(
                "{} names that are no text, or too long, left out",
                self.unreadable
            )
        });
        [
            some(&self.links, "symbolic links"),
            some(&self.climbing, "names that lead out of the archive"),
            unreadable,
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Lists the members of the zip archive at `path` whose names end as those of IDX files do.
///
/// # Errors
/// One line that names the archive, if it is not a zip archive or its central directory is damaged.
pub(super) fn members(path: &Path) -> Result<Vec<Member>> {
    let (mut members, _) = entries(path)?;
    members.retain(|member| is_idx(&member.name));
    Ok(members)
}

/// Lists all members of the zip archive at `path`, and the entries that were left out: symbolic
/// links, and names that no file below a folder can have.
///
/// # Errors
/// As [`members`]; also if two members have the same name, because it cannot be told which one is
/// meant.
pub(super) fn entries(path: &Path) -> Result<(Vec<Member>, Skipped)> {
    let file = opened::open(path)?;
    listed(file, path, MAX_ENTRIES).map_err(|fault| fault.at(path))
}

fn listed(
    file: File,
    path: &Path,
    most: usize,
) -> std::result::Result<(Vec<Member>, Skipped), Fault> {
    let mut buffer = vec![0; MAX_CENTRAL_DIRECTORY_RECORD_SIZE];
    let zip = ZipArchive::from_file(file, &mut buffer).map_err(fault)?;
    let archive = Arc::new(Archive {
        path: path.to_path_buf(),
        zip,
    });
    let mut entries = archive.zip.entries(&mut buffer);
    let (mut members, mut skipped) = (Vec::<Member>::new(), Skipped::default());
    let mut seen = 0;
    while let Some(entry) = entries.next_entry().map_err(fault)? {
        seen += 1;
        if seen > most {
            return Err(Fault::Format(format!(
                "holds more than {most} files; give a zip of the data files alone"
            )));
        }
        let name = entry.file_path();
        let name: &[u8] = name.as_ref();
        let Ok(name) = std::str::from_utf8(name) else {
            skipped.unreadable += 1;
            continue;
        };
        if name.len() > LONGEST_NAME {
            skipped.unreadable += 1;
        } else if climbs(name) {
            skipped.climbing.push(name.to_string());
        } else if entry.mode().is_symlink() {
            skipped.links.push(name.to_string());
        } else if !entry.is_dir() {
            members.push(Member {
                archive: archive.clone(),
                name: name.to_string(),
                way: entry.wayfinder(),
                method: entry.compression_method(),
                encrypted: entry.flags().is_encrypted(),
            });
        }
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = members.iter().find(|m| !names.insert(&*m.name)) {
        return Err(Fault::Format(format!(
            "holds {:?} twice, so it cannot be told which is meant; pack it again",
            twice.name
        )));
    }
    Ok((members, skipped))
}

/// Returns whether a name would lead out of the folder that its archive is unpacked into, on any
/// operating system.
pub(super) fn climbs(name: &str) -> bool {
    let odd = |part: &str| matches!(part, ".." | ".");
    let drive = name.as_bytes().get(1) == Some(&b':');
    name.starts_with('/') || drive || name.contains(['\\', '\0']) || name.split('/').any(odd)
}

/// Returns whether a name ends as those of IDX files do, with or without `.gz`.
pub(super) fn is_idx(name: &str) -> bool {
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    plain.ends_with("-ubyte") || plain.ends_with("-int")
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
