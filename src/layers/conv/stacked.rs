//! Convolutions whose weights are far larger than a cache, over all images of a batch at
//! once.
//!
//! Image by image, such weights would come from memory for every image, and each chunk of
//! rows would need sums of its own for their gradient. So all images are put into their
//! borders first, and then the work is split by output channels instead of rows: a part reads
//! its own weights, once for many tiles of many images, and writes its own outputs, or its
//! own gradients.
//!
//! An output is the same sum as image by image, to the bit. The gradient of a weight goes
//! over the images in their order, in blocks of tiles that the number of live rows sets
//! alone: the same bits on any number of threads.
//!
//! Of several ranks each computes its own rows of the outputs and of the input's gradient. For the
//! gradient of the weights, whose sum over rows is in no tree, all images and all gradients of the
//! outputs are gathered, and the parts of the output channels are shared out.

use std::ops::Range;

use rayon::prelude::*;

use crate::kernels::gemm::Store;
use crate::kernels::winograd::Winograd;
use crate::kernels::{Kernels, NR};
use crate::ranks::{Data, Ranks};
use crate::tape::{Pool, Rows};
use crate::tensor::{Arena, Shape};

use super::super::column_parts::{ColumnParts, FAR_BYTES, Part};
use super::super::tensor_spec::product;

/// Output channels of a part of the products, of so many: each part transforms the images anew,
/// and what one thread has at hand should not grow with them.
fn part_of(channels: usize) -> usize {
    (channels / 2).clamp(64, 256).next_multiple_of(NR)
}

/// Output channels of a part of the weight gradient, whose parts alone are work for threads.
fn grad_part_of(channels: usize) -> usize {
    (channels / 4).clamp(64, 128).next_multiple_of(NR)
}

/// Bytes of the transformed weights from which on images are stacked where the stride is 2: then an
/// image has few tiles for its weights.
const STRIDED_BYTES: usize = 1 << 20;

/// Tiles of a task of the products, at least: the weights are read once for each task.
const TASK_TILES: usize = 96;
/// Groups of images of a part, at most.
const GROUPS: usize = 8;

/// Tiles over which sums of the weight gradient stay in the near caches, at least.
const GRAD_TILES: usize = 256;

/// The images that enter a product, and what comes out of it.
struct Direction {
    /// The algorithm for one image.
    shape: Winograd,
    /// An image that enters, and where its first pixel is in its border.
    input: Shape,
    margin: (usize, usize),
    /// An image that comes out.
    output: Shape,
    /// Pixels of a row of an image in its border, and numbers of all of it.
    width: usize,
    step: usize,
    /// All images, each in its border.
    images: Arena,
    /// The pixels that come out.
    outputs: ColumnParts,
    /// Images of a task.
    group: usize,
    /// Working memory of a task.
    tiles: Pool<Arena>,
}

impl Direction {
    fn new(
        shape: Winograd,
        (input, output): (Shape, Shape),
        margin: (usize, usize),
        rows: usize,
    ) -> Self {
        let (height, width) = shape.bordered();
        let outputs = ColumnParts::new(
            rows * output.pixels(),
            output.channels,
            part_of(output.channels),
        );
        let group = group_of(&shape, rows);
        let scratch = scratch(&shape, outputs.parts[0].columns, group);
        let tasks = outputs.parts.len() * rows.div_ceil(group);
        Self {
            shape,
            input,
            margin,
            output,
            width,
            step: height * width * input.channels,
            images: Arena::zeros(rows * height * width * input.channels),
            tiles: Pool::new(tasks, || Arena::zeros(scratch)),
            group,
            outputs,
        }
    }

    /// Copies an image into its border.
    fn place(&self) -> impl Fn(&[f32], &mut [f32]) + Sync + use<> {
        let line = self.input.width * self.input.channels;
        let row = self.width * self.input.channels;
        let first = self.margin.0 * row + self.margin.1 * self.input.channels;
        move |from, to| {
            for (i, from) in from.chunks_exact(line).enumerate() {
                to[first + i * row..][..line].copy_from_slice(from);
            }
        }
    }

    /// Computes the outputs of those images. A task is a part of the output channels of a group of
    /// images.
    fn product(
        &mut self,
        kernels: &Kernels,
        rows: Range<usize>,
        weights: &[f32],
        bias: Option<&[f32]>,
    ) {
        let (shape, tiles, group) = (self.shape, &self.tiles, self.group);
        let images = &self.images[rows.start * self.step..rows.end * self.step];
        let before = rows.start * self.output.pixels();
        let of_channel = shape.weights_len() / self.output.channels;
        let of_group = (group * self.step, group * self.output.pixels());
        self.outputs.parts.par_iter_mut().for_each(|part| {
            let (first, columns) = (part.first, part.columns);
            let weights = &weights[of_channel * first..];
            let bias = bias.map(|bias| &bias[first..][..columns]);
            let groups = images.par_chunks(of_group.0);
            let values = &mut part.values[before * columns..];
            let groups = groups.zip(values.par_chunks_mut(of_group.1 * columns));
            groups.for_each(|(images, y)| {
                let shape = shape.part(images.len() / self.step, columns, GRAD_TILES);
                tiles.with(|tiles| {
                    let store = Store::Assign;
                    kernels.winograd_product(&shape, images, weights, bias, y, store, tiles);
                });
            });
        });
    }
}

/// Images of a task of the products, of so many.
fn group_of(shape: &Winograd, rows: usize) -> usize {
    let enough = TASK_TILES.div_ceil(shape.tiles_of_image());
    rows.div_ceil(GROUPS).max(enough).min(rows).max(1)
}

/// The numbers that the work on so many output channels takes, for `rows` images and for fewer.
fn scratch(shape: &Winograd, columns: usize, rows: usize) -> usize {
    shape.part(rows, columns, GRAD_TILES).most_scratch_len()
}

/// A convolution over all images of a batch; see the module's page.
pub(super) struct Stacked {
    forward: Direction,
    backward: Direction,
    /// The gradient of the output.
    grad_output: ColumnParts,
    /// Working memory of a part's weight gradient.
    tiles: Pool<Arena>,
    /// The gradient of the weights at Winograd's points.
    pub weight_grad: Arena,
    units: Vec<()>,
}

impl Stacked {
    /// Whether a convolution with that algorithm is quicker so.
    pub fn serves(shape: &Winograd) -> bool {
        let far = match shape.is_strided() {
            true => STRIDED_BYTES,
            false => FAR_BYTES,
        };
        shape.weights_len() * size_of::<f32>() > far
    }

    /// For the algorithms forwards and backwards, the images that enter and come out, the
    /// pixels of their borders, and so many rows in so many chunks.
    pub fn new(
        [forward, backward]: [Winograd; 2],
        (input, output): (Shape, Shape),
        [padding, margin]: [(usize, usize); 2],
        (rows, chunks): (usize, usize),
    ) -> Self {
        let part = grad_part_of(output.channels);
        let grad_output = ColumnParts::new(rows * output.pixels(), output.channels, part);
        let scratch = scratch(&forward, grad_output.parts[0].columns, rows);
        Self {
            tiles: Pool::new(grad_output.parts.len(), || Arena::zeros(scratch)),
            grad_output,
            weight_grad: Arena::zeros(forward.weights_len()),
            forward: Direction::new(forward, (input, output), padding, rows),
            backward: Direction::new(backward, (output, input), margin, rows),
            units: vec![(); chunks],
        }
    }

    /// Numbers of its memory for so many rows.
    pub fn memory(
        [forward, backward]: [Winograd; 2],
        (input, output): (Shape, Shape),
        rows: usize,
    ) -> u64 {
        let bordered = |shape: &Winograd, channels: usize| {
            let (height, width) = shape.bordered();
            product(&[height as u64, width as u64, channels as u64])
        };
        let image = [
            bordered(&forward, input.channels),
            bordered(&backward, output.channels),
            2 * output.len() as u64,
            input.len() as u64,
        ];
        let rows = rows.max(1);
        let work = |shape: &Winograd, channels: usize| {
            let (part, group) = (part_of(channels).min(channels), group_of(shape, rows));
            let tasks = channels.div_ceil(part) * rows.div_ceil(group);
            product(&[tasks as u64, scratch(shape, part, group) as u64])
        };
        let grads = |channels: usize| {
            let part = grad_part_of(channels).min(channels);
            let parts = channels.div_ceil(part) as u64;
            product(&[parts, scratch(&forward, part, rows) as u64])
        };
        let all = [
            product(&[rows as u64, image.iter().sum()]),
            forward.weights_len() as u64,
            work(&forward, output.channels),
            grads(output.channels),
            work(&backward, input.channels),
        ];
        all.into_iter().fold(0, u64::saturating_add)
    }

    /// Puts the live images into their borders.
    fn put(&mut self, rows: Rows, x: &[f32]) {
        let (place, len) = (self.forward.place(), self.forward.input.len());
        let (images, step) = (self.forward.images.as_mut_slice(), self.forward.step);
        rows.write(images, step, &mut self.units, |rows, to, ()| {
            for (row, to) in rows.zip(to.chunks_exact_mut(step)) {
                place(&x[row * len..][..len], to);
            }
        });
    }

    /// Computes the outputs of the live images `x`, which [`Self::output`] then hands out.
    pub fn product(
        &mut self,
        kernels: &Kernels,
        rows: Rows,
        x: &[f32],
        weights: &[f32],
        bias: Option<&[f32]>,
    ) {
        self.put(rows, x);
        self.forward.product(kernels, rows.own(), weights, bias);
    }

    /// The output of a live row.
    pub fn output(&self, row: usize, y: &mut [f32]) {
        let first = row * self.forward.output.pixels();
        self.forward.outputs.take(first, y, Store::Assign);
    }

    /// Computes the gradient of the weights, from the live images `x` and the gradients of the
    /// output, which `grad(rows, write)` writes one by one as `write(row, gradient)`; of several
    /// ranks in their own rows.
    pub fn weight_grads<S: Send>(
        &mut self,
        (kernels, ranks): (&Kernels, &Ranks),
        (rows, x): (Rows, &[f32]),
        partials: &mut [S],
        grad: impl Fn(std::ops::Range<usize>, &mut S, &mut dyn FnMut(usize, &[f32])) + Sync,
    ) {
        self.put(rows, x);
        let (place, step) = (self.backward.place(), self.backward.step);
        let images = self.backward.images.as_mut_slice();
        rows.write(images, step, partials, |rows, to, partial| {
            let first = rows.start;
            grad(rows, partial, &mut |row, g| {
                place(g, &mut to[(row - first) * step..][..step]);
            });
        });
        self.forward.gather(ranks, rows);
        self.backward.gather(ranks, rows);
        let (backward, images) = (&self.backward, self.forward.images.as_slice());
        let (shape, tiles) = (self.forward.shape, &self.tiles);
        let channels = self.forward.output.channels;
        let of_part = shape.weights_len() / channels * grad_part_of(channels);
        let parts = self.grad_output.parts.len();
        let own = rows.share().of(parts);
        let work = self.grad_output.parts[own.clone()].par_iter_mut();
        let work = work.zip(self.weight_grad.par_chunks_mut(of_part).skip(own.start));
        work.for_each(|(part, sums)| {
            for row in 0..rows.live {
                backward.columns(row, part);
            }
            let shape = shape.part(rows.live, part.columns, GRAD_TILES);
            tiles.with(|tiles| {
                let to = (sums, Store::Assign);
                kernels.winograd_transposed(&shape, images, &part.values, to, tiles);
            });
        });
        if !rows.share().is_whole() {
            self.gather_sums(ranks, rows, (parts, of_part));
        }
    }

    /// Brings the parts of the weights' gradient to every rank, `parts` of `of_part` numbers.
    fn gather_sums(&mut self, ranks: &Ranks, rows: Rows, (parts, of_part): (usize, usize)) {
        let sums = self.weight_grad.as_mut_slice();
        let place = |part: usize| (part * of_part).min(sums.len());
        let of = |parts: Range<usize>| place(parts.end) - place(parts.start);
        let counts: Vec<usize> = rows
            .share()
            .all()
            .map(|share| of(share.of(parts)))
            .collect();
        ranks.gather(Data::F32(sums), &counts);
    }

    /// Computes the gradients of the inputs from those of the outputs that
    /// [`Self::weight_grads`] was given; [`Self::input_grad`] then hands them out.
    pub fn input_grads(&mut self, kernels: &Kernels, rows: Rows, weights: &[f32]) {
        self.backward.product(kernels, rows.own(), weights, None);
    }

    /// Stores the gradient of a live row of the input.
    pub fn input_grad(&self, row: usize, dx: &mut [f32], store: Store) {
        let first = row * self.backward.output.pixels();
        self.backward.outputs.take(first, dx, store);
    }
}

impl Direction {
    /// Brings the images of all ranks to each, in their borders.
    fn gather(&mut self, ranks: &Ranks, rows: Rows) {
        if rows.share().is_whole() {
            return;
        }
        let counts: Vec<usize> = rows.counts().iter().map(|n| n * self.step).collect();
        let images = &mut self.images.as_mut_slice()[..rows.live * self.step];
        ranks.gather(Data::F32(images), &counts);
    }

    /// Copies a part's channels of an image that enters out of its border.
    fn columns(&self, row: usize, part: &mut Part) {
        let (channels, pixels) = (self.input.channels, self.input.pixels());
        let image = &self.images[row * self.step..][..self.step];
        let to = &mut part.values[row * pixels * part.columns..][..pixels * part.columns];
        let lines = to.chunks_exact_mut(self.input.width * part.columns);
        for (i, to) in lines.enumerate() {
            let at = (i + self.margin.0) * self.width + self.margin.1;
            let from = image[at * channels..].chunks_exact(channels);
            for (to, from) in to.chunks_exact_mut(part.columns).zip(from) {
                to.copy_from_slice(&from[part.first..][..part.columns]);
            }
        }
    }
}
