//! Images with several rows: samples, and what estimators evaluate beside them.

mod common;

use bnn_cpu::data::digits;
use bnn_cpu::estimators::Firing;
use bnn_cpu::kernels::select;
use bnn_cpu::model::{Init, ModelSpec, Network, Placement};
use bnn_cpu::tape::{Mode, Noise, Units};
use bnn_cpu::train::{Baseline, BaselineState};
use common::nets::digits_net;

const IMAGES: usize = 21;

/// The gradient of one step, with that many samples of an image.
fn gradient(spec: &ModelSpec, samples: usize, baseline: Baseline) -> Vec<f32> {
    let data = digits::generate(1, IMAGES, 1);
    let engine = select(None).unwrap();
    // Room for more images than there are, as in the last batch of an epoch.
    let mut net = Network::sampled(spec, engine, IMAGES + 3, samples).unwrap();
    net.init(Init::Pytorch, 2);
    net.set_rows(IMAGES);
    for row in 0..IMAGES {
        net.set_row(row, data.train.image(row), data.train.label(row));
    }
    let pass = net.pass_mut();
    (pass.mode, pass.units) = (Mode::Train, Units::Sample);
    pass.noise = Noise {
        seed: 1,
        step: 1,
        draw: 0,
    };
    net.forward();
    BaselineState::new(baseline, engine, &net, 1)
        .unwrap()
        .apply(&mut net);
    net.backward();
    net.params().grads().to_vec()
}

#[test]
fn copies_of_a_sample_change_nothing() {
    for placement in [Placement::First, Placement::Last, Placement::Both] {
        // Deterministic units under a pathwise rule: every sample is the same.
        let spec = digits_net("seed-net", placement, Firing::Deterministic);
        let one = gradient(&spec, 1, Baseline::None);
        let size = one.iter().fold(0.0f32, |m, g| m.max(g.abs()));
        assert!(size > 1e-3);
        for samples in [2, 5] {
            let several = gradient(&spec, samples, Baseline::None);
            for (a, b) in one.iter().zip(&several) {
                assert!(
                    (a - b).abs() < 1e-4 * size,
                    "{placement:?}, {samples} samples: {a} against {b}"
                );
            }
        }
    }
}

#[test]
fn extra_rows_and_samples_give_the_same_bits_on_any_number_of_threads() {
    for (estimator, samples, baseline) in [
        ("reinforce", 4, Baseline::Loo),
        ("disarm", 2, Baseline::None),
        ("rebar+local-expectation", 1, Baseline::None),
        ("muprop", 1, Baseline::None),
        ("reinforce", 1, Baseline::Nvil),
    ] {
        let mut spec = digits_net("seed-net", Placement::Both, Firing::Stochastic);
        spec.place(Placement::Both, Firing::Stochastic, estimator)
            .unwrap();
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap().install(|| gradient(&spec, samples, baseline))
        };
        let one = on(1);
        assert!(one.iter().any(|g| *g != 0.0), "{estimator}");
        for threads in [2, 5] {
            assert!(one == on(threads), "{estimator} on {threads} threads");
        }
    }
}
