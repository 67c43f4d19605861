//! Passes that make bits of sums over binary weights.

use crate::packed::{Step, Thresholds, Weights};

use super::emitter::{Emitter, Function};
use super::loops::stored_at;
use super::passes::{Origin, Value};
use super::text::Text;

/// A pass that makes bits of sums over binary weights: thresholds and perhaps a pooling. Every bit
/// is computed as "some sum of the window reaches the threshold", with the weights of some outputs
/// negated and the bits of some channels inverted at the end, so that the rest of a window is left
/// out as soon as one sum does.
pub(super) struct BitsOfSums {
    thresholds: Vec<i32>,
    negated: Vec<bool>,
    inverted: Vec<bool>,
}

impl BitsOfSums {
    /// Makes the rules of all channels. `and` says of which channels the smallest bit of a window is
    /// taken, and `least` of which the smallest sum; without a pooling both are empty.
    fn new(thresholds: &Thresholds, and: &[bool], least: &[bool]) -> Self {
        let mut made = Self {
            thresholds: Vec::new(),
            negated: Vec::new(),
            inverted: Vec::new(),
        };
        for (c, &threshold) in thresholds.threshold.iter().enumerate() {
            // An AND is the inverted OR of inverted bits; a smallest sum reaches the threshold if
            // all do, which is an AND.
            let mut inverted = thresholds.inverted[c];
            let mut negated = inverted;
            if let Some(&and) = and.get(c) {
                (negated, inverted) = (inverted != and, and);
            } else if let Some(&least) = least.get(c) {
                (negated, inverted) = (least, inverted != least);
            } else {
                inverted = false;
            }
            // `sum < t` is `-sum >= 1 - t`.
            let own = if negated { 1 - threshold } else { threshold };
            made.thresholds.push(own);
            made.negated.push(negated);
            made.inverted.push(inverted);
        }
        made
    }
}

impl Emitter<'_> {
    /// Returns the pass as one that makes bits of sums, if it is one.
    pub fn bits_of_sums(&self, p: usize) -> Option<(Value, BitsOfSums)> {
        let pass = self.pass(p);
        let tail = &self.net.stages()[pass.stage].tail;
        let Origin::Counted(value) = pass.origin else {
            return None;
        };
        let signs = |steps: &[usize]| steps.iter().all(|&j| matches!(tail[j], Step::Signs));
        let (first, rest, pooled_first) =
            match (pass.before.split_first(), pass.after.split_first()) {
                (Some((first, rest)), _) if signs(&pass.after) => (*first, rest, false),
                (None, Some((first, rest))) => (*first, rest, true),
                _ => return None,
            };
        let (Step::Threshold { thresholds } | Step::Draw { thresholds, .. }) = &tail[first] else {
            return None;
        };
        if !signs(rest) {
            return None;
        }
        let (and, least): (&[bool], &[bool]) = match (pass.pool.map(|j| &tail[j]), pooled_first) {
            (None, false) => (&[], &[]),
            (Some(Step::PoolBits { and, .. }), false) => (and, &[]),
            (Some(Step::PoolInts { min, .. }), true) => (&[], min),
            _ => return None,
        };
        Some((value, BitsOfSums::new(thresholds, and, least)))
    }

    /// Writes a pass that makes bits of sums.
    pub fn bit_pass(&mut self, p: usize, value: Value, bits: &BitsOfSums) -> Function {
        let net = self.net;
        let pass = self.pass(p).clone();
        let Weights::Binary { words } = &net.stages()[pass.stage].weights else {
            unreachable!("these sums have binary weights")
        };
        let begun = self.counted(p, value, words, &bits.negated);
        self.int_table(&format!("threshold_{p}"), &bits.thresholds);
        let inverts = bits.inverted.contains(&true);
        if inverts {
            let flags: Vec<i32> = bits.inverted.iter().map(|&b| i32::from(b)).collect();
            self.int_table(&format!("inverted_{p}"), &flags);
        }
        self.code.line("");
        let shape = self.shape_of(&pass);
        let mut body = Text::default();
        self.clear_result(&pass, &mut body);
        let reached = format!("{} >= threshold_{p}[c]", begun.number);
        let condition = match pass.pool {
            None => reached,
            Some(_) => format!("!get_bit(out, at) && {reached}"),
        };
        let mut inner = Text::default();
        inner.line(format_args!(
            "const int32_t at = {};",
            stored_at(&pass, shape)
        ));
        inner.open(format_args!("if ({condition})"));
        inner.line("set_bit(out, at);");
        inner.close();
        self.loops((&pass, shape), &begun.prepare, (inner, None), &mut body);
        if inverts {
            let head = format!("for (int32_t at = 0; at < {}; at++)", shape.len());
            body.open(head);
            let channel = match pass.flatten {
                true => format!("at / {}", shape.pixels()),
                false => format!("at % {}", shape.channels),
            };
            body.open(format_args!("if (inverted_{p}[{channel}])"));
            body.line("flip_bit(out, at);");
            body.close();
            body.close();
        }
        self.function(("void", &format!("pass_{p}")), &[], body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every rule gives the bit that the thresholds and the pooling give, over all windows of two
    /// small sums.
    #[test]
    fn rules_are_those_of_thresholds_and_poolings() {
        for (inverted, flag) in [(false, false), (false, true), (true, false), (true, true)] {
            let thresholds = Thresholds {
                threshold: vec![2],
                inverted: vec![inverted],
            };
            let pairs = (-4..=4).flat_map(|a| (-4..=4).map(move |b| (a, b)));
            for (a, b) in pairs {
                let bit = |sum: i32| thresholds.bit(0, sum);
                let pooled = if flag {
                    bit(a) && bit(b)
                } else {
                    bit(a) || bit(b)
                };
                let extreme = if flag { a.min(b) } else { a.max(b) };
                let by = |rule: &BitsOfSums, sums: &[i32]| {
                    let own = |s: i32| if rule.negated[0] { -s } else { s };
                    let any = sums.iter().any(|&s| own(s) >= rule.thresholds[0]);
                    any != rule.inverted[0]
                };
                let of_bits = BitsOfSums::new(&thresholds, &[flag], &[]);
                assert_eq!(by(&of_bits, &[a, b]), pooled, "{inverted} {flag} {a} {b}");
                let of_sums = BitsOfSums::new(&thresholds, &[], &[flag]);
                assert_eq!(
                    by(&of_sums, &[a, b]),
                    bit(extreme),
                    "{inverted} {flag} {a} {b}"
                );
                let alone = BitsOfSums::new(&thresholds, &[], &[]);
                assert_eq!(by(&alone, &[a]), bit(a), "{inverted} {a}");
            }
        }
    }
}
