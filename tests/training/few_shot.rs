//! Few-shot runs over a small set of strokes made in memory: what they learn, that the same
//! seed gives the same bits, and what is refused. No figure here says anything of Omniglot.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::nets::few_shot_encoder;
use bnn_cpu::data::episodes::Deck;
use bnn_cpu::data::testing_set::alphabets;
use bnn_cpu::data::{Dataset, Split};
use bnn_cpu::error::{Error, Result};
use bnn_cpu::kernels::Engine;
use bnn_cpu::layers::FewShot;
use bnn_cpu::model::{Network, Support, weights};
use bnn_cpu::packed::Reading as Bits;
use bnn_cpu::tape::{Mode, Units};
use bnn_cpu::train::{
    Config, Event, FewShotTest, PartialConfig, Reading, RunFolder, Subject, TestRecord, train,
    train_in_memory,
};

/// Eight alphabets of six characters, ten drawings each.
fn data() -> Dataset {
    alphabets(8, 6, 10)
}

const RELU: &str = r#"{"type": "activation", "function": "relu"}"#;
const DET: &str = r#"{"type": "binary", "mode": "det"}"#;
const STOCH: &str = r#"{"type": "binary", "mode": "stoch"}"#;

/// A run of that encoder with further settings.
fn config(data: &Dataset, unit: &str, more: &str) -> Result<Config> {
    let text = format!(
        r#"{{"model": {{"from": {}}}, "epochs": 2, {more}
        "task": {{"name": "few-shot", "way": 3, "queries": 4, "train_way": 4, "train_queries": 3,
        "scale": 0.1, "episodes": 20, "eval_episodes": 60, "test_alphabets": 2,
        "val_alphabets": 1, "rotations": true}}}}"#,
        few_shot_encoder(unit)
    );
    let partial = PartialConfig::parse(&text, Path::new("test.json"))?;
    partial.complete(&Subject::of(data))
}

fn sound(data: &Dataset, unit: &str, more: &str) -> Config {
    let config = config(data, unit, more).unwrap();
    config.check(data).unwrap();
    config
}

#[test]
fn a_short_run_tells_unseen_characters_apart() {
    let data = data();
    for unit in [RELU, DET, STOCH] {
        let mut config = sound(&data, unit, "");
        config.epochs = 4;
        let done = train_in_memory(&config, &data, crate::common::fastest(), &mut |_: Event<
            '_,
        >| {});
        let test = done.unwrap().test;
        let record = test.few_shot.clone().unwrap();
        assert_eq!(
            (record.way, record.shot, record.queries, record.episodes),
            (3, 1, 4, 60)
        );
        assert_eq!(
            (record.test_alphabets.len(), record.test_characters),
            (2, 12)
        );
        assert_eq!((record.val_alphabets.len(), record.val_characters), (1, 6));
        assert_eq!(test.images, 60 * 3 * 4);
        test.check(&config).unwrap();
        // Chance is a third.
        let certain = test.accuracy - record.interval;
        assert!(
            certain > 0.6,
            "{unit}: {} +- {}",
            test.accuracy,
            record.interval
        );
        assert_eq!(test.mean_of_16.is_some(), unit == STOCH);
    }
}

/// Works at the run until `stop_after` more steps are done, or to its end.
fn work(
    run: &mut RunFolder,
    data: &Dataset,
    engine: Engine,
    stop_after: Option<usize>,
) -> Result<TestRecord> {
    let (stop, mut steps) = (AtomicBool::new(false), 0);
    train(run, data, engine, &stop, &mut |event| {
        if let Event::Step { .. } = event {
            steps += 1;
            if Some(steps) == stop_after {
                stop.store(true, Ordering::Relaxed);
            }
        }
    })
}

/// What a run leaves behind, without its times.
fn left(run: &RunFolder, test: &TestRecord) -> (Vec<weights::NamedTensor>, Vec<u64>) {
    let mut tensors = weights::read_any(&run.file("checkpoint.safetensors"))
        .unwrap()
        .0;
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let records = run.metrics().unwrap();
    let mut numbers: Vec<u64> = records
        .iter()
        .flat_map(|r| [r.train_loss, r.train_accuracy, r.val_loss.unwrap()])
        .chain([
            test.loss,
            test.accuracy,
            test.few_shot.as_ref().unwrap().interval,
        ])
        .map(f64::to_bits)
        .collect();
    numbers.push(test.epoch as u64);
    (tensors, numbers)
}

#[test]
fn threads_and_interruptions_change_no_bit() {
    let data = data();
    let engine = crate::common::fastest();
    for unit in [RELU, STOCH] {
        // Two episodes a step, varied images and clipped gradients.
        let config = sound(
            &data,
            unit,
            r#""batch": 32, "augment": "shift", "clip_norm": 0.5,"#,
        );
        assert_eq!(config.steps_per_epoch(), 10);
        let unbroken = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let folder = tempfile::tempdir().unwrap();
                let mut run = RunFolder::create(folder.path(), config.clone(), false).unwrap();
                let test = work(&mut run, &data, engine, None).unwrap();
                left(&run, &test)
            })
        };
        let want = unbroken(1);
        assert!(unbroken(3) == want, "{unit}: three threads");
        let folder = tempfile::tempdir().unwrap();
        drop(RunFolder::create(folder.path(), config.clone(), false).unwrap());
        for stop in [3, 7, 4] {
            let mut run = RunFolder::resume(folder.path()).unwrap();
            let error = work(&mut run, &data, engine, Some(stop)).unwrap_err();
            assert!(matches!(error, Error::Interrupted(_)), "{error}");
        }
        let mut run = RunFolder::resume(folder.path()).unwrap();
        let test = work(&mut run, &data, engine, None).unwrap();
        assert!(left(&run, &test) == want, "{unit}: a run that was stopped");
    }
}

/// An evaluation embeds each image once, and compares; the tape has whole episodes. Both give
/// one accuracy.
#[test]
fn an_evaluation_is_what_the_network_says_of_the_same_episodes() {
    let data = data();
    let config = sound(&data, RELU, "");
    let task = config.task.few_shot().unwrap();
    let characters = task.characters(&data).unwrap();
    let engine = crate::common::fastest();
    let mut net = Network::new(&config.model, engine, config.batch, false).unwrap();
    net.init(config.init, 3);
    let test = FewShotTest {
        task,
        characters: &characters,
        test: true,
    };
    let found = test.evaluate(&mut net, Reading::Samples(1), (1, 1));

    // The same weights below a head of the evaluation's episodes.
    let mut spec = config.model.clone();
    let own = FewShot {
        way: task.way,
        shot: task.shot,
        queries: task.queries,
        ..task.layer()
    };
    assert!(
        spec.layers
            .last_mut()
            .unwrap()
            .update::<FewShot>(|head| *head = own)
    );
    let rows = own.episode().rows();
    let mut whole = Network::new(&spec, engine, rows, false).unwrap();
    whole.init(config.init, 3);
    whole.pass_mut().mode = Mode::Eval;
    let (mut loss, mut shares) = (0.0, Vec::new());
    for number in 0..task.eval_episodes {
        let mut drawn = Vec::new();
        let key = [0, 2, 1, number as u64];
        task.evaluation()
            .draw(&characters.test, &key, &mut Deck::default(), &mut drawn);
        whole.set_rows(rows);
        for (row, drawn) in drawn.iter().enumerate() {
            let image = characters.images.image(drawn.image as usize);
            whole.set_row(row, image, drawn.class);
        }
        whole.forward();
        let support = own.episode().support();
        loss += whole.losses()[support..]
            .iter()
            .map(|&l| f64::from(l))
            .sum::<f64>();
        let answers = whole
            .logits()
            .chunks_exact(task.way)
            .zip(&drawn)
            .skip(support);
        let right =
            answers.filter(|(z, drawn)| bnn_cpu::model::argmax(z) == Some(drawn.class as usize));
        shares.push(right.count() as f64 / own.episode().asked() as f64);
    }
    let n = shares.len() as f64;
    let mean = shares.iter().sum::<f64>() / n;
    let variance = shares.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (n - 1.0);
    assert!((found.all.accuracy - mean).abs() < 1e-12);
    assert!((found.interval - 1.96 * (variance / n).sqrt()).abs() < 1e-12);
    let queries = n * own.episode().asked() as f64;
    assert!((found.all.loss - loss / queries).abs() < 1e-5);
}

/// The packed form ends in the embedding, and of bits in the very bits of the trained
/// network: what a support set answers to them is the same to the bit.
#[test]
fn packed_answers_are_the_trained_network_s_to_the_bit() {
    const WIDTH: usize = 64;
    let data = data();
    let engine = crate::common::fastest();
    for (unit, signs) in [
        (DET, false),
        (
            r#"{"type": "binary", "mode": "det", "levels": "-1/+1"}"#,
            true,
        ),
    ] {
        let mut config = sound(&data, unit, "");
        config.epochs = 1;
        let done = train_in_memory(&config, &data, engine, &mut |_: Event<'_>| {}).unwrap();
        let mut net = done.network;
        let packed = net.pack().unwrap();
        let mut runner = packed.runner(engine);
        runner.read_as(Bits::Threshold);
        assert_eq!(packed.classes(), WIDTH, "an embedding of 2x2x16 bits");
        (net.pass_mut().mode, net.pass_mut().units) = (Mode::Eval, Units::Threshold);

        let split: &Split = &data.test;
        let mut sets = [0; 2]
            .map(|_| Support::new(config.task.few_shot().unwrap().layer().comparison(), WIDTH));
        let mut embed = |i: usize| {
            net.set_rows(1);
            net.set_image(0, split.image(i));
            net.forward();
            let mut bits = vec![0.0; WIDTH];
            runner.logits(split.image(i), &mut bits);
            assert_eq!(net.embeddings(), bits, "image {i}");
            let low = if signs { -1.0 } else { 0.0 };
            assert!(bits.iter().all(|&b| b == low || b == 1.0));
            [net.embeddings().to_vec(), bits]
        };
        let mut queries = Vec::new();
        for i in 0..split.len() {
            let both = embed(i);
            let class = split.label(i) as usize;
            match class < 5 && i % 2 == 0 {
                true => {
                    for (set, numbers) in sets.iter_mut().zip(&both) {
                        set.teach(&class.to_string(), numbers).unwrap();
                    }
                }
                false => queries.push(both),
            }
        }
        assert!(sets[1].is_bits() && sets[1].len() == 5);
        for both in queries {
            let mut z = [[0.0_f32; 5]; 2];
            for ((set, numbers), z) in sets.iter().zip(&both).zip(&mut z) {
                set.logits(numbers, z);
            }
            assert_eq!(z[0].map(f32::to_bits), z[1].map(f32::to_bits));
        }
    }
}

#[test]
fn what_makes_no_episode_is_refused_in_a_line() {
    let data = data();
    let refused = |unit: &str, more: &str, change: fn(&mut Config)| {
        let found = config(&data, unit, more).and_then(|mut config| {
            change(&mut config);
            config.check(&data)
        });
        let line = found.unwrap_err().to_string();
        assert!(!line.contains('\n'), "{line}");
        line
    };
    fn with(config: &mut Config, change: impl Fn(&mut bnn_cpu::train::FewShotTask)) {
        if let bnn_cpu::train::Task::FewShot(task) = &mut config.task {
            change(task);
            let head = task.layer();
            let last = config.model.layers.last_mut().unwrap();
            last.update::<FewShot>(|now| *now = head);
            config.batch = head.episode().rows();
        }
    }
    let keep: fn(&mut Config) = |_| {};
    for (line, what) in [
        (
            refused(RELU, "", |c| with(c, |t| t.way = 7)),
            "task.way: 7 classes are more than the 6",
        ),
        (
            refused(RELU, "", |c| with(c, |t| t.queries = 10)),
            "task.queries: 10 and a shot of 1 need 11 pictures",
        ),
        (
            refused(RELU, "", |c| with(c, |t| t.train_way = 500)),
            "task.train_way: 500 classes are more than the 120",
        ),
        (
            refused(RELU, "", |c| with(c, |t| t.train_queries = 10)),
            "task.train_queries: 10",
        ),
        (
            refused(RELU, "", |c| with(c, |t| t.test_alphabets = 7)),
            "has 8 alphabets where 7",
        ),
        (
            refused(RELU, r#""batch": 17,"#, keep),
            "batch: 17 images are no whole episodes of 16",
        ),
        (
            refused(RELU, r#""batch": 48,"#, keep),
            "task.episodes: 20 episodes an epoch are no whole steps of 3",
        ),
        (
            refused(RELU, r#""val_fraction": 0.2,"#, keep),
            "val_fraction: has no effect",
        ),
        (
            refused(
                r#"{"type": "binary", "mode": "stoch", "estimator": "reinforce"}"#,
                "",
                keep,
            ),
            "model.estimator: reinforce learns from the loss of each image",
        ),
        (
            refused(
                r#"{"type": "binary", "mode": "stoch", "estimator": "arm"}"#,
                "",
                keep,
            ),
            "model.estimator: arm learns from",
        ),
        (
            refused(RELU, "", |c| {
                let last = c.model.layers.len() - 1;
                c.model.layers[last] = bnn_cpu::layers::Linear::new(4).into();
                c.model.layers[last].name = Some("fc".into());
            }),
            "does not end in the head of the task",
        ),
        (
            refused(RELU, "", |c| c.task = bnn_cpu::train::Task::Classify),
            "task.name: small ends in a few-shot head",
        ),
    ] {
        assert!(line.contains(what), "{line}");
    }
    let text = r#"{"task": {"way": 3}}"#;
    let partial = PartialConfig::parse(text, Path::new("t.json")).unwrap();
    let line = partial
        .complete(&Subject::of(&data))
        .unwrap_err()
        .to_string();
    assert!(
        line.contains("task.way: has no effect with classify"),
        "{line}"
    );
}

/// Every rule that follows gradients learns in an episode as it stands.
#[test]
fn every_pathwise_rule_takes_a_step() {
    let data = data();
    let mut count = 0;
    for estimator in bnn_cpu::estimators::all() {
        if estimator.score_function().is_some() || estimator.needs_differences() {
            continue;
        }
        count += 1;
        let name = estimator.info().name;
        let unit = format!(r#"{{"type": "binary", "mode": "stoch", "estimator": "{name}"}}"#);
        let mut config = sound(&data, &unit, "");
        config.epochs = 1;
        if let bnn_cpu::train::Task::FewShot(task) = &mut config.task {
            (task.episodes, task.eval_episodes) = (2, 5);
        }
        let done = train_in_memory(&config, &data, crate::common::fastest(), &mut |_: Event<
            '_,
        >| {});
        assert!(done.unwrap().test.loss.is_finite(), "{name}");
    }
    assert!(count >= 8, "{count} rules");
}

/// A configuration is what its fewest settings make of it, and says nothing of the task where
/// that is the usual one.
#[test]
fn a_configuration_states_its_task_and_reads_back() {
    let data = data();
    let config = sound(&data, DET, "");
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), config);
    let (fewest, exact) = PartialConfig::of(&config);
    assert!(exact);
    assert_eq!(fewest.complete(&Subject::of(&data)).unwrap(), config);
    let usual = PartialConfig::default()
        .complete(&Subject::of(&data))
        .unwrap();
    let text = serde_json::to_string(&usual).unwrap();
    assert!(
        !text.contains("task") && !text.contains("clip_norm"),
        "{text}"
    );
}

/// Counts whose products no machine could hold are refused like others that are too great.
#[test]
fn counts_beyond_all_bounds_are_refused() {
    let (data, most) = (data(), usize::MAX);
    for task in [
        format!(r#""train_way": {most}, "train_shot": {most}"#),
        format!(r#""train_way": {most}, "train_queries": 2"#),
        format!(r#""way": {most}, "queries": 3, "eval_episodes": {most}"#),
    ] {
        let text = format!(
            r#"{{"task": {{"name": "few-shot", {task}}}, "lr_schedule": {{"name": "plateau"}}}}"#
        );
        let partial = PartialConfig::parse(&text, Path::new("test.json")).unwrap();
        let config = partial.complete(&Subject::of(&data)).unwrap();
        let error = config.check_settings().unwrap_err().to_string();
        let refused = ["must be from", "is too large"];
        assert!(refused.iter().any(|what| error.contains(what)), "{error}");
    }
}

/// The suite's rows are whole runs: the published protocol and proper training.
#[cfg(feature = "report")]
#[test]
fn every_row_of_the_suite_is_a_run() {
    let suite = bnn_cpu::study::Suite::named("few-shot").unwrap();
    let data = suite.data.as_ref().unwrap();
    assert_eq!(data.set.as_deref(), Some("omniglot"));
    assert_eq!(data.size.unwrap().to_string(), "28x28");
    let subject = Subject::of(&self::data());
    let (mut hundred, mut proper, mut published) = (0, 0, 0);
    for row in &suite.rows {
        let config = suite
            .config(row, &subject, 1, &PartialConfig::default())
            .unwrap();
        config.check_settings().unwrap();
        let task = config.task.few_shot().unwrap();
        let episodes = task.episodes * config.epochs;
        match row.id.starts_with("hundred") {
            true => hundred += usize::from(episodes == 100 && !task.rotations),
            false => proper += usize::from(episodes == 12_000 && task.rotations),
        }
        published += usize::from(row.published.is_some());
        assert_eq!((task.way, task.queries, task.eval_episodes), (5, 15, 1000));
        assert_eq!((task.test_alphabets, task.val_alphabets), (8, 3));
        assert_eq!(task.shot, task.train_shot);
        assert_eq!(task.shot, if row.id.starts_with("five") { 5 } else { 1 });
    }
    assert_eq!((hundred, proper, published), (11, 16, 5));
}
