//! What the table of a sweep has beside that of a suite: differences seed by seed to one of
//! its rows, the settings in which its rows differ, and, where settings are being chosen, the
//! order of the rows and what the choice has cost.

use super::cell::CellRecord;
use super::settings::Varied;
use super::spread::Spread;
use super::table::{Table, TableRow};

impl Table {
    /// Compares every row with the row `against`, over the seeds that both have.
    pub fn compare(&mut self, against: &str, records: &[CellRecord]) {
        let of = |row: &str| -> Vec<&CellRecord> {
            records.iter().filter(|record| record.row == row).collect()
        };
        let others = of(against);
        for row in self.rows.iter_mut().filter(|row| row.id != against) {
            let mut mine = of(&row.id);
            mine.sort_by_key(|record| record.config.seed);
            let pair = |record: &&CellRecord| {
                let same = |other: &&&CellRecord| other.config.seed == record.config.seed;
                let other = others.iter().find(same)?;
                Some((record.finish.accuracy() - other.finish.accuracy()) * 100.0)
            };
            let pairs: Vec<f64> = mine.iter().filter_map(pair).collect();
            row.over_row = Spread::of(&pairs);
        }
        self.against = Some(against.into());
    }

    /// Writes into each row the settings in which the rows differ.
    pub fn state(&mut self, varied: &[Varied]) {
        for row in &mut self.rows {
            let own = |of: &Varied| Some((of.field.clone(), of.values.get(&row.id)?.clone()));
            row.settings = varied.iter().filter_map(own).collect();
        }
    }

    /// Makes it a table of validation figures: the row with the lowest mean validation loss
    /// comes first and is the chosen one, among the rows that have all `seeds`.
    pub fn rank(&mut self, seeds: usize) {
        self.validation = true;
        let whole = |row: &TableRow| row.seeds.len() == seeds;
        self.rows.sort_by(|a, b| {
            let loss = |row: &TableRow| row.loss.map_or(f64::INFINITY, |s| s.mean);
            let unfinished = |row| !whole(row);
            (unfinished(a).cmp(&unfinished(b))).then(loss(a).total_cmp(&loss(b)))
        });
        let first = self.rows.first().filter(|row| whole(row));
        self.chosen = first.map(|row| row.id.clone());
        if let Some(first) = first {
            self.notes.push(format!(
                "Chosen by the lowest mean validation loss of the rows with all {seeds} seeds: {}. No test image was evaluated.",
                first.title
            ));
        }
        let runs: usize = self.rows.iter().map(|row| row.seeds.len()).sum();
        let seconds = self
            .rows
            .iter()
            .filter_map(|row| Some(row.seconds?.mean * row.seeds.len() as f64));
        self.notes.push(format!(
            "Budget: {} rows, {runs} runs, {:.0} seconds of training.",
            self.rows.len(),
            seconds.sum::<f64>()
        ));
    }
}
