//! A line chart as SVG: axes with round numbers, one line a run. Lines have classes, for on
//! the report's page a line has to be hidden by its legend and coloured by the page.

use maud::{Markup, html};

/// Width and height of a chart.
pub const SIZE: (f64, f64) = (380.0, 240.0);
/// Left, right, top and bottom of the lines' area.
const AREA: (f64, f64, f64, f64) = (52.0, 368.0, 34.0, 204.0);

/// Colours of lines, on white and on black, told apart by the colour-blind; lines
/// beyond them are dashed.
pub const LINES: [(&str, &str); 7] = [
    ("#0072b2", "#56b4e9"),
    ("#d55e00", "#ff9a52"),
    ("#009e73", "#3fd6a4"),
    ("#aa3377", "#ee88c4"),
    ("#b07d00", "#f3c64b"),
    ("#5b4bb7", "#a99cff"),
    ("#5c6670", "#b4bcc6"),
];
const DASHES: [&str; 4] = ["none", "7 3", "2 3", "9 3 2 3"];

/// Where colours come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Colours are fixed, for a white page.
    Light,
    /// Colours are fixed, for a dark page.
    Dark,
    /// Colours are variables of the page that the chart stands in.
    Page,
}

impl Style {
    /// The colour of text.
    pub fn ink(self) -> &'static str {
        match self {
            Self::Light => "#181a1e",
            Self::Dark => "#e6e9ee",
            Self::Page => "var(--ink)",
        }
    }

    /// The colour of text that matters less.
    pub fn faint(self) -> &'static str {
        match self {
            Self::Light => "#626872",
            Self::Dark => "#969da8",
            Self::Page => "var(--faint)",
        }
    }

    /// The colour of grid lines.
    pub fn rule(self) -> &'static str {
        match self {
            Self::Light => "#e3e6ea",
            Self::Dark => "#2c313a",
            Self::Page => "var(--rule)",
        }
    }

    /// The colour of the background.
    pub fn paper(self) -> &'static str {
        match self {
            Self::Light => "#ffffff",
            Self::Dark => "#101216",
            Self::Page => "none",
        }
    }

    /// The colour of the line of run `i`.
    pub fn line(self, i: usize) -> String {
        let (light, dark) = LINES[i % LINES.len()];
        match self {
            Self::Light => light.into(),
            Self::Dark => dark.into(),
            Self::Page => format!("var(--line{})", i % LINES.len()),
        }
    }
}

/// The `stroke-dasharray` of the line of run `i`; empty for an unbroken line.
pub fn dash(i: usize) -> &'static str {
    DASHES[i / LINES.len() % DASHES.len()]
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The run, which gives it its colour; several lines may share one.
    pub run: usize,
    /// Where along the chart, and the number there, in order.
    pub points: Vec<(f64, f64)>,
}

/// A chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// What is shown.
    pub title: &'static str,
    /// The unit of what is shown.
    pub unit: &'static str,
    /// Whether the numbers span orders of magnitude.
    pub log: bool,
    /// What the horizontal axis shows.
    pub along: &'static str,
    /// Whether the horizontal axis spans orders of magnitude.
    pub along_log: bool,
    /// The lines; at least one has a point.
    pub lines: Vec<Line>,
}

/// The numbers of an axis.
pub(super) struct Axis {
    low: f64,
    high: f64,
    log: bool,
    pub(super) ticks: Vec<f64>,
}

impl Axis {
    /// An axis for those numbers, with about `count` ticks.
    pub(super) fn of(values: impl Iterator<Item = f64>, log: bool, count: usize) -> Self {
        let values = values.filter(|v| v.is_finite() && (!log || *v > 0.0));
        let (mut low, mut high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
            (l.min(v), h.max(v))
        });
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if log {
            return Self::logarithmic(low.max(1e-12), high.max(1e-12));
        }
        if high - low < 1e-9 * high.abs().max(1e-6) {
            let around = if high == 0.0 { 1.0 } else { high.abs() * 0.5 };
            (low, high) = (low - around, high + around);
        }
        let rough = (high - low) / count as f64;
        let power = libm::pow(10.0, libm::floor(libm::log10(rough)));
        let far = |step: &f64| (step / rough).max(rough / step);
        let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|m| m * power);
        let nearest = steps.into_iter().min_by(|a, b| far(a).total_cmp(&far(b)));
        let step = nearest.unwrap_or(power);
        let first = libm::ceil(low / step - 1e-9) as i64;
        let last = libm::floor(high / step + 1e-9) as i64;
        Self {
            low,
            high,
            log,
            ticks: (first..=last).map(|i| i as f64 * step).collect(),
        }
    }

    fn logarithmic(mut low: f64, mut high: f64) -> Self {
        if high / low < 1.5 {
            (low, high) = (low / 1.3, high * 1.3);
        }
        let decades = libm::log10(high / low);
        let marks: &[f64] = match decades {
            d if d < 1.2 => &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
            d if d < 2.5 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let (from, to) = (
            libm::floor(libm::log10(low)) as i32,
            libm::ceil(libm::log10(high)) as i32,
        );
        let all =
            (from..=to).flat_map(|p| marks.iter().map(move |m| m * libm::pow(10.0, f64::from(p))));
        let ticks = all
            .filter(|&t| t >= low * 0.9999 && t <= high * 1.0001)
            .collect();
        Self {
            low,
            high,
            log: true,
            ticks,
        }
    }

    /// The place of a number, from 0 to 1.
    pub(super) fn place(&self, v: f64) -> f64 {
        match self.log {
            true => libm::log(v / self.low) / libm::log(self.high / self.low),
            false => (v - self.low) / (self.high - self.low),
        }
    }
}

/// A tick's number.
pub(super) fn number(v: f64) -> String {
    let text = match v.abs() {
        a if a > 0.0 && a < 1e-4 => return format!("{v:.0e}"),
        a if a >= 1e5 => return format!("{v:.0e}"),
        _ => format!("{v:.4}"),
    };
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".into()
    } else {
        text.into()
    }
}

impl Chart {
    /// The elements of the chart, for an `<svg>` of [`SIZE`].
    pub fn body(&self, style: Style) -> Markup {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let x = Axis::of(points().map(|p| p.0), self.along_log, 6);
        let y = Axis::of(points().map(|p| p.1), self.log, 4);
        let (left, right, top, bottom) = AREA;
        let px = |v: f64| left + x.place(v) * (right - left);
        let py = |v: f64| bottom - y.place(v) * (bottom - top);
        let whole = x
            .ticks
            .iter()
            .copied()
            .filter(|t| (t - t.round()).abs() < 1e-9);
        let drawn = |v: f64| v.is_finite() && (!self.log || v > 0.0);
        html! {
            text x=(left) y="18" font-weight="600" fill=(style.ink()) {
                (self.title)
                @if !self.unit.is_empty() {
                    tspan font-weight="400" fill=(style.faint()) { " " (self.unit) }
                }
            }
            @for &tick in &y.ticks {
                line x1=(left) x2=(right) y1=(round(py(tick))) y2=(round(py(tick))) stroke=(style.rule()) {}
                text x=(left - 6.0) y=(round(py(tick) + 4.0)) text-anchor="end" fill=(style.faint()) {
                    (number(tick))
                }
            }
            line x1=(left) x2=(right) y1=(bottom) y2=(bottom) stroke=(style.faint()) {}
            @for tick in whole {
                text x=(round(px(tick))) y=(bottom + 16.0) text-anchor="middle" fill=(style.faint()) {
                    (number(tick))
                }
            }
            text x=((left + right) / 2.0) y=(bottom + 32.0) text-anchor="middle" fill=(style.faint()) {
                (self.along)
            }
            @for line in &self.lines {
                @let kept: Vec<_> = line.points.iter().filter(|p| drawn(p.1)).collect();
                @if let [(a, b)] = kept[..] {
                    circle class=(format!("run{}", line.run)) cx=(round(px(*a))) cy=(round(py(*b)))
                        r="2.5" fill=(style.line(line.run)) {}
                } @else if !kept.is_empty() {
                    polyline class=(format!("run{}", line.run)) fill="none" stroke=(style.line(line.run))
                        stroke-width="1.6" stroke-linejoin="round" stroke-dasharray=(dash(line.run))
                        points=(kept.iter().map(|(a, b)| format!("{},{}", round(px(*a)), round(py(*b)))).collect::<Vec<_>>().join(" ")) {}
                }
            }
        }
    }
}

/// Charts in a row, and the height of a line of the legend.
const ACROSS: usize = 3;
const LEGEND: f64 = 20.0;

/// Charts in one SVG file with a legend: `names[i]` is what line `i` is.
pub fn sheet(charts: &[Chart], names: &[String], style: Style) -> String {
    let across = ACROSS.min(charts.len()).max(1);
    let rows = charts.len().div_ceil(across);
    let width = across as f64 * SIZE.0;
    let legend_rows = names.len().div_ceil(across) as f64;
    let height = rows as f64 * SIZE.1 + legend_rows * LEGEND + 12.0;
    let at = |i: usize| {
        let (x, y) = ((i % across) as f64 * SIZE.0, (i / across) as f64 * SIZE.1);
        format!("translate({x} {y})")
    };
    let foot = rows as f64 * SIZE.1 + LEGEND / 2.0;
    let key = |i: usize| {
        let x = 52.0 + (i % across) as f64 * SIZE.0;
        (x, foot + (i / across) as f64 * LEGEND)
    };
    let body = html! {
        @for (i, chart) in charts.iter().enumerate() {
            g transform=(at(i)) { (chart.body(style)) }
        }
        @for (i, name) in names.iter().enumerate() {
            @let (x, y) = key(i);
            line x1=(x) x2=(x + 26.0) y1=(y) y2=(y) stroke=(style.line(i)) stroke-width="2"
                stroke-dasharray=(dash(i)) {}
            text x=(x + 34.0) y=(y + 4.0) fill=(style.ink()) { (name) }
        }
    };
    file((width, height), style, &body)
}

/// An SVG file of that size with those elements.
pub(super) fn file((width, height): (f64, f64), style: Style, body: &Markup) -> String {
    let svg = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {width} {height}"))
            width=(width) height=(height) font-family="system-ui, sans-serif" font-size="12" {
            rect width=(width) height=(height) fill=(style.paper()) {}
            (body)
        }
    };
    svg.into_string() + "\n"
}

/// An SVG file that was drawn in [`Style::Light`], with the colours of [`Style::Dark`] where
/// the reader prefers them. A viewer that knows no style sheets shows it light.
pub(super) fn for_both(light: &str) -> String {
    let (of_light, of_dark) = (Style::Light, Style::Dark);
    let mut pairs: Vec<(String, String)> = [Style::ink, Style::faint, Style::rule, Style::paper]
        .iter()
        .map(|colour| (colour(of_light).into(), colour(of_dark).into()))
        .collect();
    pairs.extend((0..LINES.len()).map(|i| (of_light.line(i), of_dark.line(i))));
    let rule = |(light, dark): &(String, String)| {
        format!("[fill=\"{light}\"]{{fill:{dark}}}[stroke=\"{light}\"]{{stroke:{dark}}}")
    };
    let rules: String = pairs.iter().map(rule).collect();
    let sheet = format!("<style>@media (prefers-color-scheme: dark){{{rules}}}</style>");
    light.replacen("<rect ", &format!("{sheet}<rect "), 1)
}

/// To a tenth of a pixel.
pub(super) fn round(v: f64) -> f64 {
    (v * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_within_the_range() {
        let ticks = |low: f64, high: f64| Axis::of([low, high].into_iter(), false, 4).ticks;
        assert_eq!(ticks(0.0, 1.0), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(ticks(1.0, 10.0), [2.5, 5.0, 7.5, 10.0]);
        assert_eq!(ticks(97.6, 98.9), [97.75, 98.0, 98.25, 98.5, 98.75]);
        let log = Axis::of([0.02, 0.9].into_iter(), true, 4);
        assert_eq!(
            log.ticks.iter().map(|&t| number(t)).collect::<Vec<_>>(),
            ["0.02", "0.05", "0.1", "0.2", "0.5"]
        );
        assert_eq!((log.place(0.02), log.place(0.9)), (0.0, 1.0));
        assert!((log.place(0.1) - libm::log(5.0) / libm::log(45.0)).abs() < 1e-12);
        // A constant has an axis too.
        let flat = Axis::of([1.0, 1.0].into_iter(), false, 4);
        assert_eq!(flat.place(1.0), 0.5);
        assert!(!flat.ticks.is_empty());
    }

    #[test]
    fn lines_go_where_their_numbers_are() {
        let chart = Chart {
            title: "t",
            unit: "",
            log: false,
            along: "epoch",
            along_log: false,
            lines: vec![
                Line {
                    run: 0,
                    points: vec![(1.0, 0.0), (2.0, 1.0), (3.0, f64::NAN)],
                },
                Line {
                    run: 9,
                    points: vec![(1.0, 0.5)],
                },
            ],
        };
        let text = chart.body(Style::Light).into_string();
        let (left, right, top, bottom) = AREA;
        let middle = (left + right) / 2.0;
        assert!(
            text.contains(&format!("points=\"{left},{bottom} {middle},{top}\"")),
            "{text}"
        );
        assert!(text.contains("class=\"run9\"") && text.contains(LINES[2].0));
        assert_eq!(number(0.1 + 0.2), "0.3");
        assert_eq!(
            [1e-7, 2e6, -0.0, 20.0].map(number),
            ["1e-7", "2e6", "0", "20"]
        );
    }
}
