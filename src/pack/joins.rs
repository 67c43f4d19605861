//! Packing of joins: the sum of several values, or the concatenation of their channels.

use super::value::{Form, Integers, Packed};
use super::{INEXACT, Packer};
use crate::packed::{Kind, Product, Ranges, Source, Weights};
use crate::tensor::Shape;

impl Packer<'_> {
    /// Packs the sum of values of one shape: an integer if all inputs are integers, else a sum of
    /// reals, added in the order of the trained network.
    pub fn add(&mut self, inputs: &[Packed]) -> Packed {
        let reach = |all: &[Integers]| all.iter().fold(0usize, |n, i| n.saturating_add(i.reach));
        let (inputs, whole) = self.addends(inputs, |all| reach(all) < INEXACT);
        let shape = inputs[0].shape;
        let form = match whole {
            None => Form::Reals,
            Some(all) => {
                let ranges: Vec<Ranges> = all.iter().map(|i| i.ranges.clone()).collect();
                Form::Integers(Integers {
                    ranges: Ranges::add(&ranges, shape.channels),
                    reach: reach(&all),
                    pending: Vec::new(),
                })
            }
        };
        let sources = self.sources(inputs);
        self.begun(Product::Add, Weights::None, sources, (shape, form))
    }

    /// Packs the concatenation of the channels of values with the same height and width: bits if
    /// all are bits, signs if all are signs, integers if all are integers, else reals.
    pub fn concat(&mut self, inputs: &[Packed]) -> Packed {
        let (inputs, whole) = self.addends(inputs, |_| true);
        let channels = inputs.iter().map(|x| x.shape.channels);
        let Shape { height, width, .. } = inputs[0].shape;
        let shape = Shape::image(channels.clone().sum(), height, width);
        let all = |kind: Kind| inputs.iter().all(|x| x.kind() == kind);
        let form = match whole {
            _ if all(Kind::Bits) => Form::Bits,
            _ if all(Kind::Signs) => Form::Signs,
            None => Form::Reals,
            Some(all) => Form::Integers(Integers {
                ranges: Ranges::concat(all.iter().map(|i| &i.ranges).zip(channels)),
                reach: all.iter().map(|i| i.reach).max().unwrap_or(0),
                pending: Vec::new(),
            }),
        };
        let sources = self.sources(inputs);
        self.begun(Product::Concat, Weights::None, sources, (shape, form))
    }

    /// Returns the inputs of a join as integers with their ranges, if all are integers and
    /// `will_do` accepts the ranges; else those that are not integers are converted to reals.
    fn addends(
        &self,
        inputs: &[Packed],
        will_do: impl Fn(&[Integers]) -> bool,
    ) -> (Vec<Packed>, Option<Vec<Integers>>) {
        let inputs: Vec<Packed> = inputs.iter().map(|x| self.unflatten(x)).collect();
        let whole = inputs.iter().map(|x| self.whole_numbers(x));
        if let Some(whole) = whole.collect::<Option<Vec<_>>>() {
            let (inputs, integers): (Vec<_>, Vec<_>) = whole.into_iter().unzip();
            if will_do(&integers) {
                return (inputs, Some(integers));
            }
        }
        // An integer is added to a real as it is. If all inputs are integers and their sum may be
        // inexact, all are converted to reals.
        let all_whole = inputs.iter().all(|x| x.whole().is_some());
        let real = |x: &Packed| match self.whole_numbers(x) {
            Some((x, _)) if !all_whole || x.is_bits() => x,
            _ => self.reals(x),
        };
        (inputs.iter().map(real).collect(), None)
    }

    fn sources(&mut self, inputs: Vec<Packed>) -> Vec<Source> {
        inputs.into_iter().map(|x| self.close(x)).collect()
    }
}
