//! Floor 5: from a trained network to a packed one. The only place that sees both.
//!
//! The layers between one layer with weights and the next become a few steps. Where
//! the weights are binary and the inputs bits or pixels, a sum is an integer, and
//! what follows it up to the binary unit is, for each channel, a function of that
//! integer: scale, bias, batch norm, activation. That very function, with the
//! roundings of the trained graph, is evaluated at *every* sum that can occur:
//!
//! - the unit's bit must change at most once along the sums; where it changes is the
//!   threshold, and whether it falls is the flip (a negative γ). If it never
//!   changes (γ = 0) the bit is a constant;
//! - the function up to each pool must rise or fall all the way. The pool takes the
//!   largest value, so the largest sum if it rises and the smallest if it falls;
//!   and the bit of the largest sum is the OR of the bits if the bit rises with the
//!   sum, else the AND. So batch norm before the pool gives an OR whatever the sign
//!   of γ, and after it an OR for γ > 0, an AND for γ < 0.
//!
//! A channel for which this does not hold is refused: each one is proved by
//! exhaustion, none by algebra.

mod channel;
mod verify;

pub use verify::{Difference, Verification, verify};

use crate::bits;
use crate::error::{Error, Result};
use crate::estimators::{self, Firing, Link};
use crate::model::{LayerSpec, ModelSpec, Network, Pixels as Encoding};
use crate::ops::{self, channel_scale, scale_and_shift};
use crate::packed::{
    Cut, Function, Kind, PackedNet, Pixels, Product, Stage, Step, Weights, sums_of,
};
use crate::tape::{Entry, Params};
use channel::{Map, Scan};

/// The packed form of a trained network, as it is read in evaluation.
///
/// # Errors
/// One line that names the layer that cannot be packed, and why.
pub fn lower(net: &Network) -> Result<PackedNet> {
    let spec = net.spec();
    let mut lowering = Lowering {
        spec,
        params: net.params(),
        slope: net.pass().slope,
        nodes: node_numbers(spec),
    };
    lowering.run()
}

struct Lowering<'a> {
    spec: &'a ModelSpec,
    params: &'a Params,
    slope: f32,
    /// The place of each layer in the address of its noise.
    nodes: Vec<usize>,
}

/// The node of each layer on the tape: binary weights with a scale or a bias take
/// two.
fn node_numbers(spec: &ModelSpec) -> Vec<usize> {
    let mut node = 0;
    let mut nodes = Vec::new();
    for layer in &spec.layers {
        if let LayerSpec::Conv {
            bias,
            scale,
            weights,
            ..
        }
        | LayerSpec::Linear {
            bias,
            scale,
            weights,
            ..
        } = layer
            && !weights.is_real()
            && (*bias || *scale)
        {
            node += 1;
        }
        nodes.push(node);
        node += 1;
    }
    nodes
}

/// A layer with weights on its way.
struct Weighted {
    stage: Stage,
    /// Scale and bias that follow integer sums.
    after: Option<Map>,
    depth: usize,
    channels: usize,
}

impl Lowering<'_> {
    fn run(&mut self) -> Result<PackedNet> {
        let layers = &self.spec.layers;
        let pixels = match self.spec.pixel_encoding() {
            Encoding::Integer => Pixels::Raw,
            Encoding::Normalised(n) => Pixels::Normalised {
                mean: n.mean,
                std: n.std,
            },
        };
        let mut kind = match pixels {
            Pixels::Raw => Kind::Pixels,
            Pixels::Normalised { .. } => Kind::Reals,
        };
        let mut stages = Vec::new();
        let mut i = 0;
        while i < layers.len() {
            let weighted = self.weights(i)?;
            let first = if weighted.is_some() { i + 1 } else { i };
            let is_weighted =
                |l: &LayerSpec| matches!(l, LayerSpec::Conv { .. } | LayerSpec::Linear { .. });
            let end = (first..layers.len()).find(|&j| is_weighted(&layers[j]));
            let end = end.unwrap_or(layers.len());
            let reads = kind;
            let weighted = weighted.unwrap_or_else(|| Weighted {
                stage: Stage {
                    name: "input".into(),
                    layer: 0,
                    product: Product::Input,
                    weights: Weights::None,
                    tail: Vec::new(),
                },
                after: None,
                depth: 1,
                channels: self.spec.input.channels,
            });
            let (stage, made) = self.tail(weighted, reads, first, end)?;
            stages.push(stage);
            kind = made;
            i = end;
        }
        PackedNet::new(self.spec.name.clone(), self.spec.input, pixels, stages)
    }

    /// An error about layer `i`.
    fn fail(&self, i: usize, what: impl std::fmt::Display) -> Error {
        Error::spec(format!(
            "layer {} ({}) cannot be packed: {what}",
            i + 1,
            self.spec.layers[i].label()
        ))
    }

    fn find<'e>(&self, entries: &'e [Entry], name: &str) -> Result<&'e Entry> {
        let missing = || Error::spec(format!("the network has no tensor {name}"));
        entries.iter().find(|e| e.name == name).ok_or_else(missing)
    }

    fn param(&self, name: &str) -> Result<&[f32]> {
        let entry = self.find(self.params.entries(), name)?;
        Ok(&self.params.values()[entry.span.clone()])
    }

    fn buffer(&self, name: &str) -> Result<&[f32]> {
        let entry = self.find(self.params.buffer_entries(), name)?;
        Ok(&self.params.buffer_values()[entry.span.clone()])
    }

    /// Layer `i`'s weights, if it has any.
    fn weights(&self, i: usize) -> Result<Option<Weighted>> {
        let layer = &self.spec.layers[i];
        let (name, out, bias, scale, kind) = match layer {
            LayerSpec::Conv {
                name,
                out,
                bias,
                scale,
                weights,
                ..
            }
            | LayerSpec::Linear {
                name,
                out,
                bias,
                scale,
                weights,
                ..
            } => (name, *out, *bias, *scale, *weights),
            _ => return Ok(None),
        };
        let product = match *layer {
            LayerSpec::Conv {
                kernel,
                stride,
                padding,
                ..
            } => Product::Conv {
                out,
                kernel,
                stride,
                padding,
            },
            _ => Product::Linear { out },
        };
        let values = self.param(&format!("{name}.weight"))?;
        let depth = values.len() / out;
        let has_bias = bias;
        let bias = match has_bias {
            true => self.param(&format!("{name}.bias"))?.to_vec(),
            false => vec![0.0; out],
        };
        if values.iter().chain(&bias).any(|w| !w.is_finite()) {
            return Err(self.fail(i, "a weight is not a finite number"));
        }
        let mut after = None;
        let weights = if kind.is_real() {
            Weights::Real {
                values: values.to_vec(),
                bias,
            }
        } else {
            let scales = values.chunks_exact(depth).map(|v| match scale {
                true => channel_scale(v),
                false => 1.0,
            });
            after = (scale || has_bias).then(|| Map::Affine {
                scale: scales.collect(),
                shift: bias,
            });
            let words = values.chunks_exact(depth).flat_map(bits::pack_signs);
            Weights::Binary {
                words: words.collect(),
            }
        };
        Ok(Some(Weighted {
            stage: Stage {
                name: name.clone(),
                layer: i,
                product,
                weights,
                tail: Vec::new(),
            },
            after,
            depth,
            channels: out,
        }))
    }

    /// The layers `first..end` behind a layer with weights.
    fn tail(
        &self,
        weighted: Weighted,
        reads: Kind,
        first: usize,
        end: usize,
    ) -> Result<(Stage, Kind)> {
        let Weighted {
            mut stage,
            after,
            depth,
            channels,
        } = weighted;
        let mut kind = match (&stage.weights, reads) {
            (Weights::None, Kind::Pixels) => Kind::Ints,
            (Weights::Binary { .. }, Kind::Pixels | Kind::Bits) => Kind::Ints,
            _ => Kind::Reals,
        };
        let mut next = first;
        if kind == Kind::Ints {
            let most = if reads == Kind::Pixels { 255 } else { 1 };
            let sums = match stage.weights {
                Weights::Binary { .. } => depth.saturating_mul(most as usize),
                _ => 255,
            };
            Scan::check(sums, channels).map_err(|what| self.fail(stage.layer, what))?;
            let scan = Scan::new(channels, |c| match &stage.weights {
                Weights::Binary { words } => {
                    let row = depth.div_ceil(64);
                    let ones = |w: &u64| w.count_ones() as usize;
                    let positive = words[c * row..][..row].iter().map(ones).sum();
                    sums_of(depth, positive, most)
                }
                _ => (0, 255),
            });
            let unit = |l: &LayerSpec| matches!(l, LayerSpec::Binary { .. });
            match (first..end).find(|&j| unit(&self.spec.layers[j])) {
                Some(unit) => {
                    self.integer_unit(&mut stage, scan, after, first, unit)?;
                    (kind, next) = (Kind::Bits, unit + 1);
                }
                None => {
                    // Pools first, as long as nothing else has come.
                    while let (None, Some(LayerSpec::MaxPool { kernel, stride })) =
                        (&after, self.spec.layers[next..end].first())
                    {
                        stage.tail.push(Step::PoolInts {
                            kernel: *kernel,
                            stride: stride.unwrap_or(*kernel),
                            min: vec![false; channels],
                        });
                        next += 1;
                    }
                    let same = Map::Affine {
                        scale: vec![1.0; channels],
                        shift: vec![0.0; channels],
                    };
                    let starts_affine = matches!(
                        self.spec.layers[next..end].first(),
                        Some(LayerSpec::BatchNorm { .. })
                    );
                    match after {
                        Some(map) => stage.tail.push(map.step()),
                        None if !starts_affine => stage.tail.push(same.step()),
                        None => {}
                    }
                    kind = Kind::Reals;
                }
            }
        } else if let Some(map) = after {
            stage.tail.push(map.step());
        }
        for j in next..end {
            let (step, made) = self.step(j, kind, channels)?;
            stage.tail.push(step);
            kind = made;
        }
        stage.layer = (end.max(1)) - 1;
        Ok((stage, kind))
    }

    /// The map that layer `j` is, if it acts on each number alone.
    fn map(&self, j: usize) -> Result<Option<Map>> {
        Ok(match &self.spec.layers[j] {
            LayerSpec::BatchNorm { name, eps, .. } => {
                let gamma = self.param(&format!("{name}.weight"))?;
                let beta = self.param(&format!("{name}.bias"))?;
                let mean = self.buffer(&format!("{name}.running_mean"))?;
                let var = self.buffer(&format!("{name}.running_var"))?;
                let pairs = (0..gamma.len())
                    .map(|c| scale_and_shift(gamma[c], beta[c], mean[c], var[c], *eps));
                let (scale, shift): (Vec<f32>, Vec<f32>) = pairs.unzip();
                let finite = |x: &f32| x.is_finite();
                if let Some(c) =
                    (0..scale.len()).find(|&c| !finite(&scale[c]) || !finite(&shift[c]))
                {
                    return Err(self.fail(j, format!("channel {c} has no finite scale and shift")));
                }
                Some(Map::Affine { scale, shift })
            }
            LayerSpec::Activation { function } => {
                let function = match function {
                    ops::Function::Relu => Function::Relu,
                    ops::Function::HardSigmoid => Function::HardSigmoid,
                    ops::Function::Sigmoid => Function::Sigmoid,
                };
                Some(Map::Function(function, self.slope))
            }
            _ => None,
        })
    }

    /// Layer `j` as a step of its own, on reals or bits.
    fn step(&self, j: usize, kind: Kind, channels: usize) -> Result<(Step, Kind)> {
        if let LayerSpec::MaxPool { kernel, stride } = &self.spec.layers[j] {
            let (kernel, stride) = (*kernel, stride.unwrap_or(*kernel));
            let and = vec![false; channels];
            return Ok(match kind {
                Kind::Bits => (
                    Step::PoolBits {
                        kernel,
                        stride,
                        and,
                    },
                    kind,
                ),
                _ => (Step::MaxPool { kernel, stride }, kind),
            });
        }
        if kind == Kind::Bits {
            let what = "it follows a binary unit, and its input is bits; only pooling may stand between a binary unit and the next weights";
            return Err(self.fail(j, what));
        }
        if let Some(map) = self.map(j)? {
            return Ok((map.step(), Kind::Reals));
        }
        match &self.spec.layers[j] {
            LayerSpec::Binary {
                mode: Firing::Deterministic,
                ..
            } => Ok((Step::Fire, Kind::Bits)),
            LayerSpec::Binary {
                estimator, link, ..
            } => {
                let link = link_function(estimator, *link)?;
                let (node, slope) = (self.nodes[j], self.slope);
                Ok((Step::Sample { node, link, slope }, Kind::Bits))
            }
            _ => Err(self.fail(j, "no packed form is known of it here")),
        }
    }

    /// The layers `first..=unit` behind integer sums, up to their binary unit.
    fn integer_unit(
        &self,
        stage: &mut Stage,
        mut scan: Scan,
        after: Option<Map>,
        first: usize,
        unit: usize,
    ) -> Result<()> {
        let channels = scan.channels();
        if let Some(map) = after {
            scan.apply(&map);
        }
        // Each pool, and for each channel whether its input rises with the sum.
        let mut pools = Vec::new();
        for j in first..unit {
            if let LayerSpec::MaxPool { kernel, stride } = &self.spec.layers[j] {
                let rises = scan.rises().map_err(|c| {
                    self.fail(
                        j,
                        format!(
                            "what it pools in channel {c} neither rises nor falls with the sum"
                        ),
                    )
                })?;
                pools.push((*kernel, stride.unwrap_or(*kernel), rises));
            } else if let Some(map) = self.map(j)? {
                scan.apply(&map);
            } else {
                return Err(self.fail(j, "no packed form is known of it here"));
            }
        }
        let cuts = scan.cuts().map_err(|c| {
            self.fail(
                unit,
                format!("the bit of channel {c} changes more than once along its sums"),
            )
        })?;
        let cut = Cut {
            threshold: cuts.iter().map(|c| c.threshold).collect(),
            flip: cuts.iter().map(|c| c.flip).collect(),
        };
        let LayerSpec::Binary {
            mode,
            estimator,
            link,
        } = &self.spec.layers[unit]
        else {
            return Err(self.fail(unit, "it is no binary unit"));
        };
        if *mode == Firing::Deterministic {
            stage.tail.push(Step::Cut { cut });
            // A constant, to the pool or to the unit, pools the same either way.
            let and = |rises: &[Option<bool>]| -> Vec<bool> {
                let pairs = rises.iter().zip(&cuts);
                pairs
                    .map(|(rises, cut)| rises.is_some_and(|r| r == cut.flip) && !cut.constant)
                    .collect()
            };
            stage
                .tail
                .extend(pools.iter().map(|(kernel, stride, rises)| Step::PoolBits {
                    kernel: *kernel,
                    stride: *stride,
                    and: and(rises),
                }));
            return Ok(());
        }
        stage
            .tail
            .extend(pools.iter().map(|(kernel, stride, rises)| Step::PoolInts {
                kernel: *kernel,
                stride: *stride,
                min: rises.iter().map(|r| *r == Some(false)).collect(),
            }));
        let link = estimators::by_name(estimator, *link)?.link();
        let p = |x: f32| link.probability(self.slope, x);
        stage.tail.push(Step::Draw {
            node: self.nodes[unit],
            cut,
            p: (0..channels)
                .flat_map(|c| scan.values(c).iter().map(|&x| p(x)).collect::<Vec<_>>())
                .collect(),
        });
        Ok(())
    }
}

/// The probability of a bit as a function of the pre-activation.
fn link_function(estimator: &str, link: Option<Link>) -> Result<Function> {
    Ok(match estimators::by_name(estimator, link)?.link() {
        Link::HardSigmoid => Function::HardSigmoid,
        Link::Sigmoid => Function::Sigmoid,
    })
}
