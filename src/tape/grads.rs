//! Gradients that a node adds to.

use super::{Place, Rows, Value};
use crate::kernels::gemm::Store;

/// The gradients of a node's inputs.
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
    /// Whether anything asks for the gradient of input `i`; nothing does of images.
    pub fn wants(&self, i: usize) -> bool {
        self.places[self.inputs[i].0].wants_grad
    }

    /// The gradient of input `i`, or `None` where nothing asks for it. A node takes it once:
    /// the first node that does writes it, and all others add to it.
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
            // Rows that this node leaves out, and another one below or beside it does not.
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

/// A gradient to add to.
pub struct Grad<'a> {
    slice: &'a mut [f32],
    width: usize,
    rows: Rows,
    begun: bool,
}

impl Grad<'_> {
    /// How the gradient's rows are cut.
    pub fn rows(&self) -> Rows {
        self.rows
    }

    /// Runs `work(rows, their gradient, scratch)` for every chunk; the gradient holds
    /// zeros or earlier contributions, and `work` adds to it.
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

    /// [`Self::add`] number by number: runs `work(i, gradient i)`, which adds to it, for
    /// every number of every row of `width` numbers.
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

    /// [`Self::add`] for work that can overwrite: it is told whether to assign
    /// (the gradient holds anything) or to add to earlier contributions.
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
