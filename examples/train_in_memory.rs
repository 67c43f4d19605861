//! Training without any folder: the epochs are reported to a closure, and what remains is a
//! network in memory. `cargo run --release --example train_in_memory`

use bnn_cpu::prelude::*;

pub fn main() -> bnn_cpu::Result<()> {
    // 2000 built-in digits to learn from, 200 to test on: (28, 28, 1) bytes each.
    let data = digits::generate(1, 2000, 200);
    let mut model = preset("seed-net", Shape::image(1, 28, 28), data.classes)?;
    model.place(Placement::Both, Firing::Stochastic, "st")?;
    let mut config = Config::reference(model, DatasetRecord::of(&data));
    config.normalise_by(&data);
    (config.epochs, config.lr) = (4, 0.01);

    let mut losses = Vec::new();
    let mut watch = |event: Event<'_>| {
        if let Event::Epoch { record, best } = event {
            let mark = if best { ", the best so far" } else { "" };
            let (epoch, loss) = (record.epoch, record.train_loss);
            println!("epoch {epoch}: loss {loss:.3}{mark}");
            losses.push(loss);
        }
    };
    let engine = select(None)?;
    let mut trained = train_in_memory(&config, &data, engine, &mut watch)?;
    println!("{:.1} % right", 100.0 * trained.test.accuracy);
    assert!(losses.len() == 4 && losses[3] < losses[0], "{losses:?}");

    // The network is there to go on with: here, to classify an image.
    let net = &mut trained.network;
    net.set_rows(1);
    net.set_row(0, data.test.image(3), data.test.label(3));
    net.forward();
    println!("its digit 3 has the scores {:.1?}", net.logits());
    Ok(())
}
