//! Run by cargo before the crate is compiled: notes the commit that it is built from,
//! which every record of a figure states.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What decides the program's bits.
const SOURCES: [&str; 3] = ["src", "Cargo.toml", "Cargo.lock"];

fn main() {
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    // A commit changes no source, but the log of HEAD.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"])
        && Path::new(&log).exists()
    {
        println!("cargo::rerun-if-changed={log}");
    }
    let commit = checkout().or_else(package);
    if commit.is_none() && Path::new(".git").exists() {
        // Records would say so for good.
        println!("cargo::warning=git does not tell the commit, so records will state `unknown`");
    }
    let commit = commit.unwrap_or("unknown".into());
    println!("cargo::rustc-env=BNN_CPU_COMMIT={commit}");
}

/// The commit of the checkout that this folder is the root of.
fn checkout() -> Option<String> {
    // A package that was unpacked below another project's checkout is not of that project.
    let root = Path::new(&git(&["rev-parse", "--show-toplevel"])?).canonicalize();
    let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?).canonicalize();
    if root.ok()? != here.ok()? {
        return None;
    }
    let commit = git(&["rev-parse", "HEAD"])?;
    let mut status = vec!["status", "--porcelain", "--"];
    status.extend(SOURCES);
    match git(&status)?.is_empty() {
        true => Some(commit),
        false => Some(format!("{commit}, changed")),
    }
}

/// The commit that `cargo package` noted.
fn package() -> Option<String> {
    let text = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, after) = text.split_once("\"sha1\": \"")?;
    let (commit, _) = after.split_once('"')?;
    Some(commit.into())
}

/// What git answers; `None` where there is none, or it fails.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().into())
}
