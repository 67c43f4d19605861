//! Commands that run within another program: in a process of their own, which no other test
//! prints from.

use std::sync::{Arc, Mutex};

use bnn_cpu::cli::within::{Host, Stream, message, run, training};

fn heard() -> (Host, Arc<Mutex<Vec<String>>>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let to = lines.clone();
    let host = move |_: Stream, line: &str| to.lock().unwrap().push(line.to_string());
    (Arc::new(host), lines)
}

#[test]
fn the_lines_of_a_command_go_to_its_host() {
    let (host, lines) = heard();
    let args = ["estimators", "--json"].map(String::from);
    run(&args, None, host).unwrap();
    let lines = lines.lock().unwrap();
    assert!(
        lines.iter().any(|l| l.contains("\"name\":\"st\"")),
        "{lines:?}"
    );
}

#[test]
fn what_is_wrong_is_returned_in_one_line() {
    for (args, says) in [
        (&["nonsense"][..], "nonsense"),
        (&["eval", "/no/such/run"], "/no/such/run"),
        (&["train", "--lr", "-1"], "lr"),
        (&[], "subcommand"),
    ] {
        let args: Vec<String> = args.iter().map(|arg| arg.to_string()).collect();
        let failure = run(&args, None, heard().0).unwrap_err();
        let message = message(&failure);
        assert!(
            message.contains(says) && message.lines().count() == 1,
            "{message}"
        );
    }
    assert!(run(&["serve".into()], None, heard().0).is_err());
}

#[test]
fn settings_are_those_of_the_program() {
    let digits = bnn_cpu::data::digits::generate(1, 100, 10);
    let flags = ["--mode", "stoch", "--estimator", "disarm", "--epochs", "3"].map(String::from);
    let settled = training(&flags, Some(digits), heard().0).unwrap();
    assert_eq!(settled.config.epochs, 3);
    assert_eq!(settled.config.dataset.train, 100);
    let tuned = settled.notes.iter().any(|n| n.contains("estimator-disarm"));
    assert!(tuned, "{:?}", settled.notes);
}
