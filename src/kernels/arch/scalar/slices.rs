//! The scalar kernels over slices of images, which are the specification of all others.

use crate::kernels::packed::slices::{SLICE, SliceKernels, SliceTerms};

pub(super) const SLICES: SliceKernels = SliceKernels {
    transpose,
    count: count_slices,
    cut: cut_slices,
};

fn transpose(words: &mut [u64; SLICE]) {
    let bit = |i: usize, j: usize| words[i] >> j & 1;
    let column = |j: usize| (0..SLICE).fold(0, |word, i| word | bit(i, j) << i);
    *words = core::array::from_fn(column);
}

fn count_slices(words: &[u64], terms: &SliceTerms, more: bool, _planes: &mut [u8], out: &mut [u8]) {
    for (offsets, out) in terms.offsets().zip(out.chunks_exact_mut(SLICE)) {
        for (q, out) in out.iter_mut().enumerate() {
            let (mut words, mut base, mut count) = (words, 0, 0);
            for (&b, &offset) in terms.sizes().iter().zip(offsets) {
                let (group, rest) = words.split_at(b);
                let weights = (usize::from(offset) - base) / SLICE;
                let same = |j: usize| group[j] >> q & 1 == weights as u64 >> j & 1;
                count += (0..b).filter(|&j| same(j)).count();
                (words, base) = (rest, base + (SLICE << b));
            }
            *out = (count as u8).wrapping_add(if more { *out } else { 0 });
        }
    }
}

fn cut_slices(sums: &[u8], sections: usize, thresholds: &[i32], out: &mut [u64]) {
    for (o, (&threshold, out)) in thresholds.iter().zip(out).enumerate() {
        let slice = |s: usize| &sums[(s * thresholds.len() + o) * SLICE..][..SLICE];
        let sum = |q: usize| (0..sections).map(|s| i32::from(slice(s)[q])).sum::<i32>();
        *out = (0..SLICE).fold(0, |word, q| word | u64::from(sum(q) >= threshold) << q);
    }
}
