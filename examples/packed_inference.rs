//! Packed inference: a network with binary weights and units is trained, packed into bits,
//! and classifies from its bytes alone. `cargo run --release --example packed_inference`

use bnn_cpu::prelude::*;

pub fn main() -> bnn_cpu::Result<()> {
    let data = digits::generate(1, 2000, 200);
    let model = preset("xnor-net", Shape::image(1, 28, 28), data.classes)?;
    let mut config = Config::reference(model, DatasetRecord::of(&data));
    config.normalise_by(&data);
    config.epochs = 4;
    let engine = select(None)?;
    let trained = train_in_memory(&config, &data, engine, &mut |_: Event<'_>| {})?;

    // The file's bytes are all that a machine needs which only classifies.
    let bytes = trained.network.pack()?.to_bytes()?;
    let packed = PackedNet::from_bytes(&bytes)?;
    let mut runner = packed.runner(engine);
    let right =
        |i: &usize| runner.classify(data.test.image(*i)) == Some(data.test.label(*i) as usize);
    let right = (0..data.test.len()).filter(right).count();
    println!(
        "{} bytes, {right} of {} right",
        bytes.len(),
        data.test.len()
    );

    // Binary weights make whole numbers of all sums: packed is trained, exactly.
    let accuracy = right as f64 / data.test.len() as f64;
    assert_eq!(accuracy, trained.test.accuracy);
    Ok(())
}
