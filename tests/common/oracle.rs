//! Layers as their formulas say, in double precision: plain loops over single
//! numbers, forwards and backwards, and a whole network's evaluation. Nothing here
//! is shared with the crate but the order in which a row is stored: (height, width,
//! channel).

use bnn_cpu::layers::{self, Function, Sides, Weights, Window};
use bnn_cpu::model::{LayerSpec, Network, Source};
use bnn_cpu::tensor::Shape;

/// Convolution. Weights are (O, C/groups, kh, kw), as PyTorch has them.
#[derive(Clone, Copy)]
pub struct Conv {
    pub input: Shape,
    pub output: Shape,
    pub window: Window,
    pub groups: usize,
}

impl Conv {
    pub fn new(input: Shape, channels: usize, window: Window) -> Self {
        Self::grouped(input, channels, window, 1)
    }

    pub fn grouped(input: Shape, channels: usize, window: Window, groups: usize) -> Self {
        let side = |n: usize, of: &dyn Fn(Sides) -> usize| {
            let last = (of(window.kernel) - 1) * of(window.dilation);
            (n + 2 * of(window.padding) - last - 1) / of(window.stride) + 1
        };
        let height = side(input.height, &|s| s.height);
        let width = side(input.width, &|s| s.width);
        Self {
            input,
            output: Shape::image(channels, height, width),
            window,
            groups,
        }
    }

    /// Numbers of its weights.
    pub fn count(&self) -> usize {
        let inputs = self.input.channels / self.groups;
        self.output.channels * inputs * self.window.kernel.height * self.window.kernel.width
    }

    /// The border's number.
    fn border(&self) -> f64 {
        f64::from(self.window.border)
    }

    /// Calls `f` with the places of every product: in the output row, the input row (none
    /// in the border) and the weights.
    fn products(&self, mut f: impl FnMut(usize, Option<usize>, usize)) {
        let (a, b, w) = (self.input, self.output, self.window);
        let (kh, kw) = (w.kernel.height, w.kernel.width);
        let (n, m) = (a.channels / self.groups, b.channels / self.groups);
        let inside = |at: usize, stride: usize, tap: usize, padding: usize, side: usize| {
            let at = (at * stride + tap).checked_sub(padding)?;
            (at < side).then_some(at)
        };
        let down = |i: usize, u: usize| {
            let tap = u * w.dilation.height;
            inside(i, w.stride.height, tap, w.padding.height, a.height)
        };
        let across = |j: usize, v: usize| {
            let tap = v * w.dilation.width;
            inside(j, w.stride.width, tap, w.padding.width, a.width)
        };
        for i in 0..b.height {
            for j in 0..b.width {
                for u in 0..kh {
                    for v in 0..kw {
                        let pixel = down(i, u).zip(across(j, v));
                        let pixel = pixel.map(|(y, x)| (y * a.width + x) * a.channels);
                        for o in 0..b.channels {
                            for c in 0..n {
                                f(
                                    (i * b.width + j) * b.channels + o,
                                    pixel.map(|pixel| pixel + o / m * n + c),
                                    ((o * n + c) * kh + u) * kw + v,
                                );
                            }
                        }
                    }
                }
            }
        }
    }

    pub fn forward(&self, x: &[f64], w: &[f64], bias: Option<&[f64]>) -> Vec<f64> {
        let (a, b) = (self.input.len(), self.output.len());
        let mut y = vec![0.0; x.len() / a * b];
        for (x, y) in x.chunks_exact(a).zip(y.chunks_exact_mut(b)) {
            for (i, y) in y.iter_mut().enumerate() {
                *y = bias.map_or(0.0, |bias| bias[i % bias.len()]);
            }
            self.products(|to, from, weight| {
                y[to] += from.map_or(self.border(), |from| x[from]) * w[weight];
            });
        }
        y
    }

    /// `dx`, `dW` and `db`.
    pub fn backward(&self, x: &[f64], w: &[f64], g: &[f64]) -> [Vec<f64>; 3] {
        let (a, b) = (self.input.len(), self.output.len());
        let mut dx = vec![0.0; x.len()];
        let mut dw = vec![0.0; w.len()];
        let mut db = vec![0.0; self.output.channels];
        for ((x, dx), g) in x
            .chunks_exact(a)
            .zip(dx.chunks_exact_mut(a))
            .zip(g.chunks_exact(b))
        {
            self.products(|to, from, weight| {
                if let Some(from) = from {
                    dx[from] += g[to] * w[weight];
                }
                dw[weight] += g[to] * from.map_or(self.border(), |from| x[from]);
            });
            for (i, g) in g.iter().enumerate() {
                db[i % self.output.channels] += g;
            }
        }
        [dx, dw, db]
    }
}

/// A fully connected layer as a convolution with a window over the whole image:
/// weights over (C, H, W).
pub fn linear(input: Shape, out: usize) -> Conv {
    // A square image around it would be needed; a vector of its numbers serves.
    Conv::new(Shape::vector(input.len()), out, Window::square(1, 1, 0))
}

/// Weights over (C, H, W) in the order in which an image is stored.
pub fn stored(input: Shape, w: &[f64]) -> Vec<f64> {
    let mut to = vec![0.0; w.len()];
    let n = input.len();
    for (w, to) in w.chunks_exact(n).zip(to.chunks_exact_mut(n)) {
        for c in 0..input.channels {
            for p in 0..input.pixels() {
                to[p * input.channels + c] = w[c * input.pixels() + p];
            }
        }
    }
    to
}

/// Batch normalisation with given or with the batch's statistics.
pub struct Norm {
    pub mean: Vec<f64>,
    /// Of the batch: biased.
    pub var: Vec<f64>,
    pub eps: f64,
    /// Whether they depend on the batch.
    pub batch: bool,
}

impl Norm {
    pub fn of_batch(x: &[f64], channels: usize, eps: f64) -> Self {
        let n = (x.len() / channels) as f64;
        let sum = |f: &dyn Fn(usize, f64) -> f64| {
            let mut sums = vec![0.0; channels];
            for (i, &x) in x.iter().enumerate() {
                sums[i % channels] += f(i % channels, x) / n;
            }
            sums
        };
        let mean = sum(&|_, x| x);
        let var = sum(&|c, x| (x - mean[c]).powi(2));
        Self {
            mean,
            var,
            eps,
            batch: true,
        }
    }

    pub fn std(&self, c: usize) -> f64 {
        (self.var[c] + self.eps).sqrt()
    }

    pub fn forward(&self, x: &[f64], gamma: &[f64], beta: &[f64]) -> Vec<f64> {
        let channels = gamma.len();
        let one = |(i, x): (usize, &f64)| {
            let c = i % channels;
            gamma[c] * (x - self.mean[c]) / self.std(c) + beta[c]
        };
        x.iter().enumerate().map(one).collect()
    }

    /// `dx`, `dγ` and `dβ`.
    pub fn backward(&self, x: &[f64], gamma: &[f64], g: &[f64]) -> [Vec<f64>; 3] {
        let channels = gamma.len();
        let n = (x.len() / channels) as f64;
        let hat = |i: usize| (x[i] - self.mean[i % channels]) / self.std(i % channels);
        let (mut dgamma, mut dbeta) = (vec![0.0; channels], vec![0.0; channels]);
        for (i, g) in g.iter().enumerate() {
            dgamma[i % channels] += g * hat(i);
            dbeta[i % channels] += g;
        }
        let dx = g.iter().enumerate().map(|(i, g)| {
            let c = i % channels;
            let centred = match self.batch {
                true => g - dbeta[c] / n - hat(i) * dgamma[c] / n,
                false => *g,
            };
            gamma[c] / self.std(c) * centred
        });
        let dx = dx.collect();
        [dx, dgamma, dbeta]
    }
}

/// The largest of each window, and where it stands: the first of equals.
pub fn max_pool(
    x: &[f64],
    shape: Shape,
    kernel: impl Into<Sides>,
    stride: impl Into<Sides>,
) -> (Shape, Vec<f64>, Vec<usize>) {
    let (kernel, stride) = (kernel.into(), stride.into());
    let height = (shape.height - kernel.height) / stride.height + 1;
    let width = (shape.width - kernel.width) / stride.width + 1;
    let out = Shape::image(shape.channels, height, width);
    let (mut y, mut places) = (Vec::new(), Vec::new());
    for (row, x) in x.chunks_exact(shape.len()).enumerate() {
        for i in 0..out.height {
            for j in 0..out.width {
                for c in 0..shape.channels {
                    let mut best: Option<usize> = None;
                    for u in 0..kernel.height {
                        for v in 0..kernel.width {
                            let line = i * stride.height + u;
                            let column = j * stride.width + v;
                            let at = (line * shape.width + column) * shape.channels + c;
                            if best.is_none_or(|b| x[at] > x[b]) {
                                best = Some(at);
                            }
                        }
                    }
                    let best = best.expect("a window has pixels");
                    y.push(x[best]);
                    places.push(row * shape.len() + best);
                }
            }
        }
    }
    (out, y, places)
}

/// A function and its derivative.
pub fn function(function: Function, slope: f64, x: f64) -> (f64, f64) {
    match function {
        Function::Relu => (x.max(0.0), f64::from(u8::from(x > 0.0))),
        Function::HardSigmoid => (
            ((slope * x).clamp(-1.0, 1.0) + 1.0) / 2.0,
            match (slope * x).abs() < 1.0 {
                true => slope / 2.0,
                false => 0.0,
            },
        ),
        Function::Sigmoid => {
            let p = 1.0 / (1.0 + (-slope * x).exp());
            (p, slope * p * (1.0 - p))
        }
    }
}

/// `sign(V)` where the weights are binary: +1 for 0.
pub fn effective(weights: Weights, v: &[f64]) -> Vec<f64> {
    match weights {
        Weights::Real => v.to_vec(),
        Weights::Binary => v
            .iter()
            .map(|&v| if v >= 0.0 { 1.0 } else { -1.0 })
            .collect(),
    }
}

/// The parameters and buffers of a network, by layer and name.
struct Tensors<'a>(&'a Network);

impl Tensors<'_> {
    fn get(&self, layer: &str, what: &str) -> Option<Vec<f64>> {
        let params = self.0.params();
        let wide = |values: &[f32]| -> Vec<f64> { values.iter().map(|&v| f64::from(v)).collect() };
        let name = format!("{layer}.{what}");
        let entry = params.entries().iter().find(|e| e.name == name);
        let buffer = params.buffer_entries().iter().find(|e| e.name == name);
        entry
            .map(|e| wide(&params.values()[e.span.clone()]))
            .or(buffer.map(|e| wide(&params.buffer_values()[e.span.clone()])))
    }

    fn some(&self, layer: &str, what: &str) -> Vec<f64> {
        self.get(layer, what).expect("a layer has its numbers")
    }
}

/// A row of a value.
#[derive(Clone)]
struct Row {
    shape: Shape,
    x: Vec<f64>,
}

/// The logits of one image in evaluation with thresholds, and the least distance of
/// a number from the threshold that cut it, in units of the largest number beside it.
pub fn evaluate(net: &Network, image: &[u8]) -> (Vec<f64>, f64) {
    let spec = net.spec();
    let pixels = spec.pixel_encoding();
    let image = Row {
        shape: spec.input,
        x: (image.iter().enumerate())
            .map(|(i, &p)| f64::from(pixels.value(i % spec.input.channels, p)))
            .collect(),
    };
    let topology = spec.topology().expect("a sound spec");
    let mut rows: Vec<Row> = Vec::new();
    let mut margin = f64::INFINITY;
    for (layer, sources) in spec.layers.iter().zip(&topology.inputs) {
        let of = |source: &Source| match source {
            Source::Input => &image,
            Source::Layer(j) => &rows[*j],
        };
        let inputs: Vec<&Row> = sources.iter().map(of).collect();
        if layer.is::<layers::Binary>() {
            let x = &inputs[0].x;
            let largest = x.iter().fold(1.0f64, |m, x| m.max(x.abs()));
            let nearest = x.iter().fold(f64::INFINITY, |m, x| m.min(x.abs()));
            margin = margin.min(nearest / largest);
        }
        let row = layer_of(net, layer, &inputs);
        rows.push(row);
    }
    let last = rows.pop().expect("a network has layers");
    (last.x, margin)
}

fn layer_of(net: &Network, layer: &LayerSpec, inputs: &[&Row]) -> Row {
    let (name, Row { shape, x }) = (layer.label(), inputs[0].clone());
    let tensors = Tensors(net);
    if layer.is::<layers::Conv>() || layer.is::<layers::Linear>() {
        return weighted(&tensors, layer, shape, &x);
    }
    let each = |f: &dyn Fn(usize, f64) -> f64| {
        let x = x.iter().enumerate().map(|(i, &x)| f(i % shape.channels, x));
        Row {
            shape,
            x: x.collect(),
        }
    };
    if let Some(norm) = layer.get::<layers::BatchNorm>() {
        let of = Norm {
            mean: tensors.some(name, "running_mean"),
            var: tensors.some(name, "running_var"),
            eps: norm.eps,
            batch: false,
        };
        let (gamma, beta) = (tensors.some(name, "weight"), tensors.some(name, "bias"));
        let x = of.forward(&x, &gamma, &beta);
        Row { shape, x }
    } else if let Some(pool) = layer.get::<layers::MaxPool>() {
        let (shape, x, _) = max_pool(&x, shape, pool.kernel, pool.step());
        Row { shape, x }
    } else if let Some(pool) = layer.get::<layers::AvgPool>() {
        mean_pool(&x, shape, pool.kernel, pool.step())
    } else if layer.is::<layers::GlobalAvgPool>() {
        mean_pool(&x, shape, Sides::new(shape.height, shape.width), Sides::ONE)
    } else if layer.is::<layers::Shift>() {
        let shift = tensors.some(name, "bias");
        each(&|c, x| x + shift[c])
    } else if let Some(activation) = layer.get::<layers::Activation>() {
        let slope = f64::from(net.pass().slope);
        each(&|_, x| function(activation.function, slope, x).0)
    } else if let Some(unit) = layer.get::<layers::Binary>() {
        let low = if unit.levels.is_bits() { 0.0 } else { -1.0 };
        each(&|_, x| if x > 0.0 { 1.0 } else { low })
    } else if layer.is::<layers::Add>() {
        let sum = |i: usize| inputs.iter().map(|row| row.x[i]).sum();
        let x = (0..x.len()).map(sum).collect();
        Row { shape, x }
    } else if layer.is::<layers::Concat>() {
        let pixel = |p: usize| {
            inputs.iter().flat_map(move |row| {
                let c = row.shape.channels;
                row.x[p * c..][..c].iter().copied()
            })
        };
        let x: Vec<f64> = (0..shape.pixels()).flat_map(pixel).collect();
        let channels = x.len() / shape.pixels();
        let shape = Shape::image(channels, shape.height, shape.width);
        Row { shape, x }
    } else if layer.is::<layers::Flatten>() {
        let at = |i: usize| x[i % shape.pixels() * shape.channels + i / shape.pixels()];
        let x: Vec<f64> = (0..x.len()).map(at).collect();
        let shape = Shape::vector(x.len());
        Row { shape, x }
    } else {
        panic!("layer {name} is unknown to the oracle");
    }
}

/// A layer with weights.
fn weighted(tensors: &Tensors<'_>, layer: &LayerSpec, shape: Shape, x: &[f64]) -> Row {
    let name = layer.label();
    let v = tensors.some(name, "weight");
    let (conv, fully) = (layer.get::<layers::Conv>(), layer.get::<layers::Linear>());
    let (of, w, terms) = match (conv, fully) {
        (Some(conv), _) => {
            let w = effective(conv.weights, &v);
            let of = Conv::grouped(shape, conv.out, conv.window(), conv.groups);
            (of, w, conv.terms())
        }
        (_, Some(fully)) => {
            let w = stored(shape, &effective(fully.weights, &v));
            (linear(shape, fully.out), w, fully.terms())
        }
        _ => unreachable!("the other layers have no weights"),
    };
    let mut x = of.forward(x, &w, None);
    let (channels, bias) = (of.output.channels, tensors.get(name, "bias"));
    for (i, x) in x.iter_mut().enumerate() {
        let o = i % channels;
        if terms.scale {
            let row = &v[o * v.len() / channels..][..v.len() / channels];
            *x *= row.iter().map(|v| v.abs()).sum::<f64>() / row.len() as f64;
        }
        *x += bias.as_ref().map_or(0.0, |b| b[o]);
    }
    let shape = of.output;
    Row { shape, x }
}

/// The mean of each window of that height and width.
fn mean_pool(x: &[f64], shape: Shape, window: Sides, stride: Sides) -> Row {
    let height = (shape.height - window.height) / stride.height + 1;
    let width = (shape.width - window.width) / stride.width + 1;
    let out = Shape::image(shape.channels, height, width);
    let mut y = vec![0.0; out.len()];
    for (i, y) in y.iter_mut().enumerate() {
        let (p, c) = (i / out.channels, i % out.channels);
        for k in 0..window.height * window.width {
            let row = p / width * stride.height + k / window.width;
            let column = p % width * stride.width + k % window.width;
            *y += x[(row * shape.width + column) * shape.channels + c];
        }
        *y /= (window.height * window.width) as f64;
    }
    Row { shape: out, x: y }
}
