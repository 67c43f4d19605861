//! The gradients of a node's inputs.

use super::{Place, Rows, Value};
use crate::kernels::gemm::Store;

/// The gradients of a node's inputs, to which its backward pass adds.
pub struct Grads<'a> {
    pub(super) past: &'a mut [f32],
    pub(super) places: &'a [Place],
    pub(super) inputs: &'a [Value],
    pub(super) begun: &'a mut [bool],
    pub(super) reach: &'a [usize],
    pub(super) image_rows: Rows,
    pub(super) rows: Rows,
}

impl Grads<'_> {
    /// Returns whether the gradient of input `i` is needed; that of images is not.
    pub fn wants(&self, i: usize) -> bool {
        self.places[self.inputs[i].0].wants_grad
    }

    /// Returns the gradient of input `i`, or `None` if it is not needed. A node calls this at most
    /// once per input: the first node that does writes the gradient, and all others add to it.
    pub fn of(&mut self, i: usize) -> Option<Grad<'_>> {
        let value = self.inputs[i].0;
        let place = &self.places[value];
        if !place.wants_grad {
            return None;
        }
        let begun = std::mem::replace(&mut self.begun[value], true);
        let rows = if place.expanded {
            self.rows
        } else {
            self.image_rows
        };
        let (width, reach) = (place.shape.len(), self.reach[value].max(rows.live));
        let (slice, beyond) =
            self.past[place.offset..][..reach * width].split_at_mut(rows.live * width);
        if !begun {
            // This node does not compute these rows, but another node that reads the value may add
            // to them.
            beyond.fill(0.0);
        }
        Some(Grad {
            slice,
            width,
            rows,
            begun,
        })
    }
}

/// A gradient to which a node adds.
pub struct Grad<'a> {
    slice: &'a mut [f32],
    width: usize,
    rows: Rows,
    begun: bool,
}

impl Grad<'_> {
    /// Returns the rows of the gradient, and how they are split.
    pub fn rows(&self) -> Rows {
        self.rows
    }

    /// Runs `work(rows, their gradient, scratch)` for every chunk, which adds to the gradient. The
    /// gradient holds zeros or earlier contributions.
    pub fn add<S: Send>(
        self,
        scratch: &mut [S],
        work: impl Fn(std::ops::Range<usize>, &mut [f32], &mut S) + Sync,
    ) {
        self.store(scratch, |rows, dx, scratch, store| {
            if store == Store::Assign {
                dx.fill(0.0);
            }
            work(rows, dx, scratch);
        });
    }

    /// As [`Self::add`], element by element: runs `work(i, gradient i)`, which adds to the
    /// gradient, for every element of every row of `width` elements.
    pub fn map<S: Send>(
        self,
        width: usize,
        scratch: &mut [S],
        work: impl Fn(usize, &mut f32) + Sync,
    ) {
        self.add(scratch, |rows, dx, _| {
            for (i, dx) in (rows.start * width..).zip(dx) {
                work(i, dx);
            }
        });
    }

    /// As [`Self::add`], for work that can overwrite: its last argument states whether to assign
    /// (the content of the gradient is arbitrary) or to add to earlier contributions.
    pub fn store<S: Send>(
        self,
        scratch: &mut [S],
        work: impl Fn(std::ops::Range<usize>, &mut [f32], &mut S, Store) + Sync,
    ) {
        let store = if self.begun {
            Store::Add
        } else {
            Store::Assign
        };
        let write = |rows, dx: &mut [f32], scratch: &mut S| work(rows, dx, scratch, store);
        self.rows.write(self.slice, self.width, scratch, write);
    }
}
