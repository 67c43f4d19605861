//! Translation of products of real weights, and of products over reals, to operations: which kernel is
//! used, and what is fused with it.

use alloc::vec;
use alloc::vec::Vec;

use super::geometry::{pooled_bits_of_reals, window};
use super::layer::{Kind, Weights};
use super::layout::{Nibbles, Place, get};
use super::long_tables::LongTables;
use super::nibbles::ToRows;
use super::places::Output;
use super::planner::Planner;
use super::real::{CutPool2, RealConv, real_threshold};
use super::short_tables::ShortTables;
use super::steps::Source;
use super::table::TableConv;
use super::window_spec::WindowSpec;

/// The weights of a stage as reals, negated for outputs whose sums are scaled by a negative number.
#[derive(Clone, Copy)]
struct RealWeights<'a> {
    weights: &'a Weights,
    depth: usize,
    scale: Option<&'a [f32]>,
}

impl RealWeights<'_> {
    fn sign(&self, o: usize) -> f32 {
        match self.scale {
            Some(scale) if scale[o] < 0.0 => -1.0,
            _ => 1.0,
        }
    }

    /// Returns weight `i` of output `o`, in the order (channel, row, column).
    fn at(&self, o: usize, i: usize) -> f32 {
        let row = self.depth.div_ceil(64);
        self.sign(o)
            * match self.weights {
                Weights::Real { values, .. } => values[o * self.depth + i],
                Weights::Binary { words } if get(&words[o * row..], i) => 1.0,
                _ => -1.0,
            }
    }

    fn bias(&self, channels: usize) -> Vec<f32> {
        match self.weights {
            Weights::Real { bias, .. } => {
                let each = bias.iter().enumerate();
                each.map(|(o, b)| self.sign(o) * b).collect()
            }
            _ => vec![0.0; channels],
        }
    }
}

/// The place of pooled bits: nibbles are written, and converted if the reader wants rows.
struct Goal {
    place: Place,
    nibbles: (usize, Nibbles),
}

impl Planner<'_> {
    /// Translates a product with real weights, or with binary weights over reals.
    pub fn reals(&mut self, i: usize) -> Output {
        let (stage, flow) = self.at(i);
        let channels = flow.values[0].0.channels;
        // If the sums become pooled bits directly, the affine map and the unit are one threshold
        // per channel; a decreasing map (negative scale) negates the weights.
        let fused = pooled_bits_of_reals(stage).filter(|_| channels.is_multiple_of(8));
        let Some((scale, shift)) = fused else {
            let to = self.real_sum(i, None);
            return self.tail(i, Source::Reals(to));
        };
        let pairs = scale.iter().zip(shift);
        let threshold: Vec<f32> = pairs.map(|(s, t)| real_threshold(s.abs(), *t)).collect();
        let goal = self.goal(i);
        if self.estimated(i, scale, &threshold, &goal).is_none() {
            let from = self.real_sum(i, Some(scale));
            let cut = CutPool2 {
                from,
                shape: flow.values[0].0,
                threshold,
                to: goal.nibbles.0,
                nibbles: goal.nibbles.1,
            };
            self.push(i, cut);
        }
        // The bits are converted if their reader wants rows.
        if let Place::Rows(to, rows) = goal.place {
            let (from, to) = (goal.nibbles, (to, rows));
            let shape = flow.output().0;
            self.push(i, ToRows { shape, from, to });
        }
        Output::Bits(goal.place)
    }

    /// Computes the pooled bits of stage `i` by 16-bit estimates of its sums; `None` if it reads no
    /// bits or the estimates are not precise enough.
    fn estimated(&mut self, i: usize, scale: &[f32], threshold: &[f32], goal: &Goal) -> Option<()> {
        let (stage, flow) = self.at(i);
        let kind = flow.input().1;
        if !self.estimates || !kind.is_bits() {
            return None;
        }
        let spec = window(stage, flow);
        let weights = RealWeights {
            weights: &stage.weights,
            depth: spec.depth(),
            scale: Some(scale),
        };
        let weight = |o: usize, i: usize| weights.at(o, i);
        let bias = weights.bias(spec.output.channels);
        let rule = (&bias[..], threshold.to_vec());
        let (of, places) = (
            (&spec, kind == Kind::Signs),
            (self.nibbles_for(i), goal.nibbles),
        );
        let op = ShortTables::new(of, weight, rule, places, &mut self.sizes)?;
        self.push(i, op);
        Some(())
    }

    /// Returns the buffer of the bits that stage `i` reads, as nibbles.
    fn nibbles_for(&mut self, i: usize) -> usize {
        let layout = self.layout_of(i);
        let layout = layout.expect("a stage with weights wants an order");
        match self.bits_for(i, layout) {
            Place::Nibbles(buffer, _) => buffer,
            Place::Rows(..) => unreachable!("real weights read nibbles"),
        }
    }

    /// Computes the sums of stage `i`, negated for channels with a negative scale; returns their
    /// buffer.
    fn real_sum(&mut self, i: usize, scale: Option<&[f32]>) -> usize {
        let (stage, flow) = self.at(i);
        let (spec, kind, shape) = (window(stage, flow), flow.input().1, flow.values[0].0);
        let weights = RealWeights {
            weights: &stage.weights,
            depth: spec.depth(),
            scale,
        };
        let weight = |o: usize, i: usize| weights.at(o, i);
        let bias = weights.bias(shape.channels);
        if kind.is_bits() {
            let from = self.nibbles_for(i);
            let to = self.sizes.reals(shape.len());
            let of = (&spec, kind == Kind::Signs);
            if LongTables::fits(&spec) {
                let op = LongTables::new(of, weight, &bias, (from, to));
                self.push(i, op);
                return to;
            }
            let op = TableConv::new(of, weight, &bias, (from, to), &mut self.sizes);
            self.push(i, op);
            return to;
        }
        let from = self.real_input(i);
        let to = self.sizes.reals(shape.len());
        let op = RealConv::new(&spec, weight, &bias, from, to, &mut self.sizes);
        self.push(i, op);
        to
    }

    /// Allocates the place of the pooled bits of stage `i`.
    fn goal(&mut self, i: usize) -> Goal {
        let (_, flow) = self.at(i);
        let (pooled, _) = flow.output();
        let place = self.place_bits(i);
        let nibbles = match place {
            Place::Nibbles(buffer, nibbles) => (buffer, nibbles),
            Place::Rows(..) => {
                let spec = WindowSpec {
                    input: pooled,
                    output: pooled,
                    kernel: (1, 1),
                    stride: 1,
                    padding: 0,
                    border: 0,
                    groups: 1,
                };
                let (nibbles, bytes) = spec.nibbles();
                (self.sizes.bytes(bytes), nibbles)
            }
        };
        Goal { place, nibbles }
    }
}

#[cfg(test)]
#[path = "estimates_tests.rs"]
mod tests;
