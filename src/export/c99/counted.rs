//! Sums over binary weights that are whole numbers: over bits and signs by counting bits, over
//! pixels by adding them.
//!
//! What lies under the window is gathered once for all outputs, in the order in which it is stored:
//! a row of the window is one run of bits or of bytes. With `w` the bits of the weights, `x` those
//! gathered and `|x|` the number of bits that are 1, a sum is
//!
//! ```text
//! 2 |x & w| - |x|                          over bits
//! depth - 2 |x ^ w|                        over signs
//! |m| - 2 |(x ^ w) & m|                    over signs, m the bits inside of the image
//! 2 (|x & w| - |m & w|) - (|x| - |m|)      over bits, m the bits of a border of -1
//! ```
//!
//! A border of +1 is gathered as bits that are 1, and one of -1 around signs as bits that are 0.

use crate::packed::Kind;

use super::Flavour;
use super::emitter::{Begun, Emitter, Function};
use super::memory::Arena;
use super::passes::{Place, Value};
use super::text::Text;
use super::window::Window;

/// What a second row of bits says of the gathered ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mask {
    None,
    Inside,
    Outside,
}

/// From how many outputs on tables of partial sums are worth making.
const MANY: usize = 8;

impl Emitter<'_> {
    /// Writes the sums of a pass over the value; `negated` are the outputs whose weights are
    /// negated.
    pub fn counted(&mut self, p: usize, value: Value, words: &[u64], negated: &[bool]) -> Begun {
        let stage = &self.net.stages()[self.pass(p).stage];
        let window = Window::of(stage, value.shape);
        let depth = window.depth();
        let row = depth.div_ceil(64);
        let bit = |o: usize, i: usize| {
            let at = window.weight_at(i);
            (words[o * row + at / 64] >> (at % 64) & 1 == 1)
                != negated.get(o).copied().unwrap_or(false)
        };
        if value.kind == Kind::Pixels {
            return self.pixel_sums(p, &window, bit);
        }
        self.bit_table(&format!("weights_{p}"), window.outputs, depth, bit);
        self.code.line("");
        let n = self.words(depth);
        let mask = match (window.padding, window.border, value.kind) {
            (1.., 0, Kind::Signs) => Mask::Inside,
            (1.., -1, Kind::Bits) => Mask::Outside,
            _ => Mask::None,
        };
        let (patch, gathered) = match window.is_whole() {
            true => (self.bits_of(value), None),
            false => {
                let (patch, function) = self.gather_bits(p, &window, value, mask);
                (patch, Some(function))
            }
        };
        let number = self.formula((p, depth), value.kind, mask, &patch);
        let given = number.contains("given");
        let prepare = match gathered {
            Some(function) if given => format!(
                "const int32_t given = {};",
                function.call(&["row", "column"])
            ),
            Some(function) => format!("{};", function.call(&["row", "column"])),
            None if given => format!("const int32_t given = count({patch}, {n});"),
            None => String::new(),
        };
        let mut body = Text::default();
        body.line(format_args!("return {number};"));
        let parameters: &[&str] = if given {
            &["int32_t given", "int32_t c"]
        } else {
            &["int32_t c"]
        };
        let sum = self.function(("int32_t", &format!("sum_{p}")), parameters, body);
        Begun {
            prepare: vec![prepare],
            number: sum.call(if given { &["given", "c"] } else { &["c"] }),
        }
    }

    /// Returns the sum of output `c` as C; what all outputs share is called `given`.
    fn formula(&self, (p, depth): (usize, usize), kind: Kind, mask: Mask, patch: &str) -> String {
        let n = self.words(depth);
        let weights = format!("weights_{p} + {}", self.row_of(depth));
        let mask_at = format!("s->bits + MASK_{p}");
        match (kind, mask) {
            (Kind::Signs, Mask::Inside) => {
                format!("given - 2 * masked_count({patch}, {weights}, {mask_at}, {n})")
            }
            (Kind::Signs, _) => format!("{depth} - 2 * xor_count({patch}, {weights}, {n})"),
            (_, Mask::Outside) => format!(
                "2 * (and_count({patch}, {weights}, {n}) - and_count({mask_at}, {weights}, {n})) - given"
            ),
            _ => format!("2 * and_count({patch}, {weights}, {n}) - given"),
        }
    }

    /// Returns the C pointer to the bits of a value.
    fn bits_of(&self, value: Value) -> String {
        match value.place {
            Place::Buffer(b) => format!("s->bits + {}", self.passes.buffers[b].name),
            Place::Image => unreachable!("an image is no bits"),
        }
    }

    /// Writes the function that gathers the bits under the window. It returns what the formula of
    /// the sum takes from all outputs alike.
    fn gather_bits(
        &mut self,
        p: usize,
        window: &Window,
        value: Value,
        mask: Mask,
    ) -> (String, Function) {
        let depth = window.depth();
        let n = self.words(depth);
        let mut place = |name: String| self.memory.add(name, Arena::Bits, depth, (p, p));
        let patch = place(format!("PATCH_{p}"));
        let mask_at = (mask != Mask::None).then(|| place(format!("MASK_{p}")));
        let channels = window.input.channels;
        let mut body = Text::default();
        body.line(format_args!("bits_word *patch = {patch};"));
        body.line(format_args!("clear_bits(patch, {n});"));
        if window.padding > 0 && window.border == 1 {
            body.line(format_args!("set_bits(patch, 0, {depth});"));
        }
        if let Some(mask_at) = &mask_at {
            body.line(format_args!("clear_bits({mask_at}, {n});"));
        }
        let from = self.bits_of(value);
        let inside = |body: &mut Text, run: &Run| {
            let (to, count) = (times(&run.to, channels), times(&run.count, channels));
            let at = times(&run.from, channels);
            body.line(format_args!(
                "copy_bits(patch, {to}, {from}, {at}, {count});"
            ));
            if let Some(mask_at) = &mask_at {
                body.line(format_args!("set_bits({mask_at}, {to}, {count});"));
            }
        };
        each_run(window, &mut body, inside);
        match (value.kind, mask, &mask_at) {
            (Kind::Signs, Mask::Inside, Some(mask_at)) => {
                body.line(format_args!("return count({mask_at}, {n});"));
            }
            (_, Mask::Outside, Some(mask_at)) => {
                // The bits of the mask are those inside; a border of -1 takes the others.
                body.open(format_args!("for (int32_t i = 0; i < {depth}; i++)"));
                body.line(format_args!("flip_bit({mask_at}, i);"));
                body.close();
                body.line(format_args!(
                    "return count(patch, {n}) - count({mask_at}, {n});"
                ));
            }
            (Kind::Signs, ..) => {}
            _ => body.line(format_args!("return count(patch, {n});")),
        }
        let kind = match (value.kind, mask) {
            (Kind::Signs, Mask::None) => "void",
            _ => "int32_t",
        };
        let parameters = ["int32_t row", "int32_t column"];
        let function = self.function((kind, &format!("gather_{p}")), &parameters, body);
        (patch, function)
    }

    /// Writes the sums over pixels.
    fn pixel_sums(
        &mut self,
        p: usize,
        window: &Window,
        bit: impl Fn(usize, usize) -> bool,
    ) -> Begun {
        let depth = window.depth();
        let mut prepare = Vec::new();
        let patch = match window.is_whole() {
            true => "pixels".to_string(),
            false => {
                let (patch, function) = self.gather_pixels(p, window);
                prepare.push(format!("{};", function.call(&["row", "column"])));
                patch
            }
        };
        let function = if patch == "pixels" {
            "pixel_sum"
        } else {
            "patch_sum"
        };
        let tables = self.flavour == Flavour::Fast && window.outputs >= MANY;
        let mut body = Text::default();
        if tables {
            let groups = depth.div_ceil(4);
            let made = self.partial_sums(p, depth, &patch);
            prepare.push(format!("{};", made.call(&[])));
            let nibble = |o: usize, g: usize| {
                (g * 4..depth.min(g * 4 + 4))
                    .fold(0, |n, i| n | i32::from(bit(o, i)) << (i - g * 4))
            };
            let all = (0..window.outputs).flat_map(|o| (0..groups).map(move |g| (o, g)));
            let all: Vec<i32> = all.map(|(o, g)| nibble(o, g)).collect();
            self.int_table(&format!("weights_{p}"), &all);
            body.line(format_args!(
                "const int16_t *partial = s->shorts + PARTIAL_{p};"
            ));
            body.line("int32_t sum = 0;");
            body.open(format_args!("for (int32_t g = 0; g < {groups}; g++)"));
            body.line(format_args!(
                "sum += partial[g * 16 + weights_{p}[c * {groups} + g]];"
            ));
            body.close();
            body.line("return sum;");
        } else {
            self.bit_table(&format!("weights_{p}"), window.outputs, depth, bit);
            let row = self.row_of(depth);
            body.line(format_args!(
                "return {function}({patch}, weights_{p} + {row}, {depth});"
            ));
        }
        self.code.line("");
        let sum = self.function(("int32_t", &format!("sum_{p}")), &["int32_t c"], body);
        Begun {
            prepare,
            number: sum.call(&["c"]),
        }
    }

    /// Writes the function that gathers the pixels under the window.
    fn gather_pixels(&mut self, p: usize, window: &Window) -> (String, Function) {
        let depth = window.depth();
        let patch = self
            .memory
            .add(format!("PATCH_{p}"), Arena::Shorts, depth, (p, p));
        let channels = window.input.channels;
        let mut body = Text::default();
        body.line(format_args!("int16_t *patch = {patch};"));
        if window.padding > 0 {
            body.open(format_args!("for (int32_t i = 0; i < {depth}; i++)"));
            body.line(format_args!("patch[i] = {};", window.border));
            body.close();
        }
        each_run(window, &mut body, |body, run| {
            body.open(format_args!(
                "for (int32_t k = 0; k < {}; k++)",
                times(&run.count, channels)
            ));
            let (to, from) = (times(&run.to, channels), times(&run.from, channels));
            body.line(format_args!("patch[{to} + k] = pixels[{from} + k];"));
            body.close();
        });
        let parameters = ["int32_t row", "int32_t column"];
        let function = self.function(("void", &format!("gather_{p}")), &parameters, body);
        (patch, function)
    }

    /// Writes the function that makes, for each group of 4 gathered pixels, their sums with all 16
    /// combinations of signs.
    fn partial_sums(&mut self, p: usize, depth: usize, patch: &str) -> Function {
        let groups = depth.div_ceil(4);
        let name = format!("PARTIAL_{p}");
        let partial = self.memory.add(name, Arena::Shorts, groups * 16, (p, p));
        let mut body = Text::default();
        body.open(format_args!("for (int32_t g = 0; g < {groups}; g++)"));
        body.line(format_args!("int16_t *sums = {partial} + g * 16;"));
        body.line("int32_t done = 1;");
        body.line("sums[0] = 0;");
        body.open(format_args!(
            "for (int32_t i = g * 4; i < g * 4 + 4 && i < {depth}; i++)"
        ));
        let at = if patch == "pixels" {
            "pixels[i]".into()
        } else {
            format!("({patch})[i]")
        };
        body.line(format_args!("const int32_t x = {at};"));
        body.open("for (int32_t k = 0; k < done; k++)");
        body.line("const int32_t sum = sums[k];");
        body.line("sums[k] = (int16_t)(sum - x);");
        body.line("sums[k + done] = (int16_t)(sum + x);");
        body.close();
        body.line("done *= 2;");
        body.close();
        body.close();
        self.function(("void", &format!("prepare_{p}")), &[], body)
    }
}

/// A run of pixels in a row of the window: its place in the window and in the value, and its
/// length, as C.
struct Run {
    to: String,
    from: String,
    count: String,
}

/// Returns `text * n` as C.
fn times(text: &str, n: usize) -> String {
    match n {
        1 => text.to_string(),
        _ => format!("({text}) * {n}"),
    }
}

/// Writes the loop over the rows of the window that lie inside of the value, with `copy` for each.
fn each_run(window: &Window, body: &mut Text, copy: impl FnOnce(&mut Text, &Run)) {
    let (rows, columns) = window.kernel;
    let (height, width) = (window.input.height, window.input.width);
    body.line(format_args!("const int32_t top = {};", window.start("row")));
    body.line(format_args!(
        "const int32_t left = {};",
        window.start("column")
    ));
    if window.padding == 0 {
        body.open(format_args!("for (int32_t i = 0; i < {rows}; i++)"));
        let run = Run {
            to: format!("i * {columns}"),
            from: format!("(top + i) * {width} + left"),
            count: columns.to_string(),
        };
        copy(body, &run);
        body.close();
        return;
    }
    body.line("const int32_t from = left < 0 ? -left : 0;");
    body.line(format_args!(
        "const int32_t to = left + {columns} > {width} ? {width} - left : {columns};"
    ));
    body.open(format_args!("for (int32_t i = 0; i < {rows}; i++)"));
    body.open(format_args!(
        "if (top + i >= 0 && top + i < {height} && from < to)"
    ));
    let run = Run {
        to: format!("i * {columns} + from"),
        from: format!("(top + i) * {width} + left + from"),
        count: "to - from".into(),
    };
    copy(body, &run);
    body.close();
    body.close();
}
