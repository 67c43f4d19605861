//! Sums over real weights, or over real numbers, in the order of the network: channel, row, column.

use crate::error::Result;
use crate::packed::Weights;

use super::Flavour;
use super::emitter::{Begun, Emitter, index, real};
use super::loops::counting;
use super::memory::Arena;
use super::passes::Value;
use super::text::Text;
use super::window::Window;

impl Emitter<'_> {
    /// Writes the sums of a pass over the value.
    ///
    /// # Errors
    /// A weight that is not finite.
    pub fn real_sums(&mut self, p: usize, value: Value) -> Result<Begun> {
        let net = self.net;
        let stage = self.pass(p).stage;
        let window = Window::of(&net.stages()[stage], value.shape);
        let bias = match &net.stages()[stage].weights {
            Weights::Real { bias, .. } if bias.iter().any(|&b| b != 0.0) => {
                self.real_table(&format!("bias_{p}"), bias, stage)?;
                format!(" + bias_{p}[c]")
            }
            // Adding 0 changes no sum but -0, and a sum that began with 0 is never -0.
            _ => String::new(),
        };
        match self.flavour {
            Flavour::Small => self.sums_one_by_one(p, value, &window, &bias),
            Flavour::Fast => self.sums_side_by_side(p, value, &window, &bias),
        }
    }

    /// Writes a function that computes one sum out of what lies under the window.
    fn sums_one_by_one(
        &mut self,
        p: usize,
        value: Value,
        window: &Window,
        bias: &str,
    ) -> Result<Begun> {
        let (net, depth) = (self.net, window.depth());
        let stage = self.pass(p).stage;
        let product = match &net.stages()[stage].weights {
            Weights::Binary { words } => {
                let row = depth.div_ceil(64);
                let bit = |o: usize, i: usize| words[o * row + i / 64] >> (i % 64) & 1 == 1;
                self.bit_table(&format!("weights_{p}"), window.outputs, depth, bit);
                let row = self.row_of(depth);
                Product::Signed(format!("get_bit(weights_{p} + {row}, k)"))
            }
            Weights::Real { values, .. } => {
                self.real_table(&format!("weights_{p}"), values, stage)?;
                Product::Scaled(format!("weights_{p}[c * {depth} + k]"))
            }
            Weights::None => unreachable!("a product has weights"),
        };
        self.code.line("");
        let mut body = Text::default();
        body.line("float sum = 0.0f;");
        body.line("int32_t k = 0;");
        let inside = |body: &mut Text, number: &str| {
            body.line(format_args!("sum += {};", product.of(number)));
        };
        self.each_number(value, window, &mut body, &inside);
        body.line(format_args!("return sum{bias};"));
        let (mut parameters, mut arguments) = positions(&body);
        parameters.push("int32_t c");
        arguments.push("c");
        let function = self.function(("float", &format!("sum_{p}")), &parameters, body);
        Ok(Begun {
            prepare: Vec::new(),
            number: function.call(&arguments),
        })
    }

    /// Writes a function that computes the sums of all outputs beside each other, so that a compiler
    /// may compute several at once without another order of summation.
    fn sums_side_by_side(
        &mut self,
        p: usize,
        value: Value,
        window: &Window,
        bias: &str,
    ) -> Result<Begun> {
        let (net, depth, outputs) = (self.net, window.depth(), window.outputs);
        let stage = self.pass(p).stage;
        // The weights of all outputs for one input lie side by side.
        let turned = (0..depth).flat_map(|k| (0..outputs).map(move |o| (o, k)));
        match &net.stages()[stage].weights {
            Weights::Binary { words } => {
                let row = depth.div_ceil(64);
                let sign = |(o, k): (usize, usize)| match words[o * row + k / 64] >> (k % 64) & 1 {
                    1 => 1,
                    _ => -1,
                };
                self.int_table(
                    &format!("weights_{p}"),
                    &turned.map(sign).collect::<Vec<i32>>(),
                );
            }
            Weights::Real { values, .. } => {
                let all: Vec<f32> = turned.map(|(o, k)| values[o * depth + k]).collect();
                self.real_table(&format!("weights_{p}"), &all, stage)?;
            }
            Weights::None => unreachable!("a product has weights"),
        }
        self.code.line("");
        let sums = self
            .memory
            .add(format!("SUMS_{p}"), Arena::Reals, outputs, (p, p));
        let mut body = Text::default();
        body.line(format_args!("float *sums = {sums};"));
        body.line("int32_t k = 0;");
        body.open(format_args!("for (int32_t c = 0; c < {outputs}; c++)"));
        body.line("sums[c] = 0.0f;");
        body.close();
        let inside = |body: &mut Text, number: &str| {
            body.line(format_args!("const float x = {number};"));
            body.open(format_args!("for (int32_t c = 0; c < {outputs}; c++)"));
            body.line(format_args!(
                "sums[c] += (float)weights_{p}[k * {outputs} + c] * x;"
            ));
            body.close();
        };
        self.each_number(value, window, &mut body, &inside);
        let (parameters, arguments) = positions(&body);
        let function = self.function(("void", &format!("sums_{p}")), &parameters, body);
        Ok(Begun {
            prepare: vec![format!("{};", function.call(&arguments))],
            number: format!("s->reals[SUMS_{p} + c]{bias}"),
        })
    }

    /// Writes the loops over the window, with `inside` for each number, whose index in the window
    /// is `k`; a border of 0 adds nothing.
    fn each_number(
        &self,
        value: Value,
        window: &Window,
        body: &mut Text,
        inside: &dyn Fn(&mut Text, &str),
    ) {
        let (rows, columns) = window.kernel;
        let (channels, height, width) = (
            window.input.channels,
            window.input.height,
            window.input.width,
        );
        body.open(format_args!(
            "for (int32_t channel = 0; channel < {channels}; channel++)"
        ));
        let loops = 1 + counting("i", rows, body) + counting("j", columns, body);
        let index = index("down", "across", "channel", window.input);
        let number = real(&self.read(value, &index, "channel"), value.kind);
        let sides = [
            ("down", "row", "i", rows),
            ("across", "column", "j", columns),
        ];
        for (side, position, tap, taps) in sides {
            // Where the input has one row or column, nothing asks which.
            if window.padding > 0 || index.contains(side) {
                let place = match (window.is_whole(), taps) {
                    (true, _) => tap.to_string(),
                    (_, 1) => window.start(position),
                    _ => format!("{} + {tap}", window.start(position)),
                };
                body.line(format_args!("const int32_t {side} = {place};"));
            }
        }
        if window.padding == 0 {
            inside(body, &number);
        } else {
            body.open(format_args!(
                "if (down >= 0 && down < {height} && across >= 0 && across < {width})"
            ));
            inside(body, &number);
            body.close();
            if window.border != 0 {
                body.open("else");
                inside(body, &format!("{}.0f", window.border));
                body.close();
            }
        }
        body.line("k++;");
        (0..loops).for_each(|_| body.close());
    }
}

/// Returns the parameters for the position that a body names, and their arguments.
fn positions(body: &Text) -> (Vec<&'static str>, Vec<&'static str>) {
    [("int32_t row", "row"), ("int32_t column", "column")]
        .into_iter()
        .filter(|(_, name)| body.contains(name))
        .unzip()
}

/// A weight: a bit that says its sign, or a number.
enum Product {
    Signed(String),
    Scaled(String),
}

impl Product {
    /// Returns the product with a number.
    fn of(&self, number: &str) -> String {
        match self {
            Product::Signed(bit) => format!("{bit} ? {number} : -({number})"),
            Product::Scaled(weight) => format!("{weight} * {number}"),
        }
    }
}
