//! REBAR's two forms beside each other on the seed network, as `bnn-cpu lab` measures: with
//! tied noise and with noise of its own given the bit.
//! `cargo run --release --example rebar_noise [FOLDER OF MNIST [DRAWS]]`

use std::path::Path;
use std::sync::Arc;

use bnn_cpu::data::{digits, mnist};
use bnn_cpu::estimators::{self, Firing, Probability, Rebar};
use bnn_cpu::kernels;
use bnn_cpu::lab::{Contender, Effort, Lab, error_of_root};
use bnn_cpu::model::{Init, Network, Placement, preset};
use bnn_cpu::tensor::Shape;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let other = Rebar {
        tied: !Rebar::default().tied,
    };
    estimators::register(|_| {
        Some(Arc::new(Rebar {
            tied: !Rebar::default().tied,
        }))
    })?;
    let names = [
        estimators::Estimator::info(&Rebar::default()).name,
        estimators::Estimator::info(&other).name,
    ];
    let mut args = std::env::args().skip(1);
    let data = match args.next() {
        Some(folder) => mnist::load(&mnist::find_in(Path::new(&folder), "the first argument")?)?,
        None => digits::generate(1, 200, 50),
    };
    let draws = args.next().map_or(Ok(2000), |text| text.parse())?;
    let mut model = preset("seed-net", Shape::image(1, 28, 28), 10)?;
    model.place(Placement::Both, Firing::Stochastic, names[0])?;
    let engine = kernels::select(None)?;
    for placement in [Placement::Last, Placement::First, Placement::Both] {
        let lab = Lab {
            model: model.clone(),
            placement,
            probability: Probability::Sigmoid,
            engine,
            split: &data.train,
            images: (0..16).collect(),
            seed: 1,
            slope: 1.0,
            temperature: 1.0,
            layers: Vec::new(),
        };
        let mut net = Network::new(&model, engine, 1, false)?;
        net.init(Init::Pytorch, 1);
        lab.settle(net.params_mut())?;
        let contenders = names
            .map(Contender::parse)
            .into_iter()
            .collect::<Result<Vec<_>, _>>()?;
        let effort = Effort {
            warm_up: 300,
            draws,
            reference_draws: 20,
            until: None,
            most: 1,
        };
        let point = lab.measure(
            0,
            net.params(),
            &contenders,
            &effort,
            Some(&contenders[0]),
            &mut |_, _, _| Ok(()),
        )?;
        for one in point.estimators {
            if let Some((_, f)) = one.figures.last()
                && let Some(errors) = f.errors
            {
                println!(
                    "{placement:?} {:<14} variance {:.4e} +- {:.0e}  SNR {:.4} +- {:.4}  {:.2} ms a draw",
                    one.name,
                    f.variance_per_parameter,
                    errors.variance * f.variance_per_parameter / f.variance,
                    f.snr,
                    error_of_root(f.snr, errors.snr),
                    one.milliseconds
                );
            }
        }
    }
    Ok(())
}
