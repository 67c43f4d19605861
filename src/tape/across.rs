//! A tape whose rows are shared out among ranks: which rows a node computes here, and which are
//! gathered before it.

use super::{Finish, Rows, Tape, Value};
use crate::ranks::{Data, Ranks, Share};

impl Tape {
    /// Shares the rows of each batch out among ranks. All of them must have recorded the same tape,
    /// set the same parameters and run the same passes; labels are set for all images, inputs at
    /// least in the rows of the rank. After a pass [`Self::gather`] brings a value's rows to all of
    /// them; gradients of parameters are the same on all.
    pub fn set_ranks(&mut self, ranks: Ranks) {
        let share = ranks.share();
        self.image_rows = self.image_rows.with_share(share);
        self.full = self.full.with_share(share);
        self.pass.rows = self.pass.rows.with_share(share);
        self.ranks = ranks;
    }

    /// Returns the ranks that share the rows.
    pub fn ranks(&self) -> &Ranks {
        &self.ranks
    }

    /// Returns whether every rank computes all rows of that node.
    fn is_whole(&self, number: usize) -> bool {
        let node = &self.nodes[number];
        let turns = |x: &Value| self.is_expanded(*x) != self.is_expanded(node.output);
        let groups = self.full.with_live(0) != self.image_rows.with_live(0);
        node.op.couples_rows() || (groups && node.inputs.iter().any(turns))
    }

    /// Returns the rows that a node computes in the forward pass, and gathers what it reads if
    /// these are all rows.
    pub(super) fn rows_of_forward(&mut self, number: usize) -> Rows {
        let rows = self.rows_at(self.nodes[number].output);
        if self.ranks.is_alone() || !self.is_whole(number) {
            return rows;
        }
        for i in 0..self.nodes[number].inputs.len() {
            self.gather(self.nodes[number].inputs[i]);
        }
        self.complete[self.nodes[number].output.0] = true;
        rows.with_share(Share::WHOLE)
    }

    /// Returns the rows that a node computes in the backward pass, and gathers the gradient of its
    /// output if these are all rows.
    pub(super) fn rows_of_backward(&mut self, number: usize) -> Rows {
        let output = self.nodes[number].output;
        let rows = self.rows_at(output).with_live(self.reach[output.0]);
        if self.ranks.is_alone() {
            return rows;
        }
        let whole = self.is_whole(number);
        for input in &self.nodes[number].inputs {
            self.complete_grads[input.0] &= whole;
        }
        if !whole {
            return rows;
        }
        if self.begun[output.0] && !self.complete_grads[output.0] {
            let place = &self.places[output.0];
            let grad = &mut self.grads.as_mut_slice()[place.offset..];
            gather(&self.ranks, rows, place.shape.len(), grad);
        }
        rows.with_share(Share::WHOLE)
    }

    /// Brings all rows in use of a value to every rank.
    pub fn gather(&mut self, value: Value) {
        if self.ranks.is_alone() || std::mem::replace(&mut self.complete[value.0], true) {
            return;
        }
        let (rows, place) = (self.rows_at(value), &self.places[value.0]);
        let values = &mut self.values.as_mut_slice()[place.offset..];
        gather(&self.ranks, rows, place.shape.len(), values);
    }

    /// Adds the gradients of parameters whose sums are on their way, in the order of the backward
    /// pass.
    pub(super) fn finish_sums(&mut self) {
        if self.ranks.is_alone() {
            return;
        }
        for node in self.nodes.iter_mut().rev() {
            node.op.finish(Finish {
                params: &mut self.params,
                pass: &self.pass,
                ranks: &self.ranks,
            });
        }
    }
}

/// Brings the rows in use to every rank, of which `numbers` has those of this rank.
fn gather(ranks: &Ranks, rows: Rows, width: usize, numbers: &mut [f32]) {
    let counts: Vec<usize> = rows.counts().iter().map(|rows| rows * width).collect();
    ranks.gather(Data::F32(&mut numbers[..rows.live * width]), &counts);
}
