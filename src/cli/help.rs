//! How much of itself each form of help shows: `-h` is one screen, the flags that most calls need
//! in a line each; `--help` is all of them, whole.

use clap::{Arg, Command};

/// The flags of a network, a training and a data set that `-h` shows, each with its line there;
/// `--help` shows the others as well. Flags of other headings are always shown.
const MAIN: [(&str, &str); 16] = [
    ("model", "seed-net, mlp, xnor-net, ..., or a JSON file"),
    ("binary", "Which activations: none, first, last, both, 1,3"),
    ("mode", "How binary units fire: det or stoch"),
    ("estimator", "Their gradient: st, disarm, reinforce, ..."),
    ("recipe", "Settings of a recipe such as xnor-net"),
    ("out", ""),
    ("resume", "Go on with --out, or the newest unfinished run"),
    ("epochs", "Passes over the training images [default: 10]"),
    ("batch", "Images in a step [default: 64]"),
    ("seed", "Of weights, split, order and noise [default: 1]"),
    ("optimizer", "sgd, adam or adamw [default: sgd]"),
    ("lr", "Learning rate, or its peak [default: 0.1]"),
    (
        "lr-schedule",
        "constant, step, cosine, one-cycle or plateau",
    ),
    ("anneal", "The slope: none, linear, exp, step or cosine"),
    ("dataset", "auto, mnist, digits, omniglot, files, ..."),
    ("data", "Folder or file of the images"),
];

/// Headings of which `-h` shows the flags above alone.
const LONG: [&str; 8] = [
    "Network",
    "Run",
    "Training",
    "Optimiser",
    "Schedules",
    "Sampling",
    "Few-shot learning",
    "Data",
];

/// The flags that every subcommand has. The help of each would be half of theirs.
pub const EVERYWHERE: &str = "\
Everywhere:
      --isa <ISA>     Instruction set of the kernels: scalar, avx2, avx512, neon
                      [default: $BNN_CPU_ISA, else the fastest there is]
      --threads <N>   Threads to work on; results do not depend on them
                      [default: all cores]
  -v, --verbose       Say what was decided, and why: kernels, data, layers
  -q, --quiet         No progress; only results, warnings and errors
      --color <WHEN>  auto, always or never [default: auto, on a terminal
                      without $NO_COLOR]
      --json          Results and events as JSON, one object a line, on the
                      standard output";

/// What stands below the help of a subcommand in their place.
const SHARED: &str = "Everywhere: --isa, --threads, -v, -q, --color, --json (see bnn-cpu --help)";

/// The command with short and long help told apart, and what is shared said once. A subcommand is
/// arranged when it is asked for: all of them would take longer than most answers.
pub fn arranged(command: Command) -> Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|c| c.get_name().into())
        .collect();
    names.into_iter().fold(command, |whole, name| {
        whole.mut_subcommand(name, |command| command.defer(sub))
    })
}

fn sub(command: Command) -> Command {
    if command.has_subcommands() {
        return arranged(command);
    }
    let long = command.get_after_long_help().or(command.get_after_help());
    let long = long.map_or(SHARED.to_string(), |text| format!("{SHARED}\n\n{text}"));
    let more = "More flags and examples: --help. Everywhere: --threads, -v, -q, --json, ...";
    // Those of every subcommand are there by now, as they should be.
    let command = command.mut_args(|arg| match arg.is_global_set() {
        true => arg,
        false => shortened(signed(arg)),
    });
    command.after_help(more).after_long_help(long)
}

/// The flag with numbers below 0 for its values: what is wrong with them its parser says, which
/// knows more than that `-1` is no flag.
fn signed(arg: Arg) -> Arg {
    match arg.get_action().takes_values() && !arg.is_positional() {
        true => arg.allow_negative_numbers(true),
        false => arg,
    }
}

/// The line of a flag that `-h` shows; `None` for others.
fn line(arg: &Arg) -> Option<&'static str> {
    let heading = arg.get_help_heading().unwrap_or_default();
    let name = arg.get_long().unwrap_or_default();
    let main = MAIN.iter().find(|(main, _)| *main == name);
    match (main, LONG.contains(&heading)) {
        (Some((_, line)), true) => Some(line),
        (None, true) => None,
        (_, false) => Some(""),
    }
}

/// The flag with a line for `-h` and all of its text for `--help`.
fn shortened(arg: Arg) -> Arg {
    let Some(line) = line(&arg) else {
        return arg.hide_short_help(true);
    };
    let Some(text) = arg.get_help().map(ToString::to_string) else {
        return arg;
    };
    let mut whole = match arg.get_long_help() {
        Some(long) => long.to_string(),
        None => text.clone(),
    };
    let values = arg.get_possible_values();
    let values: Vec<&str> = values
        .iter()
        .map(clap::builder::PossibleValue::get_name)
        .collect();
    let takes_value = arg.get_action().takes_values();
    if takes_value && !values.is_empty() && !arg.is_hide_possible_values_set() {
        whole += &format!("\n\n[possible values: {}]", values.join(", "));
    }
    let line = match line {
        "" => first_clause(&text).to_string(),
        line => line.to_string(),
    };
    let arg = arg.help(line).long_help(whole);
    match takes_value {
        true => arg.hide_possible_values(true),
        false => arg,
    }
}

/// The beginning of a text, up to where its first clause ends.
fn first_clause(text: &str) -> &str {
    let text = text.split(" [default").next().unwrap_or(text);
    let ends = [". ", "; ", ": "].iter().filter_map(|end| text.find(end));
    // A word before a colon says nothing alone.
    let end = ends.filter(|at| *at > 16).min();
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clause_ends_where_a_reader_would_stop() {
        for (text, short) in [
            ("Optimiser [default: sgd]", "Optimiser"),
            (
                "How binary units fire. det: [x > 0]",
                "How binary units fire",
            ),
            (
                "Few-shot: the classes, as a folder; or",
                "Few-shot: the classes, as a folder",
            ),
        ] {
            assert_eq!(first_clause(text), short);
        }
    }

    #[test]
    fn short_help_is_a_screen_and_long_help_has_every_flag() {
        let mut program = crate::cli::command();
        program.build();
        let root = program.render_help().to_string();
        for command in program.get_subcommands_mut() {
            let name = command.get_name().to_string();
            let (short, long) = (command.render_help(), command.render_long_help());
            let (short, long) = (short.to_string(), long.to_string());
            let lines = short.lines().count();
            assert!(lines <= 50, "{name}: {lines} lines");
            for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
                let Some(flag) = arg.get_long() else { continue };
                let flag = format!("--{flag}");
                assert!(
                    long.contains(&flag) || root.contains(&flag),
                    "{name} {flag}"
                );
            }
        }
    }
}
