//! Records of a table's cells from other folders, as of several clusters: each is brought in once,
//! and those that several folders have are compared, bit for bit.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::cell::{Cell, CellRecord};
use crate::error::{Error, Result};
use crate::files::create_folder;

/// What became of the records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Records that were brought in.
    pub brought: usize,
    /// Records that were there already and have the same bits.
    pub same: usize,
    /// Records that were there already, made on another instruction set, for which no bits are
    /// promised; the first one stays.
    pub other_isa: usize,
}

/// What a record says of its making, which differs from machine to machine.
const OF_MACHINES: [&str; 9] = [
    "cpu",
    "commit",
    "img_per_s",
    "isa",
    "machine",
    "provenance",
    "seconds",
    "threads",
    "train_seconds",
];

/// Brings the records that `folders` have of the cells into the folder `results`, where the cells
/// lie. Nothing is written before all records are found to agree.
///
/// # Errors
/// A folder without any record of the table, a damaged record or one of other settings, and two
/// records of one cell that were made on one instruction set and differ, with the first number that
/// does.
pub fn merge(cells: &[Cell], results: &Path, folders: &[PathBuf]) -> Result<Merged> {
    let (mut merged, mut wanted) = (Merged::default(), Vec::new());
    let mut found = vec![false; folders.len()];
    for cell in cells {
        let mut known = cell.read()?.map(|record| (record, cell.record.clone()));
        let place = cell.record.strip_prefix(results).unwrap_or(&cell.record);
        for (folder, found) in folders.iter().zip(&mut found) {
            let there = Cell {
                record: folder.join(place),
                ..cell.clone()
            };
            let Some(record) = there.read()? else {
                continue;
            };
            *found = true;
            match &known {
                None => {
                    wanted.push((record.clone(), &cell.record));
                    known = Some((record, there.record));
                    merged.brought += 1;
                }
                Some((first, file)) => match difference(first, &record)? {
                    Compared::OtherIsa => merged.other_isa += 1,
                    Compared::Same => merged.same += 1,
                    Compared::Differs(what) => {
                        return Err(Error::checkpoint(
                            &there.record,
                            format!(
                                "differs from {} ({what}), and the same settings on the same instruction set give the same bits; find out which one was made by a changed program, and move it away",
                                file.display()
                            ),
                        ));
                    }
                },
            }
        }
    }
    if let Some((_, folder)) = found.iter().zip(folders).find(|(found, _)| !**found) {
        return Err(Error::checkpoint(
            folder,
            "has no record of a cell of this table; name a folder of results, and give the same suite, seeds and epochs",
        ));
    }
    for (record, path) in wanted {
        create_folder(path.parent().unwrap_or(Path::new(".")))?;
        record.write(path)?;
    }
    Ok(merged)
}

/// How two records of a cell compare.
enum Compared {
    Same,
    OtherIsa,
    Differs(String),
}

fn difference(first: &CellRecord, second: &CellRecord) -> Result<Compared> {
    if first.finish.provenance().isa != second.finish.provenance().isa {
        return Ok(Compared::OtherIsa);
    }
    let value = |record: &CellRecord| {
        let value = serde_json::to_value(record).map_err(|e| Error::spec(e.to_string()));
        value.map(|value| numbers(&value))
    };
    let (first, second) = (value(first)?, value(second)?);
    let differs = first.iter().zip(&second).find(|(a, b)| a != b);
    Ok(match differs {
        Some((a, b)) => Compared::Differs(format!("{} is {} and {}", a.0, a.1, b.1)),
        None if first.len() != second.len() => Compared::Differs("it has other numbers".into()),
        None => Compared::Same,
    })
}

/// What a record came to: the path of each value, and the value.
fn numbers(record: &Value) -> Vec<(String, Value)> {
    fn collect(value: &Value, path: &str, all: &mut Vec<(String, Value)>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    if !OF_MACHINES.contains(&name.as_str()) && name != "version" {
                        collect(value, &format!("{path}.{name}"), all);
                    }
                }
            }
            Value::Array(values) => {
                for (i, value) in values.iter().enumerate() {
                    collect(value, &format!("{path}.{i}"), all);
                }
            }
            other => all.push((path.into(), other.clone())),
        }
    }
    let mut all = Vec::new();
    for part in ["test", "validation", "history"] {
        if let Some(value) = record.get(part) {
            collect(value, part, &mut all);
        }
    }
    all
}
