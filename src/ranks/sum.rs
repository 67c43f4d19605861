//! Sums over the rows of a batch whose leaves lie on several ranks.

use std::ops::Range;

use super::Ranks;
use super::exchange::Travelling;
use crate::kernels::tree;

/// A sum on its way: the nodes of all ranks travel, and [`Self::finish`] merges them.
pub struct Sum {
    travelling: Option<Travelling>,
    /// The nodes of all ranks, from left to right, and the number of leaves.
    nodes: Vec<Range<usize>>,
    leaves: usize,
    len: usize,
}

impl Ranks {
    /// Begins a sum over the tree of `leaves` leaves, of `len` numbers each. `run` are the leaves
    /// of this rank, `runs` those of all ranks in order; `node(leaves, sum)` writes the sum over
    /// the leaves of one node of the tree. The other ranks' nodes arrive while the caller goes on.
    pub fn begin_sum(
        &self,
        leaves: usize,
        run: Range<usize>,
        runs: impl Iterator<Item = Range<usize>>,
        len: usize,
        mut node: impl FnMut(Range<usize>, &mut [f32]),
    ) -> Sum {
        let (mut nodes, mut counts) = (Vec::new(), Vec::new());
        let mut own = 0..0;
        for of_rank in runs {
            let before = nodes.len();
            nodes.extend(tree::nodes_within(of_rank.clone(), leaves));
            if of_rank == run {
                own = before..nodes.len();
            }
            counts.push((nodes.len() - before) * len);
        }
        let travelling = self.0.as_ref().map(|group| {
            let mut buffer = group.buffer(nodes.len() * len);
            for i in own {
                node(nodes[i].clone(), &mut buffer[i * len..][..len]);
            }
            group.send(buffer, counts)
        });
        Sum {
            travelling,
            nodes,
            leaves,
            len,
        }
    }
}

impl Sum {
    /// Waits for the other ranks' nodes, merges all of them in the order of the tree, and hands the
    /// total to `take`. After a failure the total is arbitrary.
    pub fn finish(self, ranks: &Ranks, take: impl FnOnce(&[f32])) {
        let (Some(group), Some(travelling)) = (&ranks.0, self.travelling) else {
            return;
        };
        let (mut buffer, len) = (group.receive(travelling), self.len);
        buffer.resize(self.nodes.len() * len, 0.0);
        for (into, from) in tree::merges(&self.nodes, self.leaves) {
            let (left, right) = buffer.split_at_mut(from * len);
            let sums = left[into * len..][..len].iter_mut();
            for (sum, x) in sums.zip(&right[..len]) {
                *sum += x;
            }
        }
        take(&buffer[..len]);
        group.give_back(buffer);
    }
}
