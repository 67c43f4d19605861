//! Values that become one: their sum, or their channels side by side.

use super::value::{Form, Integers, Packed};
use super::{INEXACT, Packer};
use crate::packed::{Kind, Product, Ranges, Source, Weights};
use crate::tensor::Shape;

impl Packer<'_> {
    /// The sum of values of one shape: an integer where all are whole numbers, else the
    /// reals that the trained network adds, in its order.
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

    /// The channels of values of one size, side by side: bits where all are bits, signs where all are signs, integers
    /// where all are whole numbers, else reals.
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

    /// The inputs of a join: whole numbers with what they can be, where all are and those
    /// will do, else as reals where they are no whole numbers.
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
        // Beside a real number a whole one is added as it is; where all are whole and the
        // sum is not, it is reals that are added.
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
