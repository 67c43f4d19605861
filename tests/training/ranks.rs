//! Same seed, same bits, on any number of ranks, with any number of threads each. The ranks are
//! threads that exchange numbers as processes do (`ranks::local`); `tests/tools/mpi.sh` compares
//! processes.

use std::path::Path;
use std::time::Duration;

use crate::common::nets::{
    ADAM, digits_net, few_shot_encoder, graph_net, grouped_net, signs_net, tiny_net,
};
use bnn_cpu::data::{Augment, Dataset, digits, testing_set::alphabets};
use bnn_cpu::estimators::{self, Firing};
use bnn_cpu::kernels::Engine;
use bnn_cpu::layers::{Conv, Linear, Weights};
use bnn_cpu::model::{ModelSpec, Placement, preset, weights};
use bnn_cpu::ranks::{Ranks, local};
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::{
    Baseline, Best, Config, DatasetRecord, Event, Observer, PartialConfig, State, Subject,
    train_in_memory, train_in_memory_on,
};
use bnn_cpu::{Error, Result};

const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `work` on each of that many ranks, in a pool of that many threads, and returns what each
/// gives.
fn on<T: Send>(ranks: usize, threads: usize, work: impl Fn(&Ranks) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let work = &work;
        let start = |(rank, transport)| {
            scope.spawn(move || {
                // Some ranks let sums travel on a thread of their own, some wait for them.
                let ranks = Ranks::over(transport, rank % 2 == 0);
                crate::common::pool(threads).install(|| work(&ranks))
            })
        };
        let transports = local(ranks, PATIENCE).into_iter().enumerate();
        let threads: Vec<_> = transports.map(start).collect();
        let ends = threads.into_iter().map(|thread| thread.join());
        ends.map(|end| end.expect("no panic")).collect()
    })
}

/// Keeps digests of what an observer is given.
#[derive(Debug, Default, PartialEq)]
struct Kept {
    best: Vec<String>,
    checkpoints: Vec<String>,
    losses: Vec<u64>,
    stop_after: Option<usize>,
}

impl Observer for Kept {
    fn event(&mut self, event: Event<'_>) -> Result<()> {
        if let Event::Step { step_loss, .. } = event {
            self.losses.push(step_loss.to_bits());
        }
        Ok(())
    }

    fn best(&mut self, best: &Best) -> Result<()> {
        self.best.push(weights::digest(&best.tensors));
        Ok(())
    }

    fn checkpoint(&mut self, state: &State<'_>) -> Result<()> {
        self.checkpoints.push(weights::digest(&state.tensors()));
        Ok(())
    }

    fn stops(&self) -> bool {
        self.stop_after.is_some_and(|n| self.losses.len() >= n)
    }
}

/// Everything that a training leaves behind, to the bit.
#[derive(Debug, PartialEq)]
struct Outcome {
    kept: Kept,
    history: Vec<Vec<u64>>,
    test: Vec<u64>,
    weights: Vec<u32>,
}

fn outcome(ranks: &Ranks, config: &Config, data: &Dataset, engine: Engine) -> Outcome {
    let mut kept = Kept::default();
    let trained = train_in_memory_on(ranks, config, data, engine, &mut kept).unwrap();
    let bits = |x: f64| x.to_bits();
    let of_epoch = |r: &bnn_cpu::train::EpochRecord| {
        let shares = r.saturated_layers.values().chain(r.flip_ratios.values());
        let all = [r.train_loss, r.train_accuracy]
            .into_iter()
            .chain(r.val_loss)
            .chain(r.val_accuracy)
            .chain(r.saturated)
            .chain(r.bit_flips)
            .chain(shares.copied());
        all.map(bits).collect()
    };
    let test = &trained.test;
    let means = test.mean_of_16.iter().chain(&test.threshold);
    let means = means.flat_map(|e| [e.loss, e.accuracy]);
    Outcome {
        history: trained.history.iter().map(of_epoch).collect(),
        test: [test.loss, test.accuracy]
            .into_iter()
            .chain(means)
            .map(bits)
            .collect(),
        weights: crate::common::bits(trained.network.params().values()),
        kept,
    }
}

/// Trains on several numbers of ranks, and compares everything with one rank alone.
fn same_on_any_number_of_ranks(
    name: &str,
    config: &Config,
    data: &Dataset,
    engine: Engine,
    counts: &[(usize, usize)],
) {
    config.check(data).unwrap_or_else(|e| panic!("{name}: {e}"));
    let alone = outcome(&Ranks::default(), config, data, engine);
    assert!(alone.kept.losses.len() >= 3, "{name}: too few steps");
    for &(ranks, threads) in counts {
        let all = on(ranks, threads, |ranks| {
            let found = outcome(ranks, config, data, engine);
            (found, ranks.traffic().received > 0)
        });
        for (rank, (found, received)) in all.into_iter().enumerate() {
            assert!(
                found == alone,
                "{name}: rank {rank} of {ranks} with {threads} threads differs from one: {:?} and {:?}",
                (&found.kept, &found.history, &found.test),
                (&alone.kept, &alone.history, &alone.test),
            );
            assert!(received, "{name}: nothing was exchanged");
        }
    }
}

const ALL: [(usize, usize); 4] = [(2, 1), (3, 2), (4, 1), (8, 1)];

/// A short run of that network on digits; the last batch of an epoch is a short one.
fn short(spec: ModelSpec, data: &Dataset, batch: usize) -> Config {
    let mut config = Config::reference(spec, DatasetRecord::of(data));
    (config.epochs, config.batch, config.lr) = (2, batch, 0.02);
    config.suit_samples();
    config.suit_baseline();
    config
}

#[test]
fn every_kind_of_layer() {
    let data = digits::generate(3, 90, 30);
    let stoch = Firing::Stochastic;
    let both = Placement::Both;
    let det = digits_net("seed-net", Placement::Both, Firing::Deterministic);
    let mut binary = preset("mlp", Shape::image(1, 28, 28), 10).unwrap();
    binary.set_weights(Weights::Binary);
    for layer in &mut binary.layers {
        layer.update::<Conv>(|conv| (conv.scale, conv.bias) = (true, true));
        layer.update::<Linear>(|linear| (linear.scale, linear.bias) = (true, true));
    }
    for (name, spec, batch) in [
        ("tiny", tiny_net(stoch), 31),
        ("grouped", grouped_net(stoch), 33),
        ("seed-net", digits_net("seed-net", both, stoch), 40),
        ("seed-net det", det, 64),
        ("binary weights", binary, 26),
        ("graph", graph_net("st"), 17),
    ] {
        let config = short(spec, &data, batch);
        same_on_any_number_of_ranks(name, &config, &data, crate::common::fastest(), &ALL);
    }
}

/// On each instruction set, and for batches with fewer rows than leaves, chunks or ranks.
#[test]
fn batches_of_every_size_on_every_instruction_set() {
    let data = digits::generate(4, 50, 11);
    for engine in crate::common::engines() {
        for batch in [2, 3, 7, 16, 20] {
            let mut config = short(tiny_net(Firing::Stochastic), &data, batch);
            config.epochs = 1;
            let name = format!("batch {batch} on {}", engine.kernels.isa.name());
            same_on_any_number_of_ranks(&name, &config, &data, engine, &[(2, 1), (3, 1), (8, 1)]);
        }
    }
}

/// Digits through one binary layer below the last layer.
fn last_net(estimator: &str) -> ModelSpec {
    let mut spec = digits_net("mlp", Placement::Last, Firing::Stochastic);
    spec.place(Placement::Last, Firing::Stochastic, estimator)
        .unwrap();
    spec
}

#[test]
fn every_estimator() {
    let data = digits::generate(5, 60, 10);
    let mut seen = 0;
    for estimator in estimators::all() {
        let name = estimator.info().name;
        for graph in [false, true] {
            // Differences are known above the last layer alone.
            let spec = match (graph, estimator.needs_differences()) {
                (true, true) => continue,
                (false, true) => last_net(name),
                (true, false) => graph_net(name),
                (false, false) => signs_net(name),
            };
            let mut config = short(spec, &data, 21);
            (config.epochs, config.optimiser, config.lr) = (1, ADAM, 0.002);
            seen += 1;
            let what = format!("{name}, graph {graph}");
            same_on_any_number_of_ranks(
                &what,
                &config,
                &data,
                crate::common::fastest(),
                &[(2, 1), (3, 2)],
            );
        }
    }
    assert!(seen >= 2 * estimators::all().len() - 2, "{seen}");
}

#[test]
fn samples_and_baselines() {
    let data = digits::generate(6, 60, 10);
    for (estimator, samples, baseline) in [
        ("reinforce", 4, Baseline::Loo),
        ("reinforce", 1, Baseline::Nvil),
        ("reinforce", 2, Baseline::Batch),
        ("reinforce", 1, Baseline::Ema),
        ("double-cv", 3, Baseline::Loo),
        ("rebar+local-expectation", 1, Baseline::None),
    ] {
        let mut spec = digits_net("seed-net", Placement::Both, Firing::Stochastic);
        spec.place(Placement::Both, Firing::Stochastic, estimator)
            .unwrap();
        let mut config = short(spec, &data, 20);
        (config.samples, config.baseline, config.epochs) = (samples, baseline, 1);
        let name = format!("{estimator}, {samples} samples, {baseline:?}");
        same_on_any_number_of_ranks(
            &name,
            &config,
            &data,
            crate::common::fastest(),
            &[(2, 2), (4, 1)],
        );
    }
}

#[test]
fn augmentation_and_clipping() {
    let data = digits::generate(7, 70, 10);
    for augment in [Augment::Affine, Augment::Elastic] {
        let mut config = short(tiny_net(Firing::Stochastic), &data, 31);
        (config.augment, config.clip_norm) = (augment, 0.5);
        same_on_any_number_of_ranks("augmented", &config, &data, crate::common::fastest(), &ALL);
    }
}

#[test]
fn episodes() {
    let data = alphabets(8, 6, 10);
    for unit in [
        r#"{"type": "activation", "function": "relu"}"#,
        r#"{"type": "binary", "mode": "stoch"}"#,
    ] {
        let text = format!(
            r#"{{"model": {{"from": {}}}, "epochs": 1, "augment": "affine",
            "task": {{"name": "few-shot", "way": 3, "queries": 4, "train_way": 4, "train_queries": 3,
            "scale": 0.1, "episodes": 8, "eval_episodes": 30, "test_alphabets": 2,
            "val_alphabets": 1, "rotations": true}}}}"#,
            few_shot_encoder(unit)
        );
        let partial = PartialConfig::parse(&text, Path::new("test.json")).unwrap();
        let config = partial.complete(&Subject::of(&data)).unwrap();
        same_on_any_number_of_ranks(unit, &config, &data, crate::common::fastest(), &ALL);
    }
}

/// Layers whose weights are far larger than a cache: all images at once, by columns.
#[test]
fn large_weights() {
    let data = digits::generate(8, 12, 4);
    let text = r#"{"name":"large","input":{"channels":1,"height":28,"width":28},"layers":[
        {"type":"conv","name":"conv1","out":192,"kernel":5,"stride":4},
        {"type":"batch_norm","name":"bn1"},
        {"type":"activation","function":"relu"},
        {"type":"conv","name":"conv2","out":192,"kernel":3,"padding":1},
        {"type":"batch_norm","name":"bn2"},
        {"type":"max_pool","kernel":2},
        {"type":"binary","mode":"stoch","estimator":"st"},
        {"type":"linear","name":"fc1","out":700},
        {"type":"activation","function":"relu"},
        {"type":"linear","name":"fc2","out":10}]}"#;
    let mut spec: ModelSpec = serde_json::from_str(text).unwrap();
    spec.pixels = Some(crate::common::nets::PIXELS);
    let mut config = short(spec, &data, 4);
    config.epochs = 1;
    let net =
        bnn_cpu::model::Network::sampled(&config.model, crate::common::fastest(), 4, 1).unwrap();
    let ways: Vec<String> = net.ways().into_iter().map(|(_, way)| way).collect();
    assert!(ways.iter().any(|way| way.contains("together")), "{ways:?}");
    assert!(
        ways.iter().any(|way| way.contains("where they are")),
        "{ways:?}"
    );
    same_on_any_number_of_ranks(
        "large",
        &config,
        &data,
        crate::common::fastest(),
        &[(2, 1), (3, 1)],
    );
}

#[test]
fn where_one_stops_all_do() {
    let data = digits::generate(9, 90, 10);
    let config = short(tiny_net(Firing::Stochastic), &data, 16);
    let ends = on(3, 1, |ranks| {
        let mut kept = Kept {
            stop_after: (ranks.rank() == 1).then_some(2),
            ..Kept::default()
        };
        let end = train_in_memory_on(ranks, &config, &data, crate::common::fastest(), &mut kept);
        let line = match end {
            Err(Error::Interrupted(line)) => line,
            Err(other) => other.to_string(),
            Ok(_) => "it went on".into(),
        };
        (line, kept.losses, kept.checkpoints)
    });
    for end in &ends {
        assert_eq!(end.0, "interrupted in epoch 1, step 2");
        assert_eq!((end.1.len(), end.2.len()), (2, 1));
        assert_eq!(end.1, ends[0].1);
        assert_eq!(end.2, ends[0].2);
    }
}

#[test]
fn ranks_that_are_not_alike_are_refused_before_the_first_step() {
    let data = digits::generate(9, 90, 10);
    let config = short(tiny_net(Firing::Stochastic), &data, 16);
    let refused = |of: &(dyn Fn(usize) -> (Config, Dataset, Engine) + Sync), want: &str| {
        let ends = on(3, 1, |ranks| {
            let (config, data, engine) = of(ranks.rank());
            let mut kept = Kept::default();
            let end = train_in_memory_on(ranks, &config, &data, engine, &mut kept);
            assert!(kept.losses.is_empty());
            end.map(|_| ()).unwrap_err().to_string()
        });
        for line in ends {
            assert!(line.starts_with(want), "{line}");
            assert_eq!(line.lines().count(), 1);
        }
    };
    let engines = crate::common::engines();
    if engines.len() > 1 {
        let of = |rank| {
            (
                config.clone(),
                data.clone(),
                engines[usize::from(rank == 2)],
            )
        };
        refused(&of, "rank 2 has the kernels ");
    }
    let other = digits::generate(10, 90, 10);
    let of = |rank| {
        let data = if rank == 1 { &other } else { &data };
        (config.clone(), data.clone(), crate::common::fastest())
    };
    refused(&of, "");
    let of = |rank| {
        let mut config = config.clone();
        config.seed += rank as u64 / 2;
        (config, data.clone(), crate::common::fastest())
    };
    refused(&of, "rank 2 has other settings than rank 0; ");
}

/// A rank that ends without a word ends the others in a line.
#[test]
fn a_rank_that_dies_ends_the_others() {
    let data = digits::generate(9, 90, 10);
    let config = short(tiny_net(Firing::Stochastic), &data, 16);
    let transports = local(3, Duration::from_millis(1500));
    let begun = std::time::Instant::now();
    let lines: Vec<String> = std::thread::scope(|scope| {
        let (config, data) = (&config, &data);
        let start = |(rank, transport)| {
            scope.spawn(move || {
                let ranks = Ranks::over(transport, true);
                let mut steps = 0;
                let mut dies = |event: Event<'_>| {
                    steps += usize::from(matches!(event, Event::Step { .. }));
                    assert!(rank != 1 || steps < 3, "the rank that dies");
                };
                let end =
                    train_in_memory_on(&ranks, config, data, crate::common::fastest(), &mut dies);
                end.map(|_| ()).unwrap_err().to_string()
            })
        };
        let threads: Vec<_> = transports.into_iter().enumerate().map(start).collect();
        let ends = threads.into_iter().map(|thread| thread.join());
        ends.filter_map(|end| end.ok()).collect()
    });
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert!(
            line.ends_with("another rank did not answer within 1.5 s"),
            "{line}"
        );
    }
    assert!(begun.elapsed() < Duration::from_secs(30));
}

/// A training without ranks is what it was: nothing is exchanged.
#[test]
fn a_rank_alone_exchanges_nothing() {
    let data = digits::generate(9, 60, 10);
    let config = short(tiny_net(Firing::Stochastic), &data, 16);
    let alone = local(1, PATIENCE).remove(0);
    let ranks = Ranks::over(alone, true);
    assert!(ranks.is_alone());
    let found = outcome(&ranks, &config, &data, crate::common::fastest());
    assert_eq!(ranks.traffic(), Default::default());
    let mut kept = Kept::default();
    train_in_memory(&config, &data, crate::common::fastest(), &mut kept).unwrap();
    assert_eq!(found.kept, kept);
}
