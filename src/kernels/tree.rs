//! The one order in which sums over the rows of a batch are added up: a binary tree.
//!
//! A batch is cut into *leaves*, runs of consecutive rows (`tape::Rows`). Neighbours are
//! added in pairs, (0, 1), (2, 3), ..., then neighbouring pairs, and so on; a last node
//! without a partner moves up as it is:
//!
//! ```text
//! leaves   0  1  2  3  4  5  6
//!          └┬─┘  └┬─┘  └┬─┘  │
//!           └──┬──┘     └─┬──┘
//!              └─────┬────┘
//! ```
//!
//! A node is a sum over a run of leaves that is set by the number of leaves alone.
//! Whoever owns a run of leaves can add up every node that lies wholly within it, so
//! that any number of owners (chunks, threads, machines) arrive at the same bits.
//!
//! [`steps`] goes through the tree as a binary counter does: leaves come one after the
//! other, two nodes of one size become one at once, and what is left at the end is
//! added from the last to the first. No more than [`buffers`] nodes are held.

/// What to do next on the way through a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Compute this leaf into buffer `to`.
    Leaf {
        /// Its number.
        leaf: usize,
        /// The buffer, which held nothing.
        to: usize,
    },
    /// Add buffer `into + 1` to buffer `into`.
    Merge {
        /// The buffer that then holds both.
        into: usize,
    },
}

/// The steps of adding up that many leaves; the sum of all is then in buffer 0.
pub fn steps(leaves: usize) -> Steps {
    Steps {
        leaves,
        next: 0,
        held: 0,
        merges: 0,
    }
}

/// Buffers that the [`steps`] of that many leaves use.
pub fn buffers(leaves: usize) -> usize {
    leaves.checked_ilog2().map_or(0, |log| log as usize + 1)
}

/// See [`steps`].
#[derive(Clone, Debug)]
pub struct Steps {
    leaves: usize,
    next: usize,
    /// Buffers in use.
    held: usize,
    /// Pairs of nodes of one size that wait.
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
        // Of as many ones at its end as leaves before it make whole nodes beside it.
        self.merges = leaf.trailing_ones();
        self.next += 1;
        self.held += 1;
        Some(Step::Leaf { leaf, to })
    }
}

/// Leaves that [`fold`] takes at most.
pub const MAX_LEAVES: usize = 64;

/// Adds up numbers, or what else is as small: `merge(node, its right neighbour)`.
/// Without leaves it is the default.
///
/// # Panics
/// If there are more than [`MAX_LEAVES`] leaves.
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

/// The two buffers of a [`Step::Merge`], where buffers of `len` numbers lie one after
/// the other.
///
/// # Panics
/// If there are fewer than `into + 2` buffers.
pub fn pair(buffers: &mut [f32], len: usize, into: usize) -> (&mut [f32], &[f32]) {
    let (left, right) = buffers[into * len..][..2 * len].split_at_mut(len);
    (left, right)
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
