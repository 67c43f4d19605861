//! The functions of passes: one for each pass, of any form but those of [`super::bits`].

use crate::error::Result;
use crate::packed::{Kind, Step, Weights};
use crate::tensor::Shape;

use super::emitter::{Begun, Emitter, Function, index, number_type, real};
use super::loops::{first_of, stored_at};
use super::memory::Arena;
use super::passes::{Origin, Pass, Value};
use super::steps::Number;
use super::text::Text;

impl Emitter<'_> {
    /// Writes the function of a pass.
    ///
    /// # Errors
    /// A number that is not finite.
    pub fn write_pass(&mut self, p: usize) -> Result<Function> {
        self.describe(p);
        match self.bits_of_sums(p) {
            Some((value, bits)) => Ok(self.bit_pass(p, value, &bits)),
            None => self.general_pass(p),
        }
    }

    /// Writes a comment on what the pass does.
    fn describe(&mut self, p: usize) {
        let net = self.net;
        let pass = self.pass(p);
        let (stage, flow) = (&net.stages()[pass.stage], &net.flows()[pass.stage]);
        let steps = pass.first..pass.last();
        let names: Vec<&str> = stage.tail[steps].iter().map(Step::name).collect();
        let begun = match &pass.origin {
            Origin::Read(_) => "a stored value",
            Origin::Add(_) => "a sum of values",
            Origin::Concat(_) => "values side by side",
            Origin::Counted(_) => "sums over binary weights",
            Origin::Real(_) => "sums over real weights or numbers",
        };
        let steps = match names.is_empty() {
            true => String::new(),
            false => format!(", then {}", names.join(", ")),
        };
        let (from, to) = (pass.reads()[0].shape, flow.values[pass.last()].0);
        let text = format!("Stage {}: {begun}{steps}; from {from} to {to}.", stage.name);
        self.code.comment(&text);
    }

    /// Returns the shape of a pass's result before it is flattened.
    pub fn shape_of(&self, pass: &Pass) -> Shape {
        let last = pass.last() - usize::from(pass.flatten);
        self.net.flows()[pass.stage].values[last].0
    }

    /// Writes the pointer to the result, and its clearing if it consists of bits.
    pub fn clear_result(&self, pass: &Pass, body: &mut Text) {
        let buffer = &self.passes.buffers[pass.out];
        if buffer.arena == Arena::Bits {
            let words = self.words(buffer.shape.len());
            body.line(format_args!("bits_word *out = s->bits + {};", buffer.name));
            body.line(format_args!("clear_bits(out, {words});"));
        }
    }

    /// Writes any pass.
    fn general_pass(&mut self, p: usize) -> Result<Function> {
        let pass = self.pass(p).clone();
        let flow = &self.net.flows()[pass.stage];
        let begun = self.begin(p)?;
        let mut chain = Text::default();
        let kind = flow.values[pass.first].1;
        let mut variable = Variables::default();
        let mut at = variable.set(
            &mut chain,
            &Number {
                text: begun.number.clone(),
                kind,
            },
        );
        for &j in &pass.before {
            let made = self.step(pass.stage, j, &at)?;
            at = variable.set(&mut chain, &made);
        }
        let shape = self.shape_of(&pass);
        let mut body = Text::default();
        self.clear_result(&pass, &mut body);
        let Some(pool) = pass.pool else {
            self.store(&pass, shape, &at, &mut chain);
            self.code.line("");
            self.loops((&pass, shape), &begun.prepare, (chain, None), &mut body);
            return Ok(self.function(("void", &format!("pass_{p}")), &[], body));
        };
        let after = self.window_kept(p, pool, &at, (&mut chain, &mut body))?;
        self.code.line("");
        self.loops(
            (&pass, shape),
            &begun.prepare,
            (chain, Some(after)),
            &mut body,
        );
        Ok(self.function(("void", &format!("pass_{p}")), &[], body))
    }

    /// Writes how a pooling takes a number of its window, behind those lines of `chain`, and returns
    /// what follows the window.
    fn window_kept(
        &mut self,
        p: usize,
        pool: usize,
        at: &Number,
        (chain, body): (&mut Text, &mut Text),
    ) -> Result<Text> {
        let net = self.net;
        let pass = self.pass(p).clone();
        let shape = self.shape_of(&pass);
        let (kind, arena) = match at.kind {
            Kind::Reals => ("float", Arena::Reals),
            _ => ("int32_t", Arena::Longs),
        };
        let kept = format!("KEPT_{p}");
        let kept = self.memory.add(kept, arena, shape.channels, (p, p));
        body.line(format_args!("{kind} *kept = {kept};"));
        chain.line(format_args!("const {kind} number = {};", at.text));
        let window = net.stages()[pass.stage].tail[pool].window();
        let first = first_of(window.expect("a pooling has a window"));
        self.pooled((pass.stage, pool), first, chain);
        let mut after = Text::default();
        let mut variable = Variables(pass.before.len() + 1);
        let mut at = variable.set(&mut after, &self.of_window(pass.stage, pool));
        for &j in &pass.after {
            let made = self.step(pass.stage, j, &at)?;
            at = variable.set(&mut after, &made);
        }
        self.store(&pass, shape, &at, &mut after);
        Ok(after)
    }

    /// Writes what a pass begins with.
    fn begin(&mut self, p: usize) -> Result<Begun> {
        let net = self.net;
        let pass = self.pass(p).clone();
        let kind = net.flows()[pass.stage].values[pass.first].1;
        let plain = |number: String| Begun {
            prepare: Vec::new(),
            number,
        };
        Ok(match &pass.origin {
            Origin::Counted(value) => {
                let Weights::Binary { words } = &net.stages()[pass.stage].weights else {
                    unreachable!("these sums have binary weights")
                };
                self.counted(p, *value, words, &[])
            }
            Origin::Real(value) => self.real_sums(p, *value)?,
            Origin::Read(value) => plain(self.element(*value, 0, kind)),
            Origin::Add(values) => {
                let all: Vec<String> = values.iter().map(|v| self.element(*v, 0, kind)).collect();
                plain(all.join(" + "))
            }
            Origin::Concat(values) => {
                let mut from: usize = values.iter().map(|v| v.shape.channels).sum();
                let mut number = String::new();
                for value in values.iter().rev() {
                    let end = from;
                    from -= value.shape.channels;
                    let element = self.element(*value, from, kind);
                    number = match number.is_empty() {
                        true => element,
                        false => format!("c < {end} ? {element} : {number}"),
                    };
                }
                plain(number)
            }
        })
    }

    /// Returns the number of channel `c - before` of a value at a position, as one of that kind.
    fn element(&self, value: Value, before: usize, kind: Kind) -> String {
        let channel = match before {
            0 => "c".to_string(),
            n => format!("c - {n}"),
        };
        let index = index("row", "column", &channel, value.shape);
        let number = self.read(value, &index, &channel);
        match kind {
            Kind::Reals => real(&number, value.kind),
            _ => number,
        }
    }

    /// Writes the statements that store a number of the result.
    fn store(&self, pass: &Pass, shape: Shape, number: &Number, body: &mut Text) {
        let buffer = &self.passes.buffers[pass.out];
        let at = stored_at(pass, shape);
        if buffer.arena == Arena::Bits {
            body.open(format_args!("if ({} > 0)", number.text));
            body.line(format_args!("set_bit(out, {at});"));
            body.close();
            return;
        }
        let (name, field) = (&buffer.name, buffer.arena.field());
        let cast = match buffer.arena {
            Arena::Shorts => "(int16_t)",
            _ => "",
        };
        body.line(format_args!(
            "s->{field}[{name} + {at}] = {cast}{};",
            number.text
        ));
    }
}

/// Names for the numbers of a channel, one after the other.
#[derive(Default)]
struct Variables(usize);

impl Variables {
    /// Writes a declaration of the next number, and returns its name.
    fn set(&mut self, body: &mut Text, number: &Number) -> Number {
        let name = format!("x{}", self.0);
        self.0 += 1;
        let kind = number_type(number.kind);
        body.line(format_args!("const {kind} {name} = {};", number.text));
        Number {
            text: name,
            kind: number.kind,
        }
    }
}
