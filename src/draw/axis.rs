//! The axes of every chart, histogram and colour bar: from where to where, round ticks in steps
//! of 1, 2 or 5, and what stands beside them.

/// The numbers of an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    low: f64,
    high: f64,
    log: bool,
    /// Where its ticks are.
    pub ticks: Vec<f64>,
}

/// Steps between ticks, in units of a power of ten.
const STEPS: [f64; 4] = [1.0, 2.0, 5.0, 10.0];
/// Decades from which on a logarithmic axis has powers of ten alone.
const DECADES: f64 = 2.5;

impl Axis {
    /// An axis from the least to the greatest of those numbers, with about `count` ticks. On a
    /// logarithmic one, numbers that are not above 0 have no place.
    pub fn of(values: impl Iterator<Item = f64>, log: bool, count: usize) -> Self {
        let values = values.filter(|v| v.is_finite() && (!log || *v > 0.0));
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
            (l.min(v), h.max(v))
        });
        match (low > high, log) {
            (true, _) => Self::linear(0.0, 1.0, count),
            (false, true) => Self::logarithmic(low.max(1e-300), high.max(1e-300), count),
            (false, false) => Self::linear(low, high, count),
        }
    }

    /// An axis from one number to another.
    pub fn linear(mut low: f64, mut high: f64, count: usize) -> Self {
        if high - low < 1e-9 * high.abs().max(1e-6) {
            let around = if high == 0.0 { 1.0 } else { high.abs() * 0.5 };
            (low, high) = (low - around, high + around);
        }
        Self {
            low,
            high,
            log: false,
            ticks: round_numbers(low, high, count),
        }
    }

    fn logarithmic(mut low: f64, mut high: f64, count: usize) -> Self {
        if high / low < 1.5 {
            (low, high) = (low / 1.3, high * 1.3);
        }
        let decades = libm::log10(high / low);
        let (from, to) = (
            libm::floor(libm::log10(low)) as i32,
            libm::ceil(libm::log10(high)) as i32,
        );
        let marks: &[f64] = match decades < DECADES {
            true => &[1.0, 2.0, 5.0],
            false => &[1.0],
        };
        // Every so many powers of ten, where there are too many for all.
        let every = (decades / (count + 2) as f64).ceil().max(1.0) as i32;
        let powers = (from..=to).filter(|p| p.rem_euclid(every) == 0);
        let all = powers.flat_map(|p| marks.iter().map(move |m| m * power(p)));
        let mut ticks: Vec<f64> = all
            .filter(|&t| t >= low * 0.9999 && t <= high * 1.0001)
            .collect();
        if ticks.len() < 3 && decades < DECADES {
            ticks = round_numbers(low, high, count);
        }
        Self {
            low,
            high,
            log: true,
            ticks,
        }
    }

    /// The same axis with a share of its length left free at both ends; its ticks may stand
    /// there.
    #[must_use]
    pub fn widened(&self, share: f64, count: usize) -> Self {
        match self.log {
            true => {
                let factor = libm::pow(self.high / self.low, share);
                Self::logarithmic(self.low / factor, self.high * factor, count)
            }
            false => {
                let more = share * (self.high - self.low);
                Self::linear(self.low - more, self.high + more, count)
            }
        }
    }

    /// The place of a number, from 0 to 1; beyond, the nearer end.
    pub fn place(&self, v: f64) -> f64 {
        let at = match self.log {
            true => libm::log(v / self.low) / libm::log(self.high / self.low),
            false => (v - self.low) / (self.high - self.low),
        };
        match at.is_nan() {
            true => 0.0,
            false => at.clamp(0.0, 1.0),
        }
    }

    /// Whether a number has a place of its own on it.
    pub fn holds(&self, v: f64) -> bool {
        v.is_finite() && (!self.log || v > 0.0)
    }

    /// What stands beside each tick: all with as many decimals, or all as powers of ten.
    pub fn labels(&self) -> Vec<String> {
        let beyond = |t: &f64| *t != 0.0 && (t.abs() < 0.999e-3 || t.abs() >= 1e5);
        if self.ticks.iter().any(beyond) {
            return self.ticks.iter().map(|&t| scientific(t)).collect();
        }
        if self.log {
            return self.ticks.iter().map(|&t| trimmed(t, 6)).collect();
        }
        let all_fit = |d: &usize| self.ticks.iter().all(|&t| fits(t, *d as i32));
        let digits = (0..6).find(all_fit).unwrap_or(6);
        let label = |t: &f64| signed(&format!("{:.digits$}", t + 0.0));
        self.ticks.iter().map(label).collect()
    }
}

fn power(exponent: i32) -> f64 {
    libm::pow(10.0, f64::from(exponent))
}

/// Multiples of a round step between two numbers, about `count` of them.
fn round_numbers(low: f64, high: f64, count: usize) -> Vec<f64> {
    let rough = (high - low) / count.max(1) as f64;
    let power = libm::pow(10.0, libm::floor(libm::log10(rough)));
    let far = |step: &f64| (step / rough).max(rough / step);
    let steps = STEPS.map(|m| m * power);
    let nearest = steps.into_iter().min_by(|a, b| far(a).total_cmp(&far(b)));
    let step = nearest.unwrap_or(power);
    let first = libm::ceil(low / step - 1e-9) as i64;
    let last = libm::floor(high / step + 1e-9) as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

/// Whether a number is itself with so many decimals.
fn fits(t: f64, digits: i32) -> bool {
    let scaled = t * power(digits);
    (scaled - scaled.round()).abs() < 1e-6 * scaled.abs().max(1.0)
}

/// A minus as long as a plus.
fn signed(text: &str) -> String {
    text.replace('-', "\u{2212}")
}

/// A number without zeros at its end.
fn trimmed(t: f64, digits: usize) -> String {
    let text = format!("{t:.digits$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    signed(if text == "-0" { "0" } else { text })
}

/// A number as a multiple of a power of ten: 10⁻⁷, 2×10⁶.
fn scientific(t: f64) -> String {
    if t == 0.0 {
        return "0".into();
    }
    let exponent = libm::floor(libm::log10(t.abs()) + 1e-9) as i32;
    let mantissa = t / power(exponent);
    let raised: String = exponent.to_string().chars().map(superscript).collect();
    match (mantissa - 1.0).abs() < 1e-6 {
        true => format!("10{raised}"),
        false => format!("{}\u{d7}10{raised}", trimmed(mantissa, 3)),
    }
}

fn superscript(c: char) -> char {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    match c.to_digit(10) {
        Some(digit) => DIGITS[digit as usize],
        None => '⁻',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_within_the_range() {
        let axis = |low: f64, high: f64| Axis::of([low, high].into_iter(), false, 4);
        assert_eq!(
            axis(0.0, 1.0).labels(),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(axis(1.0, 10.0).ticks, [2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(axis(97.6, 98.9).labels(), ["98.0", "98.5"]);
        assert_eq!(axis(-3.0, 5.0).labels(), ["\u{2212}2", "0", "2", "4"]);
        assert_eq!(axis(0.0, 4e-7).labels()[1], "10⁻⁷");
        // Whatever the range: steps of 1, 2 or 5 times a power of ten, two of them at least.
        for i in 1..400 {
            let (low, high) = (f64::from(i) * 0.37 - 30.0, f64::from(i * i) * 0.011 + 10.0);
            if high - low < 1e-3 {
                continue;
            }
            let ticks = Axis::linear(low, high, 5).ticks;
            let step = ticks[1] - ticks[0];
            let digit = step / power(libm::floor(libm::log10(step) + 1e-9) as i32);
            assert!(
                [1.0, 2.0, 5.0].iter().any(|d| (digit - d).abs() < 1e-6),
                "{ticks:?}"
            );
            assert!(ticks[0] >= low - 1e-9 && ticks[ticks.len() - 1] <= high + 1e-9);
            assert!(
                ticks
                    .iter()
                    .all(|t| (t / step - (t / step).round()).abs() < 1e-6)
            );
        }
        // A constant has an axis too.
        let flat = Axis::of([1.0, 1.0].into_iter(), false, 4);
        assert_eq!((flat.place(1.0), flat.ticks.is_empty()), (0.5, false));
    }

    #[test]
    fn logarithmic_ticks_are_round_at_every_range() {
        let axis = |low: f64, high: f64| Axis::of([low, high].into_iter(), true, 6);
        assert_eq!(
            axis(0.02, 0.9).labels(),
            ["0.02", "0.05", "0.1", "0.2", "0.5"]
        );
        assert_eq!(
            axis(0.01, 150.0).labels(),
            ["0.01", "0.1", "1", "10", "100"]
        );
        assert_eq!(axis(2e-9, 3e-6).labels(), ["10⁻⁸", "10⁻⁷", "10⁻⁶"]);
        assert_eq!(axis(0.06, 0.09).ticks.len(), 7);
        let many = axis(1e-20, 1e20);
        assert!(many.ticks.len() <= 9, "{:?}", many.ticks);
        let log = axis(0.02, 0.9);
        assert_eq!((log.place(0.02), log.place(0.9)), (0.0, 1.0));
        assert!((log.place(0.1) - libm::log(5.0) / libm::log(45.0)).abs() < 1e-12);
        assert!(!log.holds(0.0) && log.holds(0.1) && !log.holds(f64::NAN));
        assert_eq!((log.place(-1.0), log.place(9.0)), (0.0, 1.0));
        let wide = log.widened(0.5, 6);
        assert!((wide.place(0.02) - 0.25).abs() < 1e-9);
    }

    #[test]
    fn numbers_are_short_and_minuses_long() {
        assert_eq!(
            [1e-7, 2e6, -3e-5, 0.0].map(scientific),
            ["10⁻⁷", "2×10⁶", "\u{2212}3×10⁻⁵", "0"]
        );
        assert_eq!(
            [0.1 + 0.2, -0.0, 20.0, -1.5].map(|t| trimmed(t, 6)),
            ["0.3", "0", "20", "\u{2212}1.5"]
        );
    }
}
