//! An ONNX file: its nodes, constants, inputs and outputs. Numbers stay in the file's bytes until a
//! node asks for them.

use std::collections::HashMap;

use super::wire::{Fields, Held, number};

/// The most nodes, constants, and names or settings of a node. Such a network would take hours.
const MOST: usize = 1 << 14;

/// A graph.
#[derive(Debug, Default)]
pub(super) struct Graph<'a> {
    pub nodes: Vec<Node<'a>>,
    pub constants: HashMap<&'a str, Tensor<'a>>,
    /// Name and sides of each input; a free side is 0.
    pub inputs: Vec<(&'a str, Vec<u64>)>,
    pub outputs: Vec<&'a str>,
}

/// An operator.
#[derive(Debug, Default)]
pub(super) struct Node<'a> {
    pub inputs: Vec<&'a str>,
    pub outputs: Vec<&'a str>,
    pub name: &'a str,
    pub op: &'a str,
    pub settings: HashMap<&'a str, Setting<'a>>,
}

/// A setting of an operator.
#[derive(Debug, Default)]
pub(super) struct Setting<'a> {
    pub float: f32,
    pub int: i64,
    pub text: &'a [u8],
    pub ints: Vec<i64>,
    pub tensor: Option<Tensor<'a>>,
}

/// A constant.
#[derive(Clone, Debug, Default)]
pub(super) struct Tensor<'a> {
    pub dims: Vec<u64>,
    kind: u64,
    raw: &'a [u8],
    /// Numbers that do not lie in `raw`: packed floats or integers.
    packed: &'a [u8],
    /// Numbers that are fields of their own.
    single: Vec<u64>,
    elsewhere: bool,
}

type Read<T> = Result<T, String>;

fn text(bytes: &[u8]) -> Read<&str> {
    std::str::from_utf8(bytes).map_err(|_| "has a name that is not UTF-8".into())
}

fn push<T>(to: &mut Vec<T>, one: T) -> Read<()> {
    if to.len() >= MOST {
        return Err(format!(
            "has more than {MOST} of something that a network has few of"
        ));
    }
    to.push(one);
    Ok(())
}

/// Adds the integers of a field, which are packed or one alone.
fn integers(held: Held<'_>, to: &mut Vec<u64>) -> Read<()> {
    match held {
        Held::Number(n) => push(to, n),
        Held::Bytes(mut bytes) => {
            while !bytes.is_empty() {
                push(
                    to,
                    number(&mut bytes).ok_or("has integers that are cut short")?,
                )?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

impl<'a> Graph<'a> {
    /// Reads the graph of a file.
    ///
    /// # Errors
    /// What is wrong, in words that complete "the file ...".
    pub fn read(file: &'a [u8]) -> Read<Self> {
        let mut graph = None;
        for field in Fields::of(file) {
            if let (7, Held::Bytes(message)) = field? {
                graph = Some(Self::of(message)?);
            }
        }
        graph.ok_or_else(|| "is no ONNX file: it holds no graph".into())
    }

    fn of(message: &'a [u8]) -> Read<Self> {
        let mut graph = Self::default();
        for field in Fields::of(message) {
            match field? {
                (1, Held::Bytes(m)) => push(&mut graph.nodes, Node::of(m)?)?,
                (5, Held::Bytes(m)) => {
                    let (name, tensor) = Tensor::of(m)?;
                    if graph.constants.len() >= MOST {
                        return Err(format!("has more than {MOST} constants"));
                    }
                    graph.constants.insert(name, tensor);
                }
                (11, Held::Bytes(m)) => push(&mut graph.inputs, value(m)?)?,
                (12, Held::Bytes(m)) => push(&mut graph.outputs, value(m)?.0)?,
                _ => {}
            }
        }
        Ok(graph)
    }
}

impl<'a> Node<'a> {
    fn of(message: &'a [u8]) -> Read<Self> {
        let mut node = Self::default();
        for field in Fields::of(message) {
            match field? {
                (1, Held::Bytes(m)) => push(&mut node.inputs, text(m)?)?,
                (2, Held::Bytes(m)) => push(&mut node.outputs, text(m)?)?,
                (3, Held::Bytes(m)) => node.name = text(m)?,
                (4, Held::Bytes(m)) => node.op = text(m)?,
                (5, Held::Bytes(m)) => {
                    let (name, setting) = Setting::of(m)?;
                    if node.settings.len() >= MOST {
                        return Err("has a node with too many settings".into());
                    }
                    node.settings.insert(name, setting);
                }
                _ => {}
            }
        }
        Ok(node)
    }
}

impl<'a> Setting<'a> {
    fn of(message: &'a [u8]) -> Read<(&'a str, Self)> {
        let (mut name, mut setting, mut ints) = ("", Self::default(), Vec::new());
        for field in Fields::of(message) {
            match field? {
                (1, Held::Bytes(m)) => name = text(m)?,
                (2, Held::Word(w)) => setting.float = f32::from_bits(w),
                (3, Held::Number(n)) => setting.int = n.cast_signed(),
                (4, Held::Bytes(m)) => setting.text = m,
                (5, Held::Bytes(m)) => setting.tensor = Some(Tensor::of(m)?.1),
                (8, held) => integers(held, &mut ints)?,
                _ => {}
            }
        }
        setting.ints = ints.into_iter().map(u64::cast_signed).collect();
        Ok((name, setting))
    }
}

impl<'a> Tensor<'a> {
    fn of(message: &'a [u8]) -> Read<(&'a str, Self)> {
        let (mut name, mut tensor) = ("", Self::default());
        for field in Fields::of(message) {
            match field? {
                (1, held) => integers(held, &mut tensor.dims)?,
                (2, Held::Number(n)) => tensor.kind = n,
                (4 | 7, Held::Bytes(m)) => tensor.packed = m,
                (4, Held::Word(w)) => push(&mut tensor.single, u64::from(w))?,
                (7, Held::Number(n)) => push(&mut tensor.single, n)?,
                (8, Held::Bytes(m)) => name = text(m)?,
                (9, Held::Bytes(m)) => tensor.raw = m,
                (14, Held::Number(n)) => tensor.elsewhere = n == 1,
                _ => {}
            }
        }
        Ok((name, tensor))
    }

    /// The number of numbers by its sides.
    fn count(&self) -> Option<usize> {
        let one = |n: usize, &side: &u64| n.checked_mul(usize::try_from(side).ok()?);
        self.dims.iter().try_fold(1, one)
    }

    /// Its numbers as floats: of 32-bit floats.
    pub fn floats(&self) -> Read<Vec<f32>> {
        if self.elsewhere {
            return Err("a constant lies in another file; save the network as one file".into());
        }
        if self.kind != 1 {
            return Err("a constant is not of 32-bit floats; export the network in those".into());
        }
        let bytes = if self.raw.is_empty() {
            self.packed
        } else {
            self.raw
        };
        let numbers: Vec<f32> = match self.single.is_empty() {
            true => bytes
                .as_chunks()
                .0
                .iter()
                .map(|w| f32::from_le_bytes(*w))
                .collect(),
            false => self
                .single
                .iter()
                .map(|&w| f32::from_bits(w as u32))
                .collect(),
        };
        if self.count() != Some(numbers.len()) || !bytes.len().is_multiple_of(4) {
            return Err("a constant has another number of numbers than its sides say".into());
        }
        Ok(numbers)
    }

    /// Its numbers as integers: of 64 bits.
    pub fn integers(&self) -> Read<Vec<i64>> {
        if self.kind != 7 || self.elsewhere {
            return Err("a shape is not of 64-bit integers in the file".into());
        }
        if !self.raw.is_empty() {
            let words = self.raw.as_chunks().0.iter();
            return Ok(words.take(MOST).map(|w| i64::from_le_bytes(*w)).collect());
        }
        let mut all = self.single.clone();
        integers(Held::Bytes(self.packed), &mut all)?;
        Ok(all.into_iter().map(u64::cast_signed).collect())
    }
}

/// Name and sides of an input or output.
fn value(message: &[u8]) -> Read<(&str, Vec<u64>)> {
    let (mut name, mut sides) = ("", Vec::new());
    for field in Fields::of(message) {
        match field? {
            (1, Held::Bytes(m)) => name = text(m)?,
            // A type, of a tensor, with a shape, of sides, each a number or a name.
            (2, Held::Bytes(m)) => {
                let shape = inner(m, 1)?.map_or(Ok(None), |tensor| inner(tensor, 2))?;
                for side in Fields::of(shape.unwrap_or_default()) {
                    if let (1, Held::Bytes(m)) = side? {
                        let mut length = 0;
                        for field in Fields::of(m) {
                            if let (1, Held::Number(n)) = field? {
                                length = n;
                            }
                        }
                        push(&mut sides, length)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok((name, sides))
}

/// The message in a field of a message.
fn inner(message: &[u8], of: u64) -> Read<Option<&[u8]>> {
    let mut found = None;
    for field in Fields::of(message) {
        match field? {
            (n, Held::Bytes(m)) if n == of => found = Some(m),
            _ => {}
        }
    }
    Ok(found)
}
