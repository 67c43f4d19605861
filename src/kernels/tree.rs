//! The fixed order in which sums over the rows of a batch are added: a binary tree.
//!
//! A batch is split into *leaves*, runs of consecutive rows (`tape::Rows`). Neighbours are added in
//! pairs, (0, 1), (2, 3), ..., then neighbouring pairs, and so on; a last node without a partner is
//! passed to the next level unchanged:
//!
//! ```text
//! leaves   0  1  2  3  4  5  6
//!          └┬─┘  └┬─┘  └┬─┘  │
//!           └──┬──┘     └─┬──┘
//!              └─────┬────┘
//! ```
//!
//! A node is a sum over a run of leaves that depends on the number of leaves only. A worker that
//! has a run of leaves can compute every node that lies within this run, so any number of workers
//! (chunks, threads, machines) gives the same bits.
//!
//! [`steps`] traverses the tree as a binary counter: leaves are computed one after another, two
//! nodes of the same size are merged immediately, and the nodes that are left at the end are added
//! from the last to the first. At most [`buffers`] nodes are stored.

use alloc::vec::Vec;
use core::ops::Range;

/// The next step of a traversal of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Compute this leaf into buffer `to`.
    Leaf {
        /// Index of the leaf.
        leaf: usize,
        /// Index of the buffer, which is unused so far.
        to: usize,
    },
    /// Add buffer `into + 1` to buffer `into`.
    Merge {
        /// Index of the buffer that holds the sum of both afterwards.
        into: usize,
    },
}

/// Returns the steps that add up `leaves` leaves; the total is in buffer 0 afterwards.
pub fn steps(leaves: usize) -> Steps {
    Steps {
        leaves,
        next: 0,
        held: 0,
        merges: 0,
    }
}

/// Returns the number of buffers that the [`steps`] of that many leaves use.
pub fn buffers(leaves: usize) -> usize {
    leaves.checked_ilog2().map_or(0, |log| log as usize + 1)
}

/// The iterator that [`steps`] returns.
#[derive(Clone, Debug)]
pub struct Steps {
    leaves: usize,
    next: usize,
    /// Number of buffers in use.
    held: usize,
    /// Number of pairs of nodes of the same size that are still to be merged.
    merges: u32,
}

impl Iterator for Steps {
    type Item = Step;

    #[inline]
    fn next(&mut self) -> Option<Step> {
        let full = self.next == self.leaves;
        if self.merges > 0 || (full && self.held > 1) {
            self.merges = self.merges.saturating_sub(1);
            self.held -= 1;
            return Some(Step::Merge {
                into: self.held - 1,
            });
        }
        if full {
            return None;
        }
        let (leaf, to) = (self.next, self.held);
        // A leaf completes as many nodes as its index has trailing ones.
        self.merges = leaf.trailing_ones();
        self.next += 1;
        self.held += 1;
        Some(Step::Leaf { leaf, to })
    }
}

/// The largest number of leaves that [`fold`] accepts.
pub const MAX_LEAVES: usize = 64;

/// Adds up values in the order of the tree: `leaf(i)` returns the value of a leaf, `merge(node, its
/// right neighbour)` their sum. Without leaves the result is the default value.
///
/// # Panics
/// Panics if there are more than [`MAX_LEAVES`] leaves.
pub fn fold<T: Copy + Default>(
    leaves: usize,
    mut leaf: impl FnMut(usize) -> T,
    mut merge: impl FnMut(T, T) -> T,
) -> T {
    assert!(leaves <= MAX_LEAVES, "too many leaves for one tree");
    let mut held = [T::default(); MAX_LEAVES.ilog2() as usize + 1];
    for step in steps(leaves) {
        match step {
            Step::Leaf { leaf: i, to } => held[to] = leaf(i),
            Step::Merge { into } => held[into] = merge(held[into], held[into + 1]),
        }
    }
    held[0]
}

/// Returns the two buffers of a [`Step::Merge`] from consecutive buffers of `len` elements.
///
/// # Panics
/// Panics if there are fewer than `into + 2` buffers.
pub fn pair(buffers: &mut [f32], len: usize, into: usize) -> (&mut [f32], &[f32]) {
    let (left, right) = buffers[into * len..][..2 * len].split_at_mut(len);
    (left, right)
}

/// Returns the largest nodes of the tree over `leaves` leaves that lie within a run of leaves, from
/// left to right, each as its own run. They are what an owner of the run can compute alone.
pub fn nodes_within(
    run: Range<usize>,
    leaves: usize,
) -> impl Iterator<Item = Range<usize>> + use<> {
    let (mut first, end) = (run.start, run.end.min(leaves));
    core::iter::from_fn(move || {
        if first >= end {
            return None;
        }
        let mut size = 1;
        while first.is_multiple_of(2 * size)
            && first + size < leaves
            && leaves.min(first + 2 * size) <= end
        {
            size *= 2;
        }
        let node = first..leaves.min(first + size);
        first = node.end;
        Some(node)
    })
}

/// Returns the additions that make the total of the tree over `leaves` leaves out of `nodes`, which
/// are nodes of the tree, from left to right, and have each leaf once. A pair `(into, from)` adds
/// node `from` to node `into`; the total is in node 0 afterwards.
///
/// # Panics
/// Panics if the nodes are others.
pub fn merges(nodes: &[Range<usize>], leaves: usize) -> Vec<(usize, usize)> {
    /// Returns the place of the node of that size, of which no part was used yet.
    fn total(
        (first, size, leaves): (usize, usize, usize),
        nodes: &[Range<usize>],
        next: &mut usize,
        merges: &mut Vec<(usize, usize)>,
    ) -> usize {
        if nodes[*next] == (first..leaves.min(first + size)) {
            *next += 1;
            return *next - 1;
        }
        assert!(size > 1, "no nodes of the tree");
        let half = size / 2;
        let left = total((first, half, leaves), nodes, next, merges);
        if first + half < leaves {
            let right = total((first + half, half, leaves), nodes, next, merges);
            merges.push((left, right));
        }
        left
    }
    let (mut next, mut merges) = (0, Vec::new());
    if leaves > 0 {
        let all = (0, leaves.next_power_of_two(), leaves);
        total(all, nodes, &mut next, &mut merges);
    }
    assert_eq!(next, nodes.len(), "no nodes of the tree");
    merges
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
