//! Images of several channels, each of which is centred and scaled by its own mean and
//! deviation: what training reads, what is packed, what files hold and what is refused.

use std::sync::atomic::AtomicBool;

use crate::common::{bits, engines, fastest};
use bnn_cpu::channels::Channels;
use bnn_cpu::container;
use bnn_cpu::data::{Dataset, Split};
use bnn_cpu::model::{ModelSpec, Network, Normalise, Pixels, verify};
use bnn_cpu::packed::{self, PackedNet, Reading, Values};
use bnn_cpu::tape::Mode;
use bnn_cpu::train::{Config, DatasetRecord, RunFolder, train};
use ndarray::Array4;

/// Images of 5x4 with three channels of very different brightness.
fn data(channels: usize) -> Dataset {
    let split = |count: usize| {
        let pixel = |(n, y, x, c): (usize, usize, usize, usize)| {
            let noise = (n * 37 + y * 11 + x * 5 + c * 3 + n % 3 * y * 9) % 60;
            (noise + c * 80) as u8
        };
        let images = Array4::from_shape_fn((count, 5, 4, channels), pixel);
        Split::new(images, (0..count as u32).map(|n| n % 3).collect()).unwrap()
    };
    Dataset::new("made up", 3, split(60), split(21)).unwrap()
}

fn spec(channels: usize) -> ModelSpec {
    let text = r#"{"name":"n","input":{"channels":CHANNELS,"height":5,"width":4},"layers":[
        {"type":"conv","name":"a","out":4,"kernel":3,"padding":1},
        {"type":"batch_norm","name":"n"},{"type":"binary","mode":"det","levels":"-1/+1"},
        {"type":"linear","name":"b","out":3}]}"#;
    serde_json::from_str(&text.replace("CHANNELS", &channels.to_string())).unwrap()
}

fn config(channels: usize, data: &Dataset) -> Config {
    let mut config = Config::reference(spec(channels), DatasetRecord::of(data));
    (config.epochs, config.batch, config.lr) = (1, 16, 0.05);
    config.normalise_by(data);
    config
}

/// Mean and population deviation of a channel in units of 255, by the definition.
fn figures(split: &Split, channels: usize, c: usize) -> (f64, f64) {
    let own = || split.pixels().iter().skip(c).step_by(channels);
    let count = own().count() as f64;
    let mean = own().map(|&p| f64::from(p) / 255.0).sum::<f64>() / count;
    let squares = own().map(|&p| (f64::from(p) / 255.0 - mean).powi(2));
    (mean, (squares.sum::<f64>() / count).sqrt())
}

#[test]
fn a_network_reads_what_each_channel_is_by_its_own_mean_and_deviation() {
    let data = data(3);
    let config = config(3, &data);
    let Some(Pixels::Normalised(Normalise { mean, std })) = &config.model.pixels else {
        panic!("{:?}", config.model.pixels);
    };
    let mut net = Network::new(&config.model, fastest(), 2, true).unwrap();
    net.set_rows(2);
    for row in 0..2 {
        net.set_row(row, data.train.image(row), 0);
    }
    let by_rows = net.input().to_vec();
    let mut all = 0.0f64;
    for c in 0..3 {
        let (m, s) = figures(&data.train, 3, c);
        assert!(
            (f64::from(mean.of(c)) - m).abs() < 1e-6 && (f64::from(std.of(c)) - s).abs() < 1e-6
        );
        for (i, x) in by_rows.iter().enumerate().filter(|(i, _)| i % 3 == c) {
            let byte = data.train.image(i / 60)[i % 60];
            let want = (f64::from(byte) / 255.0 - m) / s;
            assert!((f64::from(*x) - want).abs() < 1e-4, "{i}: {x} {want}");
        }
        all += m;
    }
    // One mean for all would be another one.
    let (first, _) = figures(&data.train, 3, 0);
    assert!((first - all / 3.0).abs() > 0.1);
    // Images that are set in parallel are the same.
    let mut chunks = vec![(); net.chunks()];
    net.set_images(&mut chunks, |row, (), put| put(data.train.image(row)));
    assert_eq!(bits(net.input()), bits(&by_rows));
}

#[test]
fn grey_images_have_the_numbers_that_they_always_had() {
    let data = data(1);
    let of = data.normalisation();
    let config = config(1, &data);
    assert_eq!(
        config.model.pixels,
        Some(Pixels::normalised(of.mean, of.std))
    );
    let text = serde_json::to_string(&config.model).unwrap();
    let numbers = format!(r#""pixels":{{"mean":{},"std":{}}}"#, of.mean, of.std);
    assert!(text.contains(&numbers), "{text}");
}

#[test]
fn a_run_of_colour_images_keeps_its_means_and_is_packed() {
    let data = data(3);
    let config = config(3, &data);
    let folder = tempfile::tempdir().unwrap();
    let mut run = RunFolder::create(folder.path(), config.clone(), false).unwrap();
    train(
        &mut run,
        &data,
        fastest(),
        &AtomicBool::new(false),
        &mut |_| {},
    )
    .unwrap();
    let run = RunFolder::open(folder.path()).unwrap();
    assert_eq!(run.config().model.pixels, config.model.pixels);
    let mut net = run.network(fastest(), 1).unwrap();
    net.pass_mut().mode = Mode::Eval;
    let packed = net.pack().unwrap();
    let Some(Pixels::Normalised(n)) = &config.model.pixels else {
        panic!("the pixels are normalised");
    };
    let (mean, std) = (n.mean.clone(), n.std.clone());
    assert_eq!(packed.pixels(), &packed::Pixels::Normalised { mean, std });
    let bytes = packed.to_bytes().unwrap();
    assert!(String::from_utf8_lossy(&bytes).contains("format\\\":4"));
    let again = PackedNet::from_bytes(&bytes).unwrap();
    assert_eq!(again, packed);
    let images = (0..data.test.len()).map(|i| data.test.image(i));
    for engine in engines() {
        let mut runner = again.runner(engine);
        let found = verify(&mut net, &again, &mut runner, images.clone()).unwrap();
        assert!(found.predictions.is_empty(), "{found:?}");
        let last = found.stages.last().unwrap();
        assert!(last.largest < 1e-4, "{found:?}");
        // The naive twin reads the same numbers.
        let mut logits = vec![0.0; 3];
        for image in images.clone() {
            runner.logits(image, &mut logits);
            let Some(Values::Reals(naive)) = again.naive(image, Reading::Threshold).pop() else {
                panic!("the logits are reals");
            };
            let pairs = logits.iter().zip(&naive);
            assert!(
                pairs.clone().all(|(a, b)| (a - b).abs() < 1e-4),
                "{logits:?} {naive:?}"
            );
        }
    }
}

#[test]
fn lists_of_another_length_are_refused_in_a_line() {
    let mut spec = spec(3);
    spec.pixels = Some(Pixels::normalised_each(vec![0.5; 3], vec![0.25; 2]));
    let error = spec.check().unwrap_err().to_string();
    let line = "model n: pixels have 2 deviations, and the input has 3 channels; give one number for all channels, or one for each";
    assert_eq!(error, line);
    assert!(Network::new(&spec, fastest(), 1, false).is_err());
    // A packed network likewise, made in a program or read from a file.
    spec.pixels = Some(Pixels::normalised_each(
        vec![0.5, 0.25, 0.125],
        vec![0.5; 3],
    ));
    let net = Network::new(&spec, fastest(), 1, false).unwrap();
    let packed = net.pack().unwrap();
    for (mean, std) in [(vec![0.5; 2], vec![0.5; 3]), (vec![0.5; 3], vec![0.5; 4])] {
        let pixels = packed::Pixels::Normalised {
            mean: mean.into(),
            std: std.into(),
        };
        let stages = packed.stages().to_vec();
        let made = PackedNet::new("x".into(), packed.input(), pixels, stages);
        let error = made.unwrap_err().to_string();
        assert!(
            error.contains("one for each channel of the input"),
            "{error}"
        );
    }
    let bytes = packed.to_bytes().unwrap();
    for (from, to, says) in [
        ("[0.5,0.25,0.125]", "[0.5,0.25,  125]", ""),
        (
            "[0.5,0.25,0.125]",
            "[0.5     ,0.125]",
            "one for each channel",
        ),
        (
            "[0.5,0.25,0.125]",
            "[              ]",
            "a list of one number a channel",
        ),
        ("[0.5,0.5,0.5]", "[0.5,0.0,0.5]", "a std above 0"),
        ("[0.5,0.5,0.5]", "[0.5,null  5]", "damaged"),
        (
            "\\\"format\\\":4",
            "\\\"format\\\":3",
            "format 3 has no such",
        ),
    ] {
        let at = bytes.windows(from.len()).position(|w| w == from.as_bytes());
        let mut other = bytes.clone();
        other[at.unwrap_or_else(|| panic!("no {from}"))..][..to.len()]
            .copy_from_slice(to.as_bytes());
        let read = PackedNet::from_bytes(&container::reseal(other).unwrap());
        match read {
            Ok(_) => assert!(says.is_empty(), "{to} was read"),
            Err(error) => {
                let error = error.to_string();
                assert!(!says.is_empty() && error.contains(says), "{to}: {error}");
                assert!(!error.contains('\n'), "{error}");
            }
        }
    }
    let text = r#"{"mean":[],"std":1}"#;
    let error = serde_json::from_str::<Pixels>(text)
        .unwrap_err()
        .to_string();
    assert!(error.contains("a list of one number a channel"), "{error}");
    assert_eq!(Channels::from(vec![0.5]), Channels::All(0.5));
}
