//! Training without a folder: the same bits as with one, and an observer is given all that
//! a folder keeps, in the order in which it must be kept.

mod common;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use bnn_cpu::data::{Dataset, digits};
use bnn_cpu::estimators::Firing;
use bnn_cpu::model::weights::{self, Data, NamedTensor};
use bnn_cpu::train::{
    BEST, Best, Checkpoint, Config, DatasetRecord, EpochRecord, Event, Observer, RunFolder, State,
    train, train_in_memory,
};
use bnn_cpu::{Error, Result};
use common::nets::tiny_net;

/// 90 images to train on in batches of 32: three steps an epoch, of two epochs.
fn setting() -> (Dataset, Config) {
    let data = digits::generate(6, 100, 25);
    let mut config = Config::reference(tiny_net(Firing::Stochastic), DatasetRecord::of(&data));
    (config.epochs, config.batch, config.seed, config.lr) = (2, 32, 9, 0.05);
    (data, config)
}

/// A record without what the clock says.
fn timeless(record: &EpochRecord) -> EpochRecord {
    EpochRecord {
        img_per_s: 0.0,
        seconds: 0.0,
        ..record.clone()
    }
}

#[test]
fn training_in_memory_equals_a_run_in_a_folder() {
    let (data, config) = setting();
    let trained = train_in_memory(&config, &data, common::fastest(), &mut |_: Event<'_>| {});
    let trained = trained.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let mut run = RunFolder::create(folder.path(), config, false).unwrap();
    let stop = AtomicBool::new(false);
    let test = train(&mut run, &data, common::fastest(), &stop, &mut |_| {}).unwrap();
    let kept: Vec<_> = run.metrics().unwrap().iter().map(timeless).collect();
    let own: Vec<_> = trained.history.iter().map(timeless).collect();
    assert_eq!(own.len(), 2);
    assert_eq!(own, kept);
    assert_eq!(
        (
            trained.test.epoch,
            trained.test.loss,
            trained.test.mean_of_16
        ),
        (test.epoch, test.loss, test.mean_of_16)
    );
    let (best, _) = weights::read_any(&run.file(BEST)).unwrap();
    let own = weights::export(trained.network.params());
    assert!(!own.is_empty());
    assert_eq!(weights::digest(&own), weights::digest(&best));
    assert_eq!(trained.network.pass().slope, 1.0);
}

/// Notes what it is given, and stops or fails where it is told to.
#[derive(Default)]
struct Notes {
    said: Vec<String>,
    tensors: Vec<NamedTensor>,
    steps: usize,
    stop_after: Option<usize>,
    fail_at: Option<&'static str>,
}

impl Notes {
    fn note(&mut self, what: String) -> Result<()> {
        let fails = self.fail_at.is_some_and(|at| what.starts_with(at));
        self.said.push(what);
        match fails {
            true => Err(Error::spec("the observer's disk is full")),
            false => Ok(()),
        }
    }
}

impl Observer for Notes {
    fn event(&mut self, event: Event<'_>) -> Result<()> {
        let what = match event {
            Event::Begin { epoch, .. } => format!("begin {epoch}"),
            Event::Step { .. } => {
                self.steps += 1;
                return Ok(());
            }
            Event::Validating { epoch } => format!("validating {epoch}"),
            Event::Epoch { record, .. } => format!("epoch {}", record.epoch),
            Event::Warning(_) => return Ok(()),
            Event::Testing { .. } => "testing".into(),
            Event::Test(test) => format!("test of {} images", test.images),
        };
        self.note(what)
    }

    fn best(&mut self, best: &Best) -> Result<()> {
        assert!(!best.tensors.is_empty());
        self.note(format!("best {}", best.about.epoch))
    }

    fn checkpoint(&mut self, state: &State<'_>) -> Result<()> {
        let Checkpoint { progress, .. } = state.about();
        let what = format!("checkpoint {}.{}", progress.epoch, progress.step);
        self.tensors = state.tensors();
        self.note(what)
    }

    fn stops(&self) -> bool {
        self.stop_after == Some(self.steps)
    }

    fn kept_in(&self) -> Option<&Path> {
        let kept = !self.tensors.is_empty();
        kept.then(|| Path::new("a drawer"))
    }
}

#[test]
fn an_observer_is_given_all_that_lasts_in_the_order_in_which_it_is_kept() {
    let (data, config) = setting();
    let mut notes = Notes::default();
    train_in_memory(&config, &data, common::fastest(), &mut notes).unwrap();
    assert_eq!(notes.steps, 6);
    let mut said: Vec<&str> = notes.said.iter().map(String::as_str).collect();
    // The second epoch may be worse.
    said.retain(|what| *what != "best 2");
    let expected = [
        "begin 1",
        "validating 1",
        "best 1",
        "checkpoint 2.0",
        "epoch 1",
        "validating 2",
        "checkpoint 3.0",
        "epoch 2",
        "testing",
        "test of 25 images",
    ];
    assert_eq!(said, expected);
}

#[test]
fn an_observer_stops_training_after_a_checkpoint() {
    let (data, config) = setting();
    let mut notes = Notes {
        stop_after: Some(4),
        ..Notes::default()
    };
    let stopped = train_in_memory(&config, &data, common::fastest(), &mut notes);
    let Err(Error::Interrupted(line)) = stopped else {
        panic!("training was not interrupted");
    };
    assert_eq!(notes.said.last().unwrap(), "checkpoint 2.1");
    assert_eq!(line, "interrupted in epoch 2, step 1; saved in a drawer");
    let names: Vec<_> = notes.tensors.iter().map(|t| t.name.as_str()).collect();
    assert!(names.contains(&"optimiser.0"), "{names:?}");
}

/// What a user is told of a run in a folder: where it lies, and how to go on.
#[test]
fn messages_name_the_place_of_the_last_checkpoint() {
    let (data, mut config) = setting();
    let folder = tempfile::tempdir().unwrap();
    let mut run = RunFolder::create(folder.path(), config.clone(), false).unwrap();
    let (stop, mut steps) = (AtomicBool::new(false), 0);
    let stopped = train(&mut run, &data, common::fastest(), &stop, &mut |event| {
        if let Event::Step { .. } = event {
            steps += 1;
            stop.store(steps == 4, Ordering::Relaxed);
        }
    });
    let line = stopped.unwrap_err().to_string();
    let place = folder.path().display();
    assert_eq!(
        line,
        format!("interrupted in epoch 2, step 1; saved in {place}")
    );
    // Of an observer that has kept something before.
    config.lr = 1e30;
    let tensor = NamedTensor {
        name: "a".into(),
        shape: vec![0],
        data: Data::F32(Vec::new()),
    };
    let mut notes = Notes {
        tensors: vec![tensor],
        ..Notes::default()
    };
    let diverged = train_in_memory(&config, &data, common::fastest(), &mut notes);
    let line = diverged.err().unwrap().to_string();
    assert!(
        line.contains("; the last good checkpoint is kept in a drawer; "),
        "{line}"
    );
}

#[test]
fn an_observers_error_ends_training() {
    let (data, config) = setting();
    for at in [
        "begin",
        "best",
        "checkpoint",
        "epoch 1",
        "testing",
        "test of",
    ] {
        let mut notes = Notes {
            fail_at: Some(at),
            ..Notes::default()
        };
        let ended = train_in_memory(&config, &data, common::fastest(), &mut notes);
        let line = ended.err().map(|error| error.to_string());
        assert_eq!(line.as_deref(), Some("the observer's disk is full"), "{at}");
        assert!(notes.said.last().unwrap().starts_with(at), "{at}");
    }
}

#[test]
fn without_an_observers_place_messages_name_none() {
    let (data, mut config) = setting();
    config.lr = 1e30;
    let diverged = train_in_memory(&config, &data, common::fastest(), &mut |_: Event<'_>| {});
    let Err(Error::Diverged(line)) = diverged else {
        panic!("a rate of 1e30 did not diverge");
    };
    assert!(
        line.contains("no longer finite") && !line.contains("kept"),
        "{line}"
    );
    // Another set than the configuration's is refused before a step.
    let other = digits::generate(7, 100, 25);
    let refused = train_in_memory(&config, &other, common::fastest(), &mut |_: Event<'_>| {});
    let line = refused.err().unwrap().to_string();
    assert!(line.contains("not what the run was made with"), "{line}");
}
