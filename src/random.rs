//! Keyed random numbers: every random choice is a pure function of a key.
//!
//! A key is a short list of words, such as (purpose, seed, epoch, index). Different keys give
//! independent streams, so a run can be resumed without a stored generator state, and no result
//! depends on which thread drew a number. The conversions to floats and ranges are implemented
//! here, because those of a library could change between its versions and thereby change all seeded
//! results.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// The increment of SplitMix64: 2^64 divided by the golden ratio, made odd.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Returns the first word of a key for the purpose `name`, so that streams for different purposes
/// never coincide.
pub const fn purpose(name: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*name)
}

/// The finaliser of SplitMix64 (Stafford's mix 13): a bijection on 64 bits in which each input bit
/// changes about half of the output bits.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Returns the generator for the key `parts`.
///
/// The order and the number of the parts matter: `[1, 2]`, `[2, 1]` and `[1, 2, 0]` are three
/// different keys.
pub fn keyed(parts: &[u64]) -> Xoshiro256PlusPlus {
    let mut state = mix(STEP ^ parts.len() as u64);
    for &part in parts {
        // Each part is mixed before it is combined, so that small differences in two parts (for
        // example seed and epoch near zero) cannot cancel.
        state = mix(state.wrapping_add(STEP) ^ mix(part.wrapping_add(STEP)));
    }
    let mut seed = [0_u8; 32];
    for word in seed.chunks_exact_mut(8) {
        state = state.wrapping_add(STEP);
        word.copy_from_slice(&mix(state).to_le_bytes());
    }
    Xoshiro256PlusPlus::from_seed(seed)
}

/// Returns 64 random bits from the operating system. They serve for unique file names and never for
/// anything that a result depends on.
///
/// # Errors
/// If the operating system provides none.
#[cfg(all(
    feature = "std",
    not(all(target_family = "wasm", target_os = "unknown"))
))]
pub fn entropy() -> std::io::Result<u64> {
    use rand::TryRng;
    rand::rngs::SysRng
        .try_next_u64()
        .map_err(std::io::Error::other)
}

/// Returns an error: WebAssembly without an operating system has no source of entropy, and no files
/// to name.
///
/// # Errors
/// Always.
#[cfg(all(feature = "std", target_family = "wasm", target_os = "unknown"))]
pub fn entropy() -> std::io::Result<u64> {
    Err(std::io::Error::other("there is no system to ask for it"))
}

/// Returns the generator of the noise of binary units, for draw `draw` of forward pass `step`, the
/// unit with index `node` in the network, and row `row` of the batch.
pub fn unit_noise(
    (seed, step, draw): (u64, u64, u64),
    node: usize,
    row: usize,
) -> Xoshiro256PlusPlus {
    let place = [node as u64, row as u64];
    keyed(&[
        purpose(b"bits\0\0\0\0"),
        seed,
        step,
        draw,
        place[0],
        place[1],
    ])
}

/// Maps a random word to `[0, 1)`: its top 24 bits divided by 2^24, which is exact in `f32`.
#[inline]
pub fn uniform(word: u64) -> f32 {
    (word >> 40) as f32 * (1.0 / 16_777_216.0)
}

/// Returns a number in `0..n` by Lemire's multiply-and-shift method. `n` must not be zero.
///
/// The bias of a result is below `n / 2^64`.
#[inline]
pub fn below(rng: &mut Xoshiro256PlusPlus, n: u64) -> u64 {
    debug_assert!(n > 0, "an empty range has no members");
    ((u128::from(rng.next_u64()) * u128::from(n)) >> 64) as u64
}

/// Returns a uniformly distributed number in `[low, high)`.
#[inline]
pub fn between(rng: &mut Xoshiro256PlusPlus, low: f32, high: f32) -> f32 {
    low + (high - low) * uniform(rng.next_u64())
}

/// Fills `out` with uniformly distributed numbers in `[0, 1)`, two from each 64-bit word.
#[inline]
pub fn fill_uniform(rng: &mut Xoshiro256PlusPlus, out: &mut [f32]) {
    let mut pairs = out.chunks_exact_mut(2);
    for pair in &mut pairs {
        let word = rng.next_u64();
        pair[0] = uniform(word);
        pair[1] = uniform(word << 32);
    }
    if let [last] = pairs.into_remainder() {
        *last = uniform(rng.next_u64());
    }
}

/// Shuffles `items` by the Fisher-Yates algorithm, from the last position down.
#[cfg(feature = "std")]
pub(crate) fn shuffle<T>(rng: &mut Xoshiro256PlusPlus, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        let chosen = below(rng, last as u64 + 1) as usize;
        items.swap(last, chosen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_and_its_place_matter() {
        let keys: [&[u64]; 7] = [&[], &[0], &[0, 0], &[1, 2], &[2, 1], &[1, 2, 0], &[3]];
        let mut firsts: Vec<u64> = keys.iter().map(|key| keyed(key).next_u64()).collect();
        assert_eq!(keyed(&[1, 2]).next_u64(), keyed(&[1, 2]).next_u64());
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len(), keys.len());
    }

    /// Seeded results are part of the crate's stable behaviour: these numbers may change only
    /// together with a changelog entry that says that old seeds give new results.
    #[test]
    fn the_stream_is_pinned() {
        let mut rng = keyed(&[purpose(b"pinned\0\0"), 7, 3]);
        let drawn: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
        assert_eq!(drawn, PINNED);
    }
    const PINNED: [u64; 3] = [
        13_015_412_856_953_096_847,
        2_679_177_840_045_381_166,
        12_840_986_724_311_873_294,
    ];

    #[test]
    fn uniform_stays_inside_its_range_and_is_level() {
        assert_eq!(uniform(0), 0.0);
        assert!(uniform(u64::MAX) < 1.0);
        let mut rng = keyed(&[11]);
        let mut tenths = [0_u32; 10];
        for _ in 0..100_000 {
            tenths[(uniform(rng.next_u64()) * 10.0) as usize] += 1;
        }
        // The standard deviation of a cell is 95, so 500 is more than five standard deviations.
        assert!(
            tenths.iter().all(|&n| n.abs_diff(10_000) < 500),
            "{tenths:?}"
        );
    }

    #[test]
    fn filling_gives_independent_uniform_numbers() {
        let mut u = vec![0.0; 100_001];
        fill_uniform(&mut keyed(&[14]), &mut u);
        let n = u.len() as f64;
        let mean = u.iter().map(|&u| f64::from(u)).sum::<f64>() / n;
        let pairs = u
            .windows(2)
            .map(|w| (f64::from(w[0]) - 0.5) * (f64::from(w[1]) - 0.5));
        let covariance = pairs.sum::<f64>() / n;
        // The tolerances are five standard errors: √(1/12n) and 1/(12·√n).
        assert!((mean - 0.5).abs() < 5.0 * (1.0 / 12.0 / n).sqrt(), "{mean}");
        assert!(covariance.abs() < 5.0 / 12.0 / n.sqrt(), "{covariance}");
    }

    #[test]
    fn below_reaches_every_value_and_no_other() {
        let mut rng = keyed(&[12]);
        let mut seen = [0_u32; 7];
        for _ in 0..7_000 {
            seen[below(&mut rng, 7) as usize] += 1;
        }
        assert!(seen.iter().all(|&n| n.abs_diff(1_000) < 160), "{seen:?}");
        assert_eq!(below(&mut rng, 1), 0);
    }

    #[test]
    fn shuffle_makes_every_order_equally_often() {
        let mut rng = keyed(&[13]);
        let mut counts = std::collections::HashMap::new();
        for _ in 0..6_000 {
            let mut items = [0, 1, 2];
            shuffle(&mut rng, &mut items);
            *counts.entry(items).or_insert(0_u32) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(
            counts.values().all(|&n| n.abs_diff(1_000) < 160),
            "{counts:?}"
        );
    }
}
