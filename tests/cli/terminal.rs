//! What a terminal gets that a pipe does not, seen through a pseudo-terminal.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use nix::pty::{Winsize, openpty};

use crate::common::{Place, SMALL};

/// Runs it with the standard output and error on a terminal of that many columns; what it
/// wrote there.
pub fn on_terminal(mut command: Command, columns: u16) -> String {
    let size = Winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let pty = openpty(&size, None).unwrap();
    let theirs = || Stdio::from(pty.slave.try_clone().unwrap());
    let mut child = command.stdout(theirs()).stderr(theirs()).spawn().unwrap();
    // The terminal ends when nobody holds its other side.
    drop(command);
    drop(pty.slave);
    let (mut master, mut bytes, mut chunk) = (File::from(pty.master), Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = master.read(&mut chunk) {
        bytes.extend(&chunk[..n]);
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(child.wait().unwrap().success(), "{text}");
    text
}

pub fn command(place: &Place, args: &[&str], term: &str, no_color: bool) -> Command {
    let mut command = place.command(args);
    command.env("TERM", term);
    if no_color {
        command.env("NO_COLOR", "1");
    }
    command
}

/// The sequences that set colours and weights (`ESC [ ... m`).
fn styles(text: &str) -> usize {
    let sequences = text.split("\x1b[").skip(1);
    let ends = |s: &str| {
        s.find(|c: char| c.is_ascii_alphabetic())
            .map(|i| s.as_bytes()[i])
    };
    sequences.filter(|s| ends(s) == Some(b'm')).count()
}

/// The longest line as it stood on the terminal.
fn widest(text: &str) -> usize {
    let mut plain = String::new();
    for (i, part) in text.split("\x1b[").enumerate() {
        let end = match i {
            0 => 0,
            _ => part
                .find(|c: char| c.is_ascii_alphabetic())
                .map_or(0, |i| i + 1),
        };
        // What moves the cursor begins a line anew.
        plain += if i > 0 { "\n" } else { "" };
        plain += &part[end..];
    }
    let lines = plain.split(['\n', '\r']);
    lines.map(|l| l.chars().count()).max().unwrap_or(0)
}

fn small<'a>(out: &'a str, epochs: &'a str) -> Vec<&'a str> {
    let mut args = SMALL.to_vec();
    args.extend(["--epochs", epochs, "--out", out]);
    args
}

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

#[test]
fn training_shows_a_live_curve_on_a_terminal() {
    let place = Place::new();
    let text = on_terminal(command(&place, &small("run", "30"), "xterm", false), 100);
    assert!(
        text.contains("epoch  1/30 [") && text.contains(" %  loss "),
        "{text:?}"
    );
    assert!(text.contains(BLOCKS), "{text:?}");
    assert!(styles(&text) > 0, "the result has a bold head");
    // Drawn anew, not line below line.
    assert!(text.contains('\r') && text.contains("\x1b["));

    // On a narrow terminal no line of the bar breaks; the notes are what they are.
    let narrow = on_terminal(command(&place, &small("narrow", "30"), "xterm", false), 50);
    assert!(narrow.contains(BLOCKS), "{narrow:?}");
    let bars = narrow.split(['\r', '\n']).filter(|l| l.contains(BLOCKS));
    for bar in bars {
        assert!(widest(bar) <= 50, "{bar:?}");
    }

    let plain = on_terminal(command(&place, &small("no-color", "2"), "xterm", true), 100);
    assert_eq!(styles(&plain), 0, "{plain:?}");
    let dumb = on_terminal(command(&place, &small("dumb", "2"), "dumb", false), 100);
    assert!(!dumb.contains('\x1b') && !dumb.contains(BLOCKS), "{dumb:?}");
    assert!(
        dumb.contains("epoch 1/2  train ") && dumb.contains("epoch 2/2  train "),
        "{dumb:?}"
    );
}

#[test]
fn a_table_is_shown_as_it_fills() {
    let place = Place::new();
    let args = [
        "table",
        "--suite",
        "reference",
        "--rows",
        "det-first",
        "--seeds",
        "2",
        "--epochs",
        "1",
        "--dataset",
        "idx",
        "--data",
        "data",
    ];
    let text = on_terminal(command(&place, &args, "xterm", false), 150);
    let head = text.find("accuracy %").expect("a head");
    assert!(text.contains("epochs, "), "{text:?}");
    // The row is there empty before it is there filled.
    let row = |from: usize| {
        text[from..]
            .find("deterministic, first, ST")
            .map(|i| from + i)
    };
    let first = row(head).expect("a row");
    let line: String = text[first..]
        .chars()
        .take_while(|c| !c.is_control())
        .collect();
    assert!(line.contains("  0  ") && line.contains('-'), "{line:?}");
    assert!(
        text.matches("deterministic, first, ST").count() > 2,
        "{text:?}"
    );

    // Through a pipe: a head, a line for each cell with the row so far, no sequences.
    std::fs::remove_dir_all(place.path("results")).unwrap();
    std::fs::remove_dir_all(place.path("runs")).unwrap();
    let piped = place.good(&args);
    assert!(!piped.err.contains('\x1b') && !piped.out.contains('\x1b'));
    let lines: Vec<&str> = piped
        .err
        .lines()
        .filter(|l| l.contains("accuracy %") || l.contains("cells"))
        .collect();
    assert!(
        lines[0].starts_with("row ") && lines[0].contains("accuracy %"),
        "{lines:?}"
    );
    let of_row: Vec<&&str> = lines
        .iter()
        // Its control has the same beginning, and its probability function in brackets.
        .filter(|l| l.starts_with("deterministic, first, ST") && !l.contains('('))
        .collect();
    assert_eq!(of_row.len(), 2, "{lines:?}");
    let column = |line: &str, text: &str| line.find(text).map(|i| i + text.len());
    let seeds = column(lines[0], "seeds").unwrap();
    for (line, n) in of_row.iter().zip(["1", "2"]) {
        assert_eq!(&line[seeds - 1..seeds], n, "{lines:?}");
    }
    assert!(of_row[1].contains('±'), "{lines:?}");
}

#[test]
fn results_are_bold_on_a_terminal_alone() {
    let place = Place::new();
    let args = ["inspect", "seed-net"];
    assert!(styles(&on_terminal(command(&place, &args, "xterm", false), 120)) > 0);
    for (term, no_color) in [("xterm", true), ("dumb", false)] {
        let text = on_terminal(command(&place, &args, term, no_color), 120);
        assert!(!text.contains('\x1b'), "{text:?}");
    }
    // Through a pipe nothing but text, from every command that prints tables.
    place.good(&small("run", "1"));
    for args in [
        &args[..],
        &["inspect", "run"],
        &["eval", "run", "--data", "data"],
        &["infer", "--model", "run", "--data", "data"],
        &["infer", "--model", "run", "--data", "data", "--verify"],
        &["infer", "--model", "run", "data/t10k-images-idx3-ubyte"],
        &["estimators"],
        &["--help"],
    ] {
        let ended = place.good(args);
        let text = ended.out + &ended.err;
        assert!(
            !text.contains('\x1b') && !text.is_empty(),
            "{args:?}: {text:?}"
        );
    }
}

#[test]
fn nothing_is_wider_than_the_terminal() {
    let place = Place::new();
    let train = [&small("run", "2")[..], &["--model", "mlp"]].concat();
    let commands: [&[&str]; 11] = [
        &train,
        &["eval", "run"],
        &["inspect", "seed-net"],
        &["inspect", "omniglot-mixed"],
        &["inspect", "few-shot-encoder"],
        &["inspect", "run"],
        &["inspect", "run/best.safetensors"],
        &["estimators"],
        &["data", "list"],
        &["train", "-h"],
        &["-h"],
    ];
    for columns in [80, 120] {
        for args in commands {
            let args = match args[0] {
                "train" if columns == 120 && args.len() > 2 => [args, &["--force"]].concat(),
                _ => args.to_vec(),
            };
            let text = on_terminal(command(&place, &args, "xterm", false), columns);
            let wide = widest(&text);
            assert!(
                wide <= usize::from(columns),
                "{args:?}: {wide} columns\n{text}"
            );
        }
    }
    // What is narrower there is whole in a pipe.
    let piped = place.good(&["inspect", "seed-net"]).out;
    assert!(piped.contains("1-bit params") && piped.contains("stride 1, padding 2, border 0"));
}

#[test]
fn colours_are_as_asked_for() {
    let place = Place::new();
    let inspect = |when: &'static str| ["inspect", "mlp", "--color", when];
    let never = on_terminal(command(&place, &inspect("never"), "xterm", false), 80);
    assert_eq!(styles(&never), 0, "{never}");
    let auto = on_terminal(command(&place, &inspect("auto"), "xterm", false), 80);
    assert!(styles(&auto) > 0, "{auto}");
    let always = place.good(&inspect("always")).out;
    assert!(styles(&always) > 0, "{always}");
    assert_eq!(styles(&place.good(&inspect("auto")).out), 0);
}

#[test]
fn decisions_are_explained_when_asked_for() {
    let place = Place::new();
    let args = [
        &small("run", "1")[..],
        &["--model", "mlp", "--threads", "1", "-v"],
    ]
    .concat();
    let ended = place.good(&args);
    for what in [
        "kernels: ",
        "threads: 1, as --threads says",
        "data: ",
        "names data",
        "layers: fc1: weights in panels",
    ] {
        assert!(ended.err.contains(what), "{what}: {}", ended.err);
    }
    let quiet = place.good(&[&small("b", "1")[..], &["--model", "mlp"]].concat());
    assert!(!quiet.err.contains("kernels: "), "{}", quiet.err);
    place.bad(&["inspect", "mlp", "-v", "-q"], 2, "--quiet");
}
