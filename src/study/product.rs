//! Rows times lists of settings: every row with every value of each list.

use super::row::{Controls, MAX_ROWS, SuiteRow, is_plain};
use crate::error::{Error, Result};
use crate::train::PartialConfig;

/// A setting and the values that it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What ids and titles call it.
    pub name: String,
    /// Its values: how one writes each, and the settings that it is.
    pub values: Vec<(String, PartialConfig)>,
}

/// Every row with every value of each axis, which stands above what the row states. The
/// values of an axis with several of them are named in ids and titles; those of an axis with
/// one are the same everywhere, and name nothing. A row without an id is called by its values
/// alone, or `run` where none is named.
///
/// # Errors
/// More rows than a table can have, or a value that stands twice in its list.
pub fn product(rows: &[SuiteRow], axes: &[Axis]) -> Result<Vec<SuiteRow>> {
    let mut rows = rows.to_vec();
    for axis in axes {
        if rows.len().saturating_mul(axis.values.len()) > MAX_ROWS {
            let what = format!("the lists make more than {MAX_ROWS} rows; shorten them");
            return Err(Error::spec(what));
        }
        let named = axis.values.len() > 1;
        let mut longer = Vec::new();
        for row in &rows {
            for (text, settings) in &axis.values {
                let mut row = row.clone();
                row.settings = settings.clone().over(row.settings);
                if named {
                    row = with_name(row, &axis.name, text);
                }
                longer.push(row);
            }
        }
        rows = longer;
    }
    for row in rows.iter_mut().filter(|row| row.id.is_empty()) {
        (row.id, row.title) = ("run".into(), "run".into());
    }
    for (i, row) in rows.iter().enumerate() {
        if !is_plain(&row.id) {
            let what = "begins like a hidden file; name its values otherwise";
            return Err(Error::spec(format!("the row {} {what}", row.id)));
        }
        if rows[..i].iter().any(|other| other.id == row.id) {
            let what = "a value stands twice in its list; leave one of them out";
            return Err(Error::spec(format!(
                "two rows are called {}: {what}",
                row.id
            )));
        }
    }
    Ok(rows)
}

/// A row with one more value in its names, and in those of its controls.
fn with_name(row: SuiteRow, name: &str, value: &str) -> SuiteRow {
    let plain = |c: char| match c.is_ascii_alphanumeric() || "-_.+".contains(c) {
        true => c,
        false => '_',
    };
    let part: String = format!("{name}-{value}").chars().map(plain).collect();
    let id = |id: &str| match id {
        "" => part.clone(),
        id => format!("{id}-{part}"),
    };
    let title = match row.title.as_str() {
        "" => format!("{name} {value}"),
        title => format!("{title}, {name} {value}"),
    };
    let controls = row.controls.as_ref().map(|of| Controls {
        none: id(&of.none),
        st: id(&of.st),
    });
    SuiteRow {
        id: id(&row.id),
        title,
        controls,
        ..row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lr(x: f64) -> (String, PartialConfig) {
        let lr = Some(x);
        (
            x.to_string(),
            PartialConfig {
                lr,
                ..Default::default()
            },
        )
    }

    fn row(id: &str) -> SuiteRow {
        SuiteRow {
            id: id.into(),
            title: id.into(),
            published: None,
            group: String::new(),
            controls: None,
            settings: PartialConfig::default(),
        }
    }

    fn axis(name: &str, values: &[f64]) -> Axis {
        Axis {
            name: name.into(),
            values: values.iter().map(|x| lr(*x)).collect(),
        }
    }

    #[test]
    fn rows_are_every_row_with_every_value() {
        let rates = axis("lr", &[0.1, 0.5]);
        let ids = |rows: &[SuiteRow], axes: &[Axis]| -> Vec<String> {
            let rows = product(rows, axes).unwrap();
            rows.iter().map(|row| row.id.clone()).collect()
        };
        assert_eq!(
            ids(&[row("")], std::slice::from_ref(&rates)),
            ["lr-0.1", "lr-0.5"]
        );
        assert_eq!(
            ids(&[row("a"), row("b")], &[rates.clone(), axis("x", &[2.0])]),
            ["a-lr-0.1", "a-lr-0.5", "b-lr-0.1", "b-lr-0.5"]
        );
        assert_eq!(ids(&[row("")], &[]), ["run"]);
        let mut controlled = row("a");
        controlled.controls = Some(Controls {
            none: "n".into(),
            st: "s".into(),
        });
        let rows = product(&[controlled], &[rates]).unwrap();
        assert_eq!(rows[1].settings.lr, Some(0.5));
        assert_eq!(rows[1].title, "a, lr 0.5");
        assert_eq!(rows[1].controls.as_ref().unwrap().st, "s-lr-0.5");
    }

    #[test]
    fn a_value_that_stands_twice_is_refused() {
        let error = product(&[row("a")], &[axis("lr", &[0.1, 0.1])]).unwrap_err();
        assert!(error.to_string().contains("a-lr-0.1"), "{error}");
        let many: Vec<f64> = (1..102).map(f64::from).collect();
        let error = product(&[row("a")], &[axis("a", &many), axis("b", &many)]).unwrap_err();
        assert!(
            error.to_string().contains("more than 10000 rows"),
            "{error}"
        );
    }
}
