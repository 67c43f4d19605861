//! The lab's figures: one SVG each, an estimator a line, a point of training a colour.

use plotters::coord::combinators::IntoLogRange;
use plotters::prelude::*;

use super::{Figures, Measured, Record};
use crate::error::{Error, Result};

/// A figure: its file, its title, and the number that it shows of an estimator.
pub struct Plot {
    /// File name without extension.
    pub file: &'static str,
    title: &'static str,
    value: fn(&Measured, &Figures) -> f64,
    log: bool,
}

/// Every figure.
pub const PLOTS: [Plot; 6] = [
    Plot {
        file: "bias",
        title: "Bias, as a share of the gradient (hollow: within its standard error)",
        value: |_, f| f.bias.max(f.bias_error),
        log: true,
    },
    Plot {
        file: "variance",
        title: "Variance of a draw, mean over parameters",
        value: |_, f| f.variance_per_parameter,
        log: true,
    },
    Plot {
        file: "snr",
        title: "Signal-to-noise ratio of a draw",
        value: |_, f| f.snr,
        log: true,
    },
    Plot {
        file: "cosine",
        title: "Cosine of a draw with the reference gradient, mean",
        value: |_, f| f.cosine,
        log: false,
    },
    Plot {
        file: "milliseconds",
        title: "Milliseconds of a draw, median",
        value: |m, _| m.milliseconds,
        log: true,
    },
    Plot {
        file: "efficiency",
        title: "Squared signal-to-noise ratio for each millisecond",
        value: |m, f| f.snr.powi(2) / m.milliseconds,
        log: true,
    },
];

/// Width of the names, height of a line, and of what surrounds the lines.
const NAMES: u32 = 230;
const LINE: u32 = 26;
const AROUND: u32 = 110;

const COLOURS: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
];

impl Plot {
    /// Draws the figure of all parameters together.
    ///
    /// # Errors
    /// A record without a finite number to show.
    pub fn svg(&self, record: &Record) -> Result<String> {
        let fail = |what: String| Error::spec(format!("figure {}: {what}", self.file));
        let names: Vec<&str> = record
            .points
            .first()
            .map(|p| p.estimators.iter().map(|e| e.name.as_str()).collect())
            .unwrap_or_default();
        let mut marks = Vec::new();
        for (colour, point) in record.points.iter().enumerate() {
            for (line, of) in point.estimators.iter().enumerate() {
                let Some((_, figures)) = of.figures.last() else {
                    continue;
                };
                let value = (self.value)(of, figures);
                if value.is_finite() && (value > 0.0 || !self.log) {
                    let hollow = self.file == "bias" && figures.bias < figures.bias_error;
                    marks.push((colour, line, value, hollow));
                }
            }
        }
        let low = marks.iter().map(|m| m.2).fold(f64::INFINITY, f64::min);
        let high = marks.iter().map(|m| m.2).fold(f64::NEG_INFINITY, f64::max);
        if marks.is_empty() {
            return Err(fail("no number to show".into()));
        }
        let size = (860, AROUND + LINE * names.len() as u32);
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            let drawn = root
                .fill(&WHITE)
                .map_err(|e| e.to_string())
                .and_then(|()| {
                    if self.log {
                        let range = (low / 2.0..high * 2.0).log_scale();
                        self.draw(&root, record, &names, &marks, range)
                    } else {
                        let range = low.min(0.0)..high.max(1.0);
                        self.draw(&root, record, &names, &marks, range)
                    }
                })
                .and_then(|()| root.present().map_err(|e| e.to_string()));
            drawn.map_err(fail)?;
        }
        Ok(svg)
    }

    fn draw<R>(
        &self,
        root: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
        record: &Record,
        names: &[&str],
        marks: &[(usize, usize, f64, bool)],
        range: R,
    ) -> std::result::Result<(), String>
    where
        R: plotters::coord::ranged1d::AsRangedCoord<Value = f64>,
        R::CoordDescType: plotters::coord::ranged1d::ValueFormatter<f64>
            + plotters::coord::ranged1d::Ranged<ValueType = f64>,
    {
        let text = |e: &dyn std::fmt::Display| e.to_string();
        let mut chart = ChartBuilder::on(root)
            .caption(
                format!("{} - {}, {}", self.title, record.network, record.dataset),
                ("sans-serif", 15),
            )
            .margin(12)
            .margin_left(NAMES)
            .x_label_area_size(36)
            .build_cartesian_2d(range, 0.0..names.len() as f64)
            .map_err(|e| text(&e))?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .x_label_formatter(&|x| short(*x))
            .light_line_style(TRANSPARENT)
            .label_style(("sans-serif", 12))
            .draw()
            .map_err(|e| text(&e))?;
        // The first estimator stands at the top.
        let height = |line: usize| names.len() as f64 - 0.5 - line as f64;
        for (colour, point) in record.points.iter().enumerate() {
            let style = COLOURS[colour % COLOURS.len()];
            let mine = marks.iter().filter(|m| m.0 == colour);
            chart
                .draw_series(mine.map(|&(_, line, value, hollow)| {
                    let style = if hollow {
                        style.stroke_width(1)
                    } else {
                        style.filled()
                    };
                    Circle::new((value, height(line)), 4, style)
                }))
                .map_err(|e| text(&e))?
                .label(format!("epoch {}", point.epoch))
                .legend(move |at| Circle::new(at, 4, style.filled()));
        }
        chart
            .configure_series_labels()
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .label_font(("sans-serif", 12))
            .draw()
            .map_err(|e| text(&e))?;
        let left = marks[0].2;
        for (line, name) in names.iter().enumerate() {
            let (_, y) = chart.backend_coord(&(left, height(line)));
            root.draw(&Text::new(
                name.to_string(),
                (14, y - 7),
                ("sans-serif", 13),
            ))
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
}
