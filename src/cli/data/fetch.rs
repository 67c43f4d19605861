//! `bnn-cpu data fetch`: public sets out of the network.

use std::path::{Path, PathBuf};

use bnn_cpu::data::public::{self, Check, PublicSet};
use bnn_cpu::data::{download, mnist, recorded};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::json;

use super::super::progress::Progress;
use super::super::{Context, Outcome, output, places};

/// The word for MNIST, which is checked more strictly than the others.
const MNIST: &str = "mnist";

fn sets() -> impl TypedValueParser<Value = String> {
    let names = public::SETS.iter().map(|set| set.name);
    PossibleValuesParser::new([MNIST].into_iter().chain(names))
}

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which set
    #[arg(value_name = "SET", default_value = MNIST, value_parser = sets())]
    set: String,
    /// Folder for the files [default: data/ and the set's name]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address to fetch from; the names of the files are appended [default:
    /// $BNN_CPU_MIRROR, else public ones]
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
}

pub fn run(args: &Args, context: &Context) -> Outcome {
    let set = public::find(&args.set);
    let folder = match (&args.data, set) {
        (Some(folder), _) => folder.clone(),
        (None, Some(set)) => set.folder(),
        (None, None) => mnist::FOLDERS[0].into(),
    };
    places::folder(&folder)?;
    let mut progress = Progress::new(context);
    // An address that is no Unicode is refused as none, not passed over.
    let from_env = std::env::var_os("BNN_CPU_MIRROR").filter(|m| !m.is_empty());
    let from_env = from_env.map(|m| m.to_string_lossy().into_owned());
    let mirror = args.mirror.clone().or(from_env);
    let Some(set) = set else {
        let outcome = download::download(&folder, mirror.as_deref(), &mut |event| {
            progress.data(event);
        });
        progress.data_done();
        outcome?;
        progress.outcome()?;
        return say((mnist::NAME, MNIST), &folder, "checked by SHA-256", context);
    };
    let outcome = public::fetch(set, &folder, mirror.as_deref(), &mut |event| {
        progress.data(event);
    });
    progress.data_done();
    let checks = outcome?;
    progress.outcome()?;
    say((set.title, set.name), &folder, &how(&checks), context)?;
    match context.json {
        true => Ok(()),
        false => output::line(&format!("read it with: {}", usage(set, &folder))),
    }
}

fn say((title, name): (&str, &str), folder: &Path, how: &str, context: &Context) -> Outcome {
    if context.json {
        return output::json(&json!({
            "event": "fetched", "dataset": name, "folder": output::path(folder), "check": how,
        }));
    }
    output::line(&format!("{title} is in {}, {how}", folder.display()))
}

/// What the files were compared with.
fn how(checks: &[(PathBuf, Check)]) -> String {
    let all = |wanted: Check| checks.iter().all(|(_, check)| *check == wanted);
    let by = if all(Check::Published) {
        "checked by the MD5 that its publishers state"
    } else if checks.iter().any(|(_, check)| *check == Check::FirstUse) {
        "NOT checked, because nobody states what its files must be"
    } else {
        "checked by what was recorded when it was first fetched"
    };
    format!("{by}; the SHA-256 of its files is in {}", recorded::FILE)
}

/// The flags that read a set.
pub(super) fn usage(set: &PublicSet, folder: &Path) -> String {
    let choice = set.choice.map_or(String::new(), |choice| {
        format!("--dataset {} ", choice.name())
    });
    format!("{choice}--data {}", folder.display())
}
