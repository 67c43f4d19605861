//! Which of the program's files a file is, by its content.

use std::path::Path;

use bnn_cpu::data::{Fault, idx};
use bnn_cpu::lab::{Part, Record};
use bnn_cpu::model::weights;
use bnn_cpu::packed::PackedNet;
use bnn_cpu::study::{CellRecord, Table};
use bnn_cpu::train::{BestWeights, Checkpoint, Config, TestRecord, metrics_lines};
use bnn_cpu::{Error, bounded, files, seal};
use serde_json::Value;

/// What a sound file holds, in a few words; `None` where it is nothing that the program
/// writes or reads.
///
/// # Errors
/// A file that is damaged or cannot be read.
pub fn look(path: &Path) -> Result<Option<String>, Error> {
    let Some(bytes) = files::read(path, weights::MAX_BYTES, weights::COPIES)? else {
        return Err(Error::data(path, "no such file"));
    };
    match bytes.as_slice() {
        // The header of a safetensors file is a length of eight bytes and a JSON object.
        [_, _, _, _, _, _, _, _, b'{', ..] => tensors(&bytes, path).map(Some),
        _ if PackedNet::is_compact(&bytes) => tensors(&bytes, path).map(Some),
        [0x1f, 0x8b, ..] | [0, 0, _, 1..=8, ..] => images(&bytes, path).map(Some),
        [b'{', ..] | [0xEF, 0xBB, 0xBF, b'{', ..]
            if path.extension().is_some_and(|e| e == "jsonl") =>
        {
            let lines = metrics_lines(&bytes, path)?;
            let sealed = lines.iter().all(|line| line.origin.is_some());
            let what = format!("records of epochs, {} of them", lines.len());
            Ok(Some(with_seal(what, sealed)))
        }
        [b'{', ..] | [0xEF, 0xBB, 0xBF, b'{', ..] => json(bytes, path),
        _ => Ok(None),
    }
}

fn with_seal(what: String, sealed: bool) -> String {
    match sealed {
        true => what,
        false => format!("{what}; without a seal, so damage to its numbers would not be noticed"),
    }
}

fn tensors(bytes: &[u8], path: &Path) -> Result<String, Error> {
    let fail = |what: String| Error::checkpoint(path, what);
    if PackedNet::is_packed(bytes).map_err(fail)? {
        let (net, sealed) =
            PackedNet::decode(bytes).map_err(|e| Error::checkpoint(path, e.to_string()))?;
        let what = format!("packed network {}, {} bytes", net.name(), bytes.len());
        return Ok(with_seal(what, sealed));
    }
    let any = weights::decode_any(bytes, path)?;
    let digest = weights::digest(&any.tensors);
    let what = match any.about {
        None => "tensors of another program".to_string(),
        Some(_) => match weights::decode::<Checkpoint>(bytes, path) {
            Ok(found) => format!("state of {}", found.about.model.name),
            Err(_) => {
                let best = weights::decode::<BestWeights>(bytes, path)?.about;
                weights::check(&best.model, &any.tensors, path)?;
                format!("weights of {}, epoch {}", best.model.name, best.epoch)
            }
        },
    };
    let what = format!("{what}, sha256 of the tensors {digest}");
    Ok(with_seal(what, any.sealed))
}

fn images(bytes: &[u8], path: &Path) -> Result<String, Error> {
    let named = |fault: Fault| match fault {
        Fault::Format(what) => Error::data(path, what),
        Fault::Read(source) => Error::io("read", path)(source),
    };
    match idx::parse_images(bytes) {
        Ok(images) => {
            let (count, height, width, channels) = images.dim();
            Ok(format!("{count} images of {height}x{width}x{channels}"))
        }
        Err(fault) => match idx::parse_labels(bytes) {
            Ok(labels) => Ok(format!("{} labels", labels.len())),
            Err(_) => Err(named(fault)),
        },
    }
}

fn json(bytes: Vec<u8>, path: &Path) -> Result<Option<String>, Error> {
    let text = bounded::decode(bytes, path)?;
    let opened = seal::open(&text).map_err(|e| Error::checkpoint(path, e.to_string()))?;
    let content = &opened.content;
    let what = if let Some(record) = is::<CellRecord>(content) {
        format!("record of {}, seed {}", record.row, record.config.seed)
    } else if let Some(table) = is::<Table>(content) {
        format!("table {} on {}", table.suite, table.dataset)
    } else if let Some(record) = is::<Record>(content) {
        format!("record of the lab on {}", record.network)
    } else if let Some(part) = is::<Part>(content) {
        format!(
            "part {} of {} of a lab on {}",
            part.part, part.of, part.record.network
        )
    } else if let Some(config) = is::<Config>(content) {
        format!("configuration of {}", config.model.name)
    } else if is::<TestRecord>(content).is_some() {
        "test of a run".into()
    } else {
        return Ok(opened.sealed.then(|| "sealed text".into()));
    };
    Ok(Some(with_seal(what, opened.sealed)))
}

/// The record of a cell in a file; `None` where nothing is.
///
/// # Errors
/// A file that is damaged, cannot be read, or holds something else.
pub fn cell(path: &Path) -> Result<Option<CellRecord>, Error> {
    let Some(bytes) = files::read(path, bounded::MAX_TEXT, 1)? else {
        return Ok(None);
    };
    CellRecord::parse(&bounded::decode(bytes, path)?, path).map(Some)
}

/// A table, or a record of the lab.
pub enum Figures {
    Table(Box<Table>),
    Lab(Box<Record>),
}

impl Figures {
    /// The name of the data set.
    pub fn dataset(&self) -> &str {
        match self {
            Self::Table(table) => &table.dataset,
            Self::Lab(record) => &record.dataset,
        }
    }

    /// The file with a seal and the fingerprint of its data.
    pub fn sealed(mut self, data_sha256: &str) -> serde_json::Result<String> {
        match &mut self {
            Self::Table(table) => table.data_sha256 = data_sha256.into(),
            Self::Lab(record) => record.data_sha256 = data_sha256.into(),
        }
        match &self {
            Self::Table(table) => seal::text(table.as_ref(), None),
            Self::Lab(record) => seal::text(record.as_ref(), None),
        }
    }
}

/// The figures in a file without a seal; `None` where it holds no such figures.
///
/// # Errors
/// A file that is damaged or cannot be read.
pub fn unsealed_figures(path: &Path) -> Result<Option<Figures>, Error> {
    let Some(bytes) = files::read(path, bounded::MAX_TEXT, 1)? else {
        return Ok(None);
    };
    let text = bounded::decode(bytes, path)?;
    let opened = seal::open(&text).map_err(|e| Error::checkpoint(path, e.to_string()))?;
    if opened.sealed {
        return Ok(None);
    }
    let table = is::<Table>(&opened.content).map(|t| Figures::Table(Box::new(t)));
    let record = || is::<Record>(&opened.content).map(|r| Figures::Lab(Box::new(r)));
    Ok(table.or_else(record))
}

fn is<T: serde::de::DeserializeOwned>(content: &Value) -> Option<T> {
    serde_json::from_value(content.clone()).ok()
}
