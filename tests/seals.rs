//! One flipped bit anywhere in any file that the program writes and reads again is
//! noticed: every bit of every file of a small run, of its cell and of its table. And
//! progress that no run can have made is refused.

mod common;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use bnn_cpu::container;
use bnn_cpu::data::{Dataset, Split};
use bnn_cpu::model::{ModelSpec, weights};
use bnn_cpu::packed::PackedNet;
use bnn_cpu::seal;
use bnn_cpu::study::{CellRecord, Finish, Suite, Table};
use bnn_cpu::train::{
    self, BestWeights, Checkpoint, Config, DatasetRecord, Event, FILES, Progress, RunFolder,
};

/// Six pixels, three classes, 20 images.
fn data() -> Dataset {
    let split = |n: u32| {
        let pixels = (0..n * 6).map(|i| (i * 37 % 251) as u8).collect();
        let images = ndarray::Array4::from_shape_vec((n as usize, 2, 3, 1), pixels).unwrap();
        Split::new(images, (0..n).map(|i| i % 3).collect()).unwrap()
    };
    Dataset::new("small", 3, split(20), split(6)).unwrap()
}

fn config(data: &Dataset) -> Config {
    const NET: &str = r#"{"name":"small","input":{"channels":1,"height":2,"width":3},"layers":[
        {"type":"linear","name":"a","out":2,"bias":false,"weights":"binary"},
        {"type":"batch_norm","name":"n"},{"type":"binary","mode":"det"},{"type":"linear","name":"b","out":3}]}"#;
    let spec = ModelSpec::parse(NET, Path::new("net.json")).unwrap();
    let mut config = Config::reference(spec, DatasetRecord::of(data));
    (config.epochs, config.batch) = (2, 6);
    config.normalise_by(data);
    config
}

/// A complete run with a packed network.
fn run(folder: &Path) -> RunFolder {
    let data = data();
    let mut run = RunFolder::create(folder, config(&data), false).unwrap();
    let stop = AtomicBool::new(false);
    train::train(&mut run, &data, common::fastest(), &stop, &mut |_| ()).unwrap();
    let net = run.network(common::fastest(), 1).unwrap();
    let packed = net.pack().unwrap().with_lineage(run.lineage());
    run.write(train::PACKED, &packed.to_bytes().unwrap())
        .unwrap();
    run
}

/// Whether a run is found sound, every file of it.
fn sound(folder: &Path) -> bool {
    match RunFolder::open(folder) {
        Ok(run) => train::verify(&run).iter().all(|f| f.outcome.is_ok()),
        Err(_) => false,
    }
}

#[test]
fn every_bit_of_every_file_of_a_run_counts() {
    let folder = tempfile::tempdir().unwrap();
    drop(run(folder.path()));
    assert!(sound(folder.path()));
    let mut flipped = 0;
    for name in FILES {
        let file = folder.path().join(name);
        let whole = std::fs::read(&file).unwrap();
        // Whatever reads the file notices; verifying a run reads each of them.
        for at in 0..whole.len() {
            // One bit of each byte through the file system, all eight below.
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            std::fs::write(&file, &bytes).unwrap();
            assert!(!sound(folder.path()), "{name}, byte {at}");
            flipped += 1;
        }
        std::fs::write(&file, &whole).unwrap();
    }
    assert!(sound(folder.path()));
    println!(
        "{flipped} bytes of {} files, each with a flipped bit: all noticed",
        FILES.len()
    );
}

#[test]
fn every_bit_of_weights_and_packed_networks_counts() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path());
    let here = Path::new("file");
    type Reader = fn(&[u8], &Path) -> bool;
    let readers: [(&str, Reader); 3] = [
        (train::BEST, |b, p| {
            weights::decode::<BestWeights>(b, p).is_ok()
        }),
        (train::CHECKPOINT, |b, p| {
            weights::decode::<Checkpoint>(b, p).is_ok()
        }),
        (train::PACKED, |b, _| PackedNet::from_bytes(b).is_ok()),
    ];
    let mut flipped = 0;
    for (name, reads) in readers {
        let whole = run.read(name, 1 << 20).unwrap().unwrap();
        assert!(reads(&whole, here), "{name}");
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                assert!(!reads(&bytes, here), "{name}, byte {at}, bit {bit}");
                // Neither does it become a file of another program's.
                assert!(weights::decode_any(&bytes, here).is_err());
                flipped += 1;
            }
        }
    }
    println!("{flipped} flipped bits: all noticed");
}

#[test]
fn every_bit_of_cells_and_tables_counts() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path());
    let record = CellRecord {
        suite: "mlp".into(),
        row: "none".into(),
        config: run.config().clone(),
        finish: Finish::Test(run.test().unwrap().unwrap()),
        history: run.metrics().unwrap(),
        inferred: vec![],
        missing: vec![],
        origin: run.origin().cloned(),
        sealed: true,
    };
    let file = folder.path().join("cell.json");
    record.write(&file).unwrap();
    let cell = std::fs::read(&file).unwrap();
    let parse = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).map_err(|_| ())?;
        CellRecord::parse(&text, &file).map_err(drop)
    };
    assert_eq!(parse(&cell).unwrap(), record);
    let suite = Suite::named("mlp").unwrap();
    let table = Table::new(
        &suite,
        &run.config().dataset,
        "c".into(),
        &suite.rows,
        &[record],
    );
    let text = table.json().unwrap();
    assert_eq!(Table::parse(&text, &file).unwrap(), table);
    for (name, whole) in [("cell", cell), ("table", text.into_bytes())] {
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            let Ok(text) = String::from_utf8(bytes) else {
                continue;
            };
            let read = match name {
                "cell" => CellRecord::parse(&text, &file).is_ok(),
                _ => Table::parse(&text, &file).is_ok(),
            };
            assert!(!read, "{name}, byte {at}");
        }
    }
}

/// A run that was stopped in its second epoch, after two steps of three.
fn stopped(folder: &Path) -> (RunFolder, weights::Opened<Checkpoint>) {
    let data = data();
    let mut run = RunFolder::create(folder, config(&data), false).unwrap();
    let (stop, mut steps) = (AtomicBool::new(false), 0);
    train::train(&mut run, &data, common::fastest(), &stop, &mut |event| {
        if let Event::Step { .. } = event {
            steps += 1;
            stop.store(steps == 5, Ordering::Relaxed);
        }
    })
    .unwrap_err();
    let found: weights::Opened<Checkpoint> = run.weights(train::CHECKPOINT).unwrap().unwrap();
    let progress = &found.about.progress;
    assert_eq!((progress.epoch, progress.step, progress.seen), (2, 2, 12));
    (run, found)
}

#[test]
fn progress_that_no_run_can_have_made_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (mut run, found) = stopped(folder.path());
    let data = data();
    type Change = fn(&mut Progress);
    let changes: [(&str, Change); 24] = [
        ("epoch 0", |p| p.epoch = 0),
        ("an epoch too early", |p| p.epoch = 1),
        ("an epoch too late", |p| p.epoch = 3),
        ("an epoch beyond all", |p| p.epoch = usize::MAX),
        ("a step too late", |p| p.step = 3),
        ("a step beyond all", |p| p.step = usize::MAX),
        ("fewer images than steps have", |p| p.seen = 6),
        ("no images", |p| p.seen = 0),
        ("more images than there are", |p| p.seen = 1 << 40),
        ("more right than seen", |p| p.right = 13),
        ("a loss that is infinite", |p| p.loss_sum = f64::INFINITY),
        ("seconds below 0", |p| p.seconds = -1.0),
        ("no best epoch", |p| p.best = None),
        ("another best epoch", |p| p.best = Some((2, 0.1))),
        ("another best loss", |p| p.best = Some((1, -1.0))),
        ("no history", |p| p.history.clear()),
        ("a history too long", |p| {
            p.history.push(p.history[0].clone())
        }),
        ("another epoch's record", |p| p.history[0].epoch = 2),
        ("a slope of 0", |p| p.history[0].slope = 0.0),
        ("a slope below 0", |p| p.history[0].slope = -1.0),
        ("an accuracy above 1", |p| p.history[0].train_accuracy = 1.5),
        ("a rate below 0", |p| p.history[0].lr = -0.1),
        ("no validation", |p| p.history[0].val_loss = None),
        ("a share below 0", |p| p.history[0].saturated = Some(-0.5)),
    ];
    let stop = AtomicBool::new(false);
    for (what, change) in changes {
        let mut about = found.about.clone();
        change(&mut about.progress);
        run.write_weights(train::CHECKPOINT, &found.tensors, &about)
            .unwrap();
        let outcome = train::train(&mut run, &data, common::fastest(), &stop, &mut |_| ());
        let line = match outcome {
            Err(error) => error.to_string(),
            Ok(_) => panic!("{what} was accepted"),
        };
        assert!(
            line.contains("checkpoint.safetensors") && !line.contains('\n'),
            "{what}: {line}"
        );
    }
    // A number that is none, in weights or in the optimiser's state.
    for name in ["a.weight", "optimiser.0"] {
        let mut tensors = found.tensors.clone();
        let tensor = tensors.iter_mut().find(|t| t.name == name).unwrap();
        match &mut tensor.data {
            weights::Data::F32(x) => x[0] = f32::NAN,
            weights::Data::I64(_) => unreachable!("a weight is real"),
        }
        run.write_weights(train::CHECKPOINT, &tensors, &found.about)
            .unwrap();
        let outcome = train::train(&mut run, &data, common::fastest(), &stop, &mut |_| ());
        let line = outcome.unwrap_err().to_string();
        assert!(line.contains("not finite"), "{line}");
    }
    run.write_weights(train::CHECKPOINT, &found.tensors, &found.about)
        .unwrap();
    train::train(&mut run, &data, common::fastest(), &stop, &mut |_| ()).unwrap();
    assert!(sound(folder.path()));
}

#[test]
fn best_weights_without_a_slope_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path());
    let found: weights::Opened<BestWeights> = run.weights(train::BEST).unwrap().unwrap();
    type Change = fn(&mut BestWeights);
    let changes: [Change; 5] = [
        |b| b.slope = 0.0,
        |b| b.slope = -1.0,
        |b| b.epoch = 3,
        |b| b.seed = 9,
        |b| b.data_sha256 = "5".repeat(64),
    ];
    for change in changes {
        let mut about = found.about.clone();
        change(&mut about);
        run.write_weights(train::BEST, &found.tensors, &about)
            .unwrap();
        assert!(run.network(common::fastest(), 1).is_err());
        run.best().unwrap_err();
    }
}

#[test]
fn a_seal_that_was_made_to_fit_does_not_make_a_file_the_runs() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path());
    let whole = run.read(train::BEST, 1 << 20).unwrap().unwrap();
    let id = run.origin().unwrap().run_id.clone();
    let at = whole
        .windows(id.len())
        .position(|w| w == id.as_bytes())
        .unwrap();
    let mut other = whole;
    other[at] = if other[at] == b'0' { b'1' } else { b'0' };
    let other = container::reseal(other).unwrap();
    run.write(train::BEST, &other).unwrap();
    let line = run.best().unwrap_err().to_string();
    assert!(line.contains("is of another run"), "{line}");
    let text = String::from_utf8(run.read(train::TEST, 1 << 20).unwrap().unwrap()).unwrap();
    let content = seal::open(&text).unwrap().content;
    let alone = seal::text(&content, None).unwrap();
    run.write(train::TEST, alone.as_bytes()).unwrap();
    let line = run.test().unwrap_err().to_string();
    assert!(
        line.contains("does not say that it is of this run"),
        "{line}"
    );
}
