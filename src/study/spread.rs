//! Figures over seeds: mean, standard deviation, and the 95 % interval of the mean.
//!
//! ```text
//! deviation    √(Σ(x - mean)² / (n-1))
//! half width   t(0.975, n-1) · deviation / √n      Student's t
//! ```
//!
//! The interval supposes that figures scatter normally over seeds, which a handful of
//! them can neither show nor refute; of rows whose runs now and then fail altogether it
//! says little, and the single figures stand beside it.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// The mean of some figures, their standard deviation, and the 95 % interval of the mean; the
/// module's page has the formulas.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Figures; 0 in tables from before it was noted.
    #[serde(default)]
    pub n: usize,
    /// The mean.
    pub mean: f64,
    /// The standard deviation; absent for a single figure.
    pub deviation: Option<f64>,
    /// Half the width of the 95 % interval of the mean; absent for a single figure.
    #[serde(default)]
    pub half_width: Option<f64>,
}

impl Spread {
    /// The spread of some figures; `None` without any.
    pub fn of(figures: &[f64]) -> Option<Self> {
        let n = figures.len() as f64;
        if figures.is_empty() {
            return None;
        }
        let mean = figures.iter().sum::<f64>() / n;
        let squares: f64 = figures.iter().map(|x| (x - mean).powi(2)).sum();
        let deviation = (figures.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
        Some(Self {
            n: figures.len(),
            mean,
            deviation,
            half_width: deviation
                .zip(quantile(n - 1.0))
                .map(|(d, t)| t * d / n.sqrt()),
        })
    }

    /// `mean ± deviation`, or the mean alone of a single figure.
    pub fn text(&self, digits: usize) -> String {
        match self.deviation {
            Some(deviation) => format!("{:.digits$} ± {deviation:.digits$}", self.mean),
            None => format!("{:.digits$}", self.mean),
        }
    }

    /// `+mean ± half width`: a difference and its 95 % interval.
    pub fn signed(&self, digits: usize) -> String {
        match self.half_width {
            Some(half) => format!("{:+.digits$} ± {half:.digits$}", self.mean),
            None => format!("{:+.digits$}", self.mean),
        }
    }
}

/// What 97.5 % of Student's t with that many degrees of freedom lies below.
fn quantile(freedom: f64) -> Option<f64> {
    let t = StudentsT::new(0.0, 1.0, freedom).ok()?;
    Some(t.inverse_cdf(0.975))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_follow_the_textbook() {
        assert_eq!(Spread::of(&[]), None);
        let single = Spread::of(&[3.0]).unwrap();
        assert_eq!((single.n, single.mean), (1, 3.0));
        assert_eq!((single.deviation, single.half_width), (None, None));
        // 2, 4, 9: mean 5, squares 9 + 1 + 16 over two.
        let spread = Spread::of(&[2.0, 4.0, 9.0]).unwrap();
        assert_eq!((spread.n, spread.mean), (3, 5.0));
        assert_eq!(spread.deviation, Some(13f64.sqrt()));
        // 4.3027 is t(0.975, 2) of the printed tables.
        let half = 4.302_652_73 * (13.0f64 / 3.0).sqrt();
        assert!((spread.half_width.unwrap() - half).abs() < 1e-6);
    }

    #[test]
    fn quantiles_are_those_of_printed_tables() {
        for (freedom, t) in [(1.0, 12.706), (4.0, 2.776), (9.0, 2.262), (29.0, 2.045)] {
            assert!((quantile(freedom).unwrap() - t).abs() < 5e-4, "{freedom}");
        }
        assert_eq!(quantile(0.0), None);
    }
}
