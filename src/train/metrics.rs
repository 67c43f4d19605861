//! The records of epochs as files: `metrics.jsonl`, which is read again, and
//! `metrics.csv` for spreadsheets.
//!
//! Each line of `metrics.jsonl` has a seal of its own ([`crate::seal::line`]). A last
//! line that lacks its end was cut off by a crash and is left out; anything else that is
//! wrong is damage.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::record::EpochRecord;
use crate::error::{Error, Result};
use crate::seal::{self, Fault, Origin};

/// A line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The epoch.
    pub record: EpochRecord,
    /// The run that the line says it is of.
    pub origin: Option<Origin>,
}

/// The text of `metrics.jsonl`; `path` is named in messages.
///
/// # Errors
/// A record that cannot be encoded.
pub fn to_lines(history: &[EpochRecord], origin: Option<&Origin>, path: &Path) -> Result<String> {
    let mut text = String::new();
    for record in history {
        text += &seal::line(record, origin)
            .map_err(|e| Error::checkpoint(path, format!("cannot be encoded: {e}")))?;
        text.push('\n');
    }
    Ok(text)
}

/// The lines in the bytes of the file `path`.
///
/// # Errors
/// A damaged line.
pub fn lines(bytes: &[u8], path: &Path) -> Result<Vec<Line>> {
    let mut found = Vec::new();
    let mut rest = bytes;
    let mut number = 0;
    while !rest.is_empty() {
        number += 1;
        let (line, ended, after) = match rest.iter().position(|&b| b == b'\n') {
            Some(end) => (&rest[..end], true, &rest[end + 1..]),
            None => (rest, false, &rest[rest.len()..]),
        };
        rest = after;
        match parse(line) {
            Ok(line) => found.push(line),
            // A crash cut the line off: what there is of it is sound as far as it goes.
            Err(Wrong::CutOff) if !ended => {}
            Err(wrong) => {
                return Err(Error::checkpoint(
                    path,
                    format!("line {number} {}", wrong.text()),
                ));
            }
        }
    }
    Ok(found)
}

enum Wrong {
    CutOff,
    Other(String),
}

impl Wrong {
    fn text(self) -> String {
        match self {
            Self::CutOff => "is damaged: it is cut off".into(),
            Self::Other(what) => what,
        }
    }
}

fn parse(line: &[u8]) -> std::result::Result<Line, Wrong> {
    let text = match std::str::from_utf8(line) {
        Ok(text) => text,
        // The end of the file may lie within a character.
        Err(e) if e.error_len().is_none() => return Err(Wrong::CutOff),
        Err(_) => return Err(Wrong::Other("is damaged: it is no text (UTF-8)".into())),
    };
    let opened = seal::open(text).map_err(|fault| match fault {
        Fault::Syntax(e) if e.is_eof() => Wrong::CutOff,
        other => Wrong::Other(other.to_string()),
    })?;
    let record = serde_json::from_value(opened.content)
        .map_err(|e| Wrong::Other(format!("is damaged: {e}")))?;
    Ok(Line {
        record,
        origin: opened.origin,
    })
}

/// Whether the records are those of the epochs 1, 2, 3 and so on.
///
/// # Errors
/// An epoch that is missing or stands twice, or a number that cannot be.
pub fn check(records: &[EpochRecord], path: &Path) -> Result<()> {
    for (record, epoch) in records.iter().zip(1..) {
        if record.epoch != epoch {
            return Err(Error::checkpoint(
                path,
                format!(
                    "is damaged: epoch {} stands where epoch {epoch} should",
                    record.epoch
                ),
            ));
        }
        record
            .check()
            .map_err(|what| Error::checkpoint(path, what))?;
    }
    Ok(())
}

/// The text of `metrics.csv`.
pub fn to_csv(history: &[EpochRecord]) -> String {
    let mut csv = String::from(
        "epoch,train_loss,train_accuracy,val_loss,val_accuracy,slope,lr,img_per_s,seconds",
    );
    let columns = SHARES.map(|share| share.columns(history));
    for (share, columns) in SHARES.iter().zip(&columns) {
        for layer in columns {
            csv += &format!(",{}", share.name);
            if let Some(layer) = layer {
                // A name of the user's own must not begin another column.
                csv += &format!(" {}", layer.replace([',', '"', '\n', '\r'], "_"));
            }
        }
    }
    csv.push('\n');
    for r in history {
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
        for (share, columns) in SHARES.iter().zip(&columns) {
            for layer in columns {
                let value = match layer {
                    None => (share.all)(r),
                    Some(layer) => (share.layers)(r).get(layer).copied(),
                };
                csv += &format!(",{}", optional(value));
            }
        }
        csv.push('\n');
    }
    csv
}

/// A share of the record that not every network has: in all, and of each layer.
struct Share {
    name: &'static str,
    all: fn(&EpochRecord) -> Option<f64>,
    layers: fn(&EpochRecord) -> &BTreeMap<String, f64>,
}

const SHARES: [Share; 3] = [
    Share {
        name: "flip_ratio",
        all: |r| r.flip_ratio,
        layers: |r| &r.flip_ratios,
    },
    Share {
        name: "saturated",
        all: |r| r.saturated,
        layers: |r| &r.saturated_layers,
    },
    Share {
        name: "bit_flips",
        all: |r| r.bit_flips,
        layers: |r| &r.bit_flips_layers,
    },
];

impl Share {
    /// Its columns: none where no epoch has it, else one for all and one a layer.
    /// Not every epoch has every share, so all are asked.
    fn columns(&self, history: &[EpochRecord]) -> Vec<Option<String>> {
        if !history.iter().any(|r| (self.all)(r).is_some()) {
            return Vec::new();
        }
        let layers = history
            .iter()
            .flat_map(|r| (self.layers)(r).keys().cloned());
        let layers: BTreeSet<String> = layers.collect();
        std::iter::once(None)
            .chain(layers.into_iter().map(Some))
            .collect()
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
