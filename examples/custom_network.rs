//! A network with a skip connection and a training loop, both one's own.
//! `cargo run --release --example custom_network`

use bnn_cpu::data::digits;
use bnn_cpu::graph::{Adam, Graph};

pub fn main() -> bnn_cpu::Result<()> {
    let data = digits::generate(1, 2000, 200);
    let g = Graph::new([1, 28, 28]);
    let h = g.input().conv("c1", 8, 5).batch_norm("b1").max_pool(4);
    let h = h.binary("st");
    let h = h.conv("c2", 8, 3).add(&h);
    h.linear("fc", 10).cross_entropy();

    let mut model = g.compile(50)?;
    let mut opt = Adam::new(0.01);
    for epoch in 1..=3 {
        let (mut sum, mut steps) = (0.0, 0);
        for (images, labels) in data.train.batches(50, epoch) {
            sum += model.step(&images, &labels, &mut opt)?;
            steps += 1;
        }
        println!("epoch {epoch}: loss {:.3}", sum / f64::from(steps));
    }

    let mut right = 0;
    for (images, labels) in data.test.batches(50, 0) {
        let guesses = model.predict(&images)?;
        let hits = guesses.iter().zip(&labels);
        right += hits.filter(|(g, l)| **g == Some(**l as usize)).count();
    }
    println!("{right} of {} test digits", data.test.len());
    assert!(right > 100, "it has learned something");
    Ok(())
}
