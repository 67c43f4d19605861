//! The published rows with two columns of this program's: by the protocol that they
//! were published with, and with settings of our choice.

use super::spread::Spread;
use super::table::{Table, TableRow};

/// A published row: whose figures stand in it.
struct Row<'a> {
    title: &'a str,
    published: (Option<f64>, Option<f64>),
    protocol: Vec<&'a TableRow>,
    tuned: Vec<&'a TableRow>,
}

/// The published rows that finished runs stand beside, in the order of the protocol's
/// table.
fn rows<'a>(protocol: &'a Table, tuned: &'a Table) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = Vec::new();
    for (table, is_tuned) in [(protocol, false), (tuned, true)] {
        for row in &table.rows {
            let Some(title) = row.repeats.as_deref() else {
                continue;
            };
            let at = rows.iter().position(|r| r.title == title);
            let at = at.unwrap_or_else(|| {
                rows.push(Row {
                    title,
                    published: (row.published_percent, row.published_loss),
                    protocol: Vec::new(),
                    tuned: Vec::new(),
                });
                rows.len() - 1
            });
            let column = if is_tuned {
                &mut rows[at].tuned
            } else {
                &mut rows[at].protocol
            };
            column.push(row);
        }
    }
    rows
}

/// The figures of one column, one line for each estimator that stands in it.
fn figures(rows: &[&TableRow]) -> String {
    let spread = |s: Option<Spread>, digits| s.map_or_else(|| "-".to_owned(), |s| s.text(digits));
    let line = |row: &&TableRow| {
        let figures = format!("{} / {}", spread(row.percent, 2), spread(row.loss, 4));
        match &row.estimator {
            Some(estimator) if estimator != "st" => format!("{estimator}: {figures}"),
            _ => figures,
        }
    };
    if rows.is_empty() {
        return "-".into();
    }
    rows.iter().map(line).collect::<Vec<_>>().join("<br>")
}

/// The two tables side by side, as Markdown; `None` unless each has finished runs
/// beside a published row, on the same images.
pub fn side_by_side(protocol: &Table, tuned: &Table) -> Option<String> {
    let rows = rows(protocol, tuned);
    let empty = |column: fn(&Row) -> bool| rows.iter().all(column);
    if protocol.data_sha256 != tuned.data_sha256
        || empty(|r| r.protocol.is_empty())
        || empty(|r| r.tuned.is_empty())
    {
        return None;
    }
    let mut text = format!(
        "# {}: the published rows, two ways\n\n\
         Test accuracy in per cent / test loss (negative log-likelihood of one sample), mean ± \
         standard deviation over seeds {}.\n\n\
         - **{}**: {}\n- **{}**: {}\n\n\
         | row | published | {} | {} |\n|---|---|---|---|\n",
        protocol.dataset,
        seeds(&rows),
        protocol.suite,
        protocol.about,
        tuned.suite,
        tuned.about,
        protocol.suite,
        tuned.suite,
    );
    for row in &rows {
        let number = |x: Option<f64>, digits| x.map_or("-".into(), |x| format!("{x:.digits$}"));
        let (percent, loss) = row.published;
        text += &format!(
            "| {} | {} / {} | {} | {} |\n",
            row.title,
            number(percent, 2),
            number(loss, 4),
            figures(&row.protocol),
            figures(&row.tuned)
        );
    }
    text += &format!(
        "\nMade with `{}` and `{}`; either writes this file.\n",
        protocol.command, tuned.command
    );
    Some(text)
}

/// `1, 2, 3`, or the fewest and the most where rows differ.
fn seeds(rows: &[Row<'_>]) -> String {
    let all = rows.iter().flat_map(|r| r.protocol.iter().chain(&r.tuned));
    let mut texts: Vec<String> = all
        .map(|row| {
            let seeds: Vec<String> = row.seeds.iter().map(u64::to_string).collect();
            seeds.join(", ")
        })
        .collect();
    texts.sort();
    texts.dedup();
    match texts.as_slice() {
        [one] => one.clone(),
        _ => "as far as they are trained".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(estimator: Option<&str>, percent: f64, repeats: Option<&'static str>) -> TableRow {
        TableRow {
            id: "row".into(),
            title: "row".into(),
            estimator: estimator.map(Into::into),
            group: String::new(),
            probability: None,
            statistics: None,
            samples: None,
            evaluations: None,
            percents: vec![percent],
            over_none: None,
            over_st: None,
            repeats: repeats.map(String::from),
            seeds: vec![1, 2],
            percent: Spread::of(&[percent]),
            loss: Spread::of(&[0.5]),
            percent_of_16: None,
            percent_threshold: None,
            seconds: None,
            published_percent: repeats.map(|_| 90.0),
            published_loss: repeats.map(|_| 0.25),
            over_row: None,
            settings: Default::default(),
        }
    }

    fn table(dataset: &str, suite: &str, rows: Vec<TableRow>) -> Table {
        Table {
            suite: suite.into(),
            about: "About.".into(),
            dataset: dataset.into(),
            data_sha256: crate::seal::sha256(dataset.as_bytes()),
            machines: vec![],
            command: "c".into(),
            notes: vec![],
            validation: false,
            against: None,
            chosen: None,
            rows,
        }
    }

    #[test]
    fn estimators_stand_in_the_row_that_was_published_for_them() {
        let last = "stochastic, last, REINFORCE";
        let protocol = table(
            "D",
            "reference",
            vec![
                row(None, 98.0, Some("no binary layer")),
                row(Some("st"), 96.0, Some("stochastic, last, ST")),
                row(Some("none"), 91.0, Some(last)),
                row(Some("reinforce"), 30.0, Some(last)),
            ],
        );
        let tuned = table(
            "D",
            "tuned",
            vec![row(Some("local-expectation"), 99.0, Some(last))],
        );
        let text = side_by_side(&protocol, &tuned).unwrap();
        assert!(text.contains("over seeds 1, 2."), "{text}");
        for line in [
            "| row | published | reference | tuned |",
            "| no binary layer | 90.00 / 0.2500 | 98.00 / 0.5000 | - |",
            "| stochastic, last, ST | 90.00 / 0.2500 | 96.00 / 0.5000 | - |",
            "| stochastic, last, REINFORCE | 90.00 / 0.2500 | none: 91.00 / 0.5000<br>\
             reinforce: 30.00 / 0.5000 | local-expectation: 99.00 / 0.5000 |",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }

    #[test]
    fn other_data_and_unpublished_rows_make_no_table() {
        let with = |data: &str, repeats| table(data, "s", vec![row(None, 98.0, repeats)]);
        let published = Some("no binary layer");
        assert!(side_by_side(&with("D", published), &with("D", published)).is_some());
        assert!(side_by_side(&with("D", published), &with("E", published)).is_none());
        assert!(side_by_side(&with("D", published), &with("D", None)).is_none());
        assert!(side_by_side(&with("D", None), &with("D", published)).is_none());
    }
}
