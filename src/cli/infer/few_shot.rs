//! `bnn-cpu infer --support`: classes taught by a few pictures each, and what queries are.

use std::path::{Path, PathBuf};

use bnn_cpu::data::album::{self, Album};
use bnn_cpu::data::preprocess::Invert;
use bnn_cpu::data::reading::Size;
use bnn_cpu::data::{Background, Split};
use bnn_cpu::files;
use bnn_cpu::model::{Support, Taught, argmax};
use bnn_cpu::seal::sha256;
use bnn_cpu::{Error, bounded};
use serde_json::json;

use super::super::aligned::{Align, Table};
use super::super::output::{self, grouped, percent};
use super::super::places;
use super::classifier::{BATCH, Classifier, Source};
use super::show::Answer;
use super::{Args, Context, Failure, Outcome};

/// No file that is looked at for a support set is larger.
const MOST: u64 = 256 << 20;

/// Answers queries by a support set, and saves it where that is asked for.
pub(super) fn run(args: &Args, source: &Source, context: &Context) -> Outcome {
    let Some(place) = &args.support else {
        return Err(no_classes(source));
    };
    if source.packed(context.engine)?.comparison().is_none() {
        return Err(Failure::usage(format!(
            "--support has no effect on {}, which has classes of its own; it is for networks of `bnn-cpu train --task few-shot`",
            source.path().display()
        )));
    }
    let packed = args.packed || matches!(source, Source::Packed(..));
    if !packed {
        return Err(Failure::usage(
            "--support compares packed embeddings; add --packed, or name a packed file with --model",
        ));
    }
    if args.inputs.is_empty() && args.save_support.is_none() {
        return Err(Failure::usage(
            "--support: name the pictures to classify, or with --save-support where to keep what was taught",
        ));
    }
    if let Some(path) = &args.save_support {
        places::file("--save-support", path)?;
    }
    let mut answerer = Answerer::new(args, source, context)?;
    let taught = answerer.taught(place)?;
    if let Some(path) = &args.save_support {
        taught.write(path)?;
        let support = &taught.support;
        let pictures: usize = support.classes().map(|(_, pictures)| pictures).sum();
        let saved = format!(
            "{}: {} classes by {} pictures",
            path.display(),
            grouped(support.len()),
            grouped(pictures)
        );
        match context.json {
            true => output::json(&json!({
                "event": "support", "file": output::path(path), "classes": support.len(),
                "pictures": pictures, "bits": support.is_bits(), "width": support.width(),
            }))?,
            false => output::line(&saved)?,
        }
    }
    if args.inputs.is_empty() {
        return Ok(());
    }
    let queries = answerer.read(&args.inputs)?;
    answerer.answer(&taught.support, &queries, args.csv, context.json)
}

/// What a few-shot network without a support set says.
pub fn no_classes(source: &Source) -> Failure {
    Failure::usage(format!(
        "{} has no classes of its own; teach it some: --packed --support FOLDER, with a sub-folder of pictures for each class",
        source.path().display()
    ))
}

/// A packed network that embeds pictures.
struct Answerer<'a> {
    classifier: Classifier,
    net: bnn_cpu::packed::PackedNet,
    source: &'a Source,
    invert: Invert,
}

impl<'a> Answerer<'a> {
    fn new(args: &Args, source: &'a Source, context: &Context) -> Outcome<Self> {
        let engine = context.engine;
        Ok(Self {
            classifier: source.classifier(engine, true, args.threshold, BATCH)?,
            net: source.packed(engine)?,
            source,
            invert: args.invert,
        })
    }

    /// The size and the channels of the network's images.
    fn form(&self) -> (Size, usize) {
        let input = self.net.input();
        let size = Size {
            height: input.height,
            width: input.width,
        };
        (size, input.channels)
    }

    /// The support set in a file that was saved, or of the pictures in a folder.
    fn taught(&mut self, place: &Path) -> Outcome<Taught> {
        let net_sha256 = sha256(&self.net.to_bytes()?);
        if files::look(place)?.is_some_and(|there| there.is_file()) {
            let bytes = bounded::read(place, MOST, 2)?;
            if Taught::is_support(&bytes) {
                let taught = Taught::read(place)?;
                let width = self.net.classes();
                if taught.net_sha256 != net_sha256 || taught.support.width() != width {
                    return Err(Error::data(
                        place,
                        format!(
                            "was taught to another network than {}, whose embeddings mean other things; teach the pictures anew",
                            self.source.path().display()
                        ),
                    )
                    .into());
                }
                return Ok(taught);
            }
        }
        let (size, channels) = self.form();
        let mut album = album::classes(place, size, channels)?;
        self.right_way_round(&mut album)?;
        let embeddings = self.embed(&album);
        let width = self.net.classes();
        let by = self.net.comparison().expect("looked at before");
        let mut support = Support::new(by, width);
        for (class, name) in (0..).zip(&album.classes) {
            let rows = embeddings.chunks_exact(width).zip(&album.labels);
            let own = rows.filter(|(_, label)| **label == class);
            let own: Vec<f32> = own.flat_map(|(row, _)| row).copied().collect();
            support.teach(name, &own)?;
        }
        Ok(Taught {
            support,
            net_sha256,
        })
    }

    /// The pictures to classify.
    fn read(&self, inputs: &[PathBuf]) -> Outcome<Album> {
        if inputs.iter().any(|input| input.as_os_str() == "-") {
            return Err(Failure::usage(
                "-: with --support pictures are read from files and folders, not from the standard input",
            ));
        }
        let (size, channels) = self.form();
        let mut album = album::plain(inputs, size, channels)?;
        self.right_way_round(&mut album)?;
        Ok(album)
    }

    /// Exchanges light and dark in pictures whose ground is not that of the training images.
    fn right_way_round(&self, album: &mut Album) -> Outcome {
        let input = self.net.input();
        let shape = (input.height, input.width, input.channels);
        for image in album.pixels.chunks_exact_mut(input.len()) {
            let exchange = match self.invert {
                Invert::Yes => true,
                Invert::No => false,
                Invert::Auto => {
                    let alone = Split::from_pixels(shape, &*image, [0])?;
                    Background::of(&alone) != self.source.background()
                }
            };
            if exchange {
                image.iter_mut().for_each(|p| *p = 255 - *p);
            }
        }
        Ok(())
    }

    fn embed(&mut self, album: &Album) -> Vec<f32> {
        let mut out = vec![0.0; album.names.len() * self.net.classes()];
        self.classifier.logits(&album.pixels, &mut out);
        out
    }

    fn answer(&mut self, support: &Support, queries: &Album, csv: bool, json: bool) -> Outcome {
        let names: Vec<&str> = support.classes().map(|(name, _)| name).collect();
        let embeddings = self.embed(queries);
        let mut z = vec![0.0; support.len()];
        let mut answers = Vec::new();
        for row in embeddings.chunks_exact(self.net.classes()) {
            support.logits(row, &mut z);
            answers.push(Answer::of(&z));
        }
        let all = (&queries.names[..], &answers[..], &names[..]);
        match (csv, json) {
            (true, _) => csv_of(all),
            (_, true) => json_of(all),
            _ => table_of(all),
        }
    }
}

/// Pictures, the answers to them, and what the classes are called.
type Answered<'a> = (&'a [String], &'a [Answer], &'a [&'a str]);

fn name<'a>(names: &[&'a str], class: Option<usize>) -> &'a str {
    class.map_or("?", |class| names[class])
}

fn table_of((pictures, answers, names): Answered) -> Outcome {
    let mut table = Table::new(&[
        ("picture", Align::Left),
        ("class", Align::Left),
        ("probability", Align::Right),
        ("next", Align::Left),
        ("probability", Align::Right),
    ]);
    for (picture, answer) in pictures.iter().zip(answers) {
        let mut rest = answer.probabilities.clone();
        if let Some(class) = answer.class {
            rest[class] = -1.0;
        }
        let next = argmax(&rest);
        let p = |class: Option<usize>| {
            class.map_or("-".into(), |c| percent(f64::from(answer.probabilities[c])))
        };
        table.row(vec![
            output::one_line(picture),
            name(names, answer.class).into(),
            p(answer.class),
            name(names, next).into(),
            p(next),
        ]);
    }
    table.print()
}

fn json_of((pictures, answers, names): Answered) -> Outcome {
    for (picture, answer) in pictures.iter().zip(answers) {
        let mut value = output::value(answer);
        value["event"] = json!("infer");
        value["image"] = json!(picture);
        value["name"] = json!(answer.class.map(|class| names[class]));
        output::json(&value)?;
    }
    Ok(())
}

fn csv_of((pictures, answers, names): Answered) -> Outcome {
    output::line("image,class,probability,margin")?;
    for (picture, answer) in pictures.iter().zip(answers) {
        let p = answer
            .class
            .map_or(f32::NAN, |class| answer.probabilities[class]);
        output::line(&format!(
            "{},{},{p},{}",
            super::show::field(&output::clean(picture)),
            super::show::field(name(names, answer.class)),
            answer.margin
        ))?;
    }
    Ok(())
}
