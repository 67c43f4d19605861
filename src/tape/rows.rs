//! [`Rows`]: work over the rows of a batch, cut into leaves and chunks.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::kernels::tree::{self, Step};

/// Leaves that a batch is cut into; a smaller one has a leaf for each row.
pub const LEAVES: usize = 32;

/// Chunks that a batch is cut into, at most: enough to keep 16 threads busy without a
/// scratch of partial gradients for every leaf.
const CHUNKS: usize = 16;

/// Work over the rows of a batch, in parallel and with the same bits on any
/// number of threads.
///
/// **Invariant.** Rows are cut into *leaves*, runs of consecutive rows that the batch's
/// capacity sets alone; sums over rows are sums over leaves, added up in the one tree of
/// [`crate::kernels::tree`]. Parallel work is cut into *chunks* of whole leaves. A chunk
/// writes its own rows and its own scratch, and what it has summed is a node of the tree.
/// No result depends on which thread ran a chunk, or when.
///
/// The live rows of a batch and how they are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Rows in use; a short last batch lowers it, and leaves out the last leaves.
    pub live: usize,
    /// Rows of a full batch.
    capacity: usize,
}

impl Rows {
    /// The cut of a full batch of `capacity` rows.
    pub fn new(capacity: usize) -> Self {
        Self {
            live: capacity,
            capacity,
        }
    }

    /// The same cut with `live` rows in use.
    pub fn with_live(self, live: usize) -> Self {
        Self { live, ..self }
    }

    /// Chunks that a batch of `capacity` is cut into: the number of scratches an op needs.
    pub(crate) fn chunks_of(capacity: usize) -> usize {
        let rows = Self::new(capacity);
        rows.all_leaves().div_ceil(rows.leaves_of_chunk())
    }

    /// Leaves of a full batch.
    fn all_leaves(&self) -> usize {
        self.capacity.clamp(1, LEAVES)
    }

    /// Leaves of a chunk; the last may have fewer.
    pub(crate) fn leaves_of_chunk(&self) -> usize {
        self.all_leaves().div_ceil(CHUNKS)
    }

    /// Leaves in use.
    pub fn leaves(&self) -> usize {
        // As many as begin below the last row: i·capacity/n < live.
        let (n, capacity) = (self.all_leaves(), self.capacity.max(1));
        (self.live * n).div_ceil(capacity).min(n)
    }

    /// Where leaf `i` begins, or where the last one in use ends.
    pub(crate) fn start_of_leaf(&self, i: usize) -> usize {
        (i * self.capacity / self.all_leaves()).min(self.live)
    }

    /// The rows of leaf `i`.
    pub(crate) fn of_leaf(&self, i: usize) -> Range<usize> {
        self.start_of_leaf(i)..self.start_of_leaf(i + 1)
    }

    /// The leaf that begins with `row`, counted from the first one of its chunk.
    pub(crate) fn leaf_that_begins(&self, row: usize) -> Option<usize> {
        let leaf = self.leaf_with(row);
        (self.start_of_leaf(leaf) == row).then_some(leaf % self.leaves_of_chunk())
    }

    /// The leaf that `row` is in.
    fn leaf_with(&self, row: usize) -> usize {
        ((row + 1) * self.all_leaves()).div_ceil(self.capacity.max(1)) - 1
    }

    /// The leaves of a chunk's rows, cut down to the rows in use, each with its number
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

    /// Chunks in use.
    pub fn chunks(&self) -> usize {
        self.leaves().div_ceil(self.leaves_of_chunk())
    }

    /// The rows of chunk `i`.
    pub fn of_chunk(&self, i: usize) -> Range<usize> {
        let leaves = self.leaves_of_chunk();
        self.start_of_leaf(i * leaves)..self.start_of_leaf((i + 1) * leaves)
    }

    /// The chunk that `row` is in, and the row's number within it.
    pub(crate) fn chunk_with(&self, row: usize) -> (usize, usize) {
        let chunk = self.leaf_with(row) / self.leaves_of_chunk();
        (chunk, row - self.of_chunk(chunk).start)
    }

    /// Rows that a chunk has at most.
    pub(crate) fn most_of_chunk(&self) -> usize {
        (self.leaves_of_chunk() * self.capacity).div_ceil(self.all_leaves())
    }

    /// Runs `work(rows, scratch)` for every chunk.
    pub fn each<S: Send>(&self, scratch: &mut [S], work: impl Fn(Range<usize>, &mut S) + Sync) {
        self.write(&mut [], 0, scratch, |rows, _, scratch| work(rows, scratch));
    }

    /// Runs `work(rows, their part of out, scratch)` for every chunk; `out` holds
    /// `width` numbers a row.
    pub fn write<S: Send>(
        &self,
        out: &mut [f32],
        width: usize,
        scratch: &mut [S],
        work: impl Fn(Range<usize>, &mut [f32], &mut S) + Sync,
    ) {
        let out = &mut out[..self.live * width];
        let scratch = &mut scratch[..self.chunks()];
        self.split(0, out, width, scratch, &work);
    }

    /// [`Self::write`] for the chunks from `first` on, one for each of `scratch`.
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

    /// Runs `work(i, number i of out)` for every number of every live row; `out` holds
    /// `width` numbers a row.
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

    /// The sum of a number of each live row: each leaf's rows one after the other, the
    /// leaves in the tree.
    pub fn sum(&self, of: impl Fn(usize) -> f64) -> f64 {
        let leaf = |i| self.of_leaf(i).map(&of).sum::<f64>();
        tree::fold(self.leaves(), leaf, |a, b| a + b)
    }
}

/// Working memory that chunks borrow, as many pieces as chunks: what was given
/// back last is handed out first, so it is still in the near caches. Which piece
/// a chunk gets must not matter to its result.
#[derive(Debug)]
pub struct Pool<T>(Mutex<Vec<T>>);

impl<T> Pool<T> {
    /// One piece for each of `scratch` chunks.
    pub fn new(scratch: usize, make: impl Fn() -> T) -> Self {
        Self(Mutex::new((0..scratch).map(|_| make()).collect()))
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

/// Adds up one partial sum of each scratch, in the tree, into the first one and returns it.
/// The scratch are those of all chunks in use, each of which holds its chunk's node.
pub fn reduce<S: Send + Sync>(
    scratch: &mut [S],
    part: impl Fn(&S) -> &[f32] + Sync,
    first: impl Fn(&mut S) -> &mut [f32],
) -> &[f32] {
    /// Numbers a thread adds up at a time: the nodes stay in the first-level cache.
    const BLOCK: usize = 1024;
    const HELD: usize = CHUNKS.ilog2() as usize + 1;
    let Some((head, tail)) = scratch.split_first_mut() else {
        return &[];
    };
    let sum = first(head);
    if !tail.is_empty() {
        let (tail, chunks) = (&*tail, tail.len() + 1);
        sum.par_chunks_mut(BLOCK).enumerate().for_each(|(b, sum)| {
            // The first buffer is the sum itself, which holds the first leaf already.
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

/// `sum += part`
fn add(sum: &mut [f32], part: &[f32]) {
    for (sum, &x) in sum.iter_mut().zip(part) {
        *sum += x;
    }
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
