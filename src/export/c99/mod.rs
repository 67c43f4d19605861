//! A packed network as C99: one source file and its header, without allocation, without a library
//! and without an operating system.
//!
//! ```no_run
//! use bnn_cpu::export::{About, c99};
//! use bnn_cpu::packed::PackedNet;
//!
//! # fn main() -> bnn_cpu::Result<()> {
//! let net = PackedNet::read("net.packed".as_ref())?;
//! let code = c99::code(&net, &c99::Options::default(), &About::default())?;
//! std::fs::write(format!("{}.h", code.name), code.header).expect("a writable folder");
//! std::fs::write(format!("{}.c", code.name), code.source).expect("a writable folder");
//! # Ok(())
//! # }
//! ```
//!
//! **Equality.** The code computes what [`PackedNet::naive`] computes, by the same operations on the
//! same numbers: whole numbers exactly, and reals in the same order with the same roundings. So a
//! network of binary weights has the logits of [`crate::packed::Runner`] to the bit, and any other
//! network has those of `naive`, if the compiler does not fuse a product and a sum of two weights
//! (`-std=c99` or `-ffp-contract=off`) or change the order of sums (`-ffast-math`).
//! Stochastic units are read as `[x > 0]`.
//!
//! The network is first cut into passes; each becomes one function with loops of fixed length.

mod bits;
mod counted;
mod emitter;
mod helpers;
mod loops;
mod memory;
mod pass;
mod passes;
mod real;
mod steps;
mod text;
mod window;

use crate::error::{Error, Result};
use crate::named::named;
use crate::packed::PackedNet;

use super::{About, identifier};
use emitter::{Emitter, Function};
use memory::Memory;
use passes::Passes;
use text::Text;

/// What is preferred where both cannot be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flavour {
    /// Little code, small tables and little memory: words of 32 bits.
    #[default]
    Small,
    /// Speed: words of 64 bits where the processor has them, its own instruction that counts bits,
    /// tables of partial sums for pixels, and sums over real weights for all outputs at once.
    Fast,
}

named!(Flavour, Small "small", Fast "fast");

/// How a network is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The name of the files, and the beginning of every name in the header; `None` for the name of
    /// the network. What C does not allow in a name becomes `_`.
    pub name: Option<String>,
    /// What is preferred.
    pub flavour: Flavour,
}

/// A network as C.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// The name of both files, without `.h` and `.c`.
    pub name: String,
    /// The header.
    pub header: String,
    /// The source.
    pub source: String,
}

/// Writes a network as C.
///
/// # Errors
/// [`crate::Error::Spec`] if a number of the network is not finite, or a convolution has groups.
pub fn code(net: &PackedNet, options: &Options, about: &About) -> Result<Code> {
    if let Some(stage) = net.stages().iter().find(|s| s.product.groups() > 1) {
        return Err(Error::spec(format!(
            "stage {}: no form in C is known of a convolution with groups; export the network to onnx, or train one without",
            stage.name
        )));
    }
    let name = identifier(options.name.as_deref().unwrap_or(net.name()));
    let passes = passes::passes(net);
    let unit = match options.flavour {
        Flavour::Small => 32,
        Flavour::Fast => 64,
    };
    let mut emitter = Emitter {
        net,
        passes: &passes,
        flavour: options.flavour,
        memory: Memory::new(unit),
        code: Text::default(),
        scratch: format!("struct {name}_scratch"),
    };
    for buffer in &passes.buffers {
        let (name, len) = (buffer.name.clone(), buffer.shape.len());
        emitter.memory.add(name, buffer.arena, len, buffer.life);
    }
    let numbers = 0..passes.all.len();
    let functions: Vec<Function> = numbers
        .map(|p| emitter.write_pass(p))
        .collect::<Result<_>>()?;
    let file = File {
        name,
        flavour: options.flavour,
        net,
        passes: &passes,
        about,
    };
    Ok(Code {
        header: file.header(&emitter.memory),
        source: file.source(emitter, &functions),
        name: file.name,
    })
}

/// What both files need.
struct File<'a> {
    name: String,
    flavour: Flavour,
    net: &'a PackedNet,
    passes: &'a Passes,
    about: &'a About,
}

impl File<'_> {
    fn is_fast(&self) -> bool {
        self.flavour == Flavour::Fast
    }

    /// Returns the macro for the words of a unit; empty if a unit is a word.
    fn unit(&self) -> String {
        match self.is_fast() {
            true => format!("{}_UNIT", self.name.to_ascii_uppercase()),
            false => String::new(),
        }
    }

    /// Writes the comment at the head of both files.
    fn title(&self, what: &str, to: &mut Text) {
        let program = env!("CARGO_PKG_VERSION");
        let flavour = self.flavour.name();
        to.comment(&format!(
            "{}: {what}, written by bnn-cpu {program} (flavour {flavour}). Do not edit; export it again.",
            self.net.name()
        ));
        if !self.about.sha256.is_empty() {
            to.comment(&format!(
                "SHA-256 of the packed network: {}",
                self.about.sha256
            ));
        }
        for line in &self.about.lines {
            to.comment(line);
        }
        if self.net.is_stochastic() {
            to.comment("Its units were trained to fire at random; here a unit is 1 where its input is above 0.");
        }
        to.line("");
    }

    fn header(&self, memory: &Memory) -> String {
        let mut to = Text::default();
        let (name, upper) = (&self.name, self.name.to_ascii_uppercase());
        self.title("a neural network", &mut to);
        to.line(format_args!("#ifndef {upper}_H\n#define {upper}_H\n"));
        to.line("#include <stdint.h>\n");
        to.line("#ifdef __cplusplus\nextern \"C\" {\n#endif\n");
        let input = self.net.input();
        to.comment("The size of a picture: rows from the top, pixels from the left, the channels of a pixel side by side, a byte from 0 to 255 each.");
        for (what, number) in [
            ("CHANNELS", input.channels),
            ("HEIGHT", input.height),
            ("WIDTH", input.width),
            ("PIXELS", input.len()),
            (self.outputs().1, self.net.classes()),
        ] {
            to.line(format_args!("#define {upper}_{what} {number}"));
        }
        to.line("");
        let word = format!("{name}_word");
        if self.is_fast() {
            to.comment("Bits to a word: 64 where pointers have more than 32 bits, unless it is defined as 32 or 64 before.");
            to.line(format_args!("#ifndef {upper}_WORD_BITS"));
            to.line("#if UINTPTR_MAX > 0xffffffffu || defined(__wasm__)");
            to.line(format_args!(
                "#define {upper}_WORD_BITS 64\n#else\n#define {upper}_WORD_BITS 32\n#endif\n#endif"
            ));
            to.line(format_args!("#if {upper}_WORD_BITS == 64\ntypedef uint64_t {word};\n#else\ntypedef uint32_t {word};\n#endif"));
            to.line(format_args!(
                "#define {upper}_UNIT (64 / {upper}_WORD_BITS)\n"
            ));
        } else {
            to.line(format_args!("typedef uint32_t {word};\n"));
        }
        to.comment("The memory that a call works in. It need not be initialised, holds nothing from one call to the next, and must not be used by two calls at a time.");
        to.line(format_args!("struct {name}_scratch {{"));
        memory.write_members(&word, &self.unit(), &mut to);
        to.line("};\n");
        self.declare(&mut to);
        to.line("#ifdef __cplusplus\n}\n#endif\n");
        to.line(format_args!("#endif /* {upper}_H */"));
        to.into_string()
    }

    /// Returns what the network makes of a picture: the name of the function and of their number.
    fn outputs(&self) -> (&'static str, &'static str) {
        match self.net.comparison() {
            Some(_) => ("embedding", "ELEMENTS"),
            None => ("logits", "CLASSES"),
        }
    }

    fn declare(&self, to: &mut Text) {
        let (name, upper) = (&self.name, self.name.to_ascii_uppercase());
        let (made, count) = self.outputs();
        to.comment(&format!(
            "Writes the {upper}_{count} {} of a picture of {upper}_PIXELS bytes.",
            match made {
                "logits" => "logits",
                _ => "numbers of the embedding",
            }
        ));
        to.line(format_args!(
            "void {name}_{made}(const uint8_t *pixels, struct {name}_scratch *scratch,"
        ));
        to.line(format_args!("    float *{made});\n"));
        if made == "logits" {
            to.comment("Returns the class with the largest logit, the first among equals; -1 if a logit is no number, which needs real weights.");
            to.line(format_args!(
                "int {name}_classify(const uint8_t *pixels, struct {name}_scratch *scratch);\n"
            ));
        }
    }

    fn source(&self, emitter: Emitter<'_>, functions: &[Function]) -> String {
        let mut to = Text::default();
        let (name, upper) = (&self.name, self.name.to_ascii_uppercase());
        self.title("a neural network", &mut to);
        to.line(format_args!("#include \"{name}.h\"\n"));
        let code = emitter.code.into_string();
        to.line(format_args!("typedef {name}_word bits_word;"));
        if self.is_fast() {
            to.line(format_args!(
                "#define WORD_BITS {upper}_WORD_BITS\n#define UNIT {upper}_UNIT"
            ));
            self.words_of_a_unit(&mut to);
        } else {
            to.line("#define WORD_BITS 32");
        }
        if helpers::counts_bits(&code) {
            to.line("#define EACH_BYTE(x) ((bits_word)~(bits_word)0 / 255 * (x))");
            to.line("#define LOW_ONES ((bits_word)~(bits_word)0 / 65535)");
            to.line("#define LOW_BYTES (LOW_ONES * 255)");
        }
        to.line("");
        to.comment("Where values lie in the scratch memory. Some share a place.");
        let unit = if self.is_fast() { "UNIT" } else { "" };
        emitter.memory.write_names(unit, &mut to);
        to.line("");
        to.append(&helpers::needed(&code, self.is_fast()));
        if code.contains("pixel_numbers[") {
            to.comment("The number that a pixel stands for.");
            let tables = self.net.pixels().tables();
            let numbers: Vec<String> = tables.iter().flatten().map(|&x| text::float(x)).collect();
            to.table("float", "pixel_numbers", &numbers);
            to.line("");
        }
        to.append(&code);
        self.entries(functions, &mut to);
        to.into_string()
    }

    /// Writes how a unit of 64 bits becomes words, and the instruction that counts their bits.
    fn words_of_a_unit(&self, to: &mut Text) {
        to.line("#if WORD_BITS == 64");
        to.line("#define UNIT_OF(high, low) (bits_word)(high) << 32 | (low)");
        to.line("#else\n#define UNIT_OF(high, low) low, high\n#endif");
        to.line("#if defined(__GNUC__) && (defined(__POPCNT__) || defined(__aarch64__) || defined(__riscv_zbb) || defined(__wasm__))");
        to.line("#if WORD_BITS == 64\n#define COUNT_BITS(x) __builtin_popcountll(x)");
        to.line("#else\n#define COUNT_BITS(x) __builtin_popcount(x)\n#endif\n#endif");
    }

    /// Writes the functions of the header.
    fn entries(&self, functions: &[Function], to: &mut Text) {
        let (name, upper) = (&self.name, self.name.to_ascii_uppercase());
        let (made, count) = self.outputs();
        let last = self.passes.all.last().expect("a network has a stage");
        let result = &self.passes.buffers[last.out].name;
        to.comment("Computes the values of all stages.");
        to.open(format_args!(
            "static void run(const uint8_t *pixels, struct {name}_scratch *s)"
        ));
        for function in functions {
            to.line(format_args!("{};", function.call(&[])));
        }
        to.close();
        to.line("");
        to.line(format_args!(
            "void {name}_{made}(const uint8_t *pixels, struct {name}_scratch *scratch,"
        ));
        to.open(format_args!("    float *{made})"));
        to.line("run(pixels, scratch);");
        to.open(format_args!(
            "for (int32_t i = 0; i < {upper}_{count}; i++)"
        ));
        to.line(format_args!("{made}[i] = scratch->reals[{result} + i];"));
        to.close();
        to.close();
        if made != "logits" {
            return;
        }
        to.line("");
        to.open(format_args!(
            "int {name}_classify(const uint8_t *pixels, struct {name}_scratch *scratch)"
        ));
        to.line("int best = 0;");
        to.line("run(pixels, scratch);");
        to.open(format_args!("for (int i = 0; i < {upper}_CLASSES; i++)"));
        to.line(format_args!(
            "const float x = scratch->reals[{result} + i];"
        ));
        to.open("if (x != x)");
        to.line("return -1;");
        to.close();
        to.open(format_args!("if (x > scratch->reals[{result} + best])"));
        to.line("best = i;");
        to.close();
        to.close();
        to.line("return best;");
        to.close();
    }
}
