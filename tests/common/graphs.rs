//! Random networks with branches, for packing: sums and concatenations of bits, of whole
//! numbers and of reals, average pools, shifts, and values that several layers read.

use bnn_cpu::layers::{
    Activation, Add, AvgPool, Binary, Concat, Conv, Flatten, Function, GlobalAvgPool, Layer,
    Linear, MaxPool, Shift, Weights,
};
use bnn_cpu::model::{INPUT, LayerSpec, ModelSpec, Pixels};
use bnn_cpu::tensor::Shape;

use super::packed::{Mix, RandomNet};

/// A value of the network that is drawn.
#[derive(Clone)]
struct Value {
    name: String,
    shape: Shape,
}

struct Graph<'a> {
    net: &'a mut RandomNet,
    mix: Mix,
    layers: Vec<LayerSpec>,
}

/// A graph that is drawn so that a layer does not fit is drawn again.
type Drawn<T> = Option<T>;

impl RandomNet {
    /// A spec of one to three blocks with branches, and a head.
    pub fn graph(&mut self, mix: Mix) -> ModelSpec {
        loop {
            let drawn = Graph::draw(self, mix);
            if let Some(spec) = drawn.filter(|spec| spec.check().is_ok()) {
                return spec;
            }
        }
    }
}

impl<'a> Graph<'a> {
    fn draw(net: &'a mut RandomNet, mix: Mix) -> Drawn<ModelSpec> {
        net.forget_names();
        let side = |net: &mut RandomNet| net.one_of(&[3, 5, 6, 8, 11]);
        let input = Shape::image(net.one_of(&[1, 1, 2, 3]), side(net), side(net));
        let mut graph = Graph {
            net,
            mix,
            layers: Vec::new(),
        };
        let mut x = Value {
            name: INPUT.into(),
            shape: input,
        };
        for block in 0..graph.net.one_of(&[1, 2, 2, 3]) {
            x = graph.block(&x, block == 0)?;
        }
        graph.head(&x)?;
        let pixels = match mix {
            Mix::Binary => Some(Pixels::Integer),
            _ => match graph.net.one_of(&[true, false]) {
                true => Some(Pixels::Integer),
                false => Some(Pixels::normalised(0.1307, 0.3081)),
            },
        };
        let spec = ModelSpec {
            name: "graph".into(),
            input,
            pixels: None,
            layers: graph.layers,
        };
        // Either encoding may be refused, by what reads the pixels.
        let with = |pixels: Option<Pixels>| ModelSpec {
            pixels,
            ..spec.clone()
        };
        let all = [with(pixels), with(None)];
        all.into_iter().find(|spec| spec.check().is_ok())
    }

    fn any(&mut self) -> bool {
        self.net.one_of(&[true, false])
    }

    fn put(&mut self, layer: impl Layer, inputs: &[&Value]) -> Drawn<Value> {
        let shapes: Vec<Shape> = inputs.iter().map(|x| x.shape).collect();
        let shape = layer.output("", &shapes).ok()?;
        let name = self.net.name();
        let names = inputs.iter().map(|x| x.name.clone());
        let layer = LayerSpec::named(name.clone(), layer).with_inputs(names);
        self.layers.push(layer);
        Some(Value { name, shape })
    }

    /// A convolution that keeps the size, unless it is the first.
    fn conv(&mut self, x: &Value, out: usize, may_shrink: bool) -> Drawn<Value> {
        let kernel = self.net.one_of(&[1, 3, 3, 5]);
        let (weights, scale) = self.net.weights(self.mix);
        let (stride, padding) = match may_shrink {
            true => (
                self.net.one_of(&[1, 1, 2]),
                self.net.one_of(&[0, kernel / 2]),
            ),
            false => (1, kernel / 2),
        };
        let layer = Conv {
            stride: stride.into(),
            padding: padding.into(),
            bias: self.any() && self.any(),
            weights,
            scale: scale && self.any(),
            ..Conv::new(out, kernel)
        };
        self.put(layer, &[x])
    }

    fn unit(&mut self, x: &Value) -> Drawn<Value> {
        let unit = Binary::new(self.net.firing(), "st");
        self.put(unit, &[x])
    }

    /// What may stand between a sum and a unit, of numbers alone.
    fn mapped(&mut self, x: &Value) -> Drawn<Value> {
        let function = self.net.one_of(&[Function::Relu, Function::HardSigmoid]);
        Some(match self.net.one_of(&[0, 0, 1, 1, 1, 2, 3]) {
            0 => x.clone(),
            1 => {
                let norm = self.net.batch_norm();
                self.put(norm, &[x])?
            }
            2 => self.put(Shift {}, &[x])?,
            _ => {
                let norm = self.net.batch_norm();
                let x = self.put(norm, &[x])?;
                self.put(Activation { function }, &[&x])?
            }
        })
    }

    fn pooled(&mut self, x: &Value) -> Drawn<Value> {
        let stride = self.net.one_of(&[None, Some(1)]).map(Into::into);
        let kernel = 2.into();
        match self.net.one_of(&[0, 0, 0, 1, 2]) {
            0 => Some(x.clone()),
            1 => self.put(MaxPool { kernel, stride }, &[x]),
            _ => self.put(AvgPool { kernel, stride }, &[x]),
        }
    }

    /// Maps and pools up to a unit.
    fn bits(&mut self, x: &Value) -> Drawn<Value> {
        let x = self.mapped(x)?;
        let x = self.pooled(&x)?;
        let x = self.mapped(&x)?;
        let x = self.unit(&x)?;
        self.pooled_bits(&x)
    }

    /// Bits, now and then pooled as bits.
    fn pooled_bits(&mut self, x: &Value) -> Drawn<Value> {
        match self.net.one_of(&[0, 0, 0, 0, 1]) {
            0 => Some(x.clone()),
            _ => {
                let stride = Some(1.into());
                self.put(
                    MaxPool {
                        kernel: 2.into(),
                        stride,
                    },
                    &[x],
                )
            }
        }
    }

    /// A block of bits out of bits, or out of the image.
    fn block(&mut self, x: &Value, first: bool) -> Drawn<Value> {
        let out = self.net.one_of(&[1, 3, 4, 8, 9, 17]);
        if first || self.net.one_of(&[0, 0, 0, 1]) == 1 {
            let x = self.conv(x, out, true)?;
            return self.bits(&x);
        }
        match self.net.one_of(&[0, 1, 2, 3, 4, 5, 6, 7]) {
            // A skip connection around sums, of bits or of other sums.
            0 | 1 => {
                let skip = self.any();
                let a = self.conv(x, if skip { x.shape.channels } else { out }, false)?;
                let a = self.mapped(&a)?;
                let b = match skip {
                    true => x.clone(),
                    false => self.conv(x, out, false)?,
                };
                let sum = match self.any() {
                    true => self.put(Add {}, &[&a, &b])?,
                    false => self.put(Add {}, &[&b, &a, &b])?,
                };
                self.bits(&sum)
            }
            // A sum of bits.
            2 => {
                let (a, b) = (self.conv(x, out, false)?, self.conv(x, out, false)?);
                let (a, b) = (self.unit(&a)?, self.unit(&b)?);
                let sum = self.put(Add {}, &[&a, &b])?;
                self.bits(&sum)
            }
            // Bits side by side; the first ones may be those that the others are made of.
            3 | 4 => {
                let a = match self.any() {
                    true => x.clone(),
                    false => {
                        let a = self.conv(x, 3, false)?;
                        self.unit(&a)?
                    }
                };
                let b = self.conv(x, out, false)?;
                let b = self.mapped(&b)?;
                let b = self.unit(&b)?;
                match self.any() {
                    true => self.put(Concat {}, &[&a, &b]),
                    false => self.put(Concat {}, &[&b, &a, &b]),
                }
            }
            // Sums side by side, of different depths.
            5 => {
                let (a, b) = (self.conv(x, 2, false)?, self.conv(x, out, false)?);
                let a = self.mapped(&a)?;
                let both = self.put(Concat {}, &[&a, &b, x])?;
                self.bits(&both)
            }
            // Means of bits, and the bits themselves.
            6 => {
                let (kernel, stride) = self.net.one_of(&[(2, Some(1)), (3, Some(1)), (2, None)]);
                let (kernel, stride) = (kernel.into(), stride.map(Into::into));
                let mean = self.put(AvgPool { kernel, stride }, &[x])?;
                let mean = self.mapped(&mean)?;
                let mean = self.unit(&mean)?;
                let max = self.put(MaxPool { kernel, stride }, &[x])?;
                self.put(Concat {}, &[&mean, &max])
            }
            // One sum, two thresholds.
            _ => {
                let sum = self.conv(x, out, false)?;
                let sum = self.mapped(&sum)?;
                let (a, b) = (self.mapped(&sum)?, self.put(Shift {}, &[&sum])?);
                let (a, b) = (self.unit(&a)?, self.unit(&b)?);
                self.put(Concat {}, &[&a, &b])
            }
        }
    }

    fn linear(&mut self, x: &Value) -> Drawn<Value> {
        let (weights, scale) = self.net.weights(self.mix);
        let layer = Linear {
            out: self.net.one_of(&[2, 5, 10]),
            bias: self.any(),
            weights,
            scale,
        };
        self.put(layer, &[x])
    }

    /// Logits out of bits.
    fn head(&mut self, x: &Value) -> Drawn<Value> {
        match self.net.one_of(&[0, 1, 2, 3, 4]) {
            0 => self.linear(x),
            1 => {
                let flat = self.put(Flatten {}, &[x])?;
                let logits = self.linear(&flat)?;
                let norm = self.net.batch_norm();
                self.put(norm, &[&logits])
            }
            // Vectors side by side.
            2 => {
                let (a, b) = (self.conv(x, 2, true)?, self.put(GlobalAvgPool {}, &[x])?);
                let b = self.mapped(&b)?;
                let (a, b) = (self.unit(&a)?, self.unit(&b)?);
                let a = self.put(Flatten {}, &[&a])?;
                let both = self.put(Concat {}, &[&a, &b])?;
                self.linear(&both)
            }
            // Means of sums are logits.
            3 => {
                let sums = self.conv(x, 10, true)?;
                let sums = self.mapped(&sums)?;
                let mean = self.put(GlobalAvgPool {}, &[&sums])?;
                match self.any() {
                    true => Some(mean),
                    false => {
                        let norm = self.net.batch_norm();
                        self.put(norm, &[&mean])
                    }
                }
            }
            // The sum of two classifiers.
            _ => {
                let (kind, _) = self.net.weights(self.mix);
                let layer = |weights: Weights| Linear {
                    weights,
                    ..Linear::new(4)
                };
                let a = self.put(layer(kind), &[x])?;
                let (kind, _) = self.net.weights(self.mix);
                let b = self.put(layer(kind), &[x])?;
                self.put(Add {}, &[&a, &b])
            }
        }
    }
}
