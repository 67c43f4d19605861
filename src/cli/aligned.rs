//! Tables of aligned columns on the standard output, in a narrower form where the terminal is
//! narrow.

use super::Outcome;
use super::output::{bold, clean, columns, folded, line};

/// How a column is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Before the further lines of a row's name.
const INDENT: &str = "  ";

/// A table of aligned columns, two spaces apart.
#[derive(Debug)]
pub struct Table {
    aligns: Vec<Align>,
    rows: Vec<Vec<String>>,
    /// The least width of each column.
    least: Vec<usize>,
    /// Rows from here on are totals, set off by a rule.
    foot: Option<usize>,
}

impl Table {
    /// A table with those column heads.
    pub fn new(heads: &[(&str, Align)]) -> Self {
        Self {
            aligns: heads.iter().map(|head| head.1).collect(),
            rows: vec![heads.iter().map(|head| head.0.to_string()).collect()],
            least: vec![0; heads.len()],
            foot: None,
        }
    }

    /// Adds a row. A cell that spans lines would be more than one.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows
            .push(cells.iter().map(|cell| clean(cell)).collect());
    }

    /// Makes a column at least that wide.
    pub fn least(&mut self, column: usize, width: usize) {
        self.least[column] = width;
    }

    /// What follows is set off.
    pub fn rule(&mut self) {
        self.foot = Some(self.rows.len());
    }

    /// Its lines where they are to have at most so many characters, as far as that can be, and
    /// how many of them are its head.
    pub fn within(&self, columns: usize) -> (Vec<String>, usize) {
        let whole = self.lines();
        match whole.iter().any(|l| l.chars().count() > columns) {
            true => self.narrowed(columns),
            false => (whole, 1),
        }
    }

    /// Writes it to the standard output, as wide as a terminal there is.
    pub fn print(&self) -> Outcome {
        let (lines, heads) = self.within(columns().unwrap_or(usize::MAX));
        for (i, text) in lines.iter().enumerate() {
            match i < heads {
                true => line(&bold(text))?,
                false => line(text)?,
            }
        }
        Ok(())
    }

    /// Its lines where they are to have at most so many characters, and how many of them are its
    /// head. Columns that say nothing are left out, and what is too long goes on in further lines.
    fn narrowed(&self, most: usize) -> (Vec<String>, usize) {
        let says = |column: usize| {
            let mut cells = self.rows[1..].iter().filter_map(|row| row.get(column));
            // What has a least width will say something yet.
            self.least[column] > 0 || cells.any(|cell| !matches!(&**cell, "" | "-" | "0"))
        };
        let kept: Vec<usize> = (0..self.aligns.len()).filter(|c| says(*c)).collect();
        let widths = self.narrow_widths(&kept, most);
        let gaps = 2 * kept.len().saturating_sub(1);
        if widths.iter().sum::<usize>() + gaps > most && self.has_long_numbers() {
            return self.with_rounded_numbers().narrowed(most);
        }
        let mut table = Table::new(&[]);
        table.aligns = kept.iter().map(|c| self.aligns[*c]).collect();
        table.least = kept.iter().map(|c| self.least[*c]).collect();
        table.rows.clear();
        let mut heads = 0;
        for (i, row) in self.rows.iter().enumerate() {
            if self.foot == Some(i) {
                table.foot = Some(table.rows.len());
            }
            let cell = |c: usize| row.get(c).map_or("", |cell| &**cell);
            let folded = kept
                .iter()
                .zip(&widths)
                .map(|(c, width)| folded(cell(*c), *width, self.indent(*c)));
            let folded: Vec<Vec<String>> = folded.collect();
            let height = folded.iter().map(Vec::len).max().unwrap_or(1);
            for at in 0..height {
                let part = |cell: &Vec<String>| cell.get(at).cloned().unwrap_or_default();
                table.rows.push(folded.iter().map(part).collect());
            }
            heads = if i == 0 { height } else { heads };
        }
        (table.lines(), heads)
    }

    /// What further lines of a cell begin with: those of a row's name must not look like another.
    fn indent(&self, column: usize) -> &'static str {
        match (column, self.aligns[column]) {
            (0, Align::Left) => INDENT,
            _ => "",
        }
    }

    fn has_long_numbers(&self) -> bool {
        self.rows
            .iter()
            .flatten()
            .any(|cell| millions(cell).is_some())
    }

    /// The same table with whole numbers of a million or more as `202.63M`.
    fn with_rounded_numbers(&self) -> Self {
        let round = |cell: &String| millions(cell).unwrap_or_else(|| cell.clone());
        Self {
            aligns: self.aligns.clone(),
            rows: self
                .rows
                .iter()
                .map(|row| row.iter().map(round).collect())
                .collect(),
            least: self.least.clone(),
            foot: self.foot,
        }
    }

    /// How wide those columns may be for lines of `most` characters. Heads are folded first, then
    /// the widest columns of text, as far as that helps.
    fn narrow_widths(&self, kept: &[usize], most: usize) -> Vec<usize> {
        let longest = |text: &str| -> usize {
            let words = text.split(' ').flat_map(|word| word.split_inclusive('/'));
            words.map(|w| w.chars().count()).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = Vec::new();
        let mut least: Vec<usize> = Vec::new();
        for &c in kept {
            let cells: Vec<&str> = self.rows[1..]
                .iter()
                .filter_map(|r| r.get(c))
                .map(|s| &**s)
                .collect();
            let whole = cells
                .iter()
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0);
            let words = cells.iter().map(|cell| longest(cell)).max().unwrap_or(0);
            let head = longest(&self.rows[0][c]);
            let whole = whole.max(self.least[c]);
            widths.push(whole.max(head));
            least.push(match self.aligns[c] {
                Align::Left => head.max(words + self.indent(c).len()),
                Align::Right => whole.max(head),
            });
        }
        let room = most.saturating_sub(2 * kept.len().saturating_sub(1));
        while widths.iter().sum::<usize>() > room {
            let slack = (0..widths.len()).filter(|i| widths[*i] > least[*i]);
            let Some(widest) = slack.max_by_key(|i| widths[*i]) else {
                break;
            };
            widths[widest] -= 1;
        }
        widths
    }

    /// Its lines, without trailing blanks.
    pub fn lines(&self) -> Vec<String> {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let widest = cells.map(|cell| cell.chars().count()).max();
            widest.unwrap_or(0).max(self.least[column])
        };
        let widths: Vec<usize> = (0..self.aligns.len()).map(width).collect();
        let mut lines = Vec::new();
        for (i, row) in self.rows.iter().enumerate() {
            if self.foot == Some(i) {
                lines.push("-".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1)));
            }
            let cells = row.iter().zip(&self.aligns).zip(&widths);
            let cells: Vec<String> = cells
                .map(|((cell, align), &width)| match align {
                    Align::Left => format!("{cell:<width$}"),
                    Align::Right => format!("{cell:>width$}"),
                })
                .collect();
            lines.push(cells.join("  ").trim_end().to_string());
        }
        lines
    }
}

/// A whole number of a million or more, in millions.
fn millions(cell: &str) -> Option<String> {
    let digits = cell.replace(',', "");
    let number: u64 = digits.parse().ok()?;
    (number >= 1_000_000).then(|| format!("{:.2}M", number as f64 / 1e6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_totals_set_off() {
        let mut table = Table::new(&[("layer", Align::Left), ("n", Align::Right)]);
        table.row(vec!["a".into(), "1,000".into()]);
        table.rule();
        table.row(vec!["total".into(), "7".into()]);
        assert_eq!(
            table.lines(),
            [
                "layer      n",
                "a      1,000",
                "------------",
                "total      7"
            ]
        );
        table.least(1, 9);
        assert_eq!(table.lines()[1], "a          1,000");
    }

    fn layers() -> Table {
        let heads = [
            ("layer", Align::Left),
            ("kind", Align::Left),
            ("1-bit params", Align::Right),
            ("float mult-adds", Align::Right),
        ];
        let mut table = Table::new(&heads);
        let row = |cells: [&str; 4]| cells.map(String::from).to_vec();
        table.row(row([
            "conv1",
            "conv 5x5, stride 1, padding 2",
            "-",
            "313,600",
        ]));
        table.rule();
        table.row(row(["total", "", "0", "313,600"]));
        table
    }

    #[test]
    fn a_narrow_table_loses_what_says_nothing_and_folds_the_rest() {
        let table = layers();
        let (lines, heads) = table.narrowed(36);
        assert_eq!(
            lines,
            [
                "layer  kind                  float",
                "                         mult-adds",
                "conv1  conv 5x5, stride    313,600",
                "       1, padding 2",
                "----------------------------------",
                "total                      313,600"
            ]
        );
        assert_eq!(heads, 2);
        // What cannot be folded stays as wide as it is, and nothing is lost.
        for most in 0..60 {
            let (lines, _) = table.narrowed(most);
            let widest = lines.iter().map(|l| l.chars().count()).max().unwrap();
            assert!(widest <= most.max(33), "{most}: {widest}");
            let words = lines.join(" ");
            for word in [
                "conv",
                "5x5,",
                "stride",
                "padding",
                "313,600",
                "total",
                "mult-adds",
            ] {
                assert!(words.contains(word), "{most}: {word}");
            }
        }
    }

    #[test]
    fn a_name_that_goes_on_is_told_from_the_next_and_a_path_is_broken_at_a_slash() {
        let mut table = Table::new(&[("row", Align::Left), ("where", Align::Left)]);
        table.row(vec!["disarm, lr 0.01".into(), "/work/shared/mnist".into()]);
        let lines = [
            "row        where",
            "disarm,    /work/",
            "  lr 0.01  shared/",
            "           mnist",
        ];
        assert_eq!(table.within(19), (lines.map(String::from).to_vec(), 1));
        // A column that will be filled is kept, and as wide as it will be.
        table = Table::new(&[
            ("row", Align::Left),
            ("%", Align::Right),
            ("s", Align::Right),
        ]);
        table.least(1, 5);
        table.row(vec!["one row".into(), "-".into(), "-".into()]);
        assert_eq!(table.within(14).0, ["row          %", "one row      -"]);
    }

    #[test]
    fn long_numbers_are_rounded_where_nothing_else_helps() {
        let mut table = Table::new(&[("n", Align::Right), ("m", Align::Right)]);
        table.row(vec!["202,626,624".into(), "999,999".into()]);
        assert_eq!(table.narrowed(20).0[1], "202,626,624  999,999");
        assert_eq!(table.narrowed(19).0[1], "202.63M  999,999");
    }

    #[test]
    fn no_control_character_of_a_cell_is_written() {
        let mut table = Table::new(&[("name", Align::Left), ("n", Align::Right)]);
        table.row(vec!["a\u{1b}[31m\u{7}b".into(), "1".into()]);
        assert_eq!(table.lines()[1], "a\u{fffd}[31m\u{fffd}b  1");
    }
}
