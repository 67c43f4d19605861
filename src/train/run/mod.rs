//! [`RunFolder`]: the folder of a run.

mod find;
mod read;

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::config::Config;
use super::metrics;
use super::record::EpochRecord;
use crate::bounded;
use crate::data::Background;
use crate::error::{Error, Result};
use crate::files::{self, Dir, FolderLock, create_folder};
use crate::model::ModelSpec;
use crate::model::weights::{self, NamedTensor};
use crate::seal::{self, Origin};
use crate::{notice, random};

/// What `best.safetensors` says about itself. It holds nothing that changes
/// from one machine or run to another of the same configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestWeights {
    /// The network.
    pub model: ModelSpec,
    /// Name of the data set that it was trained on.
    pub dataset: String,
    /// Fingerprint of that data set; empty where it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data_sha256: String,
    /// The background of the training images; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<Background>,
    /// The run's seed.
    pub seed: u64,
    /// The epoch after which the weights were kept; 0 for imported ones.
    pub epoch: usize,
    /// The slope of that epoch.
    pub slope: f32,
    /// Instruction set of the kernels.
    pub isa: String,
}

/// The configuration of a run.
pub const CONFIG: &str = "config.json";
/// The state to resume from.
pub const CHECKPOINT: &str = "checkpoint.safetensors";
/// The weights with the best validation loss.
pub const BEST: &str = "best.safetensors";
/// The best weights on bits.
pub const PACKED: &str = "best.packed";
/// The records of epochs.
pub const METRICS: &str = "metrics.jsonl";
/// The records of epochs, for spreadsheets; never read again.
pub const METRICS_CSV: &str = "metrics.csv";
/// The test of the best weights.
pub const TEST: &str = "test.json";

/// The files of a run, in the order in which replacing it removes them: at every
/// moment what is left is a run that can be continued, or none. Best weights are
/// of the checkpoint, so they outlive it; the configuration goes last.
pub const FILES: [&str; 7] = [TEST, PACKED, METRICS, METRICS_CSV, CHECKPOINT, BEST, CONFIG];

/// A run's folder: its files, and the lock that keeps it to one writer.
///
/// | file | content |
/// |---|---|
/// | `config.json` | everything that the result depends on |
/// | `checkpoint.safetensors` | the state to resume from |
/// | `best.safetensors` | the weights with the best validation loss |
/// | `metrics.jsonl`, `metrics.csv` | a record for each epoch |
/// | `test.json` | the one test of the best weights; the run is complete |
/// | `best.packed` | the best weights on bits, where `pack` was asked for them |
///
/// **The files belong together.** Every file that is read again has a seal
/// ([`crate::seal`], [`crate::container`]) and names the run, by a random id, and the
/// configuration, by its hash. A file of another run, or of a run with another
/// configuration, is refused. A run whose `config.json` has no seal was made before
/// there were seals; its files are read as they are, and nothing vouches for them.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    config: Config,
    /// Which run it is; absent where the run was made before there were seals.
    origin: Option<Origin>,
    dir: Dir,
    lock: Option<FolderLock>,
}

impl RunFolder {
    /// Makes the folder, locks it and stores the configuration. With `force` the
    /// files of an earlier run are removed first.
    ///
    /// # Errors
    /// A folder that already holds a run or remains of one, is in use, or cannot be
    /// written.
    pub fn create(path: &Path, config: Config, force: bool) -> Result<Self> {
        if force {
            create_folder(path)?;
            let lock = Self::lock(path)?;
            // A disk without room for the new configuration keeps the earlier run.
            let text = serde_json::to_vec(&config).unwrap_or_default();
            lock.try_write(CONFIG, &text)?;
            Self::remove_files(&lock)?;
            return Self::begin(path, config, lock);
        }
        create_folder(path)?;
        let lock = Self::lock(path)?;
        if has(lock.dir(), path, CONFIG)? {
            return Err(holds_a_run(path));
        }
        refuse_remains(&lock, path)?;
        Self::begin(path, config, lock)
    }

    /// Makes the folder, locks it and removes the files of a run from it.
    ///
    /// # Errors
    /// A folder that is in use or cannot be written.
    pub fn clear(path: &Path) -> Result<FolderLock> {
        create_folder(path)?;
        let lock = Self::lock(path)?;
        Self::remove_files(&lock)?;
        Ok(lock)
    }

    fn remove_files(lock: &FolderLock) -> Result<()> {
        FILES.into_iter().try_for_each(|file| lock.remove(file))
    }

    /// Whether [`Self::create`] would find the folder free.
    ///
    /// # Errors
    /// A folder that holds a run or remains of one, or cannot be looked at.
    pub fn check_free(path: &Path) -> Result<()> {
        match files::look(path)? {
            None => return Ok(()),
            Some(found) if !found.is_dir() => {
                return Err(
                    Error::checkpoint(path, "is no folder; choose another").mended_by(&["out"])
                );
            }
            Some(_) => {}
        }
        let dir = Dir::open(path).map_err(Error::io("open", path))?;
        match has(&dir, path, CONFIG)? {
            true => Err(holds_a_run(path)),
            false => Ok(()),
        }
    }

    /// Opens the run in `path` to continue it, or begins one there.
    ///
    /// # Errors
    /// A run that another process is writing, a damaged configuration, remains of a
    /// run, or a folder that cannot be written.
    pub fn open_or_create(path: &Path, config: Config) -> Result<Self> {
        create_folder(path)?;
        // Locked before it is looked at: another process may be doing the same.
        let lock = Self::lock(path)?;
        if has(lock.dir(), path, CONFIG)? {
            return Self::open_locked(path, Some(lock));
        }
        refuse_remains(&lock, path)?;
        Self::begin(path, config, lock)
    }

    fn begin(path: &Path, mut config: Config, lock: FolderLock) -> Result<Self> {
        // What is read again states every setting.
        config.model.settle();
        let origin = Origin {
            run_id: new_id().map_err(Error::io("name the run in", path))?,
            config_sha256: hash(&config, path)?,
        };
        let run = Self {
            path: path.to_path_buf(),
            config,
            origin: Some(origin),
            dir: Dir::open(path).map_err(Error::io("open", path))?,
            lock: Some(lock),
        };
        run.write_json(CONFIG, &run.config)?;
        Ok(run)
    }

    /// Locks the folder, and clears what a killed process left in it.
    fn lock(path: &Path) -> Result<FolderLock> {
        let lock = FolderLock::acquire(path)?;
        for file in FILES {
            lock.sweep(file);
        }
        Ok(lock)
    }

    /// Opens a run to read it.
    ///
    /// # Errors
    /// A file, a folder that holds no run, or a damaged configuration.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_locked(path, None)
    }

    fn open_locked(path: &Path, lock: Option<FolderLock>) -> Result<Self> {
        match files::look(path)? {
            Some(found) if !found.is_dir() => {
                return Err(Error::checkpoint(
                    path,
                    "is a file, not the folder of a run; bring weights in with `bnn-cpu import`",
                ));
            }
            None => {
                return Err(Error::checkpoint(
                    path,
                    "holds no run (there is no such folder)",
                ));
            }
            Some(_) => {}
        }
        let dir = Dir::open(path).map_err(Error::io("open", path))?;
        let file = path.join(CONFIG);
        let Some(bytes) = files::read_in(&dir, Path::new(CONFIG), &file, (bounded::MAX_TEXT, 1))?
        else {
            return Err(Error::checkpoint(
                path,
                "holds no run (there is no config.json)",
            ));
        };
        let opened = seal::open(&bounded::decode(bytes, &file)?)
            .map_err(|e| Error::checkpoint(&file, e.to_string()))?;
        if opened.sealed != opened.origin.is_some() {
            return Err(Error::checkpoint(
                &file,
                "is damaged: it does not say which run it is of; restore it from a copy",
            ));
        }
        if !opened.sealed {
            notice::once(
                &path.display().to_string(),
                &format!(
                    "{}: this run was made before files had seals, so damage to it would not be noticed; `bnn-cpu verify` can look at it and seal it",
                    path.display()
                ),
            );
        }
        Ok(Self {
            path: path.to_path_buf(),
            config: from_value(opened.content, &file)?,
            origin: opened.origin,
            dir,
            lock,
        })
    }

    /// Opens a run to continue it, and locks its folder.
    ///
    /// # Errors
    /// As [`Self::open`], or a run that another process is writing.
    pub fn resume(path: &Path) -> Result<Self> {
        // Looked at before it is locked, so that no lock appears where no run is,
        // and again afterwards: another process may have replaced it.
        Self::open(path)?;
        let lock = Self::lock(path)?;
        Self::open_locked(path, Some(lock))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The configuration of the run.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Which run it is; `None` where it was made before there were seals, so that
    /// nothing vouches for its files.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    fn writer(&self) -> Result<&FolderLock> {
        self.lock.as_ref().ok_or_else(|| {
            Error::checkpoint(&self.path, "was opened to be read, and cannot be written")
        })
    }

    /// Writes a file of the run.
    ///
    /// # Errors
    /// A file that cannot be written, or a folder that was moved, removed or replaced.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.writer()?.write(name, bytes)
    }

    /// Writes a safetensors file of the run.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_weights(
        &self,
        name: &str,
        tensors: &[NamedTensor],
        about: &impl Serialize,
    ) -> Result<()> {
        let origin = self.origin.as_ref();
        let bytes = weights::encode(&self.file(name), tensors, about, origin)?;
        self.write(name, &bytes)
    }

    /// Writes the records of all epochs so far, as JSON lines and as CSV.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub(crate) fn write_metrics(&self, history: &[EpochRecord]) -> Result<()> {
        let text = metrics::to_lines(history, self.origin.as_ref(), &self.file(METRICS))?;
        self.write(METRICS, text.as_bytes())?;
        self.write(METRICS_CSV, metrics::to_csv(history).as_bytes())
    }

    /// Writes a small JSON file of the run.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub(crate) fn write_json(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let text = seal::text(value, self.origin.as_ref())
            .map_err(|e| Error::checkpoint(self.file(name), format!("cannot be encoded: {e}")))?;
        self.write(name, text.as_bytes())
    }

    /// Gives a run from before there were seals an id, and with it a seal to every file
    /// that is written from now on. `run_id` continues a sealing that was broken off.
    pub(super) fn adopt(&mut self, config: Config, run_id: Option<String>) -> Result<()> {
        let run_id = match run_id {
            Some(known) => known,
            None => new_id().map_err(Error::io("name the run in", &self.path))?,
        };
        self.origin = Some(Origin {
            run_id,
            config_sha256: hash(&config, &self.path)?,
        });
        self.config = config;
        Ok(())
    }
}

/// What is said of a folder that cannot take a new run.
fn holds_a_run(path: &Path) -> Error {
    let what = "already holds a run; continue it, replace it, or choose another folder";
    Error::checkpoint(path, what).mended_by(&["resume", "force", "out"])
}

/// Whether anything of that name is in the folder.
fn has(dir: &Dir, path: &Path, name: &str) -> Result<bool> {
    let found = dir.kind(Path::new(name));
    Ok(found
        .map_err(Error::io("look at", path.join(name)))?
        .is_some())
}

/// Refuses to begin a run among the files of one whose configuration is gone: they
/// would be taken for the new run's.
fn refuse_remains(lock: &FolderLock, path: &Path) -> Result<()> {
    for file in FILES {
        if has(lock.dir(), path, file)? {
            return Err(Error::checkpoint(
                path,
                format!(
                    "holds {file} of a run whose config.json is gone; put that back, replace the run, or choose another folder"
                ),
            )
            .mended_by(&["force", "out"]));
        }
    }
    Ok(())
}

/// A run's random name.
fn new_id() -> std::io::Result<String> {
    Ok(format!(
        "{:016x}{:016x}",
        random::entropy()?,
        random::entropy()?
    ))
}

/// SHA-256 of a configuration as compact JSON.
fn hash(config: &Config, path: &Path) -> Result<String> {
    let text = serde_json::to_string(config).map_err(|e| {
        Error::checkpoint(path, format!("the configuration cannot be encoded: {e}"))
    })?;
    Ok(seal::sha256(text.as_bytes()))
}

fn from_value<T: DeserializeOwned>(value: serde_json::Value, path: &Path) -> Result<T> {
    serde_json::from_value(value).map_err(|e| Error::checkpoint(path, format!("is damaged: {e}")))
}

/// The content of a small JSON file, sealed or not, from the text of the file `path`.
///
/// # Errors
/// A damaged text.
pub fn parse_json<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T> {
    let opened = seal::open(text).map_err(|e| Error::checkpoint(path, e.to_string()))?;
    from_value(opened.content, path)
}
