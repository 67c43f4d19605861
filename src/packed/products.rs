//! Translation of products with weights to operations: which kernel is used, and what is fused with
//! it.

use alloc::vec;
use alloc::vec::Vec;

use super::bit_conv::{BitConv, ConvSpec, Extra, OutputLayout};
use super::counts::{Counts, Settle};
use super::epilogue::{Channel, Epilogue};
use super::geometry::{BitsOfSums, bits_of_sums, conv, pooled_bits_of_reals, window};
use super::layer::{Kind, Product, Weights};
use super::layout::{Place, Rows, get};
use super::linear::BitLinear;
use super::pixel_conv::{PixelConv, PixelDot};
use super::places::Output;
use super::planner::Planner;
use super::real::{CutPool2, RealConv, ToNibbles, ToRows, real_threshold};
use super::row_conv::RowConv;
use super::steps::Source;
use super::table::TableConv;
use super::window_spec::WindowSpec;
use crate::kernels::packed::LANES;
use crate::kernels::packed::rows::ROW;

/// The rule of each channel's sums, and the numbers that are added to them first.
type Rules = (Vec<Channel>, Option<Extra>);

impl Planner<'_> {
    /// Translates a product of binary weights with pixels or bits.
    pub fn integers(&mut self, i: usize, words: &[u64]) -> Output {
        let (stage, flow) = self.at(i);
        let (shape, kind) = flow.input();
        let depth = stage.product.depth(shape);
        let row = depth.div_ceil(64);
        let positive = |o: usize, i: usize| get(&words[o * row..], i);
        let bits = kind.is_bits().then(|| self.rows_for(i));
        let len = flow.values[0].0.len();
        let spec = conv(stage, flow, &positive);
        let window = match stage.product {
            Product::Conv { kernel, .. } => (kernel, kernel),
            _ => (shape.height, shape.width),
        };
        match (stage.product, bits) {
            (Product::Conv { .. }, Some(_)) => {}
            (Product::Conv { .. }, None) if PixelConv::fits(&spec) => {}
            (_, Some(from)) => {
                let to = self.sizes.ints(len);
                self.push(i, BitLinear::new(words, depth, from, to));
                self.settle(i, &spec, to);
                return self.tail(i, Source::Ints(to));
            }
            (_, None) => {
                let to = self.sizes.ints(len);
                let dot = PixelDot::new(&spec, window, to, &mut self.sizes);
                self.push(i, dot);
                self.settle(i, &spec, to);
                return self.tail(i, Source::Ints(to));
            }
        }
        if let Some(made) = bits_of_sums(stage)
            && let Some(rules) = self.rules(i, &spec, &made)
        {
            return self.conv_to_bits(i, &spec, bits, (rules, made.pool));
        }
        let to = self.sizes.ints(len);
        self.conv(i, &spec, bits, (OutputLayout::Ints(to), None));
        self.settle(i, &spec, to);
        self.tail(i, Source::Ints(to))
    }

    /// Returns the correction of the sums over bits of stage `i`, if one is necessary.
    fn counts(&self, i: usize, spec: &ConvSpec<'_>) -> Option<Counts> {
        let (stage, flow) = self.at(i);
        let of = (spec, &window(stage, flow));
        Counts::new(stage.product, flow.input().1, of)
    }

    /// Corrects the sums of stage `i` in buffer `at`.
    fn settle(&mut self, i: usize, spec: &ConvSpec<'_>, at: usize) {
        if let Some(counts) = self.counts(i, spec) {
            let settle = Settle {
                counts,
                output: spec.output,
                stride: spec.stride,
                at,
            };
            self.push(i, settle);
        }
    }

    /// Returns the rules by which the sums over bits of stage `i` become bits; `None` if the sums
    /// have to be stored as integers first.
    fn rules(&self, i: usize, spec: &ConvSpec<'_>, made: &BitsOfSums<'_>) -> Option<Rules> {
        let (stage, flow) = self.at(i);
        let each = 0..spec.output.channels;
        let Some(counts) = self.counts(i, spec) else {
            let channel = |o: usize| made.channel(o, made.threshold(o));
            return Some((each.map(channel).collect(), None));
        };
        let channel = |o: usize, at: (usize, usize)| {
            made.channel(o, counts.threshold(o, made.threshold(o), at))
        };
        if !stage.product.varies(flow.input().1) {
            return Some((each.map(|o| channel(o, (0, 0))).collect(), None));
        }
        match flow.input().1 {
            Kind::Pixels => None,
            _ => Extra::new(spec, channel).map(|(channels, extra)| (channels, Some(extra))),
        }
    }

    /// Returns the buffer of the bits that stage `i` reads, in the rows that it reads.
    fn rows_for(&mut self, i: usize) -> usize {
        let layout = self.layout_of(i);
        let layout = layout.expect("a stage with weights wants an order");
        match self.bits_for(i, layout) {
            Place::Rows(buffer, _) => buffer,
            Place::Nibbles(..) => unreachable!("binary weights read rows"),
        }
    }

    /// Translates a convolution whose sums become bits without being stored.
    fn conv_to_bits(
        &mut self,
        i: usize,
        spec: &ConvSpec<'_>,
        bits: Option<usize>,
        ((channels, extra), pool): (Rules, Option<(usize, usize)>),
    ) -> Output {
        let (stage, flow) = self.at(i);
        let step = match bits {
            None => spec.dense().1.next_multiple_of(LANES),
            Some(_) if self.by_rows(stage, flow, spec) => ROW,
            Some(_) => spec.input.width + spec.padding,
        };
        // The bits are written in the layout of the reader if it reads rows; otherwise they are
        // converted.
        let (shape, _) = flow.output();
        let place = self.place_bits(i);
        let (to, rows) = match place {
            Place::Rows(to, rows) => (to, rows),
            Place::Nibbles(..) => {
                let rows = Rows::flat(shape);
                (self.sizes.bits(shape.len().div_ceil(64)), rows)
            }
        };
        let epilogue = Epilogue {
            step,
            stride: spec.stride,
            pool,
            size: (shape.height, shape.width),
            to: rows,
        };
        let goal = OutputLayout::Bits(channels, epilogue, to);
        self.conv(i, spec, bits, (goal, extra));
        if let Place::Nibbles(buffer, nibbles) = place {
            let (from, to) = ((to, rows), (buffer, nibbles));
            self.push(i, ToNibbles { shape, from, to });
        }
        Output::Bits(place)
    }

    fn conv(
        &mut self,
        i: usize,
        spec: &ConvSpec<'_>,
        bits: Option<usize>,
        (goal, extra): (OutputLayout, Option<Extra>),
    ) {
        let (stage, flow) = self.at(i);
        let by_rows = self.by_rows(stage, flow, spec);
        match (bits, goal) {
            (None, goal) => {
                let op = PixelConv::new(spec, goal, &mut self.sizes);
                self.push(i, op);
            }
            (Some(from), OutputLayout::Bits(channels, epilogue, to)) if by_rows => {
                let lanes = self.kernels.row_lanes();
                let goal = (channels, epilogue, to);
                let op = RowConv::new(spec, lanes, from, goal, &mut self.sizes);
                self.push(i, op);
            }
            (Some(from), goal) => {
                let op = BitConv::new(spec, from, (goal, extra), &mut self.sizes);
                self.push(i, op);
            }
        }
    }

    /// Translates a product with real weights, or with binary weights over reals.
    pub fn reals(&mut self, i: usize) -> Output {
        let (stage, flow) = self.at(i);
        let channels = flow.values[0].0.channels;
        // If the sums become pooled bits directly, the affine map and the unit are one threshold
        // per channel; a decreasing map (negative scale) negates the weights.
        let fused = pooled_bits_of_reals(stage).filter(|_| channels.is_multiple_of(8));
        let to = self.real_sum(i, fused.map(|(scale, _)| scale));
        let Some((scale, shift)) = fused else {
            return self.tail(i, Source::Reals(to));
        };
        let pairs = scale.iter().zip(shift);
        let threshold = pairs.map(|(s, t)| real_threshold(s.abs(), *t)).collect();
        self.cut_and_pool(i, to, threshold)
    }

    /// Computes the sums of stage `i`, negated for channels with a negative scale; returns their
    /// buffer.
    fn real_sum(&mut self, i: usize, scale: Option<&[f32]>) -> usize {
        let (stage, flow) = self.at(i);
        let shape = flow.values[0].0;
        let depth = stage.product.depth(flow.input().0);
        let sign = |o: usize| match scale {
            Some(scale) if scale[o] < 0.0 => -1.0,
            _ => 1.0,
        };
        let row = depth.div_ceil(64);
        let weight = |o: usize, i: usize| {
            sign(o)
                * match &stage.weights {
                    Weights::Real { values, .. } => values[o * depth + i],
                    Weights::Binary { words } if get(&words[o * row..], i) => 1.0,
                    _ => -1.0,
                }
        };
        let bias: Vec<f32> = match &stage.weights {
            Weights::Real { bias, .. } => {
                bias.iter().enumerate().map(|(o, b)| sign(o) * b).collect()
            }
            _ => vec![0.0; shape.channels],
        };
        let spec = window(stage, flow);
        let kind = flow.input().1;
        if kind.is_bits() {
            let layout = self.layout_of(i);
            let layout = layout.expect("a stage with weights wants an order");
            let Place::Nibbles(from, _) = self.bits_for(i, layout) else {
                unreachable!("real weights read nibbles")
            };
            let to = self.sizes.reals(shape.len());
            let of = (&spec, kind == Kind::Signs);
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

    /// Turns the sums in buffer `from` into pooled bits.
    fn cut_and_pool(&mut self, i: usize, from: usize, threshold: Vec<f32>) -> Output {
        let (_, flow) = self.at(i);
        let (pooled, _) = flow.output();
        let place = self.place_bits(i);
        let (buffer, nibbles) = match place {
            Place::Nibbles(buffer, nibbles) => (buffer, nibbles),
            Place::Rows(..) => {
                let spec = WindowSpec {
                    input: pooled,
                    output: pooled,
                    kernel: (1, 1),
                    stride: 1,
                    padding: 0,
                    border: 0,
                };
                let (nibbles, bytes) = spec.nibbles();
                (self.sizes.bytes(bytes), nibbles)
            }
        };
        let cut = CutPool2 {
            from,
            shape: flow.values[0].0,
            threshold,
            to: buffer,
            nibbles,
        };
        self.push(i, cut);
        if let Place::Rows(to, rows) = place {
            let (from, to) = ((buffer, nibbles), (to, rows));
            let shape = pooled;
            self.push(i, ToRows { shape, from, to });
        }
        Output::Bits(place)
    }
}
