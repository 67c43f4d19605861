//! Packing of the operations that follow a product: maps, pooling and flattening.

use super::value::{Form, Integers, Map, Origin, Packed, Pending};
use super::{INEXACT, Packer};
use crate::error::Result;
use crate::packed::Step;
use crate::tensor::Shape;

/// Height, width and stride of the windows of a pooling.
type Window = ((usize, usize), usize);

impl Packer<'_> {
    /// Packs a function of each number.
    ///
    /// # Errors
    /// If the value is bits, which would have to become reals.
    pub fn map(&mut self, x: &Packed, map: Map) -> Result<Packed> {
        let mut x = self.open(self.unflatten(x));
        match &mut x.form {
            Form::Bits | Form::Signs => return Err(self.refuse_after_bits()),
            Form::Integers(integers) => integers.pending.push((self.here(), Pending::Map(map))),
            _ => push(&mut x, map.step()),
        }
        Ok(x)
    }

    pub(super) fn refuse_after_bits(&self) -> crate::Error {
        self.refuse("it follows a binary unit, and its input is bits; only pooling, add, concat and flatten may stand between a binary unit and the next weights")
    }

    /// Packs the conversion of bits to the signs -1 and +1.
    pub fn signs(&mut self, bits: Packed) -> Packed {
        let mut x = self.open(bits);
        push(&mut x, Step::Signs);
        x.form = Form::Signs;
        x
    }

    /// Packs max-pooling: the largest number of each window.
    pub fn max_pool(&mut self, x: &Packed, kernel: usize, stride: usize) -> Packed {
        let mut x = self.open(self.unflatten(x));
        let and = vec![false; x.shape.channels];
        match &mut x.form {
            Form::Integers(integers) => {
                let pool = Pending::MaxPool { kernel, stride };
                integers.pending.push((self.here(), pool));
            }
            Form::Bits | Form::Signs => push(
                &mut x,
                Step::PoolBits {
                    kernel,
                    stride,
                    and,
                },
            ),
            _ => push(&mut x, Step::MaxPool { kernel, stride }),
        }
        x.shape = pooled(x.shape, ((kernel, kernel), stride));
        x
    }

    /// Packs average pooling: the mean of each window. The mean of integers is their integer sum,
    /// divided once.
    pub fn avg_pool(&mut self, x: &Packed, window: Window) -> Packed {
        let ((height, width), stride) = window;
        let n = height * width;
        let x = self.open(self.unflatten(x));
        let fits = |i: &Integers| i.reach.saturating_mul(n) < INEXACT;
        let (mut x, integers) = match self.whole_numbers(&x) {
            Some((x, integers)) if fits(&integers) => (x, Some(integers)),
            _ => (self.reals(&x), None),
        };
        match integers {
            Some(integers) => {
                push(
                    &mut x,
                    Step::SumPool {
                        height,
                        width,
                        stride,
                    },
                );
                x.form = Form::Integers(Integers {
                    ranges: integers.ranges.times(n as i32),
                    reach: integers.reach * n,
                    pending: vec![(self.here(), Pending::Map(Map::Divide(n as u32)))],
                });
            }
            None => push(
                &mut x,
                Step::AvgPool {
                    height,
                    width,
                    stride,
                },
            ),
        }
        x.shape = pooled(x.shape, window);
        x
    }

    /// Packs the reshaping of an image to a vector in the order (channel, height, width).
    pub fn flatten(&mut self, x: &Packed) -> Packed {
        let mut x = x.clone();
        if x.shape.pixels() > 1 {
            x.flat.get_or_insert(self.index);
        }
        x
    }

    /// Returns the value in the order of its shape: a pending flattening becomes a step.
    pub(super) fn unflatten(&self, x: &Packed) -> Packed {
        let Some(layer) = x.flat else {
            return x.clone();
        };
        let opened = self.open(Packed {
            flat: None,
            ..x.clone()
        });
        let (mut x, form) = match self.whole_numbers(&opened) {
            Some((x, integers)) if !x.is_bits() => {
                let ranges = integers.ranges.flatten(x.shape.pixels());
                let flat = Integers { ranges, ..integers };
                (x, Some(Form::Integers(flat)))
            }
            Some((x, _)) => (x, None),
            None => (self.reals(&opened), None),
        };
        push(&mut x, Step::Flatten);
        x.layer = layer;
        x.form = form.unwrap_or(x.form);
        x.shape = Shape::vector(x.shape.len());
        x
    }

    /// Returns a value of integers, with its pending poolings as steps, and the ranges of the
    /// integers; `None` if it does not consist of integers.
    pub(super) fn whole_numbers(&self, x: &Packed) -> Option<(Packed, Integers)> {
        let mut integers = x.whole()?;
        let mut x = x.clone();
        if !integers.pending.is_empty() {
            x = self.open(x);
        }
        for (_, pending) in std::mem::take(&mut integers.pending) {
            if let Pending::MaxPool { kernel, stride } = pending {
                push_pool(&mut x, kernel, stride);
            }
        }
        if let Form::Integers(_) = x.form {
            x.form = Form::Integers(integers.clone());
        }
        Some((x, integers))
    }

    /// Returns the value as reals: its pending operations become steps with the roundings of the
    /// trained network.
    pub(super) fn reals(&self, x: &Packed) -> Packed {
        let Some(integers) = x.integers() else {
            return x.clone();
        };
        let mut x = self.open(x.clone());
        x.form = Form::Reals;
        let mut pending = integers.pending.into_iter().map(|(_, p)| p).peekable();
        while let Some(&Pending::MaxPool { kernel, stride }) = pending.peek() {
            push_pool(&mut x, kernel, stride);
            pending.next();
        }
        if !matches!(
            pending.peek(),
            Some(Pending::Map(Map::Affine { .. } | Map::Divide(_)))
        ) {
            let same = Map::same(x.shape.channels);
            push(&mut x, same.step());
        }
        for pending in pending {
            let step = match pending {
                Pending::Map(map) => map.step(),
                Pending::MaxPool { kernel, stride } => Step::MaxPool { kernel, stride },
            };
            push(&mut x, step);
        }
        x
    }
}

/// Adds a step to the open stage of a value.
pub(super) fn push(x: &mut Packed, step: Step) {
    match &mut x.origin {
        Origin::Open(head) => head.steps.push(step),
        Origin::There(_) => unreachable!("steps are added to what is open"),
    }
}

/// Adds a max-pool of integers without a pending function, for which the largest value is the
/// largest integer.
fn push_pool(x: &mut Packed, kernel: usize, stride: usize) {
    let min = vec![false; x.shape.channels];
    push(
        x,
        Step::PoolInts {
            kernel,
            stride,
            min,
        },
    );
}

/// Returns the shape after a pooling whose windows fit.
fn pooled(shape: Shape, ((height, width), stride): Window) -> Shape {
    Shape::image(
        shape.channels,
        (shape.height - height) / stride + 1,
        (shape.width - width) / stride + 1,
    )
}
