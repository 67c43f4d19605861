//! The compact form of a packed network: weights, thresholds and shape in as few bits as they take.
//!
//! The bytes are `BNNC`, the version 1, the first 4 bytes of the SHA-256 of what follows them, and a
//! stream of bits ([`super::bit_stream`] says how numbers are written):
//!
//! ```text
//! input       channels, height, width: counts
//! pixels      1 flag: normalised; then mean and std, each 1 flag: one number a channel; floats
//! comparison  1 flag: the network ends in an embedding; then 1 flag each for prototypical and
//!             cosine, and the scale, a float
//! stages      their count; of each the product (3 bits) with its sizes (of a convolution in groups
//!             their number first), the sources (1 flag: the preceding stage; else their count, and of
//!             each 0 for the image, else its stage + 1), the kind of the weights (2 bits), the count of
//!             steps, and each step (4 bits) with its sizes
//! numbers     of each stage: weights, one bit or 32 each; floats, 32 bits each; flags of channels, 1
//!             flag: all are the same, then one or all of them
//! thresholds  of each channel, the distance to the smallest sum that its weights can have, in as many
//!             bits as the largest distance needs
//! ```
//!
//! Products and steps are numbered in the order of [`PRODUCTS`] and [`STEPS`]. Names, the indices of
//! layers and the lineage are left out: a stage is named by its number. Everything else is kept to the
//! bit.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use super::PackedNet;
use super::bit_stream::{Coder, Fault, Reader, Writer};
use super::compact_kinds::{FUNCTIONS, PRODUCTS, STEPS, alike, choice};
use super::file::{Slot, each_tensor};
use super::layer::{Pixels, Product, Source, Stage, Step, Weights};
use super::ranges::Ranges;
use crate::channels::Channels;
use crate::error::{Error, Result};
use crate::similarity::{Comparison, Distance, Head};
use crate::tensor::Shape;

/// The first bytes, the last of which is the version.
const MAGIC: [u8; 5] = *b"BNNC\x01";

/// The largest number of stages, and of sources and steps of a stage.
const MOST: usize = 1 << 14;

/// Number of bytes of the checksum.
const SUM: usize = 4;

/// The outline of a network: everything without the tensors.
struct Outline {
    input: Shape,
    pixels: Pixels,
    comparison: Option<Comparison>,
    stages: Vec<Stage>,
}

/// Writes or reads a list of at most [`MOST`] elements; `blank` is one that is read.
fn list<C: Coder, T: Clone>(
    c: &mut C,
    x: &mut Vec<T>,
    blank: &T,
    mut each: impl FnMut(&mut C, &mut T) -> core::result::Result<(), Fault>,
) -> core::result::Result<(), Fault> {
    let mut count = x.len();
    c.count(&mut count)?;
    if count > MOST {
        return Err("it has too many parts");
    }
    for i in 0..count {
        if C::READS {
            x.push(blank.clone());
        }
        each(c, &mut x[i])?;
    }
    Ok(())
}

fn product<C: Coder>(c: &mut C, x: &mut Product) -> core::result::Result<(), Fault> {
    let same = |a: &Product, b: &Product| alike(a, b) && (a.groups() == 1) == (b.groups() == 1);
    choice(c, x, &PRODUCTS, same)?;
    match x {
        Product::Conv {
            out,
            kernel,
            stride,
            padding,
            border,
            groups,
        } => {
            if *groups != 1 {
                c.count(groups)?;
                if *groups < 2 {
                    return Err("it has a part of an unknown kind");
                }
            }
            for size in [out, kernel, stride, padding] {
                c.count(size)?;
            }
            // -1, 0 and 1 as 0, 1 and 2.
            let mut level = u64::from((*border + 1) as u8);
            c.bits(&mut level, 2)?;
            *border = level as i8 - 1;
            Ok(())
        }
        Product::Linear { out } => c.count(out),
        Product::Input | Product::Add | Product::Concat => Ok(()),
    }
}

fn step<C: Coder>(c: &mut C, x: &mut Step) -> core::result::Result<(), Fault> {
    choice(c, x, &STEPS, alike)?;
    match x {
        Step::Draw { node, .. } => c.count(node),
        Step::PoolBits { kernel, stride, .. }
        | Step::PoolInts { kernel, stride, .. }
        | Step::MaxPool { kernel, stride } => {
            c.count(kernel)?;
            c.count(stride)
        }
        Step::SumPool {
            height,
            width,
            stride,
        }
        | Step::AvgPool {
            height,
            width,
            stride,
        } => [height, width, stride]
            .into_iter()
            .try_for_each(|size| c.count(size)),
        Step::Divide { by } => {
            let mut number = u64::from(*by);
            c.bits(&mut number, 32)?;
            *by = number as u32;
            Ok(())
        }
        Step::Function { function, slope } => {
            choice(c, function, &FUNCTIONS, PartialEq::eq)?;
            c.real(slope)
        }
        Step::Sample {
            node,
            probability,
            slope,
        } => {
            c.count(node)?;
            choice(c, probability, &FUNCTIONS, PartialEq::eq)?;
            c.real(slope)
        }
        Step::Threshold { .. } | Step::Affine { .. } | Step::Flatten | Step::Signs | Step::Fire => {
            Ok(())
        }
    }
}

fn stage<C: Coder>(c: &mut C, x: &mut Stage) -> core::result::Result<(), Fault> {
    product(c, &mut x.product)?;
    let mut preceding = x.inputs.is_empty();
    c.flag(&mut preceding)?;
    if !preceding {
        list(c, &mut x.inputs, &Source::Image, |c, source| {
            let mut number = match *source {
                Source::Image => 0,
                Source::Stage(i) => i + 1,
            };
            c.count(&mut number)?;
            *source = number.checked_sub(1).map_or(Source::Image, Source::Stage);
            Ok(())
        })?;
    }
    let kinds = [
        Weights::None,
        Weights::Binary { words: Vec::new() },
        Weights::Real {
            values: Vec::new(),
            bias: Vec::new(),
        },
    ];
    choice(c, &mut x.weights, &kinds, alike)?;
    list(c, &mut x.tail, &Step::Flatten, step)
}

fn channels<C: Coder>(c: &mut C, x: &mut Channels, n: usize) -> core::result::Result<(), Fault> {
    let mut each = matches!(x, Channels::Each(_));
    c.flag(&mut each)?;
    let mut numbers = x.numbers().to_vec();
    c.room(&mut numbers, if each { n } else { 1 }, 32)?;
    numbers.iter_mut().try_for_each(|x| c.real(x))?;
    *x = match each {
        true => Channels::Each(numbers),
        false => Channels::All(numbers[0]),
    };
    Ok(())
}

impl Outline {
    fn code<C: Coder>(&mut self, c: &mut C) -> core::result::Result<(), Fault> {
        let Shape {
            channels: depth,
            height,
            width,
        } = &mut self.input;
        for side in [depth, height, width] {
            c.count(side)?;
        }
        let mut normalised = self.pixels != Pixels::Raw;
        c.flag(&mut normalised)?;
        if C::READS && normalised {
            let (mean, std) = (Channels::All(0.0), Channels::All(1.0));
            self.pixels = Pixels::Normalised { mean, std };
        }
        if let Pixels::Normalised { mean, std } = &mut self.pixels {
            channels(c, mean, self.input.channels)?;
            channels(c, std, self.input.channels)?;
        }
        let mut embeds = self.comparison.is_some();
        c.flag(&mut embeds)?;
        if embeds {
            let mut by = self.comparison.unwrap_or(Comparison {
                head: Head::Matching,
                distance: Distance::Squared,
                scale: 1.0,
            });
            choice(
                c,
                &mut by.head,
                &[Head::Matching, Head::Prototypical],
                PartialEq::eq,
            )?;
            choice(
                c,
                &mut by.distance,
                &[Distance::Squared, Distance::Cosine],
                PartialEq::eq,
            )?;
            c.real(&mut by.scale)?;
            self.comparison = Some(by);
        }
        let blank = Stage {
            name: "".into(),
            layer: 0,
            inputs: Vec::new(),
            product: Product::Input,
            weights: Weights::None,
            tail: Vec::new(),
        };
        list(c, &mut self.stages, &blank, stage)
    }
}

/// Writes or reads the tensors, without the thresholds.
fn tensor<C: Coder>(c: &mut C, shape: &[usize], slot: Slot<'_>) -> core::result::Result<(), Fault> {
    let n = shape.iter().product::<usize>();
    match slot {
        Slot::Words(words, depth) => {
            let row = depth.div_ceil(64).max(1);
            if C::READS
                && (n / row)
                    .checked_mul(depth)
                    .is_none_or(|all| all > c.left())
            {
                return Err("it ends too early");
            }
            c.room(words, n, 0)?;
            for row in words.chunks_exact_mut(row) {
                for (i, word) in row.iter_mut().enumerate() {
                    c.bits(word, (depth - 64 * i).min(64) as u32)?;
                }
            }
        }
        Slot::Reals(x) => {
            c.room(x, n, 32)?;
            x.iter_mut().try_for_each(|x| c.real(x))?;
        }
        Slot::Flags(x) => {
            let mut same = x.windows(2).all(|two| two[0] == two[1]);
            c.flag(&mut same)?;
            c.room(x, n, if same { 0 } else { 1 })?;
            let coded = if same { 1.min(n) } else { n };
            x[..coded].iter_mut().try_for_each(|x| c.flag(x))?;
            if let (true, Some(&first)) = (same, x.first()) {
                x.fill(first);
            }
        }
        Slot::Ints(_) => {}
    }
    Ok(())
}

/// Writes or reads all tensors of a network whose outline is valid.
fn tensors<C: Coder>(c: &mut C, net: &mut PackedNet) -> Result<()> {
    each_tensor(net, |_, shape, slot| tensor(c, &shape, slot).map_err(fault))?;
    // The thresholds come last, because their ranges follow from all weights.
    let mut ranges: Vec<Ranges> = Vec::new();
    net.each_range(|i, j, of| {
        if let Some(Step::Threshold { .. } | Step::Draw { .. }) = net.stages[i].tail.get(j) {
            ranges.push(of.clone());
        }
    });
    let mut ranges = ranges.iter();
    each_tensor(net, |_, shape, slot| {
        let Slot::Ints(thresholds) = slot else {
            return Ok(());
        };
        let of = ranges.next().ok_or_else(|| fault("it has no ranges"))?;
        c.room(thresholds, shape[0], 0).map_err(fault)?;
        for (channel, x) in thresholds.iter_mut().enumerate() {
            let (low, high) = of.of(channel);
            // A threshold lies between the smallest sum and one above the largest.
            let bits = u64::BITS - (i64::from(high) + 1 - i64::from(low)).leading_zeros();
            let mut above = (i64::from(*x) - i64::from(low)) as u64;
            c.bits(&mut above, bits).map_err(fault)?;
            *x = i32::try_from(above as i64 + i64::from(low))
                .map_err(|_| fault("a threshold lies outside of its sums"))?;
        }
        Ok(())
    })
}

fn fault(what: Fault) -> Error {
    Error::spec(format!("the compact network is damaged: {what}"))
}

fn checksum(bytes: &[u8]) -> [u8; SUM] {
    let mut sum = [0; SUM];
    sum.copy_from_slice(&Sha256::digest(bytes)[..SUM]);
    sum
}

impl PackedNet {
    /// Encodes the network in its compact form: weights, thresholds and shape in as few bits as they
    /// take. The names of the network and of its stages, the indices of its layers and its lineage are
    /// left out. [`Self::from_bytes`] reads it.
    ///
    /// # Errors
    /// A network made by [`Self::new`] causes none.
    pub fn to_compact_bytes(&self) -> Result<Vec<u8>> {
        let mut net = self.clone();
        let mut outline = Outline {
            input: net.input,
            pixels: net.pixels.clone(),
            comparison: net.comparison,
            stages: net.stages.clone(),
        };
        let mut writer = Writer::default();
        outline.code(&mut writer).map_err(fault)?;
        tensors(&mut writer, &mut net)?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend(checksum(&writer.bytes));
        bytes.extend(writer.bytes);
        Ok(bytes)
    }

    /// Returns whether bytes begin like a network in its compact form.
    pub fn is_compact(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC[..MAGIC.len() - 1])
    }

    /// Decodes the compact form. A program that calls this in place of [`Self::from_bytes`] has no
    /// reader of packed files in it, and is smaller.
    ///
    /// # Errors
    /// [`Error::Spec`] if the bytes are no compact form, are damaged, or have another version.
    pub fn from_compact_bytes(bytes: &[u8]) -> Result<Self> {
        let Some(rest) = bytes.strip_prefix(&MAGIC) else {
            let version = bytes
                .get(MAGIC.len() - 1)
                .map_or("no".into(), u8::to_string);
            return Err(Error::spec(format!(
                "compact network: version {version}, where this program knows 1; update bnn-cpu or pack the run again"
            )));
        };
        let Some((sum, rest)) = rest.split_at_checked(SUM) else {
            return Err(fault("it ends too early"));
        };
        if sum != checksum(rest) {
            return Err(fault("its checksum is another one"));
        }
        let mut reader = Reader::new(rest);
        let mut outline = Outline {
            input: Shape::vector(0),
            pixels: Pixels::Raw,
            comparison: None,
            stages: Vec::new(),
        };
        outline.code(&mut reader).map_err(fault)?;
        for (i, stage) in outline.stages.iter_mut().enumerate() {
            (stage.name, stage.layer) = ((i + 1).to_string(), i);
        }
        let Outline {
            input,
            pixels,
            comparison,
            stages,
        } = outline;
        let mut net = Self::outline("compact".into(), input, pixels, stages)?;
        net.comparison = comparison;
        if comparison.is_some_and(|by| !by.is_sound()) {
            return Err(fault("embeddings are compared by no positive scale"));
        }
        tensors(&mut reader, &mut net)?;
        if !reader.is_done() {
            return Err(fault("there is something behind its end"));
        }
        net.check_tensors()?;
        Ok(net)
    }
}
