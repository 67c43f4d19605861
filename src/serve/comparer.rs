//! A network that compares embeddings, and what it makes of a drawing beside a few others.

use serde::{Deserialize, Serialize};

use super::reader::{Drawing, form_of, ground_of, median_us, read_one, sampled};
use crate::data::Background;
use crate::error::{Error, Result};
use crate::kernels::Engine;
use crate::layers::softmax;
use crate::model::{Network, Support, argmax};
use crate::packed::{PackedNet, Runner};
use crate::similarity::{Comparison, Distance};
use crate::tape::Noise;

/// Classes that a drawing may be compared with. The page has five.
pub(super) const MAX_CLASSES: usize = 32;

/// A drawing, and the embeddings of the drawings that it is compared with, a class each.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What is asked about.
    pub drawing: Drawing,
    /// What earlier answers gave as embeddings, in the order of the classes; empty where the
    /// embedding alone is asked for.
    pub support: Vec<Vec<f32>>,
}

/// How the packed form answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// The likeliest class, the first of equals; `None` without a support set.
    pub class: Option<usize>,
    /// The probability of each class.
    pub probabilities: Vec<f32>,
    /// How far the drawing is from each class: the squared distance of the embeddings, which
    /// of bits is the number of those that differ, or one less their cosine.
    pub distances: Vec<f32>,
    /// Microseconds of a pass on one thread: the median of several.
    pub us: f64,
}

/// How the float form agrees.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Beside {
    /// Whether it names the same class.
    pub same: bool,
    /// Numbers of the embedding that differ.
    pub differ: usize,
    /// The largest difference of a number of the embedding.
    pub gap: f32,
    /// Microseconds of a pass on one thread: the median of several.
    pub us: f64,
}

/// What the network makes of a drawing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Likeness {
    /// The image that the network was shown: (height, width), a byte a pixel.
    pub image: Vec<u8>,
    /// Its embedding by the packed form.
    pub embedding: Vec<f32>,
    /// Whether its numbers are 0 and 1 alone.
    pub bits: bool,
    /// What the packed form says.
    pub packed: Compared,
    /// How the float form agrees; `None` of a packed file, which has no such form.
    pub float: Option<Beside>,
}

/// What the page says of the network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AboutComparer {
    /// The network in a few words.
    pub title: String,
    /// The run or file.
    pub source: String,
    /// How its units are read, where they are stochastic.
    pub reading: Option<&'static str>,
    /// Instruction set of the kernels.
    pub isa: &'static str,
    /// The height of an image.
    pub height: usize,
    /// The width of an image.
    pub width: usize,
    /// Whether there is a float form beside the packed one.
    pub float: bool,
    /// Numbers of an embedding.
    pub embedding: usize,
    /// The name of the distance.
    pub distance: &'static str,
}

/// A network that compares drawings.
pub struct Comparer {
    about: AboutComparer,
    by: Comparison,
    runner: Runner,
    float: Option<Network>,
    background: Background,
}

impl Comparer {
    /// Numbers that an embedding may have: five of them and a drawing are, as text, within what
    /// a request may have.
    pub const MAX_WIDTH: usize = 2048;

    /// A comparer by `packed` and, beside it, by the graph that it was made from; noise as in
    /// [`super::Reader::new`].
    ///
    /// # Errors
    /// A network that does not take grey images, ends in no embedding, or in one that is too
    /// wide, or two that are not one.
    pub fn new(
        title: String,
        source: String,
        packed: PackedNet,
        float: Option<Network>,
        noise: Option<Noise>,
        engine: Engine,
    ) -> Result<Self> {
        let (input, width) = (form_of(&packed, &source)?, packed.classes());
        let Some(by) = packed.comparison() else {
            return Err(Error::spec(format!(
                "{source} has classes of its own and compares no embeddings; serve it as a reader"
            )));
        };
        if width > Self::MAX_WIDTH {
            return Err(Error::spec(format!(
                "{source} has embeddings of {width} numbers, more than the {} that the page can send; serve a network with a smaller one",
                Self::MAX_WIDTH
            )));
        }
        let mut runner = packed.runner(engine);
        let reading = sampled(&packed, &mut runner, noise);
        let mut float = float;
        if let Some(net) = &mut float {
            if net.spec().input != input || net.spec().few_shot().is_none() {
                return Err(Error::spec(format!(
                    "{source}: its two forms are of different networks"
                )));
            }
            read_one(net, noise);
        }
        Ok(Self {
            about: AboutComparer {
                title,
                source,
                reading,
                isa: engine.kernels.isa.name(),
                height: input.height,
                width: input.width,
                float: float.is_some(),
                embedding: width,
                distance: by.distance.name(),
            },
            by,
            background: ground_of(&packed),
            runner,
            float,
        })
    }

    /// What the page says of the network.
    pub fn about(&self) -> &AboutComparer {
        &self.about
    }

    /// Embeds a drawing, and compares it with what it is asked to be compared with.
    ///
    /// # Errors
    /// Why it cannot be, in one line.
    pub fn compare(&mut self, question: &Question) -> std::result::Result<Likeness, &'static str> {
        let supports = self.supports(&question.support)?;
        let size = (self.about.height, self.about.width);
        let image = question.drawing.image(self.background, size)?;
        let mut embedding = vec![0.0; self.about.embedding];
        let us = median_us(|| self.runner.logits(&image, &mut embedding));
        let packed = self.compared(&embedding, &supports, us);
        let float = self.float.as_mut().map(|net| {
            net.set_row(0, &image, 0);
            let us = median_us(|| net.forward());
            (net.embeddings().to_vec(), us)
        });
        let float = float.map(|(own, us)| {
            let gaps = own.iter().zip(&embedding).map(|(a, b)| (a - b).abs());
            Beside {
                same: self.compared(&own, &supports, us).class == packed.class,
                differ: gaps.clone().filter(|gap| *gap != 0.0).count(),
                gap: gaps.fold(0.0, f32::max),
                us,
            }
        });
        Ok(Likeness {
            image,
            bits: embedding.iter().all(|&x| x == 0.0 || x == 1.0),
            embedding,
            packed,
            float,
        })
    }

    /// The support set twice: as the network compares, and for distances that no scale
    /// multiplies.
    fn supports(&self, asked: &[Vec<f32>]) -> std::result::Result<[Support; 2], &'static str> {
        if asked.len() > MAX_CLASSES {
            return Err("a support set may have 32 classes");
        }
        let plain = Comparison {
            scale: 1.0,
            ..self.by
        };
        let mut supports = [self.by, plain].map(|by| Support::new(by, self.about.embedding));
        for (class, embedding) in asked.iter().enumerate() {
            if embedding.len() != self.about.embedding {
                return Err("an embedding of the support set has another width than the network's");
            }
            for support in &mut supports {
                let taught = support.teach(&class.to_string(), embedding);
                taught.map_err(|_| "an embedding of the support set has no finite numbers")?;
            }
        }
        Ok(supports)
    }

    fn compared(&self, embedding: &[f32], supports: &[Support; 2], us: f64) -> Compared {
        let [logits, mut distances] = supports.each_ref().map(|support| {
            let mut z = vec![0.0; support.len()];
            support.logits(embedding, &mut z);
            z
        });
        let whole = match self.by.distance {
            Distance::Squared => 0.0,
            Distance::Cosine => 1.0,
        };
        distances.iter_mut().for_each(|d| *d = whole - *d);
        let mut probabilities = vec![0.0; logits.len()];
        softmax(&logits, &mut probabilities);
        Compared {
            class: argmax(&logits),
            probabilities,
            distances,
            us,
        }
    }
}
