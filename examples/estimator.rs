//! An estimator of one's own, without a fork: a straight-through rule whose window
//! is twice as wide. `cargo run --release --example estimator`

use std::sync::{Arc, atomic::AtomicBool};

use bnn_cpu::data::digits;
use bnn_cpu::estimators::{self, Estimator, Firing, Info, Link, Unit};
use bnn_cpu::kernels;
use bnn_cpu::model::{Placement, preset};
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::{Config, DatasetRecord, RunFolder, train};

struct Wide;

impl Estimator for Wide {
    fn info(&self) -> Info {
        Info {
            name: "wide-st",
            formula: "dL/dh · a/4 · [|ax| < 2]",
            unbiased: false,
            cost: "1 forward, 1 backward",
            source: "this example",
        }
    }

    fn link(&self) -> Link {
        Link::HardSigmoid
    }

    fn pullback(&self, u: Unit) -> f32 {
        if (u.slope * u.x).abs() < 2.0 {
            u.dh * u.slope * 0.25
        } else {
            0.0
        }
    }

    fn surrogate(&self, slope: f32, x: f32) -> Option<f64> {
        let x = f64::from(slope) * f64::from(x);
        Some((x.clamp(-2.0, 2.0) + 2.0) / 4.0)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    estimators::register(|link| {
        // Only the link that its formula is for.
        let fits = link.is_none_or(|link| link == Link::HardSigmoid);
        fits.then(|| Arc::new(Wide) as Arc<dyn Estimator>)
    })?;
    // From here on the name works wherever a name does.
    let data = digits::generate(1, 3000, 500);
    let mut model = preset("seed-net", Shape::image(1, 28, 28), 10)?;
    model.place(Placement::Both, Firing::Deterministic, "wide-st")?;
    let mut config = Config::reference(model, DatasetRecord::of(&data));
    config.normalise_by(&data);
    config.epochs = 2;
    let folder = std::env::temp_dir().join("bnn-cpu-wide-st");
    let mut run = RunFolder::create(&folder, config, true)?;
    let engine = kernels::select(None)?;
    let test = train(
        &mut run,
        &data,
        engine,
        &AtomicBool::new(false),
        &mut |_| {},
    )?;
    println!(
        "{}: {:.1} % of {} {} images",
        estimators::by_name("wide-st", None)?.info().name,
        test.accuracy * 100.0,
        test.images,
        test.dataset
    );
    Ok(())
}
