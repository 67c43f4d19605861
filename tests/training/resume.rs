//! A run that is stopped and continued ends as one that was never stopped, to
//! the byte; and what cannot be continued says so.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::nets::{ADAM, SGD, tiny_net};
use bnn_cpu::data::{Augment, Dataset, Ground, Split, digits};
use bnn_cpu::error::{Error, Result};
use bnn_cpu::estimators::Firing;
use bnn_cpu::kernels::Engine;
use bnn_cpu::model::{ModelSpec, Placement, weights};
use bnn_cpu::train::{
    Baseline, Config, DatasetRecord, Event, LrSchedule, OptimiserSpec, RunFolder, SlopeKind,
    SlopeSchedule, TestRecord, train,
};

/// 126 training images (14 are for validation) in batches of 29: five steps an
/// epoch, the last of them short.
fn data() -> Dataset {
    digits::generate(4, 140, 30)
}

const STEPS: usize = 5;
const EPOCHS: usize = 3;

/// Halves the rate after each epoch that does not lower the validation loss.
const PLATEAU: LrSchedule = LrSchedule::Plateau {
    factor: 0.5,
    patience: 0,
    min: 0.0,
};

fn config(data: &Dataset, model: ModelSpec, optimiser: OptimiserSpec) -> Config {
    let mut config = Config::reference(model, DatasetRecord::of(data));
    (config.epochs, config.batch) = (EPOCHS, 29);
    config.optimiser = optimiser;
    config.lr = if matches!(optimiser, OptimiserSpec::Sgd { .. }) {
        0.05
    } else {
        0.003
    };
    assert_eq!(config.steps_per_epoch(), STEPS);
    config
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

/// What a finished run must have in common with an unbroken one.
#[derive(Debug, PartialEq)]
struct Finished {
    best: Vec<bnn_cpu::model::weights::NamedTensor>,
    /// Weights, optimiser and batch norm of the last step; not the times.
    tensors: Vec<bnn_cpu::model::weights::NamedTensor>,
    losses: Vec<(u64, Option<u64>)>,
    rates: Vec<f64>,
    flips: Vec<std::collections::BTreeMap<String, f64>>,
    /// Saturated units and changed bits, of each epoch.
    activity: Vec<[std::collections::BTreeMap<String, f64>; 2]>,
    test: (u64, u64, usize),
}

fn finished(run: &RunFolder, test: &TestRecord) -> Finished {
    let sorted = |name: &str| {
        let mut tensors = weights::read_any(&run.file(name)).unwrap().0;
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        tensors
    };
    let records = run.metrics().unwrap();
    assert_eq!(records.len(), run.config().epochs);
    Finished {
        best: sorted("best.safetensors"),
        tensors: sorted("checkpoint.safetensors"),
        losses: records
            .iter()
            .map(|r| (r.train_loss.to_bits(), r.val_loss.map(f64::to_bits)))
            .collect(),
        rates: records.iter().map(|r| r.lr).collect(),
        flips: records.iter().map(|r| r.flip_ratios.clone()).collect(),
        activity: records
            .iter()
            .map(|r| [r.saturated_layers.clone(), r.bit_flips_layers.clone()])
            .collect(),
        test: (test.loss.to_bits(), test.accuracy.to_bits(), test.epoch),
    }
}

fn unbroken(config: &Config, data: &Dataset, engine: Engine) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let mut run = RunFolder::create(folder.path(), config.clone(), false).unwrap();
    let test = work(&mut run, data, engine, None).unwrap();
    finished(&run, &test)
}

/// Stops after each of `stops` further steps, opening the folder anew each time.
fn broken(config: &Config, data: &Dataset, engine: Engine, stops: &[usize]) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    drop(RunFolder::create(folder.path(), config.clone(), false).unwrap());
    for &stop in stops {
        let mut run = RunFolder::resume(folder.path()).unwrap();
        let error = work(&mut run, data, engine, Some(stop)).unwrap_err();
        assert!(matches!(error, Error::Interrupted(_)), "{error}");
        assert!(error.to_string().contains("saved in"), "{error}");
    }
    let mut run = RunFolder::resume(folder.path()).unwrap();
    let test = work(&mut run, data, engine, None).unwrap();
    finished(&run, &test)
}

fn assert_resumes(name: &str, config: &Config, stops: &[&[usize]]) {
    let data = data();
    let engine = crate::common::fastest();
    let want = unbroken(config, &data, engine);
    for stops in stops {
        assert!(
            broken(config, &data, engine, stops) == want,
            "{name}, stopped after {stops:?} steps, differs from an unbroken run"
        );
    }
}

fn every_optimiser() -> [(&'static str, OptimiserSpec); 5] {
    let sgd = |momentum, nesterov, weight_decay| OptimiserSpec::Sgd {
        momentum,
        nesterov,
        weight_decay,
    };
    [
        ("sgd", sgd(0.0, false, 0.0)),
        ("momentum", SGD),
        ("nesterov", sgd(0.8, true, 0.01)),
        ("adam", ADAM),
        (
            "adamw",
            OptimiserSpec::AdamW {
                beta1: 0.9,
                beta2: 0.99,
                eps: 1e-7,
                weight_decay: 0.05,
            },
        ),
    ]
}

#[test]
fn every_optimiser_resumes_exactly() {
    let data = data();
    for (name, optimiser) in every_optimiser() {
        let config = config(&data, tiny_net(Firing::Deterministic), optimiser);
        // In the middle of an epoch, at its end, and twice.
        assert_resumes(name, &config, &[&[3], &[STEPS], &[1, 4, 3]]);
    }
}

#[test]
fn what_estimators_and_baselines_learn_resumes_exactly() {
    for (estimator, samples, baseline) in [
        ("rebar", 1, Baseline::None),
        ("double-cv", 2, Baseline::Loo),
        ("reinforce", 1, Baseline::Ema),
        ("reinforce", 2, Baseline::Nvil),
        ("disarm", 2, Baseline::None),
    ] {
        let mut model = tiny_net(Firing::Stochastic);
        model
            .place(Placement::Both, Firing::Stochastic, estimator)
            .unwrap();
        let mut config = config(&data(), model, ADAM);
        (config.samples, config.baseline) = (samples, baseline);
        assert_resumes(estimator, &config, &[&[3, STEPS]]);
    }
}

#[test]
fn units_are_watched_and_their_bits_resume_exactly() {
    let config = config(&data(), tiny_net(Firing::Stochastic), SGD);
    // At an epoch's end the bits to compare with lie in the checkpoint alone.
    assert_resumes("watched", &config, &[&[STEPS], &[STEPS, STEPS]]);
    let activity = unbroken(&config, &data(), crate::common::fastest()).activity;
    for (epoch, [saturated, flips]) in activity.iter().enumerate() {
        assert_eq!(saturated.len(), 2, "{saturated:?}");
        assert!(saturated.values().all(|&share| (0.0..1.0).contains(&share)));
        // The one binary unit; the first epoch has none to compare with.
        assert_eq!(flips.len(), usize::from(epoch > 0));
        assert!(flips.values().all(|&share| 0.0 < share && share < 0.5));
    }
}

#[test]
fn binary_weights_and_their_flips_resume_exactly() {
    let mut model = tiny_net(Firing::Deterministic);
    model.pixels = None;
    model.set_weights(bnn_cpu::layers::Weights::Binary);
    let mut config = config(&data(), model, ADAM);
    config.normalise_by(&data());
    assert_resumes("binary weights", &config, &[&[STEPS + 1], &[1, STEPS, 1]]);
    let flips = unbroken(&config, &data(), crate::common::fastest()).flips;
    assert!(
        flips
            .iter()
            .all(|f| f.len() == 4 && f.values().any(|&r| r > 0.0))
    );
}

#[test]
fn a_stop_after_any_step_resumes_exactly() {
    let config = config(&data(), tiny_net(Firing::Stochastic), SGD);
    let stops: Vec<[usize; 1]> = (1..STEPS * EPOCHS).map(|k| [k]).collect();
    let stops: Vec<&[usize]> = stops.iter().map(|s| &s[..]).collect();
    assert_resumes("stochastic", &config, &stops);
    assert_resumes(
        "stochastic, every step",
        &config,
        &[&[1; STEPS * EPOCHS - 1]],
    );
}

#[test]
fn augmentation_and_schedules_resume_exactly() {
    for augment in [Augment::Shift, Augment::Affine, Augment::Elastic] {
        for (lr_schedule, slope) in [
            (LrSchedule::ONE_CYCLE, SlopeKind::Linear),
            (LrSchedule::Cosine { min: 1e-4 }, SlopeKind::Cosine),
            (PLATEAU, SlopeKind::None),
        ] {
            let mut config = config(&data(), tiny_net(Firing::Stochastic), ADAM);
            (config.augment, config.lr_schedule) = (augment, lr_schedule);
            config.slope = SlopeSchedule {
                rate: 0.5,
                ..SlopeSchedule::new(slope)
            };
            assert_resumes(augment.name(), &config, &[&[2, 6]]);
        }
    }
}

/// The rate is lowered on the way, by what was found before an interruption.
#[test]
fn a_plateau_lowers_the_rate_and_resumes_exactly() {
    let mut config = config(&data(), tiny_net(Firing::Deterministic), SGD);
    // A rate at which the validation loss does not fall in every epoch.
    (config.lr, config.lr_schedule, config.epochs) = (1.0, PLATEAU, 8);
    let (data, engine) = (data(), crate::common::fastest());
    let found = unbroken(&config, &data, engine);
    let rates = found.rates.clone();
    assert_eq!(rates[0], 1.0);
    assert!(rates[7] < 1.0, "the rate never falls: {rates:?}");
    let losses = found
        .losses
        .iter()
        .map(|loss| f64::from_bits(loss.1.unwrap()));
    assert_eq!(rates, rates_by_hand(1.0, losses));
    let lowered = rates.iter().position(|&rate| rate < 1.0).unwrap();
    // In the middle of the epoch before, of that epoch, and between the two.
    for stop in [lowered * STEPS - 2, lowered * STEPS + 2, lowered * STEPS] {
        assert!(broken(&config, &data, engine, &[stop]) == found, "{stop}");
    }
}

/// [`PLATEAU`] written out.
fn rates_by_hand(mut rate: f64, losses: impl Iterator<Item = f64>) -> Vec<f64> {
    let (mut rates, mut least) = (Vec::new(), f64::INFINITY);
    for loss in losses {
        rates.push(rate);
        match loss < least * (1.0 - 1e-4) {
            true => least = loss,
            false => rate *= 0.5,
        }
    }
    rates
}

/// Without anything to validate on there is no loss to follow.
#[test]
fn a_plateau_needs_validation_images() {
    let mut config = config(&data(), tiny_net(Firing::Deterministic), SGD);
    config.lr_schedule = PLATEAU;
    config.check_settings().unwrap();
    config.val_fraction = 0.0;
    let error = config.check_settings().unwrap_err().to_string();
    assert!(error.contains("nothing is kept for validation"), "{error}");
}

/// The images of dark ink on a light ground, and the ground by which a run continues them.
#[test]
fn a_light_ground_is_recorded_and_resumes_exactly() {
    let light = |split: &Split| {
        let images = split.images().map(|p| 255 - p);
        Split::new(images, split.labels().to_vec()).unwrap()
    };
    let dark = data();
    let data = Dataset::new("light", 10, light(&dark.train), light(&dark.test)).unwrap();
    let mut config = config(&data, tiny_net(Firing::Deterministic), ADAM);
    config.augment = Augment::Affine;
    assert_eq!(config.dataset.ground, Ground::from(vec![255]));
    let engine = crate::common::fastest();
    let unbroken_run = unbroken(&config, &data, engine);
    assert_eq!(broken(&config, &data, engine, &[2, 6]), unbroken_run);
    let text = serde_json::to_string(&config).unwrap();
    assert!(text.contains(r#""ground":[255]"#), "{text}");
    assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), config);
    // A record from before the ground was noted is of a run that continued its images by 0, and
    // goes on so; it is another run.
    let text = text.replace(r#","ground":[255]"#, "");
    let older: Config = serde_json::from_str(&text).unwrap();
    assert_eq!(older.dataset.ground, Ground::default());
    assert_ne!(unbroken(&older, &data, engine), unbroken_run);
    let said = older.difference(&config).unwrap();
    assert_eq!(said, "dataset.ground: 255 is not 0");
    // Where nothing is continued the ground makes no difference.
    let plain = |config: &Config| Config {
        augment: Augment::None,
        ..config.clone()
    };
    assert_eq!(plain(&older).difference(&plain(&config)), None);
    config.dataset.ground = vec![1, 2].into();
    let error = config.check_settings().unwrap_err().to_string();
    assert!(
        error.contains("one value for each of the 1 channels"),
        "{error}"
    );
}

/// The tests above would pass if nothing mattered: each setting must matter.
#[test]
fn settings_change_the_result() {
    let data = data();
    let engine = crate::common::fastest();
    let plain = config(&data, tiny_net(Firing::Stochastic), SGD);
    let changes: [fn(&mut Config); 6] = [
        |c| c.seed = 2,
        |c| c.augment = Augment::Shift,
        |c| c.lr_schedule = LrSchedule::ONE_CYCLE,
        |c| c.slope = SlopeSchedule::new(SlopeKind::Linear),
        |c| c.model = tiny_net(Firing::Deterministic),
        |c| c.optimiser = ADAM,
    ];
    let mut seen = vec![unbroken(&plain, &data, engine).losses];
    for change in changes {
        let mut config = plain.clone();
        change(&mut config);
        let losses = unbroken(&config, &data, engine).losses;
        assert!(!seen.contains(&losses), "a setting without effect");
        seen.push(losses);
    }
}

/// A folder with a run that was stopped after `steps` steps.
fn stopped(config: &Config, data: &Dataset, steps: usize) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let mut run = RunFolder::create(folder.path(), config.clone(), false).unwrap();
    work(&mut run, data, crate::common::fastest(), Some(steps)).unwrap_err();
    let file = run.file("checkpoint.safetensors");
    (folder, file)
}

/// What continuing the run in `folder` says.
fn refusal(folder: &Path, data: &Dataset) -> String {
    let mut run = RunFolder::resume(folder).unwrap();
    let line = work(&mut run, data, crate::common::fastest(), None)
        .expect_err("the checkpoint must be refused")
        .to_string();
    assert!(!line.contains('\n'), "more than one line: {line}");
    assert!(
        line.contains("checkpoint.safetensors"),
        "names no file: {line}"
    );
    line
}

#[test]
fn checkpoints_that_cannot_be_used_are_refused() {
    let data = data();
    let config_sgd = config(&data, tiny_net(Firing::Deterministic), SGD);
    let (folder, file) = stopped(&config_sgd, &data, 3);
    let whole = std::fs::read(&file).unwrap();

    for length in [0, 7, 8, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&file, &whole[..length]).unwrap();
        let line = refusal(folder.path(), &data);
        assert!(line.contains("cut short"), "{length} bytes: {line}");
    }

    let at = whole
        .windows(11)
        .position(|w| w == b"format\\\":2,")
        .expect("the format is in the metadata");
    let mut newer = whole.clone();
    newer[at + 9] = b'7';
    std::fs::write(&file, bnn_cpu::container::reseal(newer).unwrap()).unwrap();
    let line = refusal(folder.path(), &data);
    assert!(
        line.contains("format 7, newer") && line.contains("update"),
        "{line}"
    );

    // A file of another run, whatever it holds.
    let (_keep, theirs) = stopped(&config_sgd, &data, 3);
    std::fs::copy(theirs, &file).unwrap();
    let line = refusal(folder.path(), &data);
    assert!(line.contains("another run"), "{line}");

    // What another run's file says, as if it had been written here.
    let put = |theirs: &Path| {
        let found: weights::Opened<serde_json::Value> = weights::open(theirs).unwrap();
        let run = RunFolder::resume(folder.path()).unwrap();
        run.write_weights("checkpoint.safetensors", &found.tensors, &found.about)
            .unwrap();
    };
    let other = config(&data, tiny_net(Firing::Stochastic), SGD);
    let (_keep, theirs) = stopped(&other, &data, 3);
    put(&theirs);
    let line = refusal(folder.path(), &data);
    assert!(line.contains("another model"), "{line}");

    let other = config(&data, tiny_net(Firing::Deterministic), ADAM);
    let (_keep, theirs) = stopped(&other, &data, 3);
    put(&theirs);
    let line = refusal(folder.path(), &data);
    assert!(line.contains("another optimiser"), "{line}");

    // A file of weights is no checkpoint.
    let (_keep, theirs) = stopped(&config_sgd, &data, STEPS + 1);
    put(&theirs.with_file_name("best.safetensors"));
    refusal(folder.path(), &data);

    // The file as it was is still good.
    std::fs::write(&file, whole).unwrap();
    let mut run = RunFolder::resume(folder.path()).unwrap();
    work(&mut run, &data, crate::common::fastest(), None).unwrap();
}

#[test]
fn a_run_has_one_writer_and_is_not_replaced_unasked() {
    let data = data();
    let config = config(&data, tiny_net(Firing::Deterministic), SGD);
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(folder.path(), config.clone(), false).unwrap();
    let line = RunFolder::resume(folder.path()).unwrap_err().to_string();
    assert!(line.contains("in use by another process"), "{line}");
    drop(run);
    let line = RunFolder::create(folder.path(), config.clone(), false)
        .unwrap_err()
        .to_string();
    assert!(line.contains("already holds a run"), "{line}");
    assert_eq!(RunFolder::open(folder.path()).unwrap().config(), &config);
    RunFolder::create(folder.path(), config, true).unwrap();
}

#[test]
fn other_data_and_another_instruction_set_are_noticed() {
    let data = data();
    let config = config(&data, tiny_net(Firing::Deterministic), SGD);
    let (folder, _) = stopped(&config, &data, 3);
    let mut run = RunFolder::resume(folder.path()).unwrap();
    let fewer = digits::generate(4, 120, 30);
    let line = work(&mut run, &fewer, crate::common::fastest(), None)
        .unwrap_err()
        .to_string();
    assert!(line.contains("the run was made with"), "{line}");

    let engines = crate::common::engines();
    let mut warnings = Vec::new();
    let stop = AtomicBool::new(false);
    train(&mut run, &data, engines[0], &stop, &mut |event| {
        // What is said of an epoch is not of the resumption.
        if let Event::Warning(line) = event
            && !line.starts_with("epoch ")
        {
            warnings.push(line);
        }
    })
    .unwrap();
    if engines.len() == 1 {
        assert!(warnings.is_empty(), "{warnings:?}");
    } else {
        let name = crate::common::fastest().kernels.isa.name();
        assert!(
            warnings.len() == 1 && warnings[0].contains(&format!("made with {name} kernels")),
            "{warnings:?}"
        );
    }
}

#[test]
fn a_loss_that_is_not_finite_stops_and_keeps_the_checkpoint() {
    let data = data();
    let mut config = config(&data, tiny_net(Firing::Deterministic), SGD);
    // The first epoch is sound; the second one's rate is beyond all measure.
    config.lr_schedule = LrSchedule::Step {
        every: 1,
        factor: 1e19,
    };
    let folder = tempfile::tempdir().unwrap();
    let mut run = RunFolder::create(folder.path(), config, false).unwrap();
    let error = work(&mut run, &data, crate::common::fastest(), None).unwrap_err();
    let line = error.to_string();
    assert!(matches!(error, Error::Diverged(_)), "{line}");
    assert!(
        line.contains("epoch 2") && line.contains("lower lr"),
        "{line}"
    );
    let kept = run.network(crate::common::fastest(), 8).unwrap();
    assert!(kept.params().values().iter().all(|x| x.is_finite()));
    assert_eq!(run.metrics().unwrap().len(), 1);
}
