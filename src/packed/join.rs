//! Joins of several values: their sum, or the concatenation of their channels.

use alloc::vec::Vec;

use super::layout::Rows;
use super::op::{Cx, Op};
use super::places::copy_image;
use super::scratch::Scratch;
use crate::tensor::Shape;

/// An input, as the index of the buffer that holds it, stored as (height, width, channel).
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Ints(usize),
    Reals(usize),
}

/// The operation of a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    /// The sum of the inputs, added in their order.
    Add,
    /// The concatenation of the inputs' channels.
    Concat,
}

/// The operation that joins integers to integers.
pub(super) struct JoinInts {
    pub join: Join,
    /// The buffer and the number of channels of each input.
    pub parts: Vec<(usize, usize)>,
    pub to: usize,
}

/// The operation that joins integers and reals to reals.
pub(super) struct JoinReals {
    pub join: Join,
    /// Each input and its number of channels.
    pub parts: Vec<(Part, usize)>,
    pub to: usize,
}

impl Op for JoinInts {
    fn name(&self) -> &'static str {
        self.join.name()
    }

    fn run(&self, cx: &mut Cx<'_>) {
        let mut out = core::mem::take(&mut cx.s.ints[self.to]);
        let channels = self.join.channels(self.parts.iter().map(|p| p.1));
        let mut first = 0;
        for (i, &(part, c)) in self.parts.iter().enumerate() {
            let x = &cx.s.ints[part];
            match self.join {
                Join::Add => put(&mut out, x, i > 0, |y, &x| *y = x, |y, &x| *y += x),
                Join::Concat => interleave(&mut out, (channels, first), x, c, |&x| x),
            }
            first += c;
        }
        cx.s.ints[self.to] = out;
    }
}

impl Op for JoinReals {
    fn name(&self) -> &'static str {
        self.join.name()
    }

    fn run(&self, cx: &mut Cx<'_>) {
        let mut out = core::mem::take(&mut cx.s.reals[self.to]);
        let channels = self.join.channels(self.parts.iter().map(|p| p.1));
        let mut first = 0;
        for (i, &(part, c)) in self.parts.iter().enumerate() {
            let place = (channels, first);
            match self.join {
                Join::Add => add_part(&mut out, cx.s, part, i > 0),
                Join::Concat => match part {
                    Part::Ints(x) => {
                        interleave(&mut out, place, &cx.s.ints[x], c, |&x| x as f32);
                    }
                    Part::Reals(x) => interleave(&mut out, place, &cx.s.reals[x], c, |&x| x),
                },
            }
            first += c;
        }
        cx.s.reals[self.to] = out;
    }
}

impl Join {
    fn name(self) -> &'static str {
        match self {
            Join::Add => "add",
            Join::Concat => "concat",
        }
    }

    /// Returns the number of channels of the output.
    fn channels(self, mut parts: impl Iterator<Item = usize>) -> usize {
        match self {
            Join::Add => parts.next().unwrap_or(0),
            Join::Concat => parts.sum(),
        }
    }
}

/// Writes the first addend of a sum, or adds a further one.
fn put<Y, X>(
    y: &mut [Y],
    x: &[X],
    more: bool,
    first: impl Fn(&mut Y, &X),
    add: impl Fn(&mut Y, &X),
) {
    match more {
        false => y.iter_mut().zip(x).for_each(|(y, x)| first(y, x)),
        true => y.iter_mut().zip(x).for_each(|(y, x)| add(y, x)),
    }
}

/// Adds an input to reals with one rounding per addition, as the trained network does.
fn add_part(y: &mut [f32], s: &Scratch, part: Part, more: bool) {
    match part {
        Part::Ints(x) => {
            let (first, add) = (
                |y: &mut f32, &x: &i32| *y = x as f32,
                |y: &mut f32, &x: &i32| {
                    *y += x as f32;
                },
            );
            put(y, &s.ints[x], more, first, add);
        }
        Part::Reals(x) => put(y, &s.reals[x], more, |y, &x| *y = x, |y, &x| *y += x),
    }
}

/// Copies an input of `c` channels to the channels from `first` on of an output with `channels`.
fn interleave<Y, X>(
    y: &mut [Y],
    (channels, first): (usize, usize),
    x: &[X],
    c: usize,
    of: impl Fn(&X) -> Y,
) {
    for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(c)) {
        for (y, x) in y[first..][..c].iter_mut().zip(x) {
            *y = of(x);
        }
    }
}

/// The operation that concatenates bits in rows.
pub(super) struct ConcatBits {
    /// The buffer, the layout and the shape of each input.
    pub parts: Vec<(usize, Rows, Shape)>,
    pub to: (usize, Rows),
}

impl Op for ConcatBits {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn run(&self, cx: &mut Cx<'_>) {
        let mut out = core::mem::take(&mut cx.s.bits[self.to.0]);
        out.fill(0);
        let mut first = 0;
        for &(buffer, rows, shape) in &self.parts {
            let to = (self.to.1, first);
            copy_image(&cx.s.bits[buffer], (rows, 0), shape, &mut out, to);
            first += shape.channels;
        }
        cx.s.bits[self.to.0] = out;
    }
}
