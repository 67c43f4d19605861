//! `bnn-cpu export`: a network as a file for other programs.

use std::path::PathBuf;

#[cfg(feature = "page")]
use bnn_cpu::export::page;
#[cfg(feature = "onnx")]
use bnn_cpu::export::{self, onnx};
use bnn_cpu::export::{About, c99};
use bnn_cpu::files::{create_folder, write_atomic_bytes};
use bnn_cpu::packed::PackedNet;
use bnn_cpu::seal;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::json;

use super::infer::classifier::Source;
use super::output::{self, grouped, percent};
use super::{Context, Failure, Outcome, places};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu export runs/xnor-net-both-det-st-1 --to c99 --out firmware
  bnn-cpu export net.packed --to c99 --flavour fast --name digits --out src
  bnn-cpu export runs/seed-net-both-det-st-1 --to onnx --out models
  bnn-cpu export runs/xnor-net-both-det-st-1 --to page --out digits.html

The files of C compile as C99 and as C++, without a library:
  gcc -std=c99 -Os -c firmware/xnor_net.c";

/// Where a network can go.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Form {
    /// One .c and one .h file, for microcontrollers and for programs in C and C++
    C99,
    /// One file of standard operators (set 15), for ONNX Runtime and others
    #[cfg(feature = "onnx")]
    Onnx,
    /// The same in QONNX, the dialect of FINN: units as MultiThreshold, binary weights as
    /// BipolarQuant
    #[cfg(feature = "onnx")]
    Qonnx,
    /// One HTML page that runs the network: draw or drop a picture; needs no server and no network
    #[cfg(feature = "page")]
    Page,
}

/// The type of the pixels that an ONNX file takes, in a program that can write one.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Pixels {
    #[default]
    Uint8,
    Float,
}

/// Write a network as a file that needs nothing of this program: C, ONNX, or a page
///
/// It computes what `bnn-cpu infer --packed` computes: to the bit where weights are binary,
/// within rounding where they are real. Every network that can be packed can be exported;
/// stochastic units are read as thresholds.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A run's folder, its best.safetensors, or a packed file
    #[arg(value_name = "RUN|FILE")]
    run: PathBuf,
    /// The form of the export
    #[arg(long, value_enum)]
    to: Form,
    /// Folder of the files; it is made if it is not there. Of a page: the file
    #[arg(long, short, value_name = "DIR|FILE")]
    out: PathBuf,
    /// small: little code and little memory, for microcontrollers. fast: words of 64 bits, the
    /// processor's own instruction that counts bits where it has one, and tables [default: small; c99
    /// alone]
    #[arg(long, value_parser = flavours())]
    flavour: Option<c99::Flavour>,
    /// The type of the pixels, 0 to 255, that go in [default: uint8; onnx and
    /// qonnx alone]
    #[arg(long, value_enum, value_name = "TYPE")]
    pixels: Option<Pixels>,
    /// Name of the files, and the beginning of every name in the header [default: that of the
    /// network]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Licence of the network, such as CC-BY-4.0, which the files then name; in ONNX as
    /// `model_license`
    #[arg(long, visible_alias = "license", value_name = "TEXT")]
    licence: Option<String>,
}

fn flavours() -> impl TypedValueParser<Value = c99::Flavour> {
    let names = c99::Flavour::ALL.iter().map(|flavour| flavour.name());
    PossibleValuesParser::new(names).try_map(|name| name.parse::<c99::Flavour>())
}

pub fn run(args: Args, context: &Context) -> Outcome {
    if args
        .name
        .as_ref()
        .is_some_and(|name| !name.chars().any(char::is_alphanumeric))
    {
        return Err(Failure::usage(
            "--name needs a letter or a digit, because files and functions are named by it",
        ));
    }
    let printable = |text: &String| !text.is_empty() && !text.contains(char::is_control);
    if !args.licence.as_ref().is_none_or(printable) {
        return Err(Failure::usage(
            "--licence needs a name in one line, such as CC-BY-4.0",
        ));
    }
    args.check()?;
    match args.one_file() {
        true => places::file_and_folder("--out", &args.out)?,
        false => places::folder(&args.out)?,
    }
    let source = Source::find(Some(&args.run))?;
    let net = source.packed(context.engine)?;
    let about = about(&source, &net, args.licence.as_deref())?;
    let (name, files) = args.files(&net, &source.title(), &about)?;
    let folder = match args.one_file() {
        true => args
            .out
            .parent()
            .filter(|above| !above.as_os_str().is_empty()),
        false => Some(args.out.as_path()),
    };
    folder.map_or(Ok(()), create_folder)?;
    for (path, bytes) in &files {
        write_atomic_bytes(path, bytes)?;
    }
    if context.json {
        let (to, flavour, pixels) = args.form();
        return output::json(&json!({
            "event": "export", "run": output::path(&args.run), "to": to,
            "flavour": flavour, "pixels": pixels, "name": name,
            "files": files.iter().map(|(path, _)| output::path(path)).collect::<Vec<_>>(),
            "sha256": about.sha256, "classes": net.classes(), "stochastic": net.is_stochastic(),
        }));
    }
    for (path, bytes) in &files {
        output::line(&format!(
            "{}: {} bytes",
            path.display(),
            grouped(bytes.len())
        ))?;
    }
    Ok(())
}

impl Args {
    /// Whether the flags are those of the form.
    fn check(&self) -> Outcome {
        let has_no = |flag: &str, form: &str| {
            Err(Failure::usage(format!(
                "{flag} has no effect with --to {form}; leave it out"
            )))
        };
        match self.to {
            Form::C99 if self.pixels.is_some() => has_no("--pixels", "c99"),
            #[cfg(feature = "onnx")]
            Form::Onnx if self.flavour.is_some() => has_no("--flavour", "onnx"),
            #[cfg(feature = "onnx")]
            Form::Qonnx if self.flavour.is_some() => has_no("--flavour", "qonnx"),
            #[cfg(feature = "page")]
            Form::Page if self.flavour.is_some() => has_no("--flavour", "page"),
            #[cfg(feature = "page")]
            Form::Page if self.pixels.is_some() => has_no("--pixels", "page"),
            #[cfg(feature = "page")]
            Form::Page if self.name.is_some() => has_no("--name", "page"),
            _ => Ok(()),
        }
    }

    /// Whether `out` is a file and not a folder.
    fn one_file(&self) -> bool {
        #[cfg(feature = "page")]
        return matches!(self.to, Form::Page);
        #[cfg(not(feature = "page"))]
        return false;
    }

    /// The form, and what was chosen of it, in words.
    fn form(&self) -> (&'static str, Option<&'static str>, Option<&'static str>) {
        match self.to {
            Form::C99 => ("c99", Some(self.flavour.unwrap_or_default().name()), None),
            #[cfg(feature = "onnx")]
            Form::Onnx | Form::Qonnx => (
                match self.to {
                    Form::Qonnx => "qonnx",
                    _ => "onnx",
                },
                None,
                Some(match self.pixels.unwrap_or_default() {
                    Pixels::Uint8 => "uint8",
                    Pixels::Float => "float",
                }),
            ),
            #[cfg(feature = "page")]
            Form::Page => ("page", None, None),
        }
    }

    /// The name of the network, and the files with their content.
    #[cfg_attr(
        not(feature = "page"),
        expect(unused_variables, reason = "a page alone has a title")
    )]
    fn files(&self, net: &PackedNet, title: &str, about: &About) -> Outcome<(String, Files)> {
        match self.to {
            Form::C99 => {
                let options = c99::Options {
                    name: self.name.clone(),
                    flavour: self.flavour.unwrap_or_default(),
                };
                let code = c99::code(net, &options, about)?;
                let at = |end: &str| self.out.join(format!("{}.{end}", code.name));
                let files = vec![(at("h"), code.header.into()), (at("c"), code.source.into())];
                Ok((code.name, files))
            }
            #[cfg(feature = "onnx")]
            Form::Onnx | Form::Qonnx => {
                let name = export::identifier(self.name.as_deref().unwrap_or(net.name()));
                let input = match self.pixels.unwrap_or_default() {
                    Pixels::Uint8 => onnx::Input::Uint8,
                    Pixels::Float => onnx::Input::Float,
                };
                let path = self.out.join(format!("{name}.onnx"));
                let bytes = match self.to {
                    Form::Qonnx => onnx::qonnx_bytes(net, input, about),
                    _ => onnx::bytes(net, input, about),
                };
                Ok((name, vec![(path, bytes)]))
            }
            #[cfg(feature = "page")]
            Form::Page => {
                let text = page::html(net, title, about)?;
                Ok((net.name().into(), vec![(self.out.clone(), text.into())]))
            }
        }
    }
}

/// Paths and what is written there.
type Files = Vec<(PathBuf, Vec<u8>)>;

/// What the files say of the network.
fn about(source: &Source, net: &PackedNet, licence: Option<&str>) -> Outcome<About> {
    let mut lines = vec![format!("Made of {}.", source.title())];
    // A program built from a package knows no commit.
    let commit = env!("BNN_CPU_COMMIT");
    if commit != "unknown" {
        lines.push(format!("Commit of the program: {commit}."));
    }
    let test = match source {
        Source::Run(run) => run.test()?,
        Source::Weights(..) | Source::Packed(..) => None,
    };
    if let Some(test) = test {
        // Units that fire at random are read as thresholds here.
        let accuracy = test
            .threshold
            .as_ref()
            .map_or(test.accuracy, |e| e.accuracy);
        lines.push(format!(
            "Accuracy {} on the {} test images of {}, the weights of epoch {}.",
            percent(accuracy),
            grouped(test.images),
            test.dataset,
            test.epoch
        ));
    } else {
        lines.push(
            "Accuracy: not known, because the network was not read from a run with a test.".into(),
        );
    }
    if let Some(lineage) = net.lineage() {
        if let Some(run) = &lineage.run {
            lines.push(format!(
                "Run {}, configuration {}.",
                run.run_id, run.config_sha256
            ));
        }
        if !lineage.data_sha256.is_empty() {
            lines.push(format!("Trained on the data set {}.", lineage.data_sha256));
        }
    }
    if let Some(licence) = licence {
        lines.push(format!("Licence of the network: {licence}."));
    }
    Ok(About {
        sha256: seal::sha256(&net.to_bytes()?),
        licence: licence.unwrap_or_default().into(),
        lines,
    })
}
