//! What is fuzzed: one function for each parser, from bytes to either what they mean
//! or one error. None may panic, hang, or take memory that the bytes do not account
//! for. The fuzzers of this folder and `tests/hostile_files.rs` share them.
//!
//! Checksums would stop nearly every mutation at the door, so they are made right
//! before a file is parsed, as the author of a hostile file would.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, OnceLock, PoisonError};

use bnn_cpu::cli;
use bnn_cpu::data::emnist::Part;
use bnn_cpu::data::preprocess::Invert;
use bnn_cpu::data::reading::{Options, Resize};
use bnn_cpu::data::{Background, Dataset, DatasetChoice, Fault, Split, idx, load_with, raster};
use bnn_cpu::estimators::Firing;
use bnn_cpu::kernels::{self, Engine};
use bnn_cpu::model::{ModelSpec, Network, Placement, Taught, preset, table, weights};
use bnn_cpu::packed::{PackedNet, Product, Reading};
use bnn_cpu::study::{CellRecord, Suite};
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::{
    Activity, BaselineState, BestWeights, Checkpoint, Config, DatasetRecord, Flips, Optimiser,
    OptimiserSpec, PartialConfig, RunFolder, Subject, TestRecord, metrics_lines, parse_json,
};
use bnn_cpu::{Error, container, seal, train};

/// A parser under test.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, and that of its folders of files.
    pub name: &'static str,
    /// Parses a file.
    pub run: fn(&[u8]),
}

/// Every parser.
#[allow(dead_code, reason = "the fuzzers take one each")]
pub const ALL: &[Target] = &[
    target("idx", idx_file),
    target("gzip", gzip_file),
    target("archive", archive_file),
    target("files", data_file),
    target("raster", raster_file),
    target("model", model_file),
    target("weights", weights_file),
    target("checkpoint", checkpoint_file),
    target("packed", packed_file),
    target("support", support_file),
    #[cfg(feature = "onnx")]
    target("onnx", onnx_file),
    target("recipe", recipe_file),
    target("suite", suite_file),
    target("picture", picture_file),
    target("records", record_file),
    #[cfg(feature = "serve")]
    target("requests", requests),
];

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

fn here() -> &'static Path {
    Path::new("a-file")
}

fn engine() -> Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    *ENGINE.get_or_init(|| kernels::select(None).expect("every machine has kernels"))
}

/// An error for the user says something.
fn said(error: impl std::fmt::Display) {
    assert!(!error.to_string().is_empty());
}

/// Images and labels, as they are.
pub fn idx_file(bytes: &[u8]) {
    match idx::parse_images(bytes) {
        Ok(images) => {
            let again = idx::encode_images(images.view()).expect("what was read is written");
            let again = idx::parse_images(&again[..]);
            assert_eq!(again.expect("what was written is read"), images);
        }
        Err(Fault::Format(what)) => said(what),
        Err(Fault::Read(error)) => panic!("memory cannot fail to be read: {error}"),
    }
    match idx::parse_labels(bytes) {
        Ok(labels) => assert!(labels.iter().all(|&label| label < idx::MAX_CLASSES)),
        Err(Fault::Format(what)) => said(what),
        Err(Fault::Read(error)) => panic!("memory cannot fail to be read: {error}"),
    }
}

/// A network of another program; one that is understood is built, if it is small.
#[cfg(feature = "onnx")]
pub fn onnx_file(bytes: &[u8]) {
    match bnn_cpu::import::onnx(bytes, "net") {
        Ok(net) => {
            let few = |shape: Shape| shape.len() < 1 << 12;
            let shapes = net
                .spec
                .layer_shapes()
                .expect("what was checked has shapes");
            let numbers: usize = net
                .tensors
                .iter()
                .map(|t| t.shape.iter().product::<usize>())
                .sum();
            if few(net.spec.input) && shapes.iter().all(|s| few(s.output)) && numbers < 1 << 14 {
                match weights::check(&net.spec, &net.tensors, here()) {
                    Ok(()) => drop(Network::new(&net.spec, engine(), 1, false)),
                    Err(error) => said(error),
                }
            }
        }
        Err(what) => assert!(!what.is_empty() && !what.contains('\n'), "{what}"),
    }
}

/// Compressed images and labels, their checksums made right.
pub fn gzip_file(bytes: &[u8]) {
    idx_file(bytes);
    if let Some(mended) = with_gzip_checksum(bytes) {
        idx_file(&mended);
    }
}

/// A zip of data files, as `--data` names it; what is read is put upright.
pub fn archive_file(bytes: &[u8]) {
    let name = format!(
        "bnn-cpu-{}-{:?}.zip",
        std::process::id(),
        std::thread::current().id()
    );
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, bytes).expect("a temporary file");
    for choice in [DatasetChoice::Idx, DatasetChoice::Emnist(Part::Letters)] {
        match bnn_cpu::data::load(choice, Some(&path), None, None, &mut |_| ()) {
            Ok(loaded) => {
                let data = loaded.dataset;
                assert!(data.classes > 1 && data.train.shape() == data.test.shape());
                assert!(!data.is_mnist(), "no such file is a seed");
            }
            Err(error) => said(error),
        }
    }
    std::fs::remove_file(&path).expect("the temporary file");
}

/// A data file of any kind, as `--data` names it: as it is, and with the checksums of the
/// members of a zip and of the headers of a tar made right.
pub fn data_file(bytes: &[u8]) {
    let name = format!(
        "bnn-cpu-files-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    );
    let path = std::env::temp_dir().join(name);
    let size = Options {
        size: "3x4".parse().ok(),
        resize: Some(Resize::Fit),
        ..Options::default()
    };
    let mut forms = vec![bytes.to_vec(), with_tar_checksums(bytes)];
    forms.extend(with_zip_checksums(bytes));
    for (i, form) in forms.iter().enumerate() {
        if i > 0 && form == bytes {
            continue;
        }
        std::fs::write(&path, form).expect("a temporary file");
        for options in [Options::default(), size] {
            let places = (Some(&*path), None);
            match load_with(DatasetChoice::Files, places, None, &options, &mut |_| ()) {
                Ok(loaded) => {
                    let data = loaded.dataset;
                    assert!(data.classes > 1 && data.train.shape() == data.test.shape());
                    assert!(
                        matches!(data.class_names.len(), 0)
                            || data.class_names.len() == data.classes
                    );
                    let labels = data.train.labels().iter().chain(data.test.labels());
                    assert!(labels.into_iter().all(|&l| (l as usize) < data.classes));
                }
                Err(error) => said(error),
            }
        }
    }
    std::fs::remove_file(&path).expect("the temporary file");
}

/// A picture of a set: PNG or JPEG.
pub fn raster_file(bytes: &[u8]) {
    let mended = with_png_checksums(bytes);
    for bytes in [bytes, &mended] {
        match raster::decode(bytes) {
            Ok(picture) => {
                let size = picture.width * picture.height * picture.channels;
                assert!(size > 0 && picture.pixels.len() == size);
                assert!((1..=4).contains(&picture.channels));
            }
            Err(Fault::Format(what)) => said(what),
            Err(Fault::Read(error)) => panic!("memory cannot fail to be read: {error}"),
        }
    }
}

/// Four bytes of a file as a number, if they are there.
fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?) as usize)
}

/// A zip with the checksum of every member that is stored as it is; `None` where it has
/// none.
fn with_zip_checksums(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut mended = bytes.to_vec();
    let entries = bytes.windows(4).enumerate();
    let entries = entries
        .filter(|(_, w)| w == b"PK\x01\x02")
        .map(|(at, _)| at);
    let mut any = false;
    for at in entries {
        let mut mend = || {
            let (method, size) = (word(bytes, at + 10)? & 0xFFFF, word(bytes, at + 20)?);
            let local = word(bytes, at + 42)?;
            let names = word(bytes, local.checked_add(26)?)?;
            let start = local + 30 + (names & 0xFFFF) + (names >> 16);
            let data = bytes.get(start..start.checked_add(size)?)?;
            if method != 0 {
                return None;
            }
            let mut crc = flate2::Crc::new();
            crc.update(data);
            for place in [at + 16, local + 14] {
                let field = mended.get_mut(place..place + 4)?;
                field.copy_from_slice(&crc.sum().to_le_bytes());
            }
            Some(())
        };
        any |= mend().is_some();
    }
    any.then_some(mended)
}

/// A tar with the checksum of every header as it should be.
fn with_tar_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut mended = bytes.to_vec();
    let mut at = 0;
    while let Some(header) = mended.get_mut(at..at + 512) {
        if &header[257..262] != b"ustar" {
            break;
        }
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let size = std::str::from_utf8(&header[124..135]).unwrap_or("");
        let size = usize::from_str_radix(size.trim(), 8).unwrap_or(0);
        at += 512 + size.min(1 << 30).next_multiple_of(512);
    }
    mended
}

/// The first member of a gzip file with the checksum and length of what it holds.
fn with_gzip_checksum(bytes: &[u8]) -> Option<Vec<u8>> {
    /// More output than this is not followed.
    const MOST: usize = 1 << 20;
    let flags = *bytes.get(3)?;
    if !bytes.starts_with(&[0x1F, 0x8B, 8]) {
        return None;
    }
    let mut body = 10;
    if flags & 4 != 0 {
        let length = bytes.get(body..body + 2)?;
        body += 2 + usize::from(u16::from_le_bytes([length[0], length[1]]));
    }
    for name in [8, 16] {
        if flags & name != 0 {
            body += bytes.get(body..)?.iter().position(|&b| b == 0)? + 1;
        }
    }
    let deflated = bytes.get(body..)?;
    let mut inflate = flate2::Decompress::new(false);
    let mut plain = Vec::with_capacity(MOST);
    let end = flate2::FlushDecompress::Finish;
    inflate.decompress_vec(deflated, &mut plain, end).ok()?;
    let used = body + inflate.total_in() as usize;
    let mut crc = flate2::Crc::new();
    crc.update(&plain);
    let mut mended = bytes[..used].to_vec();
    // A checksum of the header, which has the flag 2, is left out.
    mended[3] = flags & !2;
    mended.extend(crc.sum().to_le_bytes());
    mended.extend(crc.amount().to_le_bytes());
    mended.extend(bytes.get(used + 8..).unwrap_or_default());
    Some(mended)
}

/// A description of a network; small ones are built and trained for a step.
pub fn model_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let spec = match ModelSpec::parse(text, here()) {
        Ok(spec) => spec,
        Err(error) => return said(error),
    };
    let text = serde_json::to_string(&spec).expect("it was read");
    let again = ModelSpec::parse(&text, here()).expect("what was written is read");
    assert_eq!(again, spec);
    let rows = table(&spec).expect("a checked network has a layer table");
    assert!(spec.classes() > 0 && rows.len() == spec.layers.len());
    let weights = |r: &bnn_cpu::model::LayerRow| r.params_f32 + r.params_bit;
    let numbers: usize = rows.iter().map(|r| r.output.len() + weights(r)).sum();
    if numbers + spec.input.len() > 4096 || rows.len() > 12 || spec.input.height > 64 {
        return;
    }
    let samples = spec.min_samples();
    let mut net = match Network::sampled(&spec, engine(), 2, samples) {
        Ok(net) => net,
        Err(error) => return said(error),
    };
    net.set_rows(2);
    let image: Vec<u8> = (0..spec.input.len()).map(|i| (i * 37) as u8).collect();
    for row in 0..2 {
        net.set_row(row, &image, 0);
    }
    net.forward();
    net.backward();
}

/// The network that weights and checkpoints are read into: it has a bit of everything
/// that they can hold.
pub fn small_spec() -> ModelSpec {
    const SMALL: &str = r#"{"name":"small","input":{"channels":1,"height":2,"width":3},"layers":[{"type":"linear","name":"a","out":4,"bias":false,"weights":"binary"},{"type":"batch_norm","name":"n"},{"type":"binary","mode":"stoch","estimator":"reinforce"},{"type":"linear","name":"b","out":3}]}"#;
    ModelSpec::parse(SMALL, here()).expect("a small network")
}

fn small_network() -> Network {
    Network::new(&small_spec(), engine(), 1, true).expect("a small network")
}

/// A safetensors file with the digest that its content has, where it states one.
fn resealed(bytes: &[u8]) -> Vec<u8> {
    container::reseal(bytes.to_vec()).unwrap_or_else(|| bytes.to_vec())
}

/// Safetensors of weights, of this program or another.
pub fn weights_file(bytes: &[u8]) {
    let bytes = &resealed(bytes)[..];
    static NETWORK: OnceLock<Mutex<Network>> = OnceLock::new();
    match weights::parse_any(bytes, here()) {
        Ok((tensors, about)) => {
            let net = NETWORK.get_or_init(|| Mutex::new(small_network()));
            let mut net = net.lock().expect("no panic before");
            match weights::import(net.params_mut(), tensors, here()) {
                Ok(rest) => drop(rest),
                Err(error) => said(error),
            }
            if about.is_some() {
                match weights::parse::<BestWeights>(bytes, here()) {
                    Ok((_, best)) => drop(best.model.check()),
                    Err(error) => said(error),
                }
            }
        }
        Err(error) => said(error),
    }
}

const ADAM: OptimiserSpec = OptimiserSpec::Adam {
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    weight_decay: 0.0,
};

/// The network, optimiser and baseline of [`checkpoint_file`].
struct State {
    net: Network,
    optimiser: Optimiser,
    baseline: BaselineState,
    flips: Flips,
    activity: Activity,
}

impl State {
    fn new() -> Self {
        let net = small_network();
        let baseline = BaselineState::new(bnn_cpu::train::Baseline::Ema, engine(), &net, 1);
        Self {
            optimiser: Optimiser::new(ADAM, net.params().values().len()),
            baseline: baseline.expect("a small network"),
            flips: Flips::of(net.params()),
            activity: Activity::default(),
            net,
        }
    }
}

/// The state of an unfinished run.
pub fn checkpoint_file(bytes: &[u8]) {
    let bytes = &resealed(bytes)[..];
    static STATE: OnceLock<Mutex<State>> = OnceLock::new();
    let state = STATE.get_or_init(|| Mutex::new(State::new()));
    let state = &mut *state.lock().expect("no panic before");
    let spec = state.net.spec().clone();
    // A run with a baseline that learns, and one without.
    for learns in [true, false] {
        let content = match weights::parse::<Checkpoint>(bytes, here()) {
            Ok(content) => content,
            Err(error) => return said(error),
        };
        let read = Checkpoint::restore(
            content,
            here(),
            &spec,
            state.net.params_mut(),
            &mut state.optimiser,
            learns.then_some(&mut state.baseline),
            (&mut state.flips, &mut state.activity),
        );
        match read {
            Ok(checkpoint) => {
                assert_eq!(checkpoint.model, spec);
                resume(bytes);
            }
            Err(error) => said(error),
        }
    }
}

/// The configuration of the run that [`resume`] goes on with.
fn small_config(baseline: train::Baseline) -> Config {
    let mut config = Config::reference(small_spec(), DatasetRecord::of(small_data()));
    config.optimiser = ADAM;
    config.baseline = baseline;
    (config.epochs, config.batch, config.val_fraction) = (2, 4, 0.1);
    config
}

/// Puts the checkpoint into a run, goes on with it, and trains a step: what is accepted
/// must be progress that training can go on from.
fn resume(bytes: &[u8]) {
    static PLACE: Mutex<()> = Mutex::new(());
    let _turn = PLACE.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(found) = weights::decode::<Checkpoint>(bytes, here()) else {
        return;
    };
    let folder = std::env::temp_dir().join(format!("bnn-cpu-fuzz-{}", std::process::id()));
    for baseline in [train::Baseline::None, train::Baseline::Ema] {
        let config = small_config(baseline);
        let mut run = RunFolder::create(&folder, config.clone(), true).expect("a run");
        if let Some((epoch, _)) = found.about.progress.best
            && epoch <= config.epochs
        {
            let about = BestWeights {
                model: config.model.clone(),
                dataset: config.dataset.name.clone(),
                data_sha256: config.dataset.sha256.clone(),
                background: None,
                seed: config.seed,
                epoch,
                slope: 1.0,
                isa: "scalar".into(),
            };
            let tensors = weights::export(small_network().params());
            run.write_weights(train::BEST, &tensors, &about)
                .expect("weights");
        }
        run.write_weights(train::CHECKPOINT, &found.tensors, &found.about)
            .expect("a checkpoint");
        // Set already: after one step the run saves itself and ends.
        let stop = AtomicBool::new(true);
        match train::train(&mut run, small_data(), engine(), &stop, &mut |_| ()) {
            Ok(_) | Err(Error::Interrupted(_)) => {
                let findings = train::verify(&run);
                for finding in findings {
                    finding.outcome.expect("what was saved is sound");
                }
            }
            Err(error) => said(error),
        }
    }
    let _ = std::fs::remove_dir_all(folder);
}

/// A checkpoint that [`checkpoint_file`] accepts.
#[allow(dead_code, reason = "a seed of the tests")]
pub fn checkpoint_seed(path: &Path) {
    let state = State::new();
    let checkpoint = Checkpoint {
        model: state.net.spec().clone(),
        isa: "scalar".into(),
        data: String::new(),
        progress: bnn_cpu::train::Progress::new(),
    };
    let seen = (&state.flips, &state.activity);
    let baseline = Some(&state.baseline);
    let tensors = Checkpoint::tensors(state.net.params(), &state.optimiser, baseline, seen);
    weights::write(path, &tensors, &checkpoint).expect("a checkpoint");
}

/// A support set: it is written again as it was read, and answers.
pub fn support_file(bytes: &[u8]) {
    let bytes = &resealed(bytes)[..];
    let taught = match Taught::from_bytes(bytes) {
        Ok(taught) => taught,
        Err(what) => return assert!(!what.is_empty() && !what.contains('\n'), "{what}"),
    };
    let again = taught.to_bytes().expect("it was read");
    assert_eq!(
        Taught::from_bytes(&again).expect("what was written is read"),
        taught
    );
    let support = &taught.support;
    let query = vec![1.0; support.width()];
    let mut z = vec![0.0; support.len()];
    support.logits(&query, &mut z);
    assert!(z.iter().all(|z| !z.is_nan() || !support.is_bits()));
}

/// A packed network; small ones are run, and in bits exactly as naively.
pub fn packed_file(bytes: &[u8]) {
    let bytes = &resealed(bytes)[..];
    let net = match PackedNet::from_bytes(bytes) {
        Ok(net) => net,
        Err(error) => return said(error),
    };
    let again = net.to_bytes().expect("it was read");
    // NaN is not itself: bytes are compared.
    let twice = PackedNet::from_bytes(&again).expect("what was written is read");
    assert_eq!(twice.to_bytes().expect("it was read"), again);
    let work = |(stage, flow): (&bnn_cpu::packed::Stage, &bnn_cpu::packed::Flow)| {
        let per = match stage.product {
            Product::Input => 1,
            product => product.depth(flow.input().0),
        };
        let values = flow.values.iter().map(|v| v.0.len()).sum::<usize>();
        let inputs = flow.inputs.iter().map(|v| v.0.len()).sum::<usize>();
        inputs + values + flow.values[0].0.len().saturating_mul(per)
    };
    let work = net.stages().iter().zip(net.flows()).map(work);
    if work.fold(0, usize::saturating_add) > 50_000 {
        return;
    }
    let image: Vec<u8> = (0..net.input().len()).map(|i| (i * 91) as u8).collect();
    let mut runner = net.runner(engine());
    let readings = [
        Reading::Threshold,
        Reading::Sample {
            seed: 1,
            step: 2,
            draw: 3,
            row: 4,
        },
    ];
    for reading in readings {
        runner.read_as(reading);
        runner.classify(&image);
        net.naive(&image, reading);
    }
}

/// What a client of the drawing page sends: requests, one after the other.
#[cfg(feature = "serve")]
pub fn requests(bytes: &[u8]) {
    use bnn_cpu::serve::{Comparer, Hosts, Reader, Site};
    static SITES: OnceLock<[Site; 2]> = OnceLock::new();
    let sites = SITES.get_or_init(|| {
        let packed = |name: &str, side: usize| {
            let mut spec = preset(name, Shape::image(1, side, side - 1), 3).expect("a preset");
            spec.place(Placement::Both, Firing::Deterministic, "st")
                .expect("a unit");
            let net = Network::new(&spec, engine(), 1, false).expect("a small network");
            net.pack().expect("a packed network")
        };
        let hosts = || Hosts::new("127.0.0.1:4000".parse().expect("an address"), Vec::new());
        let texts = || ("a net".to_string(), "a-run".to_string());
        let (title, source) = texts();
        let reader = Reader::new(title, source, packed("mlp", 4), None, None, engine());
        let (title, source) = texts();
        let encoder = packed("few-shot-binary", 17);
        let comparer = Comparer::new(title, source, encoder, None, None, engine());
        [
            Site::new(reader.expect("grey images"), hosts()),
            Site::comparing(comparer.expect("embeddings"), hosts()),
        ]
    });
    for site in sites {
        answered(site, bytes);
    }
}

/// What a site makes of bytes.
#[cfg(feature = "serve")]
fn answered(site: &bnn_cpu::serve::Site, bytes: &[u8]) {
    use bnn_cpu::serve::Sizes;
    let sizes = Sizes {
        head: 1024,
        body: 2048,
    };
    let mut rest = bytes;
    while let Some((response, used, ends)) = site.respond(rest, sizes) {
        let head = b"HTTP/1.1 ";
        let status = response.strip_prefix(head).expect("a status line");
        assert!(
            matches!(status[0], b'2' | b'4'),
            "{}",
            status.escape_ascii()
        );
        let blank = response.windows(4).any(|four| four == b"\r\n\r\n");
        assert!(blank, "a head without an end");
        assert!(used > 0 || ends, "the same request again and again");
        if ends {
            return;
        }
        rest = &rest[used..];
    }
    assert!(rest.len() <= sizes.head + sizes.body, "it waits for ever");
}

/// The settings of a run as a file.
pub fn recipe_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match cli::recipe::parse(text, here()) {
        Ok(recipe) => {
            // Small images: what a recipe may ask for is not trained here.
            let any = Subject::of(&bnn_cpu::data::digits::generate(0, 1, 1));
            // A file that it names lies outside of what is fuzzed.
            let named = recipe.model.as_ref().and_then(|model| model.from.as_ref());
            if named.is_none_or(|from| !from.is_own())
                && let Err(error) = recipe.complete(&any)
            {
                said(error);
            }
        }
        Err(error) => said(cli::output::one_line(&error.to_string())),
    }
}

/// A table's worth of runs; its recipes state nothing.
pub fn suite_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let recipe = |_: &str| Ok(PartialConfig::default());
    let suite = match Suite::parse(text, here(), &recipe) {
        Ok(suite) => suite,
        Err(error) => return said(cli::output::one_line(&error.to_string())),
    };
    let any = Subject::of(&bnn_cpu::data::digits::generate(0, 1, 1));
    // As many rows as a file of this size can name one by one.
    for row in suite.rows.iter().take(100) {
        let model = row.settings.model.as_ref();
        // A file that it names lies outside of what is fuzzed.
        let named = model.and_then(|model| model.from.as_ref());
        if named.is_none_or(|from| !from.is_own())
            && let Err(error) = suite.config(row, &any, 1, &PartialConfig::default())
        {
            said(error);
        }
    }
}

/// What `infer` is given: a picture (a PNG file also with its checksums made right), or an IDX
/// file.
pub fn picture_file(bytes: &[u8]) {
    let mended = with_png_checksums(bytes);
    let (dark, light) = (Background::Dark, Background::Light);
    let image = Shape::image;
    for (bytes, invert, background, shape) in [
        (bytes, Invert::Auto, dark, image(1, 28, 28)),
        (&mended, Invert::Auto, dark, image(1, 28, 28)),
        (&mended, Invert::Auto, light, image(1, 12, 7)),
        (&mended, Invert::Yes, dark, image(1, 5, 9)),
        (&mended, Invert::No, light, image(1, 1, 1)),
        (&mended, Invert::Yes, dark, image(3, 4, 6)),
        (&mended, Invert::No, dark, image(2, 4, 4)),
    ] {
        let manner = &cli::infer::inputs::Manner {
            invert,
            background,
            options: Options::default(),
        };
        let mut images = cli::infer::inputs::Images::default();
        match images.add(here(), bytes, manner, shape) {
            Ok(()) => assert_eq!(images.pixels.len(), images.len() * shape.len()),
            Err(cli::Failure::Error(error)) => said(error),
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// A PNG file with the checksum of every chunk as it should be.
fn with_png_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut mended = bytes.to_vec();
    let mut at = 8;
    while let Some(length) = mended.get(at..at + 4) {
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]);
        let end = at + 8 + length as usize;
        if mended.len() < end + 4 {
            break;
        }
        let mut crc = flate2::Crc::new();
        crc.update(&mended[at + 4..end]);
        mended[end..end + 4].copy_from_slice(&crc.sum().to_be_bytes());
        at = end + 4;
    }
    mended
}

/// The data set of the runs in [`record_file`].
pub fn small_data() -> &'static Dataset {
    static DATA: OnceLock<Dataset> = OnceLock::new();
    DATA.get_or_init(|| {
        let split = |n: u32| {
            let images = ndarray::Array4::from_elem((n as usize, 2, 3, 1), 7);
            Split::new(images, (0..n).map(|i| i % 3).collect()).expect("images")
        };
        Dataset::new("data", 3, split(20), split(6)).expect("a data set")
    })
}

/// The files of a run: its configuration, its epochs, its test, its cell of a table.
pub fn record_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let text = &seal::fill(text.to_string())[..];
    let data = small_data();
    let check = |mut config: Config| {
        if let Err(error) = config.check(data) {
            said(error);
        }
        // As if it had been made with the data at hand.
        config.dataset = DatasetRecord::of(data);
        match config.check(data) {
            Ok(()) => {
                let steps = config.steps_per_epoch();
                let last = steps.saturating_mul(config.epochs) - 1;
                for t in [0, 1, steps, last].map(|t| t.min(last)) {
                    let rate = config.learning_rate(t);
                    assert!(rate.is_finite() && rate >= 0.0, "step {t}: {rate}");
                }
            }
            Err(error) => said(error),
        }
    };
    match parse_json::<Config>(text, here()) {
        Ok(config) => check(config),
        Err(error) => said(error),
    }
    match CellRecord::parse(text, here()) {
        Ok(record) => check(record.config),
        Err(error) => said(error),
    }
    match parse_json::<TestRecord>(text, here()) {
        Ok(record) => drop(record),
        Err(error) => said(error),
    }
    match metrics_lines(text.as_bytes(), here()) {
        // A last line that was cut off is left out.
        Ok(lines) => assert!(lines.len() <= text.split('\n').count()),
        Err(error) => said(error),
    }
}

/// A fuzzer's own mutator of safetensors files: changes a part of the `size` bytes in
/// `bytes`, or all of them, by `mutate(bytes, size, most)`, and gives the new size.
#[allow(dead_code, reason = "the fuzzers of three formats call it")]
pub fn mutate_safetensors(
    bytes: &mut [u8],
    (size, most, seed): (usize, usize, u32),
    mutate: fn(&mut [u8], usize, usize) -> usize,
) -> usize {
    let mut change = |part: &mut Vec<u8>| {
        let length = part.len();
        part.resize((length + 64).min(length.max(most)), 0);
        let capacity = part.len();
        let length = mutate(part, length, capacity);
        part.truncate(length);
    };
    match change_safetensors(&bytes[..size], seed, &mut change) {
        Some(changed) if changed.len() <= most => {
            bytes[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
        _ => mutate(bytes, size, most),
    }
}

/// Changes a part of a safetensors file so that the whole remains one: its header,
/// the text that this program keeps in the header, or the numbers. `None` where the
/// bytes are no such file, or where they should be changed as they are.
pub fn change_safetensors(
    bytes: &[u8],
    part: u32,
    change: &mut dyn FnMut(&mut Vec<u8>),
) -> Option<Vec<u8>> {
    let length = u64::from_le_bytes(bytes.first_chunk().copied()?) as usize;
    let header = bytes.get(8..8usize.checked_add(length)?)?;
    let mut numbers = bytes[8 + length..].to_vec();
    let mut header = header.to_vec();
    match part % 4 {
        0 => return None,
        1 => change(&mut numbers),
        2 => change(&mut header),
        _ => {
            let mut json: serde_json::Value = serde_json::from_slice(&header).ok()?;
            let about = json.get_mut("__metadata__")?.as_object_mut()?;
            let text = about.values_mut().next()?;
            let mut inner = text.as_str()?.as_bytes().to_vec();
            change(&mut inner);
            *text = String::from_utf8_lossy(&inner).into_owned().into();
            header = serde_json::to_vec(&json).ok()?;
        }
    }
    let mut whole = (header.len() as u64).to_le_bytes().to_vec();
    whole.extend(header);
    whole.extend(numbers);
    Some(whole)
}
