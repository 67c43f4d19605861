//! Rows of suites, and how a file describes them: one by one, or as a grid of parts that
//! are put together.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::reference::{PUBLISHED, Published};
use crate::error::{Error, Result};
use crate::train::PartialConfig;

/// One row of a suite.
#[derive(Clone, Debug, PartialEq)]
pub struct SuiteRow {
    /// Its name in files and patterns, e.g. `stoch-first-st`.
    pub id: String,
    /// Its name in tables, e.g. `stochastic, first, ST`.
    pub title: String,
    /// The published row that it repeats.
    pub published: Option<&'static Published>,
    /// The part of the table that it stands in; empty where the table has no parts.
    pub group: String,
    /// The ids of the rows without a gradient and with the straight-through estimator that
    /// have the same probability function, statistics and everything else.
    pub controls: Option<Controls>,
    /// Its settings: the suite's, its recipe's and its own.
    pub settings: PartialConfig,
}

impl SuiteRow {
    /// The estimator of its binary units, where one is stated.
    pub fn estimator(&self) -> Option<&str> {
        self.settings.model.as_ref()?.estimator.as_deref()
    }
}

/// The rows that a row is compared with, seed by seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Controls {
    /// The one without a gradient below the binary layers.
    pub none: String,
    /// The one with the straight-through estimator.
    pub st: String,
}

/// The most rows that a part of a file can describe.
pub(super) const MAX_ROWS: usize = 10_000;

/// Reads the recipe of that name, as seen from the file of its suite.
pub type Recipes<'a> = &'a dyn Fn(&str) -> Result<PartialConfig>;

/// A row in a suite's file, or a part of those of a grid: every row of the grid is this part
/// and one of each axis. Ids are joined by `-` and titles by commas; of everything else what
/// a later part states stands above.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Part {
    id: String,
    title: String,
    published: Option<String>,
    group: String,
    controls: Option<Controls>,
    recipe: Option<String>,
    settings: PartialConfig,
    grid: Vec<Vec<Place>>,
}

/// A place of an axis: a part, or the name of a list of parts.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Value")]
enum Place {
    Part(Box<Part>),
    List(String),
}

impl TryFrom<Value> for Place {
    type Error = String;

    fn try_from(value: Value) -> std::result::Result<Self, String> {
        match value {
            Value::String(name) => Ok(Self::List(name)),
            value => serde_json::from_value(value)
                .map(|part| Self::Part(Box::new(part)))
                .map_err(|e| e.to_string()),
        }
    }
}

/// What the rows of a file are made with.
pub(super) struct Maker<'a> {
    /// The file.
    pub path: &'a Path,
    /// The settings of every row.
    pub settings: &'a PartialConfig,
    /// The lists of parts that axes name.
    pub lists: &'a BTreeMap<String, Vec<Part>>,
    /// Where recipes come from.
    pub recipes: Recipes<'a>,
}

impl Maker<'_> {
    /// The rows that a part of the file describes.
    pub(super) fn rows(&self, part: &Part) -> Result<Vec<SuiteRow>> {
        let first = SuiteRow {
            id: String::new(),
            title: String::new(),
            published: None,
            group: String::new(),
            controls: None,
            settings: self.settings.clone(),
        };
        let mut rows = vec![self.joined(&first, part)?];
        for axis in &part.grid {
            let parts = self.parts(axis)?;
            if rows.len().saturating_mul(parts.len()) > MAX_ROWS {
                return Err(self.fail(&format!("a grid has more than {MAX_ROWS} rows")));
            }
            let mut longer = Vec::new();
            for row in &rows {
                for part in &parts {
                    if !part.grid.is_empty() {
                        let what = "a part of a grid has a grid of its own; add its axes";
                        return Err(self.fail(&format!("{what} to the one around it")));
                    }
                    longer.push(self.joined(row, part)?);
                }
            }
            rows = longer;
        }
        Ok(rows)
    }

    fn parts<'a>(&'a self, axis: &'a [Place]) -> Result<Vec<&'a Part>> {
        let mut parts = Vec::new();
        for place in axis {
            match place {
                Place::Part(part) => parts.push(&**part),
                Place::List(name) => match self.lists.get(name) {
                    Some(list) => parts.extend(list),
                    None => return Err(self.fail(&format!("there is no list `{name}` in `axes`"))),
                },
            }
        }
        Ok(parts)
    }

    /// A row with one more part.
    fn joined(&self, row: &SuiteRow, part: &Part) -> Result<SuiteRow> {
        let join = |a: &str, by: &str, b: &str| match a.is_empty() || b.is_empty() {
            true => format!("{a}{b}"),
            false => format!("{a}{by}{b}"),
        };
        let id = join(&row.id, "-", &part.id);
        let published = match &part.published {
            None => row.published,
            Some(name) => {
                let found = PUBLISHED.iter().find(|published| published.row == name);
                let missing = || self.fail(&format!("row {id}: no published row is `{name}`"));
                Some(found.ok_or_else(missing)?)
            }
        };
        let mut settings = row.settings.clone();
        if let Some(name) = &part.recipe {
            settings = (self.recipes)(name)?.over(settings);
        }
        settings = part.settings.clone().over(settings);
        settings.about = None;
        Ok(SuiteRow {
            title: join(&row.title, ", ", &part.title),
            published,
            group: match part.group.is_empty() {
                true => row.group.clone(),
                false => part.group.clone(),
            },
            controls: part.controls.clone().or_else(|| row.controls.clone()),
            settings,
            id,
        })
    }

    /// Whether the rows of a file can be told apart, be names of files, and have the
    /// controls that they name.
    pub(super) fn check(&self, rows: &[SuiteRow]) -> Result<()> {
        if rows.is_empty() {
            return Err(self.fail("it has no rows"));
        }
        for (i, row) in rows.iter().enumerate() {
            if !is_plain(&row.id) {
                let what = "an id is letters, digits, `-`, `_`, `.` and `+`, for it names files";
                return Err(self.fail(&format!("row `{}`: {what}", row.id)));
            }
            if rows[..i].iter().any(|other| other.id == row.id) {
                return Err(self.fail(&format!("two rows have the id {}", row.id)));
            }
            let controls = row.controls.iter().flat_map(|c| [&c.none, &c.st]);
            for control in controls {
                if rows.iter().all(|other| other.id != *control) {
                    return Err(self.fail(&format!("row {}: there is no row {control}", row.id)));
                }
            }
        }
        Ok(())
    }

    fn fail(&self, what: &str) -> Error {
        Error::data(self.path, what)
    }
}

/// Whether that can be a part of a file's name.
pub fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(plain)
}
