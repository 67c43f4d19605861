//! Embeddings of bits, and their comparison by counting.

use crate::bits::pack_signs;
use crate::similarity::{Distance, cosine};

/// Embeddings whose numbers are 0 and 1, or -1 and +1, as bits.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bits {
    /// Whether a 0 bit stands for -1.
    pub signs: bool,
    width: usize,
    /// (embeddings, words): bit `i % 64` of word `i / 64` is number `i`.
    words: Vec<u64>,
    /// The sum of the inner products of all pairs, each with itself too.
    gram: i64,
}

impl Bits {
    /// The embeddings (count, width) as bits; `None` where a number is no bit, or bits of
    /// both kinds meet. Ones alone are the bits 0 and 1.
    pub fn of(numbers: &[f32], width: usize) -> Option<Self> {
        let all = |low: f32| numbers.iter().all(|&x| x == low || x == 1.0);
        let signs = match (all(0.0), all(-1.0)) {
            (true, _) => false,
            (false, true) => true,
            (false, false) => return None,
        };
        let row = |e: &[f32]| {
            // A sign's rule is one of weights, in which 0 is +1: the bit 0 is below it.
            let shifted: Vec<f32> = e.iter().map(|x| x - 0.5).collect();
            pack_signs(&shifted)
        };
        let mut bits = Self {
            signs,
            width,
            words: numbers.chunks_exact(width).flat_map(row).collect(),
            gram: 0,
        };
        let pairs = (0..bits.len()).flat_map(|i| (0..bits.len()).map(move |j| (i, j)));
        bits.gram = pairs
            .map(|(i, j)| bits.product(bits.row(i), bits.row(j)))
            .sum();
        Some(bits)
    }

    /// How many embeddings there are.
    pub fn len(&self) -> usize {
        self.words.len() / self.width.div_ceil(64)
    }

    fn row(&self, i: usize) -> &[u64] {
        let row = self.width.div_ceil(64);
        &self.words[i * row..][..row]
    }

    /// The inner product of two embeddings.
    fn product(&self, a: &[u64], b: &[u64]) -> i64 {
        let pairs = a.iter().zip(b);
        match self.signs {
            false => pairs.map(|(a, b)| i64::from((a & b).count_ones())).sum(),
            true => {
                let apart: i64 = pairs.map(|(a, b)| i64::from((a ^ b).count_ones())).sum();
                self.width as i64 - 2 * apart
            }
        }
    }

    /// How similar this embedding, the first, is to number `i` of `others`.
    pub fn similarity(&self, others: &Self, i: usize, distance: Distance) -> f64 {
        let (query, other) = (self.row(0), others.row(i));
        if distance == Distance::Squared {
            let apart: u32 = query
                .iter()
                .zip(other)
                .map(|(a, b)| (a ^ b).count_ones())
                .sum();
            let each = if self.signs { 4 } else { 1 };
            return -f64::from(each * apart);
        }
        let of = |a, b| self.product(a, b) as f64;
        cosine(of(query, other), of(query, query), of(other, other))
    }

    /// How similar this embedding, the first, is to the mean of `others`:
    /// `|q - m|² = q·q - 2/K Σ q·e_k + 1/K² Σ Σ e_k·e_l`.
    pub fn similarity_to_mean(&self, others: &Self, distance: Distance) -> f64 {
        let query = self.row(0);
        let k = others.len() as i64;
        let own = self.product(query, query);
        let across: i64 = (0..others.len())
            .map(|i| self.product(query, others.row(i)))
            .sum();
        match distance {
            Distance::Squared => {
                let whole = k * k * own - 2 * k * across + others.gram;
                -(whole as f64) / (k * k) as f64
            }
            Distance::Cosine => cosine(
                across as f64 / k as f64,
                own as f64,
                others.gram as f64 / (k * k) as f64,
            ),
        }
    }
}
