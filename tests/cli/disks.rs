//! Disks that are full, read-only or changed by somebody else, and several
//! processes on one run or one table.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::common::{Ended, Place, SMALL, ended, files};

fn small<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = SMALL.to_vec();
    args.extend(["--quiet", "--out", out]);
    args.extend(more);
    args
}

fn resume(out: &str) -> [&str; 7] {
    [
        "train", "--quiet", "--resume", "--data", "data", "--out", out,
    ]
}

/// Runs a shell script with mounts of its own, the program as `$BNN`; `None`, said
/// aloud, where that is not allowed.
fn with_mounts(place: &Place, script: &str) -> Option<Ended> {
    let shell = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-euc", script]);
        command.current_dir(place.path("."));
        command.env("BNN", env!("CARGO_BIN_EXE_bnn-cpu"));
        command.stdin(Stdio::null()).output()
    };
    let probe = "mkdir probe; mount -t tmpfs -o size=64k none probe";
    if !shell(probe).is_ok_and(|output| output.status.success()) {
        let _ = writeln!(
            std::io::stderr(),
            "left out: disks that are full or read-only (mounting needs Linux and a superuser)"
        );
        return None;
    }
    Some(ended(shell(script).unwrap()))
}

#[test]
fn a_full_disk_is_named_and_the_run_goes_on_once_there_is_room() {
    let place = Place::new();
    place.good(&small("whole", &["--epochs", "3"]));
    // Room for the best weights and for half a checkpoint.
    let script = r#"
        mkdir disk; mount -t tmpfs -o size=132k none disk
        code=0
        $BNN train --dataset idx --data data --batch 16 --lr 0.05 --quiet --epochs 3 --out disk/run 2> full.txt || code=$?
        echo $code > code.txt; ls -A disk/run > left.txt
        code=0
        $BNN train --quiet --resume --data data --out disk/run 2> again.txt || code=$?
        echo $code >> code.txt
        mount -o remount,size=16m disk
        $BNN train --quiet --resume --data data --out disk/run > /dev/null
        cp -r disk/run run
    "#;
    let Some(ended) = with_mounts(&place, script) else {
        return;
    };
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(place.bytes("code.txt"), b"1\n1\n");
    for file in ["full.txt", "again.txt"] {
        let line = String::from_utf8(place.bytes(file)).unwrap();
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(
            line.starts_with("error: cannot write disk/run/") && line.contains("No space left"),
            "{line}"
        );
    }
    let left = String::from_utf8(place.bytes("left.txt")).unwrap();
    assert!(left.contains("best.safetensors"), "{left}");
    assert!(
        !left.contains(".tmp") && !left.contains("test.json"),
        "{left}"
    );
    place.assert_same_run("whole", "run");
}

#[test]
fn a_read_only_disk_is_named_and_can_be_read() {
    let place = Place::new();
    place.good(&small("whole", &["--epochs", "2"]));
    let script = r#"
        mkdir disk; mount -t tmpfs -o size=16m none disk
        cp -r whole disk/done; cp -r whole disk/open; rm disk/open/test.json
        mount -o remount,ro disk
        try() { code=0; "$@" > out.txt 2> err.txt || code=$?; echo "$code $(cat err.txt)"; }
        try $BNN train --dataset idx --data data --quiet --epochs 1 --out disk/new
        try $BNN train --dataset idx --data data --quiet --epochs 1 --force --out disk/done
        mount -o remount,rw,size=16m disk; dd if=/dev/zero of=disk/rest bs=4k 2> /dev/null || true
        code=0; $BNN train --dataset idx --data data --quiet --epochs 1 --force --out disk/done 2> err.txt || code=$?
        echo "$code $(cat err.txt)" > full.txt
        rm disk/rest; mount -o remount,ro disk
        try $BNN train --quiet --resume --data data --out disk/open
        try $BNN data show --dataset idx --data data -o disk/x.png
        $BNN eval disk/done --data data > /dev/null
        $BNN inspect disk/open > /dev/null
    "#;
    let Some(ended) = with_mounts(&place, script) else {
        return;
    };
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines.len(), 4, "{}", ended.out);
    // Neither does a full disk lose the run that was to be replaced.
    let full = String::from_utf8(place.bytes("full.txt")).unwrap();
    assert!(
        full.starts_with("1 error: cannot write disk/done/config.json")
            && full.contains("No space"),
        "{full}"
    );
    for (line, path) in lines
        .iter()
        .zip(["disk/new", "disk/done", "disk/open", "disk/x.png"])
    {
        assert!(
            line.starts_with("1 error: cannot ")
                && line.contains(path)
                && line.ends_with("Read-only file system"),
            "{line}"
        );
    }
}

/// Starts it, and waits until the run has a checkpoint.
fn under_way(place: &Place, args: &[&str], out: &str) -> Child {
    let mut command = place.command(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    while !place.path(&format!("{out}/metrics.csv")).exists() {
        sleep(Duration::from_millis(2));
    }
    child
}

fn killed(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn files_that_are_replaced_while_a_run_works_are_noticed() {
    let place = Place::new();
    let long = small("run", &["--epochs", "100000"]);
    killed(under_way(&place, &long, "run"));

    // Other images, as many and of the same size, under the same name.
    let images = place.bytes("data/train-images-idx3-ubyte");
    let mut other = images.clone();
    other[16 + 4321] ^= 1;
    let file = place.path("data/train-images-idx3-ubyte");
    std::fs::write(&file, &other).unwrap();
    let line = place.bad(&resume("run"), 1, "other data");
    assert!(line.contains("--data"), "{line}");
    std::fs::write(&file, &images).unwrap();

    // The best weights are gone: no epoch need ever write them again.
    let best = place.bytes("run/best.safetensors");
    std::fs::remove_file(place.path("run/best.safetensors")).unwrap();
    let line = place.bad(&resume("run"), 1, "best.safetensors");
    assert!(line.contains("--force"), "{line}");
    std::fs::write(place.path("run/best.safetensors"), best).unwrap();

    // Readers find whole files, however often they look.
    let child = {
        let mut command = place.command(&resume("run"));
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    for _ in 0..5 {
        place.good(&["eval", "run", "--data", "data"]);
        place.good(&["inspect", "run"]);
    }
    // Its folder is taken away.
    std::fs::rename(place.path("run"), place.path("moved")).unwrap();
    let ended = ended(child.wait_with_output().unwrap());
    ended.assert_one_line(1, "moved, removed or replaced", &["moved away"]);
    let left = files(&place.path("moved"));
    assert!(!left.iter().any(|name| name.ends_with(".tmp")), "{left:?}");
    // Put back, it goes on where it was.
    std::fs::rename(place.path("moved"), place.path("run")).unwrap();
    place.good(&["eval", "run", "--data", "data"]);
    place.good(&["verify", "run"]);
}

#[test]
fn runs_that_begin_at_once_each_have_a_folder() {
    let place = Place::new();
    let mut args = SMALL.to_vec();
    args.extend(["--quiet", "--epochs", "1"]);
    let children: Vec<Child> = (0..4)
        .map(|_| {
            let mut command = place.command(&args);
            command.stdout(Stdio::null()).stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    for child in children {
        let ended = ended(child.wait_with_output().unwrap());
        assert_eq!(ended.code, Some(0), "{}", ended.err);
    }
    let runs = files(&place.path("runs"));
    assert_eq!(runs.len(), 4, "{runs:?}");
    for run in runs {
        assert!(place.path(&format!("runs/{run}/test.json")).exists());
    }
}

/// Takes out what a clock says.
fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for name in [
                "seconds",
                "img_per_s",
                "train_seconds",
                "provenance",
                "sha256",
                "run_id",
                "config_sha256",
            ] {
                fields.remove(name);
            }
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// The records of a table's cells, by name, without what a clock says.
fn records(place: &Place, results: &str) -> Vec<(String, Value)> {
    let cells = place.path(results).join("cells");
    let mut all = Vec::new();
    for table in files(&cells) {
        for file in files(&cells.join(&table)) {
            let text = std::fs::read(cells.join(&table).join(&file)).unwrap();
            let mut record: Value =
                serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{file}: {e}"));
            strip(&mut record);
            all.push((file, record));
        }
    }
    all
}

#[test]
fn a_table_is_filled_by_several_processes_that_are_killed_and_come_back() {
    let place = Place::new();
    let table = |results: &'static str| -> Vec<&'static str> {
        let mut args = vec!["table", "--suite", "mlp", "--epochs", "2", "--seeds", "1"];
        args.extend(["--dataset", "idx", "--data", "data", "--threads", "1"]);
        args.extend(["--json", "--results", results]);
        args
    };
    place.good(&table("whole"));
    let want = records(&place, "whole");
    assert!(want.len() >= 10, "{} cells", want.len());
    std::fs::rename(place.path("runs"), place.path("runs-of-whole")).unwrap();

    let start = || -> Vec<Child> {
        let one = |_| {
            let mut command = place.command(&table("shared"));
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        };
        (0..3).map(one).collect()
    };
    // Killed three times, each time after a few more cells.
    for round in 1..=3 {
        let children = start();
        while records_named(&place, "shared") < 3 * round {
            sleep(Duration::from_millis(2));
        }
        children.into_iter().for_each(killed);
    }
    let before = records_named(&place, "shared");
    let mut done = 0;
    for child in start() {
        let ended = ended(child.wait_with_output().unwrap());
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        done += ended.json().iter().filter(|e| e["event"] == "cell").count();
    }
    // Each cell that was open was finished by one process alone.
    assert_eq!(before + done, want.len());
    assert_eq!(records(&place, "shared"), want);
    // Whoever wrote the table last knew every cell.
    let name = |file: &String| file.ends_with(".json");
    let file = files(&place.path("whole")).into_iter().find(name).unwrap();
    let rows = |results: &str| {
        let mut table: Value =
            serde_json::from_slice(&place.bytes(&format!("{results}/{file}"))).unwrap();
        strip(&mut table);
        table
    };
    assert_eq!(rows("shared"), rows("whole"));
    // There is nothing left to do, and nothing left over.
    let last = place.good(&table("shared"));
    assert!(last.json().iter().all(|e| e["event"] != "cell"));
    let hidden = |folder: &str| {
        files(&place.path(folder))
            .iter()
            .any(|f| f.ends_with(".tmp"))
    };
    for run in files(&place.path("runs/table")) {
        for cell in files(&place.path(&format!("runs/table/{run}"))) {
            assert!(!hidden(&format!("runs/table/{run}/{cell}")), "{cell}");
        }
    }
}

/// How many records are there by now.
fn records_named(place: &Place, results: &str) -> usize {
    let cells = place.path(results).join("cells");
    let tables = files(&cells);
    let records = tables.iter().flat_map(|table| files(&cells.join(table)));
    records.filter(|name| !name.starts_with('.')).count()
}
