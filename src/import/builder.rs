//! The layers and tensors of a network as they are put together.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::Imported;
use super::shown;
use crate::layers::LayerSpec;
use crate::model::weights::{Data, NamedTensor};
use crate::model::{ModelSpec, Pixels};
use crate::tensor::Shape;

/// The levels of a value that has two.
pub(super) type Levels = (f32, f32);

/// A layer as what reads it needs it.
struct Made {
    name: String,
    output: Shape,
    /// Whether its numbers are whole, and, where there are two, which.
    whole: bool,
    levels: Option<Levels>,
}

/// A network that is being read.
#[derive(Default)]
pub(super) struct Builder {
    /// The images.
    input: Option<Shape>,
    /// What pixels are to the network; `None` where the file does not say.
    pub pixels: Option<Pixels>,
    layers: Vec<LayerSpec>,
    made: Vec<Made>,
    tensors: Vec<NamedTensor>,
    counts: HashMap<&'static str, usize>,
}

/// A tensor of a layer: its name behind the layer's, sides, numbers.
pub(super) type Part = (&'static str, Vec<usize>, Vec<f32>);

impl Builder {
    /// Says how large the images are.
    pub fn images(&mut self, shape: Shape) {
        self.input = Some(shape);
    }

    /// Whether no layer has been made yet.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// The shape of a layer's output, or of the images.
    pub fn shape(&self, layer: Option<usize>) -> Shape {
        match layer {
            Some(layer) => self.made[layer].output,
            None => self.input.unwrap_or(Shape::vector(1)),
        }
    }

    /// Whether all numbers of a layer's output are whole.
    pub fn is_whole(&self, layer: Option<usize>) -> bool {
        match layer {
            Some(layer) => self.made[layer].whole,
            None => self.pixels == Some(Pixels::Integer),
        }
    }

    /// The two levels of a layer's output, if it has two alone.
    pub fn levels(&self, layer: Option<usize>) -> Option<Levels> {
        self.made[layer?].levels
    }

    /// Adds a layer of that kind over others; its name is the kind and a number.
    ///
    /// # Errors
    /// A layer that does not fit what it reads.
    pub fn layer(
        &mut self,
        kind: &'static str,
        inputs: &[Option<usize>],
        mut settings: Value,
        tensors: Vec<Part>,
    ) -> Result<usize, String> {
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        let name = format!("{kind}{count}");
        let read = |from: &Option<usize>| match from {
            None => "input",
            Some(i) => &self.made[*i].name,
        };
        let (whole, levels) = self.numbers(kind, inputs, &settings);
        settings["type"] = kind.into();
        settings["inputs"] = inputs.iter().map(read).collect();
        settings["name"] = name.as_str().into();
        let unfit = |e: &dyn std::fmt::Display| format!("makes no layer here: {e}");
        let spec: LayerSpec = serde_json::from_value(settings).map_err(|e| unfit(&e))?;
        let shapes: Vec<Shape> = inputs.iter().map(|&from| self.shape(from)).collect();
        let output = spec.layer().output(&name, &shapes).map_err(|e| unfit(&e))?;
        for (what, shape, numbers) in tensors {
            self.tensors.push(NamedTensor {
                name: format!("{name}.{what}"),
                shape,
                data: Data::F32(numbers),
            });
        }
        self.layers.push(spec);
        self.made.push(Made {
            name,
            output,
            whole,
            levels,
        });
        Ok(self.layers.len() - 1)
    }

    /// Whether the numbers of a layer are whole, and the levels where there are two.
    fn numbers(
        &self,
        kind: &str,
        inputs: &[Option<usize>],
        settings: &Value,
    ) -> (bool, Option<Levels>) {
        let whole = inputs.iter().all(|&from| self.is_whole(from));
        let first = inputs.first().and_then(|&from| self.levels(from));
        let same = inputs.iter().all(|&from| self.levels(from) == first);
        match kind {
            "binary" if settings["levels"] == json!("0/1") => (true, Some((0.0, 1.0))),
            "binary" => (true, Some((-1.0, 1.0))),
            "max_pool" | "flatten" | "concat" => (whole, first.filter(|_| same)),
            "add" => (whole, None),
            "conv" | "linear" => {
                let plain = settings["bias"] == json!(false)
                    && settings["scale"] == json!(false)
                    && settings["weights"] == json!("binary");
                (whole && plain, None)
            }
            _ => (false, None),
        }
    }

    /// Gives a layer a bias that it has not yet; whether it could.
    pub fn bias(&mut self, layer: usize, bias: &[f32]) -> bool {
        let (spec, made) = (&mut self.layers[layer], &mut self.made[layer]);
        if !matches!(spec.layer().kind(), "conv" | "linear") || made.output.channels != bias.len() {
            return false;
        }
        let mut settings = spec.settings();
        if settings.get("bias") != Some(&json!(false)) {
            return false;
        }
        settings.insert("bias".into(), true.into());
        settings.insert("type".into(), spec.layer().kind().into());
        settings.insert("inputs".into(), json!(spec.inputs));
        settings.insert("name".into(), json!(made.name));
        let Ok(with) = serde_json::from_value(settings.into()) else {
            return false;
        };
        *spec = with;
        made.whole = false;
        self.tensors.push(NamedTensor {
            name: format!("{}.bias", made.name),
            shape: vec![bias.len()],
            data: Data::F32(bias.to_vec()),
        });
        true
    }

    /// The network, whose output is that layer's.
    ///
    /// # Errors
    /// Layers that make no network.
    pub fn finish(self, name: &str, output: &str, last: Option<usize>) -> Result<Imported, String> {
        let Some(last) = last else {
            return Err(format!("makes no output {} of its images", shown(output)));
        };
        if last + 1 != self.layers.len() {
            return Err("holds nodes behind its output; remove them".into());
        }
        let input = self.shape(None);
        let text = json!({
            "name": name, "input": {
                "channels": input.channels, "height": input.height, "width": input.width,
            },
            "layers": self.layers,
        });
        let made = serde_json::from_value(text);
        let mut spec: ModelSpec = made.map_err(|e| format!("makes no network here: {e}"))?;
        spec.pixels = self.pixels;
        let checked = spec.check();
        checked.map_err(|e| format!("makes no network here: {e}"))?;
        Ok(Imported {
            spec,
            tensors: self.tensors,
        })
    }
}
