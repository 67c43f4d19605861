//! A graph as it is put together: nodes and constants with names of their own.

use super::proto::{Attribute, BOOL, FLOAT, INT64, Node, Tensor};

/// The set of QONNX's operators.
pub(super) const QONNX: &str = "qonnx.custom_op.general";

/// Nodes and constants.
#[derive(Default)]
pub(super) struct Builder {
    pub nodes: Vec<Node>,
    pub constants: Vec<Tensor>,
    /// Whether units and binary weights are operators of QONNX.
    pub quantised: bool,
    /// The beginning of new names: that of the stage.
    stage: String,
    count: usize,
}

/// Returns an attribute of an integer.
pub(super) fn int(name: &str, i: i64) -> Attribute {
    Attribute {
        name: name.into(),
        i,
        kind: 2,
        ..Attribute::default()
    }
}

/// Returns an attribute of integers.
pub(super) fn ints(name: &str, ints: &[usize]) -> Attribute {
    Attribute {
        name: name.into(),
        ints: ints.iter().map(|&i| i as i64).collect(),
        kind: 7,
        ..Attribute::default()
    }
}

/// Returns an attribute of a float.
pub(super) fn float(name: &str, f: f32) -> Attribute {
    Attribute {
        name: name.into(),
        f,
        kind: 1,
        ..Attribute::default()
    }
}

/// Returns an attribute of a text.
pub(super) fn text(name: &str, text: &str) -> Attribute {
    Attribute {
        name: name.into(),
        s: text.as_bytes().into(),
        kind: 3,
        ..Attribute::default()
    }
}

impl Builder {
    /// A graph in QONNX.
    pub fn of_qonnx() -> Self {
        Self {
            quantised: true,
            ..Self::default()
        }
    }

    /// Begins a stage: the names of what follows begin with its own and are not given twice, also
    /// where two stages have one name.
    pub fn begin(&mut self, number: usize, name: &str) {
        self.stage = format!("{number}.{name}");
    }

    fn name(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{}.{what}.{}", self.stage, self.count)
    }

    /// Adds a node and returns the name of its output.
    pub fn node(&mut self, op: &str, inputs: &[&str], attribute: Vec<Attribute>) -> String {
        let output = self.name(&op.to_lowercase());
        self.node_to(op, inputs, attribute, output.clone());
        output
    }

    /// Adds a node whose output has that name.
    pub fn node_to(
        &mut self,
        op: &str,
        inputs: &[&str],
        attribute: Vec<Attribute>,
        output: String,
    ) {
        self.nodes.push(Node {
            input: inputs.iter().map(ToString::to_string).collect(),
            name: output.clone(),
            output: vec![output],
            op_type: op.into(),
            attribute,
            domain: String::new(),
        });
    }

    /// Adds a node of QONNX and returns the name of its output.
    pub fn own_node(&mut self, op: &str, inputs: &[&str], attribute: Vec<Attribute>) -> String {
        let output = self.node(op, inputs, attribute);
        if let Some(node) = self.nodes.last_mut() {
            node.domain = QONNX.into();
        }
        output
    }

    fn constant(
        &mut self,
        what: &str,
        data_type: i32,
        dims: &[usize],
        raw_data: Vec<u8>,
    ) -> String {
        let name = self.name(what);
        self.constants.push(Tensor {
            dims: dims.iter().map(|&d| d as i64).collect(),
            data_type,
            name: name.clone(),
            raw_data,
        });
        name
    }

    /// Adds a constant of floats and returns its name.
    pub fn floats(&mut self, what: &str, dims: &[usize], numbers: &[f32]) -> String {
        let bytes = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.constant(what, FLOAT, dims, bytes)
    }

    /// Adds a float for each channel, or one for all.
    pub fn each(&mut self, what: &str, numbers: &[f32]) -> String {
        self.floats(what, &[1, numbers.len(), 1, 1], numbers)
    }

    /// Adds a flag for each channel.
    pub fn flags(&mut self, what: &str, flags: &[bool]) -> String {
        let bytes = flags.iter().map(|&f| u8::from(f)).collect();
        self.constant(what, BOOL, &[1, flags.len(), 1, 1], bytes)
    }

    /// Adds a constant vector of integers.
    pub fn shape(&mut self, what: &str, numbers: &[i64]) -> String {
        let bytes = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.constant(what, INT64, &[numbers.len()], bytes)
    }

    /// Returns the floats 1 and 0 for a value of truth.
    pub fn bits(&mut self, of: &str) -> String {
        self.node("Cast", &[of], vec![int("to", i64::from(FLOAT))])
    }
}
