//! Translation of convolutions in several groups: one operation a group.

use super::bit_conv::{BitConv, ConvSpec, OutputLayout, Part};
use super::planner::Planner;
use crate::tensor::Shape;

impl Planner<'_> {
    /// Translates the sums of stage `i` over the bits in buffer `from`, and returns the buffer of the
    /// integers.
    pub fn grouped(&mut self, i: usize, spec: &ConvSpec<'_>, from: usize, groups: usize) -> usize {
        let to = self.sizes.ints(spec.output.len());
        let of = |shape: Shape| Shape {
            channels: shape.channels / groups,
            ..shape
        };
        let (input, output) = (of(spec.input), of(spec.output));
        let mut shared = None;
        for group in 0..groups {
            let part = Part {
                input: group * input.channels,
                output: group * output.channels,
                outputs: spec.output.channels,
            };
            let positive = |o: usize, i: usize| (spec.positive)(part.output + o, i);
            let spec = ConvSpec {
                input,
                output,
                positive: &positive,
                ..*spec
            };
            let goal = (OutputLayout::Ints(to), None);
            let op = BitConv::new(&spec, (from, part), goal, (shared, &mut self.sizes));
            shared = Some(op.buffers());
            self.push(i, op);
        }
        to
    }
}
