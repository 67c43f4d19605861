//! Work over the rows of a batch, in parallel and with the same bits on any
//! number of threads.
//!
//! **Invariant.** Rows are cut into chunks whose size depends on the batch
//! capacity alone. A chunk writes its own rows and its own slot; slots are
//! combined afterwards in chunk order. No result depends on which thread ran a
//! chunk, or when.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

/// Chunks that a full batch is cut into, at most: enough to keep 16 threads busy
/// without a slot of partial gradients for every row.
const CHUNKS: usize = 16;

/// The live rows of a batch and how they are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Rows in use; a short last batch lowers it.
    pub live: usize,
    /// Rows in a chunk (the last may be shorter).
    pub chunk: usize,
}

impl Rows {
    /// All rows of a batch of `capacity`.
    pub fn new(capacity: usize) -> Self {
        Self {
            live: capacity,
            chunk: capacity.div_ceil(CHUNKS).max(1),
        }
    }

    /// Chunks that a batch of `capacity` is cut into: the number of slots an op needs.
    pub fn chunks_of(capacity: usize) -> usize {
        capacity.div_ceil(Self::new(capacity).chunk)
    }

    /// Chunks in use.
    pub fn chunks(&self) -> usize {
        self.live.div_ceil(self.chunk)
    }

    /// The rows of chunk `i`.
    pub fn of_chunk(&self, i: usize) -> Range<usize> {
        i * self.chunk..((i + 1) * self.chunk).min(self.live)
    }

    /// Runs `work(rows, slot)` for every chunk.
    pub fn each<S: Send>(&self, slots: &mut [S], work: impl Fn(Range<usize>, &mut S) + Sync) {
        let slots = &mut slots[..self.chunks()];
        if let [slot] = slots {
            return work(0..self.live, slot);
        }
        slots
            .par_iter_mut()
            .enumerate()
            .with_max_len(1)
            .for_each(|(i, slot)| work(self.of_chunk(i), slot));
    }

    /// Runs `work(rows, their part of out, slot)` for every chunk; `out` holds
    /// `width` numbers a row.
    pub fn write<S: Send>(
        &self,
        out: &mut [f32],
        width: usize,
        slots: &mut [S],
        work: impl Fn(Range<usize>, &mut [f32], &mut S) + Sync,
    ) {
        let out = &mut out[..self.live * width];
        let slots = &mut slots[..self.chunks()];
        if let [slot] = slots {
            return work(0..self.live, out, slot);
        }
        out.par_chunks_mut(self.chunk * width)
            .zip(slots.par_iter_mut())
            .enumerate()
            .with_max_len(1)
            .for_each(|(i, (out, slot))| work(self.of_chunk(i), out, slot));
    }
}

/// Working memory that chunks borrow, as many pieces as chunks: what was given
/// back last is handed out first, so it is still in the near caches. Which piece
/// a chunk gets must not matter to its result.
#[derive(Debug)]
pub struct Pool<T>(Mutex<Vec<T>>);

impl<T> Pool<T> {
    /// One piece for each of `slots` chunks.
    pub fn new(slots: usize, make: impl Fn() -> T) -> Self {
        Self(Mutex::new((0..slots).map(|_| make()).collect()))
    }

    /// Runs `work` on a piece.
    ///
    /// # Panics
    /// If more chunks are at work than there are pieces.
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let pieces = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let piece = pieces().pop();
        let mut piece = piece.expect("a piece for every chunk");
        let result = work(&mut piece);
        pieces().push(piece);
        result
    }
}

/// Adds up one partial sum of each slot, in slot order, into the first one and
/// returns it.
pub fn reduce<S: Send + Sync>(
    slots: &mut [S],
    part: impl Fn(&S) -> &[f32] + Sync,
    first: impl Fn(&mut S) -> &mut [f32],
) -> &[f32] {
    /// Numbers a thread adds up at a time: a few cache lines of each slot.
    const BLOCK: usize = 1024;
    let Some((head, tail)) = slots.split_first_mut() else {
        return &[];
    };
    let sum = first(head);
    if !tail.is_empty() {
        let tail = &*tail;
        sum.par_chunks_mut(BLOCK).enumerate().for_each(|(b, sum)| {
            for slot in tail {
                let part = &part(slot)[b * BLOCK..][..sum.len()];
                for (sum, &x) in sum.iter_mut().zip(part) {
                    *sum += x;
                }
            }
        });
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_every_row_once_for_every_batch_size() {
        for capacity in 1..=200 {
            for live in [1, capacity / 2 + 1, capacity] {
                let rows = Rows {
                    live,
                    ..Rows::new(capacity)
                };
                let covered: Vec<_> = (0..rows.chunks()).flat_map(|i| rows.of_chunk(i)).collect();
                assert_eq!(covered, (0..live).collect::<Vec<_>>());
                assert!(rows.chunks() <= Rows::chunks_of(capacity));
                assert!(Rows::chunks_of(capacity) <= CHUNKS);
            }
        }
    }

    #[test]
    fn reduce_adds_in_slot_order() {
        // In f32, 1e8 + 1 - 1e8 is 0 in this order and 1 in others.
        let mut slots = vec![vec![1e8f32; 3000], vec![1.0; 3000], vec![-1e8; 3000]];
        let sum = reduce(&mut slots, |s| s, |s| s);
        assert!(sum.iter().all(|&x| x == 0.0));
    }
}
