//! The cells of a table as one tidy CSV: a line for each cell, a column for each setting in
//! which rows differ, and the figures.

use super::cell::CellRecord;
use super::settings::Varied;
use super::table::Table;

/// The columns behind the settings.
const FIGURES: [&str; 8] = [
    "seed",
    "validation_loss",
    "validation_accuracy",
    "test_loss",
    "test_accuracy",
    "epoch",
    "seconds",
    "run_id",
];

impl Table {
    /// The records of its rows as CSV with a header line, row by row and seed by seed.
    /// Accuracies are shares; validation figures are those of the epoch that was tested, or
    /// is the best one where nothing was tested.
    pub fn tidy(&self, varied: &[Varied], records: &[CellRecord]) -> String {
        let settings = varied.iter().map(|of| of.field.as_str());
        let head: Vec<&str> = ["row"].into_iter().chain(settings).chain(FIGURES).collect();
        let mut text = head.join(",") + "\n";
        for row in &self.rows {
            let mut mine: Vec<_> = records.iter().filter(|r| r.row == row.id).collect();
            mine.sort_by_key(|record| record.config.seed);
            for record in mine {
                let settings = varied.iter().map(|of| of.values.get(&row.id).cloned());
                let settings = settings.map(|value| quoted(&value.unwrap_or_default()));
                let fields: Vec<String> = [row.id.clone()]
                    .into_iter()
                    .chain(settings)
                    .chain(figures(record))
                    .collect();
                text += &fields.join(",");
                text += "\n";
            }
        }
        text
    }
}

/// The fields of [`FIGURES`].
fn figures(record: &CellRecord) -> [String; FIGURES.len()] {
    let number = |x: Option<f64>| x.map_or(String::new(), |x| x.to_string());
    let epoch = record.finish.epoch();
    let validated = record.history.iter().find(|e| e.epoch == epoch);
    let test = record.finish.test();
    let origin = record.origin.as_ref();
    [
        record.config.seed.to_string(),
        number(validated.and_then(|e| e.val_loss)),
        number(validated.and_then(|e| e.val_accuracy)),
        number(test.map(|t| t.loss)),
        number(test.map(|t| t.accuracy)),
        epoch.to_string(),
        number(Some(record.finish.train_seconds())),
        origin.map_or(String::new(), |origin| origin.run_id.clone()),
    ]
}

/// A field, in quotation marks where it needs them.
fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_quoted_where_it_needs_to_be() {
        assert_eq!(quoted("0.5"), "0.5");
        assert_eq!(quoted("1,3"), "\"1,3\"");
        assert_eq!(quoted("a \"b\""), "\"a \"\"b\"\"\"");
    }
}
