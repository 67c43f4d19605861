//! The layers and tensors of a network as they are put together, and what each name of the file is.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::file::{Graph, Tensor};
use super::{Imported, shown};
use crate::model::ModelSpec;
use crate::model::weights::{Data, NamedTensor};
use crate::tensor::Shape;

/// The order in which a value's numbers lie in the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Order {
    /// (channel, row, column), as PyTorch's.
    Planes,
    /// (row, column, channel), as TensorFlow's.
    Interleaved,
}

/// What a name of the file stands for.
#[derive(Clone, Debug)]
pub(super) enum Known {
    /// The output of a layer, or the images where there is no layer.
    Layer {
        layer: Option<usize>,
        order: Order,
        /// Whether its sides were made one.
        flat: bool,
    },
    /// `[x > 0]`, which a cast makes numbers of.
    Above(Option<usize>, Order, bool),
    /// Numbers with their sides.
    Constant(Vec<u64>, Vec<f32>),
}

/// A network that is being read.
pub(super) struct Builder<'a> {
    graph: &'a Graph<'a>,
    known: HashMap<&'a str, Known>,
    input: Shape,
    layers: Vec<Value>,
    tensors: Vec<NamedTensor>,
    counts: HashMap<&'static str, usize>,
    /// How often each name is read.
    uses: HashMap<&'a str, usize>,
}

impl<'a> Builder<'a> {
    /// Begins with the images.
    pub fn new(graph: &'a Graph<'a>) -> Result<Self, String> {
        let constants = &graph.constants;
        let mut inputs = graph
            .inputs
            .iter()
            .filter(|(name, _)| !constants.contains_key(name));
        let (Some((name, sides)), None) = (inputs.next(), inputs.next()) else {
            return Err(
                "has another number of inputs than one; a network takes images alone".into(),
            );
        };
        let mut uses: HashMap<&str, usize> = HashMap::new();
        for input in graph
            .nodes
            .iter()
            .flat_map(|node| &node.inputs)
            .chain(&graph.outputs)
        {
            *uses.entry(input).or_default() += 1;
        }
        let turned = graph.nodes.iter().any(|node| {
            let first = node.op == "Transpose" && node.inputs.first() == Some(name);
            first
                && node
                    .settings
                    .get("perm")
                    .is_some_and(|p| p.ints == [0, 3, 1, 2])
        });
        let order = if turned {
            Order::Interleaved
        } else {
            Order::Planes
        };
        let input = images(sides, order)?;
        let images = Known::Layer {
            layer: None,
            order,
            flat: sides.len() == 2,
        };
        Ok(Self {
            graph,
            known: HashMap::from([(*name, images)]),
            input,
            layers: Vec::new(),
            tensors: Vec::new(),
            counts: HashMap::new(),
            uses,
        })
    }

    /// What a name stands for.
    pub fn known(&self, name: &str) -> Result<Known, String> {
        if let Some(known) = self.known.get(name) {
            return Ok(known.clone());
        }
        let tensor = self.graph.constants.get(name);
        let tensor = tensor
            .ok_or_else(|| format!("reads {}, which nothing before it makes", shown(name)))?;
        Ok(Known::Constant(tensor.dims.clone(), tensor.floats()?))
    }

    /// A constant of integers.
    pub fn integers(&self, name: &str) -> Option<Vec<i64>> {
        self.graph.constants.get(name)?.integers().ok()
    }

    /// A constant that a node holds.
    pub fn constant(&mut self, name: &'a str, tensor: &Tensor<'_>) -> Result<(), String> {
        self.set(name, Known::Constant(tensor.dims.clone(), tensor.floats()?))
    }

    /// Says what a name stands for.
    pub fn set(&mut self, name: &'a str, known: Known) -> Result<(), String> {
        match self.known.insert(name, known) {
            None => Ok(()),
            Some(_) => Err(format!("makes {}, which there is already", shown(name))),
        }
    }

    /// Checks that a name is the output of the network.
    pub fn ends(&self, name: &str) -> Result<(), String> {
        match self.graph.outputs[..] {
            [output] if output == name => Ok(()),
            _ => Err("makes probabilities within the network; only its output may be some".into()),
        }
    }

    /// How often a name is read.
    pub fn uses(&self, name: &str) -> usize {
        self.uses.get(name).copied().unwrap_or(0)
    }

    /// Adds a layer of that kind over others; its name is the kind and a number.
    pub fn layer(
        &mut self,
        kind: &'static str,
        inputs: &[Option<usize>],
        mut settings: Value,
        tensors: Vec<(&str, Vec<usize>, Vec<f32>)>,
    ) -> usize {
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        let name = format!("{kind}{count}");
        let read = |from: &Option<usize>| match from {
            None => json!("input"),
            Some(i) => self.layers[*i]["name"].clone(),
        };
        settings["type"] = kind.into();
        settings["inputs"] = inputs.iter().map(read).collect();
        settings["name"] = name.as_str().into();
        for (what, shape, numbers) in tensors {
            self.tensors.push(NamedTensor {
                name: format!("{name}.{what}"),
                shape,
                data: Data::F32(numbers),
            });
        }
        self.layers.push(settings);
        self.layers.len() - 1
    }

    /// Gives a layer a bias that it has not yet; whether it could.
    pub fn bias(&mut self, layer: usize, bias: &[f32]) -> bool {
        let settings = &mut self.layers[layer];
        if settings["bias"] != json!(false) || settings["out"] != json!(bias.len()) {
            return false;
        }
        settings["bias"] = true.into();
        let name = settings["name"].as_str().unwrap_or_default();
        self.tensors.push(NamedTensor {
            name: format!("{name}.bias"),
            shape: vec![bias.len()],
            data: Data::F32(bias.to_vec()),
        });
        true
    }

    /// The shape of a layer's output.
    pub fn shape(&self, layer: Option<usize>) -> Result<Shape, String> {
        let Some(layer) = layer else {
            return Ok(self.input);
        };
        let shapes = self.spec("import", layer + 1)?.layer_shapes();
        let shapes = shapes.map_err(|e| format!("does not fit what it reads: {e}"))?;
        shapes
            .get(layer)
            .map(|s| s.output)
            .ok_or("has no shape".into())
    }

    fn spec(&self, name: &str, layers: usize) -> Result<ModelSpec, String> {
        let text = json!({
            "name": name, "input": {
                "channels": self.input.channels, "height": self.input.height, "width": self.input.width,
            },
            "layers": self.layers[..layers],
        });
        serde_json::from_value(text).map_err(|e| format!("makes no network here: {e}"))
    }

    /// The network, which ends in the file's output.
    pub fn finish(self, name: &str) -> Result<Imported, String> {
        let [output] = self.graph.outputs[..] else {
            return Err(
                "has another number of outputs than one; a network has logits alone".into(),
            );
        };
        let last = match self.known.get(output) {
            Some(Known::Layer {
                layer: Some(layer), ..
            }) => *layer,
            _ => return Err(format!("makes no output {} of its images", shown(output))),
        };
        if last + 1 != self.layers.len() {
            return Err("holds nodes behind its output; remove them".into());
        }
        let spec = self.spec(name, self.layers.len())?;
        spec.check()
            .map_err(|e| format!("makes no network here: {e}"))?;
        Ok(Imported {
            spec,
            tensors: self.tensors,
        })
    }
}

/// The shape of images with these sides, the first of which is the batch.
fn images(sides: &[u64], order: Order) -> Result<Shape, String> {
    let side = |i: usize| usize::try_from(sides[i]).unwrap_or(0);
    let shape = match (sides.len(), order) {
        (4, Order::Planes) => Shape::image(side(1), side(2), side(3)),
        (4, Order::Interleaved) => Shape::image(side(3), side(1), side(2)),
        (2, _) => match side(1).isqrt() {
            root if root * root == side(1) => Shape::image(1, root, root),
            _ => Shape::image(1, 1, side(1)),
        },
        _ => {
            return Err(format!(
                "takes inputs of {} sides; images have four",
                sides.len()
            ));
        }
    };
    let all = [shape.channels, shape.height, shape.width];
    if all.iter().any(|&side| side == 0 || side > 1 << 14) {
        return Err("does not say how large its images are; export it with fixed sides".into());
    }
    Ok(shape)
}
