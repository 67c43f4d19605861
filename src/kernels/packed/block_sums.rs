//! Sums of planes for all outputs of a layer at once, added up in 16 bits.
//!
//! A layer of many channels has more planes than the L1 cache holds. They are made block by block,
//! and each block adds its part to the sums of every output:
//!
//! ```text
//! out[o][q] += init_o + Σ_adds x[offset + q] - Σ_subs x[offset + q]      the right side in 0..=255
//! ```
//!
//! The right side is computed in bytes, which a register has most of. Its addends are read again for
//! each output and stay in the L1 cache; `out` is read and written once per block, in order.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use alloc::vec::Vec;

use super::Inference;
use crate::kernels::vector::Bytes;

/// Numbers of positions are multiples of this: of every register's number of bytes.
pub const WHOLE: usize = 64;

/// The terms of a block's sums, for all outputs: the initial value, and the offsets of the planes
/// that are added and subtracted.
#[derive(Clone, Debug, Default)]
pub struct BlockTerms {
    outputs: Vec<Output>,
    offsets: Vec<u16>,
    last: usize,
}

#[derive(Clone, Copy, Debug)]
struct Output {
    /// Index of the first offset.
    start: u32,
    adds: u16,
    subs: u16,
    init: u8,
}

impl BlockTerms {
    /// Adds an output, whose sums are 0 to 255 at every position, whatever the bits are.
    ///
    /// # Panics
    /// Panics if there are more than `u16::MAX` additions or subtractions.
    pub fn output(&mut self, init: u8, adds: &[u16], subs: &[u16]) {
        let count =
            |x: &[u16]| u16::try_from(x.len()).expect("at most 255 bits have a sum of bytes");
        self.outputs.push(Output {
            start: self.offsets.len() as u32,
            adds: count(adds),
            subs: count(subs),
            init,
        });
        let most = adds.iter().chain(subs).max().map_or(0, |&o| usize::from(o));
        self.last = self.last.max(most);
        self.offsets.extend_from_slice(adds);
        self.offsets.extend_from_slice(subs);
    }

    /// Returns the number of outputs.
    pub fn outputs(&self) -> usize {
        self.outputs.len()
    }

    /// Returns the bytes that the terms take.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.outputs) + size_of_val(&*self.offsets)
    }

    /// Returns of output `o` the initial value, and the offsets that are added and subtracted.
    #[inline(always)]
    pub(in crate::kernels) fn of(&self, o: usize) -> (u8, &[u16], &[u16]) {
        let output = self.outputs[o];
        let offsets = &self.offsets[output.start as usize..];
        let (adds, rest) = offsets.split_at(usize::from(output.adds));
        (output.init, adds, &rest[..usize::from(output.subs)])
    }
}

impl Inference {
    /// Adds the sums of a block to those of every output, `out[o][q]`, or stores them if `first` is
    /// set. The sums of 16 bits wrap on overflow.
    ///
    /// # Panics
    /// Panics if `out` does not have the same multiple of [`WHOLE`] positions for each output, or
    /// `x` ends before the last term.
    pub fn add_sums(&self, x: &[u8], terms: &BlockTerms, first: bool, out: &mut [i16]) {
        if terms.outputs.is_empty() {
            return;
        }
        let n = out.len() / terms.outputs();
        assert!(n * terms.outputs() == out.len() && n.is_multiple_of(WHOLE));
        assert!(terms.last + n <= x.len(), "x is too short");
        (self.packed.add_sums)(x, terms, first, out);
    }
}

/// # Safety
/// The processor has the instruction set, and the lengths were checked.
#[inline(always)]
pub(in crate::kernels) unsafe fn add_sums<B: Bytes>(
    x: &[u8],
    terms: &BlockTerms,
    first: bool,
    out: &mut [i16],
) {
    let n = out.len() / terms.outputs();
    for (o, out) in out.chunks_exact_mut(n).enumerate() {
        let of = terms.of(o);
        let mut at = 0;
        while at < n {
            let (x, to) = (x[at..].as_ptr(), out[at..].as_mut_ptr());
            // SAFETY: so many registers are left of `out`, and of `x` from every offset.
            at += unsafe {
                match (n - at) / B::LEN {
                    8.. => part::<B, 8>(x, of, first, to),
                    6..=7 => part::<B, 6>(x, of, first, to),
                    4..=5 => part::<B, 4>(x, of, first, to),
                    2..=3 => part::<B, 2>(x, of, first, to),
                    _ => part::<B, 1>(x, of, first, to),
                }
            };
        }
    }
}

/// Computes `N` registers of positions; returns how many positions these are.
///
/// # Safety
/// As for [`add_sums`]; `out`, and `x` from every offset on, have so many positions.
#[inline(always)]
unsafe fn part<B: Bytes, const N: usize>(
    x: *const u8,
    (init, adds, subs): (u8, &[u16], &[u16]),
    first: bool,
    out: *mut i16,
) -> usize {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let mut sum = [B::splat8(init); N];
        for &offset in adds {
            let x = x.add(usize::from(offset));
            for v in 0..N {
                sum[v] = sum[v].add8(B::load(x.add(v * B::LEN)));
            }
        }
        for &offset in subs {
            let x = x.add(usize::from(offset));
            for v in 0..N {
                sum[v] = sum[v].sub8(B::load(x.add(v * B::LEN)));
            }
        }
        for v in 0..N {
            let wide = sum[v].widen();
            for half in 0..2 {
                let to = out.cast::<u8>().add((2 * v + half) * B::LEN);
                let before = if first { B::splat8(0) } else { B::load(to) };
                wide[half].add16(before).store(to);
            }
        }
    }
    N * B::LEN
}
