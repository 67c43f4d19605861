//! `bnn-cpu man`: manual pages, made of the command line's own help.

use std::path::PathBuf;

use bnn_cpu::files::{create_folder, write_atomic_bytes};
use clap_mangen::Man;
use serde_json::json;

use super::{Context, Outcome, output, places};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu man -o ~/.local/share/man/man1      then: man bnn-cpu-train";

/// Write manual pages: bnn-cpu(1), and one for each subcommand
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folder of the pages
    #[arg(long, short, value_name = "DIR", default_value = "man")]
    out: PathBuf,
}

pub fn run(args: &Args, context: &Context) -> Outcome {
    places::folder(&args.out)?;
    let pages = pages(super::command());
    create_folder(&args.out)?;
    for (name, page) in &pages {
        write_atomic_bytes(&args.out.join(name), page)?;
    }
    if context.json {
        return output::json(&json!({
            "event": "man", "folder": output::path(&args.out), "pages": pages.len(),
        }));
    }
    output::line(&format!("{}: {} pages", args.out.display(), pages.len()))
}

/// The name and text of each page.
fn pages(mut program: clap::Command) -> Vec<(String, Vec<u8>)> {
    program.build();
    let mut pages = Vec::new();
    collect(&program, &mut pages);
    pages
}

fn collect(command: &clap::Command, pages: &mut Vec<(String, Vec<u8>)>) {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let man = Man::new(command.clone().name(name.to_string()));
    let mut page = Vec::new();
    // Writing into memory does not fail.
    let _ = man.render(&mut page);
    pages.push((format!("{name}.1"), page));
    let shown = |sub: &&clap::Command| !sub.is_hide_set() && sub.get_name() != "help";
    for sub in command.get_subcommands().filter(shown) {
        collect(sub, pages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subcommand_has_a_page_with_all_of_its_flags() {
        let pages = pages(crate::cli::command());
        let page = |name: &str| {
            let found = pages.iter().find(|(own, _)| own == name);
            let (_, text) = found.unwrap_or_else(|| panic!("{name}"));
            String::from_utf8(text.clone()).unwrap().replace("\\-", "-")
        };
        assert!(page("bnn-cpu.1").starts_with(".ie"), "roff");
        for flag in ["--estimator", "--epochs", "--temperature-min", "--mirror"] {
            assert!(page("bnn-cpu-train.1").contains(flag), "{flag}");
        }
        assert!(page("bnn-cpu-plot-heatmap.1").contains("--compare"));
        assert!(page("bnn-cpu.1").contains("bnn-cpu-sweep(1)"));
        let hidden = pages.iter().any(|(name, _)| name == "bnn-cpu-heatmap.1");
        assert!(!hidden, "an old name has no page");
    }
}
