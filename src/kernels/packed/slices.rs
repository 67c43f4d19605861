//! Kernels over slices of images: a word holds one bit of each of 64 images, a slice of bytes one
//! number of each. They are written once over a register of bytes; [`super`] describes planes.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use alloc::vec::Vec;

use super::sums::cut_sections;
use crate::kernels::Inference;
use crate::kernels::vector::Bytes;

/// Number of images in a slice.
pub const SLICE: usize = 64;

/// Number of planes that are added between two checks for the end.
const UNROLLED: usize = 4;

/// Arguments: words, terms, whether there is something in the sums, planes, sums.
type CountFn = fn(&[u64], &SliceTerms, bool, &mut [u8], &mut [u8]);

/// The kernels of one instruction set. The methods of [`Inference`] check the arguments.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct SliceKernels {
    pub transpose: fn(&mut [u64; SLICE]),
    pub count: CountFn,
    pub cut: fn(&[u8], usize, &[i32], &mut [u64]),
}

/// Compiles the kernels for an instruction set: `kernels!(["features"], Register)`.
macro_rules! kernels {
    ($features:tt, $bytes:ty) => {{
        use $crate::kernels::packed::slices::{self, SliceKernels, SliceTerms};

        $crate::kernels::compile::compiled! { $features
            fn transpose(words: &mut [u64; slices::SLICE]) = slices::transpose_of;
            fn count(
                words: &[u64],
                terms: &SliceTerms,
                more: bool,
                planes: &mut [u8],
                out: &mut [u8],
            ) = slices::count_slices::<$bytes>;
            fn cut(sums: &[u8], sections: usize, t: &[i32], out: &mut [u64]) =
                slices::cut_slices::<$bytes>;
        }
        SliceKernels {
            transpose,
            count,
            cut,
        }
    }};
}
pub(in crate::kernels) use kernels;

impl Inference {
    /// Transposes a matrix of 64 by 64 bits: bit `j` of word `i` becomes bit `i` of word `j`.
    pub fn transpose(&self, words: &mut [u64; SLICE]) {
        (self.packed.slices.transpose)(words);
    }

    /// Counts for each output and each of [`SLICE`] images the bits that are as the output's weights:
    /// `out[o][q] = Σ_i [bit q of words[i] = weight (o, i)]`, modulo 256, with `more` in addition to
    /// what `out` holds. `planes` is for intermediate results.
    ///
    /// # Panics
    /// Panics if there is not a word for each input, or `planes` and `out` do not have the bytes of
    /// the planes and a slice for each output.
    pub fn count_slices(
        &self,
        words: &[u64],
        terms: &SliceTerms,
        more: bool,
        planes: &mut [u8],
        out: &mut [u8],
    ) {
        assert!(words.len() == terms.inputs, "a word for each input");
        assert!(planes.len() >= terms.bytes, "too few bytes for the planes");
        assert!(
            out.len() == terms.offsets().count() * SLICE,
            "a slice for each output"
        );
        (self.packed.slices.count)(words, terms, more, planes, out);
    }

    /// Sets bit `q` of word `o` of `out` to `[Σ_s sums[s][o][q] >= thresholds[o]]`, for `sections`
    /// sections of a slice for each output.
    ///
    /// # Panics
    /// Panics if the lengths do not match, or there are more than 128 sections.
    pub fn cut_slices(&self, sums: &[u8], sections: usize, thresholds: &[i32], out: &mut [u64]) {
        assert!((1..=128).contains(&sections), "1 to 128 sections");
        assert!(thresholds.len() == out.len() && sums.len() == sections * out.len() * SLICE);
        (self.packed.slices.cut)(sums, sections, thresholds, out);
    }
}

/// Transposes a matrix of 64 by 64 bits in place: bit `j` of word `i` becomes bit `i` of word `j`.
/// Squares of 32, 16, ... 1 bits beside the diagonal are exchanged (Warren, "Hacker's Delight",
/// section 7-3).
#[inline(always)]
pub(in crate::kernels) fn transpose_of(words: &mut [u64; SLICE]) {
    let mut mask = u64::MAX >> 32;
    let mut side = 32;
    while side > 0 {
        for pair in words.chunks_exact_mut(2 * side) {
            let (upper, lower) = pair.split_at_mut(side);
            for (a, b) in upper.iter_mut().zip(lower) {
                let differ = (*a >> side ^ *b) & mask;
                *b ^= differ;
                *a ^= differ << side;
            }
        }
        side /= 2;
        mask ^= mask << side;
    }
}

/// The largest number of inputs in a group, all of whose patterns have a plane.
pub const GROUP: usize = 5;

/// A block of inputs in groups, and for each output the plane of each group that its weights choose.
#[derive(Clone, Debug)]
pub struct SliceTerms {
    /// Number of inputs of each group.
    sizes: Vec<usize>,
    /// Offset in bytes of each plane, of shape (output, group).
    offsets: Vec<u16>,
    pub(super) inputs: usize,
    pub(super) bytes: usize,
}

impl SliceTerms {
    /// Makes the terms of outputs over groups of the given sizes; `positive(o, i)` returns whether the
    /// weight of input `i` is 1 rather than -1.
    ///
    /// # Panics
    /// Panics if there is no group, one does not have 1 to [`GROUP`] inputs, or the planes have more
    /// than 2^16 bytes.
    pub fn new(sizes: &[usize], outputs: usize, positive: impl Fn(usize, usize) -> bool) -> Self {
        let fit = sizes.iter().all(|b| (1..=GROUP).contains(b));
        assert!(fit && !sizes.is_empty(), "groups of 1 to 5 inputs");
        let bytes = Self::planes_of(sizes);
        assert!(bytes <= 1 << 16, "offsets of 16 bits");
        let mut offsets = Vec::with_capacity(outputs * sizes.len());
        for o in 0..outputs {
            let (mut first, mut base) = (0, 0);
            for &b in sizes {
                let bits = (0..b).map(|j| usize::from(positive(o, first + j)) << j);
                offsets.push((base + bits.sum::<usize>() * SLICE) as u16);
                (first, base) = (first + b, base + (SLICE << b));
            }
        }
        Self {
            sizes: sizes.to_vec(),
            offsets,
            inputs: sizes.iter().sum(),
            bytes,
        }
    }

    /// Returns the number of bytes of the planes of groups of these sizes.
    pub fn planes_of(sizes: &[usize]) -> usize {
        sizes.iter().map(|b| SLICE << b).sum()
    }

    /// Returns the number of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Returns the number of bytes of the planes.
    pub fn planes(&self) -> usize {
        self.bytes
    }

    pub(in crate::kernels) fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// Returns the offsets of the planes of each output.
    pub(in crate::kernels) fn offsets(&self) -> impl Iterator<Item = &[u16]> {
        self.offsets.chunks_exact(self.sizes.len())
    }
}

/// # Safety
/// The processor has the instruction set, and the lengths were checked.
#[inline(always)]
pub(in crate::kernels) unsafe fn count_slices<B: Bytes>(
    words: &[u64],
    terms: &SliceTerms,
    more: bool,
    planes: &mut [u8],
    out: &mut [u8],
) {
    let (mut words, mut to) = (words, planes.as_mut_ptr());
    for &b in terms.sizes() {
        let (group, rest) = words.split_at(b);
        // SAFETY: the planes of all groups lie within `planes` one after another.
        unsafe {
            match b {
                1 => patterns::<B, 1, 2, 0>(group, to),
                2 => patterns::<B, 2, 4, 0>(group, to),
                3 => patterns::<B, 3, 8, 0>(group, to),
                4 => patterns::<B, 3, 8, 1>(group, to),
                _ => patterns::<B, 3, 8, 2>(group, to),
            }
            to = to.add(SLICE << b);
        }
        words = rest;
    }
    for (offsets, out) in terms.offsets().zip(out.chunks_exact_mut(SLICE)) {
        // SAFETY: every offset is that of a plane, and N registers are as long as one.
        unsafe {
            match B::LEN {
                16 => add_planes::<B, 4>(planes.as_ptr(), offsets, more, out.as_mut_ptr()),
                32 => add_planes::<B, 2>(planes.as_ptr(), offsets, more, out.as_mut_ptr()),
                _ => add_planes::<B, 1>(planes.as_ptr(), offsets, more, out.as_mut_ptr()),
            }
        }
    }
}

/// Writes the planes of all patterns of `K + R` inputs. Those of the first `K` inputs (`P = 2^K`) stay
/// in registers; a pattern of the others adds the same number to all of them.
///
/// # Safety
/// The processor has the instruction set, there are `K + R` words, and `to` has the bytes of the planes.
#[inline(always)]
unsafe fn patterns<B: Bytes, const K: usize, const P: usize, const R: usize>(
    words: &[u64],
    to: *mut u8,
) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        for at in (0..SLICE).step_by(B::LEN) {
            let (zeros, ones) = (B::splat8(255), B::splat8(1));
            let spread = |word: u64| zeros.where_bits(word >> at, ones);
            let mut plane = [B::splat8(0); P];
            let mut x = [B::splat8(0); K];
            let mut y = [B::splat8(0); R];
            for j in 0..K {
                x[j] = spread(words[j]);
                plane[0] = plane[0].add8(x[j].top_bits());
            }
            for j in 0..R {
                y[j] = spread(words[K + j]);
                plane[0] = plane[0].add8(y[j].top_bits());
            }
            for j in 0..K {
                for m in 0..1 << j {
                    plane[m | 1 << j] = plane[m].add8(x[j]);
                }
            }
            for pattern in 0..1 << R {
                let mut more = B::splat8(0);
                for j in 0..R {
                    if pattern >> j & 1 == 1 {
                        more = more.add8(y[j]);
                    }
                }
                for m in 0..P {
                    let to = to.add((pattern * P + m) * SLICE + at);
                    plane[m].add8(more).store(to);
                }
            }
        }
    }
}

/// Adds planes, with `more` to what `out` holds.
///
/// # Safety
/// The processor has the instruction set; `N` registers are readable at each offset and writable at
/// `out`.
#[inline(always)]
unsafe fn add_planes<B: Bytes, const N: usize>(
    planes: *const u8,
    offsets: &[u16],
    more: bool,
    out: *mut u8,
) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let mut sum = [B::splat8(0); N];
        if more {
            for v in 0..N {
                sum[v] = B::load(out.add(v * B::LEN));
            }
        }
        let (whole, rest) = offsets.as_chunks::<UNROLLED>();
        for offsets in whole {
            for &offset in offsets {
                sum = add_plane(sum, planes.add(usize::from(offset)));
            }
        }
        for &offset in rest {
            sum = add_plane(sum, planes.add(usize::from(offset)));
        }
        for v in 0..N {
            sum[v].store(out.add(v * B::LEN));
        }
    }
}

/// # Safety
/// The processor has the instruction set, and `N` registers are readable.
#[inline(always)]
unsafe fn add_plane<B: Bytes, const N: usize>(mut sum: [B; N], plane: *const u8) -> [B; N] {
    for v in 0..N {
        // SAFETY: guaranteed by the caller.
        sum[v] = unsafe { sum[v].add8(B::load(plane.add(v * B::LEN))) };
    }
    sum
}

/// # Safety
/// As for [`count_slices`].
#[inline(always)]
pub(in crate::kernels) unsafe fn cut_slices<B: Bytes>(
    x: &[u8],
    sections: usize,
    thresholds: &[i32],
    out: &mut [u64],
) {
    let section = thresholds.len() * SLICE;
    for (o, (&threshold, out)) in thresholds.iter().zip(out).enumerate() {
        // SAFETY: a slice of every section and output is a whole number of registers.
        unsafe {
            let load = |s: usize, q: usize| B::load(x.as_ptr().add(s * section + o * SLICE + q));
            let out = core::slice::from_mut(out);
            cut_sections::<B>(load, (SLICE, sections), threshold, out);
        }
    }
}
