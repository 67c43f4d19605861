//! Packing of binary units: thresholds over integers, found by evaluating all of them.

use super::Packer;
use super::scan::{ChannelThreshold, Scan};
use super::steps::push;
use super::value::{At, Form, Integers, Packed, Pending};
use crate::error::Result;
use crate::packed::{Function, Step, Thresholds};

/// The probability of a 1 as a named function, and the same function to be evaluated.
pub type Draw<'a> = (Function, &'a dyn Fn(f32) -> f32);

/// A max-pool between integers and a unit: kernel, stride, and for each channel whether the pooled
/// values increase with the integer (`Some(true)`), decrease or are constant (`None`).
type Pool = (usize, usize, Vec<Option<bool>>);

impl Packer<'_> {
    /// Packs a binary unit, which draws random bits if `draw` is stated, and else fires if x > 0.
    ///
    /// # Errors
    /// If the value is bits, or the bit is not a threshold function of the integers.
    pub fn unit(&mut self, x: &Packed, draw: Option<Draw<'_>>) -> Result<Packed> {
        let mut x = self.open(self.unflatten(x));
        match &x.form {
            Form::Bits | Form::Signs => return Err(self.refuse_after_bits()),
            Form::Integers(integers) => {
                let integers = integers.clone();
                self.integer_unit(&mut x, &integers, draw)?;
            }
            _ => push(
                &mut x,
                match draw {
                    None => Step::Fire,
                    Some((probability, _)) => Step::Sample {
                        node: self.noise,
                        probability,
                        slope: self.slope,
                    },
                },
            ),
        }
        x.form = Form::Bits;
        Ok(x)
    }

    fn integer_unit(
        &self,
        x: &mut Packed,
        integers: &Integers,
        draw: Option<Draw<'_>>,
    ) -> Result<()> {
        let channels = x.shape.channels;
        Scan::check(integers.reach, channels).map_err(|what| self.refuse(what))?;
        let mut scan = Scan::new(channels, &integers.ranges);
        let pools = self.follow(&mut scan, &integers.pending)?;
        let found = scan.thresholds().map_err(|c| {
            self.refuse(format!(
                "the bit of channel {c} changes more than once along its sums"
            ))
        })?;
        let thresholds = Thresholds {
            threshold: found.iter().map(|t| t.threshold).collect(),
            inverted: found.iter().map(|t| t.inverted).collect(),
        };
        let Some((_, probability)) = draw else {
            push(x, Step::Threshold { thresholds });
            for (kernel, stride, rises) in pools {
                let and = and(&rises, &found);
                push(
                    x,
                    Step::PoolBits {
                        kernel,
                        stride,
                        and,
                    },
                );
            }
            return Ok(());
        };
        for (kernel, stride, rises) in pools {
            let min = rises.iter().map(|r| *r == Some(false)).collect();
            push(
                x,
                Step::PoolInts {
                    kernel,
                    stride,
                    min,
                },
            );
        }
        let p = probabilities(&scan, (channels, integers.reach), probability);
        let node = self.noise;
        push(
            x,
            Step::Draw {
                node,
                thresholds,
                p,
            },
        );
        Ok(())
    }

    /// Applies the pending operations to every integer; returns the max-pools among them.
    fn follow(&self, scan: &mut Scan, pending: &[(At, Pending)]) -> Result<Vec<Pool>> {
        let mut pools = Vec::new();
        for (at, pending) in pending {
            match pending {
                Pending::Map(map) => scan.apply(map),
                Pending::MaxPool { kernel, stride } => {
                    let rises = scan.rises().map_err(|c| {
                        self.refuse_at(
                            at,
                            format!(
                                "what it pools in channel {c} neither rises nor falls with the sum"
                            ),
                        )
                    })?;
                    pools.push((*kernel, *stride, rises));
                }
            }
        }
        Ok(pools)
    }
}

/// Returns for each channel whether the pooling of its bits is an AND. If the values or the bit are
/// constant, OR and AND are equal.
fn and(rises: &[Option<bool>], thresholds: &[ChannelThreshold]) -> Vec<bool> {
    let pairs = rises.iter().zip(thresholds);
    pairs
        .map(|(rises, t)| rises.is_some_and(|r| r == t.inverted) && !t.constant)
        .collect()
}

/// Returns the probability of a 1 for every sum of every channel, of shape (channel, sum).
fn probabilities(
    scan: &Scan,
    (channels, reach): (usize, usize),
    probability: &dyn Fn(f32) -> f32,
) -> Vec<f32> {
    // After a concatenation, channels can have fewer integers than the widest range.
    let mut p = vec![0.0; channels * (reach + 1)];
    for (c, p) in p.chunks_exact_mut(reach + 1).enumerate() {
        for (p, &x) in p.iter_mut().zip(scan.values(c)) {
            *p = probability(x);
        }
    }
    p
}
