//! Floor 7: a network built, trained and packed in a few lines of a program.
//!
//! ```
//! use bnn_cpu::graph::{Adam, Graph};
//! use bnn_cpu::data::digits;
//! use bnn_cpu::estimators::DisArm;
//!
//! # fn main() -> bnn_cpu::Result<()> {
//! let data = digits::generate(1, 256, 64);
//! let g = Graph::new([1, 28, 28]);
//! let h = g.input().conv("c1", 4, 5).max_pool(4).stochastic(DisArm);
//! let h = h.conv("c2", 4, 3).add(&h);
//! h.linear("fc", 10).cross_entropy();
//! let mut model = g.compile(64)?;
//! let mut opt = Adam::new(1e-3);
//! for (images, labels) in data.train.batches(64, 1) {
//!     model.step(&images, &labels, &mut opt)?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A [`Graph`] is a way to write a [`ModelSpec`]; a [`Model`] holds a
//! [`crate::model::Network`] and is a way to use it.

mod model;
mod node;
mod optim;

use std::cell::RefCell;
use std::rc::Rc;

pub use model::{Model, Options, Rows};
pub use node::{Node, Rule};
pub use optim::{Adam, Optimise, Sgd, Stated};

use crate::error::Result;
use crate::layers::{Input, Layer, LayerSpec};
use crate::model::{INPUT, ModelSpec, Pixels, Source};
use crate::tensor::Shape;

/// A network under construction. [`Graph::input`] gives its first [`Node`], whose methods add
/// layers; [`Graph::compile`] makes a [`Model`] of it.
#[derive(Clone)]
pub struct Graph {
    inner: Rc<RefCell<Inner>>,
}

struct Inner {
    name: String,
    input: Shape,
    pixels: Option<Pixels>,
    layers: Vec<LayerSpec>,
    /// What each layer reads.
    sources: Vec<Vec<Source>>,
}

impl Graph {
    /// Begins a network whose images have that shape: (channels, height, width), or the length
    /// of a vector.
    pub fn new(input: impl Into<Shape>) -> Self {
        let inner = Inner {
            name: "graph".into(),
            input: input.into(),
            pixels: None,
            layers: Vec::new(),
            sources: Vec::new(),
        };
        Self {
            inner: Rc::new(RefCell::new(inner)),
        }
    }

    /// The node of the images, which the first layers follow.
    pub fn input(&self) -> Node {
        Node {
            graph: self.clone(),
            at: Source::Input,
        }
    }

    /// A further input beside the images, such as the target of a regression; its rows are
    /// set by [`Model::set_input`].
    pub fn further_input(&self, name: &str, shape: impl Into<Shape>) -> Node {
        let shape = shape.into();
        self.push(LayerSpec::named(name, Input { shape }), Vec::new())
    }

    /// Sets the name by which records and messages call the network.
    pub fn set_name(&self, name: &str) {
        self.inner.borrow_mut().name = name.into();
    }

    /// Sets how the bytes of images become the numbers that enter the network. Without this
    /// call they are divided by 255.
    pub fn set_pixels(&self, pixels: Pixels) {
        self.inner.borrow_mut().pixels = Some(pixels);
    }

    fn push(&self, layer: LayerSpec, sources: Vec<Source>) -> Node {
        let mut inner = self.inner.borrow_mut();
        inner.layers.push(layer);
        inner.sources.push(sources);
        Node {
            graph: self.clone(),
            at: Source::Layer(inner.layers.len() - 1),
        }
    }

    /// Adds a layer of any kind that reads those nodes.
    pub fn layer(&self, layer: impl Layer, inputs: &[&Node]) -> Node {
        self.push(layer.into(), inputs.iter().map(|node| node.at).collect())
    }

    /// Adds a layer of any kind with a name, which is the prefix of its parameters' names.
    pub fn named(&self, name: &str, layer: impl Layer, inputs: &[&Node]) -> Node {
        let sources = inputs.iter().map(|node| node.at).collect();
        self.push(LayerSpec::named(name, layer), sources)
    }

    /// The network as data, in the form in which it is written to a JSON file and read by the
    /// program.
    pub fn spec(&self) -> ModelSpec {
        let inner = self.inner.borrow();
        let mut layers = inner.layers.clone();
        for (i, sources) in inner.sources.iter().enumerate() {
            let before = match i {
                0 => Source::Input,
                _ => Source::Layer(i - 1),
            };
            if sources == &[before] {
                continue;
            }
            let mut names = Vec::new();
            for source in sources {
                names.push(match source {
                    Source::Input => INPUT.to_string(),
                    Source::Layer(j) => {
                        let name = layers[*j].name.get_or_insert_with(|| format!("node{j}"));
                        name.clone()
                    }
                });
            }
            layers[i].inputs = names;
        }
        let mut spec = ModelSpec {
            name: inner.name.clone(),
            input: inner.input,
            pixels: inner.pixels.clone(),
            layers,
        };
        spec.settle();
        spec
    }

    /// The network, ready to train with batches of up to `batch` images: weights by
    /// PyTorch's initialiser from seed 1, everything else as [`Options`] has it by default.
    ///
    /// # Errors
    /// One line that says which layer is wrong and why.
    pub fn compile(&self, batch: usize) -> Result<Model> {
        Model::new(&self.spec(), batch, Options::default())
    }

    /// [`Self::compile`] with other settings.
    ///
    /// # Errors
    /// As [`Self::compile`].
    pub fn compile_with(&self, batch: usize, options: Options) -> Result<Model> {
        Model::new(&self.spec(), batch, options)
    }
}
