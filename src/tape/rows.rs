//! [`Rows`]: parallel work over the rows of a batch, which are split into leaves and chunks.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::kernels::tree::{self, Step};
use crate::ranks::{Data, Ranks, Share, Sum};

/// The number of leaves that a batch is split into; a smaller batch has one leaf per row.
pub const LEAVES: usize = 32;

/// The largest number of chunks that a batch is split into: enough to keep 16 threads busy, with
/// fewer buffers of partial gradients than one per leaf.
const CHUNKS: usize = 16;

/// The rows in use of a batch, and how they are split for parallel work with the same bits on any
/// number of threads.
///
/// **Invariant.** Rows are split into *leaves*, runs of consecutive rows that depend on the
/// capacity of the batch only; sums over rows are sums over leaves, added in the fixed tree of
/// [`crate::kernels::tree`]. Parallel work is split into *chunks* of whole leaves. A chunk writes
/// its own rows and its own scratch buffer, and its sum is a node of the tree. No result depends on
/// which thread processes a chunk, or when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Number of rows in use; in a smaller last batch the last leaves are shortened or empty.
    pub live: usize,
    /// Number of rows in a full batch.
    capacity: usize,
    /// The part of the chunks that this rank works on.
    share: Share,
}

impl Rows {
    /// Returns the rows of a full batch of `capacity` rows.
    pub fn new(capacity: usize) -> Self {
        Self {
            live: capacity,
            capacity,
            share: Share::WHOLE,
        }
    }

    /// Returns the same split with `live` rows in use.
    pub fn with_live(self, live: usize) -> Self {
        Self { live, ..self }
    }

    /// Returns the same split as one of several ranks works on it: parallel work is done in its own
    /// chunks, which the capacity sets alone.
    pub fn with_share(self, share: Share) -> Self {
        Self { share, ..self }
    }

    /// Returns this rank's part of the chunks.
    pub fn share(&self) -> Share {
        self.share
    }

    /// Returns the chunks in use that a rank with that share works on.
    pub(crate) fn chunks_of_share(&self, share: Share) -> Range<usize> {
        let (all, used) = (Self::chunks_of(self.capacity), self.chunks());
        let of = share.of(all);
        of.start.min(used)..of.end.min(used)
    }

    /// Returns the chunks in use that this rank works on.
    pub(crate) fn own_chunks(&self) -> Range<usize> {
        self.chunks_of_share(self.share)
    }

    /// Returns the rows in use that this rank works on.
    pub fn own(&self) -> Range<usize> {
        self.rows_of(self.own_chunks())
    }

    /// Returns the rows of a run of chunks.
    fn rows_of(&self, chunks: Range<usize>) -> Range<usize> {
        let leaves = self.leaves_of_chunk();
        self.start_of_leaf(chunks.start * leaves)..self.start_of_leaf(chunks.end * leaves)
    }

    /// Returns the number of rows in use that each rank works on.
    pub(crate) fn counts(&self) -> Vec<usize> {
        let of = |share| self.rows_of(self.chunks_of_share(share)).len();
        self.share.all().map(of).collect()
    }

    /// Returns the number of chunks of a batch of `capacity` rows, which is the number of scratch
    /// buffers that an operation needs.
    pub(crate) fn chunks_of(capacity: usize) -> usize {
        let rows = Self::new(capacity);
        rows.all_leaves().div_ceil(rows.leaves_of_chunk())
    }

    /// Returns the number of leaves in a full batch.
    fn all_leaves(&self) -> usize {
        self.capacity.clamp(1, LEAVES)
    }

    /// Returns the number of leaves in a chunk; the last chunk may have fewer.
    pub(crate) fn leaves_of_chunk(&self) -> usize {
        self.all_leaves().div_ceil(CHUNKS)
    }

    /// Returns the number of leaves in use.
    pub fn leaves(&self) -> usize {
        // A leaf i is in use if it begins before the last row in use: i·capacity/n < live.
        let (n, capacity) = (self.all_leaves(), self.capacity.max(1));
        (self.live * n).div_ceil(capacity).min(n)
    }

    /// Returns the first row of leaf `i`, or the end of the last leaf in use.
    pub(crate) fn start_of_leaf(&self, i: usize) -> usize {
        (i * self.capacity / self.all_leaves()).min(self.live)
    }

    /// Returns the rows of leaf `i`.
    pub(crate) fn of_leaf(&self, i: usize) -> Range<usize> {
        self.start_of_leaf(i)..self.start_of_leaf(i + 1)
    }

    /// Returns the index of the leaf that begins with `row`, within its chunk.
    pub(crate) fn leaf_that_begins(&self, row: usize) -> Option<usize> {
        let leaf = self.leaf_with(row);
        (self.start_of_leaf(leaf) == row).then_some(leaf % self.leaves_of_chunk())
    }

    /// Returns the index of the leaf that contains `row`.
    fn leaf_with(&self, row: usize) -> usize {
        ((row + 1) * self.all_leaves()).div_ceil(self.capacity.max(1)) - 1
    }

    /// Returns the leaves of a chunk's rows, restricted to the rows in use, each with its index
    /// within the chunk.
    pub(crate) fn leaves_in(
        &self,
        chunk: Range<usize>,
    ) -> impl Iterator<Item = (usize, Range<usize>)> + use<> {
        let (rows, first) = (*self, self.leaf_with(chunk.start));
        (0..rows.leaves_of_chunk())
            .map(move |i| (i, rows.of_leaf(first + i)))
            .take_while(move |(_, leaf)| leaf.start < chunk.end)
    }

    /// Returns the number of chunks in use.
    pub fn chunks(&self) -> usize {
        self.leaves().div_ceil(self.leaves_of_chunk())
    }

    /// Returns the rows of chunk `i`.
    pub fn of_chunk(&self, i: usize) -> Range<usize> {
        let leaves = self.leaves_of_chunk();
        self.start_of_leaf(i * leaves)..self.start_of_leaf((i + 1) * leaves)
    }

    /// Returns the index of the chunk that contains `row`, and the index of the row within the
    /// chunk.
    pub(crate) fn chunk_with(&self, row: usize) -> (usize, usize) {
        let chunk = self.leaf_with(row) / self.leaves_of_chunk();
        (chunk, row - self.of_chunk(chunk).start)
    }

    /// Returns the largest number of rows in a chunk.
    pub(crate) fn most_of_chunk(&self) -> usize {
        (self.leaves_of_chunk() * self.capacity).div_ceil(self.all_leaves())
    }

    /// Runs `work(rows, scratch)` for every chunk of this rank.
    pub fn each<S: Send>(&self, scratch: &mut [S], work: impl Fn(Range<usize>, &mut S) + Sync) {
        self.write(&mut [], 0, scratch, |rows, _, scratch| work(rows, scratch));
    }

    /// Runs `work(rows, their part of out, scratch)` for every chunk of this rank; `out` holds
    /// `width` elements per row, of all rows in use.
    pub fn write<S: Send>(
        &self,
        out: &mut [f32],
        width: usize,
        scratch: &mut [S],
        work: impl Fn(Range<usize>, &mut [f32], &mut S) + Sync,
    ) {
        let (own, chunks) = (self.own(), self.own_chunks());
        let out = &mut out[own.start * width..own.end * width];
        self.split(chunks.start, out, width, &mut scratch[chunks], &work);
    }

    /// As [`Self::write`], for the chunks from `first` on, one for each of `scratch`.
    fn split<S: Send>(
        &self,
        first: usize,
        out: &mut [f32],
        width: usize,
        scratch: &mut [S],
        work: &(impl Fn(Range<usize>, &mut [f32], &mut S) + Sync),
    ) {
        match scratch {
            [] => {}
            [scratch] => work(self.of_chunk(first), out, scratch),
            _ => {
                let half = scratch.len().div_ceil(2);
                let (here, there) = scratch.split_at_mut(half);
                let rows = self.of_chunk(first + half).start - self.of_chunk(first).start;
                let (left, right) = out.split_at_mut(rows * width);
                rayon::join(
                    || self.split(first, left, width, here, work),
                    || self.split(first + half, right, width, there, work),
                );
            }
        }
    }

    /// Runs `work(i, element i of out)` for every element of every row of this rank; `out` holds
    /// `width` elements per row, of all rows in use.
    pub fn map<S: Send>(
        &self,
        out: &mut [f32],
        width: usize,
        scratch: &mut [S],
        work: impl Fn(usize, &mut f32) + Sync,
    ) {
        self.write(out, width, scratch, |rows, out, _| {
            for (i, out) in (rows.start * width..).zip(out) {
                work(i, out);
            }
        });
    }

    /// Returns the sum of `of(row)` over the rows in use, those of other ranks among them: the rows of a leaf are added one after
    /// another, and the leaves in the tree.
    pub fn sum(&self, of: impl Fn(usize) -> f64) -> f64 {
        let leaf = |i| self.of_leaf(i).map(&of).sum::<f64>();
        tree::fold(self.leaves(), leaf, |a, b| a + b)
    }
}

/// A pool of buffers that chunks borrow, with as many buffers as chunks. The buffer that was
/// returned last is lent first, because it is still in the cache. The result of a chunk must not
/// depend on which buffer it gets.
#[derive(Debug)]
pub struct Pool<T>(Mutex<Vec<T>>);

impl<T> Pool<T> {
    /// Makes one buffer for each of `scratch` chunks.
    pub fn new(scratch: usize, make: impl Fn() -> T) -> Self {
        Self(Mutex::new((0..scratch).map(|_| make()).collect()))
    }

    /// Runs `work` with a buffer.
    ///
    /// # Panics
    /// Panics if all buffers are in use.
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let pieces = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let piece = pieces().pop();
        let mut piece = piece.expect("a piece for every chunk");
        let result = work(&mut piece);
        pieces().push(piece);
        result
    }
}

/// Adds up one partial sum of each scratch buffer in the tree, into the first one, and returns it.
/// `scratch` are the buffers of all chunks in use, each of which holds the sum of its chunk.
pub fn reduce<S: Send + Sync>(
    scratch: &mut [S],
    part: impl Fn(&S) -> &[f32] + Sync,
    first: impl Fn(&mut S) -> &mut [f32],
) -> &[f32] {
    /// Number of elements that a thread adds up at a time, so that the nodes stay in the L1 cache.
    const BLOCK: usize = 1024;
    const HELD: usize = CHUNKS.ilog2() as usize + 1;
    let Some((head, tail)) = scratch.split_first_mut() else {
        return &[];
    };
    let sum = first(head);
    if !tail.is_empty() {
        let (tail, chunks) = (&*tail, tail.len() + 1);
        sum.par_chunks_mut(BLOCK).enumerate().for_each(|(b, sum)| {
            // The first buffer is the result itself, which already holds the first chunk's sum.
            let mut held = [[0.0f32; BLOCK]; HELD - 1];
            for step in tree::steps(chunks) {
                match step {
                    Step::Leaf { to: 0, .. } => {}
                    Step::Leaf { leaf, to } => {
                        let part = &part(&tail[leaf - 1])[b * BLOCK..][..sum.len()];
                        held[to - 1][..part.len()].copy_from_slice(part);
                    }
                    Step::Merge { into: 0 } => add(sum, &held[0]),
                    Step::Merge { into } => {
                        let (left, right) = held.split_at_mut(into);
                        add(&mut left[into - 1], &right[0]);
                    }
                }
            }
        });
    }
    sum
}

/// Computes `sum += part`.
fn add(sum: &mut [f32], part: &[f32]) {
    for (sum, &x) in sum.iter_mut().zip(part) {
        *sum += x;
    }
}

/// Begins the sum over all chunks of `rows`, those of other ranks among them, of which this rank
/// has `part` of the scratch buffers of its own chunks; as [`reduce`], whose bits it has.
pub fn begin_reduce<S: Send + Sync>(
    (rows, ranks): (Rows, &Ranks),
    scratch: &mut [S],
    part: impl Fn(&S) -> &[f32] + Sync,
    first: impl Fn(&mut S) -> &mut [f32],
) -> Sum {
    let len = scratch.first().map_or(0, |scratch| part(scratch).len());
    let (chunks, run) = (rows.chunks(), rows.own_chunks());
    let runs = rows.share.all().map(|share| rows.chunks_of_share(share));
    ranks.begin_sum(chunks, run, runs, len, |node, sum| {
        sum.copy_from_slice(reduce(&mut scratch[node], &part, &first));
    })
}

/// Brings the numbers that all chunks of `rows` have in `scratch` to every rank. `parts` are the
/// numbers of a chunk, as many in each.
pub fn share_chunks<S>(
    (rows, ranks): (Rows, &Ranks),
    scratch: &mut [S],
    parts: impl Fn(&mut S, &mut dyn FnMut(&mut [f64])),
) {
    if rows.share.is_whole() || ranks.is_alone() {
        return;
    }
    let scratch = &mut scratch[..rows.chunks()];
    let Some(one) = scratch.first_mut() else {
        return;
    };
    let mut len = 0;
    parts(one, &mut |part| len += part.len());
    let mut all = vec![0.0; scratch.len() * len];
    let own = rows.own_chunks();
    let own_numbers = &mut all[own.start * len..own.end * len];
    for (scratch, mut to) in scratch[own]
        .iter_mut()
        .zip(own_numbers.chunks_exact_mut(len))
    {
        parts(scratch, &mut |part| {
            let (now, rest) = std::mem::take(&mut to).split_at_mut(part.len());
            now.copy_from_slice(part);
            to = rest;
        });
    }
    let of = |share| rows.chunks_of_share(share).len() * len;
    let counts: Vec<usize> = rows.share.all().map(of).collect();
    ranks.gather(Data::F64(&mut all), &counts);
    for (scratch, mut from) in scratch.iter_mut().zip(all.chunks_exact(len)) {
        parts(scratch, &mut |part| {
            let (now, rest) = from.split_at(part.len());
            part.copy_from_slice(now);
            from = rest;
        });
    }
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
