//! What the writers of passes share: the network, the memory, and the text so far.

use crate::error::{Error, Result};
use crate::packed::{Kind, PackedNet};
use crate::tensor::Shape;

use super::Flavour;
use super::memory::{Arena, Memory};
use super::passes::{Pass, Passes, Place, Value};
use super::text::{Text, float};

/// The state of an export.
pub(super) struct Emitter<'a> {
    pub net: &'a PackedNet,
    pub passes: &'a Passes,
    pub flavour: Flavour,
    pub memory: Memory,
    /// Constant tables and functions.
    pub code: Text,
    /// The struct of the scratch memory, as C names it.
    pub scratch: String,
}

/// A function that was written, and the arguments that every call of it begins with.
#[derive(Clone, Debug)]
pub(super) struct Function {
    name: String,
    given: Vec<&'static str>,
}

impl Function {
    /// Returns a call with these arguments behind the given ones.
    pub fn call(&self, arguments: &[&str]) -> String {
        let all: Vec<&str> = self
            .given
            .iter()
            .copied()
            .chain(arguments.iter().copied())
            .collect();
        format!("{}({})", self.name, all.join(", "))
    }
}

/// A number of one channel at one position of what a pass begins with.
pub(super) struct Begun {
    /// Lines at each position, `row` and `column`.
    pub prepare: Vec<String>,
    /// The number of channel `c`.
    pub number: String,
}

/// Returns an expression as a float.
pub(super) fn real(expression: &str, kind: Kind) -> String {
    match kind {
        Kind::Reals => expression.to_string(),
        _ => format!("(float)({expression})"),
    }
}

/// Returns the type of C for numbers of a kind.
pub(super) fn number_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Reals => "float",
        _ => "int32_t",
    }
}

/// Returns `text * n`.
pub(super) fn scaled(text: &str, n: usize) -> String {
    match n {
        1 => text.to_string(),
        _ => format!("{text} * {n}"),
    }
}

/// Returns the index at which the number of a channel at a position is stored.
pub(super) fn index(row: &str, column: &str, channel: &str, shape: Shape) -> String {
    let pixel = match (shape.height, shape.width) {
        (1, 1) => return channel.to_string(),
        (1, _) => column.to_string(),
        (_, 1) => row.to_string(),
        (_, width) => format!("{row} * {width} + {column}"),
    };
    match shape.channels {
        1 => pixel,
        n if pixel.contains(' ') => format!("({pixel}) * {n} + {channel}"),
        n => format!("{pixel} * {n} + {channel}"),
    }
}

impl Emitter<'_> {
    /// Returns how many bits a row of bits is rounded up to.
    pub fn unit(&self) -> usize {
        match self.flavour {
            Flavour::Small => 32,
            Flavour::Fast => 64,
        }
    }

    /// Returns, as C, how many words hold that many bits.
    pub fn words(&self, bits: usize) -> String {
        let units = bits.div_ceil(self.unit());
        match self.flavour {
            Flavour::Small => units.to_string(),
            Flavour::Fast => format!("{units} * UNIT"),
        }
    }

    /// Returns, as C, where row `c` of a table begins whose rows have that many bits.
    pub fn row_of(&self, bits: usize) -> String {
        match self.flavour {
            Flavour::Small => scaled("c", bits.div_ceil(32)),
            Flavour::Fast => format!("c * ({})", self.words(bits)),
        }
    }

    /// Returns `name[index]` of a value, `channel` being the channel at that index.
    pub fn read(&self, value: Value, index: &str, channel: &str) -> String {
        let Place::Buffer(buffer) = value.place else {
            return match value.kind {
                Kind::Reals if self.net.pixels().tables().len() > 1 => {
                    format!("pixel_numbers[({channel}) * 256 + pixels[{index}]]")
                }
                Kind::Reals => format!("pixel_numbers[pixels[{index}]]"),
                _ => format!("pixels[{index}]"),
            };
        };
        let buffer = &self.passes.buffers[buffer];
        let (name, field) = (&buffer.name, buffer.arena.field());
        match (buffer.arena, value.kind) {
            (Arena::Bits, Kind::Signs) => {
                format!("(2 * get_bit(s->bits + {name}, {index}) - 1)")
            }
            (Arena::Bits, _) => format!("get_bit(s->bits + {name}, {index})"),
            _ => format!("s->{field}[{name} + {index}]"),
        }
    }

    /// Writes a table of bits, one row of `row(o)` for each output, with `len` bits a row.
    pub fn bit_table(
        &mut self,
        name: &str,
        rows: usize,
        len: usize,
        bit: impl Fn(usize, usize) -> bool,
    ) {
        let unit = self.unit();
        let word = |o: usize, w: usize| {
            let places = w * unit..len.min((w + 1) * unit);
            places.fold(0u64, |word, i| {
                word | u64::from(bit(o, i)) << (i - w * unit)
            })
        };
        let all = (0..rows).flat_map(|o| (0..len.div_ceil(unit)).map(move |w| (o, w)));
        let texts: Vec<String> = all
            .map(|(o, w)| (word(o, w), unit))
            .map(|(word, unit)| match unit {
                32 => format!("0x{word:08x}u"),
                _ => format!(
                    "UNIT_OF(0x{:08x}u, 0x{:08x}u)",
                    word >> 32,
                    word & 0xffff_ffff
                ),
            })
            .collect();
        // A unit may be two words, so the length is left to C.
        let mut table = Text::default();
        table.table("bits_word", name, &texts);
        let text = table.into_string();
        let counted = format!("{name}[{}]", texts.len());
        self.code
            .append(&text.replacen(&counted, &format!("{name}[]"), 1));
    }

    /// Writes a table of whole numbers, in the smallest type that holds them.
    pub fn int_table(&mut self, name: &str, numbers: &[i32]) {
        let fits = |low: i32, high: i32| numbers.iter().all(|n| (low..=high).contains(n));
        let kind = match () {
            () if fits(-128, 127) => "int8_t",
            () if fits(0, 255) => "uint8_t",
            () if fits(-32768, 32767) => "int16_t",
            () => "int32_t",
        };
        let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        self.code.table(kind, name, &texts);
    }

    /// Writes a table of reals.
    ///
    /// # Errors
    /// A number that C has no constant for.
    pub fn real_table(&mut self, name: &str, numbers: &[f32], stage: usize) -> Result<()> {
        if numbers.iter().any(|x| !x.is_finite()) {
            return Err(Error::spec(format!(
                "stage {}: a number is infinite or no number, which C has no constant for; train the network again",
                self.net.stages()[stage].name
            )));
        }
        let texts: Vec<String> = numbers.iter().map(|&x| float(x)).collect();
        self.code.table("float", name, &texts);
        Ok(())
    }

    /// Writes a static function with those parameters behind the pixels and the scratch memory, of
    /// which it takes what its body names.
    pub fn function(&mut self, head: (&str, &str), parameters: &[&str], body: Text) -> Function {
        let (kind, name) = head;
        let body = body.into_string();
        let mut given = Vec::new();
        let mut all: Vec<String> = Vec::new();
        if body.contains("pixels[") || body.contains("(pixels,") {
            given.push("pixels");
            all.push("const uint8_t *pixels".into());
        }
        if body.contains("s->")
            || body.contains("(s,")
            || body.contains(" s,")
            || body.contains("(s)")
        {
            given.push("s");
            all.push(format!("{} *s", self.scratch));
        }
        all.extend(parameters.iter().map(ToString::to_string));
        if all.is_empty() {
            all.push("void".into());
        }
        self.code
            .open(format_args!("static {kind} {name}({})", all.join(", ")));
        for line in body.lines() {
            self.code.line(line);
        }
        self.code.close();
        self.code.line("");
        Function {
            name: name.to_string(),
            given,
        }
    }

    /// Returns the pass of that number.
    pub fn pass(&self, number: usize) -> &'_ Pass {
        &self.passes.all[number]
    }
}
