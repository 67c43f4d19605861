//! A layer of one's own: the absolute value. `cargo run --release --example custom_layer`

use bnn_cpu::{Result, prelude::*};

#[derive(Debug, serde::Serialize)]
struct Abs {}

impl Layer for Abs {
    fn kind(&self) -> &'static str {
        "abs"
    }
    fn output(&self, _name: &str, inputs: &[Shape]) -> Result<Shape> {
        Ok(inputs[0])
    }
    fn record(&self, to: &mut Recorder<'_>, inputs: &[Value]) -> Result<Value> {
        let shape = to.tape.shape(inputs[0]);
        let op = AbsOp(shape.len(), vec![(); to.tape.chunks(inputs[0])]);
        Ok(to.tape.push(Box::new(op), inputs, shape))
    }
}

/// The numbers of a row, and scratch for each chunk of rows: none.
struct AbsOp(usize, Vec<()>);

impl Op for AbsOp {
    fn forward(&mut self, cx: Forward<'_>) {
        let (x, rows) = (cx.x(0), cx.pass.rows);
        rows.map(cx.y, self.0, &mut self.1, |i, y| *y = x[i].abs());
    }
    fn backward(&mut self, mut cx: Backward<'_>) {
        let (x, dy) = (cx.x(0), cx.dy);
        if let Some(dx) = cx.grads.of(0) {
            dx.map(self.0, &mut self.1, |i, dx| *dx += dy[i] * x[i].signum());
        }
    }
}

pub fn main() -> Result<()> {
    let g = Graph::new(2);
    g.input().linear("a", 8).then(Abs {}).linear("b", 2);
    let (mut model, mut opt) = (g.compile(4)?, Adam::new(0.05));
    let (corners, parity) = (vec![0., 0., 0., 1., 1., 0., 1., 1.], [0, 1, 1, 0]);
    for _ in 0..200 {
        model.step(&corners, &parity, &mut opt)?;
    }
    assert_eq!(model.predict(&corners)?, [0, 1, 1, 0].map(Some));
    Ok(())
}
