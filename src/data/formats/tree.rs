//! The files of a folder, a zip archive or a tar archive, as a list of names.
//!
//! **Invariant:** whatever an archive or a folder contains, the list has at most
//! [`MAX_ENTRIES`] files, none lies outside of the folder or archive, and no link is followed.

use std::io::{self, Read, Take};
use std::path::{Path, PathBuf};

use super::super::archive::{self, LONGEST_NAME, MAX_ENTRIES, Skipped};
use super::super::event::Event;
use super::super::fault::Fault;
use super::super::idx;
use super::super::place::{self, Place};
use crate::bounded;
use crate::error::{Error, Result};

/// The largest depth of folders in which files are looked for.
const DEEPEST: usize = 8;

/// The largest size of all unpacked files of a tar archive together, in bytes.
const MAX_UNPACKED: u64 = 4 << 30;

/// A file in the tree.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The path of the file within the folder or archive, as a list of names.
    pub(super) parts: Vec<String>,
    pub(super) place: Place,
}

impl Entry {
    /// Returns the name of the file without its folders.
    pub(super) fn file_name(&self) -> &str {
        self.parts.last().map_or("", String::as_str)
    }

    /// Reads the first bytes of the file, at most `most`.
    pub(super) fn start(&self, most: u64) -> Result<Vec<u8>> {
        self.place.read(|reader| {
            let mut start = Vec::new();
            reader.take(most).read_to_end(&mut start)?;
            Ok(start)
        })
    }

    /// Reads all bytes of the file, of which there may be at most `most`.
    pub(super) fn bytes(&self, most: u64) -> Result<Vec<u8>> {
        self.place.read(|reader| {
            let bytes = bounded::fill(reader, most)?;
            match bytes.len() as u64 > most {
                true => Err(Fault::Format(format!(
                    "is larger than {most} bytes, the limit here; leave it out"
                ))),
                false => Ok(bytes),
            }
        })
    }
}

/// All files, in the order of their names, and the entries that were left out.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) entries: Vec<Entry>,
    pub(super) skipped: Skipped,
}

impl Tree {
    /// Lists the files in a folder and in the folders below it.
    pub(super) fn of_folder(folder: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.walk(folder, &mut Vec::new())?;
        tree.sort();
        Ok(tree)
    }

    fn walk(&mut self, folder: &Path, above: &mut Vec<String>) -> Result<()> {
        if above.len() >= DEEPEST {
            return Err(Error::data(
                folder,
                format!("lies more than {DEEPEST} folders deep; name a folder further down"),
            ));
        }
        let read = || Error::io("read", folder);
        for entry in std::fs::read_dir(folder).map_err(read())? {
            let entry = entry.map_err(read())?;
            let Ok(name) = entry.file_name().into_string() else {
                self.skipped.unreadable += 1;
                continue;
            };
            if is_hidden(&name) {
                continue;
            }
            let kind = entry.file_type().map_err(read())?;
            above.push(name);
            if kind.is_symlink() {
                self.skipped.links.push(above.join("/"));
            } else if kind.is_dir() {
                self.walk(&entry.path(), above)?;
            } else {
                // A pipe or a device is listed, and refused when it is opened.
                self.entries.push(Entry {
                    parts: above.clone(),
                    place: Place::File(entry.path()),
                });
            }
            above.pop();
            if self.entries.len() > MAX_ENTRIES {
                return Err(Error::data(folder, too_many()));
            }
        }
        Ok(())
    }

    /// Lists the files in a zip archive.
    pub(super) fn of_zip(path: &Path) -> Result<Self> {
        let (members, skipped) = archive::entries(path)?;
        let mut tree = Self {
            entries: Vec::with_capacity(members.len()),
            skipped,
        };
        for member in members {
            let parts: Vec<String> = member.name().split('/').map(String::from).collect();
            if !parts.iter().any(|part| is_hidden(part)) {
                tree.entries.push(Entry {
                    parts,
                    place: Place::Member(member),
                });
            }
        }
        tree.sort();
        Ok(tree)
    }

    /// Unpacks the files of a tar archive, which may be compressed by gzip, into memory.
    pub(super) fn of_tar(path: &Path, events: &mut dyn FnMut(Event<'_>)) -> Result<Self> {
        let file = place::open(path)?;
        let mut tree = Self::default();
        let plain = idx::decompressed(file).map_err(|fault| fault.at(path))?;
        // The limit also holds for the bytes between the files.
        let plain = Telling::new(plain, path, events);
        let plain = plain.take(2 * MAX_UNPACKED);
        tree.unpack(plain, path).map_err(|fault| fault.at(path))?;
        tree.sort();
        Ok(tree)
    }

    fn unpack<R: Read>(&mut self, plain: Take<R>, path: &Path) -> std::result::Result<(), Fault> {
        let mut archive = tar::Archive::new(plain);
        let (mut unpacked, mut seen) = (0, 0);
        for entry in archive.entries().map_err(tar_fault)? {
            let mut entry = entry.map_err(tar_fault)?;
            seen += 1;
            if seen > MAX_ENTRIES {
                return Err(Fault::Format(too_many()));
            }
            let kind = entry.header().entry_type();
            let name = match std::str::from_utf8(&entry.path_bytes()) {
                Ok(name) if name.len() <= LONGEST_NAME => name.to_string(),
                _ => {
                    self.skipped.unreadable += 1;
                    continue;
                }
            };
            let inside = name.strip_prefix("./").unwrap_or(&name);
            if kind.is_symlink() || kind.is_hard_link() {
                self.skipped.links.push(name);
                continue;
            }
            if !kind.is_file() {
                continue;
            }
            if archive::climbs(inside) {
                self.skipped.climbing.push(name);
                continue;
            }
            let parts: Vec<String> = inside.split('/').map(String::from).collect();
            if parts.iter().any(|part| is_hidden(part)) {
                continue;
            }
            // The stated size is compared with the number of bytes that are there.
            let size = entry.size();
            if size > MAX_UNPACKED - unpacked {
                return Err(Fault::Format(
                    "holds more than 4 GiB of files; unpack it, and name the folder".into(),
                ));
            }
            if bounded::lacking(size).is_some() {
                return Err(Fault::Format(
                    "holds more than this machine has memory for; unpack it, and name the folder"
                        .into(),
                ));
            }
            let bytes = bounded::fill(&mut entry, size).map_err(tar_fault)?;
            if bytes.len() as u64 != size {
                return Err(Fault::Format(
                    "is a tar file cut short; fetch or copy the file again".into(),
                ));
            }
            unpacked += size;
            self.entries.push(Entry {
                place: Place::Memory(path.join(inside), bytes.into()),
                parts,
            });
        }
        Ok(())
    }

    /// Lists the files of several archives together: each as if it had been unpacked into a folder
    /// of its own name, unless it contains only that folder.
    pub(super) fn of_all(archives: &[PathBuf], events: &mut dyn FnMut(Event<'_>)) -> Result<Self> {
        let mut all = Self::default();
        for path in archives {
            let mut tree = match super::sniff_file(path)? {
                super::Sniffed::Zip => Self::of_zip(path)?,
                _ => Self::of_tar(path, events)?,
            };
            let stem = super::stem(path);
            let own = tree.entries.iter().all(|entry| entry.parts[0] == stem);
            if archives.len() > 1 && !own {
                for entry in &mut tree.entries {
                    entry.parts.insert(0, stem.clone());
                }
            }
            all.entries.extend(tree.entries);
            all.skipped.links.extend(tree.skipped.links);
            all.skipped.climbing.extend(tree.skipped.climbing);
            all.skipped.unreadable += tree.skipped.unreadable;
        }
        all.sort();
        Ok(all)
    }

    fn sort(&mut self) {
        self.entries.sort_by(|a, b| a.parts.cmp(&b.parts));
    }
}

/// Number of bytes between two progress events.
const REPORT: u64 = 1 << 20;

/// A reader that calls `events` with the number of bytes read.
pub(super) struct Telling<'a, R> {
    inner: R,
    place: &'a Path,
    bytes: u64,
    events: &'a mut dyn FnMut(Event<'_>),
}

impl<'a, R> Telling<'a, R> {
    /// Makes a reader that reports the bytes read of the file at `place`.
    pub(super) fn new(inner: R, place: &'a Path, events: &'a mut dyn FnMut(Event<'_>)) -> Self {
        Self {
            inner,
            place,
            bytes: 0,
            events,
        }
    }
}

impl<R: Read> Read for Telling<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        let before = self.bytes;
        self.bytes += n as u64;
        if before / REPORT != self.bytes / REPORT {
            (self.events)(Event::Unpacked {
                place: self.place,
                bytes: self.bytes,
            });
        }
        Ok(n)
    }
}

/// Returns whether a name is one of a file or folder that operating systems create by themselves.
fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || matches!(name, "__MACOSX" | "Thumbs.db" | "desktop.ini" | "")
}

fn too_many() -> String {
    format!("holds more than {MAX_ENTRIES} files; name a folder of the data files alone")
}

fn tar_fault(error: std::io::Error) -> Fault {
    if error.raw_os_error().is_some() {
        return Fault::Read(error);
    }
    let known = match Fault::from(error) {
        // An error of the decompressor is reported for the compressed file.
        Fault::Format(what) if what.contains("memory") => what,
        _ => "is no sound tar file, or is cut short; fetch or copy the file again".into(),
    };
    Fault::Format(known)
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
