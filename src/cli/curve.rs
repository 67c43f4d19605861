//! A curve in one line of a terminal, and the line that it stands in.

/// Cells that a curve has less than: at as many, two and two become one.
const MOST: usize = 24;

/// Heights of a cell.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The means of a growing number of figures: each cell stands for as many of them
/// as the others, so the whole course is always in view.
#[derive(Clone, Debug)]
pub struct Curve {
    means: Vec<f64>,
    /// Figures that a cell stands for.
    each: usize,
    sum: f64,
    count: usize,
}

impl Default for Curve {
    fn default() -> Self {
        Self {
            means: Vec::with_capacity(MOST),
            each: 1,
            sum: 0.0,
            count: 0,
        }
    }
}

impl Curve {
    /// Adds a figure.
    pub fn push(&mut self, x: f64) {
        self.sum += x;
        self.count += 1;
        if self.count < self.each {
            return;
        }
        self.means.push(self.sum / self.count as f64);
        (self.sum, self.count) = (0.0, 0);
        if self.means.len() == MOST {
            self.means = self.means.chunks(2).map(|p| (p[0] + p[1]) / 2.0).collect();
            self.each *= 2;
        }
    }

    /// The newest cells, at most `width`, on a logarithmic scale: losses fall by
    /// orders of magnitude.
    pub fn text(&self, width: usize) -> String {
        let shown = &self.means[self.means.len() - self.means.len().min(width)..];
        let log = |x: &f64| x.max(1e-12).ln();
        let finite = || shown.iter().filter(|x| x.is_finite()).map(log);
        let (low, high) = (
            finite().fold(f64::INFINITY, f64::min),
            finite().fold(f64::NEG_INFINITY, f64::max),
        );
        let cell = |x: &f64| {
            if !x.is_finite() {
                return '?';
            }
            let share = match high - low {
                0.0 => 0.5,
                range => (log(x) - low) / range,
            };
            BLOCKS[(share * (BLOCKS.len() - 1) as f64).round() as usize]
        };
        shown.iter().map(cell).collect()
    }
}

/// A bar of `width` characters with its ends.
fn bar(share: f64, width: usize) -> String {
    let inner = width.saturating_sub(2);
    let full = (share.clamp(0.0, 1.0) * inner as f64).round() as usize;
    let head = if full < inner && full > 0 { ">" } else { "" };
    let text = "=".repeat(full - head.len()) + head;
    format!("[{text:<inner$}]")
}

/// What a line of progress may say.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// What is under way.
    pub title: &'a str,
    /// How much of it is done.
    pub share: f64,
    /// The figure that the curve is of.
    pub figure: &'a str,
    /// Its course.
    pub curve: &'a Curve,
    /// Further remarks, the most important first.
    pub rest: &'a [String],
}

/// A line of at most `width` characters. The title, the bar, the figure and the curve
/// are there wherever they fit; a wide terminal gets the rest, then a longer curve,
/// then a longer bar.
pub fn line(parts: &Parts<'_>, width: usize) -> String {
    const LEAST: (usize, usize) = (6, 8);
    const BAR: usize = 32;
    let percent = format!("{:>3.0} %", 100.0 * parts.share);
    let count = |text: &str| text.chars().count();
    let fixed = count(parts.title) + 1 + LEAST.1 + 1 + count(&percent) + 2 + count(parts.figure);
    let fixed = fixed + 1 + LEAST.0;
    if width < fixed {
        let text = format!("{} {percent}  {}", parts.title, parts.figure);
        return text.chars().take(width).collect();
    }
    let mut left = width - fixed;
    let mut tail = String::new();
    for text in parts.rest {
        let needs = 2 + count(text);
        if needs > left {
            break;
        }
        left -= needs;
        tail += "  ";
        tail += text;
    }
    let longer = left.min(MOST - LEAST.0);
    let curve = parts.curve.text(LEAST.0 + longer);
    let bar = bar(parts.share, (LEAST.1 + left - longer).min(BAR));
    // Blanks stand in for cells to come, so that nothing behind them moves.
    let room = LEAST.0 + longer;
    let text = format!(
        "{} {bar} {percent}  {} {curve:<room$}{tail}",
        parts.title, parts.figure
    );
    text.trim_end().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(figures: impl IntoIterator<Item = f64>) -> Curve {
        let mut curve = Curve::default();
        figures.into_iter().for_each(|x| curve.push(x));
        curve
    }

    #[test]
    fn a_curve_falls_as_its_figures_do() {
        assert_eq!(curve([]).text(24), "");
        assert_eq!(curve([2.0]).text(24), "▅");
        assert_eq!(curve([1.0, 0.1, 0.01]).text(24), "█▅▁");
        assert_eq!(curve([1.0, 0.1, 0.01]).text(2), "█▁");
        assert_eq!(curve([1.0, f64::NAN, 0.0, 1.0]).text(9), "█?▁█");
        let falling = curve((1..=8).map(|i| (-f64::from(i)).exp()));
        assert_eq!(falling.text(24), "█▇▆▅▄▃▂▁");
    }

    #[test]
    fn a_long_course_becomes_coarser_and_stays_whole() {
        for n in 1..=200 {
            let curve = curve((0..n).map(f64::from));
            let cells = curve.means.len();
            assert!(
                cells < MOST && (n < 24 || cells >= MOST / 2),
                "{n}: {cells}"
            );
            // Every figure but those that wait for a whole cell is in one mean.
            let shown = cells * curve.each;
            assert!(n as usize - shown < curve.each, "{n}");
            let sum: f64 = curve.means.iter().sum::<f64>() * curve.each as f64;
            let want = (shown * (shown - 1)) as f64 / 2.0;
            assert_eq!(sum, want, "{n}");
        }
    }

    #[test]
    fn a_line_fits_every_width_and_keeps_what_matters() {
        let curve = curve((0..500).map(|i| 1.0 / f64::from(i + 1)));
        let rest = ["accuracy 91.22 %", "ETA 1:02 min", "17,650 img/s"].map(String::from);
        let parts = Parts {
            title: "epoch  3/10",
            share: 0.5,
            figure: "loss 0.3121",
            curve: &curve,
            rest: &rest,
        };
        let mut longest = 0;
        for width in 0..200 {
            let text = line(&parts, width);
            let count = text.chars().count();
            assert!(count <= width, "{width}: {text}");
            assert!(count >= longest || width < 60, "{width}: {text}");
            longest = count;
            let has_curve = text.chars().any(|c| BLOCKS.contains(&c));
            assert_eq!(has_curve, width >= 46, "{width}: {text}");
        }
        assert_eq!(
            line(&parts, 79),
            "epoch  3/10 [==>   ]  50 %  loss 0.3121 █▇▅▄▃▂▁  accuracy 91.22 %  ETA 1:02 min"
        );
        assert!(line(&parts, 120).ends_with("17,650 img/s"));
    }

    #[test]
    fn a_bar_is_empty_at_first_and_full_at_last() {
        assert_eq!(bar(0.0, 8), "[      ]");
        assert_eq!(bar(0.5, 8), "[==>   ]");
        assert_eq!(bar(1.0, 8), "[======]");
        assert_eq!(bar(f64::NAN, 8), "[      ]");
    }
}
