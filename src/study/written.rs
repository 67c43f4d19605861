//! Tables as Markdown and CSV.

use super::spread::Spread;
use super::table::{Table, TableRow};

/// At most as many figures of single seeds stand in a row.
const MAX_SHOWN: usize = 5;

/// A column of the Markdown table; one that is empty in every row is left out.
struct Column {
    title: &'static str,
    text: fn(&TableRow) -> Option<String>,
}

fn spread(s: Option<Spread>, digits: usize) -> Option<String> {
    s.map(|s| s.text(digits))
}

/// The figures of single seeds, where there are few.
fn each(row: &TableRow) -> Option<String> {
    let few = (2..=MAX_SHOWN).contains(&row.percents.len());
    few.then(|| {
        let texts: Vec<String> = row.percents.iter().map(|p| format!("{p:.2}")).collect();
        texts.join(" ")
    })
}

const COLUMNS: [Column; 18] = [
    Column {
        title: "probability",
        text: |r| r.probability.clone(),
    },
    Column {
        title: "statistics",
        text: |r| {
            let statistics = r.statistics?;
            Some(
                if statistics.is_batch() {
                    "batch"
                } else {
                    "running"
                }
                .into(),
            )
        },
    },
    Column {
        title: "evaluations",
        text: |r| r.evaluations.map(|n| n.to_string()),
    },
    Column {
        title: "n",
        text: |r| Some(r.seeds.len().to_string()),
    },
    Column {
        title: "test accuracy %",
        text: |r| spread(r.percent, 2),
    },
    Column {
        title: "95 % ±",
        text: |r| Some(format!("{:.2}", r.percent?.half_width?)),
    },
    Column {
        title: "each seed",
        text: each,
    },
    Column {
        title: "published",
        text: |r| Some(format!("{:.2}", r.published_percent?)),
    },
    Column {
        title: "difference",
        text: |r| Some(format!("{:+.2}", r.difference()?)),
    },
    Column {
        title: "above no gradient",
        text: |r| Some(r.over_none?.signed(2)),
    },
    Column {
        title: "above ST",
        text: |r| Some(r.over_st?.signed(2)),
    },
    Column {
        title: "paired difference",
        text: |r| Some(r.over_row?.signed(2)),
    },
    Column {
        title: "test loss",
        text: |r| spread(r.loss, 4),
    },
    Column {
        title: "published",
        text: |r| Some(format!("{:.4}", r.published_loss?)),
    },
    Column {
        title: "16 samples %",
        text: |r| spread(r.percent_of_16, 2),
    },
    Column {
        title: "thresholds %",
        text: |r| spread(r.percent_threshold, 2),
    },
    Column {
        title: "seconds a run",
        text: |r| Some(format!("{:.0}", r.seconds?.mean)),
    },
    Column {
        title: "samples",
        text: |r| r.samples.filter(|n| *n > 1).map(|n| n.to_string()),
    },
];

impl Table {
    /// The table as Markdown.
    pub fn markdown(&self) -> String {
        let what = match self.against {
            Some(_) => self.suite.clone(),
            None => format!("the {} suite", self.suite),
        };
        let mut text = format!(
            "# {}: {what}\n\n{} Accuracy and loss: mean ± standard deviation over n seeds; \
             95 % ±: half the width of the t-interval of that mean.",
            self.dataset, self.about
        );
        if self.rows.iter().any(|r| r.over_none.is_some()) {
            text += " \u{201c}Above\u{201d}: mean of the differences seed by seed to that control, \
                     with half the width of its 95 % t-interval.";
        }
        if let Some(against) = self.against.as_ref().filter(|_| self.rows.len() > 1) {
            text += &format!(
                " Paired difference: mean of the differences seed by seed to {against}, with half \
                 the width of its 95 % t-interval."
            );
        }
        text += "\n";
        // Where settings are chosen, every figure is of validation images.
        let title = |column: &&Column| match self.validation {
            true => column.title.replace("test ", "validation "),
            false => column.title.to_string(),
        };
        let columns: Vec<&Column> = COLUMNS
            .iter()
            .filter(|c| self.rows.iter().any(|r| (c.text)(r).is_some()))
            .collect();
        let mut group: Option<&str> = None;
        for row in &self.rows {
            if group != Some(&row.group) {
                if !row.group.is_empty() {
                    text += &format!("\n## {}\n", row.group);
                }
                let titles: Vec<String> = columns.iter().map(title).collect();
                text += &format!("\n| row | {} |\n", titles.join(" | "));
                text += &format!("|---|{}\n", "---|".repeat(columns.len()));
                group = Some(&row.group);
            }
            let cells: Vec<String> = columns
                .iter()
                .map(|c| (c.text)(row).unwrap_or_else(|| "-".into()))
                .collect();
            text += &format!("| {} | {} |\n", row.title, cells.join(" | "));
        }
        for note in &self.notes {
            text += &format!("\n{note}\n");
        }
        text += &format!("\nMade with `{}`", self.command);
        if !self.machines.is_empty() {
            text += &format!(" on {}", self.machines.join("; "));
        }
        text += ". Seconds depend on what else the machine was doing.\n";
        text
    }

    /// The table as CSV with a header line.
    pub fn csv(&self) -> String {
        let mut text = String::from(
            "dataset,suite,row,group,probability,statistics,samples,evaluations,seeds,accuracy_percent,accuracy_deviation,accuracy_half_width_95,published_percent,difference,over_none,over_none_half_width_95,over_st,over_st_half_width_95,loss,loss_deviation,published_loss,percent_of_16,percent_threshold,seconds,accuracy_percent_of_each_seed\n",
        );
        let number = |x: Option<f64>| x.map_or(String::new(), |x| format!("{x}"));
        let count = |x: Option<usize>| x.map_or(String::new(), |x| x.to_string());
        let quoted = |x: &str| format!("\"{}\"", x.replace('"', "\"\""));
        let half = |s: Option<Spread>| number(s.and_then(|s| s.half_width));
        let mean = |s: Option<Spread>| number(s.map(|s| s.mean));
        for row in &self.rows {
            let each: Vec<String> = row.percents.iter().map(f64::to_string).collect();
            let statistics = row
                .statistics
                .map_or("", |s| if s.is_batch() { "batch" } else { "running" });
            let fields = [
                quoted(&self.dataset),
                self.suite.clone(),
                row.id.clone(),
                quoted(&row.group),
                quoted(row.probability.as_deref().unwrap_or_default()),
                statistics.into(),
                count(row.samples),
                count(row.evaluations),
                row.seeds.len().to_string(),
                mean(row.percent),
                number(row.percent.and_then(|s| s.deviation)),
                half(row.percent),
                number(row.published_percent),
                number(row.difference()),
                mean(row.over_none),
                half(row.over_none),
                mean(row.over_st),
                half(row.over_st),
                mean(row.loss),
                number(row.loss.and_then(|s| s.deviation)),
                number(row.published_loss),
                mean(row.percent_of_16),
                mean(row.percent_threshold),
                mean(row.seconds),
                quoted(&each.join(" ")),
            ];
            text += &fields.join(",");
            text += "\n";
        }
        text
    }
}
