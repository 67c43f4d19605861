//! The list of operations by which a packed network is executed.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::PackedNet;
use super::layer::Kind;
use super::layout::{Place, get};
use super::op::{Cx, Op, Reading};
use super::places::Output;
use super::planner::Planner;
use super::scratch::{Scratch, Sizes};
use crate::kernels::Inference;
use crate::tensor::Shape;

/// The operations of a network, which are made once and shared by all threads.
pub struct Plan {
    ops: Vec<(usize, Box<dyn Op>)>,
    /// Shape, kind and buffer of each stage's result.
    outputs: Vec<((Shape, Kind), Output)>,
    sizes: Sizes,
    kernels: &'static Inference,
}

impl Plan {
    /// Makes the operations of a network for the given kernels.
    pub(super) fn new(net: &PackedNet, kernels: &'static Inference) -> Self {
        Self::of(net, kernels, true)
    }

    /// Makes the operations, with or without [`Planner::estimates`].
    pub(super) fn of(net: &PackedNet, kernels: &'static Inference, estimates: bool) -> Self {
        let mut planner = Planner::new(net, kernels);
        planner.estimates = estimates;
        let planner = planner.run();
        let values = net.flows().iter().map(|flow| flow.output());
        Self {
            outputs: values.zip(planner.outputs).collect(),
            ops: planner.ops,
            sizes: planner.sizes,
            kernels,
        }
    }

    /// Returns the kernels that the operations call.
    #[cfg(feature = "std")]
    pub(super) fn kernels(&self) -> &'static Inference {
        self.kernels
    }

    /// Allocates the buffers of one thread.
    pub(super) fn scratch(&self) -> Scratch {
        Scratch::new(&self.sizes)
    }

    /// Executes all operations; calls `after(index of the operation)` after each.
    pub(super) fn run(
        &self,
        image: &[u8],
        reading: Reading,
        s: &mut Scratch,
        mut after: impl FnMut(usize),
    ) {
        let mut cx = Cx {
            image,
            kernels: self.kernels,
            reading,
            s,
        };
        for (i, (_, op)) in self.ops.iter().enumerate() {
            op.run(&mut cx);
            after(i);
        }
    }

    /// Returns the stage and the name of each operation.
    pub(super) fn operations(&self) -> impl Iterator<Item = (usize, &'static str)> {
        self.ops.iter().map(|(stage, op)| (*stage, op.name()))
    }

    /// Returns the logits of the last image.
    pub(super) fn logits<'a>(&self, s: &'a Scratch) -> &'a [f32] {
        match self.outputs.last() {
            Some((_, Output::Reals(x))) => &s.reals[*x],
            _ => unreachable!("a network ends in reals"),
        }
    }

    /// Writes the result of stage `i` for the last image to `out`, stored as (height, width,
    /// channel); bits are 0 and 1, signs -1 and +1.
    pub(super) fn output(&self, i: usize, s: &Scratch, out: &mut Vec<f32>) {
        out.clear();
        let ((shape, kind), output) = self.outputs[i];
        let bit = |bit: bool| match (kind, bit) {
            (_, true) => 1.0,
            (Kind::Signs, false) => -1.0,
            (_, false) => 0.0,
        };
        for p in 0..shape.pixels() {
            let (y, x) = (p / shape.width, p % shape.width);
            for c in 0..shape.channels {
                out.push(match output {
                    Output::Ints(b) => s.ints[b][p * shape.channels + c] as f32,
                    Output::Reals(b) => s.reals[b][p * shape.channels + c],
                    Output::Bits(Place::Rows(b, rows)) => bit(get(&s.bits[b], rows.place(c, y, x))),
                    Output::Bits(Place::Nibbles(b, nibbles)) => {
                        bit(s.bytes[b][nibbles.place(c, y, x)] >> (c % 4) & 1 == 1)
                    }
                });
            }
        }
    }
}
