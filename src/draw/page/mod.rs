//! The report: one HTML file that says what runs are, what they reached and what they
//! look like inside, and needs nothing beside itself.
//!
//! **Invariants.** The page fetches nothing: pictures are data URIs and inline SVG, and
//! there is no script. The legend hides lines by `:has()` on its checkboxes. Every text
//! goes through `maud`, which escapes it; what is marked up already is our own.

mod figures;
mod inside;
mod parts;
mod style;
mod table;

use maud::{DOCTYPE, PreEscaped, html};
use serde_json::Value;

pub use inside::{Inside, Look};

use super::activation_statistics::ActivationStatistics;
use super::facets::Setting;
use crate::data::Split;
use crate::model::LayerRow;
use crate::study::reference::Published;
use crate::study::table::Table;
use crate::study::timing::Timing;
use crate::train::{EpochRecord, Provenance, TestRecord};

/// A run as the page shows it. Runs that differ in their seed alone share a `line`.
#[derive(Clone, Debug)]
pub struct Shown {
    /// A few words.
    pub name: String,
    /// Its colour and its place in the legend.
    pub line: usize,
    /// Whether it is a cell of a table, whose rows have its result.
    pub cell: bool,
    /// Its seed.
    pub seed: u64,
    /// The command that trains it.
    pub command: String,
    /// The recipe of the same run, as JSON; empty if there is none.
    pub recipe: String,
    /// What the reader must know of the command; empty if nothing.
    pub command_note: String,
    /// What it is, for the names of its curves.
    pub setting: Setting,
    /// Its configuration.
    pub config: Value,
    /// Its epochs.
    pub history: Vec<EpochRecord>,
    /// The test of its best epoch.
    pub test: Option<TestRecord>,
    /// What was published for that configuration.
    pub published: Option<&'static Published>,
}

/// A run whose weights are at hand.
#[derive(Clone, Debug)]
pub struct Subject {
    /// A few words.
    pub name: String,
    /// Which of the report's sets it was looked at with.
    pub set: usize,
    /// What it does on the test images.
    pub statistics: ActivationStatistics,
    /// What was found inside it, where that was asked for.
    pub inside: Option<Inside>,
}

/// A network's layers.
#[derive(Clone, Debug)]
pub struct Layers {
    /// What it is called, and every other network of the same sizes.
    pub names: Vec<String>,
    /// A row each.
    pub rows: Vec<LayerRow>,
}

/// Speed of a network, packed and not, on the machine that made the report.
#[derive(Clone, Debug)]
pub struct Speed {
    /// What it is called.
    pub name: String,
    /// The trained network, as numbers.
    pub float: Vec<Timing>,
    /// The packed one, in the same order; or why there is none.
    pub packed: Result<Vec<Timing>, String>,
    /// Bytes of the packed file.
    pub bytes: usize,
    /// The machine.
    pub machine: String,
}

/// Everything on the page.
#[derive(Debug)]
pub struct Report<'a> {
    /// What the report is of.
    pub title: String,
    /// The tables.
    pub tables: Vec<Table>,
    /// The runs.
    pub runs: Vec<Shown>,
    /// Runs whose weights are at hand, and the images that they were looked at with.
    pub subjects: Vec<Subject>,
    /// The data sets of those images, each with its name and the images.
    pub sets: Vec<(String, &'a Split)>,
    /// The networks.
    pub layers: Vec<Layers>,
    /// Speed, where it was measured.
    pub speeds: Vec<Speed>,
    /// The command that makes the page again.
    pub command: String,
    /// The program and machine that made it.
    pub made_by: Provenance,
}

impl Report<'_> {
    /// The page.
    pub fn html(&self) -> String {
        let names = self.legend();
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) }
                    // An empty icon: a browser would ask for one.
                    link rel="icon" href="data:,";
                    style { (PreEscaped(style::sheet(names.len()))) }
                }
                body {
                    header {
                        p.kicker { "bnn-cpu report" }
                        h1 { (self.title) }
                        p.headline { (self.headline()) }
                        nav aria-label="Sections" {
                            @for (id, name) in self.sections() {
                                a href=(format!("#{id}")) { (name) }
                            }
                        }
                    }
                    main {
                        (self.results())
                        (self.curves(&names))
                        (self.maps())
                        (self.inside())
                        (self.confusion())
                        (self.mistakes())
                        (self.layers())
                        (self.speed())
                        (self.commands())
                    }
                    footer {
                        p {
                            "Made with " code { (self.command) } " by bnn-cpu " (self.made_by.version)
                            " on " (self.made_by.machine) ", " (self.made_by.isa) " kernels."
                        }
                    }
                }
            }
        };
        page.into_string() + "\n"
    }

    /// The name of each line.
    fn legend(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for run in &self.runs {
            if run.line == names.len() {
                names.push(run.name.clone());
            }
        }
        names
    }

    fn sections(&self) -> Vec<(&'static str, &'static str)> {
        let maps = self
            .subjects
            .iter()
            .any(|s| !s.statistics.layers.is_empty());
        let all = [
            ("results", "Results", true),
            (
                "curves",
                "Curves",
                self.runs.iter().any(|r| !r.history.is_empty()),
            ),
            ("maps", "Heat maps", maps),
            ("inside", "Looking inside", self.looked_inside()),
            ("confusion", "Confusion", !self.subjects.is_empty()),
            ("mistakes", "Mistakes", !self.subjects.is_empty()),
            ("layers", "Layers", !self.layers.is_empty()),
            ("speed", "Speed", true),
            ("commands", "Commands", true),
        ];
        let there = all.into_iter().filter(|section| section.2);
        there.map(|(id, name, _)| (id, name)).collect()
    }
}
