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
    /// The inputs.
    pub inputs: Vec<Entry<'a>>,
    pub outputs: Vec<&'a str>,
    /// The program that wrote the file.
    pub producer: &'a str,
    /// What the file says of itself.
    pub notes: HashMap<&'a str, &'a str>,
}

/// An input of a graph.
#[derive(Debug, Default)]
pub(super) struct Entry<'a> {
    pub name: &'a str,
    /// The type of its elements.
    pub kind: u64,
    /// Its sides; a free side is 0.
    pub sides: Vec<u64>,
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
    pub floats: Vec<f32>,
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
        let (mut graph, mut producer, mut notes) = (None, "", HashMap::new());
        for field in Fields::of(file) {
            match field? {
                (2, Held::Bytes(m)) => producer = text(m)?,
                (7, Held::Bytes(message)) => graph = Some(Self::of(message)?),
                (14, Held::Bytes(m)) if notes.len() < MOST => {
                    let one = |of| inner(m, of).map(|found| found.map_or(Ok(""), text));
                    notes.insert(one(1)??, one(2)??);
                }
                _ => {}
            }
        }
        let graph: Self = graph.ok_or("is no ONNX file: it holds no graph")?;
        Ok(Self {
            producer,
            notes,
            ..graph
        })
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
                (11, Held::Bytes(m)) => push(&mut graph.inputs, Entry::of(m)?)?,
                (12, Held::Bytes(m)) => push(&mut graph.outputs, Entry::of(m)?.name)?,
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
                (7, Held::Word(w)) => push(&mut setting.floats, f32::from_bits(w))?,
                (7, Held::Bytes(m)) => setting.floats = words(m),
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
                (4 | 5 | 7, Held::Bytes(m)) => tensor.packed = m,
                (4, Held::Word(w)) => push(&mut tensor.single, u64::from(w))?,
                (5 | 7, Held::Number(n)) => push(&mut tensor.single, n)?,
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

    /// Whether its numbers are integers of 32 or 64 bits: sides, axes, places.
    pub fn is_whole(&self) -> bool {
        matches!(self.kind, 6 | 7)
    }

    /// Its sides.
    pub fn sides(&self) -> Read<Vec<usize>> {
        let one = |&side: &u64| usize::try_from(side).map_err(|_| "has endless sides".into());
        self.dims.iter().map(one).collect()
    }

    /// Its numbers as 32-bit floats, of floats, bytes and truths.
    pub fn floats(&self) -> Read<Vec<f32>> {
        self.inside()?;
        let numbers: Vec<f32> = match (self.kind, self.raw.is_empty()) {
            (1, true) => {
                let single = self.single.iter().map(|&w| f32::from_bits(w as u32));
                words(self.packed).into_iter().chain(single).collect()
            }
            (1, false) => words(self.raw),
            (11, false) => {
                let wide = self.raw.as_chunks().0.iter();
                wide.map(|w| f64::from_le_bytes(*w) as f32).collect()
            }
            (2 | 9, false) => self.raw.iter().map(|&b| f32::from(b)).collect(),
            (3, false) => self
                .raw
                .iter()
                .map(|&b| f32::from(b.cast_signed()))
                .collect(),
            (2 | 3 | 6 | 7 | 9, _) => self.integers()?.into_iter().map(|n| n as f32).collect(),
            _ => {
                return Err(
                    "has a constant that is not of 32-bit floats; export the network in those"
                        .into(),
                );
            }
        };
        if self.count() != Some(numbers.len()) {
            return Err("has a constant with another number of numbers than its sides say".into());
        }
        Ok(numbers)
    }

    /// Its numbers as integers.
    pub fn integers(&self) -> Read<Vec<i64>> {
        self.inside()?;
        match (self.kind, self.raw.is_empty()) {
            (7, false) => {
                let words = self.raw.as_chunks().0.iter();
                Ok(words.map(|w| i64::from_le_bytes(*w)).collect())
            }
            (6, false) => {
                let words = self.raw.as_chunks().0.iter();
                Ok(words.map(|w| i64::from(i32::from_le_bytes(*w))).collect())
            }
            (2 | 3 | 6 | 7 | 9, true) => {
                let mut all = self.single.clone();
                let mut bytes = self.packed;
                while !bytes.is_empty() {
                    all.push(number(&mut bytes).ok_or("has integers that are cut short")?);
                }
                Ok(all.into_iter().map(u64::cast_signed).collect())
            }
            _ => Err("has a shape that is not of integers".into()),
        }
    }

    fn inside(&self) -> Read<()> {
        match self.elsewhere {
            true => Err("has a constant in another file; save the network as one file".into()),
            false => Ok(()),
        }
    }
}

/// The 32-bit floats of some bytes.
fn words(bytes: &[u8]) -> Vec<f32> {
    let words = bytes.as_chunks().0.iter();
    words.map(|w| f32::from_le_bytes(*w)).collect()
}

impl<'a> Entry<'a> {
    fn of(message: &'a [u8]) -> Read<Self> {
        let mut entry = Self::default();
        for field in Fields::of(message) {
            match field? {
                (1, Held::Bytes(m)) => entry.name = text(m)?,
                // A type, of a tensor, with the type of its elements and a shape, of sides, each
                // a number or a name.
                (2, Held::Bytes(m)) => {
                    let tensor = inner(m, 1)?.unwrap_or_default();
                    entry.kind = last_number(tensor, 1)?;
                    for side in Fields::of(inner(tensor, 2)?.unwrap_or_default()) {
                        if let (1, Held::Bytes(m)) = side? {
                            push(&mut entry.sides, last_number(m, 1)?)?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(entry)
    }
}

/// The number in a field of a message; 0 where there is none.
fn last_number(message: &[u8], of: u64) -> Read<u64> {
    let mut found = 0;
    for field in Fields::of(message) {
        match field? {
            (n, Held::Number(number)) if n == of => found = number,
            _ => {}
        }
    }
    Ok(found)
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
