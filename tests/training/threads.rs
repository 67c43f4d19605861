//! Same seed, same bits, on any number of threads.

use crate::common::nets::{
    ADAM, SGD, Trainee, digits_net, graph_net, grouped_net, signs_net, tiny_net,
};
use bnn_cpu::data::{Augment, Dataset, digits, epoch_order};
use bnn_cpu::estimators::Firing;
use bnn_cpu::kernels::Engine;
use bnn_cpu::layers::{Conv, Linear, Weights};
use bnn_cpu::model::{ModelSpec, Placement, argmax, preset};
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::{
    Config, DatasetRecord, Evaluation, Evaluator, OptimiserSpec, Reading, RunFolder, train,
};

const THREADS: [usize; 4] = [1, 2, 3, 8];
const STEPS: usize = 5;

/// Everything that a short training leaves behind, to the bit.
#[derive(Debug, PartialEq)]
struct Outcome {
    losses: Vec<u64>,
    weights: Vec<u32>,
    buffers: Vec<u32>,
    predictions: Vec<Option<usize>>,
    evaluation: Evaluation,
}

fn outcome(
    spec: &ModelSpec,
    engine: Engine,
    batch: usize,
    optimiser: OptimiserSpec,
    data: &Dataset,
) -> Outcome {
    let lr = if optimiser == ADAM { 0.003 } else { 0.1 };
    let mut trainee = Trainee::new(spec, engine, batch, optimiser, lr, 3);
    // Two batches and a bit: the last batch of an epoch is a short one.
    let count = (2 * batch + batch.div_ceil(3)).max(3);
    let indices: Vec<u32> = (0..count as u32).collect();
    let mut losses = Vec::new();
    for epoch in 1.. {
        for batch in epoch_order(&indices, 3, epoch).chunks(batch) {
            if losses.len() < STEPS {
                losses.push(trainee.step(&data.train, batch).to_bits());
            }
        }
        if losses.len() == STEPS {
            break;
        }
    }
    let net = &mut trainee.net;
    let evaluation = Evaluator::default().evaluate(
        net,
        &data.test,
        &(0..data.test.len() as u32).collect::<Vec<_>>(),
        Reading::Samples(2),
        (3, 1),
    );
    Outcome {
        losses,
        weights: crate::common::bits(net.params().values()),
        buffers: crate::common::bits(net.params().buffer_values()),
        predictions: net
            .logits()
            .chunks_exact(net.classes())
            .map(argmax)
            .collect(),
        evaluation,
    }
}

fn same_on_any_number_of_threads(
    name: &str,
    spec: &ModelSpec,
    engine: Engine,
    batch: usize,
    optimiser: OptimiserSpec,
) {
    let data = digits::generate(5, 3 * batch + 3, 20);
    let run = |threads: usize| {
        crate::common::pool(threads).install(|| outcome(spec, engine, batch, optimiser, &data))
    };
    let alone = run(THREADS[0]);
    assert_eq!(alone.losses.len(), STEPS);
    for threads in &THREADS[1..] {
        let isa = engine.kernels.isa.name();
        assert!(
            run(*threads) == alone,
            "{name}, {isa}, batch {batch}: {threads} threads differ from one"
        );
    }
}

#[test]
fn binary_weights() {
    for name in ["xnor-net", "mlp"] {
        let mut spec = preset(name, Shape::image(1, 28, 28), 10).unwrap();
        spec.set_weights(Weights::Binary);
        for layer in &mut spec.layers {
            layer.update::<Conv>(|conv| (conv.scale, conv.bias) = (true, true));
            layer.update::<Linear>(|linear| (linear.scale, linear.bias) = (true, true));
        }
        same_on_any_number_of_threads(name, &spec, crate::common::fastest(), 33, ADAM);
    }
}

#[test]
fn the_seed_net() {
    let det = Firing::Deterministic;
    for (name, placement, firing, batch, optimiser) in [
        ("none", Placement::None, det, 33, SGD),
        ("det both", Placement::Both, det, 64, SGD),
        ("stoch both", Placement::Both, Firing::Stochastic, 33, SGD),
        (
            "stoch both, adam",
            Placement::Both,
            Firing::Stochastic,
            7,
            ADAM,
        ),
        ("none, one image", Placement::None, det, 1, SGD),
    ] {
        let spec = digits_net("seed-net", placement, firing);
        same_on_any_number_of_threads(name, &spec, crate::common::fastest(), batch, optimiser);
    }
}

#[test]
fn small_nets_on_every_instruction_set() {
    for engine in crate::common::engines() {
        for batch in [1, 2, 7, 17, 33, 64] {
            let spec = digits_net("mlp", Placement::Both, Firing::Stochastic);
            same_on_any_number_of_threads("mlp", &spec, engine, batch, SGD);
            let spec = tiny_net(Firing::Stochastic);
            same_on_any_number_of_threads("tiny", &spec, engine, batch, ADAM);
            let spec = grouped_net(Firing::Stochastic);
            same_on_any_number_of_threads("grouped", &spec, engine, batch, ADAM);
            let spec = signs_net("disarm");
            same_on_any_number_of_threads("signs", &spec, engine, batch, ADAM);
        }
    }
}

/// A whole run, data set and augmentation included.
#[test]
fn a_run_folder() {
    let run = |threads: usize| {
        crate::common::pool(threads).install(|| {
            let folder = tempfile::tempdir().unwrap();
            let data = digits::generate(2, 150, 40);
            let mut config =
                Config::reference(tiny_net(Firing::Stochastic), DatasetRecord::of(&data));
            (config.epochs, config.batch, config.lr) = (2, 31, 0.05);
            config.augment = Augment::Elastic;
            let mut run = RunFolder::create(folder.path(), config, false).unwrap();
            let stop = false.into();
            let test = train(
                &mut run,
                &data,
                crate::common::fastest(),
                &stop,
                &mut |_| {},
            )
            .unwrap();
            let best = bnn_cpu::model::weights::read_any(&run.file("best.safetensors"));
            let bytes = bnn_cpu::model::weights::digest(&best.unwrap().0);
            let losses: Vec<_> = run
                .metrics()
                .unwrap()
                .iter()
                .map(|r| (r.train_loss.to_bits(), r.val_loss.map(f64::to_bits)))
                .collect();
            (bytes, losses, test.loss.to_bits())
        })
    };
    let alone = run(1);
    assert_eq!(alone.1.len(), 2);
    for threads in [2, 3, 8] {
        assert!(run(threads) == alone, "{threads} threads differ from one");
    }
}

/// Rows, and every number that is learned, of a network that is no chain.
#[test]
fn graphs() {
    for estimator in ["st", "disarm", "muprop"] {
        for threads in &THREADS[1..] {
            let losses = |threads: usize| {
                crate::common::pool(threads).install(|| {
                    let data = digits::generate(5, 70, 1);
                    let spec = graph_net(estimator);
                    let mut trainee =
                        Trainee::new(&spec, crate::common::fastest(), 33, ADAM, 0.002, 3);
                    let batch: Vec<u32> = (0..33).collect();
                    let step = |_| trainee.step(&data.train, &batch).to_bits();
                    let losses: Vec<u64> = (0..STEPS).map(step).collect();
                    (losses, crate::common::bits(trainee.net.params().values()))
                })
            };
            assert!(
                losses(*threads) == losses(1),
                "{estimator}: {threads} threads differ from one"
            );
        }
    }
}
