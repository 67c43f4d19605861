//! The names of a file with what they stand for, and the network that grows from them.

use std::collections::HashMap;
use std::rc::Rc;

use super::array::Array;
use super::builder::Builder;
use super::file::{Entry, Graph, Node, Tensor};
use super::value::{Known, Of, Order, settle};
use super::{Imported, shown};
use crate::model::Pixels;
use crate::tensor::Shape;

/// The most numbers of constants that are computed from others.
const MOST_NUMBERS: usize = 1 << 26;

/// The type of bytes.
const UINT8: u64 = 2;

/// A file that is being read.
pub(super) struct Reader<'a> {
    graph: &'a Graph<'a>,
    known: HashMap<&'a str, Known>,
    /// How often each name is read.
    uses: HashMap<&'a str, usize>,
    numbers: usize,
    pub to: Builder,
}

impl<'a> Reader<'a> {
    /// Begins with the images.
    pub fn new(graph: &'a Graph<'a>) -> Result<Self, String> {
        let constants = &graph.constants;
        let own = |entry: &&Entry<'_>| !constants.contains_key(entry.name);
        let mut inputs = graph.inputs.iter().filter(own);
        let (Some(entry), None) = (inputs.next(), inputs.next()) else {
            return Err(
                "has another number of inputs than one; a network takes images alone".into(),
            );
        };
        let mut uses: HashMap<&str, usize> = HashMap::new();
        let read = graph.nodes.iter().flat_map(|node| &node.inputs);
        for input in read.chain(&graph.outputs) {
            *uses.entry(input).or_default() += 1;
        }
        let order = order(graph, entry);
        let image = images(&entry.sides, order)?;
        let mut to = Builder::default();
        to.images(image);
        let bytes = entry.kind == UINT8 || graph.notes.get("pixels") == Some(&"0 to 255");
        to.pixels = bytes.then_some(Pixels::Integer);
        let images = Known::Value(Of {
            layer: None,
            order,
            flat: entry.sides.len() == 2,
            image,
        });
        Ok(Self {
            graph,
            known: HashMap::from([(entry.name, images)]),
            uses,
            numbers: 0,
            to,
        })
    }

    /// What a name stands for.
    fn known(&mut self, name: &'a str) -> Result<Known, String> {
        if let Some(known) = self.known.get(name) {
            return Ok(known.clone());
        }
        let tensor = self.graph.constants.get(name);
        let tensor = tensor
            .ok_or_else(|| format!("reads {}, which nothing before it makes", shown(name)))?;
        let known = self.constant(tensor)?;
        self.known.insert(name, known.clone());
        Ok(known)
    }

    /// A constant.
    pub fn constant(&mut self, tensor: &Tensor<'_>) -> Result<Known, String> {
        if tensor.is_whole() {
            return Ok(Known::Integers(tensor.integers()?.into()));
        }
        let array = Array {
            sides: tensor.sides()?,
            numbers: tensor.floats()?,
        };
        Ok(Known::Constant(Rc::new(array)))
    }

    /// A constant that was computed.
    pub fn computed(&mut self, array: Array) -> Result<Known, String> {
        self.numbers = self.numbers.saturating_add(array.numbers.len());
        match self.numbers <= MOST_NUMBERS {
            true => Ok(Known::Constant(Rc::new(array))),
            false => Err("computes more constants than a network has; fold them first".into()),
        }
    }

    /// Whether a node has that input.
    pub fn has(&self, node: &Node<'_>, i: usize) -> bool {
        node.inputs.get(i).is_some_and(|name| !name.is_empty())
    }

    /// An input of a node.
    pub fn input(&mut self, node: &Node<'a>, i: usize) -> Result<Known, String> {
        let name = node.inputs.get(i).filter(|name| !name.is_empty());
        self.known(name.ok_or_else(|| format!("lacks its input {}", i + 1))?)
    }

    /// An input that the network computes: what was put off is made a layer, once for all that read
    /// it.
    pub fn value(&mut self, node: &Node<'a>, i: usize) -> Result<Of, String> {
        let of = match self.input(node, i)? {
            Known::Constant(_) | Known::Integers(_) => {
                return Err(format!("has a constant for its input {}", i + 1));
            }
            known => settle(known, &mut self.to)?,
        };
        self.known.insert(node.inputs[i], Known::Value(of));
        Ok(of)
    }

    /// A constant input.
    pub fn numbers(&mut self, node: &Node<'a>, i: usize) -> Result<Rc<Array>, String> {
        match self.input(node, i)? {
            Known::Constant(array) => Ok(array),
            _ => Err(format!("has no constant for its input {}", i + 1)),
        }
    }

    /// A constant input of integers.
    pub fn integers(&mut self, node: &Node<'a>, i: usize) -> Result<Rc<[i64]>, String> {
        match self.input(node, i)? {
            Known::Integers(all) => Ok(all),
            _ => Err(format!("has no constant integers for its input {}", i + 1)),
        }
    }

    /// Says what the result of a node is.
    pub fn set(&mut self, node: &Node<'a>, known: Known) -> Result<(), String> {
        let name = node.outputs.first().copied().unwrap_or_default();
        match self.known.insert(name, known) {
            None => Ok(()),
            Some(_) => Err(format!("makes {}, which there is already", shown(name))),
        }
    }

    /// Checks that the result of a node is the output of the network.
    pub fn ends(&self, node: &Node<'_>) -> Result<(), String> {
        match (&self.graph.outputs[..], &node.outputs[..]) {
            ([output], [made, ..]) if output == made => Ok(()),
            _ => Err("makes probabilities within the network; only its output may be some".into()),
        }
    }

    /// Whether an input of a node is read by it alone.
    pub fn is_alone(&self, node: &Node<'_>, i: usize) -> bool {
        self.uses.get(node.inputs[i]) == Some(&1)
    }

    /// The network, which ends in the file's output.
    pub fn finish(mut self, name: &str) -> Result<Imported, String> {
        let [output] = self.graph.outputs[..] else {
            return Err(
                "has another number of outputs than one; a network has logits alone".into(),
            );
        };
        let last = match self.known.remove(output) {
            Some(known) if known.source().is_some() => settle(known, &mut self.to),
            _ => return Err(format!("makes no output {} of its images", shown(output))),
        };
        let last = last.map_err(|what| format!("has an output that {what}"))?;
        self.to.finish(name, output, last.layer)
    }
}

/// The order of the images: TensorFlow's where the file turns them first, or is TensorFlow's and has
/// its channels last.
fn order(graph: &Graph<'_>, entry: &Entry<'_>) -> Order {
    let turned = graph.nodes.iter().any(|node| {
        let perm = node.settings.get("perm");
        node.op == "Transpose"
            && node.inputs.first() == Some(&entry.name)
            && perm.is_some_and(|p| p.ints == [0, 3, 1, 2])
    });
    let last = match entry.sides[..] {
        [_, first, _, last] => matches!(last, 1 | 3) && first > 3,
        _ => false,
    };
    match turned || (last && graph.producer == "tf2onnx") {
        true => Order::Interleaved,
        false => Order::Planes,
    }
}

/// The shape of images with these sides, the first of which is the batch.
fn images(sides: &[u64], order: Order) -> Result<Shape, String> {
    let side = |i: usize| usize::try_from(sides[i]).unwrap_or(0);
    let shape = match (sides.len(), order) {
        (4, Order::Planes) => Shape::image(side(1), side(2), side(3)),
        (4, Order::Interleaved) => Shape::image(side(3), side(1), side(2)),
        (3, _) => Shape::image(1, side(1), side(2)),
        (2, _) => match side(1).isqrt() {
            root if root * root == side(1) => Shape::image(1, root, root),
            _ => Shape::image(1, 1, side(1)),
        },
        _ => {
            return Err(format!(
                "takes inputs of {} sides; images have four",
                sides.len()
            ));
        }
    };
    let all = [shape.channels, shape.height, shape.width];
    if all.iter().any(|&side| side == 0 || side > 1 << 14) {
        return Err("does not say how large its images are; export it with fixed sides".into());
    }
    Ok(shape)
}
