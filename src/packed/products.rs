//! Translation of products of binary weights to operations: which kernel is used, and what is fused
//! with it. [`super::real_products`] translates the others.

use alloc::vec::Vec;

use super::bit_conv::{BitConv, ConvSpec, Extra, OutputLayout, Part};
use super::counts::{Counts, Settle};
use super::epilogue::{Channel, Epilogue};
use super::geometry::{BitsOfSums, bits_of_sums, conv, window};
use super::layer::{Kind, Product};
use super::layout::{Place, Rows, get};
use super::linear::BitLinear;
use super::nibbles::ToNibbles;
use super::pixel_conv::{PixelConv, PixelDot};
use super::places::Output;
use super::planner::Planner;
use super::row_conv::RowConv;
use super::steps::Source;
use super::tiled_conv::TiledConv;
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
            (Product::Conv { groups, .. }, Some(from)) if groups > 1 => {
                let to = self.grouped(i, &spec, from, groups);
                self.settle(i, &spec, to);
                return self.tail(i, Source::Ints(to));
            }
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
            (Some(from), goal) if TiledConv::fits(spec) => {
                let op = TiledConv::new(spec, from, (goal, extra), &mut self.sizes);
                self.push(i, op);
            }
            (Some(from), goal) => {
                let from = (from, Part::whole(spec));
                let op = BitConv::new(spec, from, (goal, extra), (None, &mut self.sizes));
                self.push(i, op);
            }
        }
    }
}
