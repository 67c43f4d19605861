//! Inference on 64 images at once: a word holds one bit of each image, a byte of a vector register
//! one count of each.
//!
//! Where the lanes of the kernels are images instead of positions, it costs nothing that a window
//! has a stride, that an image is narrow or that a layer has no windows at all, and bits are written
//! where the next layer reads them. The planes of counts ([`crate::kernels::packed`]) of a window's bits
//! are made once for each position and serve all outputs. They are made anew for each window that
//! contains a bit, so few outputs of windows that overlap much are computed faster image by image, in
//! the way of [`super::plan`]; so are few images. [`cost`] compares both.
//!
//! A network is computed like this if its first stage makes bits of pixels, every other stage is a
//! sum of binary weights over the bits of the stage before it, and the last one ends in logits.

mod cost;
mod layer;
mod pixels;

use std::sync::OnceLock;
use std::vec;
use std::vec::Vec;

use super::PackedNet;
use super::layer::{Source, Stage, Step, Weights};
use super::scratch::Lines;
use crate::kernels::Inference;
pub(super) use crate::kernels::packed::slices::SLICE;
use layer::{Layer, Logits};
use pixels::PixelBits;

/// The largest number of bits that the windows of a layer read, each counted as often as it is read.
const MOST_TAPS: usize = 1 << 20;

/// A network that may be computed on 64 images at once, whose operations are made when they are
/// needed first.
pub(super) struct Slices {
    net: PackedNet,
    least: usize,
    made: OnceLock<Option<Sliced>>,
}

impl Slices {
    /// Returns the network as slices; `None` if it is not of the form above, as far as that is told at
    /// once, or if it costs more than image by image.
    pub fn of(net: &PackedNet) -> Option<Self> {
        let least = Sliced::suits(net).then(|| cost::least(net))??;
        Some(Self {
            net: net.clone(),
            least,
            made: OnceLock::new(),
        })
    }

    /// Returns the smallest number of images that are computed faster at once.
    pub fn least(&self) -> usize {
        self.least
    }

    /// Returns the operations; `None` if there are none after all.
    pub fn get(&self, kernels: &'static Inference) -> Option<&Sliced> {
        let make = || Sliced::new(&self.net, kernels);
        self.made.get_or_init(make).as_ref()
    }
}

/// The operations on 64 images of a network, which are made once and shared by all threads.
pub(super) struct Sliced {
    pixels: PixelBits,
    layers: Vec<Layer>,
    logits: Logits,
    kernels: &'static Inference,
}

/// The buffers of one thread.
pub(super) struct Buffers {
    /// The words of a value and of the next one.
    values: [Vec<u64>; 2],
    /// Bits of pixels, image by image.
    rows: Vec<u64>,
    /// The words of a window.
    words: Vec<u64>,
    /// Planes of counts, and sums.
    planes: Lines<u8>,
    sums: Lines<u8>,
    /// Bits before they are pooled.
    dense: Vec<u64>,
}

impl Sliced {
    /// Returns whether a network is of the form above, as far as that is told at once.
    fn suits(net: &PackedNet) -> bool {
        let (stages, flows) = (net.stages(), net.flows());
        let mut before = Source::Image;
        let chain = flows.iter().enumerate().all(|(i, flow)| {
            let follows = flow.sources == [before];
            before = Source::Stage(i);
            follows
        });
        let Some(((first, flow), rest)) = stages.first().zip(flows.first()).zip(stages.get(1..))
        else {
            return false;
        };
        let binary = |stage: &Stage| matches!(stage.weights, Weights::Binary { .. });
        chain && rest.iter().all(binary) && PixelBits::new(net, first, flow).is_some()
    }

    /// Makes the operations of a network that [suits](Self::suits); `None` if it is not of the form
    /// above.
    fn new(net: &PackedNet, kernels: &'static Inference) -> Option<Self> {
        let (stages, flows) = (net.stages(), net.flows());
        let last = stages.len().checked_sub(1).filter(|&last| last > 0)?;
        let layers = (1..last).map(|i| Layer::new(&stages[i], &flows[i]));
        let [Step::Affine { scale, shift }] = &stages[last].tail[..] else {
            return None;
        };
        Some(Self {
            pixels: PixelBits::new(net, &stages[0], &flows[0])?,
            layers: layers.collect::<Option<_>>()?,
            logits: Logits::new(&stages[last], &flows[last], (scale, shift))?,
            kernels,
        })
    }

    /// Allocates the buffers of one thread.
    pub fn buffers(&self) -> Buffers {
        let layers = || self.layers.iter();
        let most = |of: &dyn Fn(&Layer) -> usize| layers().map(of).max().unwrap_or(0);
        let sums = || layers().map(Layer::window_sums).chain([self.logits.sums()]);
        let values = most(&Layer::words).max(self.pixels.words());
        Buffers {
            values: [vec![0; values], vec![0; values]],
            rows: vec![0; self.pixels.rows()],
            words: vec![0; sums().map(|s| s.words()).max().unwrap_or(0)],
            planes: Lines::new(sums().map(|s| s.planes()).max().unwrap_or(0)),
            sums: Lines::new(sums().map(|s| s.bytes()).max().unwrap_or(0)),
            dense: vec![0; most(&Layer::dense)],
        }
    }

    /// Computes the logits of up to 64 images, of shape (image, class).
    pub fn run(&self, images: &[u8], out: &mut [f32], b: &mut Buffers) {
        let mut values = core::mem::take(&mut b.values);
        let [from, to] = &mut values;
        self.pixels.run(self.kernels, images, from, &mut b.rows);
        for layer in &self.layers {
            layer.run(self.kernels, from, to, b);
            core::mem::swap(from, to);
        }
        self.logits.run(self.kernels, from, out, b);
        b.values = values;
    }
}
