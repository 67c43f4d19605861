//! Packed files: safetensors files with the tensors of every stage. The documentation of [`super`]
//! describes the encoding.
//!
//! Nothing is allocated for a tensor before its type and shape have been compared with what the
//! stages require, so a file cannot cause allocations larger than itself.

use alloc::format;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::{Deserialize, Serialize};

use super::layer::{Kind, Pixels, Product, Stage, Step, Weights};
use super::{Lineage, PackedNet, layer::Thresholds};
use crate::error::{Error, Result};
use crate::similarity::Comparison;
use crate::tensor::Shape;
use crate::{container, seal};

/// The metadata key of packed files.
const KEY: &str = "bnn-cpu-packed";

/// The format of networks whose stages form a chain. Format 1, which has no seal, is also read.
const CHAIN: u32 = seal::FORMAT;

/// The format of networks whose stages name what they read or join values, or which have the steps
/// that were added with it.
const GRAPH: u32 = 3;

/// The format of networks with signs, with a border other than 0, or with pixels that are
/// normalised per channel.
const LEVELS: u32 = 4;

/// The format of networks that end in an embedding.
const EMBEDDING: u32 = 5;

/// The format of networks with convolutions in several groups. It is the newest format that this
/// version reads.
const GROUPS: u32 = 6;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lineage: Option<Lineage>,
    name: String,
    input: Shape,
    pixels: Pixels,
    stages: Vec<Stage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    compare: Option<Comparison>,
}

/// The numbers of one tensor, to be written or to be filled.
pub(super) enum Slot<'a> {
    /// Rows of that many bits, each of whole words.
    Words(&'a mut Vec<u64>, usize),
    Reals(&'a mut Vec<f32>),
    Ints(&'a mut Vec<i32>),
    Flags(&'a mut Vec<bool>),
}

impl Slot<'_> {
    /// Fills the numbers from a tensor.
    ///
    /// # Errors
    /// A text that says what is wrong, if the type or shape of the tensor differs, or a flag is
    /// neither 0 nor 1.
    fn fill(
        self,
        name: &str,
        shape: &[usize],
        view: &TensorView<'_>,
    ) -> core::result::Result<(), String> {
        let dtype = match self {
            Slot::Words(..) => Dtype::U64,
            Slot::Reals(_) => Dtype::F32,
            Slot::Ints(_) => Dtype::I32,
            Slot::Flags(_) => Dtype::U8,
        };
        if view.shape() != shape || view.dtype() != dtype {
            return Err(format!(
                "tensor {name} is {:?} {:?} where its stage has {dtype:?} {shape:?}",
                view.dtype(),
                view.shape()
            ));
        }
        let data = view.data();
        match self {
            Slot::Words(x, _) => *x = words(data, u64::from_le_bytes),
            Slot::Reals(x) => *x = words(data, f32::from_le_bytes),
            Slot::Ints(x) => *x = words(data, i32::from_le_bytes),
            Slot::Flags(x) => {
                if let Some(&b) = data.iter().find(|&&b| b > 1) {
                    return Err(format!("tensor {name} holds {b}, not 0 or 1"));
                }
                *x = data.iter().map(|&b| b == 1).collect();
            }
        }
        Ok(())
    }
}

/// Calls `visit` for each tensor, with its name, shape and numbers.
pub(super) fn each_tensor(
    net: &mut PackedNet,
    mut visit: impl FnMut(String, Vec<usize>, Slot<'_>) -> Result<()>,
) -> Result<()> {
    for (i, (stage, flow)) in net.stages.iter_mut().zip(&net.flows).enumerate() {
        let depth = stage.product.depth(flow.input().0);
        let out = flow.values[0].0.channels;
        match &mut stage.weights {
            Weights::None => {}
            Weights::Binary { words } => {
                let shape = vec![out, depth.div_ceil(64)];
                visit(format!("{i}.weight"), shape, Slot::Words(words, depth))?;
            }
            Weights::Real { values, bias } => {
                visit(format!("{i}.weight"), vec![out, depth], Slot::Reals(values))?;
                visit(format!("{i}.bias"), vec![out], Slot::Reals(bias))?;
            }
        }
        for (j, (step, (shape, _))) in stage.tail.iter_mut().zip(&flow.values).enumerate() {
            let c = shape.channels;
            let name = |what: &str| format!("{i}.{j}.{what}");
            match step {
                Step::Threshold { thresholds } | Step::Draw { thresholds, .. } => {
                    let Thresholds {
                        threshold,
                        inverted,
                    } = thresholds;
                    visit(name("threshold"), vec![c], Slot::Ints(threshold))?;
                    visit(name("flip"), vec![c], Slot::Flags(inverted))?;
                }
                Step::PoolBits { and, .. } => visit(name("and"), vec![c], Slot::Flags(and))?,
                Step::PoolInts { min, .. } => visit(name("min"), vec![c], Slot::Flags(min))?,
                Step::Affine { scale, shift } => {
                    visit(name("scale"), vec![c], Slot::Reals(scale))?;
                    visit(name("shift"), vec![c], Slot::Reals(shift))?;
                }
                _ => {}
            }
            if let Step::Draw { p, .. } = step {
                visit(name("p"), vec![c, flow.sums(j)], Slot::Reals(p))?;
            }
        }
    }
    Ok(())
}

impl PackedNet {
    /// Returns the oldest format that can represent the network.
    fn format(&self) -> u32 {
        if self.stages.iter().any(|stage| stage.product.groups() > 1) {
            return GROUPS;
        }
        if self.comparison.is_some() {
            return EMBEDDING;
        }
        let signs = |stage: &Stage| {
            let border = matches!(stage.product, Product::Conv { border, .. } if border != 0);
            border || stage.tail.iter().any(|step| matches!(step, Step::Signs))
        };
        if self.pixels.differ() || self.stages.iter().any(signs) {
            return LEVELS;
        }
        let joins = |(i, stage): (usize, &Stage)| {
            let product = match stage.product {
                Product::Add | Product::Concat => true,
                Product::Input => i > 0,
                Product::Conv { .. } | Product::Linear { .. } => false,
            };
            let steps = |step: &Step| {
                matches!(
                    step,
                    Step::SumPool { .. }
                        | Step::AvgPool { .. }
                        | Step::Divide { .. }
                        | Step::Flatten
                )
            };
            let ints = self.flows[i].output().1 == Kind::Ints;
            product || ints || !stage.inputs.is_empty() || stage.tail.iter().any(steps)
        };
        match self.stages.iter().enumerate().any(joins) {
            true => GRAPH,
            false => CHAIN,
        }
    }

    /// Encodes the network as the bytes of a packed file. Equal networks give equal bytes.
    ///
    /// # Errors
    /// A network made by [`Self::new`] causes none.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let fail = |e: String| Error::spec(format!("packed network: cannot be encoded: {e}"));
        let header = Header {
            format: self.format(),
            lineage: self.lineage.clone(),
            name: self.name.clone(),
            input: self.input,
            pixels: self.pixels.clone(),
            stages: self.stages.clone(),
            compare: self.comparison,
        };
        let text = serde_json::to_string(&header).map_err(|e| fail(e.to_string()))?;
        let mut tensors = Vec::new();
        each_tensor(&mut self.clone(), |name, shape, slot| {
            let (dtype, bytes): (_, Vec<u8>) = match slot {
                Slot::Words(x, _) => (Dtype::U64, x.iter().flat_map(|x| x.to_le_bytes()).collect()),
                Slot::Reals(x) => (Dtype::F32, x.iter().flat_map(|x| x.to_le_bytes()).collect()),
                Slot::Ints(x) => (Dtype::I32, x.iter().flat_map(|x| x.to_le_bytes()).collect()),
                Slot::Flags(x) => (Dtype::U8, x.iter().map(|&x| u8::from(x)).collect()),
            };
            tensors.push((name, dtype, shape, bytes));
            Ok(())
        })?;
        container::write(&tensors, KEY, text).map_err(fail)
    }

    /// Decodes the bytes of a packed file, or of a network in its compact form.
    ///
    /// # Errors
    /// [`Error::Spec`] if the bytes are not a packed network, are damaged, or
    /// have a newer format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Ok(Self::decode(bytes)?.0)
    }

    /// As [`Self::from_bytes`]; also returns whether the bytes have a seal or a checksum, which was
    /// verified.
    ///
    /// # Errors
    /// As [`Self::from_bytes`].
    pub fn decode(bytes: &[u8]) -> Result<(Self, bool)> {
        match Self::is_compact(bytes) {
            true => Ok((Self::from_compact_bytes(bytes)?, true)),
            false => Self::decode_tensors(bytes),
        }
    }

    /// As [`Self::decode`], of a safetensors file.
    fn decode_tensors(bytes: &[u8]) -> Result<(Self, bool)> {
        let fail = |what: String| Error::spec(format!("packed network: {what}"));
        let file = container::read(bytes)
            .map_err(|what| Error::spec(format!("the packed network {what}")))?;
        let text = file.text(KEY).ok_or_else(|| {
            fail(
                "this is a safetensors file of something else; make one with `bnn-cpu pack`".into(),
            )
        })?;
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let damaged = |e: serde_json::Error| fail(format!("damaged metadata: {e}"));
        let Version { format } = serde_json::from_str(text).map_err(damaged)?;
        if !(1..=GROUPS).contains(&format) {
            return Err(fail(format!(
                "format {format}, where this program knows 1 to {GROUPS}; update bnn-cpu or pack the run again"
            )));
        }
        let header: Header = serde_json::from_str(text).map_err(damaged)?;
        let mut net = Self::outline(header.name, header.input, header.pixels, header.stages)?;
        net.comparison = header.compare;
        if net.comparison.is_some_and(|by| !by.is_sound()) {
            return Err(fail("embeddings are compared by no positive scale".into()));
        }
        if net.format() > format.max(CHAIN) {
            return Err(fail(format!("format {format} has no such stages")));
        }
        net.lineage = header.lineage;
        let mut read = 0;
        each_tensor(&mut net, |name, shape, slot| {
            let view = file
                .tensors
                .tensor(&name)
                .map_err(|_| fail(format!("there is no tensor {name}")))?;
            slot.fill(&name, &shape, &view).map_err(fail)?;
            read += 1;
            Ok(())
        })?;
        if file.tensors.len() != read {
            let extra = file.tensors.len() - read;
            return Err(fail(format!("{extra} tensors belong to no stage")));
        }
        net.check_tensors()?;
        Ok((net, file.sealed))
    }

    /// Returns whether bytes are a network in its compact form, or a safetensors file that states that
    /// it is a packed network.
    ///
    /// # Errors
    /// A text that completes "the file ...", if the bytes are neither compact nor a valid safetensors
    /// file.
    pub fn is_packed(bytes: &[u8]) -> core::result::Result<bool, String> {
        Ok(Self::is_compact(bytes) || container::read(bytes)?.text(KEY).is_some())
    }
}

fn words<const N: usize, T>(bytes: &[u8], from: fn([u8; N]) -> T) -> Vec<T> {
    let (whole, _) = bytes.as_chunks::<N>();
    whole.iter().map(|w| from(*w)).collect()
}
