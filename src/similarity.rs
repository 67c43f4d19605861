//! How a query is compared with a support set of a few pictures: the formulas, in double
//! precision, that training, evaluation and packed inference share.

use serde::{Deserialize, Serialize};

use crate::named::named;

/// What the answer to a query is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Head {
    /// A matching network: softmax attention over all pictures of the support set, the
    /// attention of a class being the sum over its pictures (Vinyals 2016, arXiv 1606.04080).
    #[default]
    Matching,
    /// A prototypical network: a class is the mean of its pictures' embeddings (Snell 2017,
    /// arXiv 1703.05175).
    Prototypical,
}

/// How far two embeddings are apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Distance {
    /// The squared Euclidean distance, which of bits is the Hamming distance.
    #[default]
    Squared,
    /// One less the cosine of the angle between them.
    Cosine,
}

/// How a network that was trained on episodes compares embeddings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// What the answer is made of.
    pub head: Head,
    /// How far two embeddings are apart.
    pub distance: Distance,
    /// What similarities are multiplied by.
    pub scale: f32,
}

impl Comparison {
    /// Whether the scale is a positive number.
    pub fn is_sound(&self) -> bool {
        self.scale.is_finite() && self.scale > 0.0
    }
}

named!(Head, Matching "matching", Prototypical "prototypical");
named!(Distance, Squared "squared", Cosine "cosine");

/// Embeddings shorter than this have no direction: their cosine with any other is 0.
#[cfg(feature = "std")]
const SHORT: f64 = 1e-8;

impl Distance {
    /// The scale that similarities have by default: 1 for squared distances, as published,
    /// and 10 for cosines, whose softmax over a few classes is nearly flat without.
    pub fn usual_scale(self) -> f32 {
        match self {
            Self::Squared => 1.0,
            Self::Cosine => 10.0,
        }
    }

    /// How similar two embeddings are: `-|q - t|²`, or the cosine of their angle.
    #[cfg(feature = "std")]
    pub(crate) fn similarity(self, q: &[f32], t: &[f64]) -> f64 {
        match self {
            Self::Squared => {
                let squares = q.iter().zip(t).map(|(&q, t)| {
                    let d = f64::from(q) - t;
                    d * d
                });
                -squares.sum::<f64>()
            }
            Self::Cosine => {
                let (dot, qq, tt) = products(q, t);
                cosine(dot, qq, tt)
            }
        }
    }

    /// Adds `by` times the derivative of the similarity with respect to `q`, or with
    /// respect to `t` where `of_target`, to `grad`.
    #[cfg(feature = "std")]
    pub(crate) fn add_gradient(
        self,
        q: &[f32],
        t: &[f64],
        by: f64,
        of_target: bool,
        grad: &mut [f64],
    ) {
        match self {
            Self::Squared => {
                let by = if of_target { 2.0 * by } else { -2.0 * by };
                for ((grad, &q), t) in grad.iter_mut().zip(q).zip(t) {
                    *grad += by * (f64::from(q) - t);
                }
            }
            Self::Cosine => {
                let (dot, qq, tt) = products(q, t);
                let length = libm::sqrt(qq * tt);
                if length < SHORT {
                    return;
                }
                let own = if of_target { tt } else { qq };
                let (across, along) = (by / length, by * dot / length / own);
                for ((grad, &q), t) in grad.iter_mut().zip(q).zip(t) {
                    let q = f64::from(q);
                    let (other, own) = if of_target { (q, *t) } else { (*t, q) };
                    *grad += across * other - along * own;
                }
            }
        }
    }
}

/// `q·t`, `q·q` and `t·t`.
#[cfg(feature = "std")]
fn products(q: &[f32], t: &[f64]) -> (f64, f64, f64) {
    let mut sums = (0.0, 0.0, 0.0);
    for (&q, t) in q.iter().zip(t) {
        let q = f64::from(q);
        sums.0 += q * t;
        sums.1 += q * q;
        sums.2 += t * t;
    }
    sums
}

/// The cosine of two vectors with that inner product and those squared lengths; 0 where one
/// of them has no direction.
#[cfg(feature = "std")]
pub(crate) fn cosine(dot: f64, qq: f64, tt: f64) -> f64 {
    match libm::sqrt(qq * tt) {
        length if length < SHORT => 0.0,
        length => dot / length,
    }
}

/// `log Σ exp(s)`; of one number that very number.
#[cfg(feature = "std")]
pub(crate) fn log_sum_exp(s: &[f64]) -> f64 {
    let most = s.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = s.iter().map(|s| libm::exp(s - most)).sum();
    most + libm::log(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_formulas() {
        let (q, t) = ([1.0, 2.0], [4.0, 6.0]);
        assert_eq!(Distance::Squared.similarity(&q, &t), -25.0);
        let expected = 16.0 / libm::sqrt(5.0 * 52.0);
        assert!((Distance::Cosine.similarity(&q, &t) - expected).abs() < 1e-15);
        // Of bits: the Hamming distance.
        let bits = Distance::Squared.similarity(&[1.0, 0.0, 1.0, 1.0], &[0.0, 0.0, 1.0, 0.0]);
        assert_eq!(bits, -2.0);
        assert_eq!(Distance::Cosine.similarity(&[0.0, 0.0], &t), 0.0);
    }

    #[test]
    fn the_log_sum_of_one_number_is_that_number() {
        for s in [-1234.567_f64, 0.1, 3e-9] {
            assert_eq!(log_sum_exp(&[s]), s);
        }
        assert!((log_sum_exp(&[-1000.0, -1000.0]) - (libm::log(2.0) - 1000.0)).abs() < 1e-9);
    }

    #[test]
    fn names_parse_back() {
        for &head in Head::ALL {
            assert_eq!(head.name().parse(), Ok(head));
        }
        for &distance in Distance::ALL {
            assert_eq!(distance.name().parse(), Ok(distance));
        }
        assert!(
            "euclid"
                .parse::<Distance>()
                .unwrap_err()
                .contains("squared, cosine")
        );
    }
}
