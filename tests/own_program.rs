//! `examples/own_program.rs` is a whole program: every subcommand knows its estimator. The
//! program is this test itself, started once more for each call.

#[path = "../examples/own_program.rs"]
mod own_program;

use std::path::Path;
use std::process::{Command, ExitCode, Output};

/// Set where this test is to be the program.
const PROGRAM: &str = "BNN_CPU_TEST_IS_THE_PROGRAM";

fn main() -> ExitCode {
    if std::env::var_os(PROGRAM).is_some() {
        return own_program::main();
    }
    // There is no list of tests here.
    if std::env::args().any(|arg| arg == "--list") {
        return ExitCode::SUCCESS;
    }
    let lines = include_str!("../examples/own_program.rs").lines().count();
    assert!(lines <= 50, "{lines} lines are no glance");
    let folder = tempfile::tempdir().unwrap();
    let told = |args: &str| told(folder.path(), args);
    let known = told("estimators");
    assert!(
        known.contains("\nwide-st ") && known.contains("this example"),
        "{known}"
    );
    let run = "--model mlp --binary first --dataset digits --epochs 1";
    told(&format!("train {run} --estimator wide-st --out runs/own"));
    let config = std::fs::read_to_string(folder.path().join("runs/own/config.json")).unwrap();
    assert!(config.contains("wide-st"), "{config}");
    told("eval runs/own");
    told(&format!("sweep {run} --estimator st,wide-st --seeds 1"));
    let written = std::fs::read_dir(folder.path().join("results")).unwrap();
    let mut written = written.map(|entry| entry.unwrap().path());
    let cells = written.find(|path| path.to_string_lossy().ends_with("-cells.csv"));
    let cells = std::fs::read_to_string(cells.unwrap()).unwrap();
    assert!(cells.contains("\nestimator-wide-st,wide-st,1,"), "{cells}");
    told("report runs/own -o page.html");
    let page = std::fs::read_to_string(folder.path().join("page.html")).unwrap();
    assert!(page.contains("wide-st"));
    let lab = told(
        "lab --model mlp --binary last --probability hard-sigmoid --dataset digits --estimators st,wide-st --images 8 --draws 10 --reference-draws 10 --warm-up 2",
    );
    assert!(lab.contains("wide-st"), "{lab}");
    println!("the program knows its estimator");
    ExitCode::SUCCESS
}

/// What the program prints in that folder.
fn told(folder: &Path, args: &str) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(std::env::current_exe().unwrap())
        .args(args.split(' '))
        .current_dir(folder)
        .env(PROGRAM, "1")
        .env_remove("BNN_CPU_ISA")
        .output()
        .unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(status.success(), "{args}: {stderr}");
    String::from_utf8(stdout).unwrap()
}
