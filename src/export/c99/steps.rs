//! What is done to single numbers, and how the numbers of a pooling's window become one.

use crate::error::Result;
use crate::packed::{Function, Kind, Step};

use super::emitter::{Emitter, real};
use super::text::{Text, float};

/// A number in the body of a pass: a variable or an expression of C, and its kind.
#[derive(Clone, Debug)]
pub(super) struct Number {
    pub text: String,
    pub kind: Kind,
}

impl Emitter<'_> {
    /// Writes the tables of a step and returns the number that it makes of channel `c`'s. Random
    /// bits are read as `[x > 0]`.
    ///
    /// # Errors
    /// A number that is not finite.
    pub fn step(&mut self, stage: usize, j: usize, of: &Number) -> Result<Number> {
        let net = self.net;
        let Number { text, kind } = of;
        let x = real(text, *kind);
        let at = format!("{stage}_{j}");
        let made = match &net.stages()[stage].tail[j] {
            Step::Threshold { thresholds } | Step::Draw { thresholds, .. } => {
                self.int_table(&format!("threshold_{at}"), &thresholds.threshold);
                let bit = format!("{text} >= threshold_{at}[c]");
                match self.flags(&format!("inverted_{at}"), &thresholds.inverted) {
                    Flags::None => bit,
                    Flags::All => format!("!({bit})"),
                    Flags::Table(name) => format!("({bit}) != {name}[c]"),
                }
            }
            // Whole numbers stay as they are, as floats.
            Step::Affine { scale, shift }
                if *kind != Kind::Reals
                    && scale.iter().all(|&a| a == 1.0)
                    && shift.iter().all(|&b| b == 0.0) =>
            {
                x
            }
            Step::Affine { scale, shift } => {
                self.real_table(&format!("scale_{at}"), scale, stage)?;
                self.real_table(&format!("shift_{at}"), shift, stage)?;
                format!("affine({x}, scale_{at}[c], shift_{at}[c])")
            }
            Step::Function { function, slope } => match function {
                Function::Relu => format!("relu({x})"),
                Function::HardSigmoid => format!("hard_sigmoid({} * {x})", float(*slope)),
                Function::Sigmoid => format!("sigmoid({} * {x})", float(*slope)),
            },
            Step::Divide { by } => format!("{x} / {}", float(*by as f32)),
            Step::Signs => format!("2 * {text} - 1"),
            Step::Fire | Step::Sample { .. } => format!("{x} > 0.0f"),
            Step::PoolBits { .. }
            | Step::PoolInts { .. }
            | Step::MaxPool { .. }
            | Step::SumPool { .. }
            | Step::AvgPool { .. }
            | Step::Flatten => unreachable!("these are no steps of single numbers"),
        };
        Ok(Number {
            text: made,
            kind: net.flows()[stage].values[j + 1].1,
        })
    }

    /// Writes the statements that take `number`, one a window, of channel `c`, into `kept[c]`;
    /// `first` is the condition of the window's first number.
    pub fn pooled(&mut self, (stage, j): (usize, usize), first: &str, body: &mut Text) {
        let net = self.net;
        let wanted = match &net.stages()[stage].tail[j] {
            Step::PoolBits { and: least, .. } | Step::PoolInts { min: least, .. } => {
                match self.flags(&format!("least_{stage}_{j}"), least) {
                    Flags::None => "number > kept[c]".to_string(),
                    Flags::All => "number < kept[c]".to_string(),
                    Flags::Table(name) => {
                        format!("({name}[c] ? number < kept[c] : number > kept[c])")
                    }
                }
            }
            Step::MaxPool { .. } => "number > kept[c] || number != number".into(),
            Step::SumPool { .. } => {
                body.line(format_args!(
                    "kept[c] = {first} ? number : kept[c] + number;"
                ));
                return;
            }
            _ => {
                body.line(format_args!(
                    "kept[c] = ({first} ? 0.0f : kept[c]) + number;"
                ));
                return;
            }
        };
        body.open(format_args!("if ({first} || {wanted})"));
        body.line("kept[c] = number;");
        body.close();
    }

    /// Returns what a pooling makes of what it kept of a window.
    pub fn of_window(&self, stage: usize, j: usize) -> Number {
        let text = match self.net.stages()[stage].tail[j] {
            Step::AvgPool { height, width, .. } => {
                format!("kept[c] / {}", float((height * width) as f32))
            }
            _ => "kept[c]".into(),
        };
        Number {
            text,
            kind: self.net.flows()[stage].values[j + 1].1,
        }
    }

    /// Writes a table of flags, if they differ.
    fn flags(&mut self, name: &str, flags: &[bool]) -> Flags {
        if flags.iter().all(|&f| !f) {
            return Flags::None;
        }
        if flags.iter().all(|&f| f) {
            return Flags::All;
        }
        let numbers: Vec<i32> = flags.iter().map(|&f| i32::from(f)).collect();
        self.int_table(name, &numbers);
        Flags::Table(name.to_string())
    }
}

/// A flag of each channel.
enum Flags {
    None,
    All,
    Table(String),
}
