//! Signals as a shell hands them on: those that were ignored stay so, and a limit to the
//! size of a file is a failed write.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::common::{Ended, Place, SMALL, ended, files};

/// The program under a shell that first does `before`, in whose place it runs.
fn under_shell(place: &Place, before: &str, args: &[&str]) -> Command {
    let mut command = Command::new("sh");
    let plain = place.command(&[]);
    command
        .args(["-c", &format!("{before}; exec \"$0\" \"$@\"")])
        .arg(plain.get_program())
        .args(args)
        .current_dir(place.path("."))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn long(out: &str) -> Vec<&str> {
    [&SMALL[..], &["--epochs", "100000", "--out", out]].concat()
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let status = Command::new("kill").args([name, &pid]).status().unwrap();
    assert!(status.success());
}

struct Running {
    child: Child,
    progress: BufReader<ChildStderr>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let progress = BufReader::new(child.stderr.take().unwrap());
        Self { child, progress }
    }

    /// Waits until two more epochs are done.
    fn goes_on(&mut self) {
        for _ in 0..2 {
            let mut line = String::new();
            while !line.starts_with("epoch") {
                line.clear();
                assert!(self.progress.read_line(&mut line).unwrap() > 0, "it ended");
            }
        }
    }

    fn end(mut self) -> Ended {
        let mut rest = String::new();
        self.progress.read_to_string(&mut rest).unwrap();
        let mut ended = ended(self.child.wait_with_output().unwrap());
        ended.err = rest;
        ended
    }
}

#[test]
fn a_signal_that_is_not_ignored_saves_and_ends() {
    let place = Place::new();
    for name in ["-HUP", "-INT", "-TERM"] {
        let out = format!("run{name}");
        let mut run = Running::start(under_shell(&place, "true", &long(&out)));
        run.goes_on();
        signal(&run.child, name);
        let ended = run.end();
        assert_eq!(ended.code, Some(130), "{name}: {}", ended.err);
        assert!(ended.err.contains("finishing the step"), "{}", ended.err);
        assert!(ended.err.contains("--resume"), "{}", ended.err);
        assert!(files(&place.path(&out)).contains(&"checkpoint.safetensors".to_string()));
    }
}

/// Only Linux tells what was ignored.
#[cfg(target_os = "linux")]
#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    let place = Place::new();
    let cases: [(&str, &[&str], &str); 4] = [
        // As nohup does.
        ("trap '' HUP", &["-HUP"], "-INT"),
        // As a shell without job control does with `command &`.
        ("trap '' INT QUIT", &["-INT"], "-TERM"),
        ("trap '' TERM", &["-TERM"], "-HUP"),
        ("trap '' HUP TERM", &["-HUP", "-TERM"], "-INT"),
    ];
    for (i, (trap, ignored, heard)) in cases.into_iter().enumerate() {
        let out = format!("run{i}");
        let mut run = Running::start(under_shell(&place, trap, &long(&out)));
        run.goes_on();
        for name in ignored {
            // Twice: neither as the first nor as the second does it count.
            for _ in 0..2 {
                signal(&run.child, name);
                run.goes_on();
            }
        }
        signal(&run.child, heard);
        let ended = run.end();
        assert_eq!(ended.code, Some(130), "{trap}: {}", ended.err);
        assert_eq!(ended.err.matches("finishing the step").count(), 1, "{trap}");
        assert!(ended.err.contains("--resume"), "{trap}: {}", ended.err);
    }
    // With all of them ignored it comes to its end.
    let short = [&SMALL[..], &["--epochs", "40", "--out", "short"]].concat();
    let mut run = Running::start(under_shell(&place, "trap '' HUP INT TERM", &short));
    run.goes_on();
    for name in ["-HUP", "-INT", "-TERM"] {
        signal(&run.child, name);
    }
    let ended = run.end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(place.path("short/test.json").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn nohup_outlives_the_terminal() {
    let place = Place::new();
    let mut command = under_shell(&place, "true", &long("run"));
    command.args(["--quiet"]);
    // A program of its own, whose child the signal goes to: it replaces itself.
    let mut nohup = Command::new("nohup");
    nohup
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(place.path("."))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = nohup.spawn().unwrap();
    let wait_for = |name: &str, least: usize| {
        let started = std::time::Instant::now();
        loop {
            let text = std::fs::read_to_string(place.path(name)).unwrap_or_default();
            if text.lines().count() >= least {
                return text.lines().count();
            }
            assert!(started.elapsed().as_secs() < 300, "no epoch was finished");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    let done = wait_for("run/metrics.jsonl", 1);
    signal(&child, "-HUP");
    wait_for("run/metrics.jsonl", done + 3);
    signal(&child, "-INT");
    let ended = ended(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(130), "{}", ended.err);
}

#[test]
fn a_limit_to_the_size_of_files_is_a_failed_write() {
    let place = Place::new();
    place.good(&[&SMALL[..], &["--epochs", "1", "--quiet", "--out", "whole"]].concat());
    let train = [&SMALL[..], &["--epochs", "1", "--quiet", "--out", "run"]].concat();
    let commands: [(&[&str], &str); 4] = [
        (&train, "cannot write run/"),
        (
            &["pack", "whole", "-o", "net.packed"],
            "cannot write net.packed",
        ),
        (
            &["report", "whole", "--data", "data", "--quiet"],
            "cannot write report.html",
        ),
        (
            &["heatmap", "whole", "--data", "data", "-o", "maps"],
            "cannot write maps/",
        ),
    ];
    for (args, mention) in commands {
        for before in ["ulimit -f 1", "trap '' XFSZ; ulimit -f 1"] {
            let output = under_shell(&place, before, args).output().unwrap();
            let ended = ended(output);
            ended.assert_one_line(1, mention, args);
            assert!(ended.err.contains("File too large"), "{}", ended.err);
            std::fs::remove_dir_all(place.path("run")).ok();
        }
    }
    assert!(!place.path("net.packed").exists() && !place.path("report.html").exists());
    // The standard output as well.
    let before = "ulimit -f 1; exec > out.txt";
    let output = under_shell(&place, before, &["train", "--help"]).output();
    let ended = ended(output.unwrap());
    ended.assert_one_line(1, "standard output", &["--help"]);
}
