//! A data set of one's own in memory: bars across or upright, under noise, told apart by a
//! network with binary units. `cargo run --release --example own_data`

use bnn_cpu::prelude::*;

const SIDE: usize = 12;

/// `n` images of SIDE x SIDE grey pixels, one behind the other, and their classes: a bright
/// row is class 0, a bright column class 1. `state` is that of a generator of noise.
fn bars(n: usize, state: &mut u32) -> bnn_cpu::Result<Split> {
    let mut random = |below: usize| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*state >> 16) as usize % below
    };
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for i in 0..n {
        let (class, at) = (i % 2, random(SIDE));
        for place in 0..SIDE * SIDE {
            let line = [place / SIDE, place % SIDE][class];
            let ink = if line == at { 150 } else { 0 };
            pixels.push((ink + random(106)) as u8);
        }
        labels.push(class as u32);
    }
    Split::from_pixels((SIDE, SIDE, 1), pixels, labels)
}

pub fn main() -> bnn_cpu::Result<()> {
    let mut noise = 7;
    let data = Dataset::new("bars", 2, bars(2000, &mut noise)?, bars(200, &mut noise)?)?;
    let mut model = preset("mlp", Shape::image(1, SIDE, SIDE), data.classes)?;
    model.place(Placement::Both, Firing::Deterministic, "st")?;
    let mut config = Config::reference(model, DatasetRecord::of(&data));
    config.normalise_by(&data);
    config.lr = 0.03;
    let trained = train_in_memory(&config, &data, select(None)?, &mut |_: Event<'_>| {})?;
    let accuracy = trained.test.accuracy;
    println!("{:.1} % of the test images right", 100.0 * accuracy);
    assert!(accuracy > 0.9, "half would be chance");
    Ok(())
}
