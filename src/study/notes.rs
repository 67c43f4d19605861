//! What a reader of a table must know beside its figures, found in the records.

use super::cell::CellRecord;
use super::row::SuiteRow;
use crate::estimators::Firing;
use crate::layers::Binary;
use crate::train::Config;

/// The notes of a table, a sentence or two each.
pub fn notes(rows: &[SuiteRow], records: &[CellRecord]) -> Vec<String> {
    let of = |row: &SuiteRow| -> Vec<&CellRecord> {
        records.iter().filter(|r| r.row == row.id).collect()
    };
    let mut notes = Vec::new();
    let mixed: Vec<&str> = rows
        .iter()
        .filter(|row| {
            let mine = of(row);
            let isa = |r: &CellRecord| r.finish.provenance().isa.clone();
            mine.iter().any(|r| isa(r) != isa(mine[0]))
        })
        .map(|row| row.title.as_str())
        .collect();
    if !mixed.is_empty() {
        notes.push(format!(
            "The seeds of these rows were trained with the kernels of different instruction sets, whose bits differ: {}.",
            mixed.join("; ")
        ));
    }
    let steps = |row: &SuiteRow| of(row).iter().map(|r| trained(&r.config)).collect();
    let steps: Vec<(&SuiteRow, Vec<Config>)> = rows.iter().map(|row| (row, steps(row))).collect();
    for (i, (a, ours)) in steps.iter().enumerate() {
        for (b, theirs) in &steps[i + 1..] {
            // Of two seeds the steps differ.
            let same = |x: &Config| theirs.iter().any(|y| x.seed == y.seed && x == y);
            if ours.iter().any(same) {
                notes.push(format!(
                    "\u{201c}{}\u{201d} and \u{201c}{}\u{201d} are trained by the same steps with the same noise, for both sample in training; of one seed they differ in validation and test alone.",
                    a.title, b.title
                ));
            }
        }
    }
    let inferred = records.iter().filter(|r| !r.inferred.is_empty()).count();
    if inferred > 0 {
        notes.push(format!(
            "{inferred} of {} records were made before every setting was written into them; what was added later stands in each under `inferred`.",
            records.len()
        ));
    }
    notes
}

/// The configuration as far as training depends on it: units that are sampled in training
/// whatever they do in evaluation count as sampled.
fn trained(config: &Config) -> Config {
    let mut config = config.clone();
    for layer in &mut config.model.layers {
        layer.update::<Binary>(|unit| {
            if unit.rule().is_ok_and(|rule| rule.explores()) {
                unit.mode = Firing::Stochastic;
            }
        });
    }
    config
}
