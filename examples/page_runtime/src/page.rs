//! A network, what it was given last, and what it answered.

use bnn_cpu::data::picture::Picture;
use bnn_cpu::data::preprocess::{self, Invert};
use bnn_cpu::data::{Background, Fault};
use bnn_cpu::kernels::{Engine, Isa};
use bnn_cpu::layers::softmax;
use bnn_cpu::packed::{PackedNet, Runner};

/// The longest input: a large network, or a picture of 16 million pixels.
const MOST: usize = 64 << 20;

/// What an exported page asks.
pub struct Page {
    given: Vec<u8>,
    text: String,
    net: Option<Loaded>,
    seen: Vec<u8>,
    logits: Vec<f32>,
    probabilities: Vec<f32>,
    scratch: Vec<f32>,
    bits: Vec<u8>,
}

/// A network that is ready to run.
struct Loaded {
    net: PackedNet,
    runner: Runner,
    /// Of the training images.
    background: Background,
}

impl Loaded {
    /// The height and width of an image.
    fn size(&self) -> (usize, usize) {
        (self.net.input().height, self.net.input().width)
    }
}

impl Page {
    pub const fn new() -> Self {
        Self {
            given: Vec::new(),
            text: String::new(),
            net: None,
            seen: Vec::new(),
            logits: Vec::new(),
            probabilities: Vec::new(),
            scratch: Vec::new(),
            bits: Vec::new(),
        }
    }

    pub fn room(&mut self, length: usize) -> usize {
        if length > MOST {
            return 0;
        }
        self.given.clear();
        self.given.resize(length, 0);
        self.given.as_mut_ptr() as usize
    }

    /// Does what was asked for and keeps the text of what is wrong.
    pub fn asked(&mut self, what: impl FnOnce(&mut Self) -> Result<(), String>) -> i32 {
        match what(self) {
            Ok(()) => 1,
            Err(text) => {
                self.text = text;
                0
            }
        }
    }

    pub fn load(&mut self, light: bool) -> Result<(), String> {
        let net = PackedNet::from_compact_bytes(&self.given).map_err(|e| e.to_string())?;
        let background = match light {
            true => Background::Light,
            false => Background::Dark,
        };
        // Named, so that the kernels of training are left out of the module.
        let isa = match cfg!(target_feature = "simd128") {
            true => Isa::Simd128,
            false => Isa::Scalar,
        };
        let kernels = isa.kernels().ok_or("there are no kernels")?;
        let forced = true;
        let runner = net.runner(Engine { kernels, forced });
        self.logits = vec![0.0; net.classes()];
        self.probabilities = self.logits.clone();
        self.seen.clear();
        self.net = Some(Loaded {
            net,
            runner,
            background,
        });
        Ok(())
    }

    fn loaded(&mut self) -> Result<&mut Loaded, String> {
        self.net.as_mut().ok_or("there is no network yet".into())
    }

    pub fn drawing(&mut self, width: usize, height: usize) -> Result<(), String> {
        let net = self.loaded()?;
        let (ground, size) = (net.background, net.size());
        let image = preprocess::drawn(&self.given, (height, width), ground, size)?;
        self.answer(image)
    }

    pub fn picture(&mut self, width: usize, height: usize) -> Result<(), String> {
        let net = self.loaded()?;
        let (ground, size) = (net.background, net.size());
        let pixels = width.checked_mul(height).and_then(|n| n.checked_mul(4));
        if width == 0 || height == 0 || pixels != Some(self.given.len()) {
            return Err("the picture needs four bytes for each of its pixels".into());
        }
        let mut picture = Picture::of_pixels(width, height, 4, &self.given);
        // A file without opacity and one that is opaque everywhere are the same picture.
        if picture.alpha.iter().flatten().all(|&a| a == 255) {
            picture.alpha = None;
        }
        let image = preprocess::preprocess(&picture, Invert::Auto, ground, size);
        let image = image.map_err(|fault| match fault {
            Fault::Format(what) => format!("the picture {what}"),
            Fault::Read(error) => error.to_string(),
        })?;
        self.answer(image)
    }

    pub fn image(&mut self) -> Result<(), String> {
        let image = self.given.clone();
        self.answer(image)
    }

    fn answer(&mut self, image: Vec<u8>) -> Result<(), String> {
        let net = self.loaded()?;
        let pixels = net.net.input().len();
        if image.len() != pixels {
            return Err(format!("an image of this network has {pixels} bytes"));
        }
        self.seen = image;
        self.again(1)?;
        softmax(&self.logits, &mut self.probabilities);
        Ok(())
    }

    pub fn again(&mut self, times: usize) -> Result<(), String> {
        let Some(net) = self.net.as_mut().filter(|_| !self.seen.is_empty()) else {
            return Err("there is no image yet".into());
        };
        for _ in 0..times {
            net.runner.logits(&self.seen, &mut self.logits);
        }
        Ok(())
    }

    pub fn class(&self) -> i32 {
        match bnn_cpu::model::argmax(&self.logits) {
            Some(class) if !self.seen.is_empty() => class as i32,
            _ => -1,
        }
    }

    pub fn seen(&self) -> &[u8] {
        &self.seen
    }

    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    pub fn probabilities(&self) -> &[f32] {
        &self.probabilities
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn bits(&mut self, stage: usize) -> &[u8] {
        self.bits.clear();
        let Some(loaded) = &self.net else {
            return &self.bits;
        };
        let output = loaded.net.flows().get(stage).map(|flow| flow.output());
        if let Some((shape, kind)) = output
            && kind.is_bits()
            && !self.seen.is_empty()
        {
            loaded.runner.output(stage, &mut self.scratch);
            let channel = |c: usize| self.scratch[c..].iter().step_by(shape.channels);
            let all = (0..shape.channels).flat_map(channel);
            self.bits.extend(all.map(|&b| u8::from(b > 0.0)));
        }
        &self.bits
    }
}
