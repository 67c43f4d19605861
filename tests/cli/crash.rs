//! A run that is killed at any moment, or whose disk fails at any step of any
//! write, goes on to the same bits.
//!
//! A few moments and steps in an ordinary run. `BNN_CPU_CRASHES=300` takes that many
//! of each (every step and every fault, where there are no more), and with
//! `-- --nocapture` the tests say what they did.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::{Ended, Place, SMALL, TABLE, ended, files, numbers};

/// How many kills, and how many faults.
fn crashes(few: usize) -> usize {
    match std::env::var("BNN_CPU_CRASHES") {
        Ok(n) => n.parse().expect("BNN_CPU_CRASHES is a number"),
        Err(_) => few,
    }
}

/// Past the harness's capture: what was left out must not pass unseen.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A run in which everything is random that can be: units, order, augmentation.
fn train<'a>(epochs: &'a str, out: &'a str) -> Vec<&'a str> {
    let mut args = SMALL.to_vec();
    args.extend(["--epochs", epochs, "--mode", "stoch", "--augment", "shift"]);
    args.extend(["--anneal", "linear", "--threads", "2", "--out", out]);
    args
}

/// The command that goes on with a run, or begins it where there is none yet.
fn go_on<'a>(place: &Place, epochs: &'a str, out: &'a str) -> Vec<&'a str> {
    match place.path(&format!("{out}/config.json")).exists() {
        true => vec!["train", "--resume", "--data", "data", "--out", out],
        false => train(epochs, out),
    }
}

/// The tensors of a run's checkpoint, without its times.
fn state(place: &Place, out: &str) -> Vec<u8> {
    numbers(&place.bytes(&format!("{out}/checkpoint.safetensors")))
}

/// Insists that the run is complete, equal to the unbroken one, and all there is.
fn assert_whole(place: &Place, out: &str, what: &str) {
    place.assert_same_run("whole", out);
    assert!(
        state(place, "whole") == state(place, out),
        "{what}: another last state"
    );
    let (want, found) = (files(&place.path("whole")), files(&place.path(out)));
    assert_eq!(found, want, "{what}: other files");
}

fn resume_and_compare(place: &Place, epochs: &str, out: &str, what: &str) {
    let last = place.run(&go_on(place, epochs, out));
    assert_eq!(last.code, Some(0), "{what}: {}", last.err);
    assert_whole(place, out, what);
    std::fs::remove_dir_all(place.path(out)).unwrap();
}

fn spawn(place: &Place, args: &[&str]) -> Child {
    let mut command = place.command(args);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Numbers in [0, 1) from a fixed seed.
fn random(state: &mut u64) -> f64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 11) as f64 / (1u64 << 53) as f64
}

#[test]
fn a_run_killed_at_any_moment_goes_on_to_the_same_bits() {
    const EPOCHS: &str = "12";
    let place = Place::new();
    let begun = Instant::now();
    place.good(&train(EPOCHS, "whole"));
    // A kill after the end tests nothing, so most fall into the shortest time seen.
    let mut length = begun.elapsed().as_secs_f64();
    let (mut seed, mut kills) = (7, 0);
    let (mut early, mut under_way, mut late) = (0, 0, 0);
    let wanted = crashes(8);
    for run in 0.. {
        if kills >= wanted {
            break;
        }
        let what = format!("run {run}");
        // One to three interruptions, some of them of a run that is saving itself.
        let interruptions = 1 + (random(&mut seed) * 3.0) as usize;
        for _ in 0..interruptions {
            let begun = Instant::now();
            let mut child = spawn(&place, &go_on(&place, EPOCHS, "killed"));
            sleep(Duration::from_secs_f64(random(&mut seed) * length));
            if random(&mut seed) < 0.3 {
                let pid = child.id().to_string();
                // It may have ended by itself.
                let _ = Command::new("kill").args(["-INT", &pid]).status().unwrap();
                sleep(Duration::from_secs_f64(random(&mut seed) * 0.01));
            }
            let over = child.try_wait().unwrap().is_some();
            child.kill().unwrap();
            let ended = child.wait().unwrap();
            if over {
                if ended.success() {
                    length = length.min(begun.elapsed().as_secs_f64());
                }
                late += 1;
                continue;
            }
            kills += 1;
            match place.path("killed/checkpoint.safetensors").exists() {
                true => under_way += 1,
                false => early += 1,
            }
        }
        resume_and_compare(&place, EPOCHS, "killed", &what);
    }
    say(&format!(
        "{kills} kills, {early} of them before the first checkpoint and {under_way} after it \
         ({late} came after the end): every run ended with the bits of the unbroken one"
    ));
    assert!(wanted < 8 || under_way > 0, "no kill fell into the run");
}

/// The library that makes a step fail, or `None` where it cannot be built.
fn library(place: &Place) -> Option<PathBuf> {
    let (source, built) = (
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tools/faults.c"),
        place.path("faults.so"),
    );
    let cc = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&built)
        .arg(source)
        .arg("-ldl")
        .output();
    match cc {
        Ok(output) if cfg!(target_os = "linux") && output.status.success() => Some(built),
        _ => {
            say("left out: faults inside a write (they need Linux and a C compiler)");
            None
        }
    }
}

const KINDS: [&str; 7] = ["kill", "half", "short", "ENOSPC", "EIO", "EDQUOT", "EINTR"];

#[test]
fn a_fault_at_any_step_of_any_write_loses_nothing() {
    const EPOCHS: &str = "3";
    let place = Place::new();
    let Some(library) = library(&place) else {
        return;
    };
    let with_faults = |out: &str, variables: &[(&str, &str)]| -> Ended {
        let mut command = place.command(&train(EPOCHS, out));
        command.env("LD_PRELOAD", &library);
        command.envs(variables.iter().copied());
        ended(command.output().unwrap())
    };
    let log = place.path("log");
    let whole = with_faults("whole", &[("FAULTS_LOG", log.to_str().unwrap())]);
    assert_eq!(whole.code, Some(0), "{}", whole.err);
    let log = std::fs::read_to_string(log).unwrap();
    let steps: Vec<&str> = log.lines().collect();
    for step in ["create", "write", "fsync", "rename", "fsync folder"] {
        // Configuration, test, and three files an epoch and once more.
        assert!(
            steps.iter().filter(|s| **s == step).count() >= 2 + 3 * 4,
            "the library sees too few steps: {steps:?}"
        );
    }

    let all = steps.len() * KINDS.len();
    let wanted = crashes(14).clamp(1, all);
    // Spread over all of them; 11 shares no factor with the kinds.
    let chosen = (0..wanted).map(|i| (i * all / wanted + i * 11) % all);
    let chosen: Vec<usize> = match wanted == all {
        true => (0..all).collect(),
        false => chosen.collect(),
    };
    let mut tally = [0; KINDS.len()];
    for case in chosen {
        let (at, kind) = (case / KINDS.len(), case % KINDS.len());
        tally[kind] += 1;
        let (number, kind) = (at.to_string(), KINDS[kind]);
        let what = format!("{kind} at step {at}, {}", steps[at]);
        let faults = [("FAULTS_AT", number.as_str()), ("FAULTS_KIND", kind)];
        let broken = with_faults("broken", &faults);
        // The standard library tries an interrupted call again, where it can be.
        let harmless = (kind == "short" && steps[at] != "write")
            || (kind == "short" || kind == "EINTR") && broken.code == Some(0);
        match kind {
            "kill" | "half" => assert_eq!(broken.code, None, "{what}: {}", broken.err),
            _ if harmless => {
                assert_eq!(broken.code, Some(0), "{what}: {}", broken.err);
                assert_whole(&place, "broken", &what);
            }
            _ => {
                let last = broken.err.lines().last().unwrap_or_default();
                assert_eq!(broken.code, Some(1), "{what}: {}", broken.err);
                assert!(
                    last.starts_with("error: cannot write broken/"),
                    "{what}: {last}"
                );
                assert_eq!(broken.out, "", "{what}");
                let hidden = files(&place.path("broken"));
                assert!(
                    !hidden.iter().any(|f| f.ends_with(".tmp")),
                    "{what}: {hidden:?}"
                );
            }
        }
        resume_and_compare(&place, EPOCHS, "broken", &what);
    }
    let tally: Vec<_> = KINDS.iter().zip(tally).collect();
    say(&format!(
        "{wanted} of {all} faults, one a run ({tally:?}) over {} steps: every run ended with the bits of the unbroken one",
        steps.len()
    ));
}

#[test]
fn a_run_that_is_killed_while_it_is_replaced_can_be_gone_on_with() {
    const EPOCHS: &str = "2";
    let place = Place::new();
    let Some(library) = library(&place) else {
        return;
    };
    place.good(&train(EPOCHS, "whole"));
    let files = files(&place.path("whole")).len();
    // Before the removals, the steps of trying whether the new configuration has room.
    for at in 0..files + 4 {
        for kind in ["kill", "half"] {
            place.good(&train(EPOCHS, "replaced"));
            let mut args = train(EPOCHS, "replaced");
            args.push("--force");
            let mut command = place.command(&args);
            command.env("LD_PRELOAD", &library);
            command.envs([
                ("FAULTS_AT", at.to_string().as_str()),
                ("FAULTS_KIND", kind),
            ]);
            let killed = ended(command.output().unwrap());
            assert_eq!(killed.code, None, "{kind} at {at}: {}", killed.err);
            let what = format!("{kind} at the removal of file {at}");
            resume_and_compare(&place, EPOCHS, "replaced", &what);
        }
    }
}

#[test]
fn a_look_that_fails_never_begins_a_run_over() {
    const EPOCHS: &str = "2";
    let place = Place::new();
    let Some(library) = library(&place) else {
        return;
    };
    place.good(&train(EPOCHS, "whole"));
    place.good(&TABLE);
    // The record of a cell: its name is what the fault waits for.
    let cells = files(&place.path("results/cells/mlp-data-1-epochs"));
    let mut resumed = vec!["train", "--resume", "--data", "data", "--out", "run"];
    resumed.push("--quiet");
    let begun = train(EPOCHS, "run");
    let mut tried = 0;
    for error in ["EIO", "ESTALE", "EACCES", "ELOOP"] {
        for (unseen, args) in [
            ("config.json", &resumed),
            ("config.json", &begun),
            ("checkpoint.safetensors", &resumed),
            ("best.safetensors", &resumed),
            ("test.json", &resumed),
            (cells[0].as_str(), &TABLE.to_vec()),
        ] {
            // A run that has an epoch to go.
            let _ = std::fs::remove_dir_all(place.path("run"));
            std::fs::create_dir(place.path("run")).unwrap();
            for name in files(&place.path("whole")) {
                let from = place.path(&format!("whole/{name}"));
                std::fs::copy(from, place.path(&format!("run/{name}"))).unwrap();
            }
            if unseen != "test.json" {
                std::fs::remove_file(place.path("run/test.json")).unwrap();
            }
            let before: Vec<_> = files(&place.path("run"))
                .iter()
                .map(|name| place.bytes(&format!("run/{name}")))
                .collect();
            let mut command = place.command(args);
            command.env("LD_PRELOAD", &library);
            command.envs([("FAULTS_UNSEEN", unseen), ("FAULTS_ERROR", error)]);
            let failed = ended(command.output().unwrap());
            let what = format!("{error} on {unseen}, {args:?}");
            assert_eq!(failed.code, Some(1), "{what}: {}{}", failed.out, failed.err);
            assert_eq!(failed.err.lines().count(), 1, "{what}: {}", failed.err);
            assert!(failed.err.contains(unseen), "{what}: {}", failed.err);
            let after: Vec<_> = files(&place.path("run"))
                .iter()
                .map(|name| place.bytes(&format!("run/{name}")))
                .collect();
            assert!(before == after, "{what}: the run was changed");
            tried += 1;
        }
    }
    say(&format!(
        "{tried} looks that failed: one line each, nothing changed"
    ));
}

#[test]
fn a_disk_that_cannot_sync_folders_is_spoken_of_once() {
    let place = Place::new();
    let Some(library) = library(&place) else {
        return;
    };
    for kind in ["EINVAL", "ENOTSUP"] {
        let mut command = place.command(&train("2", kind));
        command.arg("--quiet");
        command.env("LD_PRELOAD", &library);
        command.env("FAULTS_FOLDERS", kind);
        let done = ended(command.output().unwrap());
        assert_eq!(done.code, Some(0), "{kind}: {}", done.err);
        assert_eq!(done.err.lines().count(), 1, "{kind}: {}", done.err);
        assert!(done.err.contains("cannot force a folder"), "{}", done.err);
        place.good(&["verify", kind]);
    }
}

/// Temporary files below the place.
fn temporaries(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(temporaries(&path)),
            false if path.extension().is_some_and(|e| e == "tmp") => found.push(path),
            false => {}
        }
    }
    found
}

#[test]
fn what_a_killed_command_left_is_swept_by_the_next_one() {
    let place = Place::new();
    let Some(library) = library(&place) else {
        return;
    };
    let net = [
        "--epochs", "1", "--model", "xnor-net", "--quiet", "--out", "run",
    ];
    place.good(&[&SMALL[..], &net].concat());
    place.good(&TABLE);
    let render = [&TABLE[..], &["--render"]].concat();
    let picture = [
        "data",
        "show",
        "--dataset",
        "idx",
        "--data",
        "data",
        "-o",
        "sheet.png",
    ];
    let commands: [&[&str]; 4] = [
        &["pack", "run", "-o", "net.packed"],
        &picture,
        &TABLE,
        &["curves", "run", "-o", "pictures"],
    ];
    for args in commands {
        if args[0] == "table" {
            // Of a finished table the record of a cell is not written again.
            std::fs::remove_dir_all(place.path("results")).unwrap();
        }
        let mut command = place.command(args);
        command.env("LD_PRELOAD", &library);
        // The first rename of all: the temporary file is written and has no other name.
        command.envs([("FAULTS_AT", "3"), ("FAULTS_KIND", "kill")]);
        let killed = ended(command.output().unwrap());
        assert_eq!(killed.code, None, "{args:?}: {}", killed.err);
        let left = temporaries(&place.path("."));
        assert!(!left.is_empty(), "{args:?} left nothing");
        place.good(args);
        let left = temporaries(&place.path("."));
        assert!(left.is_empty(), "{args:?}: {left:?}");
    }
    place.good(&render);
}
