//! A chart of the lab: a name a line, a mark and its standard error for each series.

use plotters::coord::combinators::IntoLogRange;
use plotters::prelude::*;

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

/// A chart.
pub struct Chart {
    pub title: String,
    /// What the axis shows, and what its bars are.
    pub axis: String,
    pub names: Vec<String>,
    pub series: Vec<String>,
    pub marks: Vec<Mark>,
    pub log: bool,
}

/// Width of the names, height of a line, and of what surrounds the lines.
const NAMES: u32 = 230;
const LINE: u32 = 26;
const AROUND: u32 = 132;

/// How far from the middle of a line the outermost series are.
const SPREAD: f64 = 0.25;

const COLOURS: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
];

impl Chart {
    /// Draws it.
    ///
    /// # Errors
    /// A chart without a finite number to show.
    pub fn svg(&self) -> Result<String, String> {
        let shown: Vec<&Mark> = self.marks.iter().filter(|m| m.value.is_finite()).collect();
        // The ends of bars belong to the range as well; a logarithm has no place for 0.
        let ends = shown.iter().flat_map(|m| {
            let bar = m.bar.unwrap_or((m.value, m.value));
            let place = m.resolution.unwrap_or(m.value);
            // On a logarithmic axis a bar may go down to nothing: the mark is enough.
            let low = if self.log { m.value } else { bar.0 };
            [m.value, low, bar.1, place]
        });
        let ends = ends.filter(|x| x.is_finite() && (*x > 0.0 || !self.log));
        let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
            (low.min(x), high.max(x))
        });
        if low > high {
            return Err("no number to show".into());
        }
        let size = (860, AROUND + LINE * self.names.len() as u32);
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            root.fill(&WHITE).map_err(|e| e.to_string())?;
            if self.log {
                let (low, high) = (low / 2.0, high * 2.0);
                self.draw(&root, &shown, low, (low..high).log_scale())?;
            } else {
                let (low, high) = (low.min(0.0), high.max(1.0));
                self.draw(&root, &shown, low, low..high)?;
            }
            root.present().map_err(|e| e.to_string())?;
        }
        Ok(svg)
    }

    fn draw<R>(
        &self,
        root: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
        marks: &[&Mark],
        low: f64,
        range: R,
    ) -> Result<(), String>
    where
        R: plotters::coord::ranged1d::AsRangedCoord<Value = f64>,
        R::CoordDescType: plotters::coord::ranged1d::ValueFormatter<f64>
            + plotters::coord::ranged1d::Ranged<ValueType = f64>,
    {
        let text = |e: &dyn std::fmt::Display| e.to_string();
        let mut chart = ChartBuilder::on(root)
            .caption(&self.title, ("sans-serif", 15))
            .margin(12)
            .margin_left(NAMES)
            .x_label_area_size(56)
            .build_cartesian_2d(range, 0.0..self.names.len() as f64)
            .map_err(|e| text(&e))?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .x_desc(&self.axis)
            .axis_desc_style(("sans-serif", 12))
            .x_label_formatter(&|x| short(*x))
            .light_line_style(TRANSPARENT)
            .label_style(("sans-serif", 12))
            .draw()
            .map_err(|e| text(&e))?;
        // The first name stands at the top, and so does the first series of a name.
        let height = |line: usize| self.names.len() as f64 - 0.5 - line as f64;
        let between = (self.series.len().max(2) - 1) as f64;
        let place = |m: &Mark| {
            let aside = match self.series.len() {
                1 => 0.0,
                _ => SPREAD - 2.0 * SPREAD * m.series as f64 / between,
            };
            height(m.line) + aside
        };
        let on_axis = |x: f64| x.max(low);
        for (series, label) in self.series.iter().enumerate() {
            let style = COLOURS[series % COLOURS.len()];
            let mine = || marks.iter().filter(move |m| m.series == series);
            let bars = mine().filter_map(|m| m.bar.map(|bar| (place(m), bar)));
            chart
                .draw_series(bars.map(|(y, bar)| {
                    PathElement::new(vec![(on_axis(bar.0), y), (on_axis(bar.1), y)], style)
                }))
                .map_err(|e| text(&e))?;
            let crosses = mine().filter_map(|m| m.resolution.map(|x| (on_axis(x), place(m))));
            chart
                .draw_series(crosses.map(|(x, y)| {
                    let thick = style.stroke_width(2);
                    PathElement::new(vec![(x, y - 0.13), (x, y + 0.13)], thick)
                }))
                .map_err(|e| text(&e))?;
            chart
                .draw_series(mine().map(|m| {
                    let style = if m.hollow {
                        style.stroke_width(1)
                    } else {
                        style.filled()
                    };
                    Circle::new((on_axis(m.value), place(m)), 3, style)
                }))
                .map_err(|e| text(&e))?
                .label(label)
                .legend(move |at| Circle::new(at, 4, style.filled()));
        }
        chart
            .configure_series_labels()
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .label_font(("sans-serif", 12))
            .draw()
            .map_err(|e| text(&e))?;
        for (line, name) in self.names.iter().enumerate() {
            let (_, y) = chart.backend_coord(&(low, height(line)));
            root.draw(&Text::new(name.clone(), (14, y - 7), ("sans-serif", 13)))
                .map_err(|e| text(&e))?;
        }
        Ok(())
    }
}

/// A number as an axis shows it.
fn short(x: f64) -> String {
    if x != 0.0 && !(0.01..10_000.0).contains(&x.abs()) {
        format!("{x:.0e}")
    } else {
        // An axis adds up its steps, and with them their rounding.
        format!("{}", (x * 1e6).round() / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_shows_short_numbers() {
        let shown = [0.0, 3.0 * 0.1, 0.7999999999999999, 0.01, 2e-4, 1500.0, 3e5].map(short);
        assert_eq!(shown, ["0", "0.3", "0.8", "0.01", "2e-4", "1500", "3e5"]);
    }

    #[test]
    fn a_mark_has_its_bar_and_its_resolution() {
        let chart = |bar, resolution| Chart {
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
            log: false,
        };
        let count = |c: Chart| c.svg().unwrap().matches("<polyline").count();
        let none = count(chart(None, None));
        assert_eq!(count(chart(Some((0.25, 0.75)), None)), none + 1);
        assert_eq!(count(chart(Some((0.25, 0.75)), Some(0.7))), none + 2);
        assert!(chart(None, None).svg().unwrap().contains("what the bars"));
    }
}
