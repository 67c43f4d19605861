//! A run's folder: its files, and the lock that keeps it to one writer.
//!
//! | file | content |
//! |---|---|
//! | `config.json` | everything that the result depends on |
//! | `checkpoint.safetensors` | the state to resume from |
//! | `best.safetensors` | the weights with the best validation loss |
//! | `metrics.jsonl`, `metrics.csv` | a record for each epoch |
//! | `test.json` | the one test of the best weights; the run is complete |

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::config::Config;
use super::record::{EpochRecord, TestRecord};
use crate::error::{Error, Result};
use crate::files::{FolderLock, create_folder, remove_leftovers, write_atomic_bytes};
use crate::kernels::Engine;
use crate::model::{ModelSpec, Network, weights};

/// What `best.safetensors` says about itself. It holds nothing that changes
/// from one machine or run to another of the same configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestWeights {
    /// The network.
    pub model: ModelSpec,
    /// Name of the data set that it was trained on.
    pub dataset: String,
    /// The run's seed.
    pub seed: u64,
    /// The epoch after which the weights were kept; 0 for imported ones.
    pub epoch: usize,
    /// The slope of that epoch.
    pub slope: f32,
    /// Instruction set of the kernels.
    pub isa: String,
}

/// The files of a run, in the order in which replacing it removes them: at every
/// moment what is left is a run that can be continued, or none. Best weights are
/// of the checkpoint, so they outlive it; the configuration goes last.
const FILES: [&str; 6] = [
    "test.json",
    "metrics.jsonl",
    "metrics.csv",
    "checkpoint.safetensors",
    "best.safetensors",
    "config.json",
];

/// A run's folder; see the module's page.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    config: Config,
    _lock: Option<FolderLock>,
}

impl RunFolder {
    /// Makes the folder, locks it and stores the configuration. With `force` the
    /// files of an earlier run are removed first.
    ///
    /// # Errors
    /// A folder that already holds a run, is in use, or cannot be written.
    pub fn create(path: &Path, config: Config, force: bool) -> Result<Self> {
        create_folder(path)?;
        let lock = Self::lock(path)?;
        if path.join("config.json").exists() {
            if !force {
                return Err(Error::checkpoint(
                    path,
                    "already holds a run; continue it with --resume, replace it with --force, or choose another --out",
                ));
            }
            for file in FILES {
                match std::fs::remove_file(path.join(file)) {
                    Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                        return Err(Error::io("remove", path.join(file))(e));
                    }
                    _ => {}
                }
            }
        }
        Self::begin(path, config, lock)
    }

    /// Opens the run in `path` to continue it, or begins one there.
    ///
    /// # Errors
    /// A run that another process is writing, a damaged configuration, or a folder
    /// that cannot be written.
    pub fn open_or_create(path: &Path, config: Config) -> Result<Self> {
        create_folder(path)?;
        // Locked before it is looked at: another process may be doing the same.
        let lock = Self::lock(path)?;
        if !path.join("config.json").exists() {
            return Self::begin(path, config, lock);
        }
        Ok(Self {
            _lock: Some(lock),
            ..Self::open(path)?
        })
    }

    fn begin(path: &Path, config: Config, lock: FolderLock) -> Result<Self> {
        let run = Self {
            path: path.to_path_buf(),
            config,
            _lock: Some(lock),
        };
        run.write_json("config.json", &run.config)?;
        Ok(run)
    }

    /// Locks the folder, and clears what a killed process left in it.
    fn lock(path: &Path) -> Result<FolderLock> {
        let lock = FolderLock::acquire(path)?;
        for file in FILES {
            remove_leftovers(&path.join(file));
        }
        Ok(lock)
    }

    /// Opens a run to read it.
    ///
    /// # Errors
    /// A folder that holds no run, or a damaged configuration.
    pub fn open(path: &Path) -> Result<Self> {
        let file = path.join("config.json");
        if !file.exists() {
            return Err(Error::checkpoint(
                path,
                "holds no run (there is no config.json)",
            ));
        }
        Ok(Self {
            path: path.to_path_buf(),
            config: read_json(&file)?,
            _lock: None,
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
        Ok(Self {
            _lock: Some(lock),
            ..Self::open(path)?
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// What the run is.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The records of the epochs so far.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged.
    pub fn metrics(&self) -> Result<Vec<EpochRecord>> {
        let file = self.file("metrics.jsonl");
        if !file.exists() {
            return Ok(Vec::new());
        }
        let text = std::fs::read_to_string(&file).map_err(Error::io("read", &file))?;
        text.lines()
            .map(|line| {
                serde_json::from_str(line)
                    .map_err(|e| Error::checkpoint(&file, format!("is damaged: {e}")))
            })
            .collect()
    }

    /// The test of a complete run.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged.
    pub fn test(&self) -> Result<Option<TestRecord>> {
        let file = self.file("test.json");
        if file.exists() {
            read_json(&file).map(Some)
        } else {
            Ok(None)
        }
    }

    /// What the best weights say about themselves.
    ///
    /// # Errors
    /// No such file yet, or a damaged one.
    pub fn best(&self) -> Result<BestWeights> {
        Ok(weights::read(&self.best_file()?)?.1)
    }

    /// The network with the best weights, its slope set, ready to evaluate
    /// batches of up to `batch`.
    ///
    /// # Errors
    /// A run that has no weights yet, or a damaged or foreign file.
    pub fn network(&self, engine: Engine, batch: usize) -> Result<Network> {
        let file = self.best_file()?;
        let (tensors, best) = weights::read::<BestWeights>(&file)?;
        let mut net = Network::new(&self.config.model, engine, batch, false)?;
        weights::import(net.params_mut(), tensors, &file)?;
        net.pass_mut().slope = best.slope;
        Ok(net)
    }

    fn best_file(&self) -> Result<PathBuf> {
        let file = self.file("best.safetensors");
        if !file.exists() {
            return Err(Error::checkpoint(
                &self.path,
                "has no weights yet (no epoch is finished); continue it with `bnn-cpu train --resume`",
            ));
        }
        Ok(file)
    }

    /// Writes the records of all epochs so far, as JSON lines and as CSV.
    pub(super) fn write_metrics(&self, history: &[EpochRecord]) -> Result<()> {
        let mut lines = String::new();
        let mut csv = String::from(
            "epoch,train_loss,train_accuracy,val_loss,val_accuracy,slope,lr,img_per_s,seconds",
        );
        // Columns that only a network with binary weights has.
        if let Some(first) = history.first().filter(|r| r.flip_ratio.is_some()) {
            csv += ",flip_ratio";
            for name in first.flip_ratios.keys() {
                // A name of the user's own must not begin another column.
                let name = name.replace([',', '"', '\n', '\r'], "_");
                csv += &format!(",flip_ratio {name}");
            }
        }
        csv.push('\n');
        for r in history {
            lines += &json(r, &self.path)?;
            lines.push('\n');
            let optional = |x: Option<f64>| x.map_or(String::new(), |x| x.to_string());
            csv += &format!(
                "{},{},{},{},{},{},{},{},{}",
                r.epoch,
                r.train_loss,
                r.train_accuracy,
                optional(r.val_loss),
                optional(r.val_accuracy),
                r.slope,
                r.lr,
                r.img_per_s,
                r.seconds
            );
            for ratio in r.flip_ratio.iter().chain(r.flip_ratios.values()) {
                csv += &format!(",{ratio}");
            }
            csv.push('\n');
        }
        write_atomic_bytes(&self.file("metrics.jsonl"), lines.as_bytes())?;
        write_atomic_bytes(&self.file("metrics.csv"), csv.as_bytes())
    }

    /// Writes a small JSON file of the run.
    pub(super) fn write_json(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let path = self.file(name);
        let mut text = serde_json::to_string_pretty(value)
            .map_err(|e| Error::checkpoint(&path, format!("cannot be encoded: {e}")))?;
        text.push('\n');
        write_atomic_bytes(&path, text.as_bytes())
    }

    /// Makes the folder `parent/base-n` for the smallest `n` from 1 that is free.
    /// Of two processes that do so at once, each gets its own.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub fn claim(parent: &Path, base: &str) -> Result<PathBuf> {
        create_folder(parent)?;
        let mut n = 1u64;
        loop {
            let path = parent.join(format!("{base}-{n}"));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(path),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => n += 1,
                Err(e) => return Err(Error::io("create folder", path)(e)),
            }
        }
    }

    /// The run in `parent` whose checkpoint (or configuration) is the newest.
    pub fn newest(parent: &Path) -> Option<PathBuf> {
        let time = |path: &Path| {
            let of = |name: &str| path.join(name).metadata().and_then(|m| m.modified()).ok();
            of("config.json").map(|t| of("checkpoint.safetensors").map_or(t, |c| c.max(t)))
        };
        let folders = std::fs::read_dir(parent).ok()?;
        folders
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter_map(|path| Some((time(&path)?, path)))
            .max()
            .map(|(_, path)| path)
    }
}

fn json(value: &impl Serialize, path: &Path) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|e| Error::checkpoint(path, format!("cannot be encoded: {e}")))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    serde_json::from_str(&text).map_err(|e| Error::checkpoint(path, format!("is damaged: {e}")))
}
