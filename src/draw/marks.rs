//! A chart of points: names in one column, from each a thin line to its points, a point and
//! its error bar for each series, an axis that says what it shows and in what unit.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, SIZE, Stroke};
use super::chart::csv_word;
use super::letters::{Weight, fitted, room, width};
use super::paint::Paint;
use crate::error::{Error, Result};

/// What is shown of one name in one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// The number of its series.
    pub series: usize,
    /// The number of its name.
    pub line: usize,
    /// Where it is.
    pub value: f64,
    /// From where to where its bar goes.
    pub bar: Option<(f64, f64)>,
    /// Where an upright shows what could be told from chance at least.
    pub resolution: Option<f64>,
    /// Whether it is hollow: not told from chance.
    pub hollow: bool,
}

/// A name, and whether it belongs to the one above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub text: String,
    /// Whether it stands under the one above.
    pub under: bool,
}

/// A chart of marks.
#[derive(Clone, Debug, PartialEq)]
pub struct Marks {
    /// What it is of.
    pub title: String,
    /// What the axis shows, with its unit.
    pub axis: String,
    /// What is to be known of the marks, a line each.
    pub notes: Vec<String>,
    /// What a name is one of, for the head of the table of numbers.
    pub of: &'static str,
    /// The names.
    pub names: Vec<Name>,
    /// What each colour is; none where there is one.
    pub series: Vec<String>,
    /// The marks.
    pub marks: Vec<Mark>,
    /// What the axis spans.
    pub scale: Scale,
}

/// What the axis spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Orders of magnitude.
    Log,
    /// At least 0 to 1.
    Share,
    /// What is shown, and a little beside it.
    Shown,
}

/// Around everything, and the width of the marks' area.
const MARGIN: f64 = 16.0;
const WIDTH: f64 = 600.0;
/// The names' column at most, and from a name to the line that leads from it.
const NAMES: f64 = 430.0;
const GAP: f64 = 8.0;
/// Indents of names that stand under others.
const UNDER: f64 = 14.0;
/// Above the marks' area without and with the names of series.
const HEAD: f64 = 32.0;
const LEGEND: f64 = 22.0;
/// The height of a series within a line, and what a line has beside them.
const SERIES: f64 = 8.0;
const PADDING: f64 = 14.0;
/// Below the marks' area: ticks and the axis; the height of a note.
const BELOW: f64 = 46.0;
const NOTE: f64 = 17.0;
/// The radius of a mark, and half the height of an upright.
const RADIUS: f64 = 3.2;
const CROSS: f64 = 4.0;
const SMALL: (f64, Weight) = (11.0, Weight::Regular);

/// Where the parts lie.
struct Places {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    line: f64,
    axis: Axis,
}

impl Places {
    fn x(&self, v: f64) -> f64 {
        self.left + self.axis.place(v) * (self.right - self.left)
    }

    fn middle(&self, line: usize) -> f64 {
        self.top + self.line * (line as f64 + 0.5)
    }
}

impl Marks {
    /// Draws them.
    ///
    /// # Errors
    /// Nothing finite to show, or too large a picture.
    pub fn draw(&self) -> Result<Canvas> {
        let shown: Vec<&Mark> = self.marks.iter().filter(|m| m.value.is_finite()).collect();
        let count = self.series.len().max(1) as f64;
        let wide = |name: &Name| {
            let indent = if name.under { UNDER } else { 0.0 };
            indent + room(&name.text, SIZE, Weight::Regular)
        };
        let names = self.names.iter().map(wide).fold(0.0, f64::max).min(NAMES);
        let top = MARGIN + HEAD + if self.series.len() > 1 { LEGEND } else { 0.0 };
        let line = PADDING + SERIES * count;
        let left = (MARGIN + names + GAP + 18.0).ceil();
        let places = Places {
            left,
            right: left + WIDTH,
            top,
            bottom: top + line * self.names.len() as f64,
            line,
            axis: self.axis(&shown)?,
        };
        let texts = self.notes.iter().map(|note| room(note, SMALL.0, SMALL.1));
        let widest = texts.fold(room(&self.title, 15.0, Weight::Bold), f64::max);
        // Half a tick's number may stand beyond the area's end.
        let width = (places.right + 24.0).max(MARGIN + widest) + MARGIN;
        let height = places.bottom + BELOW + NOTE * self.notes.len() as f64 + MARGIN;
        let mut canvas = Canvas::new(width.ceil() as usize, height.ceil() as usize)?;
        self.around(&mut canvas, &places);
        self.leaders(&mut canvas, &places, &shown);
        for mark in shown {
            self.mark(&mut canvas, &places, mark);
        }
        Ok(canvas)
    }

    fn axis(&self, shown: &[&Mark]) -> Result<Axis> {
        let log = self.scale == Scale::Log;
        // The ends of bars belong to the range as well; a logarithm has no place for 0, and a
        // bar that goes down to nothing would take all of the axis: the mark is enough.
        let ends = shown.iter().flat_map(|m| {
            let bar = m.bar.unwrap_or((m.value, m.value));
            let low = if log { m.value } else { bar.0 };
            [m.value, low, bar.1, m.resolution.unwrap_or(m.value)]
        });
        let ends: Vec<f64> = ends
            .filter(|&x| x.is_finite() && (!log || x > 0.0))
            .collect();
        if ends.is_empty() {
            return Err(Error::spec("no number to show"));
        }
        let share = [0.0, 1.0]
            .into_iter()
            .filter(|_| self.scale == Scale::Share);
        Ok(Axis::of(ends.into_iter().chain(share), log, 8).widened(0.04, 8))
    }

    /// Everything but the marks.
    fn around(&self, canvas: &mut Canvas, places: &Places) {
        let bold = (15.0, Weight::Bold);
        let title = (MARGIN, MARGIN + 14.0);
        canvas.letters(title, &self.title, Anchor::Start, bold, Paint::Ink);
        let mut x = places.left;
        for (i, label) in self
            .series
            .iter()
            .enumerate()
            .filter(|_| self.series.len() > 1)
        {
            let y = MARGIN + HEAD + 4.0;
            canvas.disc((x + 4.0, y), RADIUS + 0.5, Some(Paint::Line(i)), None);
            let at = (x + 13.0, y + 0.36 * SIZE);
            let letters = (SIZE, Weight::Regular);
            canvas.letters(at, label, Anchor::Start, letters, Paint::Line(i));
            x += 13.0 + room(label, SIZE, Weight::Regular) + 22.0;
        }
        let faint = Stroke::new(Paint::Faint, 1.0);
        for (&tick, label) in places.axis.ticks.iter().zip(places.axis.labels()) {
            let x = places.x(tick);
            let (top, bottom) = (places.top, places.bottom);
            canvas.path(vec![(x, top), (x, bottom)], Stroke::new(Paint::Rule, 1.0));
            canvas.path(vec![(x, bottom), (x, bottom + 4.0)], faint);
            canvas.letters(
                (x, bottom + 17.0),
                &label,
                Anchor::Middle,
                SMALL,
                Paint::Faint,
            );
        }
        let foot = [(places.left, places.bottom), (places.right, places.bottom)];
        canvas.path(foot.to_vec(), faint);
        let middle = ((places.left + places.right) / 2.0, places.bottom + 36.0);
        canvas.letters(
            middle,
            &self.axis,
            Anchor::Middle,
            (12.0, Weight::Regular),
            Paint::Ink,
        );
        for (i, note) in self.notes.iter().enumerate() {
            let y = places.bottom + BELOW + NOTE * (i as f64 + 1.0) - 4.0;
            canvas.letters((MARGIN, y), note, Anchor::Start, SMALL, Paint::Faint);
        }
    }

    /// The names in one column, and from each a thin line to the first of its marks.
    fn leaders(&self, canvas: &mut Canvas, places: &Places, shown: &[&Mark]) {
        for (line, name) in self.names.iter().enumerate() {
            let indent = if name.under { UNDER } else { 0.0 };
            let text = fitted(&name.text, NAMES - indent, SIZE, Weight::Regular);
            let (x, y) = (MARGIN + indent, places.middle(line));
            let ink = if name.under { Paint::Faint } else { Paint::Ink };
            let letters = (SIZE, Weight::Regular);
            canvas.letters((x, y + 0.36 * SIZE), &text, Anchor::Start, letters, ink);
            let own = shown.iter().filter(|mark| mark.line == line);
            let first = own
                .map(|mark| self.begin(places, mark))
                .fold(f64::INFINITY, f64::min);
            // As far as letters may reach that are a little wider.
            let from = x + GAP + 1.04 * width(&text, SIZE, Weight::Regular);
            if first.is_finite() && first - GAP > from {
                let points = vec![(from, y), (first - GAP, y)];
                canvas
                    .path(points, Stroke::new(Paint::Rule, 1.0))
                    .named("leader");
            }
        }
    }

    /// Where a mark begins, its bar and its upright included.
    fn begin(&self, places: &Places, mark: &Mark) -> f64 {
        let bar = mark.bar.map_or(mark.value, |bar| bar.0);
        let all = [mark.value, bar, mark.resolution.unwrap_or(mark.value)];
        all.iter()
            .map(|&v| places.x(v))
            .fold(f64::INFINITY, f64::min)
    }

    fn mark(&self, canvas: &mut Canvas, places: &Places, mark: &Mark) {
        let paint = Paint::Line(mark.series);
        let beside = mark.series as f64 - (self.series.len().max(1) - 1) as f64 / 2.0;
        let y = places.middle(mark.line) + SERIES * beside;
        let x = places.x(mark.value);
        let stroke = Stroke::new(paint, 1.2);
        if let Some((from, to)) = mark.bar {
            let bar = vec![(places.x(from), y), (places.x(to), y)];
            canvas.path(bar, stroke).named("bar");
        }
        if let Some(at) = mark.resolution {
            let at = places.x(at);
            let upright = vec![(at, y - CROSS + 0.5), (at, y + CROSS - 0.5)];
            canvas
                .path(upright, Stroke::new(paint, 2.0))
                .named("resolution");
        }
        let fill = if mark.hollow { Paint::Paper } else { paint };
        canvas
            .disc((x, y), RADIUS, Some(fill), Some(stroke))
            .named("mark");
    }

    /// The numbers, a line a mark.
    pub fn csv(&self) -> String {
        let mut text = format!("{},series,value,low,high,resolution,told\n", self.of);
        for mark in &self.marks {
            let number = |x: Option<f64>| x.map_or_else(String::new, |x| x.to_string());
            let mut name = self.names[mark.line].text.clone();
            if self.names[mark.line].under {
                let above = self.names[..mark.line].iter().rev().find(|n| !n.under);
                name = format!("{name} ({})", above.map_or("", |n| &n.text));
            }
            let series = self.series.get(mark.series).map_or("", |s| s);
            text += &format!(
                "{},{},{},{},{},{},{}\n",
                csv_word(&name),
                csv_word(series),
                mark.value,
                number(mark.bar.map(|bar| bar.0)),
                number(mark.bar.map(|bar| bar.1)),
                number(mark.resolution),
                if mark.hollow { "no" } else { "yes" },
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::canvas::tests::{assert_apart, assert_within};
    use super::super::paint::Theme;
    use super::*;

    fn name(text: &str, under: bool) -> Name {
        Name {
            text: text.into(),
            under,
        }
    }

    fn chart(bar: Option<(f64, f64)>, resolution: Option<f64>) -> Marks {
        Marks {
            title: "title".into(),
            axis: "bias (share of the gradient)".into(),
            notes: vec!["what the bars are".into()],
            of: "estimator",
            names: vec![name("a, \"b\"", false), name("st there", true)],
            series: vec!["epoch 0".into(), "epoch 1".into()],
            marks: vec![Mark {
                series: 1,
                line: 1,
                value: 0.5,
                bar,
                resolution,
                hollow: bar.is_none(),
            }],
            scale: Scale::Share,
        }
    }

    #[test]
    fn a_mark_has_its_bar_its_resolution_and_a_line_from_its_name() {
        let drawn = |bar, resolution| {
            let canvas = chart(bar, resolution).draw().unwrap();
            assert_within(&canvas);
            assert_apart(&canvas);
            let svg = canvas.svg(Theme::Light);
            ["bar", "resolution", "mark", "leader"]
                .map(|of| svg.matches(&format!("class=\"{of}\"")).count())
        };
        assert_eq!(drawn(None, None), [0, 0, 1, 1]);
        assert_eq!(drawn(Some((0.25, 0.75)), None), [1, 0, 1, 1]);
        assert_eq!(drawn(Some((0.25, 0.75)), Some(0.7)), [1, 1, 1, 1]);
        let nothing = Marks {
            marks: vec![],
            ..chart(None, None)
        };
        assert!(nothing.draw().is_err());
    }

    #[test]
    fn the_csv_says_what_is_drawn() {
        let csv = chart(Some((0.25, 0.75)), Some(0.7)).csv();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines[0], "estimator,series,value,low,high,resolution,told");
        assert_eq!(
            lines[1],
            "\"st there (a, \"\"b\"\")\",epoch 1,0.5,0.25,0.75,0.7,yes"
        );
        assert_eq!(lines.len(), 2);
        assert!(chart(None, None).csv().ends_with(",epoch 1,0.5,,,,no\n"));
    }

    #[test]
    fn a_bar_that_reaches_zero_ends_at_the_left_edge() {
        let log = Marks {
            scale: Scale::Log,
            ..chart(Some((-0.1, 0.9)), None)
        };
        let canvas = log.draw().unwrap();
        assert_within(&canvas);
        let bar = canvas
            .marks
            .iter()
            .find(|mark| mark.class == "bar")
            .unwrap();
        let foot = canvas
            .marks
            .iter()
            .map(|m| m.edges())
            .filter(|e| e[2] - e[0] > 599.0);
        let axis = foot.collect::<Vec<_>>().pop().unwrap();
        assert!((bar.edges()[0] - axis[0]).abs() < 0.7, "{bar:?} {axis:?}");
    }
}
