//! Public data sets other than MNIST that can be downloaded: their mirrors, files and digests.
//!
//! The publishers state an MD5 for each file, and no better digest. It detects a damaged or
//! exchanged file: pairs of files with the same MD5 can be made, but no method is known to make a
//! second file with the MD5 of a given one. The SHA-256 of an accepted file is recorded beside it
//! ([`super::recorded`]), and later checks compare the file with it.

use std::path::{Path, PathBuf};

use super::DatasetChoice;
use super::emnist::Part;
use super::event::Event;
use crate::error::Result;

/// A data set that can be downloaded.
#[derive(Debug)]
pub struct PublicSet {
    /// The name of the data set on the command line, and of its folder.
    pub name: &'static str,
    /// The full name of the data set.
    pub title: &'static str,
    /// Numbers of training images, test images and classes, and the image size, as published.
    pub figures: [&'static str; 4],
    /// The choice that reads the data set from its folder; `None` if no choice need be stated.
    pub choice: Option<DatasetChoice>,
    /// The addresses of the mirrors, in the order in which they are tried.
    pub mirrors: &'static [&'static str],
    /// The files of the data set.
    pub files: &'static [PublicFile],
}

/// A file of a public data set.
#[derive(Debug)]
pub struct PublicFile {
    /// Name of the file, which is appended to the address of a mirror.
    pub name: &'static str,
    /// The MD5 that the publishers state, in hexadecimal; `None` if they state none.
    pub md5: Option<&'static str>,
    /// The largest size that is accepted, in bytes.
    pub most: u64,
}

const fn file(name: &'static str, md5: &'static str, most_mib: u64) -> PublicFile {
    PublicFile {
        name,
        md5: Some(md5),
        most: most_mib << 20,
    }
}

/// All public data sets other than MNIST.
pub const SETS: &[PublicSet] = &[
    PublicSet {
        name: "fashion-mnist",
        title: "Fashion-MNIST",
        figures: ["60,000", "10,000", "10", "28x28"],
        choice: Some(DatasetChoice::Idx),
        mirrors: &[
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ],
        files: &[
            file(
                "train-images-idx3-ubyte.gz",
                "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                64,
            ),
            file(
                "train-labels-idx1-ubyte.gz",
                "25c81989df183df01b3e8a0aad5dffbe",
                1,
            ),
            file(
                "t10k-images-idx3-ubyte.gz",
                "bef4ecab320f06d8554ea6380940ec79",
                16,
            ),
            file(
                "t10k-labels-idx1-ubyte.gz",
                "bb300cfdad3c16e7a12a480ee83cd310",
                1,
            ),
        ],
    },
    PublicSet {
        name: "kmnist",
        title: "KMNIST",
        figures: ["60,000", "10,000", "10", "28x28"],
        choice: Some(DatasetChoice::Idx),
        mirrors: &["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"],
        files: &[
            file(
                "train-images-idx3-ubyte.gz",
                "bdb82020997e1d708af4cf47b453dcf7",
                64,
            ),
            file(
                "train-labels-idx1-ubyte.gz",
                "e144d726b3acfaa3e44228e80efcd344",
                1,
            ),
            file(
                "t10k-images-idx3-ubyte.gz",
                "5c965bf0a639b31b8f53240b1b52f4d7",
                16,
            ),
            file(
                "t10k-labels-idx1-ubyte.gz",
                "7320c461ea6c1c855c0b718fb2a4b134",
                1,
            ),
        ],
    },
    PublicSet {
        name: "emnist",
        title: "EMNIST",
        figures: ["six parts", "", "10 to 62", "28x28"],
        choice: Some(DatasetChoice::Emnist(Part::Letters)),
        mirrors: &["https://biometrics.nist.gov/cs_links/EMNIST/"],
        files: &[file("gzip.zip", "58c8d27c78d21e728a6bc7b3cc06412e", 1024)],
    },
    PublicSet {
        name: "cifar10",
        title: "CIFAR-10",
        figures: ["50,000", "10,000", "10", "32x32x3"],
        choice: None,
        mirrors: &["https://www.cs.toronto.edu/~kriz/"],
        files: &[file(
            "cifar-10-binary.tar.gz",
            "c32a1d4ab5d03f1284b67883e8d87530",
            512,
        )],
    },
    PublicSet {
        name: "cifar100",
        title: "CIFAR-100",
        figures: ["50,000", "10,000", "100", "32x32x3"],
        choice: None,
        mirrors: &["https://www.cs.toronto.edu/~kriz/"],
        files: &[file(
            "cifar-100-binary.tar.gz",
            "03b5dce01913d631647c71ecec9e9cb8",
            512,
        )],
    },
    PublicSet {
        name: "omniglot",
        title: "Omniglot",
        figures: ["32,460", "held out", "1,623", "105x105"],
        choice: Some(DatasetChoice::Omniglot),
        mirrors: &["https://github.com/brendenlake/omniglot/raw/master/python/"],
        files: &[
            file(
                "images_background.zip",
                "68d2efa1b9178cc56df9314c21c6e718",
                64,
            ),
            file(
                "images_evaluation.zip",
                "6b91aef0f799c5bb55b94e3f2daec811",
                64,
            ),
        ],
    },
];

/// Returns the public data set of that name.
pub fn find(name: &str) -> Option<&'static PublicSet> {
    SETS.iter().find(|set| set.name == name)
}

impl PublicSet {
    /// Returns the folder into which the data set is downloaded, and in which it is looked for, if
    /// no folder is named.
    pub fn folder(&self) -> PathBuf {
        Path::new("data").join(self.name)
    }
}

/// The digest by which a file was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// The MD5 that the publishers state.
    Published,
    /// The SHA-256 that was recorded when the file was first downloaded.
    Recorded,
    /// No digest, because none is published or recorded. The SHA-256 of the file was recorded.
    FirstUse,
}

/// Downloads the files of `set` into `folder`, which is created if it does not exist. Files that
/// are there and intact are not downloaded again. `mirror` replaces the public addresses.
///
/// # Errors
/// As [`super::download::download`].
pub fn fetch(
    set: &PublicSet,
    folder: &Path,
    mirror: Option<&str>,
    events: &mut dyn FnMut(Event<'_>),
) -> Result<Vec<(PathBuf, Check)>> {
    let mirrors = super::download::mirrors(mirror, set.mirrors)?;
    fetch_files(set.files, folder, &mirrors, events)
}

#[cfg(not(feature = "fetch"))]
fn fetch_files(
    _: &[PublicFile],
    _: &Path,
    _: &[&str],
    _: &mut dyn FnMut(Event<'_>),
) -> Result<Vec<(PathBuf, Check)>> {
    Err(super::download::no_downloader())
}

#[cfg(feature = "fetch")]
fn fetch_files(
    files: &[PublicFile],
    folder: &Path,
    mirrors: &[&str],
    events: &mut dyn FnMut(Event<'_>),
) -> Result<Vec<(PathBuf, Check)>> {
    if !super::stream::is_there() {
        return Err(super::download::no_downloader());
    }
    let is_new = crate::files::look(folder)?.is_none();
    crate::files::create_folder(folder)?;
    let all = files.iter().map(|known| {
        let path = folder.join(known.name);
        let check = fetching::file(known, folder, &path, mirrors, events)?;
        Ok((path, check))
    });
    let done: Result<Vec<_>> = all.collect();
    if done.is_err() && is_new {
        // The folder can be removed only if it is empty, which means that no file was downloaded.
        let _ = std::fs::remove_dir(folder);
    }
    done
}

#[cfg(feature = "fetch")]
mod fetching {
    use std::io::{self, BufWriter, Read, Write};

    use md5::Md5;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::data::{place, recorded, stream};
    use crate::error::Error;
    use crate::files::write_atomic;

    /// A writer that computes both digests of the bytes that are written through it.
    struct Hashing<W> {
        inner: W,
        md5: Md5,
        sha256: Sha256,
    }

    impl<W: Write> Hashing<W> {
        fn new(inner: W) -> Self {
            Self {
                inner,
                md5: Md5::new(),
                sha256: Sha256::new(),
            }
        }

        fn digests(self) -> Digests {
            let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect();
            Digests {
                md5: hex(&self.md5.finalize()),
                sha256: hex(&self.sha256.finalize()),
            }
        }
    }

    impl<W: Write> Write for Hashing<W> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let n = self.inner.write(bytes)?;
            self.md5.update(&bytes[..n]);
            self.sha256.update(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.inner.flush()
        }
    }

    /// The MD5 and the SHA-256 of a file, in hexadecimal.
    struct Digests {
        md5: String,
        sha256: String,
    }

    /// Verifies the file at `path`, which is downloaded first unless an intact one is there.
    pub(super) fn file(
        known: &PublicFile,
        folder: &Path,
        path: &Path,
        mirrors: &[&str],
        events: &mut dyn FnMut(Event<'_>),
    ) -> Result<Check> {
        let noted = recorded::read(folder)?.remove(known.name);
        if place::is_file(path)? {
            let digests = digests_of(path)?;
            if let Ok(check) = judge(known, noted.as_deref(), &digests) {
                recorded::note(folder, known.name, &digests.sha256)?;
                return Ok(check);
            }
        }
        let mut reasons = Vec::new();
        for mirror in mirrors {
            let url = format!("{}/{}", mirror.trim_end_matches('/'), known.name);
            events(Event::Asking {
                file: known.name,
                url: &url,
            });
            let (written, outcome) = from(&url, known, path, noted.as_deref(), events);
            if let Some(Err(why)) = outcome {
                let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
                events(Event::Failed {
                    file: known.name,
                    url: &url,
                    why: &why,
                });
                reasons.push(format!("{mirror}: {why}"));
                continue;
            }
            written?;
            if let Some(Ok((check, digests))) = outcome {
                recorded::note(folder, known.name, &digests.sha256)?;
                events(Event::Saved { path });
                return Ok(check);
            }
        }
        Err(Error::Network(format!(
            "cannot fetch {} ({}); check the connection, name another mirror, or fetch it by other means into {}",
            known.name,
            reasons.join(" | "),
            folder.display()
        )))
    }

    /// What a mirror sent: how it was verified and its digests, or the reason why it was refused.
    /// `None` if the disk failed before that was known.
    type Given = Option<std::result::Result<(Check, Digests), String>>;

    /// Writes what a mirror sends to `path` if it is the right file. Returns the result of writing,
    /// and what the mirror sent.
    fn from(
        url: &str,
        known: &PublicFile,
        path: &Path,
        noted: Option<&str>,
        events: &mut dyn FnMut(Event<'_>),
    ) -> (Result<()>, Given) {
        let mut given = None;
        let written = write_atomic(path, |file: &mut BufWriter<_>| {
            let mut hashing = Hashing::new(file);
            let fetched = stream::stream(url, known.name, known.most, &mut hashing, events);
            let judged = fetched.and_then(|()| {
                let digests = hashing.digests();
                Ok((judge(known, noted, &digests)?, digests))
            });
            match judged {
                Ok(judged) => given = Some(Ok(judged)),
                Err(stream::Broken::Disk(error)) => return Err(error),
                Err(stream::Broken::Network(what)) => {
                    given = Some(Err(what));
                    return Err(io::Error::other("not fetched"));
                }
            }
            Ok(())
        });
        (written, given)
    }

    /// Returns how a file with these digests is verified, or an error if it is another file.
    fn judge(
        known: &PublicFile,
        noted: Option<&str>,
        digests: &Digests,
    ) -> std::result::Result<Check, stream::Broken> {
        match (known.md5, noted) {
            (Some(md5), _) if md5 != digests.md5 => Err(stream::Broken::Network(format!(
                "what it sent is not the published {}: its MD5 differs",
                known.name
            ))),
            (Some(_), _) => Ok(Check::Published),
            (None, Some(noted)) if noted != digests.sha256 => {
                Err(stream::Broken::Network(format!(
                    "what it sent is not what {} was when it was first fetched: its SHA-256 differs; remove its line in {} if that is right",
                    known.name,
                    recorded::FILE
                )))
            }
            (None, Some(_)) => Ok(Check::Recorded),
            (None, None) => Ok(Check::FirstUse),
        }
    }

    fn digests_of(path: &Path) -> Result<Digests> {
        let mut file = place::open(path)?;
        let mut hashing = Hashing::new(io::sink());
        let mut block = vec![0; 1 << 16];
        loop {
            let n = file.read(&mut block).map_err(Error::io("read", path))?;
            if n == 0 {
                return Ok(hashing.digests());
            }
            hashing
                .write_all(&block[..n])
                .map_err(Error::io("read", path))?;
        }
    }
}

#[cfg(all(test, feature = "download"))]
#[path = "public_tests.rs"]
mod tests;
