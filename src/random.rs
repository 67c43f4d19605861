//! Random numbers keyed by position: every draw has an address, so nothing
//! depends on the order in which threads run, and a resumed run needs no
//! generator state.

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// A generator for the stream with this address, e.g. `(seed, step, node, row)`.
/// Streams of different addresses are independent.
pub fn keyed(parts: &[u64]) -> Xoshiro256PlusPlus {
    let mut state = 0x6a09_e667_f3bc_c909;
    for &part in parts {
        state = mix(state ^ mix(part.wrapping_add(0x9e37_79b9_7f4a_7c15)));
    }
    Xoshiro256PlusPlus::seed_from_u64(state)
}

/// SplitMix64's finaliser (Steele, Lea, Flood 2014): a bijection of u64 in
/// which every input bit moves about half of the output bits.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The top 24 bits as a number in `[0, 1)`, each a multiple of 2^-24.
pub fn uniform(bits: u64) -> f32 {
    (bits >> 40) as f32 * (1.0 / 16_777_216.0)
}

/// A number below `bound`, without division (Lemire's multiply and shift; the
/// bias is below `bound / 2^64`).
pub fn below(bits: u64, bound: u64) -> u64 {
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}

/// Fills `out` with uniform numbers in `[0, 1)`, two from each 64-bit draw.
pub fn fill_uniform(rng: &mut impl rand::Rng, out: &mut [f32]) {
    let mut pairs = out.chunks_exact_mut(2);
    for pair in &mut pairs {
        let bits = rng.next_u64();
        pair[0] = uniform(bits);
        pair[1] = uniform(bits << 32);
    }
    if let [last] = pairs.into_remainder() {
        *last = uniform(rng.next_u64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn streams_differ_in_every_part_of_their_address() {
        let first = |parts: &[u64]| keyed(parts).next_u64();
        let base = first(&[1, 2, 3]);
        assert_eq!(base, first(&[1, 2, 3]));
        for other in [[2, 2, 3], [1, 3, 3], [1, 2, 4], [1, 3, 2]] {
            assert_ne!(base, first(&other));
        }
        assert_ne!(first(&[0]), first(&[0, 0]));
    }

    #[test]
    fn uniform_has_the_moments_of_a_uniform() {
        let mut draws = vec![0.0; 100_001];
        fill_uniform(&mut keyed(&[7]), &mut draws);
        assert!(draws.iter().all(|u| (0.0..1.0).contains(u)));
        let n = draws.len() as f64;
        let mean = draws.iter().map(|&u| f64::from(u)).sum::<f64>() / n;
        let var = draws
            .iter()
            .map(|&u| (f64::from(u) - mean).powi(2))
            .sum::<f64>()
            / n;
        // Five standard errors: 0.289 / sqrt(n), and 0.0745 / sqrt(n).
        assert!((mean - 0.5).abs() < 5.0 * 0.289 / n.sqrt(), "{mean}");
        assert!((var - 1.0 / 12.0).abs() < 5.0 * 0.0745 / n.sqrt(), "{var}");
    }

    #[test]
    fn below_reaches_both_ends_and_no_further() {
        assert_eq!(below(0, 10), 0);
        assert_eq!(below(u64::MAX, 10), 9);
    }
}
