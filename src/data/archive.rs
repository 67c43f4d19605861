//! Data files within a zip, read where they are: nothing is unpacked to the disk.
//!
//! **Invariant:** what an archive says of itself is a claim. Its directory is read entry
//! by entry up to a limit, whatever number it states, and a member is read for as long
//! as there is data, whatever size it states. Nothing is written, and a name that leads
//! out of the archive is left out all the same.

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

/// The first bytes of every zip that holds anything.
pub(super) const MAGIC: [u8; 4] = *b"PK\x03\x04";

/// The most entries that are looked at; EMNIST's archive has 25, Omniglot's 20,000.
pub(super) const MAX_ENTRIES: usize = 1 << 20;

/// The longest name of a member that is taken for a data file.
pub(super) const LONGEST_NAME: usize = 512;

/// Bytes of a member that are asked of the disk at a time.
const BLOCK: usize = 1 << 14;

/// An open zip.
struct Archive {
    path: PathBuf,
    zip: ZipArchive<FileReader>,
}

/// A file within a zip.
#[derive(Clone)]
pub(super) struct Member {
    archive: Arc<Archive>,
    /// Its name with the folders above it.
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
    /// What messages call it: the archive, and the name within.
    pub(super) fn path(&self) -> PathBuf {
        self.archive.path.join(&self.name)
    }

    /// Its name with the folders above it.
    #[cfg(feature = "formats")]
    pub(super) fn name(&self) -> &str {
        &self.name
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

/// What was left out of an archive or a folder, and why.
#[derive(Debug, Default)]
pub(super) struct Skipped {
    /// Symbolic links.
    pub(super) links: Vec<String>,
    /// Names that lead out of the archive.
    pub(super) climbing: Vec<String>,
    /// Names that are no text, or too long.
    pub(super) unreadable: usize,
}

impl Skipped {
    /// What the user should know, a part of a line each.
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

/// The files in the zip at `path` that may be IDX files, by their names.
///
/// # Errors
/// One line naming the archive, when it is no zip or its directory is damaged.
pub(super) fn members(path: &Path) -> Result<Vec<Member>> {
    let (mut members, _) = entries(path)?;
    members.retain(|member| is_idx(&member.name));
    Ok(members)
}

/// All files in the zip at `path`, and what was left out: what is no plain file, and
/// what has a name that no file of a folder could have.
///
/// # Errors
/// As [`members`]; also where a name occurs twice, because it cannot be told which file
/// is meant.
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

/// Whether a name leads out of the folder that its archive would be unpacked in, on any
/// system.
pub(super) fn climbs(name: &str) -> bool {
    let odd = |part: &str| matches!(part, ".." | ".");
    let drive = name.as_bytes().get(1) == Some(&b':');
    name.starts_with('/') || drive || name.contains(['\\', '\0']) || name.split('/').any(odd)
}

/// Whether a name ends as those of IDX files do, compressed or not.
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
