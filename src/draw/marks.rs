//! A chart of marks as SVG: a name a line, a mark and its standard error for each series.

use maud::{Markup, html};

use super::chart::{Axis, Style, file, number, round};

/// It stands in a document of its own.
const STYLE: Style = Style::Light;

/// What is shown of one name in one series.
pub struct Mark {
    pub series: usize,
    pub line: usize,
    pub value: f64,
    /// From where to where its bar goes.
    pub bar: Option<(f64, f64)>,
    /// Where a cross bar shows what could be told from chance at least.
    pub resolution: Option<f64>,
    /// Whether it is hollow: not told from chance.
    pub hollow: bool,
}

/// A chart of marks.
pub struct Marks {
    pub title: String,
    /// What the axis shows, and what its bars are.
    pub axis: String,
    pub names: Vec<String>,
    pub series: Vec<String>,
    pub marks: Vec<Mark>,
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

/// Where the marks' area begins at least, and its width; the names stand to the left of it,
/// and take so many pixels a letter.
const LEFT: f64 = 230.0;
const WIDTH: f64 = 618.0;
const LETTER: f64 = 7.2;
/// Above the marks' area, height of a line of it, and below it.
const TOP: f64 = 58.0;
const LINE: f64 = 26.0;
const BELOW: f64 = 62.0;

/// How far from the middle of a line the outermost series are, in pixels, and from the
/// middle of a mark the ends of its cross bar.
const SPREAD: f64 = 6.5;
const CROSS: f64 = 3.4;

impl Marks {
    /// Draws them.
    ///
    /// # Errors
    /// Nothing finite to show.
    pub fn svg(&self) -> Result<String, String> {
        let shown: Vec<&Mark> = self.marks.iter().filter(|m| m.value.is_finite()).collect();
        // The ends of bars belong to the range as well; a logarithm has no place for 0.
        let ends = shown.iter().flat_map(|m| {
            let bar = m.bar.unwrap_or((m.value, m.value));
            let place = m.resolution.unwrap_or(m.value);
            // On a logarithmic axis a bar may go down to nothing: the mark is enough.
            let low = if self.scale == Scale::Log {
                m.value
            } else {
                bar.0
            };
            [m.value, low, bar.1, place]
        });
        let ends = ends.filter(|x| x.is_finite() && (*x > 0.0 || self.scale != Scale::Log));
        let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
            (low.min(x), high.max(x))
        });
        if low > high {
            return Err("no number to show".into());
        }
        let (low, high) = match self.scale {
            Scale::Log => (low / 2.0, high * 2.0),
            Scale::Share => (low.min(0.0), high.max(1.0)),
            Scale::Shown => {
                let beside = 0.03 * (high - low);
                (low - beside, high + beside)
            }
        };
        let bottom = TOP + LINE * self.names.len() as f64;
        let size = (self.left() + WIDTH + 12.0, bottom + BELOW);
        Ok(file(size, STYLE, &self.body(&shown, (low, high), bottom)))
    }

    fn body(&self, shown: &[&Mark], (low, high): (f64, f64), bottom: f64) -> Markup {
        let axis = Axis::of([low, high].into_iter(), self.scale == Scale::Log, 8);
        let (left, right) = (self.left(), self.left() + WIDTH);
        let at = |x: f64| round(left + axis.place(x.max(low)) * (right - left));
        let middle = |line: usize| TOP + LINE * (line as f64 + 0.5);
        let legend = |series: usize| left + 100.0 * series as f64;
        html! {
            text x="14" y="20" font-size="15" fill=(STYLE.ink()) { (self.title) }
            @for (i, label) in self.series.iter().enumerate() {
                circle cx=(legend(i)) cy="40" r="4" fill=(STYLE.line(i)) {}
                text x=(legend(i) + 10.0) y="44" fill=(STYLE.ink()) { (label) }
            }
            @for &tick in &axis.ticks {
                line x1=(at(tick)) x2=(at(tick)) y1=(TOP) y2=(bottom) stroke=(STYLE.rule()) {}
                text x=(at(tick)) y=(bottom + 16.0) text-anchor="middle" fill=(STYLE.faint()) {
                    (number(tick))
                }
            }
            line x1=(left) x2=(right) y1=(bottom) y2=(bottom) stroke=(STYLE.faint()) {}
            text x=((left + right) / 2.0) y=(bottom + 40.0) text-anchor="middle" fill=(STYLE.faint()) {
                (self.axis)
            }
            @for (line, name) in self.names.iter().enumerate() {
                text x="14" y=(middle(line) + 4.0) font-size="13" xml:space="preserve" fill=(STYLE.ink()) {
                    (name)
                }
            }
            @for mark in shown {
                @let (y, colour) = (round(middle(mark.line) + self.aside(mark)), STYLE.line(mark.series));
                @if let Some((from, to)) = mark.bar {
                    line class="bar" x1=(at(from)) x2=(at(to)) y1=(y) y2=(y) stroke=(colour) {}
                }
                @if let Some(x) = mark.resolution {
                    line class="resolution" x1=(at(x)) x2=(at(x)) y1=(y - CROSS) y2=(y + CROSS)
                        stroke=(colour) stroke-width="2" {}
                }
                circle class="mark" cx=(at(mark.value)) cy=(y) r="3" stroke=(colour)
                    fill=(if mark.hollow { "none" } else { &colour }) {}
            }
        }
    }

    /// Where the marks' area begins.
    fn left(&self) -> f64 {
        let letters = self.names.iter().map(|name| name.chars().count()).max();
        round(LEFT.max(28.0 + LETTER * letters.unwrap_or(0) as f64))
    }

    /// How far below the middle of its line a mark stands; the first series of a name is at
    /// the top.
    fn aside(&self, mark: &Mark) -> f64 {
        match self.series.len() {
            0 | 1 => 0.0,
            n => 2.0 * SPREAD * mark.series as f64 / (n.max(2) - 1) as f64 - SPREAD,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_has_its_bar_and_its_resolution() {
        let chart = |bar, resolution| Marks {
            title: "title".into(),
            axis: "what the bars are".into(),
            names: vec!["name".into()],
            series: vec!["series".into()],
            marks: vec![Mark {
                series: 0,
                line: 0,
                value: 0.5,
                bar,
                resolution,
                hollow: false,
            }],
            scale: Scale::Share,
        };
        let drawn = |bar, resolution| {
            let svg = chart(bar, resolution).svg().unwrap();
            ["bar", "resolution", "mark"].map(|of| svg.matches(&format!("class=\"{of}\"")).count())
        };
        assert_eq!(drawn(None, None), [0, 0, 1]);
        assert_eq!(drawn(Some((0.25, 0.75)), None), [1, 0, 1]);
        assert_eq!(drawn(Some((0.25, 0.75)), Some(0.7)), [1, 1, 1]);
        let svg = chart(None, None).svg().unwrap();
        // From 0 to 1 along the area, the mark is in its middle.
        assert!(
            svg.contains("what the bars") && svg.contains("cx=\"539\""),
            "{svg}"
        );
        let nothing = Marks {
            marks: vec![],
            ..chart(None, None)
        };
        assert!(nothing.svg().is_err());
    }
}
