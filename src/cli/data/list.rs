//! `bnn-cpu data list`: what data sets there are.

use std::path::{Path, PathBuf};

use bnn_cpu::data::emnist::Part;
use bnn_cpu::data::public::PublicSet;
use bnn_cpu::data::{self, DatasetChoice, digits, mnist, omniglot, public};
use bnn_cpu::files;
use serde_json::json;

use super::super::aligned::{Align, Table};
use super::super::data_args::data_env;
use super::super::output;
use super::super::{Context, Outcome};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder to look for MNIST in, or the files of a set [default: $BNN_CPU_DATA, else
    /// data/mnist, else data/MNIST/raw]
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
}

pub fn run(args: &Args, context: &Context) -> Outcome {
    let env = data_env();
    let named = args.data.as_deref().or(env.as_deref());
    // A place with files of another kind is listed as that, and not looked for MNIST in.
    let other = named.filter(|_| data::meant(DatasetChoice::Auto, named) == DatasetChoice::Files);
    let found = match other {
        Some(_) => mnist::find(None, None)?,
        None => mnist::find(args.data.as_deref(), env.as_deref())?,
    };
    let folder = found.map(|found| found.folder);
    let mut fetched = Vec::new();
    for set in public::SETS {
        let folder = set.folder();
        let mut whole = true;
        for file in set.files {
            whole &= files::look(&folder.join(file.name))?.is_some();
        }
        fetched.push((set, whole.then_some(folder)));
    }
    if context.json {
        let mut sets = vec![
            json!({ "dataset": "mnist", "name": mnist::NAME, "folder": folder.as_ref().map(output::path) }),
            json!({ "dataset": "digits", "name": digits::NAME }),
            json!({ "dataset": "files", "folder": other.map(output::path) }),
        ];
        sets.extend(fetched.iter().map(|(set, folder)| {
            json!({ "fetch": set.name, "name": set.title, "folder": folder.as_ref().map(output::path) })
        }));
        return output::json(&json!({ "event": "data", "sets": sets }));
    }
    readable(folder.as_deref(), other).print()?;
    output::line("")?;
    fetchable(&fetched).print()
}

/// The sets that can be read, by what asks for them.
fn readable(folder: Option<&Path>, other: Option<&Path>) -> Table {
    let place = match folder {
        Some(folder) => folder.display().to_string(),
        None => "not here; get it with: bnn-cpu data fetch".into(),
    };
    let mut table = table("--dataset");
    let row = |flag: DatasetChoice, cells: [&str; 6]| {
        let mut row = vec![flag.name().to_string()];
        row.extend(cells.map(String::from));
        row
    };
    let known = ["60,000", "10,000", "10", "28x28"];
    let [train, test, classes, size] = known;
    table.row(row(
        DatasetChoice::Mnist,
        [mnist::NAME, train, test, classes, size, &place],
    ));
    table.row(row(
        DatasetChoice::Digits,
        [digits::NAME, train, test, classes, size, "built in"],
    ));
    let named = "--data DIR or FILE.zip";
    table.row(row(
        DatasetChoice::Files,
        [
            "pictures, CIFAR, arrays, IDX",
            "-",
            "-",
            "-",
            "any",
            &other.map_or("--data PATH".into(), |place| place.display().to_string()),
        ],
    ));
    table.row(row(
        DatasetChoice::Idx,
        ["any four IDX files", "-", "-", "-", "any", named],
    ));
    emnist(&mut table, named);
    table.row(row(
        DatasetChoice::Qmnist,
        ["QMNIST", "60,000", "60,000", classes, size, "--data DIR"],
    ));
    table.row(row(
        DatasetChoice::Omniglot,
        [omniglot::NAME, "17,352", "1,928", "964", "105x105", named],
    ));
    table
}

/// The parts of EMNIST. Their figures are those of their publishers.
fn emnist(table: &mut Table, named: &str) {
    for (part, train, test, classes) in [
        (Part::ByClass, "697,932", "116,323", "62"),
        (Part::ByMerge, "697,932", "116,323", "47"),
        (Part::Balanced, "112,800", "18,800", "47"),
        (Part::Letters, "124,800", "20,800", "27"),
        (Part::Digits, "240,000", "40,000", "10"),
        (Part::Mnist, "60,000", "10,000", "10"),
    ] {
        let choice = DatasetChoice::Emnist(part).name();
        let name = format!("EMNIST {}", part.name());
        let cells = [choice, &name, train, test, classes, "28x28", named];
        table.row(cells.map(String::from).to_vec());
    }
}

/// The sets that can be fetched, and how those that are here are read.
fn fetchable(fetched: &[(&PublicSet, Option<PathBuf>)]) -> Table {
    let mut table = self::table("data fetch");
    for (set, folder) in fetched {
        let place = match folder {
            Some(folder) => super::fetch::usage(set, folder),
            None => "not here".into(),
        };
        let [train, test, classes, size] = set.figures;
        let cells = [set.name, set.title, train, test, classes, size, &place];
        table.row(cells.map(String::from).to_vec());
    }
    table
}

fn table(first: &'static str) -> Table {
    Table::new(&[
        (first, Align::Left),
        ("name", Align::Left),
        ("images", Align::Right),
        ("test", Align::Right),
        ("classes", Align::Right),
        ("size", Align::Left),
        ("where", Align::Left),
    ])
}
