//! Same seed, same bits: on any number of threads, and after any interruption.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::common::{Ended, Place, SMALL, ended};

const EPOCHS: &str = "40";

fn long(out: &str) -> Vec<&str> {
    let mut args = SMALL.to_vec();
    args.extend(["--epochs", EPOCHS, "--mode", "stoch", "--augment", "shift"]);
    args.extend(["--anneal", "linear", "--threads", "2", "--out", out]);
    args
}

fn resume(out: &str) -> [&str; 6] {
    ["train", "--resume", "--data", "data", "--out", out]
}

fn start(place: &Place, args: &[&str]) -> Child {
    let mut command = place.command(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let status = Command::new("kill").args([name, &pid]).status().unwrap();
    assert!(status.success());
}

/// Starts it, waits for its `lines`-th line of progress, and sends a signal.
fn interrupted(place: &Place, args: &[&str], lines: usize, name: &str) -> Ended {
    let mut child = start(place, args);
    let mut progress = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    for _ in 0..lines {
        line.clear();
        assert!(progress.read_line(&mut line).unwrap() > 0, "it ended early");
    }
    signal(&child, name);
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut progress, &mut rest).unwrap();
    let mut ended = ended(child.wait_with_output().unwrap());
    ended.err = rest;
    ended
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let place = Place::new();
    for threads in ["1", "2", "3", "8"] {
        let mut args = SMALL.to_vec();
        let out = format!("run{threads}");
        args.extend(["--epochs", "2", "--mode", "stoch", "--augment", "elastic"]);
        args.extend(["--threads", threads, "--out", &out]);
        place.good(&args);
        place.assert_same_run("run1", &out);
    }
}

#[test]
fn a_killed_run_goes_on_to_the_same_bits() {
    let place = Place::new();
    place.good(&long("whole"));
    // Different moments on every machine and in every run of the test.
    let mut word = std::process::id();
    let mut child = start(&place, &long("killed"));
    let mut under_way = 0;
    // Longer and longer, so that even a busy machine gets to an epoch's end.
    for attempt in 1..=40 {
        if under_way == 5 {
            break;
        }
        word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        sleep(Duration::from_millis(u64::from(
            20 + (word >> 8) % (100 * attempt),
        )));
        child.kill().unwrap();
        child.wait().unwrap();
        let exists = |file: &str| place.path(&format!("killed/{file}")).exists();
        under_way += usize::from(exists("checkpoint.safetensors") && !exists("test.json"));
        if !exists("config.json") {
            // Killed before it had begun.
            child = start(&place, &long("killed"));
        } else {
            child = start(&place, &resume("killed"));
        }
    }
    assert!(under_way > 0, "no kill fell into the run: make it longer");
    let last = ended(child.wait_with_output().unwrap());
    assert_eq!(last.code, Some(0), "{}", last.err);
    place.assert_same_run("whole", "killed");
    assert_eq!(place.metrics("killed").len().to_string(), EPOCHS);
}

#[test]
fn a_signal_saves_and_the_run_goes_on_to_the_same_bits() {
    let place = Place::new();
    place.good(&long("whole"));
    for (name, lines) in [("-INT", 3), ("-TERM", 5)] {
        let out = format!("run{name}");
        let stopped = interrupted(&place, &long(&out), lines, name);
        assert_eq!(stopped.code, Some(130), "{}", stopped.err);
        let last = stopped.err.lines().last().unwrap();
        assert!(last.contains("--resume") && last.contains(&out), "{last}");
        assert!(!place.path(&format!("{out}/test.json")).exists());
        let again = interrupted(&place, &resume(&out), 2, name);
        assert_eq!(again.code, Some(130), "{}", again.err);
        place.good(&resume(&out));
        place.assert_same_run("whole", &out);
    }
}

#[test]
fn resume_finds_the_newest_unfinished_run() {
    let place = Place::new();
    let mut args = SMALL.to_vec();
    args.extend(["--epochs", EPOCHS]);
    let stopped = interrupted(&place, &args, 2, "-INT");
    assert_eq!(stopped.code, Some(130), "{}", stopped.err);
    // A finished one that is newer.
    let mut args = SMALL.to_vec();
    args.extend(["--epochs", "1"]);
    place.good(&args);
    let found = place.good(&["train", "--resume", "--data", "data"]);
    assert!(
        found.err.contains("runs/seed-net-both-det-st-1"),
        "{}",
        found.err
    );
    assert!(place.path("runs/seed-net-both-det-st-1/test.json").exists());
    assert!(place.path("runs/seed-net-both-det-st-2/test.json").exists());
    let complete = place.good(&["train", "--resume"]);
    assert!(complete.err.contains("complete"), "{}", complete.err);
}

#[test]
fn two_signals_end_it_at_once_and_a_folder_has_one_writer() {
    let place = Place::new();
    let mut args = SMALL.to_vec();
    args.extend(["--epochs", "100000", "--out", "run"]);
    let mut child = start(&place, &args);
    let mut progress = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("epoch") {
        line.clear();
        assert!(progress.read_line(&mut line).unwrap() > 0);
    }
    place.bad(&resume("run"), 1, "in use");
    args.push("--force");
    place.bad(&args, 1, "in use");
    // Reading is allowed meanwhile.
    place.good(&["inspect", "run"]);
    signal(&child, "-INT");
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_reader_that_leaves_ends_the_program_quietly() {
    let place = Place::new();
    let mut args = long("run");
    args.push("--json");
    for args in [
        &args[..],
        &["completions", "zsh"],
        &["inspect", "seed-net"],
        &["--help"],
    ] {
        let mut child = start(&place, args);
        drop(child.stdout.take());
        let ended = ended(child.wait_with_output().unwrap());
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{args:?}");
    }
    // Training was saved, not lost.
    place.good(&resume("run"));
}
