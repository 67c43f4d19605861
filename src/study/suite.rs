//! Suites of runs: which rows a table has, and the exact configuration of each of its cells.
//! A suite is a file of rows, recipes and settings; those of the program are
//! `data/suites/*.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::recipes::{self, files};
use super::row::{Maker, Part, Recipes, SuiteRow, is_plain};
use crate::bounded;
use crate::error::{Error, Result};
use crate::train::{Config, PartialConfig, PartialData, Subject};

/// A table's worth of runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Suite {
    /// Its name, which the names of its tables and cells begin with.
    pub name: String,
    /// What it is, in a sentence or two.
    pub about: String,
    /// Whether its rows keep to the protocol that their published rows were made by.
    pub published_protocol: bool,
    /// The data set that its runs are of, where it is not the usual one.
    pub data: Option<PartialData>,
    /// The table that sets it beside another suite.
    pub beside: Option<Beside>,
    /// Its rows, in the order of the table.
    pub rows: Vec<SuiteRow>,
}

/// Two suites of the same published rows: by the published protocol and with other settings.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beside {
    /// The name of the table that sets them side by side.
    pub table: String,
    /// The names of the two suites, the one by the protocol first.
    pub suites: [String; 2],
}

/// A suite's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    about: String,
    #[serde(default)]
    published_protocol: bool,
    beside: Option<Beside>,
    #[serde(default)]
    settings: PartialConfig,
    #[serde(default)]
    axes: BTreeMap<String, Vec<Part>>,
    rows: Vec<Part>,
}

/// The suites that come with the program.
const SUITES: [(&str, &str); 12] = files!("suites"
    "reference" "tuned" "mlp" "mlp-tuned" "best" "frontier" "anneal" "estimators" "mixed"
    "mixed-tuned" "omniglot" "few-shot");

impl Suite {
    /// The names of the suites that come with the program.
    pub fn names() -> [&'static str; SUITES.len()] {
        SUITES.map(|(name, _)| name)
    }

    /// The suite of that name that comes with the program.
    ///
    /// # Errors
    /// An unknown name.
    pub fn named(name: &str) -> Result<Self> {
        let found = SUITES.iter().find(|(own, _)| *own == name);
        let (_, text) = found.ok_or_else(|| {
            let names = Self::names().join(", ");
            Error::spec(format!(
                "unknown suite `{name}`; choose from {names}, or name a file"
            ))
        })?;
        Self::parse(text, Path::new(&format!("{name}.json")), &recipes::of_file)
    }

    /// The suite in a file. `recipe` reads the file of a recipe, which a row names as seen
    /// from there.
    ///
    /// # Errors
    /// A file that cannot be read or is no suite, with the field's name.
    pub fn read(path: &Path, recipe: &dyn Fn(&Path) -> Result<PartialConfig>) -> Result<Self> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let suite = Self::parse(&bounded::text(path)?, path, &|name| {
            recipe(&folder.join(name))
        })?;
        match Self::names().contains(&suite.name.as_str()) {
            // Its cells would pass for those of the program's own.
            true => Err(Error::data(
                path,
                format!(
                    "a suite of the program is called {}; name it otherwise",
                    suite.name
                ),
            )),
            false => Ok(suite),
        }
    }

    /// The suite in the text of the file `path`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(text: &str, path: &Path, recipes: Recipes<'_>) -> Result<Self> {
        let file: File = serde_json::from_str(text)
            .map_err(|e| Error::data(path, format!("not a suite: {e}")))?;
        if !is_plain(&file.name) {
            let what = "its name is letters, digits, `-`, `_`, `.` and `+`, for it names files";
            return Err(Error::data(path, format!("`{}`: {what}", file.name)));
        }
        let maker = Maker {
            path,
            settings: &file.settings,
            lists: &file.axes,
            recipes,
        };
        let mut rows = Vec::new();
        for part in &file.rows {
            rows.extend(maker.rows(part)?);
        }
        maker.check(&rows)?;
        Ok(Self {
            name: file.name,
            about: file.about,
            published_protocol: file.published_protocol,
            data: file.settings.dataset,
            beside: file.beside,
            rows,
        })
    }

    /// The configuration of a cell; `over` is set above what its row states.
    ///
    /// # Errors
    /// Settings that do not go together, or a data set that the network does not fit.
    pub fn config(
        &self,
        row: &SuiteRow,
        subject: &Subject,
        seed: u64,
        over: &PartialConfig,
    ) -> Result<Config> {
        let over = PartialConfig {
            seed: Some(seed),
            ..over.clone()
        };
        let config = over.over(row.settings.clone()).complete(subject);
        config.map_err(|e| Error::spec(format!("suite {}, row {}: {e}", self.name, row.id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Dataset, Split, digits, mnist, omniglot, testing_set};
    use crate::study::reference;

    fn all() -> Vec<Suite> {
        let names = Suite::names().into_iter();
        names.map(|name| Suite::named(name).unwrap()).collect()
    }

    #[test]
    fn suites_have_the_rows_that_they_promise() {
        let ids = |name: &str| -> Vec<String> {
            let rows = Suite::named(name).unwrap().rows.into_iter();
            rows.map(|row| row.id).collect()
        };
        assert_eq!(ids("reference").len(), 13 + 6 + 12);
        assert_eq!(ids("tuned").len(), 13 + 4);
        assert_eq!(ids("mlp").len(), 10 + 4);
        assert_eq!(ids("mlp-tuned").len(), 10 + 4);
        assert_eq!(ids("best"), ["none", "det-both-st", "stoch-both-st"]);
        assert_eq!(ids("frontier").len(), 11);
        assert_eq!(ids("anneal").len(), 6 * 5);
        assert_eq!(ids("estimators").len(), 24 + 23 + 26);
        assert_eq!(ids("mixed").len(), 2 * 9);
        assert_eq!(ids("mixed"), ids("mixed-tuned"));
        assert_eq!(ids("omniglot").len(), 6 + 1);
        assert_eq!(ids("few-shot").len(), 11 + 12 + 4);
        for (suite, (name, _)) in all().iter().zip(SUITES) {
            assert_eq!(suite.name, name);
            for other in suite.beside.iter().flat_map(|beside| &beside.suites) {
                assert!(Suite::names().contains(&other.as_str()), "{other}");
            }
        }
        assert!(Suite::named("novel").is_err());
    }

    /// What a suite's runs are of: small sets of images of the right shape, and as many
    /// classes as there are.
    fn stand_in(suite: &Suite) -> Dataset {
        let Some(data) = &suite.data else {
            return digits::generate(1, 200, 20);
        };
        assert_eq!(data.set.as_deref(), Some("omniglot"));
        match data.size {
            None => {
                let split = |n: usize| {
                    let pixels: Vec<u8> = (0..n * 105 * 105).map(|i| (i % 251) as u8).collect();
                    let labels: Vec<u32> = (0..n as u32).map(|i| i * 4 % 964).collect();
                    Split::from_pixels((105, 105, 1), pixels, labels).unwrap()
                };
                Dataset::new("drawings", 964, split(200), split(20)).unwrap()
            }
            Some(size) => {
                assert_eq!((size.height, size.width), (28, 28));
                testing_set::alphabets(30, 3, 20)
            }
        }
    }

    #[test]
    fn every_cell_can_be_built_and_is_the_row_that_it_is_compared_with() {
        for suite in all() {
            let dataset = stand_in(&suite);
            let subject = Subject::of(&dataset);
            for row in &suite.rows {
                let mut config = suite
                    .config(row, &subject, 3, &PartialConfig::default())
                    .unwrap();
                config.check(&dataset).unwrap();
                assert_eq!(
                    reference::published(&config),
                    None,
                    "these are not the images of the published figures"
                );
                if !suite.published_protocol {
                    continue;
                }
                // The name alone does not make them MNIST's or Omniglot's.
                let (name, sha256, counts) = match &suite.data {
                    None => (mnist::NAME, mnist::FINGERPRINT, (60_000, 10_000)),
                    Some(data) => {
                        let sha256 = match data.size {
                            None => omniglot::FINGERPRINT,
                            Some(_) => omniglot::FINGERPRINT_28,
                        };
                        (omniglot::NAME, sha256, (17_352, 1_928))
                    }
                };
                config.dataset.name = name.into();
                assert_eq!(reference::published(&config), None);
                config.dataset.sha256 = sha256.into();
                (config.dataset.train, config.dataset.test) = counts;
                if row.settings.get("model.pixels").is_none() {
                    config.model.pixels = Some(crate::model::Pixels::normalised(0.1307, 0.3081));
                }
                assert_eq!(reference::published(&config), row.published, "{}", row.id);
                config.epochs += 1;
                assert_eq!(reference::published(&config), None);
            }
        }
    }

    /// Reads a suite that may name the recipe `r.json`.
    fn parse(text: &str) -> Result<Suite> {
        let recipe = |name: &str| -> Result<PartialConfig> {
            assert_eq!(name, "r.json");
            PartialConfig::parse(r#"{"lr": 0.5, "epochs": 7}"#, Path::new(name))
        };
        Suite::parse(text, Path::new("s.json"), &recipe)
    }

    /// A suite of those rows.
    fn rows(rows: &str) -> String {
        format!(r#"{{"name": "s", "about": "", "rows": {rows}}}"#)
    }

    #[test]
    fn a_bad_suite_is_one_line_that_names_the_file_and_what_is_wrong() {
        for (text, what) in [
            ("[]".to_string(), "not a suite"),
            (
                r#"{"name": "s", "about": "", "row": []}"#.into(),
                "unknown field `row`",
            ),
            (
                r#"{"name": "../s", "about": "", "rows": []}"#.into(),
                "it names files",
            ),
            (rows("[]"), "no rows"),
            (rows(r#"[{"id": "a/b"}]"#), "it names files"),
            (
                rows(r#"[{"id": "a"}, {"id": "a"}]"#),
                "two rows have the id a",
            ),
            (
                rows(r#"[{"id": "a", "published": "x"}]"#),
                "no published row is `x`",
            ),
            (rows(r#"[{"id": "a", "grid": [["x"]]}]"#), "no list `x`"),
            (
                rows(r#"[{"id": "a", "grid": [[{"id": "b", "grid": [[{}]]}]]}]"#),
                "a grid of its own",
            ),
            (
                rows(&format!(
                    r#"[{{"grid": [{0}, {0}, {0}, {0}, {0}]}}]"#,
                    r#"[{}, {}, {}, {}, {}, {}, {}]"#
                )),
                "more than 10000 rows",
            ),
            (
                rows(r#"[{"id": "a", "settings": {"epoch": 1}}]"#),
                "unknown field `epoch`",
            ),
            (
                rows(r#"[{"id": "a", "controls": {"none": "b", "st": "a"}}]"#),
                "there is no row b",
            ),
        ] {
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains(what) && error.contains("s.json"), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_grid_is_rows_over_a_recipe() {
        let grid = r#"[{"id": "a", "title": "A", "recipe": "r.json", "grid": [
            [{"id": "x", "title": "X"}, {"title": "Y", "settings": {"lr": 0.25}}]]}]"#;
        let suite = parse(&rows(grid)).unwrap();
        let found: Vec<_> = suite
            .rows
            .iter()
            .map(|r| {
                (
                    r.id.as_str(),
                    r.title.as_str(),
                    r.settings.lr,
                    r.settings.epochs,
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                ("a-x", "A, X", Some(0.5), Some(7)),
                ("a", "A, Y", Some(0.25), Some(7))
            ]
        );
    }
}
